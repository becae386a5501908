"""Which items y reached at x on a day, and which of them ever answered: the mergeable summary behind scans.

A delta has one row per day, y and x, with one number per item: the item's 63-bit hash, and in the lowest bit whether it answered. Union of
the hashes, an answer kept where any part saw one: associative, commutative, idempotent.

Size: the `ITEMS` smallest hashes of a row are kept (bottom-k, or KMV: Beyer et al. 2007), of a y and day at most `pairs.X_PER_DAY` x. The
choice is by hash alone, so an item is kept on every day or on none below the smallest bound, and the items of several full days can be
compared; counts are scaled up, off by about 1/sqrt(ITEMS) = 6 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from nonself.baseline import caps, pairs
from nonself.baseline.codes import Coded, Floats, Ints, Mask, changes, distinct, key, lengths, listed, numbered, ordered, places, running
from nonself.baseline.keys import MAX_BYTES, Hashes, hashed

REACH: dict[str, pl.DataType] = {"day": pl.Date(), "y": pl.String(), "x": pl.String(), "items": pl.List(pl.UInt64())}
ITEMS = 256
ROW_BYTES = 2 * (MAX_BYTES + 16) + 16 + 8 * ITEMS
_KEYS = ["day", "y", "x"]
_ROWS = caps.ROWS_MOST >> 4
"""Rows of a self at most: each may hold 2 KB of items."""


def learn(day: Ints, y: Coded, x: Coded, item: Coded, answered: Mask) -> pl.DataFrame:
    """The delta of some events, row for row: days since 1970, names of y, x and item (none null), whether it answered: columns `REACH`."""
    items, ys, xs = (part.codes.astype(np.int64) for part in (item, y, x))
    hashes = hashed(item, distinct(items))
    # Rows of a group in order of their hashes, by way of the hashes' ranks: one sort of one number a row.
    rank = np.empty(hashes.size, np.int64)
    rank[np.argsort(hashes, kind="stable")] = np.arange(hashes.size)
    order = ordered(key(day, ys, xs, rank[items], answered.astype(np.int64)))[0]
    mark = hashes[items] >> np.uint64(1) << np.uint64(1) | answered.astype(np.uint64)
    columns, mark = [part[order] for part in (day, ys, xs)], mark[order]
    kept = _smallest(columns, mark)
    columns, mark = [part[kept] for part in columns], mark[kept]
    first = changes(*columns)
    names = {"y": y.values[columns[1][first]], "x": x.values[columns[2][first]]}
    table = {"day": pl.Series(columns[0][first].astype(np.int32)).cast(pl.Date), **names, "items": listed(first, pl.Series(mark))[0]}
    return pairs.bounded(pl.DataFrame(table), rows=_ROWS, starts=changes(*(part[first] for part in columns[:2])))


def _smallest(columns: list[Ints], mark: Hashes) -> Ints:
    """Of rows in order of columns and mark: the last mark of each hash (that with an answer, if any), of the `ITEMS` smallest hashes."""
    hashed = mark >> np.uint64(1)
    last = changes(*columns, hashed)[1:] - 1
    last = np.append(last, mark.size - 1) if mark.size else last
    return np.asarray(last[places(*(part[last] for part in columns)) < ITEMS], dtype=np.int64)


def merge(deltas: list[pl.DataFrame]) -> pl.DataFrame:
    """The union of all deltas; `merge([])` is the identity."""
    parts = [delta.select(*REACH) for delta in deltas]
    return pairs.joined(parts, _united, partial(pairs.bounded, rows=_ROWS)) if parts else pl.DataFrame(schema=REACH)


def _united(every: pl.DataFrame) -> pl.DataFrame:
    again = every.select(_KEYS).is_duplicated()
    items = every.filter(again).explode("items").sort(*_KEYS, "items")
    place = items.select(pl.struct(_KEYS).rle_id()).to_series().cast(pl.Int64).to_numpy()
    kept = _smallest([place], items["items"].to_numpy())
    united = items[kept].group_by(_KEYS, maintain_order=True).agg("items")
    return pairs.bounded(pl.concat([every.filter(~again), united.select(*REACH)]).sort(_KEYS), rows=_ROWS)


@dataclass(frozen=True, slots=True)
class Reached:
    """Counts of a table of `REACH`, row for row, and its pairs (y, x); all counts scaled up where items were dropped.

    failed, answered   items met on this day only, by whether they answered
    pair               the row's pair, a number from 0
    all_failed, all_answered  per pair: every item it met on any day
    once_failed, once_answered  per row: items of its pair met on one day only, on this day or an earlier one
    days               per row: days of its pair up to this one, it included
    estimated          per row: whether items of its pair were dropped
    """

    failed: Floats
    answered: Floats
    pair: Ints
    all_failed: Floats
    all_answered: Floats
    once_failed: Floats
    once_answered: Floats
    days: Ints
    estimated: Mask


def counted(table: pl.DataFrame, y: Ints, x: Ints) -> Reached:
    """What the rows of a table of `REACH` hold, y and x given as numbers."""
    pair, some = numbered(key(y, x))
    size = table["items"].list.len().to_numpy().astype(np.int64)
    row = np.repeat(np.arange(size.size), size)
    mark = table["items"].explode().to_numpy().astype(np.uint64) if row.size else np.empty(0, np.uint64)
    bound = _bounds(table, pair, size, some.size)
    kept = mark >> np.uint64(1) <= bound[pair[row]]
    row, mark = row[kept], mark[kept]
    scale = 2.0**63 / (bound.astype(np.float64) + 1.0)
    single, answers, first = _items(pair[row], mark, np.bincount(pair)[pair][row] == 1)
    fresh = [np.bincount(row[single & (answers == a)], minlength=size.size) * scale[pair] for a in (False, True)]
    whole = [np.bincount(pair[row][first & (answers == a)], minlength=some.size) * scale for a in (False, True)]
    day = table["day"].to_physical().to_numpy().astype(np.int64)
    order = ordered(key(pair, day))[0]
    upto = [running(part, pair, order) for part in (*fresh, np.ones(size.size))]
    once, days = upto[:2], upto[2].astype(np.int64)
    return Reached(fresh[0], fresh[1], pair, whole[0], whole[1], once[0], once[1], days, (scale > 1.0)[pair])


def _bounds(table: pl.DataFrame, pair: Ints, size: Ints, pairs_: int) -> Hashes:
    """Per pair the hash up to which all of its days know all items."""
    last = table["items"].list.last().to_numpy().astype(np.uint64) >> np.uint64(1)
    out = np.full(pairs_, 2**63 - 1, np.uint64)
    full = size >= ITEMS
    np.minimum.at(out, pair[full], last[full])
    return out


def _by_item(pair: Ints, mark: Hashes) -> Ints:
    """Entries in order of pair, those of an item together: sorted by as many of the first bits of the hashes as fit beside the pair."""
    width = 62 - pair.size.bit_length()
    bits = width - int(pair.max(initial=0)).bit_length()
    if bits > 0:
        order, keys = ordered(pair << bits | (mark >> np.uint64(64 - bits)).astype(np.int64))
        one, hashed = keys[1:] == keys[:-1], mark[order] >> np.uint64(1)
        if not (one & (hashed[1:] != hashed[:-1])).any():
            return order
    return np.lexsort((mark, pair))


def _items(pair: Ints, mark: Hashes, alone: Mask) -> tuple[Mask, Mask, Mask]:
    """Per entry: whether its item is met on one day only by its pair, whether it ever answered, whether it is the item's first entry.
    Entries of pairs with a single day (`alone`) are all of that."""
    once, answers, first = np.ones(mark.size, np.bool_), (mark & np.uint64(1)).astype(np.bool_), np.ones(mark.size, np.bool_)
    some = np.flatnonzero(~alone)
    order = some[_by_item(pair[some], mark[some])]
    starts = changes(pair[order], mark[order] >> np.uint64(1))
    many = lengths(starts, order.size)
    answered = np.maximum.reduceat(mark[order] & np.uint64(1), starts) > 0 if starts.size else np.empty(0, np.bool_)
    once[order], answers[order], first[order] = np.repeat(many == 1, many), np.repeat(answered, many), False
    first[order[starts]] = True
    return once, answers, first
