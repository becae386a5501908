"""Apache's error log, of versions 2.2 and 2.4: what went wrong with which client; failed passwords and ModSecurity's rules understood.

A message quotes what the client sent, so everything read off it is the client's word. Stamps are local time without a zone: they are
taken for UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from nonself.core.errors import RecordError
from nonself.core.schema import SCHEMA
from nonself.sources.contract import Chunk, Input, Limits
from nonself.sources.lines import head_lines
from nonself.sources.weblog_text import ADDRESS, ext_of, instants, read_lines

MAP_VER = 1
LEVELS = {"emerg": 6, "alert": 5, "crit": 5, "error": 4, "warn": 3, "notice": 2}
_HEAD = (
    r"^\[(?:[A-Z][a-z]{2} )?(?P<month>[A-Z][a-z]{2}) +(?P<day>\d{1,2}) (?P<clock>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,6}))? "
    r"(?P<year>\d{4})\] "
    r"\[(?:(?P<module>[a-z0-9_-]{0,40}):)?(?P<level>emerg|alert|crit|error|warn|notice|info|debug|trace[1-8])\] "
)
_RECORD = (
    _HEAD + r"(?:\[pid (?P<pid>\d{1,10})(?::tid \d{1,20})?\] )?(?:[\w.-]{1,60}\(\d{1,6}\): )?(?P<error>\(\d{1,10}\)[^:\[]{1,120}: )?"
    r"(?:\[(?:client|remote) (?P<client>[^\]\s]{1,80})\] )?(?:\[client [^\]\s]{1,80}\] )?(?:(?P<code>AH\d{5}): )?(?P<message>.*)$"
)
_FIRST = re.compile(_HEAD.encode())
_SEVERITIES = {
    "EMERGENCY": 6, "ALERT": 5, "CRITICAL": 5, "ERROR": 4, "WARNING": 3, "NOTICE": 2, "INFO": 1, "DEBUG": 1,
    "0": 6, "1": 5, "2": 5, "3": 4, "4": 3, "5": 2, "6": 1, "7": 1,
}  # fmt: skip
_PROBLEM = RecordError("not-an-error-log", "expected [day month date time year] [module:level] ... message")


class ApacheError:
    """`op` is Apache's code (AH01617), else the module; `channel` the module. `ext` holds `level`, `error` (the system's), `message` and
    `referrer`. A password that was refused is an authentication, what ModSecurity says a finding; other records name no operation."""

    name = "apache-error"
    title = "Apache error logs"
    formats = "default formats of 2.2 and 2.4, ModSecurity's messages"
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
    frame = cut.with_columns(*_client(), *_said(), *modsecurity(), good=pl.col("level").is_not_null(), time=_time(cut))
    frame = frame.with_columns(severity_id=severity(), url_path=pl.coalesce("rule_path", "url_path"), url_host="rule_host")
    refused, rule = pl.col("user").is_not_null(), pl.col("rule").is_not_null()
    kind = pl.when(rule).then(2004).when(refused).then(3002).when(pl.col("src_ip").is_not_null()).then(4002).otherwise(0)
    frame = frame.with_columns(
        kind.cast(SCHEMA["class_uid"]).alias("class_uid"),
        pl.when(rule | refused).then(1).when(pl.col("src_ip").is_not_null()).then(99).otherwise(0).cast(pl.Int16).alias("activity_id"),
        pl.when(refused | (pl.col("severity_id") >= 4)).then(2).cast(pl.Int8).alias("status_id"),
        pl.coalesce("rule_id", "code", "module").alias("op"),
        pl.col("module").alias("channel"), pl.lit("apache").alias("log_provider"), pl.col("pid").cast(pl.Int64),
        pl.col("code").alias("status_code"),
    )  # fmt: skip
    ext = ext_of(frame.select("level", pl.col("error").str.strip_suffix(": "), "message", "referrer"), frame.height)
    return frame.select(*(name for name in SCHEMA if name in frame.columns), "good").with_columns(ext)


def _client() -> list[pl.Expr]:
    """Address and port. Since 2.4 a port always follows the address, IPv6 or not; before, never."""
    client = pl.col("client").str.strip_chars("[]")
    ported = pl.col("pid").is_not_null() | pl.col("module").is_not_null() | client.str.contains(r"^[0-9.]+:\d+$")
    address = pl.when(ported).then(client.str.replace(r"\]?:(\d{1,5})$", "")).otherwise(client)
    port = pl.when(ported).then(client.str.extract(r":(\d{1,5})$")).cast(pl.Int32, strict=False)
    return [
        pl.when(address.str.contains(f"^{ADDRESS}$")).then(address).alias("src_ip"),
        pl.when(port <= 65_535).then(port).alias("src_port"),
    ]


def _said() -> list[pl.Expr]:
    """Who failed to log on, and to which file or address it happened."""
    message = pl.col("message")
    return [
        message.str.extract(r"^user (.{1,255}?):? (?:not found|authentication failure|in realm)").alias("user"),
        message.str.extract(r"(?:does not exist|denied by server configuration|unable to stat|failed to open stream): ([^,\s][^,]{0,1023})")
        .alias("file_path"),
        message.str.extract(r", referer: (.{1,2048})$").alias("referrer"),
        message.str.extract(r'^user .{1,255}?(?:not found|authentication failure for)"?:? "?(/[^"\s]{0,1023})').alias("url_path"),
    ]  # fmt: skip


def modsecurity() -> list[pl.Expr]:
    """What a message says that ModSecurity found: rule_id, rule, rule_host and rule_path."""
    message = pl.col("message")
    told = message.str.starts_with("ModSecurity: ")
    number = message.str.extract(r'\[id "(\d{1,12})"\]')
    return [
        pl.when(told).then(number).alias("rule_id"),
        pl.when(told).then(pl.coalesce(message.str.extract(r'\[msg "((?:[^"\\]|\\.){1,255})"\]'), number)).alias("rule"),
        pl.when(told).then(message.str.extract(r'\[hostname "([^"]{1,255})"\]')).alias("rule_host"),
        pl.when(told).then(message.str.extract(r'\[uri "([^"]{1,1023})"\]')).alias("rule_path"),
    ]


def severity() -> pl.Expr:
    """That of ModSecurity's rule, else that of the log's level."""
    of_rule = pl.when(pl.col("rule").is_not_null()).then(pl.col("message").str.extract(r'\[severity "([A-Z]{1,20}|[0-7])"\]'))
    return pl.coalesce(
        of_rule.replace_strict(_SEVERITIES, default=None, return_dtype=pl.Int8),
        pl.col("level").replace_strict(LEVELS, default=1, return_dtype=pl.Int8),
    )


def _time(cut: pl.DataFrame) -> pl.Series:
    stamp = cut.select(pl.concat_str("year", pl.lit(" "), "month", pl.lit(" "), "day", pl.lit(" "), "clock")).to_series()
    whole = stamp.str.to_datetime("%Y %b %d %H:%M:%S", time_unit="us", strict=False).cast(pl.Int64)
    fraction = cut.get_column("fraction").str.pad_end(6, "0").cast(pl.Int64, strict=False).fill_null(0)
    return instants(whole + fraction)
