"""DNS messages (RFC 1035): the question and the answers, as text in the form of zone files."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from functools import lru_cache

PORTS = frozenset((53, 5353, 5355))
_ANSWERS = 64
_NAME = 255  # bytes of a name on the wire, at most
_SHOWN = 64  # bytes of unknown data that are shown
_HEAD = struct.Struct("!HHHHHH").unpack_from
_RECORD = struct.Struct("!HHIH").unpack_from
TYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 25: "KEY", 28: "AAAA", 33: "SRV",
    35: "NAPTR", 39: "DNAME", 43: "DS", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 52: "TLSA", 64: "SVCB", 65: "HTTPS", 99: "SPF",
    251: "IXFR", 252: "AXFR", 255: "ANY", 257: "CAA", 65399: "PRIVATE",
}  # fmt: skip
RCODES = {
    0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN", 7: "YXRRSET", 8: "NXRRSET",
    9: "NOTAUTH", 10: "NOTZONE",
}  # fmt: skip
_NAMES = frozenset((2, 5, 12, 39))


@dataclass(slots=True)
class Message:
    """One DNS message. `query` and `qtype` are of its first question."""

    number: int
    response: bool
    query: str | None
    qtype: str | None
    rcode: str
    answers: list[str]


def parse(data: bytes) -> Message | None:
    """The message, or None where these bytes are none. Answers that are cut off or damaged are left out."""
    if len(data) < 12:
        return None
    number, flags, questions, count, _, _ = _HEAD(data)
    if flags & 0x40 or (flags >> 11) & 15 > 6 or questions > 16:
        return None
    query = qtype = None
    at = 12
    if questions:
        at = data.find(0, 12) + 5
        query, qtype = _question(data[12:at])
        if query is None:
            at = 12
        try:
            for _ in range(questions - (query is not None)):
                name, at = _name(data, at)
                kind = struct.unpack_from("!HH", data, at)[0]
                at += 4
                if query is None:
                    query, qtype = name, TYPES.get(kind, f"TYPE{kind}")
        except (ValueError, struct.error):
            return None
    response = bool(flags & 0x8000)
    answers = _answers(data, at, min(count, _ANSWERS)) if response else []
    return Message(number, response, query, qtype, RCODES.get(flags & 15, f"RCODE{flags & 15}"), answers)


@lru_cache(maxsize=4_096)
def _question(data: bytes) -> tuple[str | None, str | None]:
    """A usual question, alone: its name holds no zero and no pointer. Asked and answered, it comes twice at least."""
    try:
        name, at = _name(data, 0)
    except ValueError:
        return None, None
    if at + 4 != len(data):
        return None, None
    kind = data[at] << 8 | data[at + 1]
    return name, TYPES.get(kind, f"TYPE{kind}")


def _answers(data: bytes, at: int, count: int) -> list[str]:
    found: list[str] = []
    try:
        for _ in range(count):
            at = at + 2 if data[at : at + 1] == b"\xc0" else _name(data, at)[1]  # whose it is nobody asks
            kind, _, _, size = _RECORD(data, at)
            at += 10
            if at + size > len(data):
                break
            found.append(_text(kind, data, at, size))
            at += size
    except (ValueError, struct.error):
        pass
    return found


def _text(kind: int, data: bytes, at: int, size: int) -> str:
    """Record data as zone files write it; what has no form of its own as RFC 3597's `\\# length hex`."""
    body = data[at : at + size]
    if kind == 1 and size == 4:
        return socket.inet_ntop(socket.AF_INET, body)
    if kind == 28 and size == 16:
        return socket.inet_ntop(socket.AF_INET6, body)
    if kind in _NAMES:
        return _name(data, at)[0]
    if kind == 15:
        return f"{int.from_bytes(body[:2], 'big')} {_name(data, at + 2)[0]}"
    if kind == 33:
        return f"{' '.join(map(str, struct.unpack_from('!HHH', body)))} {_name(data, at + 6)[0]}"
    if kind in (16, 99):
        return "".join(_strings(body))
    return f"\\# {size} {body[:_SHOWN].hex()}"


def _strings(body: bytes) -> list[str]:
    found, at = [], 0
    while at < len(body):
        end = at + 1 + body[at]
        found.append(body[at + 1 : end].decode("utf-8", "backslashreplace"))
        at = end
    return found


def _name(data: bytes, at: int) -> tuple[str, int]:
    """A name and where it ends. ValueError where it is cut, too long, or points forwards (so it can't go in circles)."""
    labels: list[bytes] = []
    end, size, edge = -1, 0, at
    while True:
        if at >= len(data):
            raise ValueError("a name that is cut")
        length = data[at]
        if length >= 192:
            if at + 1 >= len(data):
                raise ValueError("a name that is cut")
            target = (length & 63) << 8 | data[at + 1]
            if target >= edge:
                raise ValueError("a name that points forwards")
            end, at, edge = (at + 2 if end < 0 else end), target, target
            continue
        size += length + 1
        if length > 63 or size > _NAME or at + 1 + length > len(data):
            raise ValueError("a name that is too long")
        if not length:
            return _joined(labels), at + 1 if end < 0 else end
        labels.append(data[at + 1 : at + 1 + length])
        at += 1 + length


def _joined(labels: list[bytes]) -> str:
    name = b".".join(labels)
    if labels and name.count(b".") != len(labels) - 1:  # a dot within a label must not look like one between labels
        name = b".".join(label.replace(b".", b"\\.") for label in labels)
    return name.decode("utf-8", "backslashreplace")
