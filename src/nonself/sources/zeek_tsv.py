r"""Zeek's own text format: `#` lines declare separators, fields and types, then one record a line. Read by column, never by row.

The declared order of fields is followed, whatever it is, and may change within a file, as it does where logs are put end to end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache

import polars as pl

from nonself.core.errors import RecordError
from nonself.sources.lines import Block
from nonself.sources.records import decode
from nonself.sources.zeek_map import MAX_NAME
from nonself.sources.zeek_plan import Fields
from nonself.sources.zeek_rows import Raw, Rows, ext_of

_DIRECTIVES = ("separator", "set_separator", "empty_field", "unset_field", "path", "open", "close", "fields", "types")
_MAX_FIELDS = 1_000
_KINDS = {
    "count": "int", "int": "int", "port": "int", "double": "real", "interval": "real", "time": "real", "bool": "flag",
}  # fmt: skip
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
    numbers = list(range(first, first + len(lines)))
    if b"" in lines:
        numbers = [number for number, line in zip(numbers, lines, strict=True) if line]
        lines = [line for line in lines if line]
    width = len(header.fields)
    if not 0 < width <= _MAX_FIELDS:
        problem = RecordError("zeek-header", f"expected a #fields line of 1 to {_MAX_FIELDS} names before it, got {width}")
        for number, line in zip(numbers, lines, strict=True):
            rows.reject(number, line, problem)
    elif lines:
        raw = Raw.of(numbers, lines)
        cells = raw.text.str.split_exact(header.separator, width).struct.unnest()
        last, beyond = cells.to_series(width - 1), cells.to_series(width)
        if last.null_count() or beyond.null_count() < cells.height:
            fits = last.is_not_null() & beyond.is_null()
            for at in (~fits).arg_true():
                got = raw.text[at].count(header.separator) + 1
                rows.reject(numbers[at], lines[at], RecordError("zeek-fields", f"expected {width} fields, got {got}"))
            raw, cells = raw.only(fits), cells.filter(fits)
        if raw.lines:
            _add(raw, cells, header, rows)


def _add(raw: Raw, cells: pl.DataFrame, header: Header, rows: Rows) -> None:
    """Add records whose cells are as many as the header's fields."""
    bytes_ = b"\n".join(raw.lines)
    native = cells.select(_typed(header, has_empty=header.empty.encode() in bytes_))
    if b"\\" in bytes_:
        cells_of = [line.split(header.separator.encode()) for line in raw.lines if b"\\" in line]
        escaped = {header.fields[at][0] for line in cells_of for at, cell in enumerate(line) if b"\\" in cell}
        native = native.with_columns([_unescaped_all(column) for column in native if column.name in escaped])
    rows.add(header.path, native, header.fields, ext_of(native, header.path), raw)


@lru_cache(maxsize=256)
def _typed(header: Header, has_empty: bool) -> tuple[pl.Expr, ...]:
    """The cells of `header` as typed fields: unset ones null, sets as lists. `has_empty`: whether the mark of empty values is anywhere."""
    return tuple(_cell(pl.col(f"field_{at}"), kind, header, has_empty).alias(name) for at, (name, kind) in enumerate(header.fields))


def _cell(cell: pl.Expr, kind: str, header: Header, has_empty: bool) -> pl.Expr:
    if kind == "int":
        return cell.cast(pl.Int64, strict=False)
    if kind == "real":
        return cell.cast(pl.Float64, strict=False)
    if kind == "flag":
        return pl.when(cell == "T").then(True).when(cell == "F").then(False)
    empty, full = pl.lit(""), cell
    if kind == "list":
        empty, full = pl.lit(pl.Series([[]], dtype=pl.List(pl.String))).first(), cell.str.split(header.set)
    said = pl.when(cell != header.unset)
    return said.then(pl.when(cell == header.empty).then(empty).otherwise(full)) if has_empty else said.then(full)


def _unescaped_all(column: pl.Series) -> pl.Series:
    values = column.to_list()
    if column.dtype == pl.String:
        return pl.Series(column.name, [value and unescape(value) for value in values], dtype=pl.String)
    if column.dtype == pl.List:
        return pl.Series(column.name, [value and [unescape(item) for item in value] for value in values], dtype=pl.List(pl.String))
    return column
