"""The specialist `longconn`: a machine that stays connected to a destination far longer than anyone does to anything like it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline import keys, levels, pairs
from nonself.baseline.codes import Floats, Ints, firsts, numbers
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import amounts, example, rows
from nonself.detect.abreast import placed
from nonself.detect.contract import Example
from nonself.detect.spec import Spec
from nonself.detect.told import scores
from nonself.detect.view import View

OPEN = "open_conn"
"""The log that tells of a connection again and again while it lasts: its durations are not added up."""
MOST = 1 << 46
_EACH = MOST >> 3
SECOND = 1_000_000.0
_HELD: dict[str, pl.DataType] = {"day": pl.Date(), "y": pl.String(), "x": pl.String(), "longest": pl.Int64(), "total": pl.Int64()}
_KEYS = ["day", "y", "x"]
_ROW_BYTES = 2 * (keys.MAX_BYTES + 16) + 32


class LongConn:
    """How far out in the upper tail lies the time a pair was connected in a day, held against all pairs and against what is usual for this
    pair, for its machine, for its destination and for its service; the most forgiving of them decides.

    Formula: score = -log2 P(T >= (u - c) / s), T Student's t with 4 degrees of freedom; u = ln(1 + d / 1 s), d the longer of the longest
    connection (open ones too) and the sum of all ended ones of the day; s = 1.4826 MAD of all pairs' u, at least ln 2; c = the largest of
    the median of all pairs' u and of the means of u over the other pairs of this machine, this destination, this service (the last name of
    X), and over the other days of this pair, each mean shrunk to the median by one pseudo-observation.
    Unit: bits; 0 where no other pair and no other day is known.
    Reference: Huber & Ronchetti 2009, "Robust Statistics", 5.1 (median and MAD); Lange, Little & Taylor 1989 (t tails).
    Cost: one pass over the self's rows (day, y, x), two sorts.
    Reasons: surprise among all pairs; what machine, destination and service take back; what the pair's own days take back.
    """

    __slots__ = ("attack", "bytes_per_entity", "classes", "columns", "name", "spec", "title")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name, self.title, self.attack, self.columns = spec.name, spec.title, spec.attack, tuple(sorted({*spec.columns, "channel"}))
        self.classes = spec.classes
        self.bytes_per_entity = pairs.X_PER_DAY * _ROW_BYTES

    def learn(self, events: Events | View) -> Delta:
        """Columns day, y, x, longest and total (microseconds)."""
        chosen = self._chosen(events, evidence=False)
        return _delta(chosen, self.spec, chosen.grouped("day", "y", "x")) if chosen else self.merge([])

    def merge(self, deltas: list[Delta]) -> Delta:
        """The longest kept, totals added up; at most `X_PER_DAY` x per y and day."""
        return pairs.joined([delta.select(*_HELD) for delta in deltas], _united, pairs.bounded) if deltas else pl.DataFrame(schema=_HELD)

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """One row per pair (y, x) and day. What the self already holds of a pair's day belongs to that day, not to its history."""
        chosen = self._chosen(events)
        if chosen is None:
            return pl.DataFrame(schema=_SCORES)
        groups = chosen.grouped("day", "y", "x")
        value, odd = _odd(chosen, groups, _durations(chosen, self.spec, groups), self_, included=included)

        def told(some: Ints, named: pl.DataFrame) -> pl.DataFrame:
            parts = _told(odd, value, some)
            what = rows.phrase(self.spec, amounts.column("value", self.spec.unit)).alias("_what")
            return parts.rename("_{}".format).hstack(named.with_columns(parts["value"]).select(what))

        return scores((chosen, self.spec, groups), odd.own(), told, _SCORES, floor)

    def _chosen(self, events: Events | View, *, evidence: bool = True) -> rows.Chosen | None:
        return rows.chosen(events, self.spec, evidence=evidence)

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """Per row: surprise among all pairs, then what is usual near it. Bits add up to the score."""
        return [self._reasons(row) for row in scores.select(*_READ).iter_rows(named=True)]

    def _reasons(self, row: Mapping[str, Any]) -> tuple[Reason, ...]:
        spec, unit = self.spec, self.spec.unit
        usual, near = amounts.text(row["_usual"], unit), amounts.text(row["_near"], unit)
        among = Reason(
            feature=f"{spec.thing} among {spec.peers}",
            seen=row["_what"],
            normal=f"usually {usual} (median of {row['_n']:,} days of other pairs)" if row["_n"] else "no other pair yet",
            bits=row["_bits_all"],
        )
        around = Reason(
            feature=f"{spec.thing} for this {spec.peer}, destination or service",
            seen=amounts.text(row["_value"], unit),
            normal=f"at most about {near} is usual for one of them",
            bits=row["_bits_near"] - row["_bits_all"],
        )
        own = amounts.text(row["_own"], unit)
        before = f"usually {own} over {row['_days']:,} other days" if row["_days"] else "no other day of this pair is known"
        mine = Reason(
            feature=f"{spec.thing} of this pair",
            seen=amounts.text(row["_value"], unit),
            normal=before,
            bits=row["score"] - row["_bits_near"],
        )
        return (among, around, mine)

    def example(self) -> Example:
        """Normal and odd events from the content table."""
        return example.build(self.spec)


_PRIVATE: dict[str, pl.DataType] = {
    "_bits_all": pl.Float64(),
    "_bits_near": pl.Float64(),
    "_value": pl.Int64(),
    "_usual": pl.Float64(),
    "_near": pl.Float64(),
    "_own": pl.Float64(),
    "_n": pl.Int64(),
    "_days": pl.Int64(),
    "_what": pl.String(),
}
_SCORES = {**SCORES, **_PRIVATE}
_READ = ("score", *_PRIVATE)


def _durations(chosen: rows.Chosen, spec: Spec, groups: rows.Groups) -> dict[str, Ints]:
    """Per group the longest connection, and the sum of the ended ones."""
    return chosen.once(("durations", spec.value), lambda: _lasted(chosen, spec, groups))


def _lasted(chosen: rows.Chosen, spec: Spec, groups: rows.Groups) -> dict[str, Ints]:
    frame, at = chosen.view.frame, chosen.at[groups.order]
    each = np.clip(frame[spec.value].cast(pl.Int64).fill_null(0).to_numpy()[at], 0, _EACH)
    ended = np.where(chosen.view.passes(pl.col("channel") == OPEN)[at], 0, each)
    longest = np.maximum.reduceat(each, groups.starts)
    # In floats first: what could overflow is far beyond the cap.
    total = np.add.reduceat(ended.astype(np.float64), groups.starts)
    return {"longest": longest, "total": np.where(total < MOST, np.add.reduceat(ended, groups.starts), MOST)}


def _delta(chosen: rows.Chosen, spec: Spec, groups: rows.Groups) -> Delta:
    table = pl.DataFrame({**rows.keys_of(chosen, "day", "y", "x"), **_durations(chosen, spec, groups)})
    return pairs.bounded(table, starts=chosen.runs("day", "y", "x"))


def _united(rows_: pl.DataFrame) -> Delta:
    longest, total = pl.col("longest").max(), pl.col("total").sum().clip(0, MOST)
    return pairs.bounded(rows_.group_by(_KEYS).agg(longest, total).select(*_HELD).sort(_KEYS))


def _odd(chosen: rows.Chosen, groups: rows.Groups, own: dict[str, Ints], known: Delta, *, included: bool) -> tuple[Ints, levels.Against]:
    """Group for group, `own` their durations: what each pair's day amounts to, and that beside what is known."""
    (_, *asked), (_, *held_by, held) = chosen.numbered("day", "y", "x"), placed(chosen, known)
    y, x = zip(held_by, asked, strict=True)
    service = _services(chosen.x.values, known["x"], x[0])
    value = _current(own, known, held, included=included)
    near = (y, x, (service[x[0]], service[x[1]]))
    return value, levels.against(np.log1p(value / SECOND), _level(known), levels.pairs(y, x, held), near, held)


def _told(odd: levels.Against, value: Ints, some: Ints) -> pl.DataFrame:
    """The private columns without the underscore, save what, of some of the groups."""
    found = odd.of(some)
    return pl.DataFrame({
        "bits_all": found.far, "bits_near": found.near, "value": value[some],
        "usual": np.full(some.size, np.expm1(odd.centre) * SECOND), "near": np.expm1(found.about) * SECOND,
        "own": np.expm1(found.before) * SECOND, "n": found.others, "days": found.days,
    })  # fmt: skip


def _services(values: pl.Series, column: pl.Series, number: Ints) -> Ints:
    """The service of each x by its number: first `values`, then what else is in `column`."""
    first = firsts(number)[values.len() :]
    every = pl.concat([values.alias("x"), column.gather(first).alias("x")])
    return numbers(every.str.split(keys.SEPARATOR).list.last())


def _current(own: dict[str, Ints], known: Delta, held: Ints, *, included: bool) -> Ints:
    """What each pair's day amounts to, with what the self holds of it."""
    longest, total = own["longest"], own["total"]
    longer, more = (np.append(known[name].to_numpy(), 0)[held] for name in ("longest", "total"))
    total = np.maximum(total, more) if included else np.minimum(total + more, MOST)
    return np.asarray(np.maximum(np.maximum(longest, longer), total), dtype=np.int64)


def _level(table: pl.DataFrame) -> Floats:
    amount = np.maximum(table["longest"].to_numpy(), table["total"].to_numpy())
    return np.asarray(np.log1p(amount / SECOND), dtype=np.float64)
