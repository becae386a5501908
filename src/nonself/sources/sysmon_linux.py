"""Events of Sysmon for Linux in a file of their own. Those within syslog or the journal are read by the sources of these."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from nonself.core import time
from nonself.core.errors import RecordError
from nonself.core.schema import SCHEMA
from nonself.sources.contract import Chunk, Input, Limits
from nonself.sources.lines import Block, head_lines, split
from nonself.sources.records import Table, decode
from nonself.sources.sysmon_linux_map import CLASSES, COLUMNS, MAP_VER, START, row

_UNREADABLE = RecordError("bad-time", "expected a time of the years 1970 to 9999 in ISO 8601")


class SysmonLinux:
    """`op` is the event id, `ext` has Sysmon's own names (Image, CommandLine...)."""

    name = "sysmon-linux"
    title = "Sysmon for Linux"
    formats = "XML, one event a line; within syslog and journald too"
    classes = CLASSES

    def recognise(self, head: bytes, origin: str) -> bool:
        """An event of Linux-Sysmon at the start of one of the first lines."""
        return any(line.startswith(START.encode()) for line in head_lines(head))

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract."""
        for block in split(source_input, limits):
            yield _chunk(block, Table(self.name, source_input.origin, MAP_VER))


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """The event columns of what `sysmon_linux_map.row` gave; a time that is none is null."""
    text = pl.DataFrame([pl.Series("time", [one["time"] for one in rows], dtype=pl.String)])
    others = [pl.Series(name, [one.get(name) for one in rows], dtype=SCHEMA[name], strict=False) for name in COLUMNS[1:]]
    return pl.DataFrame([text.select(time.iso("time")).to_series(), *others])


def _chunk(block: Block, table: Table) -> Chunk:
    found: list[tuple[int, bytes, dict[str, Any]]] = []
    for number, line in enumerate(block.lines, block.first):
        if not line or line.isspace():
            continue
        try:
            found.append((number, line, row(decode(line))))
        except RecordError as error:
            table.reject(number, line, error)
    columns = frame([one for _, _, one in found])
    dated = columns.get_column("time").is_not_null()
    for (number, line, _), is_dated in zip(found, dated, strict=True):
        if is_dated:
            table.add(number, line)
        else:
            table.reject(number, line, _UNREADABLE)
    table.columns = dict(columns.filter(dated).to_dict())
    table.dead += block.dead
    return table.chunk(block.bytes)
