"""How far a score lies beyond all others: what its rank, the first, cannot say.

Among n others no rank is worth more than log2(n + 1) bits, whether the score is the highest by a hair or by sixty bits; and where few are
ever scored (the identities of a small company) that is less than what ordinary life adds up to elsewhere. So past the highest other score
of the stratum, h bits, the tail of scores is taken as Pareto with exponent 1 and the detector's unit, a bit, as its scale:

    P(score > h + d) = 1 / (1 + d),    so beyond = log2(1 + d) bits

It is the tail taken for the alerts of other tools too (`calibrate.alerts`); a detector's own model, if it were right so far out, would give
d bits. The p-value itself is left alone: p <= 1/(n + 1) is never claimed.
"""

from __future__ import annotations

import polars as pl

from nonself.calibrate.window import LEVEL, LEVELS_PER_BIT, STRATUM
from nonself.core.scores import Delta, Scores


def beyond(scores: Scores, window: Delta, *, least: float) -> pl.DataFrame:
    """Columns highest (the highest other score of the stratum, null where there is none) and beyond (bits), row for row of `scores`, which
    `window` has already learnt. Others below `least` bits count as that many."""
    levels = window.group_by("stratum", "level").agg(pl.col("n").sum()).sort("stratum", "level", descending=[False, True])
    tops = levels.group_by("stratum", maintain_order=True).agg(
        pl.col("level").first().alias("top"),
        pl.when(pl.col("n").first() > 1).then(pl.col("level").first()).otherwise(pl.col("level").get(1, null_on_oob=True)).alias("next"),
    )
    rows = scores.select(STRATUM, "score", LEVEL).join(tops, on="stratum", how="left", maintain_order="left")
    highest = pl.when(pl.col("level") == pl.col("top")).then("next").otherwise("top") / LEVELS_PER_BIT
    rows = rows.with_columns(highest.alias("highest"))
    past = (pl.col("score") - pl.max_horizontal("highest", pl.lit(least))).clip(lower_bound=0.0)
    return rows.select("highest", pl.when(pl.col("highest").is_not_null()).then((1.0 + past).log(2)).otherwise(0.0).alias("beyond"))
