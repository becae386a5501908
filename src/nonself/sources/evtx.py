"""Windows event logs in their own binary format, chunk by chunk: what stands before a cut or beside a damage is kept."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

from nonself.core.errors import RecordError
from nonself.sources.contract import Chunk, DeadLetter, Input, Limits
from nonself.sources.lines import BROKEN, SAMPLE, diagnose
from nonself.sources.records import Table
from nonself.sources.windows_map import MAP_VER, classes
from nonself.sources.windows_nested import read_nested
from nonself.sources.windows_rows import Rows
from nonself.sources.windows_tolerant import fill, parse_json

_FILE_HEADER, _CHUNK = 4_096, 65_536
_MAGIC, _CHUNK_MAGIC, _RECORD_MAGIC = b"ElfFile\0", b"ElfChnk\0", b"**\0\0"
_TABLES, _RECORDS = 128, 512  # where the tables of strings and templates and the records begin in a chunk
_UNUSED = bytes(_CHUNK)
_RECORD_MIN = 28  # header and trailing size of a record
_RECORD_HEAD, _SIZE = struct.Struct("<4sI"), struct.Struct("<I")


class WindowsEvtx:
    """EVTX files. `raw` is the record as JSON, since the binary record can't be read outside its chunk."""

    name = "windows-evtx"
    title = "Windows event log files"
    formats = "EVTX (Windows Vista and later), whole, cut or damaged"
    classes = classes()

    def recognise(self, head: bytes, origin: str) -> bool:
        return head.startswith(_MAGIC)

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        pack = _Pack(self.name, source_input.origin, limits)
        try:
            with source_input.open() as stream:
                header = _exactly(stream, _FILE_HEADER)
                pack.bytes += len(header)
                if len(header) < _FILE_HEADER:
                    raise RecordError("truncated", f"the file header is cut at {len(header)} bytes")
                while chunk := _exactly(stream, _CHUNK):
                    yield from pack.feed(header, chunk)
        except BROKEN as error:
            pack.reject(diagnose(error), b"")
        yield from pack.flush(last=True)


class _Pack:
    """Collects records of EVTX chunks into chunks of events. Rows are numbered in file order, dead letters among them."""

    def __init__(self, source: str, origin: str, limits: Limits) -> None:
        self.source, self.origin, self.limits = source, origin, limits
        self.number = 0
        self.bytes = 0
        self._fresh()

    def _fresh(self) -> None:
        self.dead: list[DeadLetter] = []
        self.raws: list[bytes] = []
        self.numbers: list[int] = []
        self.size = 0

    def reject(self, error: RecordError, sample: bytes) -> None:
        self.dead.append(DeadLetter(self.origin, self.number, error.reason, error.detail, sample[:SAMPLE]))
        self.number += 1

    def feed(self, header: bytes, chunk: bytes) -> Iterator[Chunk]:
        """The records of one EVTX chunk of the file."""
        for found in _records(header, chunk):
            if isinstance(found, RecordError):
                self.reject(found, b"")
                continue
            if len(found) > self.limits.line_bytes:
                self.reject(RecordError("line-too-long", f"{len(found)} bytes"), found)
                continue
            if self.size and (len(self.raws) >= self.limits.chunk_records or self.size + len(found) > self.limits.chunk_bytes):
                yield from self.flush()
            self.raws.append(found)
            self.numbers.append(self.number)
            self.number += 1
            self.size += len(found)
        self.bytes += len(chunk)

    def flush(self, *, last: bool = False) -> Iterator[Chunk]:
        if last and not self.number:
            self.reject(RecordError("empty", "no records"), b"")
        if self.raws or self.dead:
            table = Table(self.source, self.origin, MAP_VER)
            rows = Rows()
            fill(table, rows, self.raws, self.numbers, read_nested(rows, self.raws), parse_json(self.limits))
            table.dead = sorted(table.dead + self.dead, key=lambda letter: letter.record)
            yield table.chunk(self.bytes)
        self.bytes = 0
        self._fresh()


def _records(header: bytes, chunk: bytes) -> Iterator[bytes | RecordError]:
    """The records of one chunk as JSON, and what is wrong with it. An unused chunk (zeros) holds nothing."""
    cut = len(chunk) < _CHUNK
    if (not cut and chunk == _UNUSED) or not chunk.strip(b"\0"):
        return
    if not chunk.startswith(_CHUNK_MAGIC):
        yield RecordError("corrupt-evtx", "expected a chunk's magic number")
        return
    yield from _parsed(header, _mended(chunk.ljust(_CHUNK, b"\0")))
    if cut:
        yield RecordError("truncated", f"the file is cut {len(chunk)} bytes into a chunk")


def _parsed(header: bytes, chunk: bytearray) -> Iterator[bytes | RecordError]:
    try:
        from evtx import PyEvtxParser  # 20 ms, which other logs need not pay

        records = iter(PyEvtxParser(io.BytesIO(header + chunk), number_of_threads=1).records_json())
    except (RuntimeError, OSError) as error:
        yield RecordError("corrupt-evtx", str(error))
        return
    for _ in range(_CHUNK // _RECORD_MIN):
        try:
            record = next(records)
        except StopIteration:
            return
        except (RuntimeError, OSError, ValueError) as error:
            yield RecordError("corrupt-evtx", str(error))
        else:
            yield record["data"].encode() if record else RecordError("corrupt-evtx", "no data")


def _mended(chunk: bytes) -> bytearray:
    """The chunk without its tables of strings and templates, and with damaged record headers replaced by ones that span to the next
    whole record.

    The tables only speed reading up, but a damage in them would cost the whole chunk. The parser walks from record to record by their
    sizes and would give up all records behind a damaged one.
    """
    used = min(max(_SIZE.unpack_from(chunk, 48)[0], _RECORDS), _CHUNK)
    mended, at = bytearray(chunk), _RECORDS
    mended[_TABLES:_RECORDS] = bytes(_RECORDS - _TABLES)
    while at < used:
        size = _record_size(chunk, at)
        if not size:
            following = _next_record(chunk, at + 4)
            size = (following or used) - at
            mended[at : at + 8] = _RECORD_MAGIC + size.to_bytes(4, "little")
        at += size
    return mended


def _record_size(chunk: bytes, at: int) -> int:
    """The size of the whole record at `at`: magic, and the same size at both ends; 0 where there is none."""
    if at + _RECORD_MIN > _CHUNK:
        return 0
    magic, size = _RECORD_HEAD.unpack_from(chunk, at)
    whole = magic == _RECORD_MAGIC and _RECORD_MIN <= size <= _CHUNK - at
    return size if whole and _SIZE.unpack_from(chunk, at + size - _SIZE.size)[0] == size else 0


def _next_record(chunk: bytes, start: int) -> int:
    at = chunk.find(_RECORD_MAGIC, start)
    while at >= 0 and not _record_size(chunk, at):
        at = chunk.find(_RECORD_MAGIC, at + 1)
    return max(at, 0)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    """`size` bytes, or fewer at the end of the stream."""
    data = stream.read(size)
    while len(data) < size and (piece := stream.read(size - len(data))):
        data += piece
    return data
