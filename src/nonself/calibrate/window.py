"""The calibration window: every score a detector gave here, as a mergeable histogram, and rank p-values against it.

A window is a `Delta` (columns `WINDOW`): how many scores of a stratum fell on each level, per day. A stratum is an entity kind: hosts are
ranked among hosts. *All* scores enter, those that became findings too; leaving them out would shift every later p-value (measured: a
window without its alerts alarms 3 to 8 times too often).
"""

from __future__ import annotations

import polars as pl

from nonself.core.scores import Delta, Scores

LEVELS_PER_BIT = 1024
"""Scores are ranked in steps of 1/1024 bit, rounded down: scores within a step tie, and ties are counted against the claim."""

WINDOW: dict[str, pl.DataType] = {
    "day": pl.Date(),
    "stratum": pl.String(),
    "level": pl.Int64(),
    "n": pl.Int64(),
}

STRATUM = pl.col("entity").str.split(":").list.first().alias("stratum")
LEVEL = (pl.col("score") * LEVELS_PER_BIT).floor().cast(pl.Int64).alias("level")


def learn(scores: Scores) -> Delta:
    """The window of these scores alone: one row per day, stratum and level."""
    rows = scores.select(pl.col("end").dt.date().alias("day"), STRATUM, LEVEL)
    return _canonical(rows.with_columns(pl.lit(1, pl.Int64).alias("n")))


def merge(deltas: list[Delta]) -> Delta:
    """All windows as one; `merge([])` is the identity."""
    parts = [delta.select(*WINDOW) for delta in deltas if delta.height]
    if len(parts) <= 1:
        return parts[0] if parts else pl.DataFrame(schema=WINDOW)
    return _canonical(pl.concat(parts))


def rank(scores: Scores, window: Delta) -> pl.DataFrame:
    """Rank p-values of `scores`, which `window` has already learnt: frame with columns p (Float64) and n (Int64), row for row.

    p = (1 + others at least as odd) / (1 + others) in the same stratum: the split-conformal p-value (Vovk, Gammerman & Shafer 2005,
    "Algorithmic Learning in a Random World", ch. 2), valid while scores are exchangeable. `n` is the number of others, so p >= 1/(n+1).
    """
    ranked = scores.select(STRATUM, LEVEL).join(_tail(window), on=["stratum", "level"], how="left", maintain_order="left")
    return ranked.select((pl.col("at_least") / pl.col("total")).alias("p"), (pl.col("total") - 1).alias("n"))


def rank_before(scores: Scores, window: Delta) -> pl.Series:
    """p-values of `scores` held against the scores of earlier days alone, row for row: the larger of (1 + earlier ones at least as odd) /
    (1 + earlier ones) and 2^-score, as for a finding; 1 where a stratum has no earlier day. One pass over the window per distinct day."""
    rows = scores.select(pl.col("end").dt.date().alias("day"), STRATUM, LEVEL, "score").with_row_index("row")
    parts = [_before(part, window.filter(pl.col("day") < day)) for (day,), part in rows.group_by("day") if day is not None]
    own = pl.lit(2.0).pow(-pl.col("score").clip(lower_bound=0.0))
    ranked = rows.join(pl.concat(parts), on="row", how="left", maintain_order="left") if parts else rows.with_columns(rank=pl.lit(1.0))
    return ranked.select(pl.max_horizontal(pl.col("rank").fill_null(1.0), own).alias("p"))["p"]


def _before(rows: pl.DataFrame, window: Delta) -> pl.DataFrame:
    tail = _tail(window).sort("level")
    sizes = tail.group_by("stratum").agg(pl.col("total").first())
    ranked = rows.sort("level").join_asof(tail.drop("total"), on="level", by="stratum", strategy="forward", check_sortedness=False)
    ranked = ranked.join(sizes, on="stratum", how="left").with_columns(pl.col("total", "at_least").fill_null(0))
    return ranked.select("row", ((1 + pl.col("at_least")) / (1 + pl.col("total"))).alias("rank"))


def _tail(window: Delta) -> pl.DataFrame:
    """By stratum and level: at_least (scores on this level or above) and total (of the stratum)."""
    return (
        window.group_by("stratum", "level")
        .agg(pl.col("n").sum())
        .sort("stratum", "level", descending=[False, True])
        .with_columns(
            pl.col("n").cum_sum().over("stratum").alias("at_least"),
            pl.col("n").sum().over("stratum").alias("total"),
        )
        .drop("n")
    )


def _canonical(rows: pl.DataFrame) -> Delta:
    keys = ["day", "stratum", "level"]
    return rows.group_by(keys).agg(pl.col("n").sum()).select(*WINDOW).sort(keys)
