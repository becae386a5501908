"""The day a row belongs to, total over every time an attacker can write."""

from __future__ import annotations

from datetime import date

import polars as pl

NO_DAY = date.min
"""The day of rows without a usable time: none at all, or outside the years 1 to 9999, which Python's dates can't hold.

It is the earliest date there is, so no window that starts at a real day takes undated rows in.
"""


def day_of(column: pl.Expr) -> pl.Expr:
    """The day (pl.Date, UTC) of a time or date column, never null: `NO_DAY` where there is none."""
    day = column.cast(pl.Date)
    return pl.when(day.is_between(date.min, date.max)).then(day).otherwise(pl.lit(NO_DAY))
