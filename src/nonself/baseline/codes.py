"""Columns of strings as numbers: what grouping and sorting need of them, at a fraction of the cost.

On the few thousand rows a detector looks at, each polars query costs more in being planned than in running; arrays of numbers do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]
Small = npt.NDArray[np.int32]
"""Numbers of which a view holds many columns; where they are reckoned with they are made `Ints` first."""
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
BLOCK = 8_192
"""Rows that are worked on at a time where many operations follow one another."""


@dataclass(frozen=True, slots=True)
class Coded:
    """A column: `values` are its distinct strings in order, `codes` each row's index among them, -1 for null."""

    codes: Ints | Small
    values: pl.Series
    memo: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """What has been worked out of `values`: given on with them."""

    def strings(self, rows: Ints) -> pl.Series:
        """The strings of some rows, none of them null."""
        return self.values[self.codes[rows]]

    def names(self, numbers: Ints) -> pl.Series:
        """The strings of some numbers."""
        return self.values[numbers]


def numbers(column: pl.Series) -> Ints:
    """Each distinct string as a number, from 0 by first appearance; -1 for null."""
    if not column.len():
        return np.empty(0, np.int64)
    local = pl.Categorical(pl.Categories.random())  # a space of its own: in the shared one numbers would depend on what came before
    found = column.cast(local).to_physical().to_numpy()
    if column.null_count():  # then these are floats: exact
        found = np.nan_to_num(found, nan=-1.0)
    return np.asarray(found, dtype=np.int64)


def beside(values: pl.Series, column: pl.Series, *, runs: bool = False) -> Ints:
    """Each string of `column` (none null) as its place among `values` (each once), or, where it is none of these, a number from their
    length up. `runs` says that equal strings are mostly neighbours: a table's y, in order of day and y."""
    if runs and column.len():
        new = column.ne_missing(column.shift()).to_numpy()
        starts = np.flatnonzero(new)
        return np.repeat(beside(values, column[starts]), lengths(starts, column.len()))
    return numbers(pl.concat([values.alias("v"), column.alias("v")]))[values.len() :]


def firsts(codes: Ints) -> Ints:
    """For each number from 0, the first row that has it."""
    out = np.zeros(int(codes.max(initial=-1)) + 1, np.int64)
    backwards = np.arange(codes.size - 1, -1, -1)
    codes = codes[::-1]
    if codes.size and codes.min() < 0:
        backwards, codes = backwards[codes >= 0], codes[codes >= 0]
    out[codes] = backwards
    return out


def coded(column: pl.Series) -> Coded:
    """A column of strings, coded."""
    found = numbers(column)
    distinct = column[firsts(found)]
    order = distinct.arg_sort().to_numpy().astype(np.int64)
    rank = np.empty(order.size + 1, np.int32)
    rank[order], rank[-1] = np.arange(order.size), -1
    return Coded(rank[found], distinct[order])


def spread(distinct: pl.Series, codes: Ints | Small) -> Coded:
    """The column whose rows have the values of `distinct` (any, nulls and repeats too) by `codes` (-1 for null), coded."""
    table = coded(distinct)
    return Coded(np.append(table.codes, -1).astype(np.int32)[codes], table.values)


def combined(parts: Sequence[Ints | Small]) -> tuple[Ints, Ints]:
    """Each row's combination of several columns of numbers (>= -1) as one number, in their order, and a row of each combination."""
    return numbered(key(*parts))


def key(*columns: Ints | Small) -> Ints:
    """One number a row for several columns of numbers, the same for the same, in their order; made dense where they are too wide to be
    multiplied."""
    out, most = np.zeros(columns[0].size, np.int64), 0  # the largest that there can be
    for column in columns if out.size else ():
        least = int(column.min())
        wide = int(column.max()) - least + 1
        if most >= 2**62 // wide:
            out, column = numbered(out)[0], numbered(column.astype(np.int64))[0]
            most, least, wide = int(out.max()), 0, int(column.max()) + 1
        if most:
            out *= wide
        out += column
        out -= least
        most = most * wide + wide - 1
    return out


def ordered(keys: Ints) -> tuple[Ints, Ints]:
    """The rows in order of their keys, equal ones in theirs; and the keys in order. What numpy's stable `argsort` gives, in half of its
    time: few different keys are sorted by counting (as 16 bits), others with their rows in their low bits, as numbers. Keys that are
    nearly in order, or in a few runs that are, as the days of a delta, are left to `argsort`, which merges them (Timsort)."""
    size = keys.size
    if not size or (keys[1:] >= keys[:-1]).all():
        return np.arange(size), keys
    if _nearly(keys):
        rows = np.argsort(keys, kind="stable")
        return rows, keys[rows]
    least, bits = int(keys.min()), size.bit_length()
    wide = int(keys.max()) - least
    if wide < 1 << 16:
        rows = np.argsort((keys - least).astype(np.uint16), kind="stable")
    elif wide < 1 << 62 - bits:
        packed = keys - least
        packed <<= bits
        packed |= np.arange(size)
        packed.sort()
        rows = packed & (1 << bits) - 1
        packed >>= bits
        packed += least
        return rows, packed
    else:
        rows = np.argsort(keys, kind="stable")
    return rows, keys[rows]


def _nearly(keys: Ints) -> bool:
    """Whether keys are in order but for rows that are near one another, and a few runs: by one of many."""
    some = keys[:: keys.size // 1_024 + 1]
    return int(np.count_nonzero(some[1:] < some[:-1])) * 16 < some.size


def numbered(keys: Ints) -> tuple[Ints, Ints]:
    """The rows' numbers by value, dense and in order, and a row of each (its first)."""
    size = keys.size
    least = int(keys.min()) if size else 0
    if size and int(keys.max()) - least < size:
        place = keys - least
        out = np.cumsum(np.bincount(place) > 0)[place] - 1
        return out, firsts(out)
    rows, sorted_ = ordered(keys)
    starts = changes(sorted_)
    out = np.empty(size, np.int64)
    out[rows] = np.repeat(np.arange(starts.size), lengths(starts, size))
    return out, rows[starts]


def rows_of(table: Sequence[Ints], asked: Sequence[Ints]) -> Ints:
    """The row of a table (columns of numbers, each combination once) that has each asked combination, -1 for none."""
    size = table[0].size
    every = [np.concatenate(columns) for columns in zip(table, asked, strict=True)]
    keys = key(*every)
    have, wanted = keys[:size], keys[size:]
    if (have[1:] >= have[:-1]).all():
        return found(have, wanted)
    rows, have = ordered(have)
    return np.append(rows, -1)[found(have, wanted)]


def found(keys: Ints, asked: Ints) -> Ints:
    """Where each asked number stands among `keys` (in order, each once); -1 where it does not."""
    if not keys.size:
        return np.full(asked.size, -1)
    at = np.minimum(np.searchsorted(keys, asked), keys.size - 1)
    return np.where(keys[at] == asked, at, -1)


def distinct(values: Ints) -> Ints:
    """The different numbers, in order. Counted or sorted: numpy's `unique` hashes, which takes several times as long where few repeat."""
    least = int(values.min()) if values.size else 0
    if values.size and int(values.max()) - least < values.size:
        return np.flatnonzero(np.bincount(values - least)) + least
    sorted_ = np.sort(values)
    return np.asarray(sorted_[changes(sorted_)], dtype=np.int64)


def changes(*columns: npt.NDArray[Any]) -> Ints:
    """Rows that differ in any column from the one before, the first row among them."""
    new = np.zeros(columns[0].size, np.bool_)
    new[:1] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(new)


def lengths(starts: Ints, size: int) -> Ints:
    """How long each run is, of rows up to `size`: numpy's `diff` copies what it is given to append to it."""
    out = np.empty(starts.size, np.int64)
    out[:-1] = starts[1:] - starts[:-1]
    out[-1:] = size - starts[-1:]
    return out


def listed(starts: Ints, *columns: pl.Series) -> list[pl.Series]:
    """Columns as lists, one from each start up to the next."""
    owner = np.repeat(np.arange(starts.size), lengths(starts, columns[0].len()))
    table = pl.DataFrame([pl.Series("owner", owner).set_sorted(), *(column.alias(str(i)) for i, column in enumerate(columns))])
    return table.group_by("owner", maintain_order=True).agg(pl.exclude("owner")).get_columns()[1:]


def places(*columns: npt.NDArray[Any]) -> Ints:
    """The place of each row among those that agree in all columns, from 0; rows that agree are neighbours."""
    starts, size = changes(*columns), columns[0].size
    return np.arange(size) - np.repeat(starts, lengths(starts, size))


def running(values: Floats, group: Ints, order: Ints) -> Floats:
    """Per row, the sum over the rows of its group up to it, itself included; `order` lists the rows group by group, each in its order."""
    total = np.cumsum(values[order])
    starts = changes(group[order])
    before = np.repeat((total - values[order])[starts], lengths(starts, order.size))
    out = np.empty(values.size)
    out[order] = total - before
    return out


def blockwise(rows: Callable[[slice], Floats], size: int) -> Floats:
    """What `rows` gives of rows 0 to `size` - 1, each by itself, in blocks: a chain of operations on a block stays within the processor's
    cache, and its intermediate results need no memory of their own."""
    if size <= BLOCK:
        return rows(slice(0, size))
    out = np.empty(size)
    for start in range(0, size, BLOCK):
        some = slice(start, start + BLOCK)
        out[some] = rows(some)
    return out
