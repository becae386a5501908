"""Syslog of Unix machines: sshd, sudo, su, PAM, account tools, cron and logind understood, all else kept with its program and message.

Anybody on the machine may write any line under any program's name (`logger -t sshd ...`); what a line says is what somebody said.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

import polars as pl

from nonself.core.errors import RecordError
from nonself.core.schema import SCHEMA
from nonself.sources.contract import Chunk, Input, Limits
from nonself.sources.lines import Block, head_lines, split
from nonself.sources.records import Table, decode
from nonself.sources.syslog_head import Years, instants, is_line, parse, years
from nonself.sources.syslog_map import CLASSES, FACILITIES, FAMILIES, MAP_VER, SEVERITIES, Pattern, patterns_of

_ADDRESS = r"^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)$"
_HEADLESS = RecordError("not-syslog", "expected a time, a host and a message")
_UNREADABLE = RecordError("bad-time", "the stamp is no time of the years 1970 to 9999")
_REPEATED = r"^message repeated \d+ times: \[ (.*)\]$"


class Syslog:
    """`op` is what happened (accepted, failed, sudo...), `log_provider` the program, `channel` the facility where the line has a priority.

    RFC 3164 stamps have no year. `reference` is a time that no line is later than; without it the year is a guess (see `years`).
    """

    name = "syslog"
    title = "Unix syslog: sshd, sudo, su, PAM, cron"
    formats = "RFC 3164, RFC 5424, ISO 8601 stamps"
    classes = CLASSES

    def __init__(self, reference: datetime | None = None) -> None:
        self.reference = reference

    def recognise(self, head: bytes, origin: str) -> bool:
        """A syslog head with a program's name among the first lines."""
        return any(map(is_line, head_lines(head)))

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract. The input is read twice: years need all months in advance."""
        found = years(source_input, limits, self.reference)
        for block in split(source_input, limits):
            yield _chunk(block, Table(self.name, source_input.origin, MAP_VER), found)


def _chunk(block: Block, table: Table, found: Years) -> Chunk:
    numbers = [number for number, line in enumerate(block.lines, block.first) if line and not line.isspace()]
    text = pl.Series("text", [decode(block.lines[number - block.first]) for number in numbers], dtype=pl.String)
    line_years = found.of(block.lines)
    heads = parse(pl.DataFrame([pl.Series("number", numbers, dtype=pl.Int64), text]))
    times = instants(heads, [line_years[number - block.first] for number in heads.get_column("number")])
    good = heads.with_columns(time=times).filter(pl.col("time").is_not_null())
    dated, kept = set(heads.get_column("number")), good.get_column("number").to_list()
    for number in sorted(set(numbers).difference(kept)):
        problem = _UNREADABLE if number in dated else _HEADLESS
        table.reject(number, block.lines[number - block.first], problem)
    for number in kept:
        table.add(number, block.lines[number - block.first])
    table.dead += block.dead
    if kept:
        table.columns = dict(_columns(good).to_dict())
    return table.chunk(block.bytes)


def _columns(heads: pl.DataFrame) -> pl.DataFrame:
    """The event columns of parsed lines, in their order."""
    said, family = pl.col("message"), pl.col("program").replace_strict(FAMILIES, default=0, return_dtype=pl.Int32)
    repeated = pl.coalesce(said.str.extract(_REPEATED), said)
    heads = heads.with_columns(message=pl.when(said.str.starts_with("message repeated ")).then(repeated).otherwise(said), family=family)
    parts = [part for (number,), lines in heads.partition_by("family", as_dict=True).items() for part in _family(lines, int(number))]
    ext = pl.struct(program=pl.col("program").fill_null(""), message="message").struct.json_encode()
    base = heads.select(
        "number", "time", "host", pl.col("pid").cast(pl.Int64, strict=False), log_provider="program", ext=ext,
        channel=(pl.col("priority") // 8).replace_strict(dict(enumerate(FACILITIES)), default=None, return_dtype=pl.String),
        severity_id=(pl.col("priority") % 8).replace_strict(dict(enumerate(SEVERITIES)), default=None, return_dtype=pl.Int8),
    )  # fmt: skip
    return base.join(pl.concat(parts, how="diagonal"), on="number", how="left", maintain_order="left").drop("number")


def _family(lines: pl.DataFrame, family: int) -> Iterator[pl.DataFrame]:
    """The columns found in the lines of one family of programs, a frame for each pattern."""
    patterns, expr = _kinds(family)
    for (kind,), part in lines.select("number", "message", kind=expr).partition_by("kind", as_dict=True).items():
        yield _part(part, patterns[kind]) if kind is not None else part.select("number", class_uid=pl.lit(0, dtype=pl.Int32))


@lru_cache(maxsize=64)
def _kinds(family: int) -> tuple[tuple[Pattern, ...], pl.Expr]:
    """The patterns of a family, and the index of the first that fits a message, or null."""
    patterns = patterns_of(family)
    fits = [pl.when(_fits(pattern)).then(pl.lit(at, dtype=pl.Int32)) for at, pattern in enumerate(patterns)]
    return patterns, pl.coalesce(*fits)


def _fits(pattern: Pattern) -> pl.Expr:
    message = pl.col("message")
    fits = pl.any_horizontal([message.str.starts_with(start) for start in pattern.starts])
    return fits & message.str.contains(pattern.has, literal=True) if pattern.has else fits


def _part(lines: pl.DataFrame, pattern: Pattern) -> pl.DataFrame:
    """The columns that one pattern finds in its lines."""
    found = lines.select(
        "number",
        **{name: pl.lit(value) for name, value in pattern.constant.items()},
        op=pl.lit(pattern.op), class_uid=pl.lit(pattern.class_uid, dtype=pl.Int32), activity_id=pl.lit(pattern.activity_id, dtype=pl.Int16),
        status_id=pl.lit(pattern.status_id, dtype=pl.Int8),
    )  # fmt: skip
    if pattern.regex:
        groups = lines.get_column("message").str.extract_groups(pattern.regex).struct.unnest()
        groups = groups.with_columns(pl.when(pl.col(name) != "").then(pl.col(name)) for name in groups.columns)
        found = _settled(found.hstack(groups))
    return found.with_columns(pl.col(name).cast(SCHEMA[name], strict=False) for name in found.columns if name in SCHEMA)


def _settled(found: pl.DataFrame) -> pl.DataFrame:
    """The stand-ins of `Pattern` put where they belong."""
    names, user = set(found.columns), pl.col("user")
    if "source" in names:
        source, is_address = pl.col("source"), pl.col("source").str.contains(_ADDRESS)
        found = found.with_columns(src_ip=pl.when(is_address).then(source), src_host=pl.when(~is_address).then(source))
    if "owner" in names:  # who opens a session for another acts on it; who is let in acts himself
        owner = pl.col("owner")
        found = found.with_columns(user=pl.coalesce(user, owner), tgt_user=pl.when(user != owner).then(owner))
    if "by" in names:
        by = pl.col("by")
        found = found.with_columns(user=pl.coalesce(by, user), tgt_user=pl.when(by.is_not_null()).then(user))
    if "refused" in names:
        ran, command = pl.col("refused").is_null(), pl.col("cmdline")
        found = found.with_columns(
            op=pl.when(ran).then(pl.col("op")).otherwise(pl.lit("sudo_failed")), status_id=pl.when(ran).then(1).otherwise(2),
            status_code="refused", image=pl.when(ran).then(command.str.splitn(" ", 2).struct.field("field_0")),
        )  # fmt: skip
    return found.drop("source", "owner", "by", "refused", strict=False)
