"""What an intruder can do at the company's web server, as data (see `moves`)."""

from __future__ import annotations

from dataclasses import dataclass

from nonself.lab.attacks.intrusion import Intrusion
from nonself.lab.world.clock import MINUTE, MS, SECOND
from nonself.lab.world.emit_zeek import Flow


@dataclass(frozen=True, slots=True)
class Page:
    """Requests to the company's web server from outside."""

    requests: tuple[str, ...]
    status: int = 200
    sent: int = 700

    def make(self, on: Intrusion, at: int) -> None:
        scene, rng, web = on.scene, on.scene.rng, on.scene.company.servers["web01"]
        for request in self.requests:
            flow = Flow(at, on.far, rng.randrange(1_024, 65_536), web.ip, 80, duration=rng.randrange(30, 900) * MS, host=web.name)
            size = rng.randrange(200, 4_000)
            uid = scene.wire(flow, "http", self.sent, size + 300)
            scene.zeek.http(flow, uid, "www.tidewell.example", on.text(request), on.agent, self.status, size)
            at += int(rng.expovariate(1 / 15) * SECOND)


@dataclass(frozen=True, slots=True)
class Linux:
    """Programs on the web server, by the account of the web service (or another's)."""

    commands: tuple[str, ...]
    login: str = "www-data"
    cwd: str = "/srv/portal/up"

    def make(self, on: Intrusion, at: int) -> None:
        web = on.scene.company.servers["web01"]
        commands = [on.text(command) for command in self.commands]
        on.scene.shell(at, web, self.login, commands, self.login == "www-data", self.cwd)


@dataclass(frozen=True, slots=True)
class Outward:
    """The web server itself connects to the outside, on a TLS port, so many times."""

    to: str
    times: int = 1
    sent: int = 1_200
    minutes: float = 1.0

    def make(self, on: Intrusion, at: int) -> None:
        scene, rng, web, site = on.scene, on.scene.rng, on.scene.company.servers["web01"], on.sites[self.to]
        for _ in range(self.times):
            scene.ask(at, web, site)
            flow = Flow(at + 30 * MS, web.ip, scene.port(), site.ip, 443, duration=int(rng.uniform(0.3, 4) * SECOND), host=web.name)
            uid = scene.wire(flow, "ssl", int(self.sent * rng.uniform(0.8, 1.2)), rng.randrange(2_000, 9_000))
            scene.zeek.ssl(flow, uid, site, "openssl python")
            at += int(self.minutes * rng.uniform(0.8, 1.2) * MINUTE)
