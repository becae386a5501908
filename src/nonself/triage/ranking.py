"""A ranking that learns from verdicts: linear, so that every rank is a sum that can be told; careful, so that one verdict moves little.

    z = BIAS + log2(1 + bits) + sum over features of w_f * x_f,      P(true) = sigma(z)

Features are the share of the incident's surprise that each detector brought, and how many detectors and ATT&CK stages agree (log2). The
weights have a normal prior around nothing (variance `PRIOR`), so without verdicts incidents rank by their bits. They are the maximum
a posteriori under verdicts that are wrong at a rate of `NOISE` (for a true one (1 - NOISE) p + NOISE (1 - p); Bootkrajang & Kaban 2012):
a verdict that contradicts many others is taken for a slip, and no single one can move a weight by more than PRIOR times its feature.
Re-weighting detectors by verdicts is active anomaly discovery (Das et al., arXiv 1901.08930) with detectors in place of leaves.

Where the posterior's spread (Laplace) leaves the sign of z open, the ranking abstains: it still ranks, but says that it is not sure.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nonself.core.finding import Finding
from nonself.core.incident import Incident

NOISE = 0.17
"""Share of wrong verdicts that is reckoned with (field study, arXiv 2604.22001)."""
PRIOR = 2.0
BIAS = -5.0
"""log2(1 + bits) of an incident of 31 bits is 5: there the odds are even before anything was judged."""
LEAST = 5
"""Verdicts from which on the ranking is used."""
MOST_FEATURES = 512
"""Detectors with weights of their own, the most frequent among the judged first."""
_STEPS, _CLOSE = 50, 1e-6
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rank:
    """`score` is z; `probability` that the incident is an attack; `sure` whether the verdicts so far carry that; `because` the parts of
    the score, largest first."""

    score: float
    probability: float
    sure: bool
    because: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Weights by feature, and the covariance of what is not known of them."""

    names: tuple[str, ...]
    weights: Floats
    covariance: Floats
    verdicts: int

    def rank(self, incident: Incident, findings: Sequence[Finding]) -> Rank:
        """An incident's place, from its own findings."""
        found = features(incident, findings)
        row = np.array([found.get(name, 0.0) for name in self.names])
        base = BIAS + math.log2(1 + max(0.0, incident.bits))
        score = base + float(row @ self.weights)
        known = {*self.names}
        unseen = PRIOR * math.fsum(value**2 for name, value in found.items() if name not in known)
        variance = float(row @ self.covariance @ row) + unseen
        moderated = score / math.sqrt(1 + math.pi * variance / 8)  # MacKay 1992
        parts = [(name, float(weight * value)) for name, weight, value in zip(self.names, self.weights, row, strict=True) if value]
        because = (("surprise", base), *sorted((p for p in parts if abs(p[1]) >= 0.005), key=lambda p: -abs(p[1])))
        return Rank(score, 1 / (1 + math.exp(-max(-500.0, moderated))), abs(score) > math.sqrt(variance), because)


def features(incident: Incident, findings: Sequence[Finding]) -> dict[str, float]:
    """What an incident is to the ranking: shares by detector, and how much agrees."""
    best: dict[str, float] = defaultdict(float)
    for finding in findings:
        best[finding.detector] = max(best[finding.detector], finding.bits)
    total = math.fsum(best.values())
    shares = {f"detector {name}": bits / total for name, bits in best.items() if total > 0 and bits > 0}
    return {**shares, "detectors that agree": math.log2(max(1, len(best))), "stages": math.log2(1 + len(incident.stages))}


def fit(judged: Sequence[tuple[Incident, Sequence[Finding], bool]]) -> Ranking:
    """The ranking of (incident, its findings, whether it was an attack)."""
    rows = [features(incident, findings) for incident, findings, _ in judged]
    names = _names(rows)
    x = np.array([[row.get(name, 0.0) for name in names] for row in rows]).reshape(len(rows), len(names))
    base = np.array([BIAS + math.log2(1 + max(0.0, incident.bits)) for incident, _, _ in judged])
    y = np.array([attack for _, _, attack in judged], dtype=np.float64)
    weights = np.zeros(len(names))
    hessian = np.eye(len(names)) / PRIOR
    for _ in range(_STEPS):
        gradient, hessian = _derivatives(x, base, y, weights)
        step = np.linalg.solve(hessian, gradient)
        weights = weights + step
        if np.abs(step).max(initial=0.0) < _CLOSE:
            break
    return Ranking(tuple(names), np.asarray(weights, dtype=np.float64), np.asarray(np.linalg.inv(hessian), dtype=np.float64), len(judged))


def _names(rows: Sequence[Mapping[str, float]]) -> list[str]:
    times: dict[str, int] = defaultdict(int)
    for row in rows:
        for name in row:
            times[name] += 1
    return sorted(times, key=lambda name: (-times[name], name))[:MOST_FEATURES]


def _derivatives(x: Floats, base: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Gradient of the log posterior and the Gauss-Newton part of its Hessian (always positive definite, so every step goes up)."""
    p = 1 / (1 + np.exp(-np.clip(base + x @ weights, -30, 30)))
    told = NOISE + (1 - 2 * NOISE) * p
    slope = (1 - 2 * NOISE) * p * (1 - p)
    gradient = x.T @ ((y - told) / (told * (1 - told)) * slope) - weights / PRIOR
    curvature = slope**2 / (told * (1 - told))
    return gradient, (x.T * curvature) @ x + np.eye(x.shape[1]) / PRIOR
