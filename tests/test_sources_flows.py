"""Flow records: what each field becomes, what bad rows become, and binary files written by whoever likes."""

from __future__ import annotations

import bz2
import json
import os
import random
import struct
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.sources import SOURCES, lines, nfdump_lz, read
from nonself.sources.contract import Chunk, Limits
from nonself.sources.nfdump import Nfdump
from samples_flows import (
    ARGUS_CSV,
    CLIENT,
    IPFIX_CSV,
    MAP_V1,
    NFDUMP_CSV,
    NFDUMP_NEW,
    SAMPLES,
    SERVER,
    T0,
    V2_RECORDS,
    VPC_CUSTOM,
    VPC_PLAIN,
    nfdump_15,
    nfdump_v1,
    nfdump_v2,
    record_15,
    record_v1,
    record_v2,
)

LIMITS = Limits()
DATA = Path(os.environ.get("NONSELF_DATA", Path(__file__).parents[1] / "../shared/data")) / "network/slips"


def chunks(data: bytes) -> list[Chunk]:
    return list(read(lines.in_memory(data, "x"), LIMITS)[1])


def events(data: bytes) -> pl.DataFrame:
    return pl.concat([chunk.events for chunk in chunks(data)])


def letters(data: bytes) -> list[tuple[int, str]]:
    return [(letter.record, letter.reason) for chunk in chunks(data) for letter in chunk.dead]


def row(data: bytes, at: int, *names: str) -> tuple[object, ...]:
    return events(data).select(names).row(at)


FLOW = ("src_ip", "src_port", "dst_ip", "dst_port", "proto", "status_code", "activity_id", "status_id")
SIZES = ("bytes_out", "pkts_out", "bytes_in", "pkts_in", "duration_us")


def real(name: str) -> bytes:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"REAL DATA ABSENT: {path} (set NONSELF_DATA)")
    return path.read_bytes()


def test_nfdump_csv() -> None:
    assert row(NFDUMP_CSV, 0, *FLOW) == (CLIENT, 50001, SERVER, 443, "tcp", "...AP.SF", 2, None)
    assert row(NFDUMP_CSV, 0, *SIZES) == (1200, 9, None, None, 1_250_000)
    assert row(NFDUMP_CSV, 1, "activity_id") == (1,)
    assert row(NFDUMP_CSV, 2, *SIZES) == (70, 1, 150, 1, 4_000)  # its exporter counted the way back
    assert str(events(NFDUMP_CSV)["time"][0]) == "2026-03-02 10:00:00+00:00"
    assert json.loads(events(NFDUMP_CSV)["ext"][0])["smk"] == "24"


def test_new_nfdump_csv_and_ipfix_names() -> None:
    assert row(NFDUMP_NEW, 0, *FLOW) == (CLIENT, 50001, SERVER, 443, "tcp", None, 6, None)
    assert str(events(NFDUMP_NEW)["time"][0]) == "2026-03-02 10:00:00.125000+00:00"
    assert row(NFDUMP_NEW, 1, "proto", "dst_port") == ("icmp", None)  # "8.0" is no port
    assert row(IPFIX_CSV, 0, *FLOW) == (CLIENT, 50001, SERVER, 443, "tcp", "...AP.SF", 2, None)
    assert row(IPFIX_CSV, 0, *SIZES) == (1200, 9, None, None, 1_000_000)
    assert row(IPFIX_CSV, 1, "app_proto", "activity_id") == ("smb", 1)
    assert json.loads(events(IPFIX_CSV)["ext"][0]) == {"ingressInterface": "3"}


def test_the_summary_of_nfdump_is_no_record_and_a_second_header_is_followed() -> None:
    summary = b"Summary\nflows,bytes,packets,avg_bps,avg_pps,avg_bpp\n3,1330,11,1,1,1\n"
    data = NFDUMP_CSV + summary + NFDUMP_NEW
    assert letters(data) == []
    assert events(data).height == 5
    assert events(data)["src_port"].to_list() == [50001, 50002, 5353, 50001, 0]


def test_argus() -> None:
    assert row(ARGUS_CSV, 0, *FLOW) == ("198.51.100.9", 52691, "10.0.0.8", 445, "tcp", "S_", 4, 2)
    assert row(ARGUS_CSV, 1, *FLOW) == ("198.51.100.9", 52798, "10.0.0.9", 445, "tcp", "S_RA", 5, 2)
    assert row(ARGUS_CSV, 2, "activity_id", "status_id", *SIZES) == (2, 1, 1000, 9, 8000, 11, 2_500_000)
    assert row(ARGUS_CSV, 3, "proto", "src_port", "status_code") == ("icmp", 0x303, "ECO")
    assert json.loads(events(ARGUS_CSV)["ext"][1]) == {"Dir": "->", "sTos": "0", "dTos": "0", "Label": "flow=scan"}


@pytest.mark.parametrize(
    ("state", "activity", "status"),
    [("REQ", 4, 2), ("FIN", 2, 1), ("CLO", 2, 1), ("RST", 3, None), ("CON", 6, 1), ("ACC", 1, 1), ("TIM", 6, None)],
)
def test_argus_says_states_in_words_too(state: str, activity: int, status: int | None) -> None:
    head = b"StartTime,Proto,SrcAddr,Sport,DstAddr,Dport,State\n2026-03-02 10:00:00.5,"
    for proto, expected in ((b"tcp", (activity, status)), (b"udp", (6, None))):
        data = head + proto + b",192.0.2.5,51000,198.51.100.7,443," + state.encode() + b"\n"
        assert row(data, 0, "activity_id", "status_id") == expected


def test_silk_and_short_names_of_nfdump() -> None:
    silk = b"sIP,dIP,sPort,dPort,protocol,packets,bytes,flags,sTime,duration,eTime,sensor\n"
    silk += b"192.0.2.5,198.51.100.7,51000,443,6,12,4000,FSPA,2026/03/02T10:00:00.120,5.120,2026/03/02T10:00:05.240,S0\n"
    short = b"ts,te,td,pr,sa,sp,da,dp,flg,tos,pkt,byt,fl\n"
    short += b"2026-03-02 10:00:00.120,2026-03-02 10:00:05.240,5.120,TCP,192.0.2.5,51000,198.51.100.7,443,...AP.SF,0,12,4000,1\n"
    for data in (silk, short):
        assert row(data, 0, *FLOW[:5], "activity_id") == ("192.0.2.5", 51000, "198.51.100.7", 443, "tcp", 2)
        assert row(data, 0, *SIZES) == (4000, 12, None, None, 5_120_000)


def test_flow_logs_of_a_transit_gateway() -> None:
    data = (
        b"version resource-type account-id tgw-id tgw-attachment-id tgw-src-vpc-id srcaddr dstaddr srcport dstport protocol packets bytes"
    )
    data += b" start end log-status type packets-lost-no-route tcp-flags region flow-direction\n6 TransitGateway 123456789012 tgw-0a"
    data += b" tgw-attach-0b vpc-0c 192.0.2.5 198.51.100.7 51000 443 6 12 4000 1772445600 1772445660 OK IPv4 0 19 eu-west-1 ingress\n"
    assert row(data, 0, *FLOW) == ("192.0.2.5", 51000, "198.51.100.7", 443, "tcp", "OK", 6, None)
    assert row(data, 0, "resource", "account", "region", "direction_id") == ("tgw-attach-0b", "123456789012", "eu-west-1", 1)


def test_vpc_flow() -> None:
    assert row(VPC_PLAIN, 0, *FLOW) == (CLIENT, 50001, SERVER, 443, "tcp", "ACCEPT", 6, 1)
    assert row(VPC_PLAIN, 0, *SIZES) == (4249, 20, None, None, 60_000_000)
    assert row(VPC_PLAIN, 1, "status_code", "activity_id", "status_id") == ("REJECT", 5, 2)
    assert row(VPC_PLAIN, 2, "class_uid", "op", "src_ip") == (0, "NODATA", None)
    assert row(VPC_PLAIN, 0, "account", "resource", "provider") == ("123456789012", "eni-0a1b2c3d", "AWS")
    assert row(VPC_CUSTOM, 0, "direction_id", "host_uid", "region") == (2, "i-0123", "eu-west-1")
    assert row(VPC_CUSTOM, 1, "direction_id", "src_ip", "dst_port") == (1, "2001:db8::9", 22)
    assert json.loads(events(VPC_CUSTOM)["ext"][0])["pkt-dstaddr"] == SERVER


def test_vpc_records_that_came_through_cloudwatch() -> None:
    data = b"".join(b"2026-03-02T10:01:00.000Z " + line + b"\n" for line in VPC_PLAIN.splitlines())
    drop = ("uid", "raw")
    assert events(data).drop(drop).equals(events(VPC_PLAIN).drop(drop))


BAD_ROWS = [
    (b"not,enough", "field-count"),
    (b",".join([b"1"] * 300), "field-count"),
    (b"yesterday,0,tcp,10.0.0.1,1,->,10.0.0.2,2,S_,0,0,1,70,70,1,", "bad-time"),
    (b"9999999999999999999,0,tcp,10.0.0.1,1,->,10.0.0.2,2,S_,0,0,1,70,70,1,", "bad-time"),
    (b"NaN,0,tcp,10.0.0.1,1,->,10.0.0.2,2,S_,0,0,1,70,70,1,", "bad-time"),
    (b"1e999,0,tcp,10.0.0.1,1,->,10.0.0.2,2,S_,0,0,1,70,70,1,", "bad-time"),
    (b"-5,0,tcp,10.0.0.1,1,->,10.0.0.2,2,S_,0,0,1,70,70,1,", "bad-time"),
    (b"2026/03/02 10:00:00,0,tcp,999.0.0.1,1,->,10.0.0.2,2,S_,0,0,1,70,70,1,", "bad-address"),
    (b"2026/03/02 10:00:00,0,tcp,<script>,1,->,10.0.0.2,2,S_,0,0,1,70,70,1,", "bad-address"),
    (b"\0\xff,\x80", "field-count"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_ROWS)
def test_a_bad_row_is_a_dead_letter_and_harms_no_other(bad: bytes, reason: str) -> None:
    good = events(ARGUS_CSV)
    rows = ARGUS_CSV.splitlines()
    data = b"\n".join([*rows[:3], bad, *rows[3:]]) + b"\n"
    assert letters(data) == [(3, reason)]
    assert events(data).drop("record").equals(good.drop("record"))


def test_odd_values_are_null_and_cost_only_themselves() -> None:
    odd = b"2026/03/02 10:00:00,1e999,TCP,10.0.0.1,70000,->,10.0.0.2,-1,S_,0,0,NaN,-5,99999999999999999999,x,\n"
    data = ARGUS_CSV + odd
    assert letters(data) == []
    assert row(data, 4, "src_ip", "proto", "src_port", "dst_port", *SIZES) == ("10.0.0.1", "tcp", None, None, *[None] * 5)
    hardware = b"2026/03/02 10:00:00,0,arp,00:11:22:33:44:55,,who,10.0.0.2,,CON,,,1,60,60,1,\n"
    assert row(ARGUS_CSV + hardware, 4, "src_ip", "dst_ip", "proto") == (None, "10.0.0.2", "arp")


def test_a_header_of_ten_thousand_fields_is_no_header() -> None:
    wide = b",".join([b"StartTime", b"Dur", b"Proto", b"SrcAddr", b"DstAddr", b"State", *(b"x%d" % at for at in range(10_000))])
    found = chunks(wide + b"\n" + b"1," * 10_005 + b"1\n")
    assert [letter.reason for chunk in found for letter in chunk.dead] == ["no-header"] or not any(chunk.events.height for chunk in found)


def test_a_header_alone_is_not_silent() -> None:
    assert letters(ARGUS_CSV.splitlines()[0] + b"\n") == [(0, "empty")]


OTHERS = (b"time,src,dst\n1,2,3\n", b"2 3 eni-1\n", b"version date\n", b"ts,te\n1,2\n", b"StartTime,Proto\n", b"a,b,c\n")


@pytest.mark.parametrize("data", OTHERS)
def test_what_only_looks_like_flows_is_not_claimed(data: bytes) -> None:
    assert [source.name for source in SOURCES if source.name in SAMPLES and source.recognise(data, "x")] == []


def test_records_of_nfdump_15_read_as_later_ones() -> None:
    six = ("2001:db8::5", "2001:db8::53", 50002, 53)
    oldest = events(nfdump_15([record_15(CLIENT, SERVER, 50001, 443, tcp_flags=0x1B), record_15(*six, wide=True)]))
    later = events(nfdump_v1([MAP_V1, record_v1(CLIENT, SERVER, 50001, 443, tcp_flags=0x1B), record_v1(*six)]))
    assert oldest.drop("record").equals(later.drop("record"))
    cut = nfdump_15([record_15(CLIENT, SERVER, 1, 2), struct.pack("<IHH", 0, 40, 0) + bytes(32), struct.pack("<IHH", 0, 9, 0)])
    chunks = list(Nfdump().read(lines.in_memory(cut), Limits()))
    assert [letter.reason for chunk in chunks for letter in chunk.dead] == ["corrupt-record", "corrupt-record"]
    assert sum(chunk.events.height for chunk in chunks) == 1


def test_nfdump_fields_of_both_layouts() -> None:
    six = ("2001:db8::5", "2001:db8::7", 1, 2)
    old = nfdump_v1([MAP_V1, record_v1(CLIENT, SERVER, 50001, 443, tcp_flags=0x1B, back=True), record_v1(*six)])
    new = nfdump_v2([record_v2(CLIENT, SERVER, 50001, 443, tcp_flags=0x1B, back=True), record_v2(*six)])
    for data in (old, new):
        assert row(data, 0, *FLOW) == (CLIENT, 50001, SERVER, 443, "tcp", "...AP.SF", 2, None)
        assert row(data, 0, *SIZES) == (180, 3, 990, 9, 1_500_000)
        assert row(data, 1, "src_ip", "dst_ip", "bytes_in", "activity_id") == ("2001:db8::5", "2001:db8::7", None, 1)
        assert events(data)["time"][0].timestamp() == T0 + 0.25
    assert events(old).drop("uid").equals(events(new).drop("uid"))  # told alike, whatever the layout
    assert events(nfdump_v2(V2_RECORDS)).row(2, named=True)["dst_port"] is None  # of ICMP it is type and code
    assert json.loads(events(new)["raw"][0])["dst_ip"] == SERVER


def test_a_flow_is_named_by_what_it_says() -> None:
    twice = events(nfdump_v2([V2_RECORDS[0], V2_RECORDS[0], V2_RECORDS[1]]))["uid"].to_list()
    assert twice[0] == twice[1] != twice[2]


CORRUPT = [
    (nfdump_v2(V2_RECORDS)[:39], ["truncated"], 0),
    (nfdump_v2(V2_RECORDS)[:-5], ["corrupt-record", "truncated"], 2),
    (nfdump_v2(V2_RECORDS)[:45], ["truncated"], 0),
    (nfdump_v2(V2_RECORDS, compression=5), ["unsupported-compression"], 0),
    (nfdump_v2(V2_RECORDS, compression=4), ["corrupt-block"], 0),
    (nfdump_v2(V2_RECORDS, compression=4, body=zstandard.compress(b"".join(V2_RECORDS))[:-9]), ["corrupt-block"], 0),
    (nfdump_v2(V2_RECORDS, compression=2), ["corrupt-block"], 0),
    (nfdump_v2(V2_RECORDS, compression=3), ["corrupt-block"], 0),
    (nfdump_v2(V2_RECORDS, compression=1), ["corrupt-block"], 0),
    (nfdump_v2([*V2_RECORDS[:1], struct.pack("<HH", 11, 3), *V2_RECORDS[1:]]), ["corrupt-record"], 1),
    (nfdump_v2([*V2_RECORDS[:1], struct.pack("<HHHBBHBBHH", 11, 16, 1, 0, 0, 0, 0, 0, 1, 60000), *V2_RECORDS[1:]]), ["corrupt-record"], 3),
    (nfdump_v2([struct.pack("<HHQHH", 11, 16, 0, 1, 4), *V2_RECORDS]), ["corrupt-record"], 3),
    (nfdump_v2([struct.pack("<HHQ", 11, 12, 0), *V2_RECORDS]), ["no-flow"], 3),
    (nfdump_v2([struct.pack("<HHQHH", 11, 64, 0, 1, 52) + b"\xff" * 48, *V2_RECORDS]), ["bad-time"], 3),
    (nfdump_v2([])[:40] + struct.pack("<IIHH", 1, 0xFFFFFFFF, 3, 0), ["corrupt-nfdump"], 0),
    (nfdump_v1([struct.pack("<HH", 10, 8) + b"\0" * 4, record_v1(CLIENT, SERVER, 1, 2)]), ["corrupt-record"], 1),
    (nfdump_v2([]), ["empty"], 0),
]


@pytest.mark.parametrize(("data", "reasons", "count"), CORRUPT)
def test_damage_is_told_and_costs_only_what_it_hit(data: bytes, reasons: list[str], count: int) -> None:
    found = chunks(data)
    assert [letter.reason for chunk in found for letter in chunk.dead] == reasons
    assert sum(chunk.events.height for chunk in found) == count
    assert sum(chunk.records for chunk in found) == count + len(reasons)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1 << 32), st.sampled_from(SAMPLES["nfdump"]))
def test_any_damage_to_a_flow_file_raises_nothing(seed: int, sample: tuple[str, bytes, int]) -> None:
    rng, data = random.Random(seed), bytearray(sample[1])
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    found = list(Nfdump().read(lines.in_memory(bytes(data)), LIMITS))
    assert sum(chunk.records for chunk in found) >= 1


REFUSED = r"end|cut|limit"


def test_a_block_that_expands_too_far_ends_the_file_and_costs_little() -> None:
    bomb = bz2.compress(bytes(45_000_000))
    whole = nfdump_v2(V2_RECORDS, compression=2, body=bz2.compress(b"".join(V2_RECORDS)))
    block = struct.pack("<IIHH", 1, len(bomb), 3, 0) + bomb
    chunks = list(Nfdump().read(lines.in_memory(whole + block * 1_000, "nfcapd"), Limits()))
    assert sum(chunk.events.height for chunk in chunks) == len(V2_RECORDS)
    (dead,) = [dead for chunk in chunks for dead in chunk.dead]
    assert dead.reason == "corrupt-nfdump" and "expand" in dead.detail


def test_zstd_and_bzip2_blocks_read_as_plain_ones() -> None:
    plain, whole = events(nfdump_v2(V2_RECORDS)), b"".join(V2_RECORDS)
    for compression, body in ((2, bz2.compress(whole)), (4, zstandard.compress(whole))):
        assert events(nfdump_v2(V2_RECORDS, compression=compression, body=body)).equals(plain)


def test_lz4_and_lzo_blocks() -> None:
    assert nfdump_lz.lz4(b"\x42abcd\x04\x00\x10e", 100) == b"abcdabcdabe"
    assert nfdump_lz.lz4(b"\x1fx\x01\x00\xff\x01\x00", 1000) == b"x" * (1 + 4 + 15 + 255 + 1)
    assert nfdump_lz.lzo(b"\x16hello\x11\0\0", 100) == b"hello"
    assert nfdump_lz.lzo(b"\x16hello\x70\0\x11\0\0", 100) == b"hellohell"  # 4 bytes, 5 back
    assert nfdump_lz.lzo(b"\x16hello\x3f\x10\0\x11\0\0", 100) == b"hello" + (b"hello" * 7)[:33]  # 33 bytes, 5 back
    for bad in (b"\x42ab", b"\x04\x09\x00", b"\x1fx\x01\x00" + b"\xff" * 9, b"\x10"):
        with pytest.raises(ValueError, match=REFUSED):
            nfdump_lz.lz4(bad, 1_000)
    for bad in (b"", b"\xff", b"\x16he", b"\x40\x00", b"\x00" * 50):
        with pytest.raises(ValueError, match=REFUSED):
            nfdump_lz.lzo(bad, 1_000)


@given(st.binary(max_size=300))
def test_any_bytes_are_decompressed_or_refused(data: bytes) -> None:
    for decompress in (nfdump_lz.lz4, nfdump_lz.lzo):
        with suppress(ValueError):
            assert len(decompress(data, 10_000)) <= 10_000 + len(data)


def test_real_nfdump_totals() -> None:
    frame = events(real("test1-malicious.nfdump"))
    # As nfdump 1.7.1 itself sums the file up.
    assert (frame.height, frame["bytes_out"].sum(), frame["pkts_out"].sum()) == (4593, 241_025, 4_652)


def test_real_argus_files_read_whole_and_show_their_scans() -> None:
    for name, count, port in (("test3-mixed.binetflow", 89, None), ("test4-malicious.binetflow", 394, 81)):
        data = real(name)
        assert letters(data) == []
        frame = events(data)
        assert frame.height == count == len(data.splitlines()) - 1
        if port is not None:
            scan = frame.filter(src_ip="192.168.2.12", dst_port=port)["dst_ip"].n_unique()
            assert scan > 50
