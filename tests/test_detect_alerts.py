"""Alerts of other tools: hits of their rules, whatever batches they come in, about the machine they protect."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from nonself.core import events as frames
from nonself.core.schema import SCHEMA
from nonself.detect import alerts
from nonself.detect.sigma import hits

START = datetime(2026, 3, 2, 10, tzinfo=UTC)


def alert(number: int = 0, **columns: Any) -> dict[str, Any]:
    base = {
        "time": START + timedelta(seconds=number),
        "uid": f"{number:024x}",
        "source": "suricata",
        "class_uid": 2004,
        "rule": "ET SCAN nmap",
    }
    return base | columns


def table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    columns = {name for row in rows for name in row}
    return frames.conform(pl.DataFrame([{name: row.get(name) for name in columns} for row in rows], schema={n: SCHEMA[n] for n in columns}))


def one(**columns: Any) -> dict[str, Any]:
    (row,) = alerts.learn(table([alert(**columns)])).to_dicts()
    return row


def test_an_alert_is_about_the_machine_it_protects() -> None:
    assert one(host="WS5.corp.example", src_ip="192.0.2.7")["entity"] == "host:ws5"
    assert one(src_ip="192.0.2.7", dst_ip="10.0.0.5")["entity"] == "ip:10.0.0.5"
    assert one(src_ip="10.0.0.9", dst_ip="192.0.2.7")["entity"] == "ip:10.0.0.9"
    assert one(src_ip="192.0.2.7", dst_ip="198.51.100.1")["entity"] == "ip:192.0.2.7"
    assert one(user="ann")["entity"] == "user:ann"
    assert one()["entity"] == "source:suricata"


def test_alerts_are_counted_by_rule_entity_and_hour() -> None:
    rows = [alert(n, src_ip="10.0.0.9") for n in range(0, 7200, 600)] + [alert(n + 1, src_ip="10.0.0.8") for n in range(3)]
    found = alerts.learn(table(rows))
    assert found.select("entity", "n_events").rows() == [("ip:10.0.0.8", 3), ("ip:10.0.0.9", 6), ("ip:10.0.0.9", 6)]
    assert dict(found.schema) == hits.HITS


def test_what_is_no_alert_is_no_hit() -> None:
    assert alerts.learn(table([alert(class_uid=4001), alert(rule=None)])).height == 0
    assert alerts.learn(frames.empty()).height == 0


def test_a_rule_has_the_level_and_techniques_its_tool_gave() -> None:
    found = alerts.learn(table([alert(severity_id=4, tactics=["T1110", "TA0008", "Initial Access"], status_code="blocked")]))
    rule = alerts.rules(found)["suricata:ET SCAN nmap"]
    assert (rule.title, rule.level, rule.techniques) == ("ET SCAN nmap (suricata)", "high", ("T1110",))
    assert rule.tactics == ("initial-access", "credential-access", "lateral-movement")
    assert {item["field"]: item["value"] for item in found["matched"][0]} == {
        "level": "4", "attack": "T1110, TA0008, Initial Access", "action": "blocked",
    }  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["a", "b", None]), st.sampled_from(["10.0.0.1", None])), max_size=8),
    st.integers(0, 8),
)
def test_however_alerts_are_split_the_hits_are_the_same(drawn: list[tuple[int, str | None, str | None]], cut: int) -> None:
    rows = [alert(n, rule=rule, src_ip=ip, time=START + timedelta(hours=hour)) for n, (hour, rule, ip) in enumerate(drawn)]
    whole = alerts.learn(table(rows)) if rows else hits.empty()
    parts = [alerts.learn(table(part)) for part in (rows[:cut], rows[cut:]) if part]
    assert hits.merge(parts).equals(hits.merge([whole]))
