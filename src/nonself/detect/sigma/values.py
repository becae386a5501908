"""Values as Sigma compares them: text, folded for case-insensitive tests; numbers, booleans and lists of a JSON record included."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import orjson

_PARTS: dict[str, Callable[[datetime], int]] = {
    "minute": lambda t: t.minute, "hour": lambda t: t.hour, "day": lambda t: t.day, "week": lambda t: t.isocalendar().week,
    "month": lambda t: t.month, "year": lambda t: t.year,
}  # fmt: skip
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d([.,]\d{1,9})?([Zz]| ?[+-]\d\d(:?\d\d)?)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ((1e11, 1_000_000), (1e14, 1_000), (1e17, 1))
"""Numbers below the first are seconds, then milliseconds, then microseconds: each bound lies thousands of years off in its unit."""
_NUMBER = re.compile(r"-?\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,3})?", re.ASCII)

Value = str | tuple[str, ...] | None
"""A field's value: text, several texts (a JSON list: any may match), or none."""


def fold(text: str) -> str:
    """Lower case for case-insensitive comparison. The Greek final sigma is folded too: whether `lower` writes it depends on what
    follows, so a part of a text would not fold like the text."""
    lowered = text.lower()
    return lowered if lowered.isascii() else lowered.replace("ς", "σ")


def scalar(value: object) -> str | None:
    """The text of a JSON scalar: `true`, `443`, `0.5`; a nested object is its JSON text; None is no value."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # nested deeper than orjson writes
        return ""


def canonical(value: object) -> Value:
    """A JSON value as `Value`; lists are flattened, their nulls dropped."""
    if not isinstance(value, list | tuple):
        return scalar(value)
    texts: list[str] = []
    todo: list[object] = list(reversed(value))
    while todo:
        item = todo.pop()
        if isinstance(item, list | tuple):
            todo.extend(reversed(item))
        elif (text := scalar(item)) is not None:
            texts.append(text)
    return tuple(texts) if texts else None


def number(text: str) -> int | float | None:
    """The number a text writes in plain decimal notation, or None. Hexadecimal, NaN and infinity are not numbers here."""
    if not _NUMBER.fullmatch(text):
        return None
    if text.lstrip("-").isdigit():
        return int(text)
    value = float(text)
    return value if value - value == 0 else None


def time_part(text: str, part: str) -> int | None:
    """The minute, hour, day (of the month), week (ISO), month or year in UTC of a text that writes a time, or None: ISO 8601 with date and
    time of day, taken as UTC where it names no zone, or a number of s, ms, us or ns since 1970 (by its size)."""
    moment = _moment(text)
    return None if moment is None else _PARTS[part](moment)


def _moment(text: str) -> datetime | None:
    try:
        if _TIME.fullmatch(text):
            moment = datetime.fromisoformat(text.upper().replace(",", ".").replace(" +", "+").replace(" -", "-"))
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        count = number(text)
        if count is None or abs(count) >= 1e20:
            return None
        scale = next((scale for bound, scale in _UNITS if abs(count) < bound), 0.001)
        return _EPOCH + timedelta(microseconds=count * scale)
    except (ValueError, OverflowError):  # month 13, the year 0, a zone of 99 hours
        return None


def leaves(value: object) -> Iterable[str]:
    """All scalar texts inside a decoded JSON value, in document order."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            todo.extend(reversed(item.values()))
        elif isinstance(item, list):
            todo.extend(reversed(item))
        elif (text := scalar(item)) is not None:
            yield text


def full_text(raw: str | None, ext: str | None) -> str | None:
    """What keywords are searched in: the record as it came (`ext` where that was dropped).

    JSON writes `\\` and `"` escaped, which would hide a path from its keyword, so a JSON record's decoded values are added.
    """
    text = ext if raw is None else raw
    if text is None or "\\" not in text or not text.lstrip().startswith("{"):
        return text
    try:
        decoded = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return "\n".join((text, *leaves(decoded)))
