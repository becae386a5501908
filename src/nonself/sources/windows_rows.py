"""Windows events of one block, gathered kind by kind and turned into columns at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from nonself.core.schema import SCHEMA
from nonself.sources.records import BATCH, instants_of, joined, texts
from nonself.sources.windows_convert import CONVERTED, WHOLE, Converters, said
from nonself.sources.windows_fields import Flat, is_nothing, text
from nonself.sources.windows_map import NAMED, Kind, Route, content

Fields = Mapping[str, Sequence[Any]]
"""Native fields of some events: one value each."""
COMMON = ("Computer", "TimeCreated", "UtcTime", "Level", "Keywords")
"""Native fields that are taken of events of all kinds. Provider, channel and event id tell the kind."""
_TYPED = CONVERTED | {"class_uid", "activity_id"}
_TEXTS = frozenset((str, NoneType))
_NOTHING = ("", "-")
_NO_CHOICE = (None, "", "-", "0x0")


@dataclass(slots=True)
class Rows:
    """Events in any order; `columns` brings them into the order of their numbers."""

    numbers: list[int] = field(default_factory=list)
    _runs: list[tuple[Route, int]] = field(default_factory=list)  # names of consecutive rows, each with their count
    _columns: dict[str, list[Any]] = field(default_factory=dict)
    _settled: int = 0  # rows that `_pieces` hold, and `_columns` no longer
    _pieces: dict[str, list[tuple[int, pl.Series]]] = field(default_factory=dict)
    _routes: dict[tuple[str, str, int | None], Route] = field(default_factory=dict)
    _converters: Converters = field(default_factory=Converters)

    def route(self, provider: str, channel: str, event_id: int | None) -> Route:
        """The name of an event, made once a block."""
        key = (provider, channel, event_id)
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = content().route(*key)
        return route

    def add(self, route: Route, numbers: Sequence[int], fields: Fields, ext: Sequence[bytes] | None = None) -> None:
        """Events of one name: their numbers, the native fields of its kind and of `COMMON`, and all native fields as JSON where their raw
        records are not that."""
        first, count, kind = len(self.numbers) - self._settled, len(numbers), route.kind
        self.numbers += numbers
        self._runs.append((route, count))
        native = {name: _values(spec, fields, count) for name, spec in kind.columns}
        native |= {"host": fields["Computer"], "time": _clock(route, fields), "severity_id": fields["Level"]}
        if kind.status is None:
            native["status_id"] = fields["Keywords"]
        cells = self._converters.columns(native)
        cells["activity_id"] = _activities(kind, fields, count)
        if kind.status is not None:
            cells["status_id"] = [kind.status] * count
        elif kind.status_from:
            told = _outcomes(kind, fields, count)
            cells["status_id"] = [by_field or by_keyword for by_field, by_keyword in zip(told, cells["status_id"], strict=True)]
        if ext is not None:
            cells["ext"] = ext
        for name, values in cells.items():
            column = self._columns.setdefault(name, [])
            if len(column) < first:
                column.extend([None] * (first - len(column)))
            column.extend(values)
        if first + count >= BATCH:
            self._settle()

    def add_flats(self, flats: Iterable[tuple[int, Flat, bytes]]) -> None:
        """Events of any names, each as its number, its native fields and these as JSON."""
        groups: dict[Route, list[tuple[int, Flat, bytes]]] = {}
        for row in flats:
            flat = row[1]
            route = self.route(text(flat.get("Provider_Name")), text(flat.get("Channel")), flat["EventID"])
            groups.setdefault(route, []).append(row)
        for route, members in groups.items():
            fields = {name: [flat.get(name) for _, flat, _ in members] for name in (*route.kind.fields, *COMMON)}
            self.add(route, [number for number, _, _ in members], fields, [ext for _, _, ext in members])

    def columns(self) -> dict[str, pl.Series]:
        """All event columns that were given, in the order of the events' numbers; `numbers` is in that order afterwards."""
        if not self.numbers:
            return {}
        numbers = np.array(self.numbers)
        order = np.argsort(numbers) if (numbers[1:] < numbers[:-1]).any() else None
        found = self._at_once(order) if self._settled else self._singly(order)
        if order is not None:
            self.numbers.sort()
        columns = {series.name: series for series in found}
        if "time" in columns:
            columns["time"] = instants_of(columns["time"])
        return columns

    def _singly(self, order: npt.NDArray[np.intp] | None) -> list[pl.Series]:
        """Few rows, value by value: most logs are small, and each call of polars costs as much as twenty values."""
        height = len(self.numbers)
        names = [(route.cells(), count) for route, count in self._runs]
        columns = {name: [cells[name] for cells, count in names for _ in range(count)] for name in NAMED}
        columns |= {name: cells + [None] * (height - len(cells)) for name, cells in self._columns.items()}
        if order is not None:
            rows = order.tolist()
            columns = {name: [cells[row] for row in rows] for name, cells in columns.items()}
        return [_series(name, cells) for name, cells in columns.items() if not is_nothing(cells)]

    def _at_once(self, order: npt.NDArray[np.intp] | None) -> list[pl.Series]:
        """Many rows, column by column."""
        self._settle()
        frame = _meaning(pl.DataFrame([joined(pieces, len(self.numbers)) for pieces in self._pieces.values()]))
        runs = np.repeat(np.arange(len(self._runs)), [count for _, count in self._runs])
        names = [route.cells() for route, _ in self._runs]
        named = pl.DataFrame([pl.Series(name, [cells[name] for cells in names], dtype=SCHEMA[name]) for name in NAMED])
        if order is not None:
            frame, runs = frame[order], runs[order]
        return [*named[runs].get_columns(), *frame.get_columns()]

    def _settle(self) -> None:
        """Make columns of the rows that were added since."""
        for name, cells in self._columns.items():
            if not is_nothing(cells):
                self._pieces.setdefault(name, []).append((self._settled, _texts(name, cells)))
        self._settled, self._columns = len(self.numbers), {}


def _clock(route: Route, fields: Fields) -> Sequence[Any]:
    """When it happened: by Sysmon's own clock where that is said, else by the log's."""
    logged = fields["TimeCreated"]
    if not route.is_sysmon or is_nothing(fields["UtcTime"]):
        return logged
    own = said(fields["UtcTime"])
    return [clock if mine is None else mine for mine, clock in zip(own, logged, strict=True)]


def _series(name: str, values: list[Any]) -> pl.Series:
    """A column of few values: of its own type, or native values as text, or what that means."""
    if name in _TYPED:
        return pl.Series(name, values, dtype=SCHEMA[name])
    if name == "ext":
        return texts(name, values)
    native = said(values if _TEXTS.issuperset(map(type, values)) else [value if value is None else text(value) for value in values])
    if name not in WHOLE:
        return pl.Series(name, native, dtype=pl.String)
    single = WHOLE[name][1]
    known = {value: None if value is None else single(value) for value in set(native)}
    return pl.Series(name, list(map(known.__getitem__, native)), dtype=SCHEMA[name])


def _meaning(frame: pl.DataFrame) -> pl.DataFrame:
    """The same of columns that `_texts` gave."""
    native = [name for name in frame.columns if name not in _TYPED and name != "ext"]
    short = frame.select((pl.col(native).str.len_bytes() < 2).any())  # mostly none is
    odd = [pl.col(column.name) for column in short.get_columns() if column.item()]
    frame = frame.with_columns([pl.when((column != "-") & (column != "")).then(column) for column in odd])
    return frame.with_columns([convert(frame[name]) for name, (convert, _) in WHOLE.items() if name in frame.columns])


def _texts(name: str, values: list[Any]) -> pl.Series:
    """Values as a column: of its own type where they have been converted, else of text."""
    if name in _TYPED:
        return pl.Series(name, values, dtype=SCHEMA[name])
    if name == "ext":
        return texts(name, values)
    try:
        return pl.Series(name, values, dtype=pl.String)
    except (TypeError, OverflowError):  # some are not text
        if set(map(type, values)) <= {int, NoneType} and name in WHOLE:  # numbers as numbers
            return pl.Series(name, values, dtype=pl.Int64, strict=False).cast(pl.String)
        return pl.Series(name, [value if type(value) is str else text(value) or None for value in values], dtype=pl.String)


def _activities(kind: Kind, fields: Fields, count: int) -> list[int]:
    if not kind.activity_field:
        return [kind.activity] * count
    return [kind.activity_of.get(text(value), 99) for value in fields[kind.activity_field]]


def _outcomes(kind: Kind, fields: Fields, count: int) -> list[int | None]:
    """What the field that tells the outcome says; "*" of the table stands for all other values."""
    values = map(text, _values(kind.status_from, fields, count))
    return [None if value in _NOTHING else kind.status_of.get(value, kind.status_of.get("*")) for value in values]


def _values(spec: str, fields: Fields, count: int) -> Sequence[Any]:
    """One column of one kind: "Field", "Field|Fallback", "A+B", "A~key", "A!pattern", "A?B=text" or "=constant"."""
    if spec.startswith("="):
        return [spec[1:]] * count
    if "|" in spec:
        choices = [_values(part, fields, count) for part in spec.split("|")]
        return _first([choice for choice in choices if not is_nothing(choice)], count)
    if "+" in spec:
        columns = [_values(part, fields, count) for part in spec.split("+")]
        return ["\\".join(text(part) for part in row if part) or None for row in zip(*columns, strict=True)]
    if "?" in spec:
        name, _, wanted = spec.partition("?")
        other, _, said_so = wanted.partition("=")
        return [value if kind == said_so else None for value, kind in zip(fields[name], fields[other], strict=True)]
    if "!" in spec:
        name, _, pattern = spec.partition("!")
        return [_match(content().patterns[pattern], value) for value in fields[name]]
    if "~" in spec:
        name, key = spec.split("~")
        return [None if value is None else _setting(text(value), key) for value in fields[name]]
    return fields[spec]


def _first(choices: list[Sequence[Any]], count: int) -> Sequence[Any]:
    """The first of the choices that says something, row by row."""
    if not choices:
        return [None] * count
    values, *others = choices
    if not others:
        return [None if value in _NO_CHOICE else value for value in values]
    return [next((value for value in row if value not in _NO_CHOICE), None) for row in zip(values, *others, strict=True)]


def _match(pattern: re.Pattern[str], value: Any) -> str | None:
    """The groups of the first match, a space between them. Text of a log is escaped once more where it is a document itself."""
    found = None if value is None else pattern.search(text(value))
    return unescape(" ".join(filter(None, found.groups()))).strip() or None if found else None


def _setting(written: str, key: str) -> str | None:
    """The value of the first line `key=value` or `key = value`, as PowerShell describes its context.

    The key is looked for first: a regular expression that tries every line took a quarter of reading PowerShell's events.
    """
    at = written.find(key)
    while at >= 0:
        start = at
        while start and written[start - 1] in " \t":
            start -= 1
        if not start or written[start - 1] == "\n":
            end = written.find("\n", at)
            line = written[at + len(key) : end if end >= 0 else None].lstrip(" \t")
            if line.startswith("="):
                return line[1:].partition("\r")[0].strip()
        at = written.find(key, at + 1)
    return None
