"""What captures carry: HTTP, DNS, TLS and SSH out of segments and datagrams, with their published fingerprints."""

from __future__ import annotations

import hashlib
import struct
from contextlib import suppress

import dpkt
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself.sources import lines, pcap_dns, pcap_text, pcap_tls
from nonself.sources.contract import Limits
from nonself.sources.pcap import Pcap
from samples_flows import (
    ACK,
    CLIENT,
    GET,
    OK,
    RESOLVER,
    SERVER,
    Packets,
    dns,
    ether,
    hello,
    ip,
    numbers,
    packed,
    pcap,
    server_name,
    talk,
    tcp,
    udp,
    vector,
)


def events(packets: Packets, *ops: str) -> pl.DataFrame:
    found = Pcap().read(lines.in_memory(pcap(packets)), Limits())
    return pl.concat([chunk.events for chunk in found]).filter(pl.col("op").is_in(ops))


def only(packets: Packets, op: str = "flow") -> dict[str, object]:
    frame = events(packets, op)
    assert frame.height == 1, frame
    return frame.row(0, named=True)


def stream(*parts: tuple[int, bytes]) -> Packets:
    """Client data on port 80 at offsets of the stream, in the order given."""
    opening = talk(50001, 80, end="none")
    return [
        *opening,
        *((1 + at / 100, ether(ip(CLIENT, SERVER, 6, tcp(50001, 80, 1001 + seq, ACK, data)))) for at, (seq, data) in enumerate(parts)),
    ]


ORDERS = [
    stream((0, GET[:10]), (10, GET[10:30]), (30, GET[30:])),
    stream((10, GET[10:30]), (30, GET[30:]), (0, GET[:10])),
    stream((0, GET[:10]), (30, GET[30:]), (0, GET[:10]), (10, GET[10:30])),
    stream((0, GET[:20]), (10, GET[10:40]), (40, GET[40:])),
    stream(*((at, GET[at : at + 1]) for at in range(len(GET)))),
]


@pytest.mark.parametrize("packets", ORDERS)
def test_segments_are_put_in_order(packets: Packets) -> None:
    assert only(packets, "GET")["user_agent"] == "curl/8.0"


def test_a_gap_that_stays_costs_only_what_it_hid() -> None:
    holes = [(200 + 10 * at, b"x" * 9) for at in range(40)]
    assert events(stream((0, GET[:10]), *holes), "flow").height == 1


def test_requests_of_one_connection_meet_their_answers() -> None:
    post = b"POST /in HTTP/1.1\r\nHost: h\r\nContent-Length: 3000\r\n\r\n"
    turns = [("c", GET + GET.replace(b"/a", b"/b")), ("s", OK), ("s", OK.replace(b"200 OK", b"404 No")), ("c", post), ("c", b"y" * 3000),
             ("s", b"HTTP/1.1 100 Continue\r\n\r\n"), ("s", b"HTTP/1.1 500 Oh\r\n\r\n"), ("c", GET)]  # fmt: skip
    frame = events(talk(50001, 8080, *turns), "GET", "POST")
    assert frame.select("url_path", "http_status", "status_id").rows() == [
        ("/a?b=1", 200, 1), ("/b?b=1", 404, 2), ("/in", 500, 2), ("/a?b=1", None, None),
    ]  # fmt: skip


def test_a_request_without_end_is_told_as_far_as_it_came() -> None:
    assert only(talk(50001, 80, ("c", GET[:-2])), "GET")["url_host"] == "www.example.org"
    assert only(talk(50001, 80, ("c", b"GET /" + b"a" * 1400), *[("c", b"a" * 1400)] * 20), "GET")["http_method"] == "GET"


def test_dns_without_answer_over_tcp_and_by_number() -> None:
    ask = (0.0, ether(ip(CLIENT, RESOLVER, 17, udp(50000, 53, dns(1, "a.example")))))
    alone = only([ask], "dns")
    assert (alone["query"], alone["rcode"], alone["activity_id"], alone["answers"]) == ("a.example", None, 1, None)
    refused = (0.1, ether(ip(RESOLVER, CLIENT, 17, udp(53, 50000, dns(1, "a.example", rcode=3, response=True)))))
    assert only([ask, refused], "dns")["rcode"] == "NXDOMAIN"
    assert (only([refused], "dns")["activity_id"], only([refused])["src_ip"]) == (2, CLIENT)  # the question was not seen
    wrong = (0.1, ether(ip(RESOLVER, CLIENT, 17, udp(53, 50000, dns(1, "b.example", 1, (1, b"\1\1\1\1"), response=True)))))
    assert events([ask, wrong], "dns").select("query", "rcode").rows() == [("a.example", None), ("b.example", "NOERROR")]
    message = dns(5, "long.example", 16)
    framed = len(message).to_bytes(2, "big") + message
    assert only(talk(50001, 53, ("c", framed[:5]), ("c", framed[5:])), "dns")["qtype"] == "TXT"


def test_dns_names_and_answers() -> None:
    pointer = b"\xc0\x0c"
    found = pcap_dns.parse(
        dns(
            1,
            "x.example",
            1,
            (5, b"\3www" + pointer),
            (15, b"\0\x0a" + pointer),
            (28, packed("2001:db8::1")),
            (16, b"\2hi\3you"),
            (33, struct.pack("!HHH", 1, 2, 443) + pointer),
            (10, b"\xff\0"),
            response=True,
        )
    )
    assert found is not None
    assert found.answers == ["www.x.example", "10 x.example", "2001:db8::1", "hiyou", "1 2 443 x.example", "\\# 2 ff00"]
    odd = pcap_dns.parse(b"\0\1\1\0\0\1\0\0\0\0\0\0" + b"\5a.b\xff\0" + b"\3com\0" + b"\0\x0a\0\1")
    assert odd is not None
    assert (odd.query, odd.qtype) == ("a\\.b\\xff\0.com", "NULL")
    circle = b"\0\1\1\0\0\1\0\0\0\0\0\0" + b"\xc0\x0c\0\1\0\1"
    for bad in (b"", b"\0" * 11, circle, dns(1, "a." * 200 + "b"), dns(1, "abc")[:-3]):
        assert pcap_dns.parse(bad) is None


@given(st.binary(max_size=200))
def test_any_bytes_as_dns(data: bytes) -> None:
    pcap_dns.parse(data)
    pcap_dns.parse(b"\0\1\x81\x80\0\1\0\3\0\0\0\0" + data)


def test_dns_agrees_with_dpkt() -> None:
    data = dns(9, "mail.example.org", 15, (1, b"\x0a\0\0\1"), (28, packed("2001:db8::9")), response=True)
    mine, other = pcap_dns.parse(data), dpkt.dns.DNS(data)
    assert mine is not None
    assert (mine.query, mine.number, len(mine.answers)) == (other.qd[0].name, other.id, len(other.an))


GREASE = 0x3A3A
CHROME = hello(
    0x0303,
    numbers(GREASE, 0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013, 0xC014, 0x9C, 0x9D, 0x2F, 0x35),
    [(GREASE, b""), (0x1B, b""), server_name("example.com"), (0x33, b""), (0x10, vector(2, vector(1, b"h2") + vector(1, b"http/1.1"))),
     (0x4469, b""), (0x17, b""), (0x2D, b""), (0x0D, vector(2, numbers(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601))),
     (0x05, b""), (0x23, b""), (0x12, b""), (0x2B, vector(1, numbers(GREASE, 0x0304, 0x0303))), (0xFF01, b""), (0x0B, vector(1, b"\0")),
     (0x0A, vector(2, numbers(GREASE, 0x1D))), (0x15, b"\0" * 9)],
)  # fmt: skip


def test_ja4_of_the_published_example() -> None:
    """The example of FoxIO-LLC/ja4, technical_details/JA4.md, with GREASE values put in."""
    found = pcap_tls.read(CHROME)
    assert found is not None
    assert pcap_tls.ja4(found) == "t13d1516h2_8daaf6152771_e5627efa2ab1"
    assert found.sni == "example.com"
    # The same page's example of a hello without signature algorithms.
    assert pcap_tls.ja4(found._replace(signatures=b"")).endswith("_6d807ffa2a79")


def test_ja4_of_bare_hellos() -> None:
    bare = pcap_tls.Hello(0x0301, b"")
    assert pcap_tls.ja4(bare) == "t10i000000_000000000000_000000000000"
    # What the page prints for protocol names that are no letters.
    for alpn, shown in ((b"\xab", "ab"), (b"\xab\xcd", "ad"), (b"0\xab", "3b"), (b"01\xab\xcd", "3d"), (b"0\xab\xcd1", "01"), (b"h", "hh")):
        assert pcap_tls.ja4(bare._replace(alpn=alpn))[8:10] == shown
    assert pcap_tls.ja4(bare._replace(version=0x0300))[:3] == "ts3"
    assert pcap_tls.ja4(bare._replace(version=0x1234, ciphers=numbers(*range(1, 121))))[:6] == "t00i99"


def test_ja3_of_the_published_examples() -> None:
    """The two examples of salesforce/ja3's README."""
    first = hello(
        769, numbers(47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4),
        [(0, b""), (10, vector(2, numbers(23, 24, 25))), (11, vector(1, b"\0"))],
    )  # fmt: skip
    second = hello(769, numbers(4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99), None)
    for data, digest in ((first, "ada70206e40642a3e4461f35503241d5"), (second, "de350869b8c85de67a350c8d186f11e6")):
        found = pcap_tls.read(data)
        assert found is not None
        assert pcap_tls.ja3(found) == digest


def test_a_hello_in_many_records_and_segments() -> None:
    body = CHROME[5:]
    split = b"".join(b"\x16\x03\x01" + vector(2, body[at : at + 100]) for at in range(0, len(body), 100))
    packets = talk(50002, 8443, *(("c", split[at : at + 50]) for at in range(0, len(split), 50)))
    assert only(packets, "tls")["ja4"] == "t13d1516h2_8daaf6152771_e5627efa2ab1"


@given(st.binary(max_size=300), st.integers(0, 400))
def test_any_bytes_as_a_hello(data: bytes, cut: int) -> None:
    for tried in (data, b"\x16\x03\x01" + data, CHROME[:cut] + data):
        with suppress(pcap_tls.CutError):
            pcap_tls.read(tried)


def kexinit(*lists: bytes) -> bytes:
    body = b"\x14" + b"\3" * 16 + b"".join(vector(4, each) for each in lists) + b"\0" * 5
    return vector(4, b"\4" + body + b"\0" * 4)


def test_ssh_clients() -> None:
    lists = [b"curve25519-sha256", b"ssh-ed25519", b"aes128-ctr", b"aes256-ctr", b"hmac-sha1", b"hmac-sha2-256", b"none", b"zlib"]
    turns = [("s", b"SSH-2.0-OpenSSH_9.9\r\n"), ("c", b"SSH-2.0-paramiko_3.4\r\n"), ("c", kexinit(*lists, b"", b""))]
    client = only(talk(50003, 22, *turns), "ssh")
    # HASSH: md5 of kex;encryption;mac;compression, from client to server.
    assert client["hassh"] == hashlib.md5(b"curve25519-sha256;aes128-ctr;hmac-sha1;none").hexdigest()
    assert (client["user_agent"], client["class_uid"], client["dst_port"]) == ("SSH-2.0-paramiko_3.4", 4007, 22)
    assert only(talk(50003, 22, *turns))["app_proto"] == "ssh"
    assert only(talk(50003, 22, ("c", b"SSH-2.0-x\r\n")), "ssh")["hassh"] is None
    assert pcap_text.hassh(b"SSH-2.0-x\n" + b"\xff" * 30) == ""
