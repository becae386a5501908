"""A self beside what is asked of it: the groups of some events (day, y, x) in the numbers of the self's rows, without joining strings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from nonself.baseline.codes import Ints, beside, distinct, lengths, rows_of
from nonself.baseline.pairs import runs
from nonself.core.scores import Delta
from nonself.detect import rows
from nonself.detect.rows import Chosen


@dataclass(frozen=True, slots=True)
class Abreast:
    """A table of day, y and x, each once, in order; its rows' days since 1970 and numbers of y and x (those of the events' names, and
    others past them); and the row of each group, -1 for what a full day has dropped."""

    table: Delta
    day: Ints
    y: Ints
    x: Ints
    at: Ints

    def sides(self) -> list[tuple[bool, Ints]]:
        """The rows of machines of private addresses, and those of all others (True, strangers): what comes from the internet says nothing
        of how machines here behave."""
        starts = runs(self.table)
        private = self.table["y"][starts].str.contains(rows.INSIDE).to_numpy()
        inside = np.repeat(private, lengths(starts, self.day.size))
        parts = ((False, np.flatnonzero(inside)), (True, np.flatnonzero(~inside)))
        return [(strangers, some) for strangers, some in parts if some.size]

    def each(self, column: np.ndarray, some: Ints | None = None) -> np.ndarray:
        """What a column of the table's rows says of (some of) the groups; 0 for what was dropped."""
        at = self.at if some is None else self.at[some]
        return np.append(column, np.zeros(1, column.dtype))[at]

    def rows(self, table: pl.DataFrame) -> pl.DataFrame:
        """The same of a table, row for row about this one's."""
        nothing = table.clear(1).fill_null(0).fill_null(False)
        return pl.concat([table, nothing])[np.where(self.at < 0, table.height, self.at)]


def abreast(chosen: Chosen, self_: Delta, own: Callable[[], Delta], merge: Callable[[list[Delta]], Delta], *, included: bool) -> Abreast:
    """A self, and the delta of the events asked about, as one."""
    table = united(chosen, self_, own, merge, included=included)
    return Abreast(table, *placed(chosen, table))


def placed(chosen: Chosen, table: Delta) -> tuple[Ints, Ints, Ints, Ints]:
    """Days and numbers of y and x of a table's rows, and the row of each group of events of one day, y and x: as in `Abreast`."""
    asked, day = chosen.numbered("day", "y", "x"), table["day"].to_physical().to_numpy().astype(np.int64)
    if _same(chosen, asked, table, day):
        return *asked, np.arange(day.size)
    y, x = beside(chosen.actors.values, table["y"], runs=True), beside(chosen.x.values, table["x"])
    return day, y, x, rows_of((day, y, x), asked)


def _same(chosen: Chosen, asked: tuple[Ints, Ints, Ints], table: Delta, day: Ints) -> bool:
    """Whether a table holds just what is asked of it, as a self does that has learnt a first batch: comparing strings is cheaper than
    numbering them."""
    if day.size != asked[0].size or not (day == asked[0]).all():
        return False
    y, x = chosen.names("day", "y", "x")
    return table["y"].equals(y) and table["x"].equals(x)


def united(chosen: Chosen, self_: Delta, own: Callable[[], Delta], merge: Callable[[list[Delta]], Delta], *, included: bool) -> Delta:
    """A self, and the delta of some events, as one. Of events that the self has learnt (`included`) only the days that it has forgotten
    since are added: what else it lacks of them its bounds have dropped, and would drop again."""
    if not included:
        return merge([self_, own()])
    held = self_["day"].unique()
    if np.isin(distinct(chosen.day), held.to_physical().to_numpy()).all():
        return self_
    return merge([self_, own().filter(~pl.col("day").is_in(held.implode()))])


def compact(numbers: Ints) -> Ints:
    """The same rows told apart by numbers without gaps, in their order."""
    met = np.bincount(numbers) > 0
    return np.asarray((np.cumsum(met) - 1)[numbers], dtype=np.int64)
