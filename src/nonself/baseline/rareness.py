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
from nonself.baseline.codes import Floats, Ints, Mask, found, key, lengths, rows_of
from nonself.baseline.codes import numbered as dense
from nonself.baseline.keys import numbered
from nonself.baseline.pairs import X_PER_DAY, dropped

THETA = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """Windows, row for row: day since 1970, slot, and the numbers of y and x, which are those of the self's names too; the self's row of
    their day, y and x (-1 for none); and the names of the x of some rows."""

    day: Ints
    slot: Ints
    y: Ints
    x: Ints
    row: Ints
    names: Callable[[Ints], pl.Series]


def surprise(windows: pl.DataFrame, self_: pl.DataFrame, compare: str = "history", *, most: int = X_PER_DAY) -> pl.DataFrame:
    """How odd each window (columns day, slot, y, x) is, given every window of `self_` but itself: the same rows, with the columns of
    `Odd.told`. `compare` as for `weighed`; a day of y is full with `most` x."""
    asked, y, x = _numbered(windows, self_)
    odd = weighed(asked, self_, y, x, compare, most=most)
    return pl.concat([windows, odd.told(np.arange(windows.height))], how="horizontal")


def witnesses(windows: pl.DataFrame, self_: pl.DataFrame) -> pl.DataFrame:
    """Of `surprise` the columns c, others and ys alone, row for row: who showed x besides, where nobody asks how odd that is."""
    asked, y, x = _numbered(windows, self_)
    held = _Held(self_, y, x, asked)
    before, by = held.before()
    ys = np.count_nonzero(held.kinds) - (held.kinds[asked.y] > 0)
    return pl.DataFrame({"c": before - held.shown(), "others": by - (before > 0), "ys": ys})


def _numbered(windows: pl.DataFrame, self_: pl.DataFrame) -> tuple[Asked, Ints, Ints]:
    """The windows in numbers, and the y and x of the self's rows."""
    (y, asked_y), (x, asked_x) = (numbered(self_[name], windows[name]) for name in ("y", "x"))
    day, slot = (windows[name].to_physical().to_numpy().astype(np.int64) for name in ("day", "slot"))
    row = rows_of((self_["day"].to_physical().to_numpy().astype(np.int64), y, x), (day, asked_y, asked_x))
    return Asked(day, slot, asked_y, asked_x, row, windows["x"].gather), y, x


def weighed(asked: Asked, self_: pl.DataFrame, y: Ints, x: Ints, compare: str = "history", *, most: int = X_PER_DAY) -> Odd:
    """The same of windows in numbers, `y` and `x` those of the self's rows.

    `compare`: "alike" puts the level of groups between y and the population; "peers" leaves out what y itself did with x, in all windows:
    P = P0(x) among the others; "own" leaves out the others: P0 = 1.
    """
    held = _Held(self_, y, x, asked)
    mine = held.mine()
    mine = mine.without_x() if compare == "peers" else mine.apart(held.shown())
    gone = mine.gone()
    theirs = held.theirs().apart(gone)
    p0 = np.ones(gone.size) if compare == "own" else theirs.mixed(1.0)
    like, members = held.alike() if compare == "alike" else (None, None)
    like = like.apart(gone * (like.c() > 0)) if like else None
    pg = like.mixed(p0) if like else p0
    p = p0 if compare == "peers" else mine.mixed(pg)
    hidden = dropped(self_, y, asked.y, asked.names, most=most)
    if hidden is not None:
        p = np.where(hidden & (mine.c() == 0), pg, p)
    return Odd(held, p, p0, pg, mine, theirs, hidden, like, members)


@dataclass(frozen=True, slots=True)
class Odd:
    """What `weighed` found of each window; the rest is worked out for those that are told of."""

    _held: _Held
    _p: Floats
    _p0: Floats
    _pg: Floats
    _mine: _Level
    _theirs: _Level
    _hidden: Mask | None
    _like: _Level | None
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
        held, c, known = self._held, self._mine.c(some), self._held.kinds[self._held.asked.y[some]] > 0
        since, until = held.span(some)
        usual, often = held.usual(some)
        columns = {
            **{name: np.abs(-np.log2(p[some])) for name, p in (("bits", self._p), ("bits_peers", self._p0), ("bits_alike", self._pg))},
            "c": c, "n": self._mine.n(some), "since": since, "until": until, "known": known, "often": often, "usual": usual,
            "others": self._theirs.c(some) - (c > 0), "ys": np.count_nonzero(held.kinds) - known.astype(np.int64),
            "hidden": self._hidden[some] if self._hidden is not None else np.zeros(c.size, np.bool_),
            "alike_others": (self._like.c(some) - (c > 0)).clip(0) if self._like is not None else np.zeros_like(c),
            "alike_ys": (self._members[some] - 1).clip(0) if self._members is not None else np.zeros_like(c),
        }  # fmt: skip
        return pl.DataFrame(columns).select(_ANSWERS)


_ANSWERS = [
    pl.col("bits", "bits_peers", "c", "n"),
    *(pl.when("known").then(pl.col(day).cast(pl.Int32).cast(pl.Date)) for day in ("since", "until")),
    pl.col("others", "ys", "hidden", "usual", "often", "bits_alike", "alike_others", "alike_ys"),
]
_NOTHING = pl.Series("x", [None], dtype=pl.String)


@dataclass(frozen=True, slots=True)
class _Counts:
    """Kinds of keys at one level of the model, all that are counted equally often by one owner: their count c; their owner's n, all counts;
    k and n1, its keys counted at all and just once; and of its keys counted at most as often as these: upto, their counts, and kinds, their
    number; above, the number of keys counted just once more. Once `apart`, upto and kinds speak of keys counted at most once more than
    these, and are 0 for keys never counted."""

    c: Ints
    n: Ints
    k: Ints
    n1: Ints
    upto: Ints
    kinds: Ints
    above: Ints

    def apart(self, take: int) -> _Counts:
        """With `take` (0 or 1) taken from the count of one of the keys, and every sum that rests on it corrected, exactly."""
        left = self.c - take
        last = (self.c == 1) & (take == 1)
        upto = self.upto - 1 if take else self.upto + (self.c + 1) * self.above
        kinds = self.kinds if take else self.kinds + self.above
        n1 = self.n1 - last + (self.c == 2) * take
        return _Counts(left, self.n - take, self.k - last, n1, np.where(left == 0, 0, upto), np.where(left == 0, 0, kinds), self.above)


@dataclass(frozen=True, slots=True)
class _Level:
    """A level of the model: the kinds of its keys, and each asked row's. What is asked of rows is worked out for kinds, which are few.
    `before` holds the counts before anything was taken from them."""

    of: _Counts
    row: Ints
    before: Ints

    def c(self, some: Ints | slice = slice(None)) -> Ints:
        return self.of.c[self.row[some]]

    def n(self, some: Ints) -> Ints:
        return self.of.n[self.row[some]]

    def apart(self, take: Ints) -> _Level:
        """With one taken, where `take` is 1, from each row's own key."""
        kept, taken = self.of.apart(0), self.of.apart(1)
        both = (np.concatenate([getattr(part, name) for part in (kept, taken)]) for name in _Counts.__dataclass_fields__)
        return _Level(_Counts(*both), self.row + take * self.before.size, np.tile(self.before, 2))

    def without_x(self) -> _Level:
        """With all counts of each row's own key taken from what they are part of in n."""
        return _Level(replace(self.of, c=np.zeros_like(self.of.c), n=self.of.n - self.of.c), self.row, self.before)

    def gone(self) -> Ints:
        """Per row: 1 where nothing is left of its key."""
        return np.asarray(((self.before > 0) & (self.of.c == 0))[self.row], dtype=np.int64)

    def mixed(self, above: Floats | float) -> Floats:
        """The predictive, given that of the level above, row for row: see the formula on top of this file."""
        of = self.of
        seen = of.upto - of.n1 / np.maximum(of.k, 1) * of.kinds
        out = seen[self.row] + (THETA + of.n1)[self.row] * above
        out /= (of.n + THETA)[self.row]
        return np.asarray(np.minimum(out, 1.0), dtype=np.float64)


class _Held:
    """What the self holds about the y, x and pairs of the asked windows, their own included. Unknown ones count 0."""

    __slots__ = ("_at", "_c", "_day", "_first", "_keys", "_pair", "_pair_x", "_pair_y", "_self", "_slots", "_y", "asked", "kinds")

    def __init__(self, self_: pl.DataFrame, y: Ints, x: Ints, asked: Asked) -> None:
        wide, high = (1 + int(max(a.max(initial=0), b.max(initial=0))) for a, b in ((x, asked.x), (y, asked.y)))
        self._self, self._y, self.asked = self_, y, asked
        self._day = self_["day"].to_physical().to_numpy().astype(np.int64)
        self._slots = self_["slots"].to_numpy().astype(np.int64)
        key_ = y * wide + x
        self._pair, self._first = dense(key_)
        self._keys = key_[self._first]
        self._pair_y, self._pair_x = np.divmod(self._keys, wide)
        self._c = _sums(self._pair, np.bitwise_count(self._slots), self._keys.size)
        self._at = np.append(self._pair, -1)[asked.row]
        others = np.flatnonzero(asked.row < 0)
        self._at[others] = found(self._keys, asked.y[others] * wide + asked.x[others])
        self.kinds = np.bincount(self._pair_y, minlength=high)

    def mine(self) -> _Level:
        """Each asked pair among the pairs of its y."""
        return _level(self._pair_y, self._c, self._at, self.asked.y, self.kinds.size)

    def before(self) -> tuple[Ints, Ints]:
        """Windows in which each asked y showed the asked x, and y that ever showed this."""
        by = np.bincount(self._pair_x, minlength=1 + int(self.asked.x.max(initial=0)))
        return np.append(self._c, 0)[self._at], by[self.asked.x]

    def alike(self) -> tuple[_Level, Ints]:
        """Each asked x among all x of the group of its y, counted in y that showed it; and the group's size, 0 for none."""
        known = self.kinds > 0
        group = np.full(self.kinds.size, -1)
        group[known] = peers.groups((np.cumsum(known) - 1)[self._pair_y], self._pair_x, int(np.count_nonzero(known)))
        asked, number = group[self.asked.y], int(group.max(initial=-1)) + 1
        wide = 1 + int(max(self._pair_x.max(initial=0), self.asked.x.max(initial=0)))
        owner = group[self._pair_y]
        shown, c = np.unique(owner[owner >= 0] * wide + self._pair_x[owner >= 0], return_counts=True)
        # Those without a group are asked of a last one, which is empty.
        at = np.where(asked < 0, -1, found(shown, asked * wide + self.asked.x))
        sizes = np.append(np.bincount(group[group >= 0], minlength=number), 0)
        asked = np.where(asked < 0, number, asked)
        return _level(shown // wide, c, at, asked, number + 1), sizes[asked]

    def theirs(self) -> _Level:
        """Each asked x among all x, counted in y that showed it."""
        x = self.asked.x
        shown_by = np.bincount(self._pair_x, minlength=1 + int(x.max(initial=0)))
        shown = np.flatnonzero(shown_by)
        at = np.full(shown_by.size, -1)
        at[shown] = np.arange(shown.size)
        return _level(np.zeros_like(shown), shown_by[shown], at[x], np.zeros_like(x), 1)

    def shown(self) -> Ints:
        """1 where the self holds the very window asked for."""
        return np.asarray(np.append(self._slots, 0)[self.asked.row] >> self.asked.slot & 1, dtype=np.int64)

    def usual(self, some: Ints) -> tuple[pl.Series, Ints]:
        """What each asked y showed most often (null for an unknown y), and how often."""
        starts = np.flatnonzero(np.diff(self._pair_y, prepend=-1))  # pairs are in order of y
        most = np.maximum.reduceat(self._c, starts) if starts.size else starts
        top = np.flatnonzero(self._c == np.repeat(most, lengths(starts, self._c.size)))
        best = np.full(self.kinds.size, self._c.size)
        best[self._pair_y[top[::-1]]] = top[::-1]
        at = best[self.asked.y[some]]
        row = np.append(self._first, self._day.size)[at]
        return pl.concat([self._self["x"], _NOTHING]).gather(row), np.append(self._c, 0)[at]

    def span(self, some: Ints) -> tuple[Ints, Ints]:
        """First and last day of each asked y; any for an unknown one."""
        since, until = np.full(self.kinds.size, 2**31 - 1), np.full(self.kinds.size, -(2**31))
        np.minimum.at(since, self._y, self._day)
        np.maximum.at(until, self._y, self._day)
        return since[self.asked.y[some]], until[self.asked.y[some]]


def _level(owner: Ints, count: Ints, at: Ints, asked: Ints, size: int) -> _Level:
    """A level of the model: `count` of each key and its `owner` (0 to `size` - 1), for the keys `at` (-1 for none) of the owners asked."""
    kind, first = dense(key(owner, count))
    g, c, same = owner[first], count[first], np.bincount(kind)
    starts = np.searchsorted(g, np.arange(size + 1))
    n, k, n1 = (np.append(0, np.cumsum(part)) for part in (c * same, same, np.where(c == 1, same, 0)))
    upto, kinds = n[1:] - n[starts[g]], k[1:] - k[starts[g]]
    goes_on = np.append((g[1:] == g[:-1]) & (c[1:] == c[:-1] + 1), False)[: g.size]
    above = np.where(goes_on, np.append(same[1:], 0)[: g.size], 0)
    whose, none = np.append(g, np.arange(size)), np.zeros(size, np.int64)  # one more kind of each owner: keys it has never counted
    totals = (part[starts[1:]][whose] - part[starts[:-1]][whose] for part in (n, k, n1))
    counts = _Counts(np.append(c, none), *totals, *(np.append(part, none) for part in (upto, kinds, above)))
    return _Level(counts, np.where(at < 0, g.size + asked, np.append(kind, 0)[at]), counts.c)


def _sums(group: Ints, values: npt.ArrayLike, size: int) -> Ints:
    """Sums of whole numbers by group, exact below 2^53."""
    return np.bincount(group, weights=np.asarray(values, dtype=np.float64), minlength=size).astype(np.int64)
