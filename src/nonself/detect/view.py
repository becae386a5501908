"""A batch as detectors look at it: what several of them need of it is worked out once, and only when one asks."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from nonself.baseline import codes, keys
from nonself.baseline.codes import Coded, Ints, Mask, Small
from nonself.baseline.joint import Joint
from nonself.core.compact import plain
from nonself.core.schema import SCHEMA
from nonself.detect import names
from nonself.detect.spec import Spec

T = TypeVar("T")
_DATED = pl.col("time").is_between(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
"""Other times cannot be told as dates; such events are not looked at."""


ORDERS = 3
"""Orders of its rows that a view keeps, 4 bytes a row each."""
_CLOSE = 1 << 16
"""Numbers that differ by less are told apart by a table."""
_CONTROL = r"[\x00-\x1f]"
"""Characters that may come before the separator of keys."""


class View:
    """Events in order of time and uid (`frame`), and, found at the first call: which of them a detector looks at, and their names, coded.

    A name is worked out once per distinct value of the columns it is made of.
    """

    __slots__ = ("_days", "_joints", "_keys", "_last", "_masks", "_minutes", "_names", "_orders", "_raw", "_times", "frame")

    def __init__(self, frame: pl.DataFrame, masks: Mapping[str, Mask]) -> None:
        self.frame = frame
        self._masks = dict(masks)
        self._raw: dict[tuple[str, ...], tuple[Small, Ints]] = {}
        self._names: dict[str, Coded] = {}
        self._keys: dict[tuple[str, ...], Coded] = {}
        self._joints: dict[tuple[str, ...], Joint | None] = {}
        self._orders: dict[tuple[int, ...], tuple[Small, Mask]] = {}
        self._days: Ints | None = None
        self._minutes: npt.NDArray[np.int16] | None = None
        self._times: Ints | None = None
        self._last: tuple[Hashable, Any] = (None, None)

    def last(self, what: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, kept until something else is asked for: detectors that look at the same, and one that learns and then scores,
        ask for it one after another."""
        if self._last[0] != what:
            self._last = (None, None)
            self._last = (what, make())
        found: T = self._last[1]
        return found

    def narrowed(self, spec: Spec) -> View:
        """The events that pass the text conditions of `spec`, which are asked of the others that pass its filter."""
        if spec.text is None or not self._masks[spec.name].any():
            return self
        some = self.frame.filter(pl.Series(self._masks[spec.name]))
        kept = some.filter(pl.Series(View(some, {})._asked_once(spec.text)))
        return View(kept, {spec.name: np.ones(kept.height, np.bool_)})

    def ask(self, asked: list[Spec]) -> None:
        """Find which events pass the filter of each spec; what several of them ask is asked once."""
        tests = {said: test for spec in asked for said, test in spec.where.items()} | {"": _DATED}
        found = {said: self._asked_once(test) for said, test in tests.items() if self._repeats(test)}
        found |= self._asked_of_all({said: test for said, test in tests.items() if said not in found})
        masks = {asks: np.logical_and.reduce([found[said] for said in asks]) for asks in {("", *spec.where) for spec in asked}}
        self._masks |= {spec.name: masks["", *spec.where] for spec in asked}

    def passes(self, test: pl.Expr) -> Mask:
        """Which events pass a test; null is no."""
        return self._asked_once(test) if self._repeats(test) else self._asked_of_all({"m": test})["m"]

    def _repeats(self, test: pl.Expr) -> bool:
        """Whether a test is one of texts that are held once, and at most of few numbers besides."""
        columns = [self.frame[name] for name in test.meta.root_names()]
        once = [isinstance(column.dtype, pl.Categorical) for column in columns]
        return any(once) and all(held or _few(column) for held, column in zip(once, columns, strict=True))

    def _asked_of_all(self, tests: Mapping[str, pl.Expr]) -> dict[str, Mask]:
        some = plain(self.frame.select(sorted({name for test in tests.values() for name in test.meta.root_names()})))
        passed = some.select(test.fill_null(False).alias(said) for said, test in tests.items())
        return {said: passed[said].to_numpy() for said in tests}

    def _asked_once(self, test: pl.Expr) -> Mask:
        """Which events pass a test that is asked of each combination of values once."""
        columns = sorted(set(test.meta.root_names()))
        found, first = self.raw(tuple(columns))
        passed = plain(self.frame.select(columns)[first]).select(test.fill_null(False).alias("m")).to_series()
        return np.asarray(passed.to_numpy()[found])

    def mask(self, spec: Spec) -> Mask:
        """Which events pass the filter of `spec`, its text conditions apart."""
        return self._masks[spec.name]

    def raw(self, columns: tuple[str, ...]) -> tuple[Small, Ints]:
        """Each event's combination of values of some columns of strings, or of few whole numbers, as a number, and one event of each
        combination."""
        if columns not in self._raw:
            if len(columns) == 1:
                found, first = _told_apart(self.frame[columns[0]])
            else:
                found, first = codes.combined([self.raw((column,))[0] for column in columns])
            self._raw[columns] = found.astype(np.int32), first
        return self._raw[columns]

    def name(self, name: str) -> Coded:
        """A name (see `detect.names`) of every event."""
        if name not in self._names:
            found = self._named(name)
            self._names[name] = next((other for other in self._names.values() if _same(other, found)), found)
        return self._names[name]

    def _named(self, name: str) -> Coded:
        columns, frame = names.roots(name), self.frame
        here = tuple(c for c in columns if c in frame.columns and frame[c].null_count() < frame.height)
        expression = names.expression(name).alias(name)
        if not all(SCHEMA[c] == pl.String or _few(frame[c]) for c in here):
            return codes.coded(plain(_inputs(frame, columns, here)).select(expression).to_series())
        found, first = self.raw(here) if here else (np.zeros(frame.height, np.int32), np.zeros(1, np.int64))
        inputs = plain(_inputs(pl.DataFrame([frame[c][first] for c in here or ("uid",)]), columns, here))
        return codes.spread(inputs.select(expression).to_series(), found)

    def key(self, parts: tuple[str, ...]) -> Coded:
        """The key that some names make up (`baseline.keys`), of every event: null where any is; of none, that of the organisation."""
        if parts not in self._keys:
            self._keys[parts] = self._key(parts)
        return self._keys[parts]

    def joint(self, parts: tuple[str, ...]) -> Coded | Joint:
        """The same, its strings not joined where numbers will do."""
        if len(parts) < 2:
            return self.key(parts)
        if parts not in self._joints:
            self._joints[parts] = Joint.of([self.name(part) for part in parts])
        return self._joints[parts] or self.key(parts)

    def _key(self, parts: tuple[str, ...]) -> Coded:
        if not parts:
            return Coded(np.zeros(self.frame.height, np.int32), pl.Series([""]))
        if len(parts) == 1:
            return _cut(self.name(parts[0]))
        coded = [self.name(part) for part in parts]
        known = np.logical_and.reduce([part.codes >= 0 for part in coded])
        every = known.all()
        found, first = codes.combined([part.codes if every else np.where(known, part.codes, -1) for part in coded])
        if not known.any():
            return Coded(np.full(self.frame.height, -1, np.int32), pl.Series([], dtype=pl.String))
        sample = first[known[first]]
        number = (found - found[sample[0]] if every else np.where(known, found - found[sample[0]], -1)).astype(np.int32)
        joined = keys.joined([(part.values, part.codes[sample]) for part in coded])
        if not any(part.values.str.contains(_CONTROL).any() for part in coded):
            return _cut(Coded(number, joined))  # the separator comes before all other characters, so keys are in order of their parts
        return _cut(codes.spread(joined, number))

    def order(self, columns: Sequence[Coded]) -> tuple[Ints, Mask]:
        """The rows in order of day and some columns, equal ones in theirs; and which of them differ from the one before. The last
        `ORDERS` made are kept: several detectors look at the same pairs."""
        asked = tuple(id(column.codes) for column in columns)
        if asked not in self._orders:
            if len(self._orders) == ORDERS:
                del self._orders[next(iter(self._orders))]
            order, found = codes.ordered(codes.key(self.days, *(column.codes for column in columns)))
            self._orders[asked] = order.astype(np.int32), np.append(True, found[1:] != found[:-1])
        rows, new = self._orders[asked]
        return rows.astype(np.int64), new

    def when(self, rows: Ints) -> pl.Series:
        """The times of some rows, all of which have one."""
        return pl.Series(self.times[rows]).cast(SCHEMA["time"])

    @property
    def times(self) -> Ints:
        """Microseconds since 1970; 0 where there is no time."""
        if self._times is None:
            time = self.frame["time"].to_physical()
            self._times = (time.fill_null(0) if time.null_count() else time).to_numpy()
        return self._times

    @property
    def days(self) -> Ints:
        """Days since 1970, by UTC."""
        if self._days is None:
            self._when()
        assert self._days is not None
        return self._days

    @property
    def minutes(self) -> Ints:
        """Minutes since midnight, UTC."""
        if self._minutes is None:
            self._when()
        assert self._minutes is not None
        return self._minutes.astype(np.int64)

    def _when(self) -> None:
        minutes = self.times // 60_000_000
        self._days = minutes // 1_440
        self._minutes = (minutes - self._days * 1_440).astype(np.int16)


def _few(column: pl.Series) -> bool:
    """Whether a column is one of whole numbers that lie close to one another, such as ports."""
    if not column.dtype.is_integer():
        return False
    least, most = column.min(), column.max()
    return isinstance(least, int) and isinstance(most, int) and most - least < _CLOSE


def _told_apart(column: pl.Series) -> tuple[Ints, Ints]:
    """The values of a column as numbers from 0, each met, null one of them; and a row of each."""
    if column.dtype == pl.String:
        found = codes.numbers(column)
        found = np.where(found < 0, found.max(initial=-1) + 1, found) if column.null_count() else found
        return found, codes.firsts(found)
    numbers = column.to_physical() if isinstance(column.dtype, pl.Categorical) else column
    return codes.numbered(_whole(numbers))


def _whole(column: pl.Series) -> Ints:
    """Whole numbers, null as one less than the least."""
    if not column.null_count():
        return column.to_numpy().astype(np.int64)
    least: int = column.min() or 0  # type: ignore[assignment]
    return column.cast(pl.Int64).fill_null(least - 1).to_numpy()


def _inputs(frame: pl.DataFrame, columns: tuple[str, ...], here: tuple[str, ...]) -> pl.DataFrame:
    """Some columns of a frame, those it does not say anything in as null."""
    nulls = [pl.Series(c, [None], dtype=SCHEMA[c]).new_from_index(0, frame.height) for c in columns if c not in here]
    return pl.DataFrame([frame[c] for c in here] + nulls)


def _same(a: Coded, b: Coded) -> bool:
    """Whether two names are one, as a machine's and its address's where no record names machines: one column then serves for both."""
    return a.values.len() == b.values.len() and a.values.equals(b.values) and bool((a.codes == b.codes).all())


def _cut(key: Coded) -> Coded:
    if not (key.values.str.len_bytes() > keys.MAX_BYTES).any():
        return key
    return codes.spread(keys.cut(key.values.alias("k").to_frame(), "k").to_series(), key.codes)


def view(events: pl.DataFrame, specs: Iterable[Spec], *, evidence: bool) -> View:
    """The events that any of `specs` may look at, as they look at them; with `evidence` sorted, for `score`."""
    looked = View(_in_order(events) if evidence else events, {})
    looked.ask(list(specs))
    return looked


def _in_order(events: pl.DataFrame) -> pl.DataFrame:
    """Events in order of time and uid. What none of them says takes no place: a column of nulls would take 16 MB of a million."""
    said = [c for c in events.columns if c in ("time", "uid") or events[c].null_count() < events.height]
    frame, time = events.select(said), events["time"].to_physical().to_numpy()  # floats where there are nulls: in no order
    if not (time[1:] > time[:-1]).all():
        frame = frame.sort("time", "uid")
    return frame.with_columns(pl.lit(None, events.schema[c]).alias(c) for c in events.columns if c not in said)
