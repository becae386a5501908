"""Which events a detector looks at: the `where` of a content table as expressions over event columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from nonself.core.errors import ConfigError
from nonself.core.schema import SCHEMA
from nonself.detect.checks import check_keys, expect

_FILTERS = ("has", "ends", "except")


def parse_where(table: Mapping[str, Any], where: str) -> tuple[dict[str, pl.Expr], pl.Expr | None]:
    """A filter, all of: `column = [values]`, `present = [columns]`, `absent = [columns]`, `except = {column = [values]}`; and
    `has` and `ends` = {column = [texts, in any case]}, as one."""
    check_keys(table, {*SCHEMA, "present", "absent", *_FILTERS}, where, "where.")
    expect("class_uid" in table, "where.class_uid", "the OCSF classes it looks at", table, where)
    parts: dict[str, pl.Expr] = {}
    texts: list[pl.Expr] = []
    for key, value in table.items():
        if key in _FILTERS:
            expect(isinstance(value, dict), f"where.{key}", "a table", value, where)
            for column, values in value.items():
                test = _filter(key, column, values, f"where.{key}.{column}", where)
                if key == "except":
                    parts[f"{key} {column} {values}"] = test
                else:
                    texts.append(test)
        elif key in ("present", "absent"):
            for column in _list(value, f"where.{key}", where):
                expect(column in SCHEMA, f"where.{key}", "event columns", column, where)
                parts[f"{key} {column}"] = _said(column) if key == "present" else ~_said(column)
        else:
            parts[f"{key} {value}"] = _one_of(key, value, f"where.{key}", where)
    return parts, pl.all_horizontal(texts) if texts else None


def _said(column: str) -> pl.Expr:
    """Whether an event has the column: an empty text says as little as null."""
    filled = pl.col(column).is_not_null()
    return filled & (pl.col(column) != "").fill_null(False) if SCHEMA[column] == pl.String else filled


def _list(value: object, key: str, where: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise ConfigError(expected="a list that is not empty", got=repr(value), where=f"{where}: key {key!r}")
    return value


def _one_of(column: str, value: object, key: str, where: str) -> pl.Expr:
    expect(column in SCHEMA, key, "an event column", column, where)
    values, fits = _list(value, key, where), str if SCHEMA[column] == pl.String else int
    expect(all(isinstance(v, fits) for v in values), key, f"values of type {SCHEMA[column]}", value, where)
    return pl.col(column).is_in(pl.Series(values, dtype=SCHEMA[column]).implode())


def _filter(kind: str, column: str, texts: object, key: str, where: str) -> pl.Expr:
    if kind == "except":
        return ~_one_of(column, texts, key, where).fill_null(False)
    expect(SCHEMA.get(column) == pl.String, key, "a text column", column, where)
    values = _list(texts, key, where)
    expect(all(isinstance(t, str) for t in values), key, "texts", texts, where)
    value = pl.col(column).str.to_lowercase()
    test: Callable[[str], pl.Expr] = value.str.ends_with if kind == "ends" else lambda text: value.str.contains(text, literal=True)
    return pl.any_horizontal(test(text.lower()) for text in values)
