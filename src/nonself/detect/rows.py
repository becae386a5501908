"""From events to windows: the rows a detector looks at, put into groups."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import polars as pl

from nonself.baseline import keys, presence
from nonself.baseline.codes import Coded, Ints, Mask, changes, key, lengths, ordered
from nonself.baseline.joint import Joint
from nonself.core.events import Events
from nonself.core.scores import Delta
from nonself.detect import names
from nonself.detect.spec import Spec
from nonself.detect.view import View, view

T = TypeVar("T")
_KIND = r"^[a-z]+:"
INSIDE = r"^ip:(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|f[cd][0-9a-f]{2}:)|^host:"
"""Machines of one's own: private addresses, and machines known by name."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows put into groups: `order` lists the rows group by group, each group's in their old order, `starts` where groups begin in it."""

    order: Ints
    starts: Ints

    @property
    def first(self) -> Ints:
        """A row of each group, its first."""
        return self.order[self.starts]

    @property
    def sizes(self) -> Ints:
        return lengths(self.starts, self.order.size)

    def only(self, chosen: Ints) -> Groups:
        """Some of the groups, in the order asked for."""
        if chosen.size == self.starts.size and (chosen == np.arange(chosen.size)).all():
            return self
        sizes = self.sizes[chosen]
        starts = np.cumsum(sizes) - sizes
        return Groups(self.order[np.repeat(self.starts[chosen] - starts, sizes) + np.arange(sizes.sum())], starts)

    def of_rows(self) -> Ints:
        """Each row's group."""
        out = np.empty(self.order.size, np.int64)
        out[self.order] = np.repeat(np.arange(self.starts.size), self.sizes)
        return out


@dataclass(frozen=True, slots=True)
class Chosen:
    """The events a detector looks at, `at` their rows in `view`, and the numbers of their day, slot, y and x (0 for a volume)."""

    view: View
    at: Ints
    day: Ints
    slot: Ints
    y: Coded | Joint
    x: Coded
    _found: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def actors(self) -> Coded:
        """Y with all its strings, of which a volume joins those that it needs."""
        assert isinstance(self.y, Coded)
        return self.y

    def part(self, column: Coded | Joint) -> Ints:
        return column.codes[self.at].astype(np.int64)

    @property
    def seconds(self) -> Ints:
        """When each event happened, in seconds since 1970."""
        return self.view.times[self.at] // 1_000_000

    def once(self, what: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, worked out once: learning and scoring ask for the same."""
        if what not in self._found:
            self._found[what] = make()
        found: T = self._found[what]
        return found

    def grouped(self, *by: str) -> Groups:
        """The rows put into groups by some of day, y, x and slot, in this order."""
        return self.once(by, lambda: self._slots(self.grouped(*by[:-1])) if by[-1] == "slot" else self._grouped(by))

    def _grouped(self, by: tuple[str, ...]) -> Groups:
        """The same by some of day, y and x. Where most events are looked at, they are put in order for all detectors."""
        keys_ = [self.y if name == "y" else self.x for name in by if name != "day"]
        columns = [part for key_ in keys_ for part in (key_.parts if isinstance(key_, Joint) else (key_,))]
        every = self.view.frame.height
        if by == ("y", "x"):
            wide = self.grouped("day", *by).order
            order, found = ordered(key(*(self._numbers(name)[wide] for name in by)))
            return Groups(wide[order], changes(found))
        if by[0] != "day" or len(columns) < 2 or 2 * self.at.size < every:
            return grouped(*map(self._numbers, by))
        order, new = self.view.order(columns)
        if self.at.size == every:
            return Groups(order, np.flatnonzero(new))
        here = np.zeros(every, np.bool_)
        here[self.at] = True
        kept = here[order]
        return Groups((np.cumsum(here) - 1)[order[kept]], changes(np.cumsum(new)[kept]))

    def numbered(self, *by: str) -> tuple[Ints, Ints, Ints]:
        """Day, y and x of each of these groups, as numbers."""
        return self.once(("numbered", by), lambda: self._numbered(by))

    def _numbered(self, by: tuple[str, ...]) -> tuple[Ints, Ints, Ints]:
        if by[-1] == "slot":
            outer = self.outer(*by)
            day, y, x = self.numbered(*by[:-1])
            return day[outer], y[outer], x[outer]
        first = self.grouped(*by).first
        at = self.at[first]
        x = np.zeros_like(at) if self.x.values.len() == 1 else self.x.codes[at].astype(np.int64)  # all rows have an x: volumes the same
        return self.day[first], self.y.codes[at].astype(np.int64), x

    def outer(self, *by: str) -> Ints | slice:
        """Of each of these groups, the last of `by` being slot, the group without slot that it is part of."""
        wide, fine = self.grouped(*by[:-1]), self.grouped(*by)
        if wide.starts.size == fine.starts.size:
            return slice(None)
        new = np.zeros(fine.order.size, np.bool_)
        new[wide.starts] = True
        return (np.cumsum(new) - 1)[fine.starts]

    def names(self, *by: str) -> tuple[pl.Series, pl.Series]:
        """The names of y and x of each of these groups."""
        _, y, x = self.numbered(*by)
        return self.once(("names", by), lambda: (self.y.names(y), self.x.names(x)))

    def runs(self, *by: str) -> Ints:
        """Where each day and y begins among these groups."""
        day, y, _ = self.numbered(*by)
        return changes(day, y)

    def _numbers(self, name: str) -> Ints:
        named = {"day": self.day, "slot": self.slot}
        return named[name] if name in named else self.part(self.y if name == "y" else self.x)

    def _slots(self, wide: Groups) -> Groups:
        """Groups cut by slot. Rows in order of time need no sorting for it."""
        if wide.starts.size == wide.order.size:
            return wide
        slot, new = self.slot[wide.order], np.zeros(wide.order.size, np.bool_)
        new[wide.starts] = True
        if (new[1:] | (slot[1:] >= slot[:-1])).all():
            new[1:] |= slot[1:] != slot[:-1]
            return Groups(wide.order, np.flatnonzero(new))
        order, fine = ordered(key(np.cumsum(new, dtype=np.int64), slot))
        return Groups(wide.order[order], changes(fine))


def grouped(*columns: Ints) -> Groups:
    """Rows that agree in all columns, groups in order of the columns."""
    order, keys_ = ordered(key(*columns))
    return Groups(order, changes(keys_))


def chosen(events: Events | View, spec: Spec, *, evidence: bool = True) -> Chosen | None:
    """The events `spec` looks at, None for none; with `evidence` in order of time and uid.

    Events without a time, a Y, an X, an amount or an entity are left out: null means that the source did not say.
    """
    looked = events if isinstance(events, View) else view(events, [spec], evidence=evidence)
    looked = looked.narrowed(spec)
    if not looked.mask(spec).any():
        return None
    y, x = looked.joint(spec.over) if spec.primitive == "volume" else looked.key(spec.over), looked.key(spec.x)
    said = looked.mask(spec) & (y.codes >= 0) & (x.codes >= 0) & (looked.name(spec.entity).codes >= 0)
    if spec.worded:
        said &= looked.name(spec.value).codes >= 0
    elif spec.summed or spec.primitive == "measure":
        said &= looked.frame[spec.value].is_not_null().to_numpy()
    kind = (said.tobytes(), id(y), id(x), spec.per_day)
    return looked.last(kind, lambda: _chosen(looked, said, spec.per_day, y, x))


def _chosen(view: View, said: Mask, per_day: int, y: Coded | Joint, x: Coded) -> Chosen | None:
    at = np.flatnonzero(said)
    if not at.size:
        return None
    day, minutes = (view.days, view.minutes) if at.size == said.size else (view.days[at], view.minutes[at])
    return Chosen(view, at, day, minutes // (1440 // per_day), y, x)


def keys_of(rows: Chosen, *by: str) -> dict[str, pl.Series]:
    """Columns day, y and x of each of these groups."""
    day, (y, x) = rows.numbered(*by)[0], rows.names(*by)
    return {"day": dates(day), "y": y, "x": x}


def dates(days: Ints) -> pl.Series:
    """Days since 1970 as dates."""
    return pl.Series(days.astype(np.int32)).cast(pl.Date)


def named_keys(rows: Chosen, spec: Spec, at: Ints) -> dict[str, pl.Series]:
    """Columns day, slot, y (and x) of some of the rows."""
    columns = {
        "day": dates(rows.day[at]),
        "slot": pl.Series(rows.slot[at].astype(np.uint8)),
        "y": rows.y.strings(rows.at[at]),
    }
    return columns | ({"x": rows.x.strings(rows.at[at])} if spec.x else {})


def presence_of(rows: Chosen, spec: Spec) -> Delta:
    """In which windows each y was heard: columns `baseline.presence.PRESENCE`."""
    first = rows.grouped("day", "y", "slot").first
    return presence.learn(rows.day[first], named_keys(rows, spec, first)["y"], rows.slot[first])


def lists(values: pl.Series, owner: Ints) -> pl.Series:
    """The values as one list per owner; owners are 0, 1, ... in order, each with a value."""
    table = pl.DataFrame({"owner": owner, "v": values})
    return table.group_by("owner", maintain_order=True).agg("v")["v"]


def phrase(spec: Spec, value: pl.Expr | None = None) -> pl.Expr:
    """`spec.says` with the names of Y and X (columns y, x) filled in, without the kinds of entities; `value` fills `{value}`."""
    parts: list[pl.Expr] = []
    for i, piece in enumerate(re.split(r"\{(\w+)\}", spec.says)):
        if i % 2 == 0:
            parts.append(pl.lit(piece))
        elif piece == "value" and value is not None:
            parts.append(value)
        else:
            parts.append(_part(spec, piece))
    return pl.concat_str(parts)


def words(spec: Spec, x: str) -> str:
    """An X in words, its parts separated by commas, without the kinds of entities."""
    parts = zip(spec.x, x.split(keys.SEPARATOR), strict=False)
    return ", ".join(re.sub(_KIND, "", part) if names.is_entity(name) else part for name, part in parts)


def _part(spec: Spec, name: str) -> pl.Expr:
    column, group = ("y", spec.over) if name in spec.over else ("x", spec.x)
    text = pl.col(column) if len(group) == 1 else pl.col(column).str.split(keys.SEPARATOR).list.get(group.index(name), null_on_oob=True)
    shown = text.str.replace(_KIND, "") if names.is_entity(name) or name in names.TAGGED else text
    return shown.fill_null("?")
