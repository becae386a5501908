"""Windows records: Sysmon, Security, System and PowerShell events as flat JSON, one a line, the way an event collector flattens them.

The rendered `Message` is left out, as collectors are commonly told to. `RecordNumber` is given when the day is written.
"""

from __future__ import annotations

import functools
import hashlib
import random
from dataclasses import dataclass

import orjson

from nonself.lab.world.catalog import PROGRAMS, Program
from nonself.lab.world.clock import DAY, MS, SECOND, iso, spaced
from nonself.lab.world.company import NETBIOS, Account, Machine
from nonself.lab.world.write import Journal

Fields = dict[str, str]

SYSMON = "Microsoft-Windows-Sysmon/Operational"
POWERSHELL = "Microsoft-Windows-PowerShell/Operational"
_HEADS: dict[str, Fields] = {
    SYSMON: {
        "SourceName": "Microsoft-Windows-Sysmon",
        "ProviderGuid": "{5770385f-c22a-43e0-bf4c-06f5698ffbd9}",
        "Level": "4",
        "Keywords": "0x8000000000000000",
    },
    "Security": {
        "SourceName": "Microsoft-Windows-Security-Auditing",
        "ProviderGuid": "{54849625-5478-4994-a5ba-3e3b0328c30d}",
        "Level": "0",
        "Keywords": "0x8020000000000000",
    },
    "System": {
        "SourceName": "Service Control Manager",
        "ProviderGuid": "{555908d1-a6d7-4695-8e1e-26931d2012f4}",
        "Level": "4",
        "Keywords": "0x8080000000000000",
    },
    POWERSHELL: {
        "SourceName": "Microsoft-Windows-PowerShell",
        "ProviderGuid": "{a0c1853b-5c40-4b15-8766-3cf1c58f985a}",
        "Level": "5",
        "Keywords": "0x0",
    },
}
_TASKS = {4624: 12544, 4625: 12544, 4634: 12545, 4672: 12548, 4688: 13312, 4698: 12804, 4720: 13824, 4768: 14339, 4769: 14337, 4776: 14336,
          4104: 2, 7045: 0}  # fmt: skip
_FAILURE = "0x8010000000000000"
SYSTEM_USER = "NT AUTHORITY\\SYSTEM"
PRIVILEGES = "\n\t\t\t".join(
    ("SeSecurityPrivilege", "SeBackupPrivilege", "SeRestorePrivilege", "SeTakeOwnershipPrivilege", "SeDebugPrivilege",
     "SeSystemEnvironmentPrivilege", "SeLoadDriverPrivilege", "SeImpersonatePrivilege")
)  # fmt: skip
NO_GUID = "{00000000-0000-0000-0000-000000000000}"


@dataclass(frozen=True, slots=True)
class Session:
    """A logon on one machine. `account` null is the machine itself (SYSTEM)."""

    machine: Machine
    account: Account | None
    start: int
    logon_id: str
    guid: str
    number: int  # terminal session

    @property
    def user(self) -> str:
        return f"{NETBIOS}\\{self.account.login}" if self.account else SYSTEM_USER

    @property
    def login(self) -> str:
        return self.account.login if self.account else "SYSTEM"


@dataclass(frozen=True, slots=True)
class Proc:
    """A running process."""

    session: Session
    name: str  # in the catalogue
    program: Program
    image: str
    cmdline: str
    guid: str
    pid: int
    integrity: str

    @property
    def machine(self) -> Machine:
        return self.session.machine


def _guid(machine: Machine, at: int, tail: bytes) -> str:
    stamp, rest = at // SECOND, tail.hex()
    return f"{{{machine.tag:08x}-{stamp & 0xFFFF:04x}-{stamp >> 16 & 0xFFFF:04x}-{rest[:4]}-{rest[4:]}}}"


def session(machine: Machine, account: Account | None, at: int, number: int = 1) -> Session:
    """A logon session that starts at `at`. Its id counts up with time, as Windows' own do, so it says nothing of who made it."""
    value = 0x3E7 if account is None else 0x10000 + (at - machine.boot) // 1_201
    tail = value.to_bytes(8, "little")
    return Session(machine, account, at, hex(value), _guid(machine, at if account else machine.boot, tail), number if account else 0)


def process(where: Session, name: str, at: int, rng: random.Random, cmdline: str = "", image: str = "", integrity: str = "") -> Proc:
    """A process of the program `name` of the catalogue, started at `at`; `image` overrides where its file lies."""
    machine, program = where.machine, PROGRAMS[name] if name in PROGRAMS else Program(image, "-", "-", "-", "-")
    path = (image or program.image).replace("{user}", where.login)
    tail = ((1 + machine.tag % 9) << 48 | (at - machine.boot) // 256).to_bytes(8, "little")
    level = integrity or ("Medium" if where.account else "System")
    return Proc(where, name, program, path, cmdline or f'"{path}"', _guid(machine, at, tail), rng.randrange(500, 6_200) * 4, level)


@functools.lru_cache(maxsize=4_096)
def hashes(image: str, version: str) -> str:
    """The file hashes of an executable: the same file is the same everywhere."""
    name, seed = image.rpartition("\\")[2].lower(), f"{image.rpartition(chr(92))[2].lower()}|{version}".encode()
    sha1, md5, sha256 = (hashlib.new(kind, seed).hexdigest().upper() for kind in ("sha1", "md5", "sha256"))
    return f"SHA1={sha1},MD5={md5},SHA256={sha256},IMPHASH={hashlib.blake2b(name.encode(), digest_size=16).hexdigest().upper()}"


class Windows:
    """Writes the records of Windows machines. Times given are true; the machine's clock error is added here."""

    def __init__(self, journal: Journal, rng: random.Random) -> None:
        self._journal, self._rng = journal, rng
        self.held = 0  # a machine that cannot reach the collector sends nothing before then, and all of it in one batch

    def sysmon(self, machine: Machine, at: int, event: int, fields: Fields, user: str = "") -> None:
        head = {"Task": str(event), "RuleName": "-", "UtcTime": spaced(at + machine.skew)}
        self._write(SYSMON, machine, at, event, {**head, **fields}, user)

    def security(self, machine: Machine, at: int, event: int, fields: Fields, user: str = "") -> None:
        extra = {"Keywords": _FAILURE} if event == 4625 or fields.get("Status", "0x0") != "0x0" else {}
        self._write("Security", machine, at, event, {**extra, "Task": str(_TASKS[event]), **fields}, user)

    def other(self, channel: str, machine: Machine, at: int, event: int, fields: Fields, user: str = "") -> None:
        self._write(channel, machine, at, event, {"Task": str(_TASKS[event]), **fields}, user)

    def _write(self, channel: str, machine: Machine, at: int, event: int, fields: Fields, user: str) -> None:
        stamp = iso(at + machine.skew + int(self._rng.random() * 4 * MS))
        head = {
            **_HEADS[channel],
            "Channel": channel,
            "Hostname": machine.fqdn,
            "TimeCreated": stamp,
            "@timestamp": stamp,
            "EventID": event,
        }
        # Without the closing brace, which RecordNumber still comes before; a slice also lets go of the ten times larger buffer it came in.
        body = orjson.dumps({**head, **fields})[:-1]
        arrival = at + machine.delay if at >= self.held else self.held + at % DAY // 1_000
        self._journal.add("windows", arrival, body, f"{machine.fqdn}|{channel}", at, machine.name, user)


def created(proc: Proc, parent: Proc, cwd: str) -> Fields:
    """Sysmon 1."""
    program, where = proc.program, proc.session
    return {
        "ProcessGuid": proc.guid,
        "ProcessId": str(proc.pid),
        "Image": proc.image,
        "FileVersion": program.version,
        "Description": program.description,
        "Product": program.product,
        "Company": program.company,
        "OriginalFileName": program.original if program.description != "-" else "-",
        "CommandLine": proc.cmdline,
        "CurrentDirectory": cwd,
        "User": where.user,
        "LogonGuid": where.guid,
        "LogonId": where.logon_id,
        "TerminalSessionId": str(where.number),
        "IntegrityLevel": proc.integrity,
        "Hashes": hashes(proc.image, program.version),
        "ParentProcessGuid": parent.guid,
        "ParentProcessId": str(parent.pid),
        "ParentImage": parent.image,
        "ParentCommandLine": parent.cmdline,
        "ParentUser": parent.session.user,
    }


def created_audit(proc: Proc, parent: Proc) -> Fields:
    """Security 4688."""
    where = proc.session
    account = where.account
    return {
        "SubjectUserSid": account.sid if account else "S-1-5-18",
        "SubjectUserName": account.login if account else f"{where.machine.name.upper()}$",
        "SubjectDomainName": NETBIOS,
        "SubjectLogonId": where.logon_id,
        "NewProcessId": hex(proc.pid),
        "NewProcessName": proc.image,
        "TokenElevationType": "%%1936",
        "ProcessId": hex(parent.pid),
        "CommandLine": proc.cmdline,
        "TargetUserSid": "S-1-0-0",
        "TargetUserName": "-",
        "TargetDomainName": "-",
        "TargetLogonId": "0x0",
        "ParentProcessName": parent.image,
        "MandatoryLabel": {"System": "S-1-16-16384", "High": "S-1-16-12288"}.get(proc.integrity, "S-1-16-8192"),
    }


def of(proc: Proc) -> Fields:
    """The fields by which most Sysmon events name their process."""
    return {"ProcessGuid": proc.guid, "ProcessId": str(proc.pid), "Image": proc.image, "User": proc.session.user}


def connected(proc: Proc, proto: str, src: str, sport: int, dst: str, dport: int, dst_host: str) -> Fields:
    """Sysmon 3, seen from the machine that opened the connection."""
    return {
        **of(proc),
        "Protocol": proto,
        "Initiated": "true",
        "SourceIsIpv6": "false",
        "SourceIp": src,
        "SourceHostname": proc.machine.fqdn,
        "SourcePort": str(sport),
        "SourcePortName": "-",
        "DestinationIsIpv6": "false",
        "DestinationIp": dst,
        "DestinationHostname": dst_host,
        "DestinationPort": str(dport),
        "DestinationPortName": {443: "https", 80: "http", 22: "ssh", 445: "microsoft-ds", 88: "kerberos"}.get(dport, "-"),
    }


def accessed(source: Proc, target: Proc, granted: str, trace: str) -> Fields:
    """Sysmon 10."""
    return {
        "SourceProcessGUID": source.guid,
        "SourceProcessId": str(source.pid),
        "SourceThreadId": str(source.pid + 4 * (len(trace) % 97)),
        "SourceImage": source.image,
        "TargetProcessGUID": target.guid,
        "TargetProcessId": str(target.pid),
        "TargetImage": target.image,
        "GrantedAccess": granted,
        "CallTrace": trace,
        "SourceUser": source.session.user,
        "TargetUser": target.session.user,
    }


def script_block(proc: Proc, block: str, text: str) -> Fields:
    """PowerShell 4104; the account is in the record's system part."""
    account = proc.session.account
    return {
        "UserID": account.sid if account else "S-1-5-18",
        "AccountName": proc.session.login,
        "Domain": NETBIOS if account else "NT AUTHORITY",
        "MessageNumber": "1",
        "MessageTotal": "1",
        "ScriptBlockText": text,
        "ScriptBlockId": block,
        "Path": "",
    }


def loaded(proc: Proc, module: str) -> Fields:
    """Sysmon 7."""
    name = module.rpartition("\\")[2]
    return {
        **of(proc),
        "ImageLoaded": module,
        "FileVersion": "10.0.22621.1",
        "Description": name.partition(".")[0],
        "Product": "Microsoft® Windows® Operating System",
        "Company": "Microsoft Corporation",
        "OriginalFileName": name,
        "Hashes": hashes(module, "10.0.22621.1"),
        "Signed": "true",
        "Signature": "Microsoft Windows",
        "SignatureStatus": "Valid",
    }
