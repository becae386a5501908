"""Windows events as JSON: lines, an array or printed objects; flat (NXLog, Azure), winlogbeat, or evtx_dump's `{"Event": ...}`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import polars as pl

from nonself.core.errors import RecordError
from nonself.sources import documents, lines
from nonself.sources.contract import Chunk, Input, Limits
from nonself.sources.json_records import first_records, records
from nonself.sources.records import Record, Table, load_json, text_of
from nonself.sources.windows_flat import read_flat
from nonself.sources.windows_map import MAP_VER, classes
from nonself.sources.windows_native import flatten
from nonself.sources.windows_rows import Rows
from nonself.sources.windows_tolerant import fill, parse_json

_LISTS = ("records",)
"""Members of an envelope that hold the records: Azure's exports."""
_LOOKED_AT = 20  # head lines asked before a file is given up


class WindowsJson:
    """Windows and Sysmon events that a shipper or exporter wrote as JSON."""

    name = "windows-json"
    title = "Windows event logs as JSON"
    formats = (
        "JSON lines, array or objects: NXLog and winlogbeat fields, evtx_dump, EvtxECmd and Velociraptor output, OpenTelemetry, "
        "Azure SecurityEvent, Event and WindowsEvent exports"
    )
    classes = classes()

    def recognise(self, head: bytes, origin: str) -> bool:
        """Whether one of the first records is a Windows event; where the first is longer than the head, by its field names."""
        if b"{" not in head[:4096].replace(b"\0", b""):
            return False
        body = lines.text(head)
        listed = first_records(head, _LISTS) if b'"records"' in body else ()
        return (
            any(map(_is_event, _first_records(body)))
            or any(map(_fits, listed))
            or (b'"EventID"' in body and b'"Channel"' in body and body.lstrip()[:1] in b"[{")
        )

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        # By `map`, which lets go of a block: its records would be held for as long as their chunk is worked on.
        yield from map(partial(self._chunk, source_input.origin, limits), records(source_input, limits, _LISTS))

    def _chunk(self, origin: str, limits: Limits, block: lines.Block) -> Chunk:
        table, rows = Table(self.name, origin, MAP_VER), Rows()
        numbers = range(block.first, block.first + len(block.lines))
        binary = pl.Series("raw", block.lines, dtype=pl.Binary)
        raw = text_of(binary)
        fill(table, rows, block.lines, numbers, read_flat(rows, block.lines, raw, limits.json_depth), parse_json(limits))
        whole = len(rows.numbers) == len(raw)
        table.columns["raw"], table.binary = (raw, binary) if whole else (raw[rows.numbers], binary[rows.numbers])
        table.dead += block.dead
        return table.chunk(block.bytes)


def _first_records(body: bytes) -> Iterator[bytes]:
    if documents.is_lines(body):
        yield from lines.head_lines(body, _LOOKED_AT)
        return
    for block in documents.split(lines.in_memory(body), Limits(chunk_records=1)):
        yield from block.lines


def _is_event(line: bytes) -> bool:
    try:
        return _fits(load_json(line, Limits()))
    except RecordError:
        return False


def _fits(record: Record) -> bool:
    try:
        flatten(record)
    except RecordError:
        return False
    return True
