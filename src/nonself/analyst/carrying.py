"""Which findings of an incident carry it: those its story is told by. The rest merely happened to the same machines at the time.

Findings hang together where they share an event; a process, file, hash, credential, outside address or name; or, within `NEAR` of each
other, an account or a machine. Of the groups that this makes, those carry the incident in which findings of different detectors together
tell (`facts.tells`) at least a `LEAST` part of what the most telling group does. What is found of the same entity day after day carries
nothing, unless it is a call at regular times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import pairwise

from nonself.analyst.facts import lasting, tells
from nonself.analyst.queries import is_outside
from nonself.analyst.records import Records
from nonself.core.entities import kind
from nonself.core.finding import Finding

NEAR = timedelta(hours=2)
LEAST = 0.25
_LASTING = ("process", "file", "hash", "cred", "domain")
_MACHINES = ("system", "local service", "network service")


def carrying(records: Records) -> frozenset[str]:
    """Ids of the findings that carry the incident; all of them where none tells anything."""
    fresh = sorted((f for f in records.findings.values() if not lasting(f, records)), key=lambda f: (f.start, f.id))
    groups = [(_told(group, records), group) for group in _groups(fresh)]
    most = max((told for told, _ in groups), default=0.0)
    if not most:
        return frozenset(records.findings)
    return frozenset(f.id for told, group in groups if told >= LEAST * most for f in group)


def _told(group: Iterable[Finding], records: Records) -> float:
    best: dict[str, float] = {}
    for finding in group:
        best[finding.detector] = max(best.get(finding.detector, 0.0), tells(finding, records))
    return sum(best.values())


def _groups(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Findings, in order of start, by what they hang together with (union-find)."""
    home = list(range(len(findings)))

    def root(place: int) -> int:
        while home[place] != place:
            home[place] = home[home[place]]
            place = home[place]
        return place

    met: dict[str, list[int]] = defaultdict(list)
    for place, finding in enumerate(findings):
        for name in (*finding.events, *_joints(finding)):
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
        what, value = kind(name), name.partition(":")[2]
        outside = what == "ip" and is_outside(value)
        person = what == "user" and not value.endswith("$") and value.partition("@")[0].rpartition("\\")[2] not in _MACHINES
        if what in _LASTING or what == "host" or outside or person:
            yield name
