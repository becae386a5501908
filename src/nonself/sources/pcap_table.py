"""The table of open flows: every packet is counted to one, silent ones are closed, and none of it grows beyond its bounds."""

from __future__ import annotations

import struct
from collections import deque

from nonself.sources.pcap_apps import HELD, Apps
from nonself.sources.pcap_decode import TCP, TUNNELS, UDP, Found
from nonself.sources.pcap_flow import ACK, CLOSING, FIN, IDLE_CLOSED, OPENING, RST, SYN, Flow, Row, Side, turned

OPEN = 65_536
"""Flows that are open at once, at most; those silent longest are closed first."""
SWEEP = 16_384
"""Packets between two looks for silent flows."""
_EARLY = 16  # segments of one side held until the gap before them is filled
_PRIVILEGED = b"\x04\0"  # port 1024
_MODULO, _HALF = 0xFFFFFFFF, 0x80000000
_TCP = struct.Struct("!I4xBB").unpack_from


class Table:
    """Give it packets with `add`, take finished events from `rows`."""

    def __init__(self) -> None:
        self.rows: deque[Row] = deque()
        self.apps = Apps(self.rows.append)
        self._sides: dict[bytes, Side] = {}

    def add(self, data: bytes, time: int, found: Found) -> None:
        """Count one packet."""
        key, proto, at, stop, size = found
        if proto == TCP and stop - at >= 20 and at >= 0:
            self._tcp(data, time, found)
            return
        side = self._sides.get(key)
        if side is None or time - side.flow.last > side.flow.patience:
            side = self._open(key, proto, time, self.apps.datagram if proto == UDP else None)
        flow = side.flow
        if time > flow.last:
            flow.last = time
        side.packets += 1
        length = size if at < 0 or proto in TUNNELS else size - 8
        if length > 0:
            side.bytes += length
            if proto == UDP and at >= 0 and side.app is not None and stop - at > 8:
                side.app(side, data[at + 8 : stop], time)

    def _tcp(self, data: bytes, time: int, found: Found) -> None:
        key, _, at, stop, size = found
        sequence, offset, flags = _TCP(data, at + 4)
        side = self._sides.get(key)
        if side is None or time - side.flow.last > side.flow.patience or (flags & OPENING == SYN and side.flow.closed):
            side = self._open(key, TCP, time, self.apps.stream)
            if flags & OPENING == OPENING or (not flags & SYN and key[-5:-3] < _PRIVILEGED <= key[-3:-1]):
                side.flow.swap()  # its beginning was not seen
        flow = side.flow
        if time > flow.last:
            flow.last = time
        side.packets += 1
        if flags != ACK:
            side.flags |= flags
            if flags & SYN:
                side.next = (sequence + 1) & _MODULO
            if flags & CLOSING:
                self._closing(flow, side, flags)
        header = (offset >> 4) * 4
        length = size - header
        if length > 0:
            side.bytes += length
            if side.app is not None:
                self._feed(side, sequence, data[at + header : stop], length, time)

    def _closing(self, flow: Flow, side: Side, flags: int) -> None:
        if flags & RST and flow.reset is None:
            flow.reset = side
        if flow.reset is not None or flow.orig.flags & flow.resp.flags & FIN:
            flow.closed, flow.patience = True, IDLE_CLOSED

    def _feed(self, side: Side, sequence: int, data: bytes, length: int, time: int) -> None:
        """Put a segment in its place in the stream. `length` is longer than `data` where the capture cut it."""
        between = not side.head and side.app != self.apps.stream  # of messages: what is skipped needs no order
        ahead = 0 if side.next < 0 else (sequence - side.next) & _MODULO
        if ahead >= _HALF:
            behind = _MODULO + 1 - ahead
            if behind >= length:
                return
            data, length, sequence = data[behind:], length - behind, side.next
        elif ahead and not between:
            self._hold(side, sequence, data if len(data) == length else b"")
            return
        whole = len(data) < length
        side.next = (sequence + length) & _MODULO
        side.app(side, side.head + data, time, whole)
        if whole:
            self.apps.keep(side, None)
        while side.late and side.app is not None and (later := side.late.pop(side.next, None)) is not None:
            self.apps.held -= len(later)
            side.next = (side.next + len(later)) & _MODULO
            side.app(side, side.head + later, time, False)

    def _hold(self, side: Side, sequence: int, data: bytes) -> None:
        """Keep a segment that came too early; one that is cut, or one too many, ends the reading."""
        side.late = {} if side.late is None else side.late
        if not data or len(side.late) >= _EARLY or self.apps.held + len(data) > HELD:
            self.apps.keep(side, None)
        elif sequence not in side.late:
            side.late[sequence] = data
            self.apps.held += len(data)

    def _open(self, key: bytes, proto: int, time: int, app: object) -> Side:
        known = self._sides.get(key)
        if known is not None:
            self._close(known.flow)
        elif len(self._sides) >= 2 * OPEN:
            self._make_room()
        flow = Flow(key, proto, time, app)
        self._sides[key] = flow.orig
        self._sides.setdefault(turned(key), flow.resp)  # the same key where both ends are alike
        return flow.orig

    def _close(self, flow: Flow) -> None:
        self._sides.pop(flow.key, None)
        self._sides.pop(turned(flow.key), None)
        self.apps.close(flow)
        self.rows.append(flow.row())

    def sweep(self, time: int) -> None:
        """Close the flows that have been silent for too long at `time`."""
        for flow in [side.flow for side in self._sides.values() if side is side.flow.orig and time - side.flow.last > side.flow.patience]:
            self._close(flow)

    def _make_room(self) -> None:
        flows = [side.flow for side in self._sides.values() if side is side.flow.orig]
        flows.sort(key=lambda flow: flow.last)
        for flow in flows[: len(flows) // 4 + 1]:
            self._close(flow)

    def finish(self) -> None:
        """The capture is over: close all."""
        for flow in [side.flow for side in self._sides.values() if side is side.flow.orig]:
            self._close(flow)
