"""What looks odd and is administration: scans, roll-outs, backups, remote consoles, patches, an announced penetration test."""

from __future__ import annotations

import base64

from nonself.lab.world import calendar, life
from nonself.lab.world import emit_cloud as aws
from nonself.lab.world import emit_logon as auth
from nonself.lab.world import emit_windows as win
from nonself.lab.world import technical as tech
from nonself.lab.world.catalog import PROGRAMS
from nonself.lab.world.clock import DAY, HOUR, MINUTE, MS, SECOND, iso, stream
from nonself.lab.world.company import Company, Machine, site
from nonself.lab.world.emit import Scene
from nonself.lab.world.emit_cloud import Call
from nonself.lab.world.emit_windows import Proc
from nonself.lab.world.emit_zeek import Flow
from nonself.lab.world.travel import present

PORTS = (21, 22, 23, 25, 53, 80, 88, 110, 135, 139, 143, 389, 443, 445, 993, 1433, 1521, 3306, 3389, 5432, 5900, 5985, 8080, 8443, 9200)
_DIRECTORY = (53, 88, 135, 139, 389, 445, 3389, 5985)
_LISTENING = {"dc01": _DIRECTORY, "dc02": _DIRECTORY, "db01": (135, 445, 1433, 3389, 5985), "web01": (22, 80, 443)}


def scan(scene: Scene, start: int) -> None:
    """The vulnerability scanner looks at every machine that is on, and logs on where it has an account."""
    rng, company = scene.rng, scene.company
    scanner, account = company.servers["mon01"], company.accounts["svc_scan"]
    targets = [*company.servers.values(), *(person.machine for person in company.people if person.machine.docked)]
    at = start + 22 * HOUR + rng.randrange(20) * MINUTE
    for target in targets:
        if target is scanner:
            continue
        for port in PORTS:
            at += int(rng.expovariate(1 / 0.4) * SECOND)
            probe(scene, at, scanner, target, port)
        if target.os == "windows":
            at += 2 * SECOND
            scene.smb(at, account, scanner, target, 60_000, 900_000, 25, ntlm=True, admin=True)
            wmi = scene.resident(target, "wmiprvse")
            scene.run(at + 9 * SECOND, wmi, "cmd", "cmd.exe /c reg query HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall", 2)


def probe(scene: Scene, at: int, scanner: Machine, target: Machine, port: int) -> None:
    listening = port in _LISTENING.get(target.name, (135, 139, 445))
    state = "RSTO" if listening else "REJ" if scene.rng.random() < 0.6 else "S0"
    flow = Flow(at, scanner.ip, scene.port(), target.ip, port, duration=scene.rng.randrange(1, 80) * MS, host=scanner.name)
    scene.wire(flow, "-", 24 if listening else 0, 90 if listening else 0, state)


def encoded(scene: Scene, start: int) -> None:
    """An administrator sends a script, encoded, to some laptops by the software distribution."""
    rng, at = scene.rng, start + 14 * HOUR + scene.rng.randrange(40) * MINUTE
    text = (
        "$p='HKLM:\\SOFTWARE\\Policies\\Microsoft\\Windows NT\\Printers';if(!(Test-Path $p)){New-Item $p -Force|Out-Null};"
        "Set-ItemProperty $p -Name RegisterSpoolerRemoteRpcEndPoint -Value 2;Restart-Service Spooler"
    )
    command = f"powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand {encode(text)}"
    for person in present(scene.company, start, at)[::2][:14]:
        when = at + int(rng.expovariate(1 / 300) * SECOND)
        shell = scene.run(when, scene.resident(person.machine, "agent"), "powershell", command, 4)
        scene.script(when + 700 * MS, shell, text)
        key = "HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows NT\\Printers\\RegisterSpoolerRemoteRpcEndPoint"
        scene.registry(when + 900 * MS, shell, key, "DWORD (0x00000002)")


def encode(script: str) -> str:
    """A script as `-EncodedCommand` takes it."""
    return base64.b64encode(script.encode("utf-16-le")).decode()


def backup(scene: Scene, start: int) -> None:
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


def _guard(company: Company, machine: Machine) -> tuple[int, Proc]:
    """When the new program reaches a machine, and its process there from then on."""
    rng = stream(company.seed, "roll-out", machine.name)
    at = company.first + calendar.nth(company, 2) * DAY + 11 * HOUR + int(rng.uniform(0, 110) * MINUTE)
    at = max(at, machine.boot + MINUTE)  # a laptop that came later has it from the start
    where = win.session(machine, None, machine.boot)
    return at, win.process(where, "rollout", at + 8 * SECOND, rng, f'"{PROGRAMS["rollout"].image}" --service')


def _rolled_out(company: Company) -> list[Machine]:
    """The machines that are there when the new program is distributed, as they are today."""
    day = calendar.nth(company, 2)
    start = company.first + day * DAY
    late = {person.login for person in present(company, start, start + 13 * HOUR)}
    people = [person for person in present(company, start, start + 11 * HOUR) if person.login in late and person.joins <= day]
    return [*(person.machine for person in people), *(m for m in company.servers.values() if m.os == "windows")]


def roll_out(scene: Scene, start: int) -> None:
    """A new program arrives on every machine within two hours: files, a service, a process never seen before."""
    for machine in _rolled_out(scene.company):
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


def report(scene: Scene, start: int) -> None:
    """The new program keeps its console informed, by a timer, from the day after the roll-out."""
    rng, company = scene.rng, scene.company
    console, owners = site(company.seed, "console.tessera-guard.com"), {person.machine: person for person in company.people}
    for machine in _rolled_out(scene.company):
        shift = life.shift(company, owners[machine], (start - company.first) // DAY) if machine in owners else None
        if shift or machine.docked:
            begin, end = (start, start + DAY) if machine.docked or not shift else (shift.start, shift.end)
            _, guard = _guard(company, machine)
            for at in scene.regularly(begin + MINUTE, end, 4 * HOUR, 0.04):
                scene.fetch(at, guard, console, rng.randrange(900, 1_300), rng.randrange(300, 420), 0.5)


def new_key(scene: Scene, start: int) -> None:
    """An administrator changes the access key of the build account."""
    company, at = scene.company, start + 15 * HOUR + scene.rng.randrange(50) * MINUTE
    caller = aws.user(company.aws_account, company.of("admin")[0].account, company.egress)
    who = {"userName": "svc_deploy"}
    for name, read in (("ListAccessKeys", True), ("CreateAccessKey", False), ("UpdateAccessKey", False), ("DeleteAccessKey", False)):
        at += int(scene.rng.uniform(10, 90) * SECOND)
        scene.cloud.call(at, caller, Call("iam", name, who, read=read))


def remote_tool(scene: Scene, start: int) -> None:
    """An administrator repairs a server by a remote console."""
    company, admin = scene.company, scene.company.of("admin")[0]
    at = start + 13 * HOUR + scene.rng.randrange(100) * MINUTE
    service = scene.remote_service(at, admin.privileged or admin.account, admin.machine, company.servers["db01"], "psexesvc")
    shell = scene.start(at + 3 * SECOND, service, "cmd", '"cmd.exe"')
    tech.console(scene, shell, at + 20 * SECOND, 3)
    scene.stop(at + 9 * MINUTE, shell)
    scene.stop(at + 9 * MINUTE + SECOND, service)


def patch(scene: Scene, start: int) -> None:
    """In the small hours servers and the laptops left on install updates, and servers start anew."""
    rng, company = scene.rng, scene.company
    machines = [*company.servers.values(), *(person.machine for person in company.people if person.machine.docked)]
    for machine in (one for one in machines if one.os == "windows"):
        at = start + 2 * HOUR + int(rng.uniform(0, 150) * MINUTE)
        command = "C:\\Windows\\servicing\\TrustedInstaller.exe"
        installer = scene.start(at, scene.resident(machine, "services"), "trustedinstaller", command)
        for _ in range(rng.randrange(3, 7)):
            number = rng.randrange(5_000_000, 5_100_000)
            folder = f"C:\\Windows\\SoftwareDistribution\\Download\\{rng.getrandbits(64):016x}"
            scene.wrote(at + int(rng.uniform(5, 300) * SECOND), installer, f"{folder}\\Windows11.0-KB{number}-x64.cab")
        scene.stop(at + 400 * SECOND, installer)


_LOOKING = (
    ("whoami", "whoami /groups"),
    ("net", 'net group "Domain Admins" /domain'),
    ("nltest", "nltest /domain_trusts"),
    ("systeminfo", "systeminfo"),
    ("net", "net view /all"),
)


def pentest(scene: Scene, start: int) -> None:
    """Testers, announced and with an account of their own, look around from the laptop of an administrator for an afternoon."""
    rng, company = scene.rng, scene.company
    host, account = company.of("admin")[0].machine, company.accounts["svc_pentest"]
    at = start + 13 * HOUR + rng.randrange(60) * MINUTE
    where = win.session(host, account, at, 3)
    scene.logon(at, where, 2, admin=True)
    shell = scene.start(at + 20 * SECOND, scene.resident(host, "winlogon"), "cmd", '"C:\\Windows\\system32\\cmd.exe"', where=where)
    for name, command in _LOOKING:
        at += int(rng.uniform(20, 200) * SECOND)
        scene.run(at, shell, name, command, 2)
    targets = [person.machine for person in company.people][:: max(1, len(company.people) // 30)]
    for target in (*company.servers.values(), *targets):
        at += int(rng.expovariate(1 / 8) * SECOND)
        for port in rng.sample(PORTS, 6):
            probe(scene, at, host, target, port)
    for name in ("fs01", "db01"):
        at += 5 * MINUTE
        scene.smb(at, account, host, company.servers[name], 9_000, 60_000, 40, ntlm=True)
    scene.ticket(at, account, host, company.servers["db01"], first=True)
    scene.stop(at + 10 * MINUTE, shell)
    scene.logoff(at + 11 * MINUTE, where, 2)
