"""Copies: a record that stands in several inputs (a log and its longer self, an archive beside what was in it) is one event.

Equal records within one input are different events: a burst writes the same line again and again. So the n-th of equal records in one
input is a copy of the n-th of these in another, and a record is as many events as it stands in the input that has it most often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from nonself.ledger.lake import Lake, Selection

_NAMED = ("uid", "origin")


def news(lake: Lake, chosen: Selection, columns: Sequence[str]) -> pl.DataFrame:
    """The chosen pending events, sorted as the lake sorts them, without copies of each other and of events concluded before;
    compact (`core.compact`)."""
    events = lake.read(replace(chosen, pending=True), list(dict.fromkeys([*columns, *_NAMED])), held=True)
    known = lake.read(replace(chosen, concluded=True), _NAMED)
    if events["uid"].n_unique() < events.height or (known.height and events["uid"].is_in(known["uid"].implode()).any()):
        events = events.filter(_fresh(events, known))
    return events.select(columns)


def learnt(lake: Lake, chosen: Selection, columns: Sequence[str]) -> pl.DataFrame:
    """The chosen concluded events, sorted as the lake sorts them, without copies of each other; compact."""
    events = lake.read(replace(chosen, concluded=True), list(dict.fromkeys([*columns, *_NAMED])), held=True)
    if events["uid"].n_unique() < events.height:
        events = events.filter(_fresh(events, events.clear()))
    return events.select(columns)


def _fresh(names: pl.DataFrame, known: pl.DataFrame) -> pl.Series:
    """Which events, of the `names` given, are neither copies of earlier ones nor of `known`."""
    number = pl.int_range(pl.len()).over(*_NAMED).alias("_number")
    told = known.group_by(*_NAMED).len("_told").group_by("uid").agg(pl.col("_told").max())
    numbered = names.select(*_NAMED, number).join(told, on="uid", how="left", maintain_order="left")
    fresh = (pl.col("_number") >= pl.col("_told").fill_null(0)) & pl.struct("uid", "_number").is_first_distinct()
    return numbered.select(fresh.alias("fresh")).to_series()
