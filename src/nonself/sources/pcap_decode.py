"""From a frame to what its flow is counted by: link layers, IPv4 and IPv6 with fragments and extension headers, ports, tunnels.

Written with struct on offsets into the file's buffer: one object per layer and packet would cost several times as much.
"""

from __future__ import annotations

import struct

ICMP, TCP, UDP, ICMP6, SCTP = 1, 6, 17, 58, 132
TUNNELS = frozenset((4, 41, 47))
"""IP protocols that carry packets: IPv4, IPv6, GRE."""
NESTED = 4
"""Tunnels within tunnels that are looked into."""
_FRAGMENTS = 4_096  # fragmented packets remembered for their ports
_WITH_PORTS = frozenset((TCP, UDP, SCTP))
_BYTE = [bytes((value,)) for value in range(256)]
_NO_PORTS = b"\0\0\0\0"
_IP4 = struct.Struct("!BxHHHxB").unpack_from
_IP6 = struct.Struct("!IHB").unpack_from
_SHORT = struct.Struct("!H").unpack_from
_IPV4, _IPV6, _MPLS, _PPPOE = 0x0800, 0x86DD, (0x8847, 0x8848), 0x8864
_TAGS = frozenset((0x8100, 0x88A8, 0x9100))
_FAMILIES = {2: _IPV4, 10: _IPV6, 24: _IPV6, 28: _IPV6, 30: _IPV6}
_PPP = {0x0021: _IPV4, 0x0057: _IPV6}
_EXTENSIONS = frozenset((0, 43, 60, 135))  # hop-by-hop, routing, destination options, mobility
_FRAGMENT, _AUTH = 44, 51
_VXLAN, _GENEVE = frozenset((b"\x12\xb5", b"\x21\x18")), b"\x17\xc1"
"""UDP ports 4789 and (Linux before the standard) 8472, and 6081."""
_BRIDGED, _ERSPAN, _ERSPAN3 = 0x6558, 0x88BE, 0x22EB
_ECHO = {ICMP: (0, 8), ICMP6: (128, 129)}
ETHERNET, _RAW = 1, 101
LINKS = frozenset((0, ETHERNET, 12, 14, 101, 108, 113, 228, 229, 276))
"""Link types that are read: BSD loopback, Ethernet, raw IP, OpenBSD loopback, Linux cooked v1, IPv4, IPv6, Linux cooked v2."""


Found = tuple[bytes, int, int, int, int]
"""A packet of a flow, as a plain tuple, since there are millions:

key    source and destination address, two ports, protocol; of the other direction: both pairs exchanged
proto  IP protocol
at     where the transport header, or what a tunnel carries, begins in the buffer; -1 where there is none (a later fragment, or cut)
stop   end of the captured IP payload
size   bytes of IP payload on the wire
"""


class Decoder:
    """Remembers only the ports of recent first fragments, for the later ones."""

    def __init__(self) -> None:
        self._fragments: dict[bytes, bytes] = {}

    def decode(self, data: bytes, at: int, end: int, link: int) -> Found | str | None:
        """The packet in `data[at:end]`; None for what isn't IP; a text that says what is wrong with it."""
        if link == ETHERNET and data[at + 12 : at + 14] == b"\x08\x00" and end - at >= 34:
            return self._ip4(data, at + 14, end)
        kind, at = _network(data, at, end, link)
        if kind == _IPV4:
            return self._ip4(data, at, end) if end - at >= 20 else "an IPv4 header that is cut"
        if kind == _IPV6:
            return self._ip6(data, at, end) if end - at >= 40 else "an IPv6 header that is cut"
        return None

    def inside(self, data: bytes, found: Found) -> Found | None:
        """The packet that a packet carries: in GRE (and ERSPAN), VXLAN, Geneve, IPv4 or IPv6. None where it carries none that can be
        read: a port alone makes no tunnel."""
        key, proto, at, stop, _ = found
        if at < 0 or (proto == UDP and stop - at < 16):
            return None
        if proto == UDP and key[-3:-1] in _VXLAN:
            kind, at = (_BRIDGED if data[at + 8] & 8 else 0), at + 16
        elif proto == UDP and key[-3:-1] == _GENEVE:
            kind, at = _SHORT(data, at + 10)[0], at + 16 + (data[at + 8] & 63) * 4
        elif proto == 47:
            kind, at = _carried(data, at, stop)
        else:
            kind = {4: _IPV4, 41: _IPV6}.get(proto, 0)
        if at >= stop or kind not in (_BRIDGED, _IPV4, _IPV6):
            return None
        packet = self.decode(data, at, stop, ETHERNET if kind == _BRIDGED else _RAW)
        return None if isinstance(packet, str) else packet

    def _ip4(self, data: bytes, at: int, end: int) -> Found | str:
        first, total, ident, fragment, proto = _IP4(data, at)
        body = at + (first & 15) * 4
        size = total - body + at if total else end - body  # 0 where the network card was to cut it later
        if first >> 4 != 4 or body < at + 20 or body > end or size < 0:
            return "an IPv4 header that contradicts itself"
        stop = body + size if body + size < end else end
        pair = data[at + 12 : at + 20]
        if fragment & 0x3FFF:
            return self._fragment(data, pair, ident, fragment & 0x1FFF, (proto, body, stop, size))
        if proto in _WITH_PORTS and stop - body >= 4:
            return pair + data[body : body + 4] + _BYTE[proto], proto, body, stop, size
        return _found(data, pair, proto, body, stop, size)

    def _ip6(self, data: bytes, at: int, end: int) -> Found | str:
        first, size, proto = _IP6(data, at)
        if first >> 28 != 6:
            return "an IPv6 header that contradicts itself"
        pair, body = data[at + 8 : at + 40], at + 40
        stop = min(end, body + size) if size else end
        size = size or end - body
        for _ in range(8):
            if proto in _EXTENSIONS or proto == _AUTH:
                if stop - body < 8:
                    return pair + _NO_PORTS + _BYTE[proto], proto, -1, stop, size
                length = (data[body + 1] + 2) * 4 if proto == _AUTH else (data[body + 1] + 1) * 8
                proto, body, size = data[body], body + length, size - length
            elif proto == _FRAGMENT and stop - body >= 8:
                proto, _, offset, ident = struct.unpack_from("!BBHI", data, body)
                body, size = body + 8, size - 8
                if offset & 0xFFF9:
                    return self._fragment(data, pair, ident, offset >> 3, (proto, body, stop, size))
            else:
                break
            if size < 0:
                return "an IPv6 extension header longer than its packet"
        return _found(data, pair, proto, min(body, stop), stop, size)

    def _fragment(self, data: bytes, pair: bytes, ident: int, offset: int, found: tuple[int, int, int, int]) -> Found:
        """The first fragment has the ports; later ones are counted to its flow. They aren't put together."""
        proto, body, stop, size = found
        name = pair + ident.to_bytes(4, "big") + _BYTE[proto]
        if offset:
            return pair + self._fragments.get(name, _NO_PORTS) + _BYTE[proto], proto, -1, stop, size
        whole = _found(data, pair, proto, body, stop, size)
        if len(self._fragments) >= _FRAGMENTS:
            del self._fragments[next(iter(self._fragments))]
        self._fragments[name] = whole[0][len(pair) : -1]
        return whole


def _found(data: bytes, pair: bytes, proto: int, body: int, stop: int, size: int) -> Found:
    if stop - body >= 4:
        if proto in _WITH_PORTS:
            return pair + data[body : body + 4] + _BYTE[proto], proto, body, stop, size
        if proto in _ECHO:
            return pair + _icmp(data, body, stop, proto) + _BYTE[proto], proto, body, stop, size
        if proto in TUNNELS:
            return pair + _NO_PORTS + _BYTE[proto], proto, body, stop, size
    return pair + _NO_PORTS + _BYTE[proto], proto, -1, stop, size


def _carried(data: bytes, at: int, stop: int) -> tuple[int, int]:
    """What a GRE packet carries, as EtherType, and where it begins; 0 for what isn't read (PPTP's version 1 among it)."""
    flags, kind = _SHORT(data, at)[0], _SHORT(data, at + 2)[0]
    at += 4 + sum(4 for bit in (0x8000, 0x2000, 0x1000) if flags & bit)  # checksum, key, sequence number
    if flags & 7:
        return 0, at
    if kind == _ERSPAN:
        return _BRIDGED, at + (8 if flags & 0x1000 else 0)  # its first type has neither sequence numbers nor a header
    if kind == _ERSPAN3 and stop - at >= 12:
        return _BRIDGED, at + (20 if data[at + 11] & 1 else 12)
    return kind, at


def _icmp(data: bytes, body: int, stop: int, proto: int) -> bytes:
    """What stands for ports: of echo its identifier, so that answers join their requests; else type and code, one way."""
    if data[body] in _ECHO[proto] and stop - body >= 6:
        return data[body + 4 : body + 6] * 2
    return data[body : body + 2] + b"\xff\xff"


def _network(data: bytes, at: int, end: int, link: int) -> tuple[int, int]:
    """The network layer's EtherType and where it begins; 0 for none."""
    if link == ETHERNET:
        return _tagged(data, at + 12, end)
    if link == 113:
        return _tagged(data, at + 14, end)
    if link == 276:
        return (_SHORT(data, at)[0], at + 20) if end - at >= 20 else (0, at)
    if link in (0, 108):
        if end - at < 4:
            return 0, at
        family = data[at : at + 4]
        number = int.from_bytes(family, "big") if link == 108 or not family[0] else int.from_bytes(family, "little")
        return _FAMILIES.get(number, 0), at + 4
    version = data[at] >> 4 if at < end else 0
    return {4: _IPV4, 6: _IPV6}.get(version, 0), at


def _tagged(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Behind an EtherType, its VLAN tags, MPLS labels and PPPoE."""
    for _ in range(4):
        if end - at < 2:
            return 0, at
        kind, at = _SHORT(data, at)[0], at + 2
        if kind in _TAGS:
            at += 2
        elif kind in _MPLS:
            return _unlabelled(data, at, end)
        elif kind == _PPPOE and end - at >= 8:
            return _PPP.get(_SHORT(data, at + 6)[0], 0), at + 8
        else:
            return kind, at
    return 0, at


def _unlabelled(data: bytes, at: int, end: int) -> tuple[int, int]:
    for _ in range(8):
        if end - at < 5:
            break
        last = data[at + 2] & 1
        at += 4
        if last:
            return {4: _IPV4, 6: _IPV6}.get(data[at] >> 4, 0), at
    return 0, at
