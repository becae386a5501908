"""NetFlow and IPFIX records as CSV: `nfdump -o csv` of all versions, exports by IPFIX (RFC 5102) or NetFlow v9 field names, and what
SiLK's `rwcut --delimited=,` prints."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from nonself.sources.contract import Chunk, Input, Limits
from nonself.sources.flows_csv_read import (
    PROBLEM,
    Dialect,
    Names,
    address,
    bad_address,
    first,
    instant,
    integer,
    micros,
    names_of,
    port,
    protocol,
    read,
    recognise,
)  # fmt: skip

FIELDS: dict[str, Names] = {
    "start": ("ts", "firstseen", "flowstartmicroseconds", "flowstartmilliseconds", "flowstartseconds", "flow_start_milliseconds",
              "first_switched", "stime"),
    "end": ("te", "lastseen", "flowendmicroseconds", "flowendmilliseconds", "flowendseconds", "flow_end_milliseconds", "last_switched",
            "etime"),
    "seconds": ("td", "duration"),
    "milliseconds": ("flowdurationmilliseconds", "flow_duration_milliseconds"),
    "src": ("sa", "srcaddr", "sourceipv4address", "sourceipv6address", "ipv4_src_addr", "ipv6_src_addr", "sip"),
    "dst": ("da", "dstaddr", "destinationipv4address", "destinationipv6address", "ipv4_dst_addr", "ipv6_dst_addr", "dip"),
    "src_port": ("sp", "srcport", "sourcetransportport", "l4_src_port", "sport"),
    "dst_port": ("dp", "dstport", "destinationtransportport", "l4_dst_port", "dport"),
    "proto": ("pr", "proto", "protocolidentifier", "protocol"),
    "flags": ("flg", "flags", "tcpflags", "tcpcontrolbits", "tcp_flags"),
    "bytes_out": ("ibyt", "inbytes", "bytes", "octetdeltacount", "octettotalcount", "in_bytes", "byt"),
    "bytes_in": ("obyt", "outbytes", "reverseoctetdeltacount", "reverseoctettotalcount", "out_bytes"),
    "pkts_out": ("ipkt", "inpackets", "packets", "packetdeltacount", "packettotalcount", "in_pkts", "pkt"),
    "pkts_in": ("opkt", "outpackets", "reversepacketdeltacount", "reversepackettotalcount", "out_pkts"),
    "app_proto": ("applicationname", "l7_proto_name"),
}  # fmt: skip
"""What a flow says, and the fields that say it, the best first."""
_NEEDED = ("start", "src", "dst", "proto")
_BITS = {1: "F", 2: "S", 4: "R", 8: "P", 16: "A", 32: "U", 64: "E", 128: "C"}
FLAGS = {str(number): "".join(_BITS[bit] if number & bit else "." for bit in sorted(_BITS, reverse=True)) for number in range(256)}


def _header(line: bytes) -> Names | None:
    if b"," not in line:
        return None
    names = names_of(line, ",")
    held = {what for what, fields in FIELDS.items() if any(name in names for name in fields)}
    return names if held.issuperset(_NEEDED) and held & {"bytes_out", "pkts_out"} else None


def _said(names: Names, what: str) -> pl.Expr:
    return first(names, *FIELDS[what])


def _map(names: Names) -> list[pl.Expr]:
    start = next(name for name in FIELDS["start"] if name in names)
    end = next((name for name in FIELDS["end"] if name in names), start)
    took = (instant(end) - instant(start)).dt.total_microseconds()
    duration = pl.coalesce(micros(_said(names, "seconds"), 1_000_000), micros(_said(names, "milliseconds"), 1_000), took)
    src, dst = _said(names, "src"), _said(names, "dst")
    proto, flags = protocol(_said(names, "proto")), _said(names, "flags").replace(FLAGS)
    tcp = proto == "tcp"
    # One-way flows write 0 for the way back, which they have not counted.
    back = (integer(_said(names, "pkts_in"), "pkts_in") > 0) | (integer(_said(names, "bytes_in"), "bytes_in") > 0)
    return [
        instant(start).alias("time"),
        pl.lit(4001, dtype=pl.Int32).alias("class_uid"),
        pl.when(tcp).then(activity(flags)).otherwise(6).alias("activity_id"),
        pl.when(tcp).then(flags).alias("status_code"),
        pl.lit("flow").alias("op"),
        address(src).alias("src_ip"),
        address(dst).alias("dst_ip"),
        port(_said(names, "src_port"), "src_port"),
        port(_said(names, "dst_port"), "dst_port"),
        proto,
        _said(names, "app_proto").str.to_lowercase().alias("app_proto"),
        pl.when(duration >= 0).then(duration).alias("duration_us"),
        integer(_said(names, "bytes_out"), "bytes_out"),
        integer(_said(names, "pkts_out"), "pkts_out"),
        pl.when(back).then(integer(_said(names, "bytes_in"), "bytes_in")).alias("bytes_in"),
        pl.when(back).then(integer(_said(names, "pkts_in"), "pkts_in")).alias("pkts_in"),
        pl.when(bad_address(src, dst)).then(pl.lit("bad-address: source or destination is no address")).alias(PROBLEM),
    ]


def activity(flags: pl.Expr) -> pl.Expr:
    """The OCSF activity of all TCP flags of one way, as `...A.RS.`: 3 reset, 2 closed, 1 opened (SYN alone), else 6 traffic."""
    has = {letter: flags.str.contains(letter, literal=True) for letter in "RFSA"}
    return pl.when(has["R"]).then(3).when(has["F"]).then(2).when(has["S"] & ~has["A"]).then(1).otherwise(6)


def _used(names: Names) -> frozenset[str]:
    return frozenset(name for fields in FIELDS.values() for name in fields)


DIALECT = Dialect(
    "netflow-csv", 2, ",", _header, _map, _used, ends=b"Summary",
    unset=frozenset(("", "-", "0-0-0", "00:00:00:00:00:00", "0.000", "0.0.0.0", "::", "0/0")),
)  # fmt: skip


class FlowsCsv:
    """One event a flow record. `bytes_*` are what the exporter counted: of whole IP packets; a record without a way back has no `*_in`."""

    name = DIALECT.name
    title = "NetFlow and IPFIX as CSV"
    formats = "nfdump -o csv (1.6 and 1.7), CSV with IPFIX, NetFlow v9 or SiLK field names"
    classes: tuple[int, ...] = (4001,)

    def recognise(self, head: bytes, origin: str) -> bool:
        return recognise(head, DIALECT)

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        return read(source_input, limits, DIALECT)
