r"""The fields of one record of the Linux audit system: `type=SYSCALL msg=audit(1364481363.243:24287): arch=c000003e syscall=2 ...`.

Values that hold blanks, quotes or controls are written in hex without quotes; which fields that may happen to is listed, since a plain
number looks the same. Resolved names (`AUID="ann"`) follow a \x1d where auditd writes enriched logs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import islice

from nonself.core.errors import RecordError
from nonself.sources.records import decode

HEAD = re.compile(rb"(?:node=(\S{1,255}) )?type=([A-Z][A-Z0-9_]{1,40}|UNKNOWN\[\d+\]) msg=audit\((\d{1,12})\.(\d{3}):(\d{1,20})\): ?")
_FIELD = re.compile(r'(?<![\w.:-])([A-Za-z_][\w.:-]{0,63}+(?:\[\d{1,9}\])?)=("[^"]*"|\{[^}]{0,512}\}|[^ \x1d]*)')
"""Each part is bounded or begins where none can have begun, so that no text costs more than its length."""
_HEX = re.compile(r"^(?:[0-9A-F]{2})+$")
_ENCODED = frozenset(
    ("acct", "cmd", "comm", "cwd", "data", "dir", "exe", "file", "grp", "key", "name", "new_comm", "new-comm", "ocomm", "old-chardev",
     "new-chardev", "path", "proctitle", "vm", "watch")
)  # fmt: skip
"""Fields whose value may be text in hex."""
_ARGUMENT = re.compile(r"^a\d+(?:\[\d+\])?$")
_NOTHING = ("", "?", "(null)", "(none)")
_OPERATION = re.compile(r"\bop=([a-z]+ [a-z ]{1,60}?) (?=[a-z]+=)")
"""What was done in several words: `op=adding user to group acct="eve"`."""
_GLUED = re.compile(r'(?<=[0-9A-Fa-z)])(?=SADDR=\{ )|(?<=[0-9a-z)])(?=ARCH=\S+ SYSCALL=|[OA]?UID="[^" ]+")')
"""Where the \x1d before resolved names was, in a log that a tool has rid of its control characters. No quoted value can hold these."""
_MARKS = ("SADDR={", "ARCH=", "UID=")
_FIELDS = 4_096
"""Fields kept of one record: an EXECVE may have as many arguments as its writer likes."""
_UNIX, _INET, _INET6 = 1, 2, 10

Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class Record:
    """One line. `fields` are texts by name, decoded; of a user-space record those within `msg='...'` too."""

    kind: str
    fields: Fields


def head(line: bytes) -> re.Match[bytes]:
    """Node, type, seconds, milliseconds and serial number of a line. RecordError "not-auditd"."""
    found = HEAD.match(line)
    if found is None:
        raise RecordError("not-auditd", "expected type=NAME msg=audit(seconds.milliseconds:serial):")
    return found


def record(kind: str, rest: bytes) -> Record:
    """A record of that type from what follows its head."""
    text, fields = decode(rest), Fields()
    if "\x1d" not in text and any(mark in text for mark in _MARKS):
        text = _GLUED.sub("\x1d", text)
    if kind == "LOGIN":  # of kernels before 3.14
        text = text.replace(" old auid=", " old-auid=").replace(" new auid=", " auid=")
        text = text.replace(" old ses=", " old-ses=").replace(" new ses=", " ses=")
    text, quote, inner = text.partition("msg='")
    inner, _, resolved = (inner if "'" in inner else inner + "'").rpartition("'") if quote else ("", "", "")
    before, mark, after = inner.rpartition(" (hostname=")
    if mark:  # of audit before 1.7.14: `(hostname=a, addr=b, terminal=c res=d)`
        inner = f"{before} hostname={after.replace(', ', ' ').removesuffix(')')}"
    if operation := _OPERATION.search(inner):
        fields["op"] = operation[1]
    for part in (text, inner, resolved):
        _collect(part, kind, fields)
    if kind in ("AVC", "USER_AVC"):
        fields.update(_avc(text + inner))
    return Record(kind, fields)


def _collect(text: str, kind: str, fields: Fields) -> None:
    for name, value in islice(_FIELD.findall(text), _FIELDS):
        if len(value) > 1 and value[0] == value[-1] == '"':
            fields.setdefault(name, value[1:-1])
        elif value not in _NOTHING:
            fields.setdefault(name, _plain(name, value, kind))


def _plain(name: str, value: str, kind: str) -> str:
    """A value without quotes; text in hex becomes text, NULs between the words of a title become blanks."""
    is_text = name in _ENCODED or (kind == "EXECVE" and _ARGUMENT.match(name))
    if not is_text or not _HEX.match(value):
        return value
    return decode(bytes.fromhex(value)).rstrip("\0").replace("\0", " ")


def _avc(text: str) -> Fields:
    """`avc:  denied  { read write } for ...` has its decision and permissions outside of any field; AppArmor says `apparmor="DENIED"`."""
    found = re.search(r"\b(denied|granted) +\{ ([^}]{0,500}) \}", text)
    if found:
        return {"decision": found[1], "permissions": found[2]}
    found = re.search(r'\bapparmor="([A-Z]{1,16})"', text)
    return {"decision": found[1].lower()} if found else {}


def arguments(fields: Fields) -> list[str]:
    """The arguments of an EXECVE record in order; long ones come in pieces `a1[0]`, `a1[1]`."""
    found: dict[int, str] = {}
    for name, value in fields.items():
        if _ARGUMENT.match(name):
            number = int(name[1:].partition("[")[0][:6])
            found[number] = found.get(number, "") + value
    return [found[number] for number in sorted(found)]


@dataclass(frozen=True, slots=True)
class Address:
    """What a `saddr` says: an address and a port, or a path."""

    ip: str | None = None
    port: int | None = None
    path: str | None = None


def address(saddr: str) -> Address:
    """A socket address in hex; empty for a family other than IPv4, IPv6 and Unix, or one cut short."""
    try:
        data = bytes.fromhex(saddr[:512])
    except ValueError:
        return Address()
    family, port = int.from_bytes(data[:2], "little"), int.from_bytes(data[2:4], "big")
    if family == _INET and len(data) >= 8:
        return Address(str(IPv4Address(data[4:8])), port)
    if family == _INET6 and len(data) >= 24:
        found = IPv6Address(data[8:24])
        return Address(str(found.ipv4_mapped or found), port)
    if family == _UNIX:
        return Address(path=decode(data[2:].strip(b"\0").partition(b"\0")[0]) or None)
    return Address()
