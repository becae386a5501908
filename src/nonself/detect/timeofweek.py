"""The primitive `timeofweek`: Y acts at an hour of the week at which it, and its peers, hardly ever do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from nonself.baseline import keys, presence, week
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import example, rows
from nonself.detect.contract import Example
from nonself.detect.spec import Spec
from nonself.detect.told import private, scores
from nonself.detect.view import View

_ROW_BYTES = keys.MAX_BYTES + 24
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOURS: tuple[str, ...] = tuple(f"{day} {hour:02}:00 UTC" for day in _DAYS for hour in range(24))
"""The hours of the week in words."""


class TimeOfWeek:
    """How odd it is that y acts in this hour of the week: the odds of a random hour against y's own hours, in bits.

    Formula: score = max(0, log2((1/168) / P(h|y))); P(.|y) is a circular kernel density of y's own hours, mixed with the same hours on
    other weekdays and with its peers' hours. Symbols: `nonself.baseline.week`.
    Unit: bits, an e-value: y itself reaches b bits at most once in 2^b hours; 0 with no history and no peers.
    Reference: Wand & Jones 1995, "Kernel Smoothing" (densities); Shafer 2021, "Testing by betting" (odds as evidence).
    Cost: one pass over the self's rows (day, y); 168 numbers per distinct hour and y asked for.
    Reasons: the surprise among the peers' hours alone; and the rest, what y's own week adds to it or takes back.
    """

    __slots__ = ("attack", "bytes_per_entity", "classes", "columns", "name", "spec", "title")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name, self.title, self.attack, self.columns = spec.name, spec.title, spec.attack, spec.columns
        self.classes = spec.classes
        self.bytes_per_entity = _ROW_BYTES

    def learn(self, events: Events | View) -> Delta:
        """Columns day, y, slots (bit mask of the hours in which y acted)."""
        chosen = rows.chosen(events, self.spec, evidence=False)
        return rows.presence_of(chosen, self.spec) if chosen else presence.merge([])

    def merge(self, deltas: list[Delta]) -> Delta:
        """Union of the masks."""
        return presence.merge(deltas)

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """One row per window (y, hour). The window itself never counts as its own history, whether the self holds it or not, so
        `included` changes nothing."""
        chosen = rows.chosen(events, self.spec)
        if chosen is None:
            return pl.DataFrame(schema=_SCORES)
        groups = chosen.grouped("day", "y", "slot")
        first = groups.first
        alone, y = self.spec.compare == "own", chosen.y.strings(chosen.at[first])
        odd = week.surprise(chosen.day[first], chosen.slot[first], y, self_, alone=alone)
        days = (odd.until - odd.since + 1).clip(0)
        told = {"_bits_peers": odd.bits_peers, "_n": odd.n, "_ys": odd.ys, "_hour": odd.hour, "_usual": odd.usual, "_days": days}
        hour = pl.col("_hour").replace_strict(range(len(HOURS)), HOURS, return_dtype=pl.String)
        return scores((chosen, self.spec, groups), odd.bits, private(pl.DataFrame(told), self.spec, hour), _SCORES, floor)

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """Per row: oddness among the peers' hours, then for y itself. Bits add up to the score."""
        return [self._reasons(row) for row in scores.select(*_READ).iter_rows(named=True)]

    def _reasons(self, row: Mapping[str, Any]) -> tuple[Reason, ...]:
        spec = self.spec
        peers = Reason(
            feature=f"{spec.thing} among {spec.peers}",
            seen=row["_what"],
            normal=f"the hours of {row['_ys']:,} other {spec.peers}" if row["_ys"] else f"no other {spec.peers} yet",
            bits=row["_bits_peers"],
        )
        known = f"most often around {HOURS[row['_usual']]}, over {row['_days']:,} days ({row['_n']:,} hours)"
        own = Reason(
            feature=f"{spec.thing} for this {spec.peer}",
            seen=HOURS[row["_hour"]],
            normal=known if row["_n"] else f"nothing is known of this {spec.peer} yet",
            bits=row["score"] - row["_bits_peers"],
        )
        return (peers, own)

    def example(self) -> Example:
        """Normal and odd events from the content table."""
        return example.build(self.spec)


_PRIVATE: dict[str, pl.DataType] = {
    "_bits_peers": pl.Float64(),
    "_n": pl.Int64(),
    "_ys": pl.Int64(),
    "_hour": pl.Int64(),
    "_usual": pl.Int64(),
    "_days": pl.Int64(),
    "_what": pl.String(),
}
_SCORES = {**SCORES, **_PRIVATE}
_READ = ("score", *_PRIVATE)
