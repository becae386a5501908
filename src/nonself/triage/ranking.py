"""A ranking that learns from verdicts: linear, so that every rank is a sum that can be told; careful, so that one verdict moves little.

    z = SLOPE * (log2(1 + bits) - EVEN) + sum over features of w_f * x_f,      P(attack) = sigma(z),      place = z + CURIOSITY * sd(z)

Fifty verdicts cannot weigh a hundred detectors, so what is learnt of one is shared with its like: an incident's surprise is divided among
its detectors, their sorts (rules, alerts, learnt ones), the ATT&CK tactics and the techniques they stand for, and each has a weight.
Features are the square roots of these shares, so every group of features has the same prior variance (`VARIANCE`) in every incident, and
two incidents are alike by their Bhattacharyya coefficients. Besides, verdicts teach what bits are worth here, and how often anything is so.

The weights have a normal prior around nothing, so without verdicts incidents rank by their bits. They are the maximum a posteriori under
verdicts that are wrong at a rate of `NOISE` (for a true one (1 - NOISE) p + NOISE (1 - p); Bootkrajang & Kaban 2012): a verdict that
contradicts many others is taken for a slip. An attempt is half an attack. Re-weighting detectors by verdicts is active anomaly discovery
(Das et al., arXiv 1901.08930) with detectors and what they have in common in place of leaves.

What nobody has judged yet may be worth more than it looks, and a verdict on it teaches most: a place is an upper confidence bound (Auer
2002; Laplace's approximation of the posterior). Where the spread leaves the sign of z open, the ranking abstains: it still ranks, but says
that it is not sure.
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
VARIANCE, SLOPES = 0.75, 0.1
"""Prior variance of each group of features, and of what a doubling of bits is worth."""
SLOPE, EVEN = 0.25, 5.0
"""Worth of a doubling of bits before anything was judged; log2(1 + bits) at which the odds are even then (31 bits)."""
CURIOSITY = 0.5
LEAST = 5
"""Verdicts from which on the ranking is used."""
MOST_FEATURES = 512
"""Features with weights of their own, the most frequent among the judged first."""
_STEPS, _CLOSE = 50, 1e-6
_BLOCK = 4_096
"""Incidents ranked at a time: a row of all features is 4 KB."""
Floats = npt.NDArray[np.float64]
Features = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Rank:
    """`score` is z; `probability` that the incident is an attack; `sure` whether the verdicts so far carry that; `place` what the queue is
    sorted by; `because` the parts of the score, largest first."""

    score: float
    probability: float
    sure: bool
    place: float
    because: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Weights by feature, and the covariance of what is not known of them."""

    names: tuple[str, ...]
    weights: Floats
    covariance: Floats
    verdicts: int

    def rank(self, found: Features) -> Rank:
        """The rank of an incident with these features."""
        base, row, (score,), (variance,) = _base(found), self._rows([found]), *self.moments([found])
        moderated = score / math.sqrt(1 + math.pi * variance / 8)  # MacKay 1992
        parts = [(name, float(part)) for name, part in zip(self.names, row[0] * self.weights, strict=True) if abs(part) >= 0.005]
        because = (("surprise", base), *sorted(parts, key=lambda part: -abs(part[1])))
        spread, odds = math.sqrt(variance), math.exp(-max(-500.0, moderated))
        return Rank(float(score), 1 / (1 + odds), bool(abs(score) > spread), float(score) + CURIOSITY * spread, because)

    def places(self, rows: Sequence[Features]) -> Floats:
        """`Rank.place` of many at once."""
        scores, variances = self.moments(rows)
        return np.asarray(scores + CURIOSITY * np.sqrt(variances))

    def moments(self, rows: Sequence[Features]) -> tuple[Floats, Floats]:
        """z of each, and its posterior variance."""
        parts = [self._moments(rows[first : first + _BLOCK]) for first in range(0, len(rows), _BLOCK)] or [self._moments(())]
        return np.concatenate([scores for scores, _ in parts]), np.concatenate([variances for _, variances in parts])

    def _moments(self, rows: Sequence[Features]) -> tuple[Floats, Floats]:
        x, known = self._rows(rows), {*self.names}
        unseen = np.array([math.fsum(value**2 for name, value in row.items() if name not in known) for row in rows])
        return np.array([_base(row) for row in rows]) + x @ self.weights, np.einsum("ij,ij->i", x @ self.covariance, x) + unseen

    def _rows(self, rows: Sequence[Features]) -> Floats:
        return _matrix(rows, self.names)


def features(incident: Incident, findings: Sequence[Finding]) -> dict[str, float]:
    """What an incident is to the ranking: "bits", "anything", and the roots of its shares by detector, sort, tactic and technique, each
    times the root of its prior variance. A detector's share is that of its best finding."""
    best: dict[str, Finding] = {}
    for finding in findings:
        if finding.bits > 0 and (finding.detector not in best or finding.bits > best[finding.detector].bits):
            best[finding.detector] = finding
    total, shares = math.fsum(finding.bits for finding in best.values()), defaultdict[str, float](float)
    for name, finding in best.items():
        share = finding.bits / total
        shares[f"detector {name}"] += share
        shares[f"sort {name.partition(':')[0] if ':' in name else 'learnt'}"] += share
        for group, members in (("tactic", finding.tactics), ("technique", finding.attack)):
            for member in members or ("unknown",):
                shares[f"{group} {member}"] += share / max(1, len(members))
    surprise = math.log2(1 + max(0.0, incident.bits)) - EVEN
    return {
        "bits": surprise * math.sqrt(SLOPES),
        "anything": math.sqrt(VARIANCE),
        **{name: math.sqrt(share * VARIANCE) for name, share in shares.items()},
    }


def fit(judged: Sequence[tuple[Features, float]]) -> Ranking:
    """The ranking of (features of an incident, how much of an attack it was: from 0 to 1)."""
    rows = [row for row, _ in judged]
    names = _names(rows)
    x = _matrix(rows, names)
    base, y = np.array([_base(row) for row in rows]), np.array([worth for _, worth in judged], dtype=np.float64)
    weights, hessian = np.zeros(len(names)), np.eye(len(names))
    for _ in range(_STEPS):
        gradient, hessian = _derivatives(x, base, y, weights)
        step = np.linalg.solve(hessian, gradient)
        weights = weights + step
        if np.abs(step).max(initial=0.0) < _CLOSE:
            break
    return Ranking(tuple(names), np.asarray(weights, dtype=np.float64), np.asarray(np.linalg.inv(hessian), dtype=np.float64), len(judged))


def _base(row: Features) -> float:
    """z before anything was judged."""
    return SLOPE * row["bits"] / math.sqrt(SLOPES)


def _matrix(rows: Sequence[Features], names: Sequence[str]) -> Floats:
    place = {name: number for number, name in enumerate(names)}
    out = np.zeros((len(rows), len(names)))
    for number, row in enumerate(rows):
        for name, value in row.items():
            if name in place:
                out[number, place[name]] = value
    return out


def _names(rows: Sequence[Features]) -> list[str]:
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
    gradient = x.T @ ((y - told) / (told * (1 - told)) * slope) - weights
    curvature = slope**2 / (told * (1 - told))
    return gradient, (x.T * curvature) @ x + np.eye(x.shape[1])
