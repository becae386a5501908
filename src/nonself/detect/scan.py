"""The specialist `scan`: a machine that looks for what is there, which answers less often than what one knows to be there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import polars as pl

from nonself.baseline import reach
from nonself.baseline.codes import Coded, Ints
from nonself.baseline.pairs import X_PER_DAY
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import example, names, rows, scan_evidence
from nonself.detect.abreast import abreast
from nonself.detect.contract import Example
from nonself.detect.spec import Spec
from nonself.detect.told import scores
from nonself.detect.view import View

OUTCOME = "outcome"


class Scan:
    """How much likelier it is that y searches x (a port, a machine) than that it uses it: how many items (machines, ports) it reached for
    the first time, and how many of them did not answer.

    Formula: score = -log2(w + (1 - w) 2^-b), b = T - log2(1 + T ln 2), T = E + C: Fisher's method for the two. Of the items
    that y met at x on this day and no other, F failed and S answered;
    E = log2 B(F+1/2, S+1/2) / B(1/2, 1/2) - log2 B(F+a, S+c) / B(a, c), if F is more than its share: a search finds things at a rate that
    nothing is known of, use fails for a share q of first contacts; a = 20 q, c = 20 (1 - q), q the mean share of the other y at this x,
    shrunk to that of all pairs, and that to 3 %, which is the least; each pair counts by (n - 1) / (n + 1) of its n items.
    C = -log2 P(t >= (u - m) / s) - 1, u = ln(1 + F + S), m the largest of the median of all rows, the mean of the others at this x and of
    y's other days here, s = 1.4826 MAD, at least ln 4. The same for the sums over all days so far, against other pairs' sums, less log2 of
    the number of days; the larger counts. w = v / (v + 1), v the days before this one, beyond the second, on which y searched x with 10
    bits or more; later days too, if y's very first day has it: a scanner that sweeps every day is normal here, as are the same machines
    again. Machines of private addresses and all others (strangers) are peers among themselves only, and for a stranger each other one that
    searches x with half of its bits or more, beyond the second, is a witness too: what faces the internet is searched all day.
    Unit: bits. 0 where nothing is known yet. 28 items of which none answers give about 40 bits, 25 of which ten do not about 7.
    Reference: Jung, Paxson, Berger & Balakrishnan 2004 (threshold random walk: first contacts, and whether they succeed); Krichevsky &
    Trofimov 1981 (the mixture over a search's rate); Fisher 1932.
    Cost: one sort of the items that the self holds.
    Reasons: items without an answer; items reached at all; and what y's habit takes back.

    Contacts to be scored are part of the day whether the self has learnt them or not, and a union counts each item once, so `included`
    changes nothing.
    """

    __slots__ = ("attack", "bytes_per_entity", "classes", "columns", "name", "spec", "title")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name, self.title, self.attack = spec.name, spec.title, spec.attack
        self.columns = tuple(sorted({*spec.columns, *names.roots(OUTCOME)}))
        self.classes = spec.classes
        self.bytes_per_entity = X_PER_DAY * reach.ROW_BYTES

    def learn(self, events: Events | View) -> Delta:
        """Columns day, y, x and items (hash of the item, and whether it answered): see `baseline.reach`."""
        chosen = self._chosen(events, evidence=False)
        return _delta(chosen, self.spec) if chosen else reach.merge([])

    def merge(self, deltas: list[Delta]) -> Delta:
        """Union of the items; at most 256 a row, and `X_PER_DAY` x per y and day."""
        return reach.merge(deltas)

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """One row per day, y and x."""
        chosen = self._chosen(events, evidence=True)
        if chosen is None:
            return pl.DataFrame(schema=_SCORES)
        groups = chosen.grouped("day", "y", "x")
        known = abreast(chosen, self_, partial(_delta, chosen, self.spec), reach.merge, included=included)
        odd = scan_evidence.odd(known)
        if not self_.height:
            odd |= {name: odd[name] * 0.0 for name in ("score", "failing", "both")}

        def told(some: Ints, named: pl.DataFrame) -> pl.DataFrame:
            parts = pl.DataFrame({name: known.each(column, some) for name, column in odd.items()})
            about = pl.when(parts["estimated"]).then(pl.lit("about ")).otherwise(pl.lit(""))
            said = pl.concat_str([about, pl.col("value").cast(pl.String)])
            what = named.with_columns(parts["value"]).select(rows.phrase(self.spec, said).alias("_what"))
            return parts.drop("score", "estimated").rename("_{}".format).hstack(what)

        return scores((chosen, self.spec, groups), known.each(odd["score"]), told, _SCORES, floor)

    def _chosen(self, events: Events | View, *, evidence: bool) -> rows.Chosen | None:
        """The events that are attempts: replies told as flows of their own are not."""
        chosen = rows.chosen(events, self.spec, evidence=evidence)
        if chosen is None:
            return None
        every, some = chosen.once(OUTCOME, lambda: _attempts(chosen))
        return chosen if every else some

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """Per row: items without an answer, items reached, and what is normal here. Bits add up to the score."""
        return [self._reasons(row) for row in scores.select(*_READ).iter_rows(named=True)]

    def _reasons(self, row: Mapping[str, Any]) -> tuple[Reason, ...]:
        spec = self.spec
        when = f"over {row['_days']:,} days" if row["_slow"] else "in a day"
        failed = Reason(
            feature=f"{spec.thing} that do not answer",
            seen=f"{row['_what']} for the first time {when}; {row['_failed']:,} of them did not answer",
            normal=f"{100 * row['_share']:.1f} % of first contacts fail for other {spec.peers} here",
            bits=row["_failing"],
        )
        reached = Reason(
            feature=f"{spec.thing} reached",
            seen=f"{row['_value']:,} for the first time",
            normal=f"at most about {row['_usual']:,.0f} are usual {when}",
            bits=row["_both"] - row["_failing"],
        )
        habit = Reason(
            feature="known here",
            seen=f"searched on {row['_before']:,} other days" if row["_before"] else "not searched before",
            normal=f"more than {scan_evidence.USED_TO} days are a habit; {row['_others']:,} other strangers do the same",
            bits=row["score"] - row["_both"],
        )
        return (failed, reached, habit)

    def example(self) -> Example:
        """Normal and odd events from the content table."""
        return example.build(self.spec)


_PRIVATE: dict[str, pl.DataType] = {
    "_failing": pl.Float64(),
    "_both": pl.Float64(),
    "_value": pl.Int64(),
    "_failed": pl.Int64(),
    "_share": pl.Float64(),
    "_usual": pl.Float64(),
    "_days": pl.Int64(),
    "_slow": pl.Boolean(),
    "_before": pl.Int64(),
    "_others": pl.Int64(),
    "_what": pl.String(),
}
_SCORES = {**SCORES, **_PRIVATE}
_READ = ("score", *_PRIVATE)


def _attempts(chosen: rows.Chosen) -> tuple[bool, rows.Chosen | None]:
    """Whether all events are attempts; if not, those that are, None for none."""
    kept = chosen.part(chosen.view.name(OUTCOME)) >= 0
    if kept.all() or not kept.any():
        return bool(kept.all()), None
    return False, replace(chosen, at=chosen.at[kept], day=chosen.day[kept], slot=chosen.slot[kept])


def _delta(chosen: rows.Chosen, spec: Spec) -> Delta:
    order = chosen.grouped("day", "y", "x").order  # in which sorting takes less
    y, x, item = (Coded(chosen.part(c)[order], c.values, c.memo) for c in (chosen.actors, chosen.x, chosen.view.name(spec.value)))
    outcome = chosen.view.name(OUTCOME)
    return reach.learn(chosen.day[order], y, x, item, (outcome.values == names.ANSWERED).to_numpy()[chosen.part(outcome)[order]])
