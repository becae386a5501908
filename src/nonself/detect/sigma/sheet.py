"""The rows of one plan, their fields as columns of distinct texts, and the truth of predicates over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl

from nonself.core.events import Events
from nonself.detect.sigma.logsource import Place
from nonself.detect.sigma.native import Fields
from nonself.detect.sigma.plan import FULL_TEXT, REF_SEPARATOR, Plan
from nonself.detect.sigma.predicates import holds
from nonself.detect.sigma.tree import Kind, Test
from nonself.detect.sigma.values import Value, canonical, fold, full_text

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_FEW = 32
"""Up to this many rows a predicate is tested row by row, which spares looking at its field in all the others."""
_SPARSE = 8
"""Where fewer than one row in so many lacks a column's value, only their records are decoded."""


def rows_of(rows: int) -> list[int]:
    """The members of a row set, ascending."""
    if rows.bit_count() > _FEW:
        data = np.frombuffer(rows.to_bytes((rows.bit_length() + 7) // 8, "little"), np.uint8)
        members: list[int] = np.flatnonzero(np.unpackbits(data, bitorder="little")).tolist()
        return members
    members = []
    while rows:
        low = rows & -rows
        members.append(low.bit_length() - 1)
        rows ^= low
    return members


def row_set(member: Mask) -> int:
    """The row set of a mask with one element a row."""
    return int.from_bytes(np.packbits(member, bitorder="little").tobytes(), "little")


class Column:
    """One field over the rows: `texts` are its distinct texts; a row may have none, or (a JSON list) several."""

    def __init__(self, values: Sequence[Value]) -> None:
        self._height = len(values)
        numbers: dict[Value, int] = {}
        codes = np.array([numbers.setdefault(value, len(numbers)) for value in values], np.int64)
        texts: dict[str, int] = {}
        inside = [[texts.setdefault(text, len(texts)) for text in ((v,) if isinstance(v, str) else v or ())] for v in numbers]
        self.texts: list[str] = list(texts)
        if max(map(len, inside), default=0) <= 1:
            text = np.array([part[0] if part else -1 for part in inside], np.int64)[codes]
            self._row: Ints = np.flatnonzero(text >= 0)
            self._text: Ints = text[self._row]
            return
        size = np.array([len(part) for part in inside], np.int64)
        self._row = np.repeat(np.arange(len(values)), size[codes])
        self._text = np.array([number for code in codes.tolist() for number in inside[code]], np.int64)

    def rows(self, texts: Sequence[int]) -> int:
        """The rows that have one of the texts, given by position."""
        chosen = np.zeros(len(self.texts), np.bool_)
        chosen[texts] = True
        member = np.zeros(self._height, np.bool_)
        member[self._row[chosen[self._text]]] = True
        return row_set(member)

    def some(self) -> int:
        """The rows that have a value."""
        member = np.zeros(self._height, np.bool_)
        member[self._row] = True
        return row_set(member)


class Sheet:
    """Some rows of events, as one plan sees them. Fields are decoded, and predicates evaluated, when first asked for.

    `keyworded` says in which rows a keyword may stand; None: in any.
    """

    def __init__(self, plan: Plan, events: Events, keyworded: Mask | None = None) -> None:
        self._plan, self._events, self._keyworded = plan, events, keyworded
        self.height = events.height
        self.all = (1 << events.height) - 1
        self._ext: list[str | None] | None = None
        self._records: dict[bool, list[Fields]] = {}  # by whether they hold all of the plan's fields, or the waking ones
        self._record: dict[int, Fields] = {}
        self._values: dict[Place, Sequence[Value]] = {}
        self._columns: dict[Place, Column] = {}
        self._found: dict[Place, dict[int, list[int]]] = {}
        self._known: dict[int, tuple[int, int]] = {}  # predicate -> rows it was tested in, rows it is true in

    def awake(self) -> list[int]:
        """Positions of the plan's rules that may be true in some row, ascending."""
        positions = set(self._plan.always)
        for place in self._plan.waking:
            for number in self._scan(place):
                positions.update(self._plan.wakes.get(number, ()))
        return sorted(positions)

    def truth(self, number: int, within: int) -> int:
        """The rows of `within` where predicate `number` is true."""
        tested, true = self._known.get(number, (0, 0))
        left = within & ~tested
        if left:
            place = self._plan.places[number]
            if (place in self._found and self._plan.scanned[number]) or left.bit_count() > _FEW:
                tested, true = self.all, self._everywhere(number, place)
            else:
                tested, true = tested | left, true | self._in_rows(number, place, left)
            self._known[number] = tested, true
        return within & true

    def value(self, place: Place, row: int) -> Value:
        """A field's value in one row."""
        if place in self._values:
            return self._values[place][row]
        if place == FULL_TEXT:
            return self._full_text(row)
        for name in place:
            value = canonical(self._events[name[1:]][row]) if name.startswith("@") else self._one(name, row)
            if value is not None:
                return value
        return None

    def values(self, place: Place) -> Sequence[Value]:
        """A field's value in each row."""
        if place not in self._values:
            values = self._full_texts() if place == FULL_TEXT else self._all(place[0])
            for name in place[1:]:
                values = self._filled(values, name)
            self._values[place] = values
        return self._values[place]

    def _filled(self, values: list[Value], name: str) -> list[Value]:
        """`values` with those that are missing taken from the field `name`."""
        missing = [row for row, value in enumerate(values) if value is None]
        if len(missing) > self.height // _SPARSE:
            return [other if value is None else value for value, other in zip(values, self._all(name), strict=True)]
        for row in missing:
            values[row] = self._one(name, row) if not name.startswith("@") else canonical(self._events[name[1:]][row])
        return values

    def _all(self, name: str) -> list[Value]:
        if name.startswith("@"):
            column = self._events[name[1:]]
            values: list[Value] = column.to_list()
            return values if column.dtype == pl.String else [canonical(value) for value in values]
        whole = name not in self._plan.waking_names
        extractor = self._plan.extractor(whole)
        if whole not in self._records:
            self._records[whole] = [extractor.read(text) for text in self._texts()]
        return extractor.column(self._records[whole], name)

    def _one(self, name: str, row: int) -> Value:
        extractor = self._plan.extractor(True)
        if row not in self._record:
            self._record[row] = extractor.read(self._texts()[row])
        return extractor.column([self._record[row]], name)[0]

    def _texts(self) -> list[str | None]:
        if self._ext is None:
            self._ext = self._events["ext"].to_list()
        return self._ext

    def _full_texts(self) -> list[Value]:
        if self._keyworded is None:
            return [self._full_text(row) for row in range(self.height)]
        values: list[Value] = [None] * self.height
        for row in np.flatnonzero(self._keyworded).tolist():
            values[row] = self._full_text(row)
        return values

    def _full_text(self, row: int) -> Value:
        """The text keywords are searched in; none where no keyword can be."""
        if self._keyworded is not None and not self._keyworded[row]:
            return None
        return full_text(self._events["raw"][row], self._events["ext"][row])

    def _column(self, place: Place) -> Column:
        if place not in self._columns:
            self._columns[place] = Column(self.values(place))
        return self._columns[place]

    def _scan(self, place: Place) -> dict[int, list[int]]:
        if place not in self._found:
            numbers, matcher = self._plan.matcher(place)
            self._found[place] = {numbers[at]: texts for at, texts in matcher.scan(self._column(place).texts).items()}
        return self._found[place]

    def _everywhere(self, number: int, place: Place) -> int:
        """Rows where a predicate is true, by the distinct texts of its field."""
        if self._plan.scanned[number]:
            texts = self._scan(place).get(number)
            return self._column(place).rows(texts) if texts else 0
        tests = self._plan.predicates[number].tests
        column = self._column(place)
        true = column.rows([at for at, text in enumerate(column.texts) if _any(tests, text)])
        if any(test.kind == "null" for test in tests):
            true |= self.all & ~column.some()
        if any(test.kind in ("ref", "exists") for test in tests):
            true |= self._in_rows(number, place, self.all)
        return true

    def _in_rows(self, number: int, place: Place, rows: int) -> int:
        """Those of `rows` where a predicate is true, tested one by one."""
        tests = self._plan.predicates[number].tests
        return sum(1 << row for row in rows_of(rows) if self._holds(tests, place, row, self.value(place, row)))

    def _holds(self, tests: tuple[Test, ...], place: Place, row: int, value: Value) -> bool:
        texts = (value,) if isinstance(value, str) else value or ()
        for test in tests:
            if test.kind == "null" and value is None:
                return True
            if test.kind == "exists" and (test.value == "true") == self._exists(place, row):
                return True
            if test.kind == "ref" and self._refers(test, row, texts):
                return True
        return any(_any(tests, text) for text in texts)

    def _exists(self, place: Place, row: int) -> bool:
        """Whether the field is there, be it null or empty."""
        if place[0].startswith("@"):
            return self.value(place, row) is not None
        self._one(place[0], row)
        return any(self._plan.extractor(True).has(self._record[row], name) for name in place)

    def _refers(self, test: Test, row: int, texts: Sequence[str]) -> bool:
        """Whether some text is, starts with, ends with or contains some text of the field the test names."""
        value = self.value(tuple(test.value.split(REF_SEPARATOR)), row)
        others = (value,) if isinstance(value, str) else value or ()
        kind = cast(Kind, test.part)
        return any(holds(Test(kind, fold(other)), text, fold(text)) for other in others for text in texts)


def _any(tests: tuple[Test, ...], text: str) -> bool:
    folded = fold(text)
    return any(holds(test, text, folded) for test in tests)
