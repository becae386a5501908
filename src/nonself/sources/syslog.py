"""Syslog of Unix machines: sshd, sudo, su, PAM, account tools, cron and systemd understood, all else kept with its program and message.

Anybody on the machine may write any line under any program's name (`logger -t sshd ...`); what a line says is what somebody said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl

from nonself.core import events
from nonself.core.errors import RecordError
from nonself.core.schema import SCHEMA
from nonself.sources.auditd import Joiner
from nonself.sources.auditd_map import CLASSES as AUDITED
from nonself.sources.contract import Chunk, DeadLetter, Input, Limits
from nonself.sources.lines import SAMPLE, Block, chunks, head_lines, split_wide
from nonself.sources.records import clean
from nonself.sources.syslog_head import Heads, body, is_line, months, parse
from nonself.sources.syslog_map import FACILITIES, MAP_VER, SEVERITIES
from nonself.sources.syslog_said import CLASSES, beside, understand
from nonself.sources.syslog_words import Ints, Lines
from nonself.sources.syslog_years import Years, years

_AUDITED = " msg=audit("
_RECORD = re.compile(
    rb"(?P<before>[^\n]{10,80}? (?P<host>[^\s:\[\]]{1,255}) (?:audispd|audisp-syslog|auditd?|kernel)(?:\[\d{1,10}\])?"
    rb"(?: [^ ]{1,48} [^ ]{1,32} -)?:? )(?:node=\S{1,255} )?type=[A-Z]"
)
"""A line of the audit daemon's syslog plugin: what stands before the record, the host within it, and how the record begins."""
_HEADLESS = RecordError("not-syslog", "expected a time, a host and a message")
_UNREADABLE = RecordError("bad-time", "the stamp is no time of the years 1970 to 9999")


class Syslog:
    """`op` is what happened (accepted, failed, sudo...), `log_provider` the program, `channel` the facility where the line has a priority.

    Records of the audit log that its daemon sent to syslog are read as `auditd` reads them, joined by serial number, under that name.
    `ext` has only what neither a column nor the message holds: sudo's TTY, msgid and structured data of RFC 5424.
    RFC 3164 stamps have no year. `reference` is a time that no line is later than; without it the year is a guess (see `years`).
    """

    name = "syslog"
    title = "Unix syslog: sshd, sudo, su, PAM, cron, systemd, account tools"
    formats = "RFC 3164, RFC 5424 (octet counts too), ISO 8601 stamps, macOS"
    classes = tuple(sorted({*CLASSES, *AUDITED}))

    def __init__(self, reference: datetime | None = None) -> None:
        self.reference = reference

    def recognise(self, head: bytes, origin: str) -> bool:
        """A syslog head with a program's name among the first lines."""
        return any(map(is_line, head_lines(head)))

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract. Where a line has an RFC 3164 stamp the input is read twice: years need all months in advance."""
        found: Years | None = None
        joiner = Joiner(source_input.origin, limits)
        for block in split_wide(source_input, limits):
            lines = Lines(block.lines)
            if audited := lines.text.str.contains(_AUDITED, literal=True).arg_true().to_list():
                block, taken = _without(block, audited)
                lines = Lines(block.lines)
                for number, line, host in taken:
                    yield from joiner.take(number, line, host)
            at = body(lines)
            month = months(lines, at)
            if found is None and month.any():
                found = years(source_input, limits, self.reference)
            heads = parse(lines, at, found.of(month) if found else month)
            yield from _chunks(block, heads, (self.name, source_input.origin), limits)
        yield from joiner.finish()


def _without(block: Block, audited: list[int]) -> tuple[Block, list[tuple[int, bytes, bytes]]]:
    """A block without its records of the audit log (blank lines in their places), and those: number, record, host."""
    kept, taken = list(block.lines), []
    for at in audited:
        found = _RECORD.match(block.lines[at])
        if found:
            taken.append((block.first + at, block.lines[at][found.end("before") :], found["host"]))
            kept[at] = b""
    return replace(block, lines=kept), taken


def _chunks(block: Block, heads: Heads, source: tuple[str, str], limits: Limits) -> Iterator[Chunk]:
    """The events of a block, cut to chunks of at most `chunk_records` lines."""
    row, good = heads.said.row, heads.time.is_not_null().to_numpy()
    dead = [] if len(row) == len(block.lines) and good.all() else _rejected(block, set(row.tolist()), set(row[good].tolist()), source[1])
    if not good.all():
        heads = _only(heads, np.flatnonzero(good))
        row = heads.said.row
    raws = block.lines if len(row) == len(block.lines) else [block.lines[at] for at in row.tolist()]
    frame = events.conform(_events(heads, row + block.first, raws, source)) if len(row) else events.empty()
    yield from chunks(block, frame, [*dead, *block.dead], limits)


def _rejected(block: Block, headed: set[int], kept: set[int], origin: str) -> list[DeadLetter]:
    """Dead letters of the lines that are no events; blank lines are no records."""
    dead = []
    for at, line in enumerate(block.lines):
        if at not in kept and line and not line.isspace():
            error = _UNREADABLE if at in headed else _HEADLESS
            dead.append(DeadLetter(origin, block.first + at, error.reason, error.detail, line[:SAMPLE]))
    return dead


def _only(heads: Heads, rows: Ints) -> Heads:
    ext = None if heads.ext is None else heads.ext.gather(rows)
    texts = (heads.host.gather(rows), heads.program.gather(rows))
    return Heads(heads.time.gather(rows), heads.priority[rows], *texts, heads.pid[rows], heads.said.take(rows), ext)


def _events(heads: Heads, numbers: Ints, raws: list[bytes], source: tuple[str, str]) -> pl.DataFrame:
    found = understand(heads.said, heads.program)
    series = [heads.time.alias("time"), heads.host.alias("host"), heads.program.alias("log_provider"), pl.Series("record", numbers)]
    series.append(events.uids(source[0], pl.Series(raws, dtype=pl.Binary)))
    text = heads.said.lines.text
    series.append((text if len(text) == len(raws) else text.gather(heads.said.row)).alias("raw"))
    for name, value in (("source", source[0]), ("origin", clean(source[1])), ("map_ver", MAP_VER)):
        series.append(pl.Series(name, [value], dtype=SCHEMA[name]).new_from_index(0, len(raws)))
    series.append(_no_negatives("pid", heads.pid))
    if (heads.priority >= 0).any():
        series += _priority(heads.priority)
    if heads.ext is not None:
        series.append(heads.ext.alias("ext"))
    return beside(found, series)


def _no_negatives(name: str, numbers: Ints) -> pl.Series:
    column = pl.Series(name, numbers)
    return column.set(pl.Series(numbers < 0), None) if (numbers < 0).any() else column


def _priority(priority: Ints) -> list[pl.Series]:
    """The facility as `channel`, the severity by its number; nothing for a facility beyond the last."""
    channels = pl.Series("channel", [*FACILITIES, None])
    severities = pl.Series("severity_id", [*SEVERITIES, None], dtype=pl.Int8)
    known = priority >= 0
    facility = np.where(known & (priority < 8 * len(FACILITIES)), priority // 8, len(FACILITIES))
    return [channels.gather(facility), severities.gather(np.where(known, priority % 8, len(SEVERITIES)))]
