"""Chosen fields of JSON records as columns: everything else in a record is skipped and never becomes a Python object.

The records' shape is made into nested msgspec structs that hold only what is asked for; what a record holds elsewhere costs the scan of
its bytes alone. Measured on CloudTrail (1.3 KB a record, 40 fields): a third of decoding to dicts and picking from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import msgspec
import polars as pl

from nonself.sources.contract import Limits
from nonself.sources.mapping import Path, Step, path
from nonself.sources.records import dump_json, load_json, scrub

FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What `decode_all` raises for a record that only `decode` may read, or say what is wrong with."""
Decoded = Any
"""A record as the chosen shape: None where it lacks a member."""
Values = dict[tuple[str, ...], list[Any]]
"""Values in the making: the members that lead to them -> one value a record."""


class _Node:
    """A member asked for: as it is (`leaf`), or members of the object it holds."""

    def __init__(self) -> None:
        self.whole = False  # something asks for the value itself, or for parts of a list in it
        self.members: dict[str, _Node] = {}


class Fields:
    """Decodes records and gives their `names` as columns. `names` are fields as `mapping.path` reads them."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._paths = [path(name) for name in self.names]
        root = _Node()
        for steps in self._paths:
            _ask(root, steps)
        self._shape = _Shape(root)
        self._decode = msgspec.json.Decoder(self._shape.struct).decode

    def decode(self, line: bytes, limits: Limits) -> Decoded:
        """One record. RecordError as `load_json` has it; what msgspec refuses (NaN, bytes that are not UTF-8...) is read by that."""
        try:
            return self._decode(line)
        except FAULTS:
            return msgspec.convert(load_json(line, limits), self._shape.struct, strict=True)

    def decode_all(self, records: Sequence[bytes]) -> list[Decoded]:
        """All of some records; one of FAULTS where a single one can't be decoded as it is."""
        return list(map(self._decode, records))

    def new(self) -> Values:
        """Values of no record."""
        return {names: [] for names in self._shape.leaves()}

    def gather(self, records: list[Decoded], values: Values) -> None:
        """Add the values of some records."""
        self._shape.gather(records, (), values)

    def columns(self, values: Values) -> dict[str, list[Any]]:
        """Name -> one value a record: what JSON holds there, or None."""
        return {name: _column(values, steps) for name, steps in zip(self.names, self._paths, strict=True)}


def _ask(node: _Node, steps: Path) -> None:
    for at, step in enumerate(steps):
        node = node.members.setdefault(step.member, _Node())
        rest = steps[at + 1 :]
        if step.key is not None or not rest or rest[0].member.isdigit():
            node.whole = True
            return


class _Shape:
    """A struct of the members asked for. A member of which only parts are asked for is a struct where it is an object."""

    def __init__(self, node: _Node) -> None:
        self._members = list(node.members)
        self._inner = {name: _Shape(child) for name, child in node.members.items() if not child.whole}
        slots: list[tuple[str, Any, Any]] = []
        for number, name in enumerate(self._members):
            inner = self._inner.get(name)
            # An object becomes the struct; anything else that may stand there is let be, so no record is lost by a surprise.
            kind = inner.struct | list[Any] | str | int | float | bool | None if inner else Any
            slots.append((f"f{number}", kind, None))
        renamed = {f"f{number}": name for number, name in enumerate(self._members)}
        self.struct: Any = msgspec.defstruct("Shape", slots, rename=renamed, gc=False)
        self._nothing = self.struct()
        attributes = [f"f{number}" for number in range(len(self._members))]
        self._get = attrgetter(*attributes) if attributes else None

    def leaves(self, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        """The members that lead to each value."""
        found: list[tuple[str, ...]] = []
        for name in self._members:
            inner = self._inner.get(name)
            found += inner.leaves((*prefix, name)) if inner else [(*prefix, name)]
        return found

    def gather(self, records: list[Any], prefix: tuple[str, ...], values: Values) -> None:
        """Add the members of all records to `values`; what is no record has none."""
        if self._get is None or not records:
            return
        rows = map(self._get, records)
        columns = zip(*rows, strict=True) if len(self._members) > 1 else [list(rows)]
        for name, column in zip(self._members, columns, strict=True):
            inner = self._inner.get(name)
            if inner is None:
                values[(*prefix, name)].extend(column)
            else:
                kind, nothing = inner.struct, inner._nothing
                inner.gather([value if type(value) is kind else nothing for value in column], (*prefix, name), values)


def _column(found: Values, steps: Path) -> list[Any]:
    """The values a path leads to: gathered by its members up to the first that is whole, then walked."""
    at = 1
    names: tuple[str, ...] = (steps[0].member,)
    while names not in found:
        at += 1
        names = (*names, steps[at - 1].member)
    values, rest = found[names], steps[at:]
    first = steps[at - 1]
    if first.key is None and not rest:
        return values
    return [_walk(_items(value, first), rest) for value in values]


def _walk(value: Any, steps: Path) -> Any:
    """What steps lead to from a value; of all items of a list, a list of what they have."""
    for at, step in enumerate(steps):
        if isinstance(value, _All):
            found = [part for item in value if (part := _walk(item, steps[at:])) is not None]
            return found or None
        if isinstance(value, dict):
            value = _items(value.get(step.member), step)
        elif isinstance(value, list) and step.member.isdigit():
            index = int(step.member) if len(step.member) < 9 else len(value)
            value = value[index] if index < len(value) else None
        else:
            return None
    return list(value) or None if isinstance(value, _All) else value


class _All(list[Any]):
    """All items of a list, each to be followed."""


def _items(value: Any, step: Step) -> Any:
    """Which items of a list a step means."""
    if step.key is None:
        return value
    listed = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
    if not step.key:
        return _All(listed)
    wanted = step.value.lower()
    return next((item for item in listed if isinstance(item, dict) and str(item.get(step.key)).lower() == wanted), None)


def series(name: str, values: list[Any], dtype: pl.DataType) -> pl.Series:
    """Values of any JSON type as a column; text takes what numbers, booleans, lists and objects are written as."""
    if dtype != pl.String:
        return pl.Series(name, [_fitting(value, dtype) for value in values], dtype=dtype, strict=False)
    try:
        return pl.Series(name, values, dtype=pl.String)
    except (TypeError, UnicodeEncodeError):  # some are not text, or hold lone surrogates
        texts = [value if type(value) is str else _text(value) for value in values]
    try:
        return pl.Series(name, texts, dtype=pl.String)
    except UnicodeEncodeError:
        return pl.Series(name, [scrub(text) for text in texts], dtype=pl.String)


def _fitting(value: Any, dtype: pl.DataType) -> Any:
    if dtype == pl.List(pl.String):
        parts = value if isinstance(value, list) else [value]
        return [text for part in parts if (text := _text(part)) is not None] or None
    if isinstance(value, str):
        return _number(value, dtype)
    if type(value) is int:
        return value if -(1 << 63) <= value < 1 << 63 else None
    return value if type(value) is float and dtype.is_float() else int(value) if type(value) is float and abs(value) < 1e15 else None


def _number(text: str, dtype: pl.DataType) -> int | float | None:
    try:
        return (float(text) if dtype.is_float() else int(text)) if len(text) < 20 and text.isascii() else None
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    try:
        return dump_json({"": scrub(value)})[4:-1]
    except (TypeError, ValueError):  # nested deeper than JSON is written
        return None
