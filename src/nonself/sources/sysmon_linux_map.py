"""Sysmon for Linux writes each event as one line of flat XML into syslog. Here that line becomes columns.

It is read by a tokenizer of our own for just this form (`<Data Name="...">text</Data>` and a few fixed tags), not by an XML parser: a
parser that knows no DTD, no entities but the five of XML and character numbers, and no nesting has nothing that hostile XML could use,
and needs no tree. What is not of this form (`<!`, `<?`, a Data without end) is left unread.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

from nonself.core.errors import RecordError
from nonself.core.schema import SCHEMA
from nonself.sources.records import clean, dump_json

MAP_VER = 2
CHANNEL = "Linux-Sysmon/Operational"
START = '<Event><System><Provider Name="Linux-Sysmon"'
_SYSTEM = re.compile(
    r'<EventID[^<>]{0,80}>(\d{1,5})</EventID>.{0,400}?<TimeCreated SystemTime="([^"<>]{10,40})"/>.{0,600}?'
    r"<Channel>([^<]{0,200})</Channel><Computer>([^<]{0,255})</Computer>"
)
_DATA = re.compile(r'<Data Name="([^"<>]{1,64})"(?:/>|>([^<]*+)</Data>)')
_ENTITY = re.compile(r"&(?:(amp|lt|gt|quot|apos)|#(\d{1,7})|#x([0-9A-Fa-f]{1,6}));")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_FIELDS = 256
_HASHES = ("SHA256", "SHA1", "MD5")
_NOTHING = (None, "", "-", "{00000000-0000-0000-0000-000000000000}")
"""What Sysmon writes for what it does not know; the last, for a process, such as a parent that is gone."""

_PROCESS = {
    "proc_guid": "ProcessGuid", "pid": "ProcessId", "image": "Image", "user": "User", "cmdline": "CommandLine", "cwd": "CurrentDirectory",
    "integrity": "IntegrityLevel", "session": "LogonId", "parent_guid": "ParentProcessGuid", "parent_pid": "ParentProcessId",
    "parent_image": "ParentImage", "parent_cmdline": "ParentCommandLine",
}  # fmt: skip
_ADDRESSES = {
    "proto": "Protocol", "src_ip": "SourceIp", "src_port": "SourcePort", "src_host": "SourceHostname", "dst_ip": "DestinationIp",
    "dst_port": "DestinationPort", "dst_host": "DestinationHostname",
}  # fmt: skip
_KINDS: dict[int, tuple[int, int, dict[str, str]]] = {
    1: (1007, 1, {}), 3: (4001, 1, _ADDRESSES), 5: (1007, 2, {}), 9: (1001, 2, {"file_path": "Device"}),
    10: (1007, 3, {"proc_guid": "SourceProcessGuid", "pid": "SourceProcessId", "image": "SourceImage", "user": "SourceUser",
                   "tgt_guid": "TargetProcessGuid", "tgt_image": "TargetImage"}),
    11: (1001, 1, {"file_path": "TargetFilename"}), 16: (1008, 99, {}), 23: (1001, 4, {"file_path": "TargetFilename"}),
}  # fmt: skip
"""Event id -> OCSF class, activity, and the columns it has beside those of the process."""
CLASSES = tuple(sorted({0, *(uid for uid, _, _ in _KINDS.values())}))
COLUMNS = (
    *("time", "class_uid", "activity_id", "channel", "log_provider", "op", "host", "hash", "direction_id", "ext"),
    *dict.fromkeys((*_PROCESS, *_ADDRESSES, "file_path", "tgt_guid", "tgt_image")),
)
"""Event columns that `row` fills; `time` comes first, as text in ISO 8601."""


def row(message: str) -> dict[str, Any]:
    """The columns of an event. RecordError "not-sysmon" for what is not of Sysmon's form."""
    system = _SYSTEM.search(message, 0, 4096) if message.startswith(START) else None
    if system is None or "<!" in message or "<?" in message:
        raise RecordError("not-sysmon", "expected <Event> with EventID, TimeCreated, Channel and Computer, and Data with names")
    number, stamp, channel, computer = system.groups()
    data: dict[str, str] = {}
    for name, value in islice(_DATA.findall(message, system.end()), _FIELDS):
        data.setdefault(_text(name), _text(value))
    class_uid, activity, columns = _KINDS.get(int(number), (0, 0, {}))
    cells = {column: value for column, name in (_PROCESS | columns).items() if (value := data.get(name)) not in _NOTHING}
    ext = {**data, "EventID": int(number), "Channel": _text(channel), "Computer": _text(computer), "Provider_Name": "Linux-Sysmon"}
    return {
        **cells, "time": _utc(data.get("UtcTime")) or stamp, "class_uid": class_uid, "activity_id": activity, "channel": _text(channel),
        "log_provider": "Linux-Sysmon", "op": number, "host": _text(computer) or None, "hash": _hash(data.get("Hashes", "")),
        "direction_id": {"true": 2, "false": 1}.get(data.get("Initiated", "")), "ext": dump_json(ext),
    }  # fmt: skip


def _text(text: str) -> str:
    return clean(_ENTITY.sub(_character, text)) if "&" in text else text


def _character(found: re.Match[str]) -> str:
    if found[1]:
        return _NAMED[found[1]]
    number = int(found[2]) if found[2] else int(found[3], 16)
    return chr(number) if number < 0x110000 else "\ufffd"


def _utc(text: str | None) -> str | None:
    """`2026-03-02 10:00:01.130`; Sysmon writes `-` where it does not know."""
    return text if text and text[:1].isdigit() else None


def _hash(hashes: str) -> str | None:
    """The strongest of `MD5=...,SHA256=...`, in lower case."""
    found = dict(part.split("=", 1) for part in hashes.split(",") if "=" in part)
    return next((found[name].lower() for name in _HASHES if found.get(name)), None)


assert set(COLUMNS) <= set(SCHEMA)
