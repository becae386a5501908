"""How large the numbers of y's events are: mergeable sums per y and window, and the history a window is held against.

A delta has one row per day, y and slot: n events, s and ss, sum and sum of squares of their levels. A level is ln(1 + number / grain) in
fixed point of 1/64 (steps of 1.6 %; less than a tenth is no news, see `predict.FLOOR`), so that sums are exact in any order. Sums
saturate after 16 million events of a window: a saturating sum of non-negative numbers is associative.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from nonself.baseline.caps import capped
from nonself.baseline.codes import Floats, Ints, found, lengths
from nonself.baseline.keys import numbered

MEASURES: dict[str, pl.DataType] = {
    "day": pl.Date(), "y": pl.String(), "slot": pl.UInt8(), "n": pl.Int64(), "s": pl.Int64(), "ss": pl.Int64(),
}  # fmt: skip
UNIT = 64
_LEVEL_MOST = 1 << 12
_SUMS = {"n": 1 << 24, "s": 1 << 36, "ss": 1 << 48}
_KEYS = ["day", "y", "slot"]


def levels(values: pl.Series, grain: int) -> Ints:
    """The level of each number (none null); below 0 counts as 0."""
    value = values.cast(pl.Float64).to_numpy()
    level = np.minimum(np.round(np.log1p(np.maximum(value, 0.0) / grain) * UNIT), _LEVEL_MOST)
    return np.asarray(level, dtype=np.int64)


def summed(level: Ints, starts: Ints) -> dict[str, Ints]:
    """n, s and ss of runs of levels that begin at `starts`."""
    n = lengths(starts, level.size)
    s, ss = np.add.reduceat(level, starts), np.add.reduceat(level * level, starts)
    return {name: np.minimum(part, _SUMS[name]) for name, part in (("n", n), ("s", s), ("ss", ss))}


def merge(deltas: list[pl.DataFrame]) -> pl.DataFrame:
    """All windows added up (columns `MEASURES`); `merge([])` is the identity."""
    parts = [delta.select(*MEASURES) for delta in deltas if delta.height]
    if not parts:
        return pl.DataFrame(schema=MEASURES)
    sums = [pl.col(name).sum().clip(0, most) for name, most in _SUMS.items()]
    return capped(pl.concat(parts).group_by(_KEYS).agg(sums).sort(_KEYS))


def apart(self_: pl.DataFrame, asked: pl.DataFrame, per_day: int) -> tuple[dict[str, Ints], dict[str, Floats]]:
    """What y has shown apart from each asked window (columns day, y, slot), and what every y has.

    First: n, s, ss (in levels), index (y's place in the second, -1 for an unknown y), since, until (days since 1970). Second, one entry
    per y: n, s, ss as floats, s in units of 1 and ss of 1 squared.
    """
    y, asked_y = numbered(self_["y"], asked["y"])
    keys, at = (_key(table, of, per_day) for table, of in ((self_, y), (asked, asked_y)))
    order = np.argsort(keys)
    row = np.append(order, -1)[found(keys[order], at)]
    size = int(y.max(initial=-1)) + 1
    index = np.where(asked_y < size, asked_y, -1)
    day = self_["day"].cast(pl.Int32).to_numpy().astype(np.int64)
    since, until = np.full(size + 1, 2**31 - 1), np.full(size + 1, -(2**31))
    np.minimum.at(since, y, day)
    np.maximum.at(until, y, day)
    mine, every = {"index": index, "since": since[index], "until": until[index]}, {}
    for name, scale in (("n", 1.0), ("s", UNIT), ("ss", UNIT**2)):
        values = self_[name].to_numpy()
        total = np.zeros(size + 1, np.int64)
        np.add.at(total, y, values)
        mine[name] = total[index] - np.append(values, 0)[row]
        every[name] = total[:size] / scale
    return mine, every


def _key(table: pl.DataFrame, y: Ints, per_day: int) -> Ints:
    day = table["day"].cast(pl.Int32).to_numpy().astype(np.int64)
    return np.asarray(y * 2**34 + day * per_day + table["slot"].to_numpy() + 2**33, dtype=np.int64)
