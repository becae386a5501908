"""When y called x, and how much it sent: the mergeable summary of arrival times per pair and day.

A call is a second in which y called x at least once; its size is the largest payload sent in that second. A delta has one row per day, y
and x with the calls in order. Union of calls, largest size kept: associative, commutative, idempotent.

Size: of each hour the first `PER_HOUR` calls are kept. The first k of a union are the first k of the first k of its parts, so the rule
merges; and kept calls of an hour are neighbours, so the waits between them are true waits. The wait after the last kept call of a full
hour is unknown, and left out. Of a y and day at most `pairs.X_PER_DAY` x are kept, by their hashes: the same ones on every day.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import polars as pl

from nonself.baseline import caps, pairs
from nonself.baseline.codes import Coded, Floats, Ints, Mask, changes, key, lengths, listed, numbered, ordered, places

CALLS: dict[str, pl.DataType] = {
    "day": pl.Date(),
    "y": pl.String(),
    "x": pl.String(),
    "seconds": pl.List(pl.UInt32()),
    "sizes": pl.List(pl.Int32()),
}
PER_HOUR = 16
ROW_BYTES = 24 * PER_HOUR * (4 + 4)
"""Bytes of the two lists of a row at most."""
NO_SIZE = -1
"""The size of a call of which the source did not say it."""
MOST = 2**31 - 1
"""Largest size told apart."""
_ROWS = caps.ROWS_MOST >> 4
"""Rows of a self at most, each of up to 3 KB."""
_KEYS = ["day", "y", "x"]


def learn(y: Coded, x: Coded, at: Ints, sizes: pl.Series) -> pl.DataFrame:
    """The delta of some events, row for row: names of y and x (none null), seconds since 1970, bytes (null unknown): columns `CALLS`."""
    size = sizes.cast(pl.Int64).clip(0, MOST).fill_null(NO_SIZE).cast(pl.Int32).to_numpy()
    order = ordered(key(at // 86_400, y.codes, x.codes, at % 86_400))[0]
    ys, xs, at, size = y.codes[order], x.codes[order], at[order], size[order]
    starts = changes(ys, xs, at)
    ys, xs, at, size = ys[starts], xs[starts], at[starts], np.maximum.reduceat(size, starts) if starts.size else size
    kept = places(ys, xs, at // 3600) < PER_HOUR
    ys, xs, at, size = ys[kept], xs[kept], at[kept], size[kept]
    first = changes(ys, xs, at // 86_400)
    ys, xs = ys[first], xs[first]
    names = {"y": y.values[ys], "x": x.values[xs]}
    day = pl.Series((at[first] // 86_400).astype(np.int32)).cast(pl.Date)
    seconds, sizes = listed(first, pl.Series((at % 86_400).astype(np.uint32)), pl.Series(size))
    return pairs.bounded(
        pl.DataFrame({"day": day, **names, "seconds": seconds, "sizes": sizes}), rows=_ROWS, starts=changes(ys, at[first] // 86_400)
    )


def merge(deltas: list[pl.DataFrame]) -> pl.DataFrame:
    """The union of all deltas; `merge([])` is the identity."""
    parts = [delta.select(*CALLS) for delta in deltas]
    return pairs.joined(parts, _united, partial(pairs.bounded, rows=_ROWS)) if parts else pl.DataFrame(schema=CALLS)


def _united(every: pl.DataFrame) -> pl.DataFrame:
    again = every.select(_KEYS).is_duplicated()
    united = _canonical(every.filter(again).explode("seconds", "sizes"))
    return pairs.bounded(pl.concat([every.filter(~again), united]).sort(_KEYS), rows=_ROWS)


def _canonical(calls: pl.DataFrame) -> pl.DataFrame:
    each = calls.group_by(*_KEYS, "seconds").agg(pl.col("sizes").max()).sort(*_KEYS, "seconds")
    kept = each.filter(pl.int_range(pl.len()).over(*_KEYS, pl.col("seconds") // 3600) < PER_HOUR)
    return pairs.bounded(kept.group_by(_KEYS, maintain_order=True).agg("seconds", "sizes").select(*CALLS), rows=_ROWS)


@dataclass(frozen=True, slots=True)
class Series:
    """The calls of some pairs, each pair's in order of time. Pairs are numbered in the order of their names' numbers.

    y, x            per pair: numbers of its names
    first, last     per pair: its first and last day (days since 1970)
    pair            per call: its pair
    at              per call: seconds since 1970
    size            per call: bytes, `NO_SIZE` for unknown
    known           per call: whether the next call of its pair is known to be the next: not so after the last one of a full hour
    """

    y: Ints
    x: Ints
    first: Ints
    last: Ints
    pair: Ints
    at: Ints
    size: npt.NDArray[np.int32]
    known: Mask

    def waits(self) -> tuple[Ints, Ints]:
        """Pair and length of each known wait, in seconds."""
        here = np.flatnonzero((np.diff(self.pair) == 0) & self.known[:-1]) if self.pair.size else np.empty(0, np.int64)
        return self.pair[here], (self.at[1:] - self.at[:-1])[here]

    def hours(self) -> Ints:
        """Per pair: in how many hours it called."""
        hour = self.at // 3600
        return np.bincount(self.pair[changes(self.pair, hour)], minlength=self.y.size)

    def counts(self) -> Ints:
        """Per pair: its calls."""
        return np.bincount(self.pair, minlength=self.y.size)


def series(table: pl.DataFrame, y: Ints, x: Ints) -> Series:
    """The calls of a table of `CALLS`, its names given as numbers, row for row."""
    pair, some = numbered(key(y, x))
    day = table["day"].to_physical().to_numpy().astype(np.int64)
    order = ordered(key(pair, day))[0]
    rows = table.select("seconds", "sizes")[order]
    size = rows["seconds"].list.len().to_numpy().astype(np.int64)
    owner = np.repeat(order, size)
    at = day[owner] * 86_400 + rows["seconds"].explode().to_numpy().astype(np.int64)
    bounds = (np.full(some.size, 2**31), np.full(some.size, -(2**31)))
    np.minimum.at(bounds[0], pair, day)
    np.maximum.at(bounds[1], pair, day)
    called = pair[owner]
    return Series(y[some], x[some], *bounds, called, at, rows["sizes"].explode().to_numpy(), ~_closes(called, at // 3600))


def _closes(pair: Ints, hour: Ints) -> Mask:
    """Whether a call is the last kept of an hour that is full."""
    starts = changes(pair, hour)
    size = lengths(starts, pair.size)
    out = np.zeros(pair.size, np.bool_)
    out[(starts + size - 1)[size >= PER_HOUR]] = True
    return out


def quantiles(group: Ints, values: Ints, groups: int, shares: tuple[float, ...]) -> list[Floats]:
    """Quantiles (lower, no interpolation) of each group's values, one array per share; nan for a group without any."""
    values = values[ordered(key(group, values))[0]]
    count = np.bincount(group, minlength=groups)
    start, some = np.cumsum(count) - count, count > 0
    out = []
    for share in shares:
        at = start + np.maximum(np.ceil(share * count).astype(np.int64) - 1, 0)
        out.append(np.full(groups, np.nan))
        out[-1][some] = values[at[some]]
    return out
