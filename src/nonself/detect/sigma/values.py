"""Values as Sigma compares them: text, folded for case-insensitive tests; numbers, booleans and lists of a JSON record included."""

from __future__ import annotations

import re
from collections.abc import Iterable

import orjson

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
