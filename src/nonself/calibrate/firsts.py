"""How many alerts the first hour of a rule on an entity brings: what there is to hold a burst against where nothing came before it.

A rule that never fired here has no highest hour to pass. Counting its alerts from one says that a thousand of them are a thousand times as
many as usual, when nothing is known of what is usual: some rules always come by the thousand, and on the first day all of them come for the
first time. The other rules of the tool have had their first hours too, on this entity and on others; among these the hour has a rank,

    p = first hours of the tool with at least as many alerts, its own included / all its first hours
"""

from __future__ import annotations

import polars as pl

from nonself.core.scores import Delta


def ranked(episodes: Delta) -> pl.DataFrame:
    """Columns tool, n_events, rank (first hours with at least so many alerts) and firsts (all of the tool), a row for each number of alerts
    that a first hour has had. `episodes` has tool, rule, entity, hour and n_events."""
    own = ["tool", "rule", "entity"]
    firsts = episodes.sort("hour").group_by(own).agg(pl.col("n_events").first())
    return (
        firsts.group_by("tool", "n_events").len().sort("tool", "n_events", descending=[False, True])
        .with_columns(pl.col("len").cum_sum().over("tool").alias("rank"), pl.col("len").sum().over("tool").alias("firsts")).drop("len")
    )  # fmt: skip
