"""The native fields of a record that its OCSF event does not hold yet, for `unmapped`."""

from __future__ import annotations

from typing import Any

import orjson
import polars as pl

from nonself.core.errors import RecordError
from nonself.core.schema import SCHEMA
from nonself.sources.contract import Limits
from nonself.sources.ocsf_paths import NONSELF
from nonself.sources.records import load_json

_LIMITS = Limits()
_SHORT = 3
"""A text this short stands in many events by chance, so it is kept."""


def leftovers(events: pl.DataFrame, columns: list[str]) -> pl.Series:
    """The members of each record's JSON object (`ext`, else `raw`) that its event does not hold, as text without braces; null for none.

    A field is left out where one of `columns` holds its value word for word. The name `nonself` is ours alone: whoever writes a log must
    not be able to set columns by it.
    """
    held = events.select(pl.col(name).cast(pl.String) for name in columns if not SCHEMA[name].is_nested())
    records = events.select(pl.coalesce("ext", "raw")).to_series()
    found = [_rest(record, row) for record, row in zip(records.to_list(), zip(*(one.to_list() for one in held), strict=True), strict=True)]
    return pl.Series("native", found, dtype=pl.String)


def _rest(record: str | None, row: tuple[str | None, ...]) -> str | None:
    if not record or not record.startswith("{"):
        return None
    try:
        native = load_json(record.encode(), _LIMITS)
    except RecordError:  # text that only looks like JSON
        return None
    if NONSELF in native:
        native[NONSELF + "_"] = native.pop(NONSELF)
    kept = _new(native, set(row))
    return orjson.dumps(kept).decode()[1:-1] if kept else None


def _new(native: dict[str, Any], held: set[str | None]) -> dict[str, Any]:
    """`native` without empty fields and values in `held`."""
    kept: dict[str, Any] = {}
    for name, value in native.items():
        kind = type(value)
        if kind is str:
            if value and (len(value) <= _SHORT or value not in held):
                kept[name] = value
        elif kind is dict:
            if inner := _new(value, held):
                kept[name] = inner
        elif value is not None and value != []:
            kept[name] = value
    return kept
