"""Levels of the model of `baseline.rareness`, worked out for kinds of keys: all that are counted equally often by one owner. Rows are
millions, kinds a few hundred."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nonself.baseline.codes import Floats, Ints, Mask, key, numbered

THETA = 1.0
Kinds = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Counts:
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

    def apart(self, take: int) -> Counts:
        """With `take` (0 or 1) taken from the count of one of the keys, and every sum that rests on it corrected, exactly."""
        left = self.c - take
        last = (self.c == 1) & (take == 1)
        upto = self.upto - 1 if take else self.upto + (self.c + 1) * self.above
        kinds = self.kinds if take else self.kinds + self.above
        n1 = self.n1 - last + (self.c == 2) * take
        return Counts(left, self.n - take, self.k - last, n1, np.where(left == 0, 0, upto), np.where(left == 0, 0, kinds), self.above)


@dataclass(frozen=True, slots=True)
class Table:
    """Kinds as they are asked for: c and n of `Counts`, whether a key that was counted no longer is (gone), and of the predictive
    (the formula in `baseline.rareness`) what is seen, the weight of the level above, and what both are divided by."""

    c: Ints
    n: Ints
    gone: Mask
    seen: Floats
    novel: Floats
    total: Floats

    @classmethod
    def of(cls, counts: Counts, before: Ints) -> Table:
        """`before`: the counts before anything was taken from them."""
        seen = counts.upto - counts.n1 / np.maximum(counts.k, 1) * counts.kinds
        novel, total = (part.astype(np.float64) + THETA for part in (counts.n1, counts.n))
        return cls(counts.c, counts.n, (before > 0) & (counts.c == 0), seen, novel, total)


@dataclass(frozen=True, slots=True)
class Rows:
    """Some keys of a level, as rows of a table of kinds."""

    table: Table
    row: Ints

    def c(self) -> Ints:
        return self.table.c[self.row]

    def n(self) -> Ints:
        return self.table.n[self.row]

    def gone(self) -> Ints:
        """Per row: 1 where nothing is left of its key."""
        return self.table.gone[self.row].astype(np.int64)

    def mixed(self, above: Floats | float) -> Floats:
        """The predictive, given that of the level above, row for row."""
        out = self.table.seen[self.row] + self.table.novel[self.row] * above
        out /= self.table.total[self.row]
        return np.asarray(np.minimum(out, 1.0), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Level:
    """A level of the model: the kind of each key, `counted` of them; past these one of each owner, of keys that it has never counted. As
    tables: as they are (whole), without and with one taken from the key's count, one after the other (apart), and with all counts of the
    key taken from what they are part of in n (without)."""

    kind: Kinds
    counted: int
    whole: Table
    apart: Table
    without: Table

    @classmethod
    def of(cls, owner: Ints, count: Ints, owners: int) -> Level:
        """`count` of each key and its `owner` (0 to `owners` - 1)."""
        kind, first = numbered(key(owner, count))
        g, c, same = owner[first], count[first], np.bincount(kind)
        starts = np.searchsorted(g, np.arange(owners + 1))
        n, k, n1 = (np.append(0, np.cumsum(part)) for part in (c * same, same, np.where(c == 1, same, 0)))
        upto, kinds = n[1:] - n[starts[g]], k[1:] - k[starts[g]]
        goes_on = np.append((g[1:] == g[:-1]) & (c[1:] == c[:-1] + 1), False)[: g.size]
        above = np.where(goes_on, np.append(same[1:], 0)[: g.size], 0)
        whose, none = np.append(g, np.arange(owners)), np.zeros(owners, np.int64)  # one more kind of each owner: keys it has never counted
        totals = (part[starts[1:]][whose] - part[starts[:-1]][whose] for part in (n, k, n1))
        counts = Counts(np.append(c, none), *totals, *(np.append(part, none) for part in (upto, kinds, above)))
        without = replace(counts, c=np.zeros_like(counts.c), n=counts.n - counts.c)
        both = _joined(counts.apart(0), counts.apart(1))
        tables = (Table.of(counts, counts.c), Table.of(both, np.tile(counts.c, 2)), Table.of(without, counts.c))
        return cls(np.append(kind, 0).astype(np.int32), g.size, *tables)

    def rows(self, at: Ints, owner: Ints) -> Ints:
        """The kinds of some keys (-1 for none) of some owners, row for row."""
        return np.where(at < 0, self.counted + owner, self.kind[at])

    def taken(self, row: Ints, take: Ints) -> Rows:
        """Some kinds with one taken, where `take` is 1, from the key's own count."""
        return Rows(self.apart, row + take * self.whole.c.size)


def _joined(a: Counts, b: Counts) -> Counts:
    return Counts(*(np.concatenate([getattr(a, name), getattr(b, name)]) for name in Counts.__dataclass_fields__))
