"""Windows events of any JSON shape as one flat dict of native fields, the names that detection rules know.

System fields: Provider_Name, Provider_Guid, EventID (int), Version, Level, Task, Opcode, Keywords (hex), TimeCreated, EventRecordID,
ActivityID, Execution_ProcessID, Execution_ThreadID, Channel, Computer, UserID. All others come from EventData or UserData by their own
names, as strings; values without a name are joined by newlines as `Data`. A system field always wins its name: the event's own field
of that name (event 104's `Channel`: the log that was cleared) is kept as `UserData_Channel` or `EventData_Channel`.
Rendered text and what the log shipper adds are dropped.
"""

from __future__ import annotations

from nonself.core.errors import RecordError
from nonself.sources.windows_beat import from_beat, nested
from nonself.sources.windows_fields import (
    Flat,
    as_event_id,
    as_keywords,
    as_level,
    as_time,
    attributes,
    members,
    merged,
    section,
    text,
    with_message,
)
from nonself.sources.windows_map import content
from nonself.sources.windows_shapes import unfolded
from nonself.sources.windows_text import from_powershell, from_splunk, rendered

ALIASES: dict[str, tuple[str, ...]] = {
    "Provider_Name": ("SourceName", "EventSourceName", "Provider", "ProviderName", "Source"),
    "Channel": ("EventLog",),
    "Computer": ("Hostname",),
    "Provider_Guid": ("ProviderGuid",),
    "EventRecordID": ("RecordNumber", "RecordId"),
    "Execution_ProcessID": ("ExecutionProcessID",),
    "Execution_ThreadID": ("ThreadID",),
    "Level": ("EventLevel",),
}
"""Native system fields and what shippers of flat records call them, the best first; the first that is not null counts. A flat record
keeps its own spellings in `raw`, and its `ext` is null. Values differ in two: `Keywords` may be a signed integer (Windows: hexadecimal),
and NXLog gives `SeverityValue` instead of `Level`."""
CLOCKS = ("TimeCreated", "@timestamp", "TimeGenerated", "EventTime")
"""Where flat records hold their time, the best first."""
NESTED = ("EventData", "UserData")
"""Members of otherwise flat records that hold the event's own fields, as an object or JSON text."""
UNNAMED = "StringInserts"
"""Fluent Bit's list of the event's own values: what they are is only in the rendered text."""
_NOISE = frozenset((
    "@version", "@timestamp", "tags", "port", "host", "type", "Message", "SourceModuleName", "SourceModuleType", "Severity",
    "SeverityValue", "EventReceivedTime", "EventTypeOrignal", "ERROR_EVT_UNRESOLVED", "OpcodeValue", "EventTime", "TimeGenerated",
    "EventLevelName", "EventOriginId", "ManagementGroupName", "TenantId", "SourceSystem", "_ResourceId", "log", "agent", "ecs",
    "input", "beat", "offset", "message", "fields", UNNAMED, *NESTED,
))  # fmt: skip


def flatten(record: Flat) -> Flat:
    """The flat native fields of one record. RecordError "not-a-windows-event" where no shape fits."""
    record = unfolded(record)
    event = record.get("Event")
    if isinstance(event, dict) and isinstance(event.get("System"), dict):
        flat = _from_xml(event)
    elif isinstance(record.get("winlog"), dict):
        flat = from_beat(record, record["winlog"])
    elif "EventID" in record:
        flat = _from_flat(record)
    else:
        flat = _from_other(record)
    flat["EventID"] = as_event_id(flat.get("EventID"))
    return flat


def _from_other(record: Flat) -> Flat:
    if any(name in record for name in ("winlog.event_id", "winlog.channel", "event.code")):
        record = nested(record)
    if isinstance(record.get("winlog"), dict) or _is_ecs(members(record.get("event"))):
        return from_beat(record, members(record.get("winlog")))
    if "event_id" in record and ("log_name" in record or "event_data" in record):
        return from_beat(record, record)
    if "EventCode" in record and "LogName" in record:
        return _from_flat(from_splunk(record))
    if "Id" in record and "LogName" in record and "ProviderName" in record:
        return _from_flat(from_powershell(record))
    raise RecordError("not-a-windows-event", "expected System/EventID, winlog or EventID with Channel")


def _is_ecs(event: Flat) -> bool:
    """Whether a record without `winlog` tells of a Windows event: others have codes and providers too."""
    provider = text(event.get("provider")).lower()
    return event.get("code") is not None and (provider.startswith("microsoft-windows-") or provider in content().logs)


def _from_xml(event: Flat) -> Flat:
    """`{"Event": {"System": ..., "EventData" or "UserData": ...}}`: evtx and evtx_dump ("#attributes") or xmltodict ("@Name")."""
    node: Flat = event["System"]
    provider, execution = attributes(node.get("Provider")), attributes(node.get("Execution"))
    system = {
        "Provider_Name": provider.get("Name") or provider.get("EventSourceName"),
        "Provider_Guid": provider.get("Guid"),
        **{name: node.get(name) for name in ("EventID", "Version", "Level", "Task", "Opcode", "Keywords")},
        "TimeCreated": as_time(node.get("TimeCreated")),
        "EventRecordID": node.get("EventRecordID"),
        "ActivityID": attributes(node.get("Correlation")).get("ActivityID"),
        "Execution_ProcessID": execution.get("ProcessID"),
        "Execution_ThreadID": execution.get("ThreadID"),
        "Channel": node.get("Channel"),
        "Computer": node.get("Computer"),
        "UserID": attributes(node.get("Security")).get("UserID"),
    }
    flat = merged(section(event.get("EventData")), "EventData", {name: value for name, value in system.items() if value is not None})
    user_data = event.get("UserData")
    if isinstance(user_data, dict):
        for part in user_data.values():
            flat = merged(section(part), "UserData", flat) if isinstance(part, dict) else flat
    return flat


def _from_flat(record: Flat) -> Flat:
    """All fields side by side, as NXLog and others ship them: the names that differ from the native ones are brought back."""
    chosen = {name: next((known for known in (name, *ALIASES[name]) if record.get(known) is not None), name) for name in ALIASES}
    flat = {name: value for name, value in record.items() if name not in _NOISE and name not in chosen.values()}
    flat |= {name: record.get(known) for name, known in chosen.items()}
    if not any(flat.get(name) for name in ("Channel", "Provider_Name", "Computer")):
        raise RecordError("not-a-windows-event", "an EventID without channel, provider or host")
    flat["Level"] = as_level(flat["Level"], record.get("SeverityValue"))
    flat["Keywords"] = as_keywords(record.get("Keywords"))
    flat["TimeCreated"] = as_time(next((record[clock] for clock in CLOCKS if record.get(clock) is not None), None))
    flat = {name: value for name, value in flat.items() if value is not None or name not in ALIASES}
    for name in NESTED:
        flat = merged(section(record.get(name)), name, flat)
    if isinstance(inserts := record.get(UNNAMED), list):
        flat["Execution_ProcessID"], flat["Execution_ThreadID"] = flat.pop("ProcessID", None), flat.pop("ThreadID", None)
        flat = rendered(text(record.get("Message")), flat) | {"Data": text(inserts)} | flat
    return with_message(flat, record.get("Message"))
