"""The budget: a cap that holds for whoever looks every hour, thresholds and rates by the past alone, and what a rate promises."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.calibrate import budget
from nonself.core.finding import Finding
from nonself.core.incident import Incident
from nonself.correlate import incidents as correlate
from nonself.triage import lifecycle

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)


def incident(name: str, bits: float, day: int, *, shown: bool = False, state: str = "open") -> Incident:
    when = T0 + timedelta(days=day)
    fields = {"entities": (), "stages": (), "findings": (), "edges": (), "n_events": 1}
    return Incident(id=name, title=name, bits=bits, start=when, end=when, shown=shown, state=state, **fields)


def days(count: int, each: int = 10) -> list[Incident]:
    """So many days of incidents with 1, 2, 3.. bits."""
    return [incident(f"p{day}-{i}", 1.0 + i, day) for day in range(count) for i in range(each)]


def shown(kept: list[Incident], day: int) -> set[str]:
    return {i.id for i in kept if i.shown and i.start.date() == (T0 + timedelta(days=day)).date()}


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.floats(0, 50), st.booleans(), st.sampled_from(["open", "closed"])), max_size=60),
    st.integers(0, 4),
)
def test_no_day_shows_more_than_the_budget_and_nothing_is_lost(rows: list[tuple[int, float, bool, str]], per_day: int) -> None:
    made = [incident(f"i{n}", bits, day, shown=was, state=state) for n, (day, bits, was, state) in enumerate(rows)]
    kept = budget.apply(made, per_day)
    assert Counter(i.id for i in kept) == Counter(i.id for i in made)
    assert max(Counter(i.start.date() for i in kept if i.shown).values(), default=0) <= per_day
    assert not any(i.shown for i in kept if i.state == "closed")
    assert kept == sorted(kept, key=budget.order)
    assert budget.apply(kept, per_day) == kept, "looking again changes nothing"


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6)), min_size=1, max_size=40))
def test_a_rate_counts_the_four_weeks_before_and_nothing_else(rows: list[tuple[int, int]]) -> None:
    made = [incident(f"i{n}", float(bits), day) for n, (day, bits) in enumerate(rows)]
    first = min(day for day, _ in rows)
    for one in budget.apply(made, 3):
        day, bits = rows[int(one.id[1:])]
        held = min(28, day - first)
        as_odd = sum(b >= bits and 0 < day - d <= held for d, b in rows)
        assert one.rate == (pytest.approx((1 + as_odd) / held) if held >= 7 else None)


@settings(max_examples=60)
@given(st.lists(st.floats(0, 60), max_size=80), st.integers(1, 14), st.floats(0.05, 12))
def test_a_threshold_lets_the_rate_through_and_no_more(past: list[float], held: int, rate: float) -> None:
    limit = budget.threshold(past, held, rate)
    assert sum(bits > limit for bits in past) <= held * rate
    assert budget.threshold(past, held, rate + 1) <= limit, "a larger budget asks for no more"
    assert budget.threshold([*past, 99.0], held, rate) >= limit, "a find that stays in the past never lowers the bar"


def test_the_best_of_nothing_is_not_shown() -> None:
    quiet = [*days(8), incident("weak", 0.5, 8)]
    assert not shown(budget.apply(quiet, 2), 8)
    assert shown(budget.apply([*days(2), incident("weak", 0.5, 2)], 2), 2), "but nobody knows what is weak in the first days"


def test_what_quiet_days_leave_is_spent_within_the_week() -> None:
    """Two strong days and five of a few weak incidents each: a threshold by rates alone leaves a third of the budget unspent."""
    draw, made = np.random.default_rng(3), list[Incident]()
    for day in range(28):
        count, scale = (14, 12.0) if day % 7 < 2 else (3, 2.0)
        made += [incident(f"{day}-{i}", float(draw.exponential(scale)), day) for i in range(count)]
    kept = budget.apply(made, 2)
    weeks = [sum(len(shown(kept, day)) for day in range(first, first + 7)) / 14 for first in (7, 14, 21)]
    assert all(0.8 <= week <= 1 for week in weeks), weeks


def test_what_was_shown_stays_and_keeps_its_place() -> None:
    morning = budget.apply([*days(8), incident("a", 9.5, 8), incident("b", 9.6, 8)], 2)
    noon = [*morning, incident("c", 9.8, 8), incident("d", 9.9, 8)]
    assert shown(budget.apply(noon, 2), 8) == {"a", "b"}
    assert shown(budget.apply([*noon, incident("seldom", 80.0, 8)], 2), 8) == {"b", "seldom"}, "the weaker gives way"


def test_hourly_looks_show_about_what_one_look_shows() -> None:
    draw, first, seen = np.random.default_rng(8), days(0), dict[int, set[str]]()
    queue: list[Incident] = []
    plain: dict[int, set[str]] = {}
    for day in range(21):
        for hour in range(0, 24, 2):
            first += [incident(f"{day}-{hour}", float(draw.exponential(4)), day)] if draw.random() < 0.9 else []
            queue = budget.apply(lifecycle.carried(queue, first, {}), 3)
            seen.setdefault(day, set()).update(shown(queue, day))
            best = sorted((i for i in first if i.start.date() == (T0 + timedelta(days=day)).date()), key=budget.order)[:3]
            plain.setdefault(day, set()).update(i.id for i in best)
    judged = range(7, 21)
    assert sum(len(seen[day]) for day in judged) <= 1.2 * 3 * len(judged)
    assert sum(len(plain[day]) for day in judged) > 1.5 * 3 * len(judged), "the best so far of each hour is twice the budget"


def test_an_incident_that_takes_in_a_shown_one_was_shown() -> None:
    old = [msgspec.structs.replace(incident("old", 5.0, 0, shown=True), findings=("f1",))]
    new = [msgspec.structs.replace(incident("new", 9.0, 0), findings=("f0", "f1")), incident("other", 9.0, 0)]
    assert [i.shown for i in lifecycle.carried(old, new, {})] == [True, False]


def benign(seed: int, found_days: int = 24, hosts: int = 30, detectors: int = 12) -> list[Finding]:
    """Findings under the null: every detector looks at every host ten times a day, p-values are uniform, what they touch is chance."""
    draw, made = np.random.default_rng(seed), list[Finding]()
    for number in range(detectors):
        for _ in range(draw.binomial(hosts * 10 * found_days, 2.0**-7)):
            host, at = draw.integers(hosts), datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=24 * found_days * draw.random())
            bits = 7 + draw.exponential(1 / math.log(2))
            user = host if draw.random() < 0.9 else draw.integers(hosts)
            name = f"{len(made):05}"
            made.append(
                Finding(
                    id=name,
                    detector=f"d{number}",
                    title="x",
                    entity=f"host:h{host}",
                    start=at,
                    end=at + timedelta(minutes=9),
                    score=bits,
                    p=2.0**-bits,
                    n=9_999,
                    bits=bits,
                    reasons=(),
                    events=(name,),
                    n_events=1,
                    entities=(f"host:h{host}", f"user:u{user}", f"domain:x{min(int(draw.zipf(1.5)), 300)}.com"),
                )
            )
    return made


def test_rates_of_benign_incidents_are_what_they_say_and_bits_are_not() -> None:
    counts, over, judged = Counter[float](), 0, 0
    for seed in range(6):
        found = correlate(benign(seed), linger=timedelta(hours=24), min_bits=7, rule_min_bits=3)
        rated = [i.rate for i in budget.apply(found, 5) if i.rate is not None]
        judged += 24 - budget.WEEK
        over += sum(i.bits >= 10 for i in found if i.start >= datetime(2026, 3, 9, tzinfo=UTC))
        for rate in (0.5, 1.0, 2.0, 5.0):
            counts[rate] += sum(one <= rate for one in rated)
    for rate, count in counts.items():
        assert count / judged <= rate, f"{count / judged:.2f} a day came at a rate of at most {rate}"
    assert over / judged > 10 * 30 * 2.0**-10, "a sum of surprises is no surprise of as many bits: the reason why rates are counted"
