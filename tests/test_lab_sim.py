"""The measuring stick itself: queues are judged by known truth, thresholds use the past alone, seeds do not mix, samples are told apart."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from nonself.core import config
from nonself.core.finding import Finding
from nonself.detect.sigma import Ruleset
from nonself.lab import attacks, realism
from nonself.lab.sim import queue as queues
from nonself.lab.sim import run
from nonself.lab.sim.cases import BENCHMARK_SEEDS, DAYS, DEVELOPMENT_SEEDS, Case, cases
from nonself.lab.sim.judge import findings_by_kind, judge, over, top
from nonself.lab.sim.queue import Item
from nonself.lab.sim.read import Outcome, read
from nonself.lab.twosample import auc, two_samples
from nonself.lab.world.clock import stream

FIRST = datetime(2026, 2, 23, tzinfo=UTC)


def _outcome(days: int = 10) -> Outcome:
    """Two campaigns of two steps each, and a scanner; nothing was found yet."""
    labels = {
        "a1": ("campaign", "a", "one"),
        "a2": ("campaign", "a", "two"),
        "b1": ("campaign", "b", "one"),
        "s": ("benign trigger", "scan", "scan"),
    }
    steps = {("a", "one"): FIRST + timedelta(days=7, hours=9), ("a", "two"): FIRST + timedelta(days=8, hours=3),
             ("b", "one"): FIRST + timedelta(days=8, hours=12), ("b", "two"): FIRST + timedelta(days=8, hours=13)}  # fmt: skip
    return Outcome(Case(1, 5, 1.0, "none"), date(2026, 2, 23), [[] for _ in range(days)], pl.DataFrame(), labels, steps)


def _item(name: str, day: int, score: float, *parts: tuple[str, ...], last: int = -1) -> Item:
    return Item(name, day, max(day, last), score, parts)


def _grown(items: list[Item], days: int = 10) -> queues.Queue:
    return [[item for item in items if item.day <= day] for day in range(days)]


def test_coverage_purity_pieces_and_hours_are_counted_by_the_truth() -> None:
    items = [
        _item("mixed", 7, 9.0, ("a1", "x"), ("x", "y", "z")),
        _item("pure", 8, 8.0, ("a2",)),
        _item("scan", 8, 7.0, ("s",)),
        _item("noise", 8, 6.0, ("x",)),
        _item("early noise", 2, 6.0, ("x",)),
    ]
    found = judge(_outcome(), top(_grown(items), 5))
    assert found["coverage"] == 0.5
    assert found["per_day"] == pytest.approx({"true": 2 / 3, "benign trigger": 1 / 3, "attempt": 0, "false alarm": 1 / 3}), (
        "not the warm-up"
    )
    assert found["fragmentation"] == 2 and found["contamination"] == pytest.approx(0.25)
    assert found["found"] == {"a": True, "b": False}
    assert found["hours_to_first"] == {"a": 15.0, "b": None}, "from nine in the morning to that day's end"
    late = _grown(items)
    late[7] = [_item("mixed", 7, 9.0, ("x", "y", "z"))]
    assert judge(_outcome(), top(late, 5))["hours_to_first"]["a"] == 39.0, "shown is not found before it is true"


def test_the_top_shows_the_best_of_each_day_and_keeps_what_was_shown() -> None:
    queue = _grown([_item("p", 1, 5.0), _item("q", 1, 4.0), _item("r", 2, 1.0)], 3)
    queue[2] = [_item("p", 1, 5.0), _item("q", 1, 6.0), _item("r", 2, 1.0)]
    shown = top(queue, 1)
    assert [{item.name for item in day} for day in shown.days] == [set(), {"p"}, {"p", "q", "r"}]
    assert shown.items["q"].score == 6.0, "as it stands at the end"


def test_a_threshold_uses_the_past_alone() -> None:
    rng = stream(3, "queue")
    items = [_item(f"{day} {n}", day, rng.random()) for day in range(20) for n in range(10)]
    shown = over(_grown(items, 20), 1.0)
    a_day = sum(item.day >= 7 for item in shown.items.values()) / 13
    assert 0.5 < a_day < 2.0, "chance alone lets about as many through as were asked for"
    louder = [*items, *(_item(f"late {n}", 19, 100 + n) for n in range(50))]
    again = over(_grown(louder, 20), 1.0)
    assert again.days[:19] == shown.days[:19], "what comes later changes nothing"
    assert sum(item.score >= 100 for item in again.items.values()) == 50


def _finding(name: str, detector: str, bits: float, event: str, day: int, level: str = "") -> Finding:
    at = FIRST + timedelta(days=day, hours=9)
    return Finding(
        id=name, detector=detector, title="t", entity=f"host:{name}", entities=(f"host:{name}",), start=at, end=at, score=bits + 3, p=0.01,
        n=100, bits=bits, reasons=(), events=(event,), n_events=1, level=level,
    )  # fmt: skip


def test_ablations_and_baselines_take_what_they_say() -> None:
    outcome, settings = _outcome(), config.load(None, {}, {})
    outcome.found[7] = [_finding("r", "sigma:1", 12, "a1", 7, "high"), _finding("l", "rare-process", 14, "a2", 7)]
    outcome.found[8] = [_finding("c", "sigma:2", 5, "s", 8, "critical")]

    def names(queue: queues.Queue) -> list[set[str]]:
        return [{part[0] for item in queue[day] for part in item.parts} for day in (6, 7, 9)]

    assert names(queues.ours(outcome, settings)) == [set(), {"a1", "a2"}, {"a1", "a2", "s"}]
    assert names(queues.ours(outcome, settings, queues.ABLATIONS["rules only"])) == [set(), {"a1"}, {"a1", "s"}]
    assert names(queues.ours(outcome, settings, queues.ABLATIONS["behaviour only"])) == [set(), {"a2"}, {"a2"}]
    assert queues.uncalibrated(outcome.found[7][1]).bits == 17
    by_level = sorted(queues.severity(outcome, settings)[9], key=lambda item: -item.score)
    assert [item.parts[0][0] for item in by_level] == ["s", "a1"]
    assert findings_by_kind(outcome) == {"true": 0.667, "benign trigger": 0.333, "attempt": 0.0, "false alarm": 0.0}


def test_baselines_over_events_see_what_is_new_and_what_is_much() -> None:
    outcome, settings = _outcome(4), config.load(None, {}, {})
    rows = [(f"{day}-{n}", day, "ws1", "a.exe") for day in range(3) for n in range(3)]
    rows += [(f"3-{n}", 3, "ws1", "b.exe") for n in range(60)]
    columns = dict.fromkeys(("user", "src_ip", "dst_ip", "query", "sni", "op"), pl.String)
    frame = pl.DataFrame(rows, schema={"uid": pl.String, "day": pl.Int64, "host": pl.String, "image": pl.String}, orient="row")
    times = (FIRST + pl.duration(days=pl.col("day"))).alias("time")
    outcome.events = frame.with_columns(times, *(pl.lit(None, dtype).alias(name) for name, dtype in columns.items()))
    new = queues.first_seen(outcome, settings)
    assert [[item.parts for item in day] for day in new] == [[(("0-0",),)]] * 3 + [[(("0-0",),), (("3-0",),)]]
    much = queues.counts(outcome, settings)
    assert [len(day) for day in much] == [0, 0, 0, 1] and much[3][0].score > 5


def test_seeds_to_publish_are_not_those_to_tune_on_and_every_campaign_is_led() -> None:
    assert not set(BENCHMARK_SEEDS) & set(DEVELOPMENT_SEEDS) and len(BENCHMARK_SEEDS) == len(DEVELOPMENT_SEEDS) == 5
    assert {case.seed for case in cases()} < set(BENCHMARK_SEEDS) and len(cases(full=True)) == 10
    led = [one for case in cases() for one in attacks.parse(case.attack)]
    assert {one.campaign.name for one in led} == set(attacks.CAMPAIGNS)
    assert all(one.campaign.days(one.variant) < DAYS for one in led)
    ways = {one.variant for case in cases(full=True) for one in attacks.parse(case.attack)}
    assert ways == {"plain", "slow", "noisy", "early", "shared", "overlap"}


def test_a_small_case_from_raw_logs_to_figures() -> None:
    case = Case(seed=7, people=6, activity=0.05, attack="document-to-cloud", days=4)
    settings = config.load(None, {}, {})
    outcome = read(case, settings, Ruleset.load([], builtin=True, cache=None))
    assert len(outcome.found) == 4 and outcome.events.height > 1_000
    assert {name for name, _ in outcome.steps} == {"document-to-cloud"} and len(outcome.steps) >= 31
    labelled = outcome.events.filter(pl.col("uid").is_in(list(outcome.labels)))
    assert labelled.height >= len(outcome.labels) > 500, "every record of the truth is an event"
    first: dict[tuple[str, str], datetime] = {}
    for uid, at in labelled.select("uid", "time").iter_rows():
        kind, name, step = outcome.labels[uid]
        if kind == "campaign":
            first[name, step] = min(at, first.get((name, step), at))
    off = {step: abs((first[step] - at).total_seconds()) for step, at in outcome.steps.items()}
    assert first.keys() == outcome.steps.keys() and max(off.values()) < 3, "the truth's records and the events are the same ones"
    whole = run._judged(outcome, queues.ours(outcome, settings))
    assert set(whole) == set(run.SHOWN)
    assert 0.2 < whole["top 10"]["coverage"] <= 1 and whole["top 1"]["coverage"] <= whole["top 10"]["coverage"]
    queue = dict.fromkeys(("nonself", "first seen"), whole)
    measured = [{"seed": 7, "people": 6, "attacks": ["a"], "events": 1, "steps": 1, "cpu_seconds_per_million_events": 1.0,
                 "made_events_per_cpu_second": 1, "control_records_per_cpu_second": 1, "queues": queue}]  # fmt: skip
    document = {"cases": measured, "summary": run.summary(measured)}
    assert json.loads(json.dumps(document)) == document
    tables = "".join(run.tables(document))
    assert tables.count("| nonself |") >= 2 and "| threshold 0.5 |" in tables
    assert "| document-to-cloud | 1 of 1 | plain " in tables


def test_samples_alike_cannot_be_told_apart_and_samples_unlike_can() -> None:
    rng = np.random.default_rng(1)

    def sample(shift: float, words: list[str]) -> pl.DataFrame:
        size = 2_000
        return pl.DataFrame({"size": rng.normal(shift, 1, size), "word": rng.choice(words, size)})

    real = sample(0, ["a", "b"])
    assert two_samples(real, sample(0, ["a", "b"])).auc == pytest.approx(0.5, abs=0.06)
    moved = two_samples(real, sample(1.5, ["a", "b"]))
    assert 0.8 < moved.auc < 0.95 and moved.telling[0][0] == "size"
    assert two_samples(real, sample(0, ["c"])).auc > 0.99
    with pytest.raises(ValueError, match="both samples"):
        two_samples(real, real.head(0))
    assert auc(np.array([1.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0])) == 0.75


def test_gates_pass_within_their_bounds_and_say_so() -> None:
    gates = [realism.Gate("a", 0.5, 0, 1, "s"), realism.Gate("b", 1.5, 0, 1, "s"), realism.Gate("c", float("nan"), 0, 1, "s", "n")]
    assert [gate.passed for gate in gates] == [True, False, False]
    told = realism.table(gates)
    assert told.count("**failed**") == 2 and "1 of 3 passed" in told


def test_gates_measure_a_small_world(tmp_path: Path) -> None:
    from nonself import lab

    lab.make(tmp_path / "logs", people=8, days=4, activity=0.2, attack="none")
    conn = realism._events(sorted((tmp_path / "logs").glob("*/zeek/conn.log.gz")))
    host = realism._events(sorted((tmp_path / "logs").glob("*/windows.jsonl.gz")))
    gates = {gate.name: gate.value for gate in [*realism.flows(conn), *realism.rhythm(conn, host), *realism.logons(host)]}
    assert 0.3 < gates["share of TCP"] < 0.9 and 0 < gates["distance of destination ports (total variation)"] < 1
    assert gates["burstiness of browsing (σ-μ)/(σ+μ)"] > 0 and gates["authentications a user and day"] > 1
