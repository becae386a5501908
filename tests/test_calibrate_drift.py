"""The drift test: bets pay no more than they should; an alarm comes with a shift, seldom without, and goes when it is learnt."""

from __future__ import annotations

import itertools
import json
import math
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from nonself import pipeline
from nonself.calibrate import drift, window
from nonself.core import config as configs
from nonself.core.scores import SCORES
from nonself.core.stats import Stats
from nonself.detect.sigma import Ruleset
from nonself.incidents import guaranteed
from nonself.ledger import Ledger
from nonself.serve import html, jsonl, terminal

FIRST = date(2026, 3, 2)
COUNTS = {"a": [2, 0, 1, 3, 0, 1, 2, 1, 0, 2, 1], "b": [0] * 11}


def surprises(by_detector: dict[str, list[int]], first: date = FIRST) -> pl.DataFrame:
    rows: list[tuple[date, str, str | None]] = []
    for name, counts in by_detector.items():
        for place, n in enumerate(counts):
            day = first + timedelta(days=place)
            rows += [(day, name, None), *((day, name, f"host:{i}") for i in range(n))]
    return pl.DataFrame(rows, schema=drift.SURPRISES, orient="row")


@settings(max_examples=30)
@given(st.integers(7, 60), st.integers(0, 200))
def test_a_bet_pays_at_most_what_it_costs(days: int, total: int) -> None:
    tail = [drift.p_value(k, days, total) for k in range(2_000)]
    assert tail[0] == 1 and all(a > b for a, b in itertools.pairwise(tail) if b)
    assert math.fsum((a - b) * drift.e_value(a) for a, b in itertools.pairwise(tail)) <= 1 + 1e-9
    assert drift.p_value(0, days, total) == 1 and drift.e_value(1.0) == 0.5


@given(st.floats(1e-12, 1), st.floats(1e-12, 1))
def test_a_bet_pays_more_for_what_is_less_likely(p: float, q: float) -> None:
    low, high = min(p, q), max(p, q)
    assert drift.e_value(low) >= drift.e_value(high) - 1e-9 > 0
    assert math.isfinite(drift.e_value(0.0))


def test_the_bet_is_fair_on_uniform_p_values() -> None:
    edges = np.exp(np.linspace(-200, 0, 20_001))
    paid = sum(drift.e_value(float(p)) * step for p, step in zip(edges[1:], np.diff(edges), strict=True))
    assert 0.97 < paid <= 1.0


def test_days_alike_raise_no_alarm_however_bursty() -> None:
    draw, alarms = np.random.default_rng(3), 0
    for _ in range(40):
        means = draw.gamma(0.5, 3, 8)
        counts = {f"d{i}": (draw.geometric(1 / (1 + mean), 30) - 1).tolist() for i, mean in enumerate(means)}
        alarms += bool(drift.judge(surprises(counts)).periods)
    assert alarms / 40 <= 30 / drift.ALARM, "an alarm in 100 days at most, so in less than a third of the months"


def test_a_shift_is_seen_on_its_day_and_learnt() -> None:
    counts = {f"d{i}": [1, 0, 2, 0, 1, 0, 1, 1, 0] for i in range(20)}
    assert drift.judge(surprises(counts)).state == "holds"
    shifted = {name: [*before, 30] if name in ("d3", "d4") else [*before, 0] for name, before in counts.items()}
    standing = drift.judge(surprises(shifted))
    day = FIRST + timedelta(days=9)
    assert (standing.state, standing.since, set(standing.moved[:2])) == ("not guaranteed", day, {"d3", "d4"})
    assert standing.statement == f"budget not guaranteed since {day}"
    later = drift.judge(surprises({name: [*before, *([1] * 14)] for name, before in shifted.items()}))
    assert later.state == "holds" and not later.statement
    ((since, until),) = later.periods
    assert since == day and until is not None and until <= day + timedelta(days=14)


def test_what_is_left_of_an_alarm_that_ended_still_counts() -> None:
    quiet = [1, 0, 2, 0, 1, 0, 1, 1, 0]
    counts = {f"d{i}": [*quiet, 30 if i in (3, 4) else 0, *[0] * 8] for i in range(20)}
    ended = next(n for n in range(11, 18) if drift.judge(surprises({name: of[:n] for name, of in counts.items()})).state == "holds")
    left = drift.judge(surprises({name: of[:ended] for name, of in counts.items()})).evidence
    assert 2 < left < drift.ALARM / 10
    again = {name: [*of[:ended], 40 if name == "d7" else 0] for name, of in counts.items()}
    assert drift.judge(surprises(again)).state == "not guaranteed", "one detector gives half of an alarm, and more than 2 were left"


def test_nothing_is_said_before_a_week() -> None:
    assert drift.judge(drift.merge([])).state == "calibrating"
    assert drift.judge(surprises({"a": [0, 0, 0, 0, 0, 0, 50]})).state == "calibrating", "six days are no week"
    assert drift.judge(surprises({"a": [0, 0, 0, 0, 0, 0, 0, 50]})).state == "not guaranteed"


def test_fewer_surprises_break_no_promise() -> None:
    assert drift.judge(surprises({"a": [30] * 10 + [0] * 5})).periods == ()


@settings(max_examples=25)
@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab"), st.sampled_from(["x", "y", None])), max_size=6), max_size=4))
def test_surprises_are_a_commutative_monoid(parts: list[list[tuple[int, str, str | None]]]) -> None:
    deltas = [pl.DataFrame([(FIRST + timedelta(days=d), n, e) for d, n, e in part], schema=drift.SURPRISES, orient="row") for part in parts]
    whole = drift.merge(deltas)
    assert drift.merge(deltas[::-1]).equals(whole) and drift.merge([whole, drift.merge([])]).equals(whole)
    assert drift.merge([drift.merge(deltas[:2]), drift.merge(deltas[2:])]).equals(whole)
    assert drift.merge([*deltas, *deltas]).equals(whole), "the same surprise in another scan is the same"


def test_a_flood_of_names_is_bounded() -> None:
    flood = pl.DataFrame({"entity": [f"host:{i:06}" for i in range(5_000)]}).select(
        pl.lit(FIRST).alias("day"), pl.lit("d").alias("detector"), "entity"
    )
    assert drift.merge([flood, flood]).height == drift.MANY


def scores(rows: list[tuple[int, str, float]]) -> pl.DataFrame:
    made = [(e, [e], t := datetime(2026, 3, 2 + day, 9), t, score, [], 1) for day, e, score in rows]
    return pl.DataFrame(made, schema={**SCORES, "start": pl.Datetime("us"), "end": pl.Datetime("us")}, orient="row").with_columns(
        pl.col("start", "end").dt.replace_time_zone("UTC")
    )


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["host:a", "host:b", "user:a"]), st.floats(0, 12)), min_size=1, max_size=30))
def test_ranked_against_earlier_days_alone(rows: list[tuple[int, str, float]]) -> None:
    given_scores = scores(rows)
    got = window.rank_before(given_scores, window.learn(given_scores, 1)).to_list()
    level = [math.floor(score * window.LEVELS_PER_BIT) for *_, score in rows]
    for i, (day, entity, score) in enumerate(rows):
        before = [level[j] for j, (d, e, _) in enumerate(rows) if d < day and e[:4] == entity[:4]]
        assert got[i] == pytest.approx(max((1 + sum(one >= level[i] for one in before)) / (1 + len(before)), 2.0**-score))


def test_a_shift_cannot_hide_in_its_own_day() -> None:
    before = [(day, f"host:{i}", 0.5) for day in range(3) for i in range(100)]
    given_scores = scores([*before, *((3, f"host:{i}", 20.0) for i in range(100))])
    learnt = window.learn(given_scores, 1)
    odd = given_scores.filter(pl.col("score") >= 7)
    assert window.rank(odd, learnt)["p"].min() == 0.25, "held against its own day it is nothing rare"
    found = drift.learn({"d": odd}, {"d": learnt}, {"d": learnt}, min_bits=7)
    assert found["entity"].drop_nulls().n_unique() == 100 and found["entity"].null_count() == 4
    assert drift.learn({}, {}, {}, min_bits=7).equals(drift.merge([]))


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.sampled_from(["host:a", "host:b", "user:a"]), st.floats(0, 40)),
        min_size=1,
        max_size=60,
    )
)
def test_detectors_together_are_ranked_as_each_alone(rows: list[tuple[str, int, str, float]]) -> None:
    each = {name: scores([row[1:] for row in rows if row[0] == name]) for name in sorted({row[0] for row in rows})}
    windows = {name: window.learn(table, 1) for name, table in each.items()}
    odd = {name: table.filter(pl.col("score") >= 1) for name, table in each.items()}
    together = drift.learn(odd, windows, windows, min_bits=1)
    assert together.equals(drift.merge([drift.learn({n: odd[n]}, {n: windows[n]}, {n: windows[n]}, min_bits=1) for n in each]))
    for name, day, entity in together.drop_nulls().select("detector", "day", "entity").iter_rows():
        p = window.rank_before(odd[name], windows[name])
        assert ((odd[name]["entity"] == entity) & (odd[name]["end"].dt.date() == day) & (p <= 0.5)).any()


def test_one_detector_alarms_nobody_in_a_day() -> None:
    def state(*days: dict[str, int]) -> str:
        return drift.judge(surprises({name: [0] * 14 + [day.get(name, 0) for day in days] for name in "abcdefghij"})).state

    assert state({"a": 200}) == state({"a": 200}, {}) == "holds", "a night of patches"
    assert state({"a": 200, "b": 200}) == state({"a": 200}, {"a": 200}) == "not guaranteed"


# Through the pipeline

CONFIG = configs.load(None, {}, {})


def record(day: int, hour: int, host: int, image: str) -> str:
    at = f"2026-03-{day:02}T{hour:02}:15:00.0Z"
    system = {"Provider_Name": "Microsoft-Windows-Sysmon", "EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational"}
    return json.dumps(
        {**system, "Computer": f"ws{host}", "TimeCreated": at, "Image": image, "CommandLine": image, "User": f"C\\user{host}"}
    )


@pytest.fixture(scope="module")
def shifted(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """Nine days of 25 people who run two programs, and a day on which ten of them each run ten new ones."""
    path = tmp_path_factory.mktemp("shift") / "log.jsonl"
    images = ("C:\\Windows\\explorer.exe", "C:\\Office\\word.exe")
    lines = [record(d, h, i, image) for d in range(2, 12) for h in range(9, 17) for i in range(25) for image in images]
    lines += [record(11, 12, i, f"C:\\New\\tool{i}-{n}.exe") for i in range(10) for n in range(10)]
    path.write_text("\n".join(lines) + "\n")
    ledger = Ledger.open(":memory:")
    pipeline.scan([path], ledger, Ruleset.load([], builtin=False), CONFIG, Stats())
    return ledger


def test_the_banner_is_everywhere(shifted: Ledger) -> None:
    standing = guaranteed(shifted)
    assert standing.statement == "budget not guaranteed since 2026-03-11", standing
    console = Console(record=True, width=200)
    terminal.budget(console, standing)
    assert standing.statement in console.export_text()
    assert standing.statement in html.report([], kept=0, standing=standing)
    assert json.loads(jsonl.budget(standing))["statement"] == standing.statement
    caveats = {i.start.date(): i.caveat for i in shifted.incidents()}
    assert caveats[date(2026, 3, 11)] == standing.statement
    assert not any(said for day, said in caveats.items() if day < date(2026, 3, 10))


def test_nothing_is_said_while_the_promise_holds() -> None:
    standing = drift.judge(surprises(COUNTS))
    assert standing.state == "holds"
    console = Console(record=True)
    terminal.budget(console, standing)
    assert not console.export_text() and "not guaranteed" not in html.report([], kept=0, standing=standing)


def test_what_was_alerted_on_stays_in_the_window(shifted: Ledger) -> None:
    found = [f for f in shifted.findings() if ":" not in f.detector]
    assert found
    windows = {name: window.merge(shifted.deltas(f"calibration:{name}")) for name in {f.detector for f in found}}
    for finding in found:
        kind, level = finding.entity.partition(":")[0], math.floor(finding.score * window.LEVELS_PER_BIT)
        held = windows[finding.detector].filter(day=finding.end.date(), stratum=kind, level=level)
        assert held.height, f"{finding.detector} of {finding.entity} left the window: later p-values would be too small"


def test_each_score_is_kept_with_the_age_of_its_self(shifted: Ledger, tmp_path: Path) -> None:
    def ages(ledger: Ledger) -> list[tuple[date, int]]:
        held = window.merge(ledger.deltas("calibration:rare-process-by-user"))
        return held.select("day", "age").unique().sort("day", "age").rows()

    assert {age for _, age in ages(shifted)} == {10}, "one self of ten days gave all of them"
    with Ledger.open(":memory:") as ledger:
        for day in (2, 3):
            path = tmp_path / f"{day}.jsonl"
            path.write_text("\n".join(record(day, 9, i, "C:\\a.exe") for i in range(3)) + "\n")
            pipeline.scan([path], ledger, Ruleset.load([], builtin=False), CONFIG, Stats())
        assert ages(ledger) == [(date(2026, 3, 2), 1), (date(2026, 3, 3), 2)]
