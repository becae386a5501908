"""What an intruder can do, as data: each move names its parts, and `make` writes the records it leaves. Plans are made of moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from nonself.lab import emit_cloud as aws
from nonself.lab.catalog import PROGRAMS
from nonself.lab.clock import MINUTE, MS, SECOND, regularly
from nonself.lab.company import Account, Machine, Person, Site
from nonself.lab.emit import Scene
from nonself.lab.emit_cloud import Call, Caller
from nonself.lab.emit_windows import Proc
from nonself.lab.triggers import encode


@dataclass(slots=True)
class Intrusion:
    """One intrusion under way. `procs` holds processes by the plan's own names, `words` what `{...}` in texts stands for."""

    scene: Scene
    person: Person  # whose laptop is entered
    admin: Account  # whose rights are taken
    server: Machine  # where it moves to
    caller: Caller  # the stolen cloud key
    sites: dict[str, Site]
    procs: dict[str, Proc]
    words: dict[str, str] = field(default_factory=dict)

    def text(self, template: str) -> str:
        return template.format_map(self.words)


class Move(Protocol):
    """One thing done at a time."""

    def make(self, on: Intrusion, at: int) -> None: ...


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
class Cloud:
    """Calls with the stolen key. `keys` are S3 keys for object-level calls, one call each."""

    calls: tuple[Call, ...] = ()
    bucket: str = ""
    operation: str = ""
    keys: tuple[str, ...] = ()

    def make(self, on: Intrusion, at: int) -> None:
        account, bucket = on.scene.company.aws_account, on.text(self.bucket)
        calls = [*self.calls, *(aws.s3(account, self.operation, bucket, key) for key in self.keys)]
        for call in calls:
            on.scene.cloud.call(at, on.caller, call)
            at += int(on.scene.rng.expovariate(1 / 2.5) * SECOND)
