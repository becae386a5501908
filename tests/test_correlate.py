"""Findings become incidents: along edges that are paid for, whatever the order, bounded at hubs, the same in a stream and a batch."""

from __future__ import annotations

import math
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.core.finding import Finding, Reason
from nonself.core.incident import Incident
from nonself.correlate import incidents
from nonself.correlate.facts import Names
from nonself.correlate.graph import MARGIN, Graph
from nonself.correlate.significance import bits, essence, independent
from nonself.lab.bench_correlate import made_up

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(hours=24)


def finding(name: str, minute: float, entities: tuple[str, ...], *, detector: str = "", surprise: float = 12.0, **more: object) -> Finding:
    when = T0 + timedelta(minutes=minute)
    fields = {
        "id": name, "detector": detector or f"d-{name}", "title": f"Finding {name}", "entity": entities[0], "entities": entities,
        "start": when, "end": when, "score": surprise, "p": 2**-surprise, "n": 9999, "bits": surprise,
        "reasons": (Reason(feature="f", seen="s", normal="n", bits=surprise),), "events": (f"event-{name}",), "n_events": 1,
    }  # fmt: skip
    return Finding(**{**fields, **more})  # type: ignore[arg-type]


def correlated(found: list[Finding]) -> list[Incident]:
    return incidents(found, linger=DAY, min_bits=7, rule_min_bits=3)


def told(found: list[Finding]) -> list[set[str]]:
    return [set(i.findings) for i in correlated(found)]


def test_what_follows_soon_on_a_host_joins_and_what_comes_after_the_linger_does_not() -> None:
    found = [finding("a", 0, ("host:ws1",)), finding("b", 50, ("host:ws1",)), finding("c", 200, ("host:ws1",))]
    assert told(found) == [{"a", "b", "c"}]
    late = finding("d", 200 + 25 * 60, ("host:ws1",))
    assert sorted(map(sorted, told([*found, late]))) == [["a", "b", "c"], ["d"]]


def test_the_longer_the_wait_the_more_a_finding_must_bring() -> None:
    first = finding("a", 0, ("host:ws1",))
    assert told([first, finding("b", 5, ("host:ws1",), surprise=8)]) == [{"a", "b"}]
    assert len(told([first, finding("b", 20 * 60, ("host:ws1",), surprise=7)])) == 2
    assert told([first, finding("b", 20 * 60, ("host:ws1",), surprise=20)]) == [{"a", "b"}]


def test_a_story_goes_on_along_a_process_but_not_on_a_busy_host() -> None:
    chain = [finding(f"p{i}", i * 20 * 60, ("host:ws1", "process:guid-1"), surprise=30) for i in range(4)]
    assert len(told(chain)) == 1
    edges = correlated(chain)[0].edges
    assert [e.kind for e in edges] == ["same host", "same process", "same host"], "the host lingers for one day, then comes to it anew"
    alone = [finding(f"h{i}", i * 20 * 60, ("host:ws1",), surprise=30) for i in range(4)]
    assert len(told(alone)) > 1


def test_a_day_total_is_close_to_everything_and_joins_nothing_by_that() -> None:
    long = finding("a", 0, ("host:ws1", "process:p"), end=T0 + timedelta(hours=40))
    assert told([long, finding("b", 2300, ("host:ws1", "process:p"), surprise=20)]) == [{"a", "b"}]
    assert len(told([long, finding("c", 2300, ("host:ws1",), surprise=20)])) == 2


def test_an_edge_through_what_everybody_touches_costs() -> None:
    crowd = [finding(f"f{i:03}", i * 20, (f"host:ws{i}", "ip:10.0.0.53"), surprise=8) for i in range(100)]
    sizes = sorted((len(found) for found in told(crowd)), reverse=True)
    assert sizes[0] < 12 and len(sizes) > 60, "a hundred hosts that met one resolver are no incident"
    assert len(told([finding(f"g{i}", i, (f"host:ws{i}", "ip:10.0.0.53")) for i in range(3)])) == 1, "three that met one address are"


def test_an_attack_that_touches_a_noisy_server_does_not_drown() -> None:
    noise = [finding(f"c{i:02}", i * 60, ("host:db01", f"user:u{i}"), detector="d", surprise=8) for i in range(48)]
    attack = [finding("a1", 2001, ("host:ws1", "host:db01"), surprise=9), finding("a2", 2020, ("host:ws1",))]
    (story,) = [found for found in told([*noise, *attack]) if "a1" in found]
    assert "a2" in story and len(story) <= 3, "what came on that server in the same hour may be part of it"


def test_what_happens_now_holds_together_where_an_old_story_is_too_far() -> None:
    old, late = finding("a", 0, ("host:ws1",)), [finding(f"b{i}", 20 * 60 + i, ("host:ws1",), surprise=7) for i in range(5)]
    assert sorted(map(sorted, told([old, *late]))) == [["a"], ["b0", "b1", "b2", "b3", "b4"]]
    apart = [finding(f"b{i}", 14 * 60 + i * 90, ("host:ws1",), surprise=7) for i in range(5)]
    assert len(told([old, *apart])) == 6, "but only what happens within the hour"


def test_what_is_beside_takes_an_entity_that_its_story_has_left() -> None:
    """The attack comes while an old story holds the host, whose time is over before the attack's last part."""
    old, attack = (
        finding("a", 0, ("host:ws1",), surprise=40),
        [finding(f"b{i}", 23 * 60 + 40 + i, ("host:ws1",), surprise=7.5) for i in range(4)],
    )
    weak, last = finding("w", 24 * 60 + 50, ("host:ws1",), surprise=3), finding("c", 25 * 60 + 30, ("host:ws1",), surprise=9)
    assert {"b0", "b1", "b2", "b3", "c"} <= next(found for found in told([old, *attack, weak, last]) if "b0" in found)


def test_one_connection_is_one_story_even_to_a_hub() -> None:
    hub = "ip:192.0.2.9"
    crowd = [finding(f"f{i:02}", i * 20, (f"ip:10.0.0.{i}", hub), surprise=8) for i in range(60)]
    beacon = [finding(f"b{day}", day * 1380, ("ip:10.0.9.9", hub), detector="beacon") for day in range(3)]
    (story,) = [found for found in told([*crowd, *beacon]) if "b0" in found]
    assert story >= {"b0", "b1", "b2"} and len(story) < 6
    edges = next(i for i in correlated([*crowd, *beacon]) if "b0" in i.findings).edges
    assert ("same connection", hub) in {(e.kind, e.entity) for e in edges if {e.a, e.b} <= {"b0", "b1", "b2"}}


def test_a_strong_story_displaces_a_weak_one() -> None:
    weak, strong = finding("w", 0, ("host:h", "user:a"), surprise=9), finding("s", 1200, ("user:b", "host:h"), surprise=11, detector="s")
    noise = [finding(f"n{i}", -900 + i, ("host:h",), detector="n", surprise=9) for i in range(12)]
    after = finding("x", 1201, ("user:b", "host:h"), surprise=20)
    stories = told([*noise, weak, strong, after])
    assert next(s for s in stories if "x" in s) >= {"s", "x"} and all("w" not in s for s in stories if "x" in s)


def test_one_finding_may_make_two_stories_one_where_it_pays_for_both() -> None:
    left, right = finding("a", 0, ("host:a",)), finding("b", 1, ("host:b",))
    both = finding("c", 5, ("user:u", "host:a", "host:b"), surprise=20)
    (incident,) = correlated([left, right, both])
    assert set(incident.findings) == {"a", "b", "c"} and len(incident.edges) == 2
    assert len(told([left, right, finding("c", 5, ("user:u", "host:a", "host:b"), surprise=3)])) > 1


ROWS = st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 5), st.integers(0, 3), st.integers(3, 20)), max_size=30)


def made(rows: list[tuple[int, int, int, int]]) -> list[Finding]:
    return [
        finding(f"{i:02}", minute, (f"host:h{host}", f"user:u{user}"), detector=f"d{user}", surprise=float(more))
        for i, (minute, host, user, more) in enumerate(rows)
    ]


@given(ROWS, st.integers())
@settings(max_examples=40)
def test_order_of_arrival_is_of_no_matter(rows: list[tuple[int, int, int, int]], seed: int) -> None:
    found = made(rows)
    expected = correlated(found)
    random.Random(seed).shuffle(found)
    assert correlated(found) == expected
    assert sorted(f for i in expected for f in i.findings) == sorted(f.id for f in found), "every finding is in exactly one incident"
    for incident in expected:
        assert len(incident.edges) == len(incident.findings) - 1, "edges are a spanning tree"


@given(ROWS, st.integers(0, 30))
@settings(max_examples=40)
def test_a_stream_and_a_batch_end_in_the_same_stories(rows: list[tuple[int, int, int, int]], cut: int) -> None:
    found = sorted(made(rows), key=lambda f: (f.start, f.end, f.id))
    names, stream = Names(), Graph()
    for part in (found[:cut], found[cut:]):
        stream.add(names.facts(part, lambda _: 8.0), names.lasting)
    other, batch = Names(), Graph()
    batch.add(other.facts(found, lambda _: 8.0), other.lasting)
    assert (stream.stories.gain, stream.stories.links) == (batch.stories.gain, batch.stories.links)
    assert [stream.stories.root(s) for s in stream.stories.home] == [batch.stories.root(s) for s in batch.stories.home]


def test_a_graph_refuses_what_comes_late() -> None:
    names, graph = Names(), Graph()
    graph.add(names.facts([finding("b", 60, ("host:a",))], lambda _: 8.0), names.lasting)
    with pytest.raises(ValueError, match="in order of start"):
        graph.add(names.facts([finding("a", 0, ("host:a",))], lambda _: 8.0), names.lasting)


def test_far_off_times_and_odd_entities_harm_nothing() -> None:
    odd = [
        finding("y1", 0, ("host:ws1",), start=datetime(1, 1, 1, tzinfo=UTC), end=datetime(9999, 12, 31, tzinfo=UTC)),
        finding("none", 0, ("source:x",)),
        finding("huge", 1, ("host:" + "x" * 100_000, *(f"ip:{i}" for i in range(500))), surprise=1e300),
        finding("zero", 2, ("host:ws1",), surprise=0.0),
    ]
    usual = [finding(f"f{i}", i * 60, ("host:ws1",), detector="d", surprise=8) for i in range(10)]
    assert sum(len(found) for found in told([*odd, *usual])) == 14
    assert all(math.isfinite(i.bits) for i in correlated([*odd, *usual]))


def test_growth_keeps_the_name() -> None:
    first = [finding("a", 0, ("host:ws1",)), finding("b", 5, ("host:ws1",))]
    grown = [*first, finding("c", 10, ("host:ws1",), surprise=40)]
    before, after = correlated(first)[0], correlated(grown)[0]
    assert before.id == after.id and before.raised == after.raised and after.changed > before.changed  # type: ignore[operator]


def gains(found: list[Finding]) -> dict[str, float]:
    return {f.id: f.bits for f in found}


def test_looking_often_is_paid_for() -> None:
    once = [finding("a", 0, ("host:a",), detector="d")]
    often = [finding(f"a{i}", i, ("host:a",), detector="d") for i in range(64)]
    assert bits(once, gains(once)) == pytest.approx(12.0)
    assert bits(often, gains(often)) == pytest.approx(6.0), "the best of 64 looks is worth six bits less"


def test_the_essence_is_the_fewest_events_that_carry_the_weight() -> None:
    found = [finding("a", 0, ("host:a",), surprise=40), finding("b", 1, ("host:a",), surprise=30), finding("c", 2, ("host:a",), surprise=2)]
    assert essence(found, gains(found)) == ("event-a", "event-b")


def test_roles_are_told() -> None:
    found = [
        finding("a", 0, ("host:ws1", "user:ann")), finding("b", 5, ("host:ws2", "user:ann"), surprise=20),
        finding("c", 9, ("host:dc1", "user:ann"), surprise=20),
    ]  # fmt: skip
    (incident,) = correlated(found)
    assert [(r.name, r.entity) for r in incident.roles] == [("patient zero", "host:ws1"), ("pivot", "user:ann"), ("target", "host:dc1")]
    (incident,) = correlated([*found, finding("d", 11, ("host:ws9", "user:ann"), surprise=9)])
    assert incident.roles[-1].entity == "host:dc1", "what hardly counts is no target, though it comes last"


def test_a_hub_of_many_edges_is_cheap() -> None:
    facts, entities = made_up(20_000, hub=5_000)
    graph = Graph()
    graph.add(facts, [False] * entities)
    assert len(graph) == 20_000
    biggest = Counter(graph.stories.root(s) for s in graph.stories.home).most_common(1)[0][1]
    assert biggest < 2_000, "the hub makes no incident of its own"
    assert MARGIN > 0


def test_many_rules_on_one_event_are_one_observation() -> None:
    same = [finding(f"r{i}", 0, ("host:a",), events=("one",)) for i in range(5)]
    assert len(independent(same, gains(same))) == 1
    assert bits(same, gains(same)) == pytest.approx(12.0)


def test_story_is_told_in_order() -> None:
    found = [
        finding("late", 30, ("host:ws1", "user:corp\\ann"), attack=("T1003.001",), tactics=("credential-access",), surprise=20),
        finding("early", 0, ("host:ws1", "user:corp\\ann"), attack=("T1566.001",), tactics=("initial-access",)),
    ]
    (incident,) = correlated(found)
    assert [s.tactic for s in incident.stages] == ["initial-access", "credential-access"]
    assert incident.stages[1].techniques == ("T1003.001",)
    assert incident.entities[0] == "host:ws1"
    assert incident.title == "Finding late and 1 more on host ws1, user corp\\ann"
    assert incident.n_events == 2


def test_an_act_counts_once_however_many_sensors_saw_it() -> None:
    asked = finding("name", 0, ("host:ws1", "domain:new.example"))
    seen = finding("tls", 0.1, ("ip:10.0.0.7", "domain:new.example", "ip:198.51.100.4"))
    went = finding("address", 0.2, ("host:ws1", "ip:198.51.100.4", "process:p"), surprise=14)
    assert independent([asked, seen, went], gains([asked, seen, went])) == [went], "one visit to a new place, by steps"
    again = finding("later", 30, ("host:ws1", "ip:198.51.100.4"))
    other = finding("other", 0.2, ("host:ws1", "ip:198.51.100.9"))
    whole = finding("day", 0, ("ip:10.0.0.7", "ip:198.51.100.4"), end=T0 + timedelta(hours=9))
    rule = finding("rule", 0.2, ("host:ws1", "ip:198.51.100.4"), detector="sigma:r")
    for more in (again, other, whole, rule):
        told_ = independent([asked, seen, went, more], gains([asked, seen, went, more]))
        assert {f.id for f in told_} == {"address", more.id}, "another time, another thing, no single act, or a rule"
