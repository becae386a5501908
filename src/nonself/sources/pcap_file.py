"""Capture files as packets: pcap in both byte orders and both resolutions, pcapng with its sections and interfaces.

Sizes in the file are written by whoever wrote it: none is believed before it is checked, none is used to ask for memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from nonself.core.errors import RecordError
from nonself.sources.lines import BROKEN, diagnose

PIECE = 1 << 20
_PACKET = 1 << 18  # the largest snapshot length that capturing programs know
_BLOCK = 16 << 20  # of pcapng
_END = 253_402_300_800_000_000  # us, the year 10000
_CLASSIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1), b"\xa1\xb2\xc3\xd4": (">", 1), b"\x4d\x3c\xb2\xa1": ("<", 1_000), b"\xa1\xb2\x3c\x4d": (">", 1_000),
}  # fmt: skip
_SECTION = b"\x0a\x0d\x0d\x0a"
_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_INTERFACE, _OLD, _SIMPLE, _ENHANCED = 1, 2, 3, 6


Packet = tuple[int, int, int, int]
"""A packet within its batch's buffer: time in us since 1970 (-1 where it is no time), link type, first byte, end. A plain tuple, since
there are millions."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some packets in file order; `base` is where `data` begins in the file."""

    data: bytes
    packets: list[Packet]
    base: int


def is_capture(head: bytes) -> bool:
    """Whether these bytes begin a capture, of a version that is known."""
    if head[:4] in _CLASSIC:
        order, _ = _CLASSIC[head[:4]]
        return len(head) >= 24 and struct.unpack_from(order + "H", head, 4)[0] == 2
    return head.startswith(_SECTION) and head[8:12] in _ORDERS


def batches(stream: BinaryIO) -> Iterator[Batch]:
    """All packets of a capture. Raises RecordError ("truncated", "corrupt-pcap"...) after all that stands before the trouble is given."""
    head, problem = _fill(stream, 24)
    reader: _Classic | _Next = _Next() if head.startswith(_SECTION) else _Classic(head)
    rest, base = head[reader.header :], reader.header
    while True:
        more, problem = _fill(stream, PIECE) if problem is None else (b"", problem)
        data = rest + more
        packets: list[Packet] = []
        try:
            at = reader.cut(data, packets)
        except RecordError as error:
            at, problem = 0, error
        if packets:
            yield Batch(data, packets, base)
        if problem is not None:
            raise problem
        rest, base = data[at:], base + at
        if not more:
            break
    if rest:
        raise RecordError("truncated", f"the file ends {len(rest)} bytes into a packet")


def _fill(stream: BinaryIO, size: int) -> tuple[bytes, RecordError | None]:
    """`size` bytes or all there are, and why there are not more."""
    parts, missing = [], size
    try:
        while missing and (piece := stream.read(missing)):
            parts.append(piece)
            missing -= len(piece)
    except BROKEN as error:
        return b"".join(parts), diagnose(error)
    return b"".join(parts), None


class _Classic:
    header = 24

    def __init__(self, head: bytes) -> None:
        if len(head) < self.header or head[:4] not in _CLASSIC:
            raise RecordError("truncated", "the file header is cut")
        order, self._unit = _CLASSIC[head[:4]]
        self._record = struct.Struct(order + "IIII")
        # The upper bits tell of check sequences behind the frames.
        self._link = struct.unpack_from(order + "I", head, 20)[0] & 0xFFFF

    def cut(self, data: bytes, packets: list[Packet]) -> int:
        """Add the whole packets of `data`; returns where the rest begins."""
        at, end, link, unit = 0, len(data) - 16, self._link, self._unit
        unpack = self._record.unpack_from
        while at <= end:
            seconds, fraction, size, _ = unpack(data, at)
            if size > _PACKET:
                raise RecordError("corrupt-pcap", f"a packet of {size} bytes where {_PACKET} are the most")
            stop = at + 16 + size
            if stop > end + 16:
                break
            packets.append((seconds * 1_000_000 + fraction // unit, link, at + 16, stop))
            at = stop
        return at


@dataclass(slots=True)
class _Next:
    """pcapng. Times count in the unit that the packet's interface declares."""

    order: str = "<"
    interfaces: list[tuple[int, int, int, int]] = field(default_factory=list)  # link, units a second, offset (us), snapshot length
    last: int = -1
    header: int = 0

    def cut(self, data: bytes, packets: list[Packet]) -> int:
        """See `_Classic.cut`."""
        at = 0
        while len(data) - at >= 12:
            if data.startswith(_SECTION, at):
                self._section(data[at + 8 : at + 12])
            kind, size = struct.unpack_from(self.order + "II", data, at)
            if size < 12 or size % 4 or size > _BLOCK:
                raise RecordError("corrupt-pcap", f"a block of {size} bytes")
            if at + size > len(data):
                break
            if struct.unpack_from(self.order + "I", data, at + size - 4)[0] != size:
                raise RecordError("corrupt-pcap", "a block whose sizes at its ends differ")
            if kind == _INTERFACE:
                self.interfaces.append(self._interface(data[at + 8 : at + size - 4]))
            elif kind in (_ENHANCED, _OLD, _SIMPLE):
                packets.append(self._packet(kind, data, at + 8, at + size - 4))
            at += size
        return at

    def _section(self, magic: bytes) -> None:
        if magic not in _ORDERS:
            raise RecordError("corrupt-pcap", "a section without byte order")
        self.order, self.interfaces = _ORDERS[magic], []

    def _interface(self, body: bytes) -> tuple[int, int, int, int]:
        if len(body) < 8 or len(self.interfaces) >= _PACKET:
            raise RecordError("corrupt-pcap", "an interface that is cut, or too many of them")
        link, snap = struct.unpack_from(self.order + "HxxI", body)
        units, offset, at = 1_000_000, 0, 8
        while at + 4 <= len(body):
            code, size = struct.unpack_from(self.order + "HH", body, at)
            value = body[at + 4 : at + 4 + size]
            if code == 9 and len(value) == 1:
                units = 2 ** (value[0] & 127) if value[0] & 128 else 10 ** value[0]
            elif code == 14 and len(value) == 8:
                offset = struct.unpack(self.order + "q", value)[0] * 1_000_000
            elif code == 0:
                break
            at += 4 + size + -size % 4
        return link, units, offset, snap

    def _packet(self, kind: int, data: bytes, at: int, end: int) -> Packet:
        layout = {_ENHANCED: "IIIII", _OLD: "HxxIIII", _SIMPLE: "I"}[kind]
        start = at + struct.calcsize(self.order + layout)
        if start > end:
            raise RecordError("corrupt-pcap", "a packet block that is cut")
        fields = struct.unpack_from(self.order + layout, data, at)
        number, size = (0, fields[0]) if kind == _SIMPLE else (fields[0], fields[3])
        if number >= len(self.interfaces):
            raise RecordError("corrupt-pcap", f"a packet of interface {number}, which is not declared")
        link, units, offset, snap = self.interfaces[number]
        if kind == _SIMPLE:  # has no time of its own, and says its size only as it was on the wire
            size = min(size, snap or size, end - start)
        else:
            ticks = fields[1] << 32 | fields[2]
            self.last = ticks * 1_000_000 // units + offset
        if start + size > end:
            raise RecordError("corrupt-pcap", "a packet longer than its block")
        return (self.last if 0 <= self.last < _END else -1), link, start, start + size
