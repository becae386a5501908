"""Events that are held for long: of a column of text that says few different things each is held once, and each event holds its number.

A column of text costs 16 bytes an event and what does not fit into these; its numbers cost one byte, two or four. Events are read, mapped
and stored as text: only who holds many of them at once, to look at a few of their columns again and again, has them compact.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from nonself.core.schema import SCHEMA

_SAMPLE = 16_384
"""Rows asked how many different texts a column holds."""
_NUMBERS = (pl.UInt8, pl.UInt16, pl.UInt32)
_INLINE = 12
"""Bytes of a text that its view itself holds (Arrow's "binary view" layout)."""


def compact(events: pl.DataFrame) -> pl.DataFrame:
    """The same events (columns of the schema), texts that repeat as Categorical, each column's numbers its own; `plain` undoes it. Names of
    events stay text: they differ, and are compared across tables."""
    return events.with_columns(_compact(column) for column in events.get_columns() if column.dtype == pl.String and column.name != "uid")


def plain(events: pl.DataFrame) -> pl.DataFrame:
    """The same with all texts as text."""
    return events.with_columns(
        pl.col(name).cast(SCHEMA[name]) for name, dtype in events.schema.items() if isinstance(dtype, pl.Categorical)
    )


def _compact(column: pl.Series) -> pl.Series:
    some = column.gather_every(max(1, column.len() // _SAMPLE))
    if some.n_unique() * 2 > some.len() and column.len() >= _SAMPLE:
        return column
    for numbers in _NUMBERS:
        try:
            return column.cast(pl.Categorical(pl.Categories.random(physical=numbers)))
        except pl.exceptions.ComputeError:  # more of them than such numbers can tell apart, which shows early
            continue
    return column


def size(events: pl.DataFrame) -> int:
    """Bytes that events take in memory, of texts their views and what these point to, of compact ones the texts that are held once too."""
    return sum(_size(column) for column in events.get_columns())


def _size(column: pl.Series) -> int:
    if isinstance(column.dtype, pl.Categorical):
        return int(column.estimated_size()) + _size(column.unique().cast(pl.String))
    if column.dtype != pl.String:
        return int(column.estimated_size())
    lengths = column.str.len_bytes().fill_null(0).to_numpy()
    return int(16 * column.len() + lengths[lengths > _INLINE].astype(np.int64).sum())
