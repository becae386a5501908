"""A rule's own examples: `NAME.test.toml` beside `NAME.yml`, with records the rule must hit and records it must miss.

    [[hit]]                     a record the rule hits, by native field names
    CommandLine = "..."
    [[near]]                    the first hit with changes, which the rule must miss: `drop` names fields (dotted) that are taken out
    why = "the backup tool does this"
    [[miss]]                    any other record it must miss

Records go through the real sources where we know how the log's writer puts them down (Windows, CloudTrail, Zeek, syslog); of other logs
they are taken as they are, as if a mapping of the user's own had read them.
"""

from __future__ import annotations

import copy
import io
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from nonself import sources
from nonself.core import events
from nonself.core.errors import UsageError
from nonself.core.events import Events
from nonself.detect.sigma.tree import LogSource
from nonself.sources.contract import HEAD, Input, Limits

Record = dict[str, Any]
KINDS = ("hit", "near", "miss")
START = datetime(2026, 1, 1, tzinfo=UTC)
MAX_BYTES = 4 << 20

_SYSMON, _SECURITY = ("Microsoft-Windows-Sysmon", "Microsoft-Windows-Sysmon/Operational"), "Microsoft-Windows-Security-Auditing"
_WINDOWS: dict[str, tuple[str, str, int | None]] = {
    "process_creation": (*_SYSMON, 1),
    "create_remote_thread": (*_SYSMON, 8),
    "process_access": (*_SYSMON, 10),
    "file_event": (*_SYSMON, 11),
    "file_delete": (*_SYSMON, 23),
    "registry_set": (*_SYSMON, 13),
    "pipe_created": (*_SYSMON, 17),
    "wmi_event": (*_SYSMON, None),
    "ps_script": ("Microsoft-Windows-PowerShell", "Microsoft-Windows-PowerShell/Operational", 4104),
    "security": (_SECURITY, "Security", None),
    "system": ("Service Control Manager", "System", None),
    "windefend": ("Microsoft-Windows-Windows Defender", "Microsoft-Windows-Windows Defender/Operational", None),
}
"""Log source -> provider, channel and event id (None: the record says it)."""


@dataclass(frozen=True)
class Example:
    """One record: `rule` names the file it is for, `kind` is hit, near or miss, `number` its place among its kind."""

    rule: str
    kind: str
    number: int
    why: str
    record: Record

    @property
    def name(self) -> str:
        return f"{self.rule} {self.kind} {self.number}"


def read(path: Path, rule: str) -> list[Example]:
    """The examples in a file. Raises UsageError where it is not a table of records."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        tables = tomllib.loads(content.decode()) if len(content) <= MAX_BYTES else None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"not valid TOML: {error}", where=str(path)) from None
    if tables is None or not tables.keys() <= set(KINDS) or not all(_records(records) for records in tables.values()):
        raise UsageError(expected=f"lists of records, [[{']], [['.join(KINDS)}]]", got="something else", where=str(path))
    if "near" in tables and not tables.get("hit"):
        raise UsageError(expected="a [[hit]] for the [[near]] to differ from", got="none", where=str(path))
    found = []
    for kind, records in tables.items():
        for number, table in enumerate(records):
            record = _changed(tables["hit"][0], table, path) if kind == "near" else copy.deepcopy(table)
            record.pop("why", None)
            found.append(Example(rule, kind, number, str(table.get("why", "")), record))
    return found


def _records(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(record, dict) for record in value)


def _changed(base: Record, change: Record, path: Path) -> Record:
    record = _merged(base, {key: value for key, value in change.items() if key != "drop"})
    for name in change.get("drop", ()):
        *folders, last = name.split(".")
        inner: Any = record
        for folder in folders:
            inner = inner.get(folder) if isinstance(inner, dict) else None
        if not isinstance(inner, dict) or last not in inner:
            raise UsageError(expected="fields of the first hit in `drop`", got=name, where=str(path))
        del inner[last]
    return record


def _merged(base: Record, change: Record) -> Record:
    merged = copy.deepcopy(base)
    for key, value in change.items():
        inner = merged.get(key)
        merged[key] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def table(records: Sequence[tuple[Mapping[str, str], Record]]) -> Events:
    """Records, each with its rule's log source, as events. Record i happened i hours after START, whatever reads it."""
    lines: dict[str, list[bytes]] = {}
    plain: list[Record] = []
    for number, (log_source, record) in enumerate(records):
        time = START + timedelta(hours=number)
        line = written(log_source, record, time)
        if line is None:
            plain.append(_as_it_is(log_source, record, time, number))
        else:
            lines.setdefault(line[0], []).append(line[1])
    read_ = [read_lines(source, b"\n".join(found) + b"\n") for source, found in sorted(lines.items())]
    return events.concat([*read_, *([_plain(plain)] if plain else [])])


def numbers(frame: Events) -> dict[str, int]:
    """uid -> the number of its record in what `table` was given."""
    return dict(frame.select("uid", number=(pl.col("time") - START).dt.total_hours()).iter_rows())


def read_lines(name: str, body: bytes) -> Events:
    """The events of lines, read by the source of that name."""
    source = next(source for source in sources.SOURCES if source.name == name)
    given = Input(origin=f"examples.{name}", content=name, size=len(body), open=lambda: io.BytesIO(body), head=body[:HEAD])
    chunks = list(source.read(given, Limits()))
    dead = [letter for chunk in chunks for letter in chunk.dead]
    if dead:
        raise UsageError(expected="examples that can be read", got=f"{dead[0].reason}: {dead[0].detail}")
    return events.concat(chunk.events for chunk in chunks)


def _plain(rows: Iterable[Record]) -> Events:
    schema: dict[str, Any] = {
        "uid": pl.String,
        "source": pl.String,
        "channel": pl.String,
        "time": pl.Datetime("us", "UTC"),
        "ext": pl.String,
    }
    return events.conform(pl.DataFrame(list(rows), schema=schema))


def _as_it_is(log_source: Mapping[str, str], record: Record, time: datetime, number: int) -> Record:
    channel = LogSource(*(str(log_source.get(part, "")).lower() for part in ("product", "category", "service"))).path
    return {
        "uid": f"{number:024x}",
        "source": "example",
        "channel": channel,
        "time": time,
        "ext": orjson.dumps(record, default=str).decode(),
    }


def written(log_source: Mapping[str, str], record: Record, time: datetime) -> tuple[str, bytes] | None:
    """The record as its logger writes it: source kind and line. None where we do not know how."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ")
    match log_source:
        case {"product": "windows"} if (log_source.get("category") or log_source.get("service")) in _WINDOWS:
            return "windows-json", orjson.dumps({"Event": _windows(log_source, record, when)})
        case {"product": "aws", "service": "cloudtrail"}:
            return "cloudtrail", orjson.dumps(_cloudtrail(record, when))
        case {"product": "zeek", "service": path}:
            return "zeek", orjson.dumps({"_path": path, "ts": time.timestamp(), "uid": f"C{time:%d%H}"} | record)
        case {"product": "linux"} if {"program", "message"} <= record.keys():
            return "syslog", f"{when} bastion {record['program']}[4242]: {record['message']}".encode()
    return None


def _windows(log_source: Mapping[str, str], record: Record, when: str) -> Record:
    provider, channel, event_id = _WINDOWS[log_source.get("category") or log_source["service"]]
    data = {key: str(value) for key, value in record.items() if key not in ("EventID", "Provider_Name")}
    system = {
        "Provider": {"#attributes": {"Name": record.get("Provider_Name", provider)}},
        "EventID": record.get("EventID", event_id),
        "TimeCreated": {"#attributes": {"SystemTime": when}},
        "Channel": channel,
        "Computer": "ws5.corp.example",
    }
    return {"System": system, "EventData": data}


def _cloudtrail(record: Record, when: str) -> Record:
    common = {
        "eventVersion": "1.09",
        "eventTime": when,
        "eventID": when,
        "eventType": "AwsApiCall",
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "198.51.100.20",
        "userAgent": "aws-cli/2.17.0",
        "recipientAccountId": "111122223333",
    }
    return common | record
