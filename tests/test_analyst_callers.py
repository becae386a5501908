"""Where machines call and what recurs: a lone outside address at night, many names under one domain, the same thing day after day."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from nonself.analyst.facts import gather, lasting
from nonself.analyst.records import Records, read, same
from nonself.core import events as frames
from nonself.core.finding import Finding, Reason
from nonself.core.incident import Incident
from nonself.ledger import Ledger
from nonself.ledger.batch import Batch, Offset, no_dead
from nonself.ledger.ledger import Conclusion

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OURS, THEIRS, RESOLVER = "10.1.0.5", "198.51.100.7", "10.1.0.1"


def finding(name: str, at: datetime, *, seen: str = "", events: tuple[str, ...] = (), detector: str = "odd") -> Finding:
    reason = Reason(feature="what", seen=seen, normal="", bits=9.0)
    return Finding(
        id=name, detector=detector, title=name, entity=f"ip:{OURS}", entities=(f"ip:{OURS}", f"ip:{THEIRS}"), start=at, end=at, score=1.0,
        p=0.1, n=9, bits=9.0, reasons=(reason,), events=events, n_events=len(events),
    )  # fmt: skip


def records(rows: list[Mapping[str, Any]], *findings: Finding, more: tuple[str, ...] = ()) -> Records:
    """A ledger of these events, three people's weeks beside them, and findings, of which the first is the incident, with all of `rows`."""
    days = [MONDAY + n * DAY for n in range(12) if (MONDAY + n * DAY).weekday() < 5]
    work = [{"class_uid": 6003, "user": who, "time": day + h * HOUR} for day in days for h in range(8, 18) for who in ("ann", "bob", "cy")]
    made = [{"source": "s", "origin": "o", "record": n, "uid": frames.uid("s", b"%d" % n), **row} for n, row in enumerate([*rows, *work])]
    events = frames.conform(pl.DataFrame(made, infer_schema_length=None))
    first = finding("mine", MONDAY + 9 * DAY, events=tuple(events["uid"].head(len(rows))))
    incident = Incident(
        id="inc", title="t", bits=9.0, start=first.start, end=first.end, entities=(*first.entities, *more), stages=(),
        findings=(first.id, *(f.id for f in findings)), edges=(), n_events=len(rows),
    )  # fmt: skip
    with Ledger.open(":memory:") as ledger:
        ledger.commit(Batch([Offset("o", "aa", "s", 1, 1, True, len(made), len(made), 0, 1)], events, {}, no_dead()))
        ledger.conclude(Conclusion([first, *findings], {}, [incident]))
        return read(ledger, incident)


def flow(at: datetime, src: str = OURS, dst: str = THEIRS) -> dict[str, Any]:
    return {"class_uid": 4001, "src_ip": src, "dst_ip": dst, "time": at}


NIGHTS = [flow(MONDAY + 8 * DAY + h * HOUR + timedelta(minutes=m)) for h in (0, 1, 2, 23, 25) for m in (5, 40)]


def test_a_lone_caller_is_counted_by_the_quiet_hour() -> None:
    by_day = [flow(MONDAY + 8 * DAY + h * HOUR) for h in (9, 10, 11)]
    assert gather(records([*NIGHTS, *by_day])).lone_hours == 5
    assert gather(records(by_day)).lone_hours == 0, "people are at work"
    assert gather(dataclasses.replace(records(NIGHTS), complete=False)).lone_hours == 0, "others may have met it"


@pytest.mark.parametrize(
    ("more", "hours"),
    [
        ([flow(MONDAY + 8 * DAY + 9 * HOUR, "10.1.0.6")], 0),  # another machine met it on that day
        ([flow(MONDAY + 2 * DAY + 9 * HOUR, "10.1.0.6")], 5),  # the address was lent to another machine before
        ([flow(MONDAY + n * DAY + 9 * HOUR) for n in range(12)], 0),  # it is met every day: part of the house
    ],
)
def test_what_others_or_all_days_meet_is_not_lone(more: list[dict[str, Any]], hours: int) -> None:
    assert gather(records([*NIGHTS, *more])).lone_hours == hours


def asked(name: str, src: str = OURS, at: datetime = MONDAY + 9 * DAY) -> dict[str, Any]:
    return {"class_uid": 4003, "src_ip": src, "query": name, "time": at}


def test_names_under_one_domain_are_those_of_the_machine_and_its_resolver() -> None:
    tunnel = [asked(f"{n:04x}.t.harbourloom.example.com", src) for n in range(40) for src in (OURS, RESOLVER)]
    also = (f"ip:{RESOLVER}",)
    assert gather(records([*tunnel, asked("www.example.org")], more=also)).under_one == 40
    assert gather(records([asked(f"{n}.co.uk") for n in range(40)])).under_one == 1, "a public suffix is nobody's domain"
    shared = [asked(f"{n}.cdn.example.com", src) for n in range(40) for src in (OURS, "10.1.0.6", "10.1.0.7")]
    assert gather(records(shared, more=("ip:10.1.0.6", "ip:10.1.0.7"))).under_one == 0, "others ask for it too"
    assert gather(records([asked(f"{n}.example.com", at=MONDAY + 8 * DAY) for n in range(40)])).under_one == 0, "another day"


def test_the_same_is_what_was_seen_without_what_passes() -> None:
    days = [MONDAY + n * DAY for n in range(4)]
    backup = [finding(f"b{n}", day, seen=f"sent {n}.5 GB to 10.0.0.{n} on {day:%A}") for n, day in enumerate(days)]
    others = [finding(f"p{n}", day, seen=f"ran {name}") for n, (name, day) in enumerate(zip(("curl", "nc", "cat"), days, strict=False))]
    found = records([flow(MONDAY)], *backup, *others)
    assert len({same(f) for f in backup}) == 1 and all(lasting(f, found) for f in backup)
    assert not any(lasting(f, found) for f in others), "other programs on other days"


def test_failures_of_what_is_no_news_do_not_count() -> None:
    uids = tuple(frames.uid("s", b"%d" % n) for n in range(6))
    rows = [{"class_uid": 3002, "activity_id": 1, "status_id": 2, "src_ip": OURS, "time": MONDAY + n * HOUR} for n in range(6)]
    daily = [finding(f"g{n}", MONDAY + n * DAY, seen="guesses", events=uids) for n in range(3)]
    found = records(rows, *daily)
    assert gather(found).failures == 6
    assert gather(dataclasses.replace(found, findings={f.id: f for f in daily})).failures == 0


def test_deeds_are_acts_in_the_cloud_of_a_detector_that_hardly_speaks() -> None:
    acts = [{"class_uid": 6003, "user": "ann", "time": MONDAY + n * HOUR} for n in range(5)]
    assert gather(records(acts)).deeds == 5
    assert gather(records([*acts, flow(MONDAY)])).deeds == 0, "not of the cloud alone"
