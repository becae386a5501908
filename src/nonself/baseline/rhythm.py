"""How regular some waits are, in bits: evidence against "every wait is memoryless, at whatever rate", by universal coding.

The null is as wide as it can be: each wait x (whole seconds, at least 1) ends with a constant chance per second, and that chance may be
another one for every single wait, chosen by whoever wants to look irregular: a Poisson process, a bursty one, a mixture of fast and slow,
day and night. None of them can give a wait more probability than the best chance gives it:

    P(x) <= N(x) = max_q q (1 - q)^(x-1) = ((x - 1)/x)^(x-1) / x,  about 1/(e x)

The alternative is a distribution over waits that is learnt while it is used: a binary tree of cells of ln x. At every cell a fair coin says
whether waits are uniform in it or spread over its halves by a Beta(1/2, 1/2): context-tree weighting (Willems, Shtarkov & Tjalkens 1995),
as a density an optional Polya tree (Wong & Ma 2010). It finds one period or several, narrow or wide, with any share of exceptions, and
pays for what it learns as it learns it, so no number of candidate periods is left to correct for.

    bits = log2( A(x_1..x_n) / N(x_1)...N(x_n) )

The ratio has a mean of at most 1 under the null, whichever rates it hides (an e-value; "universal inference", Wasserman, Ramdas &
Balakrishnan 2020): P(bits >= b) <= 2^-b, for series of any length, without tables and without simulation. Poisson calls lose about 0.8
bits each.
"""

from __future__ import annotations

import numpy as np

from nonself.baseline.codes import Floats, Ints, lengths
from nonself.baseline.special import log_gamma

LEVELS = 10
"""Depth of the tree: its smallest cells are 1.6 % of a wait wide."""
_REACH = 16.0
"""ln of the longest wait told apart, 103 days."""
_LN2 = float(np.log(2.0))
_LN_PI = float(np.log(np.pi))  # ln B(1/2, 1/2)
_EDGES = np.ceil(np.exp(np.arange(2**LEVELS + 1) * (_REACH / 2**LEVELS)) - 1e-9).astype(np.int64)
"""First whole second of each smallest cell."""


def bits(group: Ints, waits: Ints, groups: int) -> Floats:
    """Evidence of regularity per group 0..groups-1, which may be negative; 0 for a group without waits.

    `group` is each wait's group, `waits` are whole seconds >= 1. Cost: one sort of the waits, and `LEVELS` passes over distinct cells.
    """
    out = np.zeros(groups)
    if waits.size:
        at, coded = _coded(group, waits)
        out[at] = (coded - np.bincount(group, _memoryless(waits), groups)[at]) / _LN2
    return out


def _memoryless(waits: Ints) -> Floats:
    """ln N(x)."""
    x = waits.astype(np.float64)
    return np.asarray((x - 1.0) * np.log1p(-1.0 / np.maximum(x, 2.0)) * (x > 1.0) - np.log(x), dtype=np.float64)


def _coded(group: Ints, waits: Ints) -> tuple[Ints, Floats]:
    """The groups that have waits, in order, and ln of the probability their trees gave these."""
    cell = np.minimum((np.log(waits) * (2**LEVELS / _REACH)).astype(np.int64), 2**LEVELS - 1)
    key = np.sort(group * 2**LEVELS + cell, kind="stable")  # groups are in order: Timsort has little to do
    starts = _starts(key)
    node, count = key[starts], lengths(starts, key.size)
    coded: Floats = np.log(_seconds(node, LEVELS)) * -count
    halves, wholes = _gammas(int(np.bincount(group).max()))
    for level in range(LEVELS - 1, -1, -1):
        left = np.where(node & 1, 0, count)
        node >>= 1
        starts = _starts(node)
        node, count, left, coded = node[starts], *(np.add.reduceat(each, starts) for each in (count, left, coded))
        split = halves[left] + halves[count - left] - wholes[count] - _LN_PI + coded
        seconds = _seconds(node, level)
        whole = -count * np.log(seconds)
        coded = np.where(seconds > 1.0, np.logaddexp(split, whole) - _LN2, whole)
    return node, coded


def _gammas(most: int) -> tuple[Floats, Floats]:
    """ln Gamma(n + 1/2) and ln Gamma(n + 1) of the whole numbers up to `most`, of which all counts are."""
    n = np.arange(most + 1.0)
    return log_gamma(n + 0.5), log_gamma(n + 1.0)


def _starts(ordered: Ints) -> Ints:
    return np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))


def _seconds(node: Ints, level: int) -> Floats:
    """How many whole seconds a cell of this level holds; cells without any count as one, so that no probability is lost but to them."""
    wide = 2 ** (LEVELS - level)
    cell = node % 2**level * wide
    return np.asarray(np.maximum(_EDGES[cell + wide] - _EDGES[cell], 1), dtype=np.float64)
