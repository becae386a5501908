"""The evidence behind each score: the events of a window, and the entities they touch."""

from __future__ import annotations

import numpy as np
import polars as pl

from nonself.baseline.codes import Coded, Ints, coded, distinct
from nonself.core.scores import EVIDENCE
from nonself.detect.rows import Chosen, Groups, lists
from nonself.detect.spec import Spec

ENTITIES = 32
"""Entities named by one score at most, its own included."""


def named(chosen: Chosen, spec: Spec, groups: Groups) -> dict[str, pl.Series]:
    """The entities and the evidence of each group, as columns entities and events."""
    return {"entities": _touched(chosen, spec, groups), "events": _evidence(chosen, spec, groups)}


def _evidence(rows: Chosen, spec: Spec, groups: Groups) -> pl.Series:
    """At most `EVIDENCE` events of each group, in order of time: its first; the largest, for half of the places, where an amount is asked
    for; then those of the smallest uid. A uid is a hash, so these are a sample, and two detectors that look at the same events take the
    same ones (Cohen & Kaplan 2007, "Summarizing data using bottom-k sketches")."""
    frame, at = rows.view.frame, rows.at[groups.order]
    owner = np.repeat(np.arange(groups.starts.size), groups.sizes)
    if (groups.sizes > EVIDENCE).any():
        told = pl.DataFrame({"owner": owner, "uid": frame["uid"][at], "first": np.arange(owner.size) == groups.starts[owner]})
        later = ~pl.col("first")
        if spec.number:
            told = told.with_columns(frame[spec.value][at].alias("amount"))
            large = pl.col("amount").rank("ordinal", descending=True).over("owner") < EVIDENCE // 2
            later &= ~large.fill_null(False)
        order = told.select(pl.struct(later.alias("later"), "uid").rank("ordinal").over("owner")).to_series()
        kept = order.to_numpy() <= EVIDENCE
        owner, at = owner[kept], at[kept]
    return lists(frame["uid"][at], owner)


def _touched(rows: Chosen, spec: Spec, groups: Groups) -> pl.Series:
    """The entities of each group's events, sorted, at most `ENTITIES`, its own among them."""
    linked = [rows.view.name(name) for name in dict.fromkeys((spec.entity, *spec.joins))]
    at = rows.at[groups.order]
    table, codes = _one_table([Coded(column.codes[at], column.values) for column in linked])
    group, own = np.repeat(np.arange(groups.starts.size), groups.sizes), codes[0][groups.starts]
    known = [(group[here], found[here]) for found in codes for here in [found >= 0]]
    pairs = distinct(np.concatenate([g * (table.len() + 1) + e for g, e in known]))
    owner, entity = np.divmod(pairs, table.len() + 1)
    place = np.arange(owner.size) - np.searchsorted(owner, owner)
    many = np.bincount(owner)[owner] > ENTITIES
    # Of too many, the first ones but one are kept, and the group's own: if that is among them, one fewer.
    kept = ~many | (place < ENTITIES - 1) | (entity == own[owner])
    return lists(table[entity[kept]], owner[kept])


def _one_table(columns: list[Coded]) -> tuple[pl.Series, list[Ints]]:
    """Several coded columns over one table of values."""
    if len(columns) == 1:
        return columns[0].values, [columns[0].codes.astype(np.int64)]
    every = coded(pl.concat([column.values.alias("v") for column in columns]))
    out, start = [], 0
    for column in columns:
        ranks = np.append(every.codes[start : start + column.values.len()].astype(np.int64), -1)
        out.append(ranks[column.codes])
        start += column.values.len()
    return every.values, out
