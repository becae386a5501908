"""Captures: framing, layers, flows, and what they carry; damage, hostile bytes, memory."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dpkt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.sources import discover, lines, pcap_table, read, recognise
from nonself.sources.contract import Chunk, Input, Limits
from nonself.sources.pcap import Pcap
from samples_flows import (
    ACK,
    CLIENT,
    FIN,
    GET,
    OK,
    PSH,
    RESOLVER,
    RST,
    SERVER,
    STORY,
    SYN,
    Packets,
    dns,
    ether,
    ip,
    pcap,
    pcapng,
    talk,
    tcp,
    udp,
)

LIMITS = Limits()
DATA = Path(os.environ.get("NONSELF_DATA", Path(__file__).parents[1] / "../shared/data")) / "network"


def chunks(data: bytes, limits: Limits = LIMITS) -> list[Chunk]:
    return list(Pcap().read(lines.in_memory(data, "x.pcap"), limits))


def events(data: bytes | Packets, op: str | None = None) -> pl.DataFrame:
    frame = pl.concat([chunk.events for chunk in chunks(pcap(data) if isinstance(data, list) else data)])
    return frame if op is None else frame.filter(pl.col("op") == op)


def reasons(data: bytes) -> list[str]:
    return [letter.reason for chunk in chunks(data) for letter in chunk.dead]


def only(packets: Packets, op: str = "flow") -> dict[str, object]:
    frame = events(packets, op)
    assert frame.height == 1, frame
    return frame.row(0, named=True)


def real(name: str) -> bytes:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"REAL DATA ABSENT: {path} (set NONSELF_DATA)")
    return path.read_bytes()


# framing

FORMS = [
    pcap(STORY), pcap(STORY, order=">"), pcap(STORY, nano=True), pcap(STORY, order=">", nano=True), pcapng(STORY), pcapng(STORY, order=">"),
    pcapng(STORY, resolution=9), pcapng(STORY, resolution=3), pcapng(STORY, resolution=128 | 20), pcapng(STORY, offset=3600),
]  # fmt: skip


@pytest.mark.parametrize("data", FORMS)
def test_all_forms_tell_the_same(data: bytes) -> None:
    first, found = events(FORMS[0]), events(data)
    assert found.height == first.height == 7
    assert found.drop("time", "duration_us", "uid", "raw", "session").equals(first.drop("time", "duration_us", "uid", "raw", "session"))
    assert (found["time"] - first["time"]).abs().max().total_seconds() < 0.001


def test_fields_of_a_story() -> None:
    flows = events(FORMS[0], "flow")
    assert flows["status_code"].to_list() == [None, "SF", "RSTR", "REJ"]
    assert flows["app_proto"].to_list() == ["dns", "http", "ssl", None]
    assert flows["status_id"].to_list() == [None, 1, 1, 2]
    page = flows.row(1, named=True)
    assert (page["src_ip"], page["src_port"], page["dst_ip"], page["dst_port"], page["proto"]) == (CLIENT, 50001, SERVER, 80, "tcp")
    assert (page["bytes_out"], page["bytes_in"], page["pkts_out"], page["pkts_in"]) == (len(GET), len(OK), 5, 3)
    assert page["duration_us"] == 70_000
    told = events(FORMS[0])
    assert told["session"].n_unique() == 4  # what a flow carried has its session


def test_http_dns_and_tls_of_a_story() -> None:
    page = events(FORMS[0], "GET").row(0, named=True)
    assert (page["http_method"], page["url_host"], page["url_path"], page["user_agent"]) == ("GET", "www.example.org", "/a?b=1", "curl/8.0")
    assert (page["http_status"], page["status_id"], page["activity_id"], page["class_uid"]) == (200, 1, 3, 4002)
    name = events(FORMS[0], "dns").row(0, named=True)
    assert (name["query"], name["qtype"], name["rcode"], name["answers"]) == ("www.example.org", "A", "NOERROR", [SERVER])
    assert (name["duration_us"], name["class_uid"], name["dst_ip"], name["activity_id"]) == (20_000, 4003, RESOLVER, 6)
    client = events(FORMS[0], "tls").row(0, named=True)
    assert (client["sni"], client["class_uid"], client["dst_port"]) == ("c2.example.org", 4001, 443)
    assert json.loads(client["raw"])["ja4"] == client["ja4"]


def test_captures_are_found_in_zips_and_gzips(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("day/story.pcap", FORMS[0])
    (tmp_path / "b.pcapng.gz").write_bytes(gzip.compress(FORMS[4], mtime=0))
    found = list(discover([tmp_path], LIMITS))
    assert [type(recognise(each)).__name__ for each in found] == ["Pcap", "Pcap"]
    assert [sum(chunk.events.height for chunk in read(each, LIMITS)[1]) for each in found] == [7, 7]


LINKS = [
    (0, b"\2\0\0\0"), (0, b"\0\0\0\2"), (108, b"\0\0\0\2"), (101, b""), (12, b""), (14, b""), (228, b""),
    (113, b"\0\0\0\1\0\6" + b"\2" * 8 + b"\x08\0"), (276, b"\x08\0\0\0\0\0\0\1\0\1\0\6" + b"\2" * 8),
    (1, b"\2" * 12 + b"\x81\0\0\x05\x08\0"), (1, b"\2" * 12 + b"\x88\xa8\0\x05\x81\0\0\x06\x08\0"),
    (1, b"\2" * 12 + b"\x88\x47\0\0\x10\x40\0\0\x21\x40"), (1, b"\2" * 12 + b"\x88\x64\x11\0\0\1\0\x40\0\x21"),
]  # fmt: skip


@pytest.mark.parametrize(("link", "head"), LINKS)
def test_link_layers(link: int, head: bytes) -> None:
    packets = [(0.0, head + ip(CLIENT, SERVER, 17, udp(50000, 123, b"x" * 48)))]
    frame = events(pcap(packets, link=link))
    assert frame.select("src_ip", "src_port", "dst_ip", "dst_port", "proto", "bytes_out").row(0) == (CLIENT, 50000, SERVER, 123, "udp", 48)


def test_ipv6_and_its_extension_headers() -> None:
    a, b = "2001:db8::5", "2001:db8::7"
    body = udp(50000, 123, b"x" * 10)
    hop = bytes((60, 0)) + b"\0" * 6
    options = bytes((17, 0)) + b"\0" * 6
    flow = only([(0.0, ether(ip(a, b, 17, body))), (0.1, ether(ip(a, b, 0, hop + options + body)))])
    assert (flow["src_ip"], flow["dst_ip"], flow["dst_port"], flow["pkts_out"], flow["bytes_out"]) == (a, b, 123, 2, 20)


def test_fragments_are_counted_to_their_flow() -> None:
    body = udp(50000, 123, b"x" * 1000)
    one, two = ip(CLIENT, SERVER, 17, body[:504], fragment=0x2000, ident=9), ip(CLIENT, SERVER, 17, body[504:], fragment=63, ident=9)
    flow = only([(0.0, ether(one)), (0.1, ether(two))])
    assert (flow["dst_port"], flow["pkts_out"], flow["bytes_out"]) == (123, 2, 1000)
    six = struct.pack("!BBHI", 17, 0, 1, 77) + body[:504], struct.pack("!BBHI", 17, 0, 504, 77) + body[504:]
    flow = only([(0.1 * at, ether(ip("2001:db8::1", "2001:db8::2", 44, part))) for at, part in enumerate(six)])
    assert (flow["dst_port"], flow["pkts_out"], flow["bytes_out"]) == (123, 2, 1000)


def test_echo_and_its_answer_are_one_flow() -> None:
    ask, answer = (bytes((kind, 0, 0, 0)) + b"\1\2\0\1" + b"x" * 8 for kind in (8, 0))
    flow = only([(0.0, ether(ip(CLIENT, SERVER, 1, ask))), (0.1, ether(ip(SERVER, CLIENT, 1, answer)))])
    assert (flow["proto"], flow["src_port"], flow["pkts_out"], flow["pkts_in"]) == ("icmp", None, 1, 1)


def test_a_short_snapshot_length_keeps_flows() -> None:
    cut = pcap(STORY, snap=54)
    flows = events(cut, "flow")
    assert flows["bytes_in"].to_list() == events(FORMS[0], "flow")["bytes_in"].to_list()
    assert reasons(cut) == []


# flows


def state(*steps: tuple[str, int]) -> object:
    packets: Packets = []
    for at, (side, flags) in enumerate(steps):
        ends = (CLIENT, SERVER, 50000, 445) if side == "c" else (SERVER, CLIENT, 445, 50000)
        packets.append((at / 100, ether(ip(ends[0], ends[1], 6, tcp(ends[2], ends[3], at, flags)))))
    flow = only(packets)
    assert (flow["src_ip"], flow["dst_port"]) == (CLIENT, 445)
    return flow["status_code"]


OPENED = [("c", SYN), ("s", SYN | ACK), ("c", ACK)]
STATES = [
    ("S0", [("c", SYN), ("c", SYN)]),
    ("REJ", [("c", SYN), ("s", RST | ACK)]),
    ("S1", OPENED),
    ("SF", [*OPENED, ("c", FIN), ("s", FIN)]),
    ("S2", [*OPENED, ("c", FIN | ACK)]),
    ("S3", [*OPENED, ("s", FIN | ACK)]),
    ("RSTO", [*OPENED, ("c", RST)]),
    ("RSTR", [*OPENED, ("s", RST)]),
    ("RSTOS0", [("c", SYN), ("c", RST)]),
    ("SH", [("c", SYN), ("c", FIN)]),
    ("SHR", [("s", SYN | ACK), ("s", FIN)]),
    ("RSTRH", [("s", SYN | ACK), ("s", RST)]),
    ("OTH", [("c", ACK), ("s", ACK)]),
    ("OTH", [("s", PSH | ACK), ("c", ACK)]),
]


@pytest.mark.parametrize(("name", "steps"), STATES)
def test_states_in_zeeks_words(name: str, steps: list[tuple[str, int]]) -> None:
    assert state(*steps) == name


def test_silence_ends_a_flow() -> None:
    packet = ether(ip(CLIENT, SERVER, 17, udp(50000, 9999, b"x")))
    assert events([(0.0, packet), (59.0, packet)], "flow")["pkts_out"].to_list() == [2]
    assert events([(0.0, packet), (61.0, packet)], "flow")["pkts_out"].to_list() == [1, 1]
    syn = ether(ip(CLIENT, SERVER, 6, tcp(50000, 80, 1, SYN)))
    assert events([(0.0, syn), (299.0, syn), (600.0, syn)], "flow")["pkts_out"].to_list() == [2, 1]


def test_a_port_used_again_is_a_new_flow() -> None:
    again = [*talk(50001, 80, ("c", GET), ("s", OK)), *talk(50001, 80, ("c", GET), start=1.0)]
    assert events(again, "flow")["status_code"].to_list() == ["SF", "SF"]
    assert events(again, "GET")["http_status"].to_list() == [200, None]


def test_open_flows_are_bounded_and_the_quietest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcap_table, "OPEN", 8)
    packets = [(at / 1000, ether(ip(CLIENT, SERVER, 17, udp(1025 + at, 9, b"x")))) for at in range(40)]
    frame = events(packets)
    assert frame.height == 40
    assert frame["src_port"].to_list() == sorted(frame["src_port"].to_list())


def test_events_come_while_the_capture_is_read() -> None:
    packets = [(at / 10, ether(ip(CLIENT, SERVER, 17, udp(1025 + at % 60000, 9, b"x" * 30)))) for at in range(40_000)]
    seen: list[int] = []
    raw = io.BytesIO(pcap(packets))
    for chunk in Pcap().read(Input("x", "c", 1, lambda: raw, b""), Limits(chunk_records=4096)):
        assert chunk.events.height <= 4096
        if not seen:
            assert raw.tell() < len(raw.getbuffer())
        seen.append(chunk.events.height)
    assert sum(seen) == 40_000


# damage


def test_what_stands_before_the_damage_is_kept() -> None:
    whole = pcap(STORY)
    assert reasons(whole[:-3]) == ["truncated"]
    assert events(whole[:-3]).height == 7  # the last packet alone is lost, not its flow
    broken = whole + struct.pack("<IIII", 1, 1, 0xFFFFFFF0, 1) + b"x" * 40
    assert reasons(broken) == ["corrupt-pcap"]
    assert events(broken).drop("uid").equals(events(whole).drop("uid"))
    assert reasons(whole[:20]) == ["truncated"]
    assert reasons(whole[:24]) == ["empty"]


NEXT = pcapng(STORY)
BAD_BLOCKS = [
    NEXT + b"\6\0\0\0\xff\xff\xff\xff" + b"\0" * 40,
    NEXT + b"\6\0\0\0\7\0\0\0" + b"\0" * 40,
    NEXT + b"\6\0\0\0\x0c\0\0\0\x0d\0\0\0" + b"\0" * 9,
    NEXT + b"\x0a\x0d\x0d\x0a\x1c\0\0\0nope" + b"\0" * 40,
    NEXT + struct.pack("<IIIIIIII", 6, 32, 99, 0, 0, 0, 0, 32),
    NEXT + struct.pack("<IIIIIIII", 6, 32, 0, 0, 0, 5000, 0, 32),
    NEXT + struct.pack("<IIIIII", 1, 24, 1, 0, 0, 24)[:20] + b"\x19\0\0\0",
]


@pytest.mark.parametrize("data", BAD_BLOCKS)
def test_bad_blocks_of_pcapng_end_the_reading_only(data: bytes) -> None:
    assert reasons(data) == ["corrupt-pcap"]
    assert events(data).drop("uid").equals(events(NEXT).drop("uid"))


def test_bad_packets_are_told_one_by_one() -> None:
    bad = [
        (0.0, ether(b"\x45" + b"\0" * 10)),
        (0.0, ether(b"\x42" + ip(CLIENT, SERVER, 17, b"")[1:])),
        (0.0, ether(b"\x65" * 40)[:30] + b"\0" * 9),
    ]
    found = chunks(pcap([*bad, *STORY]))
    assert [letter.reason for chunk in found for letter in chunk.dead] == ["bad-packet"] * 3
    assert sum(chunk.events.height for chunk in found) == 7
    other = [(0.0, b"\2" * 12 + b"\x08\x06" + b"\0" * 28), (0.0, b""), (0.0, b"\1")]
    assert reasons(pcap([*other, *STORY])) == []  # ARP and what has no network layer are no damage
    assert reasons(pcap(other)) == ["empty"]
    assert reasons(pcap(STORY, link=105)) == ["unsupported-link"]


def test_times_that_are_none() -> None:
    far = pcapng([(1e12, STORY[0][1]), *STORY])
    assert reasons(far) == ["bad-time"]
    assert events(far).height == 7
    assert reasons(pcapng([(0.0, STORY[0][1])], resolution=128 | 32)) == []


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 1 << 32), st.sampled_from([FORMS[0], FORMS[3], FORMS[6], FORMS[8]]))
def test_any_damage_raises_nothing_and_is_never_silent(seed: int, data: bytes) -> None:
    rng, hurt = random.Random(seed), bytearray(data)
    for _ in range(rng.randint(1, 12)):
        hurt[rng.randrange(len(hurt))] = rng.randrange(256)
    hurt = hurt[: rng.randint(24, len(hurt))]
    found = chunks(bytes(hurt))
    assert sum(chunk.records for chunk in found) >= 1
    assert sum(chunk.bytes for chunk in found) <= len(hurt)


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(7)))
def test_conversations_do_not_change_each_other(order: list[int]) -> None:
    parts = [talk(50100 + at, 80, ("c", GET.replace(b"/a", b"/%d" % at)), ("s", OK), start=at * 0.001) for at in order]
    mixed = sorted((packet for part in parts for packet in part), key=lambda packet: packet[0])
    drop = ("record", "uid", "raw", "session", "time")
    for at in order:
        alone = events(talk(50100 + at, 80, ("c", GET.replace(b"/a", b"/%d" % at)), ("s", OK), start=at * 0.001))
        both = events(mixed).filter(src_port=50100 + at)
        assert both.drop(drop).equals(alone.drop(drop))
        break


def test_memory_of_heads_and_questions_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nonself.sources.pcap_apps.HELD", 20_000)
    packets: Packets = []
    for at in range(300):
        packets += talk(1025 + at, 80, ("c", b"GET /" + b"a" * 500), end="none")
        packets.append((at, ether(ip(CLIENT, RESOLVER, 17, udp(1025 + at, 53, dns(at, "q.example"))))))
    tables: list[pcap_table.Table] = []

    class Watched(pcap_table.Table):
        def __init__(self) -> None:
            super().__init__()
            tables.append(self)
            self.most = 0

        def add(self, *packet: Any) -> None:
            super().add(*packet)
            self.most = max(self.most, self.apps.held)

    monkeypatch.setattr("nonself.sources.pcap.Table", Watched)
    frame = events(sorted(packets, key=lambda packet: packet[0]))
    assert frame.filter(pl.col("op") == "dns").height == 300  # told without waiting, not lost
    assert tables[0].most <= 20_000  # type: ignore[attr-defined]
    assert tables[0].apps.held == 0  # what was held is let go


# real captures


def test_real_dns_tunnel() -> None:
    names = events(real("dns-tunnel-iodine.pcap"), "dns")
    assert names["query"].n_unique() == 222
    assert set(names["src_ip"]) == {"10.0.2.30"}


def test_real_captures_agree_with_dpkt() -> None:
    for name in ("slips/test7-malicious.pcap", "slips/test-cc/test-cc-capture-1.pcap", "slips/test-cc/test-cc-capture-2.pcap"):
        data = real(name)
        packets = octets = 0
        for _, frame in dpkt.pcap.Reader(io.BytesIO(data)):
            network = dpkt.ethernet.Ethernet(frame).data
            if isinstance(network, dpkt.ip.IP | dpkt.ip6.IP6):
                packets += 1
                if isinstance(network.data, dpkt.tcp.TCP):
                    octets += len(network.data.data)
        flows = events(data, "flow")
        assert flows["pkts_out"].sum() + flows["pkts_in"].sum() == packets
        only_tcp = flows.filter(proto="tcp")
        assert only_tcp["bytes_out"].sum() + only_tcp["bytes_in"].sum() == octets
        assert reasons(data) == []


def test_real_beacon_shows_its_server_name() -> None:
    frame = events(real("slips/test-cc/test-cc-capture-1.pcap"), "tls")
    assert (frame.height, set(frame["sni"]), frame["ja4"].n_unique()) == (299, {"testing.com"}, 1)


VTEP = ("198.51.100.1", "198.51.100.2")


def vxlan(frame: bytes) -> bytes:
    return ip(*VTEP, 17, udp(50_000, 4_789, b"\x08\0\0\0\0\0\x2a\0" + frame))


def gre(kind: int, body: bytes, flags: int = 0, extra: bytes = b"") -> bytes:
    return ip(*VTEP, 47, struct.pack("!HH", flags, kind) + extra + body)


WRAPS = {
    "gre": lambda frame: gre(0x0800, frame[14:]),
    "gre with key and sequence": lambda frame: gre(0x0800, frame[14:], 0x3000, bytes(8)),
    "gre with checksum": lambda frame: gre(0x0800, frame[14:], 0x8000, bytes(4)),
    "nvgre": lambda frame: gre(0x6558, frame, 0x2000, bytes(4)),
    "erspan 1": lambda frame: gre(0x88BE, frame),
    "erspan 2": lambda frame: gre(0x88BE, frame, 0x1000, bytes(4 + 8)),
    "erspan 3": lambda frame: gre(0x22EB, frame, 0x1000, bytes(4 + 12)),
    "erspan 3 with subheader": lambda frame: gre(0x22EB, frame, 0x1000, bytes(4) + bytes(11) + b"\1" + bytes(8)),
    "vxlan": vxlan,
    "geneve": lambda frame: ip(*VTEP, 17, udp(50_000, 6_081, b"\x02\0\x65\x58\0\0\x2a\0" + bytes(8) + frame)),
    "ip in ip": lambda frame: ip(*VTEP, 4, frame[14:]),
    "ip in ip6": lambda frame: ip("2001:db8::1", "2001:db8::2", 4, frame[14:]),
    "vxlan in gre": lambda frame: gre(0x0800, vxlan(frame)),
}


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
def test_what_a_tunnel_carries_reads_as_without_it(wrap: Callable[[bytes], bytes]) -> None:
    plain = events(STORY)
    found = events([(when, ether(wrap(frame))) for when, frame in STORY])
    inner = found.filter(pl.col("src_ip").is_in([*VTEP, "2001:db8::1"]).not_())
    order = ["time", "op", "session"]
    assert inner.drop("record").sort(order).equals(plain.drop("record").sort(order))
    outer = found.filter(pl.col("src_ip").is_in([*VTEP, "2001:db8::1"]))
    assert outer["pkts_out"].sum() == len(STORY) * outer["proto"].n_unique()
    assert set(outer["proto"]) <= {"gre", "udp", "4"}


def test_a_tunnels_port_alone_makes_no_tunnel() -> None:
    for body in (b"", b"\x08", b"hello world, this is no frame", b"\0" * 40, b"\x08" + b"\xff" * 60):
        for port in (4_789, 8_472, 6_081):
            assert events([(0.0, ether(ip(*VTEP, 17, udp(5, port, body))))]).height == 1
    assert events([(0.0, ether(gre(0x880B, b"\x21" + bytes(40), 1)))]).height == 1, "PPTP is counted as it is"
    assert reasons(pcap([(0.0, ether(gre(0x0800, b"\x45\0")))])) == []


def test_tunnels_without_end_cost_a_few_looks() -> None:
    frame = ether(ip(CLIENT, SERVER, 17, udp(1, 2, b"x")))
    for _ in range(300):
        frame = ether(gre(0x6558, frame))
    assert events([(0.0, frame)])["proto"].to_list() == ["gre"], "the flow of the tunnel, and of those within it, which is the same"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(WRAPS)), st.integers(0, 120), st.integers(0, 255), st.integers(20, 200))
def test_damaged_tunnels_harm_nothing(name: str, at: int, value: int, snap: int) -> None:
    frames = [(when, bytearray(ether(WRAPS[name](frame)))) for when, frame in STORY]
    for _, frame in frames[::2]:
        frame[min(at, len(frame) - 1)] = value
    found = chunks(pcap([(when, bytes(frame)) for when, frame in frames], snap=snap))
    assert sum(chunk.events.height + len(chunk.dead) for chunk in found) >= 1
