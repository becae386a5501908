"""What stands around an incident, as facts: what was found beside it, quiet hours, strange addresses, new roles; and which events bear a
finding. All counted over made records."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.analyst.bearing import MADE_UP, bearing
from nonself.analyst.facts import gather
from nonself.analyst.names import is_outside, is_person
from nonself.analyst.nearby import by_actor, near, quiet_hours
from nonself.analyst.records import Records, read
from nonself.core import events as frames
from nonself.core.finding import Finding
from nonself.core.incident import Incident
from nonself.ledger import Ledger
from nonself.ledger.batch import Batch, Offset, no_dead
from nonself.ledger.ledger import Conclusion

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def finding(
    name: str, at: datetime, *, detector: str = "odd", entity: str = "host:ws1", events: tuple[str, ...] = (), **more: Any
) -> Finding:
    return Finding(
        id=name, detector=detector, title=name, entity=entity, entities=(entity,), start=at, end=at, score=1.0, p=0.1, n=9,
        bits=more.get("bits", 12.0), reasons=(), events=events, n_events=len(events),
    )  # fmt: skip


def records(rows: list[Mapping[str, Any]], *findings: Finding, evidence: int = 0) -> Records:
    """A ledger of these events and findings; the incident is the first finding, which rests on the last `evidence` events."""
    made = [{"source": "s", "origin": "o", "record": n, "uid": frames.uid("s", b"%d" % n), **row} for n, row in enumerate(rows)]
    events = frames.conform(pl.DataFrame(made, infer_schema_length=None))
    first = Finding(**{**{f: getattr(findings[0], f) for f in Finding.__struct_fields__}, "events": tuple(events["uid"].tail(evidence))})
    incident = Incident(
        id="inc", title="t", bits=12.0, start=first.start, end=first.end, entities=first.entities, stages=(), findings=(first.id,),
        edges=(), n_events=evidence,
    )  # fmt: skip
    with Ledger.open(":memory:") as ledger:
        ledger.commit(Batch([Offset("o", "aa", "s", 1, 1, True, len(made), len(made), 0, 1)], events, {}, no_dead()))
        ledger.conclude(Conclusion([first, *findings[1:]], {}, [incident]))
        return read(ledger, incident)


def call(at: datetime, user: str = "ann", address: str = "203.0.113.5", **more: Any) -> dict[str, Any]:
    return {"class_uid": 6003, "status_id": 1, "op": "GetObject", "svc": "s3", "user": user, "src_ip": address, "time": at, **more}


def test_what_is_beside_an_incident_shares_an_actor_and_a_day() -> None:
    mine = finding("mine", MONDAY)
    others = [
        finding("soon", MONDAY + 20 * HOUR), finding("late", MONDAY + 26 * HOUR), finding("before", MONDAY - 20 * HOUR),
        finding("elsewhere", MONDAY, entity="host:ws2"), finding("outside", MONDAY, entity="ip:203.0.113.5"), mine,
    ]  # fmt: skip
    assert [f.id for f in near({"mine": mine}, by_actor(others))] == ["before", "soon"]


def test_the_second_telling_finding_counts_whether_in_the_incident_or_beside_it() -> None:
    row = [{"class_uid": 1007, "activity_id": 1, "host": "ws1", "time": MONDAY}]
    rule = finding("mine", MONDAY, detector="sigma:a")
    assert gather(records(row, rule, evidence=1)).near == 0.0
    assert gather(records(row, rule, finding("other", MONDAY + HOUR, detector="sigma:b"), evidence=1)).near == 12.0
    assert gather(records(row, rule, finding("other", MONDAY + 3 * DAY, detector="sigma:b"), evidence=1)).near == 0.0


def weeks() -> list[dict[str, Any]]:
    """Three people at work on ten workdays, from 8 to 18."""
    days = [MONDAY + n * DAY for n in range(14)]
    return [call(day + h * HOUR, user) for day in days if day.weekday() < 5 for h in range(8, 18) for user in ("ann", "bob", "cy")]


def test_quiet_hours_are_those_in_which_few_people_act() -> None:
    night = records([*weeks(), call(MONDAY + 15 * DAY + 3 * HOUR)], finding("mine", MONDAY + 15 * DAY, entity="user:ann"), evidence=1)
    assert (False, 3) in night.quiet and (True, 12) in night.quiet and (False, 9) not in night.quiet
    assert gather(night).out_of_hours == 1.0
    day = records([*weeks(), call(MONDAY + 15 * DAY + 9 * HOUR)], finding("mine", MONDAY + 15 * DAY, entity="user:ann"), evidence=1)
    assert gather(day).out_of_hours == 0.0


def test_no_hour_is_quiet_where_people_were_hardly_seen() -> None:
    few = records([call(MONDAY + h * HOUR) for h in range(9, 12)], finding("mine", MONDAY, entity="user:ann"), evidence=1)
    assert few.quiet == frozenset()
    machines = few.events.with_columns(pl.lit("user:ws1$").alias("@user"))
    assert quiet_hours(machines) == frozenset() == quiet_hours(machines.clear())


def test_a_role_is_new_that_was_hardly_taken() -> None:
    at, mine = MONDAY + 14 * DAY, finding("mine", MONDAY + 14 * DAY, entity="role:admin")
    acts = [call(at, role="admin")]
    assert gather(records(acts, mine, evidence=1)).new_roles == 1
    assert gather(records([*(call(MONDAY + n * DAY, role="admin") for n in range(5)), *acts], mine, evidence=1)).new_roles == 0


AMOUNTS = st.lists(st.none() | st.integers(-5, 10**12), min_size=1, max_size=12)


@settings(max_examples=25)
@given(AMOUNTS)
def test_an_amount_is_borne_by_the_largest_and_all_else_by_everything(amounts: list[int | None]) -> None:
    rows = [{"class_uid": 4001, "host": "ws1", "bytes_out": n, "time": MONDAY} for n in amounts]
    found = records(rows, finding("mine", MONDAY), evidence=len(rows))
    whole = found.findings["mine"]
    assert bearing(whole, found) == whole.events
    borne = bearing(Finding(**{**{f: getattr(whole, f) for f in Finding.__struct_fields__}, "detector": "data-out-by-service"}), found)
    sent = dict(found.events.select("uid", pl.col("bytes_out").fill_null(0).clip(lower_bound=0)).iter_rows())
    total = sum(sent.values())
    assert borne and set(borne) <= set(whole.events)
    assert sum(sent[uid] for uid in borne) >= MADE_UP * total
    if total:
        assert sum(sent[uid] for uid in borne) - min(sent[uid] for uid in borne) < MADE_UP * total, "none too many"


def test_evidence_that_is_gone_bears_nothing() -> None:
    found = records([{"class_uid": 4001, "host": "ws1", "time": MONDAY}], finding("mine", MONDAY), evidence=1)
    assert bearing(finding("gone", MONDAY, events=("nowhere",)), found) == ()


@pytest.mark.parametrize(
    ("name", "outside", "person"),
    [
        ("ip:203.0.113.5", True, False), ("ip:10.1.2.3", False, False), ("ip:172.20.0.1", False, False), ("ip:172.32.0.1", True, False),
        ("ip:127.0.0.1", False, False), ("ip:fe80::1", False, False), ("ip:2001:db8::1", True, False), ("ip:::1", False, False),
        ("user:corp\\ann", False, True), ("user:corp\\ws1$", False, False), ("user:system@ws1", False, False), ("host:a", False, False),
        ("user:nt authority\\local service", False, False),
    ],
)  # fmt: skip
def test_what_a_name_says(name: str, outside: bool, person: bool) -> None:
    assert (is_outside(name), is_person(name)) == (outside, person)


def test_facts_are_all_told() -> None:
    plain = records([{"class_uid": 1007, "host": "ws1", "time": MONDAY}], finding("mine", MONDAY), evidence=1)
    assert all(isinstance(value, int | float) for value in dataclasses.astuple(gather(plain)))
