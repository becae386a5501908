"""Shapes of Windows records that are told by their members and rebuilt as one that `windows_native` reads."""

from __future__ import annotations

from collections.abc import Mapping

from nonself.core.errors import RecordError
from nonself.sources.contract import Limits
from nonself.sources.records import load_json
from nonself.sources.windows_fields import Flat, as_event_id, members
from nonself.sources.windows_tree import parse_xml

_WRAPPERS = ("_source", "result", "body", "Body")
"""Of Elasticsearch, of Splunk, of OpenTelemetry."""
_CARRIERS = ("_raw", "Event", "event", "xml", "Xml", "EventXml", "raw_xml", "message", "log", "body", "Body")
"""Members that may hold the whole event as text, the surest first."""
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
_DECODED: Mapping[str, str] = {
    "providerName": "Provider_Name", "providerGuid": "Provider_Guid", "eventID": "EventID", "eventRecordID": "EventRecordID",
    "systemTime": "TimeCreated", "processID": "Execution_ProcessID", "threadID": "Execution_ThreadID",
    **{name: name.capitalize() for name in ("version", "level", "task", "opcode", "keywords", "channel", "computer")},
}  # fmt: skip


def unfolded(record: Flat) -> Flat:
    """The record that another wraps, and in a shape that others share where it has one of its own."""
    inner = next((record[name] for name in _WRAPPERS if isinstance(record.get(name), dict)), record)
    if (event := _carried(inner)) is not None:
        return event
    if isinstance(win := members(inner.get("data")).get("win"), dict) and "rule" not in inner:  # Wazuh's archive; its alerts are alerts
        return _from_wazuh(members(win.get("system")), members(win.get("eventdata")))
    if isinstance(inner.get("System"), dict):  # Velociraptor: what is within `Event` elsewhere
        return {"Event": inner}
    if "EventId" in inner and "Payload" in inner:  # EvtxECmd
        return {native: inner[name] for name, native in _DUMPED.items() if inner.get(name) not in (None, "")}
    if "event_id" in inner and "channel" in inner and ("provider" in inner or "source" in inner):  # OpenTelemetry, Grafana's agents
        return _collected(inner)
    return inner


def _carried(record: Flat) -> Flat | None:
    """The event that a record carries as text, XML or JSON."""
    if _NAMED & record.keys():  # an event by itself: what it carries may be written by whoever acts in it
        return None
    for carried in (record[name].strip() for name in _CARRIERS if isinstance(record.get(name), str)):
        try:
            if carried.startswith("<Event"):
                return parse_xml(carried.encode("utf-8", "replace"), Limits().json_depth)
            if carried.startswith("{"):
                return load_json(carried.encode("utf-8", "replace"), Limits())
        except RecordError:
            continue
    return None


def _from_wazuh(system: Flat, data: Flat) -> Flat:
    flat = {native: system[name] for name, native in _DECODED.items() if system.get(name) is not None}
    return flat | {"EventData": {name[:1].upper() + name[1:]: value for name, value in data.items()}}


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
