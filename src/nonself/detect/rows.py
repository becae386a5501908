"""From events to windows: the rows a detector looks at, and the evidence behind each window."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import polars as pl

from nonself.baseline import keys
from nonself.core.scores import SCORES
from nonself.detect import names
from nonself.detect.contract import evidence
from nonself.detect.spec import Spec

ENTITIES = 32
"""Entities named by one score at most, its own included."""
_DATED = pl.col("time").is_between(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
"""Other times cannot be told as dates; such events are not looked at."""
_KIND = r"^[a-z]+:"


def chosen(events: pl.DataFrame, spec: Spec, *, evidence: bool = True) -> pl.DataFrame:
    """The events `spec` looks at: columns day, slot, y and x (rare) or value (volume); with `evidence` also time, uid and `@name` for
    its entities.

    Events without a time, a Y, an X or an entity are left out: null means that the source did not say.
    """
    rows = _filtered(events, spec, evidence=evidence)
    minute = pl.col("time").dt.hour().cast(pl.Int32) * 60 + pl.col("time").dt.minute().cast(pl.Int32)
    columns = {
        "day": pl.col("time").dt.date(),
        "slot": (minute // (1440 // spec.per_day)).cast(pl.UInt8),
        "y": keys.joined([pl.col("@" + name) for name in spec.over]),
        **({"x": keys.joined([pl.col("@" + name) for name in spec.x])} if spec.x else {"value": _value(spec)}),
    }
    linked = ["time", "uid", *dict.fromkeys("@" + name for name in (spec.entity, *spec.joins))] if evidence else []
    said = pl.all_horizontal(pl.col("@" + name).is_not_null() for name in (spec.entity, *spec.over, *spec.x))
    rows = rows.filter(said).select(*linked, **columns)
    for column in ("y", "x") if spec.x else ("y",):
        rows = keys.cut(rows, column)
    return rows if spec.x else rows.drop_nulls("value")


def _filtered(events: pl.DataFrame, spec: Spec, *, evidence: bool) -> pl.DataFrame:
    """The events that pass the filter, with no more columns than are needed: gathering strings is what a filter costs."""
    wanted = spec.named if evidence else spec.keyed
    made = [name for name in wanted if "@" + name in events.columns]
    missing = [name for name in wanted if name not in made]
    needed = {"time", *(["uid"] if evidence else []), *(c for name in missing for c in names.roots(name))}
    needed |= {spec.value} if spec.summed else set()
    needed |= set(spec.text.meta.root_names()) if spec.text is not None else set()
    mask = events.select((spec.where & _DATED).alias("m")).to_series()
    some = events.select(*(c for c in events.columns if c in needed), *("@" + name for name in made))
    some = some.filter(mask) if mask.any() else some.clear()
    return names.prepare(some if spec.text is None else some.filter(spec.text), missing)


def _value(spec: Spec) -> pl.Expr:
    if spec.measure == "distinct":
        return pl.col("@" + spec.value)
    return pl.col(spec.value) if spec.summed else pl.lit(1, pl.Int64)


def windows(rows: pl.DataFrame, spec: Spec) -> pl.DataFrame:
    """One row per window of `rows`: day, slot, y (and x), and of `SCORES` all but the score. Sorted by start, y (and x)."""
    by = ["day", "slot", "y", *(["x"] if spec.x else [])]
    linked = [name for name in rows.columns if name.startswith("@")]
    grouped = rows.sort("time", "uid").group_by(by).agg(
        pl.col("@" + spec.entity).first().alias("entity"),
        pl.col("time").first().alias("start"),
        pl.col("time").last().alias("end"),
        evidence(pl.col("uid")).alias("events"),
        pl.len().cast(pl.Int64).alias("n_events"),
        *(pl.col(name) for name in linked),
    )  # fmt: skip
    found = grouped.sort("start", *by).with_row_index("w")
    entities = _touched(found, linked)
    return pl.concat([found.drop("w", *linked), entities], how="horizontal").select(*by, *(name for name in SCORES if name != "score"))


def _touched(found: pl.DataFrame, linked: list[str]) -> pl.DataFrame:
    """Column entities, row for row: every entity of the linked list columns, sorted, at most `ENTITIES`, the window's own among them."""
    parts = [found.select("w", pl.col(name).alias("e")).explode("e") for name in linked]
    long = pl.concat([found.select("w", pl.col("entity").alias("e")), *parts]).drop_nulls().unique().sort("w", "e")
    touched = long.group_by("w", maintain_order=True).agg("e")
    e = pl.col("e")
    own = pl.concat_list(e.list.head(ENTITIES - 1), "entity").list.unique().list.sort()
    kept = pl.when(e.list.len() <= ENTITIES).then(e).otherwise(None)
    out = touched.with_columns(found["entity"], kept.alias("entities"))
    if (many := out["entities"].is_null()).any():
        out = out.with_columns(pl.when(many).then(own).otherwise(pl.col("entities")).alias("entities"))
    return out.select("entities")


def phrase(spec: Spec, value: pl.Expr | None = None) -> pl.Expr:
    """`spec.says` with the names of Y and X (columns y, x) filled in, without the kinds of entities; `value` fills `{value}`."""
    parts: list[pl.Expr] = []
    for i, piece in enumerate(re.split(r"\{(\w+)\}", spec.says)):
        if i % 2 == 0:
            parts.append(pl.lit(piece))
        elif piece == "value" and value is not None:
            parts.append(value)
        else:
            parts.append(_part(spec, piece))
    return pl.concat_str(parts)


def _part(spec: Spec, name: str) -> pl.Expr:
    column, group = ("y", spec.over) if name in spec.over else ("x", spec.x)
    text = pl.col(column) if len(group) == 1 else pl.col(column).str.split(keys.SEPARATOR).list.get(group.index(name), null_on_oob=True)
    shown = text.str.replace(_KIND, "") if names.is_entity(name) else text
    return shown.fill_null("?")
