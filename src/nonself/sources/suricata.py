"""Suricata's EVE log: JSON lines of every event type."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import polars as pl

from nonself.core.errors import RecordError
from nonself.core.schema import TIME
from nonself.sources.contract import Chunk, Input, Limits
from nonself.sources.lines import Block, head_lines, split
from nonself.sources.records import Record, Table, load_json
from nonself.sources.suricata_map import CLASSES, COLUMNS, MAP_VER, microseconds, row


class Suricata:
    """`channel` and `op` are the event type, `session` is the flow id. Alerts carry the columns of the traffic they are about too."""

    name = "suricata"
    title = "Suricata EVE"
    formats = "JSON lines (eve.json)"
    classes = CLASSES

    def recognise(self, head: bytes, origin: str) -> bool:
        """JSON objects with an event_type and a timestamp among the first lines."""
        return any(map(_is_record, head_lines(head)))

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract."""
        for block in split(source_input, limits):
            yield _chunk(block, Table(self.name, source_input.origin, MAP_VER), limits)


def _is_record(line: bytes) -> bool:
    if b'"event_type"' not in line:
        return False
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(record, dict) and isinstance(record.get("event_type"), str) and isinstance(record.get("timestamp"), str)


def _chunk(block: Block, table: Table, limits: Limits) -> Chunk:
    rows: list[Record] = []
    times: list[int] = []
    for number, line in enumerate(block.lines, block.first):
        if not line or line.isspace():
            continue
        try:
            record = load_json(line, limits)
            time = microseconds(record)
        except RecordError as error:
            table.reject(number, line, error)
            continue
        table.add(number, line)
        times.append(time)
        rows.append(row(record))
    table.dead += block.dead
    table.columns = {name: [one.get(name) for one in rows] for name in COLUMNS}
    table.columns["time"] = pl.Series("time", times, dtype=pl.Int64).cast(TIME)
    return table.chunk(block.bytes)
