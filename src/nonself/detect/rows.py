"""From events to windows: the rows a detector looks at, and the evidence behind each window."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline import keys, presence
from nonself.baseline.codes import Coded, Ints, changes, coded, distinct
from nonself.core.events import Events
from nonself.core.scores import EVIDENCE, Delta
from nonself.detect import names
from nonself.detect.spec import Spec
from nonself.detect.view import View, view

ENTITIES = 32
"""Entities named by one score at most, its own included."""
KEYS = ["day", "y", "x"]
_KIND = r"^[a-z]+:"
INSIDE = r"^ip:(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|f[cd][0-9a-f]{2}:)|^host:"
"""Machines of one's own: private addresses, and machines known by name."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The events a detector looks at, `at` their rows in `view`, and the numbers of their day, slot, y and x (0 for a volume)."""

    view: View
    at: Ints
    day: Ints
    slot: Ints
    y: Coded
    x: Coded

    def part(self, column: Coded) -> Ints:
        return column.codes[self.at]


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
        return np.diff(self.starts, append=self.order.size)

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


def grouped(*columns: Ints) -> Groups:
    """Rows that agree in all columns, groups in order of the columns."""
    if not columns[0].size:
        return Groups(np.empty(0, np.int64), np.empty(0, np.int64))
    spans = [(int(column.min()), int(column.max()) - int(column.min()) + 1) for column in columns]
    if math.prod(wide for _, wide in spans) < 2**62:  # one sort of one number a row, where they fit into one
        key = np.zeros_like(columns[0])
        for column, (least, wide) in zip(columns, spans, strict=True):
            key = key * wide + (column - least)
        columns = (key,)
    order = np.lexsort(columns[::-1]) if len(columns) > 1 else np.argsort(columns[0], kind="stable")
    return Groups(order, changes(*(column[order] for column in columns)))


def chosen(events: Events | View, spec: Spec, *, evidence: bool = True) -> Chosen | None:
    """The events `spec` looks at, None for none; with `evidence` in order of time and uid.

    Events without a time, a Y, an X, an amount or an entity are left out: null means that the source did not say.
    """
    looked = events if isinstance(events, View) else view(events, [spec], evidence=evidence)
    looked = looked.narrowed(spec)
    if not looked.mask(spec).any():
        return None
    y, x = looked.key(spec.over), looked.key(spec.x)
    said = looked.mask(spec) & (y.codes >= 0) & (x.codes >= 0) & (looked.name(spec.entity).codes >= 0)
    if spec.worded:
        said &= looked.name(spec.value).codes >= 0
    elif spec.summed or spec.primitive == "measure":
        said &= looked.frame[spec.value].is_not_null().to_numpy()
    at = np.flatnonzero(said)
    slot = looked.minutes[at] // (1440 // spec.per_day)
    return Chosen(looked, at, looked.days[at], slot, y, x) if at.size else None


def named_keys(rows: Chosen, spec: Spec, at: Ints) -> dict[str, pl.Series]:
    """Columns day, slot, y (and x) of some of the rows."""
    columns = {
        "day": pl.Series(rows.day[at].astype(np.int32)).cast(pl.Date),
        "slot": pl.Series(rows.slot[at].astype(np.uint8)),
        "y": rows.y.strings(rows.at[at]),
    }
    return columns | ({"x": rows.x.strings(rows.at[at])} if spec.x else {})


def presence_of(rows: Chosen, spec: Spec) -> Delta:
    """In which windows each y was heard: columns `baseline.presence.PRESENCE`."""
    first = grouped(rows.day, rows.part(rows.y), rows.slot).first
    return presence.learn(rows.day[first], named_keys(rows, spec, first)["y"], rows.slot[first])


GROUP = "_group"
"""The column of `windows` that says which group a row is of."""


def windows(rows: Chosen, spec: Spec, groups: Groups) -> pl.DataFrame:
    """One row per window (group) of `rows`, in their order: day, slot, y (and x), the group's number, and of `SCORES` what costs little:
    entity, start, end and n_events. `scores` adds the rest."""
    frame, sizes = rows.view.frame, groups.sizes
    first, last = rows.at[groups.first], rows.at[groups.order[groups.starts + sizes - 1]]
    time = frame["time"]
    columns = {
        "entity": rows.view.name(spec.entity).strings(first),
        "start": time[first],
        "end": time[last],
        "n_events": pl.Series(sizes),
        GROUP: np.arange(sizes.size),
    }
    return pl.DataFrame({**named_keys(rows, spec, groups.first), **columns})


def scores(
    columns: Mapping[str, pl.Series | np.ndarray[Any, Any]],
    schema: Mapping[str, pl.DataType],
    told: tuple[Chosen, Spec, Groups],
    floor: float,
) -> pl.DataFrame:
    """The scores whose `columns`, GROUP and score among them, rest on windows: in the order of `columns`, with the entities and the
    evidence of those that score `floor` or more. They cost several times what a score does, and nearly all rows are ordinary."""
    chosen, spec, groups = told
    made = pl.DataFrame({name: columns[name] for name in (GROUP, *schema) if name in columns})
    asked = np.flatnonzero(made["score"].to_numpy() >= floor)
    if asked.size:
        some = groups.only(made[GROUP].to_numpy()[asked])
        lists_ = named(chosen, spec, some)
    else:
        lists_ = dict.fromkeys(("entities", "events"), _NOTHING.clear())
    if asked.size < made.height:
        place = np.full(made.height, asked.size)
        place[asked] = np.arange(asked.size)
        lists_ = {name: pl.concat([part, _NOTHING]).gather(place) for name, part in lists_.items()}
    return made.with_columns(**lists_).select(pl.col(name).cast(dtype) for name, dtype in schema.items())


_NOTHING = pl.Series([[]], dtype=pl.List(pl.String))


def by_start(chosen: Chosen, groups: Groups) -> Ints:
    """The groups in order of their first event's time; those of one time, and so of one day and slot, stay in order of y and x."""
    start = chosen.view.frame["time"].to_physical().to_numpy()[chosen.at[groups.first]]
    return np.argsort(start, kind="stable").astype(np.int64)


def with_own(
    self_: pl.DataFrame,
    told: pl.DataFrame,
    own: Callable[[], pl.DataFrame],
    merge: Callable[[list[pl.DataFrame]], pl.DataFrame],
    *,
    included: bool,
) -> pl.DataFrame:
    """A self and the delta of the events to be scored (`told` has their days, y and x). Of events that it has learnt only what it has
    forgotten since is added: whole days of a y and x."""
    if not included:
        return merge([self_, own()])
    held = self_.select(KEYS)
    if not told.select(KEYS).join(held, on=KEYS, how="anti").height:
        return self_
    return merge([self_, own().join(held, on=KEYS, how="anti")])


def sided(asked: pl.DataFrame, known: pl.DataFrame, odd: Callable[[pl.DataFrame, pl.DataFrame, bool], pl.DataFrame]) -> pl.DataFrame:
    """`odd(asked, known, strangers)`, row for row of `asked`, of machines of private addresses and of all others (strangers) apart: what
    comes from the internet says nothing of how machines here behave."""
    parts, order = [], []
    for inside in (True, False):
        some, held = (np.flatnonzero(table["y"].str.contains(INSIDE).to_numpy() == inside) for table in (asked, known))
        if some.size:
            parts.append(odd(asked[some], known[held], not inside))
            order.append(some)
    return pl.concat(parts)[np.argsort(np.concatenate(order))]


def taken(table: pl.DataFrame, known: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """Of `table`, row for row about `known`, the rows of each asked day, y and x; zeros for what a full day dropped."""
    found = asked.select(KEYS).join(known.select(KEYS).with_row_index("at"), on=KEYS, how="left", maintain_order="left")
    nothing = table.clear(1).fill_null(0).fill_null(False)
    return pl.concat([table, nothing])[found["at"].fill_null(table.height).cast(pl.Int64).to_numpy()]


def lists(values: pl.Series, owner: Ints) -> pl.Series:
    """The values as one list per owner; owners are 0, 1, ... in order, each with a value."""
    table = pl.DataFrame({"owner": owner, "v": values})
    return table.group_by("owner", maintain_order=True).agg("v")["v"]


def named(chosen: Chosen, spec: Spec, groups: Groups) -> dict[str, pl.Series]:
    """The entities and the evidence of each group, as columns entities and events."""
    return {"entities": _touched(chosen, spec, groups), "events": _evidence(chosen.view.frame["uid"], chosen, groups)}


def _evidence(uid: pl.Series, rows: Chosen, groups: Groups) -> pl.Series:
    """The first `EVIDENCE` events of each group."""
    owner = np.repeat(np.arange(groups.starts.size), groups.sizes)
    kept = np.arange(owner.size) - groups.starts[owner] < EVIDENCE
    return lists(uid[rows.at[groups.order[kept]]], owner[kept])


def _touched(rows: Chosen, spec: Spec, groups: Groups) -> pl.Series:
    """The entities of each group's events, sorted, at most `ENTITIES`, its own among them."""
    linked = [rows.view.name(name) for name in dict.fromkeys((spec.entity, *spec.joins))]
    table, codes = _one_table(linked)
    group, at = np.repeat(np.arange(groups.starts.size), groups.sizes), rows.at[groups.order]
    own = codes[0][rows.at[groups.first]]
    known = [(group[here], found[at][here]) for found in codes for here in [found[at] >= 0]]
    pairs = distinct(np.concatenate([g * (table.len() + 1) + e for g, e in known]))
    owner, entity = np.divmod(pairs, table.len() + 1)
    place = np.arange(owner.size) - np.searchsorted(owner, owner)
    many = np.bincount(owner)[owner] > ENTITIES
    # Of too many, the first ones but one are kept, and the group's own: if that is among them, one fewer.
    kept = ~many | (place < ENTITIES - 1) | (entity == own[owner])
    return lists(table[entity[kept]], owner[kept])


def _one_table(columns: list[Coded]) -> tuple[pl.Series, list[Ints]]:
    """Several coded columns over one table of values."""
    if len(columns) == 1:
        return columns[0].values, [columns[0].codes]
    every = coded(pl.concat([column.values.alias("v") for column in columns]))
    out, start = [], 0
    for column in columns:
        ranks = np.append(every.codes[start : start + column.values.len()], -1)
        out.append(ranks[column.codes])
        start += column.values.len()
    return every.values, out


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
