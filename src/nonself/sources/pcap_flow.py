"""A flow in the making: two sides, what each sent, and how it ended, told in Zeek's words (`conn_state`)."""

from __future__ import annotations

import hashlib
import socket
from typing import Any, NamedTuple

from nonself.sources.pcap_decode import ICMP, ICMP6, SCTP, TCP, UDP

FIN, SYN, RST, ACK = 1, 2, 4, 16
OPENING, CLOSING = SYN | ACK, FIN | RST
_NAMES = {
    ICMP: "icmp", 2: "igmp", TCP: "tcp", UDP: "udp", 41: "ipv6", 47: "gre", 50: "esp", 51: "ah", ICMP6: "icmp", 89: "ospf", SCTP: "sctp",
}  # fmt: skip
_PORTED = frozenset((TCP, UDP, SCTP))
# How long a flow may be silent before it is over, us: TCP, TCP that was closed, all else.
IDLE_TCP, IDLE_CLOSED, IDLE = 300_000_000, 5_000_000, 60_000_000

_HEAD = ("session", "src_ip", "src_port", "dst_ip", "dst_port", "proto")
_OUTCOME = ("time", "activity_id", "status_id", "status_code", *_HEAD, "duration_us")


class Kind(NamedTuple):
    """One kind of event: the columns of its rows, and what is the same in all of them."""

    columns: tuple[str, ...]
    same: dict[str, Any]


KINDS: tuple[Kind, ...] = (
    Kind((*_OUTCOME, "app_proto", "bytes_out", "bytes_in", "pkts_out", "pkts_in"), {"class_uid": 4001, "op": "flow"}),
    Kind((*_OUTCOME, "query", "qtype", "rcode", "answers"), {"class_uid": 4003, "op": "dns", "app_proto": "dns"}),
    Kind(
        (*_OUTCOME, "op", "http_method", "url_host", "url_path", "user_agent", "http_status"),
        {"class_uid": 4002, "app_proto": "http"},
    ),
    Kind(("time", *_HEAD, "sni", "ja3", "ja4"), {"class_uid": 4001, "op": "tls", "app_proto": "ssl", "activity_id": 6}),
    Kind(("time", *_HEAD, "user_agent", "hassh"), {"class_uid": 4007, "op": "ssh", "app_proto": "ssh", "activity_id": 6}),
    Kind(("time", *_HEAD, "sni", "ja3", "ja4"), {"class_uid": 4001, "op": "quic", "app_proto": "quic", "activity_id": 6}),
)
FLOW, DNS, HTTP, TLS, SSH, QUIC = range(len(KINDS))
Row = tuple[Any, ...]
"""An event: its kind, then a value for each of the kind's columns."""
ACTIVITIES = {
    "SF": 2, "S1": 2, "S2": 2, "S3": 2, "RSTO": 3, "RSTR": 3, "RSTOS0": 3, "RSTRH": 3, "S0": 4, "SH": 4, "SHR": 4, "REJ": 5, "OTH": 6,
}  # fmt: skip
_FAILED = frozenset(("S0", "REJ", "RSTOS0", "RSTRH", "SH", "SHR"))


class Side:
    """One direction of a flow. `app` is what reads its payload, None once nothing more is wanted."""

    __slots__ = ("app", "bytes", "flags", "flow", "head", "late", "next", "packets", "peer")
    peer: Side

    def __init__(self, flow: Flow, app: Any) -> None:
        self.flow, self.app = flow, app
        self.packets = self.bytes = self.flags = 0
        self.next = -1  # sequence number of the next byte wanted
        self.head = b""
        self.late: dict[int, bytes] | None = None  # segments that came too early


class Flow:
    """Both directions; `orig` is the side that began it."""

    __slots__ = ("closed", "head", "key", "last", "orig", "patience", "pending", "proto", "reset", "resp", "service", "start")

    def __init__(self, key: bytes, proto: int, start: int, app: Any) -> None:
        self.key, self.proto, self.start, self.last = key, proto, start, start
        self.patience = IDLE_TCP if proto == TCP else IDLE
        self.closed = False
        self.reset: Side | None = None
        self.service: str | None = None
        self.pending: dict[Any, Any] | None = None  # what was asked and not answered yet
        self.head: tuple[Any, ...] | None = None
        self.orig, self.resp = Side(self, app), Side(self, app)
        self.orig.peer, self.resp.peer = self.resp, self.orig

    def swap(self) -> None:
        """The other side began it."""
        self.orig, self.resp, self.key = self.resp, self.orig, turned(self.key)

    def shared(self) -> tuple[Any, ...]:
        """What all rows of the flow say: session to proto."""
        if self.head is None:
            key = self.key
            half = (len(key) - 5) // 2
            ported = self.proto in _PORTED and key[-5:-1] != b"\0\0\0\0"
            self.head = (
                hashlib.blake2b(key + self.start.to_bytes(8, "big"), digest_size=9).hexdigest(),
                address(key[:half]),
                key[-5] << 8 | key[-4] if ported else None,
                address(key[half : 2 * half]),
                key[-3] << 8 | key[-2] if ported else None,
                _NAMES.get(self.proto) or str(self.proto),
            )
        return self.head

    def row(self) -> Row:
        """The flow as an event."""
        orig, resp = self.orig, self.resp
        state = _state(self) if self.proto == TCP else None
        status = None if state is None or state == "OTH" else 2 if state in _FAILED else 1
        return (
            FLOW, self.start, ACTIVITIES[state] if state else 6, status, state, *self.shared(), max(self.last - self.start, 0),
            self.service, orig.bytes, resp.bytes, orig.packets, resp.packets,
        )  # fmt: skip


def turned(key: bytes) -> bytes:
    """The key of the other direction."""
    half = (len(key) - 5) // 2
    return key[half : 2 * half] + key[:half] + key[-3:-1] + key[-5:-3] + key[-1:]


def address(packed: bytes) -> str:
    """An address as text."""
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def _state(flow: Flow) -> str:
    orig, resp = flow.orig.flags, flow.resp.flags
    if not orig & SYN:
        if resp & SYN:
            return "SHR" if resp & FIN else "RSTRH" if resp & RST else "OTH"
        return "OTH"
    if not resp & SYN:
        if resp & RST:
            return "REJ"
        if flow.resp.packets:
            return "OTH"
        return "RSTOS0" if orig & RST else "SH" if orig & FIN else "S0"
    if orig & FIN and resp & FIN:
        return "SF"
    if flow.reset is not None:
        return "RSTO" if flow.reset is flow.orig else "RSTR"
    return "S2" if orig & FIN else "S3" if resp & FIN else "S1"
