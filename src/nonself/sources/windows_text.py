"""Windows events as PowerShell (`Get-WinEvent | ConvertTo-Json`), Splunk and others give them: named fields only in rendered text."""

from __future__ import annotations

import re
from collections.abc import Mapping

from nonself.sources.windows_fields import Flat, as_event_id, members, text

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
_LABELLED = frozenset((
    "security", "microsoft-windows-security-auditing", "microsoft windows security auditing.", "microsoft-windows-eventlog",
    "service control manager", "microsoft-windows-service control manager",
))  # fmt: skip
_LABEL = re.compile(r"^(\t*)([A-Z][A-Za-z ]{1,40}):(.*)$", re.MULTILINE)
_LONGEST = 16_384
_ACCOUNT: Mapping[str, tuple[str, ...]] = {
    "Security ID": ("UserSid", "Sid"), "User ID": ("UserSid", "Sid"), "Account Name": ("UserName", "Name"),
    "Account Domain": ("DomainName",), "Domain Name": ("DomainName",), "Logon ID": ("LogonId",),
    "Group Name": ("UserName",), "Group Domain": ("DomainName",),
    "Supplied Realm Name": ("DomainName",), "Logon Account": ("UserName",),
}  # fmt: skip
_ABOUT_SUBJECT = frozenset((4634, 4647, 4800, 4801, 4802, 4803))
"""Events whose subject is the target account in their data."""
_LABELS: Mapping[str, tuple[str, ...]] = {
    "Source Network Address": ("IpAddress",), "Network Address": ("IpAddress",), "Client Address": ("IpAddress", "ClientAddress"),
    "Source Address": ("IpAddress", "SourceAddress"), "Source Port": ("IpPort", "SourcePort"), "Client Port": ("IpPort",),
    "Port": ("IpPort",), "Destination Address": ("DestAddress",), "Destination Port": ("DestPort",), "Application Name": ("Application",),
    "Status": ("Status",), "Sub Status": ("SubStatus",), "Failure Code": ("Status",), "Result Code": ("Status",), "Error Code": ("Status",),
    "Authentication Package": ("AuthenticationPackageName",), "Source Workstation": ("Workstation",),
    "Process Command Line": ("CommandLine",),
    "Caller Computer Name": ("TargetDomainName",), "Old Account Name": ("OldTargetUserName",), "New Account Name": ("NewTargetUserName",),
    "Creator Process ID": ("ProcessId",), "Creator Process Name": ("ParentProcessName",), "Privileges": ("PrivilegeList",),
    "Caller Process Name": ("ProcessName", "CallerProcessName"), "Caller Process ID": ("ProcessId", "CallerProcessId"),
    "Process ID": ("ProcessId", "ProcessID"), "New Process ID": ("NewProcessId",), "Service File Name": ("ServiceFileName", "ImagePath"),
    "Service Account": ("ServiceAccount", "AccountName"), "Subcategory GUID": ("SubcategoryGuid",), "Changes": ("AuditPolicyChanges",),
    **{label: (label.replace(" ", ""),) for label in (
        "Logon Type", "Workstation Name", "Process Name", "New Process Name", "Mandatory Label", "Service Name", "Task Name", "Share Name",
        "Relative Target Name", "Object Server", "Object Type", "Object Name", "Target Server Name", "Direction", "Protocol", "Client Name",
    )},
}  # fmt: skip
"""Labels of English texts, and the native fields they show."""


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
    """The fields of rendered text. Sysmon's is `Name: value` line by line with native names, that of audits and services has labels for
    people under headings; others' texts are not read. What stands first counts: what follows may be written by whoever acts.
    """
    log = text(system.get("Provider_Name") or system.get("Channel")).lower()
    if "sysmon" in log:
        return {match.group(1): match.group(2) for match in _LINE.finditer(message)}
    if not {log, text(system.get("Channel")).lower()} & _LABELLED:
        return {}
    found: Flat = {}
    heading = ""
    for match in _LABEL.finditer(message, 0, _LONGEST):
        indent, label, value = match.group(1), match.group(2), match.group(3).strip()
        if not value and not indent:
            heading = label
        elif value:
            for name in _native(label, heading, as_event_id(system.get("EventID"))):
                found.setdefault(name, value)
    return {name: value for name, value in found.items() if not name.endswith("Sid") or value.startswith("S-1-")}


def _native(label: str, heading: str, event_id: int | None) -> tuple[str, ...]:
    if label not in _ACCOUNT:
        return _LABELS.get(label, ())
    side = "Target"
    if heading in ("Subject", "Creator Subject") and event_id not in _ABOUT_SUBJECT:
        side = "Subject"
    elif heading == "Member":
        side = "Member"
    return tuple(side + name for name in _ACCOUNT[label])
