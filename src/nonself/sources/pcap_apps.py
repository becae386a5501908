"""What flows carried: DNS, HTTP, TLS client hellos, SSH, read from the first bytes of streams and from datagrams.

A reader is a function of a side, the bytes that stand ready (those held and the new ones, in order), their time, and whether nothing
more will come. It says whether it knew them, and may put another reader in its place (`side.app`), or None: seen enough.
All that is held for later (half heads, questions without an answer) is on one account of bytes; when that is used up, heads are let go
and questions are told without waiting for their answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from nonself.sources import pcap_dns, pcap_quic, pcap_text, pcap_tls
from nonself.sources.pcap_flow import DNS, HTTP, QUIC, SSH, TLS, Flow, Row, Side
from nonself.sources.records import decode

HELD = 64 << 20
"""Bytes held for all flows together."""
_PENDING = 64  # questions of one flow without an answer
_COST = 600  # bytes of memory that one of them takes, besides its text
_MESSAGE = 1 << 16
_DATAGRAMS = 6  # that a hello may be spread over; with keys for times after quantum computers it takes two
_DHCP = b"\x63\x82\x53\x63"
_HTTP_ACTIVITIES = {"CONNECT": 1, "DELETE": 2, "GET": 3, "HEAD": 4, "OPTIONS": 5, "POST": 6, "PUT": 7, "TRACE": 8}
_DNS = frozenset(port.to_bytes(2, "big") for port in pcap_dns.PORTS)


@dataclass(slots=True)
class Asked:
    """A question on its way: a DNS query or an HTTP request."""

    time: int
    what: Any  # pcap_dns.Message | pcap_text.Request
    size: int  # bytes on the account


class Apps:
    """Reads payloads and gives rows to `emit`."""

    def __init__(self, emit: Callable[[Row], None]) -> None:
        self.emit = emit
        self.held = 0
        self.requests = 0

    def stream(self, side: Side, start: bytes, time: int, whole: bool) -> bool:
        """The first bytes of a side of a TCP stream: find out what it is."""
        for reader in (self._tls, self._request, self._response, self._ssh, self._dns_stream):
            if reader(side, start, time, whole):
                return True
        # None of these, unless it is too short to tell.
        self.keep(side, start if len(start) < 8 and not whole else None)
        return False

    def keep(self, side: Side, head: bytes | None) -> None:
        """Hold these bytes until more come; None: nothing more is wanted of this side."""
        self.held -= len(side.head)
        if head is None or self.held + len(head) > HELD:
            side.head, side.app = b"", None
            if side.late:
                self.held -= sum(map(len, side.late.values()))
            side.late = None
        else:
            side.head = head
            self.held += len(head)

    def close(self, flow: Flow) -> None:
        """Tell what was never finished or answered, let go what is held."""
        for side in (flow.orig, flow.resp):
            if side.head and side.app is not None:
                side.app(side, side.head, flow.last, True)
            self.keep(side, None)
        for asked in list((flow.pending or {}).values()):
            self._tell(flow, asked, None)
        flow.pending = None

    # TLS

    def _tls(self, side: Side, start: bytes, time: int, whole: bool) -> bool:
        if start[:2] != b"\x16\x03"[: len(start)]:
            return False
        side.flow.service = "ssl"
        try:
            hello = pcap_tls.read(start)
        except pcap_tls.CutError:
            self.keep(side, None if whole or len(start) > pcap_tls.LARGEST else start)
            return True
        self.keep(side, None)
        if hello is not None:
            self.emit((TLS, time, *side.flow.shared(), hello.sni, *pcap_tls.fingerprints(hello)))
        return True

    # HTTP

    def _request(self, side: Side, start: bytes, time: int, whole: bool) -> bool:
        if not start.startswith(pcap_text.METHODS):
            return False
        side.flow.service = "http"
        side.app = self._request
        while start.startswith(pcap_text.METHODS):
            found = pcap_text.request(start, whole=whole or len(start) > pcap_text.LARGEST)
            if found is None:
                self.keep(side, start)
                return True
            self.requests += 1
            self._ask(side.flow, ("http", self.requests), Asked(time, found, _COST + found.size))
            start = start[found.size :]
        self.keep(side, b"")
        return True

    def _response(self, side: Side, start: bytes, time: int, whole: bool) -> bool:
        code = pcap_text.status(start)
        if code is None:
            if len(start) < 12 and b"HTTP/1."[: len(start)] == start[:7] and not whole:
                self.keep(side, start)
                return True
            return False
        side.flow.service = "http"
        side.app = self._response
        self.keep(side, b"")
        pending = side.flow.pending
        first = next(iter(pending), None) if pending and code >= 200 else None
        if pending and first is not None:
            self._tell(side.flow, pending.pop(first), (time, code))
        return True

    # SSH

    def _ssh(self, side: Side, start: bytes, time: int, whole: bool) -> bool:
        line = pcap_text.banner(start) if start.startswith(b"SSH-") else None
        if line is None:
            return False
        side.flow.service = "ssh"
        if side is side.flow.resp:  # says nothing of the client
            self.keep(side, None)
            return True
        found = pcap_text.hassh(start) if line else None
        if found is None and not whole and len(start) <= pcap_text.LARGEST:
            self.keep(side, start)
            return True
        self.keep(side, None)
        if line:
            self.emit((SSH, time, *side.flow.shared(), decode(line), found or None))
        return True

    # DNS

    def _dns_stream(self, side: Side, start: bytes, time: int, whole: bool) -> bool:
        if side.flow.key[-5:-3] not in _DNS and side.flow.key[-3:-1] not in _DNS:
            return False
        while len(start) >= 2:
            end = 2 + int.from_bytes(start[:2], "big")
            if len(start) < end:
                break
            message = pcap_dns.parse(start[2:end])
            if message is None:
                return False
            self._dns(side.flow, message, time)
            start = start[end:]
        side.app = self._dns_app
        self.keep(side, None if whole or len(start) > _MESSAGE else start)
        return True

    def _dns_app(self, side: Side, start: bytes, time: int, whole: bool) -> bool:
        known = self._dns_stream(side, start, time, whole)
        if not known:
            self.keep(side, None)
        return known

    def datagram(self, side: Side, data: bytes, time: int) -> None:
        """The payload of a UDP packet, not empty."""
        flow = side.flow
        if flow.key[-5:-3] in _DNS or flow.key[-3:-1] in _DNS:
            message = pcap_dns.parse(data)
            if message is not None:
                if message.response and flow.service is None and flow.orig is side and flow.key[-5:-3] == b"\0\x35":
                    flow.swap()  # the question was not seen
                self._dns(flow, message, time)
        else:
            if pcap_quic.is_long(data):
                flow.service = "quic"
                if side is flow.orig:
                    self._quic(side, data, time)
                    return
            elif data[236:240] == _DHCP:
                flow.service = "dhcp"
            side.app = None

    def _quic(self, side: Side, data: bytes, time: int, over: bool = False) -> bool:
        """The first datagrams of a client, held with their lengths until its hello is whole."""
        if over or not pcap_quic.is_long(data):
            self.keep(side, None)
            return False
        held = side.head + len(data).to_bytes(2, "big") + data
        datagrams = list(_apart(held))
        try:
            hello = pcap_quic.hello(datagrams)
        except pcap_tls.CutError:
            side.app = self._quic
            self.keep(side, held if len(datagrams) < _DATAGRAMS else None)
            return True
        self.keep(side, None)
        if hello is not None:
            self.emit((QUIC, time, *side.flow.shared(), hello.sni, *pcap_tls.fingerprints(hello, "q")))
        return True

    def _dns(self, flow: Flow, message: pcap_dns.Message, time: int) -> None:
        flow.service = "dns"
        asked = flow.pending.pop(message.number, None) if flow.pending else None
        if not message.response:
            if asked is not None:
                self._tell(flow, asked, None)
            if message.query is not None:
                self._ask(flow, message.number, Asked(time, message, _COST + 2 * len(message.query)))
        elif asked is not None and asked.what.query == message.query:
            self._tell(flow, asked, (time, message))
        else:
            if asked is not None:
                self._tell(flow, asked, None)
            self._answer(flow, message, 2, time, None)

    # questions and answers

    def _ask(self, flow: Flow, number: object, asked: Asked) -> None:
        if flow.pending is None:
            flow.pending = {}
        self.held += asked.size
        flow.pending[number] = asked
        if len(flow.pending) > _PENDING or self.held > HELD:
            self._tell(flow, flow.pending.pop(next(iter(flow.pending))), None)

    def _tell(self, flow: Flow, asked: Asked, answer: tuple[int, Any] | None) -> None:
        """Tell a question with its answer (its time; a DNS message or HTTP status), or without."""
        self.held -= asked.size
        what, took = asked.what, max(answer[0] - asked.time, 0) if answer else None
        if isinstance(what, pcap_text.Request):
            code = answer[1] if answer else None
            outcome = None if code is None else 1 if code < 400 else 2
            activity = _HTTP_ACTIVITIES.get(what.method, 99)
            self.emit(
                (HTTP, asked.time, activity, outcome, None if code is None else str(code), *flow.shared(), took, what.method, what.method,
                 what.host, what.path, what.user_agent, code)
            )  # fmt: skip
        elif answer:
            self._answer(flow, answer[1], 6, asked.time, took)
        else:
            self.emit((DNS, asked.time, 1, None, None, *flow.shared(), None, what.query, what.qtype, None, None))

    def _answer(self, flow: Flow, message: pcap_dns.Message, activity: int, time: int, took: int | None) -> None:
        code = message.rcode
        answers = orjson.dumps(message.answers).decode() if message.answers else None
        outcome = 1 if code == "NOERROR" else 2
        self.emit((DNS, time, activity, outcome, code, *flow.shared(), took, message.query, message.qtype, code, answers))


def _apart(held: bytes) -> Iterator[bytes]:
    """Datagrams that were held with their lengths."""
    at = 0
    while at < len(held):
        end = at + 2 + int.from_bytes(held[at : at + 2], "big")
        yield held[at + 2 : end]
        at = end
