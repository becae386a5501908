"""Findings become incidents: joined for a stated reason, whatever the order, never through a hub, with what was looked at paid for."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from nonself.core.finding import Finding, Reason
from nonself.correlate import incidents
from nonself.correlate.significance import bits, fisher, independent

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def finding(name: str, minute: float, entities: tuple[str, ...], *, detector: str = "", surprise: float = 12.0, **more: object) -> Finding:
    when = T0 + timedelta(minutes=minute)
    fields = {
        "id": name, "detector": detector or f"d-{name}", "title": f"Finding {name}", "entity": entities[0], "entities": entities,
        "start": when, "end": when, "score": surprise, "p": 2**-surprise, "n": 9999, "bits": surprise,
        "reasons": (Reason(feature="f", seen="s", normal="n", bits=surprise),), "events": (f"event-{name}",), "n_events": 1,
    }  # fmt: skip
    return Finding(**{**fields, **more})  # type: ignore[arg-type]


def told(found: list[Finding], **options: object) -> list[set[str]]:
    return [set(i.findings) for i in incidents(found, **{"window": HOUR, "hub": 0.3, **options})]  # type: ignore[arg-type]


def test_shared_host_within_the_window_joins() -> None:
    found = [finding("a", 0, ("host:ws1",)), finding("b", 50, ("host:ws1",)), finding("c", 200, ("host:ws1",))]
    assert sorted(map(sorted, told(found))) == [["a", "b"], ["c"]]


def test_lasting_joints_reach_further() -> None:
    found = [finding("a", 0, ("host:ws1", "process:guid-1")), finding("b", 600, ("host:ws9", "process:guid-1"))]
    (incident,) = incidents(found, window=HOUR, hub=0.3)
    assert [(e.kind, e.entity) for e in incident.edges] == [("same process", "process:guid-1")]


def test_a_long_finding_holds_what_falls_within_it() -> None:
    long = finding("a", 0, ("host:ws1", "process:p"), end=T0 + timedelta(hours=40))
    assert told([long, finding("b", 2300, ("host:ws1", "process:p"))]) == [{"a", "b"}]
    assert told([long, finding("c", 2300, ("host:ws1",))]) == [{"a"}, {"c"}], "a day's total is close to everything: that joins nothing"


def test_a_hub_joins_nothing() -> None:
    found = [finding(f"f{i}", i, (f"host:ws{i}", "ip:10.0.0.53")) for i in range(12)]
    assert len(told(found)) == 12, "twelve hosts that met one resolver are no incident"
    assert told(found[:3]) == [{"f0", "f1", "f2"}], "three that met one address are"


def test_what_is_always_odd_joins_nothing_by_time() -> None:
    chronic = [finding(f"c{i:02}", i * 60, ("host:db01", f"user:u{i}")) for i in range(48)]
    attack = [finding("a1", 1001, ("host:ws1", "host:db01")), finding("a2", 1020, ("host:ws1",))]
    assert {"a1", "a2"} in told([*chronic, *attack]), "an attack that touches a noisy server must not drown in its noise"
    assert len(told(chronic[:6])) == 1, "in six hours nobody can tell what is chronic"


def test_one_connection_is_one_story_even_to_a_hub() -> None:
    hub = "ip:192.0.2.9"
    crowd = [finding(f"f{i}", i, (f"ip:10.0.0.{i}", hub)) for i in range(12)]
    beacon = [finding(f"b{day}", day * 1380, ("ip:10.0.9.9", hub)) for day in range(3)]
    assert {"b0", "b1", "b2"} in told([*crowd, *beacon])
    (edge, _) = next(i for i in incidents([*crowd, *beacon], window=HOUR, hub=0.3) if "b0" in i.findings).edges
    assert (edge.kind, edge.entity) == ("same connection", hub)


def test_the_busiest_host_is_no_hub_to_itself() -> None:
    found = [finding(f"f{i}", i, ("host:ws1",)) for i in range(40)]
    assert len(told(found)) == 1


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 5), st.integers(0, 3)), max_size=25), st.integers())
def test_order_of_arrival_is_of_no_matter(rows: list[tuple[int, int, int]], seed: int) -> None:
    found = [finding(f"{i:02}", minute, (f"host:h{host}", f"user:u{user}")) for i, (minute, host, user) in enumerate(rows)]
    expected = incidents(found, window=HOUR, hub=0.3)
    random.Random(seed).shuffle(found)
    assert incidents(found, window=HOUR, hub=0.3) == expected
    assert sorted(f for i in expected for f in i.findings) == sorted(f.id for f in found), "every finding is in exactly one incident"
    for incident in expected:
        assert len(incident.edges) == len(incident.findings) - 1, "edges are a spanning tree"


def test_growth_keeps_the_name() -> None:
    first = [finding("a", 0, ("host:ws1",)), finding("b", 5, ("host:ws1",))]
    grown = [*first, finding("c", 10, ("host:ws1",), surprise=40)]
    assert incidents(first, window=HOUR, hub=0.3)[0].id == incidents(grown, window=HOUR, hub=0.3)[0].id


@given(st.lists(st.floats(0.1, 60), min_size=1, max_size=30))
def test_fisher_is_the_chi_squared_tail(surprises: list[float]) -> None:
    expected = chi2.logsf(2 * math.log(2) * math.fsum(surprises), 2 * len(surprises)) / -math.log(2)
    assert fisher(surprises) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_fisher_of_one_is_itself_and_of_none_nothing() -> None:
    assert fisher([13.0]) == pytest.approx(13.0)
    assert fisher([]) == 0.0
    assert math.isfinite(fisher([1e4] * 500))


def test_looking_often_is_paid_for() -> None:
    once = [finding("a", 0, ("host:a",), detector="d")]
    often = [finding(f"a{i}", i, ("host:a",), detector="d") for i in range(64)]
    assert bits(once) == pytest.approx(12.0)
    assert bits(often) == pytest.approx(6.0), "the best of 64 looks is worth six bits less"


def test_many_rules_on_one_event_are_one_observation() -> None:
    same = [finding(f"r{i}", 0, ("host:a",), events=("one",)) for i in range(5)]
    assert len(independent(same)) == 1
    assert bits(same) == pytest.approx(12.0)


def test_story_is_told_in_order() -> None:
    found = [
        finding("late", 30, ("host:ws1", "user:corp\\ann"), attack=("T1003.001",), tactics=("credential-access",), surprise=20),
        finding("early", 0, ("host:ws1", "user:corp\\ann"), attack=("T1566.001",), tactics=("initial-access",)),
    ]
    (incident,) = incidents(found, window=HOUR, hub=0.3)
    assert [s.tactic for s in incident.stages] == ["initial-access", "credential-access"]
    assert incident.stages[1].techniques == ("T1003.001",)
    assert incident.entities[0] == "host:ws1"
    assert incident.title == "Finding late and 1 more on host ws1, user corp\\ann"
    assert incident.n_events == 2
