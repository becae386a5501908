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
    """An edge kind: its name for people, whether it holds for a day (`lasting`) or for the correlation window only, and whether what is
    shared is somebody's `own` (an account, a process), so that sharing it joins even where many others met it."""

    name: str
    lasting: bool
    own: bool = False


JOINTS: dict[str, Joint] = {
    "process": Joint("same process", lasting=True, own=True),
    "hash": Joint("same hash", lasting=True),
    "cred": Joint("same credential", lasting=True, own=True),
    "domain": Joint("same domain", lasting=True),
    "file": Joint("same file", lasting=True),
    "resource": Joint("same resource", lasting=True),
    "ip": Joint("same address", lasting=False),
    "host": Joint("same host", lasting=False),
    "user": Joint("same user", lasting=False, own=True),
    "role": Joint("same role", lasting=False),
}
"""Entity kind -> joint, strongest first: a pair joined in several ways is told by the first."""

LASTING = timedelta(hours=24)
FEW = 3
"""So many subjects may share what is nobody's own (a server, a domain, a file) and be joined by that alone."""
HUB_AT_LEAST = 5
"""An entity is no hub before this many different subjects touch it, whatever their share."""


CHRONIC = 0.2
CHRONIC_AT_LEAST = 24
"""An entity with findings in a fifth of all windows is always odd; in fewer windows than a day of hours nobody can tell."""


@dataclass(frozen=True, slots=True)
class Link:
    """Findings `a` and `b` (indices) share `entity`."""

    a: int
    b: int
    kind: str
    entity: str


def links(findings: Sequence[Finding], window: timedelta, hub: float) -> Iterator[Link]:
    """Links between findings that share a connection or an entity within its joint's reach, strongest kinds first; each gives a chain,
    not a clique.

    Findings must be in order of start. An entity that findings about more than `hub` of all subjects touch (a domain controller, a
    resolver, a scanner's target) joins nothing: sharing it is no news. One with findings in more than `CHRONIC` of all windows (a server
    that is odd at all hours) joins only what repeats itself: that two of its findings are close in time is no news either. And a finding
    that is itself longer than two windows (a day's total) is close to everything, so closeness in time joins it to nothing.
    """
    touched: dict[str, list[int]] = defaultdict(list)
    for index, finding in enumerate(findings):
        for entity in dict.fromkeys((finding.entity, *finding.entities)):
            touched[entity].append(index)
    for other, members in _connections(findings):
        yield from _chain(findings, members, "same connection", other, max(LASTING, window))
    subjects = len({finding.entity for finding in findings})
    for entity_kind, joint in JOINTS.items():
        reach = max(LASTING, window) if joint.lasting else window
        for entity in sorted(name for name in touched if kind(name) == entity_kind):
            members = touched[entity]
            met = len({findings[index].entity for index in members} - {entity})
            if met >= HUB_AT_LEAST and met > hub * subjects:
                continue
            if not joint.lasting:
                members = [i for i in members if findings[i].end - findings[i].start <= 2 * window]
            if met > FEW and not joint.own:
                members = _near_subject(findings, members, entity, reach)
            for chain in _repeats(findings, members) if _is_chronic(findings, members, window) else [members]:
                yield from _chain(findings, chain, joint.name, entity, reach)


def _connections(findings: Sequence[Finding]) -> Iterator[tuple[str, list[int]]]:
    """Far end and findings of each connection: an address and the one address or domain it met. Even where the far end is a hub, the pair
    is not: what one address does with one server over a day is one story."""
    pairs: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, finding in enumerate(findings):
        if kind(finding.entity) == "ip":
            far = [other for other in finding.entities if other != finding.entity and kind(other) in ("ip", "domain")]
            if len(far) == 1:
                pairs[finding.entity, far[0]].append(index)
    return ((other, members) for (_, other), members in sorted(pairs.items()))


def _near_subject(findings: Sequence[Finding], members: list[int], entity: str, reach: timedelta) -> list[int]:
    """The members that are about `entity`, and those within reach of one: what many merely met says little by itself, but a server that
    is odd just after somebody met it says much."""
    about = [findings[index] for index in members if findings[index].entity == entity]
    return [i for i in members if any(findings[i].start - a.end <= reach and a.start - findings[i].end <= reach for a in about)]


def _is_chronic(findings: Sequence[Finding], members: list[int], window: timedelta) -> bool:
    windows = (findings[-1].start - findings[0].start) // window + 1
    busy = len({(findings[index].start - findings[0].start) // window for index in members})
    return windows >= CHRONIC_AT_LEAST and busy > CHRONIC * windows


def _repeats(findings: Sequence[Finding], members: list[int]) -> list[list[int]]:
    """The members that one detector gave of one subject, together: the same thing again and again."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index in members:
        groups[findings[index].detector, findings[index].entity].append(index)
    return list(groups.values())


def _chain(findings: Sequence[Finding], members: list[int], name: str, entity: str, reach: timedelta) -> Iterator[Link]:
    """Links between neighbours in time; `until` is the latest end so far, so that a long finding holds what falls within it."""
    last = until = None
    for index in members:
        if last is not None and until is not None and findings[index].start - until <= reach:
            yield Link(last, index, name, entity)
        last, until = index, max(until or findings[index].end, findings[index].end)


def span(findings: Sequence[Finding]) -> tuple[datetime, datetime]:
    """First start and last end."""
    return min(f.start for f in findings), max(f.end for f in findings)
