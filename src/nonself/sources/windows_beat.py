"""winlogbeat's records, nested, with dotted names or of version 6, as flat native fields."""

from __future__ import annotations

from nonself.sources.windows_ecs import fields
from nonself.sources.windows_fields import Flat, as_event_id, as_keywords, as_level, members, merged, section, text, with_message

_NAMES = (
    ("channel", "Channel"), ("log_name", "Channel"), ("provider_name", "Provider_Name"), ("source_name", "Provider_Name"),
    ("provider_guid", "Provider_Guid"), ("computer_name", "Computer"), ("record_id", "EventRecordID"), ("record_number", "EventRecordID"),
    ("version", "Version"), ("task", "Task"), ("opcode", "Opcode"), ("activity_id", "ActivityID"),
)  # fmt: skip
_OUTCOMES = ("success", "failure")
_PARTS = 32  # dotted names reach no deeper


def nested(record: Flat) -> Flat:
    """A record of dotted names (`winlog.event_data.Image`) as nested objects. A part that is already a value keeps it."""
    tree: Flat = {}
    for name, value in record.items():
        *path, last = name.split(".", _PARTS)
        node = tree
        for part in path:
            inner = node.setdefault(part, {})
            if not isinstance(inner, dict):
                break
            node = inner
        else:
            node.setdefault(last, value)
    return tree


def from_beat(record: Flat, winlog: Flat) -> Flat:
    """The fields of `winlog`, or of the record itself (version 6: `event_data` at the top)."""
    system = {native: winlog[name] for name, native in reversed(_NAMES) if winlog.get(name) is not None}
    event, host = members(record.get("event")), members(record.get("host"))
    user, process = members(winlog.get("user")), members(winlog.get("process"))
    system["EventID"] = winlog.get("event_id") if winlog.get("event_id") is not None else event.get("code")
    system.setdefault("Provider_Name", event.get("provider"))
    system.setdefault("Computer", host.get("name") or host.get("hostname"))
    keywords = winlog.get("keywords")
    outcome = event.get("outcome")
    system["Keywords"] = as_keywords(keywords if isinstance(keywords, list) else f"audit {outcome}" if outcome in _OUTCOMES else None)
    level = as_level(text(members(record.get("log")).get("level") or winlog.get("level")))
    system["Level"] = level if isinstance(level, int) else None
    system["TimeCreated"] = record.get("@timestamp") or event.get("created")
    system["UserID"] = user.get("identifier")
    system["AccountName"], system["Domain"] = user.get("name"), user.get("domain")
    system["Execution_ProcessID"] = process.get("pid")
    flat = merged(section(winlog.get("event_data")), "EventData", {name: value for name, value in system.items() if value is not None})
    restored = fields(record, text(flat.get("Provider_Name")), as_event_id(flat.get("EventID")))
    flat = {name: value for name, value in restored.items() if not flat.get(name)} | flat
    user_data = winlog.get("user_data")
    if isinstance(user_data, dict):
        flat = merged(section({name: value for name, value in user_data.items() if name != "xml_name"}), "UserData", flat)
    return with_message(flat, record.get("message"))
