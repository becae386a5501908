"""From calls to steps: what y did right after what.

A summary can't hold steps, since two events that follow one another may come in two batches. It holds calls (`baseline.calls`), whose union
knows their order, and steps are read off when they are needed. Calls of one second have no order and are taken by name.

A pause of more than `PAUSE` seconds ends a session; the first step of the next one comes after nothing. Doing the same again is no step.
"""

from __future__ import annotations

import polars as pl

PAUSE = 1_800
THEN = "\x1e"
"""Joins what was done before and after (ASCII record separator)."""
_KEYS = ["day", "slot", "y", "x"]


def of(known: pl.DataFrame, per_day: int) -> pl.DataFrame:
    """The steps of a table of `calls.CALLS` by windows, of which a day has `per_day`: columns day, slot, y, x (before, `THEN`, after),
    each once, sorted. Before a session's first call is ""."""
    order = known.select("day", "y", "x", "seconds").explode("seconds")
    order = order.with_columns(at=pl.col("day").cast(pl.Int64) * 86_400 + pl.col("seconds")).sort("y", "at", "x")
    goes_on = (pl.col("y") == pl.col("y").shift()) & (pl.col("at") - pl.col("at").shift() <= PAUSE)
    before = pl.when(goes_on.fill_null(False)).then(pl.col("x").shift()).otherwise(pl.lit(""))
    slot = (pl.col("seconds") // (86_400 // per_day)).cast(pl.Int64)
    taken = order.with_columns(before=before, slot=slot).filter(pl.col("before") != pl.col("x"))
    return taken.select("day", "slot", "y", pl.concat_str("before", "x", separator=THEN).alias("x")).unique().sort(_KEYS)
