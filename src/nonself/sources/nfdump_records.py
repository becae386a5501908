"""Flow records within a block of an nfdump file: the fixed records of nfdump 1.5, those of layout 1 with their maps of extensions, the
elements of layout 2."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from nonself.core.errors import RecordError

COLUMNS = (
    "time", "duration_us", "proto", "status_code", "src_ip", "src_port", "dst_ip", "dst_port", "bytes_out", "pkts_out", "bytes_in",
    "pkts_in",
)  # fmt: skip
Row = tuple[Any, ...]
Found = Row | RecordError
_END = 253_402_300_800_000  # ms, the year 10000
_RECORD = struct.Struct("<HH").unpack_from
_V0, _MAP, _COMMON, _V3 = 1, 2, 10, 11
_FIXED = struct.Struct("<HHIIBBBxHH").unpack_from  # from byte 8: ms first, ms last, first, last, forwarding, flags, protocol, ports
_OLD = struct.Struct("<HHIIxBBx4xHH4x").unpack_from  # of nfdump 1.5, from byte 8: as _FIXED, interfaces between, systems behind
_OLD_HEAD = 36  # bytes before the addresses
_GENERIC = struct.Struct("<QQ8xQQHHBB").unpack_from
# Bytes of the extensions of layout 1 that may stand before the counters of the way back (14 to 17).
_SIZES = {4: 4, 5: 8, 6: 4, 7: 8, 8: 4, 9: 4, 10: 16, 11: 4, 12: 16, 13: 4, 14: 4, 15: 8, 16: 4, 17: 8, 18: 4, 19: 8, 20: 16, 21: 16}
_PACKETS_BACK, _BYTES_BACK = (14, 15), (16, 17)
_IPV6, _WIDE_PACKETS, _WIDE_BYTES = 1, 2, 4
_FLOW, _IP4, _IP6, _BACK = 1, 2, 3, 5  # elements of layout 2
_LEAST = {_FLOW: 52, _IP4: 12, _IP6: 36, _BACK: 28}  # their bytes


def reader(layout: int) -> Callable[[bytes], Iterator[Found]]:
    """What reads the blocks of one file: of layout 1 it remembers the maps."""
    if layout == 2:
        return lambda block: _walk(block, {_V3: _elements})
    maps: dict[int, tuple[int, ...]] = {}

    def learn(block: bytes, at: int, end: int) -> None:
        numbers = struct.unpack_from(f"<{(end - at - 4) // 2}H", block, at + 4)
        if numbers:
            maps[numbers[0]] = numbers[2:]

    def common(block: bytes, at: int, end: int) -> Found:
        return _common(block, at, end, maps)

    return lambda block: _walk(block, {_V0: common, _COMMON: common, _MAP: learn})


def oldest(block: bytes) -> Iterator[Found]:
    """The records of a block as nfdump 1.5 wrote it: flags before the size, no types, no extensions."""
    at, size = 0, len(block)
    while at + 6 <= size:
        length = struct.unpack_from("<H", block, at + 4)[0]
        if length < _OLD_HEAD or at + length > size:
            yield RecordError("corrupt-record", f"a record of {length} bytes with {size - at} left in its block")
            return
        try:
            yield _oldest(block[at : at + length])
        except struct.error:
            yield RecordError("corrupt-record", f"a record of nfdump 1.5 in {length} bytes")
        at += length


def _oldest(record: bytes) -> Found:
    first_ms, last_ms, first, last, tcp, proto, source, target = _OLD(record, 8)
    ends, counts = _ends_and_counts(record, _OLD_HEAD, record[0])[:2]
    return _row((first * 1_000 + first_ms, last * 1_000 + last_ms), proto, tcp, ends, (source, target), counts, (0, 0))


def _walk(block: bytes, readers: dict[int, Callable[[bytes, int, int], Found | None]]) -> Iterator[Found]:
    """The records of a block. Of types that tell of exporters and samplers nothing comes."""
    at, size = 0, len(block)
    while at + 4 <= size:
        kind, length = _RECORD(block, at)
        if length < 4 or at + length > size:
            yield RecordError("corrupt-record", f"a record of {length} bytes with {size - at} left in its block")
            return
        read = readers.get(kind)
        if read is not None:
            try:
                found = read(block, at, at + length)
            except struct.error:
                found = RecordError("corrupt-record", f"a record of type {kind} in {length} bytes")
            if found is not None:
                yield found
        at += length


def _common(block: bytes, at: int, end: int, maps: dict[int, tuple[int, ...]]) -> Found:
    block, kind = block[at:end], block[at]
    first_ms, last_ms, first, last, _, tcp, proto, source, target = _FIXED(block, 8)  # and so there are flags before them
    flags = block[4] if kind == _V0 else block[4] | block[5] << 8
    at = 28 if kind == _V0 else 32
    ends, counts, at = _ends_and_counts(block, at, flags)
    back = _counted_back(block, at, maps.get(struct.unpack_from("<H", block, 6)[0], ()))
    times = (first * 1_000 + first_ms, last * 1_000 + last_ms)
    return _row(times, proto, tcp, ends, (source, target), counts, back)


def _ends_and_counts(block: bytes, at: int, flags: int) -> tuple[bytes, tuple[int, int], int]:
    """Both addresses, packets and bytes, as wide as the flags say, and where they end."""
    width = 32 if flags & _IPV6 else 8
    ends = block[at : at + width]
    at += width
    counts = []
    for wide in (flags & _WIDE_PACKETS, flags & _WIDE_BYTES):
        counts.append(struct.unpack_from("<Q" if wide else "<I", block, at)[0])
        at += 8 if wide else 4
    return ends, (counts[0], counts[1]), at


def _counted_back(block: bytes, at: int, extensions: tuple[int, ...]) -> tuple[int, int]:
    packets = octets = 0
    for number in extensions:
        size = _SIZES.get(number)
        if size is None:
            break
        if number in _PACKETS_BACK:
            packets = int.from_bytes(block[at : at + size], "little")
        elif number in _BYTES_BACK:
            octets = int.from_bytes(block[at : at + size], "little")
        at += size
    return packets, octets


def _elements(block: bytes, at: int, end: int) -> Found | None:
    found: dict[int, int] = {}
    at += 12
    while at + 4 <= end:
        kind, length = _RECORD(block, at)
        if length < _LEAST.get(kind, 4) or at + length > end:
            return RecordError("corrupt-record", f"an element of {length} bytes with {end - at} left in its record")
        found[kind] = at + 4
        at += length
    if _FLOW not in found:
        return RecordError("no-flow", "a record without times and counts")
    start, last, packets, octets, source, target, proto, tcp = _GENERIC(block, found[_FLOW])
    here = found.get(_IP6, found.get(_IP4, end))
    ends = block[here : here + 32] if _IP6 in found else block[here : here + 8] if _IP4 in found else b""
    back = struct.unpack_from("<QQ", block, found[_BACK] + 8) if _BACK in found else (0, 0)
    return _row((start, last), proto, tcp, ends, (source, target), (packets, octets), (back[0], back[1]))


def _row(
    times: tuple[int, int], proto: int, tcp: int, ends: bytes, ports: tuple[int, int], sent: tuple[int, int], back: tuple[int, int]
) -> Found:
    """`sent` and `back` are packets and bytes; a way back of zeros was not counted."""
    start, last = times
    if not 0 <= start < _END:
        return RecordError("bad-time", f"{start} ms since 1970")
    half = len(ends) // 2
    source, target = (_address(ends[:half]), _address(ends[half:])) if len(ends) in (8, 32) else (None, None)
    if source is None:
        return RecordError("bad-address", "a record without addresses")
    packets, octets = (_count(value) for value in sent)
    returned = (_count(back[1]), _count(back[0])) if any(back) else (None, None)
    took = (last - start) * 1_000 if start <= last < _END else None
    return start * 1_000, took, str(proto), str(tcp), source, ports[0], target, ports[1], octets, packets, *returned


def _count(value: int) -> int | None:
    return value if value < 1 << 63 else None


@lru_cache(maxsize=16_384)
def _address(packed: bytes) -> str:
    """IPv4 is stored as a little-endian number, IPv6 as two of them, the upper first."""
    if len(packed) == 4:
        return socket.inet_ntop(socket.AF_INET, packed[::-1])
    return socket.inet_ntop(socket.AF_INET6, packed[7::-1] + packed[:7:-1])
