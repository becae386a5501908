"""Rows of a frame as JSON without their nulls: for `raw` of records that have no text, and for `ext`."""

from __future__ import annotations

from functools import lru_cache

import polars as pl

from nonself.core import events
from nonself.core.schema import SCHEMA
from nonself.sources.records import clean


def compact(frame: pl.DataFrame) -> pl.Series:
    """Each row as compact JSON of its values that aren't null, in the order of the columns; null where there are none."""
    kept = [each.name for each in frame.iter_columns() if each.null_count() < frame.height]
    if not kept:
        return pl.Series("json", [None], dtype=pl.String).new_from_index(0, frame.height)
    first, rest = kept[0], tuple(name for name in kept[1:] if frame[name].null_count())
    text = frame.select(pl.struct(kept).struct.json_encode().alias("json"))["json"]
    # Exact: within a JSON string no quote goes without a backslash, so none of these can be part of a value.
    if rest:
        text = text.str.replace_many(_nulls(rest), [""] * len(rest))
    if frame[first].null_count():
        text = text.str.replace(f'{{"{first}":null,', "{", literal=True)
        text = text.set(text == f'{{"{first}":null}}', None)
    return text


@lru_cache(maxsize=128)
def _nulls(names: tuple[str, ...]) -> list[str]:
    return [f',"{name}":null' for name in names]


def named(frame: pl.DataFrame, source: str, origin: str, version: int) -> events.Events:
    """Events of a frame with `raw` and `record`: named by their raw record, with their source, origin and version of mapping."""
    height = frame.height
    own = {"source": source, "origin": clean(origin), "map_ver": version}
    same = [pl.Series(name, [value], dtype=SCHEMA[name]).new_from_index(0, height) for name, value in own.items()]
    return events.conform(frame.hstack([events.uids(source, frame["raw"]), *same]))
