r"""Zeek's own text format: `#` lines declare separators, fields and types, then one record a line. Read by column, never by row.

The declared order of fields is followed, whatever it is, and may change within a file, as it does where logs are put end to end.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

import numpy as np
import polars as pl

from nonself.core.errors import RecordError
from nonself.sources.lines import Block
from nonself.sources.records import decode
from nonself.sources.zeek_ext import ext_of
from nonself.sources.zeek_map import MAX_NAME
from nonself.sources.zeek_plan import DTYPES, TEXT, Fields, Marks, cell, plan
from nonself.sources.zeek_rows import Raw, Rows

_DIRECTIVES = ("separator", "set_separator", "empty_field", "unset_field", "path", "open", "close", "fields", "types")
_MAX_FIELDS = 1_000
_KINDS = {
    "count": "int", "int": "int", "port": "int", "double": "real", "interval": "real", "time": "real", "bool": "flag",
}  # fmt: skip
_END, _BEHIND = "\x1e", " end"
"""A cell put behind each record's own, and the name of its column: no field's, since it has a blank."""
_UNUSUAL = re.compile(r"[^A-Za-z0-9_.#@-]")
_ESCAPE = re.compile(r"\\\\|(?:\\x[0-9a-fA-F]{2})+")


@dataclass(frozen=True, slots=True)
class Header:
    """What the `#` lines said so far."""

    separator: str = "\t"
    set: str = ","
    empty: str = "(empty)"
    unset: str = "-"
    path: str | None = None
    fields: Fields = field(default=())
    closed: bool = False

    @lru_cache(maxsize=1024)  # noqa: B019 - headers are values, and a folder of logs has the same ones over and over
    def after(self, line: bytes) -> Header | None:
        """The header with this `#` line added, or None where it is no directive of Zeek's."""
        text = decode(line).lstrip().removeprefix("#")
        if text.startswith("separator"):
            return Header(separator=unescape(text.removeprefix("separator").strip(" \t")) or "\t")
        name, *values = text.split(self.separator)
        if name not in _DIRECTIVES:
            return None
        value = values[0] if values else ""
        if name in ("set_separator", "empty_field", "unset_field") and value:
            return replace(self, **{name.partition("_")[0]: unescape(value)})  # type: ignore[arg-type]
        if name == "path":
            return replace(self, path=value[:MAX_NAME] or None)
        if name == "fields":
            return replace(self, fields=_named(values), closed=False)
        if name == "types":
            typed = tuple((its, _kind(type_)) for (its, _), type_ in zip(self.fields, values, strict=False))
            return replace(self, fields=typed + self.fields[len(typed) :])
        return replace(self, closed=True) if name == "close" else self

    def problem(self) -> RecordError | None:
        """Why no records can be read under this header, if so."""
        if not 0 < len(self.fields) <= _MAX_FIELDS:
            got = len(self.fields)
            return RecordError("zeek-header", f"expected a #fields line of 1 to {_MAX_FIELDS} names before it, got {got}")
        if self.unset == _END:
            return RecordError("zeek-header", "expected printable characters as #unset_field")
        if len(self.separator) != 1 or not self.separator.isascii() or self.separator in "\r\n" + _END:
            return RecordError("zeek-header", f"expected one ASCII character as #separator, got {self.separator!r}")
        return None


def read_block(block: Block, header: Header, rows: Rows) -> Header:
    """Add a block's records to `rows`; returns the header that holds after it."""
    start = 0
    marks = _marks(block.lines, opening=block.first == 0)
    for mark in [*marks, len(block.lines)]:
        _segment(block.lines[start:mark], block.first + start, header, rows)
        start = mark + 1
        if mark < len(block.lines):
            changed = header.after(block.lines[mark])
            if changed is None:
                rows.reject(block.first + mark, block.lines[mark], RecordError("zeek-header", "not a directive of Zeek"))
            header = changed or header
    return header


def _marks(lines: list[bytes], opening: bool) -> list[int]:
    """Where the `#` lines are. The `opening` line of a file may have white space before it; later it would belong to a cell."""
    if not opening and min(lines, default=b"$") >= b"$":  # "$" comes after "#"; most blocks have nothing as low
        return []
    starts = [line[:1] for line in lines]
    if opening and lines:
        starts[0] = lines[0].lstrip()[:1]
    return [at for at, start in enumerate(starts) if start == b"#"] if b"#" in starts else []


def unescape(text: str) -> str:
    r"""`\x09`-style escapes as the characters they stand for and `\\` as one backslash. Bytes that aren't UTF-8 stay escaped."""
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(match: re.Match[str]) -> str:
    found = match.group()
    return "\\" if found == "\\\\" else bytes.fromhex(found.replace("\\x", "")).decode("utf-8", "backslashreplace")


def _named(names: list[str]) -> Fields:
    """Fields before their types are known. Only plain characters stay (see `ext_of`); the second of two alike gets a number."""
    seen: dict[str, str] = {}
    for at, name in enumerate(names):
        plain = _UNUSUAL.sub("_", name[:MAX_NAME])
        seen[plain if plain not in seen else f"{plain}#{at}"] = "text"
    return tuple(seen.items())


def _kind(type_: str) -> str:
    return "list" if type_.startswith(("set[", "vector[", "table[")) else _KINDS.get(type_, "text")


def _segment(lines: list[bytes], first: int, header: Header, rows: Rows) -> None:
    """Add consecutive data lines under one header. Blank ones mean nothing."""
    numbers: Sequence[int] = range(first, first + len(lines))
    if b"" in lines:
        numbers = [number for number, line in zip(numbers, lines, strict=True) if line]
        lines = [line for line in lines if line]
    problem = header.problem()
    if problem:
        for number, line in zip(numbers, lines, strict=True):
            rows.reject(number, line, problem)
    elif lines:
        _add(Raw.of(numbers, lines), header, rows)


def _add(raw: Raw, header: Header, rows: Rows) -> None:
    """Add records; those with more or fewer cells than the header has fields become dead letters."""
    buffer = _joined(raw, header)
    cells = _cells(buffer, raw.text, header)
    if cells is None:
        separator, width = header.separator.encode(), len(header.fields)
        fits = []
        for at, line in enumerate(raw.lines):
            got = line.count(separator) + 1
            if got == width:
                fits.append(at)
            else:
                rows.reject(raw.numbers[at], line, RecordError("zeek-fields", f"expected {width} fields, got {got}"))
        if fits:
            _add(raw.only(fits), header, rows)
        return
    marks: Marks | None = Marks(header.set, header.empty if header.empty.encode() in buffer else None)
    if b"\\" in buffer:
        cells, marks = _typed(cells, header.fields, marks), None
    ext = ext_of(cells, header.path, header.fields, marks)
    rows.add(cells, (*plan(header.path, header.fields, marks), ext.alias("ext")), raw)


def _joined(raw: Raw, header: Header) -> bytes:
    """The records with one more cell each, _END: what is in it tells whether a line had fewer cells."""
    lines = raw.lines if raw.sound else [line.encode() for line in raw.text.to_list()]
    return f"{header.separator}{_END}\n".encode().join([*lines, b""])


def _cells(buffer: bytes, text: pl.Series, header: Header) -> pl.DataFrame | None:
    """The cells of the joined records, numbers as numbers, with the records' text; None where a line has too many cells or too few.

    Exact: where each line has _END or a cell of its own in the last column none has too few, and then the separators add up only
    where none has too many.
    """
    width = len(header.fields)
    if np.count_nonzero(np.frombuffer(buffer, np.uint8) == ord(header.separator)) != width * len(text):
        return None
    marked = buffer.startswith(codecs.BOM_UTF8)  # would be taken for a mark of the file's start
    read = partial(
        pl.read_csv, b"-\n" + buffer if marked else buffer, schema=_schema(header.fields), separator=header.separator, has_header=False,
        quote_char=None, null_values=header.unset, extra_columns="ignore", missing_columns="insert", empty_string_is_null=False,
    )  # fmt: skip
    try:
        cells = read()
    except pl.exceptions.ComputeError:  # a number that is none; looking out for one costs an eighth
        cells = read(ignore_errors=True)
    cells = cells.slice(1) if marked else cells
    behind = cells.drop_in_place(_BEHIND)
    if behind.null_count() or (behind != _END).any():
        return None
    return cells.hstack([text])


@lru_cache(maxsize=256)
def _schema(fields: Fields) -> dict[str, pl.DataType]:
    return {**{name: DTYPES[kind] if kind in ("int", "real") else pl.String() for name, kind in fields}, _BEHIND: pl.String()}


def _typed(cells: pl.DataFrame, fields: Fields, marks: Marks | None) -> pl.DataFrame:
    """Cells as typed fields without escapes. Items of sets are told apart before: a separator within one is escaped."""
    texts = [name for name, kind in fields if kind in ("text", "list")]
    escaped = cells.select(pl.lit(True).alias(TEXT), pl.col(texts).str.contains("\\", literal=True).any()).row(0, named=True)
    native = cells.select(TEXT, *(cell(name, kind, marks).alias(name) for name, kind in fields))
    for name in (name for name in texts if escaped[name]):
        native.replace_column(native.get_column_index(name), _unescaped_all(native.get_column(name)))
    return native


def _unescaped_all(column: pl.Series) -> pl.Series:
    """The column with all its escapes resolved."""
    if column.dtype == pl.List:
        return pl.Series(column.name, [value and [unescape(item) for item in value] for value in column.to_list()], dtype=column.dtype)
    places = column.str.contains("\\", literal=True).arg_true()
    return column.scatter(places, [unescape(value) for value in column.gather(places)])
