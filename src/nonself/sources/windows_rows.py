"""Windows events of one block, gathered kind by kind and turned into columns at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Any

import numpy as np
import polars as pl

from nonself.core.schema import SCHEMA
from nonself.sources.records import BATCH, instants_of, joined, texts
from nonself.sources.windows_convert import CONVERTED, WHOLE, Converters, said, spoken
from nonself.sources.windows_fields import Flat, is_nothing, text
from nonself.sources.windows_map import Kind, Route, content

Fields = Mapping[str, Sequence[Any]]
"""Native fields of some events: one value each."""
COMMON = ("Computer", "TimeCreated", "UtcTime", "Level", "Keywords")
"""Native fields that are taken of events of all kinds. Provider, channel and event id tell the kind."""
_TYPED = CONVERTED | {"class_uid", "activity_id"}
_FEW = 512
"""So many values are converted one by one: most logs of a machine are small, and each call of polars costs as much as twenty values."""
_NO_CHOICE = (None, "", "-", "0x0")


@dataclass(slots=True)
class Rows:
    """Events in any order; `columns` brings them into the order of their numbers."""

    numbers: list[int] = field(default_factory=list)
    _columns: dict[str, list[Any]] = field(default_factory=dict)
    _settled: int = 0  # rows that `_pieces` hold, and `_columns` no longer
    _pieces: dict[str, list[tuple[int, pl.Series]]] = field(default_factory=dict)
    _ext: dict[int, bytes] = field(default_factory=dict)
    _routes: dict[tuple[str, str, int | None], Route] = field(default_factory=dict)
    _converters: Converters = field(default_factory=Converters)

    def route(self, provider: str, channel: str, event_id: int | None) -> Route:
        """The name of an event, made once a block."""
        key = (provider, channel, event_id)
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = content().route(*key)
        return route

    def add(self, route: Route, numbers: Sequence[int], fields: Fields) -> None:
        """Events of one name: their numbers, and the native fields of its kind and of `COMMON`."""
        first, count, kind = len(self.numbers) - self._settled, len(numbers), route.kind
        self.numbers += numbers
        cells: dict[str, Sequence[Any]] = {name: [cell] * count for name, cell in route.cells().items()}
        cells["activity_id"] = _activities(kind, fields, count)
        native = {name: _values(spec, fields, count) for name, spec in kind.columns}
        native |= {"host": fields["Computer"], "time": _clock(route, fields), "severity_id": fields["Level"]}
        if kind.status is None:
            native["status_id"] = fields["Keywords"]
        for name, values in (cells | self._converters.columns(native)).items():
            column = self._columns.setdefault(name, [])
            if len(column) < first:
                column.extend([None] * (first - len(column)))
            column.extend(values)
        if first + count >= BATCH:
            self._settle()

    def add_ext(self, numbers: Iterable[int], ext: Iterable[bytes]) -> None:
        """The native fields of events as JSON, where their raw records are not that."""
        self._ext.update(zip(numbers, ext, strict=True))

    def add_flats(self, flats: Iterable[tuple[int, Flat, bytes]]) -> None:
        """Events of any names, each as its number, its native fields and these as JSON."""
        groups: dict[Route, list[tuple[int, Flat]]] = {}
        for number, flat, ext in flats:
            route = self.route(text(flat.get("Provider_Name")), text(flat.get("Channel")), flat["EventID"])
            groups.setdefault(route, []).append((number, flat))
            self._ext[number] = ext
        for route, members in groups.items():
            fields = {name: [flat.get(name) for _, flat in members] for name in (*route.kind.fields, *COMMON)}
            self.add(route, [number for number, _ in members], fields)

    def columns(self) -> dict[str, pl.Series]:
        """All event columns that were given, in the order of the events' numbers; `numbers` is in that order afterwards."""
        if not self.numbers:
            return {}
        frame = pl.DataFrame(self._all_settled() if len(self.numbers) > _FEW else self._converted())
        numbers = np.array(self.numbers)
        if (numbers[1:] < numbers[:-1]).any():
            frame = frame[np.argsort(numbers)]
            self.numbers.sort()
        columns = {series.name: series for series in frame.get_columns()}
        if "time" in columns:
            columns["time"] = instants_of(columns["time"])
        if self._ext:
            columns["ext"] = texts("ext", [self._ext.get(number) for number in self.numbers])
        return columns

    def _converted(self) -> list[pl.Series]:
        """Few rows, value by value."""
        height = len(self.numbers)
        return [_series(name, cells + [None] * (height - len(cells))) for name, cells in self._columns.items() if not is_nothing(cells)]

    def _settle(self) -> None:
        """Make columns of the rows that were added since."""
        for name, cells in self._columns.items():
            if not is_nothing(cells):
                self._pieces.setdefault(name, []).append((self._settled, _texts(name, cells)))
        self._settled, self._columns = len(self.numbers), {}

    def _all_settled(self) -> list[pl.Series]:
        self._settle()
        return [_whole(joined(pieces, len(self.numbers))) for pieces in self._pieces.values()]


def _clock(route: Route, fields: Fields) -> Sequence[Any]:
    """When it happened: by Sysmon's own clock where that is said, else by the log's."""
    logged, own = fields["TimeCreated"], said(fields["UtcTime"])
    if not route.is_sysmon or is_nothing(own):
        return logged
    return [clock if mine is None else mine for mine, clock in zip(own, logged, strict=True)]


def _series(name: str, values: list[Any]) -> pl.Series:
    """A column of few values: of its own type, or native values as text, or what that means."""
    if name in _TYPED:
        return pl.Series(name, values, dtype=SCHEMA[name])
    texts = said([value if type(value) is str or value is None else text(value) for value in values])
    if name not in WHOLE:
        return pl.Series(name, texts, dtype=pl.String)
    _, single = WHOLE[name]
    return pl.Series(name, [None if value is None else single(value) for value in texts], dtype=SCHEMA[name])


def _whole(column: pl.Series) -> pl.Series:
    """The same of a column that `_texts` gave."""
    if column.name in _TYPED:
        return column
    texts = spoken(column)
    return WHOLE[column.name][0](texts) if column.name in WHOLE else texts


def _texts(name: str, values: list[Any]) -> pl.Series:
    """Values as a column: of its own type where they have been converted, else of text."""
    if name in _TYPED:
        return pl.Series(name, values, dtype=SCHEMA[name])
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


def _values(spec: str, fields: Fields, count: int) -> Sequence[Any]:
    """One column of one kind: "Field", "Field|Fallback", "A+B", "A~key", "A?B=text" or "=constant"."""
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
