"""How large a self may grow: a cap on the y it remembers and on its rows, with one rule for what is evicted.

Who writes the logs chooses the names in them, and can make up as many as there are events. A table keeps the `Y_MOST` y whose hashes are
smallest, and of these, in the order of their hashes, as many as fit into `ROWS_MOST` rows (the last one in part, its first days first).
The first k of a union are the first k of the first k of its parts, so the rule merges in any order; it holds over all days together, so
a y that is kept is kept with its whole history; and the choice does not depend on what a y does, so those kept are a fair sample of all.

A y beyond the cap is unknown, not new: it is held against its peers alone, as any newcomer is. Below the cap nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from nonself.baseline import codes
from nonself.baseline.codes import Ints, Mask
from nonself.baseline.keys import SEPARATOR, Hashes, digests, hashes, mixed

Y_MOST = 1 << 17
"""y of one detector's self at most: 131,072."""
ROWS_MOST = 1 << 22
"""Rows of one detector's self at most: 4 million, of some 50 to 100 bytes each where names are short."""


def capped(table: pl.DataFrame, *, rows: int = ROWS_MOST, starts: Ints | None = None) -> pl.DataFrame:
    """`table` (sorted, columns day and y, perhaps x) with no more y and rows than are kept, in its order. `starts`: where runs of one y
    begin in it, where that is known."""
    if table.height <= min(Y_MOST, rows):
        return table
    if starts is None:
        starts = np.flatnonzero(table["y"].ne_missing(table["y"].shift()).to_numpy())
    if table.height <= rows and starts.size <= Y_MOST:
        return table
    names = table["y"][starts]
    y = codes.numbers(names)
    first = codes.firsts(y)
    if table.height <= rows and first.size <= Y_MOST:
        return table
    sizes = codes.lengths(starts, table.height)
    mask = kept((y, of_names(names[first])[y], sizes), lambda some: names[first[some]], lambda at: _in_order(table[at], at), rows=rows)
    return table if mask is None else table.filter(pl.Series(mask))


Runs = tuple[Ints, Hashes, Ints]
"""Runs of rows of one y: number and hash of this y, and how many rows."""


def kept(runs: Runs, names: Callable[[Ints], pl.Series], within: Callable[[Ints], Ints], *, rows: int) -> Mask | None:
    """Which of the rows of some runs are kept, None for all of them. `names` gives the y of some numbers; `within` puts rows of one y in
    the order in which they are kept."""
    y, _, sizes = runs
    order = _smallest(runs, names)
    starts = codes.changes(y[order])
    upto = np.cumsum(np.add.reduceat(sizes[order], starts))  # rows of the y so far
    whole = min(int(np.searchsorted(upto, rows, "right")), Y_MOST)  # so many y are kept with all their rows
    ends = np.append(starts[1:], order.size)
    if whole and ends[whole - 1] == y.size:
        return None
    mask = np.zeros(y.size, np.bool_)
    mask[order[: ends[whole - 1] if whole else 0]] = True
    mask = np.repeat(mask, sizes)
    if whole < min(Y_MOST, starts.size):
        part = np.zeros(y.size, np.bool_)
        part[order[starts[whole] : ends[whole]]] = True
        mask[within(np.flatnonzero(np.repeat(part, sizes)))[: rows - (int(upto[whole - 1]) if whole else 0)]] = True
    return mask


def _smallest(runs: Runs, names: Callable[[Ints], pl.Series]) -> Ints:
    """Runs in the order of their hashes, those of a y together: of as many y at least as may be kept, if there are so many."""
    y, hashed, _ = runs
    size = Y_MOST + Y_MOST // 4
    while True:  # a y may have many runs: then more of these are looked at
        some = np.arange(y.size) if size >= y.size else np.flatnonzero(hashed <= np.partition(hashed, size)[size])
        order = some[np.argsort(hashed[some], kind="stable")]
        new = codes.changes(hashed[order])
        if new.size > Y_MOST or some.size == y.size:
            break
        size *= 2
    if codes.changes(y[order], hashed[order]).size == new.size:
        return np.asarray(order, dtype=np.int64)
    number, first = codes.numbered(y[order])  # two y of one hash: by their names
    rank = names(y[order][first]).rank("ordinal").to_numpy().astype(np.int64)
    return np.asarray(order[np.lexsort((rank[number], hashed[order]))], dtype=np.int64)


def of_names(names: pl.Series) -> Hashes:
    """The hash of each name by which it is kept. A name of several parts is hashed by its first part and the rest (`keys.mixed`)."""
    first, rest = names.alias("v").str.splitn(SEPARATOR, 2).struct.unnest().get_columns()
    hashed = _digests(first)
    return mixed(hashed, _digests(rest.fill_null(""))) if rest.null_count() < rest.len() else hashed


def _digests(names: pl.Series) -> Hashes:
    number = codes.numbers(names)
    return digests(names[codes.firsts(number)])[number]


def _in_order(table: pl.DataFrame, at: Ints) -> Ints:
    """Rows of one y, day by day; within a day by the hash of x, which is how a full day chooses (`pairs.X_PER_DAY`)."""
    if "x" not in table.columns:
        return at
    keyed = table.select("day", "x").with_columns(hashes(table["x"]).alias("h"), pl.Series("at", at))
    return keyed.sort("day", "h", "x")["at"].to_numpy()
