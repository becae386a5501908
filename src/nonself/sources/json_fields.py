"""Chosen fields of JSON records as columns: everything else in a record is skipped and never becomes a Python object.

The records' shape is made into nested msgspec structs that hold only what is asked for; what a record holds elsewhere costs the scan of
its bytes alone. Measured on CloudTrail (1.3 KB a record, 40 fields): a third of decoding to dicts and picking from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress, repeat
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
from msgspec.structs import astuple

from nonself.sources.contract import Limits
from nonself.sources.json_cells import series
from nonself.sources.paths import Path, Step, path
from nonself.sources.records import BATCH, load_json

FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What `decode_all` raises for a record that only `decode` may read, or say what is wrong with."""
Decoded = Any
"""A record as the chosen shape: None where it lacks a member."""
Names = tuple[str, ...]
Ints = npt.NDArray[np.int64]
Piece = tuple[int, Ints, pl.Series]
"""A part of a column: a number of records before it, after which places are counted; of each value its place; the values."""


class Values:
    """Values in the making, of the records in which one object stands: of all, for the record itself. Most members are absent from most
    records, so that nothing is kept of what a batch of records lacks altogether, nor for records without the object around a member."""

    def __init__(self) -> None:
        self.rows = 0
        self._inner: dict[str, Values] = {}
        self._held: list[Sequence[int]] = []  # of each row, its row in the values around
        self._pieces: dict[str, list[tuple[int, Sequence[Any]]]] = {}  # by member: (first row, values)

    def add(self, member: str, values: Sequence[Any]) -> None:
        """Values of the batch that begins after `rows`."""
        self._pieces.setdefault(member, []).append((self.rows, values))

    def inner(self, member: str, held: Sequence[int]) -> Values:
        """The values of an object within, after those that the rows `held` have of it."""
        within = self._inner.setdefault(member, Values())
        within._held.append(held)
        return within

    def parts(self) -> Iterator[tuple[Names, Values, Ints]]:
        """These values and all those within: the members that lead there, and of each row its row here."""
        yield (), self, np.arange(self.rows)
        for member, inner in self._inner.items():
            for members, values, places in inner.parts():
                yield (member, *members), values, (places if inner.rows == self.rows else inner._around()[places])

    def _around(self) -> Ints:
        return np.concatenate([np.arange(held.start, held.stop) if isinstance(held, range) else held for held in self._held])

    def of(self, member: str) -> list[Any] | None:
        """One value a row; None where no row has any."""
        if member not in self._pieces:
            return None
        values: list[Any] = []
        for first, piece in self._pieces[member]:
            values.extend(repeat(None, first - len(values)))
            values += piece
        values.extend(repeat(None, self.rows - len(values)))
        return values


_NOTHING, _NOWHERE = Values(), np.arange(0)


class _Node:
    """A member asked for: as it is (`whole`), or members of the object it holds."""

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
            self._shape.gather(records, values)

    def columns(self, values: Values) -> dict[str, tuple[list[Any], Ints]]:
        """Name -> what JSON holds there or None, and of which records: of all, or of those that hold the object around it, whose array is
        the same for all its fields. Without fields that no record has."""
        parts = {members: (part, places) for members, part, places in values.parts()}
        found = {}
        for name, (members, last, rest) in zip(self.names, self._ways, strict=True):
            part, places = parts.get(members[:-1], (_NOTHING, _NOWHERE))
            if (cells := part.of(members[-1])) is not None:
                found[name] = _followed(cells, last, rest), places
        return found


class Columns:
    """Fields of records as columns in the making: values of the last records, and pieces of columns of all before."""

    def __init__(self, fields: Fields, dtypes: Sequence[pl.DataType]) -> None:
        self._fields, self._dtypes = fields, dict(zip(fields.names, dtypes, strict=True))
        self._values = Values()
        self._rows = 0  # that `_pieces` stand for
        self._pieces: dict[str, list[Piece]] = {}

    def add(self, records: list[Decoded]) -> None:
        """Add some records."""
        self._fields.gather(records, self._values)
        if self._values.rows >= BATCH:
            self._settle()

    def frame(self) -> pl.DataFrame:
        """One column for each field that any record has, its name with a leading dot; at least one."""
        self._settle()
        spread = _Spread(self._rows)
        if not self._pieces:
            name, dtype = next(iter(self._dtypes.items()))
            return pl.DataFrame(pl.Series(f".{name}", [None], dtype=dtype).new_from_index(0, self._rows))
        return pl.DataFrame([spread(pieces).alias(f".{name}") for name, pieces in self._pieces.items()])

    def _settle(self) -> None:
        for name, (cells, places) in self._fields.columns(self._values).items():
            self._pieces.setdefault(name, []).append((self._rows, places, series(name, cells, self._dtypes[name])))
        self._rows, self._values = self._rows + self._values.rows, Values()


class _Spread:
    """Puts pieces of columns where they stand among all records. Members of one object stand in the same."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._known: dict[tuple[int, ...], pl.Series] = {}

    def __call__(self, pieces: list[Piece]) -> pl.Series:
        column = pl.concat([piece for *_, piece in pieces], rechunk=True) if len(pieces) > 1 else pieces[0][2]
        if column.len() == self._rows:
            return column
        objects = tuple(id(places) for _, places, _ in pieces)
        if objects not in self._known:
            self._known[objects] = _numbered(np.concatenate([first + places for first, places, _ in pieces]), self._rows)
        return column[self._known[objects]]  # without a query, as `gather` is: a tenth of its fixed cost


def _numbered(places: Ints, rows: int) -> pl.Series:
    """0, 1, 2... at these places of so many, null elsewhere."""
    numbers = np.full(rows, places.size, np.uint32)
    numbers[places] = np.arange(places.size)
    column = pl.Series("", numbers)
    return column.set(column == places.size, None)


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

    def gather(self, records: Sequence[Any], values: Values) -> None:
        """Add the members of some records to `values`."""
        none = (None,) * len(records)
        for name, column in zip(self._members, zip(*map(astuple, records), strict=True), strict=True):
            if column == none:
                continue
            inner = self._inner.get(name)
            if inner is None:
                values.add(name, column)
                continue
            kind = inner.struct
            rows = range(values.rows, values.rows + len(records))
            objects = [type(value) is kind for value in column]
            if all(objects):
                inner.gather(column, values.inner(name, rows))
            elif any(objects):
                inner.gather(list(compress(column, objects)), values.inner(name, list(compress(rows, objects))))
        values.rows += len(records)


def _followed(values: list[Any], last: Step, rest: Path) -> list[Any]:
    """What the rest of a path leads to, from values gathered by its members up to the first that is decoded whole."""
    if last.key is None and not rest:
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
