"""What machines do by themselves while they are on, by day and by night: updates, telemetry, time, policies, scans, housekeeping."""

from __future__ import annotations

from nonself.lab.world.catalog import SCRIPTS
from nonself.lab.world.clock import HOUR, MINUTE, MS, SECOND
from nonself.lab.world.company import DOMAIN, Account, Company, Machine
from nonself.lab.world.emit import Scene
from nonself.lab.world.emit_zeek import Flow

_REGISTRY = (
    (
        "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\WindowsUpdate\\Orchestrator\\UScheduler\\LastRun",
        "QWORD (0x01da6c{:02x}-0x{:08x})",
    ),
    ("HKLM\\System\\CurrentControlSet\\Services\\W32Time\\SecureTimeLimits\\SecureTimeHigh", "QWORD (0x01da6c{:02x}-0x{:08x})"),
    (
        "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache\\Tasks\\{{5F2A9B{:02X}}}\\DynamicInfo",
        "Binary Data {:x}",
    ),
    ("HKLM\\SOFTWARE\\Microsoft\\Windows Defender\\Signature Updates\\SignaturesLastChecked", "QWORD (0x01da6c{:02x}-0x{:08x})"),
)
_TASKS = (
    ("taskhostw", "taskhostw.exe"),
    ("chrome-update", '"C:\\Program Files (x86)\\Google\\Update\\GoogleUpdate.exe" /ua /installsource scheduler'),
    ("mpcmdrun", '"C:\\Program Files\\Windows Defender\\MpCmdRun.exe" SignaturesUpdateService -ScheduleJob -UnmanagedUpdate'),
    ("backgroundtask", "backgroundTaskHost.exe -ServerName:CortanaUI.AppXy7vb4pc2dr3kc93kfc509b1d0arkfb2x.mca"),
    (
        "searchhost",
        '"C:\\Windows\\system32\\SearchProtocolHost.exe" Global\\UsGthrFltPipeMssGthrPipe Global\\UsGthrCtrlFltPipeMssGthrPipe 1',
    ),
)
_HANDLES = (
    ("svchost", "svchost", "0x1000"),
    ("svchost", "lsass", "0x1000"),
    ("wmiprvse", "svchost", "0x1410"),
    ("wmiprvse", "lsass", "0x1410"),
    ("defender", "svchost", "0x1fffff"),
    ("defender", "lsass", "0x1000"),
    ("agent", "svchost", "0x1400"),
    ("agent", "lsass", "0x1410"),
)
"""Who opens whom, with what rights."""


def computer_account(company: Company, machine: Machine) -> Account:
    """The machine's own domain account."""
    return Account(f"{machine.name.upper()}$", f"{company.sid}-{5000 + machine.tag % 4_000}")


def background(scene: Scene, machine: Machine, start: int, end: int) -> None:
    """All that a Windows machine does by itself in [start, end)."""
    _services(scene, machine, start, end)
    _policies(scene, machine, start, end)
    _housekeeping(scene, machine, start, end)
    _handles(scene, machine, start, end)
    _agent(scene, machine, start, end)


def _services(scene: Scene, machine: Machine, start: int, end: int) -> None:
    rng, services = scene.rng, scene.company.services
    for name, every in (("telemetry", 240), ("settings", 480), ("update", 420), ("defender", 360)):
        owner = "defender" if name == "defender" else "svchost"
        for at in scene.sometimes(start, end, every * MINUTE):
            scene.fetch(at, scene.resident(machine, owner), services[name])
    for at in scene.sometimes(start, end, 300 * MINUTE):
        trust = rng.random() < 0.5
        path = "GET /msdownload/update/v3/static/trustedr/en/authrootstl.cab" if trust else f"GET /MFEwTzBNMEswSTAJ{rng.getrandbits(64):x}"
        name, mime = ("trust", "application/vnd.ms-cab-compressed") if trust else ("ocsp", "application/ocsp-response")
        scene.plain(at, scene.resident(machine, "svchost"), services[name], path, rng.choice((0, 471, 1_880, 8_312)), mime)
    for at in scene.sometimes(start, end, 6 * HOUR):
        name = rng.choice(("wpad", "isatap", f"printer-{machine.tag % 7}"))
        scene.miss(at, scene.resident(machine, "svchost"), f"{name}.{DOMAIN}")
    for at in () if scene.away else scene.regularly(start, end, 136 * MINUTE, 0.02):
        dc = scene.company.controller(machine)
        outside = machine.role == "domain controller"
        flow = Flow(at, machine.ip, 123, scene.company.resolver if outside else dc.ip, 123, "udp", rng.randrange(1, 30) * MS, machine.name)
        scene.wire(flow, "ntp", 48, 48)


def _policies(scene: Scene, machine: Machine, start: int, end: int) -> None:
    """Group policy: the computer logs on to the domain controller and reads its policies."""
    dc, rng = scene.company.controller(machine), scene.rng
    if machine.role == "domain controller" or scene.away:
        return
    account = computer_account(scene.company, machine)
    for at in scene.regularly(start, end, 90 * MINUTE, 0.25):
        scene.smb(at, account, machine, dc, rng.randrange(2_000, 5_000), rng.randrange(4_000, 40_000), 0.4 + rng.expovariate(1 / 2))
        flow = Flow(at + 300 * MS, "", scene.port(), dc.ip, 389, duration=rng.randrange(20, 900) * MS)
        scene.connect(
            flow, scene.resident(machine, "svchost"), "ldap_tcp,krb", rng.randrange(1_900, 3_200), rng.randrange(3_000, 9_000), dc.fqdn
        )


def _housekeeping(scene: Scene, machine: Machine, start: int, end: int) -> None:
    rng = scene.rng
    for at in scene.sometimes(start, end, 100 * MINUTE):
        key, details = rng.choice(_REGISTRY)
        low = rng.getrandbits(8)
        scene.registry(at, scene.resident(machine, "svchost"), key.format(low), details.format(low, rng.getrandbits(32)))
    for at in scene.sometimes(start, end, 110 * MINUTE):
        name = rng.choice(("SVCHOST.EXE", "TASKHOSTW.EXE", "CHROME.EXE", "RUNDLL32.EXE", "CMD.EXE", "POWERSHELL.EXE", "WMIPRVSE.EXE"))
        path = f"C:\\Windows\\Prefetch\\{name}-{rng.getrandbits(32):08X}.pf"
        scene.wrote(at, scene.resident(machine, "svchost"), path)
    for at in scene.sometimes(start, end, 95 * MINUTE):
        name, command = rng.choice(_TASKS)
        task = scene.run(at, scene.resident(machine, "svchost"), name, command, seconds=8)
        if name == "chrome-update":
            scene.fetch(at + SECOND, task, scene.company.services["browser-update"])


def _handles(scene: Scene, machine: Machine, start: int, end: int) -> None:
    """System programs open other processes all the time, the security authority among them."""
    rng = scene.rng
    for at in scene.sometimes(start, end, 75 * MINUTE):
        source, target, granted = rng.choice(_HANDLES)
        scene.opened(at, scene.resident(machine, source), scene.resident(machine, target), granted)


def _agent(scene: Scene, machine: Machine, start: int, end: int) -> None:
    """The endpoint agent reports every few hours and runs a script now and then."""
    rng, agent = scene.rng, scene.resident(machine, "agent")
    if not scene.away:
        for at in scene.regularly(start, end, 3 * HOUR, 0.03):
            scene.fetch(at, agent, scene.company.services["mon01"], rng.randrange(1_800, 2_600), rng.randrange(400, 700), 0.6)
    for at in scene.sometimes(start, end, 9 * HOUR):
        number = rng.randrange(len(SCRIPTS))
        command = (
            f"powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -File C:\\ProgramData\\Corvid\\tasks\\inv{number:02d}.ps1"
        )
        shell = scene.run(at, agent, "powershell", command, seconds=6)
        scene.script(at + 600 * MS, shell, SCRIPTS[number])


def computer_logon(scene: Scene, machine: Machine, at: int) -> None:
    """A machine that wakes proves itself to the domain controller."""
    if not scene.away:
        scene.ticket(at, computer_account(scene.company, machine), machine, scene.company.controller(machine), first=True)
