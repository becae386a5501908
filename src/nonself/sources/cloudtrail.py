"""AWS CloudTrail: `{"Records": [...]}` files as the trail delivers them, arrays, JSON lines, single records.

A record has no bytes of its own: the same one comes with other white space in another file. So `raw`, and the `uid` made of it, are the
record written anew, compact, its fields in the order they came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

import orjson
import polars as pl

from nonself.core.errors import RecordError
from nonself.core.schema import TIME
from nonself.sources import documents, lines
from nonself.sources.cloudtrail_map import CLASSES, COLUMNS, MAP_VER, microseconds, row
from nonself.sources.contract import Chunk, DeadLetter, Input, Limits
from nonself.sources.records import Record, Table, load_json

_SIMPLE = rb'"[^"\\]*"\s*:\s*(?:"[^"\\]*"|[\w.+-]+)'
_ENVELOPE = re.compile(rb"\s*\{\s*(?:" + _SIMPLE + rb'\s*,\s*)*"Records"\s*:\s*\[')
_CLOSING = re.compile(rb"[\s\],]*(?:" + _SIMPLE + rb"[\s,]*)*\}[\s\],]*")
"""What stands after the last record of an envelope: brackets, and fields of the envelope itself."""
_KEYS = tuple(re.compile(rb'(?<!\\)"(?:' + key + rb')"\s*:') for key in (b"eventSource", b"eventName", b"awsRegion", b"eventID|eventType"))


class CloudTrail:
    """Calls to AWS. `op` is the API operation, `svc` the service, `channel` the event category."""

    name = "cloudtrail"
    title = "AWS CloudTrail"
    formats = "JSON: Records envelope, array, lines or single records"
    classes = CLASSES

    def recognise(self, head: bytes, origin: str) -> bool:
        """JSON that has the fields which every record of CloudTrail has."""
        body = lines.text(head).lstrip()
        return body[:1] in (b"{", b"[") and all(key.search(body) for key in _KEYS)

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract. `record` counts records from 0, wherever they stand."""
        gathering = _Gathering(self.name, source_input.origin, limits)
        document, size = _document(source_input, limits)
        if document is None:
            yield from _stream(source_input, limits, gathering)
        else:
            gathering.bytes = size
            yield from gathering.add(document)
        yield from gathering.flush()


def _document(source_input: Input, limits: Limits) -> tuple[object, int]:
    """The input as one JSON value, and its size: three times as fast as by the object. None where it isn't one, or is a large one."""
    body = b""
    try:
        for piece in lines.pieces(source_input, lines.PIECE):
            body += piece
            if len(body) > limits.line_bytes:
                return None, 0
        return orjson.loads(body), len(body)
    except (*lines.BROKEN, orjson.JSONDecodeError):
        return None, 0


def _stream(source_input: Input, limits: Limits, gathering: _Gathering) -> Iterator[Chunk]:
    """Object by object: JSON lines, large documents, and what is broken."""
    bom = b"\xef\xbb\xbf" if source_input.head.startswith(b"\xef\xbb\xbf") else b""
    envelope = _ENVELOPE.match(source_input.head, len(bom))
    if envelope:
        inside = replace(source_input, open=lambda: _opened_after(source_input, envelope.end()))
        blocks = documents.split(inside, limits)
    else:
        split = lines.split if documents.is_lines(source_input.head) else documents.split
        blocks = split(source_input, limits)
    closed = not envelope
    for block in blocks:
        for line in block.lines:
            if line and not line.isspace():
                yield from gathering.load(line)
        own = [letter for letter in block.dead if envelope and _is_closing(letter)]
        closed = closed or bool(own) or any(letter.reason != "json-syntax" for letter in block.dead)
        gathering.table.dead += [letter for letter in block.dead if letter not in own]
        gathering.bytes += block.bytes
    if not closed:
        gathering.reject(b"", RecordError("truncated", "the list of records has no end"))


def _is_closing(letter: DeadLetter) -> bool:
    return letter.reason in ("json-syntax", "truncated") and letter.detail in _OWN and _CLOSING.fullmatch(letter.sample) is not None


_OWN = ("the object has no end", "bytes between objects")
"""What `documents.split` says of bytes outside of objects; a stream that breaks says other things."""


def _opened_after(source_input: Input, start: int) -> BinaryIO:
    stream = source_input.open()
    while start > 0 and (piece := stream.read(start)):
        start -= len(piece)
    return stream


def _compact(record: object) -> bytes:
    if not isinstance(record, dict):
        raise RecordError("not-an-object", f"expected a JSON object, got {type(record).__name__}")
    try:
        return orjson.dumps(record)
    except orjson.JSONEncodeError:  # what it can read but not write is nested too deep
        raise RecordError("json-depth", "nested too deep to be written") from None


class _Gathering:
    """Records on their way into chunks, which hold no more than the limits say wherever blocks end."""

    def __init__(self, name: str, origin: str, limits: Limits) -> None:
        self.name, self.origin, self.limits = name, origin, limits
        self.number = 0
        self.bytes = 0
        self._begin()

    def _begin(self) -> None:
        self.table = Table(self.name, self.origin, MAP_VER)
        self.rows: list[Record] = []
        self.times: list[int] = []
        self.size = 0

    def load(self, line: bytes) -> Iterator[Chunk]:
        """The bytes of one object."""
        try:
            record = load_json(line, self.limits)
        except RecordError as error:
            self.reject(line, error)
            return
        yield from self.add(record)

    def add(self, value: object) -> Iterator[Chunk]:
        """A record, a list of them, or an envelope of them."""
        listed = value.get("Records", value) if isinstance(value, dict) else value
        for item in listed if isinstance(listed, list) else [value]:
            yield from self._record(item)

    def _record(self, record: Any) -> Iterator[Chunk]:
        raw = b""
        try:
            raw = _compact(record)
            time = microseconds(load_json(raw, self.limits) if raw.count(b"{") + raw.count(b"[") > self.limits.json_depth else record)
        except RecordError as error:
            self.reject(raw, error)
            return
        if self.rows and (len(self.rows) >= self.limits.chunk_records or self.size + len(raw) > self.limits.chunk_bytes):
            yield from self.flush()
        self.table.add(self.number, raw)
        self.rows.append(row(record))
        self.times.append(time)
        self.number += 1
        self.size += len(raw)

    def reject(self, raw: bytes, error: RecordError) -> None:
        self.table.reject(self.number, raw, error)
        self.number += 1

    def flush(self) -> Iterator[Chunk]:
        """The chunk of what has been gathered."""
        if self.rows or self.table.dead or self.bytes:
            self.table.columns = {name: [one.get(name) for one in self.rows] for name in COLUMNS}
            self.table.columns["time"] = pl.Series("time", self.times, dtype=pl.Int64).cast(TIME)
            yield self.table.chunk(self.bytes)
            self.bytes = 0
            self._begin()
