"""The rules that come with nonself, and the examples beside them: what each must hit and what it must miss.

`NAME.test.toml` stands beside `NAME.yml` and holds tables of native fields:
    [[hit]]   a record the rule must hit; the first one is the base of the near misses
    [[near]]  what changes in the base so that the rule must miss it; `drop` lists fields (dotted paths) to take out
    [[miss]]  a record of its own that the rule must miss
`why` says in words why a record is benign, or what a further hit adds. The rest of a record (host, time, provider, channel) is given here.
"""

from __future__ import annotations

import copy
import io
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import yaml

import nonself
from nonself.core import events
from nonself.core.events import Events
from nonself.sources import SOURCES
from nonself.sources.contract import HEAD, Input, Limits

Record = dict[str, Any]
RULES = Path(nonself.__file__).parent / "rules"
START = datetime(2026, 1, 1, tzinfo=UTC)

_SYSMON, _SECURITY = ("Microsoft-Windows-Sysmon", "Microsoft-Windows-Sysmon/Operational"), "Microsoft-Windows-Security-Auditing"
_WINDOWS: dict[str, tuple[str, str, int | None]] = {
    "process_creation": (*_SYSMON, 1),
    "create_remote_thread": (*_SYSMON, 8),
    "process_access": (*_SYSMON, 10),
    "file_event": (*_SYSMON, 11),
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
    """One record: `kind` is hit, near or miss, `number` its place among its kind."""

    rule: str
    kind: str
    number: int
    why: str
    record: Record

    @property
    def name(self) -> str:
        return f"{self.rule} {self.kind} {self.number}"


@cache
def rules() -> dict[str, Record]:
    """Path below `rules` without suffix -> the rule as YAML has it."""
    files = sorted(RULES.rglob("*.yml"))
    return {file.relative_to(RULES).with_suffix("").as_posix(): yaml.safe_load(file.read_text("utf-8")) for file in files}


@cache
def examples() -> tuple[Example, ...]:
    return tuple(example for rule in rules() for example in _examples(rule))


def _examples(rule: str) -> list[Example]:
    tables = tomllib.loads((RULES / f"{rule}.test.toml").read_text("utf-8"))
    assert tables.keys() <= {"hit", "near", "miss"}, f"{rule}: unknown tables in its examples"
    found = []
    for kind, records in tables.items():
        for number, table in enumerate(records):
            record = _changed(tables["hit"][0], table) if kind == "near" else copy.deepcopy(table)
            record.pop("why", None)
            found.append(Example(rule, kind, number, table.get("why", ""), record))
    return found


def _changed(base: Record, change: Record) -> Record:
    record = _merged(base, {key: value for key, value in change.items() if key != "drop"})
    for path in change.get("drop", ()):
        *folders, last = path.split(".")
        inner = record
        for folder in folders:
            inner = inner[folder]
        del inner[last]
    return record


def _merged(base: Record, change: Record) -> Record:
    merged = copy.deepcopy(base)
    for key, value in change.items():
        inner = merged.get(key)
        merged[key] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


@cache
def table() -> Events:
    """All examples as events, read by the real sources. Example i happened i hours after START, whatever reads it."""
    lines: dict[str, list[bytes]] = {}
    for number, example in enumerate(examples()):
        source, line = _line(rules()[example.rule]["logsource"], example.record, START + timedelta(hours=number))
        lines.setdefault(source, []).append(line)
    return events.concat(_read(source, b"\n".join(found) + b"\n") for source, found in sorted(lines.items()))


@cache
def number_of() -> dict[str, int]:
    """uid -> the number of its example in `examples()`."""
    frame = table().select("uid", hours=(pl.col("time") - START).dt.total_hours())
    return dict(frame.iter_rows())


def _read(name: str, body: bytes) -> Events:
    source = next(source for source in SOURCES if source.name == name)
    given = Input(origin=f"examples.{name}", content=name, size=len(body), open=lambda: io.BytesIO(body), head=body[:HEAD])
    assert source.recognise(given.head, given.origin), f"{name} does not recognise its examples"
    chunks = list(source.read(given, Limits()))
    assert not [letter for chunk in chunks for letter in chunk.dead]
    return events.concat(chunk.events for chunk in chunks)


def _line(logsource: dict[str, str], record: Record, time: datetime) -> tuple[str, bytes]:
    """The record as its logger writes it: source kind and line."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ")
    match logsource:
        case {"product": "windows"}:
            return "windows-json", orjson.dumps({"Event": _windows(logsource, record, when)})
        case {"product": "aws", "service": "cloudtrail"}:
            return "cloudtrail", orjson.dumps(_cloudtrail(record, when))
        case {"product": "zeek", "service": path}:
            return "zeek", orjson.dumps({"_path": path, "ts": time.timestamp(), "uid": f"C{time:%d%H}"} | record)
        case {"product": "linux"}:
            return "syslog", f"{when} bastion {record['program']}[4242]: {record['message']}".encode()
    raise AssertionError(f"no logger for {logsource}")


def _windows(logsource: dict[str, str], record: Record, when: str) -> Record:
    provider, channel, event_id = _WINDOWS[logsource.get("category") or logsource["service"]]
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
