"""A Gaussian over normal scores: how far a row is from the middle, feature by feature and against how features go together.

Each feature becomes its normal score: z = Phi^-1(mid-rank among training values) (van der Waerden), so that every feature is standard
normal whatever it measures, a rare flag counts by its rarity, and no training value, however wild, can carry the fit away. The score is
ln(1 + d2), d2 being the squared Mahalanobis distance of the scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from nonself.baseline.codes import Floats, Ints, Mask
from nonself.detect.forest import Float32s

KNOTS, SHRINK, TRIM, BEYOND = 64, 0.8, 0.05, 0.5
_NORMAL_IQR = 1.349
_LEAST = 1e-30
_FEW = 8


@dataclass(frozen=True)
class Gauss:
    """Arrays by feature, and what the scores of training rows were like.

    centre, spread   median; interquartile range / 1.349, or where that is 0 the median of the distances from the median that are not 0
    values, scores   (features, KNOTS): values in rising order, filled up with the largest, and their normal scores
    edge             the score of what is outside the training range, apart from how far
    mean, precision  mean of training scores; inverse of their covariance, shrunk
    """

    centre: Floats
    spread: Floats
    values: Floats
    scores: Floats
    edge: Floats
    mean: Floats
    precision: Floats

    @classmethod
    def fit(cls, rows: Float32s) -> Gauss:
        """Fitted on finite rows of shape (n, features), the moments twice: the second time without the 5 % farthest of the first.

        Variances of less than 1 (constant features, flags) count as 1, since dividing by them would count rarity twice; covariances are
        multiplied by 0.2.
        """
        from scipy.special import ndtri  # here, since scoring does without

        low, centre, high = np.percentile(rows.astype(np.float64), [25.0, 50.0, 75.0], axis=0)
        spread = np.maximum((high - low) / _NORMAL_IQR, 0.0)
        for column in np.flatnonzero(spread == 0.0):
            apart = np.abs(rows[:, column] - centre[column])
            apart = apart[apart > 0.0]
            spread[column] = np.median(apart) if len(apart) else 1.0
        edge = -float(ndtri(0.5 / len(rows)))
        places = _places(len(rows), edge)
        values, ranks = (np.array(knots) for knots in zip(*(_knots(column, places) for column in rows.T), strict=True))
        none = np.zeros((0, 0))
        blank = cls(centre, np.maximum(spread, _LEAST), values, ndtri(ranks), np.array(edge), np.zeros(rows.shape[1]), none)
        scores = blank.normal_scores(rows)
        first = blank._with_moments(scores)
        far = first.distances(rows)
        return blank._with_moments(scores[far <= np.quantile(far, 1.0 - TRIM)])

    def _with_moments(self, scores: Floats) -> Gauss:
        mean = scores.mean(axis=0)
        away = scores - mean
        covariance = away.T @ away / max(len(scores) - 1, 1)
        shrunk = (1.0 - SHRINK) * covariance
        np.fill_diagonal(shrunk, np.maximum(np.diag(covariance), 1.0))
        return Gauss(self.centre, self.spread, self.values, self.scores, self.edge, mean, np.linalg.inv(shrunk))

    def normal_scores(self, rows: Float32s) -> Floats:
        """z of each value, linear between knots. Outside the training range: edge + asinh(how far outside / spread) / 2, with its sign."""
        z = self._at_once(rows) if len(rows) <= _FEW else self._by_column(rows)
        outside = (rows < self._range[0]) | (rows > self._range[1])
        if outside.any():
            row, column = outside.nonzero()
            beyond = rows[row, column] - np.clip(rows[row, column], self.values[column, 0], self.values[column, -1])
            z[row, column] = np.sign(beyond) * (self.edge + BEYOND * np.arcsinh(np.abs(beyond) / self.spread[column]))
        return z

    def _at_once(self, rows: Float32s) -> Floats:
        """All features together, for a row or two."""
        at = _count(self._inner <= rows[:, None, :], axis=1) + self._before
        return np.asarray((rows - self.values.ravel()[at]) * self._slopes.ravel()[at] + self.scores.ravel()[at])

    def _by_column(self, rows: Float32s) -> Floats:
        """Feature by feature. Comparing with every eighth knot and then halving takes half the time of a search for each value
        (np.interp), since nothing of it branches."""
        z = np.empty(rows.shape[::-1])
        knots = zip(self._inner.T, self.values, self._slopes, self.scores, strict=True)
        for out, column, (inner, values, slopes, scores) in zip(z, np.ascontiguousarray(rows.T), knots, strict=True):
            at = (_count(inner[7::8, None] <= column, axis=0) << 3).astype(np.intp)
            for step in (4, 2, 1):
                at += np.multiply(inner[step - 1 :][at] <= column, step, dtype=np.uint8)
            out[:] = (column - values[at]) * slopes[at] + scores[at]
        return z.T

    @cached_property
    def _inner(self) -> Float32s:
        """The knots without the first and with an infinite last, (KNOTS - 1, features): how many aren't above a value is its interval."""
        inner = self.values[:, 1:].astype(np.float32)
        inner[:, -1] = np.inf
        return np.ascontiguousarray(inner.T)

    @cached_property
    def _range(self) -> Float32s:
        return np.ascontiguousarray(self.values[:, [0, -1]].T, dtype=np.float32)

    @cached_property
    def _before(self) -> Ints:
        return np.arange(0, self.values.size, KNOTS)

    @cached_property
    def _slopes(self) -> Floats:
        """Rise of the score per unit between each knot and the next; 0 where they are one."""
        width = np.diff(self.values, axis=1, append=np.inf)
        return np.asarray(np.where(width > 0.0, np.diff(self.scores, axis=1, append=0.0) / np.maximum(width, _LEAST), 0.0))

    def distances(self, rows: Float32s) -> Floats:
        """ln(1 + d2) of each row."""
        away = self._away(rows)
        return np.asarray(np.log1p(np.maximum(np.vecdot(away, away @ self.precision), 0.0)))

    def shares(self, rows: Float32s) -> Floats:
        """Each feature's part of d2, shape (rows, features): z_i (precision z)_i. A part may be negative; they add up to d2."""
        away = self._away(rows)
        return np.asarray(away * (away @ self.precision))

    def _away(self, rows: Float32s) -> Floats:
        return np.asarray(self.normal_scores(rows) - self.mean)


def _count(true: Mask, axis: int) -> npt.NDArray[np.uint8]:
    """How many are true, of fewer than 256 along `axis`: four times as fast as np.count_nonzero."""
    return np.asarray(np.add.reduce(true.view(np.uint8), axis=axis, dtype=np.uint8))


def _places(n: int, edge: float) -> Ints:
    """Row numbers in rising order at equal steps of the normal score, so that tails are as finely known as the middle."""
    from scipy.special import ndtr

    return np.asarray(np.round(ndtr(np.linspace(-edge, edge, KNOTS)) * n - 0.5).clip(0, n - 1), dtype=np.int64)


def _knots(column: Floats, places: Ints) -> tuple[Floats, Floats]:
    """The column's values at these places and their mid-ranks, filled up to `KNOTS` with the largest."""
    ordered = np.sort(column).astype(np.float64)
    values = np.unique(ordered[places])
    values = np.pad(values, (0, KNOTS - len(values)), mode="edge")
    below, upto = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return values, (below + upto) / (2.0 * len(ordered))
