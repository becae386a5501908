"""A user's mapping, checked before it is used: every part has its type, every value fits its column, and an error says which does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import polars as pl
from msgspec import Meta

from nonself.core.errors import ConfigError
from nonself.core.safe import shorten
from nonself.core.schema import SCHEMA
from nonself.sources.mapped import Expressions
from nonself.sources.mapping import Cell, Mapping
from nonself.sources.paths import path

Texts = str | list[str | int | bool]
Scalar = str | int | float | bool
_FAULTS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
_MOMENT = pl.Series(["2026-11-22 13:14:15"]).str.to_datetime(time_unit="us")
_TYPES = {"str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false", "array": "a list", "object": "a table",
          "null": "nothing"}  # fmt: skip


class Read(msgspec.Struct, frozen=True, rename={"kind": "as"}):
    """How the bytes hold the records: as JSON, or as CSV with a header line and a delimiter ("": the one its header has most of), or as
    Parquet."""

    kind: str = "json"
    delimiter: Annotated[str, Meta(max_length=1)] = ""


class Sigma(msgspec.Struct, frozen=True):
    """The log source that Sigma rules call these records by."""

    product: str = ""
    category: str = ""
    service: str = ""


class _Mark(msgspec.Struct, rename={"equal": "is"}):
    has: Texts = []
    equal: dict[str, Texts] = {}


class _Recognise(_Mark, rename={"equal": "is", "either": "or"}):
    either: list[_Mark] = []
    needs: Texts = []
    inside: Texts = []
    unwrap: Texts = []


class _Time(msgspec.Struct, rename={"fields": "from"}):
    fields: Texts = []
    format: str = ""


_Number = Annotated[int, Meta(ge=0, le=99)]


class _Activity(msgspec.Struct, rename={"fields": "from", "values": "map"}):
    fields: Texts
    values: dict[str, _Number] = {}
    default: _Number = 0


class _Class(msgspec.Struct, rename={"uid": "class"}):
    uid: int
    when: dict[str, Texts] = {}
    activity: _Number | str | _Activity = 0


class _Cell(msgspec.Struct, rename={"fields": "from", "values": "map", "transform": "as"}):
    fields: Texts
    values: dict[str, Scalar] = {}
    default: Scalar | None = None
    present: Scalar | None = None
    absent: Scalar | None = None
    transform: str = ""
    scale: float | None = None


class _Table(msgspec.Struct, rename={"classes": "class"}):
    name: str
    title: str
    recognise: _Recognise
    time: _Time
    version: Annotated[int, Meta(ge=1, le=32_767)] = 1
    nothing: list[str] = []
    formats: str = ""
    columns: dict[str, Any] = {}
    classes: list[_Class] = []
    also: Texts = []


def types(table: dict[str, Any]) -> None:
    """ConfigError for a part that is not of its type. Unknown parts are left to `mapping`."""
    _converted(table, _Table, "")
    for column, spec in table.get("columns", {}).items():
        if not isinstance(spec, str | list):
            _converted(spec, _Cell, f"[columns] {column}")
        fields = spec.get("from") if isinstance(spec, dict) else spec
        if not fields:
            raise ConfigError(f"[columns] {column}: expected a field, or several, got none")


def part(table: Any, kind: Any, where: str) -> Any:
    """A part as its struct; ConfigError where it holds anything else."""
    known = {field.encode_name for field in msgspec.structs.fields(kind)}
    if isinstance(table, dict) and (unknown := sorted(table.keys() - known)):
        raise ConfigError(f"{where}: expected {', '.join(sorted(known))}, got {', '.join(unknown)}")
    return _converted(table, kind, where)


def _converted(value: Any, kind: Any, where: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$")
        raise ConfigError(": ".join(filter(None, (where, _place(place.rstrip("`")), _plain(text))))) from None


def _place(place: str) -> str:
    """`.recognise.has[0]` as the user wrote it: `[recognise] has[0]`."""
    names = place.strip(".").split(".", 1)
    return f"[{names[0]}] {names[1]}" if len(names) > 1 else names[0]


def _plain(text: str) -> str:
    """msgspec's words without its names of types."""
    text = text[0].lower() + text[1:]
    text = re.sub(r"object missing required field `(\w+)`", r"expected \1, got nothing", text)
    return re.sub(r"`([a-z |]+)`", lambda found: " or ".join(_TYPES.get(name, name) for name in found[1].split(" | ")), text)


def values(mapping: Mapping, *, paths: bool) -> None:
    """ConfigError for a field that can't be followed (asked where fields are `paths`), a value that does not fit its column, or a time
    format that means nothing."""
    for where, field in _fields(mapping) if paths else ():
        try:
            path(field)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
    for column, cell in mapping.cells.items():
        _cell(column, cell)
    if mapping.time_format:
        _format(mapping.time_format)
    _tried(mapping)


def _fields(mapping: Mapping) -> Iterator[tuple[str, str]]:
    yield from (("[time] from", field) for field in mapping.times)
    yield from (("[recognise]", field) for field in mapping.marked())
    yield from ((f"[columns] {column}", field) for column, cell in mapping.cells.items() for field in cell.fields if field[:1] != "=")
    yield from (("[[class]] when", name[1:]) for kind in mapping.classes for name, _ in kind.when if name[:1] == ".")


def _cell(column: str, cell: Cell) -> None:
    dtype = SCHEMA[column]
    given = [("map", value) for _, value in cell.values]
    given += [(name, value) for name in ("default", "present", "absent") if (value := getattr(cell, name)) is not None]
    for name, value in given:
        if not _fits(value, dtype):
            raise ConfigError(f"[columns] {column}: expected `{name}` to give {_wanted(dtype)}, got {shorten(repr(value), 80)}")
    for field in cell.fields:
        if field.startswith("=") and not _constant(field[1:], dtype):
            raise ConfigError(f"[columns] {column}: expected a constant that is {_wanted(dtype)}, got {shorten(field, 80)!r}")


def _fits(value: Any, dtype: pl.DataType) -> bool:
    if dtype == pl.Boolean or isinstance(value, bool):
        return dtype == pl.Boolean and isinstance(value, bool)
    if dtype.is_integer():
        low, high = dtype.min(), dtype.max()  # type: ignore[attr-defined]
        return isinstance(value, int) and pl.select(low).item() <= value <= pl.select(high).item()
    return isinstance(value, int | float) if dtype.is_float() else isinstance(value, str) and dtype == pl.String


def _constant(text: str, dtype: pl.DataType) -> bool:
    if dtype == pl.Boolean:
        return text.lower() in ("true", "false", "yes", "no", "1", "0")
    return dtype == pl.String or (not isinstance(dtype, pl.List) and pl.Series([text]).cast(dtype, strict=False).null_count() == 0)


def _wanted(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.List):
        return "nothing: this column takes fields only"
    if dtype == pl.Boolean:
        return "true or false"
    return "a text" if dtype == pl.String else "a whole number of its size" if dtype.is_integer() else "a number"


def _format(text: str) -> None:
    """A time written in the format must be read back by it."""
    zoned = "%z" in text
    try:
        moment = _MOMENT.dt.replace_time_zone("UTC") if zoned else _MOMENT
        read = moment.dt.strftime(text).str.to_datetime(text, time_unit="us", strict=False)
    except _FAULTS:
        read = pl.Series([None])
    if read.null_count():
        raise ConfigError(f"[time] format: expected a date as strptime writes it, such as %d/%m/%Y %H:%M:%S, got {shorten(text, 80)!r}")


def _tried(mapping: Mapping) -> None:
    """Run over a record that has nothing and one that has text everywhere."""
    columns = [_trial(field, mapping.dtype(field)) for field in mapping.fields()]
    try:
        Expressions(mapping).columns(pl.DataFrame(columns))
    except _FAULTS as error:
        raise ConfigError(f"[columns]: expected parts that fit together, got {shorten(str(error), 200)}") from None


def _trial(field: str, dtype: pl.DataType) -> pl.Series:
    value = ["x"] if isinstance(dtype, pl.List) else "x" if dtype == pl.String else 1
    return pl.Series(f".{field}", [None, value], dtype=dtype)
