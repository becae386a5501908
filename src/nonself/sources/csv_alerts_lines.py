"""Records of a CSV file whose cells may hold line ends, without trusting its quotes.

A quote that is never closed must not swallow the records behind it. So a cell runs on over at most 64 lines, only where it closes and
the record then has as many cells as the header, and never over a line that is a record by itself.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from nonself.sources.contract import DeadLetter, Input, Limits
from nonself.sources.lines import split
from nonself.sources.records import decode

MAX_LINES = 64


@dataclass(frozen=True, slots=True)
class Shape:
    """What a record looks like: `separator`, number of cells, and which cell holds the time (it starts with a digit, or a month)."""

    separator: str
    width: int
    time: int


@dataclass(frozen=True, slots=True)
class Records:
    """Consecutive records: their first lines' numbers in the file, their bytes; the bytes they stand for; letters of the stream."""

    numbers: list[int]
    lines: list[bytes]
    bytes: int
    dead: list[DeadLetter]


def records(source_input: Input, limits: Limits, shape: Shape) -> Iterator[Records]:
    """All records of an input, in order, at most `chunk_records` at a time. Blank lines are none."""
    waiting: list[tuple[int, bytes]] = []
    blocks = split(source_input, limits)
    block = next(blocks, None)
    while block is not None:
        after = next(blocks, None)
        numbered = [*waiting, *enumerate(block.lines, block.first)]
        found, waiting = _assembled(numbered, shape, last=after is None or not after.lines)
        yield from _sliced(found, block.bytes, block.dead, limits.chunk_records)
        block = after


def _sliced(found: list[tuple[int, bytes]], size: int, dead: list[DeadLetter], most: int) -> Iterator[Records]:
    parts = [found[at : at + most] for at in range(0, len(found), most)] or [[]]
    for at, part in enumerate(parts, 1):
        last = at == len(parts)
        yield Records([number for number, _ in part], [line for _, line in part], size if last else 0, dead if last else [])


def _assembled(numbered: list[tuple[int, bytes]], shape: Shape, *, last: bool) -> tuple[list[tuple[int, bytes]], list[tuple[int, bytes]]]:
    """Records, and lines that wait for what comes next."""
    lines = [(number, line) for number, line in numbered if line]
    open_ = [at for at, (_, line) in enumerate(lines) if b'"' in line and line.count(b'"') % 2]
    if not open_:
        return [(number, line) for number, line in lines if not line.isspace()], []
    lines = numbered  # blank ones may stand within a cell
    odd = {at for at, (_, line) in enumerate(lines) if line.count(b'"') % 2}
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(lines):
        end = _end(lines, at, odd, shape) if at in odd else at
        if end is None and not last and len(lines) - at < MAX_LINES:
            return found, lines[at:]
        end = at if end is None else end
        whole = b"\n".join(line for _, line in lines[at : end + 1])
        if not whole.isspace() and whole:
            found.append((lines[at][0], whole))
        at = end + 1
    return found, []


def _end(lines: list[tuple[int, bytes]], start: int, odd: set[int], shape: Shape) -> int | None:
    """The last line of the record that starts at `start`: `start` itself where its quote opens nothing; None where the end may be to
    come."""
    if len(cells(decode(lines[start][1]), shape.separator) or ()) == shape.width:
        return start
    for at in range(start + 1, min(start + MAX_LINES, len(lines))):
        if at in odd:
            joined = b"\n".join(line for _, line in lines[start : at + 1])
            return at if len(cells(decode(joined), shape.separator) or ()) == shape.width else start
        if _is_whole(lines[at][1], shape):
            return start
    return None if start + MAX_LINES > len(lines) else start


def _is_whole(line: bytes, shape: Shape) -> bool:
    """Whether a line is a record by itself."""
    found = decode(line).split(shape.separator) if b'"' not in line else cells(decode(line), shape.separator) or []
    return len(found) == shape.width and found[shape.time].strip(' "')[:1].isalnum()


def cells(record: str, separator: str) -> list[str] | None:
    """The cells of one record; None where its quotes don't fit together."""
    try:
        rows = list(csv.reader(io.StringIO(record, newline=""), delimiter=separator, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None
