"""What exists in any company of this kind: names, programs, well-known services. Data only, no behaviour."""

from __future__ import annotations

from typing import NamedTuple

FIRST_NAMES = (
    "Ada", "Bruno", "Carla", "Dinis", "Elsa", "Filipe", "Greta", "Hugo", "Ines", "Joel", "Katia", "Luis", "Marta", "Nuno", "Olga", "Paulo",
    "Rita", "Simon", "Tania", "Ugo", "Vera", "Walter", "Xenia", "Yara", "Zita", "Anton", "Beatriz", "Cesar", "Dora", "Emil",
)  # fmt: skip
LAST_NAMES = (
    "Abreu", "Barros", "Castell", "Duarte", "Esteves", "Fonseca", "Guerra", "Hartmann", "Iglesias", "Jansen", "Keller", "Lobo", "Moreau",
    "Neves", "Okafor", "Pinto", "Queiroz", "Ramalho", "Sequeira", "Teles", "Ulrich", "Valente", "Wagner", "Ximenes", "Yilmaz", "Zanetti",
    "Almeida", "Bergman", "Correia", "Dvorak", "Ekberg",
)  # fmt: skip
SITE_HEADS = (
    "amber", "birch", "copper", "dapple", "ember", "fennel", "gable", "harbour", "indigo", "juniper", "kestrel", "lantern", "marrow",
    "nettle", "osprey", "pumice", "quill", "rowan", "sable", "thistle", "umber", "velvet", "willow", "yarrow", "zephyr", "alder", "brindle",
    "clover", "drift", "elder",
)  # fmt: skip
SITE_TAILS = (
    "post", "loom", "quay", "field", "works", "desk", "market", "ledger", "press", "garden", "signal", "forge", "depot", "metrics", "stack",
    "house", "cloud", "supply", "journal", "lane",
)  # fmt: skip
SITE_ZONES = ("com", "com", "com", "com", "net", "org", "io", "pt", "eu", "co")
SITE_HOSTS = ("www.", "www.", "www.", "", "", "app.", "cdn.", "static.", "api.", "images.")

SERVICES: dict[str, str] = {
    "mail": "outlook.office365.com",
    "chat": "teams.microsoft.com",
    "sync": "tidewell-my.sharepoint.com",
    "telemetry": "v10.events.data.microsoft.com",
    "settings": "settings-win.data.microsoft.com",
    "update": "fe3cr.delivery.mp.microsoft.com",
    "trust": "ctldl.windowsupdate.com",
    "ocsp": "ocsp.digicert.com",
    "browser-update": "update.googleapis.com",
    "defender": "wdcp.microsoft.com",
    "identity": "login.microsoftonline.com",
    "git": "github.com",
    "packages": "registry.npmjs.org",
    "aws": "ec2.eu-west-1.amazonaws.com",
    "aws-s3": "s3.eu-west-1.amazonaws.com",
    "aws-sts": "sts.eu-west-1.amazonaws.com",
    "offsite": "vault-eu2.keepwell-backup.com",
}
"""Services that every machine of the company talks to, whoever sits before it: role -> host name."""


class Program(NamedTuple):
    """An executable as Sysmon describes it. `image` may hold `{user}`."""

    image: str
    description: str
    product: str
    company: str
    version: str

    @property
    def original(self) -> str:
        return self.image.rpartition("\\")[2].upper()


_WINDOWS, _MS, _BUILD = "Microsoft® Windows® Operating System", "Microsoft Corporation", "10.0.22631.3155 (WinBuild.160101.0800)"
_SYS = "C:\\Windows\\System32\\"
_FILES = "C:\\Program Files\\"
_APPS = "C:\\Users\\{user}\\AppData\\Local\\"
_OFFICE = _FILES + "Microsoft Office\\root\\Office16\\"
_DEFENDER = "C:\\ProgramData\\Microsoft\\Windows Defender\\Platform\\4.18.24010.12-0\\"


def _system(name: str, description: str, folder: str = _SYS) -> Program:
    return Program(folder + name, description, _WINDOWS, _MS, _BUILD)


def _office(name: str, description: str) -> Program:
    return Program(_OFFICE + name, description, "Microsoft Office", _MS, "16.0.17328.20162")


PROGRAMS: dict[str, Program] = {
    "system": Program("System", "-", "-", "-", "-"),
    "services": _system("services.exe", "Services and Controller app"),
    "lsass": _system("lsass.exe", "Local Security Authority Process"),
    "svchost": _system("svchost.exe", "Host Process for Windows Services"),
    "winlogon": _system("winlogon.exe", "Windows Logon Application"),
    "userinit": _system("userinit.exe", "Userinit Logon Application"),
    "explorer": _system("explorer.exe", "Windows Explorer", "C:\\Windows\\"),
    "taskhostw": _system("taskhostw.exe", "Host Process for Windows Tasks"),
    "backgroundtask": _system("backgroundTaskHost.exe", "Background Task Host"),
    "wmiprvse": _system("WmiPrvSE.exe", "WMI Provider Host", _SYS + "wbem\\"),
    "searchhost": _system("SearchProtocolHost.exe", "Microsoft Windows Search Protocol Host"),
    "cmd": _system("cmd.exe", "Windows Command Processor"),
    "powershell": _system("powershell.exe", "Windows PowerShell", _SYS + "WindowsPowerShell\\v1.0\\"),
    "whoami": _system("whoami.exe", "whoami - displays logged on user information"),
    "net": _system("net.exe", "Net Command"),
    "net1": _system("net1.exe", "Net Command"),
    "nltest": _system("nltest.exe", "Microsoft® Logon Server Test Utility"),
    "ipconfig": _system("ipconfig.exe", "IP Configuration Utility"),
    "systeminfo": _system("systeminfo.exe", "Displays system information"),
    "ping": _system("PING.EXE", "TCP/IP Ping Command"),
    "vssadmin": _system("vssadmin.exe", "Command Line Interface for Microsoft® Volume Shadow Copy Service"),
    "bcdedit": _system("bcdedit.exe", "Boot Configuration Data Editor"),
    "wevtutil": _system("wevtutil.exe", "Eventing Command Line Utility"),
    "ntdsutil": _system("ntdsutil.exe", "NT5DS"),
    "schtasks": _system("schtasks.exe", "Task Scheduler Configuration Tool"),
    "msiexec": _system("msiexec.exe", "Windows® installer"),
    "mmc": _system("mmc.exe", "Microsoft Management Console"),
    "mstsc": _system("mstsc.exe", "Remote Desktop Connection"),
    "trustedinstaller": _system("TrustedInstaller.exe", "Windows Modules Installer", "C:\\Windows\\servicing\\"),
    "gpupdate": _system("gpupdate.exe", "Microsoft® Group Policy Update Utility"),
    "ssh": _system("ssh.exe", "OpenSSH for Windows", _SYS + "OpenSSH\\"),
    "defender": Program(_DEFENDER + "MsMpEng.exe", "Antimalware Service Executable", _WINDOWS, _MS, "4.18.24010.12"),
    "mpcmdrun": Program(_DEFENDER + "MpCmdRun.exe", "Microsoft Malware Protection Command Line Utility", _WINDOWS, _MS, "4.18.24010.12"),
    "chrome-update": Program(
        "C:\\Program Files (x86)\\Google\\Update\\GoogleUpdate.exe", "Google Installer", "Google Update", "Google LLC", "1.3.36.372"
    ),
    "chrome": Program(_FILES + "Google\\Chrome\\Application\\chrome.exe", "Google Chrome", "Google Chrome", "Google LLC", "122.0.6261.95"),
    "outlook": _office("OUTLOOK.EXE", "Microsoft Outlook"),
    "winword": _office("WINWORD.EXE", "Microsoft Word"),
    "excel": _office("EXCEL.EXE", "Microsoft Excel"),
    "teams": Program(
        _FILES + "WindowsApps\\MSTeams_24033.811.2738.2546_x64__8wekyb3d8bbwe\\ms-teams.exe",
        "Microsoft Teams", "Microsoft Teams", _MS, "24033.811.2738.2546",
    ),
    "onedrive": Program(_APPS + "Microsoft\\OneDrive\\OneDrive.exe", "Microsoft OneDrive", "Microsoft OneDrive", _MS, "24.020.0128.0003"),
    "acrobat": Program(_FILES + "Adobe\\Acrobat DC\\Acrobat\\Acrobat.exe", "Adobe Acrobat", "Adobe Acrobat", "Adobe Inc.", "23.8.20533.0"),
    "code": Program(_APPS + "Programs\\Microsoft VS Code\\Code.exe", "Visual Studio Code", "Visual Studio Code", _MS, "1.87.0"),
    "git": Program(_FILES + "Git\\cmd\\git.exe", "Git for Windows", "Git", "The Git Development Community", "2.44.0.1"),
    "node": Program(_FILES + "nodejs\\node.exe", "Node.js JavaScript Runtime", "Node.js", "Node.js", "20.11.1"),
    "python": Program("C:\\Python312\\python.exe", "Python", "Python", "Python Software Foundation", "3.12.2"),
    "aws": Program(_FILES + "Amazon\\AWSCLIV2\\aws.exe", "-", "-", "-", "-"),
    "7z": Program(_FILES + "7-Zip\\7z.exe", "7-Zip Console", "7-Zip", "Igor Pavlov", "23.01"),
    "agent": Program(_FILES + "Corvid Endpoint\\corvidsvc.exe", "Corvid Endpoint Agent", "Corvid Endpoint", "Corvid Systems AB", "7.4.1.0"),
    "backup": Program(_FILES + "Keepwell\\kwagent.exe", "Keepwell Backup Agent", "Keepwell Backup", "Keepwell GmbH", "12.1.0.2131"),
    "sqlservr": Program(
        _FILES + "Microsoft SQL Server\\MSSQL16.MSSQLSERVER\\MSSQL\\Binn\\sqlservr.exe",
        "SQL Server Windows NT - 64 Bit", "Microsoft SQL Server", _MS, "2022.0160.4105.02",
    ),
    "psexesvc": Program("C:\\Windows\\PSEXESVC.exe", "PsExec Service", "Sysinternals PsExec", "Sysinternals", "2.43"),
    "rollout": Program(_FILES + "Tessera DLP\\tesserad.exe", "Tessera Data Guard", "Tessera Data Guard", "Tessera Labs Ltd", "3.0.12.0"),
    "release": Program(_FILES + "Pelagia\\pelagia.exe", "Pelagia Inventory", "Pelagia Inventory", "Pelagia GmbH", "1.0.0.0"),
}  # fmt: skip

SVCHOST_GROUPS = ("netsvcs -p -s Schedule", "netsvcs -p -s wuauserv", "LocalService -p -s W32Time", "NetworkService -p -s Dnscache",
                  "utcsvc -p -s DiagTrack", "netsvcs -p -s gpsvc", "LocalSystemNetworkRestricted -p -s PcaSvc")  # fmt: skip

SCRIPTS: tuple[str, ...] = (
    "Get-CimInstance Win32_OperatingSystem | Select-Object Caption,Version,LastBootUpTime | ConvertTo-Json",
    "Get-HotFix | Sort-Object InstalledOn | Select-Object -Last 5 HotFixID,InstalledOn | ConvertTo-Json",
    "Get-Service -Name WinDefend,EventLog,corvidsvc | Select-Object Name,Status,StartType | ConvertTo-Json",
    "Get-ItemProperty 'HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\*' | Select-Object DisplayName,DisplayVersion",
    "Get-PSDrive -PSProvider FileSystem | Select-Object Name,Used,Free | ConvertTo-Json",
)
"""What the endpoint agent runs by PowerShell, in turn."""

LIBRARIES: dict[str, tuple[str, ...]] = {
    "powershell": ("C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\clr.dll", "C:\\Windows\\System32\\amsi.dll"),
    "winword": ("C:\\Program Files\\Microsoft Office\\root\\VFS\\ProgramFilesCommonX64\\Microsoft Shared\\VBA\\VBA7.1\\VBE7.DLL",),
    "excel": ("C:\\Program Files\\Microsoft Office\\root\\VFS\\ProgramFilesCommonX64\\Microsoft Shared\\VBA\\VBA7.1\\VBE7.DLL",),
    "wmiprvse": ("C:\\Windows\\System32\\wbem\\wmiutils.dll",),
    "taskhostw": ("C:\\Windows\\System32\\taskschd.dll",),
}
"""Modules that the Sysmon configuration logs when a program loads them."""

USER_AGENTS: dict[str, str] = {
    "chrome": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/122.0.0.0 Safari/537.36",
    "svchost": "Microsoft-CryptoAPI/10.0",
    "apt": "Debian APT-HTTP/1.3 (2.6.1)",
}

AGENTS_OF_BROWSERS: dict[str, str] = {
    "chrome": USER_AGENTS["chrome"],
    "script": "python-requests/2.31.0",
    "edge": USER_AGENTS["chrome"] + " Edg/122.0.0.0",
}
"""What a client of a web service calls itself."""
APPS = ("Microsoft 365", "Expenses", "Travel desk", "Wiki", "Service desk", "CRM", "Payroll", "Source code", "AWS access portal")
"""What people sign on to through the identity provider, most used first."""

DEPARTMENTS = ("finance", "sales", "operations", "people", "purchasing")
PROJECTS = ("meterbox", "tidegate", "portal", "ingest", "billing")
DOCUMENTS = ("forecast", "minutes", "offer", "contract", "budget", "inventory", "roadmap", "report", "timesheet", "order")
