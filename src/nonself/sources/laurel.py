"""The Linux audit log as laurel writes it: one JSON object an event, its records by type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import polars as pl

from nonself.core.errors import RecordError
from nonself.core.schema import TIME
from nonself.sources.auditd_fields import Fields, Record
from nonself.sources.auditd_map import CLASSES, MAP_VER, columns, row
from nonself.sources.contract import Chunk, Input, Limits
from nonself.sources.lines import Block, head_lines, split
from nonself.sources.records import Table, load_json

_ID = re.compile(r"^(\d{1,12})\.(\d{3}):\d{1,20}$")
_KIND = re.compile(r"^[A-Z][A-Z0-9_]{1,40}$")
_MARK = re.compile(rb'"ID": ?"\d{1,12}\.\d{3}:\d{1,20}"')
_LAST = 253_402_300_800
_FIELDS, _LIST, _RECORDS = 500, 4_096, 1_024
_NOT_RECORDS = ("ID", "NODE", "NODE_ID", "PID")
_PARENTS = {"PPID": "PARENT_INFO"}
"""What laurel says of a parent, by its older name."""


class Laurel:
    """Columns and `ext` as those of `auditd`: the same names, whichever of the two wrote the log."""

    name = "laurel"
    title = "Linux audit log by laurel"
    formats = "JSON lines"
    classes = CLASSES

    def recognise(self, head: bytes, origin: str) -> bool:
        """JSON objects with an audit event's ID and a record among the first lines."""
        return any(line.startswith(b"{") and _MARK.search(line[:4096]) and b'":{' in line.replace(b" ", b"") for line in head_lines(head))

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract."""
        for block in split(source_input, limits):
            yield _chunk(block, Table(self.name, source_input.origin, MAP_VER), limits)


def _chunk(block: Block, table: Table, limits: Limits) -> Chunk:
    rows: list[dict[str, Any]] = []
    times, hosts = [], []
    for number, line in enumerate(block.lines, block.first):
        if not line or line.isspace():
            continue
        try:
            event = load_json(line, limits)
            micros, found = _micros(event), row(_records(event))
        except RecordError as error:
            table.reject(number, line, error)
            continue
        table.add(number, line)
        times.append(micros)
        rows.append(found)
        hosts.append(event["NODE"] if isinstance(event.get("NODE"), str) else None)
    table.dead += block.dead
    table.columns = dict(columns(rows))
    table.columns["host"] = hosts
    table.columns["time"] = pl.Series("time", times, dtype=pl.Int64).cast(TIME)
    return table.chunk(block.bytes)


def _micros(event: dict[str, Any]) -> int:
    text = event.get("ID")
    found = _ID.match(text) if isinstance(text, str) else None
    if found is None or int(found[1]) >= _LAST:
        raise RecordError("bad-time", "expected an ID of seconds.milliseconds:serial")
    return int(found[1]) * 1_000_000 + int(found[2]) * 1_000


def _records(event: dict[str, Any]) -> list[Record]:
    """The event's records in their order; those that a type has several of come as a list."""
    found: list[Record] = []
    for kind, value in event.items():
        if kind in _NOT_RECORDS or not _KIND.match(kind):
            continue
        parts = value if isinstance(value, list) else [value]
        kind = _PARENTS.get(kind, kind)
        found += [Record(kind, _fields(part)) for part in parts[:_RECORDS] if isinstance(part, dict)]
    if not found:
        raise RecordError("no-records", "expected an object under a record type such as SYSCALL")
    # A system call says who acts, whatever laurel puts before it.
    return sorted(found, key=lambda record: (record.kind != "SYSCALL") + (record.kind == "PARENT_INFO"))


def _fields(part: dict[str, Any]) -> Fields:
    """Fields as auditd writes them: texts, ARGV as a0, a1... and as a title."""
    fields = {name: text for name, value in list(part.items())[:_FIELDS] if (text := _text(value)) is not None}
    words = part.get("ARGV")
    if isinstance(words, list):
        plain = [word if isinstance(word, str) else "" for word in words[:_LIST]]
        fields.update({f"a{number}": word for number, word in enumerate(plain)}, proctitle=" ".join(plain))
    title = part.get("ARGV_STR")
    return fields | {"proctitle": title} if isinstance(title, str) else fields


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        return value
    return f"{value:.15g}" if isinstance(value, float) else str(value) if isinstance(value, int) else None
