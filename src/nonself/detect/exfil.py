"""The specialist `exfil`: a machine that sends more, to where it and others do not, than it and others do; at once or over many days."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline import pairs, transfers
from nonself.baseline.codes import Ints
from nonself.baseline.pairs import X_PER_DAY
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import amounts, example, rows
from nonself.detect.abreast import abreast
from nonself.detect.contract import Example
from nonself.detect.exfil_evidence import USED_TO, Columns, weighed
from nonself.detect.spec import Spec
from nonself.detect.told import scores
from nonself.detect.view import View


class Exfil:
    """How far out lies what y sent to x on a day, or over all days so far, given what is usual for x, for y and for the pair; together
    with how one-sided it was, how few others know x, and the hour.

    Formula: b = T - log2 sum_{j<4} (T ln 2)^j / j!, T = A + min(A, R + N + H): Fisher's method for four parts, where the last three count
    as much as the first at most. A = -log2 P(t >= (u - m) / s) - 1, t Student's with 4 degrees of freedom and one for each other y, up to
    30, u = ln(1 + sent / 10 kB), m the largest of the median of all rows, of the means of the others at x, of y's others, and of the
    pair's earlier days (all other days, if y's first day has the pair), each shrunk to the median by one; s = 1.4826 MAD, at least ln 4.
    R: the same of ln((sent + 10 kB) / (received + 10 kB)), y's others left out. N = log2((M + 2) / (n + 1)) - 1, n of M other y know x,
    less log2 of the pair's days so far. H = -log2 of the share of y's other days with traffic in the most usual of the hours.
    Of the sums over the days so far the same (N in full, no H), less log2 of their number, and 0 if y's first day has the pair;
    score = max(b of the day, -log2(w + (1 - w) 2^-b)), the second b that of the sums, w = v / (v + 1), v the earlier days, beyond the
    first, that had 7 bits or more by themselves: a new backup is told of, then known. Machines of private addresses and all others are
    peers among themselves only.
    Unit: bits. 0 where nothing is known yet.
    Reference: Huber & Ronchetti 2009, 5.1 (median and MAD); Lange, Little & Taylor 1989 (t tails); Fisher 1932.
    Cost: one pass over the self's rows (day, y, x), four sorts.
    Reasons: amount, direction, destination, hour, each its share of b; and what has been told already.
    """

    __slots__ = ("attack", "bytes_per_entity", "classes", "columns", "name", "spec", "title")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name, self.title, self.attack = spec.name, spec.title, spec.attack
        self.columns = tuple(sorted({*spec.columns, "bytes_in"}))
        self.classes = spec.classes
        self.bytes_per_entity = X_PER_DAY * transfers.ROW_BYTES

    def learn(self, events: Events | View) -> Delta:
        """Columns day, y, x, sent, received (bytes) and hours (bit mask): see `baseline.transfers`."""
        chosen = rows.chosen(events, self.spec, evidence=False)
        return _delta(chosen, self.spec, chosen.grouped("day", "y", "x")) if chosen else transfers.merge([])

    def merge(self, deltas: list[Delta]) -> Delta:
        """Bytes added up, hours united; at most `X_PER_DAY` x per y and day."""
        return transfers.merge(deltas)

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """One row per day, y and x. What the self already holds of a pair's day belongs to that day."""
        chosen = rows.chosen(events, self.spec)
        if chosen is None:
            return pl.DataFrame(schema=_SCORES)
        groups = chosen.grouped("day", "y", "x")
        known = abreast(chosen, self_, partial(_delta, chosen, self.spec, groups), transfers.merge, included=included)
        score, odd = weighed(known)
        score = known.each(score) * bool(self_.height)

        def told(some: Ints, named: pl.DataFrame) -> pl.DataFrame:
            parts = pl.DataFrame(_columns(odd, known.at[some], blank=not self_.height))
            what = rows.phrase(self.spec, amounts.column("value", self.spec.unit)).alias("_what")
            return parts.hstack(named.with_columns(parts["_value"].alias("value")).select(what))

        return scores((chosen, self.spec, groups), score, told, _SCORES, floor)

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """Per row: amount, direction, destination, hour and what was told before. Bits add up to the score."""
        return [self._reasons(row) for row in scores.select(*_READ).iter_rows(named=True)]

    def _reasons(self, row: Mapping[str, Any]) -> tuple[Reason, ...]:
        spec = self.spec
        when = f"over {row['_days']:,} days" if row["_slow"] else "in a day"
        usual, back = amounts.text(row["_usual"], "bytes"), amounts.text(row["_received"], "bytes")
        said = {
            "_amount": (spec.thing, f"{row['_what']} {when}", f"at most about {usual} is usual for it, the destination or both"),
            "_ratio": ("direction", f"{back} came back", f"usually {row['_usual_ratio']:.1f} times as much is sent as comes back"),
            "_novel": (
                "destination",
                f"{row['_others']:,} of {row['_ys']:,} other {spec.peers} know it",
                f"{row['_before']:,} earlier days of this pair",
            ),
            "_hour": ("hour", f"in hours of which the {spec.peer} knows {100 * row['_known']:.0f} %", "share of its other days"),
            "_habit": ("told before", f"{row['_loud']:,} earlier days stood out", f"more than {USED_TO} are known by now"),
        }
        return tuple(Reason(feature=f, seen=seen, normal=normal, bits=row[name]) for name, (f, seen, normal) in said.items())

    def example(self) -> Example:
        """Normal and odd events from the content table."""
        return example.build(self.spec)


_BITS = ("_amount", "_ratio", "_novel", "_hour", "_habit")
_PRIVATE: dict[str, pl.DataType] = {
    **dict.fromkeys(_BITS, pl.Float64()),
    "_value": pl.Int64(),
    "_received": pl.Int64(),
    "_usual": pl.Float64(),
    "_usual_ratio": pl.Float64(),
    "_others": pl.Int64(),
    "_ys": pl.Int64(),
    "_before": pl.Int64(),
    "_known": pl.Float64(),
    "_days": pl.Int64(),
    "_loud": pl.Int64(),
    "_slow": pl.Boolean(),
    "_what": pl.String(),
}
_SCORES = {**SCORES, **_PRIVATE}
_READ = tuple(_PRIVATE)


def _delta(chosen: rows.Chosen, spec: Spec, groups: rows.Groups) -> Delta:
    at = chosen.at[groups.order]
    said = chosen.view.frame.select(pl.col(spec.value, "bytes_in").cast(pl.Float64).fill_null(0.0).clip(0, transfers.MOST >> 3))
    sums = [np.minimum(np.add.reduceat(column.to_numpy()[at], groups.starts), transfers.MOST) for column in said.get_columns()]
    hour = np.left_shift(1, chosen.view.minutes[at] // 60)
    columns = rows.keys_of(chosen, "day", "y", "x")
    columns |= {name: pl.Series(part.astype(np.int64)) for name, part in zip(("sent", "received"), sums, strict=True)}
    columns["hours"] = pl.Series(np.bitwise_or.reduceat(hour, groups.starts).astype(np.uint32))
    return pairs.bounded(pl.DataFrame(columns), starts=chosen.runs("day", "y", "x"))


def _columns(odd: Callable[[Ints], Columns], at: Ints, *, blank: bool) -> dict[str, pl.Series]:
    """The private columns but the sentence, of some rows of a self; 0 for what a full day dropped (-1), and no bits if it is `blank`."""
    told = {"_" + name: np.where(at < 0, 0.0, column) for name, column in odd(np.maximum(at, 0)).items()}
    told |= {name: told[name] * 0.0 for name in (_BITS if blank else ())}
    whole = {name: np.round(told[name]) for name, dtype in _PRIVATE.items() if dtype == pl.Int64}
    return {name: pl.Series(column).cast(_PRIVATE[name]) for name, column in (told | whole).items()}
