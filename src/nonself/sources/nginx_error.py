"""nginx's error log: what went wrong with which client's request; failed passwords and ModSecurity's rules understood.

A message quotes what the client sent (paths decoded, headers as they came), so everything read off it is the client's word: where a line
names a client, a request or a host twice, which of them nginx wrote cannot be told, and none is taken. Stamps are local time without a
zone: they are taken for UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from nonself.core.errors import RecordError
from nonself.core.schema import SCHEMA
from nonself.sources.apache_error import modsecurity, severity
from nonself.sources.contract import Chunk, Input, Limits
from nonself.sources.lines import head_lines
from nonself.sources.weblog_text import ADDRESS, ext_of, instants, located, read_lines, request

MAP_VER = 1
_HEAD = (
    r"^(?P<stamp>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(?P<level>emerg|alert|crit|error|warn|notice|info|debug)\] "
    r"(?P<pid>\d{1,10})#\d{1,20}: "
)
_RECORD = _HEAD + r"(?:\*(?P<connection>\d{1,20}) )?(?:\[client [^\]\s]{1,80}\] )?(?P<message>.*)$"
_FIRST = re.compile(_HEAD.encode())
_SAID = {
    "client": r", client: ([^,\s]{1,80})",
    "server": r", server: ([^,\s]{1,255})",
    "asked": r', request: "([^"]{1,8192})"',
    "url_host": r', host: "([^"]{1,255})"',
    "upstream": r', upstream: "([^"]{1,2048})"',
    "referrer": r', referrer: "([^"]{1,2048})"',
}
"""What stands behind a message, in this order, as far as nginx knows it."""
_REFUSED = r'^user "([^"]{1,255})"(?:: password mismatch| was not found in )'
_PROBLEM = RecordError("not-an-error-log", "expected year/month/day time [level] pid#tid: message")


class NginxError:
    """`op` is ModSecurity's rule, else what failed of a system call (`open`); `session` the number of the connection. `ext` holds
    `level`, `message` (without what has a column), `server`, `upstream` and `referrer`. A password that was refused is an authentication,
    what ModSecurity says a finding, anything else about a request HTTP; other records name no operation."""

    name = "nginx-error"
    title = "nginx error logs"
    formats = "the format of all versions, ModSecurity's messages"
    classes = (0, 2004, 3002, 4002)

    def recognise(self, head: bytes, origin: str) -> bool:
        """A record's head among the first lines."""
        return any(map(_FIRST.match, head_lines(head)))

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract. Blank lines are no records."""
        return read_lines(self.name, MAP_VER, source_input, limits, parse, _PROBLEM)


def parse(text: pl.Series) -> pl.DataFrame:
    """Lines as event columns, and `good`: whether a line is one of the log."""
    cut = text.str.extract_groups(_RECORD).struct.unnest()
    cut = cut.with_columns(pl.when(pl.col(pl.String).str.len_bytes() > 0).then(pl.col(pl.String)).name.keep())
    frame = cut.with_columns(*(_once(name, pattern) for name, pattern in _SAID.items()))
    frame = frame.hstack(request(frame["asked"]).select("http_method", "url_path", pl.col("url_host").alias("absolute")))
    frame = frame.with_columns(*modsecurity(), good=pl.col("level").is_not_null(), time=_time(cut["stamp"]))
    frame = located(frame.with_columns(*_columns()))
    refused, rule, asked = (pl.col(name).is_not_null() for name in ("user", "rule", "client"))
    failed = refused | (pl.col("severity_id") >= 4)
    frame = frame.with_columns(
        pl.when(rule).then(2004).when(refused).then(3002).when(asked).then(4002).otherwise(0).cast(SCHEMA["class_uid"]).alias("class_uid"),
        pl.when(rule | refused).then(1).when(asked).then(99).otherwise(0).cast(pl.Int16).alias("activity_id"),
        pl.when(failed).then(2).cast(pl.Int8).alias("status_id"),
    )
    ext = ext_of(frame.select("level", "message", "server", "upstream", "referrer"), frame.height)
    return frame.select(*(name for name in SCHEMA if name in frame.columns), "good").with_columns(ext)


def _once(name: str, pattern: str) -> pl.Expr:
    """A part of the message, where it stands there once."""
    message, mark = pl.col("message"), pattern.partition("(")[0]
    return pl.when(message.str.count_matches(mark, literal=True) == 1).then(message.str.extract(pattern)).alias(name)


def _columns() -> list[pl.Expr]:
    message = pl.col("message")
    return [
        pl.when(pl.col("client").str.contains(f"^{ADDRESS}$")).then("client").alias("src_ip"),
        pl.coalesce("url_host", "absolute", "rule_host").alias("url_host"),
        pl.coalesce("url_path", "rule_path").alias("url_path"),
        message.str.extract(_REFUSED).alias("user"),
        message.str.extract(r'^[A-Za-z_]{1,40}\(\) "([^"]{1,1023})" failed').alias("file_path"),
        pl.coalesce("rule_id", message.str.extract(r"^([A-Za-z_]{1,40})\(\)")).alias("op"),
        message.str.extract(r"\((\d{1,10}): [A-Z]").alias("status_code"),
        message.str.replace(r", client: .*$", "").alias("message"),
        severity().alias("severity_id"),
        pl.col("pid").cast(pl.Int64),
        pl.col("connection").alias("session"),
        pl.lit("error").alias("channel"),
        pl.lit("nginx").alias("log_provider"),
    ]


def _time(stamp: pl.Series) -> pl.Series:
    return instants(stamp.str.to_datetime("%Y/%m/%d %H:%M:%S", time_unit="us", strict=False).cast(pl.Int64))
