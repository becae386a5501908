"""Small Windows events in the forms that exporters and shippers give them, written for these tests."""

from __future__ import annotations

import json

NAMESPACE = "http://schemas.microsoft.com/win/2004/08/events/event"
AUDITING = "Microsoft-Windows-Security-Auditing"


def xml_event(event_id: int, data: str, channel: str = "Security", provider: str = AUDITING, section: str = "EventData") -> str:
    """An event as Event Viewer exports it; `data` is what stands within its section."""
    return (
        f"<Event xmlns='{NAMESPACE}'><System><Provider Name='{provider}' Guid='{{54849625}}'/><EventID Qualifiers='0'>{event_id}</EventID>"
        "<Version>2</Version><Level>0</Level><Keywords>0x8020000000000000</Keywords>"
        "<TimeCreated SystemTime='2026-03-02T10:00:00.1234567Z'/><EventRecordID>7</EventRecordID><Correlation/>"
        f"<Execution ProcessID='4' ThreadID='8'/><Channel>{channel}</Channel><Computer>srv1.corp.example</Computer>"
        f"<Security UserID='S-1-5-18'/></System><{section}>{data}</{section}></Event>"
    )


def named(**fields: str) -> str:
    """EventData of named values."""
    return "".join(f"<Data Name='{name}'>{value}</Data>" for name, value in fields.items())


XML_LOGON = xml_event(4624, named(TargetUserName="ann", TargetDomainName="CORP", LogonType="10", IpAddress="192.0.2.9"))
XML_PROCESS = xml_event(4688, named(NewProcessName="C:\\a &amp; b.exe", NewProcessId="0x1f4", SubjectUserName="ann"))
XML_CLEARED = xml_event(
    104,
    "<LogFileCleared xmlns='http://x'><SubjectUserName>eve</SubjectUserName><Channel>Application</Channel></LogFileCleared>",
    channel="System", provider="Microsoft-Windows-Eventlog", section="UserData",
)  # fmt: skip
_VIEWER = '<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n<Events>' + XML_LOGON + XML_PROCESS + XML_CLEARED + "</Events>\n"

GET_WINEVENT: dict[str, object] = {
    "Id": 1, "Version": 5, "Level": 4, "Keywords": -9223372036854775808, "RecordId": 71, "ProcessId": 2900, "ThreadId": 3100,
    "ProviderName": "Microsoft-Windows-Sysmon", "LogName": "Microsoft-Windows-Sysmon/Operational", "MachineName": "ws5.corp.example",
    "UserId": {"BinaryLength": 12, "Value": "S-1-5-18"}, "TimeCreated": "/Date(1772445601250)/",
    "Message": "Process Create:\r\nRuleName: -\r\nProcessId: 4242\r\nImage: C:\\a.exe\r\nCommandLine: a.exe -x: y\r\nUser: CORP\\ann",
    "Properties": [{"Value": "-"}, {"Value": 4242}, {"Value": "C:\\a.exe"}],
}  # fmt: skip
DOTTED: dict[str, object] = {
    "@timestamp": "2026-03-02T10:00:03.000Z", "winlog.channel": "Security", "winlog.event_id": "4625", "winlog.provider_name": AUDITING,
    "winlog.computer_name": "srv1", "winlog.event_data.TargetUserName": "bob", "winlog.event_data.LogonType": "3",
    "winlog.keywords": ["Audit Failure"], "host.name": "srv1", "log.level": "information",
}  # fmt: skip
ECS: dict[str, object] = {
    "@timestamp": "2026-03-02T10:00:04.000Z", "event": {"code": "1", "provider": "Microsoft-Windows-Sysmon"}, "host": {"name": "ws5"},
    "winlog": {"channel": "Microsoft-Windows-Sysmon/Operational", "event_id": "1", "provider_name": "Microsoft-Windows-Sysmon",
               "event_data": {"IntegrityLevel": "High"}},
    "process": {"executable": "C:\\a.exe", "command_line": "a.exe -x", "pid": 4242, "entity_id": "{g}", "hash": {"sha256": "ab" * 32},
                "parent": {"executable": "C:\\p.exe", "pid": 980}},
    "user": {"name": "ann", "domain": "CORP"},
}  # fmt: skip
SPLUNK: dict[str, object] = {
    "result": {"EventCode": "7045", "LogName": "System", "SourceName": "Service Control Manager", "ComputerName": "srv1",
               "_time": "2026-03-02T10:00:05.000+00:00", "ServiceName": "updater", "ImagePath": "C:\\u.exe", "Message": "A service..."}
}  # fmt: skip
TEXT_LOGON = """An account was logged on.\r
\r
Subject:\r
\tSecurity ID:\t\tNULL SID\r
\tAccount Name:\t\t-\r
\r
Logon Information:\r
\tLogon Type:\t\t10\r
\r
New Logon:\r
\tSecurity ID:\t\tS-1-5-21-7\r
\tAccount Name:\t\tann\r
\tAccount Domain:\t\tCORP\r
\r
Network Information:\r
\tSource Network Address:\t192.0.2.9\r
"""
_OWN = {"TargetUserName": "ann", "TargetDomainName": "CORP", "LogonType": "10", "IpAddress": "192.0.2.9"}
_DATA = "".join(f'<Data Name="{name}">{value}</Data>' for name, value in _OWN.items())
_SYSTEM: dict[str, object] = {"Channel": "Security", "Computer": "srv1.corp.example", "TimeCreated": "2026-03-02T10:00:00.123456Z",
                              "Keywords": "0x8020000000000000", "Level": 0}  # fmt: skip
_COLLECTED: dict[str, object] = {"channel": "Security", "computer": "srv1.corp.example", "level": "Information"}
SHAPES: dict[str, dict[str, object]] = {
    "velociraptor": {"System": _SYSTEM | {"Provider": {"Name": AUDITING}, "EventID": {"Value": 4624}, "Keywords": 9232379236109516800,
                                          "TimeCreated": {"SystemTime": 1772445600.123456}}, "EventData": _OWN, "Message": "a"},
    "evtxecmd": _SYSTEM | {"Provider": AUDITING, "EventId": 4624, "Level": "LogAlways", "Keywords": "Audit success", "UserId": "",
                           "Payload": json.dumps({"EventData": {"Data": [{"@Name": k, "#text": v} for k, v in _OWN.items()]}})},
    "datadog": {"Event": {"System": _SYSTEM | {"Provider": {"Name": AUDITING}, "EventID": "4624",
                                               "TimeCreated": {"SystemTime": "2026-03-02T10:00:00.123456Z"}}, "EventData": {"Data": _OWN}}},
    "golang-evtx": {"Event": {"System": _SYSTEM | {"Provider": {"Name": AUDITING}, "EventID": {"Value": "4624", "Qualifiers": "0"},
                              "TimeCreated": {"SystemTime": "2026-03-02T10:00:00.123456Z"}}, "EventData": _OWN}},
    "opentelemetry": _COLLECTED | {"event_id": {"id": 4624, "qualifiers": 0}, "provider": {"name": AUDITING, "guid": "{5}"},
                                   "keywords": ["Audit Success"], "system_time": "2026-03-02T10:00:00.123456Z",
                                   "event_data": {"data": [{name: value} for name, value in _OWN.items()]}},
    "grafana": _COLLECTED | {"event_id": 4624, "source": AUDITING, "keywords": "Audit Success", "event_data": _DATA,
                             "timeCreated": "2026-03-02T10:00:00.123456Z"},
    "sentinel": {"EventSourceName": AUDITING, "EventID": 4624, "EventLog": "Security", "Computer": "srv1.corp.example", "Level": "0",
                 "TimeGenerated": "2026-03-02T10:00:00.123456Z", "Keywords": "0x8020000000000000",
                 "EventData": f'<DataItem type="System.XmlData"><EventData xmlns="{NAMESPACE}">{_DATA}</EventData></DataItem>'},
    "fluent-bit": _SYSTEM | {"ProviderName": AUDITING, "EventID": 4624, "ProcessID": 700, "Message": TEXT_LOGON,
                             "StringInserts": [*_OWN.values()]},
    "get-winevent": {"Id": 4624, "Level": 0, "Keywords": -9214364837600034816, "ProviderName": AUDITING, "LogName": "Security",
                     "MachineName": "srv1.corp.example", "TimeCreated": "2026-03-02T10:00:00.123456Z", "Message": TEXT_LOGON},
    "wazuh-archive": {"agent": {"name": "SRV1"}, "decoder": {"name": "windows_eventchannel"}, "data": {"win": {
        "system": {"providerName": AUDITING, "eventID": "4624", "channel": "Security", "computer": "srv1.corp.example", "level": "0",
                   "keywords": "0x8020000000000000", "systemTime": "2026-03-02T10:00:00.1234560Z"},
        "eventdata": {name[0].lower() + name[1:]: value for name, value in _OWN.items()}}}},
    "json-in-message": {"@version": "1", "message": json.dumps(_SYSTEM | _OWN | {"EventID": 4624, "SourceName": AUDITING})},
    "splunk-raw": {"preview": False, "result": {"_raw": XML_LOGON, "sourcetype": "XmlWinEventLog"}},
}  # fmt: skip
"""One logon, as each of them writes it."""

SAMPLES: dict[str, list[tuple[str, bytes, int]]] = {
    "windows-xml": [("viewer.xml", _VIEWER.encode(), 3), ("wevtutil.xml", f"{XML_LOGON}\n{XML_PROCESS}\n".encode(), 2)],
}
JSON_SAMPLES: list[tuple[str, bytes, int]] = [
    (name, "".join(json.dumps(record) + "\n" for record in records).encode(), len(records))
    for name, records in {"powershell.json": [GET_WINEVENT], "dotted.json": [DOTTED, DOTTED | {"winlog.event_id": 4624}], "ecs.json": [ECS],
                          "splunk.json": [SPLUNK], "shapes.json": [*SHAPES.values()]}.items()
]  # fmt: skip
