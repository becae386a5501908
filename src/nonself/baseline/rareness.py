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
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from nonself.baseline import peers
from nonself.baseline.codes import Floats, Ints, Mask, blockwise, found, lengths, rows_of
from nonself.baseline.codes import numbered as dense
from nonself.baseline.keys import numbered
from nonself.baseline.kinds import Level, Rows
from nonself.baseline.pairs import X_PER_DAY, dropped


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
    return Odd(_Held(self_, y, x, asked, alike=compare == "alike"), dropped(self_, y, asked.y, asked.names, most=most), compare)


@dataclass(frozen=True, slots=True)
class _Part:
    """What is found of some windows: P(x|y), P0(x) and Pg(x); their pairs among those of y, and their x among all and those of y's group,
    which has so many members."""

    p: Floats
    p0: Floats
    pg: Floats
    mine: Rows
    theirs: Rows
    like: Rows | None
    members: Ints


@dataclass(frozen=True, slots=True)
class Odd:
    """What `weighed` finds of each window. A block of windows is weighed at a time (`codes.blockwise`); those that are told of, again."""

    _held: _Held
    _hidden: Mask | None
    _compare: str

    @property
    def bits(self) -> Floats:
        """-log2 P(x|y)."""
        return blockwise(lambda some: np.abs(-np.log2(self._weighed(some).p)), self._held.asked.y.size)

    def _weighed(self, some: slice | Ints) -> _Part:
        held, compare = self._held, self._compare
        mine, theirs, like, members = held.mine(some), held.asked.x[some], None, np.empty(0, np.int64)
        own = Rows(held.pairs.without, mine) if compare == "peers" else held.pairs.taken(mine, held.shown(some))
        gone = own.gone()
        others = held.others.taken(held.others.rows(held.places[theirs], np.zeros_like(gone)), gone)
        p0 = np.ones(gone.size) if compare == "own" else others.mixed(1.0)
        if held.groups:
            row, members = held.groups.rows(held.asked.y[some], theirs)
            like = held.groups.level.taken(row, gone * (held.groups.level.whole.c[row] > 0))
        pg = like.mixed(p0) if like else p0
        p = p0 if compare == "peers" else own.mixed(pg)
        if self._hidden is not None:
            p = np.where(self._hidden[some] & (own.c() == 0), pg, p)
        return _Part(p, p0, pg, own, others, like, members)

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
        held, part = self._held, self._weighed(some)
        c, known = part.mine.c(), held.kinds[held.asked.y[some]] > 0
        since, until = held.span(some)
        usual, often = held.usual(some)
        columns = {
            **{name: np.abs(-np.log2(p)) for name, p in (("bits", part.p), ("bits_peers", part.p0), ("bits_alike", part.pg))},
            "c": c, "n": part.mine.n(), "since": since, "until": until, "known": known, "often": often, "usual": usual,
            "others": part.theirs.c() - (c > 0), "ys": np.count_nonzero(held.kinds) - known.astype(np.int64),
            "hidden": self._hidden[some] if self._hidden is not None else np.zeros(c.size, np.bool_),
            "alike_others": (part.like.c() - (c > 0)).clip(0) if part.like else np.zeros_like(c),
            "alike_ys": (part.members - 1).clip(0) if part.like else np.zeros_like(c),
        }  # fmt: skip
        return pl.DataFrame(columns).select(_ANSWERS)


_ANSWERS = [
    pl.col("bits", "bits_peers", "c", "n"),
    *(pl.when("known").then(pl.col(day).cast(pl.Int32).cast(pl.Date)) for day in ("since", "until")),
    pl.col("others", "ys", "hidden", "usual", "often", "bits_alike", "alike_others", "alike_ys"),
]
_NOTHING = pl.Series("x", [None], dtype=pl.String)


class _Held:
    """What the self holds about the y, x and pairs of the asked windows, their own included. Unknown ones count 0.

    pairs, others  the levels of y's pairs, and of x by how many y show it; `places` is each x's key among these, -1 for none
    groups         the level between them, if it is asked for
    kinds          per y, how many x it shows
    """

    __slots__ = (
        "_c", "_first", "_keys", "_pair", "_pair_x", "_pair_y", "_self", "_slots", "_wide", "_y",
        "asked", "groups", "kinds", "others", "pairs", "places",
    )  # fmt: skip

    def __init__(self, self_: pl.DataFrame, y: Ints, x: Ints, asked: Asked, *, alike: bool = False) -> None:
        wide, high = (1 + int(max(a.max(initial=0), b.max(initial=0))) for a, b in ((x, asked.x), (y, asked.y)))
        self._self, self._y, self._wide, self.asked = self_, y, wide, asked
        self._slots = np.append(self_["slots"].to_numpy(), np.uint32(0))
        key_ = y * wide + x
        pair, first = dense(key_)
        self._keys = key_[first] if (asked.row < 0).any() else np.empty(0, np.int64)  # only those not held are looked up
        self._pair, self._first = pair.astype(np.int32), first.astype(np.int32)
        self._pair_y, self._pair_x = y[first], x[first]
        self._c = _sums(pair, np.bitwise_count(self._slots[:-1]), first.size)
        self.kinds = np.bincount(self._pair_y, minlength=high)
        self.pairs = Level.of(self._pair_y, self._c, high)
        by = np.bincount(self._pair_x, minlength=wide)
        shown = np.flatnonzero(by)
        self.places = np.full(wide, -1)
        self.places[shown] = np.arange(shown.size)
        self.others = Level.of(np.zeros_like(shown), by[shown], 1)
        self.groups = _Groups.of(self._pair_y, self._pair_x, self.kinds) if alike else None

    def at(self, some: slice | Ints) -> Ints:
        """The pairs of some windows, -1 for those that are not held."""
        row, y, x = self.asked.row[some], self.asked.y[some], self.asked.x[some]
        at, others = np.where(row < 0, -1, self._pair[row]) if self._pair.size else np.full(row.size, -1), np.flatnonzero(row < 0)
        at[others] = found(self._keys, y[others] * self._wide + x[others])
        return at

    def mine(self, some: slice | Ints) -> Ints:
        """The kinds of the pairs of some windows among those of their y."""
        return self.pairs.rows(self.at(some), self.asked.y[some])

    def shown(self, some: slice | Ints = slice(None)) -> Ints:
        """1 where the self holds the very window asked for."""
        return np.asarray(self._slots[self.asked.row[some]].astype(np.int64) >> self.asked.slot[some] & 1, dtype=np.int64)

    def before(self) -> tuple[Ints, Ints]:
        """Windows in which each asked y showed the asked x, and y that ever showed this."""
        by = np.bincount(self._pair_x, minlength=1 + int(self.asked.x.max(initial=0)))
        return np.append(self._c, 0)[self.at(slice(None))], by[self.asked.x]

    def usual(self, some: Ints) -> tuple[pl.Series, Ints]:
        """What each asked y showed most often (null for an unknown y), and how often."""
        starts = np.flatnonzero(np.diff(self._pair_y, prepend=-1))  # pairs are in order of y
        most = np.maximum.reduceat(self._c, starts) if starts.size else starts
        top = np.flatnonzero(self._c == np.repeat(most, lengths(starts, self._c.size)))
        best = np.full(self.kinds.size, self._c.size)
        best[self._pair_y[top[::-1]]] = top[::-1]
        at = best[self.asked.y[some]]
        row = np.append(self._first.astype(np.int64), self._self.height)[at]
        return pl.concat([self._self["x"], _NOTHING]).gather(row), np.append(self._c, 0)[at]

    def span(self, some: Ints) -> tuple[Ints, Ints]:
        """First and last day of each asked y; any for an unknown one."""
        day = self._self["day"].to_physical().to_numpy().astype(np.int64)
        since, until = np.full(self.kinds.size, 2**31 - 1), np.full(self.kinds.size, -(2**31))
        np.minimum.at(since, self._y, day)
        np.maximum.at(until, self._y, day)
        return since[self.asked.y[some]], until[self.asked.y[some]]


@dataclass(frozen=True, slots=True)
class _Groups:
    """The level of the groups of y that behave alike: each y's group (-1 for none), their sizes (a last one of 0), and the keys of the
    level, a group's number times `wide` plus that of an x."""

    group: Ints
    sizes: Ints
    keys: Ints
    wide: int
    level: Level

    @classmethod
    def of(cls, pair_y: Ints, pair_x: Ints, kinds: Ints) -> _Groups:
        known = kinds > 0
        group = np.full(kinds.size, -1)
        group[known] = peers.groups((np.cumsum(known) - 1)[pair_y], pair_x, int(np.count_nonzero(known)))
        number, wide = int(group.max(initial=-1)) + 1, 1 + int(pair_x.max(initial=0))
        owner = group[pair_y]
        shown, c = np.unique(owner[owner >= 0] * wide + pair_x[owner >= 0], return_counts=True)
        sizes = np.append(np.bincount(group[group >= 0], minlength=number), 0)
        return cls(group, sizes, shown, wide, Level.of(shown // wide, c, number + 1))

    def rows(self, y: Ints, x: Ints) -> tuple[Ints, Ints]:
        """The kind of each x among all x of the group of y, counted in y that showed it; and the group's size, 0 for none. Those without
        a group are asked of a last one, which is empty."""
        group = self.group[y]
        at = np.where((group < 0) | (x >= self.wide), -1, found(self.keys, group * self.wide + x))
        group = np.where(group < 0, self.sizes.size - 1, group)
        return self.level.rows(at, group), self.sizes[group]


def _sums(group: Ints, values: npt.ArrayLike, size: int) -> Ints:
    """Sums of whole numbers by group, exact below 2^53."""
    return np.bincount(group, weights=np.asarray(values, dtype=np.float64), minlength=size).astype(np.int64)
