"""Argus flow records as CSV (`ra -c ,`, "binetflow"): two-way flows, states in Argus's words."""

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
)

_NEEDED = frozenset(("starttime", "proto", "srcaddr", "dstaddr", "state"))
_USED = frozenset(
    (
        "starttime",
        "dur",
        "proto",
        "srcaddr",
        "sport",
        "dstaddr",
        "dport",
        "state",
        "totpkts",
        "totbytes",
        "srcbytes",
        "srcpkts",
        "dstbytes",
        "dstpkts",
    )
)


_WORDS = (
    {"REQ": 4, "ACC": 1, "EST": 6, "CON": 6, "CLO": 2, "FIN": 2, "RST": 3},
    {"REQ": 2, "ACC": 1, "EST": 1, "CON": 1, "CLO": 1, "FIN": 1},
)
"""Activity and outcome by Argus's words for a connection: asked for, accepted, established, closed, reset."""


def _header(line: bytes) -> Names | None:
    names = names_of(line, ",") if b"," in line else ()
    return names if _NEEDED.issubset(names) else None


def _state(state: pl.Expr, tcp: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Activity and outcome of a state: TCP flags of both sides as `SPA_SRA`, or a word as `CON` (`_WORDS`).

    A connection that was asked for and never answered (`S_`) has failed, one answered by a reset alone (`S_RA`) was refused.
    """
    parts = state.str.split_exact("_", 1).struct
    asked, answer = parts.field("field_0"), parts.field("field_1")
    flagged = tcp & answer.is_not_null()
    alone = flagged & asked.str.contains("S", literal=True) & (answer == "")
    refused = flagged & answer.str.contains(r"^(R|RA|AR)$")
    ended = flagged & asked.str.contains("F", literal=True) & answer.str.contains("F", literal=True)
    reset = flagged & state.str.contains("R", literal=True)
    said, outcome = (pl.when(tcp).then(state.replace_strict(words, default=None, return_dtype=pl.Int8)) for words in _WORDS)
    activity = pl.when(alone).then(4).when(refused).then(5).when(ended).then(2).when(reset).then(3).otherwise(said.fill_null(6))
    both = flagged & (answer != "")
    return activity, pl.when(alone | refused).then(2).when(both).then(1).otherwise(outcome)


def _map(names: Names) -> list[pl.Expr]:
    src, dst, state = first(names, "srcaddr"), first(names, "dstaddr"), first(names, "state")
    proto = protocol(first(names, "proto"))
    activity, status = _state(state, proto == "tcp")
    ways: dict[str, tuple[pl.Expr, pl.Expr]] = {}
    for kind, what in (("bytes", "bytes"), ("pkts", "pkts")):
        total, sent = integer(first(names, f"tot{what}"), "bytes_in"), integer(first(names, f"src{what}"), "bytes_in")
        back = pl.coalesce(integer(first(names, f"dst{what}"), "bytes_in"), total - sent)
        ways[kind] = sent, pl.when(back >= 0).then(back)
    return [
        instant("starttime").alias("time"),
        pl.lit(4001, dtype=pl.Int32).alias("class_uid"),
        activity.alias("activity_id"),
        status.alias("status_id"),
        state.alias("status_code"),
        pl.lit("flow").alias("op"),
        address(src).alias("src_ip"),
        address(dst).alias("dst_ip"),
        port(first(names, "sport"), "src_port"),
        port(first(names, "dport"), "dst_port"),
        proto,
        micros(first(names, "dur"), 1_000_000).alias("duration_us"),
        *(ways[kind][way].alias(f"{kind}_{name}") for kind in ways for way, name in enumerate(("out", "in"))),
        pl.when(bad_address(src, dst)).then(pl.lit("bad-address: source or destination is no address")).alias(PROBLEM),
    ]


DIALECT = Dialect("argus", 2, ",", _header, _map, lambda _: _USED, unset=frozenset(("",)))


class Argus:
    """One event a flow record. `status_code` is Argus's state; `bytes_*` are of whole frames; `Dir`, labels and the rest are in `ext`."""

    name = DIALECT.name
    title = "Argus flow records"
    formats = "CSV with a header line (binetflow)"
    classes: tuple[int, ...] = (4001,)

    def recognise(self, head: bytes, origin: str) -> bool:
        return recognise(head, DIALECT)

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        return read(source_input, limits, DIALECT)
