"""How large a self may grow: a cap on the y it remembers and on its rows, with one rule for what is evicted.

Who writes the logs chooses the names in them, and can make up as many as there are events. A table keeps the `Y_MOST` y whose hashes are
smallest, and of these, in the order of their hashes, as many as fit into `ROWS_MOST` rows (the last one in part, its first days first).
The first k of a union are the first k of the first k of its parts, so the rule merges in any order; it holds over all days together, so
a y that is kept is kept with its whole history; and the choice does not depend on what a y does, so those kept are a fair sample of all.

A y beyond the cap is unknown, not new: it is held against its peers alone, as any newcomer is. Below the cap nothing is lost.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from nonself.baseline import codes
from nonself.baseline.codes import Ints
from nonself.baseline.keys import SEPARATOR, digest, hashes

Y_MOST = 1 << 17
"""y of one detector's self at most: 131,072."""
ROWS_MOST = 1 << 22
"""Rows of one detector's self at most: 4 million, of some 50 to 100 bytes each where names are short."""


def capped(table: pl.DataFrame, *, rows: int = ROWS_MOST, numbers: Ints | None = None) -> pl.DataFrame:
    """`table` (sorted, columns day and y, perhaps x) with no more y and rows than are kept, in its order. `numbers` are those of its y,
    from 0 and each met, where they are known."""
    if table.height <= min(Y_MOST, rows):
        return table
    y = codes.numbers(table["y"]) if numbers is None else numbers
    sizes = np.bincount(y)
    if sizes.size <= Y_MOST and table.height <= rows:
        return table
    order = _by_hash(table["y"][codes.firsts(y)])[:Y_MOST]
    upto = np.cumsum(sizes[order])
    whole = np.zeros(sizes.size, np.bool_)
    whole[order[upto <= rows]] = True
    kept = whole[y]
    if (part := np.count_nonzero(whole)) < order.size:
        mine = np.flatnonzero(y == order[part])
        kept[_in_order(table[mine], mine)[: rows - np.count_nonzero(kept)]] = True
    return table.filter(pl.Series(kept))


def _by_hash(names: pl.Series) -> Ints:
    """Numbers of the names, smallest hash first. A name of several parts is hashed by its first part and the rest: few parts make many
    names, and each is hashed once."""
    first, rest = names.alias("v").str.splitn(SEPARATOR, 2).struct.unnest().get_columns()
    hashed = _digests(first)
    if rest.null_count() < rest.len():
        hashed = _mixed(hashed * np.uint64(0x9E3779B97F4A7C15) + _digests(rest.fill_null("")))
    order = np.argsort(hashed)
    if (hashed[order[1:]] == hashed[order[:-1]]).any():
        return np.lexsort((names.rank("ordinal").to_numpy(), hashed))
    return order


def _digests(names: pl.Series) -> npt.NDArray[np.uint64]:
    number = codes.numbers(names)
    return np.array([digest(name) for name in names[codes.firsts(number)].to_list()], dtype=np.uint64)[number]


def _mixed(hashed: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Each number's bits spread over all of it (the finaliser of SplitMix64, Steele, Lea & Flood 2014)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        hashed = (hashed ^ hashed >> np.uint64(shift)) * np.uint64(factor)
    return np.asarray(hashed ^ hashed >> np.uint64(31), dtype=np.uint64)


def _in_order(table: pl.DataFrame, at: Ints) -> Ints:
    """Rows of one y, day by day; within a day by the hash of x, which is how a full day chooses (`pairs.X_PER_DAY`)."""
    if "x" not in table.columns:
        return at
    keyed = table.select("day", "x").with_columns(hashes(table["x"]).alias("h"), pl.Series("at", at))
    return keyed.sort("day", "h", "x")["at"].to_numpy()
