"""A stream of bytes as blocks of complete lines: bounded memory, the same boundaries whatever the reads, nothing lost in silence."""

from __future__ import annotations

import codecs
import hashlib
import io
import lzma
import tarfile
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

import numpy as np

from nonself.core.errors import RecordError
from nonself.core.events import Events
from nonself.sources.contract import HEAD, Chunk, DeadLetter, Input, Limits

SAMPLE = 512
"""Bytes of a bad record kept with its dead letter."""
PIECE = 1 << 20
_WIDE = 4
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError, RecordError)
"""What a stream of hostile bytes may raise while it is read."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive complete lines, without their line ends (LF or CRLF). Blank lines are kept: the source decides what they mean.

    first   number of the first line in the stream, from 0; line i of the block is record `first + i`
    lines   bytes without the byte-order mark; UTF-16 streams come as UTF-8
    bytes   bytes of the (UTF-8) stream the block stands for, dead letters included
    dead    over-long lines and the reason why the stream broke; these stand after the block's lines
    """

    first: int
    lines: list[bytes]
    bytes: int
    dead: list[DeadLetter] = field(default_factory=list)


def split(source_input: Input, limits: Limits) -> Iterator[Block]:
    """All lines of an input as blocks of at most `chunk_records` lines and `chunk_bytes` bytes (one line at least).

    A line over `line_bytes` becomes a dead letter "line-too-long" and is skipped without being held. A stream that breaks ends with a
    dead letter ("truncated", "corrupt-gzip", "over-limit", "unreadable"...) after everything before it has been given. Never raises
    on input.
    """
    cutter = _Cutter(source_input.origin, limits)
    problem: RecordError | None = None
    stream = pieces(source_input, min(PIECE, limits.line_bytes))
    while problem is None:
        try:
            piece = next(stream, None)
        except BROKEN as error:
            problem = diagnose(error)
            break
        if piece is None:
            break
        yield from cutter.feed(piece)
    yield from cutter.finish(problem)


def split_wide(source_input: Input, limits: Limits) -> Iterator[Block]:
    """`split` with four times as many lines a block, for readers by column: short lines are many, and each call of polars has its price."""
    return split(source_input, replace(limits, chunk_records=limits.chunk_records * _WIDE))


def chunks(block: Block, found: Events, dead: Sequence[DeadLetter], limits: Limits) -> Iterator[Chunk]:
    """What a block gave, in chunks of at most `chunk_records` of its lines. Events and dead letters are in the order of `record`."""
    numbers, left = found.get_column("record").to_numpy(), block.bytes
    for start in range(0, max(len(block.lines), 1), limits.chunk_records):
        stop = start + limits.chunk_records
        is_last = stop >= len(block.lines)
        size = left if is_last else sum(map(len, block.lines[start:stop])) + limits.chunk_records
        left -= size
        begin, end = np.searchsorted(numbers, (block.first + start, block.first + stop)).tolist()
        lost = [letter for letter in dead if start <= letter.record - block.first and (is_last or letter.record - block.first < stop)]
        yield Chunk(found[begin:end], lost, records=end - begin + len(lost), bytes=size)


def text(head: bytes) -> bytes:
    """The head of a stream as `split` would give it: UTF-8 without byte-order mark. For `Source.recognise`."""
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            body = head[len(bom) :]
            return body if encoding == "utf-8" else body.decode(encoding, "ignore").encode()
    return head


def head_lines(head: bytes, count: int = 20) -> list[bytes]:
    """The first `count` lines of `text(head)` that are not blank; the last may be cut short where the head ends."""
    lines = (line.strip() for line in text(head).split(b"\n", 4 * count)[: 4 * count])
    return [line for line in lines if line][:count]


def diagnose(error: BaseException) -> RecordError:
    """The reason code of an exception in `BROKEN`, as a RecordError."""
    detail = str(error)
    if isinstance(error, RecordError):
        return error
    if isinstance(error, EOFError):
        return RecordError("truncated", detail)
    if isinstance(error, zlib.error | io.UnsupportedOperation) or type(error).__name__ == "BadGzipFile":
        return RecordError("corrupt-gzip", detail)
    if isinstance(error, zipfile.BadZipFile):
        return RecordError("corrupt-zip", detail)
    if isinstance(error, tarfile.TarError):
        return RecordError("corrupt-tar", detail)
    if isinstance(error, lzma.LZMAError):
        return RecordError("corrupt-xz", detail)
    return RecordError("unreadable", detail)


def pieces(source_input: Input, size: int) -> Iterator[bytes]:
    """The stream in reads of at most `size` bytes, without byte-order mark and as UTF-8. Raises what is in `BROKEN`."""
    with source_input.open() as stream:
        read = getattr(stream, "read1", stream.read)  # read() of a buffered stream loses what it holds when the next read fails
        head = _at_least(read, 3)
        bom, encoding = next((pair for pair in _BOMS if head.startswith(pair[0])), (b"", "utf-8"))
        head = head[len(bom) :]
        decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)("replace")
        piece = head or read(size)
        while piece:
            if decoder is None:
                yield piece
            elif decoded := decoder.decode(piece).encode("utf-8", "replace"):
                yield from (decoded[at : at + size] for at in range(0, len(decoded), size))
            piece = read(size)
        if decoder is not None and (rest := decoder.decode(b"", final=True)):
            yield rest.encode("utf-8", "replace")


def _at_least(read: object, count: int) -> bytes:
    head = b""
    while len(head) < count:
        piece: bytes = read(count - len(head))  # type: ignore[operator]
        if not piece:
            break
        head += piece
    return head


class _Cutter:
    """Cuts pieces into blocks. A block is the longest run of lines within the limits, so its bounds don't depend on the pieces."""

    def __init__(self, origin: str, limits: Limits) -> None:
        self.origin, self.limits = origin, limits
        self.first = 0
        self.lines: list[bytes] = []
        self.size = 0
        self.returns = False  # whether any carriage return has been met: most streams have none to look for at the ends of lines
        self.tail = b""
        self.skipped = 0  # bytes of an over-long line dropped so far; 0 when in none
        self.sample = b""

    def feed(self, piece: bytes) -> Iterator[Block]:
        self.returns = self.returns or b"\r" in piece
        if self.skipped:
            end = piece.find(b"\n")
            self.sample = (self.sample + piece[: end if end >= 0 else SAMPLE])[:SAMPLE]
            if end < 0:
                self.skipped += len(piece)
                return
            self.skipped += end + 1
            yield self._too_long()
            piece = piece[end + 1 :]
        lines = piece.split(b"\n")
        lines[0] = self.tail + lines[0]
        self.tail = lines.pop()
        if lines and len(lines[0]) > self.limits.line_bytes:  # only the first can be: a piece is no longer than a line may be
            yield from self._flush()
            self.sample, self.skipped = lines[0][:SAMPLE], len(lines[0]) + 1
            yield self._too_long()
            del lines[0]
        yield from self._add(lines)
        if len(self.tail) > self.limits.line_bytes:
            yield from self._flush()
            self.sample, self.skipped, self.tail = self.tail[:SAMPLE], len(self.tail), b""

    def finish(self, problem: RecordError | None) -> Iterator[Block]:
        """The last lines; where the stream broke, the unfinished line is the sample of the dead letter."""
        if self.skipped:
            yield self._too_long()
        if problem is None and self.tail:
            *full, last = [*self._add([self.tail]), *self._flush()]
            yield from full
            yield replace(last, bytes=last.bytes - 1)  # it has no line end
        else:
            yield from self._flush()
        if problem is not None:
            letter = DeadLetter(self.origin, self.first, problem.reason, problem.detail, self.tail[:SAMPLE])
            yield Block(self.first, [], len(self.tail), [letter])

    def _add(self, lines: list[bytes]) -> Iterator[Block]:
        at = 0
        while at < len(lines):
            taken = lines[at : at + self.limits.chunk_records - len(self.lines)]
            count, size = len(taken), self.size + sum(map(len, taken)) + len(taken)
            if size > self.limits.chunk_bytes:
                ends = list(accumulate(taken, lambda total, line: total + len(line) + 1, initial=self.size))
                count = max(bisect_right(ends, self.limits.chunk_bytes) - 1, 0 if self.lines else 1)
                size = ends[count]
            self.lines += taken[:count]
            self.size = size
            at += count
            if count < len(taken) or len(self.lines) == self.limits.chunk_records:
                yield from self._flush()

    def _flush(self) -> Iterator[Block]:
        if self.lines:
            yield self._block()

    def _block(self) -> Block:
        """The lines so far. Nothing keeps them here: they would be held for as long as what is made of them is worked on."""
        lines = [line[:-1] if line.endswith(b"\r") else line for line in self.lines] if self.returns else self.lines
        block = Block(self.first, lines, self.size)
        self.first += len(lines)
        self.lines, self.size = [], 0
        return block

    def _too_long(self) -> Block:
        detail = f"{self.skipped} bytes, more than {self.limits.line_bytes}"
        letter = DeadLetter(self.origin, self.first, "line-too-long", detail, self.sample)
        block = Block(self.first, [], self.skipped, [letter])
        self.first += 1
        self.skipped, self.sample = 0, b""
        return block


def in_memory(data: bytes, origin: str = "") -> Input:
    """An input of bytes at hand."""
    return Input(origin, hashlib.sha256(data).hexdigest(), len(data), lambda: io.BytesIO(data), data[:HEAD])
