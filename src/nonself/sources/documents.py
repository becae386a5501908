"""JSON that is not one record a line: an array, or objects printed over many lines, cut into its objects without being held whole."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nonself.core.errors import RecordError
from nonself.sources.contract import DeadLetter, Input, Limits
from nonself.sources.lines import BROKEN, PIECE, SAMPLE, Block, diagnose, head_lines, pieces

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}]', re.DOTALL)  # a string, a string without end, a brace
_BETWEEN = b" \t\r\n,[]\x1e"
_NO_END, _JUNK = "the object has no end", "bytes between objects"
OWN = (_NO_END, _JUNK)
"""What is said of bytes outside of objects; of a stream that breaks other things are said."""


def is_lines(head: bytes) -> bool:
    """Whether a JSON head holds one object a line, rather than an array or objects over many lines."""
    starts = head_lines(head, 2)
    if not starts or not starts[0].startswith(b"{"):
        return bool(starts) and not starts[0].startswith(b"[")
    return len(starts) == 1 or starts[0].endswith(b"}") or starts[1].startswith(b"{")


def split(source_input: Input, limits: Limits, skip: int = 0) -> Iterator[Block]:
    """The outermost objects of the stream as blocks, as `lines.split` gives lines: object i is record i.

    Commas, line ends and the brackets of an outer array are skipped; other bytes between objects become a dead letter "json-syntax",
    an unfinished object at the end "truncated". An object over `line_bytes` is "line-too-long" and ends the reading, since nothing
    tells where it ends. `skip` bytes at the start (of the UTF-8 stream) are passed over. Never raises on input.
    """
    cutter = _Cutter(source_input.origin, limits)
    try:
        for piece in pieces(source_input, min(PIECE, limits.line_bytes)):
            yield from cutter.feed(piece[skip:])
            skip = max(skip - len(piece), 0)
        cutter.end(RecordError("truncated", _NO_END))
    except BROKEN as error:
        cutter.end(diagnose(error), always=True)
    yield from cutter.flush()


class _Cutter:
    def __init__(self, origin: str, limits: Limits) -> None:
        self.origin, self.limits = origin, limits
        self.buffer = b""
        self.at = 0  # scanned so far
        self.start = 0  # first byte not yet given away: of the open object, or after the last one
        self.depth = 0
        self.number = 0
        self.first = 0
        self.objects: list[bytes] = []
        self.dead: list[DeadLetter] = []
        self.size = 0

    def feed(self, piece: bytes) -> Iterator[Block]:
        self.buffer, self.at, self.start = self.buffer[self.start :] + piece, self.at - self.start, 0
        for token in _TOKEN.finditer(self.buffer, self.at):
            mark = token.group() if token.end() - token.start() == 1 else b""
            if mark == b'"':  # its end has not come yet
                self.at = token.start()
                break
            self.at = token.end()
            if mark == b"{":
                if self.depth == 0:
                    yield from self._between(token.start())
                self.depth += 1
            elif mark == b"}" and self.depth:
                self.depth -= 1
                if self.depth == 0:
                    yield from self._add(self.at)
        else:
            self.at = len(self.buffer)
        if len(self.buffer) - self.start > self.limits.line_bytes:
            raise RecordError("line-too-long", f"no end within {self.limits.line_bytes} bytes")

    def end(self, problem: RecordError, *, always: bool = False) -> None:
        """Account for what is left in the buffer, and for why the stream broke."""
        rest = self.buffer[self.start :].strip(_BETWEEN)
        if rest or always:
            self.dead.append(DeadLetter(self.origin, self.number, problem.reason, problem.detail, rest[:SAMPLE]))
        self.size += len(self.buffer) - self.start

    def flush(self) -> Iterator[Block]:
        if self.objects or self.dead:
            yield Block(self.first, self.objects, self.size, self.dead)
        self.objects, self.dead, self.size, self.first = [], [], 0, self.number

    def _between(self, end: int) -> Iterator[Block]:
        junk = self.buffer[self.start : end].strip(_BETWEEN)
        self.size += end - self.start
        self.start = end
        if junk:
            self.dead.append(DeadLetter(self.origin, self.number, "json-syntax", _JUNK, junk[:SAMPLE]))
            self.number += 1
            yield from self.flush()

    def _add(self, end: int) -> Iterator[Block]:
        size = end - self.start
        if self.objects and self.size + size > self.limits.chunk_bytes:
            yield from self.flush()
        self.objects.append(self.buffer[self.start : end])
        self.start, self.size = end, self.size + size
        self.number += 1
        if len(self.objects) == self.limits.chunk_records:
            yield from self.flush()
