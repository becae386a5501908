"""A source made of a mapping: JSON records as lines, an array, an envelope that lists them, printed objects, or a single one.

`ext` stays null: `raw` is the record, and native fields are read from it. The same record comes with other white space elsewhere, so
`raw`, and the `uid` made of it, are the record written compact.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import compress, repeat
from operator import attrgetter
from typing import Any

import polars as pl

from nonself.core import events
from nonself.core.errors import RecordError
from nonself.sources import lines
from nonself.sources.contract import Chunk, Input, Limits
from nonself.sources.json_fields import FAULTS, Columns, Decoded, Fields
from nonself.sources.json_records import dump, first_records, layers, records
from nonself.sources.mapped import Expressions
from nonself.sources.mapping import Mapping
from nonself.sources.paths import path
from nonself.sources.records import Record, Table, load_json

_SLICE = 512
"""Records decoded at once: few enough that their values are still in the processor's cache when they are made into columns."""
Derive = Callable[[pl.DataFrame], pl.DataFrame]
"""Code beside a table: a frame with the event columns so far and the fields (a leading dot each), to one with better event columns."""


class JsonSource:
    """See `mapping` for what the table says; `derive` adds what a table can't say."""

    def __init__(self, mapping: Mapping, derive: Derive | None = None) -> None:
        self.name, self.title, self.formats = mapping.name, mapping.title, mapping.formats
        self.classes = tuple(sorted({kind.uid for kind in mapping.classes} | {0}))
        self._mapping, self._derive = mapping, derive
        self._prepared: tuple[Fields, list[pl.DataType], Expressions] | None = None
        self._others: tuple[JsonSource, ...] = ()

    def beside(self, others: Sequence[JsonSource]) -> None:
        """Sources whose records may stand among ours, as in the export of a SIEM or a topic of many writers: each is read by its own."""
        self._others = tuple(other for other in others if other is not self)

    def recognise(self, head: bytes, origin: str) -> bool:
        """Whether one of the first records, of the records inside an envelope, or of what these hold, is of the mapping's kind."""
        return any(self.within(record) is not None for record in first_records(head, self._mapping.inside))

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract. `record` counts records from 0, wherever they stand."""
        for block in records(source_input, limits, self._mapping.inside):
            yield self._chunk(block, source_input.origin, limits)

    def knows(self, record: Record) -> bool:
        """Whether a record is of the mapping's kind."""
        return any(
            all(_held(record, field) is not None for field in mark.has)
            and all(_is_text(_held(record, field), texts) for field, texts in mark.equal)
            for mark in self._mapping.marks
        )

    def within(self, record: Record) -> Record | None:
        """The record of the mapping's kind: this one, or one that it was wrapped around. None where neither is."""
        return next(filter(self.knows, layers(record, self._mapping.unwrap)), None)

    def _chunk(self, block: lines.Block, origin: str, limits: Limits) -> Chunk:
        table = Table(self.name, origin, self._mapping.version)
        columns = self._columns()
        for start in range(0, len(block.lines), _SLICE):
            part = block.lines[start : start + _SLICE]
            self._add(part, range(block.first + start, block.first + start + len(part)), table, columns, limits)
        table.dead += block.dead
        return self._made(table, columns, block.bytes, limits)

    def _made(self, table: Table, columns: Columns, size: int, limits: Limits, *, alone: bool = False) -> Chunk:
        """The chunk of the records in `table`; those of other sources among them read by these, unless `alone`."""
        if not table.raws:
            return table.chunk(size)
        frame = self._frame(columns)
        frame, strangers = self._sorted_out(table, frame, limits, alone=alone)
        table.dead.sort(key=attrgetter("record"))
        table.columns = {name: frame[name] for name in frame.columns if not name.startswith(".")}
        chunks = [table.chunk(size), *(other.chunk_of(table.origin, rows, limits) for other, rows in strangers.items())]
        return chunks[0] if len(chunks) == 1 else _together(chunks)

    def chunk_of(self, origin: str, rows: list[tuple[int, bytes]], limits: Limits) -> Chunk:
        """Records (number, bytes) that were met elsewhere, each read as ours."""
        table = Table(self.name, origin, self._mapping.version)
        columns = self._columns()
        self._add([raw for _, raw in rows], [number for number, _ in rows], table, columns, limits)
        return self._made(table, columns, 0, limits, alone=True)

    def _add(self, part: list[bytes], numbers: Sequence[int], table: Table, columns: Columns, limits: Limits) -> None:
        """Decode some records into the table. Where all are sound, as nearly always, nothing is done record by record."""
        fields, *_ = self._plan()
        if not _any_spaced(part):
            try:
                columns.add(fields.decode_all(part))
            except FAULTS:
                pass  # which ones, and why, is found one by one
            else:
                table.raws += part
                table.numbers += numbers
                return
        decoded: list[Decoded] = []
        for number, line in zip(numbers, part, strict=True):
            if not line or line.isspace():
                continue
            try:
                raw = dump(load_json(line, limits)) if _spaced(line) else line
                decoded.append(fields.decode(raw, limits))
            except RecordError as error:
                table.reject(number, line, error)
            else:
                table.add(number, raw)
        columns.add(decoded)

    def _columns(self) -> Columns:
        fields, dtypes, _ = self._plan()
        return Columns(fields, dtypes)

    def _frame(self, columns: Columns) -> pl.DataFrame:
        *_, expressions = self._plan()
        frame = expressions.columns(columns.frame())
        return frame if self._derive is None else self._derive(frame)

    def _sorted_out(
        self, table: Table, frame: pl.DataFrame, limits: Limits, *, alone: bool
    ) -> tuple[pl.DataFrame, dict[JsonSource, list[tuple[int, bytes]]]]:
        """The rows that are ours, at no time or a sound one; and by source the records that are another's, or that others were wrapped
        around. What is nobody's, and what has a time that is none, become dead letters."""
        mapping, strangers = self._mapping, dict[JsonSource, list[tuple[int, bytes]]]()
        needed = pl.all_horizontal(map(_present, mapping.needs)) if mapping.needs else _any(mapping.marked())
        states = frame.select(
            _strictly(mapping).alias("ours"), needed.alias("kind"), (pl.col("time").is_not_null() | ~_any(mapping.times)).alias("timed")
        )
        good = states.select(pl.all_horizontal("ours", "kind", "timed")).to_series()
        keep = good.to_list()
        for row in [] if good.all() else (~good).arg_true().to_list():
            ours, kind, timed = states.row(row)
            number, raw = table.numbers[row], table.raws[row]
            found = None if ours or alone else self._found(raw, limits)
            if found is not None:
                strangers.setdefault(found[0], []).append((number, found[1]))
            elif not kind:
                table.reject(number, raw, RecordError(f"not-{mapping.name}", f"expected {', '.join(mapping.needs or mapping.marked())}"))
            elif not timed:
                table.reject(number, raw, _bad_time(mapping))
            else:
                keep[row] = True
        if all(keep):
            return frame, strangers
        table.raws, table.numbers = list(compress(table.raws, keep)), list(compress(table.numbers, keep))
        return frame.filter(pl.Series(keep)), strangers

    def _found(self, raw: bytes, limits: Limits) -> tuple[JsonSource, bytes] | None:
        """Who knows a record that is not ours as it stands, and what that source is to read."""
        record = load_json(raw, limits)
        for source in (self, *self._others):
            if (found := source.within(record)) is not None and (found is not record or source is not self):
                return source, raw if found is record else dump(found)
        return None

    def _plan(self) -> tuple[Fields, list[pl.DataType], Expressions]:
        """The fields, the type of each, and what is made of them; made when first needed, since most sources of a run meet no record."""
        if self._prepared is None:
            names = self._mapping.fields()
            self._prepared = Fields(names), [self._mapping.dtype(name) for name in names], Expressions(self._mapping)
        return self._prepared


def _spaced(line: bytes) -> bool:
    """Whether a record was not written compact, judged by how it begins: what writes records writes all members alike."""
    return line[1:2] != b'"' or line[(at := line.find(b'":') + 2) : at + 1].isspace()


def _any_spaced(part: Sequence[bytes]) -> bool:
    """Whether any record is not compact. Nearly all begin with the same member, so few are looked at closer."""
    start = part[0][: part[0].find(b'":') + 3]
    if _spaced(start):
        return True
    return not all(map(bytes.startswith, part, repeat(start))) and any(_spaced(line) for line in part if not line.startswith(start))


def _together(chunks: list[Chunk]) -> Chunk:
    """Several chunks of the same records as one, in the records' order."""
    return Chunk(
        events.concat(chunk.events for chunk in chunks).sort("record"),
        sorted((letter for chunk in chunks for letter in chunk.dead), key=lambda letter: letter.record),
        records=sum(chunk.records for chunk in chunks),
        bytes=sum(chunk.bytes for chunk in chunks),
    )


def _strictly(mapping: Mapping) -> pl.Expr:
    """Whether a row has all that its kind is known by."""
    return pl.any_horizontal(
        pl.all_horizontal(
            *map(_present, mark.has),
            *(
                pl.col(f".{field}").str.contains(f"(?is)^(?:{'|'.join(map(_pattern, texts))})$").fill_null(False)
                for field, texts in mark.equal
            ),
        )
        for mark in mapping.marks
    )


def _like_any(column: str, texts: Sequence[str]) -> pl.Expr:
    return pl.col(column).str.contains(f"(?is)^(?:{'|'.join(map(_pattern, texts))})$").fill_null(False)


def _pattern(text: str) -> str:
    return ".*".join(map(re.escape, text.split("*")))


def _present(field: str) -> pl.Expr:
    return pl.col(f".{field}").is_not_null()


def _any(fields: Sequence[str]) -> pl.Expr:
    return pl.any_horizontal(map(_present, fields)) if fields else pl.lit(True)


def _bad_time(mapping: Mapping) -> RecordError:
    return RecordError("bad-time", f"expected a time of the years 1970 to 9999 in {' or '.join(mapping.times)}")


def _held(record: Record, field: str) -> Any:
    """What a record holds in a field; None where it is absent or null. Lists are not looked into."""
    value: Any = record
    for step in path(field):
        value = value.get(step.member) if isinstance(value, dict) else None
    return value


def _is_text(value: Any, texts: tuple[str, ...]) -> bool:
    found = ("true" if value else "false") if isinstance(value, bool) else value if isinstance(value, str) else str(value)
    return value is not None and any(_like(found.lower(), text.lower()) for text in texts)


def _like(value: str, text: str) -> bool:
    return re.fullmatch(_pattern(text), value, re.DOTALL) is not None
