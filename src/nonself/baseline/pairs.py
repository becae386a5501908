"""Who has shown what: the mergeable summary of (y, x) pairs, and the predictive probability of the next pair.

A pair is counted once per window (an hour, or a day), so a burst counts once. A delta holds, per day, y and x, a bit mask of the windows
in which y showed x: a union of masks is associative, commutative and idempotent, and one window can be taken out exactly.

Size: at most `X_PER_DAY` values of x are kept for a y and day, the ones whose hashes are smallest. The smallest k of a union are the
smallest k of the smallest k of its parts, so the rule merges, and since the choice does not depend on how often x occurs, the kept ones
are a fair sample of the y's variety. On a day that is full, an x whose hash lies past the kept ones is *unknown*, not new.

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

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from nonself.baseline import peers
from nonself.baseline.caps import ROWS_MOST, capped
from nonself.baseline.codes import Floats, Ints, found
from nonself.baseline.keys import hashes, numbered

PAIRS: dict[str, pl.DataType] = {"day": pl.Date(), "y": pl.String(), "x": pl.String(), "slots": pl.UInt32()}
X_PER_DAY = 1_000
THETA = 1.0
_KEYS = ["day", "y", "x"]


def learn(rows: pl.DataFrame) -> pl.DataFrame:
    """The delta of `rows` (columns day, slot (0..31), y, x; one row per event): columns `PAIRS`, canonical."""
    bit = pl.lit(2, pl.UInt32).pow(pl.col("slot")).cast(pl.UInt32).alias("slots")
    return _canonical(rows.select(*_KEYS, bit))


def merge(deltas: list[pl.DataFrame]) -> pl.DataFrame:
    """The union of all deltas; `merge([])` is the identity."""
    parts = [delta.select(*PAIRS) for delta in deltas if delta.height]
    return _canonical(pl.concat(parts)) if parts else pl.DataFrame(schema=PAIRS)


def _canonical(rows: pl.DataFrame) -> pl.DataFrame:
    return bounded(rows.group_by(_KEYS).agg(pl.col("slots").bitwise_or()).sort(_KEYS))


def bounded(table: pl.DataFrame, *, rows: int = ROWS_MOST) -> pl.DataFrame:
    """A table of pairs, each once, sorted, with no more x per y and day than are kept, and within the caps of `baseline.caps`."""
    full = pl.len().over("day", "y") > X_PER_DAY
    if table.height > X_PER_DAY and (over := table.filter(full)).height:
        ranked = over.with_columns(hashes(over["x"]).alias("h")).sort("day", "y", "h", "x")
        kept = ranked.filter(pl.int_range(pl.len()).over("day", "y") < X_PER_DAY).drop("h")
        table = pl.concat([table.filter(~full), kept]).sort(_KEYS)
    return capped(table, rows=rows)


def surprise(windows: pl.DataFrame, self_: pl.DataFrame, *, peers_only: bool = False, alike: bool = False) -> pl.DataFrame:
    """How odd each window (columns day, slot, y, x) is, given every window of `self_` but itself. Same rows, these columns added:

    bits        -log2 P(x|y)
    bits_peers  -log2 P0(x), the population's part
    c, n        windows in which y showed x, and all windows (y, x) of y; the scored window left out
    since, until  first and last day of y in `self_`; null for an unknown y
    others, ys  other y that showed x, and all other y
    hidden      whether y's days were too full to know if it showed x
    usual, often  what y showed most often (one of several), null for an unknown y, and in how many windows
    bits_alike  -log2 Pg(x), the part of the population and of y's group together; `bits_peers` where y has none
    alike_others, alike_ys  other y of its group that showed x, and all other y of it; 0 where it has none

    `alike` puts the level of groups between y and the population. `peers_only` leaves out what y itself did with x, in all windows:
    P = P0(x) among the others.
    """
    (y, asked_y), (x, asked_x) = (numbered(self_[key], windows[key]) for key in ("y", "x"))
    held = _Held(self_, y, x, asked_y, asked_x)
    hidden = _hidden(windows, self_, y)
    mine, theirs, own = held.mine(), held.theirs(), held.shown(windows)
    known, before = mine.k > 0, mine.c
    mine = replace(mine, c=np.zeros_like(before), n=mine.n - before) if peers_only else mine.apart(own)
    gone = ((before > 0) & (mine.c == 0)).astype(np.int64)
    theirs = theirs.apart(gone)
    p0 = _mixed(theirs, np.ones(before.size))
    like, members = held.alike() if alike else (None, np.zeros_like(before))
    like = like.apart(gone * (like.c > 0)) if like else None
    pg = _mixed(like, p0) if like else p0
    mixed = p0 if peers_only else _mixed(mine, pg)
    since, until = held.span()
    usual, often = held.usual()
    columns = {
        "p": np.where(hidden & (mine.c == 0), pg, mixed), "p0": p0, "c": mine.c, "n": mine.n, "since": since, "until": until,
        "others": theirs.c - (mine.c > 0), "ys": np.count_nonzero(held.kinds) - known.astype(np.int64), "hidden": hidden, "known": known,
        "usual": pl.concat([self_["x"], _NOTHING]).gather(usual), "often": often,
        "pg": pg, "alike_others": (like.c - (mine.c > 0)).clip(0) if like else members, "alike_ys": (members - 1).clip(0),
    }  # fmt: skip
    return pl.concat([windows, pl.DataFrame(columns).select(_ANSWERS)], how="horizontal")


_ANSWERS = [
    (-pl.col("p").log(2)).abs().alias("bits"),
    (-pl.col("p0").log(2)).abs().alias("bits_peers"),
    pl.col("c", "n"),
    *(pl.when("known").then(pl.col(day).cast(pl.Int32).cast(pl.Date)) for day in ("since", "until")),
    pl.col("others", "ys", "hidden", "usual", "often"),
    (-pl.col("pg").log(2)).abs().alias("bits_alike"),
    pl.col("alike_others", "alike_ys"),
]
_NOTHING = pl.Series("x", [None], dtype=pl.String)


def _mixed(level: _Count, above: Floats) -> Floats:
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

    __slots__ = ("_asked_x", "_asked_y", "_at", "_c", "_day", "_first", "_keys", "_pair", "_pair_x", "_pair_y", "_slots", "_y", "kinds")

    def __init__(self, self_: pl.DataFrame, y: Ints, x: Ints, asked_y: Ints, asked_x: Ints) -> None:
        wide, high = (1 + int(max(a.max(initial=0), b.max(initial=0))) for a, b in ((x, asked_x), (y, asked_y)))
        self._y, self._asked_y, self._asked_x = y, asked_y, asked_x
        self._day = self_["day"].cast(pl.Int32).to_numpy().astype(np.int64)
        self._slots = self_["slots"].to_numpy().astype(np.int64)
        self._keys, self._first, self._pair = np.unique(y * wide + x, return_index=True, return_inverse=True)
        self._pair_y, self._pair_x = np.divmod(self._keys, wide)
        self._c = _sums(self._pair, np.bitwise_count(self._slots), self._keys.size)
        self._at = found(self._keys, asked_y * wide + asked_x)
        self.kinds = np.bincount(self._pair_y, minlength=high)

    def mine(self) -> _Count:
        """Each asked pair among the pairs of its y."""
        return _counted(self._pair_y, self._c, self._at, self._asked_y, self.kinds.size)

    def alike(self) -> tuple[_Count, Ints]:
        """Each asked x among all x of the group of its y, counted in y that showed it; and the group's size, 0 for none."""
        group = peers.groups(self._pair_y, self._pair_x, self.kinds.size)
        asked, number = group[self._asked_y], int(group.max(initial=-1)) + 1
        wide = 1 + int(max(self._pair_x.max(initial=0), self._asked_x.max(initial=0)))
        owner = group[self._pair_y]
        shown, c = np.unique(owner[owner >= 0] * wide + self._pair_x[owner >= 0], return_counts=True)
        # Those without a group are asked of a last one, which is empty.
        at = np.where(asked < 0, -1, found(shown, asked * wide + self._asked_x))
        sizes = np.append(np.bincount(group[group >= 0], minlength=number), 0)
        asked = np.where(asked < 0, number, asked)
        return _counted(shown // wide, c, at, asked, number + 1), sizes[asked]

    def theirs(self) -> _Count:
        """Each asked x among all x, counted in y that showed it."""
        x = self._asked_x
        shown_by = np.bincount(self._pair_x, minlength=1 + int(x.max(initial=0)))
        upto, kinds, above = (np.where(shown_by > 0, part, 0)[x] for part in _levels((shown_by > 0).astype(np.int64), shown_by))
        n, k, n1 = (np.full(x.size, n) for n in (self._keys.size, np.count_nonzero(shown_by), np.count_nonzero(shown_by == 1)))
        return _Count(shown_by[x], n, k, n1, upto, kinds, above)

    def shown(self, windows: pl.DataFrame) -> Ints:
        """1 where the self holds the very window asked for."""
        pairs = self._keys.size + 1
        key = self._day * pairs + self._pair
        order = np.argsort(key)
        asked = windows["day"].cast(pl.Int32).to_numpy() * np.int64(pairs) + np.where(self._at < 0, pairs - 1, self._at)
        slots = np.append(self._slots[order], 0)[found(key[order], asked)]
        return np.asarray(slots >> windows["slot"].to_numpy().astype(np.int64) & 1, dtype=np.int64)

    def usual(self) -> tuple[Ints, Ints]:
        """A row of the self that names what each asked y showed most often (past its end for an unknown y), and how often."""
        starts = np.flatnonzero(np.diff(self._pair_y, prepend=-1))  # pairs are in order of y
        most = np.maximum.reduceat(self._c, starts) if starts.size else starts
        top = np.flatnonzero(self._c == np.repeat(most, np.diff(starts, append=self._c.size)))
        best = np.full(self.kinds.size, self._c.size)
        best[self._pair_y[top[::-1]]] = top[::-1]
        at = best[self._asked_y]
        return np.append(self._first, self._day.size)[at], np.append(self._c, 0)[at]

    def span(self) -> tuple[Ints, Ints]:
        """First and last day of each asked y; any for an unknown one."""
        since, until = np.full(self.kinds.size, 2**31 - 1), np.full(self.kinds.size, -(2**31))
        np.minimum.at(since, self._y, self._day)
        np.maximum.at(until, self._y, self._day)
        return since[self._asked_y], until[self._asked_y]


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
    order = np.lexsort((count, group))
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


def _hidden(windows: pl.DataFrame, self_: pl.DataFrame, y: Ints) -> npt.NDArray[np.bool_]:
    """Whether x may have been dropped on a full day of y: its hash lies past the largest one kept."""
    nothing = np.zeros(windows.height, np.bool_)
    if self_.height < X_PER_DAY:
        return nothing
    _, day, size = np.unique(self_["day"].cast(pl.Int32).to_numpy() * np.int64(2**32) + y, return_inverse=True, return_counts=True)
    if size.max() < X_PER_DAY:
        return nothing
    full = self_.filter(pl.Series(size[day] >= X_PER_DAY)).join(windows.select("y").unique(), on="y", how="semi")
    if not full.height:
        return nothing
    last = full.with_columns(hashes(full["x"]).alias("h")).group_by("day", "y").agg(pl.col("h").max())
    bound = last.group_by("y").agg(pl.col("h").min().alias("bound"))
    asked = windows.select("y", "x").join(bound, on="y", how="left", maintain_order="left")
    past = pl.when(pl.col("bound").is_not_null()).then(hashes(asked["x"])) > pl.col("bound")
    return np.asarray(asked.select(past.fill_null(False).alias("hidden")).to_series().to_numpy(), dtype=np.bool_)
