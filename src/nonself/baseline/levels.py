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
import polars as pl

from nonself.baseline import tails
from nonself.baseline.codes import Floats, Ints, blockwise, found, numbered

SPREAD = float(np.log(2.0))
"""Least spread of levels: twice as much is no news, however regular a place is."""


Sums = tuple[Ints, Floats, Floats]
"""Asked rows by what they share with others, and of the known rows that share it their number and sum of levels."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual, and how far out some levels lie. Row for row of what is asked: bits against all pairs (`far`), against the most usual
    of what is near too (`near`), and of its own other days too (`own`); 0 where no other pair and no other day is known. In levels: the
    centre of all, `about` what is near, and the mean of its own other days (`before`). `others`: days of other pairs, `days`: its own
    other days."""

    far: Floats
    near: Floats
    own: Floats
    about: Floats
    before: Floats
    others: Ints
    days: Ints


@dataclass(frozen=True, slots=True)
class Against:
    """Levels asked beside levels known; `held` is the known row of each asked pair's own day (-1: none), which is no history."""

    asked: Floats
    known: Floats
    pair: Sums
    around: Sequence[Sums]
    held: Ints
    centre: float
    spread: float

    def own(self) -> Floats:
        """Bits given all that is usual, of all rows."""
        return blockwise(lambda some: self._bits(self._own(some, self._about(some)), some), self.asked.size)

    def of(self, some: Ints | slice = slice(None)) -> Usual:
        """All that is to be told of some rows."""
        about = self._about(some)
        own = self._own(some, about)
        far, near, mine = (self._bits(centre, some) for centre in (np.full(about.size, self.centre), about, own))
        n_pair, n_own, s_own = self._pair(some)
        others = (self.known.size - n_pair).astype(np.int64)
        return Usual(far, near, mine, about, s_own / np.maximum(n_own, 1.0), others, n_own.astype(np.int64))

    def _pair(self, some: Ints | slice) -> tuple[Floats, Floats, Floats]:
        """Days of the pair; its other days, and the sum of their levels."""
        number, n, s = self.pair
        at, held = number[some], self.held[some]
        today = np.where(held < 0, 0.0, self.known[held]) if self.known.size else 0.0
        return n[at], n[at] - (held >= 0), s[at] - today

    def _about(self, some: Ints | slice) -> Floats:
        number, n_pair, s_pair = self.pair
        mine = number[some]
        about = np.full(mine.size, self.centre)
        for group, n, s in self.around:
            at = group[some]
            about = np.maximum(about, (s[at] - s_pair[mine] + self.centre) / (n[at] - n_pair[mine] + 1.0))
        return about

    def _own(self, some: Ints | slice, about: Floats) -> Floats:
        _, n, s = self._pair(some)
        return np.maximum(about, (s + self.centre) / (n + 1.0))

    def _bits(self, centre: Floats, some: Ints | slice) -> Floats:
        n_pair, n_own, _ = self._pair(some)
        return np.where(self.known.size - n_pair + n_own > 0, tail(self.asked[some] - centre, self.spread), 0.0)


def against(asked: Floats, known: Floats, pair: tuple[Ints, Ints], near: Sequence[tuple[Ints, Ints]], held: Ints) -> Against:
    """Levels asked beside levels known. `pair` and each of `near` number the known and the asked rows by what they share, from 0 and
    without great gaps; `held` is the known row of each asked pair's own day (-1: none), which is no history."""
    return Against(asked, known, _sums(*pair, known), [_sums(*group, known) for group in near], held, *middle(known))


def pairs(y: tuple[Ints, Ints], x: tuple[Ints, Ints], held: Ints) -> tuple[Ints, Ints]:
    """Each row's y and x as one number, of the known and of the asked; those of pairs that are not known are past all others. `held` is
    the known row of each asked pair's own day (-1: none), of which the number is told without a search."""
    wide = 1 + max(int(part.max(initial=0)) for part in x)
    known = y[0] * wide + x[0]
    number, first = numbered(known)
    at, others = np.append(number, -1)[held], np.flatnonzero(held < 0)
    at[others] = found(known[first], y[1][others] * wide + x[1][others])
    return number, np.where(at < 0, first.size, at)


def tail(above: Floats, spread: float) -> Floats:
    """Bits of each level's distance above the centre."""
    return tails.student4_bits(above / spread)


def middle(level: Floats, *, least: float = SPREAD) -> tuple[float, float]:
    """Median and spread (at least `least`) of all levels; (0, `least`) of none."""
    if not level.size:
        return 0.0, least
    every = pl.Series(level)  # whose median takes a quarter of numpy's time
    centre: float = every.median()  # type: ignore[assignment]
    spread: float = (every - centre).abs().median()  # type: ignore[assignment]
    return centre, max(1.4826 * spread, least)


def _sums(group: Ints, asked: Ints, level: Floats) -> Sums:
    size = 1 + int(max(group.max(initial=0), asked.max(initial=0)))
    n, s = (np.bincount(group, weights, size).astype(np.float64) for weights in (None, level))
    return asked, n, s
