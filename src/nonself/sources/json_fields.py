"""Chosen fields of JSON records as columns: everything else in a record is skipped and never becomes a Python object.

The records' shape is made into nested msgspec structs that hold only what is asked for; what a record holds elsewhere costs the scan of
its bytes alone. Measured on CloudTrail (1.3 KB a record, 40 fields): a third of decoding to dicts and picking from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import chain, repeat
from types import NoneType
from typing import Any

import msgspec
import polars as pl
from msgspec.structs import astuple

from nonself.sources.contract import Limits
from nonself.sources.paths import Path, Step, path
from nonself.sources.records import BATCH, clean, dump_json, joined, load_json, scrub

FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What `decode_all` raises for a record that only `decode` may read, or say what is wrong with."""
Decoded = Any
"""A record as the chosen shape: None where it lacks a member."""
_LIST = pl.List(pl.String)
_ALIKE = {frozenset({int}): pl.Int64(), frozenset({bool}): pl.Boolean()}
Names = tuple[str, ...]


class Values:
    """Values in the making. Most members are absent from most records: what a batch of records lacks altogether is not kept for it."""

    def __init__(self) -> None:
        self.rows = 0
        self._pieces: dict[Names, list[tuple[int, Sequence[Any]]]] = {}  # by the members that lead there: (first row, values)

    def add(self, names: Names, values: Sequence[Any]) -> None:
        """Values of the batch that begins after `rows`."""
        self._pieces.setdefault(names, []).append((self.rows, values))

    def of(self, names: Names) -> list[Any] | None:
        """One value a record; None where no record has any."""
        if names not in self._pieces:
            return None
        values: list[Any] = []
        for first, piece in self._pieces[names]:
            values.extend(repeat(None, first - len(values)))
            values += piece
        values.extend(repeat(None, self.rows - len(values)))
        return values


class _Node:
    """A member asked for: as it is (`leaf`), or members of the object it holds."""

    def __init__(self) -> None:
        self.whole = False  # something asks for the value itself, or for parts of a list in it
        self.members: dict[str, _Node] = {}


class Fields:
    """Decodes records and gives their `names` as columns. `names` are fields as `paths.path` reads them."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        root = _Node()
        for name in self.names:
            _ask(root, path(name))
        self._ways = [_way(root, path(name)) for name in self.names]
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

    def gather(self, records: list[Decoded], values: Values) -> None:
        """Add the values of some records."""
        if records:
            self._shape.gather(records, (), values)
            values.rows += len(records)

    def columns(self, values: Values) -> dict[str, list[Any] | None]:
        """Name -> one value a record, what JSON holds there or None; None for a field that no record has."""
        return {name: _column(values, *way) for name, way in zip(self.names, self._ways, strict=True)}


class Columns:
    """Fields of records as columns in the making: values of the last records, and pieces of columns of all before."""

    def __init__(self, fields: Fields, dtypes: Sequence[pl.DataType]) -> None:
        self._fields, self._dtypes = fields, dtypes
        self._values = Values()
        self._rows = 0  # that `_pieces` stand for
        self._pieces: dict[str, list[tuple[int, pl.Series]]] = {}

    def add(self, records: list[Decoded]) -> None:
        """Add some records."""
        self._fields.gather(records, self._values)
        if self._values.rows >= BATCH:
            self._settle()

    def frame(self) -> pl.DataFrame:
        """One column a field, its name with a leading dot."""
        self._settle()
        names = zip(self._fields.names, self._dtypes, strict=True)
        return pl.DataFrame([
            joined(self._pieces[name], self._rows).alias(f".{name}")
            if name in self._pieces
            else pl.Series(f".{name}", [None], dtype=dtype).new_from_index(0, self._rows)
            for name, dtype in names
        ])  # fmt: skip

    def _settle(self) -> None:
        found = zip(self._fields.columns(self._values).items(), self._dtypes, strict=True)
        for (name, cells), dtype in found:
            if cells is not None:
                self._pieces.setdefault(name, []).append((self._rows, series(name, cells, dtype)))
        self._rows, self._values = self._rows + self._values.rows, Values()


def _ask(node: _Node, steps: Path) -> None:
    for at, step in enumerate(steps):
        node = node.members.setdefault(step.member, _Node())
        rest = steps[at + 1 :]
        if step.key is not None or not rest or rest[0].number is not None:
            node.whole = True
            return


def _way(node: _Node, steps: Path) -> tuple[Names, Step, Path]:
    """How a path is followed: the members up to the first that is decoded whole, the step to that, and the steps within it."""
    for at, step in enumerate(steps):
        node = node.members[step.member]
        if node.whole:
            return tuple(one.member for one in steps[: at + 1]), step, steps[at + 1 :]
    raise AssertionError("every path was asked for")


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

    def gather(self, records: list[Any], prefix: Names, values: Values) -> None:
        """Add the members of some records to `values`."""
        none = (None,) * len(records)
        for name, column in zip(self._members, zip(*map(astuple, records), strict=True), strict=True):
            if column == none:
                continue
            inner = self._inner.get(name)
            if inner is None:
                values.add((*prefix, name), column)
            else:
                kind, nothing = inner.struct, inner._nothing
                inner.gather([value if type(value) is kind else nothing for value in column], (*prefix, name), values)


def _column(found: Values, names: Names, last: Step, rest: Path) -> list[Any] | None:
    """The values a path leads to: gathered by its members up to the first that is whole, then walked."""
    values = found.of(names)
    if values is None or (last.key is None and not rest):
        return values
    if last.key is None and all(step.key is None for step in rest):
        return [value if value is None else _follow(value, rest) for value in values]
    return [value if value is None else _walk(_items(value, last), rest) for value in values]


def _follow(value: Any, steps: Path) -> Any:
    """What plain members and numbers of items lead to."""
    for step in steps:
        if type(value) is dict:
            value = value.get(step.member)
        elif type(value) is list and step.number is not None:
            value = value[step.number] if step.number < len(value) else None
        else:
            return None
    return value


def _walk(value: Any, steps: Path) -> Any:
    """What steps lead to from a value; of all items of a list, a list of what they have."""
    for at, step in enumerate(steps):
        if isinstance(value, _All):
            found = [part for item in value if (part := _walk(item, steps[at:])) is not None]
            return found or None
        if isinstance(value, dict):
            value = _items(value.get(step.member), step)
        elif isinstance(value, list) and step.number is not None:
            value = value[step.number] if step.number < len(value) else None
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
    if dtype == _LIST:
        return _lists(name, values)
    if dtype == pl.String and type(next((value for value in values if value is not None), "")) is not str:
        return _written(name, values)
    try:
        return pl.Series(name, values, dtype=dtype)
    except (TypeError, OverflowError, UnicodeEncodeError):  # some are of another type, or text that holds lone surrogates
        pass
    return _written(name, values) if dtype == pl.String else pl.Series(name, [_number(value, dtype) for value in values], dtype=dtype)


def _written(name: str, values: list[Any]) -> pl.Series:
    """Values of any type as text."""
    alike = _ALIKE.get(frozenset(map(type, values)) - {NoneType})  # ids, codes, flags: of one type all through
    if alike is not None:
        with suppress(TypeError, OverflowError):
            return pl.Series(name, values, dtype=alike).cast(pl.String)
    texts = [value if type(value) is str else _text(value) for value in values]
    try:
        return pl.Series(name, texts, dtype=pl.String)
    except UnicodeEncodeError:
        return pl.Series(name, [text and clean(text) for text in texts], dtype=pl.String)


def _lists(name: str, values: list[Any]) -> pl.Series:
    """Lists of any values, or single ones, as lists of text. Made of one column of all texts: list by list it would cost ten times that."""
    found = [None if value is None else _texts(value) for value in values]
    texts = _written("", list(chain.from_iterable(filter(None, found))))
    rows = [row for row, listed in enumerate(found) if listed for _ in listed]
    grouped = pl.DataFrame({"row": pl.Series(rows, dtype=pl.UInt32), name: texts}).group_by("row", maintain_order=True).agg(name)
    return pl.DataFrame({"row": pl.int_range(len(found), dtype=pl.UInt32, eager=True)}).join(grouped, on="row", how="left")[name]


def _texts(value: Any) -> list[str] | None:
    parts = value if isinstance(value, list) else [value]
    if set(map(type, parts)) == {str}:
        return parts
    return [text for part in parts if (text := _text(part)) is not None] or None


def _number(value: Any, dtype: pl.DataType) -> int | float | None:
    """A number, or one written as text, as one of a type; None for what it can't hold."""
    try:
        if isinstance(value, str):
            value = (float(value) if dtype.is_float() else int(value)) if len(value) < 20 and value.isascii() else None
        if dtype.is_float():
            return float(value)
        value = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if -(1 << 63) <= value < 1 << 63 else None


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
