"""The calibration window: every score a detector gave here, as a mergeable histogram, and rank p-values against it.

A window is a `Delta` (columns `WINDOW`): how many scores of a stratum fell on each level, per day and age of the self that gave them. A
stratum is an entity kind: hosts are ranked among hosts. *All* scores enter, those that became findings too; leaving them out would shift
every later p-value (measured: a window without its alerts alarms 3 to 8 times too often).

Scores are exchangeable where they were given by the like selves only: a self that grows says more of the same thing every day. What it was
never shown in n windows has the probability (theta + n1) / (n + theta), and no tail is known deeper than the windows it rests on, so a self
of A days says at most log2(A / a) bits more than it said when it held a. A score is therefore ranked among those that selves of at least
half its self's age gave, each raised by that much (`as_of`). Where all were scored by one self, as in the scan of a folder, or by selves as
old as they get, nothing is raised.
"""

from __future__ import annotations

import polars as pl

from nonself.core.scores import Delta, Scores

LEVELS_PER_BIT = 1024
"""Scores are ranked in steps of 1/1024 bit, rounded down: scores within a step tie, and ties are counted against the claim."""

WINDOW: dict[str, pl.DataType] = {
    "day": pl.Date(),
    "stratum": pl.String(),
    "age": pl.Int64(),  # days that the self held which gave the scores
    "level": pl.Int64(),
    "n": pl.Int64(),
}

STRATUM = pl.col("entity").str.split(":").list.first().alias("stratum")
LEVEL = (pl.col("score") * LEVELS_PER_BIT).floor().cast(pl.Int64).alias("level")


def learn(scores: Scores, age: int) -> Delta:
    """The window of these scores alone, given by a self of `age` days: one row per day, stratum and level."""
    rows = scores.select(pl.col("end").dt.date().alias("day"), STRATUM, LEVEL)
    return _canonical(rows.with_columns(pl.lit(age, pl.Int64).alias("age"), pl.lit(1, pl.Int64).alias("n")))


def merge(deltas: list[Delta]) -> Delta:
    """All windows as one; `merge([])` is the identity. Those that an earlier build kept without ages are left out."""
    parts = [delta.select(*WINDOW) for delta in deltas if delta.height and "age" in delta.columns]
    if len(parts) <= 1:
        return parts[0] if parts else pl.DataFrame(schema=WINDOW)
    return _canonical(pl.concat(parts))


def as_of(window: Delta, age: int) -> Delta:
    """What scores given by a self of `age` days are ranked in: of `window` the scores of selves of half its age or more, raised by
    log2(age / their age) bits where theirs was less. What was given at this age stays as it is."""
    if (window["age"] == age).all():
        return window
    growth = (pl.lit(float(age)) / pl.col("age").clip(1, max(1, age))).log(2.0) * LEVELS_PER_BIT
    kept = window.filter(2 * pl.col("age") >= age)
    return _canonical(kept.with_columns(pl.col("level") + growth.ceil().cast(pl.Int64)))


def rank(scores: Scores, window: Delta) -> pl.DataFrame:
    """Rank p-values of `scores`, which `window` (`as_of` their age) has learnt: columns p (Float64) and n (Int64), row for row.

    p = (1 + others at least as odd) / (1 + others) in the same stratum: the split-conformal p-value (Vovk, Gammerman & Shafer 2005,
    "Algorithmic Learning in a Random World", ch. 2), valid while scores are exchangeable. `n` is the number of others, so p >= 1/(n+1).
    """
    ranked = scores.select(STRATUM, LEVEL).join(_tail(window), on=["stratum", "level"], how="left", maintain_order="left")
    return ranked.select((pl.col("at_least") / pl.col("total")).alias("p"), (pl.col("total") - 1).alias("n"))


def rank_before(scores: Scores, window: Delta) -> pl.Series:
    """p-values of `scores` held against those of earlier days of `window` (`as_of` their age) alone, row for row: the larger of (1 +
    earlier ones at least as odd) / (1 + earlier ones) and 2^-score, as for a finding; 1 where a stratum has no earlier day. One pass over
    the window per distinct day."""
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
    keys = ["day", "stratum", "age", "level"]
    return rows.group_by(keys).agg(pl.col("n").sum()).select(*WINDOW).sort(keys)
