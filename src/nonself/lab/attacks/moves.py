"""What an intruder can do on the company's machines, as data: each move names its parts, and `make` writes the records it leaves.

Plans are made of moves; those in the cloud and at services outside are in `cloud_moves`.
"""

from __future__ import annotations

from dataclasses import dataclass

from nonself.lab.attacks.intrusion import Intrusion
from nonself.lab.world import emit_logon as auth
from nonself.lab.world.catalog import PROGRAMS
from nonself.lab.world.clock import MINUTE, MS, SECOND, regularly, sometimes
from nonself.lab.world.company import DOMAIN, Site
from nonself.lab.world.emit_zeek import Flow
from nonself.lab.world.routine import encode


@dataclass(frozen=True, slots=True)
class Start:
    """A process is started by another and stays. `image` is for programs that no catalogue knows; `script` is shown to PowerShell's log."""

    name: str
    parent: str
    program: str
    command: str
    image: str = ""
    script: str = ""

    def make(self, on: Intrusion, at: int) -> None:
        on.words["encoded"] = encode(on.text(self.script))
        parent = on.procs[self.parent]
        proc = on.scene.start(at, parent, self.program, on.text(self.command), on.text(self.image))
        on.procs[self.name] = proc
        if self.script:
            on.scene.script(at + 500 * MS, proc, on.text(self.script))


@dataclass(frozen=True, slots=True)
class Run:
    """A console tool, by way of a command shell, as remote consoles do it."""

    parent: str
    program: str
    command: str
    seconds: float = 1.0

    def make(self, on: Intrusion, at: int) -> None:
        scene, command = on.scene, on.text(self.command)
        shell = scene.start(at, on.procs[self.parent], "cmd", f"{PROGRAMS['cmd'].image} /c {command}")
        at += scene.rng.randrange(15, 60) * MS
        tool = shell if self.program == "cmd" else scene.run(at, shell, self.program, command, self.seconds)
        if self.program == "net":
            scene.run(at + 20 * MS, tool, "net1", command.replace("net ", "C:\\Windows\\system32\\net1 ", 1))
        scene.stop(at + int((self.seconds + scene.rng.expovariate(1)) * SECOND), shell)


@dataclass(frozen=True, slots=True)
class Write:
    """Files are written by a process."""

    by: str
    paths: tuple[str, ...]

    def make(self, on: Intrusion, at: int) -> None:
        for index, path in enumerate(self.paths):
            on.scene.wrote(at + index * 40 * SECOND, on.procs[self.by], on.text(path))


@dataclass(frozen=True, slots=True)
class Register:
    """A registry value is set."""

    by: str
    key: str
    value: str

    def make(self, on: Intrusion, at: int) -> None:
        on.scene.registry(at, on.procs[self.by], on.text(self.key), on.text(self.value))


@dataclass(frozen=True, slots=True)
class Transfer:
    """Bytes over TLS, in one or several connections of some length. `to` is a site of the plan."""

    by: str
    to: str
    sent: int
    got: int
    seconds: float = 2.0
    times: int = 1

    def make(self, on: Intrusion, at: int) -> None:
        for _ in range(self.times):
            scale = on.scene.rng.uniform(0.85, 1.15)
            on.scene.fetch(at, on.procs[self.by], on.sites[self.to], int(self.sent * scale), int(self.got * scale), self.seconds * scale)
            at += int(self.seconds * scale * SECOND)


@dataclass(frozen=True, slots=True)
class Poll:
    """A timer asks for orders every `minutes`, give or take the fraction `jitter`, for `hours`."""

    by: str
    to: str
    minutes: float
    jitter: float
    hours: float

    def make(self, on: Intrusion, at: int) -> None:
        rng, end = on.scene.rng, at + int(self.hours * 60 * MINUTE)
        for when in regularly(rng, at, end, int(self.minutes * MINUTE), self.jitter):
            on.turn(when)
            busy = rng.random() < 0.06
            sent = rng.randrange(2_000, 30_000) if busy else rng.randrange(330, 420)
            on.scene.fetch(when, on.procs[self.by], on.sites[self.to], sent, rng.randrange(180, 900), 0.2 + rng.expovariate(3))


@dataclass(frozen=True, slots=True)
class Open:
    """A process of the machine itself is opened with certain rights."""

    by: str
    target: str
    access: str

    def make(self, on: Intrusion, at: int) -> None:
        on.scene.opened(at, on.procs[self.by], on.scene.resident(on.person.machine, self.target), self.access)


@dataclass(frozen=True, slots=True)
class Enter:
    """The next machine is entered with somebody else's rights."""

    program: str

    def make(self, on: Intrusion, at: int) -> None:
        on.procs["service"] = on.scene.remote_service(at, on.admin, on.person.machine, on.server, self.program)


@dataclass(frozen=True, slots=True)
class Visit:
    """Machines are logged on to over the network, one after another: `servers` by name, and so many laptops of colleagues."""

    servers: tuple[str, ...] = ()
    laptops: int = 0
    ntlm: bool = False
    got: int = 60_000
    own: bool = False  # with the victim's own account, not the administrator's

    def make(self, on: Intrusion, at: int) -> None:
        scene, company, rng = on.scene, on.scene.company, on.scene.rng
        others = [person.machine for person in company.people if person.machine != on.person.machine and person.machine.docked]
        targets = [company.servers[name] for name in self.servers] + rng.sample(others, min(self.laptops, len(others)))
        account = on.person.account if self.own else on.admin
        for target in targets:
            scene.smb(at, account, on.person.machine, target, 8_000, int(self.got * rng.uniform(0.5, 1.5)), 12, self.ntlm, not self.own)
            at += int(rng.expovariate(1 / 25) * SECOND)


@dataclass(frozen=True, slots=True)
class Remote:
    """A command on another machine by the management interface that administrators use too: no file, no service."""

    server: str
    program: str
    command: str
    seconds: float = 2.0

    def make(self, on: Intrusion, at: int) -> None:
        scene, server = on.scene, on.scene.company.servers[self.server]
        scene.smb(at, on.admin, on.person.machine, server, 5_000, 9_000, 3, admin=True)
        shell = scene.start(at + 2 * SECOND, scene.resident(server, "wmiprvse"), "cmd", f"cmd.exe /Q /c {on.text(self.command)}")
        scene.run(at + 2 * SECOND + 40 * MS, shell, self.program, on.text(self.command), self.seconds)
        scene.stop(at + int((3 + self.seconds) * SECOND), shell)


@dataclass(frozen=True, slots=True)
class Script:
    """Lines typed into a PowerShell that runs already."""

    by: str
    lines: tuple[str, ...]

    def make(self, on: Intrusion, at: int) -> None:
        for line in self.lines:
            on.scene.script(at, on.procs[self.by], on.text(line))
            at += int(on.scene.rng.expovariate(1 / 40) * SECOND)


@dataclass(frozen=True, slots=True)
class Tickets:
    """Service tickets in an old cipher for every service account, to be guessed at elsewhere."""

    services: tuple[str, ...]

    def make(self, on: Intrusion, at: int) -> None:
        scene, company, machine = on.scene, on.scene.company, on.person.machine
        dc = company.servers["dc01"]
        for name in self.services:
            flow = Flow(at, machine.ip, scene.port(), dc.ip, 88, duration=4 * MS, host=machine.name, user=on.person.login)
            flow, _ = scene.connect(flow, scene.resident(machine, "lsass"), "krb_tcp", 1_540, 1_620, dc.fqdn)
            fields = auth.service_ticket(on.person.account, dc, company.sid, machine.ip, flow.sport, on.guid)
            old = {"ServiceName": name, "ServiceSid": company.accounts[name].sid, "TicketEncryptionType": "0x17"}
            scene.windows.security(dc, at + 4 * MS, 4769, {**fields, **old}, on.person.login)
            at += int(scene.rng.uniform(0.05, 0.4) * SECOND)


@dataclass(frozen=True, slots=True)
class Tunnel:
    """Data leaves in the names that are asked for, below a domain of the intruder's."""

    by: str
    to: str
    questions: int
    hours: float

    def make(self, on: Intrusion, at: int) -> None:
        rng, scene = on.scene.rng, on.scene
        domain, end = on.sites[self.to], at + int(self.hours * 60 * MINUTE)
        zone = domain.name.split(".", 1)[-1]
        for when in sometimes(rng, at, end, int(self.hours * 60 * MINUTE / self.questions)):
            on.turn(when)
            name = f"{rng.getrandbits(200):050x}.{rng.getrandbits(120):030x}.{zone}"
            scene.resolve(when, on.procs[self.by], Site(name, domain.ip, 1.0, True, 1))
            if rng.random() < 0.004:
                scene.eve.alert(
                    Flow(when, on.person.machine.ip, scene.port(), scene.company.servers["dc01"].ip, 53, "udp"), "tunnel", "dns"
                )


@dataclass(frozen=True, slots=True)
class Encrypt:
    """Files are rewritten under another ending, as fast as the disk allows, with a note in each folder."""

    by: str
    folders: tuple[str, ...]
    files: int
    ending: str

    def make(self, on: Intrusion, at: int) -> None:
        rng, proc = on.scene.rng, on.procs[self.by]
        for folder in self.folders:
            on.scene.wrote(at, proc, f"{folder}\\HOW_TO_RESTORE.txt")
            for number in range(self.files):
                at += int(rng.expovariate(8) * SECOND)
                on.scene.wrote(at, proc, f"{folder}\\{rng.choice(_KINDS)}-{number:04d}.xlsx.{self.ending}")


_KINDS = ("forecast", "minutes", "offer", "contract", "budget")


@dataclass(frozen=True, slots=True)
class Directory:
    """Questions to the directory, many in a short time, as mapping tools ask them."""

    by: str
    times: int

    def make(self, on: Intrusion, at: int) -> None:
        scene, rng, dc = on.scene, on.scene.rng, on.scene.company.servers["dc01"]
        for _ in range(self.times):
            flow = Flow(at, "", scene.port(), dc.ip, 389, duration=rng.randrange(20, 3_000) * MS)
            scene.connect(
                flow, on.procs[self.by], "ldap_tcp,krb", rng.randrange(2_000, 6_000), rng.randrange(20_000, 900_000), f"dc01.{DOMAIN}"
            )
            at += int(rng.expovariate(1 / 3) * SECOND)
