"""AWS VPC flow logs as text: the default format (version 2) with or without its header line, any custom format with one. In Parquet
(`parquet`) the columns are the fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

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
    names_of,
    port,
    protocol,
    read,
    recognise,
)  # fmt: skip

_DEFAULT: Names = (
    "version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes", "start", "end",
    "action", "log-status",
)  # fmt: skip
_FIELDS = frozenset((
    *_DEFAULT, "vpc-id", "subnet-id", "instance-id", "tcp-flags", "type", "pkt-srcaddr", "pkt-dstaddr", "region", "az-id",
    "sublocation-type", "sublocation-id", "pkt-src-aws-service", "pkt-dst-aws-service", "flow-direction", "traffic-path",
    "ecs-cluster-arn", "ecs-cluster-name", "ecs-container-instance-arn", "ecs-container-instance-id", "ecs-container-id",
    "ecs-second-container-id", "ecs-service-name", "ecs-task-definition-arn", "ecs-task-arn", "ecs-task-id", "reject-reason",
    "resource-id", "encryption-status",
    "resource-type", "tgw-id", "tgw-attachment-id", "tgw-src-vpc-account-id", "tgw-dst-vpc-account-id", "tgw-src-vpc-id", "tgw-dst-vpc-id",
    "tgw-src-subnet-id", "tgw-dst-subnet-id", "tgw-src-eni", "tgw-dst-eni", "tgw-src-az-id", "tgw-dst-az-id", "tgw-pair-attachment-id",
    "packets-lost-no-route", "packets-lost-blackhole", "packets-lost-mtu-exceeded", "packets-lost-ttl-expired",
))  # fmt: skip
_LINE = re.compile(rb"^([0-9]{4}-[0-9-]{5}T[0-9:.]{8,15}Z )?2 ([0-9]{12}|unknown) eni-[0-9a-z]+( [0-9a-zA-Z.:-]+){11}$")
_USED = frozenset((
    *_DEFAULT, "delivered", "region", "instance-id", "flow-direction", "pkt-srcaddr", "pkt-dstaddr",
))  # fmt: skip


def _header(line: bytes) -> Names | None:
    names = names_of(line, " ") if b"addr" in line else ()
    return names if names and _FIELDS.issuperset(names) and "start" in names and "srcaddr" in names else None


def _default(line: bytes) -> Names | None:
    found = _LINE.match(line)
    # Logs that came through CloudWatch have its time before each record.
    return None if found is None else ("delivered", *_DEFAULT) if found.group(1) else _DEFAULT


def _map(names: Names) -> list[pl.Expr]:
    src, dst = (first(names, f"{side}addr", f"pkt-{side}addr") for side in ("src", "dst"))
    action, state = first(names, "action"), first(names, "log-status")
    silent = state.is_in(["NODATA", "SKIPDATA"]).fill_null(False)
    refused = action == "REJECT"
    took = (instant("end") - instant("start")).dt.total_microseconds() if "end" in names else pl.lit(None, dtype=pl.Int64)
    return [
        instant("start").alias("time"),
        pl.when(silent).then(0).otherwise(4001).cast(pl.Int32).alias("class_uid"),
        pl.when(silent).then(0).when(refused).then(5).otherwise(6).alias("activity_id"),
        pl.when(refused).then(2).when(action == "ACCEPT").then(1).alias("status_id"),
        pl.coalesce(action, state).alias("status_code"),
        pl.when(silent).then(state).otherwise(pl.lit("flow")).alias("op"),
        first(names, "account-id").alias("account"),
        first(names, "region").alias("region"),
        pl.lit("AWS").alias("provider"),
        first(names, "instance-id").alias("host_uid"),
        first(names, "interface-id", "tgw-attachment-id").alias("resource"),
        address(src).alias("src_ip"),
        address(dst).alias("dst_ip"),
        port(first(names, "srcport"), "src_port"),
        port(first(names, "dstport"), "dst_port"),
        protocol(first(names, "protocol")),
        integer(first(names, "bytes"), "bytes_out"),
        integer(first(names, "packets"), "pkts_out"),
        first(names, "flow-direction").replace_strict({"ingress": 1, "egress": 2}, default=None).alias("direction_id"),
        pl.when(took >= 0).then(took).alias("duration_us"),
        pl.when(bad_address(src, dst) | (src.is_null() & ~silent))
        .then(pl.lit("bad-address: source or destination is no address")).alias(PROBLEM),
    ]  # fmt: skip


def _used(names: Names) -> frozenset[str]:
    # The packet's own addresses are kept where they differ from the interface's, which they may.
    return _USED - {"pkt-srcaddr", "pkt-dstaddr"} if "srcaddr" in names else _USED


DIALECT = Dialect("vpc-flow", 2, " ", _header, _map, _used, default=_default)


def columns(names: Iterable[str]) -> dict[str, str]:
    """The columns of a Parquet file of flow logs and the fields they are; none where it holds anything else. Parquet has `_` for `-`, and
    partitions may have added columns of their own."""
    found = {name: name.lower().replace("_", "-") for name in names}
    known = {name: field for name, field in found.items() if field in _FIELDS}
    return known if _header(" ".join(known.values()).encode()) and {"interface-id", "tgw-id", "dstaddr"} & set(known.values()) else {}


class VpcFlow:
    """One event a record, one way each: `bytes_out` from source to destination. NODATA and SKIPDATA records are of class 0."""

    name = DIALECT.name
    title = "AWS VPC flow logs"
    formats = "text, version 2 with or without header, versions 3 to 10 and transit gateways with header"
    classes: tuple[int, ...] = (0, 4001)

    def recognise(self, head: bytes, origin: str) -> bool:
        return recognise(head, DIALECT)

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        return read(source_input, limits, DIALECT)
