"""A person's day: when they come and go, and what they start between, by role."""

from __future__ import annotations

from dataclasses import dataclass

from nonself.lab.world import activities as do
from nonself.lab.world import calendar
from nonself.lab.world import emit_windows as win
from nonself.lab.world import technical as tech
from nonself.lab.world.background import background, computer_logon
from nonself.lab.world.clock import DAY, HOUR, MINUTE, SECOND, poisson, stream
from nonself.lab.world.company import Company, Person, Role
from nonself.lab.world.emit import Scene
from nonself.lab.world.emit_windows import Proc, Session
from nonself.lab.world.write import Journal

ABSENT = 0.04
"""Share of working days a person is not there."""

_WEIGHTS: dict[Role, tuple[tuple[do.Activity, float], ...]] = {
    "office": ((do.browse, 9), (do.mail, 5), (do.document, 5), (do.share, 3), (do.sign_on, 3), (do.store, 2), (do.meet, 1),
               (do.read_pdf, 1), (do.pack, 0.2)),
    "developer": ((do.browse, 8), (do.mail, 2), (tech.develop, 6), (tech.cloud, 2), (tech.remote_shell, 1), (do.meet, 1), (do.share, 1),
                  (do.sign_on, 1.5), (do.store, 1),
                  (do.document, 1), (do.pack, 0.4)),
    "admin": ((do.browse, 5), (do.mail, 3), (tech.administer, 4), (tech.remote_desktop, 2), (tech.remote_shell, 2), (tech.troubleshoot, 2),
              (do.document, 1), (do.share, 1), (do.meet, 1), (do.sign_on, 2), (tech.help_out, 0.3)),
}  # fmt: skip
OUTAGE = 0.004
"""Share of a laptop's days on which its records come hours late, in one batch."""
EVENING = 0.08
"""Share of working days on which somebody looks in from home in the evening."""
_BURSTS = 18.0
"""Activities a person begins in a working day, on average."""


@dataclass(frozen=True, slots=True)
class Shift:
    """One person's presence on one day, in microseconds since 1970."""

    start: int
    end: int
    lunch: int
    back: int

    def busy(self, at: int) -> bool:
        return self.start <= at < self.end and not self.lunch <= at < self.back


def shift(company: Company, person: Person, day: int) -> Shift | None:
    """When the person works on a day (counted from the first); None on weekends and when absent."""
    rng = stream(company.seed, "shift", person.login, day)
    if not company.workday(day) or rng.random() < ABSENT:
        return None
    base = company.first + day * DAY
    start = base + person.start + int(rng.gauss(0, 11) * MINUTE)
    lunch = base + 12 * HOUR + int(rng.uniform(0, 55) * MINUTE)
    end = base + person.end + int(rng.gauss(10, 18) * MINUTE)
    return Shift(start, end, lunch, lunch + int(rng.uniform(35, 65) * MINUTE))


def resident_session(company: Company, person: Person) -> tuple[Session, Proc]:
    """The session of somebody who locks the screen and never logs off: it began the working day before the first day."""
    begun = company.first - DAY + person.start
    machine, rng = person.machine, stream(company.seed, "resident session", person.login)
    where = win.session(machine, person.account, max(begun, machine.boot + MINUTE))
    return where, win.process(where, "explorer", where.start + 4 * SECOND, rng)


def live(company: Company, journal: Journal, person: Person, day: int, away: str = "", fashions: tuple[do.Activity, ...] = ()) -> None:
    """All that a person and their laptop do on one day.

    company   as that day finds it (`staff.on`)
    away      the laptop's address on a foreign network, "" in the office
    fashions  activities that every second person takes up once that day
    """
    scene = Scene(company, journal, stream(company.seed, "person", person.login, day), away)
    rng, machine, base = scene.rng, person.machine, company.first + day * DAY
    present = shift(company, person, day)
    scene.windows.held = _held(company, person, day, away)
    if machine.docked and not away:
        scene.lease(base + int(rng.uniform(0, 8) * HOUR), machine)
        background(scene, machine, base, base + DAY)
    elif present:
        wake = present.start - int(rng.uniform(1, 4) * MINUTE)
        if not away:
            scene.lease(wake, machine)
        computer_logon(scene, machine, wake)
        background(scene, machine, wake, present.end + 2 * MINUTE)
    if machine.docked and not away:
        _keep_in_sync(scene, person, base, base + DAY)
    if present:
        _work(scene, person, day, present, fashions)


def _held(company: Company, person: Person, day: int, away: str) -> int:
    """Until when a laptop's records stay on it: somebody who travels sends them the next morning, and now and then a collector is down."""
    base, rng = company.first + day * DAY, stream(company.seed, "collector", person.login, day)
    if away:
        return base + DAY + int(rng.uniform(7, 9) * HOUR)
    return base + int(rng.uniform(10, 20) * HOUR) if rng.random() < OUTAGE else 0


def _keep_in_sync(scene: Scene, person: Person, start: int, end: int) -> None:
    """File sync stays connected as long as the session lives, whoever sits before it."""
    where, _ = resident_session(scene.company, person)
    sync = win.process(where, "onedrive", where.start + 20 * SECOND, stream(scene.company.seed, "sync", person.login))
    for at in scene.regularly(start, end, 150 * MINUTE, 0.12):
        scene.fetch(at, sync, scene.company.services["sync"], seconds=2)


def _arrive(scene: Scene, person: Person, at: int) -> tuple[Session, Proc]:
    """The morning logon: unlock, or a whole new session."""
    rng, machine, dc = scene.rng, person.machine, scene.company.controller(person.machine)
    for n in range(poisson(rng, 0.07)):
        fields = do.mistyped(person, 7 if machine.docked else 2)
        scene.windows.security(machine, at - (n + 1) * 7 * SECOND, 4625, fields, person.login)
    scene.ticket(at, person.account, machine, dc, first=True)
    if machine.docked:
        where, explorer = resident_session(scene.company, person)
        scene.logon(at, win.session(machine, person.account, at, 1), 7)
        return where, explorer
    where = win.session(machine, person.account, at)
    scene.logon(at, where, 2)
    init = scene.run(at + 2 * SECOND, scene.resident(machine, "winlogon"), "userinit", where=where, seconds=20)
    return where, scene.start(at + 3 * SECOND, init, "explorer")


def _work(scene: Scene, person: Person, day: int, present: Shift, fashions: tuple[do.Activity, ...]) -> None:
    rng = scene.rng
    where, explorer = _arrive(scene, person, present.start)
    opened = programs(scene.company, person, day, present, where)
    for at, proc in opened.values():
        scene.began(at, proc, explorer)
    desk = do.Desk(scene, person, where, explorer, {name: proc for name, (_, proc) in opened.items()})
    do.sign_in(desk, present.start + 60 * SECOND)
    _poll(desk, present)
    _keep_open(desk, present)
    _drives(desk, present)
    choices, weights = zip(*_WEIGHTS[person.role], strict=True)
    bursts = _BURSTS * _busy(scene.company, person, day)
    for at in scene.sometimes(present.start + 3 * MINUTE, present.end, int((present.end - present.start) / bursts)):
        if present.busy(at):
            rng.choices(choices, weights)[0](desk, at)
    for activity in fashions:
        if rng.random() < 0.5:
            activity(desk, int(rng.uniform(present.start + 20 * MINUTE, present.end - 20 * MINUTE)))
    for proc in desk.programs.values():
        if rng.random() < 0.9:  # some programs are killed too late to be recorded
            scene.stop(present.end + int(rng.uniform(-30, 20) * SECOND), proc)
    if rng.random() < EVENING:
        do.from_home(scene, person, present.end + int(rng.uniform(1, 4) * HOUR))
    if not person.machine.docked:
        scene.logoff(present.end + MINUTE, where, 2)


def _busy(company: Company, person: Person, day: int) -> float:
    """How busy the day is for this person: books are closed at a month's end, and releases keep developers at it. Some people always do
    several times what others do (log-normal)."""
    temper = stream(company.seed, "temper", person.login).lognormvariate(-0.12, 0.5)
    closing = person.team == "finance" and calendar.end_of_month(company, day)
    releasing = person.role == "developer" and calendar.release_day(company, day)
    return temper * (1.8 if closing or releasing else 1.0)


def programs(company: Company, person: Person, day: int, present: Shift, where: Session) -> dict[str, tuple[int, Proc]]:
    """What a person opens first on a day and keeps open: name -> when, and the process."""
    rng = stream(company.seed, "programs", person.login, day)
    opened: dict[str, tuple[int, Proc]] = {}
    for name in ("outlook", "chrome", "teams", *(("code",) if person.role == "developer" else ())):
        at = present.start + int(rng.uniform(10, 400) * SECOND)
        opened[name] = at, win.process(where, name, at, rng)
    return opened


def _drives(desk: do.Desk, present: Shift) -> None:
    """The system keeps the mapped drives and printers in touch: most logons of a network are nobody's own doing."""
    scene, person = desk.scene, desk.person
    if scene.away:
        return
    files, controller = scene.company.servers["fs01"], scene.company.controller(person.machine)
    for at in scene.sometimes(present.start + 2 * MINUTE, present.end, 5 * MINUTE):
        server = files if scene.rng.random() < 0.7 else controller
        scene.smb(at, person.account, person.machine, server, scene.rng.randrange(900, 4_000), scene.rng.randrange(900, 9_000), 0.5)


def _keep_open(desk: do.Desk, present: Shift) -> None:
    """Chat keeps a connection open for hours, by which it is told what is new."""
    rng, chat = desk.scene.rng, desk.scene.company.services["chat"]
    for at in desk.scene.regularly(present.start + 9 * MINUTE, present.end, 150 * MINUTE, 0.3):
        seconds = rng.uniform(900, 9_000)
        desk.scene.fetch(at, desk.programs["teams"], chat, int(seconds * 4), int(seconds * 9), seconds)


def _poll(desk: do.Desk, present: Shift) -> None:
    """Mail and chat ask for news by themselves."""
    services = desk.scene.company.services
    for name, service, every in (("outlook", "mail", 85), ("teams", "chat", 110)):
        for at in desk.scene.sometimes(present.start + 8 * MINUTE, present.end, every * MINUTE):
            desk.scene.fetch(at, desk.programs[name], services[service])
