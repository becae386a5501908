"""What a source is: it recognises its own bytes, and turns a stream of them into chunks of events and dead letters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from nonself.core.events import Events

HEAD = 65_536
"""Bytes of (decompressed) head that a source may look at to recognise its kind."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps that hostile input meets. All sizes in bytes."""

    chunk_records: int = 8_192  # records in one chunk at most
    chunk_bytes: int = 8 << 20  # raw bytes in one chunk at most (a chunk always holds at least one record)
    line_bytes: int = 16 << 20  # a longer line is a dead letter, its bytes skipped unread
    member_bytes: int = 8 << 30  # decompressed size of one archive member or gzip stream
    archive_bytes: int = 32 << 30  # decompressed size of one archive, all members
    archive_ratio: int = 1_000  # decompressed : compressed, judged past `ratio_floor`
    ratio_floor: int = 64 << 20  # below this many decompressed bytes no ratio is judged
    archive_members: int = 100_000
    archive_depth: int = 3  # archives within archives
    json_depth: int = 100  # nesting of one JSON record


@dataclass(frozen=True, slots=True)
class Input:
    """One stream of bytes to read: a file, or a member of an archive.

    origin   where it is, for people: `logs/a.zip!day1/conn.log` (attacker-written: neutralise on output)
    content  identity of the bytes: a hash of the file's content (of the archive's content and the member's name); equal content is
             the same input, whatever it is called
    size     bytes, compressed where it is
    open     gives the decompressed stream from its start, capped: reading past a cap raises RecordError("over-limit", ...)
    head     the first HEAD decompressed bytes (fewer where the stream is shorter or breaks)
    """

    origin: str
    content: str
    size: int
    open: Callable[[], BinaryIO]
    head: bytes


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be read. `reason` is a short stable code; `sample` is its first 512 bytes."""

    origin: str
    record: int
    reason: str
    detail: str
    sample: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some consecutive records of one input. Boundaries depend on the bytes alone, so a resumed scan cuts the same chunks."""

    events: Events
    dead: list[DeadLetter] = field(default_factory=list)
    records: int = 0  # records met, good and bad
    bytes: int = 0  # decompressed bytes consumed


class Source(Protocol):
    """One kind of log. `name` is what `events.source` holds; `classes` are the OCSF classes it can give."""

    name: str
    title: str
    formats: str

    @property
    def classes(self) -> tuple[int, ...]: ...

    def recognise(self, head: bytes, origin: str) -> bool:
        """Whether these are its bytes, judged by content; `origin` may only break a tie between kinds alike in content."""
        ...

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """All records as chunks, in file order. A bad record becomes a dead letter and loses no other; a stream that breaks
        (truncated gzip, over-limit) gives what came before it and a dead letter that says so. Never raises on input."""
        ...


Read = Callable[[Input], tuple[Source | None, Iterator[Chunk]]]
"""What `sources.read` does once it has its limits: the source of an input, None where there is none, and its chunks."""
