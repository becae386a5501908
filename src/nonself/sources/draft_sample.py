"""A sample of records as fields: each by the name a mapping would call it, with what its values look like."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from nonself.core.enrich import address
from nonself.core.errors import RecordError, UsageError
from nonself.sources.contract import Input, Limits
from nonself.sources.csv_alerts_lines import Shape, cells
from nonself.sources.csv_alerts_lines import records as csv_records
from nonself.sources.csv_source import Header
from nonself.sources.json_records import first_records, records
from nonself.sources.lines import text
from nonself.sources.paths import path
from nonself.sources.records import Record, clean, decode, load_json

MOST = 2_000
"""Records looked at."""
_MOST_FIELDS = 500
_KEPT = 200
"""Distinct values remembered of a field."""
_DEEP = 6
_AGENT = re.compile(r"Mozilla/|^[A-Za-z][\w.+-]*(?: [\w.+-]+){0,3}/v?\d")
_HOST = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})?")
_HASH = re.compile(r"[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}|[0-9A-Fa-f]{128}")
_PORTED = re.compile(r"^\[?([0-9A-Fa-f.:]+?)\]?(?::\d{1,5})?$")
_VERBS = frozenset(("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE"))


@dataclass(slots=True)
class Field:
    """One field of a sample: in how many records it says something, and the first distinct values as text."""

    name: str
    count: int = 0
    values: dict[str, int] = field(default_factory=dict)
    listed: bool = False

    def met(self, value: Any) -> None:
        """One record's value."""
        told = _text(value)
        if told == "":
            return
        self.count += 1
        self.listed = self.listed or isinstance(value, list)
        if told in self.values or len(self.values) < _KEPT:
            self.values[told] = self.values.get(told, 0) + 1

    def share(self, shape: str) -> float:
        """Share of the distinct values that have a shape."""
        fits = SHAPES[shape]
        return sum(fits(value) for value in self.values) / len(self.values) if self.values else 0.0

    @property
    def few(self) -> bool:
        """Whether the values are words of a small vocabulary."""
        return len(self.values) <= max(12, min(self.count // 4, _KEPT - 1))


@dataclass(frozen=True, slots=True)
class Sample:
    """Records as fields. `inside` is the member that lists them, `separator` that of a CSV, each empty where there is none."""

    kind: str
    records: int
    fields: dict[str, Field]
    inside: str = ""
    separator: str = ""


def take(source_input: Input) -> Sample:
    """A sample of an input. UsageError where it is neither JSON nor CSV."""
    start = text(source_input.head).lstrip()[:1]
    if start in (b"{", b"["):
        inside = _inside(source_input.head)
        found = list(islice(_json(source_input, inside), MOST))
        fields = _fields(_flat(record) for record in found)
        if fields:
            return Sample("json", len(found), fields, inside)
    header = Header.of(source_input.head)
    if header is not None:
        rows = list(islice(_csv(source_input, header), MOST))
        fields = _fields(row.items() for row in rows)
        if fields:
            return Sample("csv", len(rows), fields, separator=header.separator)
    raise UsageError(expected="a sample of JSON records, or of CSV with a header line", got="neither", where=source_input.origin)


def _inside(head: bytes) -> str:
    """The member that lists the records, of a document that is one object around them."""
    found = first_records(head, ())
    if len(found) > 1 or (not found and text(head).lstrip()[:1] == b"["):
        return ""
    lists = [name for name, value in found[0].items() if _is_list(value)] if found else _opened(head)
    return lists[0] if len(lists) == 1 else ""


def _opened(head: bytes) -> list[str]:
    """The first list of objects that begins in a document too long for its head."""
    begun = re.search(rb'^\{(?s:[^{}]{0,2048}?)"([\w.@-]{1,64})"\s*:\s*\[\s*\{', text(head).lstrip()[:4_096])
    return [begun[1].decode()] if begun else []


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(isinstance(item, dict) for item in value)


def _json(source_input: Input, inside: str) -> Iterator[Record]:
    for block in records(source_input, Limits(), (inside,) if inside else ()):
        for line in block.lines:
            with suppress(RecordError):
                yield load_json(line, Limits())


def _csv(source_input: Input, header: Header) -> Iterator[dict[str, str]]:
    for block in csv_records(source_input, Limits(), Shape(header.separator, len(header.names), 0)):
        for line in block.lines:
            row = cells(clean(decode(line)), header.separator)
            if line != header.line and row is not None and len(row) == len(header.names):
                yield {name: cell.strip() for name, cell in zip(header.names, row, strict=True)}


def _fields(rows: Iterable[Iterable[tuple[str, Any]]]) -> dict[str, Field]:
    found: dict[str, Field] = {}
    for row in rows:
        for name, value in row:
            if name in found or len(found) < _MOST_FIELDS:
                found.setdefault(name, Field(name)).met(value)
    return {name: one for name, one in found.items() if one.count}


def _flat(value: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Leaves by their paths; of a list of objects those of its first."""
    if isinstance(value, dict) and depth < _DEEP:
        for name, item in value.items():
            member = name if re.fullmatch(r'[^.\[\]"=]+', name) else f'"{name}"'
            here = f"{prefix}.{member}" if prefix else member
            if '"' not in name and name and _is_path(here):
                yield from _flat(item, here, depth + 1)
    elif isinstance(value, list) and value and isinstance(value[0], dict) and prefix and depth < _DEEP:
        yield from _flat(value[0], f"{prefix}.0", depth + 1)
    elif prefix:
        yield prefix, value


def _is_path(name: str) -> bool:
    with suppress(UsageError):
        return bool(path(name))
    return False


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or value == [] or value == {}:
        return ""
    return value.strip() if isinstance(value, str) else str(value)


def _is_ip(value: str) -> bool:
    bare = _PORTED.match(value)
    return bare is not None and (address(value) is not None or address(bare[1]) is not None)


def _is_number(value: str) -> bool:
    return re.fullmatch(r"-?\d{1,18}(?:\.\d{1,18})?", value) is not None


SHAPES: dict[str, Callable[[str], bool]] = {
    "any": lambda value: value[:1] not in "{[",
    "ip": _is_ip,
    "port": lambda value: value.isascii() and value.isdigit() and len(value) <= 5 and int(value) <= 65_535,
    "name": lambda value: len(value) <= 128 and value[:1] not in "{[" and not _is_ip(value) and value not in ("true", "false"),
    "id": lambda value: len(value) <= 256 and value[:1] not in "{[" and not value.isspace(),
    "host": lambda value: _HOST.fullmatch(value) is not None and not _is_ip(value),
    "word": lambda value: 0 < len(value) <= 64 and not _is_ip(value) and value[:1] not in "{[" and value not in ("true", "false"),
    "short": lambda value: len(value) <= 200 and value[:1] not in "{[",
    "http": lambda value: value.isascii() and value.isdigit() and 100 <= int(value[:4]) <= 599 and len(value) == 3,
    "verb": lambda value: value.upper() in _VERBS,
    "path": lambda value: value[:1] == "/" or "://" in value,
    "agent": lambda value: _AGENT.search(value) is not None,
    "hash": lambda value: _HASH.fullmatch(value) is not None,
    "file": lambda value: value[:1] not in "{[" and ("/" in value or "\\" in value or "." in value),
    "number": _is_number,
    "country": lambda value: len(value) == 2 and value.isalpha() and value.isascii(),
    "flag": lambda value: value.lower() in ("true", "false", "yes", "no", "0", "1"),
    "email": lambda value: re.fullmatch(r"[^@\s]{1,64}@[A-Za-z0-9.-]{1,253}", value) is not None,
}
"""What values look like."""
