"""What carries an incident: findings that hang together and tell; not what is found every day, nor what only shares a busy machine."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.analyst.carrying import carrying
from nonself.analyst.facts import gather
from nonself.analyst.records import Records, read, same
from nonself.core.finding import Finding
from nonself.lab.injection import state

T0 = datetime(2026, 3, 4, 10, tzinfo=UTC)


def finding(name: str, detector: str, hours: float = 0.0, bits: float = 15.0, entities: tuple[str, ...] = ()) -> Finding:
    at = T0 + timedelta(hours=hours)
    return Finding(
        id=name, detector=detector, title=name, entity="host:ws1", entities=("host:ws1", *entities), start=at, end=at, score=bits, p=0.1,
        n=9, bits=bits, reasons=(), events=(f"e-{name}",), n_events=1,
    )  # fmt: skip


def records(*findings: Finding, spread: dict[str, int] | None = None, days: int = 1, lasting: str = "") -> Records:
    ledger, incident = state(True)
    with ledger:
        base = read(ledger, incident)
    met = {same(f): frozenset(date(2026, 3, n + 1) for n in range(5 if f.detector == lasting else days)) for f in findings}
    told = {f.detector: (spread or {}).get(f.detector, 1) for f in findings}
    return Records(incident, {f.id: f for f in findings}, base.events, base.span, met, told, 500, True, base.places)


def test_what_hangs_together_is_told_and_the_rest_is_not() -> None:
    found = records(
        finding("drop", "a", 0, entities=("file:x",)), finding("run", "b", 5, entities=("file:x", "ip:203.0.113.9")),
        finding("call", "c", 30, entities=("ip:203.0.113.9",)), finding("patch", "d", 40, bits=3.0, entities=("ip:10.0.0.9",)),
    )  # fmt: skip
    assert carrying(found) == {"drop", "run", "call"}


def test_a_machine_joins_what_is_near_in_time_and_an_inside_address_nothing() -> None:
    near, far = finding("near", "b", 1.5, bits=3.5), finding("far", "c", 9, bits=3.5, entities=("ip:10.0.0.9",))
    assert carrying(records(finding("seed", "a", entities=("ip:10.0.0.9",)), near, far)) == {"seed", "near"}


def test_what_everybody_has_or_every_day_brings_carries_nothing() -> None:
    seed, noise, daily = finding("seed", "a"), finding("noise", "loud", 9), finding("daily", "old", 18)
    assert carrying(records(seed, noise, daily, spread={"loud": 40}, lasting="old")) == {"seed"}
    assert carrying(records(seed, finding("calls", "beacon-address", 9), lasting="beacon-address")) == {"seed", "calls"}
    assert carrying(records(noise, daily, spread={"loud": 40}, lasting="old")) == {"noise", "daily"}, "where nothing tells, all is told"


NAMES = st.sampled_from(["file:x", "user:u", "ip:8.8.8.8"])


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(-5, 300), st.floats(0, 90), NAMES), max_size=9))
def test_something_carries_and_order_is_of_no_matter(made: list[tuple[str, float, float, str]]) -> None:
    findings = [finding(f"f{n}", detector, hours, bits, (entity,)) for n, (detector, bits, hours, entity) in enumerate(made)]
    one, two = records(*findings), records(*reversed(findings))
    assert carrying(one) == carrying(two) and (not findings or carrying(one)) and carrying(one) <= one.findings.keys()
    assert gather(one) == gather(two)


def test_detectors_that_are_silent_in_a_ledger_that_hears_nothing_tell_little() -> None:
    one = records(finding("seed", "a"))
    few = Records(one.incident, one.findings, one.events, one.span, one.days, one.spread, 1, True, one.places)
    assert gather(one).best == 15.0 and gather(few).best == 3.0
