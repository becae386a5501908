"""A detector's own proof, made from the `example` of its content entry.

    normal   column = value, or a list of values: one event for every combination, each working hour of ten days
    odd      columns that differ in the odd events; the rest is normal's first values. A `#` in a text counts the odd events up;
             an integer written as "#" becomes that number
    times    number of odd events on the eleventh day (default 1)
    every    seconds between them (default 1)
    hour     hour of the odd events (default 10)
    daily    true: one event a day for every combination, not one an hour
    silent   number of the last normal days, and the odd day, that lack the first combination

The odd day holds its normal events too. The winner is the first odd event.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from nonself.core.events import Events, conform
from nonself.core.schema import SCHEMA
from nonself.detect.contract import Example

if TYPE_CHECKING:
    from nonself.detect.spec import Spec

_START = datetime(2024, 3, 4, tzinfo=UTC)
_DAYS = 10
_HOURS = range(9, 17)
_MINUTE = 30


def build(spec: Spec) -> Example:
    """The example of a content entry as events."""
    given = spec.example
    normal, times = given["normal"], given.get("times", 1)
    hours = _HOURS[:1] if given.get("daily") else _HOURS
    silent = given.get("silent", 0)
    usual = _frame(_usual(normal, range(_DAYS), hours, silent=silent), "normal")
    base = {column: value[0] if isinstance(value, list) else value for column, value in normal.items()}
    at = _START + timedelta(days=_DAYS, hours=given.get("hour", 10))
    every = timedelta(seconds=given.get("every", 1))
    odd = [{**base, **{c: _counted(v, i) for c, v in given["odd"].items()}, "time": at + i * every} for i in range(times)]
    beside = list(_usual(normal, range(_DAYS, _DAYS + 1), hours, silent=silent))
    return Example(normal=usual, odd=_frame(iter([*odd, *beside]), "odd"), winner="odd-000000")


def _usual(normal: Mapping[str, Any], days: range, hours: range, *, silent: int) -> Iterator[dict[str, Any]]:
    lists = [value if isinstance(value, list) else [value] for value in normal.values()]
    for day, hour in itertools.product(days, hours):
        for i, values in enumerate(itertools.product(*lists)):
            if silent and not i and day >= _DAYS - silent:
                continue
            at = _START + timedelta(days=day, hours=hour, minutes=_MINUTE, milliseconds=i)
            yield {**dict(zip(normal, values, strict=True)), "time": at}


def _counted(value: object, i: int) -> object:
    return value.replace("#", str(i)) if isinstance(value, str) else value


def _frame(events: Iterator[dict[str, Any]], prefix: str) -> Events:
    rows = [{**event, "uid": f"{prefix}-{i:06d}"} for i, event in enumerate(events)]
    columns = {name: pl.Series(name, [row.get(name) for row in rows], strict=False) for name in SCHEMA if any(name in row for row in rows)}
    return conform(pl.DataFrame(columns))
