"""How long y is ever silent: the lengths of its silences, against its own earlier ones and its peers'.

A silence is counted in windows (hours or days) in which others were heard: at least two, and at least half as many as in the median
window. So nights, weekends and the end of a recording are nobody's silence: when everyone falls silent, nobody was listening.

    P(gap >= g | y) = (k_y(g/2) + theta P0(g)) / (n_y + theta),    P0(g) = (K(g/2) + theta) / (Y + theta)

n_y windows in which y was heard and heard again later, k_y(l) those followed by a silence of at least l; Y other y, K(l) those that were
ever silent for so long: each once, so that one flapping y does not make silence usual. A silence is held against those of half its length
and more: less than twice as long is no news. theta = 1. It is the predictive of `rare` read over lengths of silence, a tail by itself;
with no history P = 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from nonself.baseline.codes import Floats, Ints, Mask, found
from nonself.baseline.keys import numbered
from nonself.baseline.presence import Heard

THETA = 1.0
_LISTENERS = 2


@dataclass(frozen=True, slots=True)
class Silences:
    """Of all windows in which a y was heard, in order of y and time (`y` numbered as given, `w` windows since 1970): `before`, the
    length of the silence that ended with it (-1 for y's first). `listened` are the windows that count, in order."""

    y: Ints
    w: Ints
    before: Ints
    listened: Ints

    @classmethod
    def of(cls, table: pl.DataFrame, y: Ints, per_day: int) -> Silences:
        """The silences of a table of `PRESENCE`, its names given as numbers, row for row."""
        heard = Heard.of(table, y)
        w = heard.day * per_day + heard.slot
        every, count = np.unique(w, return_counts=True)
        listened = every[count >= max(_LISTENERS, float(np.median(count)) / 2)] if every.size else every
        passed = np.searchsorted(listened, w, "right")
        again = np.diff(heard.y, prepend=-1) == 0
        inside = found(listened, w) >= 0
        before = np.where(again, passed - inside - np.append(0, passed[:-1])[: w.size], -1)
        return cls(heard.y, w, before, listened)

    def at(self, y: Ints, w: Ints) -> Ints:
        """Where windows asked for stand among these; -1 for those that are not held."""
        keys, asked = (who * 2**40 + when + 2**39 for who, when in ((self.y, self.w), (y, w)))
        return found(keys, asked)

    def last(self) -> Ints:
        """Where each y's last window stands."""
        return np.flatnonzero(np.diff(self.y, append=-1) != 0)

    def longest(self) -> Ints:
        """Per y (by its number): its longest silence, -1 where none is known."""
        out = np.full(int(self.y.max(initial=-1)) + 1, -1)
        np.maximum.at(out, self.y, self.before)
        return out


@dataclass(frozen=True, slots=True)
class Answer:
    """Per asked silence: bits, of which bits_peers are due to the peers alone; n, y's other silences (most of length 0); longest of
    them (-1 for none); others, peers that were ever silent for half as long; ys, peers."""

    bits: Floats
    bits_peers: Floats
    n: Ints
    longest: Ints
    others: Ints
    ys: Ints


def surprise(held: Silences, y: Ints, gap: Ints, own: Mask, *, alone: bool = False) -> Answer:
    """How odd it is that y was silent for `gap` windows; where `own`, that silence is one of `held`, and is taken out of y's history.
    `alone`: by y's own silences only."""
    least = (gap + 1) // 2
    known = held.before >= 0
    group, lengths = held.y[known], held.before[known]
    size = int(max(held.y.max(initial=-1), y.max(initial=-1))) + 1
    n = np.bincount(group, minlength=size)
    order = np.lexsort((lengths, group))
    keys, asked = group[order] * 2**32 + lengths[order], y * 2**32 + least
    ends = np.cumsum(n)
    k = ends[y] - np.searchsorted(keys, asked) - own
    longest = held.longest()
    peers = np.sort(longest[longest >= 0])
    mine = np.append(longest, np.full(size + 1, -1))[y]
    if alone:
        peers, mine = peers[:0], np.full_like(mine, -1)
    ys = peers.size - (mine >= 0)
    others = peers.size - np.searchsorted(peers, least) - ((mine >= 0) & (mine >= least))
    p0 = (others + THETA) / (ys + THETA)
    p = (k + THETA * p0) / (n[y] - own + THETA)
    bits, bits_peers = (np.abs(np.log2(np.minimum(part, 1.0))) for part in (p, p0))
    return Answer(bits, bits_peers, n[y] - own, _longest_other(keys, ends, n, y, gap, own), others, ys)


def _longest_other(keys: Ints, ends: Ints, n: Ints, y: Ints, gap: Ints, own: Mask) -> Ints:
    """The longest of y's other silences: of its last two the one that is not the silence asked for."""
    top = np.append(keys, 0)[np.maximum(ends[y] - 1, 0)] % 2**32
    below = np.append(keys, 0)[np.maximum(ends[y] - 2, 0)] % 2**32
    out = np.where(own & (top == gap), np.where(n[y] > 1, below, -1), np.where(n[y] > 0, top, -1))
    return np.asarray(out, dtype=np.int64)


def numbers(self_: pl.DataFrame, y: pl.Series) -> tuple[Ints, Ints]:
    """Names of a table of `PRESENCE`, and others, as numbers: equal names have equal ones."""
    held, asked = numbered(self_["y"], y)
    return held, asked
