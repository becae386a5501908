"""A mapping: a TOML table that says how one kind of record becomes event columns. Ours lie in `maps/`, users write their own.

    name = "okta"                      what the column `source` holds: lower case, digits, dashes
    title = "Okta system log"
    version = 1                        of this mapping, goes into `map_ver`
    nothing = ["", "-"]                texts that mean "no value" (default: the empty text)

    [recognise]                        a record is of this kind when
    has = ["eventType", "published"]     it holds all of these fields, and
    is = { kind = ["a", "b*"] }          these fields are one of these texts (`*` stands for anything)
    or = [{ is = { log_type = "x" } }]   or what one of these says, each with its own `has` and `is`
    needs = ["eventType"]                a record that lacks one of these is a dead letter (default: that has none of what is asked for)
    inside = ["Records", "a.list"]       where a document holds its records in a list: under one of these members
    unwrap = ["_source", "a.log"]        where a record that is not of the kind may hold one that is, as an object or as JSON text

    [time]
    from = ["published"]               the first that holds a time: ISO 8601, or a number of s, ms, us or ns since 1970 (by its size)
    format = "%d/%m/%Y %H:%M"          only where it is written in another way (as strptime; UTC unless it holds %z)

    [columns]                          columns of the event schema
    user = "actor.alternateId"           a field
    src_ip = ["client.ip", "ip"]         the first of several that has a value; a column of lists takes all
    provider = "=Okta"                   a constant
    status_id = { from = "outcome.result", map = { SUCCESS = 1, FAILURE = 2 }, default = 0 }
    status_id = { from = "errorCode", present = 2, absent = 1 }      (`absent` goes with `map` too)
    user = { from = "identity", as = "tail" }       one of TRANSFORMS
    duration_us = { from = "took_ms", scale = 1000 }

    [[class]]                          the OCSF class: the first whose conditions all hold; one without conditions holds always
    when = { op = ["user.session.*"] }   of event columns (or of fields, with a leading dot): one of these texts, any letter case
    class = 3002
    activity = 1                         or "verb": by what the operation's name begins with (create, get, update, delete...)
    activity = { from = "dns.type", map = { query = 1, answer = 2 }, default = 6 }   or by a field of the record
    status = 2                           where the operation's name says how it ended (LoginFailed), whatever else the record says

    also = ["a.b"]                     fields that code beside the table asks for

A field is a path of members: `actor.alternateId`; `target.0.id` is an item of a list, `target[].id` are all, `target[type=User].id` is the
first item whose member is that text; `"a.b"` in quotes is one member with dots in its name.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import polars as pl

from nonself.core.errors import ConfigError
from nonself.core.schema import CLASSES, SCHEMA
from nonself.sources.paths import path
from nonself.sources.transforms import TRANSFORMS

VERB = -1
"""The activity that is told by the operation's name."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
_TOP = {"name", "title", "version", "nothing", "recognise", "time", "columns", "class", "also", "formats"}
"""Parts of a table; a user's own may hold [read] and [sigma] too, which `own_maps` takes out."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Where a column's value comes from.

    fields    paths as written, the first with a value counts; constants with "=" before them
    values    folded texts and what they become; empty: the text itself
    default   for a text that `values` lacks; None: none
    present, absent   what it is where any field has a value, and where none has
    transform one of TRANSFORMS, or ""
    scale     factor of a number
    """

    fields: tuple[str, ...]
    values: tuple[tuple[str, Any], ...] = ()
    default: Any = None
    present: Any = None
    absent: Any = None
    transform: str = ""
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class Class:
    """An OCSF class and activity, and the conditions: (event column or field with a leading dot, patterns). The activity is what `by` says
    of a field's text, where there is one; `status`, where it isn't 0, the outcome of all that meet the conditions."""

    uid: int
    activity: int
    when: tuple[tuple[str, tuple[str, ...]], ...]
    by: Cell | None = None
    status: int = 0

    def fields(self) -> tuple[str, ...]:
        """Fields that are looked at."""
        return (*(name[1:] for name, _ in self.when if name.startswith(".")), *(self.by.fields if self.by else ()))


@dataclass(frozen=True, slots=True)
class Mark:
    """What a kind of record is known by: fields it holds, and fields that are one of some texts."""

    has: tuple[str, ...]
    equal: tuple[tuple[str, tuple[str, ...]], ...]

    def fields(self) -> tuple[str, ...]:
        """All fields that are looked at."""
        return (*self.has, *(field for field, _ in self.equal))


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    """A mapping as read. The module's docstring says what each part means."""

    name: str
    title: str
    formats: str
    version: int
    nothing: tuple[str, ...]
    marks: tuple[Mark, ...]
    needs: tuple[str, ...]
    inside: tuple[str, ...]
    unwrap: tuple[str, ...]
    times: tuple[str, ...]
    time_format: str
    cells: dict[str, Cell]
    classes: tuple[Class, ...]
    also: tuple[str, ...]

    def fields(self) -> tuple[str, ...]:
        """All fields the mapping reads, each once."""
        cells = (field for cell in self.cells.values() for field in cell.fields if not field.startswith("="))
        conditions = (field for kind in self.classes for field in kind.fields())
        return tuple(dict.fromkeys((*self.times, *cells, *conditions, *self.also, *self.marked())))

    def marked(self) -> tuple[str, ...]:
        """The fields the kind is known by, and those a record needs."""
        return tuple(dict.fromkeys((*(field for mark in self.marks for field in mark.fields()), *self.needs)))

    def dtype(self, field: str) -> pl.DataType:
        """The type a field's values are collected in: that of the columns it alone makes up; else text."""
        asked = field in (*self.times, *self.also, *self.marked()) or any(field in kind.fields() for kind in self.classes)
        users = [(SCHEMA[name], cell) for name, cell in self.cells.items() if field in cell.fields]
        types = {_collected(dtype, cell) for dtype, cell in users}
        return types.pop() if len(types) == 1 and not asked else pl.String()


def _collected(dtype: pl.DataType, cell: Cell) -> pl.DataType:
    if cell.values or cell.transform:
        return pl.String()
    if cell.scale is not None or dtype.is_float():
        return pl.Float64()
    return pl.Int64() if dtype.is_integer() else dtype if dtype == pl.List(pl.String) else pl.String()


def shipped(name: str) -> Mapping:
    """A mapping that comes with nonself."""
    text = resources.files("nonself.sources").joinpath("maps", f"{name}.toml").read_text("utf-8")
    return parse(text, f"{name}.toml")


def parse(text: str, where: str) -> Mapping:
    """A mapping from its TOML text. ConfigError says what is wrong with it, and in which part of `where`."""
    try:
        found = mapping(tomllib.loads(text))
        for field in found.fields():
            path(field)
        return found
    except (tomllib.TOMLDecodeError, ConfigError) as error:
        raise ConfigError(f"{where}: {error}") from None


def mapping(table: dict[str, Any]) -> Mapping:
    """A mapping from its table. ConfigError says what is wrong with it, and in which part; not whether its fields are JSON paths."""
    _known(table, _TOP, "a mapping")
    name = _text(table, "name")
    if not _NAME.fullmatch(name):
        raise ConfigError(f"name: expected lower-case letters, digits and dashes, got {name!r}")
    how = table.get("recognise", {})
    _known(how, {"has", "is", "or", "needs", "inside", "unwrap"}, "[recognise]")
    when = table.get("time", {})
    _known(when, {"from", "format"}, "[time]")
    found = Mapping(
        name=name,
        title=_text(table, "title"),
        formats=table.get("formats", "JSON: lines, array or single records"),
        version=int(table.get("version", 1)),
        nothing=tuple(table.get("nothing", [""])),
        marks=tuple(_mark(one) for one in [how, *how.get("or", [])] if one.get("has") or one.get("is")),
        needs=_texts(how.get("needs", [])),
        inside=_texts(how.get("inside", [])),
        unwrap=_texts(how.get("unwrap", [])),
        times=_texts(when.get("from", [])),
        time_format=when.get("format", ""),
        cells={column: _cell(column, spec) for column, spec in table.get("columns", {}).items()},
        classes=tuple(map(_class, table.get("class", []))),
        also=_texts(table.get("also", [])),
    )
    if not found.marks:
        raise ConfigError("[recognise]: expected `has` or `is`: nothing says which records are meant")
    if not found.times:
        raise ConfigError("[time]: expected `from`, the fields that hold the time")
    return found


def _mark(table: Any) -> Mark:
    _known(table, {"has", "is", "or", "needs", "inside", "unwrap"}, "[recognise]")
    return Mark(_texts(table.get("has", [])), tuple((field, _texts(values)) for field, values in table.get("is", {}).items()))


def _cell(column: str, spec: Any) -> Cell:
    if column not in SCHEMA or column in ("uid", "time", "source", "origin", "record", "ext", "raw", "map_ver", "class_uid"):
        raise ConfigError(f"[columns] {column}: expected a column of `nonself schema` that a mapping may fill")
    if isinstance(spec, str | list):
        return Cell(_texts(spec))
    _known(spec, {"from", "map", "default", "present", "absent", "as", "scale"}, f"[columns] {column}")
    transform = spec.get("as", "")
    if transform and transform not in TRANSFORMS:
        raise ConfigError(f"[columns] {column}: expected `as` to be one of {', '.join(sorted(TRANSFORMS))}, got {transform!r}")
    return _read_cell(spec)


def _read_cell(spec: dict[str, Any]) -> Cell:
    transform = spec.get("as", "")
    return Cell(
        fields=_texts(spec.get("from", [])),
        values=tuple((text.lower(), value) for text, value in spec.get("map", {}).items()),
        default=spec.get("default"),
        present=spec.get("present"),
        absent=spec.get("absent"),
        transform=transform,
        scale=spec.get("scale"),
    )


def _class(spec: dict[str, Any]) -> Class:
    _known(spec, {"when", "class", "activity", "status"}, "[[class]]")
    uid, activity = spec.get("class"), spec.get("activity", 0)
    if uid not in CLASSES:
        raise ConfigError(f"[[class]] class: expected an OCSF class that nonself knows, got {uid!r}")
    by = None
    if isinstance(activity, dict):
        _known(activity, {"from", "map", "default"}, "[[class]] activity")
        by, activity = _read_cell(activity), activity.get("default", 0)
    elif activity != "verb" and not isinstance(activity, int):
        raise ConfigError(f'[[class]] activity: expected a number or "verb", got {activity!r}')
    when = tuple((name, _texts(patterns)) for name, patterns in spec.get("when", {}).items())
    for name, _ in when:
        if not name.startswith(".") and name not in SCHEMA:
            raise ConfigError(f"[[class]] when: expected an event column, or a field with a leading dot, got {name!r}")
    if (status := spec.get("status", 0)) not in (0, 1, 2):
        raise ConfigError(f"[[class]] status: expected 1 (success) or 2 (failure), got {status!r}")
    return Class(uid, VERB if activity == "verb" else activity, when, by, status)


def _known(table: Any, names: set[str], where: str) -> None:
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: expected a table, got {table!r}")
    if unknown := sorted(table.keys() - names):
        raise ConfigError(f"{where}: expected {', '.join(sorted(names))}, got {', '.join(unknown)}")


def _text(table: dict[str, Any], name: str) -> str:
    value = table.get(name)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{name}: expected a text, got {value!r}")
    return value


def _texts(value: str | Iterable[Any]) -> tuple[str, ...]:
    values: Sequence[Any] = [value] if isinstance(value, str) else list(value)
    if not all(isinstance(one, str | int | bool) for one in values):
        raise ConfigError(f"expected a text or a list of texts, got {value!r}")
    return tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in values)
