"""JSON values as columns: text takes what numbers, booleans, lists and objects are written as; a number what is written as text."""

from __future__ import annotations

from contextlib import suppress
from itertools import chain
from types import NoneType
from typing import Any

import polars as pl

from nonself.sources.records import clean, dump_json, scrub

_LIST = pl.List(pl.String)
_NESTED = 3
_ALIKE = {frozenset({int}): pl.Int64(), frozenset({bool}): pl.Boolean()}


def series(name: str, values: list[Any], dtype: pl.DataType) -> pl.Series:
    """Values of any JSON type as a column; text takes what numbers, booleans, lists and objects are written as."""
    if dtype == _LIST:
        return _lists(name, values)
    if dtype == pl.String and type(next((value for value in values if value is not None), "")) is not str:
        return _written(name, values)
    try:
        return pl.Series(name, values, dtype=dtype)
    except (TypeError, OverflowError, UnicodeEncodeError):  # some are of another type, or text that holds lone surrogates
        pass
    return _written(name, values) if dtype == pl.String else pl.Series(name, [_number(value, dtype) for value in values], dtype=dtype)


def _written(name: str, values: list[Any]) -> pl.Series:
    """Values of any type as text."""
    alike = _ALIKE.get(frozenset(map(type, values)) - {NoneType})  # ids, codes, flags: of one type all through
    if alike is not None:
        with suppress(TypeError, OverflowError):
            return pl.Series(name, values, dtype=alike).cast(pl.String)
    texts = [value if type(value) is str else _text(value) for value in values]
    try:
        return pl.Series(name, texts, dtype=pl.String)
    except UnicodeEncodeError:
        return pl.Series(name, [text and clean(text) for text in texts], dtype=pl.String)


def _lists(name: str, values: list[Any]) -> pl.Series:
    """Lists of any values, or single ones, as lists of text. Made of one column of all texts: list by list it would cost ten times that."""
    found = [None if value is None else _texts(value) for value in values]
    texts = _written("", list(chain.from_iterable(filter(None, found))))
    rows = [row for row, listed in enumerate(found) if listed for _ in listed]
    grouped = pl.DataFrame({"row": pl.Series(rows, dtype=pl.UInt32), name: texts}).group_by("row", maintain_order=True).agg(name)
    return pl.DataFrame({"row": pl.int_range(len(found), dtype=pl.UInt32, eager=True)}).join(grouped, on="row", how="left")[name]


def _texts(value: Any) -> list[str] | None:
    parts = value if isinstance(value, list) else [value]
    if set(map(type, parts)) == {str}:
        return parts
    for _ in range(_NESTED):  # lists in lists, as of the techniques of several tactics
        if list not in set(map(type, parts)):
            break
        parts = [item for part in parts for item in (part if isinstance(part, list) else (part,))]
    return [text for part in parts if (text := _text(part)) is not None] or None


def _number(value: Any, dtype: pl.DataType) -> int | float | None:
    """A number, or one written as text, as one of a type; None for what it can't hold."""
    try:
        if isinstance(value, str):
            value = (float(value) if dtype.is_float() else int(value)) if len(value) < 20 and value.isascii() else None
        if dtype.is_float():
            return float(value)
        value = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if -(1 << 63) <= value < 1 << 63 else None


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    try:
        return dump_json({"": scrub(value)})[4:-1]
    except (TypeError, ValueError):  # nested deeper than JSON is written
        return None
