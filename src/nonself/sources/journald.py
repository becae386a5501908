"""The systemd journal as `journalctl -o json` exports it; what programs say is understood as in syslog."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import polars as pl

from nonself.core.errors import RecordError
from nonself.core.schema import SCHEMA, TIME
from nonself.sources import documents
from nonself.sources.contract import Chunk, Input, Limits
from nonself.sources.lines import Block, head_lines, split
from nonself.sources.records import Record, Table, clean, decode, load_json
from nonself.sources.syslog_map import FACILITIES, SEVERITIES
from nonself.sources.syslog_map import MAP_VER as SAID_VER
from nonself.sources.syslog_said import CLASSES, beside, understand
from nonself.sources.syslog_words import Lines, Said

MAP_VER = SAID_VER
_SSE = b"data: "
_END = 253_402_300_800_000_000
_STAMP = "__REALTIME_TIMESTAMP"
_TEXTS = {
    "host": ("_HOSTNAME",), "host_uid": ("_MACHINE_ID",), "log_provider": ("SYSLOG_IDENTIFIER", "_COMM"), "pid": ("_PID", "SYSLOG_PID"),
    "image": ("_EXE",), "cmdline": ("_CMDLINE",), "service": ("UNIT",), "session": ("_AUDIT_SESSION",),
}  # fmt: skip
"""Columns and the fields they are taken from; what the message tells counts before them."""
_NO_SESSION = "4294967295"


class Journald:
    """`op` and the columns as of `syslog`; `channel` is the facility where the program gave one. `raw` is the record: `ext` is null."""

    name = "journald"
    title = "systemd journal"
    formats = "journalctl -o json, json-pretty, json-sse"
    classes = CLASSES

    def recognise(self, head: bytes, origin: str) -> bool:
        """A journal entry among the first lines, or printed over them."""
        starts = [line.removeprefix(_SSE) for line in head_lines(head, 60)]
        if any(line.startswith(b"{") and b'"__REALTIME_TIMESTAMP"' in line and _is_entry(line) for line in starts):
            return True
        return starts[:1] == [b"{"] and any(line.startswith((b'"__CURSOR"', b'"__REALTIME_TIMESTAMP"')) for line in starts)

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract."""
        is_sse = any(line.startswith(_SSE) for line in head_lines(source_input.head))
        blocks = split if is_sse or documents.is_lines(source_input.head) else documents.split
        for block in blocks(source_input, limits):
            yield _chunk(block, Table(self.name, source_input.origin, MAP_VER), limits)


def _is_entry(line: bytes) -> bool:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(entry, dict) and isinstance(entry.get(_STAMP), str)


def _chunk(block: Block, table: Table, limits: Limits) -> Chunk:
    entries: list[Record] = []
    times: list[int] = []
    for number, line in enumerate(block.lines, block.first):
        line = line.removeprefix(_SSE)
        if not line or line.isspace():
            continue
        try:
            entry = load_json(line, limits)
            micros = _micros(entry)
        except RecordError as error:
            table.reject(number, line, error)
            continue
        table.add(number, line)
        times.append(micros)
        entries.append(entry)
    table.dead += block.dead
    if entries:
        table.columns = dict(_columns(entries, times).to_dict())
    return table.chunk(block.bytes)


def _micros(entry: Record) -> int:
    text = entry.get(_STAMP)
    micros = int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 18 else _END
    if micros >= _END:
        raise RecordError("bad-time", "expected __REALTIME_TIMESTAMP in microseconds of the years 1970 to 9999")
    return micros


def _columns(entries: list[Record], times: list[int]) -> pl.DataFrame:
    lines = Lines([_bytes(entry.get("MESSAGE")).replace(b"\n", b" ") for entry in entries])
    said = Said(lines, pl.arange(len(entries), eager=True).to_numpy(), lines.start, lines.end, lines.first, lines.last)
    series = [
        pl.Series(name, [_first(entry, fields) for entry in entries], dtype=SCHEMA[name], strict=False) for name, fields in _TEXTS.items()
    ]
    found = understand(said, next(column for column in series if column.name == "log_provider"))
    series.append(pl.Series("time", times, dtype=pl.Int64).cast(TIME))
    series.append(pl.Series("channel", [_of(FACILITIES, entry.get("SYSLOG_FACILITY")) for entry in entries], dtype=pl.String))
    series.append(pl.Series("severity_id", [_of(SEVERITIES, entry.get("PRIORITY")) for entry in entries], dtype=pl.Int8))
    actors = pl.Series("user_uid", [_first(entry, ("_AUDIT_LOGINUID", "_UID")) for entry in entries], dtype=pl.String)
    series.append(actors.set(found.get_column("class_uid") != 0, None))  # else it is the daemon that speaks, of somebody
    return beside(found, series)


def _bytes(value: Any) -> bytes:
    """A message: text, a list of byte numbers where it is no UTF-8, a list of such where it was given twice (the first counts)."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, list) and value:
        if all(type(item) is int and 0 <= item <= 255 for item in value):
            return decode(bytes(value)).encode()
        return _bytes(value[0]) if isinstance(value[0], str) else b""
    return b""


def _first(entry: Record, fields: tuple[str, ...]) -> str | None:
    """The first field that has a text."""
    for field in fields:
        text = _bytes(entry.get(field))
        if text and text.decode() != _NO_SESSION:
            return clean(text.decode())
    return None


def _of(names: tuple[Any, ...], number: Any) -> Any:
    text = number if isinstance(number, str) else ""
    return names[int(text)] if text.isascii() and text.isdigit() and len(text) < 4 and int(text) < len(names) else None
