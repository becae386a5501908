"""What Windows events mean: the columns each kind fills, the fields rules see in `ext`, clocks, shapes, conflicts."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from time import process_time
from typing import Any
from xml.sax.saxutils import escape

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nonself.sources import discover, lines, read
from nonself.sources.contract import Limits
from nonself.sources.windows_convert import WHOLE
from nonself.sources.windows_json import WindowsJson
from nonself.sources.windows_map import content
from nonself.sources.windows_native import ALIASES
from samples_windows import (
    DOTTED,
    ECS,
    GET_WINEVENT,
    NAMESPACE,
    SHAPES,
    SPLUNK,
    TEXT_LOGON,
    XML_CLEARED,
    XML_LOGON,
    XML_PROCESS,
    named,
    xml_event,
)
from test_sources_samples import CLEARED, DNS, LOGON, PROCESS, SERVICE

LIMITS = Limits()
AUDITING = "Microsoft-Windows-Security-Auditing"
NATIVE = {"Channel": "Security", "Provider_Name": AUDITING, "Computer": "h", "TimeCreated": "2026-01-01T00:00:00Z"}


def frame(*records: dict[str, Any]) -> pl.DataFrame:
    data = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    found = list(read(lines.in_memory(data), LIMITS)[1])
    assert not any(chunk.dead for chunk in found)
    return pl.concat([chunk.events for chunk in found])


def row(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in frame(record).row(0, named=True).items() if value is not None}


def native(event_id: int, channel: str = "Security", provider: str = "", **fields: Any) -> dict[str, Any]:
    return row({**NATIVE, "Channel": channel, "Provider_Name": provider or AUDITING, "EventID": event_id, **fields})


def ext(record: dict[str, Any]) -> dict[str, Any]:
    found = row(record)
    return json.loads(found.get("ext") or found["raw"])  # type: ignore[no-any-return]


def test_a_sysmon_process() -> None:
    found = row(PROCESS)
    assert found["time"].replace(tzinfo=None) == datetime(2026, 3, 2, 10, 0, 1, 250000)  # UtcTime, not the collector's clock
    assert (found["class_uid"], found["activity_id"], found["op"], found["severity_id"]) == (1007, 1, "1", 1)
    assert (found["host"], found["user"], found["user_domain"]) == ("ws5.corp.example", "ann", "CORP")
    assert (found["pid"], found["parent_pid"], found["integrity"]) == (4242, 980, "High")
    assert (found["image"], found["cmdline"]) == ("C:\\Windows\\System32\\cmd.exe", "cmd.exe /c whoami")
    assert found["proc_guid"] == "2f0a4c11-1111-2222-3333-000000000001"
    assert found["hash"] == "c3" * 32


def test_a_logon_is_about_who_logs_on() -> None:
    found = row(LOGON)
    assert (found["class_uid"], found["activity_id"], found["status_id"], found["logon_type"]) == (3002, 1, 1, 3)
    assert (found["user"], found["user_domain"], found["session"]) == ("ann", "CORP", "0x3e8f1")
    assert (found["src_ip"], found["src_port"], found["src_host"], found["auth_protocol"]) == ("10.0.0.5", 50123, "WS5", "NTLM")
    assert "image" not in found


def test_a_flat_record_is_its_own_native_fields() -> None:
    assert "ext" not in row(PROCESS)
    assert row(PROCESS)["raw"] == json.dumps(PROCESS)
    for native_name, spellings in ALIASES.items():
        assert native_name not in spellings


def test_rules_see_native_names_and_no_transport() -> None:
    fields = ext({"_source": PROCESS})
    assert fields["Image"] == PROCESS["Image"] and fields["CommandLine"] == PROCESS["CommandLine"]
    assert fields["Provider_Name"] == "Microsoft-Windows-Sysmon" and fields["Computer"] == "ws5.corp.example"
    assert fields["EventID"] == 1 and fields["Keywords"] == "0x8000000000000000"
    assert not fields.keys() & {"Message", "@version", "tags", "port", "host", "@timestamp", "EventTime"}


_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 20), st.integers(), st.floats(allow_nan=False), st.text(max_size=8),
    st.sampled_from(["-", "", "0x1f", "4624", "CORP\\ann", "ann@CORP", "Security", "System", "2026-01-01T00:00:00Z", "LOCAL", "10.0.0.1"]),
    st.lists(st.text(max_size=3), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip
_NAMES = st.sampled_from([
    "EventID", "Channel", "Provider_Name", "SourceName", "Provider", "Hostname", "Computer", "@timestamp", "TimeCreated", "EventTime",
    "Level", "EventLevel", "SeverityValue", "Keywords", "UtcTime", "TargetUserName", "TargetDomainName", "SubjectUserName", "IpAddress",
    "IpPort", "LogonType", "ProcessId", "Image", "Hashes", "User", "EventType", "TargetObject", "Initiated", "Data", "EventData", "x",
])  # fmt: skip


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from([PROCESS, LOGON, {**NATIVE, "EventID": 7045}, {"EventID": 3, "Channel": "x"}]),
                          st.dictionaries(_NAMES, _VALUES, max_size=4)), min_size=1, max_size=6))  # fmt: skip
def test_a_record_read_at_speed_beside_others_is_what_it_is_alone_and_slowly(drawn: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """`_source` sends a record the tolerant way; permuting, mixing and the way taken must all leave it the same columns."""
    records = [base | odd for base, odd in drawn]
    slowly = [columns({"_source": record}) for record in records]
    assert columns(*records) == [fields for alone in slowly for fields in alone]
    assert columns(*reversed(records)) == [fields for alone in reversed(slowly) for fields in alone]


def columns(*records: dict[str, Any]) -> list[dict[str, Any]]:
    data = b"".join(json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n" for record in records)
    found = list(WindowsJson().read(lines.in_memory(data), LIMITS))
    return pl.concat([chunk.events for chunk in found]).drop("uid", "raw", "ext", "record", "map_ver").to_dicts()


def test_the_same_event_in_every_shape_gives_the_same_columns() -> None:
    data = {"TargetUserName": "ann", "TargetDomainName": "CORP", "LogonType": "10", "IpAddress": "192.0.2.9"}
    provider, time = AUDITING, "2026-01-01T00:00:00.123456Z"
    beat = {"channel": "Security", "provider_name": provider, "computer_name": "h", "event_data": data}
    shapes: list[dict[str, Any]] = [
        {**NATIVE, **data, "EventID": 4624, "TimeCreated": time},
        {"EventID": 4624, "Channel": "Security", "Hostname": "h", "SourceName": provider, "@timestamp": time, **data},
        {"EventID": "4624", "Channel": "Security", "Computer": "h", "Provider": provider, "TimeGenerated": time,
         "EventData": json.dumps(data)},
        {"@timestamp": time, "winlog": {**beat, "event_id": "4624"}},
        {"@timestamp": time, "log_name": "Security", "event_id": 4624, "source_name": provider, "computer_name": "h", "event_data": data},
        {"_source": {**NATIVE, **data, "EventID": 4624, "TimeCreated": {"SystemTime": time}}},
        {
            "Event": {
                "System": {
                    "Provider": {"@Name": provider}, "EventID": {"#text": "4624"}, "Channel": "Security", "Computer": "h",
                    "TimeCreated": {"@SystemTime": time},
                },
                "EventData": {"Data": [{"@Name": name, "#text": value} for name, value in data.items()]},
            }
        },
    ]  # fmt: skip
    frames = [frame(shape).drop("uid", "raw", "ext") for shape in shapes]
    for other in frames[1:]:
        assert other.to_dicts() == frames[0].to_dicts()


@pytest.mark.parametrize("wrap", [lambda record: record, lambda record: {"_source": record}])
def test_a_field_that_is_called_as_a_system_field_elsewhere_is_kept(wrap: Any) -> None:
    system = {"Channel": "x", "Hostname": "h", "SourceName": "Microsoft-Windows-DNSServer", "EventID": 256}
    found = row(wrap(system | {"Source": "192.0.2.7", "QNAME": "a.example."}))
    assert (found["src_ip"], found["log_provider"], found["host"]) == ("192.0.2.7", "Microsoft-Windows-DNSServer", "h")


def test_user_data_never_overwrites_system_fields() -> None:
    found, fields = row(CLEARED), ext(CLEARED)
    assert (found["channel"], found["resource"], found["user"]) == ("System", "Application", "eve")
    assert (found["class_uid"], found["activity_id"]) == (1008, 1)
    assert (fields["Channel"], fields["UserData_Channel"], fields["EventID"]) == ("System", "Application", 104)
    hostile = {**NATIVE, "EventID": 1, "EventData": {"EventID": "4624", "Channel": "x", "Computer": "other"}}
    assert (row(hostile)["op"], row(hostile)["host"], ext(hostile)["EventData_Computer"]) == ("1", "h", "other")


def test_a_beat_in_depth() -> None:
    found = row(DNS)
    assert (found["class_uid"], found["query"], found["rcode"]) == (4003, "www.example.org", "NOERROR")
    assert found["answers"] == ["edge.example.org", "192.0.2.7"]
    assert found["time"].replace(tzinfo=None) == datetime(2026, 3, 2, 10, 0, 2, 900000)
    assert (found["host"], found["severity_id"]) == ("ws5.corp.example", 1)


def test_a_service_install() -> None:
    found = row(SERVICE)
    assert (found["class_uid"], found["service"], found["file_path"]) == (201004, "updater", "C:\\Windows\\Temp\\u.exe -k")


@pytest.mark.parametrize(
    ("event_id", "fields", "expected"),
    [
        (4688, {"NewProcessId": "0x1f4", "ProcessId": "0x3e8", "NewProcessName": "C:\\a.exe", "ParentProcessName": "C:\\p.exe",
                "MandatoryLabel": "S-1-16-12288", "SubjectUserName": "ann", "TargetUserName": "-", "TargetUserSid": "S-1-0-0"},
         {"pid": 500, "parent_pid": 1000, "image": "C:\\a.exe", "parent_image": "C:\\p.exe", "integrity": "High", "user": "ann"}),
        (4625, {"TargetUserName": "bob", "Status": "0xc000006d", "SubStatus": "0xc000006a", "LogonType": 3},
         {"user": "bob", "status_id": 2, "status_code": "0xc000006a", "logon_type": 3}),
        (4625, {"Status": "0xc000006d", "SubStatus": "0x0"}, {"status_code": "0xc000006d"}),
        (4769, {"TargetUserName": "ann@CORP.EXAMPLE", "TargetDomainName": "CORP.EXAMPLE", "ServiceName": "SQL$",
                "Keywords": "0x8010000000000000"},
         {"user": "ann", "user_domain": "CORP.EXAMPLE", "svc": "SQL$", "auth_protocol": "Kerberos", "status_id": 2}),
        (4728, {"MemberName": "CN=Eve Doe,OU=x", "TargetUserName": "Domain Admins", "SubjectUserName": "adm"},
         {"tgt_user": "Eve Doe", "tgt_domain": None, "priv": "Domain Admins", "user": "adm", "class_uid": 3006, "activity_id": 3}),
        (4732, {"MemberName": "cn=Doe\\, Eve,OU=Staff\\,,DC=corp,DC=example"}, {"tgt_user": "Doe, Eve", "tgt_domain": "corp.example"}),
        (4732, {"MemberName": "CN=,OU=x"}, {"tgt_user": None, "tgt_domain": None}),
        (4663, {"ObjectType": "File", "ObjectName": "C:\\ntds.dit"},
         {"file_path": "C:\\ntds.dit", "reg_key": None, "resource": "C:\\ntds.dit"}),
        (4656, {"ObjectType": "Key", "ObjectName": "\\REGISTRY\\MACHINE\\SAM"}, {"reg_key": "\\REGISTRY\\MACHINE\\SAM", "file_path": None}),
        (4663, {"ObjectType": "SAM_USER", "ObjectName": "x"}, {"resource": "x", "file_path": None, "reg_key": None}),
        (4670, {"ObjectName": "x"}, {"resource": "x", "file_path": None, "reg_key": None}),
        (4672, {"PrivilegeList": "SeDebugPrivilege\r\n\t\t\tSeTcbPrivilege"}, {"priv": "SeDebugPrivilege SeTcbPrivilege"}),
        (5145, {"ShareName": "\\\\*\\IPC$", "RelativeTargetName": "svcctl", "IpAddress": "10.1.1.1"}, {"pipe": "\\\\*\\IPC$\\svcctl"}),
        (5156, {"Protocol": "6", "Direction": "%%14593", "SourceAddress": "10.0.0.1", "DestPort": "443"},
         {"proto": "tcp", "direction_id": 2, "src_ip": "10.0.0.1", "dst_port": 443}),
        (4776, {"TargetUserName": "ann", "Status": "0xc000006a"}, {"status_id": 2}),  # keywords are not said: the code tells
        (4768, {"TargetUserName": "ann", "Status": "0x0"}, {"status_id": 1}),
        (4769, {"Status": "-"}, {"status_id": None}),
        (4769, {"Status": "", "Keywords": "0x8010000000000000"}, {"status_id": 2}),
        (4698, {"TaskName": "\\t", "TaskContent": "<Exec>\n<Command>a.exe</Command>\n<Arguments>-x &quot;y&quot;</Arguments></Exec>"},
         {"cmdline": 'a.exe -x "y"', "service": "\\t"}),
        (4759, {"TargetUserName": "Staff", "SubjectUserName": "adm"}, {"activity_id": 6, "priv": "Staff", "user": "adm"}),
        (5061, {"ProviderName": "P", "KeyName": "k"}, {"svc": "P", "resource": "k"}),
        (4740, {"TargetUserName": "ann", "TargetDomainName": "WS9"}, {"tgt_user": "ann", "src_host": "WS9", "activity_id": 9}),
    ],
)  # fmt: skip
def test_security_events(event_id: int, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    found = native(event_id, **fields)
    assert {name: found.get(name) for name in expected} == expected
    assert "-" not in found.values()


@pytest.mark.parametrize(
    ("event_id", "fields", "expected"),
    [
        (3, {"SourceIp": "10.0.0.1", "DestinationIp": "10.0.0.2", "DestinationPort": 445, "Protocol": "tcp", "Initiated": True},
         {"class_uid": 4001, "src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "dst_port": 445, "direction_id": 2}),
        (7, {"ImageLoaded": "C:\\evil.dll", "Signed": "false"}, {"module_path": "C:\\evil.dll", "signed": False}),
        (8, {"SourceImage": "a", "TargetImage": "b", "SourceProcessGuid": "{X}", "TargetProcessGuid": "{Y}"},
         {"image": "a", "tgt_image": "b", "proc_guid": "X", "tgt_guid": "Y", "activity_id": 4}),
        (10, {"SourceProcessGUID": "{X}", "TargetProcessGUID": "{Y}", "GrantedAccess": "0x1010"},
         {"proc_guid": "X", "tgt_guid": "Y", "priv": "0x1010"}),
        (11, {"TargetFilename": "C:\\f"}, {"class_uid": 1001, "file_path": "C:\\f"}),
        (12, {"EventType": "DeleteKey", "TargetObject": "HKLM\\x"}, {"class_uid": 201001, "activity_id": 4, "reg_key": "HKLM\\x"}),
        (13, {"TargetObject": "HKLM\\x", "Details": "v"}, {"class_uid": 201002, "reg_key": "HKLM\\x", "reg_value": "v"}),
        (17, {"PipeName": "\\p"}, {"pipe": "\\p"}),
        (22, {"QueryName": "x.example", "QueryStatus": "9003"}, {"rcode": "NXDOMAIN"}),
        (1, {"ProcessGuid": "{A}", "ParentProcessGuid": "{00000000-0000-0000-0000-000000000000}", "Image": "a"},
         {"proc_guid": "A", "parent_guid": None}),
        (23, {"Hashes": "MD5=" + "0" * 32 + ",SHA256=" + "0" * 64}, {"hash": None}),
    ],
)  # fmt: skip
def test_sysmon_events(event_id: int, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    found = native(event_id, "Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon", **fields)
    assert {name: found.get(name) for name in expected} == expected


def test_powershell_says_who_and_what() -> None:
    context = "        Host Name = ConsoleHost\r\n        User = CORP\\ann\r\n        Connected User = "
    found = native(4103, "x", "Microsoft-Windows-PowerShell", ContextInfo=context, Payload="CommandInvocation(Get-Item)")
    assert (found["user"], found["user_domain"], found["cmdline"]) == ("ann", "CORP", "CommandInvocation(Get-Item)")
    message = "Pipeline execution details\r\n\tUserId=CORP\\ann\r\n\tHostApplication=powershell.exe -enc AAAA\r\n"
    record = {**NATIVE, "Channel": "Windows PowerShell", "Provider_Name": "PowerShell", "EventID": 800, "Message": message}
    assert (row(record)["user"], row(record)["cmdline"]) == ("ann", "powershell.exe -enc AAAA")
    assert ext(record)["Data"] == message


def test_an_unknown_event_is_kept_as_base_event() -> None:
    found = native(31337, "Acme/Operational", "Acme", SubjectUserName="ann", Whatever="x")
    assert (found["class_uid"], found["op"], found["host"], found["user"]) == (0, "31337", "h", "ann")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"TimeCreated": None, "@timestamp": "2026-02-02T02:02:02Z"}, datetime(2026, 2, 2, 2, 2, 2)),
        ({"TimeCreated": None, "EventTime": "2026-02-02 02:02:02"}, datetime(2026, 2, 2, 2, 2, 2)),
        ({"TimeCreated": {"SystemTime": "2026-02-02T02:02:02.5Z"}}, datetime(2026, 2, 2, 2, 2, 2, 500000)),
        ({"TimeCreated": "soon"}, None),
        ({"TimeCreated": 7}, None),
    ],
)
def test_the_best_clock_or_none(fields: dict[str, Any], expected: datetime | None) -> None:
    time = native(4624, **fields).get("time")
    assert (time.replace(tzinfo=None) if time else None) == expected


def test_values_of_any_type_harm_no_other_row() -> None:
    odd: list[Any] = [None, 7, 2.5, True, [], {}, ["a", 1], {"#text": "x"}, "\x00", 10**18, "-", ""]
    names = (
        "TargetUserName",
        "IpPort",
        "LogonType",
        "ProcessId",
        "Keywords",
        "Level",
        "Computer",
        "Channel",
        "Provider_Name",
        "TimeCreated",
    )
    hostile = [{**NATIVE, "EventID": 4624, name: value} for name in names for value in odd]
    mixed = frame(*[record for bad in hostile for record in (LOGON, bad)])
    assert mixed.height == 2 * len(hostile)
    good = mixed.gather_every(2).drop("record", "uid").unique()
    assert good.drop("raw").equals(frame(LOGON).drop("record", "uid", "raw"))


ODD: list[Any] = [None, 7, 2.5, True, [], {}, ["a"], "-", "", "x", "0x1f", "SHA1=" + "a" * 40, "{g}", "2026-01-01T00:00:00Z"]
SYSMON = ("Computer", "UtcTime", "Level", "Keywords", "Image", "ProcessId", "ProcessGuid", "Hashes", "User")


@settings(max_examples=15, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(SYSMON), st.sampled_from(ODD)), min_size=1, max_size=8))
@example([{}])
def test_many_events_at_once_mean_what_few_do(drawn: list[dict[str, Any]]) -> None:
    events = [{"EventID": 1 + at % 2, "Channel": "Microsoft-Windows-Sysmon/Operational", **fields} for at, fields in enumerate(drawn)]
    data = b"\n".join(json.dumps(events[at % len(events)]).encode() for at in range(1_500))
    many, few = (
        pl.concat([chunk.events for chunk in WindowsJson().read(lines.in_memory(data), Limits(chunk_records=records))])
        for records in (8_192, 750)
    )
    assert many.equals(few)


def test_a_record_that_is_no_event_is_a_dead_letter() -> None:
    data = json.dumps(PROCESS).encode() + b'\n{"EventID": 5}\n{"other": 1}\n' + json.dumps(LOGON).encode()
    found = list(read(lines.in_memory(data), LIMITS)[1])
    assert [(letter.record, letter.reason) for chunk in found for letter in chunk.dead] == [
        (1, "not-a-windows-event"),
        (2, "not-a-windows-event"),
    ]
    assert sum(chunk.events.height for chunk in found) == 2


def test_get_winevent_as_json() -> None:
    found = row(GET_WINEVENT)
    assert (found["pid"], found["image"], found["cmdline"], found["user"]) == (4242, "C:\\a.exe", "a.exe -x: y", "ann")
    assert found["time"].replace(tzinfo=None) == datetime(2026, 3, 2, 10, 0, 1, 250000)
    assert ext(GET_WINEVENT)["Data"] == "-\n4242\nC:\\a.exe" and ext(GET_WINEVENT)["UserID"] == "S-1-5-18"


def test_dotted_winlogbeat_names() -> None:
    found = row(DOTTED)
    assert (found["op"], found["user"], found["logon_type"], found["status_id"], found["host"]) == ("4625", "bob", 3, 2, "srv1")


def test_fields_that_elastic_renamed_come_back() -> None:
    found, fields = row(ECS), ext(ECS)
    assert (found["image"], found["cmdline"], found["parent_image"], found["user"]) == ("C:\\a.exe", "a.exe -x", "C:\\p.exe", "ann")
    assert (found["integrity"], found["hash"], fields["User"]) == ("High", "ab" * 32, "CORP\\ann")


@pytest.mark.parametrize(
    ("provider", "event_id", "fields", "expected"),
    [
        ("PowerShell", 600, {"process": {"command_line": "p.exe -x"}}, {"cmdline": "p.exe -x", "user": "ann", "user_domain": "CORP"}),
        ("Microsoft-Windows-Sysmon", 22, {"dns": {"question": {"name": "x.example"}, "answers": [{"data": "192.0.2.7"}, {"data": "::1"}]},
                                          "sysmon": {"dns": {"status": "SUCCESS"}}},
         {"query": "x.example", "answers": ["192.0.2.7", "::1"], "rcode": "NOERROR"}),
        ("Microsoft-Windows-Sysmon", 13, {"registry": {"path": "HKLM\\a", "data": {"strings": ["b"]}}}, {"reg_value": "b"}),
        ("Microsoft-Windows-Sysmon", 3, {"network": {"direction": "egress", "transport": "tcp"}}, {"direction_id": 2, "proto": "tcp"}),
        ("Microsoft-Windows-Sysmon", 17, {"file": {"name": "\\p"}}, {"pipe": "\\p", "user": "ann"}),
        ("Microsoft-Windows-Sysmon", 22, {"dns": {"answers": [None, 7]}}, {"query": None, "status_id": None}),
        (AUDITING, 4776, {"event": {"outcome": "failure"}}, {"status_id": 2, "user": "ann"}),
        (AUDITING, 4776, {"event": {"outcome": ["failure"]}}, {"status_id": None, "user": "ann"}),
    ],
)  # fmt: skip
def test_more_that_elastic_renamed(provider: str, event_id: int, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    winlog = {"event_id": str(event_id), "provider_name": provider, "channel": "x"}
    found = row({"@timestamp": "2026-03-02T10:00:00Z", "winlog": winlog, "user": {"name": "ann", "domain": "CORP"}, **fields})
    assert {name: found.get(name) for name in expected} == expected


def test_splunk() -> None:
    found = row(SPLUNK)
    assert (found["class_uid"], found["service"], found["file_path"], found["host"]) == (201004, "updater", "C:\\u.exe", "srv1")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_logon_in_the_shapes_of_exporters(shape: str) -> None:
    found = row(SHAPES[shape])
    assert found["time"].replace(tzinfo=None) == datetime(2026, 3, 2, 10, 0, 0, 123456)
    assert (found["log_provider"], found["channel"], found["host"], found["op"]) == (AUDITING, "Security", "srv1.corp.example", "4624")
    assert (found["user"], found["user_domain"], found["src_ip"], found["logon_type"]) == ("ann", "CORP", "192.0.2.9", 10)
    assert (found["class_uid"], found["status_id"], found["severity_id"]) == (3002, 1, 1)


def text_of(event_id: int, message: str, provider: str = AUDITING, log: str = "Security") -> dict[str, Any]:
    return row(
        {"Id": event_id, "ProviderName": provider, "LogName": log, "MachineName": "h", "TimeCreated": "/Date(1)/", "Message": message}
    )


@pytest.mark.parametrize(
    ("event_id", "message", "expected"),
    [
        (4624, TEXT_LOGON + "\tAccount Name:\t\teve\r\nNew Logon:\r\n\tSecurity ID: S-1-5-21-666",
         {"user": "ann", "user_uid": "S-1-5-21-7"}),
        (4634, "Subject:\n\tAccount Name:\t\tann\n\tLogon ID:\t\t0x9\nLogon Type:\t\t\t3",
         {"user": "ann", "session": "0x9", "logon_type": 3}),
        (4688, "Creator Subject:\n\tAccount Name:\tann\nProcess Information:\n\tNew Process ID:\t0x1f4\n\tNew Process Name:\tC:\\a.exe\n"
         "\tCreator Process ID:\t0x2\n\tProcess Command Line:\ta -x: y\n",
         {"user": "ann", "pid": 500, "parent_pid": 2, "cmdline": "a -x: y"}),
        (4728, "Subject:\n\tAccount Name:\tadm\nMember:\n\tAccount Name:\tCN=Eve,DC=corp\nGroup:\n\tGroup Name:\tAdmins\n",
         {"user": "adm", "tgt_user": "Eve", "tgt_domain": "corp", "priv": "Admins"}),
        (4776, "Logon Account:\tann\nSource Workstation:\tWS5\nError Code:\t0xC000006A",
         {"user": "ann", "src_host": "WS5", "status_id": 2}),
        (5156, "Network Information:\n\tDirection:\tInbound\n\tSource Address:\t192.0.2.9\n\tDestination Port:\t445",
         {"src_ip": "192.0.2.9", "dst_port": 445, "direction_id": 1}),
    ],
)  # fmt: skip
def test_audits_of_which_only_the_text_is_left(event_id: int, message: str, expected: dict[str, Any]) -> None:
    found = text_of(event_id, message)
    assert {name: found.get(name) for name in expected} == expected


def test_the_text_of_a_service() -> None:
    found = text_of(
        7045, "A service.\n\nService Name:  u\nService File Name:  C:\\u.exe\nService Account:  S\n", "Service Control Manager", "System"
    )
    assert (found["service"], found["file_path"], found["tgt_user"]) == ("u", "C:\\u.exe", "S")
    assert "user" not in text_of(4104, TEXT_LOGON, "Microsoft-Windows-PowerShell", "Microsoft-Windows-PowerShell/Operational")


def test_records_that_an_envelope_lists() -> None:
    envelope = json.dumps({"records": [SHAPES["sentinel"], SHAPES["sentinel"] | {"EventID": 4625}]}).encode()
    chunks = list(read(lines.in_memory(envelope), LIMITS)[1])
    assert [(chunk.events["op"].to_list(), chunk.dead) for chunk in chunks] == [(["4624", "4625"], [])]


@pytest.mark.parametrize(
    "keywords", ["Audit failure", ["AUDIT FAILURE"], "9227875636482146304", -9218868437227405312, "0x8010000000000000"]
)
def test_an_audit_that_failed(keywords: object) -> None:
    assert native(4768, Keywords=keywords)["status_id"] == 2


@pytest.mark.parametrize("data", ['{"a":' + "[" * 900 + "]" * 900 + "}", "<a>" * 900, "<a", '{"a"', "<Data>b</Data>", "{}", "<a/>"])
def test_hostile_sections_as_text(data: str) -> None:
    assert native(4625, TargetUserName="ann", EventData=data)["user"] == "ann"
    assert (
        native(4104, EventData={"ScriptBlockText": "<Event><System><EventID>1</EventID></System></Event>"}, message="<Event>")["op"]
        == "4104"
    )


def xml(*parts: str) -> tuple[list[dict[str, Any]], list[str]]:
    source, found = read(lines.in_memory("".join(parts).encode()), LIMITS)
    assert source is not None and source.name == "windows-xml"
    chunks = list(found)
    rows = [{name: value for name, value in fields.items() if value is not None} for chunk in chunks for fields in chunk.events.to_dicts()]
    return rows, [letter.reason for chunk in chunks for letter in chunk.dead]


def test_exported_xml() -> None:
    (logon, process, cleared), dead = xml(XML_LOGON, XML_PROCESS, XML_CLEARED)
    assert (logon["user"], logon["src_ip"], logon["logon_type"], logon["status_id"]) == ("ann", "192.0.2.9", 10, 1)
    assert logon["time"].replace(tzinfo=None) == datetime(2026, 3, 2, 10, 0, 0, 123456)
    assert (process["image"], process["pid"]) == ("C:\\a & b.exe", 500)
    assert (cleared["channel"], cleared["resource"], cleared["user"]) == ("System", "Application", "eve")
    assert json.loads(cleared["ext"])["UserData_Channel"] == "Application"
    assert dead == []


@pytest.mark.parametrize(
    ("bad", "reasons"),
    [
        (XML_PROCESS.replace("&amp;", "&lol;"), ["xml-syntax"]),
        (XML_PROCESS.replace("<System>", "<!DOCTYPE x [<!ENTITY lol 'x'>]><System>"), ["xml-syntax"]),
        ("<!DOCTYPE Events [<!ENTITY lol SYSTEM 'file:///etc/passwd'>]>", ["xml-syntax"]),
        (xml_event(1, "<a>" * 3000 + "</a>" * 3000), ["xml-depth"]),
        ("<Event xmlns='x'><System>", ["xml-syntax"]),
        ("<Event><b></Event>", ["xml-syntax"]),
        ("<Event><System></System></Event>", ["not-a-windows-event"]),
    ],
)
def test_hostile_xml_costs_no_other_event(bad: str, reasons: list[str]) -> None:
    found, dead = xml(XML_LOGON, bad, XML_CLEARED)
    assert dead == reasons
    assert [fields["op"] for fields in found] == ["4624", "104"]


@pytest.mark.parametrize(
    "head", ["<13>Mar  2 10:00:00 srv1 ", "<13>1 2026-03-02T10:00:00Z srv1 a - - - ", "03/02/2026 10:00:00 AM ", "", "\n"]
)
def test_xml_behind_the_head_of_a_line(head: str) -> None:
    found, dead = xml(head, XML_LOGON, "\n", head, XML_PROCESS, "\n")
    assert ([row["op"] for row in found], dead) == (["4624", "4688"], [])


def test_xml_without_a_namespace() -> None:
    found, dead = xml(XML_LOGON.replace(f" xmlns='{NAMESPACE}'", "").replace("2026-03-02T10:00:00.1234567Z", "2026-03-02 10:00:00.1234567"))
    assert ([(row["user"], row["time"].microsecond) for row in found], dead) == ([("ann", 123456)], [])


@pytest.mark.parametrize("odd", ["\x01", "&#1;", "&#x1B;", "&#x0;"])
def test_control_characters_hide_no_event(odd: str) -> None:
    (found,), dead = xml(xml_event(4688, named(NewProcessName="C:\\a.exe", CommandLine=f"evil{odd}arg")))
    assert (found["cmdline"], dead) == ("evil\ufffdarg", [])


@pytest.mark.parametrize(
    ("provider", "event_id", "fields", "expected"),
    [
        ("Microsoft-Windows-TaskScheduler", 106, {"TaskName": "\\x", "UserContext": "CORP\\ann"}, {"service": "\\x", "user": "ann"}),
        ("Microsoft-Windows-Windows Defender", 1116, {"Threat Name": "T", "Detection User": "C\\ann"}, {"rule": "T", "class_uid": 2004}),
        ("Microsoft-Windows-RemoteDesktopServices-RdpCoreTS", 131, {"ClientIP": "192.0.2.7:5001", "ConnType": "TCP"},
         {"src_ip": "192.0.2.7", "proto": "tcp", "class_uid": 4005}),
        ("Microsoft-Windows-WinRM", 6, {"connection": "srv9/wsman?PSVersion=5"}, {"dst_host": "srv9", "class_uid": 4001}),
        ("Microsoft-Windows-AppLocker", 8004, {"FullFilePath": "C:\\e.exe", "RuleName": "r", "TargetUser": "S-1-5-21-1"},
         {"image": "C:\\e.exe", "status_id": 2, "user_uid": "S-1-5-21-1", "rule": "r"}),
        ("Microsoft-Windows-DNS-Client", 3008, {"QueryName": "x.example", "QueryType": "28", "QueryStatus": "9003", "QueryResults": "::1;"},
         {"query": "x.example", "qtype": "AAAA", "rcode": "NXDOMAIN", "activity_id": 2}),
        ("Microsoft-Windows-DNSServer", 257, {"QNAME": "x.example.", "QTYPE": 1, "Destination": "10.0.0.9", "RCODE": 0},
         {"query": "x.example.", "src_ip": "10.0.0.9", "qtype": "A", "rcode": "NOERROR"}),
        ("Microsoft-Windows-Windows Firewall With Advanced Security", 2004, {"RuleName": "r", "ModifyingApplication": "C:\\n.exe"},
         {"resource": "r", "image": "C:\\n.exe", "class_uid": 3004, "activity_id": 1}),
        ("Microsoft-Windows-NTLM", 8004, {"UserName": "ann", "DomainName": "C", "WorkstationName": "W"}, {"user": "ann", "src_host": "W"}),
        ("Microsoft-Windows-PrintService", 808, {"PluginDllName": "C:\\e.dll", "ErrorCode": "0x45A"}, {"module_path": "C:\\e.dll"}),
        ("Microsoft-Windows-SMBClient", 31017, {"UserName": "ann", "ServerName": "\\\\srv"}, {"dst_host": "srv", "status_id": 2}),
        ("Microsoft-Windows-CodeIntegrity", 3033, {"FileNameBuffer": "e.dll", "ProcessNameBuffer": "p.exe"}, {"module_path": "e.dll"}),
        ("Microsoft-Windows-RemoteDesktopServices-RdpCoreTS", 131, {"ClientIP": "[192.0.2.7]:5001"},
         {"src_ip": "192.0.2.7", "src_port": 5001}),
        ("Microsoft-Windows-SMBServer", 551, {"ClientAddress": "02-00-C3-51-C0-00-02-07-00-00-00-00-00-00-00-00"},
         {"src_ip": "192.0.2.7", "src_port": 50001}),
        ("Microsoft-Windows-SMBServer", 551, {"ClientAddress": "1700C35100000000" + "20010DB8" + "0" * 23 + "9" + "0" * 8},
         {"src_ip": "2001:db8::9", "src_port": 50001}),
        ("Microsoft-Windows-SMBServer", 551, {"ClientAddress": "1700C35100000000"}, {"src_ip": None, "src_port": 50001}),
        ("Microsoft-Windows-WinRM", 6, {"connection": "http://srv9:5985/wsman?PSVersion=5"}, {"dst_host": "srv9"}),
        ("Microsoft-Windows-DNSServer", 258, {"QNAME": "x.example.", "RCODE": 3}, {"rcode": "NXDOMAIN"}),
        ("Microsoft-Windows-DNSServer", 256, {"Source": "192.0.2.7", "Port": "70000"}, {"src_ip": "192.0.2.7", "src_port": None}),
        ("Microsoft-Windows-Bits-Client", 60, {"hr": "2147954402", "url": "https://x.example/a"}, {"status_id": 2}),
        ("Microsoft-Windows-Windows Defender", 5007, {"Old Value": "", "New Value": "HKLM\\S\\Paths\\C:\\t = 0x0"},
         {"reg_key": "HKLM\\S\\Paths\\C:\\t", "reg_value": "0x0"}),
        ("Microsoft-Windows-Windows Defender", 1121, {"ID": "d4f9", "Process Name": "C:\\w.exe", "Target Commandline": "c -x"},
         {"rule": "d4f9", "image": "C:\\w.exe", "cmdline": "c -x"}),
        ("Microsoft-Windows-TerminalServices-ClientActiveXCore", 1024, {"Value": "srv9"}, {"dst_host": "srv9", "class_uid": 4005}),
        ("User32", 1074, {"param1": "C:\\s.exe (WS9)", "param5": "restart", "param7": "C\\ann"}, {"image": "C:\\s.exe", "user": "ann"}),
        ("OpenSSH", 4, {"payload": "Failed password for invalid user bob from 192.0.2.7 port 51 ssh2"},
         {"user": "bob", "src_ip": "192.0.2.7", "src_port": 51, "status_id": 2}),
        ("OpenSSH", 4, {"payload": "Failed password for a from 203.0.113.6 port 1 from 192.0.2.7 port 51 ssh2"}, {"src_ip": "192.0.2.7"}),
        ("Contoso-Sensor", 7, {"UserName": "C\\ann", "ClientIP": "192.0.2.7:51"}, {"user": "ann", "src_ip": "192.0.2.7", "class_uid": 0}),
        ("Microsoft-Windows-Bits-Client", 16403, {"RemoteName": "https://x.example/a?b", "LocalName": "C:\\a"},
         {"url_host": "x.example", "url_path": "/a?b", "file_path": "C:\\a"}),
    ],
)  # fmt: skip
def test_other_logs(provider: str, event_id: int, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    found = native(event_id, provider, provider, **fields)
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("provider", "event_id", "data", "expected"),
    [
        ("MSSQLSERVER", 18456, ["ann", " Reason: no such login.", " [CLIENT: 192.0.2.7]"],
         {"user": "ann", "src_ip": "192.0.2.7", "status_id": 2, "class_uid": 3002}),
        ("MSSQL$EDGE", 18456, ["CORP\\ann lee,  Reason: no such login.,  [CLIENT: 192.0.2.7]"], {"user": "ann lee", "user_domain": "CORP"}),
        ("MSSQL$EDGE", 18453, ["CORP\\ann", " [CLIENT: <local machine>]"], {"user": "ann", "src_ip": None, "status_id": 1}),
        ("MSSQLSERVER", 33205, ["succeeded:false\nserver_principal_name:CORP\\ann\nstatement:drop table x\n"],
         {"user": "ann", "cmdline": "drop table x", "status_id": 2}),
        ("MsiInstaller", 1033, ["Tool", "1.0", "1033", "1603", "Maker"], {"resource": "Tool", "status_id": 2, "status_code": "1603"}),
        ("MsiInstaller", 11724, ["Product: Tool -- Removal completed."], {"resource": "Tool", "status_id": 1, "activity_id": 4}),
        ("AD FS Auditing", 1203, ["7f", "<UserId>CORP\\ann</UserId><IpAddress>192.0.2.7,10.0.0.1</IpAddress>"],
         {"user": "ann", "src_ip": "192.0.2.7", "status_id": 2}),
        ("Microsoft-Windows-ActiveDirectory_DomainService", 2889, ["192.0.2.7:5001", "CORP\\ann", "1"],
         {"user": "ann", "src_ip": "192.0.2.7", "src_port": 5001}),
        ("MSExchange CmdletLogs", 1, ["New-MailboxExportRequest", "-FilePath x", "corp.example/Users/ann"],
         {"user": "ann", "cmdline": "New-MailboxExportRequest -FilePath x"}),
        ("NETLOGON", 5827, ["WS9$", "CORP"], {"user": "WS9$", "user_domain": "CORP", "status_id": 2}),
    ],
)  # fmt: skip
def test_unnamed_data(provider: str, event_id: int, data: list[str], expected: dict[str, Any]) -> None:
    (found,), _ = xml(xml_event(event_id, "".join(f"<Data>{escape(item)}</Data>" for item in data), "Application", provider))
    assert {name: found.get(name) for name in expected} == expected


def test_a_login_that_only_the_message_tells() -> None:
    said = "Login failed for user 'ann'. Reason: Could not find a login matching the name provided. [CLIENT: 192.0.2.7]"
    found = native(18456, "Application", "MSSQLSERVER", Message=said)
    assert (found["user"], found["src_ip"]) == ("ann", "192.0.2.7")


def test_patterns_take_linear_time() -> None:
    for text in (
        "Product: " * 9_000,
        " from 1 port 2: " * 5_000,
        " " * 90_000,
        "\n" * 90_000,
        "/" * 90_000,
        "<Command>" * 9_000,
        " = " * 30_000,
    ):
        for pattern in content().patterns.values():
            began = process_time()
            pattern.search(text)
            assert process_time() - began < 0.5, pattern.pattern


def test_the_table_names_real_columns_and_logs() -> None:
    table = content()
    assert len(table.kinds) > 350
    assert {log for log, _ in table.kinds} == set(table.logs.values())


def test_real_json_is_read_whole(data_dir: Path) -> None:
    folder = data_dir / "security-datasets" / "atomic" / "windows" / "execution" / "host"
    if not folder.is_dir():
        pytest.skip(f"REAL DATA ABSENT: {folder}")
    found = [(source_input, list(chunks)) for source_input in discover([folder], LIMITS) for _, chunks in [read(source_input, LIMITS)]]
    events = pl.concat([chunk.events for _, chunks in found for chunk in chunks])
    assert not [letter for _, chunks in found for chunk in chunks for letter in chunk.dead]
    assert events.height > 300
    assert events["time"].null_count() == events["host"].null_count() == 0


PIECES = st.sampled_from(["0x", "1f", "-", "+", "9" * 18, "7", "00", "{", "}", ";", "type:  5 ", "::ffff:", "SHA1=", "SHA256=", "MD5=",
                          "ab" * 16, "C3" * 20, "d" * 24, "0" * 32, "00000000-0000-0000-0000-000000000000", "\n", " ", "x"])  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(PIECES, max_size=5).map("".join), min_size=1, max_size=12))
@pytest.mark.parametrize("name", WHOLE)
def test_a_value_means_the_same_one_by_one_and_in_a_column(name: str, values: list[str]) -> None:
    whole, single = WHOLE[name]
    assert whole(pl.Series(values, dtype=pl.String)).to_list() == [single(value) for value in values]
