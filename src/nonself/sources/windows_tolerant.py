"""Windows records that are not read at speed: one by one, of any shape; and a block's rows and dead letters put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import orjson

from nonself.core.errors import RecordError
from nonself.sources.contract import Limits
from nonself.sources.records import Table, load_json
from nonself.sources.windows_fields import Flat
from nonself.sources.windows_native import flatten
from nonself.sources.windows_rows import Rows

Parse = Callable[[bytes], Flat]
_AT_ONCE = 64  # parsed records held at the same time: they take many times the room of their bytes


def fill(table: Table, rows: Rows, records: Sequence[bytes], numbers: Sequence[int], left: Iterable[int], parse: Parse) -> None:
    """Complete a table: rows read so far, and the records `left` (by place in `records`), which become rows or dead letters.

    numbers  the records' numbers in the file. Blank records are passed over.
    parse    gives a record as an object that `windows_native.flatten` knows
    """
    flats: list[tuple[int, Flat, bytes]] = []
    for at in left:
        if not records[at] or records[at].isspace():
            continue
        try:
            flat = flatten(parse(records[at]))
        except RecordError as error:
            table.reject(numbers[at], records[at], error)
            continue
        flats.append((at, flat, orjson.dumps(flat)))
        if len(flats) == _AT_ONCE:
            rows.add_flats(flats)
            flats = []
    rows.add_flats(flats)
    table.columns.update(rows.columns())
    table.numbers, table.raws = list(numbers), list(records)
    if len(rows.numbers) < len(records):
        table.numbers, table.raws = [numbers[at] for at in rows.numbers], [records[at] for at in rows.numbers]


def parse_json(limits: Limits) -> Parse:
    """For records that are JSON objects."""
    return lambda record: load_json(record, limits)
