"""Access logs of Apache, nginx and what writes like them: common and combined format, and the variants seen most.

What may stand before the client: the virtual host (with port), the chain of X-Forwarded-For (bare or quoted). What may stand after the
user agent: that chain quoted, nginx's request time, ingress-nginx's fields; any other tail is kept in `ext`.

`src_ip` is the peer that connected. Who sends a request writes its X-Forwarded-For, so the chain stays in `ext`; only where a log has
nothing but the chain, its last public address is taken, since that one was written by the last proxy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from nonself.core.errors import RecordError
from nonself.sources.contract import Chunk, Input, Limits
from nonself.sources.lines import head_lines
from nonself.sources.weblog_text import (
    ADDRESS,
    apache_time,
    ext_of,
    http_events,
    parts,
    read_lines,
    request,
    said,
    stem,
    unescaped,
)

MAP_VER = 2
_STAMP = 29
"""Characters of `[02/Mar/2026:10:00:01 +0100] `, which stands before the request."""
_PARTS = 7
_BYTE_ADDRESS = ADDRESS.encode()
# Addresses of the chain are taken whole (?>): what is part of one may look like one, and a line of colons can be cut in too many ways.
_CHAIN = rb"(?:(?>" + _BYTE_ADDRESS + rb")(?:, ?)?){1,16}"
_LINE = re.compile(
    rb'^(?:(?:[^\s"=]{1,255} |-? ?"?' + _CHAIN + rb'"? )?(?:' + _BYTE_ADDRESS + rb'),? \S+|[^\s"=\[\]]{1,255} -|"' + _CHAIN + rb'" -) '
    rb'[^\[\]"]{1,255} \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "(?:[^"\\]|\\.)*+" (?:\d{3}|-) (?:\d+|-)(?: |$)'
)
_PRIVATE = r"^(10\.|127\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|::1$|[fF][cCdDeE])"
_PROBLEM = RecordError("not-an-access-log", 'expected: client ident user [time] "request" status bytes')


class WebLog:
    """`op` is the HTTP method. `ext` holds `referrer`, `cs-uri-stem` (where there is a query), `x_forwarded_for`, `tail` and, where it is
    no HTTP, `request`."""

    name = "weblog"
    title = "Apache and nginx access logs"
    formats = "common, combined, with virtual host, X-Forwarded-For, request time, ingress-nginx"
    classes = (4002,)

    def recognise(self, head: bytes, origin: str) -> bool:
        """A whole record of the format among the first lines."""
        return any(_LINE.match(line) for line in head_lines(head))

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract. Blank lines are no records."""
        return read_lines(self.name, MAP_VER, source_input, limits, parse, _PROBLEM)


def parse(text: pl.Series) -> pl.DataFrame:
    """Lines as event columns, and `good`: whether a line is one of the format."""
    first, text = _quoted_chain(text)
    cut = parts(text, _PARTS)
    mid = cut.get_column("part_2").str.splitn(" ", 4).struct.unnest()
    status, size, before = mid.to_series(1), mid.to_series(2), mid.to_series(3)
    head = cut.get_column("part_0")
    asked = request(unescaped(cut.get_column("part_1")))
    frame = pl.DataFrame([
        *_who(head.str.head(-_STAMP), first).get_columns(),
        *asked.drop("url_host").get_columns(),
        asked.get_column("url_host").alias("asked_host"),
        status.alias("http_status"), size.alias("bytes_in"),
        unescaped(cut.get_column("part_3")).alias("referrer"), unescaped(cut.get_column("part_5")).alias("user_agent"),
        _tail(before, cut.get_column("part_6")),
        apache_time(head.str.slice(-_STAMP).str.strip_prefix("[").str.strip_suffix("] ")).alias("time"),
    ])  # fmt: skip
    good = (
        _is_number(status, pl.Int16)
        & (status.str.len_bytes() <= 3)
        & _is_number(size, pl.Int64)
        & head.str.ends_with("] ").fill_null(False)
    )
    return _events(frame.with_columns(good=good & frame.get_column("client_good")))


def _is_number(text: pl.Series, dtype: type[pl.DataType]) -> pl.Series:
    return (text.cast(dtype, strict=False) >= 0).fill_null(False) | (text == "-").fill_null(False)


def _quoted_chain(text: pl.Series) -> tuple[pl.Series | None, pl.Series]:
    """A chain in quotes at the start of lines, and the lines without it; where it stands for the client it stays, without the quotes."""
    starts = text.str.starts_with('"').fill_null(False)
    if not starts.any():
        return None, text
    cut = text.str.splitn('"', 3).struct.unnest()
    chain, rest = cut.to_series(1), cut.to_series(2).str.strip_prefix(" ")
    alone = rest.str.starts_with("- ").fill_null(False) & (chain != "").fill_null(False)
    rest = (chain + " " + rest).zip_with(alone, rest)
    starts = starts & ~alone
    text = rest.zip_with(alone, text)
    return chain.zip_with(starts, pl.Series([None], dtype=pl.String)), rest.zip_with(starts, text)


def _who(who: pl.Series, chain: pl.Series | None) -> pl.DataFrame:
    """What stands before the stamp: src_ip, src_host, user, vhost, dst_port, chain, client_good."""
    who = who.str.strip_suffix(" ")
    cut = who.str.splitn(" ", 3).struct.unnest()
    cut.columns = ["client", "ident", "user"]
    plain = cut.get_column("client").str.contains(f"^{ADDRESS}$").fill_null(False) & (cut.get_column("ident") == "-").fill_null(False)
    text, nothing = pl.lit(None, dtype=pl.String), pl.lit(None, dtype=pl.Int32)
    found = cut.select(
        said("user"), src_ip="client", src_host=text, vhost=text, dst_port=nothing, chain=text, client_good=pl.col("user").is_not_null()
    )
    if not plain.all():
        odd = _odd(who.filter(~plain)).select(found.columns)
        found = pl.concat([found.with_row_index("at").filter(plain), odd.with_columns(at=(~plain).arg_true()).select("at", *odd.columns)])
        found = found.sort("at").drop("at")
    return found if chain is None else found.with_columns(chain=pl.coalesce(chain, "chain"))


_ONE = rf"(?:{ADDRESS}|unknown)"
_FORMS = (
    rf"^(?P<chain>(?:-|{_ONE}(?:, ?{_ONE})*)) (?P<src_ip>{ADDRESS}) - (?P<user>.*)$",
    rf"^(?P<chain>{_ONE}(?:, ?{_ONE})+) - (?P<user>.*)$",
    rf"^(?P<src_ip>{ADDRESS}) \S+ (?P<user>.*)$",
    rf"^(?P<vhost>[^\s,:]+|\[[0-9a-fA-F:.]+\])(?::(?P<dst_port>\d{{1,5}}))? (?P<src_ip>{ADDRESS}) \S+ (?P<user>.*)$",
    r"^(?P<src_host>\S+) - (?P<user>.*)$",
)
"""What may stand before the stamp, asked in this order: a chain and the peer, a chain alone, an ident, a virtual host, a client's name."""


def _odd(who: pl.Series) -> pl.DataFrame:
    """The forms that are rare, by the first of `_FORMS` that fits."""
    left = who.alias("who").to_frame().with_row_index("at")
    found = []
    for form in _FORMS:
        groups = left.get_column("who").str.extract_groups(form).struct.unnest()
        fits = groups.get_column("user").is_not_null()
        found.append(groups.with_columns(left.get_column("at")).filter(fits))
        left = left.filter(~fits)
        if left.is_empty():
            break
    rows = pl.concat([*found, left.select("at", *(pl.lit(None, dtype=pl.String).alias(name) for name in _WHO))], how="diagonal").sort("at")
    good = pl.col("user").is_not_null().alias("client_good")
    rows = rows.with_columns(good, said("user"), said("chain"), said("vhost"), pl.col("dst_port").cast(pl.Int32, strict=False))
    return rows.with_columns(src_ip=pl.coalesce("src_ip", _nearest(pl.col("chain"))))


_WHO = ("src_ip", "src_host", "user", "vhost", "dst_port", "chain")


def _nearest(chain: pl.Expr) -> pl.Expr:
    """The last public address of a chain, else its last."""
    each = chain.str.split(",").list.eval(pl.element().str.strip_chars())
    public = each.list.eval(pl.element().filter(~pl.element().str.contains(_PRIVATE) & pl.element().str.contains(f"^{ADDRESS}$")))
    return pl.coalesce(public.list.last(), each.list.last())


def _tail(before: pl.Series, after: pl.Series) -> pl.Series:
    """What the format does not have: between the size and the referrer, or at the end."""
    before, after = before.str.strip_chars(" "), after.str.strip_chars(" ")
    both = pl.concat_str("a", "b", separator=" ", ignore_nulls=True).str.strip_chars().alias("tail")
    return pl.DataFrame([before.alias("a"), after.alias("b")]).select(both).to_series()


def _events(frame: pl.DataFrame) -> pl.DataFrame:
    frame = http_events(frame.with_columns(said("user_agent"), said("referrer"), _count("bytes_in")))
    frame = frame.with_columns(url_host=pl.coalesce("asked_host", "vhost"), **_timing(frame))
    members = frame.select(**{"cs-uri-stem": stem()}, referrer="referrer", x_forwarded_for="chain", tail=said("tail"), request="request")
    return frame.drop("client_good", "asked_host", "vhost", "chain", "tail", "referrer", "request").with_columns(
        ext=ext_of(members, frame.height)
    )


def _count(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64, strict=False)


def _timing(frame: pl.DataFrame) -> dict[str, pl.Expr]:
    """duration_us, bytes_out and the chain, as far as the tail tells them.

    Seconds are told by their three decimals, as nginx writes them. A bare whole number is not taken: Apache writes seconds,
    milliseconds or microseconds.
    """
    tail = pl.col("tail")
    if frame.get_column("tail").str.len_bytes().fill_null(0).sum() == 0:
        return {}
    seconds = tail.str.extract(r'(?:^|"[^"]*" |^\d+ |^(?:.* )?(?:rt|request_time)[=:]"?)(\d{1,9}\.\d{3})(?:[" ]|$)')
    return {
        "duration_us": (seconds.cast(pl.Float64, strict=False) * 1e6).round().cast(pl.Int64, strict=False),
        "bytes_out": tail.str.extract(r"^(\d{1,18}) \d+\.\d{3} \[").cast(pl.Int64, strict=False),
        "chain": pl.coalesce("chain", tail.str.extract(rf'^"((?:{ADDRESS}|unknown)(?:, ?(?:{ADDRESS}|unknown))*)"')),
    }
