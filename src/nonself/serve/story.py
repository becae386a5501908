"""A story: one incident with everything an analyst needs to judge it, read from the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from nonself.core.entities import ROLES, entities, kind
from nonself.core.events import Events
from nonself.core.finding import Finding
from nonself.core.incident import Incident
from nonself.ledger import Ledger

_PLOTTED = ("host", "user", "ip")
_PLOTS = 3
_AT_ONCE = 500_000
_ROLES = tuple(role.name for role in ROLES if role.kind in _PLOTTED)
_SOURCE_COLUMNS = ("user", "user_domain", "tgt_user", "tgt_domain", "host", "src_host", "dst_host", "src_ip", "dst_ip")


@dataclass(frozen=True, slots=True)
class Activity:
    """How much one entity did, hour by hour: columns hour (UTC), n (events); hours without events are not listed."""

    entity: str
    hours: tuple[datetime, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """`findings` strongest first; `evidence` all their kept events in time order; `activity` of the incident's first entities."""

    incident: Incident
    findings: tuple[Finding, ...]
    evidence: Events
    activity: tuple[Activity, ...]


def stories(ledger: Ledger, incidents: Sequence[Incident], *, activity: bool = True) -> list[Story]:
    """The stories of some incidents, in one pass over the lake for all of them."""
    by_id = {f.id: f for f in ledger.findings([name for i in incidents for name in i.findings])}
    told = {i.id: tuple(by_id[name] for name in i.findings if name in by_id) for i in incidents}
    wanted = sorted({uid for findings in told.values() for f in findings for uid in f.events})
    first, last = _days([f for findings in told.values() for f in findings])
    evidence = ledger.events(uids=wanted, day=first, last=last)
    plotted = {i.id: _plotted(i) for i in incidents} if activity else {}
    activities = _activities(ledger, {name for names in plotted.values() for name in names})
    return [
        Story(
            incident=i,
            findings=told[i.id],
            evidence=evidence.filter(pl.col("uid").is_in({uid for f in told[i.id] for uid in f.events})),
            activity=tuple(activities[name] for name in plotted.get(i.id, ()) if name in activities),
        )
        for i in incidents
    ]


def _days(findings: Sequence[Finding]) -> tuple[date | None, date | None]:
    """The days that the events of some findings are of: a lake of months is not searched for yesterday's."""
    if not findings:
        return None, None
    return min(f.start for f in findings).date(), max(f.end for f in findings).date()


def _plotted(incident: Incident) -> list[str]:
    return [name for name in incident.entities if kind(name) in _PLOTTED][:_PLOTS]


def _activities(ledger: Ledger, wanted: set[str]) -> dict[str, Activity]:
    """Hourly event counts of each wanted entity over everything the ledger holds."""
    hours: dict[str, dict[datetime, int]] = defaultdict(lambda: defaultdict(int))
    for first, last in ledger.spans(_AT_ONCE) if wanted else []:
        events = ledger.events(day=first, last=last, columns=["uid", "time", *_SOURCE_COLUMNS])
        met = entities(events, _ROLES).filter(pl.col("entity").is_in(wanted)).unique(["uid", "entity"])
        hourly = met.join(events.select("uid", pl.col("time").dt.truncate("1h")), on="uid").group_by("entity", "time").len()
        for name, hour, n in hourly.drop_nulls().iter_rows():
            hours[name][hour] += n
    return {name: _activity(name, counts) for name, counts in hours.items()}


def _activity(name: str, counts: dict[datetime, int]) -> Activity:
    ordered = sorted(counts.items())
    return Activity(name, tuple(hour for hour, _ in ordered), tuple(n for _, n in ordered))
