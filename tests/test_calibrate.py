"""Scores become p-values, bits and findings whose reasons add up; the budget is a hard cap."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself.calibrate import budget, rules, window
from nonself.calibrate.findings import About, finding_id, findings, scaled, significant
from nonself.core.finding import Reason
from nonself.core.incident import Incident
from nonself.core.schema import TIME
from nonself.core.scores import SCORES, no_scores

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)


def scores(values: list[float], entity: str = "host:a") -> pl.DataFrame:
    n = len(values)
    return pl.DataFrame(
        {
            "entity": [entity] * n,
            "entities": [[entity]] * n,
            "start": [T0 + timedelta(minutes=i) for i in range(n)],
            "end": [T0 + timedelta(minutes=i) for i in range(n)],
            "score": values,
            "events": [[f"{i:024x}"] for i in range(n)],
            "n_events": [1] * n,
        },
        schema=SCORES,
    )


@given(st.lists(st.floats(0, 60), min_size=1, max_size=60))
def test_rank_is_the_conformal_p_value(values: list[float]) -> None:
    ranked = window.rank(scores(values), window.learn(scores(values), 1))
    level = [math.floor(v * window.LEVELS_PER_BIT) for v in values]
    for i, (p, n) in enumerate(ranked.iter_rows()):
        others = [v for j, v in enumerate(level) if j != i]
        assert p == pytest.approx((1 + sum(v >= level[i] for v in others)) / (1 + len(others)))
        assert n == len(others)
        assert p >= 1 / (n + 1)


def test_p_values_of_exchangeable_scores_are_uniform_or_conservative() -> None:
    values = np.random.default_rng(5).exponential(3, 4000).tolist()
    p = window.rank(scores(values), window.learn(scores(values), 1))["p"].to_numpy()
    for alpha in (0.001, 0.01, 0.1, 0.5):
        assert (p <= alpha).mean() <= alpha


def test_strata_do_not_share_ranks() -> None:
    both = pl.concat([scores([1.0] * 99 + [5.0], "host:a"), scores([2.0], "user:b")])
    ranked = window.rank(both, window.learn(both, 1))
    assert ranked["p"][99] == pytest.approx(0.01)
    assert ranked["p"][100] == 1.0, "a user alone in its stratum can claim nothing"


@given(st.lists(st.lists(st.floats(0, 40), max_size=8), max_size=5), st.randoms())
def test_window_is_a_commutative_monoid(parts: list[list[float]], shuffle: object) -> None:
    deltas = [window.learn(scores(part), 1) for part in parts]
    whole = window.learn(scores([v for part in parts for v in part]), 1)
    merged = window.merge(deltas)
    assert merged.select(pl.col("n").sum()).item() == whole.select(pl.col("n").sum()).item()
    shuffle.shuffle(deltas)  # type: ignore[attr-defined]
    assert window.merge(deltas).equals(merged)
    assert window.merge([merged, window.merge([])]).equals(merged)
    assert window.merge([window.merge(deltas[:2]), window.merge(deltas[2:])]).equals(merged)


def aged(by_age: dict[int, list[float]]) -> pl.DataFrame:
    return window.merge([window.learn(scores(values), age) for age, values in by_age.items()])


@given(st.dictionaries(st.integers(1, 40), st.lists(st.floats(0, 40), max_size=6), max_size=6), st.integers(1, 40))
def test_younger_selves_count_as_if_they_had_known_as_much(by_age: dict[int, list[float]], age: int) -> None:
    kept = window.as_of(aged(by_age), age)
    told = sorted(level for level, n in kept.select("level", "n").iter_rows() for _ in range(n))
    raised = [
        math.floor(v * window.LEVELS_PER_BIT) + math.ceil(max(0.0, math.log2(age / a)) * window.LEVELS_PER_BIT)
        for a, values in by_age.items()
        if 2 * a >= age
        for v in values
    ]
    assert told == pytest.approx(sorted(raised), abs=1), "half as old at least, and at most a bit more"
    assert window.as_of(window.as_of(kept, age), age)["n"].sum() == len(raised)


def test_windows_without_ages_are_left_out() -> None:
    assert window.merge([aged({3: [1.0]}).drop("age"), aged({3: [2.0]})]).equals(aged({3: [2.0]}))


def test_of_one_age_nothing_is_raised_or_left_out() -> None:
    learnt = aged({12: [0.5, 3.0, 9.0]})
    assert window.as_of(learnt, 12).equals(learnt)


def test_p_values_hold_while_a_self_learns() -> None:
    """Scores of things never seen before, by a self that grows: log2 of its age, and noise. Ranked as they are, they are too odd daily."""
    draw, learnt, small, raw = np.random.default_rng(6), window.merge([]), [], []
    for age in range(1, 22):
        day = scores((draw.exponential(1, 200) + math.log2(age)).tolist())
        learnt = window.merge([learnt, window.learn(day, age)])
        if age > 7:
            small += window.rank(day, window.as_of(learnt, age))["p"].to_list()
            raw += window.rank(day, learnt)["p"].to_list()
    assert np.mean(np.array(small) <= 0.25) <= 0.27 and np.mean(np.array(raw) <= 0.25) > 0.35


def test_found_scores_stay_in_the_window() -> None:
    values = [1.0] * 500 + [30.0] * 20
    learnt = window.learn(scores(values), 1)
    assert learnt["n"].sum() == 520, "leaving the alerted scores out would shift every later p-value"
    assert window.rank(scores(values), learnt)["p"][-1] == pytest.approx(20 / 520)


def test_the_oddest_of_ordinary_things_is_no_finding() -> None:
    ordinary = scores([i / 10_000 for i in range(1000)])
    kept = significant(ordinary, window.learn(ordinary, 1), min_bits=7, per_day=100)
    assert not kept.height, "rank alone would give the top score ten bits; its own model gives it none"


def test_findings_carry_reasons_that_add_up() -> None:
    rows = scores([0.5] * 5000 + [25.0])
    kept = significant(rows, window.learn(rows, 1), min_bits=7, per_day=100)
    parts = (Reason(feature="a", seen="x", normal="y", bits=30.0), Reason(feature="b", seen="x", normal="y", bits=-5.0))
    (finding,) = findings(About("d", "Odd", ("T1059.001",)), kept, lambda s: [parts] * s.height)
    assert -math.log2(finding.p) == pytest.approx(math.log2(5001), abs=1e-6), "p stays what the rank says"
    assert finding.bits == pytest.approx(math.log2(5001) + math.log2(1 + 25 - 7))
    assert math.fsum(r.bits for r in finding.reasons) == pytest.approx(finding.bits)
    assert finding.tactics == ("execution",)


def test_a_score_far_beyond_all_others_says_more_than_the_first_of_many() -> None:
    def bits(high: list[float], min_bits: float = 7) -> float:
        rows = scores([0.5] * 999 + high)
        return float(significant(rows, window.learn(rows, 1), min_bits=min_bits, per_day=100)["bits"].max() or 0)

    first = math.log2(1000)
    assert bits([9.5]) == pytest.approx(9.5), "never more than the detector itself says"
    assert bits([60.0]) == pytest.approx(first + math.log2(54), abs=0.01)
    assert bits([60.0, 50.0]) == pytest.approx(math.log2(1001) + math.log2(11), abs=0.01), "only what lies beyond the next one"
    assert bits([60.0, 60.0]) == pytest.approx(math.log2(1001 / 2), abs=0.01), "two alike are each other's normal"
    rows = scores([0.5] * 50 + [60.0])
    assert not significant(rows, window.learn(rows, 1), min_bits=7, per_day=9).height, "what is no finding by its rank is none by this"


def test_reasons_that_add_up_to_nothing_still_add_up() -> None:
    assert math.fsum(r.bits for r in scaled([], 9.0)) == pytest.approx(9.0)


def test_per_day_keeps_the_oddest() -> None:
    rows = scores([0.1] * 3000 + [10 + i / 100 for i in range(50)])
    kept = significant(rows, window.learn(rows, 1), min_bits=3, per_day=10)
    assert kept.height == 10
    assert kept["score"].min() == pytest.approx(10.40)


def test_no_scores_no_findings() -> None:
    assert findings(About("d", "t", ()), significant(no_scores(), window.merge([]), min_bits=7, per_day=9), lambda _: []) == []


class _Rule:
    def __init__(self, name: str, level: str) -> None:
        self.id, self.title, self.level, self.author = name, f"Rule {name}", level, "someone"
        self.techniques, self.tactics, self.path = ("T1003.001",), ("credential-access",), "rules/x.yml"


def hits(rule: str, n: int) -> pl.DataFrame:
    item = pl.List(pl.Struct({"field": pl.String(), "value": pl.String()}))
    schema = {
        "rule": pl.String(), "entity": pl.String(), "class_uid": pl.Int32(), "start": TIME, "end": TIME, "n_events": pl.Int64(),
        "events": pl.List(pl.String()), "entities": pl.List(pl.String()), "matched": item,
    }  # fmt: skip
    rows = [
        (rule, f"host:h{i}", 1007, T0 + timedelta(hours=i), T0 + timedelta(hours=i), 3, [f"u{i}"], [f"host:h{i}"], [("Image", "x.exe")])
        for i in range(n)
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_a_noisy_rule_has_few_bits_and_a_silent_one_many() -> None:
    both = pl.concat([hits("noisy", 500), hits("silent", 1)])
    known = {"noisy": _Rule("noisy", "high"), "silent": _Rule("silent", "high")}
    made = rules.findings(both, both, known, 100_000, min_bits=0)
    by_rule = {f.detector: f.bits for f in made}
    assert by_rule["sigma:silent"] - by_rule["sigma:noisy"] == pytest.approx(math.log2(500))
    for finding in made:
        assert math.fsum(r.bits for r in finding.reasons) == pytest.approx(finding.bits)
        assert finding.author == "someone", "the rules' licence asks for the author"


def test_level_is_a_prior_that_pays_for_itself() -> None:
    share = {level: n / sum(rules._SHARE.values()) for level, n in rules._SHARE.items()}
    assert math.fsum(share[level] * 2 ** rules.PRIOR[level] for level in share) == pytest.approx(1.0)
    assert rules.PRIOR["critical"] > rules.PRIOR["high"] > rules.PRIOR["medium"] > rules.PRIOR["low"]


def test_finding_id_is_stable_and_specific() -> None:
    assert finding_id("d", "e", "s", ["u"]) == finding_id("d", "e", "s", ["u", "v"])
    assert finding_id("d", "e", "s", ["u"]) != finding_id("d", "f", "s", ["u"])


def incident(name: str, bits: float, day: int) -> Incident:
    when = T0 + timedelta(days=day)
    return Incident(id=name, title=name, bits=bits, start=when, end=when, entities=(), stages=(), findings=(), edges=(), n_events=1)


def test_budget_is_a_hard_cap_per_day_and_drops_nothing() -> None:
    given_incidents = [incident(f"i{d}{i}", i, d) for d in range(3) for i in range(9)]
    kept = budget.apply(given_incidents, 4)
    assert len(kept) == len(given_incidents)
    for day in range(3):
        shown = [i.bits for i in kept if i.shown and i.start == T0 + timedelta(days=day)]
        assert sorted(shown) == [5, 6, 7, 8]
