"""Alerts of other tools are calibrated by the hours in which they fire, bursts included, and by nothing that came later."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.calibrate.alerts import findings
from nonself.calibrate.budget import threshold
from nonself.detect.alerts import Alert
from nonself.detect.sigma import hits

T0 = datetime(2026, 3, 2, tzinfo=UTC)


def episodes(rows: list[tuple[str, str, int, int]]) -> pl.DataFrame:
    """Hits of (rule, host, hour, alerts)."""
    made = [
        {
            "rule": f"tool:{rule}", "entity": f"host:{host}", "hour": T0 + timedelta(hours=hour), "class_uid": 2004,
            "start": T0 + timedelta(hours=hour, minutes=5), "end": T0 + timedelta(hours=hour, minutes=6), "n_events": n,
            "events": [f"{rule}-{host}-{hour}"], "times": [T0 + timedelta(hours=hour, minutes=5)], "entities": [f"host:{host}"],
            "matched": [],
        }
        for rule, host, hour, n in rows
    ]  # fmt: skip
    return hits.canonical(pl.DataFrame(made, schema={k: v for k, v in hits.HITS.items() if k != "day"}))


def rules(known: pl.DataFrame, levels: dict[str, str] | None = None) -> dict[str, Alert]:
    return {r: Alert(r, r, (levels or {}).get(r.partition(":")[2], ""), (), ()) for r in known["rule"].unique().to_list()}


def found(rows: list[tuple[str, str, int, int]], last: tuple[str, str, int, int], **levels: str) -> dict[str, float]:
    known = episodes([*rows, last])
    only = known.filter((pl.col("rule") == f"tool:{last[0]}") & (pl.col("hour") == T0 + timedelta(hours=last[2])))
    (finding,) = findings(only, known, rules(known, levels), None, min_bits=-99)
    assert math.fsum(r.bits for r in finding.reasons) == pytest.approx(finding.bits)
    assert 0 < finding.p <= 1 and finding.detector.startswith("alert:tool:")
    return {r.feature: r.bits for r in finding.reasons} | {"all": finding.bits}


HOURLY = [("chatter", "a", hour, 5) for hour in range(100)]


def test_what_fires_every_hour_is_no_surprise_and_what_never_did_is() -> None:
    assert found(HOURLY[:-1], ("chatter", "a", 99, 5))["all"] == pytest.approx(0)
    assert found(HOURLY, ("new", "a", 99, 1))["all"] == pytest.approx(math.log2(100))
    seen = [*HOURLY, ("new", "b", 3, 1)]
    assert found(seen, ("new", "a", 99, 1))["all"] == pytest.approx(math.log2(100)), "each host has a past of its own"
    assert found([*HOURLY, ("new", "a", 3, 1)], ("new", "a", 99, 1))["all"] == pytest.approx(math.log2(50))


def test_a_burst_is_told_by_how_far_it_passes_the_highest_hour() -> None:
    told = found(HOURLY[:-1], ("chatter", "a", 99, 50))
    assert told["alert of another tool"] == pytest.approx(math.log2(100)) and told["burst"] == pytest.approx(math.log2(10))


def test_a_first_hour_is_no_rarer_than_among_first_hours() -> None:
    loud = [(f"loud{n}", f"h{n % 5}", n, 1_000) for n in range(50)]
    assert found([*HOURLY, *loud], ("new", "a", 99, 1_000))["burst"] < 0.1, "nearly all rules come by the thousand at first"
    assert found([*HOURLY, *loud], ("new", "a", 99, 1_001))["burst"] == pytest.approx(math.log2(52)), "50, the chatter and its own"
    quiet = [(rule, host, hour, 1) for rule, host, hour, _ in loud]
    assert found([*HOURLY, *quiet], ("new", "a", 99, 4))["burst"] == pytest.approx(2), "nor is it rarer than its number says"
    others = [(f"other{n}", "a", n, 1) for n in range(50)]
    grown = [*HOURLY, *others, *((f"other{n}", "a", 98, 2_000) for n in range(50))]
    assert found(grown, ("new", "a", 99, 1_000))["burst"] == pytest.approx(math.log2(52)), "only first hours count"


def test_a_tool_that_calls_everything_critical_says_nothing_by_it() -> None:
    same = found(HOURLY, ("new", "a", 99, 1), new="critical", chatter="critical")
    assert same["severity the tool gives"] == pytest.approx(0)
    mixed = found(HOURLY, ("new", "a", 99, 1), new="critical", chatter="low")
    assert mixed["severity the tool gives"] == pytest.approx(math.log2(64 * 2 / 64.125))


def test_alerts_of_less_than_a_day_without_a_past_are_told_apart_by_rule() -> None:
    known = episodes([("common", f"h{n}", n % 3, 1) for n in range(60)] + [("odd", "h1", 1, 1)])
    made = {f.title: f.bits for f in findings(known, known, rules(known), 61, min_bits=0)}
    assert made["tool:odd"] == pytest.approx(math.log2(62)) and made["tool:common"] < 1


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.integers(0, 60), st.integers(1, 1000)),
        min_size=1, max_size=25, unique_by=lambda r: r[:3],
    ),
    st.integers(0, 60),
)  # fmt: skip
@settings(max_examples=30)
def test_a_finding_knows_only_what_is_known_then(rows: list[tuple[str, str, int, int]], hour: int) -> None:
    known = episodes(rows).filter(pl.col("hour") <= T0 + timedelta(hours=hour))
    new = known.filter(pl.col("hour") == T0 + timedelta(hours=hour))
    made = findings(new, known, rules(known), None, min_bits=-1)
    assert len(made) == new.height
    hours = {rule: group for (rule,), group in known.group_by("rule")}
    for finding in made:
        assert 0 <= finding.bits < 60 and finding.n <= 60 and finding.detector.partition(":")[2] in hours


def test_undated_alerts_and_unknown_rules_give_nothing() -> None:
    known = episodes(HOURLY).with_columns(pl.lit(None, hits.HITS["hour"]).alias("hour"))
    assert findings(known, known, rules(known), None, min_bits=0) == []
    dated = episodes(HOURLY)
    assert findings(dated, dated, {}, None, min_bits=0) == []


def test_the_threshold_lets_the_nominal_rate_through() -> None:
    past = [float(n) for n in range(40)]
    assert threshold(past, days=4, per_day=0.5) == 37, "of four days two incidents were over it"
    assert sum(bits > threshold(past, 4, 0.5) for bits in past) == 2
    assert threshold([], 2, 0.5) == threshold([3.0], 2, 0.5) == 0.0
