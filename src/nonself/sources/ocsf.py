"""Events in OCSF, whoever wrote them: JSON lines, arrays, single objects. `ext` stays null, since `raw` is the record in its own names."""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from nonself.core.errors import RecordError
from nonself.core.schema import CLASSES, TIME
from nonself.sources import documents, lines
from nonself.sources.contract import Chunk, Input, Limits
from nonself.sources.ocsf_map import COLUMNS, MAP_VER, microseconds, row
from nonself.sources.records import Record, Table, load_json

_KEYS = tuple(re.compile(rb'(?<!\\)"' + key) for key in (rb'class_uid"\s*:\s*\d', rb'metadata"\s*:\s*\{', rb'time"\s*:\s*\d'))
_EARLY = re.compile(rb'[^{}\[\]]{0,4096}?"(?:class_uid|activity_id|category_uid|type_uid|metadata|activity_name)"\s*:')


class Ocsf:
    """`channel` is the log the producer names, `op` its event code or API operation. Older OCSF is read as far as it agrees with 1.8."""

    name = "ocsf"
    title = "OCSF events"
    formats = "JSON lines, arrays or single objects of OCSF 1.x, any producer; Detection Findings too"
    classes = tuple(sorted(CLASSES))

    def recognise(self, head: bytes, origin: str) -> bool:
        """A JSON object that says its OCSF class, its metadata and its time at the outermost level of its first fields."""
        body = lines.text(head).lstrip(b" \t\r\n[")
        return body.startswith(b"{") and bool(_EARLY.match(body, 1)) and all(key.search(body) for key in _KEYS)

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract."""
        split = lines.split if documents.is_lines(source_input.head) else documents.split
        for block in split(source_input, limits):
            gathering = Gathering(Table(self.name, source_input.origin, MAP_VER))
            for number, line in enumerate(block.lines, block.first):
                if line and not line.isspace():
                    gathering.load(number, line, limits)
            gathering.table.dead += block.dead
            yield gathering.chunk(block.bytes)


class Gathering:
    """OCSF records on their way into one chunk."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._rows: list[Record] = []
        self._times: list[int] = []

    def load(self, number: int, line: bytes, limits: Limits) -> None:
        """The bytes of one record."""
        try:
            record = load_json(line, limits)
            time = microseconds(record)
        except RecordError as error:
            self.table.reject(number, line, error)
            return
        self.table.add(number, line)
        self._times.append(time)
        self._rows.append(row(record))

    def chunk(self, nbytes: int) -> Chunk:
        """All records so far; `nbytes` decompressed bytes were consumed for them."""
        self.table.columns = {name: [one.get(name) for one in self._rows] for name in COLUMNS}
        self.table.columns["time"] = pl.Series("time", self._times, dtype=pl.Int64).cast(TIME)
        return self.table.chunk(nbytes)
