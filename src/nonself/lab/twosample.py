"""A classifier two-sample test: how well can made records be told from real ones?

A logistic regression over binned columns is trained on half of both samples and asked about the other half; its AUC is .5 where nothing
tells them apart and 1 where every record gives itself away (Lopez-Paz & Oquab 2017, "Revisiting classifier two-sample tests"). The model
is additive: what only shows in combinations of columns it cannot see, so the figure is a lower bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
BINS = 12
"""Bins of a number (quantiles of both samples together), and most frequent values of a text that have a column of their own."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`auc` on records not trained on, and the columns that tell most, each with its AUC alone."""

    auc: float
    telling: tuple[tuple[str, float], ...]


def two_samples(real: pl.DataFrame, made: pl.DataFrame, rows: int = 8_000, seed: int = 1) -> Verdict:
    """Compare frames of the same columns; `rows` of each at most, drawn by `seed`. ValueError where one is empty."""
    size = min(rows, real.height, made.height)
    if size < 2:
        raise ValueError("expected records in both samples")
    both = pl.concat([real.sample(size, seed=seed), made.sample(size, seed=seed)])
    truth = np.repeat([0.0, 1.0], size)
    groups = {name: _columns(both[name]) for name in both.columns}
    order = np.random.default_rng(seed).permutation(2 * size)
    fit, ask = order[:size], order[size:]
    alone = {name: _held_out(columns, truth, fit, ask) for name, columns in groups.items()}
    telling = sorted(alone.items(), key=lambda item: -item[1])[:4]
    return Verdict(_held_out(np.hstack(list(groups.values())), truth, fit, ask), tuple(telling))


def _columns(series: pl.Series) -> Floats:
    """One column a bin or frequent value, 0 or 1; null has its own."""
    if series.dtype.is_numeric():
        values = series.cast(pl.Float64).to_numpy()
        known = values[~np.isnan(values)]
        edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if known.size else np.zeros(1)
        codes = np.where(np.isnan(values), edges.size + 1, np.searchsorted(edges, values, side="right"))
    else:
        text = series.cast(pl.String).fill_null("")
        common = text.value_counts(sort=True).get_column(series.name).head(BINS).to_list()
        place = {value: number for number, value in enumerate(common)}
        codes = np.array([place.get(value, len(common)) for value in text.to_list()])
    made: Floats = (codes[:, None] == np.unique(codes)[None, :]).astype(np.float64)
    return made


def _held_out(columns: Floats, truth: Floats, fit: npt.NDArray[np.int64], ask: npt.NDArray[np.int64]) -> float:
    weights = _logistic(columns[fit], truth[fit])
    return auc(columns[ask] @ weights, truth[ask])


def _logistic(columns: Floats, truth: Floats, ridge: float = 1.0) -> Floats:
    """Weights by Newton's method; the ridge keeps them finite where a bin holds one kind only."""
    weights = np.zeros(columns.shape[1])
    for _ in range(12):
        p = 1 / (1 + np.exp(-np.clip(columns @ weights, -30, 30)))
        gradient = columns.T @ (truth - p) - ridge * weights
        hessian = (columns * (p * (1 - p))[:, None]).T @ columns + ridge * np.eye(columns.shape[1])
        step = np.linalg.solve(hessian, gradient)
        weights = weights + step
        if np.abs(step).max() < 1e-4:
            break
    return weights


def auc(scores: Floats, truth: Floats) -> float:
    """The probability that a made record scores higher than a real one, ties half."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    made = truth == 1
    n = int(made.sum())
    return float((ranks[made].sum() - n * (n + 1) / 2) / (n * (truth.size - n)))
