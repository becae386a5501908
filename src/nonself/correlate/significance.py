"""How surprising an incident is: what its findings have left of their bits, with what was looked at paid for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from nonself.core.finding import Finding

Gains = Mapping[str, float]
"""Finding id -> bits left when it had paid for its place in the story."""

ESSENCE = 0.9
"""Share of an incident's bits that its essence carries."""


def independent(findings: Sequence[Finding], gains: Gains) -> list[Finding]:
    """The findings that speak for themselves, most left first: one per detector, each resting on evidence of its own.

    Five rules that match one event are one observation, and so are a machine that sends much and its one transfer that was most of it: two
    findings rest on the same evidence where they share half of the events of either. A detector that fires a hundred times is one, too.
    """
    chosen: list[Finding] = []
    held: dict[str, list[int]] = {}
    detectors: set[str] = set()
    for finding in sorted(findings, key=lambda f: (-gains[f.id], -f.bits, f.start, f.id)):
        shared = Counter(place for event in finding.events for place in held.get(event, ()))
        same = any(2 * n >= min(len(finding.events), len(chosen[place].events)) for place, n in shared.items())
        if same or finding.detector in detectors:
            continue
        for event in finding.events:
            held.setdefault(event, []).append(len(chosen))
        detectors.add(finding.detector)
        chosen.append(finding)
    return chosen


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
