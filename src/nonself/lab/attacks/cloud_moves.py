"""What an intruder can do in the cloud account, at the identity provider and in the office suite, as data (see `moves`)."""

from __future__ import annotations

from dataclasses import dataclass

from nonself.lab.attacks.intrusion import Intrusion
from nonself.lab.world import emit_cloud as aws
from nonself.lab.world.catalog import DOCUMENTS
from nonself.lab.world.clock import SECOND
from nonself.lab.world.emit_cloud import Call
from nonself.lab.world.emit_saas import Seen, client


@dataclass(frozen=True, slots=True)
class Cloud:
    """Calls with the stolen key, or as the role that was taken. `keys` are S3 keys for object-level calls, one call each."""

    calls: tuple[Call, ...] = ()
    bucket: str = ""
    operation: str = ""
    keys: tuple[str, ...] = ()
    role: bool = False
    pause: float = 2.5  # seconds between calls

    def make(self, on: Intrusion, at: int) -> None:
        account, bucket = on.scene.company.aws_account, on.text(self.bucket)
        calls = [*self.calls, *(aws.s3(account, self.operation, bucket, key) for key in self.keys)]
        for call in calls:
            on.scene.cloud.call(at, on.assumed if self.role else on.caller, call)
            at += int(on.scene.rng.expovariate(1 / self.pause) * SECOND)


@dataclass(frozen=True, slots=True)
class Forge:
    """A forged assertion is shown to the cloud: a role is assumed, and the identity provider has seen nothing of it."""

    name: str

    def make(self, on: Intrusion, at: int) -> None:
        on.scene.cloud.saml(at, on.developer, self.name, on.far)
        on.assumed = on.scene.cloud.assumed(on.developer, self.name, at, on.far)


@dataclass(frozen=True, slots=True)
class Okta:
    """Something is done at the identity provider as the victim, from far away, `times` times."""

    seen: Seen
    times: int = 1
    every: float = 40.0  # seconds

    def make(self, on: Intrusion, at: int) -> None:
        via = client(on.scene.company, on.far, agent="edge")
        for _ in range(self.times):
            on.scene.signed(at, on.person.account, self.seen, via)
            at += int(on.scene.rng.uniform(0.6, 1.4) * self.every * SECOND)


@dataclass(frozen=True, slots=True)
class Office:
    """An operation in the office suite, on something, `times` times."""

    workload: str
    operation: str
    thing: str = ""
    times: int = 1
    every: float = 6.0  # seconds
    home: bool = False
    agent: str = "edge"

    def make(self, on: Intrusion, at: int) -> None:
        company, rng = on.scene.company, on.scene.rng
        via = client(company) if self.home else client(company, on.far, agent=self.agent)
        for number in range(self.times):
            thing = on.text(self.thing).replace("#", f"{number + 1:04d}")
            on.scene.saas.m365(at, on.person.account, via, self.workload, self.operation, thing)
            at += int(rng.uniform(0.6, 1.4) * self.every * SECOND)


@dataclass(frozen=True, slots=True)
class Fetch:
    """Files of several teams' stores are fetched, far more than anybody reads."""

    teams: tuple[str, ...]
    files: int
    every: float = 5.0  # seconds
    home: bool = False
    agent: str = "edge"

    def make(self, on: Intrusion, at: int) -> None:
        company, rng = on.scene.company, on.scene.rng
        via = client(company) if self.home else client(company, on.far, agent=self.agent)
        for _ in range(self.files):
            name = (
                f"{rng.choice(DOCUMENTS)}-{rng.randrange(2015, 2027)}-{rng.randrange(60):02d}.{rng.choice(('docx', 'xlsx', 'pdf', 'zip'))}"
            )
            on.scene.saas.file(at, on.person.account, via, "FileDownloaded", rng.choice(self.teams), name)
            at += int(rng.expovariate(1 / self.every) * SECOND)
