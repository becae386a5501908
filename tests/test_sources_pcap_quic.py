"""QUIC client hellos in captures: the keys of the RFCs, hellos in pieces, and packets that are none."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself.sources import pcap_quic
from nonself.sources.pcap_tls import CutError
from samples_flows import CLIENT, SERVER, Packets, ether, ip, udp
from samples_quic import DCID, V1, V2, crypto, initial
from test_sources_pcap_apps import CHROME, events, only

HELLO = CHROME[5:]
JA4 = "q13d1516h2_8daaf6152771_e5627efa2ab1"


def sent(*datagrams: bytes, answers: bool = False) -> Packets:
    """Datagrams of a client; with an answer of the server after the first."""
    packets = [(1 + at / 100, ether(ip(CLIENT, SERVER, 17, udp(50001, 443, data)))) for at, data in enumerate(datagrams)]
    answer = (1.005, ether(ip(SERVER, CLIENT, 17, udp(443, 50001, initial(crypto(0, b"\2" + bytes(40)), to=b"", origin=b"other")))))
    return sorted([*packets, answer]) if answers else packets


def test_keys_are_those_of_the_rfcs() -> None:
    """RFC 9001 appendix A.1, RFC 9369 appendix A.1."""
    assert pcap_quic._keys(V1, DCID) == (
        bytes.fromhex("1f369613dd76d5467730efcbe3b1a22d"), bytes.fromhex("fa044b2f42a3fd3b46fb255c"),
        bytes.fromhex("9f50449e04a0e810283a1e9933adedd2"),
    )  # fmt: skip
    assert pcap_quic._keys(V2, DCID) == (
        bytes.fromhex("8b1a0bc121284290a29e0971b5cd045d"), bytes.fromhex("91f73e2351d8fa91660e909f"),
        bytes.fromhex("45b95e15235d6f45a6b19cbcb0294ba9"),
    )  # fmt: skip


@pytest.mark.parametrize("version", [V1, V2])
def test_a_hello_in_one_packet(version: bytes) -> None:
    packets = sent(initial(b"\1" + crypto(0, HELLO), version=version), answers=True)
    found = only(packets, "quic")
    assert (found["sni"], found["ja4"], found["src_ip"], found["dst_port"]) == ("example.com", JA4, CLIENT, 443)
    flow = only(packets)
    assert (flow["app_proto"], flow["session"]) == ("quic", found["session"])


def test_a_hello_in_pieces_out_of_order_over_datagrams_with_the_servers_answer_between() -> None:
    ack = bytes([2, 0, 0, 0, 0])
    one = crypto(100, HELLO[100:150]) + b"\1" + crypto(0, HELLO[:60])
    two = ack + crypto(150, HELLO[150:]) + crypto(50, HELLO[50:110])
    packets = sent(initial(one), initial(two, at=1, to=b"chosen"), answers=True)
    assert only(packets, "quic")["ja4"] == JA4
    assert events(sent(initial(one)), "quic").is_empty()  # the rest was never seen


def test_a_hello_begun_anew_after_a_retry() -> None:
    packets = sent(initial(crypto(0, HELLO[:60])), initial(crypto(0, HELLO), to=b"retried!", origin=b"retried!"))
    assert only(packets, "quic")["sni"] == "example.com"


def test_what_is_no_hello_is_a_flow_only() -> None:
    sound = initial(crypto(0, HELLO))
    damaged = sound[:-1] + bytes([sound[-1] ^ 1])
    for data in (damaged, sound[:600], initial(crypto(0, b"\2" + HELLO[1:])), initial(b"\x1c\0\0\0"), initial(b""), sound[:5] + b"\xff"):
        packets = sent(data, b"\x40" + bytes(50))
        assert events(packets, "quic").is_empty()
        assert only(packets)["app_proto"] == "quic"


def test_endless_pieces_are_given_up() -> None:
    pieces = [initial(crypto(10 + at, b"x"), at=at) for at in range(20)]
    assert events(sent(*pieces), "quic").is_empty()
    with pytest.raises(CutError):
        pcap_quic.hello([initial(crypto(0, HELLO[:60]))])


@given(st.binary(max_size=200), st.sampled_from([V1, V2]), st.integers(0, 63))
def test_any_bytes_as_a_packet_or_its_frames(data: bytes, version: bytes, low: int) -> None:
    for datagram in (bytes([0xC0 | low]) + version + data, initial(data, version=version)):
        with suppress(CutError):
            pcap_quic.hello([datagram])
