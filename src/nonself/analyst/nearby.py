"""What stands around an incident: what else was found of the same accounts and machines within a day of it, and which hours of the week are
quiet here, so that what happens in them is out of hours.

An hour of workdays or of the weekend is quiet if fewer than `QUIET` as many people act in it, on average over the days, as in the eight
busiest hours of workdays. Where people were seen on fewer than `LEAST_DAYS` days no hour is quiet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import polars as pl

from nonself.analyst.names import is_outside, is_person
from nonself.core.entities import kind
from nonself.core.events import Events
from nonself.core.finding import Finding

WITHIN = timedelta(days=1)
QUIET, LEAST_DAYS = 0.25, 5
_ACTS = (1007, 3001, 3002, 6001, 6003, 6005)
_BUSIEST = 8

Hour = tuple[bool, int]
"""Whether it is a weekend's, and the hour (UTC)."""


def by_actor(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Account, machine or inside address -> the findings it takes part in."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        for name in _actors(finding):
            found.setdefault(name, []).append(finding)
    return found


def near(findings: Mapping[str, Finding], told: Mapping[str, Sequence[Finding]]) -> tuple[Finding, ...]:
    """Findings beside these, by id, in which one of their accounts or machines takes part within a day of theirs; `told` is `by_actor`."""
    spans: dict[str, tuple[datetime, datetime]] = {}
    for finding in findings.values():
        for name in _actors(finding):
            first, last = spans.get(name, (finding.start, finding.end))
            spans[name] = min(first, finding.start), max(last, finding.end)
    found = {
        other.id: other
        for name, (first, last) in spans.items()
        for other in told.get(name, ())
        if other.id not in findings and other.start - last <= WITHIN and first - other.end <= WITHIN
    }
    return tuple(found[name] for name in sorted(found))


def _actors(finding: Finding) -> Iterable[str]:
    for name in dict.fromkeys((finding.entity, *finding.entities)):
        what = kind(name)
        if what == "host" or is_person(name) or (what == "ip" and not is_outside(name)):
            yield name


def quiet_hours(events: Events) -> frozenset[Hour]:
    """The quiet hours, by events with the columns of `Records`."""
    acts = events.filter(pl.col("class_uid").is_in(_ACTS) & pl.col("@user").is_not_null() & pl.col("time").is_not_null())
    people = [name for name in acts["@user"].unique().to_list() if is_person(name)]
    met = acts.filter(pl.col("@user").is_in(people)).select("@user", pl.col("time").dt.truncate("1h")).unique()["time"].to_list()
    days = Counter(day.weekday() >= 5 for day in {time.date() for time in met})
    if days.total() < LEAST_DAYS or not days[False]:
        return frozenset()
    counts = Counter(hour(time) for time in met)
    rate = {(weekend, h): counts[weekend, h] / max(1, days[weekend]) for weekend in (False, True) for h in range(24)}
    busy = sum(sorted(rate[False, h] for h in range(24))[-_BUSIEST:]) / _BUSIEST
    return frozenset(one for one, n in rate.items() if n < QUIET * busy)


def hour(time: datetime) -> Hour:
    """The hour of workdays or of the weekend that a time is in."""
    return time.weekday() >= 5, time.hour
