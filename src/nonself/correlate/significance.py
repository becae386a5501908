"""How surprising an incident is: its findings' bits combined, with what was looked at paid for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from nonself.core.finding import Finding


def independent(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that speak for themselves, strongest first: one per detector, each resting on mostly new evidence.

    Five rules that match one event are one observation, and so is one detector that fires a hundred times.
    """
    seen_events: set[str] = set()
    seen_detectors: set[str] = set()
    chosen = []
    for finding in sorted(findings, key=lambda f: (-f.bits, f.start, f.id)):
        known = sum(event in seen_events for event in finding.events)
        if finding.detector in seen_detectors or (finding.events and 2 * known > len(finding.events)):
            continue
        seen_detectors.add(finding.detector)
        seen_events.update(finding.events)
        chosen.append(finding)
    return chosen


def bits(findings: Sequence[Finding]) -> float:
    """Significance in bits by Fisher's method over the independent findings.

    Each detector's best of m findings pays log2(m) (Bonferroni). The sum S of k such surprises has, under chance,
    P(sum >= S) = exp(-L) * sum_{i<k} L^i / i! with L = S ln 2 (Fisher 1932, the chi-squared tail with 2k degrees of freedom).
    """
    m = Counter(finding.detector for finding in findings)
    paid = [max(0.0, finding.bits - math.log2(m[finding.detector])) for finding in independent(findings)]
    return fisher(paid)


def fisher(surprises: Sequence[float]) -> float:
    """Combined surprise in bits of independent surprises in bits; never negative, stable for any size."""
    k, rate = len(surprises), math.fsum(surprises) * math.log(2)
    if not k or rate <= 0:
        return 0.0
    terms = [i * math.log(rate) - math.lgamma(i + 1) for i in range(k)]
    top = max(terms)
    log_tail = -rate + top + math.log(math.fsum(math.exp(term - top) for term in terms))
    return max(0.0, -log_tail / math.log(2))
