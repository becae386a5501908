"""The budget's benchmark: its arithmetic on made-up companies, its seeds, and the release that calibration has to notice."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself import lab
from nonself.calibrate import window
from nonself.core.errors import UsageError
from nonself.core.finding import Finding
from nonself.core.settings import Config
from nonself.lab import bench_budget
from nonself.lab.sim.cases import BENCHMARK_SEEDS, DEVELOPMENT_SEEDS


def test_nobody_looks_at_the_seeds_that_figures_are_published_of() -> None:
    known = [*bench_budget.BUDGET_SEEDS, *BENCHMARK_SEEDS, *DEVELOPMENT_SEEDS]
    assert len(known) == len(set(known)) and len(bench_budget.BUDGET_SEEDS) == 10
    with pytest.raises(UsageError):
        bench_budget.run(11, [], development=False, as_json=True)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0.01, 1), st.integers(1, 5)), min_size=1, max_size=20))
def test_excess_is_the_one_sided_distance(rows: list[tuple[float, int]]) -> None:
    got, n = bench_budget.excess(pl.DataFrame(rows, schema={"p": pl.Float64, "n": pl.Int64}, orient="row"))
    assert n == sum(k for _, k in rows)
    assert got == pytest.approx(max(0.0, *(sum(k for q, k in rows if q <= p) / n - p for p, _ in rows)), abs=1e-12)


def test_valid_p_values_have_no_excess_however_discrete() -> None:
    assert bench_budget.excess(pl.DataFrame({"p": [0.5, 1.0], "n": [3, 5]}))[0] == 0
    assert bench_budget.excess(pl.DataFrame({"p": [0.5, 1.0], "n": [8, 2]}))[0] == pytest.approx(0.3)


def held(by_day: dict[int, list[float]]) -> pl.DataFrame:
    rows = [
        (lab.START + timedelta(days=day), "host", 9, int(score * window.LEVELS_PER_BIT), 1)
        for day, some in by_day.items()
        for score in some
    ]
    return pl.DataFrame(rows, schema=window.WINDOW, orient="row")


def test_only_judged_days_are_held_against_earlier_ones() -> None:
    got = bench_budget.p_values(held({3: [1.0, 2.0, 3.0], 8: [2.5, 40.0], 21: [9.0]}))
    assert got.sort("p").select("day", "n").rows() == [(date(2026, 3, 3), 1)] * 2
    assert got["p"].sort().to_list() == [0.25, 0.5]


def finding(day: int, hour: int, bits: float) -> Finding:
    at, name = datetime.combine(lab.START, datetime.min.time(), UTC) + timedelta(days=day, hours=hour), f"{day:02}-{hour:02}"
    return Finding(
        id=name, detector=f"d{hour}", title="x", entity=f"host:{name}", entities=(f"host:{name}",), start=at, end=at, score=bits,
        p=2.0**-bits, n=1, bits=bits, reasons=(), events=(name,), n_events=1,
    )  # fmt: skip


def test_who_looks_every_hour_is_shown_the_budget_and_not_each_best_so_far() -> None:
    findings = [finding(day, hour, 8.0 + hour / 2) for day in range(20) for hour in range(0, 24, 6)]
    ours, plain = bench_budget.replay(findings, 6, Config(), [bench_budget.Viewer(), bench_budget.Viewer(plain=True)])
    assert {plain[2][day] for day in range(8, 19)} == {4}, "each finding is stronger than the last: the best two so far are all four"
    assert all(ours[2][day] <= 3 for day in range(8, 19))


def made(seed: int) -> bench_budget.Outcome:
    shown = {per_day: Counter(dict.fromkeys(range(24), per_day)) for per_day in bench_budget.BUDGETS}
    windows = {"fine": held({day: [1.0, 2.0, 3.0, 4.0] for day in range(21)}), "none": held({})}
    said = [""] * 21 + ["budget not guaranteed since 2026-03-16"] * 3
    how = dict.fromkeys(("daily", "hourly", "control"), shown)
    return bench_budget.Outcome(seed, 9, how, Counter(dict.fromkeys(range(24), 6)), [0.5, 2.0, 9.0] * 7, said, windows)


def test_figures_over_companies() -> None:
    document = bench_budget.summary([made(1), made(2)])
    assert document["shown"]["hourly"]["5"] == {
        "mean": 1.0, "least": 1.0, "most": 1.0, "within_a_fifth": 1.0, "there": 1.0, "within_a_fifth_of_it": 1.0, "most_a_day": 5,
    }  # fmt: skip
    assert (document["shown"]["daily"]["10"]["there"], document["shown"]["daily"]["10"]["within_a_fifth_of_it"]) == (0.6, 0.0)
    assert document["rates"]["1"] == {"mean": 0.5, "most": 0.5} and document["rates"]["5"]["mean"] == 1.0
    assert (document["banner"]["false_days"], document["banner"]["release_day"], document["banner"]["of"]) == (0, 2, 2)
    assert [row["detector"] for row in document["p_values"]] == ["fine"] and document["p_values"][0]["excess"] == 0
    assert json.loads(json.dumps(document)) == document
    told = "\n".join("\n".join(table) for table in bench_budget.tables(document))
    assert "in 2 of 2 companies" in told and "| hourly | 5 | 1.0 | 1.0 | 1.0 | 1.0 | 1.0 | 1.0 | 5 |" in told


def test_p_values_that_are_too_small_are_told_from_chance() -> None:
    draw = np.random.default_rng(4)
    same = held({day: draw.exponential(3, 60).tolist() for day in range(21)})
    rising = held({day: (draw.exponential(3, 60) * (1 + day / 10)).tolist() for day in range(21)})
    one = bench_budget.Outcome(1, windows={"same": same, "rising": rising})
    assert {row["detector"]: row["too_small"] for row in bench_budget.uniformity([one] * 2)} == {"same": False, "rising": True}


def digests(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_release_changes_its_day_and_no_earlier_one(tmp_path: Path) -> None:
    how = {"seed": 7, "people": 5, "days": 3, "activity": 0.01, "attack": "none"}
    lab.make(tmp_path / "without", **how)
    truth = lab.make(tmp_path / "with", **how, release=1, truth=tmp_path / "truth.jsonl")
    before, after = digests(tmp_path / "without"), digests(tmp_path / "with")
    first, second = f"{lab.START}", f"{lab.START + timedelta(days=1)}"
    assert {n: d for n, d in before.items() if n.startswith(first)} == {n: d for n, d in after.items() if n.startswith(first)}
    assert before[f"{second}/windows.jsonl.gz"] != after[f"{second}/windows.jsonl.gz"]
    hosts = {mark.host for mark in truth.marks("benign trigger") if mark.name == "release"}
    assert len(hosts) > 5, "it is everywhere"
