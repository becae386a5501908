"""Zeek's JSON lines, as written by Zeek, by json-streaming-logs and by Corelight: one object a record, of any log, in any order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import polars as pl

from nonself.core.errors import RecordError
from nonself.sources.contract import Limits
from nonself.sources.lines import Block
from nonself.sources.records import Record, dump_json, load_json
from nonself.sources.zeek_map import DOTTED, KINDS, MAX_NAME, TIMELESS
from nonself.sources.zeek_plan import DTYPES, needed, taken
from nonself.sources.zeek_rows import Raw, Rows

_PATHS = ("_path", "@stream", "_stream")
"""Keys under which writers put the log's path."""
_EXT = " ext"
_MILLISECONDS = 1e11
"""A ts above this counts milliseconds (Zeek's TS_MILLIS), since as seconds it would lie in the year 5138."""


def is_record(line: bytes) -> bool:
    """Whether a line is a record of Zeek's, by its keys."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(record, dict) or "event_type" in record:
        return False
    record = _dotted(record)
    if "@stream" in record:
        return "@proc" in record or "ts" in record
    return "ts" in record and ({"uid", "id.orig_h"} <= record.keys() or _kind(record) is not None or "_path" in record)


def read_json(block: Block, rows: Rows, limits: Limits) -> None:
    """Add a block's records to `rows`. Blank lines mean nothing."""
    groups: dict[str | None, list[tuple[int, bytes, Record]]] = {}
    for number, line in enumerate(block.lines, block.first):
        if not line or line.isspace():
            continue
        try:
            record = _dotted(load_json(line, limits))
        except RecordError as error:
            rows.reject(number, line, error)
            continue
        groups.setdefault(_path(record), []).append((number, line, record))
    for path, members in groups.items():
        numbers, lines, records = zip(*members, strict=True)
        _add(path, Raw.of(list(numbers), list(lines)), list(records), rows)


def _add(path: str | None, raw: Raw, records: list[Record], rows: Rows) -> None:
    """Add records of one log."""
    columns = {name: [record.get(name) for record in records] for name in needed(path)}
    kinds = {name: "list" if any(isinstance(value, list) for value in values) else "text" for name, values in columns.items()}
    series = [pl.Series(name, [_as(kinds[name], value) for value in values], dtype=DTYPES[kinds[name]]) for name, values in columns.items()]
    if path not in TIMELESS:
        series.append(pl.Series("ts", [_seconds(record.get("ts")) for record in records], dtype=pl.Float64))
    skipped = taken(path)
    kept = ({name: value for name, value in record.items() if value is not None and name not in skipped} for record in records)
    series.append(pl.Series(_EXT, [dump_json({"_path": path or "", **record}) for record in kept], dtype=pl.String))
    rows.add(path, pl.DataFrame(series), tuple(kinds.items()), pl.col(_EXT), raw)


def _path(record: Record) -> str | None:
    for key in _PATHS:
        name = record.get(key)
        if isinstance(name, str):
            return name[:MAX_NAME]
    return _kind(record)


def _kind(record: Record) -> str | None:
    return next((path for path, needs in KINDS if needs <= record.keys()), None)


def _dotted(record: Record) -> Record:
    """The record with Zeek's own field names."""
    if "id_orig_h" in record or "@stream" in record:
        return {_original(key): value for key, value in record.items()}
    return record


def _original(key: str) -> str:
    if not key.startswith(DOTTED):
        return key
    prefix = next(prefix for prefix in DOTTED if key.startswith(prefix))
    return f"{prefix[:-1]}.{key.removeprefix(prefix)}"


def _as(kind: str, value: Any) -> Any:
    """A JSON value as text or as a list of texts. Done here, value by value: a frame would look for what all of them have in common."""
    if kind == "list" and value is not None:
        return [_text(item) for item in (value if isinstance(value, list) else [value])]
    return _text(value)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value) if type(value) in (int, float) else dump_json(value)


def _seconds(value: Any) -> float | None:
    """Seconds since 1970 of a ts: a number of seconds or milliseconds, or ISO 8601 text (UTC where it names no zone)."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            pass
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return None
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value / 1000 if value > _MILLISECONDS else float(value)
