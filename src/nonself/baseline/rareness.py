"""How surprising it is that y shows x: the predictive probability of the next pair, given a self of pairs (`baseline.pairs`).

The predictive is a two-level Pitman-Yor process (Teh 2006, "A hierarchical Bayesian language model based on Pitman-Yor processes"; the
back-off of Chen & Goodman 1999), read as a tail: not "how probable is this very x" but "how probable is an x at most as usual as this
one", as in the rareness statistic of Das & Schneider 2007 ("Detecting anomalous records in categorical data sets"). The probability of
one x depends on how many there are to choose from: among a thousand equally usual things each is improbable and none is odd.

    P(x|y) = (S_y(c) - d_y K_y(c) + (theta + d_y K_y) P0(x)) / (n_y + theta)
    P0(x)  = (S(m) - d K(m) + (theta + d K)) / (M + theta)

c = c_xy windows in which y showed x; S_y(c), K_y(c) windows and number of the x that y showed at least once and at most c + 1 times (one
window more or less is no difference), both 0 for c = 0; n_y, K_y the same over all of y's x. m is the number of y that ever showed x;
S(m), K(m), M, K are the same sums over the population, counting each y once, so that one chatty y does not make an x usual.
Between the two may stand the y's peers, those that are alike by what they do (`baseline.peers`): Pg(x), the same sums as P0 over the y of
its group, backed off to P0, takes P0's place in P(x|y). A y without a group has no such level.

theta = 1: one window's worth of belief in the level above. The discount is d = n1 / K, n1 being the number of x seen once: it is the
consistent estimate for a Pitman-Yor process (Pitman 2006, "Combinatorial Stochastic Processes", 3.3) and turns the novelty mass into
Good-Turing's, (theta + n1) / (n + theta). With no history P = 1 and nothing is surprising; who shows new things all the time is
expected to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from nonself.baseline import peers
from nonself.baseline.codes import Floats, Ints, Mask, found, key
from nonself.baseline.codes import numbered as dense
from nonself.baseline.keys import numbered
from nonself.baseline.pairs import X_PER_DAY, dropped

THETA = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """Windows, row for row: day since 1970, slot, and the numbers of y and x, which are those of the self's names too; and the names of
    the x of some rows."""

    day: Ints
    slot: Ints
    y: Ints
    x: Ints
    names: Callable[[Ints], pl.Series]


def surprise(windows: pl.DataFrame, self_: pl.DataFrame, compare: str = "history", *, most: int = X_PER_DAY) -> pl.DataFrame:
    """How odd each window (columns day, slot, y, x) is, given every window of `self_` but itself: the same rows, with the columns of
    `Odd.told`. `compare` as for `weighed`; a day of y is full with `most` x."""
    (y, asked_y), (x, asked_x) = (numbered(self_[name], windows[name]) for name in ("y", "x"))
    day, slot = (windows[name].to_physical().to_numpy().astype(np.int64) for name in ("day", "slot"))
    odd = weighed(Asked(day, slot, asked_y, asked_x, windows["x"].gather), self_, y, x, compare, most=most)
    return pl.concat([windows, odd.told(np.arange(windows.height))], how="horizontal")


def witnesses(windows: pl.DataFrame, self_: pl.DataFrame) -> pl.DataFrame:
    """Of `surprise` the columns c, others and ys alone, row for row: who showed x besides, where nobody asks how odd that is."""
    (y, asked_y), (x, asked_x) = (numbered(self_[name], windows[name]) for name in ("y", "x"))
    day, slot = (windows[name].to_physical().to_numpy().astype(np.int64) for name in ("day", "slot"))
    held = _Held(self_, y, x, Asked(day, slot, asked_y, asked_x, windows["x"].gather))
    before, by = held.before()
    ys = np.count_nonzero(held.kinds) - (held.kinds[asked_y] > 0)
    return pl.DataFrame({"c": before - held.shown(), "others": by - (before > 0), "ys": ys})


def weighed(asked: Asked, self_: pl.DataFrame, y: Ints, x: Ints, compare: str = "history", *, most: int = X_PER_DAY) -> Odd:
    """The same of windows in numbers, `y` and `x` those of the self's rows.

    `compare`: "alike" puts the level of groups between y and the population; "peers" leaves out what y itself did with x, in all windows:
    P = P0(x) among the others; "own" leaves out the others: P0 = 1.
    """
    held = _Held(self_, y, x, asked)
    mine, own = held.mine(), held.shown()
    known, before = mine.k > 0, mine.c
    mine = replace(mine, c=np.zeros_like(before), n=mine.n - before) if compare == "peers" else mine.apart(own)
    gone = ((before > 0) & (mine.c == 0)).astype(np.int64)
    theirs = held.theirs().apart(gone)
    p0 = np.ones(before.size) if compare == "own" else _mixed(theirs, 1.0)
    like, members = held.alike() if compare == "alike" else (None, None)
    like = like.apart(gone * (like.c > 0)) if like else None
    pg = _mixed(like, p0) if like else p0
    p = p0 if compare == "peers" else _mixed(mine, pg)
    hidden = dropped(self_, y, asked.y, asked.names, most=most)
    if hidden is not None:
        p = np.where(hidden & (mine.c == 0), pg, p)
    return Odd(held, p, p0, pg, mine, theirs, known, hidden, like, members)


@dataclass(frozen=True, slots=True)
class Odd:
    """What `weighed` found of each window; the rest is worked out for those that are told of."""

    _held: _Held
    _p: Floats
    _p0: Floats
    _pg: Floats
    _mine: _Count
    _theirs: _Count
    _known: Mask
    _hidden: Mask | None
    _like: _Count | None
    _members: Ints | None

    @property
    def bits(self) -> Floats:
        """-log2 P(x|y)."""
        return np.abs(-np.log2(self._p))

    def told(self, some: Ints) -> pl.DataFrame:
        """Of some windows:

        bits        -log2 P(x|y)
        bits_peers  -log2 P0(x), the population's part
        c, n        windows in which y showed x, and all windows (y, x) of y; the scored window left out
        since, until  first and last day of y in the self; null for an unknown y
        others, ys  other y that showed x, and all other y
        hidden      whether y's days were too full to know if it showed x
        usual, often  what y showed most often (one of several), null for an unknown y, and in how many windows
        bits_alike  -log2 Pg(x), the part of the population and of y's group together; `bits_peers` where y has none
        alike_others, alike_ys  other y of its group that showed x, and all other y of it; 0 where it has none
        """
        held, c, known = self._held, self._mine.c[some], self._known[some]
        since, until = held.span(some)
        usual, often = held.usual(some)
        columns = {
            **{name: np.abs(-np.log2(p[some])) for name, p in (("bits", self._p), ("bits_peers", self._p0), ("bits_alike", self._pg))},
            "c": c, "n": self._mine.n[some], "since": since, "until": until, "known": known, "often": often, "usual": usual,
            "others": self._theirs.c[some] - (c > 0), "ys": np.count_nonzero(held.kinds) - known.astype(np.int64),
            "hidden": self._hidden[some] if self._hidden is not None else np.zeros(c.size, np.bool_),
            "alike_others": (self._like.c[some] - (c > 0)).clip(0) if self._like is not None else np.zeros_like(c),
            "alike_ys": (self._members[some] - 1).clip(0) if self._members is not None else np.zeros_like(c),
        }  # fmt: skip
        return pl.DataFrame(columns).select(_ANSWERS)


_ANSWERS = [
    pl.col("bits", "bits_peers", "c", "n"),
    *(pl.when("known").then(pl.col(day).cast(pl.Int32).cast(pl.Date)) for day in ("since", "until")),
    pl.col("others", "ys", "hidden", "usual", "often", "bits_alike", "alike_others", "alike_ys"),
]
_NOTHING = pl.Series("x", [None], dtype=pl.String)


def _mixed(level: _Count, above: Floats | float) -> Floats:
    """The predictive of a level, given that of the level above, row for row."""
    return np.asarray(np.minimum((level.seen() + (THETA + level.n1) * above) / (level.n + THETA), 1.0), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Count:
    """Of one level of the model, row for row: c, the key's count; n, all counts; k and n1, keys counted at all and just once; and of
    the keys counted at most as often as this: upto, their counts, and kinds, their number; above, the number of keys counted just once
    more. Once `apart`, upto and kinds speak of keys counted at most once more than this key, and are 0 for a key never counted."""

    c: Ints
    n: Ints
    k: Ints
    n1: Ints
    upto: Ints
    kinds: Ints
    above: Ints

    def apart(self, take: Ints) -> _Count:
        """With one taken (where `take` is 1) from the key's count, and every sum that rests on it corrected, exactly."""
        taken, left = take == 1, self.c - take
        last = (taken & (self.c == 1)).astype(np.int64)
        upto = np.where(left == 0, 0, np.where(taken, self.upto - 1, self.upto + (self.c + 1) * self.above))
        kinds = np.where(left == 0, 0, np.where(taken, self.kinds, self.kinds + self.above))
        return _Count(left, self.n - take, self.k - last, self.n1 - last + (taken & (self.c == 2)), upto, kinds, self.above)

    def seen(self) -> Floats:
        """S(c) - d K(c), see the formula on top of this file."""
        return np.asarray(self.upto - self.n1 / np.maximum(self.k, 1) * self.kinds, dtype=np.float64)


class _Held:
    """What the self holds about the y, x and pairs of the asked windows, their own included. Unknown ones count 0."""

    __slots__ = ("_asked", "_at", "_c", "_day", "_first", "_keys", "_pair", "_pair_x", "_pair_y", "_row", "_self", "_slots", "_y", "kinds")

    def __init__(self, self_: pl.DataFrame, y: Ints, x: Ints, asked: Asked) -> None:
        wide, high = (1 + int(max(a.max(initial=0), b.max(initial=0))) for a, b in ((x, asked.x), (y, asked.y)))
        self._self, self._y, self._asked = self_, y, asked
        self._day = self_["day"].to_physical().to_numpy().astype(np.int64)
        self._slots = self_["slots"].to_numpy().astype(np.int64)
        key_ = y * wide + x
        self._pair, self._first = dense(key_)
        self._keys = key_[self._first]
        self._pair_y, self._pair_x = np.divmod(self._keys, wide)
        self._c = _sums(self._pair, np.bitwise_count(self._slots), self._keys.size)
        self._at = found(self._keys, asked.y * wide + asked.x)
        self.kinds = np.bincount(self._pair_y, minlength=high)

    def mine(self) -> _Count:
        """Each asked pair among the pairs of its y."""
        return _counted(self._pair_y, self._c, self._at, self._asked.y, self.kinds.size)

    def before(self) -> tuple[Ints, Ints]:
        """Windows in which each asked y showed the asked x, and y that ever showed this."""
        by = np.bincount(self._pair_x, minlength=1 + int(self._asked.x.max(initial=0)))
        return np.append(self._c, 0)[self._at], by[self._asked.x]

    def alike(self) -> tuple[_Count, Ints]:
        """Each asked x among all x of the group of its y, counted in y that showed it; and the group's size, 0 for none."""
        known = self.kinds > 0
        group = np.full(self.kinds.size, -1)
        group[known] = peers.groups((np.cumsum(known) - 1)[self._pair_y], self._pair_x, int(np.count_nonzero(known)))
        asked, number = group[self._asked.y], int(group.max(initial=-1)) + 1
        wide = 1 + int(max(self._pair_x.max(initial=0), self._asked.x.max(initial=0)))
        owner = group[self._pair_y]
        shown, c = np.unique(owner[owner >= 0] * wide + self._pair_x[owner >= 0], return_counts=True)
        # Those without a group are asked of a last one, which is empty.
        at = np.where(asked < 0, -1, found(shown, asked * wide + self._asked.x))
        sizes = np.append(np.bincount(group[group >= 0], minlength=number), 0)
        asked = np.where(asked < 0, number, asked)
        return _counted(shown // wide, c, at, asked, number + 1), sizes[asked]

    def theirs(self) -> _Count:
        """Each asked x among all x, counted in y that showed it."""
        x = self._asked.x
        shown_by = np.bincount(self._pair_x, minlength=1 + int(x.max(initial=0)))
        upto, kinds, above = (np.where(shown_by > 0, part, 0)[x] for part in _levels((shown_by > 0).astype(np.int64), shown_by))
        n, k, n1 = (np.full(x.size, n) for n in (self._keys.size, np.count_nonzero(shown_by), np.count_nonzero(shown_by == 1)))
        return _Count(shown_by[x], n, k, n1, upto, kinds, above)

    def shown(self) -> Ints:
        """1 where the self holds the very window asked for."""
        pairs = self._keys.size + 1
        rows = self._day * pairs + self._pair
        order = None if (rows[1:] >= rows[:-1]).all() else np.argsort(rows)
        asked = self._asked.day * pairs + np.where(self._at < 0, pairs - 1, self._at)
        slots = np.append(self._slots if order is None else self._slots[order], 0)
        held = slots[found(rows if order is None else rows[order], asked)]
        return np.asarray(held >> self._asked.slot & 1, dtype=np.int64)

    def usual(self, some: Ints) -> tuple[pl.Series, Ints]:
        """What each asked y showed most often (null for an unknown y), and how often."""
        starts = np.flatnonzero(np.diff(self._pair_y, prepend=-1))  # pairs are in order of y
        most = np.maximum.reduceat(self._c, starts) if starts.size else starts
        top = np.flatnonzero(self._c == np.repeat(most, np.diff(starts, append=self._c.size)))
        best = np.full(self.kinds.size, self._c.size)
        best[self._pair_y[top[::-1]]] = top[::-1]
        at = best[self._asked.y[some]]
        row = np.append(self._first, self._day.size)[at]
        return pl.concat([self._self["x"], _NOTHING]).gather(row), np.append(self._c, 0)[at]

    def span(self, some: Ints) -> tuple[Ints, Ints]:
        """First and last day of each asked y; any for an unknown one."""
        since, until = np.full(self.kinds.size, 2**31 - 1), np.full(self.kinds.size, -(2**31))
        np.minimum.at(since, self._y, self._day)
        np.maximum.at(until, self._y, self._day)
        return since[self._asked.y[some]], until[self._asked.y[some]]


def _counted(owner: Ints, count: Ints, at: Ints, asked: Ints, size: int) -> _Count:
    """A level of the model: `count` of each key and its `owner` (0 to `size` - 1), for the keys `at` (-1 for none) of the owners asked."""
    n, n1, k = _sums(owner, count, size), _sums(owner, count == 1, size), np.bincount(owner, minlength=size)
    c, upto, kinds, above = (np.append(part, 0)[at] for part in (count, *_levels(owner, count)))
    return _Count(c, n[asked], k[asked], n1[asked], upto, kinds, above)


def _sums(group: Ints, values: npt.ArrayLike, size: int) -> Ints:
    """Sums of whole numbers by group, exact below 2^53."""
    return np.bincount(group, weights=np.asarray(values, dtype=np.float64), minlength=size).astype(np.int64)


def _levels(group: Ints, count: Ints) -> tuple[Ints, Ints, Ints]:
    """Per key, of the keys of its group: the counts and the number of those counted at most as often, and the number of those counted
    just once more."""
    order = np.argsort(key(group, count), kind="stable")
    g, c = group[order], count[order]
    new = np.append(True, (g[1:] != g[:-1]) | (c[1:] != c[:-1]))[: g.size]
    starts, level = np.flatnonzero(new), np.cumsum(new) - 1
    same = np.diff(starts, append=g.size)
    g, c = g[starts], c[starts]
    begins = np.searchsorted(g, g)
    goes_on = np.append((g[1:] == g[:-1]) & (c[1:] == c[:-1] + 1), False)[: g.size]
    out = []
    for amount in (c * same, same):
        total = np.cumsum(amount)
        out.append(total - (total - amount)[begins])
    out.append(np.where(goes_on, np.append(same[1:], 0)[: g.size], 0))
    back = np.empty(order.size, np.int64)
    back[order] = level
    upto, kinds, above = (part[back] for part in out)
    return upto, kinds, above
