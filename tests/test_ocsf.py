"""OCSF out and in: valid by an independent schema, nothing made up, nothing lost on the way there and back."""

from __future__ import annotations

import importlib.util
import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import samples_ocsf as samples
from nonself import cli
from nonself.core import events as frames
from nonself.core.schema import CLASSES, HOT, OCSF_VERSION, SCHEMA
from nonself.serve.ocsf import Told, encode
from nonself.sources import discover, lines, read
from nonself.sources.contract import Limits
from nonself.sources.ocsf import Ocsf
from nonself.sources.ocsf_map import COLUMNS
from nonself.sources.ocsf_parquet import Parquet
from nonself.sources.ocsf_paths import PATHS, places
from nonself.sources.vpc_flow import VpcFlow
from test_sources_samples import SAMPLES

ROOT = Path(__file__).resolve().parent.parent
NOT_BACK = ("uid", "source", "origin", "record", "map_ver")
"""Hot columns that belong to the file an event is read from."""


@cache
def _validator(class_uid: int, profiles: tuple[str, ...]) -> Any:
    package = pytest.importorskip("ocsf_json_schema", reason="OCSF SCHEMA ABSENT: pip install ocsf-json-schema jsonschema")
    jsonschema = pytest.importorskip("jsonschema")
    schema = package.get_ocsf_schema(OCSF_VERSION)
    name = next(name for name, one in schema["classes"].items() if one["uid"] == class_uid)
    return jsonschema.Draft202012Validator(package.OcsfJsonSchemaEmbedded(schema).get_class_schema(name, list(profiles)))


def problems(line: str) -> list[str]:
    event = json.loads(line)
    check = _validator(event["class_uid"], tuple(sorted(event["metadata"]["profiles"])))
    return [
        f"{event['class_name']}: {'.'.join(map(str, error.absolute_path))}: {error.message[:120]}" for error in check.iter_errors(event)
    ]


def one(**cells: Any) -> pl.DataFrame:
    """One event with these columns."""
    filled = {"time": datetime(2026, 3, 2, 10, 0, 1, 250, UTC), "uid": "a" * 24, "source": "zeek", "class_uid": 4001, **cells}
    return frames.conform(pl.DataFrame({name: pl.Series(name, [value], dtype=SCHEMA[name]) for name, value in filled.items()}))


def event(**cells: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(encode(one(**cells)).lines[0])
    return told


def back(told: Told) -> pl.DataFrame:
    data = "".join(line + "\n" for line in told.lines).encode()
    return frames.concat(chunk.events for chunk in Ocsf().read(lines.in_memory(data), Limits()))


@cache
def all_samples() -> pl.DataFrame:
    found = [(file, data) for listed in SAMPLES.values() for file, data, _ in listed]
    return frames.concat(chunk.events for file, data in found for chunk in read(lines.in_memory(data, file), Limits())[1])


def test_every_sample_of_every_source_is_valid() -> None:
    told = encode(all_samples(), raw=True)
    assert told.timeless == 0
    assert [problem for line in told.lines for problem in problems(line)] == []


def test_every_hot_column_has_a_place_or_is_apart() -> None:
    assert set(HOT) - set(PATHS) == {"time", "class_uid", "activity_id", "severity_id", "map_ver"}


@pytest.mark.parametrize("class_uid", sorted(CLASSES))
def test_every_path_is_one_of_the_schema(class_uid: int) -> None:
    package = pytest.importorskip("ocsf_json_schema")
    schema = package.get_ocsf_schema(OCSF_VERSION)
    kind = next(kind for kind in schema["classes"].values() if kind["uid"] == class_uid)
    for target in (False, True):
        for column, path in places(class_uid, target).items():
            attributes = kind["attributes"]
            for segment in path.split("."):
                name = segment.removesuffix("[]")
                assert name in attributes, f"{CLASSES[class_uid]}: {column} at {path}"
                assert bool(attributes[name].get("is_array")) == segment.endswith("[]") or name == path.split(".")[-1]
                attributes = schema["objects"].get(attributes[name].get("object_type"), {}).get("attributes", {})


def test_the_class_table_is_that_of_the_schema() -> None:
    pytest.importorskip("ocsf_json_schema")
    spec = importlib.util.spec_from_file_location("ocsf_classes", ROOT / "scripts" / "ocsf_classes.py")
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.TARGET.read_text(encoding="utf-8") == script.table(), "run `python scripts/ocsf_classes.py`"


def test_captions_are_derived_and_times_are_milliseconds() -> None:
    told = event(class_uid=3002, activity_id=1, status_id=2, severity_id=3, user="ann", host="ws5", op="4625")
    assert (told["class_name"], told["activity_name"], told["type_uid"]) == ("Authentication", "Logon", 300201)
    assert (told["type_name"], told["status"], told["severity"]) == ("Authentication: Logon", "Failure", "Medium")
    assert (told["time"], told["time_dt"]) == (1772445601000, "2026-03-02T10:00:01.000250Z")
    assert told["metadata"]["event_code"] == "4625"
    assert told["user"] == {"name": "ann"} and "user" not in told.get("actor", {})
    assert told["dst_endpoint"] == {"name": "ws5"}


def test_what_has_no_place_stays_under_its_own_name() -> None:
    told = event(src_ip="not an address", src_port=99999, dst_ip="192.0.2.7", pipe="srvsvc", sni="x.example")
    assert told["unmapped"]["nonself"] == {"src_ip": "not an address", "src_port": 99999, "pipe": "srvsvc", "sni": "x.example"}
    assert told["dst_endpoint"] == {"ip": "192.0.2.7"}


def test_an_event_that_lacks_what_its_class_requires_is_told_as_a_weaker_one_and_counted() -> None:
    told = encode(one(class_uid=4010, src_ip="10.0.0.5", hash="a" * 64))
    line = json.loads(told.lines[0])
    assert told.weaker == {(4010, 4001): 1}
    assert (line["class_uid"], line["unmapped"]["nonself"]["class_uid"]) == (4001, 4010)
    assert back(told)["class_uid"].to_list() == [4010]
    assert encode(one(class_uid=4010)).weaker == {(4010, 0): 1}
    assert encode(one(class_uid=987654)).weaker == {} and event(class_uid=987654)["class_uid"] == 0


def test_an_event_without_a_time_is_left_out_and_counted() -> None:
    told = encode(frames.concat([one(), one(time=None)]))
    assert (len(told.lines), told.timeless) == (1, 1)


def test_no_event_gives_no_line() -> None:
    assert encode(frames.empty()).lines.to_list() == []


def test_order_is_kept_over_classes() -> None:
    told = encode(frames.concat([one(class_uid=c, uid=f"{n:024x}", host="h") for n, c in enumerate((4001, 3002, 4001, 0, 1007))]))
    assert [json.loads(line)["metadata"]["uid"] for line in told.lines] == [f"{n:024x}" for n in range(5)]


def test_native_fields_follow_without_those_already_told() -> None:
    native = {"UserAgent": "curl/8.0", "Extra": {"deep": [1, 2]}, "Empty": "", "nonself": {"user": "admin"}, "Ms": 250}
    told = event(class_uid=6003, user_agent="curl/8.0", src_ip="10.0.0.5", op="Get", user="eve", raw=json.dumps(native))
    assert told["unmapped"] == {"Extra": {"deep": [1, 2]}, "Ms": 250, "nonself_": {"user": "admin"}}
    assert back(encode(one(class_uid=6003, user="eve", src_ip="10.0.0.5", op="Get", raw=json.dumps(native))))["user"].to_list() == ["eve"]


@pytest.mark.parametrize("raw", ["{not json", "plain text", "{" * 5000, '{"a":NaN}', '{"a":1e999}'])
def test_a_raw_record_that_is_no_json_harms_nothing(raw: str) -> None:
    told = encode(one(src_ip="10.0.0.5", raw=raw), raw=True)
    assert json.loads(told.lines[0])["raw_data"] == raw
    assert problems(told.lines[0]) == []


def test_nothing_in_a_line_steers_a_terminal() -> None:
    line = encode(one(src_ip="10.0.0.5", user="\x1b]0;x\x07\u202e\u009b\x7f𝛼", raw='{"k\x9b":"\u2028"}'), raw=True).lines[0]
    assert all(" " <= char <= "~" for char in line)
    assert json.loads(line)["actor"]["user"]["name"] == "\x1b]0;x\x07\u202e\u009b\x7f𝛼"


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


def _value(name: str) -> st.SearchStrategy[Any]:
    dtype = SCHEMA[name]
    if dtype == pl.String:
        return st.sampled_from(["", "-", "a\\b", '"', "10.0.0.5", "C:\\x\\y.exe", "/", "T1059.001", "A" * 64]) | TEXTS
    if dtype == pl.Boolean:
        return st.booleans()
    if dtype == pl.Float64:
        return st.floats(allow_nan=False, allow_infinity=False, width=32)
    if dtype == pl.List(pl.String):
        return st.lists(st.sampled_from(["T1059", "T1059.001", "TA0011", "beacon", '"']), max_size=3)
    bits = 7 if dtype == pl.Int8 else 15 if dtype == pl.Int16 else 31 if dtype == pl.Int32 else 62
    return st.integers(-5, 70_000 if bits > 20 else 100) | st.integers(-(2**bits), 2**bits - 1)


GIVEN = [name for name in HOT if name not in (*NOT_BACK, "time", "uid", "class_uid")]


@settings(max_examples=40)
@given(
    st.sampled_from(sorted(CLASSES)),
    st.dictionaries(st.sampled_from(GIVEN), st.none(), max_size=25).flatmap(
        lambda d: st.fixed_dictionaries({n: _value(n) for n in sorted(d)})
    ),
)
def test_any_columns_give_a_valid_event(class_uid: int, cells: dict[str, Any]) -> None:
    for line in encode(one(class_uid=class_uid, **cells)).lines:
        assert problems(line) == []


def differences(before: pl.DataFrame, after: pl.DataFrame) -> dict[str, list[Any]]:
    found = {}
    for name in (*COLUMNS, "time"):
        was = before[name].fill_null(0) if name in ("class_uid", "activity_id") else before[name]
        wrong = (~was.eq_missing(after[name])).arg_true()
        if len(wrong):
            found[name] = [(was[at], after[name][at]) for at in wrong[:3].to_list()]
    return found


def test_hot_columns_of_every_sample_come_back_as_they_were() -> None:
    events = all_samples()
    assert differences(events, back(encode(events))) == {}


def test_real_events_are_valid_and_come_back_as_they_were(data_dir: Path) -> None:
    """A few files of each kind; the whole is measured by hand (docs/data-out.md)."""
    picked: list[pl.DataFrame] = []
    for folder in ("cloudtrail/stratus", "zeek/zat", "network/slips", "evtx-attack"):
        files = [path for path in sorted((data_dir / folder).rglob("*")) if path.is_file() and path.stat().st_size < 400_000]
        chunks = [chunk.events for source_input in discover(files[:25], Limits()) for chunk in read(source_input, Limits())[1]]
        picked.append(frames.concat(chunks).filter(pl.col("time").is_not_null()))
    events = frames.concat(picked)
    told = encode(events)
    sample = told.lines.gather_every(max(1, len(told.lines) // 400))
    bad = [problem for line in sample for problem in problems(line)]
    assert len(sample) > 200 and len(bad) <= 0.02 * len(sample), bad[:10]
    assert differences(events, back(told)) == {}


def row_of(record: dict[str, Any]) -> dict[str, Any]:
    frame = next(iter(Ocsf().read(lines.in_memory(json.dumps(record).encode()), Limits()))).events
    return {name: value for name, value in frame.row(0, named=True).items() if value is not None}


def test_a_logon_of_another_producer() -> None:
    row = row_of(samples.LOGON)
    assert (row["user"], row["user_uid"], row["user_domain"], row["mfa"], row["svc"]) == ("ann", "00u1", "corp", True, "portal")
    assert (row["src_ip"], row["country"], row["status_id"], row["op"]) == ("198.51.100.7", "NL", 2, "user.session.start")
    assert row["time"] == datetime(2026, 3, 2, 10, 0, 1, 250_000, UTC)
    assert "tgt_user" not in row and "ext" not in row


def test_a_process_of_another_producer_keeps_parent_and_strongest_hash() -> None:
    row = row_of(samples.PROCESS)
    assert (row["image"], row["cmdline"], row["pid"], row["proc_guid"]) == ("/usr/bin/curl", "curl -s http://x", 41, "p-41")
    assert (row["parent_image"], row["parent_pid"], row["parent_guid"], row["user"]) == ("/bin/bash", 40, "p-40", "bob")
    assert (row["hash"], row["host"], row["host_uid"]) == ("c3" * 32, "ws5", "agent-7")


def test_a_finding_of_another_producer() -> None:
    row = row_of(samples.FINDING)
    assert (row["class_uid"], row["rule"], row["score"], row["tactics"]) == (2004, "Beaconing", 73.0, ["T1071", "x"])
    assert (row["src_ip"], row["dst_ip"], row["dst_port"], row["resource"]) == ("10.0.0.5", "203.0.113.9", 443, "arn:aws:ec2:i-1")


def test_a_call_of_security_lake_is_named_by_its_operation() -> None:
    known = {"time": 1_772_445_601_000, "metadata": {"version": "1.1.0", "product": {"name": "x"}, "event_code": "AwsApiCall"}}
    call = {"operation": "ListBuckets", "service": {"name": "s3.amazonaws.com"}, "response": {"error": "AccessDenied"}}
    row = row_of({**known, "class_uid": 6003, "activity_id": 2, "api": call, "actor": {"user": {"account": {"uid": "123456789012"}}}})
    assert (row["op"], row["status_code"], row["account"]) == ("ListBuckets", "AccessDenied", "123456789012")
    flow = row_of({**known, "class_uid": 4001, "activity_id": 6, "connection_info": {"protocol_num": 17, "direction_id": 1}})
    assert flow["proto"] == "udp"
    for odd in (255, -1, True, "6", None, [6], 1e9):
        row_of({**known, "class_uid": 4001, "activity_id": 6, "connection_info": {"protocol_num": odd}})
    assert row_of({**known, "class_uid": 2005, "activity_id": 1, "finding_info_list": [{"title": "odd"}]})["rule"] == "odd"


def test_microseconds_come_from_time_dt() -> None:
    assert row_of(samples.DNS)["time"].microsecond == 250
    assert row_of(samples.DNS)["answers"] == ["192.0.2.7", "192.0.2.8"]


HOSTILE: dict[str, tuple[dict[str, Any], str | None]] = {
    "class is text": ({**samples.LOGON, "class_uid": "3002"}, "not-ocsf"),
    "no metadata": ({key: value for key, value in samples.LOGON.items() if key != "metadata"}, "not-ocsf"),
    "no time": ({**samples.LOGON, "time": None}, "bad-time"),
    "time past all years": ({**samples.LOGON, "time": 10**18}, "bad-time"),
    "time is true": ({**samples.LOGON, "time": True}, "bad-time"),
    "unknown class": ({**samples.LOGON, "class_uid": 99999}, None),
    "lists for objects": ({**samples.LOGON, "user": ["ann"], "src_endpoint": [[[]]], "unmapped": [1]}, None),
    "objects for values": ({**samples.PROCESS, "process": {"pid": {"x": 1}, "uid": [], "file": {"path": 7, "hashes": "none"}}}, None),
    "own words of a wrong kind": (
        {**samples.LOGON, "unmapped": {"nonself": {"user": {"a": 1}, "time": 1, "uid": "x", "src_port": "443"}}},
        None,
    ),
    "ten thousand fields": ({**samples.LOGON, **{f"f{n}": n for n in range(10_000)}}, None),
    "huge numbers": ({**samples.DNS, "src_endpoint": {"port": 2**80}, "duration": 2**70, "activity_id": 2**90}, None),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_records_harm_no_other(name: str) -> None:
    record, reason = HOSTILE[name]
    data = b"\n".join(json.dumps(one).encode() for one in (samples.LOGON, record, samples.FINDING))
    chunk = next(iter(Ocsf().read(lines.in_memory(data), Limits())))
    assert [letter.reason for letter in chunk.dead] == ([reason] if reason else [])
    assert chunk.events.height == (2 if reason else 3)
    kept = chunk.events.filter(pl.col("rule").is_not_null() | (pl.col("user") == "ann"))
    assert {"ann", None} <= set(kept["user"].to_list())
    assert chunk.events.schema == pl.Schema(SCHEMA)


def test_a_name_cannot_be_forged() -> None:
    row = row_of({**samples.LOGON, "metadata": {**samples.LOGON["metadata"], "uid": "f" * 24}, "unmapped": {"nonself": {"uid": "f" * 24}}})
    assert row["uid"] != "f" * 24 and row["source"] == "ocsf"


def parquet_events(data: bytes, limits: Limits | None = None) -> tuple[pl.DataFrame, list[str]]:
    chunks = list(Parquet().read(lines.in_memory(data, "x.parquet"), limits or Limits()))
    return frames.concat(chunk.events for chunk in chunks), [letter.reason for chunk in chunks for letter in chunk.dead]


def test_parquet_of_ocsf_reads_as_its_json_does() -> None:
    events, dead = parquet_events(samples.parquet(samples.lake(*samples.EVENTS)))
    plain = frames.concat(chunk.events for chunk in Ocsf().read(lines.in_memory(samples.OCSF[0][1]), Limits()))
    assert dead == []
    assert differences(plain, events) == {}


def test_maps_of_security_lake_are_objects() -> None:
    frame = samples.lake({**samples.LOGON, "unmapped": [{"key": "a", "value": "1"}, {"key": "b", "value": None}]})
    events, _ = parquet_events(samples.parquet(frame))
    assert json.loads(events["raw"][0])["unmapped"] == {"a": "1"}


def test_parquet_of_own_events_keeps_every_column_and_checks_the_name() -> None:
    events = all_samples().filter(pl.col("source").is_in(["zeek", "syslog"]))
    back_again, dead = parquet_events(samples.parquet(events))
    assert dead == []
    assert back_again.drop("origin", "record").equals(events.drop("origin", "record"))
    forged, _ = parquet_events(samples.parquet(events.with_columns(pl.lit("f" * 24).alias("uid"))))
    assert forged["uid"].equals(events["uid"])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"PAR1" + b"\0" * 100, "corrupt-parquet"), (samples.PARQUET[0][1][:-40], "corrupt-parquet"),
        (samples.parquet(pl.DataFrame({"a": [1]})), "unknown-parquet"), (samples.parquet(samples.OWN.clear()), "empty"),
        (samples.PARQUET[0][1].replace(b"class_uid", b"\xff\xfe\xff\xfe_uid"), "corrupt-parquet"),
    ],
)  # fmt: skip
def test_parquet_that_is_none_gives_one_dead_letter(data: bytes, reason: str) -> None:
    events, dead = parquet_events(data)
    assert events.height == 0 and len(dead) == 1
    assert dead[0] == reason


def test_a_file_that_ends_its_reader_costs_itself_alone() -> None:
    """A damaged length of 2^61 bytes, which ends the process that is asked for them."""
    for path in sorted((Path(__file__).parent / "corpus" / "parquet").glob("ends-the-reader-*")):
        events, dead = parquet_events(path.read_bytes())
        assert (events.height, dead) == (0, ["corrupt-parquet"])
        name, whole, count = samples.PARQUET[0]
        assert parquet_events(whole)[0].height == count, name


def test_a_long_row_of_parquet_is_left_out_alone() -> None:
    frame = samples.OWN.with_columns(pl.Series("raw", ["a", "b" * 5000, "c"]))
    events, dead = parquet_events(samples.parquet(frame), Limits(line_bytes=2000))
    assert (dead, events["raw"].to_list(), events["record"].to_list()) == (["line-too-long"], ["a", "c"], [0, 2])


def test_the_command_writes_lines_from_logs_and_from_the_lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "events.jsonl").write_bytes(samples.OCSF[0][1])
    state = str(tmp_path / "state")
    assert cli.main(["ingest", str(tmp_path / "events.jsonl"), "--state", state, "--quiet", "--no-builtin-rules"]) == 0
    capsys.readouterr()
    assert cli.main(["ocsf", str(tmp_path / "events.jsonl")]) == 0
    direct = capsys.readouterr().out
    assert cli.main(["ocsf", "--state", state]) == 0
    out = capsys.readouterr()
    assert out.out == direct and len(direct.splitlines()) == 4 and "4 events in OCSF" in out.err
    assert cli.main(["ocsf", "--state", state, "--where", "status_id = 2 AND user = 'ann'", "--since", "2026-03-02"]) == 0
    assert [json.loads(line)["user"]["name"] for line in capsys.readouterr().out.splitlines()] == ["ann"]
    assert cli.main(["ocsf", "--state", state, "--until", "2026-03-02"]) == 2
    assert cli.main(["ocsf", "--state", state, "--where", "usr = 'ann'"]) == 2
    assert "user" in capsys.readouterr().err


def test_a_line_depends_on_its_event_alone() -> None:
    events = all_samples()
    assert pl.concat([encode(events.head(20)).lines, encode(events.slice(20)).lines]).equals(encode(events).lines)


def test_parquet_of_vpc_flow_logs_reads_as_their_text_does() -> None:
    found, dead = parquet_events(samples.parquet(samples.VPC))
    names = [name.replace("_", "-") for name in samples.VPC.columns[:-1]]
    rows = [" ".join("-" if cell is None else str(cell) for cell in row[:-1]) for row in samples.VPC.iter_rows()]
    text = "\n".join([" ".join(names), *rows]).encode()
    same = pl.concat([chunk.events for chunk in VpcFlow().read(lines.in_memory(text, "x.parquet"), Limits())])
    assert dead == []
    assert found.drop("record").equals(same.drop("record"))
    assert found["record"].to_list() == [0, 1, 2]
    assert found.row(1, named=True)["status_id"] == 2


def test_hostile_flows_in_parquet_are_dead_letters() -> None:
    odd = samples.VPC.with_columns(
        pl.Series("srcaddr", ["10.0.0.5 x", "srcaddr", "no-address"]),
        pl.Series("start", [1_772_445_600, 2**62, 5]),
        log_status=pl.lit("OK"),
    )
    found, dead = parquet_events(samples.parquet(odd))
    assert (found.height, sorted(dead)) == (0, ["bad-address", "bad-time", "field-count"])
