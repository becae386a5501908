"""JSON records flat: every field under its dotted name, as rules and searches address it; and their times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from nonself.core.errors import RecordError
from nonself.sources.records import Record, dump_json

_DEPTH, _FIELDS, _TEXT = 16, 500, 4_096
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def dotted(record: Record) -> Record:
    """All fields that are not null by dotted names: `{"a": {"b": 1}}` is `{"a.b": 1}`.

    A list of plain values stays one; the fields of objects in a list become lists. At most 16 levels (what lies deeper is JSON text), 500
    fields, 4,096 characters a text and items a list.
    """
    flat: Record = {}
    _walk("", record, flat, _DEPTH)
    return flat


def instant(text: Any) -> int:
    """Microseconds since 1970 of a time in ISO 8601, UTC where it names no zone. RecordError "bad-time" for anything else."""
    try:
        found = datetime.fromisoformat(text)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
        since = (found - _EPOCH) // timedelta(microseconds=1)
    except (TypeError, ValueError, OverflowError):
        since = -1
    if since < 0:
        raise RecordError("bad-time", f"expected a time of the years 1970 to 9999 in ISO 8601, got {str(text)[:40]!r}")
    return since


def _walk(prefix: str, value: Record, flat: Record, depth: int) -> None:
    for key, item in value.items():
        kind = type(item)
        if kind is dict and depth:
            _walk(f"{prefix}{key}.", item, flat, depth - 1)
        elif kind is list and depth:
            for part in item:
                _add_part(prefix + key, part, flat, depth - 1)
        elif item is not None and len(flat) < _FIELDS:
            flat[prefix + key] = item if kind is int or kind is bool else _plain(item)


def _add_part(name: str, part: Any, flat: Record, depth: int) -> None:
    """One item of a list."""
    if isinstance(part, dict):
        inner: Record = {}
        _walk(name + ".", part, inner, depth)
        for inner_name, inner_item in inner.items():
            _append(flat, inner_name, inner_item)
    elif part is not None:
        _append(flat, name, _plain(part))


def _append(flat: Record, name: str, item: Any) -> None:
    if name not in flat and len(flat) >= _FIELDS:
        return
    cell = flat.setdefault(name, [])
    if not isinstance(cell, list):
        cell = flat[name] = [cell]
    if len(cell) < _TEXT:
        cell.extend(item) if isinstance(item, list) else cell.append(item)


def _plain(value: Any) -> Any:
    if isinstance(value, dict | list):
        value = dump_json({"": value})[4:-1]
    return value[:_TEXT] if isinstance(value, str) and len(value) > _TEXT else value
