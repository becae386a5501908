"""What anybody does at a computer, one function per activity. Each takes the desk and the time it begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nonself.lab.world import emit_logon as auth
from nonself.lab.world.catalog import APPS, DOCUMENTS, PROGRAMS
from nonself.lab.world.clock import MS, SECOND, poisson, stream
from nonself.lab.world.company import Person, Site, public_ip
from nonself.lab.world.emit import Scene
from nonself.lab.world.emit_saas import Seen, client
from nonself.lab.world.emit_windows import Fields, Proc, Session
from nonself.lab.world.emit_zeek import Flow


@dataclass(frozen=True, slots=True)
class Desk:
    """A person at work: their session and the programs they keep open."""

    scene: Scene
    person: Person
    session: Session
    explorer: Proc
    programs: dict[str, Proc]


Activity = Callable[[Desk, int], None]


def mistyped(person: Person, kind: int) -> Fields:
    """4625: the wrong password at the own keyboard."""
    return auth.failed(person.machine, person.login, kind, "127.0.0.1", 0, person.machine.name)


def browse(desk: Desk, at: int) -> None:
    """Some pages, one after another, each with what it embeds."""
    scene, rng, chrome = desk.scene, desk.scene.rng, desk.programs["chrome"]
    for _ in range(1 + poisson(rng, 2.0)):
        favourite = rng.random() < 0.62
        page: Site = rng.choice(desk.person.favourites) if favourite else scene.company.popular(rng)
        scene.fetch(at, chrome, page)
        for _ in range(poisson(rng, 1.2)):  # a browser opens several connections at once
            scene.fetch(at + rng.randrange(5, 400) * MS, chrome, page)
        for _ in range(poisson(rng, 0.4)):
            scene.fetch(at + rng.randrange(100, 1_500) * MS, chrome, scene.company.popular(rng))
        if rng.random() < 0.05:
            name = f"{rng.choice(DOCUMENTS)}-{rng.randrange(100, 9_999)}.{rng.choice(('pdf', 'xlsx', 'zip', 'docx'))}"
            scene.wrote(at + 3 * SECOND, chrome, f"C:\\Users\\{desk.person.login}\\Downloads\\{name}")
        at += int(rng.expovariate(1 / 40) * SECOND)


def mail(desk: Desk, at: int) -> None:
    """Mail is read; one in four brings a document."""
    scene, rng, outlook = desk.scene, desk.scene.rng, desk.programs["outlook"]
    scene.fetch(at, outlook, scene.company.services["mail"])
    audited = rng.random()
    if audited < 0.2:
        operation, thing = next((what, thing) for share, what, thing in _AUDITED if audited < share)
        scene.saas.m365(at + SECOND, desk.person.account, scene.via(desk.person.login), "Exchange", operation, thing)
    if rng.random() < 0.25:
        name, ending = rng.choice((("winword", "docx"), ("excel", "xlsx"), ("acrobat", "pdf"), ("winword", "docm")))
        path = attachment(desk, f"{rng.choice(DOCUMENTS)}_{rng.randrange(1_000, 9_999)}.{ending}")
        scene.wrote(at + 20 * SECOND, outlook, path)
        reader = scene.start(at + 22 * SECOND, outlook, name, f'{quoted(name)} /n "{path}"')
        scene.stop(at + 22 * SECOND + int(rng.lognormvariate(5, 1) * SECOND), reader)


_AUDITED = (
    (0.002, "New-InboxRule", "Newsletters"),
    (0.010, "SearchQueryInitiatedExchange", "minutes"),
    (0.05, "Send", "Re: minutes"),
    (0.2, "MailItemsAccessed", "Inbox"),
)
"""What mail leaves in the office suite's audit log: cumulated share of openings, operation, on what."""


def attachment(desk: Desk, name: str) -> str:
    """Where Outlook keeps an opened attachment."""
    folder = f"{desk.scene.rng.getrandbits(40):010X}"[:8]
    return f"C:\\Users\\{desk.person.login}\\AppData\\Local\\Microsoft\\Windows\\INetCache\\Content.Outlook\\{folder}\\{name}"


def quoted(name: str) -> str:
    """A program's path as a shell writes it."""
    return f'"{PROGRAMS[name].image}"'


def document(desk: Desk, at: int) -> None:
    """A document of the team's share is opened, worked on and saved."""
    scene, rng, person = desk.scene, desk.scene.rng, desk.person
    name, ending = rng.choice((("winword", "docx"), ("excel", "xlsx"), ("excel", "xlsm")))
    path = f"\\\\fs01\\{person.team}\\{rng.choice(DOCUMENTS)}-{rng.randrange(2024, 2027)}-{rng.randrange(60):02d}.{ending}"
    office = scene.start(at, desk.explorer, name, f'{quoted(name)} "{path}"')
    _fileserver(desk, at + SECOND, rng.randrange(3_000, 9_000), int(rng.lognormvariate(12, 1)), 30)
    scene.fetch(at + 2 * SECOND, office, scene.company.services["identity"])
    end = at + int(rng.lognormvariate(6, 0.8) * SECOND)
    scene.wrote(
        end - 5 * SECOND, office, f"C:\\Users\\{person.login}\\AppData\\Roaming\\Microsoft\\Office\\Recent\\{rng.choice(DOCUMENTS)}.LNK"
    )
    scene.stop(end, office)


def share(desk: Desk, at: int) -> None:
    """Files are copied from or to the file server."""
    rng = desk.scene.rng
    size = int(rng.lognormvariate(13.5, 1.6))
    sent, got = (size, 9_000) if rng.random() < 0.3 else (6_000, size)
    _fileserver(desk, at, sent, got, 20 + rng.expovariate(1 / 120))


def _fileserver(desk: Desk, at: int, sent: int, got: int, seconds: float) -> None:
    if not desk.scene.away:
        ntlm = desk.scene.rng.random() < 0.05  # a drive mapped by address
        desk.scene.smb(at, desk.person.account, desk.person.machine, desk.scene.company.servers["fs01"], sent, got, seconds, ntlm)


def meet(desk: Desk, at: int) -> None:
    """A call: media over UDP for half an hour or so."""
    scene, rng = desk.scene, desk.scene.rng
    chat, teams = scene.company.services["chat"], desk.programs["teams"]
    scene.fetch(at, teams, chat)
    seconds = int(rng.uniform(12, 55) * 60)
    flow = Flow(at + SECOND, "", scene.port(), chat.ip, 3478, "udp", seconds * SECOND)
    scene.connect(flow, teams, "stun", seconds * rng.randrange(9_000, 60_000), seconds * rng.randrange(20_000, 150_000), chat.name)


def read_pdf(desk: Desk, at: int) -> None:
    scene, login = desk.scene, desk.person.login
    name = f"{scene.rng.choice(DOCUMENTS)}-{scene.rng.randrange(100, 9_999)}.pdf"
    scene.run(at, desk.explorer, "acrobat", f'{quoted("acrobat")} "C:\\Users\\{login}\\Downloads\\{name}"', seconds=400)


def pack(desk: Desk, at: int) -> None:
    """Files are packed to be sent."""
    name, folder = desk.scene.rng.choice(DOCUMENTS), f"C:\\Users\\{desk.person.login}\\Documents"
    zipped = f"{folder}\\{name}.7z"
    packer = desk.scene.run(at, desk.explorer, "7z", f'{quoted("7z")} a "{zipped}" "{folder}\\{name}"', seconds=12)
    desk.scene.wrote(at + 200 * MS, packer, zipped)


_PUSH = (("factor", "OKTA_VERIFY_PUSH"),)


def sign_in(desk: Desk, at: int) -> None:
    """The first sign-in of a day at the identity provider: browser, password, second factor, the first applications."""
    scene, rng, account = desk.scene, desk.scene.rng, desk.person.account
    scene.fetch(at, desk.programs["chrome"], scene.company.services["identity"])
    for _ in range(poisson(rng, 0.05)):
        scene.signed(at - 9 * SECOND, account, Seen("user.session.start", "INVALID_CREDENTIALS"))
    scene.signed(at, account, Seen("user.session.start"))
    if rng.random() < 0.01:
        scene.signed(at + 2 * SECOND, account, Seen("user.authentication.auth_via_mfa", "USER_REJECTED_OKTA_PUSH_VERIFY", detail=_PUSH))
    scene.signed(at + 4 * SECOND, account, Seen("user.authentication.auth_via_mfa", detail=_PUSH))
    scene.signed(at + 6 * SECOND, account, Seen("user.authentication.sso", app=APPS[0]))


def sign_on(desk: Desk, at: int) -> None:
    """An application outside is opened: page, token, and the application's pages."""
    scene, rng, account = desk.scene, desk.scene.rng, desk.person.account
    mine = APPS if desk.person.role != "office" else APPS[:-2]
    app = mine[min(int(rng.expovariate(0.45)), len(mine) - 1)]
    home = scene.company.sites[sum(app.encode()) % 40]
    scene.fetch(at, desk.programs["chrome"], home)
    scene.signed(at + 700 * MS, account, Seen("user.authentication.sso", app=app))
    if app == APPS[-1]:
        scene.cloud.saml(at + SECOND, account, "developer", scene.via(account.login).ip)
    if rng.random() < 0.004:
        scene.saas.m365(
            at + 30 * SECOND, account, scene.via(account.login), "AzureActiveDirectory", "Consent to application.", "Whiteboard"
        )
    for _ in range(1 + poisson(rng, 1.5)):
        at += int(rng.expovariate(1 / 40) * SECOND)
        scene.fetch(at, desk.programs["chrome"], home)


def store(desk: Desk, at: int) -> None:
    """Files of the document store are opened, fetched or stored."""
    scene, rng, person = desk.scene, desk.scene.rng, desk.person
    via = scene.via(person.login)
    for _ in range(1 + int(rng.lognormvariate(0.3, 0.8))):
        name = f"{rng.choice(DOCUMENTS)}-{rng.randrange(2024, 2027)}-{rng.randrange(60):02d}.{rng.choice(('docx', 'xlsx', 'pptx', 'pdf'))}"
        operation = rng.choices(("FileAccessed", "FileDownloaded", "FileModified", "FileUploaded"), (6, 2, 3, 1))[0]
        scene.fetch(at, desk.programs["chrome"], scene.company.services["sync"])
        scene.saas.file(at + 400 * MS, person.account, via, operation, person.team, name)
        at += int(rng.expovariate(1 / 60) * SECOND)
    if rng.random() < 0.03:
        folder = f"https://tidewell-my.sharepoint.com/personal/{person.login}/{rng.choice(DOCUMENTS)}.docx"
        scene.saas.m365(at, person.account, via, "OneDrive", "SecureLinkCreated", folder)


def from_home(scene: Scene, person: Person, at: int) -> None:
    """In the evening, from a machine of one's own: the services outside see it, the company's sensors do not."""
    rng, account = scene.rng, person.account
    via = client(scene.company, public_ip(stream(scene.company.seed, "home", person.login)), person.office.country)
    scene.signed(at, account, Seen("user.session.start"), via)
    scene.signed(at + 5 * SECOND, account, Seen("user.authentication.auth_via_mfa", detail=_PUSH), via)
    scene.signed(at + 8 * SECOND, account, Seen("user.authentication.sso", app=APPS[0]), via)
    for _ in range(1 + poisson(rng, 2)):
        at += int(rng.expovariate(1 / 90) * SECOND)
        scene.saas.file(at, account, via, "FileAccessed", person.team, f"{rng.choice(DOCUMENTS)}-{rng.randrange(60):02d}.docx")
