"""Small captures and flow records, written for these tests, and the writers that make them."""

from __future__ import annotations

import bz2
import socket
import struct

import zstandard

from samples_quic import crypto, initial

T0 = 1_772_445_600  # 2026-03-02T10:00:00Z
CLIENT, SERVER, RESOLVER = "10.0.0.5", "192.0.2.7", "10.0.0.1"
SYN, ACK, FIN, RST, PSH = 2, 16, 1, 4, 8
Packets = list[tuple[float, bytes]]


def packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def ip(src: str, dst: str, proto: int, body: bytes, *, ident: int = 1, fragment: int = 0) -> bytes:
    if ":" in src:
        return struct.pack("!IHBB", 6 << 28, len(body), proto, 64) + packed(src) + packed(dst) + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), ident, fragment, 64, proto, 0)
    return head + packed(src) + packed(dst) + body


def ether(packet: bytes, *, tags: bytes = b"") -> bytes:
    kind = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00"
    return b"\2" * 6 + b"\4" * 6 + tags + kind + packet


def tcp(sport: int, dport: int, seq: int, flags: int, data: bytes = b"") -> bytes:
    return struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, 0, 0x50, flags, 8192, 0, 0) + data


def udp(sport: int, dport: int, data: bytes) -> bytes:
    return struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data


def name(text: str) -> bytes:
    return b"".join(bytes((len(label),)) + label for label in text.encode().split(b".")) + b"\0"


def dns(number: int, query: str, qtype: int = 1, *answers: tuple[int, bytes], rcode: int = 0, response: bool = False) -> bytes:
    flags = (0x8180 if response else 0x0100) | rcode
    head = struct.pack("!HHHHHH", number, flags, 1, len(answers), 0, 0) + name(query) + struct.pack("!HH", qtype, 1)
    return head + b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data for kind, data in answers)


def vector(width: int, data: bytes) -> bytes:
    return len(data).to_bytes(width, "big") + data


def numbers(*values: int) -> bytes:
    return struct.pack(f"!{len(values)}H", *values)


def hello(version: int, ciphers: bytes, extensions: list[tuple[int, bytes]] | None) -> bytes:
    """A client hello in one TLS record."""
    body = struct.pack("!H", version) + b"\7" * 32 + b"\0" + vector(2, ciphers) + b"\1\0"
    if extensions is not None:
        body += vector(2, b"".join(struct.pack("!H", kind) + vector(2, data) for kind, data in extensions))
    return b"\x16\x03\x01" + vector(2, b"\1" + vector(3, body))


def server_name(host: str) -> tuple[int, bytes]:
    return 0, vector(2, b"\0" + vector(2, host.encode()))


def pcap(packets: Packets, *, link: int = 1, order: str = "<", nano: bool = False, snap: int = 65535) -> bytes:
    unit = 10**9 if nano else 10**6
    out = struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, snap, link)
    parts = [out]
    for when, data in packets:
        ticks = round((when + T0) * unit)
        parts += struct.pack(order + "IIII", ticks // unit, ticks % unit, len(data[:snap]), len(data)), data[:snap]
    return b"".join(parts)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += b"\0" * (-len(body) % 4)
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size


def pcapng(packets: Packets, *, link: int = 1, order: str = "<", resolution: int | None = None, offset: int = 0) -> bytes:
    """`resolution` as the option if_tsresol gives it."""
    out = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)
    options = b"" if resolution is None else struct.pack(order + "HHB3x", 9, 1, resolution)
    options += struct.pack(order + "HHq", 14, 8, offset) if offset else b""
    out += block(1, struct.pack(order + "HHI", link, 0, 0) + options + b"\0\0\0\0", order)
    units = 10**6 if resolution is None else 2 ** (resolution & 127) if resolution & 128 else 10**resolution
    for when, data in packets:
        ticks = round((when + T0 - offset) * units)
        out += block(6, struct.pack(order + "IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data)) + data, order)
    return out


def talk(sport: int, dport: int, *turns: tuple[str, bytes], start: float = 0.0, end: str = "fin") -> Packets:
    """A whole TCP connection; turns are ("c" or "s", bytes)."""
    at, seqs = start, {"c": 1_000, "s": 4_294_967_290}  # the server's wraps around
    packets: Packets = []

    def send(side: str, flags: int, data: bytes = b"") -> None:
        nonlocal at
        one, other, a, b = (CLIENT, SERVER, sport, dport) if side == "c" else (SERVER, CLIENT, dport, sport)
        packets.append((at, ether(ip(one, other, 6, tcp(a, b, seqs[side], flags, data)))))
        seqs[side] += len(data) + bool(flags & (SYN | FIN))
        at += 0.01

    send("c", SYN)
    send("s", SYN | ACK)
    send("c", ACK)
    for side, data in turns:
        send(side, PSH | ACK, data)
    if end == "fin":
        send("c", FIN | ACK)
        send("s", FIN | ACK)
        send("c", ACK)
    elif end == "rst":
        send("s", RST)
    return packets


GET = b"GET /a?b=1 HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: curl/8.0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
SMALL_HELLO = hello(0x0303, numbers(0x1301, 0xC02F), [server_name("c2.example.org"), (10, vector(2, numbers(29)))])
STORY: Packets = [
    (0.0, ether(ip(CLIENT, RESOLVER, 17, udp(50000, 53, dns(7, "www.example.org"))))),
    (0.02, ether(ip(RESOLVER, CLIENT, 17, udp(53, 50000, dns(7, "www.example.org", 1, (1, packed(SERVER)), response=True))))),
    *talk(50001, 80, ("c", GET), ("s", OK), start=1.0),
    *talk(50002, 443, ("c", SMALL_HELLO), start=2.0, end="rst"),
    (3.0, ether(ip(CLIENT, SERVER, 6, tcp(50003, 22, 5, SYN)))),
    (3.01, ether(ip(SERVER, CLIENT, 6, tcp(22, 50003, 0, RST | ACK)))),
]
"""A name asked, a page fetched, a TLS connection reset, a port refused: 7 events."""


def nfdump_v1(records: list[bytes], *, flags: int = 0, block_flags: int = 0, body: bytes | None = None) -> bytes:
    body = b"".join(records) if body is None else body
    head = struct.pack("<HHII128s", 0xA50C, 1, flags, 1, b"none") + b"\0" * 136
    return head + struct.pack("<IIHH", len(records), len(body), 2, block_flags) + body


def nfdump_15(records: list[bytes]) -> bytes:
    """A file as nfdump 1.5 wrote it: the header of layout 1, blocks of type 1."""
    data = bytearray(nfdump_v1(records))
    data[140 + 136 + 8] = 1
    return bytes(data)


def record_15(src: str, dst: str, sport: int, dport: int, *, proto: int = 6, tcp_flags: int = 2, wide: bool = False) -> bytes:
    """`wide`: counters of eight bytes."""
    six = ":" in src
    ends = b"".join(struct.pack("<QQ", *struct.unpack("!QQ", packed(a))) if six else packed(a)[::-1] for a in (src, dst))
    body = struct.pack("<HHIIBBBBHHHHHH", 250, 1_750 % 1_000, T0, T0 + 1, 0, tcp_flags, proto, 0, 4, 5, sport, dport, 0, 0) + ends
    body += struct.pack("<QQ" if wide else "<II", 3, 180)
    return struct.pack("<IHH", (1 if six else 0) | (6 if wide else 0), len(body) + 8, 0) + body


def record_v1(
    src: str, dst: str, sport: int, dport: int, *, proto: int = 6, tcp_flags: int = 2, back: bool = False, old: bool = False
) -> bytes:
    """`old`: of type 1, which newer versions no longer write."""
    wide = ":" in src
    ends = b"".join(struct.pack("<QQ", *struct.unpack("!QQ", packed(a))) if wide else packed(a)[::-1] for a in (src, dst))
    flags = (1 if wide else 0) | 4
    head = struct.pack("<BBH", flags, 0, 5 if back else 0) if old else struct.pack("<HH", flags, 5 if back else 0)
    body = head + struct.pack("<HHIIBBBBHH", 250, 750, T0, T0 + 1, 0, tcp_flags, proto, 0, sport, dport) + (b"" if old else b"\1\0\0\0")
    body += ends + struct.pack("<IQ", 3, 180) + (struct.pack("<HHIQ", 1, 2, 9, 990) if back else b"")
    return struct.pack("<HH", 1 if old else 10, len(body) + 4) + body


MAP_V1 = struct.pack("<HH7H", 2, 18, 5, 16, 4, 14, 17, 0, 0)
"""An extension map, number 5: interfaces (4), packets (14) and bytes (17) of the way back."""


def record_v2(src: str, dst: str, sport: int, dport: int, *, proto: int = 6, tcp_flags: int = 2, back: bool = False) -> bytes:
    wide = ":" in src
    ends = b"".join(struct.pack("<QQ", *struct.unpack("!QQ", packed(a))) if wide else packed(a)[::-1] for a in (src, dst))
    flow = struct.pack("<QQQQQHHBBBB", T0 * 1000 + 250, T0 * 1000 + 1750, 0, 3, 180, sport, dport, proto, tcp_flags, 0, 0)
    elements = [(1, flow), (3 if wide else 2, ends), *([(5, struct.pack("<QQQ", 1, 9, 990))] if back else []), (39, b"\0" * 8)]
    body = b"".join(struct.pack("<HH", kind, len(data) + 4) + data for kind, data in elements)
    return struct.pack("<HHHBBHBB", 11, len(body) + 12, len(elements), 0, 0, 1, 0, 0) + body


def nfdump_v2(records: list[bytes], *, compression: int = 0, body: bytes | None = None) -> bytes:
    body = b"".join(records) if body is None else body
    head = struct.pack("<HHIQBBHIQII", 0xA50C, 2, 0x01070100, T0, compression, 0, 0, 0, 0, 1 << 20, 1)
    return head + struct.pack("<IIHH", len(records), len(body), 3, 0) + body


V2_RECORDS = [
    record_v2(CLIENT, SERVER, 50001, 443, tcp_flags=0x1B, back=True),
    record_v2("2001:db8::5", "2001:db8::53", 50002, 53, proto=17, tcp_flags=0),
    record_v2(CLIENT, SERVER, 0, 2048, proto=1, tcp_flags=0),
]
NFDUMP_CSV = (
    b"ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out,smk,ra,exid\n"
    b"2026-03-02 10:00:00,2026-03-02 10:00:01,1.250,10.0.0.5,192.0.2.7,50001,443,TCP,...AP.SF,0,0,9,1200,0,0,1,2,24,10.0.0.254,1\n"
    b"2026-03-02 10:00:02,2026-03-02 10:00:02,0.000,10.0.0.5,192.0.2.8,50002,445,TCP,......S.,0,0,1,60,0,0,1,2,24,10.0.0.254,1\n"
    b"2026-03-02 10:00:03,2026-03-02 10:00:03,0.004,2001:db8::5,2001:db8::53,5353,53,UDP,........,0,0,1,70,1,150,1,2,64,10.0.0.254,1\n"
)
NFDUMP_NEW = (
    b"firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,bps,bpp,flows\n"
    b"2026-03-02 10:00:00.125,1.250,TCP,10.0.0.5,50001,192.0.2.7,443,9,1200,7680,133,1\n"
    b"2026-03-02 10:00:02.000,0.000,ICMP,10.0.0.5,0,192.0.2.8,8.0,1,84,0,84,1\n"
)
IPFIX_CSV = (
    b"flowStartMilliseconds,flowEndMilliseconds,sourceIPv4Address,destinationIPv4Address,sourceTransportPort,destinationTransportPort,"
    b"protocolIdentifier,octetDeltaCount,packetDeltaCount,tcpControlBits,ingressInterface,applicationName\n"
    b"1772445600125,1772445601125,10.0.0.5,192.0.2.7,50001,443,6,1200,9,27,3,HTTPS\n"
    b"1772445602000,1772445602000,10.0.0.5,192.0.2.8,50002,445,6,60,1,2,3,SMB\n"
)
ARGUS_CSV = (
    b"StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,SrcPkts,Label\n"
    b"2026/03/02 10:00:00.075359,0.000000,tcp,198.51.100.9,52691,   ->,10.0.0.8,445,S_,0,0,1,70,70,1,\n"
    b"2026/03/02 10:00:00.527012,0.699716,tcp,198.51.100.9,52798,   ->,10.0.0.9,445,S_RA,0,0,2,134,70,1,flow=scan\n"
    b"2026/03/02 10:00:01.000000,2.500000,tcp,10.0.0.5,50001,   ->,192.0.2.7,443,FSPA_FSPA,0,0,20,9000,1000,9,\n"
    b"2026/03/02 10:00:02.000000,0.000100,icmp,10.0.0.5,0x0303,   ->,192.0.2.7,0x4cc5,ECO,0,,1,98,98,1,\n"
)
VPC_PLAIN = (
    b"2 123456789012 eni-0a1b2c3d 10.0.0.5 192.0.2.7 50001 443 6 20 4249 1772445600 1772445660 ACCEPT OK\n"
    b"2 123456789012 eni-0a1b2c3d 198.51.100.9 10.0.0.5 40000 3389 6 1 40 1772445601 1772445661 REJECT OK\n"
    b"2 123456789012 eni-0a1b2c3d - - - - - - - 1772445602 1772445662 - NODATA\n"
)
VPC_CUSTOM = (
    b"version vpc-id instance-id interface-id account-id type srcaddr dstaddr pkt-srcaddr pkt-dstaddr srcport dstport protocol bytes "
    b"packets start end action tcp-flags log-status region flow-direction traffic-path\n"
    b"5 vpc-1 i-0123 eni-0a 123456789012 IPv4 10.0.0.5 10.0.1.9 10.0.0.5 192.0.2.7 50001 443 6 4249 20 1772445600 1772445660 ACCEPT 3 OK "
    b"eu-west-1 egress 8\n"
    b"5 vpc-1 i-0123 eni-0a 123456789012 IPv6 2001:db8::9 2001:db8::5 2001:db8::9 2001:db8::5 40000 22 6 40 1 1772445601 1772445661 "
    b"REJECT 2 OK eu-west-1 ingress -\n"
)

_HELLO = hello(0x0303, numbers(0x1301, 0x1302), [server_name("quic.example.net"), (0x10, vector(2, vector(1, b"h3")))])
QUIC = initial(crypto(0, _HELLO[5:]))

SAMPLES: dict[str, list[tuple[str, bytes, int]]] = {
    "pcap": [
        ("story.pcap", pcap(STORY), 7),
        ("quic.pcap", pcap([*STORY, (1.0, ether(ip(CLIENT, SERVER, 17, udp(50009, 443, QUIC))))]), 9),
        ("swapped.pcap", pcap(STORY, order=">", nano=True), 7),
        ("story.pcapng", pcapng(STORY, resolution=9), 7),
        ("big.pcapng", pcapng(STORY, order=">", resolution=128 | 20), 7),
    ],
    "nfdump": [
        (
            "nfcapd.v1",
            nfdump_v1([
                MAP_V1, record_v1(CLIENT, SERVER, 50001, 443, tcp_flags=0x1B, back=True),
                record_v1("2001:db8::5", "2001:db8::53", 50002, 53, proto=17, old=True), record_v1(CLIENT, SERVER, 50003, 22),
            ]), 3,
        ),
        (
            "nfcapd.15",
            nfdump_15([record_15(CLIENT, SERVER, 50001, 443), record_15("2001:db8::5", "2001:db8::53", 1, 53, proto=17, wide=True)]), 2,
        ),
        ("nfcapd.v2", nfdump_v2(V2_RECORDS), 3),
        ("nfcapd.bz2", nfdump_v2(V2_RECORDS, compression=2, body=bz2.compress(b"".join(V2_RECORDS))), 3),
        ("nfcapd.zstd", nfdump_v2(V2_RECORDS, compression=4, body=zstandard.compress(b"".join(V2_RECORDS))), 3),
    ],
    "netflow-csv": [("nfdump.csv", NFDUMP_CSV, 3), ("new.csv", NFDUMP_NEW, 2), ("ipfix.csv", IPFIX_CSV, 2)],
    "argus": [("capture.binetflow", ARGUS_CSV, 4)],
    "vpc-flow": [("plain.log", VPC_PLAIN, 3), ("custom.log", VPC_CUSTOM, 2)],
}  # fmt: skip
