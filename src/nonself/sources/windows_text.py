"""Windows events as PowerShell (`Get-WinEvent | ConvertTo-Json`), Splunk and others give them: named fields only in rendered text."""

from __future__ import annotations

import re

from nonself.sources.windows_fields import Flat, members, text

_POWERSHELL = (
    ("Id", "EventID"), ("ProviderName", "Provider_Name"), ("LogName", "Channel"), ("MachineName", "Computer"), ("Level", "Level"),
    ("RecordId", "EventRecordID"), ("Task", "Task"), ("Version", "Version"), ("Opcode", "Opcode"), ("Keywords", "Keywords"),
    ("ProcessId", "Execution_ProcessID"), ("ThreadId", "Execution_ThreadID"), ("ActivityId", "ActivityID"),
    ("TimeCreated", "TimeCreated"),
)  # fmt: skip
_SPLUNK = (
    ("EventCode", "EventID"), ("SourceName", "Provider_Name"), ("LogName", "Channel"), ("ComputerName", "Computer"),
    ("RecordNumber", "EventRecordID"), ("Keywords", "Keywords"), ("_time", "TimeCreated"), ("Sid", "UserID"),
)  # fmt: skip
_SPLUNK_OTHER = frozenset(("Message", "EventType", "Type", "TaskCategory", "OpCode", "SidType", "host", "source", "sourcetype", "index"))
_LINE = re.compile(r"^([A-Za-z]\w{1,63}): (.*?)\r?$", re.MULTILINE)


def from_powershell(record: Flat) -> Flat:
    """An EventLogRecord of .NET as JSON, as a flat record. Its `Properties` have no names: they become `Data`."""
    flat = {native: record[name] for name, native in _POWERSHELL if record.get(name) is not None}
    created = flat.get("TimeCreated")
    flat["TimeCreated"] = members(created).get("value", created)
    user = record.get("UserId")
    if user is not None:
        flat["UserID"] = members(user).get("Value", user)
    properties = record.get("Properties")
    if isinstance(properties, list):
        flat["Data"] = "\n".join(text(members(item).get("Value", item)) for item in properties)
    return rendered(text(record.get("Message")), flat) | flat


def from_splunk(record: Flat) -> Flat:
    """Splunk's WinEventLog fields as a flat record."""
    system = {native: record[name] for name, native in _SPLUNK if record.get(name) is not None}
    known = {name for name, _ in _SPLUNK} | _SPLUNK_OTHER
    own = {name: value for name, value in record.items() if name not in known}
    return rendered(text(record.get("Message")), system) | own | system | {"Message": record.get("Message")}


def rendered(message: str, system: Flat) -> Flat:
    """The fields of Sysmon's rendered text, which is `Name: value` line by line with native names; other logs' texts are for people."""
    if "sysmon" not in text(system.get("Provider_Name") or system.get("Channel")).lower():
        return {}
    return {match.group(1): match.group(2) for match in _LINE.finditer(message)}
