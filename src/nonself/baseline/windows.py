"""How much happened per y and window: mergeable tables of counts, sums and distinct counts, and the history a window is held against.

A delta has one row per day, y and slot (the window's number within its day) in which something happened.

    counts, sums     value (Int64): added up on merge; a saturating sum of non-negative numbers is associative
    maxima           value (Int64): the largest is kept on merge
    distinct counts  sketch (List(UInt64)): the `SKETCH` smallest hashes of the items seen (bottom-k, or KMV: Bar-Yossef et al. 2002,
                     Beyer et al. 2007); exact up to `SKETCH` - 1 items, beyond that off by about 1/sqrt(SKETCH) = 6 %
"""

from __future__ import annotations

import polars as pl

from nonself.baseline.keys import hashes, numbered

VALUES: dict[str, pl.DataType] = {"day": pl.Date(), "y": pl.String(), "slot": pl.UInt8(), "value": pl.Int64()}
SKETCHES: dict[str, pl.DataType] = {"day": pl.Date(), "y": pl.String(), "slot": pl.UInt8(), "sketch": pl.List(pl.UInt64())}
SKETCH = 256
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
    parts = [delta.select(*VALUES) for delta in deltas if delta.height]
    return _combined(pl.concat(parts), largest=largest) if parts else pl.DataFrame(schema=VALUES)


def _combined(rows: pl.DataFrame, *, largest: bool) -> pl.DataFrame:
    value = pl.col("value").max() if largest else pl.col("value").sum().clip(0, MOST)
    return rows.group_by(_KEYS).agg(value).sort(_KEYS)


def learn_sketches(rows: pl.DataFrame) -> pl.DataFrame:
    """The delta of `rows` (columns day, slot, y, value; one row per event, value a string): columns `SKETCHES`, canonical."""
    items = rows.select("day", "y", pl.col("slot").cast(pl.UInt8), hashes(rows["value"]).alias("sketch"))
    return _united(items, _KEYS).select(*SKETCHES).sort(_KEYS)


def merge_sketches(deltas: list[pl.DataFrame]) -> pl.DataFrame:
    """The sketches of all windows united; `merge_sketches([])` is the identity."""
    parts = [delta.select(*SKETCHES) for delta in deltas if delta.height]
    if not parts:
        return pl.DataFrame(schema=SKETCHES)
    return _united(pl.concat(parts).explode("sketch"), _KEYS).select(*SKETCHES).sort(_KEYS)


def _united(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    return rows.group_by(by).agg(pl.col("sketch").unique().sort().head(SKETCH))


def _estimate() -> pl.Expr:
    """Items behind column `sketch`: k hashes are k items; when it is full, (k - 1) / (its largest hash, as a share of all)."""
    size = pl.col("sketch").list.len().cast(pl.Int64)
    share = pl.col("sketch").list.last().cast(pl.Float64) / 2.0**64
    estimate = ((SKETCH - 1) / share).round().cast(pl.Int64, strict=False).clip(SKETCH, COUNT_MOST)
    return pl.when(size >= SKETCH).then(estimate).otherwise(size).alias("value")


def apart(self_: pl.DataFrame, own: pl.DataFrame, per_day: int, *, included: bool, grain: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The windows of `own` (the delta of the events to score) beside the history they are held against.

    self_, own  tables of one kind, values or sketches; `per_day` windows make a day
    included    whether `self_` has learnt the events of `own`. What `self_` holds of a window belongs to that window: with `included`
                the larger of both is its value, else their sum (sketches are united in either case). So a window is worth the same
                whether its events come at once or in many batches, and it is never its own history
    grain       0 for counts; for sums the amount below which differences are of no interest

    First frame, `own`'s day, y and slot in its order, with: value; u, its level; n, s, ss, the windows of its y's history apart from
    itself, and the sum and sum of squares of their levels; index, its y's row in the second frame (null for an unknown y); since,
    until, its y's first and last day. To counts, the empty windows between y's first and last active one are history too, as zeros,
    where anyone was active: else nobody was listening. To sums only active ones are: a sum of nothing says nothing of size.
    Second frame, one row per y of `self_`: n, s, ss of its whole history.
    """
    known, new = _placed(self_, own, per_day)
    value = _current(known, new, included=included)
    if "sketch" in known.columns:
        known = known.with_columns(_estimate())
    place = pl.col("w").rank("dense").cast(pl.Int64).alias("place")
    known = known.select("y", "w", "key", "day", place, _level(grain).alias("u")).sort("key")
    history = _histories(known, zeros=not grain)
    rows = new.select("y", "w", "key").with_columns(value)
    rows = rows.join(known.select("w", "place").unique(), on="w", how="left", maintain_order="left")
    rows = rows.join(known.select("key", pl.col("u").alias("held")), on="key", how="left", maintain_order="left")
    rows = rows.join(history, on="y", how="left", maintain_order="left")
    left = rows.select("value", _level(grain).alias("u"), *_left_out(zeros=not grain), "index", "since", "until")
    return pl.concat([own.select(_KEYS), left], how="horizontal"), history.select("n", "s", "ss")


def _placed(self_: pl.DataFrame, own: pl.DataFrame, per_day: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both tables with y as a number, `w`, their windows numbered through from 1970, and `key`, one number for y and w."""
    w = (pl.col("day").cast(pl.Int64) * per_day + pl.col("slot")).alias("w")
    key = (pl.col("y") * 2**34 + pl.col("w") + 2**33).alias("key")
    ys = numbered(self_["y"], own["y"])
    known, new = (table.with_columns(y, w).with_columns(key) for table, y in zip((self_, own), ys, strict=True))
    return known, new


def _current(known: pl.DataFrame, new: pl.DataFrame, *, included: bool) -> pl.Series:
    """The value of each window of `new`, with what `known` holds of it."""
    if "sketch" in new.columns:
        held = known.join(new, on="key", how="semi")
        parts = pl.concat([held.select("key", "sketch"), new.select("key", "sketch")]).explode("sketch")
        united = _united(parts, ["key"]).select("key", _estimate())
        return new.select("key").join(united, on="key", how="left", maintain_order="left")["value"]
    both = new.select("key", "value").join(known.select("key", pl.col("value").alias("held")), on="key", how="left", maintain_order="left")
    held_value = pl.col("held").fill_null(0)
    value = pl.max_horizontal("value", held_value) if included else (pl.col("value") + held_value).clip(0, MOST)
    return both.select(value.alias("value")).to_series()


def _level(grain: int) -> pl.Expr:
    """The whole number that stands for column `value` in sums and sums of squares: the count, or ln(1 + sum / grain) in `LOG_UNIT`s."""
    if grain:
        return ((pl.col("value").cast(pl.Float64) / grain).log1p() * LOG_UNIT).round().cast(pl.Int64)
    return pl.col("value").clip(0, COUNT_MOST)


def _histories(known: pl.DataFrame, *, zeros: bool) -> pl.DataFrame:
    """Per y, in its order, of windows in order of time: index, active windows, the places of the two first and the two last (the second
    and the last but one mean nothing where there is one only), n, s, ss, since, until. A place is a window's rank among all windows in
    which anyone was active."""
    neighbours = known.with_columns(pl.col("place").shift(-1).alias("next"), pl.col("place").shift(1).alias("before"))
    table = neighbours.group_by("y", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("active"),
        pl.col("place").first().alias("first"),
        pl.col("next").first().alias("second"),
        pl.col("place").last().alias("last"),
        pl.col("before").last().alias("penult"),
        pl.col("u").sum().alias("s"),
        (pl.col("u") * pl.col("u")).sum().alias("ss"),
        pl.col("day").first().alias("since"),
        pl.col("day").last().alias("until"),
    )
    n = pl.col("last") - pl.col("first") + 1 if zeros else pl.col("active")
    return table.with_columns(n.alias("n")).with_row_index("index")


def _left_out(*, zeros: bool) -> list[pl.Expr]:
    """n, s and ss of each row's y without the row's own window, exactly."""
    place, own = pl.col("place"), pl.col("held").is_not_null()
    first = pl.when(own & (place == pl.col("first"))).then(pl.col("second")).otherwise(pl.col("first"))
    last = pl.when(own & (place == pl.col("last"))).then(pl.col("penult")).otherwise(pl.col("last"))
    active = pl.col("active") - own.cast(pl.Int64)
    inside = place.is_between(first, last, closed="none").fill_null(False).cast(pl.Int64)
    n = pl.when(active > 0).then(last - first + 1 - inside).otherwise(0) if zeros else active
    held = pl.col("held").fill_null(0)
    return [n.fill_null(0).alias("n"), (pl.col("s") - held).fill_null(0).alias("s"), (pl.col("ss") - held * held).fill_null(0).alias("ss")]
