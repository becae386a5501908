"""Empirical distributions: a number's place among training numbers, and how surprising a score is among training scores.

`Ecdf` is mid-ranked and interpolated. Mid-ranks give a value that half of all rows share the middle of its step instead of its end;
interpolation keeps differences inside a bin, without which an isolation forest on ranks is worse than one on raw values (plain quantile
bins destroy the gain).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nonself.baseline.codes import Floats

KNOTS = 256
_TOP = 1024
_TAIL_SHARE, _TAIL_LEAST = 0.02, 20


@dataclass(frozen=True, slots=True)
class Ecdf:
    """At most `KNOTS` of a column's values, ascending and distinct, and the mid-rank of each, in (0, 1) and ascending too."""

    values: Floats
    ranks: Floats

    @classmethod
    def fit(cls, column: Floats) -> Ecdf:
        """Knots at equally spaced ranks, the least and the largest value among them. `column` holds at least one number, all finite.

        Mid-rank of v: (how many are below v + half of those equal to v) / n.
        """
        ordered = np.sort(np.asarray(column, np.float64))
        places = np.round(np.linspace(0, len(ordered) - 1, KNOTS)).astype(np.int64)
        values = np.unique(ordered[places])
        below, upto = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
        return cls(values, (below + upto) / (2.0 * len(ordered)))

    def rank(self, x: Floats) -> Floats:
        """Place of each x among the training values: 0 below the least of them, 1 above the largest, linear between knots."""
        inside = np.interp(x, self.values, self.ranks)
        return np.asarray(np.where(x < self.values[0], 0.0, np.where(x > self.values[-1], 1.0, inside)), dtype=np.float64)

    def value(self, rank: Floats) -> Floats:
        """The value at a rank; ranks outside the knots' own give the least or the largest value."""
        return np.asarray(np.interp(rank, self.ranks, self.values), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Surprise:
    """Scores -> bits, by the rank among training scores; strictly increasing beyond the largest of them.

    For a training score s: bits = -log2((1 + how many training scores are >= s) / (n + 1)), linear between. Beyond the largest, the tail
    is exponential: each mean excess (of the top 2 %, at least 20 scores, over the score below them) adds log2(e) bits. Rank alone would
    call everything beyond the training data equally odd.
    """

    scores: Floats
    bits: Floats
    slope: float

    @classmethod
    def fit(cls, scores: Floats) -> Surprise:
        """Exact for the 1,024 largest scores, at 256 equally spaced ranks below. `scores` are finite, at least one."""
        ordered = np.sort(np.asarray(scores, np.float64))
        n = len(ordered)
        coarse = np.round(np.linspace(0, n - 1, KNOTS)).astype(np.int64)
        kept = np.unique(np.concatenate([ordered[coarse], ordered[-_TOP:]]))
        at_least = n - np.searchsorted(ordered, kept, "left")
        tail = min(max(_TAIL_LEAST, int(n * _TAIL_SHARE)), n - 1)
        excess = float(np.mean(ordered[n - tail :] - ordered[n - tail - 1])) if tail else 0.0
        least = 1e-6 * max(1.0, abs(float(ordered[-1])))  # equal scores have no scale of their own
        return cls(kept, -np.log2((1.0 + at_least) / (n + 1.0)), float(np.log2(np.e) / max(excess, least)))

    def of(self, scores: Floats) -> Floats:
        """Bits of each score, >= 0."""
        beyond = np.maximum(scores - self.scores[-1], 0.0)
        return np.asarray(np.interp(scores, self.scores, self.bits) + beyond * self.slope, dtype=np.float64)
