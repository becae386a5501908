"""Access logs of Amazon's load balancers (application and classic) and of S3: fields by spaces, some of them quoted.

A client may put quotes into its user agent, which moves what stands behind it; what stands before (time, addresses, status, sizes, the
request) can't be moved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from nonself.core import time
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

MAP_VER = 1
_PEER = rb"(?:-|[0-9A-Fa-f:.\[\]]+:\d{1,5})"
_NUMBER = rb"-?\d{1,9}(?:\.\d{1,9})?"
_BALANCED = re.compile(
    rb"^(?:(?:https?|h2|grpcs|wss?) )?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z \S+ " + _PEER + rb" " + _PEER + (rb" " + _NUMBER) * 3
    + rb' (?:\d{3}|-) (?:\d{3}|-) \d+ \d+ "'
)  # fmt: skip
_STORED = re.compile(rb'^\S+ \S+ \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] \S+ \S+ \S+ [A-Z0-9]+\.[A-Z0-9_.]+ \S+ (?:"|- )')
_NOT_BALANCED = RecordError("not-an-elb-log", 'expected: type time elb client target three times two statuses two sizes "request"')
_NOT_STORED = RecordError("not-an-s3-log", 'expected: owner bucket [time] address requester id operation key "request" status error')
_HEAD = (
    "kind", "time", "elb", "client", "target", "request_processing_time", "target_processing_time", "response_processing_time",
    "elb_status_code", "target_status_code", "bytes_out", "bytes_in",
)  # fmt: skip
_TIMES = _HEAD[5:8]
_TAIL = r'^ "[^"]*" \S+ \S+ "(?P<actions_executed>[^"]*)" "(?P<redirect_url>[^"]*)" "(?P<error_reason>[^"]*)"'
_GROUP = r"^ (?P<ssl_cipher>\S+) (?P<ssl_protocol>\S+)(?: (?P<target_group_arn>\S+))?"


class LoadBalancer:
    """`src_ip` is the client, `dst_ip` the target that served it, `resource` the load balancer; `duration_us` is the three times' sum."""

    name = "aws-elb"
    title = "AWS load balancer access logs"
    formats = "application and classic load balancers"
    classes: tuple[int, ...] = (4002,)

    def recognise(self, head: bytes, origin: str) -> bool:
        """The start of a record, up to its request, among the first lines."""
        return any(_BALANCED.match(line) for line in head_lines(head))

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract. Blank lines are no records."""
        return read_lines(self.name, MAP_VER, source_input, limits, parse_balanced, _NOT_BALANCED)


class S3Access:
    """`op` is the operation (REST.GET.OBJECT), `user_uid` the requester, `resource` bucket and key."""

    name = "s3-access"
    title = "Amazon S3 server access logs"
    formats = "space-delimited lines"
    classes = (6003,)

    def recognise(self, head: bytes, origin: str) -> bool:
        """The start of a record, up to its request, among the first lines."""
        return any(_STORED.match(line) for line in head_lines(head))

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract. Blank lines are no records."""
        return read_lines(self.name, MAP_VER, source_input, limits, parse_stored, _NOT_STORED)


def parse_balanced(text: pl.Series) -> pl.DataFrame:
    """Load balancers' lines as event columns, and `good`: whether a line is one."""
    # A classic balancer's line lacks the type, the application's first field.
    classic = text.str.contains(r"^\d{4}-").fill_null(False)
    if classic.any():
        text = ("- " + text).zip_with(classic, text)
    cut = parts(text, 9)
    head = cut.get_column("part_0").str.split_exact(" ", len(_HEAD)).struct.unnest()
    good = head.to_series(len(_HEAD)).eq("") & cut.get_column("part_1").is_not_null()
    head = head.drop(head.columns[-1]).rename(dict(zip(head.columns, _HEAD, strict=False)))
    good &= head.get_column("bytes_out").str.contains("^[0-9]+$") & head.get_column("bytes_in").str.contains("^[0-9]+$")
    frame = head.select(said(name) for name in _HEAD).with_columns(
        *request(unescaped(cut.get_column("part_1"))).get_columns(), unescaped(cut.get_column("part_3")).alias("user_agent"),
        cut.get_column("part_5").alias("trace_id"), cut.get_column("part_7").alias("domain"), good.alias("good"),
        *cut.get_column("part_4").str.extract_groups(_GROUP).struct.unnest(),
        *cut.get_column("part_8").str.extract_groups(_TAIL).struct.unnest(),
    )  # fmt: skip
    dashed = ("user_agent", "trace_id", "ssl_cipher", "ssl_protocol", "target_group_arn", "domain")
    frame = frame.with_columns(said(name) for name in dashed)
    return _balanced_events(frame)


def _balanced_events(frame: pl.DataFrame) -> pl.DataFrame:
    arn = pl.col("target_group_arn").str.split_exact(":", 5).struct
    times = [pl.col(name).cast(pl.Float64, strict=False) for name in _TIMES]
    spent = pl.when(pl.all_horizontal(value >= 0 for value in times)).then((sum(times[1:], times[0]) * 1e6).round())
    events = http_events(frame.select(
        "good", "http_method", "user_agent", "url_path", time.iso("time"),
        url_host=pl.coalesce("url_host", "domain"), http_status=pl.col("elb_status_code"), resource="elb",
        src_ip=_address("client"), src_port=_port("client"), dst_ip=_address("target"), dst_port=_port("target"),
        bytes_in=_size("bytes_in"), bytes_out=_size("bytes_out"), duration_us=spent.cast(pl.Int64, strict=False),
        app_proto="kind", sni="domain", provider=pl.lit("AWS"), svc=pl.lit("elasticloadbalancing"),
        account=arn.field("field_4"), region=arn.field("field_3"),
    ))  # fmt: skip
    rest = frame.select(
        "request", "target_status_code", "ssl_cipher", "ssl_protocol", "target_group_arn", "trace_id",
        *(said(name) for name in ("actions_executed", "redirect_url", "error_reason")),
    )  # fmt: skip
    return events.with_columns(ext=ext_of(events.select(stem().alias("cs-uri-stem")).hstack(rest), frame.height))


def _address(name: str) -> pl.Expr:
    return pl.col(name).str.extract(rf"^\[?({ADDRESS})\]?:\d+$")


def _port(name: str) -> pl.Expr:
    return pl.col(name).str.extract(r":(\d{1,5})$").cast(pl.Int32, strict=False)


def _size(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64, strict=False)


def parse_stored(text: pl.Series) -> pl.DataFrame:
    """S3's lines as event columns, and `good`: whether a line is one."""
    # An operation without a request (lifecycle, batch) has a bare dash there: quoted, so that it is cut like the others.
    bare = text.str.contains(_NO_REQUEST).fill_null(False)
    if bare.any():
        text = text.str.replace(_NO_REQUEST, '$1 "-" ').zip_with(bare, text)
    cut = parts(text, 7)
    head = cut.get_column("part_0").str.split_exact(" ", 9).struct.unnest()
    head.columns = ["owner", "bucket", "day", "zone", "ip", "requester", "session", "op", "key", "end"]
    mid = cut.get_column("part_2").str.split_exact(" ", 7).struct.unnest()
    mid.columns = ["", "http_status", "error_code", "bytes_in", "object_size", "total_time", "turn_around_time", "mid_end"]
    last = cut.get_column("part_6").str.split_exact(" ", 11).struct.unnest()
    last = last.drop(last.columns[0], *last.columns[10:])
    last.columns = ["version_id", "host_id", "signature_version", "cipher_suite", "auth_type", "url_host", "tls", "access_point", "acl"]
    stamp = (head.get_column("day") + " " + head.get_column("zone")).str.strip_prefix("[").str.strip_suffix("]")
    asked = request(unescaped(cut.get_column("part_1"))).drop("url_host")
    good = (head.get_column("end") == "") & mid.get_column("mid_end").is_not_null()
    cells = head.hstack(mid.drop("")).hstack(last).with_columns(
        unescaped(cut.get_column("part_3")).alias("referrer"), unescaped(cut.get_column("part_5")).alias("user_agent")
    )  # fmt: skip
    cells = cells.select(said(name) for name in cells.columns).hstack(asked)
    return _stored_events(cells).with_columns(good=good, time=apache_time(stamp))


_NO_REQUEST = r"^(\S+ \S+ \[[^\]]*\] \S+ \S+ \S+ \S+ \S+) - "
_S3_REST = (
    "request", "owner", "object_size", "turn_around_time", "referrer", "version_id", "signature_version", "cipher_suite", "tls",
    "access_point", "acl",
)  # fmt: skip
_S3_ACTIVITIES = {"PUT": 1, "POST": 1, "COPY": 1, "GET": 2, "HEAD": 2, "OPTIONS": 2, "DELETE": 4}


def _stored_events(cells: pl.DataFrame) -> pl.DataFrame:
    status = pl.col("http_status").cast(pl.Int16, strict=False)
    verb = pl.col("op").str.extract(r"^[A-Z0-9]+\.([A-Z]+)")
    events = cells.select(
        "op", "http_method", "url_path", "url_host", "session", "user_agent",
        pl.lit(6003, dtype=pl.Int32).alias("class_uid"),
        verb.replace_strict(_S3_ACTIVITIES, default=99, return_dtype=pl.Int16).alias("activity_id"),
        pl.when(status >= 400).then(2).when(status > 0).then(1).cast(pl.Int8).alias("status_id"),
        status_code=pl.coalesce("error_code", "http_status"), http_status=status, src_ip=pl.col("ip").str.extract(f"^({ADDRESS})$"),
        src_host=pl.when(~pl.col("ip").str.contains(f"^{ADDRESS}$")).then("ip"),
        user_uid="requester", user=pl.col("requester").str.extract(r"^arn:[^/]+[:/](?:.*/)?([^/]+)$"),
        account=pl.col("requester").str.extract(r"^arn:[^:]*:[^:]*:[^:]*:(\d+):"), auth_protocol="auth_type",
        bytes_in=_size("bytes_in"), duration_us=_size("total_time") * 1000, provider=pl.lit("AWS"), svc=pl.lit("s3.amazonaws.com"),
        resource=pl.concat_str("bucket", "key", separator="/", ignore_nulls=True),
    )  # fmt: skip
    return events.with_columns(ext=ext_of(cells.select(_S3_REST), cells.height))
