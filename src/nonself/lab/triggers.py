"""Benign triggers: things that look odd and are not. Half of what an analyst sees is of this kind, so they are here on purpose."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace

from nonself.lab import activities as do
from nonself.lab import emit_cloud as aws
from nonself.lab import emit_logon as auth
from nonself.lab import emit_windows as win
from nonself.lab import life
from nonself.lab import technical as tech
from nonself.lab.catalog import FIRST_NAMES, LAST_NAMES, PROGRAMS
from nonself.lab.clock import DAY, HOUR, MINUTE, MS, SECOND, iso, poisson, regularly, sometimes, stream
from nonself.lab.company import Account, Company, Machine, Person, site, site_name
from nonself.lab.emit import Scene
from nonself.lab.emit_cloud import Call
from nonself.lab.emit_windows import Proc
from nonself.lab.emit_zeek import Flow
from nonself.lab.write import Journal, Label

LAN_ABROAD = "192.168.178.43"
_PORTS = (21, 22, 23, 25, 53, 80, 88, 110, 135, 139, 143, 389, 443, 445, 993, 1433, 1521, 3306, 3389, 5432, 5900, 5985, 8080, 8443, 9200)
_LISTENING = {"dc01": (53, 88, 135, 139, 389, 445, 3389, 5985), "db01": (135, 445, 1433, 3389, 5985), "web01": (22, 80, 443)}


@dataclass(frozen=True, slots=True)
class Trigger:
    """`days` gives the days (counted from the first) it happens on; `act` makes it happen on one of them."""

    name: str
    days: Callable[[Company], tuple[int, ...]]
    act: Callable[[Scene, int], None]


def live(company: Company, journal: Journal, person: Person, day: int) -> None:
    """A person's day, in the office or, for the traveller, the same work seen from another network."""
    if day == travel_day(company) and person is traveller(company):
        with journal.labelled(Label("benign trigger", "travel", "travel", "", day)):
            life.live(company, journal, person, day, LAN_ABROAD)
    else:
        life.live(company, journal, person, day, fashions=fashions(company, day))


def happen(company: Company, journal: Journal, day: int) -> None:
    """All triggers of one day that are nobody's own."""
    for number, trigger in enumerate(TRIGGERS):
        if day in trigger.days(company):
            with journal.labelled(Label("benign trigger", trigger.name, trigger.name, "", number * 1_000 + day)):
                trigger.act(Scene(company, journal, stream(company.seed, "trigger", trigger.name, day)), company.first + day * DAY)


def traveller(company: Company) -> Person:
    """The developer who works from elsewhere on the travel day: one who works that day, and carries the laptop home."""
    able = [person for person in company.of("developer") if not person.machine.docked]
    return next((person for person in able if life.shift(company, person, travel_day(company))), able[0])


def travel_day(company: Company) -> int:
    return next(iter(_nth(2)(company)), -1)


def _workdays(company: Company) -> list[int]:
    return [day for day in range(company.days) if company.workday(day)]


def _nth(number: int) -> Callable[[Company], tuple[int, ...]]:
    """The working day `number` (from 0), or the last there is."""
    return lambda company: (_workdays(company)[: number + 1][-1],) if _workdays(company) else ()


def _since(number: int) -> Callable[[Company], tuple[int, ...]]:
    """Every day from a working day on."""
    return lambda company: tuple(range(_nth(number)(company)[0], company.days)) if _workdays(company) else ()


def _every(company: Company) -> tuple[int, ...]:
    return tuple(range(company.days))


def _present(scene: Scene, start: int, at: int) -> list[Person]:
    """Who sits before a laptop in the office at a time of a day."""
    company, day = scene.company, (start - scene.company.first) // DAY
    shifts = [(person, life.shift(company, person, day)) for person in company.people]
    here = [person for person, present in shifts if present and present.start + 5 * MINUTE < at < present.end - 5 * MINUTE]
    return [person for person in here if not (day == travel_day(company) and person is traveller(company))]


def _scan(scene: Scene, start: int) -> None:
    """The vulnerability scanner looks at every machine that is on, and logs on where it has an account."""
    rng, company = scene.rng, scene.company
    scanner, account = company.servers["mon01"], company.accounts["svc_scan"]
    targets = [*company.servers.values(), *(person.machine for person in company.people if person.machine.docked)]
    at = start + 22 * HOUR + rng.randrange(20) * MINUTE
    for target in targets:
        if target is scanner:
            continue
        for port in _PORTS:
            at += int(rng.expovariate(1 / 0.4) * SECOND)
            _probe(scene, at, scanner, target, port)
        if target.os == "windows":
            at += 2 * SECOND
            scene.smb(at, account, scanner, target, 60_000, 900_000, 25, ntlm=True, admin=True)
            wmi = scene.resident(target, "wmiprvse")
            scene.run(at + 9 * SECOND, wmi, "cmd", "cmd.exe /c reg query HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall", 2)


def _probe(scene: Scene, at: int, scanner: Machine, target: Machine, port: int) -> None:
    listening = port in _LISTENING.get(target.name, (135, 139, 445))
    state = "RSTO" if listening else "REJ" if scene.rng.random() < 0.6 else "S0"
    flow = Flow(at, scanner.ip, scene.port(), target.ip, port, duration=scene.rng.randrange(1, 80) * MS, host=scanner.name)
    scene.wire(flow, "-", 24 if listening else 0, 90 if listening else 0, state)


def _encoded(scene: Scene, start: int) -> None:
    """An administrator sends a script, encoded, to some laptops by the software distribution."""
    rng, at = scene.rng, start + 14 * HOUR + scene.rng.randrange(40) * MINUTE
    text = (
        "$p='HKLM:\\SOFTWARE\\Policies\\Microsoft\\Windows NT\\Printers';if(!(Test-Path $p)){New-Item $p -Force|Out-Null};"
        "Set-ItemProperty $p -Name RegisterSpoolerRemoteRpcEndPoint -Value 2;Restart-Service Spooler"
    )
    command = f"powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand {encode(text)}"
    for person in _present(scene, start, at)[::2][:14]:
        when = at + int(rng.expovariate(1 / 300) * SECOND)
        shell = scene.run(when, scene.resident(person.machine, "agent"), "powershell", command, 4)
        scene.script(when + 700 * MS, shell, text)
        key = "HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows NT\\Printers\\RegisterSpoolerRemoteRpcEndPoint"
        scene.registry(when + 900 * MS, shell, key, "DWORD (0x00000002)")


def encode(script: str) -> str:
    """A script as `-EncodedCommand` takes it."""
    return base64.b64encode(script.encode("utf-16-le")).decode()


def _backup(scene: Scene, start: int) -> None:
    """Each night the backup server pulls gigabytes and sends some of them to a vault outside."""
    rng, company = scene.rng, scene.company
    backup, account = company.servers["bk01"], company.accounts["svc_backup"]
    agent, at = scene.resident(backup, "backup"), start + HOUR + rng.randrange(25) * MINUTE
    for name in ("fs01", "db01"):
        seconds = rng.uniform(1_200, 2_600)
        scene.smb(at, account, backup, company.servers[name], 4_000_000, int(rng.uniform(2.5, 7) * 1e9), seconds, admin=True)
        at += int((seconds + 60) * SECOND)
    for _ in range(3):
        seconds = rng.uniform(500, 1_100)
        scene.fetch(at, agent, company.services["offsite"], int(rng.uniform(0.5, 1.2) * 1e9), 900_000, seconds)
        at += int(seconds * SECOND)


def _forgotten(scene: Scene, start: int) -> None:
    """After a change of password somebody needs several attempts, at the keyboard and on the file server."""
    rng, company = scene.rng, scene.company
    here = _present(scene, start, start + 11 * HOUR)
    if not here:
        return
    person, at = rng.choice(here), start + 10 * HOUR + rng.randrange(50) * MINUTE
    server = company.servers["fs01"]
    for n in range(5 + poisson(rng, 2)):
        at += int(rng.uniform(4, 20) * SECOND)
        kind, machine = (3, server) if n % 3 == 2 else (7, person.machine)
        address, port = (person.machine.ip, scene.port()) if kind == 3 else ("127.0.0.1", 0)
        scene.windows.security(
            machine, at, 4625, auth.failed(machine, person.login, kind, address, port, person.machine.name), person.login
        )
    scene.logon(at + 15 * SECOND, win.session(person.machine, person.account, at + 15 * SECOND), 7)


def fashions(company: Company, day: int) -> tuple[do.Activity, ...]:
    """From a certain day on a new web service is in use; half of the people open it each day."""
    days = _since(3)(company)
    name = "app." + site_name(stream(company.seed, "new service")).split(".", 1)[-1]
    service = replace(site(company.seed, name), weight=2.0)

    def try_out(desk: do.Desk, at: int) -> None:
        rng, scene = desk.scene.rng, desk.scene
        with scene.journal.labelled(Label("benign trigger", "new service", "new service", "", day)):
            for _ in range(2 + poisson(rng, 5)):
                scene.fetch(at, desk.programs["chrome"], service)
                at += int(rng.expovariate(1 / 90) * SECOND)

    return (try_out,) if day in days else ()


def _guard(company: Company, machine: Machine) -> tuple[int, Proc]:
    """When the new program reaches a machine, and its process there from then on."""
    rng = stream(company.seed, "roll-out", machine.name)
    at = company.first + _nth(2)(company)[0] * DAY + 11 * HOUR + int(rng.uniform(0, 110) * MINUTE)
    where = win.session(machine, None, machine.boot)
    return at, win.process(where, "rollout", at + 8 * SECOND, rng, f'"{PROGRAMS["rollout"].image}" --service')


def _rolled_out(scene: Scene) -> list[Machine]:
    """The machines that are there when the new program is distributed."""
    company = scene.company
    start = company.first + _nth(2)(company)[0] * DAY
    people = [person for person in _present(scene, start, start + 11 * HOUR) if person in _present(scene, start, start + 13 * HOUR)]
    return [*(person.machine for person in people), *(m for m in company.servers.values() if m.os == "windows")]


def _roll_out(scene: Scene, start: int) -> None:
    """A new program arrives on every machine within two hours: files, a service, a process never seen before."""
    for machine in _rolled_out(scene):
        at, guard = _guard(scene.company, machine)
        command = "msiexec.exe /i \\\\fs01\\dist\\TesseraDataGuard-3.0.12.msi /qn /norestart REBOOT=ReallySuppress"
        setup = scene.run(at, scene.resident(machine, "agent"), "msiexec", command, 30)
        scene.wrote(at + 4 * SECOND, setup, guard.image)
        fields = auth.service_installed("TesseraGuard", guard.cmdline, start="auto start")
        scene.windows.other("System", machine, at + 6 * SECOND, 7045, fields)
        task = auth.task_created(guard.session, "\\Tessera\\Daily Check", guard.image, "--check", iso(at)[:19])
        scene.windows.security(machine, at + 7 * SECOND, 4698, task)
        scene.began(at + 8 * SECOND, guard, scene.resident(machine, "services"))
        scene.fetch(at + 12 * SECOND, guard, site(scene.company.seed, "console.tessera-guard.com"))


def _report(scene: Scene, start: int) -> None:
    """The new program keeps its console informed, by a timer, from the day after the roll-out."""
    rng, company = scene.rng, scene.company
    console, owners = site(company.seed, "console.tessera-guard.com"), {person.machine: person for person in company.people}
    for machine in _rolled_out(scene):
        present = life.shift(company, owners[machine], (start - company.first) // DAY) if machine in owners else None
        if present or machine.docked:
            begin, end = (start, start + DAY) if machine.docked or not present else (present.start, present.end)
            _, guard = _guard(company, machine)
            for at in regularly(rng, begin + MINUTE, end, 4 * HOUR, 0.04):
                scene.fetch(at, guard, console, rng.randrange(900, 1_300), rng.randrange(300, 420), 0.5)


def _new_key(scene: Scene, start: int) -> None:
    """An administrator changes the access key of the build account."""
    company, at = scene.company, start + 15 * HOUR + scene.rng.randrange(50) * MINUTE
    caller = aws.user(company.aws_account, company.of("admin")[0].account, company.egress)
    who = {"userName": "svc_deploy"}
    for name, read in (("ListAccessKeys", True), ("CreateAccessKey", False), ("UpdateAccessKey", False), ("DeleteAccessKey", False)):
        at += int(scene.rng.uniform(10, 90) * SECOND)
        scene.cloud.call(at, caller, Call("iam", name, who, read=read))


def _joiner(scene: Scene, start: int) -> None:
    """Somebody joins: an account is made on the domain controller."""
    company, rng = scene.company, scene.rng
    admin, dc = company.of("admin")[0], company.servers["dc01"]
    at = start + 9 * HOUR + rng.randrange(90) * MINUTE
    for when in sometimes(rng, at, at + 20 * MINUTE, 12 * MINUTE) or [at]:
        where = win.session(dc, admin.privileged, when)
        given, family = rng.choice(FIRST_NAMES), f"{rng.choice(LAST_NAMES)}-{rng.choice(LAST_NAMES)}"
        account = Account(f"{given[0]}.{family}".lower(), f"{company.sid}-{rng.randrange(3_000, 4_000)}", f"{given} {family}")
        scene.windows.security(dc, when, 4720, auth.account_created(where, account), where.login)


def _remote_tool(scene: Scene, start: int) -> None:
    """An administrator repairs a server by a remote console."""
    company, admin = scene.company, scene.company.of("admin")[0]
    at = start + 13 * HOUR + scene.rng.randrange(100) * MINUTE
    service = scene.remote_service(at, admin.privileged or admin.account, admin.machine, company.servers["db01"], "psexesvc")
    shell = scene.start(at + 3 * SECOND, service, "cmd", '"cmd.exe"')
    tech.console(scene, shell, at + 20 * SECOND, 3)
    scene.stop(at + 9 * MINUTE, shell)
    scene.stop(at + 9 * MINUTE + SECOND, service)


TRIGGERS: tuple[Trigger, ...] = (
    Trigger("vulnerability scan", _nth(1), _scan),
    Trigger("encoded script by software distribution", _nth(1), _encoded),
    Trigger("nightly backup", _every, _backup),
    Trigger("forgotten password", _nth(2), _forgotten),
    Trigger("software roll-out", _nth(2), _roll_out),
    Trigger("software reporting", _since(3), _report),
    Trigger("access key change", _nth(1), _new_key),
    Trigger("remote console", _nth(0), _remote_tool),
    Trigger("joiner", _nth(0), _joiner),
)
"""All but two that live in a person's own day: `travel` and `fashions`."""
