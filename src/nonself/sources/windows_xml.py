"""Windows events as exported XML: Event Viewer's `<Events>` and what `wevtutil` prints, event by event."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nonself.core.errors import RecordError
from nonself.sources import lines
from nonself.sources.contract import Chunk, DeadLetter, Input, Limits
from nonself.sources.lines import BROKEN, PIECE, SAMPLE, Block, diagnose
from nonself.sources.records import Table
from nonself.sources.windows_map import MAP_VER, classes
from nonself.sources.windows_rows import Rows
from nonself.sources.windows_tolerant import fill
from nonself.sources.windows_tree import parse_xml

_SCHEMA = b"http://schemas.microsoft.com/win/2004/08/events/event"
_SYSTEM = re.compile(rb"<Event>\s*<System>\s*<Provider (?!Name=.Linux-Sysmon)")  # EvtxECmd names no namespace
_START, _END = re.compile(rb"<Event[\s>]"), b"</Event>"
_HEAD = re.compile(rb"(?:<\d{1,3}>)?(?:1 )?(?:\d{4}-\d\d-\d\d[T ]|[A-Z][a-z]{2} {1,2}\d{1,2} |\d\d/\d\d/\d{4} )\d\d:[^\n<]{1,400}")
"""What syslog or Splunk writes before an event on its line."""
_BETWEEN = re.compile(rb"<\?xml[^>]*\?>|</?Events(?:\s[^>]*)?>|[\s\0]+")


class WindowsXml:
    """Exported events. An event is parsed by itself, so a document type, the entities it may declare and all else around the events are
    never read; within an event they are not well-formed."""

    name = "windows-xml"
    title = "Windows event logs as exported XML"
    formats = "XML of Event Viewer and wevtutil, with or without an outer <Events>, in syslog or alone"
    classes = classes()

    def recognise(self, head: bytes, origin: str) -> bool:
        body = lines.text(head).lstrip()
        return (
            (body.startswith(b"<") or _HEAD.match(body) is not None)
            and _START.search(body) is not None
            and (_SCHEMA in body or _SYSTEM.search(body) is not None)
        )

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        for block in _split(source_input, limits):
            table, rows = Table(self.name, source_input.origin, MAP_VER), Rows()
            numbers = range(block.first, block.first + len(block.lines))
            fill(table, rows, block.lines, numbers, range(len(block.lines)), lambda record: parse_xml(record, limits.json_depth))
            table.dead += block.dead
            yield table.chunk(block.bytes)


def _split(source_input: Input, limits: Limits) -> Iterator[Block]:
    """The events of the stream as blocks, as `lines.split` gives lines: event i is record i."""
    cutter = _Cutter(source_input.origin, limits)
    try:
        for piece in lines.pieces(source_input, min(PIECE, limits.line_bytes)):
            yield from cutter.feed(piece)
        cutter.end(RecordError("truncated", "the event has no end"))
    except BROKEN as error:
        cutter.end(diagnose(error), always=True)
    yield from cutter.flush()


class _Cutter:
    def __init__(self, origin: str, limits: Limits) -> None:
        self.origin, self.limits = origin, limits
        self.buffer = b""
        self.searched = 0  # bytes of the buffer known to hold no end
        self.first = self.number = self.size = 0
        self.events: list[bytes] = []
        self.dead: list[DeadLetter] = []

    def feed(self, piece: bytes) -> Iterator[Block]:
        self.buffer += piece
        at = 0
        while (end := self.buffer.find(_END, max(at, self.searched))) >= 0:
            end += len(_END)
            yield from self._add(self.buffer[at:end])
            at, self.searched = end, end
        self.buffer = self.buffer[at:]
        self.searched = max(len(self.buffer) - len(_END), 0)
        if len(self.buffer) > self.limits.line_bytes:
            raise RecordError("line-too-long", f"no end within {self.limits.line_bytes} bytes")

    def end(self, problem: RecordError, *, always: bool = False) -> None:
        """Account for what is left in the buffer, and for why the stream broke."""
        rest = _BETWEEN.sub(b"", self.buffer)
        if rest or always:
            self.dead.append(DeadLetter(self.origin, self.number, problem.reason, problem.detail, rest[:SAMPLE]))
            self.number += 1
        self.size += len(self.buffer)

    def flush(self) -> Iterator[Block]:
        if self.events or self.dead:
            yield Block(self.first, self.events, self.size, self.dead)
        self.events, self.dead, self.size, self.first = [], [], 0, self.number

    def _add(self, part: bytes) -> Iterator[Block]:
        """An event and what stands before it. Of several starts before one end the last is taken: the others have no end."""
        starts = [match.start() for match in _START.finditer(part)]
        start = starts[-1] if starts else len(part)
        junk = _BETWEEN.sub(b" ", part[:start]).strip()
        if junk and not _HEAD.fullmatch(junk):
            self.dead.append(DeadLetter(self.origin, self.number, "xml-syntax", "bytes between events", junk[:SAMPLE]))
            self.number += 1
            yield from self.flush()
        if self.events and (self.size + len(part) > self.limits.chunk_bytes or len(self.events) == self.limits.chunk_records):
            yield from self.flush()
        self.size += len(part)
        if starts:
            self.events.append(part[start:])
            self.number += 1
