"""A source made of a mapping: JSON records as lines, an array, an envelope that lists them, printed objects, or a single one.

`ext` stays null: `raw` is the record, and native fields are read from it. A record cut out of a document has no bytes of its own: the
same one comes with other white space elsewhere. So there `raw`, and the `uid` made of it, are the record written compact.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as Members
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from itertools import chain, islice
from typing import Any

import msgspec
import orjson
import polars as pl

from nonself.core.errors import RecordError
from nonself.sources import documents, lines
from nonself.sources.contract import Chunk, DeadLetter, Input, Limits
from nonself.sources.json_fields import FAULTS, Decoded, Fields, Values, series
from nonself.sources.mapped import Expressions
from nonself.sources.mapping import Mapping
from nonself.sources.records import Record, Table, load_json

_SLICE = 256
"""Records decoded at once: few enough that their values are still in the processor's cache when they are made into columns."""
_LOOKED_AT = 8
"""Records asked for what kind they are."""
_SIMPLE = rb'"[^"\\]*"\s*:\s*(?:"[^"\\]*"|[\w.+-]+)'
_CLOSING = re.compile(rb"[\s\],]*(?:" + _SIMPLE + rb"[\s,]*)*\}[\s\],]*")
_SPACED = (b'": ', b', "', b"\n")
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_ENVELOPE = msgspec.json.Decoder(dict[str, msgspec.Raw])
Derive = Callable[[pl.DataFrame], pl.DataFrame]
"""Code beside a table: a frame with the event columns so far and the fields (a leading dot each), to one with better event columns."""


class JsonSource:
    """See `mapping` for what the table says; `derive` adds what a table can't say."""

    def __init__(self, mapping: Mapping, derive: Derive | None = None) -> None:
        self.name, self.title, self.formats = mapping.name, mapping.title, mapping.formats
        self.classes = tuple(sorted({kind.uid for kind in mapping.classes} | {0}))
        self._mapping, self._derive = mapping, derive
        self._prepared: tuple[Fields, Expressions] | None = None

    def recognise(self, head: bytes, origin: str) -> bool:
        """Whether one of the first records, or of the records inside an envelope, is of the mapping's kind."""
        return any(map(self._is_one, first_records(head, self._mapping.inside, self._mapping.unwrap)))

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract. `record` counts records from 0, wherever they stand."""
        compact = is_document(source_input.head, self._mapping.inside)
        for block in records(source_input, limits, self._mapping.inside):
            yield self._chunk(block, source_input.origin, limits, compact=compact)

    def _is_one(self, record: Record) -> bool:
        mapping = self._mapping
        return all(_held(record, field) is not None for field in mapping.has) and all(
            _is_text(_held(record, field), texts) for field, texts in mapping.equal
        )

    def _chunk(self, block: lines.Block, origin: str, limits: Limits, *, compact: bool) -> Chunk:
        fields, expressions = self._plan()
        table = Table(self.name, origin, self._mapping.version)
        values = fields.new()
        for start in range(0, len(block.lines), _SLICE):
            part = block.lines[start : start + _SLICE]
            self._add(part, block.first + start, table, values, limits, compact=compact)
        table.dead += block.dead
        if table.raws:
            self._fill(table, fields.columns(values), expressions)
        return table.chunk(block.bytes)

    def _add(self, part: list[bytes], first: int, table: Table, values: Values, limits: Limits, *, compact: bool) -> None:
        """Decode some records into the table. Where all are sound, as nearly always, nothing is done record by record."""
        fields, _ = self._plan()
        if not compact and not self._mapping.unwrap:
            try:
                fields.gather(fields.decode_all(part), values)
            except FAULTS:
                pass  # which ones, and why, is found one by one
            else:
                table.raws += part
                table.numbers += range(first, first + len(part))
                return
        decoded: list[Decoded] = []
        for number, line in enumerate(part, first):
            if not line or line.isspace():
                continue
            try:
                raw = self._record(line, limits, compact=compact)
                decoded.append(fields.decode(raw, limits))
            except RecordError as error:
                table.reject(number, line, error)
            else:
                table.add(number, raw)
        fields.gather(decoded, values)

    def _record(self, line: bytes, limits: Limits, *, compact: bool) -> bytes:
        """The record's own bytes."""
        if self._mapping.unwrap and any(b'"%s"' % name.encode() in line for name in self._mapping.unwrap):
            return _dump(_unwrapped(load_json(line, limits), self._mapping.unwrap))
        return _dump(load_json(line, limits)) if compact and any(mark in line for mark in _SPACED) else line

    def _fill(self, table: Table, values: dict[str, list[Any]], expressions: Expressions) -> None:
        mapping = self._mapping
        frame = pl.DataFrame([series(f".{name}", cells, mapping.dtype(name)) for name, cells in values.items()])
        frame = expressions.columns(frame)
        if self._derive is not None:
            frame = self._derive(frame)
        table.columns = {column.name: column for column in self._kept(table, frame).get_columns() if not column.name.startswith(".")}

    def _kept(self, table: Table, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows that are of the kind, at no time or a sound one; the others become dead letters. A head is judged by all the fields
        that a record should have; a row needs one."""
        mapping = self._mapping
        some = [pl.any_horizontal(pl.col(f".{field}").is_not_null() for field in names) for names in (mapping.has, mapping.times) if names]
        states = frame.select(
            (some[0] if mapping.has else pl.lit(True)).alias("kind"), (pl.col("time").is_not_null() | ~some[-1]).alias("timed")
        )
        if states.select(pl.all_horizontal("kind", "timed").all()).item():
            return frame
        keep = states.select(pl.all_horizontal("kind", "timed")).to_series()
        for row in (~keep).arg_true().to_list():
            error = RecordError(f"not-{mapping.name}", f"expected {' or '.join(mapping.has)}")
            table.reject(table.numbers[row], table.raws[row], _bad_time(mapping) if states["kind"][row] else error)
        kept = keep.arg_true().to_list()
        table.raws, table.numbers = [table.raws[row] for row in kept], [table.numbers[row] for row in kept]
        return frame.filter(keep)

    def _plan(self) -> tuple[Fields, Expressions]:
        """Made when first needed: most sources of a run meet no record."""
        if self._prepared is None:
            wanted = dict.fromkeys((*self._mapping.fields(), *self._mapping.has))
            self._prepared = Fields(tuple(wanted)), Expressions(self._mapping)
        return self._prepared


def _bad_time(mapping: Mapping) -> RecordError:
    return RecordError("bad-time", f"expected a time of the years 1970 to 9999 in {' or '.join(mapping.times)}")


def records(source_input: Input, limits: Limits, inside: tuple[str, ...]) -> Iterator[lines.Block]:
    """The records of an input as `lines.split` gives lines: one a line, or cut out of a document."""
    if not is_document(source_input.head, inside):
        yield from lines.split(source_input, limits)
        return
    whole = _whole(source_input, limits)
    found = None if whole is None else _listed(whole, inside)
    if whole is None or found is None:
        yield from _streamed(source_input, limits, inside)
        return
    yield from _blocks(found, len(whole), limits)


def is_document(head: bytes, inside: tuple[str, ...]) -> bool:
    """Whether records are not simply one a line."""
    return not documents.is_lines(head) or _is_envelope(head, inside)


def _is_envelope(head: bytes, inside: tuple[str, ...]) -> bool:
    start = lines.text(head).lstrip()[:4_096]
    return any(re.search(rb'^\{(?s:.{0,2048}?)"%s"\s*:\s*\[' % re.escape(name.encode()), start) for name in inside)


def _whole(source_input: Input, limits: Limits) -> bytes | None:
    """The whole input, or None where it is large or broken."""
    body = bytearray()
    try:
        for piece in lines.pieces(source_input, lines.PIECE):
            body += piece
            if len(body) > limits.line_bytes:
                return None
    except lines.BROKEN:
        return None
    return bytes(body)


def _listed(document: bytes, inside: tuple[str, ...]) -> list[bytes] | None:
    """The records of one JSON document as slices of it; None where it isn't one."""
    try:
        if document.lstrip()[:1] == b"[":
            return [bytes(raw) for raw in _RAWS.decode(document)]
        envelope = _ENVELOPE.decode(document)
        for name in inside:
            if name in envelope and bytes(envelope[name]).lstrip()[:1] == b"[":
                return [bytes(raw) for raw in _RAWS.decode(envelope[name])]
    except FAULTS:
        return None
    return [document.strip()]


def _blocks(found: list[bytes], size: int, limits: Limits) -> Iterator[lines.Block]:
    """Records at hand as blocks within the limits."""
    at, left = 0, size
    while at < len(found):
        end, held = at, 0
        while end < len(found) and end - at < limits.chunk_records and (end == at or held + len(found[end]) <= limits.chunk_bytes):
            held += len(found[end])
            end += 1
        share = left if end == len(found) else min(held, left)
        yield lines.Block(at, found[at:end], share)
        at, left = end, left - share


def _streamed(source_input: Input, limits: Limits, inside: tuple[str, ...]) -> Iterator[lines.Block]:
    """Object by object: large documents, and what is broken. Of an envelope the objects within its list."""
    opening = _opening(source_input.head, inside)
    closed = not opening
    first, size = 0, 0
    for block in documents.split(source_input, limits, skip=opening):
        own = [letter for letter in block.dead if opening and _is_closing(letter)]
        closed = closed or bool(own) or any(letter.reason != "json-syntax" for letter in block.dead)
        dead = [letter for letter in block.dead if letter not in own]
        yield replace(block, dead=dead)
        first, size = block.first + len(block.lines) + len(block.dead), 0
    if not closed:
        letter = DeadLetter(source_input.origin, first, "truncated", "the list of records has no end", b"")
        yield lines.Block(first, [], size, [letter])


def _is_closing(letter: DeadLetter) -> bool:
    """Whether these are the bytes after the last record of an envelope: brackets, and members of the envelope itself."""
    return (
        letter.reason in ("json-syntax", "truncated") and letter.detail in documents.OWN and _CLOSING.fullmatch(letter.sample) is not None
    )


def _opening(head: bytes, inside: tuple[str, ...]) -> int:
    """Bytes of the head up to and with the bracket that opens an envelope's list; 0 where there is none."""
    body = lines.text(head)
    if body.lstrip()[:1] != b"{":
        return 0
    found = [match.end() for name in inside if (match := re.search(rb'"%s"\s*:\s*\[' % re.escape(name.encode()), body))]
    return min(found, default=0)


def first_records(head: bytes, inside: tuple[str, ...], unwrap: tuple[str, ...]) -> list[Record]:
    """Some of the first records of a head, as dicts; what isn't JSON gives none."""
    body = lines.text(head)
    if body.lstrip()[:1] not in (b"{", b"["):
        return []
    start = _opening(head, inside) if _is_envelope(head, inside) else 0
    return [_unwrapped(record, unwrap) for record in _parsed(head, start)]


@lru_cache(maxsize=8)
def _parsed(head: bytes, start: int) -> tuple[Record, ...]:
    """The first records of a head from byte `start` on; kept, since one source after the other asks for them."""
    body = lines.text(head)[start:]
    by_line = not start and documents.is_lines(body)
    blocks: Iterable[lines.Block] = (
        [lines.Block(0, lines.head_lines(body, _LOOKED_AT), 0)]
        if by_line
        else documents.split(lines.in_memory(body), Limits(chunk_records=_LOOKED_AT))
    )
    found: list[Record] = []
    for raw in islice(chain.from_iterable(block.lines for block in blocks), _LOOKED_AT):
        with suppress(RecordError):
            found.append(load_json(raw, Limits()))
    return tuple(found)


def _unwrapped(record: Record, names: tuple[str, ...]) -> Record:
    """The real record where one of the members holds it, as an object or as JSON text."""
    for name in names:
        inner = record.get(name)
        if isinstance(inner, str) and inner.lstrip()[:1] == "{":
            try:
                inner = orjson.loads(inner)
            except orjson.JSONDecodeError:
                continue
        if isinstance(inner, dict):
            return inner
    return record


def _dump(record: Record) -> bytes:
    try:
        return orjson.dumps(record)
    except orjson.JSONEncodeError:  # what can be read but not written is nested too deep
        raise RecordError("json-depth", "nested too deep to be written") from None


def _held(record: Record, field: str) -> Any:
    """A field of a record as written in [recognise]: members only."""
    value: Any = record
    if field in record:
        return record[field]
    for name in field.strip('"').split(".") if not field.startswith('"') else [field.strip('"')]:
        if not isinstance(value, Members):
            return None
        value = value.get(name)
    return value


def _is_text(value: Any, texts: tuple[str, ...]) -> bool:
    found = ("true" if value else "false") if isinstance(value, bool) else value if isinstance(value, str) else str(value)
    return value is not None and any(_like(found.lower(), text.lower()) for text in texts)


def _like(value: str, pattern: str) -> bool:
    return re.fullmatch("(?s:.*)".join(map(re.escape, pattern.split("*"))), value) is not None
