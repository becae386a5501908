"""Who has shown what: the mergeable summary of (y, x) pairs.

A pair is counted once per window (an hour, or a day), so a burst counts once. A delta holds, per day, y and x, a bit mask of the windows
in which y showed x: a union of masks is associative, commutative and idempotent, and one window can be taken out exactly.

Size: at most `X_PER_DAY` values of x (or as many as the detector says, `most`) are kept for a y and day, the ones whose hashes are
smallest. The smallest k of a union are the smallest k of the smallest k of its parts, so the rule merges, and since the choice does not
depend on how often x occurs, the kept ones are a fair sample of the y's variety, the same ones on every day. On a day that is full, an x
whose hash lies past the kept ones is *unknown*, not new.

What is read off it is in `baseline.rareness`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl

from nonself.baseline.caps import ROWS_MOST, capped
from nonself.baseline.codes import Ints, Mask, changes, lengths
from nonself.baseline.keys import hashes

PAIRS: dict[str, pl.DataType] = {"day": pl.Date(), "y": pl.String(), "x": pl.String(), "slots": pl.UInt32()}
X_PER_DAY = 1_000
_KEYS = ["day", "y", "x"]


def learn(rows: pl.DataFrame) -> pl.DataFrame:
    """The delta of `rows` (columns day, slot (0..31), y, x; one row per event): columns `PAIRS`, canonical."""
    bit = pl.lit(2, pl.UInt32).pow(pl.col("slot")).cast(pl.UInt32).alias("slots")
    return canonical(rows.select(*_KEYS, bit))


def merge(deltas: list[pl.DataFrame], *, most: int = X_PER_DAY) -> pl.DataFrame:
    """The union of all deltas; `merge([])` is the identity."""
    if not deltas:
        return pl.DataFrame(schema=PAIRS)
    return joined([delta.select(*PAIRS) for delta in deltas], partial(canonical, most=most), partial(bounded, most=most))


def canonical(rows: pl.DataFrame, *, most: int = X_PER_DAY) -> pl.DataFrame:
    """Rows of the columns `PAIRS`, any of which may repeat a day, y and x, as a delta."""
    return bounded(rows.group_by(_KEYS).agg(pl.col("slots").bitwise_or()).sort(_KEYS), most=most)


Table = Callable[[pl.DataFrame], pl.DataFrame]


def joined(deltas: list[pl.DataFrame], united: Table, bounds: Table) -> pl.DataFrame:
    """Some deltas (at least one) as one: `united` of their rows, or, where each speaks of other days than the others, as deltas of one day
    do, just one behind the other, within `bounds`: grouping millions of strings costs more than all that is asked of them."""
    parts = sorted((delta for delta in deltas if delta.height), key=lambda delta: delta["day"][0])
    if len(parts) < 2:
        return parts[0] if parts else deltas[0]
    if all(before["day"][-1] < after["day"][0] for before, after in itertools.pairwise(parts)):
        return bounds(pl.concat(parts))
    return united(pl.concat(parts))


def runs(table: pl.DataFrame) -> Ints:
    """Where each day and y begins, in a table that is in order of both."""
    new = table["y"].ne_missing(table["y"].shift()).to_numpy().copy()
    new[changes(table["day"].to_physical().to_numpy())] = True
    return np.flatnonzero(new)


def bounded(table: pl.DataFrame, *, most: int = X_PER_DAY, rows: int = ROWS_MOST, starts: Ints | None = None) -> pl.DataFrame:
    """A table of pairs, each once, sorted, with no more x per y and day than are kept, and within the caps of `baseline.caps`. `starts`:
    where each day and y begins in it, where that is known."""
    starts = runs(table) if starts is None and table.height > most else starts
    if starts is not None:
        sizes = lengths(starts, table.height)
        if sizes.max(initial=0) > most:
            full = pl.Series(np.repeat(sizes > most, sizes))
            over = table.filter(full)
            ranked = over.with_columns(hashes(over["x"]).alias("h")).sort("day", "y", "h", "x")
            kept = ranked.filter(pl.int_range(pl.len()).over("day", "y") < most).drop("h")
            table, starts = pl.concat([table.filter(~full), kept]).sort(_KEYS), None
    return capped(table, rows=rows, starts=starts)


def dropped(table: pl.DataFrame, y: Ints, asked_y: Ints, names: Callable[[Ints], pl.Series], *, most: int = X_PER_DAY) -> Mask | None:
    """Whether each asked x may have been dropped on a full day of its y: its hash lies past the largest one kept. None where no day is
    full. `y` numbers the table's rows, `names` gives the x of some of those asked."""
    starts = runs(table) if table.height >= most else np.empty(0, np.int64)
    sizes = lengths(starts, table.height)
    full = np.flatnonzero(sizes >= most)
    if not full.size:
        return None
    bound: dict[int, int] = {}
    for start, size in zip(starts[full].tolist(), sizes[full].tolist(), strict=True):
        last = int(hashes(table["x"].slice(start, size)).max())  # type: ignore[arg-type]
        bound[int(y[start])] = min(last, bound.get(int(y[start]), last))
    out = np.zeros(asked_y.size, np.bool_)
    some = np.flatnonzero(np.isin(asked_y, list(bound)))
    if some.size:
        kept = np.array([bound[owner] for owner in asked_y[some].tolist()], np.uint64)
        out[some] = hashes(names(some)).to_numpy() > kept
    return out
