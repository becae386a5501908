"""Threat intelligence: lists in, hits out; hostile lists and hostile events harm nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself.calibrate import rules as calibration
from nonself.core.errors import ConfigError
from nonself.core.events import Events, conform
from nonself.detect import intel_lists
from nonself.detect.intel import Intel, load
from nonself.detect.intel_stix import PatternError, alternatives
from nonself.detect.intel_values import EntryError, guessed
from nonself.detect.sigma import hits

MD5, SHA1, SHA256 = "0" * 31 + "a", "b" * 40, "c" * 64


def event(**values: Any) -> dict[str, Any]:
    return {"time": datetime(2026, 3, 2, 10, tzinfo=UTC), "uid": "u", "source": "s", "class_uid": 4001, "host": "ws1", **values}


def events(*rows: dict[str, Any]) -> Events:
    return conform(pl.DataFrame([{"record": at, **row, "uid": f"{at:04}"} for at, row in enumerate(rows)], infer_schema_length=None))


def intel(tmp_path: Path, text: str | bytes, name: str = "bad.txt") -> Intel:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load([path])


def rules(found: Intel, *rows: dict[str, Any]) -> list[str]:
    return found.match(events(*rows))["rule"].to_list()


@pytest.mark.parametrize(
    ("line", "atom"),
    [
        ("203.0.113.9", ("ip", "203.0.113.9")),
        ("203.0.113.9:443", ("ip", "203.0.113.9")),
        ("[2001:DB8::1]:443", ("ip", "2001:db8::1")),
        ("::ffff:203.0.113.9", ("ip", "203.0.113.9")),
        ("203.0.113.9/24", ("cidr", "203.0.113.0/24")),
        ("203.0.113.9/32", ("ip", "203.0.113.9")),
        ("2001:db8::/32", ("cidr", "2001:db8::/32")),
        ("Evil.Example.", ("domain", "evil.example")),
        ("*.evil.example", ("domain", "evil.example")),
        ("||evil.example^", ("domain", "evil.example")),
        ("evil[.]example", ("domain", "evil.example")),
        ("hxxps://evil[.]example/a?b=1#c", ("url", "evil.example/a?b=1")),
        ("evil.example/Path", ("url", "evil.example/Path")),
        ("http://u:p@evil.example:8080", ("url", "evil.example/")),
        (MD5.upper(), ("hash", MD5)),
        (SHA256, ("hash", SHA256)),
        ("Ann@Evil.example", ("user", "ann@evil.example")),
    ],
)
def test_indicators_are_known_by_their_form(line: str, atom: tuple[str, str]) -> None:
    assert guessed(line) == atom


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("com", "not-an-indicator"), ("co.uk", "too-broad"), ("0.0.0.0/0", "too-broad"), ("::/0", "too-broad"), ("127.0.0.1", "too-broad"),
        ("", "not-an-indicator"), ("300.1.1.1", "not-an-indicator"), ("1.2.3.4/99", "not-an-indicator"), (".*", "not-an-indicator"),
        ("a" * 5000 + ".com", "not-an-indicator"), ("(a+)+$", "not-an-indicator"), ("evil\x00.example", "not-an-indicator"),
        ("abc123", "not-an-indicator"), ("-.com", "not-an-indicator"), ("evil\u202e.example", "not-an-indicator"),
    ],
)  # fmt: skip
def test_what_is_no_indicator_or_matches_everything_is_refused(text: str, reason: str) -> None:
    with pytest.raises(EntryError, match=reason):
        guessed(text)


def test_a_plain_list_is_read_line_by_line(tmp_path: Path) -> None:
    text = (
        "# comment\n; other\n\nevil.example # why\n0.0.0.0 sink.example\nnonsense here too\n" + "x" * 10_000 + "\n203.0.113.9\n\xff\xfe\n"
    )
    found = intel(tmp_path, text)
    assert found.count == 3 and found.names == ("bad",)
    assert dict(found.refused) == {("bad", "not-an-indicator"): 2, ("bad", "line-too-long"): 1}


@pytest.mark.parametrize(
    ("indicator", "row", "field"),
    [
        ("203.0.113.9", {"dst_ip": "203.0.113.9"}, "dst_ip"),
        ("203.0.113.9", {"src_ip": "::ffff:203.0.113.9"}, "src_ip"),
        ("203.0.113.9", {"answers": ["x.example", "203.0.113.9"]}, "answers"),
        ("203.0.113.0/24", {"dst_ip": "203.0.113.200"}, "dst_ip"),
        ("2001:db8::/32", {"dst_ip": "2001:DB8:1::5"}, "dst_ip"),
        ("evil.example", {"query": "A.b.EVIL.example."}, "query"),
        ("evil.example", {"sni": "evil.example"}, "sni"),
        ("http://evil.example/x", {"url_host": "Evil.example", "url_path": "/x?session=1"}, "url"),
        ("http://evil.example/", {"url_host": "evil.example"}, "url"),
        ("http://evil.example/x", {"url_path": "http://evil.example/x"}, "url"),
        (SHA256, {"hash": SHA256}, "hash"),
        (MD5, {"hash": SHA256, "ext": json.dumps({"Hashes": f"MD5={MD5.upper()},SHA256={SHA256}"})}, "hash"),
        ("ann@evil.example", {"user": "Ann@evil.example"}, "user"),
    ],
)
def test_an_event_that_holds_an_indicator_is_a_hit(tmp_path: Path, indicator: str, row: dict[str, Any], field: str) -> None:
    found = intel(tmp_path, indicator).match(events(event(), event(**row), event(query="good.example")))
    assert dict(found.schema) == hits.HITS and found.height == 1
    hit = found.row(0, named=True)
    assert hit["rule"].startswith("bad:") and hit["entity"] == "host:ws1" and hit["events"] == ["0001"]
    assert field in [item["field"] for item in hit["matched"]]
    assert {"field": "level", "value": "high"} in hit["matched"]


@pytest.mark.parametrize(
    ("indicator", "row"),
    [
        ("evil.example", {"query": "notevil.example"}),
        ("evil.example", {"query": "evil.example.com"}),
        ("evil.example", {"query": "example"}),
        ("a.evil.example", {"query": "evil.example"}),
        ("203.0.113.9", {"dst_ip": "203.0.113.90"}),
        ("203.0.113.0/24", {"dst_ip": "203.0.114.1"}),
        ("http://evil.example/x", {"url_host": "evil.example", "url_path": "/xy"}),
        (SHA256, {"ext": json.dumps({"x": SHA256})}),
        ("evil.example", {"query": "\x00"}),
        ("203.0.113.0/24", {"dst_ip": "999.1.1.1", "src_ip": "x" * 10_000}),
    ],
)
def test_what_only_looks_like_an_indicator_is_none(tmp_path: Path, indicator: str, row: dict[str, Any]) -> None:
    assert rules(intel(tmp_path, indicator), event(**row)) == []


def test_hits_are_counted_by_indicator_entity_and_hour(tmp_path: Path) -> None:
    found = intel(tmp_path, "evil.example\n203.0.113.9\n")
    rows = [event(query="evil.example")] * 3 + [event(query="x.evil.example", host="ws2", dst_ip="203.0.113.9")]
    met = found.match(events(*rows))
    assert [(row["rule"], row["entity"], row["n_events"]) for row in met.iter_rows(named=True)] == [
        ("bad:203.0.113.9", "host:ws2", 1), ("bad:evil.example", "host:ws1", 3), ("bad:evil.example", "host:ws2", 1),
    ]  # fmt: skip
    halves = [found.match(events(*rows[:2])), found.match(conform(events(*rows)[2:]))]
    assert hits.merge(halves).select("rule", "entity", "n_events").equals(met.select("rule", "entity", "n_events"))


def test_the_hit_is_about_the_sites_own_end(tmp_path: Path) -> None:
    met = intel(tmp_path, "203.0.113.9").match(events(event(host=None, src_ip="203.0.113.9", dst_ip="10.0.0.5")))
    assert met["entity"].to_list() == ["ip:10.0.0.5"]


CSVS = {
    "plain": 'indicator,type,description,level\nevil.example,domain,"C2, old",critical\nann,user,,\nnonsense!,x,y,low\n"open,1\n',
    "abuse": '# terms\n# "first_seen","ioc_value","malware"\n"2026-01-01","evil.example","C2, old"\n"2026-01-01","nonsense!","x"\n',
    "semicolon": "Type;Value\ndomain;evil.example\n",
}


@pytest.mark.parametrize("form", CSVS)
def test_csv_lists(tmp_path: Path, form: str) -> None:
    found = intel(tmp_path, CSVS[form], "feed.csv")
    met = found.match(events(event(query="evil.example"), event(user="ANN")))
    assert "feed:evil.example" in met["rule"].to_list()
    if form == "plain":
        assert met.height == 2 and sum(found.refused.values()) == 2
        told = found.rules(met)["feed:evil.example"]
        assert told.level == "critical" and "C2, old" in told.title and told.path == "feed"


def bundle(*patterns: str, **more: Any) -> str:
    made = [{"type": "indicator", "pattern_type": "stix", "pattern": pattern, "name": "C2", **more} for pattern in patterns]
    return json.dumps({"type": "bundle", "id": "bundle--1", "objects": [*made, {"type": "malware"}, 7]})


@pytest.mark.parametrize(
    ("pattern", "row", "met"),
    [
        ("[ipv4-addr:value = '203.0.113.9']", {"dst_ip": "203.0.113.9"}, True),
        ("[ipv4-addr:value = '203.0.113.0/24']", {"dst_ip": "203.0.113.9"}, True),
        ("[domain-name:value = 'evil.example' OR domain-name:value = 'bad.example']", {"query": "bad.example"}, True),
        ("[domain-name:value = 'evil.example'] OR [url:value = 'http://x.example/a']", {"url_host": "x.example", "url_path": "/a"}, True),
        ("[domain-name:value = 'evil.example' AND ipv4-addr:value = '203.0.113.9']", {"query": "evil.example"}, False),
        (
            "[domain-name:value = 'evil.example' AND ipv4-addr:value = '203.0.113.9']",
            {"sni": "evil.example", "dst_ip": "203.0.113.9"},
            True,
        ),
        (f"[file:hashes.'SHA-256' = '{SHA256}']", {"hash": SHA256}, True),
        (f"[file:hashes.MD5 = '{MD5}' OR file:name = 'x.exe']", {"hash": MD5}, True),  # the other half can't be asked
        (f"[file:hashes.MD5 = '{MD5}' AND file:name = 'x.exe']", {"hash": MD5}, False),
        (f"[file:hashes.MD5 IN ('{MD5}', '{SHA1}')]", {"hash": SHA1}, True),
        ("([domain-name:value='evil.example'])", {"query": "evil.example"}, True),
        ("[email-addr:value = 'a@evil.example']", {"user": "a@evil.example"}, True),
    ],
)
def test_stix_patterns(tmp_path: Path, pattern: str, row: dict[str, Any], met: bool) -> None:
    found = intel(tmp_path, bundle(pattern), "b.json")
    assert bool(rules(found, event(**row))) == met


@pytest.mark.parametrize(
    "pattern",
    [
        "", "[", "[]", "[ipv4-addr:value]", "[ipv4-addr:value LIKE '1%']", "[ipv4-addr:value != '1.1.1.1']", "[a:b = 'x'] AND [a:b = 'y']",
        "[a:b = 'x'] WITHIN 5 SECONDS", "[a:b = 'x'", "[a:b = 'x']]", "[a:b = 'x\\']", "(" * 100 + "[a:b='x']" + ")" * 100,
        "[" + "(" * 5000 + "]", "[a:b = 'x'] ;", "[a:b MATCHES '(a+)+$']", "[NOT a:b = 'x']", "[a:b = 5]", "x" * 70_000,
        "[" + " AND ".join("(a:b = 'x' OR a:b = 'y')" for _ in range(20)) + "]",
    ],
)  # fmt: skip
def test_stix_patterns_that_say_more_are_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(PatternError):
        alternatives(pattern)
    found = intel(tmp_path, bundle(pattern, "[domain-name:value = 'evil.example']"), "b.json")
    assert found.count == 1 and dict(found.refused) == {("b", "stix-unsupported"): 1}


@given(st.text("[]()='\\ ANDORa:b.,", max_size=80))
def test_stix_any_pattern_is_read_or_refused(pattern: str) -> None:
    try:
        found = alternatives(pattern)
    except PatternError:
        return
    assert found and all(both for both in found)


def test_stix_escapes_and_revoked(tmp_path: Path) -> None:
    assert alternatives(r"[a:b = 'it\'s \\ x']") == [(("a:b", r"it's \ x"),)]
    assert intel(tmp_path, bundle("[domain-name:value = 'evil.example']", revoked=True), "b.json").count == 0


MISP = {
    "Event": {
        "info": "campaign", "threat_level_id": "2",
        "Attribute": [
            {"type": "ip-dst|port", "value": "203.0.113.9|443", "to_ids": True},
            {"type": "domain", "value": "evil.example", "to_ids": False},
            {"type": "comment", "value": "evil.example", "to_ids": True},
            {"type": "sha256", "value": "no hash", "to_ids": True},
            7,
        ],
        "Object": [{"Attribute": [{"type": "filename|md5", "value": f"x.exe|{MD5}", "to_ids": True, "comment": "dropper"}]}],
    }
}  # fmt: skip


@pytest.mark.parametrize("wrapped", [MISP, [MISP], {"response": [MISP]}])
def test_misp_events(tmp_path: Path, wrapped: Any) -> None:
    found = intel(tmp_path, json.dumps(wrapped), "misp.json")
    assert found.count == 2
    assert dict(found.refused) == {("misp", "not-for-detection"): 1, ("misp", "misp-unsupported"): 1, ("misp", "not-an-indicator"): 1}
    met = found.match(events(event(dst_ip="203.0.113.9"), event(hash=MD5)))
    told = found.rules(met)
    assert {(rule.level, rule.title.rpartition(": ")[2]) for rule in told.values()} == {("medium", "campaign"), ("medium", "dropper")}


@pytest.mark.parametrize("body", ['{"a": 1}', "[1, 2]", "{", "[" * 100_000, '{"type": "bundle", "x": NaN}'])
def test_json_of_no_known_kind_is_refused_as_a_whole(tmp_path: Path, body: str) -> None:
    with pytest.raises(ConfigError):
        intel(tmp_path, body, "x.json")
    with pytest.raises(ConfigError, match="expected a list of indicators"):
        load([tmp_path / "none.txt"])


def test_lists_hold_no_more_than_they_may(tmp_path: Path) -> None:
    (tmp_path / "many.txt").write_text("".join(f"h{i}.example\n" for i in range(20)))
    listed = intel_lists.read(tmp_path / "many.txt", room=5)
    assert len(listed.indicators) == 5 and listed.refused == {"over-limit": 15}


@given(st.lists(st.text(max_size=40), max_size=10))
def test_any_text_is_a_list(texts: list[str]) -> None:
    listed = intel_lists.Listed("x")
    found = list(intel_lists.text("\n".join(texts).encode("utf-8", "replace"), listed))
    Intel([intel_lists.Listed("x", found)]).match(events(event(query="evil.example", src_ip="10.0.0.1")))


def test_hits_become_findings(tmp_path: Path) -> None:
    found = intel(tmp_path, "evil.example")
    met = found.match(events(event(query="evil.example")))
    (finding,) = calibration.findings(met, met, found.rules(met), 10_000, min_bits=3.0)
    assert finding.reference == "bad" and finding.level == "high" and "query = evil.example" in finding.reasons[0].seen


def test_nothing_listed_or_nothing_met_is_an_empty_frame(tmp_path: Path) -> None:
    assert load([]).match(events(event(query="evil.example"))).equals(hits.empty())
    assert intel(tmp_path, "evil.example").match(events(event())).equals(hits.empty())
    assert intel(tmp_path, "").count == 0
