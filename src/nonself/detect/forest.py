"""An isolation forest over ranks, as flat arrays: what is odd is cut off from the rest by few random cuts.

Liu, Ting, Zhou: Isolation Forest (ICDM 2008). Each tree takes 256 rows and cuts them at a random place of a random feature that still
varies, down to depth 8; a row's path length is the depth of its leaf plus c(rows left there), c(n) = 2 H(n-1) - 2 (n-1)/n being the mean
depth of a random tree. Cuts are drawn in rank space (`Ecdf`), where a heavy tail is no wider than the rest, and kept as values: rank is
monotone, so a scored row needs no ranking. Values are float32, as in ONNX, and path lengths are multiples of 1/256, so that their sums
are exact: every runtime gives the same bits in any order of summing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nonself.baseline.codes import Floats, Ints, Mask
from nonself.baseline.ecdf import Ecdf

TREES, SAMPLE = 64, 256
_STEP = 256.0
_CHUNK = 4_096
Float32s = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Forest:
    """All trees' nodes in one row of arrays, each tree's root first and every child behind its parent.

    roots      where each tree starts
    feature    column that is cut; 0 at a leaf
    threshold  float32: a row goes left where its value is <= threshold; inf at a leaf
    left       the left child, the right one stands behind it; the node itself at a leaf
    path       mean path length of the training rows in the node (at a leaf: its path length)
    depth      longest way down, an array of no dimensions
    """

    roots: Ints
    feature: Ints
    threshold: Float32s
    left: Ints
    path: Floats
    depth: Ints

    @classmethod
    def fit(cls, rows: Float32s, seed: int = 0, trees: int = TREES, sample: int = SAMPLE, scale: Sequence[Ecdf] | None = None) -> Forest:
        """A forest over finite `rows` of shape (n, features), n >= 1. The same rows and seed give the same forest, byte for byte.

        `scale` is the space in which cuts are drawn, per feature: by default that of the rows' own ranks.
        """
        scale = scale or [Ecdf.fit(column) for column in rows.T]
        ranks = np.column_stack([ecdf.rank(column) for ecdf, column in zip(scale, rows.T.astype(np.float64), strict=True)])
        random = np.random.Generator(np.random.PCG64(seed))
        sample = min(sample, len(rows))
        depth = int(np.ceil(np.log2(max(sample, 2))))
        grown = [_grown(ranks[random.choice(len(rows), sample, replace=False)], random, depth) for _ in range(trees)]
        roots = np.cumsum([0, *(len(tree.left) for tree in grown)])[:-1].astype(np.int64)
        feature = np.concatenate([tree.feature for tree in grown])
        cut = np.concatenate([tree.cut for tree in grown])
        left = np.concatenate([tree.left + root for tree, root in zip(grown, roots, strict=True)])
        return cls(roots, feature, _values(scale, feature, cut), left, np.concatenate([tree.path for tree in grown]), np.array(depth))

    @property
    def leaf(self) -> Mask:
        """Which nodes are leaves."""
        return np.asarray(self.left == np.arange(len(self.left)))

    def paths(self, rows: Float32s) -> Floats:
        """Sum of path lengths over all trees, a multiple of 1/256, of each of the finite `rows`: the shorter, the odder."""
        parts = [self._paths(rows[at : at + _CHUNK]) for at in range(0, len(rows), _CHUNK)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _paths(self, rows: Float32s) -> Floats:
        node = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        index = np.arange(len(rows))[:, None]
        for _ in range(int(self.depth)):
            node = self.left[node] + (rows[index, self.feature[node]] > self.threshold[node])
        return np.asarray(self.path[node].sum(axis=1))

    def shares(self, rows: Float32s) -> Floats:
        """How much each feature shortened each row's path, shape (rows, features).

        A cut is credited with mean path of its node minus that of the child the row went to, so a row's shares add up to the mean path
        sum of the training rows minus `paths(row)`. (The decomposition of Saabas, 2014, for path lengths.)
        """
        shares = np.zeros(rows.shape)
        node = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        index = np.broadcast_to(np.arange(len(rows))[:, None], node.shape)
        for _ in range(int(self.depth)):
            cut = self.feature[node]
            child = self.left[node] + (rows[index, cut] > self.threshold[node])
            np.add.at(shares, (index, cut), self.path[node] - self.path[child])
            node = child
        return shares


@dataclass(frozen=True, slots=True)
class _Tree:
    feature: Ints
    cut: Floats
    left: Ints
    path: Floats


def _grown(ranks: Floats, random: np.random.Generator, depth: int) -> _Tree:
    """One tree over these rows, grown level by level."""
    node, base, levels = np.zeros(len(ranks), np.int64), 0, []
    for level in range(depth + 1):
        starts = np.flatnonzero(np.diff(node, prepend=-1))  # rows stand in the order of their nodes, none of which is empty
        size = np.diff(starts, append=len(node))
        feature, cut = _cuts(ranks, starts, random) if level < depth else (np.zeros(len(starts), np.int64), np.full(len(starts), np.inf))
        split = np.isfinite(cut)
        left = base + np.arange(len(starts))
        left[split] = base + len(starts) + 2 * np.arange(np.count_nonzero(split))
        levels.append((feature, cut, left, level + mean_depth(size), size))
        if not split.any():
            break
        inside = split[node]
        ranks, node = ranks[inside], node[inside]
        node = left[node] - base - len(starts) + (ranks[np.arange(len(ranks)), feature[node]] > cut[node])
        order = np.argsort(node, kind="stable")
        ranks, node, base = ranks[order], node[order], base + len(starts)
    feature, cut, left, path, size = (np.concatenate(column) for column in zip(*levels, strict=True))
    return _Tree(feature, cut, left, _means(left, np.round(path * _STEP) / _STEP, size))


def _cuts(ranks: Floats, starts: Ints, random: np.random.Generator) -> tuple[Ints, Floats]:
    """For each node a feature that varies in it and a cut between its least and its largest rank; inf where nothing varies."""
    least, most = np.minimum.reduceat(ranks, starts), np.maximum.reduceat(ranks, starts)
    varies = most > least
    feature = np.argmax(random.random(varies.shape) * varies, axis=1)
    node = np.arange(len(starts))
    low, high = least[node, feature], most[node, feature]
    cut = low + (high - low) * random.random(len(starts))
    cut = np.where(cut < high, cut, low)  # rounding may not empty the right side
    split = varies.any(axis=1)
    return np.where(split, feature, 0), np.where(split, cut, np.inf)


def mean_depth(rows: Ints) -> Floats:
    """c(n): the mean depth of a row in a random binary tree over n rows; 0 for one row, 1 for two."""
    n = np.maximum(np.asarray(rows, np.float64), 2.0)
    many = 2.0 * (np.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n
    return np.asarray(np.where(rows > 2, many, np.where(rows == 2, 1.0, 0.0)))


def _means(left: Ints, path: Floats, size: Ints) -> Floats:
    """Mean path length of every node's rows, from the leaves up."""
    for node in range(len(left) - 1, -1, -1):
        child = left[node]
        if child != node:
            path[node] = (path[child] * size[child] + path[child + 1] * size[child + 1]) / size[node]
    return path


def _values(scale: Sequence[Ecdf], feature: Ints, cut: Floats) -> Float32s:
    """Cuts in rank space as float32 values of their features."""
    values = np.full(len(cut), np.inf, np.float32)
    split = np.isfinite(cut)
    for column in np.unique(feature[split]):
        here = split & (feature == column)
        values[here] = scale[column].value(cut[here])
    return values
