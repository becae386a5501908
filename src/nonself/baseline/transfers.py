"""How much y sent to x and got back from it on a day, and in which hours: the mergeable summary behind exfiltration.

A delta has one row per day, y and x. Bytes are added up on merge (saturating sums of non-negative numbers are associative), hours are a bit
mask and united. Of a y and day at most `pairs.X_PER_DAY` x are kept, by their hashes.
"""

from __future__ import annotations

import polars as pl

from nonself.baseline import pairs
from nonself.baseline.keys import MAX_BYTES

TRANSFERS: dict[str, pl.DataType] = {
    "day": pl.Date(),
    "y": pl.String(),
    "x": pl.String(),
    "sent": pl.Int64(),
    "received": pl.Int64(),
    "hours": pl.UInt32(),
}
KEYS = ["day", "y", "x"]
MOST = 1 << 46
"""Largest sum kept of a day (70 TB); of an event an eighth of it."""
ROW_BYTES = 2 * (MAX_BYTES + 16) + 40


def merge(deltas: list[pl.DataFrame]) -> pl.DataFrame:
    """All transfers added up; `merge([])` is the identity."""
    return (
        pairs.joined([delta.select(*TRANSFERS) for delta in deltas], combined, pairs.bounded) if deltas else pl.DataFrame(schema=TRANSFERS)
    )


def combined(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of the columns `TRANSFERS`, one or many of a day, y and x, as a delta: canonical."""
    sums = [pl.col(name).cast(pl.Float64).sum().clip(0, MOST).cast(pl.Int64) for name in ("sent", "received")]
    return pairs.bounded(rows.group_by(KEYS).agg(*sums, pl.col("hours").bitwise_or()).select(*TRANSFERS).sort(KEYS))
