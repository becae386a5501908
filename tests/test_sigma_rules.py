"""What rules mean, by hand: the specification's traps, Windows' own ways, and hits as they are reported."""

from __future__ import annotations

import base64
import datetime as dt
from typing import Any

import orjson
import polars as pl
import pytest
import yaml

from nonself.core.events import Events, conform
from nonself.detect.sigma import HITS, Ruleset, plan, sheet
from nonself.detect.sigma.logsource import KEYS, streams
from nonself.detect.sigma.reading import compile_files

SYSMON = {"source": "windows-evtx", "channel": "Microsoft-Windows-Sysmon/Operational", "op": "1"}
PROCESS = {"product": "windows", "category": "process_creation"}


def ruleset(*rules: dict[str, Any]) -> Ruleset:
    documents = [{"title": f"rule {i}", "id": f"r{i}", "level": "high", **rule} for i, rule in enumerate(rules)]
    compiled = compile_files([("rules.yml", yaml.safe_dump_all(documents, allow_unicode=True, sort_keys=False).encode())])
    assert not compiled.rejected, compiled.rejected
    return Ruleset(compiled)


def frame(*rows: dict[str, Any]) -> Events:
    """Events of rows given by column; `ext` may be given as a dict."""
    full = [
        {"uid": f"{i:024x}", **row, **({"ext": orjson.dumps(row["ext"]).decode()} if isinstance(row.get("ext"), dict) else {})}
        for i, row in enumerate(rows)
    ]
    return conform(pl.DataFrame(full, infer_schema_length=None))


@pytest.fixture(params=[0, 32], ids=["by column", "by row"], autouse=True)
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows are tested one by one, many by their distinct texts: both must mean the same."""
    monkeypatch.setattr(sheet, "_FEW", request.param)


def fires(selection: Any, ext: dict[str, Any], condition: str = "sel", logsource: dict[str, str] = PROCESS, **more: Any) -> bool:
    columns = {k: v for k, v in more.items() if k in ("source", "channel", "op", "log_provider", "raw", "url_path", "http_status")}
    named = {k: v for k, v in more.items() if k not in columns}
    rules = ruleset({"logsource": logsource, "detection": {"sel": selection, **named, "condition": condition}})
    return rules.match(frame({**SYSMON, **columns, "ext": ext})).height == 1


def test_not_over_an_absent_field_is_true() -> None:
    """Where other engines lose a whole rule because a field of its filter is in no event."""
    assert fires({"Image|endswith": r"\a.exe"}, {"Image": r"C:\a.exe"}, "sel and not filter", filter={"SourceParentImage|endswith": "x"})
    assert fires({"Image|endswith": r"\a.exe"}, {"Image": r"C:\a.exe"}, "sel and not filter", filter={"ParentImage": None, "User": "x"})


def test_the_log_a_record_is_in_is_not_the_log_it_speaks_of() -> None:
    """Event 104 says in UserData which log was cleared; that must not decide which rules the event meets."""
    cleared = {"EventID": 104, "Provider_Name": "Microsoft-Windows-Eventlog"}
    row = {"channel": "System", "op": "104", "log_provider": "Microsoft-Windows-Eventlog"}
    logsource = {"product": "windows", "service": "system"}
    assert fires(cleared, {"Channel": "Microsoft-Windows-PowerShell/Operational"}, logsource=logsource, **row)
    assert fires(cleared | {"Channel": "System"}, {"Channel": "Other"}, logsource=logsource, **row)


@pytest.mark.parametrize(
    ("pattern", "text", "outcome"),
    [
        (r"C:\\Users\\[a-z]+\\x\.exe", r"C:\Users\ann\x.exe", True),  # each backslash once: not escaped twice
        (r"C:\\Users\\[a-z]+\\x\.exe", r"C:\\Users\\ann\\x.exe", False),
        ("ABC", "abc", False),
        (r"a\*b", "a*b", True),
        ("^a.c$", "abc", True),
    ],
)
def test_regular_expressions_are_taken_as_written(pattern: str, text: str, outcome: bool) -> None:
    assert fires({"CommandLine|re": pattern}, {"CommandLine": text}) is outcome


def test_regular_expression_flags() -> None:
    assert fires({"CommandLine|re|i": "abc"}, {"CommandLine": "xABCx"})
    assert fires({"CommandLine|re|i": "kiss"}, {"CommandLine": "\u212aI\u017fS"})  # Kelvin sign, long s: RE2 folds them
    assert fires({"CommandLine|re|m": "^b$"}, {"CommandLine": "a\nb\nc"}) and not fires({"CommandLine|re": "^b$"}, {"CommandLine": "a\nb"})
    assert fires({"CommandLine|re|s": "a.b"}, {"CommandLine": "a\nb"}) and not fires({"CommandLine|re": "a.b"}, {"CommandLine": "a\nb"})


@pytest.mark.parametrize("shift", range(4))
def test_base64offset_finds_a_text_wherever_it_starts(shift: int) -> None:
    encoded = base64.b64encode(b"x" * shift + b"Invoke-Mimikatz" + b"yz").decode()
    assert fires({"CommandLine|base64offset|contains": "Invoke-Mimikatz"}, {"CommandLine": f"powershell -e {encoded}"})
    wide = base64.b64encode(("x" * shift + "Invoke-Mimikatz").encode("utf-16-le")).decode()
    assert fires({"CommandLine|wide|base64offset|contains": "Invoke-Mimikatz"}, {"CommandLine": wide})
    assert not fires({"CommandLine|base64offset|contains": "Invoke-Mimikatz"}, {"CommandLine": wide})


def test_null_missing_and_empty() -> None:
    cloud = {"product": "aws", "service": "cloudtrail"}
    for value, event, outcome in [
        (None, {}, True), (None, {"a": None}, True), (None, {"a": ""}, False), (None, {"a": []}, True), (None, {"a": "x"}, False),
        ("", {"a": ""}, True), ("", {}, False), ("*", {"a": ""}, True), ("*", {}, False), ("?*", {"a": ""}, False),
    ]:  # fmt: skip
        assert fires({"a": value}, event, logsource=cloud, source="cloudtrail") is outcome, (value, event)
    assert fires({"a|exists": True}, {"a": None}, logsource=cloud, source="cloudtrail")
    assert fires({"a|exists": False}, {}, logsource=cloud, source="cloudtrail")
    assert fires({"ParentImage": None}, {"ParentImage": ""}), "Windows writes no value as an empty string"
    assert fires({"ParentImage": ""}, {"ParentImage": ""}) and not fires({"ParentImage": ""}, {})


def test_values_of_any_json_type() -> None:
    assert fires({"Initiated": "true"}, {"Initiated": True}) and fires({"Initiated": True}, {"Initiated": "true"})
    assert fires({"Port": 443}, {"Port": "443"}) and fires({"Port": "443"}, {"Port": 443}) and fires({"Port": 1}, {"Port": 1.0})
    assert fires({"Mask": "0x1410"}, {"Mask": "0x1410"}) and not fires({"Mask": "0x1410"}, {"Mask": 5136})
    assert fires({"Data|contains": "two"}, {"Data": ["one", "TWO", 3, None]}) and not fires(
        {"Data|contains|all": ["four"]}, {"Data": ["one"]}
    )
    assert fires({"Port|gt": 1000}, {"Port": "4444"}) and not fires({"Port|gt": 1000}, {"Port": "NaN"})
    assert fires({"Ip|cidr": "10.0.0.0/8"}, {"Ip": "::ffff:10.1.2.3"}) and not fires({"Ip|cidr": "10.0.0.0/8"}, {"Ip": "-"})
    assert fires({"Ip|cidr": "fe80::/10"}, {"Ip": "fe80::1%12"})


def test_fields_compared_with_each_other() -> None:
    assert fires({"Image|fieldref": "ParentImage"}, {"Image": "C:\\A", "ParentImage": "c:\\a"})
    assert not fires({"Image|fieldref": "ParentImage"}, {"Image": "x"})
    assert fires({"CommandLine|fieldref|contains": "Image"}, {"CommandLine": "run C:\\a now", "Image": "C:\\A"})


def test_process_creation_sees_both_sysmon_and_the_security_log() -> None:
    selection = {"Image|endswith": r"\cmd.exe", "ParentImage|endswith": r"\word.exe", "CommandLine|contains": "/c", "User|contains": "ann"}
    native = {"NewProcessName": r"C:\cmd.exe", "ParentProcessName": r"C:\word.exe", "CommandLine": "cmd /c x", "SubjectUserName": "Ann"}
    assert fires(selection, native, channel="Security", op="4688")
    assert fires(
        {"ParentProcessId": "0x10", "ProcessId": "0x20"}, {"ProcessId": "0x10", "NewProcessId": "0x20"}, channel="security", op="4688"
    )
    assert not fires(selection, native, channel="Security", op="4689")
    audit = {"product": "windows", "service": "security"}
    assert fires({"EventID": 4688, "NewProcessName|endswith": "cmd.exe"}, native, logsource=audit, channel="Security", op="4688")


def test_names_with_spaces() -> None:
    defender = {"product": "windows", "service": "windefend"}
    row = {"channel": "Microsoft-Windows-Windows Defender/Operational", "op": "1116"}
    assert fires({"EventID": 1116, "ThreatName|contains": "Mimi"}, {"Threat Name": "HackTool:Mimikatz"}, logsource=defender, **row)


def test_keywords_search_the_whole_record() -> None:
    anything = {"product": "windows"}
    raw = orjson.dumps({"Message": r"loaded C:\temp\mimilib.dll", "q": 'a "quoted" word'}).decode()
    assert fires([r"\temp\mimilib.dll"], {}, logsource=anything, raw=raw), "JSON's escapes must not hide a path"
    assert fires(['"quoted"'], {}, logsource=anything, raw=raw) and not fires(["absent"], {}, logsource=anything, raw=raw)
    assert fires(["MIMIKATZ"], {"x": "run mimikatz"}, logsource=anything), "ext where raw was dropped"
    assert fires(["mimikatz"], {}, logsource=anything, raw="mimi\u212aatz")
    assert fires({"|all": ["one", "two"]}, {}, logsource=anything, raw="two one") and not fires(
        {"|all": ["one", "two"]}, {}, logsource=anything, raw="two"
    )
    assert fires(["a*z"], {}, logsource=anything, raw="xx a--z yy") and fires({"|re": "b+c"}, {}, logsource=anything, raw="abbc")


def test_rules_meet_only_their_logs() -> None:
    assert not fires({"Image": "*"}, {"Image": "x"}, op="3")
    assert not fires({"Image": "*"}, {"Image": "x"}, source="zeek")
    web = {"category": "webserver"}
    assert fires(
        {"cs-uri-query|contains": "../", "sc-status": 200},
        {},
        logsource=web,
        source="zeek",
        channel="http",
        url_path="/a/../b",
        http_status=200,
    )
    assert not fires({"cs-uri-query|contains": "../"}, {}, logsource=web, source="zeek", channel="dns", url_path="/a/../b")
    sshd = {"product": "linux", "service": "sshd"}
    assert fires(["invalid"], {}, logsource=sshd, source="syslog", channel="auth", op="x", log_provider="sshd", raw="Invalid user")
    assert not fires(["invalid"], {}, logsource=sshd, source="syslog", channel="auth", op="x", log_provider="cron", raw="Invalid user")


def test_logs_of_one_log_source_do_not_overlap() -> None:
    """A row takes the field names of one log only. What a mapping of the user's own calls by a log source's name is that, whatever else
    it may look like: it comes last, and the last one counts."""
    for name, logs in streams().items():
        assert [log.mapped for log in logs] == [False] * (len(logs) - 1) + [True], name
        own = logs[:-1]
        for i, a in enumerate(own):
            for b in own[i + 1 :]:
                apart = [x is not None and y is not None and not x & y for x, y in zip(a.accepts, b.accepts, strict=True)]
                assert any(apart), name
    assert all(len(log.accepts) == len(KEYS) for logs in streams().values() for log in logs)


def test_hits_tell_who_when_how_often_and_why() -> None:
    rules = ruleset(
        {
            "logsource": PROCESS,
            "detection": {"sel": {"Image|endswith": "x.exe", "EventID": 1}, "f": {"User": "no"}, "condition": "sel and not f"},
        }
    )
    start = dt.datetime(2024, 5, 1, 10, 59, tzinfo=dt.UTC)
    rows = [
        {
            **SYSMON,
            "time": start + dt.timedelta(seconds=40 - i),
            "class_uid": 1007,
            "host": "WS1.corp.example",
            "user": f"u{i}",
            "user_domain": "CORP",
            "ext": {"Image": f"C:\\{i}\\x.exe", "User": "ann"},
        }
        for i in range(100)
    ]
    rows.append({**SYSMON, "time": None, "class_uid": 1007, "ext": {"Image": "x.exe"}})
    hits = rules.match(frame(*rows))
    assert hits.schema == pl.Schema(HITS) and hits.height == 2
    first, last = hits.to_dicts()
    assert (first["entity"], first["n_events"], first["day"], first["hour"]) == (
        "host:ws1",
        100,
        dt.date(2024, 5, 1),
        start.replace(minute=0),
    )
    assert (first["start"], first["end"]) == (start - dt.timedelta(seconds=59), start + dt.timedelta(seconds=40))
    assert first["events"] == [f"{i:024x}" for i in range(99, 49, -1)] and first["times"] == sorted(first["times"])
    assert len(first["entities"]) == 64 and first["entities"][0] == "host:ws1"
    assert first["matched"] == [{"field": "Image", "value": "C:\\99\\x.exe"}, {"field": "EventID", "value": "1"}]
    assert (last["entity"], last["hour"], last["day"], last["times"]) == ("source:windows-evtx", None, None, [None])


def test_matched_values_are_cut_and_keywords_named() -> None:
    long = "x" * 5_000
    hits = ruleset({"logsource": PROCESS, "detection": {"s": {"CommandLine|contains": "xx"}, "condition": "s"}}).match(
        frame({**SYSMON, "ext": {"CommandLine": long}})
    )
    assert hits["matched"][0][0] == {"field": "CommandLine", "value": long[:512]}
    hits = ruleset({"logsource": {"product": "windows"}, "detection": {"s": ["aaa", "BBB", "ccc"], "condition": "s"}}).match(
        frame({**SYSMON, "raw": "bbb aaa"})
    )
    assert hits["matched"].to_list() == [[{"field": "raw", "value": "aaa"}, {"field": "raw", "value": "bbb"}]]


def test_hostile_records_harm_nothing_beside_them() -> None:
    rules = ruleset(
        {"logsource": PROCESS, "detection": {"sel": {"Image|contains": "evil"}, "f": {"Data|re": "a+b"}, "condition": "sel and not f"}}
    )
    bad = [
        "",
        "{",
        "[1]",
        "null",
        "[" * 1_000,
        '{"Image":' + "[" * 900 + '"evil"' + "]" * 900 + "}",
        '{"Image": 1e999}',
        '{"Image":"\\ud800 evil"}',
        "\0",
    ]
    rows = [{**SYSMON, "ext": text} for text in bad]
    rows += [
        {**SYSMON, "ext": None},
        {**SYSMON, "ext": {"Image": "evil\0\u202e", "Data": {"a": {"b": 1}}}},
        {**SYSMON, "ext": '{"Image": 1' + "0" * 9_000 + "}"},
    ]
    rows += [{**SYSMON, "channel": None}, {**SYSMON, "op": "9" * 100_000, "ext": {"Image": "evil"}}]
    hits = rules.match(frame(*rows))
    assert {uid for uids in hits["events"] for uid in uids} == {f"{5:024x}", f"{7:024x}", f"{10:024x}"}


def test_plans_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes logs chooses channels: names no rule speaks of share a plan, and of the others a bounded number is kept."""
    monkeypatch.setattr(plan, "MAX_PLANS", 4)
    rules = ruleset({"logsource": {"product": "windows"}, "detection": {"sel": {"EventID": list(range(20))}, "condition": "sel"}})
    events = frame(*({**SYSMON, "channel": f"c{i}", "op": str(i), "log_provider": f"p{i}", "ext": {}} for i in range(2_000)))
    assert rules.match(events)["n_events"].sum() == 20
    assert len(rules._engine._planner._plans) <= 4
