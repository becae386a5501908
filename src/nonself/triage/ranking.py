"""A ranking that learns from verdicts: linear, so that every rank is a sum that can be told; careful, so that one verdict moves little.

Two questions are asked of an incident, each of a logistic model of its own over the same features (`triage.features`):

    z = SLOPE * (log2(1 + bits) - EVEN) + sum over features of w_f * x_f,      P(yes) = sigma(z)

Is it an *attack* at all, an attempt too? It is told by what sort of thing it is; fifty verdicts cannot weigh a hundred detectors, so what
is learnt of one is shared with its like. And is it *malicious*, did somebody come in? It is told by whose it is besides: few come in, and
each leaves more than one trace. Attempts come in flocks, and a single model of both would either show nothing but the flock or forget it.

The weights have a normal prior around nothing, so without verdicts incidents rank by their bits. They are the maximum a posteriori under
verdicts that are wrong at a rate of `NOISE` (for a true one (1 - NOISE) p + NOISE (1 - p); Bootkrajang & Kaban 2012): a verdict that
contradicts many others is taken for a slip. Re-weighting detectors by verdicts is active anomaly discovery (Das et al., arXiv 1901.08930)
with detectors and what they have in common in place of leaves.

The place in the queue is the worth to be expected, P(malicious) + ATTEMPT * P(attempt), told in logits. What
nobody has judged yet may be worth more than it looks, and a verdict on it teaches most, so both probabilities are taken at the upper
confidence bound of z + CURIOSITY * sd(z) (Auer 2002; Laplace's approximation of the posterior). Where the spread leaves the sign of z
open, the ranking abstains: it still ranks, but says that it is not sure.

n verdicts move the weights in at most n directions, so a fit of few takes little, however many features there are.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nonself.triage.features import ENTITY, SLOPES, Features

NOISE = 0.17
"""Share of wrong verdicts that is reckoned with (field study, arXiv 2604.22001)."""
SLOPE = 0.25
"""Worth of a doubling of bits before anything was judged."""
ATTEMPT = 0.75
"""Worth of an attempt to who reviews, a malicious incident being worth 1: with a half, verdicts find fewer of them and no more else."""
CURIOSITY = 0.5
LEAST = 5
"""Verdicts from which on the ranking is used."""
MOST_FEATURES = 1_024
"""Features with weights of their own: those first that carry the most prior variance of the judged."""
_STEPS, _CLOSE = 50, 1e-6
_BLOCK = 2_048
"""Incidents ranked at a time: a row of all features is 8 KB."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rank:
    """`score` is z of the first question, `probability` that the incident is an attack, `sure` whether the verdicts so far carry that,
    `because` the parts of the score, largest first. `malicious` is the probability that it is, `traces` what it shares with others, with
    the parts of that question's z, largest first. `place` is what the queue is sorted by."""

    score: float
    probability: float
    sure: bool
    place: float
    because: tuple[tuple[str, float], ...]
    malicious: float
    traces: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Model:
    """One question's answer. `weights` by feature of `names`; `basis` are the directions that verdicts have moved them in, one a column;
    `known` is how much less than before is open of these (the prior's covariance less the posterior's). Features that start with one of
    `blind` are not looked at."""

    names: tuple[str, ...]
    blind: tuple[str, ...]
    weights: Floats
    basis: Floats
    known: Floats

    def moments(self, rows: Sequence[Features]) -> tuple[Floats, Floats]:
        """z of each, and its posterior variance."""
        parts = [self._moments(rows[first : first + _BLOCK]) for first in range(0, len(rows), _BLOCK)] or [self._moments(())]
        return np.concatenate([scores for scores, _ in parts]), np.concatenate([variances for _, variances in parts])

    def _moments(self, rows: Sequence[Features]) -> tuple[Floats, Floats]:
        x, rows = _matrix(rows, self.names), [_seen(row, self.blind) for row in rows]
        prior = np.array([math.fsum(value**2 for value in row.values()) for row in rows])
        moved = x @ self.basis
        variance = prior - np.einsum("ij,ij->i", moved @ self.known, moved)
        return np.array([_base(row) for row in rows]) + x @ self.weights, np.maximum(variance, 0.0)

    def bounds(self, rows: Sequence[Features]) -> Floats:
        """P(yes) of each, at the upper confidence bound of z."""
        scores, variances = self.moments(rows)
        return np.asarray(1 / (1 + np.exp(-np.clip(scores + CURIOSITY * np.sqrt(variances), -30, 30))))

    def parts(self, row: Features) -> list[tuple[str, float]]:
        """What each feature adds to z, largest first; what is next to nothing left out."""
        found = zip(self.names, _matrix([row], self.names)[0] * self.weights, strict=True)
        return sorted(((name, float(part)) for name, part in found if abs(part) >= 0.005), key=lambda part: -abs(part[1]))


@dataclass(frozen=True, slots=True)
class Ranking:
    """Both questions' models, and the number of verdicts that they rest on."""

    attack: Model
    malicious: Model
    verdicts: int

    def rank(self, found: Features) -> Rank:
        """The rank of an incident with these features."""
        (score,), (variance,) = self.attack.moments([found])
        traces = [(name.removeprefix(ENTITY), part) for name, part in self.malicious.parts(found) if name.startswith(ENTITY)]
        return Rank(
            score=float(score),
            probability=_moderated(score, variance),
            sure=bool(abs(score) > math.sqrt(variance)),
            place=float(self.places([found])[0]),
            because=(("surprise", _base(found)), *self.attack.parts(found)),
            malicious=_moderated(*(float(moment[0]) for moment in self.malicious.moments([found]))),
            traces=tuple(traces),
        )

    def places(self, rows: Sequence[Features]) -> Floats:
        """`Rank.place` of many at once."""
        attack, malicious = self.attack.bounds(rows), self.malicious.bounds(rows)
        worth = malicious + ATTEMPT * np.maximum(attack - malicious, 0.0)
        return np.asarray(np.log(worth / (1 - worth)))


def fit(judged: Sequence[tuple[Features, float]]) -> Ranking:
    """The ranking of (features of an incident, its worth: 1 malicious, 0 false, between an attempt)."""
    rows = [row for row, _ in judged]
    attack = _fit(rows, [worth > 0 for _, worth in judged], (ENTITY,))
    return Ranking(attack, _fit(rows, [worth >= 1 for _, worth in judged], ()), len(judged))


def _fit(rows: Iterable[Features], told: Sequence[bool], blind: tuple[str, ...]) -> Model:
    rows = [_seen(row, blind) for row in rows]
    names = _names(rows)
    basis, moved = _directions(_matrix(rows, names))
    base, y = np.array([_base(row) for row in rows]), np.array(told, dtype=np.float64)
    weights, hessian = np.zeros(moved.shape[1]), np.eye(moved.shape[1])
    for _ in range(_STEPS):
        gradient, hessian = _derivatives(moved, base, y, weights)
        step = np.linalg.solve(hessian, gradient)
        weights = weights + step
        if np.abs(step).max(initial=0.0) < _CLOSE:
            break
    known = np.eye(len(weights)) - np.linalg.inv(hessian)
    return Model(tuple(names), blind, basis @ weights, basis, np.asarray(known, dtype=np.float64))


def _directions(x: Floats) -> tuple[Floats, Floats]:
    """An orthonormal basis (features by directions) of what the rows of x span, and the rows in it."""
    if x.shape[0] >= x.shape[1]:
        return np.eye(x.shape[1]), x
    _, sizes, vectors = np.linalg.svd(x, full_matrices=False)
    basis = vectors[sizes > 1e-9].T
    return basis, x @ basis


def _derivatives(x: Floats, base: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Gradient of the log posterior and the Gauss-Newton part of its Hessian (always positive definite, so every step goes up)."""
    p = 1 / (1 + np.exp(-np.clip(base + x @ weights, -30, 30)))
    told = NOISE + (1 - 2 * NOISE) * p
    slope = (1 - 2 * NOISE) * p * (1 - p)
    gradient = x.T @ ((y - told) / (told * (1 - told)) * slope) - weights
    curvature = slope**2 / (told * (1 - told))
    return gradient, (x.T * curvature) @ x + np.eye(x.shape[1])


def _moderated(score: float, variance: float) -> float:
    """P(yes) by what is open of z too (MacKay 1992)."""
    return 1 / (1 + math.exp(-max(-500.0, score / math.sqrt(1 + math.pi * variance / 8))))


def _base(row: Features) -> float:
    """z before anything was judged."""
    return SLOPE * row["bits"] / math.sqrt(SLOPES)


def _seen(row: Features, blind: tuple[str, ...]) -> Mapping[str, float]:
    return {name: value for name, value in row.items() if not name.startswith(blind)} if blind else row


def _matrix(rows: Sequence[Features], names: Sequence[str]) -> Floats:
    place = {name: number for number, name in enumerate(names)}
    out = np.zeros((len(rows), len(names)))
    for number, row in enumerate(rows):
        for name, value in row.items():
            if name in place:
                out[number, place[name]] = value
    return out


def _names(rows: Sequence[Features]) -> list[str]:
    carried: dict[str, float] = defaultdict(float)
    for row in rows:
        for name, value in row.items():
            carried[name] += value**2
    return sorted(carried, key=lambda name: (-carried[name], name))[:MOST_FEATURES]
