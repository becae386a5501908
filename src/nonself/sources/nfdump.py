"""nfdump's binary files: layout 1 (nfdump 1.5 and 1.6) and layout 2 (1.7), block by block. `nfdump_records` reads what is in a block."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import polars as pl

from nonself.core import events
from nonself.core.errors import RecordError
from nonself.core.schema import SCHEMA, TIME
from nonself.sources.contract import Chunk, DeadLetter, Input, Limits
from nonself.sources.flows_csv import FLAGS, activity
from nonself.sources.flows_csv_read import PROTOCOLS
from nonself.sources.flows_json import compact, named
from nonself.sources.inflate import Inflate
from nonself.sources.lines import BROKEN, SAMPLE, diagnose
from nonself.sources.nfdump_lz import lz4, lzo
from nonself.sources.nfdump_records import COLUMNS, Row, oldest, reader

_MAGIC = 0xA50C
_HEADERS = {1: 140 + 136, 2: 40}  # layout 1 has a statistics record behind its header
_BLOCK = struct.Struct("<IIHH")
_LARGEST = 16 << 20  # bytes of a block; nfdump's own buffers hold 5 MB
_TIMES, _AT_LEAST = 256, 64 << 10  # a block expands to so many times its bytes, as LZ4 can, or to this; 50 bytes of bzip2 can to 45 MB
_OLD_COMPRESSION = {0x01: 1, 0x08: 2, 0x10: 3}  # flags of layout 1 as numbers of layout 2
_NAMES = {1: "LZO", 2: "bzip2", 3: "LZ4", 4: "zstd"}
_FLOWS = {1: (2, 1), 2: (3,)}  # the types of the blocks that hold flow records
_OLDEST = 1  # that of nfdump 1.5


class Nfdump:
    """One event a flow record, one way each unless the exporter counted both. `raw` is the event as JSON: the record is binary."""

    name = "nfdump"
    title = "nfdump flow files"
    formats = "nfcapd and nfdump files of layout 1 (1.5, 1.6) and 2 (1.7), plain or compressed by LZO, LZ4, bzip2 or zstd"
    classes: tuple[int, ...] = (4001,)

    def recognise(self, head: bytes, origin: str) -> bool:
        return len(head) >= 12 and struct.unpack_from("<HH", head) in ((_MAGIC, 1), (_MAGIC, 2))

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        reading = _Reading(source_input.origin, limits)
        try:
            with source_input.open() as stream:
                for kind, block in reading.blocks(stream):
                    yield from reading.feed(kind, block)
        except BROKEN as error:
            reading.reject(diagnose(error), b"")
        if not reading.number:
            reading.reject(RecordError("empty", "no flow records"), b"")
        yield from reading.flush()


class _Reading:
    """Rows in the making. Good and bad records are numbered in file order."""

    def __init__(self, origin: str, limits: Limits) -> None:
        self.origin, self.limits = origin, limits
        self.rows: list[Row] = []
        self.dead: list[DeadLetter] = []
        self.number = self.read = 0

    def blocks(self, stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
        """The blocks of flow records, each with its type, decompressed. One that can't be is a dead letter, and the next one is read."""
        head = _exactly(stream, 12)
        layout = struct.unpack_from("<H", head, 2)[0] if len(head) == 12 else 0
        if layout not in _HEADERS:
            raise RecordError("truncated", "the file header is cut")
        head += _exactly(stream, _HEADERS[layout] - 12)
        if len(head) < _HEADERS[layout]:
            raise RecordError("truncated", "the file header is cut")
        self.read = len(head)
        self.parse = reader(layout)
        coding = next((name for bit, name in _OLD_COMPRESSION.items() if head[4] & bit), 0) if layout == 1 else head[16]
        if layout == 2 and head[17]:
            raise RecordError("encrypted", "the file is encrypted")
        while block := _exactly(stream, _BLOCK.size):
            if len(block) < _BLOCK.size:
                raise RecordError("truncated", "the file ends within a block's header")
            count, size, kind, flags = _BLOCK.unpack(block)
            if size > _LARGEST:
                raise RecordError("corrupt-nfdump", f"a block of {size} bytes where {_LARGEST} are the most")
            body = _exactly(stream, size)
            self.read += len(block) + len(body)
            plain = bool(flags & 1) or not coding
            if kind in _FLOWS[layout] and (plain or len(body) == size):
                whole = body if plain else self._inflated(body, coding, count)
                if whole is not None:
                    yield kind, whole
            if len(body) < size:
                raise RecordError("truncated", f"the file ends {len(body)} bytes into a block of {size}")

    def _inflated(self, body: bytes, coding: int, count: int) -> bytes | None:
        """A block decompressed, None for one that can't be. One that expands too far is no block of nfdump's: what follows is not read."""
        most = min(_LARGEST, _TIMES * len(body) + _AT_LEAST)
        try:
            if coding in (2, 4):
                whole = _exactly(cast(BinaryIO, Inflate(io.BytesIO(body), "bz2" if coding == 2 else "zstd")), most + 1)
            elif coding in (1, 3):
                whole = (lzo if coding == 1 else lz4)(body, most)
            else:
                detail = f"{count} records in a block compressed by method {coding}; `nfdump -r FILE -w OTHER` writes it plain"
                self.reject(RecordError("unsupported-compression", detail), body)
                return None
        except (OSError, EOFError, ValueError, RecordError) as error:
            self.reject(RecordError("corrupt-block", f"{count} records in a damaged {_NAMES[coding]} block: {error}"), body)
            return None
        if len(whole) > most:
            raise RecordError("corrupt-nfdump", f"{len(body)} bytes that expand to more than {most}, in a {_NAMES[coding]} block")
        return whole

    def feed(self, kind: int, block: bytes) -> Iterator[Chunk]:
        """The flow records of a block."""
        for found in oldest(block) if kind == _OLDEST else self.parse(block):
            if isinstance(found, RecordError):
                self.reject(found, b"")
                continue
            self.rows.append((self.number, *found))
            self.number += 1
            if len(self.rows) == self.limits.chunk_records:
                yield from self.flush()

    def reject(self, error: RecordError, sample: bytes) -> None:
        """Keep what can't be read."""
        self.dead.append(DeadLetter(self.origin, self.number, error.reason, error.detail, sample[:SAMPLE]))
        self.number += 1

    def flush(self) -> Iterator[Chunk]:
        """A chunk of what is ready."""
        if self.rows or self.dead:
            frame = _events(self.rows, self.origin) if self.rows else events.empty()
            yield Chunk(frame, self.dead, records=len(self.rows) + len(self.dead), bytes=self.read)
        self.rows, self.dead, self.read = [], [], 0


def _events(rows: list[Row], origin: str) -> events.Events:
    values = zip(*rows, strict=True)
    frame = pl.DataFrame([_column(name, list(cells)) for name, cells in zip(("record", *COLUMNS), values, strict=True)])
    tcp, flags = pl.col("proto") == "tcp", pl.col("status_code").replace(FLAGS)
    ported = pl.col("proto").is_in(["tcp", "udp", "sctp"])
    proto = pl.col("proto").replace(PROTOCOLS)
    frame = frame.with_columns(proto).with_columns(
        pl.lit(4001, dtype=pl.Int32).alias("class_uid"),
        pl.when(tcp).then(activity(flags)).otherwise(6).cast(pl.Int16).alias("activity_id"),
        pl.when(tcp).then(flags).alias("status_code"),
        pl.lit("flow").alias("op"),
        *(pl.when(ported).then(pl.col(name)).alias(name) for name in ("src_port", "dst_port")),
    )
    frame = frame.with_columns(compact(frame.drop("record")).alias("raw"), pl.col("time").cast(TIME))
    return named(frame, Nfdump.name, origin, 1)


def _column(name: str, values: list[Any]) -> pl.Series:
    return pl.Series(name, values, dtype=pl.Int64 if name == "time" else SCHEMA[name])


def _exactly(stream: BinaryIO, size: int) -> bytes:
    """`size` bytes, or fewer at the end of the stream."""
    parts, missing = [], size
    while missing and (piece := stream.read(min(missing, 1 << 20))):
        parts.append(piece)
        missing -= len(piece)
    return b"".join(parts)
