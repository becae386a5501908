"""A source made of a user's mapping for CSV: the first line names the fields, each further record is one event.

`ext` holds every cell that says something by its header's name, since `raw` alone doesn't say which cell is which.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import polars as pl

from nonself.core import events
from nonself.core.errors import ConfigError, RecordError
from nonself.sources.contract import Chunk, DeadLetter, Input, Limits
from nonself.sources.csv_alerts_lines import Records, Shape, cells, records
from nonself.sources.csv_cells import distinct, grid
from nonself.sources.lines import SAMPLE, text
from nonself.sources.mapped import Expressions, patterns
from nonself.sources.mapping import Cell, Mapping, Mark
from nonself.sources.records import Table, clean, decode
from nonself.sources.weblog_text import Raw, ext_of

SEPARATORS = ",;\t|"
_MAX_COLUMNS = 1_000
_LOOKED_AT = 8
"""Records asked for what kind they are."""


@dataclass(frozen=True, slots=True)
class Header:
    """A header line: its bytes, the separator, and the names as they stand there, less blanks around them."""

    line: bytes
    separator: str
    names: tuple[str, ...]

    @staticmethod
    def of(head: bytes, separator: str = "") -> Header | None:
        """The first line of a head that isn't blank as a header; None where it can't be one."""
        line = next((line for line in text(head).split(b"\n", 16) if line.strip()), b"").removesuffix(b"\r")
        written = clean(decode(line))
        separator = separator or max(SEPARATORS, key=written.count)
        names = [name.strip() for name in cells(written, separator) or []]
        if not 2 <= len(names) <= _MAX_COLUMNS or written.startswith(("{", "[", "<")) or not all(names):
            return None
        return Header(line, separator, tuple(names))


class CsvSource:
    """See `mapping` and `own_maps` for what the table says. `fitted` makes its fields the names of a header."""

    def __init__(self, mapping: Mapping, separator: str = "") -> None:
        self.name, self.title = mapping.name, mapping.title
        self.formats = "CSV with a header line"
        self.classes = tuple(sorted({kind.uid for kind in mapping.classes} | {0}))
        self._mapping, self._separator = mapping, separator
        self._expressions = Expressions(mapping)

    @staticmethod
    def fitted(mapping: Mapping) -> Mapping:
        """The mapping with fields as the header has them, without quotes around them."""
        if mapping.inside or mapping.unwrap:
            raise ConfigError("[recognise]: expected neither `inside` nor `unwrap`, which are for JSON")
        return replace(
            mapping,
            marks=tuple(Mark(_names(mark.has), tuple((_name(field), texts) for field, texts in mark.equal)) for mark in mapping.marks),
            needs=_names(mapping.needs),
            times=_names(mapping.times),
            cells={column: _unquoted(cell) for column, cell in mapping.cells.items()},
            classes=tuple(
                replace(
                    kind,
                    when=tuple((_when(name), texts) for name, texts in kind.when),
                    by=_unquoted(kind.by) if kind.by else None,
                )
                for kind in mapping.classes
            ),
            also=_names(mapping.also),
        )

    def recognise(self, head: bytes, origin: str) -> bool:
        """Whether the header has the fields of a mark, and one of the first records what it says they are."""
        header = Header.of(head, self._separator)
        if header is None:
            return False
        held = [mark for mark in self._mapping.marks if set(mark.fields()) <= set(header.names)]
        return any(not mark.equal or any(_is(row, mark) for row in _first(head, header)) for mark in held)

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract. The header, repeats of it and blank lines are no records."""
        header = Header.of(source_input.head, self._separator)
        if header is None:
            return
        stamp = next((header.names.index(field) for field in self._mapping.times if field in header.names), 0)
        met = 0
        for block in records(source_input, limits, Shape(header.separator, len(header.names), stamp)):
            chunk = self._chunk(block, header, Table(self.name, source_input.origin, self._mapping.version))
            met += chunk.records
            yield chunk
        if not met:
            letter = DeadLetter(source_input.origin, 0, "empty", "a header without records", source_input.head[:SAMPLE])
            yield Chunk(events.empty(), [letter], records=1)

    def _chunk(self, block: Records, header: Header, table: Table) -> Chunk:
        kept = [(number, line) for number, line in zip(block.numbers, block.lines, strict=True) if line.rstrip(b"\r") != header.line]
        raw = Raw.of([number for number, _ in kept], [line for _, line in kept])
        table.dead += block.dead
        if raw.lines:
            found, whole = grid(raw.text, header.separator, len(header.names))
            found = found.with_columns(pl.when(pl.all().str.strip_chars() != "").then(pl.all().str.strip_chars()).name.keep())
            frame = self._expressions.columns(self._fields(found, header))
            keep = self._kept(frame, whole, raw, header, table)
            ext = ext_of(found.rename(dict(zip(found.columns, distinct(list(header.names)), strict=True))), found.height)
            # Never null: a record could be written so that `raw` itself reads as JSON, which stands in for an `ext` that is null.
            chosen = frame.with_columns(ext.fill_null("{}").alias("ext")).filter(keep)
            raw = raw.only(keep)
            table.columns = {column.name: column for column in chosen.get_columns() if not column.name.startswith(".")}
        table.numbers, table.raws = raw.numbers, raw.lines
        table.dead.sort(key=lambda letter: letter.record)
        return table.chunk(block.bytes)

    def _fields(self, found: pl.DataFrame, header: Header) -> pl.DataFrame:
        """The fields the mapping reads, each in the type it is collected in; null where the header lacks it."""
        places = {name: at for at, name in reversed(list(enumerate(header.names)))}
        columns = []
        for field in self._mapping.fields():
            dtype, name = self._mapping.dtype(field), f".{field}"
            if field not in places:
                columns.append(pl.Series(name, [None], dtype=dtype).new_from_index(0, found.height))
            elif isinstance(dtype, pl.List):
                cell = pl.nth(places[field])
                columns.append(found.select(pl.when(cell.is_not_null()).then(pl.concat_list(cell)).alias(name)).to_series())
            else:
                columns.append(found.to_series(places[field]).cast(dtype, strict=False).alias(name))
        return pl.DataFrame(columns)

    def _kept(self, frame: pl.DataFrame, whole: pl.Series, raw: Raw, header: Header, table: Table) -> pl.Series:
        """Which records are events; the others become dead letters."""
        mapping = self._mapping
        needed = pl.all_horizontal(map(_present, mapping.needs)) if mapping.needs else pl.any_horizontal(map(_present, mapping.marked()))
        timed = pl.col("time").is_not_null() | ~pl.any_horizontal(map(_present, mapping.times))
        states = frame.select(whole.alias("whole"), needed.alias("kind"), timed.alias("timed"))
        keep = states.select(pl.all_horizontal(pl.all())).to_series()
        for at in (~keep).arg_true().to_list():
            state = states.row(at, named=True)
            if not state["whole"]:
                error = RecordError("csv-fields", f"expected {len(header.names)} cells, their quotes closed")
            elif not state["kind"]:
                error = RecordError(f"not-{mapping.name}", f"expected {', '.join(mapping.needs or mapping.marked())}")
            else:
                error = RecordError("bad-time", f"expected a time of the years 1970 to 9999 in {' or '.join(mapping.times)}")
            table.reject(raw.numbers[at], raw.lines[at], error)
        return keep


def _first(head: bytes, header: Header) -> Iterator[dict[str, str]]:
    """The first records of a head by name."""
    lines = (line for line in text(head).split(b"\n", 4 * _LOOKED_AT) if line.strip() and line.removesuffix(b"\r") != header.line)
    for line in islice(lines, _LOOKED_AT):
        row = cells(clean(decode(line.removesuffix(b"\r"))), header.separator) or []
        if len(row) == len(header.names):
            yield dict(zip(header.names, row, strict=True))


def _is(row: dict[str, str], mark: Mark) -> bool:
    return all(patterns(texts).fullmatch(row[field].strip()) for field, texts in mark.equal)


def _present(field: str) -> pl.Expr:
    return pl.col(f".{field}").is_not_null()


def _name(field: str) -> str:
    return field[1:-1] if len(field) > 2 and field[0] == field[-1] == '"' else field


def _names(fields: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(_name, fields))


def _unquoted(cell: Cell) -> Cell:
    return replace(cell, fields=_names(cell.fields))


def _when(name: str) -> str:
    return f".{_name(name[1:])}" if name.startswith(".") else name
