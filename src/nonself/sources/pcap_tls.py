"""The TLS client hello: server name and the fingerprints JA3 and JA4.

JA3 (Althouse, Atkinson, Atkins 2017): md5 of `version,ciphers,extensions,groups,point formats` in decimal. JA4 (FoxIO, BSD-3):
`technical_details/JA4.md` of FoxIO-LLC/ja4. Both ignore the values that RFC 8701 reserves for GREASE.
"""

from __future__ import annotations

import hashlib
import struct
from functools import lru_cache
from typing import NamedTuple

from nonself.sources.records import decode

LARGEST = 16_384
"""Bytes of a client hello that are read."""
_SNI, _GROUPS, _POINTS, _SIGNATURES, _ALPN, _VERSIONS = 0, 10, 11, 13, 16, 43
_GREASE = frozenset(0x1010 * step + 0x0A0A for step in range(16))
_VERSION = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2"}
_EMPTY = "000000000000"


class Hello(NamedTuple):
    """A client hello, as it came: lists of 16-bit numbers (of `points`: of bytes) still packed."""

    version: int
    ciphers: bytes
    extensions: tuple[int, ...] = ()
    groups: bytes = b""
    points: bytes = b""
    signatures: bytes = b""
    versions: bytes = b""
    alpn: bytes = b""
    sni: str | None = None


class CutError(ValueError):
    """The bytes end before the hello does."""


def read(stream: bytes) -> Hello | None:
    """The client hello at the beginning of a TCP stream. None where something else is there; CutError where more bytes are needed."""
    body, at = b"", 0
    while not _complete(body):
        header = stream[at : at + 5]
        if header[:1] not in (b"", b"\x16") or header[1:2] not in (b"", b"\x03") or body[:1] not in (b"", b"\x01"):
            return None
        if len(header) < 5:
            raise CutError
        size = int.from_bytes(header[3:], "big")
        if not 0 < size <= LARGEST + 256:
            return None
        body += stream[at + 5 : at + 5 + size]
        at += 5 + size
        if at > len(stream) and not _complete(body):
            raise CutError
    return parse(body[4 : 4 + int.from_bytes(body[1:4], "big")]) if body[:1] == b"\x01" else None


def _complete(body: bytes) -> bool:
    return len(body) >= 4 and len(body) >= 4 + int.from_bytes(body[1:4], "big")


def parse(body: bytes) -> Hello | None:
    """A client hello without its handshake header. None where its lengths contradict each other."""
    try:
        version = struct.unpack_from("!H", body)[0]
        _, at = _vector(body, 34, 1)
        suites, at = _vector(body, at, 2)
        _, at = _vector(body, at, 1)
        found: dict[int, bytes] = {}
        order: list[int] = []
        if at < len(body):
            block, _ = _vector(body, at, 2)
            at = 0
            while at < len(block):
                kind = struct.unpack_from("!H", block, at)[0]
                value, at = _vector(block, at + 2, 2)
                order.append(kind)
                found.setdefault(kind, value)
        return _hello(version, suites, tuple(order), found)
    except (ValueError, struct.error):
        return None


def _hello(version: int, ciphers: bytes, order: tuple[int, ...], found: dict[int, bytes]) -> Hello | None:
    def listed(kind: int, width: int = 2) -> bytes:
        return _vector(found[kind], 0, width)[0] if found.get(kind) else b""

    names, protocols = listed(_SNI), listed(_ALPN)
    alpn = _vector(protocols, 0, 1)[0] if protocols else b""
    sni = decode(_vector(names, 1, 2)[0]) if names[:1] == b"\0" else None
    lists = (listed(_GROUPS), listed(_SIGNATURES), listed(_VERSIONS, 1))
    if any(len(each) % 2 for each in (ciphers, *lists)):
        return None
    return Hello(version, ciphers, order, lists[0], listed(_POINTS, 1), lists[1], lists[2], alpn, sni)


def _vector(data: bytes, at: int, width: int) -> tuple[bytes, int]:
    """The bytes behind a length of `width` bytes, and where they end. ValueError where they are cut."""
    start = at + width
    end = start + int.from_bytes(data[at:start], "big")
    if start > len(data) or end > len(data):
        raise ValueError("a length beyond the end")
    return data[start:end], end


def _numbers(data: bytes) -> list[int]:
    """16-bit numbers without GREASE."""
    return [number for number in struct.unpack(f"!{len(data) // 2}H", data) if number not in _GREASE]


def fingerprints(hello: Hello, carrier: str = "t") -> tuple[str, str]:
    """JA3 and JA4."""
    return _fingerprints(hello._replace(sni=None), carrier)


@lru_cache(maxsize=1_024)
def _fingerprints(hello: Hello, carrier: str) -> tuple[str, str]:
    # The same client says the same again and again.
    return ja3(hello), ja4(hello, carrier)


def ja3(hello: Hello) -> str:
    """The JA3 of a client hello, as md5 in hex."""
    extensions = [kind for kind in hello.extensions if kind not in _GREASE]
    lists = (_numbers(hello.ciphers), extensions, _numbers(hello.groups), hello.points)
    text = ",".join([str(hello.version), *("-".join(map(str, numbers)) for numbers in lists)])
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def ja4(hello: Hello, carrier: str = "t") -> str:
    """The JA4 of a client hello over TCP ("t") or QUIC ("q"): `t13d1516h2_8daaf6152771_e5627efa2ab1`."""
    ciphers, signatures = _numbers(hello.ciphers), _numbers(hello.signatures)
    extensions = [kind for kind in hello.extensions if kind not in _GREASE]
    version = _VERSION.get(max(_numbers(hello.versions), default=hello.version), "00")
    target = "d" if _SNI in extensions else "i"
    counts = f"{min(len(ciphers), 99):02}{min(len(extensions), 99):02}"
    kept = sorted(_hex(kind) for kind in extensions if kind not in (_SNI, _ALPN))
    tail = "_" + ",".join(map(_hex, signatures)) if signatures else ""
    first = _short(",".join(sorted(map(_hex, ciphers)))) if ciphers else _EMPTY
    second = _short(",".join(kept) + tail) if kept else _EMPTY
    return f"{carrier}{version}{target}{counts}{_ends(hello.alpn)}_{first}_{second}"


def _ends(alpn: bytes) -> str:
    """First and last character of a protocol's name; of its hex form where they aren't ASCII letters or digits."""
    if not alpn:
        return "00"
    first, last = chr(alpn[0]), chr(alpn[-1])
    if first.isascii() and first.isalnum() and last.isascii() and last.isalnum():
        return first + last
    return alpn.hex()[0] + alpn.hex()[-1]


def _hex(number: int) -> str:
    return f"{number:04x}"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
