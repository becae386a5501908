"""Shapes of Windows records that are told by their members and rebuilt as one that `windows_native` reads."""

from __future__ import annotations

from collections.abc import Mapping

from nonself.core.errors import RecordError
from nonself.sources.contract import Limits
from nonself.sources.windows_fields import Flat, as_event_id, members
from nonself.sources.windows_tree import parse_xml

_WRAPPERS = ("_source", "result", "body", "Body")
"""Of Elasticsearch, of Splunk, of OpenTelemetry."""
_XML = ("_raw", "Event", "event", "xml", "Xml", "EventXml", "raw_xml", "message", "body", "Body")
"""Members that may hold the whole event as XML, the surest first."""
_NAMED = {"winlog", "EventID", "EventId", "EventCode", "Id", "event_id", "System", "winlog.event_id", "event.code"}
_DUMPED: Mapping[str, str] = {
    "EventId": "EventID", "EventRecordId": "EventRecordID", "ProcessId": "Execution_ProcessID", "ThreadId": "Execution_ThreadID",
    "UserId": "UserID", "Payload": "EventData",
    **{name: name for name in ("Computer", "Channel", "Provider", "Level", "Keywords", "TimeCreated")},
}  # fmt: skip
_COLLECTED: Mapping[str, str] = {
    "channel": "Channel", "computer": "Computer", "record_id": "EventRecordID", "eventRecordID": "EventRecordID", "keywords": "Keywords",
    "level": "Level", "levelText": "Level", "system_time": "TimeCreated", "timeCreated": "TimeCreated", "source": "Provider_Name",
    "version": "Version", "event_data": "EventData", "user_data": "UserData", "message": "Message",
}  # fmt: skip


def unfolded(record: Flat) -> Flat:
    """The record that another wraps, and in a shape that others share where it has one of its own."""
    inner = next((record[name] for name in _WRAPPERS if isinstance(record.get(name), dict)), record)
    if (event := _from_xml(inner)) is not None:
        return event
    if isinstance(inner.get("System"), dict):  # Velociraptor: what is within `Event` elsewhere
        return {"Event": inner}
    if "EventId" in inner and "Payload" in inner:  # EvtxECmd
        return {native: inner[name] for name, native in _DUMPED.items() if inner.get(name) not in (None, "")}
    if "event_id" in inner and "channel" in inner and ("provider" in inner or "source" in inner):  # OpenTelemetry, Grafana's agents
        return _collected(inner)
    return inner


def _from_xml(record: Flat) -> Flat | None:
    if _NAMED & record.keys():  # an event by itself: what it carries may be written by whoever acts in it
        return None
    for name in _XML:
        value = record.get(name)
        if isinstance(value, str) and value.lstrip()[:6] == "<Event":
            try:
                return parse_xml(value.strip().encode("utf-8", "replace"), Limits().json_depth)
            except RecordError:
                continue
    return None


def _collected(record: Flat) -> Flat:
    provider, execution, security = (members(record.get(name)) for name in ("provider", "execution", "security"))
    flat = {native: record[name] for name, native in _COLLECTED.items() if record.get(name) is not None}
    data = members(flat.get("EventData"))
    flat |= {"EventID": as_event_id(record["event_id"]), "EventData": {"Data": data["data"]} if "data" in data else flat.get("EventData")}
    more = {
        "Provider_Name": provider.get("name") or provider.get("event_source"),
        "Provider_Guid": provider.get("guid"),
        "Execution_ProcessID": execution.get("process_id", execution.get("processId")),
        "Execution_ThreadID": execution.get("thread_id", execution.get("threadId")),
        "UserID": security.get("user_id", security.get("userId")),
    }
    return flat | {name: value for name, value in more.items() if value is not None}
