"""LZ4 blocks and LZO1X, as nfdump compresses with them. Not in the standard library, and short.

Formats: `lz4_Block_format.md` of lz4/lz4; `Documentation/staging/lzo.rst` of the Linux kernel. Output is bounded; ValueError for damage.
"""

from __future__ import annotations


def lz4(data: bytes, most: int) -> bytes:
    """One LZ4 block."""
    out, at, size = bytearray(), 0, len(data)
    try:
        while at < size:
            token = data[at]
            at += 1
            length = token >> 4
            if length == 15:
                length, at = _run(data, at, 15)
            if at + length > size:
                raise ValueError("literals beyond the end")
            out += data[at : at + length]
            at += length
            if at == size:
                break
            distance = data[at] | data[at + 1] << 8
            at += 2
            length = token & 15
            if length == 15:
                length, at = _run(data, at, 15)
            _copy(out, distance, length + 4, most)
    except IndexError:
        raise ValueError("the block is cut") from None
    return bytes(out)


def _run(data: bytes, at: int, length: int) -> tuple[int, int]:
    """A length that goes on in bytes of 255."""
    while data[at] == 255:
        length, at = length + 255, at + 1
    return length + data[at], at + 1


def _zeros(data: bytes, at: int, base: int) -> tuple[int, int]:
    """LZO's length that goes on in bytes of 0."""
    length = base
    while data[at] == 0:
        length, at = length + 255, at + 1
    return length + data[at], at + 1


def _copy(out: bytearray, distance: int, length: int, most: int) -> None:
    """Repeat what stands `distance` bytes back; it may overlap itself."""
    start = len(out) - distance
    if not 0 < distance <= len(out) or len(out) + length > most:
        raise ValueError("a copy from before the beginning, or beyond the limit")
    if distance >= length:
        out += out[start : start + length]
    else:
        piece = bytes(out[start:])
        out += (piece * (length // distance + 1))[:length]


def lzo(data: bytes, most: int) -> bytes:
    """One LZO1X stream, up to its end mark."""
    out = bytearray()
    try:
        at, state = 0, 0
        if data[0] > 17:
            length = data[0] - 17
            at, state = _literals(data, 1, length, out), min(length, 4)
        while True:
            code = data[at]
            at += 1
            if code < 16 and not state:
                length, at = _zeros(data, at, 18) if not code else (code + 3, at)
                at, state = _literals(data, at, length, out), 4
                continue
            distance, length, tail, at = _match(data, at, code, state)
            if not distance:
                return bytes(out)
            _copy(out, distance, length, most)
            state = tail & 3
            at = _literals(data, at, state, out)
    except IndexError:
        raise ValueError("the block is cut") from None


def _literals(data: bytes, at: int, length: int, out: bytearray) -> int:
    if at + length > len(data):
        raise ValueError("literals beyond the end")
    out += data[at : at + length]
    return at + length


def _match(data: bytes, at: int, code: int, state: int) -> tuple[int, int, int, int]:
    """Distance (0 at the end mark), length, the byte whose lowest bits count the literals that follow, and where they are."""
    if code >= 64:
        return (data[at] << 3) + (code >> 2 & 7) + 1, (code >> 5) + 1, code, at + 1
    if code >= 32:
        length, at = (code & 31, at) if code & 31 else _zeros(data, at, 31)
        low = data[at] | data[at + 1] << 8
        return (low >> 2) + 1, length + 2, low, at + 2
    if code >= 16:
        length, at = (code & 7, at) if code & 7 else _zeros(data, at, 7)
        low = data[at] | data[at + 1] << 8
        distance = ((code & 8) << 11) + (low >> 2)
        return (distance + 16_384 if distance else 0), length + 2, low, at + 2
    if state == 4:
        return (data[at] << 2) + (code >> 2) + 2_049, 3, code, at + 1
    return (data[at] << 2) + (code >> 2) + 1, 2, code, at + 1
