"""When y was heard: the mergeable summary of presence, a bit mask of windows per y and day.

A union of masks is associative, commutative and idempotent, and one window can be taken out exactly. It holds what two questions need:
at which hours of the week does y act (`baseline.week`), and how long is it ever silent (`baseline.gaps`)?
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from nonself.baseline.caps import capped
from nonself.baseline.codes import Ints, combined

PRESENCE: dict[str, pl.DataType] = {"day": pl.Date(), "y": pl.String(), "slots": pl.UInt32()}
_KEYS = ["day", "y"]


def merge(deltas: list[pl.DataFrame]) -> pl.DataFrame:
    """The union of all deltas (columns `PRESENCE`); `merge([])` is the identity."""
    parts = [delta.select(*PRESENCE) for delta in deltas if delta.height]
    if not parts:
        return pl.DataFrame(schema=PRESENCE)
    return capped(pl.concat(parts).group_by(_KEYS).agg(pl.col("slots").bitwise_or()).sort(_KEYS))


def learn(day: Ints, y: pl.Series, slot: Ints) -> pl.DataFrame:
    """The delta of some windows (days since 1970, y, slot 0..31 of its day; any may repeat): columns `PRESENCE`, canonical."""
    bits = pl.Series("slots", np.left_shift(1, slot).astype(np.uint32))
    return merge([pl.DataFrame({"day": pl.Series(day.astype(np.int32)).cast(pl.Date), "y": y, "slots": bits})])


@dataclass(frozen=True, slots=True)
class Heard:
    """Windows in which a y was heard, each once, in order of y and time: y's number, day since 1970, slot."""

    y: Ints
    day: Ints
    slot: Ints

    @classmethod
    def of(cls, table: pl.DataFrame, y: Ints) -> Heard:
        """The windows of a table of `PRESENCE`, its names given as numbers, row for row."""
        masks = table["slots"].to_numpy().astype(np.int64)
        day = table["day"].cast(pl.Int32).to_numpy().astype(np.int64)
        parts = [np.flatnonzero(masks >> slot & 1) for slot in range(int(masks.max(initial=0)).bit_length())]
        at = np.concatenate([*parts, np.empty(0, np.int64)]).astype(np.int64)
        slot = np.repeat(np.arange(len(parts)), [part.size for part in parts])
        order = np.lexsort((slot, day[at], y[at]))
        return cls(y[at][order], day[at][order], slot[order])


def per_day(heard: Heard) -> tuple[Ints, Ints]:
    """Days on which anyone was heard, in order, and how many y were on each."""
    _, first = combined([heard.day, heard.y])
    days, count = np.unique(heard.day[first], return_counts=True)
    return days.astype(np.int64), count.astype(np.int64)
