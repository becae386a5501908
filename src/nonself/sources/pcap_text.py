"""Heads of text protocols at the start of TCP streams: HTTP/1 requests and responses, SSH banners and key exchanges."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from nonself.sources.records import decode

METHODS = (
    b"GET ", b"POST ", b"HEAD ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ", b"TRACE ", b"PROPFIND ", b"PROPPATCH ",
    b"MKCOL ", b"COPY ", b"MOVE ", b"LOCK ", b"UNLOCK ", b"SEARCH ", b"REPORT ", b"NOTIFY ", b"SUBSCRIBE ", b"M-SEARCH ",
    b"RPC_IN_DATA ", b"RPC_OUT_DATA ", b"CCM_POST ", b"SSTP_DUPLEX_POST ",
)  # fmt: skip
LARGEST = 16_384
"""Bytes of a head that are read."""
_BANNER = 255
_KEXINIT = 20
_PACKET = 35_000


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request's head; `size` is how many bytes of the stream it took."""

    method: str
    path: str
    host: str | None
    user_agent: str | None
    size: int


def request(head: bytes, *, whole: bool = False) -> Request | None:
    """The request at the start of `head`; None until its head is complete, unless `whole` says that nothing follows."""
    end = head.find(b"\r\n\r\n")
    if end < 0 and not whole:
        return None
    lines = (head if end < 0 else head[:end]).split(b"\r\n")
    method, _, rest = lines[0].partition(b" ")
    path, _, version = rest.rpartition(b" ")
    if not version.startswith(b"HTTP/"):
        path = rest
    fields: dict[bytes, bytes] = {}
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        fields.setdefault(name.strip().lower(), value.strip())
    host, agent = (fields.get(name) for name in (b"host", b"user-agent"))
    size = len(head) if end < 0 else end + 4
    return Request(decode(method), decode(path), decode(host) if host else None, decode(agent) if agent else None, size)


def status(head: bytes) -> int | None:
    """The status of the response at the start of `head`."""
    digits = head[9:12]
    return int(digits) if head.startswith(b"HTTP/1.") and digits.isdigit() and len(digits) == 3 else None


def banner(stream: bytes) -> bytes | None:
    """An SSH banner's line without its end; b"" while it isn't complete, None where there is none."""
    end = stream.find(b"\n", 0, _BANNER + 1)
    if end < 0:
        return b"" if len(stream) <= _BANNER else None
    return stream[:end].rstrip(b"\r")


def hassh(stream: bytes) -> str | None:
    """HASSH of the key exchange behind a client's banner (Salesforce 2018: md5 of kex;encryption;mac;compression, client to server).

    None where it isn't complete or not one; "" where it never will be.
    """
    at = stream.find(b"\n") + 1
    size = int.from_bytes(stream[at : at + 4], "big")
    if len(stream) - at >= 6 and (not 24 <= size <= _PACKET or stream[at + 5] != _KEXINIT):
        return ""
    if len(stream) - at < 4 + size or len(stream) - at < 6:
        return None
    lists, at, end = [], at + 22, at + 4 + size
    for _ in range(8):
        length = int.from_bytes(stream[at : at + 4], "big")
        if at + 4 + length > end:
            return ""
        lists.append(stream[at + 4 : at + 4 + length])
        at += 4 + length
    return hashlib.md5(b";".join((lists[0], lists[2], lists[4], lists[6])), usedforsecurity=False).hexdigest()
