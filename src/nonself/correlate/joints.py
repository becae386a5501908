"""Joints: what makes two findings one story, and how far apart in time each kind of joint may reach."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from nonself.core.entities import kind
from nonself.core.finding import Finding


@dataclass(frozen=True, slots=True)
class Joint:
    """An edge kind: its name for people, and whether it holds for a day (`lasting`) or for the correlation window only."""

    name: str
    lasting: bool


JOINTS: dict[str, Joint] = {
    "process": Joint("same process", lasting=True),
    "hash": Joint("same hash", lasting=True),
    "cred": Joint("same credential", lasting=True),
    "domain": Joint("same domain", lasting=True),
    "file": Joint("same file", lasting=True),
    "resource": Joint("same resource", lasting=True),
    "ip": Joint("same address", lasting=False),
    "host": Joint("same host", lasting=False),
    "user": Joint("same user", lasting=False),
    "role": Joint("same role", lasting=False),
}
"""Entity kind -> joint, strongest first: a pair joined in several ways is told by the first."""

LASTING = timedelta(hours=24)
HUB_AT_LEAST = 5
"""An entity is no hub before this many different subjects touch it, whatever their share."""


@dataclass(frozen=True, slots=True)
class Link:
    """Findings `a` and `b` (indices) share `entity`."""

    a: int
    b: int
    kind: str
    entity: str


def links(findings: Sequence[Finding], window: timedelta, hub: float) -> Iterator[Link]:
    """Links between findings that share an entity within its joint's reach, strongest kinds first; each entity gives a chain, not a clique.

    Findings must be in order of start. An entity that findings about more than `hub` of all subjects touch (a domain controller, a
    resolver, a scanner's target) joins nothing: sharing it is no news.
    """
    touched: dict[str, list[int]] = defaultdict(list)
    for index, finding in enumerate(findings):
        for entity in dict.fromkeys((finding.entity, *finding.entities)):
            touched[entity].append(index)
    subjects = len({finding.entity for finding in findings})
    for entity_kind, joint in JOINTS.items():
        reach = max(LASTING, window) if joint.lasting else window
        for entity in sorted(name for name in touched if kind(name) == entity_kind):
            members = touched[entity]
            if not _is_hub(findings, members, entity, subjects, hub):
                yield from _chain(findings, members, joint.name, entity, reach)


def _is_hub(findings: Sequence[Finding], members: list[int], entity: str, subjects: int, hub: float) -> bool:
    others = len({findings[index].entity for index in members} - {entity})
    return others >= HUB_AT_LEAST and others > hub * subjects


def _chain(findings: Sequence[Finding], members: list[int], name: str, entity: str, reach: timedelta) -> Iterator[Link]:
    """Links between neighbours in time; `until` is the latest end so far, so that a long finding holds what falls within it."""
    last, until = members[0], findings[members[0]].end
    for index in members[1:]:
        if findings[index].start - until <= reach:
            yield Link(last, index, name, entity)
        last, until = index, max(until, findings[index].end)


def span(findings: Sequence[Finding]) -> tuple[datetime, datetime]:
    """First start and last end."""
    return min(f.start for f in findings), max(f.end for f in findings)
