"""How surprising an incident is: what its findings have left of their bits, with what was looked at paid for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

from nonself.core.entities import kind
from nonself.core.finding import Finding

Gains = Mapping[str, float]
"""Finding id -> bits left when it had paid for its place in the story."""

ACT = timedelta(minutes=1)
"""Records of one act lie closer together than this."""
THINGS = frozenset(("ip", "domain", "process", "file", "hash", "resource"))
"""Entities that an act is done with or to, rather than by."""
ESSENCE = 0.9
"""Share of an incident's bits that its essence carries."""


def independent(findings: Sequence[Finding], gains: Gains) -> list[Finding]:
    """The findings that speak for themselves, most left first: one per detector, each resting on evidence of its own.

    Five rules that match one event are one observation, and so are a machine that sends much and its one transfer that was most of it: two
    findings rest on the same evidence where they share half of the events of either. Nor is an act more than one surprise, however many
    sensors see it: see `acts`. A detector that fires a hundred times is one, too.
    """
    chosen: list[Finding] = []
    held: dict[str, list[int]] = {}
    told: set[str | int] = set()
    act = acts(findings)
    for finding in sorted(findings, key=lambda f: (-gains[f.id], -f.bits, f.start, f.id)):
        shared = Counter(place for event in finding.events for place in held.get(event, ()))
        same = any(2 * n >= min(len(finding.events), len(chosen[place].events)) for place, n in shared.items())
        if same or not told.isdisjoint((finding.detector, act[finding.id])):
            continue
        for event in finding.events:
            held.setdefault(event, []).append(len(chosen))
        told |= {finding.detector, act[finding.id]}
        chosen.append(finding)
    return chosen


def acts(findings: Sequence[Finding]) -> dict[str, int]:
    """Finding id -> number of its act. Findings of learnt detectors, shorter than `ACT`, are of one act where they touch one thing (a far
    end, a process, a file: what is neither the machine nor the user) within `ACT`, by steps: the question for a name nobody asked for
    before, the TLS name, the address and the program that went there are one visit to a new place. Each hit of a rule or alert is an act
    of its own: what a rule knows somebody wrote down for a reason of its own."""
    number: dict[str, int] = {}
    root: list[int] = []
    last: dict[str, tuple[int, Finding]] = {}
    for place, finding in enumerate(sorted(findings, key=lambda f: (f.start, f.end, f.id))):
        number[finding.id] = place
        root.append(place)
        if ":" in finding.detector or finding.end - finding.start >= ACT:
            continue
        for thing in _things(finding):
            before = last.get(thing)
            if before is not None and finding.start - before[1].end < ACT:
                root[_root(root, place)] = _root(root, before[0])
            last[thing] = place, finding
    return {name: _root(root, place) for name, place in number.items()}


def _things(finding: Finding) -> list[str]:
    return [name for name in finding.entities if name != finding.entity and kind(name) in THINGS]


def _root(root: list[int], place: int) -> int:
    while root[place] != place:
        root[place] = root[root[place]]
        place = root[place]
    return place


def weights(findings: Sequence[Finding], gains: Gains) -> list[tuple[Finding, float]]:
    """The independent findings and the bits each adds: its gain, less log2(m) where it is the best of its detector's m (Bonferroni)."""
    times = Counter(finding.detector for finding in findings)
    return [(f, max(0.0, gains[f.id] - math.log2(times[f.detector]))) for f in independent(findings, gains)]


def bits(findings: Sequence[Finding], gains: Gains) -> float:
    """Significance in bits: the sum of `weights`. Each term is a surprise in excess of what chance would bring to that place, so a finding
    that is no news there adds nothing, however many of its sort there are."""
    return math.fsum(weight for _, weight in weights(findings, gains))


def essence(findings: Sequence[Finding], gains: Gains) -> tuple[str, ...]:
    """The first event of each of the fewest findings that carry `ESSENCE` of the bits, strongest first."""
    told = sorted(weights(findings, gains), key=lambda item: -item[1])
    total, carried = math.fsum(weight for _, weight in told), 0.0
    events: list[str] = []
    for finding, weight in told:
        if carried >= ESSENCE * total and events:
            break
        carried += weight
        events += finding.events[:1]
    return tuple(dict.fromkeys(events))
