"""Which findings of an incident carry it: those its story is told by. The rest merely happened to the same machines at the time.

Findings hang together where they share an event; a process, file, hash, credential, outside address or name that was not met here before
the incident; or, within `NEAR` of each other, an account or a machine. Of the groups that this makes, those carry the incident in which
findings of different detectors together tell (`facts.tells`) at least a `LEAST` part of what the most telling group does; and in these the
findings that themselves tell `SAYS` bits, or the most telling one: what many others have too may merely have happened at the time. What is
found of the same entity day after day carries nothing, unless it is a call at regular times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import pairwise

import polars as pl

from nonself.analyst.facts import lasting, tells
from nonself.analyst.names import is_outside, is_person
from nonself.analyst.records import ROLE_COLUMNS, Records
from nonself.core.entities import kind
from nonself.core.finding import Finding

NEAR = timedelta(hours=2)
LEAST = 0.25
SAYS = 3.0
_LASTING = ("process", "file", "hash", "cred", "domain")


def carrying(records: Records) -> frozenset[str]:
    """Ids of the findings that carry the incident; all of them where none tells anything."""
    fresh = sorted((f for f in records.findings.values() if not lasting(f, records)), key=lambda f: (f.start, f.id))
    groups = [(_told(group, records), group) for group in _groups(fresh, _known(records))]
    most = max((told for told, _ in groups), default=0.0)
    if not most:
        return frozenset(records.findings)
    carry = [(tells(f, records), f.id) for told, group in groups if told >= LEAST * most for f in group]
    least = min(SAYS, max(carry)[0])
    return frozenset(name for bits, name in carry if bits >= least)


def _told(group: Iterable[Finding], records: Records) -> float:
    best: dict[str, float] = {}
    for finding in group:
        best[finding.detector] = max(best.get(finding.detector, 0.0), tells(finding, records))
    return sum(best.values())


def _known(records: Records) -> frozenset[str]:
    """Things that were met a day and more before the incident: that two findings share one of them says nothing."""
    before = records.events.filter(pl.col("time") < records.incident.start - timedelta(days=1))
    names = [name for what in (*_LASTING, "ip") for name in ROLE_COLUMNS[what]]
    return frozenset(value for name in names for value in before[name].drop_nulls().unique().to_list())


def _groups(findings: Sequence[Finding], known: frozenset[str]) -> list[list[Finding]]:
    """Findings, in order of start, by what they hang together with (union-find); `known` things join none."""
    home = list(range(len(findings)))

    def root(place: int) -> int:
        while home[place] != place:
            home[place] = home[home[place]]
            place = home[place]
        return place

    met: dict[str, list[int]] = defaultdict(list)
    for place, finding in enumerate(findings):
        for name in (*finding.events, *(name for name in _joints(finding) if name not in known)):
            met[name].append(place)
    for name, places in met.items():
        for a, b in pairwise(places):
            if kind(name) not in ("user", "host") or findings[b].start - findings[a].end <= NEAR:
                home[root(a)] = root(b)
    groups: dict[int, list[Finding]] = defaultdict(list)
    for place, finding in enumerate(findings):
        groups[root(place)].append(finding)
    return list(groups.values())


def _joints(finding: Finding) -> Iterator[str]:
    for name in dict.fromkeys((finding.entity, *finding.entities)):
        if kind(name) in (*_LASTING, "host") or is_outside(name) or is_person(name):
            yield name
