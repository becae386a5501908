"""The Linux audit log as auditd writes it: the records of one event are lines of their own, joined here by their serial number."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from nonself.core.errors import RecordError
from nonself.core.schema import TIME
from nonself.sources.auditd_fields import HEAD, Record, head, record
from nonself.sources.auditd_map import CLASSES, MAP_VER, columns, row
from nonself.sources.contract import Chunk, DeadLetter, Input, Limits
from nonself.sources.lines import SAMPLE, Block, head_lines, split
from nonself.sources.records import Table, decode

_OPEN = 64
"""Events that may be incomplete at a time. The kernel interleaves the records of few events; whoever floods closes the oldest."""
_RECORDS = 1_024
"""Records of one event; further ones begin another of the same serial number."""
_LAST = 253_402_300_800
_END = b"EOE"

Key = tuple[bytes, bytes, bytes, bytes]


@dataclass(slots=True)
class _Event:
    key: Key
    number: int
    micros: int
    size: int = 0
    lines: list[bytes] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    closed: bool = False


class Auditd:
    """`channel` is the type of the event's main record, `op` the system call or that type; `ext` has the fields of all records."""

    name = "auditd"
    title = "Linux audit log (auditd)"
    formats = "audit.log, raw or enriched"
    classes = CLASSES

    def recognise(self, head: bytes, origin: str) -> bool:
        """A record's head among the first lines."""
        return any(map(HEAD.match, head_lines(head)))

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract. A record counts as one where all lines of an event are; an event stands where its first line does."""
        joiner = Joiner(source_input.origin, limits)
        for block in split(source_input, limits):
            yield from joiner.feed(block)
        yield from joiner.finish()


class Joiner:
    """Lines in, chunks of whole events out. An event is complete at its EOE record, or when `_OPEN` others have begun since."""

    def __init__(self, origin: str, limits: Limits) -> None:
        self.origin, self.limits = origin, limits
        self.open: dict[Key, _Event] = {}
        self.queue: deque[_Event] = deque()  # by first line; complete ones wait here for those before them
        self.waiting = 0  # bytes in it
        self.ready: list[_Event] = []
        self.dead: list[DeadLetter] = []
        self.size = self.ripe = 0  # bytes read, and bytes in `ready`, since the last chunk

    def feed(self, block: Block) -> Iterator[Chunk]:
        for number, line in enumerate(block.lines, block.first):
            if line and not line.isspace():
                yield from self.take(number, line)
        self.dead += block.dead
        self.size += block.bytes

    def take(self, number: int, line: bytes, host: bytes = b"") -> Iterator[Chunk]:
        """One line; `host` is whose it is where it names no node itself."""
        try:
            self._add(number, line, host)
        except RecordError as error:
            self.dead.append(DeadLetter(self.origin, number, error.reason, error.detail, line[:SAMPLE]))
        while self._is_ripe():
            yield self._chunk()
        self._release(_OPEN)

    def finish(self) -> Iterator[Chunk]:
        """The events still open."""
        while self.queue:
            self._release(len(self.queue) - 1)
            if self._is_ripe():
                yield self._chunk()
        if self.ready or self.dead or self.size:
            yield self._chunk()

    def _is_ripe(self) -> bool:
        return len(self.ready) >= self.limits.chunk_records or self.ripe >= self.limits.chunk_bytes

    def _add(self, number: int, line: bytes, host: bytes) -> None:
        found = head(line)
        node, kind, seconds, millis, serial = found.groups()
        if int(seconds) >= _LAST:
            raise RecordError("bad-time", "expected a time of the years 1970 to 9999")
        key = (node or host, seconds, millis, serial)
        event = self.open.get(key)
        if event is None or len(event.lines) >= _RECORDS:
            event = self.open[key] = _Event(key, number, int(seconds) * 1_000_000 + int(millis) * 1_000)
            self.queue.append(event)
        event.lines.append(line)
        event.size += len(line)
        self.waiting += len(line)
        if kind == _END:
            del self.open[key]
            event.closed = True
        else:
            event.records.append(record(kind.decode(), line[found.end() :]))

    def _release(self, most: int) -> None:
        """Let the first events go: complete ones, and where more than `most` wait, or many bytes, incomplete ones."""
        while self.queue and len(self.ready) < self.limits.chunk_records:
            event = self.queue[0]
            if not event.closed and len(self.queue) <= most and self.waiting <= self.limits.chunk_bytes:
                return
            self.ready.append(self.queue.popleft())
            self.waiting -= event.size
            self.ripe += event.size
            if self.open.get(event.key) is event:
                del self.open[event.key]

    def _chunk(self) -> Chunk:
        table = Table(Auditd.name, self.origin, MAP_VER)
        rows: list[dict[str, Any]] = []
        for event in self.ready:
            raw = b"\n".join(event.lines)
            if event.records:
                table.add(event.number, raw)
                rows.append(row(event.records))
            else:
                table.reject(event.number, raw, RecordError("no-records", "an end of event without the event"))
        whole = [event for event in self.ready if event.records]
        table.columns = dict(columns(rows))
        table.columns["host"] = [decode(event.key[0]) or None for event in whole]
        table.columns["time"] = pl.Series("time", [event.micros for event in whole], dtype=pl.Int64).cast(TIME)
        table.dead += self.dead
        size, self.ready, self.dead, self.size, self.ripe = self.size, [], [], 0, 0
        return table.chunk(size)
