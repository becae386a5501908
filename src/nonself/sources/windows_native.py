"""Windows events of any JSON shape as one flat dict of native fields, the names that detection rules know.

System fields: Provider_Name, Provider_Guid, EventID (int), Version, Level, Task, Opcode, Keywords (hex), TimeCreated, EventRecordID,
ActivityID, Execution_ProcessID, Execution_ThreadID, Channel, Computer, UserID. All others come from EventData or UserData by their own
names, as strings; values without a name are joined by newlines as `Data`. A system field always wins its name: the event's own field
of that name (event 104's `Channel`: the log that was cleared) is kept as `UserData_Channel` or `EventData_Channel`.
Rendered text and what the log shipper adds are dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from nonself.core.errors import RecordError

Flat = dict[str, Any]

_KEYWORDS = {"Audit Success": "0x8020000000000000", "Audit Failure": "0x8010000000000000"}
_NOISE = frozenset((
    "@version", "@timestamp", "tags", "port", "host", "type", "Message", "SourceModuleName", "SourceModuleType", "Severity",
    "SeverityValue", "EventReceivedTime", "EventTypeOrignal", "ERROR_EVT_UNRESOLVED", "OpcodeValue", "EventTime", "TimeGenerated",
    "EventLevelName", "EventOriginId", "ManagementGroupName", "TenantId", "SourceSystem", "_ResourceId", "log", "agent", "ecs",
    "input", "beat", "offset", "message", "fields",
))  # fmt: skip
_FLAT_NAMES = (
    ("Hostname", "Computer"), ("SourceName", "Provider_Name"), ("Provider", "Provider_Name"), ("ProviderGuid", "Provider_Guid"),
    ("RecordNumber", "EventRecordID"), ("ExecutionProcessID", "Execution_ProcessID"), ("ThreadID", "Execution_ThreadID"),
    ("EventLevel", "Level"),
)  # fmt: skip
_BEAT_NAMES = (
    ("channel", "Channel"), ("log_name", "Channel"), ("provider_name", "Provider_Name"), ("source_name", "Provider_Name"),
    ("provider_guid", "Provider_Guid"), ("computer_name", "Computer"), ("record_id", "EventRecordID"), ("record_number", "EventRecordID"),
    ("version", "Version"), ("task", "Task"), ("opcode", "Opcode"), ("activity_id", "ActivityID"),
)  # fmt: skip
_LEVEL_OF_SEVERITY = {1: 5, 2: 4, 3: 3, 4: 2, 5: 1}  # NXLog's SeverityValue
_LEVEL_OF_NAME = {"critical": 1, "error": 2, "warning": 3, "information": 4, "verbose": 5}
_SHAPES = 1_024  # shapes of flat records kept; a log has some dozens
_SHAPE_LETTERS = 8_192
_CLASSIC = ("Windows PowerShell", "Application")  # logs whose events carry text instead of named fields


@dataclass(frozen=True, slots=True)
class _Shape:
    """What becomes of flat records with the same members: names to drop, and names to replace by native ones."""

    dropped: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]


_shapes: dict[tuple[str, ...], _Shape] = {}  # the records of a log come in few shapes, and sorting names out costs more than parsing


def flatten(record: Flat) -> Flat:
    """The flat native fields of one record; takes the record apart. RecordError "not-a-windows-event" where no shape fits."""
    if isinstance(record.get("_source"), dict):
        record = record["_source"]
    event = record.get("Event")
    if isinstance(event, dict) and isinstance(event.get("System"), dict):
        flat = _from_xml(event)
    elif isinstance(record.get("winlog"), dict):
        flat = _from_beat(record, record["winlog"])
    elif "EventID" in record:
        flat = _from_flat(record)
    elif "event_id" in record and ("log_name" in record or "event_data" in record):
        flat = _from_beat(record, record)
    else:
        raise RecordError("not-a-windows-event", "expected System/EventID, winlog or EventID with Channel")
    event_id = flat.get("EventID")
    if type(event_id) is not int or not 0 <= event_id < 1 << 31:
        flat["EventID"] = _event_id(text(event_id))
    return flat


def text(value: Any) -> str:
    """A field's value as Windows would write it."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "\n".join(map(text, value))
    if isinstance(value, dict):
        return text(value["#text"]) if "#text" in value else orjson.dumps(value).decode() if value else ""
    return str(value)


def _from_xml(event: Flat) -> Flat:
    """`{"Event": {"System": ..., "EventData" or "UserData": ...}}`: evtx and evtx_dump ("#attributes") or xmltodict ("@Name")."""
    node: Flat = event["System"]
    provider, execution = _attributes(node.get("Provider")), _attributes(node.get("Execution"))
    created = node.get("TimeCreated")
    system = {
        "Provider_Name": provider.get("Name") or provider.get("EventSourceName"),
        "Provider_Guid": provider.get("Guid"),
        "EventID": node.get("EventID"),
        "Version": node.get("Version"),
        "Level": node.get("Level"),
        "Task": node.get("Task"),
        "Opcode": node.get("Opcode"),
        "Keywords": node.get("Keywords"),
        "TimeCreated": created if isinstance(created, str) else _attributes(created).get("SystemTime"),
        "EventRecordID": node.get("EventRecordID"),
        "ActivityID": _attributes(node.get("Correlation")).get("ActivityID"),
        "Execution_ProcessID": execution.get("ProcessID"),
        "Execution_ThreadID": execution.get("ThreadID"),
        "Channel": node.get("Channel"),
        "Computer": node.get("Computer"),
        "UserID": _attributes(node.get("Security")).get("UserID"),
    }
    flat = _merged(_data(event.get("EventData")), "EventData", {k: v for k, v in system.items() if v is not None})
    user_data = event.get("UserData")
    if isinstance(user_data, dict):
        for part in user_data.values():
            flat = _merged(_data(part), "UserData", flat) if isinstance(part, dict) else flat
    return flat


def _from_beat(record: Flat, winlog: Flat) -> Flat:
    """winlogbeat, nested (`winlog.event_data`) or of version 6 (`event_data` at the top)."""
    system: Flat = {"EventID": winlog.get("event_id")}
    for name, native in _BEAT_NAMES:
        if winlog.get(name) is not None:
            system[native] = winlog[name]
    event, host, user, process = (
        _dict(record.get("event")),
        _dict(record.get("host")),
        _dict(winlog.get("user")),
        _dict(winlog.get("process")),
    )
    if system["EventID"] is None:
        system["EventID"] = event.get("code")
    system.setdefault("Provider_Name", event.get("provider"))
    system.setdefault("Computer", host.get("name") or host.get("hostname"))
    keywords = winlog.get("keywords")
    if isinstance(keywords, list):
        system["Keywords"] = next((_KEYWORDS[word] for word in map(text, keywords) if word in _KEYWORDS), text(keywords))
    level = text(_dict(record.get("log")).get("level") or winlog.get("level")).lower()
    system["Level"] = _LEVEL_OF_NAME.get(level)
    system["TimeCreated"] = record.get("@timestamp") or event.get("created")
    system["UserID"] = user.get("identifier")
    system["AccountName"], system["Domain"] = user.get("name"), user.get("domain")
    system["Execution_ProcessID"] = process.get("pid")
    flat = _merged(_data(winlog.get("event_data")), "EventData", {k: v for k, v in system.items() if v is not None})
    user_data = winlog.get("user_data")
    if isinstance(user_data, dict):
        user_data.pop("xml_name", None)
        flat = _merged(_data(user_data), "UserData", flat)
    return _with_message(flat, record.get("message"))


def _from_flat(record: Flat) -> Flat:
    """All fields side by side, as NXLog and others ship them: the names that differ from the native ones are brought back."""
    shape = _shape_of(tuple(record))
    clock = record.get("TimeCreated") or record.get("@timestamp") or record.get("TimeGenerated") or record.get("EventTime")
    severity, message = record.get("SeverityValue"), record.get("Message")
    if "Level" not in record and isinstance(severity, int):
        record["Level"] = _LEVEL_OF_SEVERITY.get(severity)
    for name in shape.dropped:
        del record[name]
    for name, native in shape.renamed:
        value = record.pop(name)
        record.setdefault(native, value)
    if "Provider_Name" not in record:
        record["Provider_Name"] = record.get("ProviderName") or record.get("Source")
    record["TimeCreated"] = clock if isinstance(clock, str) else _attributes(clock).get("SystemTime") if clock else None
    keywords = record.get("Keywords")
    if isinstance(keywords, int):
        record["Keywords"] = hex(keywords & 0xFFFFFFFFFFFFFFFF)
    for name in ("EventData", "UserData"):
        if name in record:
            record = _merged(_data(record.pop(name)), name, record)
    return _with_message(record, message)


def _shape_of(members: tuple[str, ...]) -> _Shape:
    shape = _shapes.get(members)
    if shape is None:
        shape = _shape(members)
        if sum(map(len, members)) <= _SHAPE_LETTERS:  # whoever writes logs can't fill the memory with names
            if len(_shapes) == _SHAPES:
                _shapes.clear()
            _shapes[members] = shape
    return shape


def _shape(members: tuple[str, ...]) -> _Shape:
    renamed = tuple((name, native) for name, native in _FLAT_NAMES if name in members)
    if "Channel" not in members and not renamed:
        raise RecordError("not-a-windows-event", "an EventID without channel, provider or host")
    return _Shape(tuple(name for name in members if name in _NOISE), renamed)


def _with_message(flat: Flat, message: Any) -> Flat:
    """Classic events have no named fields; where a shipper left out their `Data`, the rendered text, made of it, stands in."""
    if flat.get("Channel") in _CLASSIC and "Data" not in flat and message:
        flat["Data"] = text(message)
    return flat


def _merged(data: Flat, section: str, system: Flat) -> Flat:
    """`data` under `system`: a name both have stays the system's."""
    if data.keys().isdisjoint(system):
        return {**system, **data}
    return {**system, **{f"{section}_{name}" if name in system else name: value for name, value in data.items()}}


def _data(node: Any) -> Flat:
    """EventData or one child of UserData as names and strings."""
    if isinstance(node, str) and node[:1] == "{":
        try:
            node = orjson.loads(node)
        except orjson.JSONDecodeError:
            return {"Data": node}
    if not isinstance(node, dict):
        return {"Data": text(node)} if node else {}
    flat = {name: value if type(value) is str else text(value) for name, value in node.items() if name[0:1] not in ("#", "@")}
    items = node.get("Data")
    if isinstance(items, list | dict):
        flat.update(_named(items if isinstance(items, list) else [items]))
    return flat


def _named(items: list[Any]) -> Flat:
    """`<Data Name="x">v</Data>` elements as xmltodict gives them; those without a name are joined."""
    named: Flat = {}
    unnamed: list[str] = []
    for item in items:
        name = _attributes(item).get("Name")
        if isinstance(name, str):
            named[name] = text(item.get("#text"))
        else:
            unnamed.append(text(item))
    return {**named, "Data": "\n".join(unnamed)} if unnamed or not named else {"Data": "", **named}


def _attributes(node: Any) -> Flat:
    """The XML attributes of a node: under "#attributes", or as its own keys with or without "@"."""
    if not isinstance(node, dict):
        return {}
    inner = node.get("#attributes")
    if isinstance(inner, dict):
        return inner
    return {name.removeprefix("@"): value for name, value in node.items()}


def _dict(value: Any) -> Flat:
    return value if isinstance(value, dict) else {}


def _event_id(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None
