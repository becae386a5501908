"""An amount per pair and day, on a log scale, beside what is usual: for all pairs, for those that share something with it, and for itself.

    bits = -log2 P(T >= (u - c) / s), T Student's t with 4 degrees of freedom, of which there is a closed form

u is a pair's level on its day, s = 1.4826 MAD of all levels, at least `SPREAD`; c the median of all levels, or the largest of it and of the
means over the other pairs that share a name with this one, or over its own other days, each mean shrunk to the median by one
pseudo-observation: the most forgiving decides (Huber & Ronchetti 2009, "Robust Statistics", 5.1; Lange, Little & Taylor 1989 for t tails).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nonself.baseline import tails
from nonself.baseline.codes import Floats, Ints, found, numbered

SPREAD = float(np.log(2.0))
"""Least spread of levels: twice as much is no news, however regular a place is."""


@dataclass(frozen=True, slots=True)
class Usual:
    """Row for row of what is asked: bits against all pairs (`far`), against the most usual of what is near too (`near`), and of its own
    other days too (`own`); 0 where no other pair and no other day is known. In levels: the centre of all, `about` what is near, and the
    mean of its own other days. `others`: days of other pairs, `days`: its own other days."""

    far: Floats
    near: Floats
    own: Floats
    centre: float
    about: Floats
    before: Floats
    others: Ints
    days: Ints


def usual(asked: Floats, known: Floats, pair: tuple[Ints, Ints], near: Sequence[tuple[Ints, Ints]], held: Ints) -> Usual:
    """Levels asked beside levels known. `pair` and each of `near` number the known and the asked rows by what they share, from 0 and
    without great gaps; `held` is the known row of each asked pair's own day (-1: none), which is no history."""
    centre, spread = middle(known)
    n_pair, s_pair = _sums(*pair, known)
    n_own, s_own = n_pair - (held >= 0), s_pair - np.append(known, 0.0)[held]
    about = np.full(asked.size, centre)
    for group in near:
        n, s = _sums(*group, known)
        about = np.maximum(about, (s - s_pair + centre) / (n - n_pair + 1.0))
    own = np.maximum(about, (s_own + centre) / (n_own + 1.0))
    others = known.size - n_pair
    far, close, mine = (np.where(others + n_own > 0, tail(asked - c, spread), 0.0) for c in (centre, about, own))
    before = s_own / np.maximum(n_own, 1.0)
    return Usual(far, close, mine, centre, about, before, others.astype(np.int64), n_own.astype(np.int64))


def pairs(y: tuple[Ints, Ints], x: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """Each row's y and x as one number, of the known and of the asked; those of pairs that are not known are past all others."""
    wide = 1 + max(int(part.max(initial=0)) for part in x)
    known, asked = y[0] * wide + x[0], y[1] * wide + x[1]
    number, first = numbered(known)
    at = found(known[first], asked)
    return number, np.where(at < 0, first.size, at)


def tail(above: Floats, spread: float) -> Floats:
    """Bits of each level's distance above the centre."""
    return tails.student4_bits(above / spread)


def middle(level: Floats) -> tuple[float, float]:
    """Median and spread of all levels; (0, `SPREAD`) of none."""
    if not level.size:
        return 0.0, SPREAD
    centre = float(np.median(level))
    return centre, max(1.4826 * float(np.median(np.abs(level - centre))), SPREAD)


def _sums(group: Ints, asked: Ints, level: Floats) -> tuple[Floats, Floats]:
    """Number and sum of the levels of each asked group."""
    size = 1 + int(max(group.max(initial=0), asked.max(initial=0)))
    n, s = (np.bincount(group, weights, size).astype(np.float64)[asked] for weights in (None, level))
    return n, s
