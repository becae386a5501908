"""How odd a row of numbers is among training rows, in bits: the mean of an isolation forest's bits and a robust Gaussian's.

Two views that fail in different places: the forest sees a rare region whatever its shape, but nothing beyond the training range is odder
than its edge; the Gaussian sees how far and against which correlation, but only one middle. Each score becomes bits by its own rank among
the training scores (`Surprise`), and the two are averaged. One setting for all data.

It is a fitted model, not a sum of deltas: a blob made by a job (see the architecture page). A missing value (NaN) is taken as the
training median, since it says that the source was silent; infinities and what float32 can't hold become its largest number.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from nonself.baseline.codes import Floats
from nonself.baseline.ecdf import Surprise
from nonself.core.errors import UsageError
from nonself.detect import forest_onnx
from nonself.detect.forest import Float32s, Forest
from nonself.detect.gauss import Gauss

LEAST_ROWS = 20
_MOST = float(np.finfo(np.float32).max) / 4.0  # leaves room for differences
_CHUNK = 4_096  # of 68 features stay in a core's cache


class _Paths(Protocol):
    def __call__(self, rows: Float32s, /) -> Floats: ...


@dataclass(frozen=True)
class VectorModel:
    """`forest` and `gauss` with what their scores mean. `missing` is what stands in for NaN, per feature."""

    forest: Forest
    gauss: Gauss
    forest_bits: Surprise
    gauss_bits: Surprise
    missing: Floats

    @classmethod
    def fit(cls, rows: Floats, seed: int = 0) -> VectorModel:
        """A model of `rows`, shape (n, features), n >= 20. Deterministic. Raises UsageError for too few rows or no features."""
        if rows.ndim != 2 or len(rows) < LEAST_ROWS or not rows.shape[1]:
            raise UsageError(expected=f"at least {LEAST_ROWS} rows and one feature to learn from", got=f"an array of shape {rows.shape}")
        bounded = _bounded(rows)
        missing = np.array([_median(column) for column in bounded.T])
        known = _filled(bounded, missing)
        forest, gauss = Forest.fit(known, seed), Gauss.fit(known)
        model = cls(forest, gauss, _UNKNOWN, _UNKNOWN, missing)
        paths, distances = model._raw(known)
        return cls(forest, gauss, Surprise.fit(-paths), Surprise.fit(distances), missing)

    def score(self, rows: Floats) -> Floats:
        """Bits of each row, >= 0 and finite."""
        forest, gauss = self.parts(rows)
        return (forest + gauss) / 2.0

    def parts(self, rows: Floats) -> tuple[Floats, Floats]:
        """The forest's bits and the Gaussian's, of each row."""
        paths, distances = self._raw(rows)
        return self.forest_bits.of(-paths), self.gauss_bits.of(distances)

    def shares(self, rows: Floats) -> Floats:
        """Each feature's part of each row's bits, shape (rows, features), all >= 0; they add up to `score`.

        Either half's bits are divided among the features in proportion to what they added to its score (`Forest.shares`,
        `Gauss.shares`), those that made the row look more usual getting none; evenly where no feature added anything.
        """
        known = _filled(_bounded(rows), self.missing)
        forest, gauss = self.parts(rows)
        by_forest = _divided(forest, self.forest.shares(known))
        return (by_forest + _divided(gauss, self.gauss.shares(known))) / 2.0

    def _raw(self, rows: Floats | Float32s) -> tuple[Floats, Floats]:
        """Path lengths and distances, a part of the rows at a time: one that the cache holds takes half as long as all at once."""
        if len(rows) <= _CHUNK:
            known = _filled(_bounded(rows), self.missing)
            return self._paths(known), self.gauss.distances(known)
        parts = [self._raw(rows[at : at + _CHUNK]) for at in range(0, len(rows), _CHUNK)]
        paths, distances = zip(*parts, strict=True)
        return np.concatenate(paths), np.concatenate(distances)

    @cached_property
    def _paths(self) -> _Paths:
        """onnxruntime where it is installed, else numpy: equal results, the first several times as fast."""
        session = forest_onnx.session(forest_onnx.model(self.forest, len(self.missing)))
        if session is None:
            return self.forest.paths

        def paths(rows: Float32s, /) -> Floats:
            return np.asarray(session.run([forest_onnx.OUTPUT], {forest_onnx.INPUT: rows})[0][:, 0], dtype=np.float64)

        return paths


_UNKNOWN = Surprise(np.zeros(1), np.zeros(1), 0.0)


def _bounded(rows: Floats | Float32s) -> Floats:
    return np.asarray(np.minimum(np.maximum(rows, -_MOST), _MOST))  # NaN stays NaN


def _filled(bounded: Floats, missing: Floats) -> Float32s:
    return np.where(np.isnan(bounded), missing, bounded).astype(np.float32, order="C")


def _median(column: Floats) -> float:
    known = column[~np.isnan(column)]
    return float(np.float32(np.median(known))) if len(known) else 0.0


def _divided(bits: Floats, shares: Floats) -> Floats:
    added = np.maximum(shares, 0.0)
    total = added.sum(axis=1, keepdims=True)
    parts = np.where(total > 0.0, added / np.where(total > 0.0, total, 1.0), 1.0 / shares.shape[1])
    return np.asarray(parts * bits[:, None])
