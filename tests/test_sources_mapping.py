"""Mappings: a table and JSON records in, event columns out."""

from __future__ import annotations

import json
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.core.errors import ConfigError
from nonself.sources import json_fields, lines
from nonself.sources.contract import Chunk, Limits
from nonself.sources.json_fields import Columns, Fields, Values
from nonself.sources.json_source import JsonSource
from nonself.sources.mapping import parse, shipped
from nonself.sources.paths import path

TABLE = """
name = "door"
title = "Door controller"
nothing = ["", "-"]
[recognise]
has = ["when", "who.name"]
inside = ["Log"]
unwrap = ["_source"]
[time]
from = ["when", "at"]
[columns]
op = "did"
user = ["who.name", "who.id"]
user_domain = { from = "who.account", as = "account_domain" }
src_ip = { from = "from", as = "ip" }
src_host = { from = "from", as = "not_ip" }
provider = "=Door"
status_id = { from = "result", map = { OK = 1, No = 2 }, default = 0 }
status_code = "error"
mfa = "badge.pin"
bytes_out = "size"
duration_us = { from = "took_ms", scale = 1000 }
resource = ["doors[kind=main].id", "doors.0.id"]
answers = "doors[].id"
session = '"session.id"'
logon_type = { from = "error", present = 2, absent = 1 }
[[class]]
when = { op = ["open*"] }
class = 3002
activity = 1
[[class]]
when = { ".who.kind" = ["Robot"], op = ["*.delete"] }
class = 3001
activity = 6
[[class]]
class = 6003
activity = "verb"
"""
SOURCE = JsonSource(parse(TABLE, "door.toml"))


def record(**fields: Any) -> dict[str, Any]:
    return {"when": "2026-03-02T10:00:00Z", "who": {"name": "ann"}, **fields}


def read(data: bytes, limits: Limits | None = None) -> list[Chunk]:
    return list(SOURCE.read(lines.in_memory(data), limits or Limits()))


def row(**fields: Any) -> dict[str, Any]:
    (chunk,) = read(json.dumps(record(**fields)).encode())
    assert chunk.dead == []
    return chunk.events.to_dicts()[0]


@pytest.mark.parametrize(
    ("fields", "column", "value"),
    [
        ({"did": "opened"}, "class_uid", 3002),
        ({"did": "user.delete"}, "class_uid", 6003),
        ({"did": "user.delete", "who": {"kind": "ROBOT"}}, "class_uid", 3001),
        ({"did": "user.delete"}, "activity_id", 4),
        ({"did": "CreateKey"}, "activity_id", 1),
        ({"did": "GetUser"}, "activity_id", 2),
        ({"did": "frobnicate"}, "activity_id", 99),
        ({"who": {"id": 7}}, "user", "7"),
        ({"who": {"name": "-", "id": "u7"}}, "user", "u7"),
        ({"who": {"account": "CORP\\ann"}}, "user_domain", "CORP"),
        ({"from": "::ffff:192.0.2.7"}, "src_ip", "192.0.2.7"),
        ({"from": "192.0.2.7:443"}, "src_ip", "192.0.2.7"),
        ({"from": "2001:db8::1"}, "src_ip", "2001:db8::1"),
        ({"from": "gate.example"}, "src_host", "gate.example"),
        ({"from": "gate.example"}, "src_ip", None),
        ({}, "provider", "Door"),
        ({"result": "ok"}, "status_id", 1),
        ({"result": "maybe"}, "status_id", 0),
        ({}, "status_id", None),
        ({"error": "E1"}, "logon_type", 2),
        ({}, "logon_type", 1),
        ({"badge": {"pin": True}}, "mfa", True),
        ({"badge": {"pin": "no"}}, "mfa", False),
        ({"badge": [1]}, "mfa", None),
        ({"size": 12}, "bytes_out", 12),
        ({"size": "12"}, "bytes_out", 12),
        ({"size": 2**80}, "bytes_out", None),
        ({"size": "1e999"}, "bytes_out", None),
        ({"took_ms": 1.5}, "duration_us", 1500),
        ({"doors": [{"id": "a"}, {"id": "b", "kind": "Main"}]}, "resource", "b"),
        ({"doors": [{"id": "a"}, {"id": "b"}]}, "resource", "a"),
        ({"doors": [{"id": "a"}, {"id": "b"}, 3, None]}, "answers", ["a", "b"]),
        ({"doors": {"id": "a"}}, "answers", ["a"]),
        ({"doors": "none"}, "answers", None),
        ({"session.id": "s1"}, "session", "s1"),
        ({"did": {"deep": [1]}}, "op", '{"deep":[1]}'),
        ({"did": True}, "op", "true"),
    ],
)
def test_what_a_table_says_is_what_comes_out(fields: dict[str, Any], column: str, value: object) -> None:
    assert row(**fields)[column] == value


@pytest.mark.parametrize(
    "when",
    ["2026-03-02T10:00:00Z", "2026-03-02 11:00:00+01:00", 1772445600, 1772445600000, "1772445600000000", 1772445600000000000, 1772445600.0],
)
def test_times_are_told_by_their_form(when: object) -> None:
    assert row(when=when)["time"].isoformat() == "2026-03-02T10:00:00+00:00"


def test_a_record_without_time_is_an_event_without_one_but_a_wrong_time_is_a_dead_letter() -> None:
    good, bad = read(b'{"who":{"name":"ann"}}'), read(b'{"who":{"name":"ann"},"when":"yesterday"}')
    assert good[0].events["time"].to_list() == [None]
    assert [letter.reason for letter in bad[0].dead] == ["bad-time"]


def test_ext_is_left_to_raw_and_raw_is_the_line() -> None:
    line = json.dumps(record(did="open", unknown={"a": 1}), separators=(",", ":")).encode()
    (chunk,) = read(line)
    assert chunk.events["ext"].to_list() == [None]
    assert chunk.events["raw"].to_list() == [line.decode()]


RECORDS = [record(did=f"open{number}", n=number) for number in range(5)]
FORMS = {
    "lines": b"\n".join(json.dumps(one, separators=(",", ":")).encode() for one in RECORDS),
    "array": json.dumps(RECORDS).encode(),
    "printed": json.dumps(RECORDS, indent=2).encode(),
    "objects": b"\n".join(json.dumps(one, indent=2).encode() for one in RECORDS),
    "envelope": json.dumps({"v": 1, "Log": RECORDS, "next": "x"}).encode(),
    "wrapped": b"\n".join(json.dumps({"_source": one}).encode() for one in RECORDS),
    "wrapped text": b"\n".join(json.dumps({"_source": json.dumps(one)}).encode() for one in RECORDS),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("limits", [Limits(), Limits(chunk_records=2), Limits(line_bytes=400)])
def test_every_form_of_the_same_records_gives_the_same_events(form: str, limits: Limits) -> None:
    assert SOURCE.recognise(FORMS[form][:65536], "")
    found = read(FORMS[form], limits)
    frame = pl.concat([chunk.events for chunk in found])
    assert [letter for chunk in found for letter in chunk.dead] == []
    assert frame["op"].to_list() == [f"open{number}" for number in range(5)]
    assert frame["uid"].to_list() == pl.concat([chunk.events for chunk in read(FORMS["lines"])])["uid"].to_list()


def test_a_cut_envelope_gives_what_stands_before_the_cut_and_says_so() -> None:
    whole = FORMS["envelope"]
    found = read(whole[: whole.index(b"open4")])
    assert sum(chunk.events.height for chunk in found) == 4
    assert [letter.reason for chunk in found for letter in chunk.dead][-1] == "truncated"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{", "json-syntax"),
        (b"[1]", "not-an-object"),
        (b'{"other":1}', "not-door"),
        (b'{"a":' + b"[" * 1500 + b"]" * 1500 + b"}", "json-depth"),
    ],
)
def test_a_bad_record_harms_none_beside_it(bad: bytes, reason: str) -> None:
    good = FORMS["lines"].split(b"\n")
    (chunk,) = read(b"\n".join([good[0], bad, good[1]]))
    assert [(letter.record, letter.reason) for letter in chunk.dead] == [(1, reason)]
    assert chunk.events["record"].to_list() == [0, 2]


def test_what_only_the_tolerant_reader_takes_is_kept() -> None:
    (chunk,) = read(b'{"when":"2026-03-02T10:00:00Z","who":{"name":"\xff"},"size":NaN,"did":"\\ud800"}')
    assert chunk.dead == []
    assert chunk.events.select("user", "bytes_out", "op").row(0) == ("�", None, "�")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "id", "kind", "name"]), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from(["who", "doors", "did", "from", "size", "badge", "result"]), JSON), min_size=1, max_size=6))
def test_whatever_members_hold_no_record_is_lost_or_changed_by_others(records: list[dict[str, Any]]) -> None:
    wire = [json.dumps({"when": "2026-03-02T10:00:00Z", **one}).encode() for one in records]
    alone = [read(one)[0].events.drop("record") for one in wire]
    (together,) = read(b"\n".join(wire))
    assert together.dead == []
    assert together.events.drop("record").equals(pl.concat(alone))


def test_fields_decode_only_what_is_asked_for() -> None:
    fields = Fields(["a.b", "a.c.0", "x", "l[].y"])
    values = Values()
    fields.gather(fields.decode_all([b'{"a":{"b":1,"c":["p","q"]},"x":null,"z":[1]}', b'{"a":5,"l":[{"y":1},{"y":2}]}']), values)
    found = {name: (cells, places.tolist()) for name, (cells, places) in fields.columns(values).items()}
    assert found == {"a.b": ([1], [0]), "a.c.0": (["p"], [0]), "l[].y": ([None, [1, 2]], [0, 1])}


_LEAF = st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=5)
_INNER = st.dictionaries(st.sampled_from("bc"), _LEAF | st.dictionaries(st.sampled_from("de"), _LEAF, max_size=2), max_size=2)
_RECORD = st.dictionaries(st.sampled_from(["a", "x"]), _LEAF | _INNER, max_size=2)


@settings(max_examples=200, deadline=None)
@given(st.lists(_RECORD, max_size=40), st.integers(1, 7), st.integers(1, 9))
def test_members_of_objects_stand_with_their_records(records: list[dict[str, Any]], size: int, batch: int) -> None:
    names = ("a.b", "a.c.d", "a.c.e", "x")
    fields = Fields(names)
    columns = Columns(fields, [pl.String()] * len(names))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_fields, "BATCH", batch)
        for start in range(0, len(records), size):
            columns.add(fields.decode_all([orjson.dumps(record) for record in records[start : start + size]]))
        frame = columns.frame()
    for name in names:
        found = frame[f".{name}"].to_list() if f".{name}" in frame.columns else [None] * len(records)
        assert found == [_text_at(record, name.split(".")) for record in records], name


def _text_at(value: Any, members: list[str]) -> str | None:
    for member in members:
        value = value.get(member) if isinstance(value, dict) else None
    return orjson.dumps(value).decode() if isinstance(value, dict) else value


@pytest.mark.parametrize("field", ["", ".", "a.", ".a", "a..b", "a[", "a]b", 'a"b'])
def test_a_field_that_is_no_path_is_refused(field: str) -> None:
    with pytest.raises(ConfigError, match="expected a field"):
        path(field)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "door"', 'name = "Door!"', "name: expected lower-case"),
        ('op = "did"', 'opp = "did"', r"\[columns\] opp: expected a column"),
        ('op = "did"', 'uid = "did"', "that a mapping may fill"),
        ('as = "ip"', 'as = "address"', "expected `as` to be one of"),
        ("class = 3002", "class = 1", "expected an OCSF class"),
        ('from = ["when", "at"]', "", r"\[time\]: expected `from`"),
        ('has = ["when", "who.name"]', "", "nothing says which records"),
        ("[recognise]", "[recognize]", "got recognize"),
        ('title = "Door controller"', "", "title: expected a text"),
        ("scale = 1000", "scaled = 1000", "got scaled"),
    ],
)
def test_errors_say_what_is_wrong_and_where(old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse(TABLE.replace(old, new), "door.toml")
    assert str(caught.value).startswith("door.toml: ")


def test_shipped_mappings_are_sound() -> None:
    assert shipped("okta").name == "okta"


def test_names_of_dns_are_written_as_sensors_write_them() -> None:
    route53 = {"query_timestamp": "2026-03-02T10:00:00Z", "query_name": "bad.example.", "query_type": "A", "srcaddr": "10.0.0.5"}
    umbrella = {"timestamp": "2026-03-02T10:00:00Z", "domain": "bad.example.", "internalIp": "10.0.0.5", "externalIp": "192.0.2.1"}
    found = [
        ("route53", {**route53, "rcode": "NOERROR", "firewall_rule_action": "BLOCK"}, ("bad.example", "A", 2)),
        ("route53", {**route53, "rcode": "NOERROR", "firewall_rule_action": "ALERT"}, ("bad.example", "A", 1)),
        ("route53", {**route53, "query_name": ".", "rcode": "SERVFAIL"}, (".", "A", 2)),
        ("umbrella", {**umbrella, "queryType": "28 (AAAA)", "action": "Allowed"}, ("bad.example", "AAAA", 1)),
        ("umbrella", {**umbrella, "queryType": "TXT", "action": "Blocked"}, ("bad.example", "TXT", 2)),
    ]
    for name, one, expected in found:
        (chunk,) = JsonSource(shipped(name)).read(lines.in_memory(json.dumps(one).encode()), Limits())
        assert chunk.events.select("query", "qtype", "status_id").row(0) == expected


def test_an_alert_of_wazuh_on_suricatas_record_tells_of_the_traffic() -> None:
    data = {
        "event_type": "alert", "src_ip": "192.0.2.5", "src_port": "50001", "dest_ip": "198.51.100.7", "dest_port": "443", "proto": "TCP",
        "app_proto": "http", "alert": {"action": "blocked", "signature": "S"}, "dns": {"query": [{"rrname": "a.example", "rrtype": "A"}]},
        "http": {"hostname": "h", "url": "/u", "http_method": "GET", "status": "404", "http_user_agent": "ua"}, "tls": {"sni": "s"},
    }  # fmt: skip
    alert = {"timestamp": "2026-03-02T10:00:02.000+0000", "rule": {"id": "86601", "level": 3}, "agent": {"id": "001"}, "data": data}
    (chunk,) = JsonSource(shipped("wazuh")).read(lines.in_memory(json.dumps(alert).encode()), Limits())
    expected = {
        "src_ip": "192.0.2.5", "dst_port": 443, "proto": "tcp", "app_proto": "http", "url_host": "h", "url_path": "/u",
        "http_method": "GET", "http_status": 404, "user_agent": "ua", "sni": "s", "query": "a.example", "qtype": "A",
        "status_code": "blocked",
    }  # fmt: skip
    assert chunk.events.select(expected.keys()).row(0, named=True) == expected
