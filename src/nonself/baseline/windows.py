"""How much happened per y and window: mergeable tables of counts, sums and distinct counts, and the history a window is held against.

A delta has one row per day, y and slot (the window's number within its day) in which something happened.

    counts, sums     value (Int64): added up on merge; a saturating sum of non-negative numbers is associative
    maxima           value (Int64): the largest is kept on merge
    distinct counts  sketch (List(UInt64)): the `SKETCH` smallest hashes of the items seen (bottom-k, or KMV: Bar-Yossef et al. 2002,
                     Beyer et al. 2007); exact up to `SKETCH` - 1 items, beyond that off by about 1/sqrt(SKETCH) = 6 %
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from nonself.baseline import season
from nonself.baseline.caps import ROWS_MOST, capped
from nonself.baseline.codes import Ints, Mask, distinct, found, lengths
from nonself.baseline.keys import hashes, numbered
from nonself.baseline.pairs import joined

VALUES: dict[str, pl.DataType] = {"day": pl.Date(), "y": pl.String(), "slot": pl.UInt8(), "value": pl.Int64()}
SKETCHES: dict[str, pl.DataType] = {"day": pl.Date(), "y": pl.String(), "slot": pl.UInt8(), "sketch": pl.List(pl.UInt64())}
SKETCH = 256
SKETCH_ROWS = ROWS_MOST >> 4
"""Rows of a self of sketches at most, each of up to 2 KB."""
MOST = 1 << 46
"""Largest sum kept for a window (70 TB, or 2 years in microseconds), and for an event an eighth of it: no sum of sums can overflow."""
COUNT_MOST = 1 << 24
"""Counts are compared up to 16 million a window: their squares then add up exactly in 64 bits over 3 years of hours."""
LOG_UNIT = 1 << 16
"""Sums are compared as ln(1 + sum / grain), in fixed point of 1/65,536, so that their sums are exact in any order."""
_KEYS = ["day", "y", "slot"]


def learn_values(rows: pl.DataFrame, *, largest: bool = False) -> pl.DataFrame:
    """The delta of `rows` (columns day, slot, y, value; one row per event): columns `VALUES`, canonical. `largest`: maxima, not sums."""
    value = pl.col("value").cast(pl.Int64, strict=False).clip(0, MOST >> 3)
    return _combined(rows.select("day", "y", pl.col("slot").cast(pl.UInt8), value), largest=largest)


def merge_values(deltas: list[pl.DataFrame], *, largest: bool = False) -> pl.DataFrame:
    """All windows added up (or their largest kept); `merge_values([])` is the identity."""
    parts = [delta.select(*VALUES) for delta in deltas]
    return joined(parts, partial(_combined, largest=largest), capped) if parts else pl.DataFrame(schema=VALUES)


def _combined(rows: pl.DataFrame, *, largest: bool) -> pl.DataFrame:
    value = pl.col("value").max() if largest else pl.col("value").sum().clip(0, MOST)
    return capped(rows.group_by(_KEYS).agg(value).sort(_KEYS))


def learn_sketches(rows: pl.DataFrame) -> pl.DataFrame:
    """The delta of `rows` (columns day, slot, y, value; one row per event, value a string): columns `SKETCHES`, canonical."""
    items = rows.select("day", "y", pl.col("slot").cast(pl.UInt8), hashes(rows["value"]).alias("sketch"))
    return capped(_sketched(items), rows=SKETCH_ROWS)


def merge_sketches(deltas: list[pl.DataFrame]) -> pl.DataFrame:
    """The sketches of all windows united; `merge_sketches([])` is the identity."""
    parts = [delta.select(*SKETCHES) for delta in deltas]
    bounds = partial(capped, rows=SKETCH_ROWS)
    return joined(parts, lambda rows: bounds(_sketched(rows.explode("sketch"))), bounds) if parts else pl.DataFrame(schema=SKETCHES)


def _sketched(items: pl.DataFrame) -> pl.DataFrame:
    return _united(items, _KEYS).select(*SKETCHES).sort(_KEYS)


def _united(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    return rows.group_by(by).agg(pl.col("sketch").unique().sort().head(SKETCH))


def _estimate() -> pl.Expr:
    """Items behind column `sketch`: k hashes are k items; when it is full, (k - 1) / (its largest hash, as a share of all)."""
    size = pl.col("sketch").list.len().cast(pl.Int64)
    share = pl.col("sketch").list.last().cast(pl.Float64) / 2.0**64
    estimate = ((SKETCH - 1) / share).round().cast(pl.Int64, strict=False).clip(SKETCH, COUNT_MOST)
    return pl.when(size >= SKETCH).then(estimate).otherwise(size).alias("value")


def apart(
    self_: pl.DataFrame, own: pl.DataFrame, per_day: int, *, included: bool, grain: int = 0, numbers: Sequence[Ints] | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The windows of `own` (the delta of the events to score) beside the history they are held against.

    self_, own  tables of one kind, values or sketches; `per_day` windows make a day
    included    whether `self_` has learnt the events of `own`. What `self_` holds of a window belongs to that window: with `included`
                the larger of both is its value (the self's, of sketches), else their sum (sketches united). So a window is worth the same
                whether its events come at once or in many batches, and it is never its own history
    numbers     the y of both tables as numbers, where they are known: `self_`'s from 0 and each met, -1 for what it does not have;
                `own` needs no y then
    grain       0 for counts; for sums the amount below which differences are of no interest

    First frame, `own`'s day, slot and y (if any) in its order, with: value; u, its level; n, s, ss, the windows of its y's history apart
    from itself, and the sum and sum of squares of their levels; most, the largest of these (-1 for none); index, its y's row in the second
    frame (null for an unknown y); since, until, its y's first and last day. To counts, the empty windows between y's first and last
    active one are history too, as zeros, where anyone was active: else nobody was listening. To sums only active ones are: a sum of
    nothing says nothing of size.
    Second frame, one row per y of `self_`: n, s, ss of its whole history.
    For counts both hold `spread` too, and the first the factors season and season_peers: see `baseline.season`.
    """
    numbers = numbers or numbered(self_["y"], own["y"])
    (y, w, key), (own_y, own_w, own_key) = (_placed(table, of, per_day) for table, of in zip((self_, own), numbers, strict=True))
    order = np.argsort(key)
    at = found(key[order], own_key)
    value = _current(self_, own, order, at, included=included)
    windows = distinct(w)
    known = _Known(y[order], found(windows, w[order]), _levels(_values(self_), grain)[order], _days(self_)[order])
    history = known.histories(zeros=not grain)
    index = np.where(own_y < history.height, own_y, -1)
    held = np.append(known.u, 0)[at]
    n, s, ss, most = _left_out(history, index, found(windows, own_w), at >= 0, held, zeros=not grain)
    days = {name: np.append(history[name].to_numpy(), 0)[index] for name in ("since", "until")}
    columns = {"value": value, "u": _levels(value, grain), "n": n, "s": s, "ss": ss, "most": most, "index": index, **days}
    if not grain:
        asked = season.Asked(index, own_w, at >= 0, held, n, s)
        fitted = season.season(known.seasonal(windows, per_day, history), asked, ss)
        columns |= season.columns(fitted)
        history = history.with_columns(pl.Series("spread", fitted.every))
    left = pl.DataFrame(columns).with_columns(_KNOWN)
    return pl.concat([own.select(pl.col("^(day|y|slot)$")), left], how="horizontal"), history.select(pl.col("^(n|s|ss|spread)$"))


_KNOWN = [
    *(pl.when(pl.col("index") >= 0).then(pl.col(day).cast(pl.Int32).cast(pl.Date)).alias(day) for day in ("since", "until")),
    pl.when(pl.col("index") >= 0).then("index").alias("index"),
]


def _days(table: pl.DataFrame) -> Ints:
    return table["day"].cast(pl.Int32).to_numpy().astype(np.int64)


def _placed(table: pl.DataFrame, y: Ints, per_day: int) -> tuple[Ints, Ints, Ints]:
    """Per row: y as a number, the window numbered through from 1970, and one number for both."""
    w = _days(table) * per_day + table["slot"].to_numpy().astype(np.int64)
    return y, w, y * 2**34 + w + 2**33


def _values(table: pl.DataFrame) -> pl.Series:
    return table.select(_estimate()).to_series() if "sketch" in table.columns else table["value"]


def _current(self_: pl.DataFrame, own: pl.DataFrame, order: Ints, at: Ints, *, included: bool) -> pl.Series:
    """The value of each window of `own`, with what `self_` holds of it, `at` in `order`."""
    row = np.append(order, -1)[at]
    if "sketch" in own.columns:
        mine = np.flatnonzero(at >= 0)
        if included:  # what the self holds of a window is all of it
            value = own.select(_estimate()).to_series().to_numpy().copy()
            value[mine] = self_.select(_estimate()).to_series().to_numpy()[row[mine]]
            return pl.Series("value", value)
        parts = [own.select(pl.int_range(pl.len()).alias("row"), "sketch")]
        parts.append(pl.DataFrame({"row": pl.Series(mine), "sketch": self_["sketch"][row[mine]]}))
        return _united(pl.concat(parts).explode("sketch"), ["row"]).sort("row").select(_estimate()).to_series()
    value, held = own["value"].to_numpy(), np.append(self_["value"].to_numpy(), 0)[row]
    return pl.Series("value", np.maximum(value, held) if included else np.clip(value + held, 0, MOST))


def _levels(value: pl.Series, grain: int) -> Ints:
    return value.alias("value").to_frame().select(_level(grain).alias("u")).to_series().to_numpy()


def _level(grain: int) -> pl.Expr:
    """The whole number that stands for column `value` in sums and sums of squares: the count, or ln(1 + sum / grain) in `LOG_UNIT`s."""
    if grain:
        return ((pl.col("value").cast(pl.Float64) / grain).log1p() * LOG_UNIT).round().cast(pl.Int64)
    return pl.col("value").clip(0, COUNT_MOST)


@dataclass(frozen=True, slots=True)
class _Known:
    """The windows of a self, in order of y and time: y's number, place among all windows in which anyone was active, level, day."""

    y: Ints
    place: Ints
    u: Ints
    day: Ints

    def seasonal(self, heard: Ints, per_day: int, history: pl.DataFrame) -> season.Windows:
        """The same for `baseline.season`."""
        first, last, n, s, ss = (history[name].to_numpy() for name in ("first", "last", "n", "s", "ss"))
        return season.Windows(self.y, self.place, self.u, heard, per_day, first, last, n, s, ss)

    def histories(self, *, zeros: bool) -> pl.DataFrame:
        """Per y, in its order: active windows, the places of the two first and the two last (the second and the last but one mean
        nothing where there is one only), n, s, ss, since, until."""
        starts = np.flatnonzero(np.diff(self.y, prepend=-1))
        active = lengths(starts, self.y.size)
        ends = starts + active - 1
        first, last = self.place[starts], self.place[ends]
        return pl.DataFrame(
            {
                "active": active,
                "first": first,
                "second": self.place[np.minimum(starts + 1, ends)],
                "last": last,
                "penult": self.place[np.maximum(ends - 1, starts)],
                "n": last - first + 1 if zeros else active,
                "s": _added(self.u, starts),
                "ss": _added(self.u * self.u, starts),
                "top": _largest(self.u, starts),
                "next": _largest(self.u, starts, but_one=True),
                "since": self.day[starts],
                "until": self.day[ends],
            }
        )


def _largest(values: Ints, starts: Ints, *, but_one: bool = False) -> Ints:
    """The largest of each run, or of its others; -1 where there is none."""
    if not starts.size:
        return starts
    top = np.maximum.reduceat(values, starts)
    if not but_one:
        return top
    best = np.flatnonzero(values == np.repeat(top, lengths(starts, values.size)))
    others = values.copy()
    others[best[np.searchsorted(best, starts)]] = -1
    return np.maximum.reduceat(others, starts)


def _added(values: Ints, starts: Ints) -> Ints:
    return np.add.reduceat(values, starts) if starts.size else starts


def _left_out(history: pl.DataFrame, index: Ints, place: Ints, own: Mask, held: Ints, *, zeros: bool) -> tuple[Ints, Ints, Ints, Ints]:
    """n, s, ss and the largest level of each row's y without the row's own window, exactly; 0, 0, 0 and -1 for an unknown y."""
    some = np.flatnonzero(index >= 0)
    names = ("active", "first", "second", "last", "penult", "s", "ss", "top", "next")
    active, first, second, last, penult, s, ss, top, other = (history[name].to_numpy()[index[some]] for name in names)
    place, own, held = place[some], own[some], held[some]
    most = np.where(active > own, np.where(own & (held == top), other, top), -1)
    active = active - own
    first = np.where(own & (place == first), second, first)
    last = np.where(own & (place == last), penult, last)
    inside = (first < place) & (place < last)
    n = np.where(active > 0, last - first + 1 - inside, 0) if zeros else active
    out = [np.full(index.size, none) for none in (0, 0, 0, -1)]
    for whole, part in zip(out, (n, s - held, ss - held * held, most), strict=True):
        whole[some] = part
    return out[0], out[1], out[2], out[3]
