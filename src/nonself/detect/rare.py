"""The primitive `rare`: an X that this Y has hardly ever shown, and few others have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline import keys, pairs, rareness
from nonself.baseline.codes import Ints
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import example, rows
from nonself.detect.abreast import placed
from nonself.detect.contract import Example
from nonself.detect.spec import Spec
from nonself.detect.told import scores as told_scores
from nonself.detect.view import View

ROW_BYTES = 2 * (keys.MAX_BYTES + 16) + 16
"""A row of the delta at most: two keys and their offsets, a day and a mask."""


class Rare:
    """How odd it is that y showed x in this window (an hour or a day): the surprise of a rarity tail, in bits.

    Formula: score = -log2 P(x|y), P(x|y) = (S_y(c) - d_y K_y(c) + (theta + d_y K_y) P0(x)) / (n_y + theta): the probability, under a
    two-level Pitman-Yor process, that y next shows something it shows at most as often as x. P0(x) is the same over the population, in
    numbers of y that ever showed x; with `compare = "alike"` the y's peers, those that behave alike, stand between. Symbols and
    estimates are set out in `nonself.baseline.rareness`.
    Unit: bits. 0 with no history; about log2(n) for the first new thing after n windows of the same few; less if peers show it too.
    Reference: Teh 2006 (hierarchical Pitman-Yor); Good 1953 (novelty mass); Das & Schneider 2007 (rareness as a tail).
    Cost: one pass over the self's rows (day, y, x) and one over the events.
    Reasons: -log2 P0(x), what the population says; what those that behave alike add or take back; and the rest, what y's own history does.
    """

    __slots__ = ("attack", "bytes_per_entity", "classes", "columns", "name", "spec", "title")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name, self.title, self.attack, self.columns = spec.name, spec.title, spec.attack, spec.columns
        self.classes = spec.classes
        self.bytes_per_entity = pairs.X_PER_DAY * ROW_BYTES

    def learn(self, events: Events | View) -> Delta:
        """Columns day, y, x, slots (bit mask of the windows in which y showed x)."""
        chosen = rows.chosen(events, self.spec, evidence=False)
        return delta(chosen) if chosen else pairs.merge([])

    def merge(self, deltas: list[Delta]) -> Delta:
        """Union of the masks; at most `X_PER_DAY` x per y and day."""
        return pairs.merge(deltas)

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """One row per window (y, x, hour or day). The window itself never counts as its own history, whether the self holds it or
        not, so `included` changes nothing."""
        chosen = rows.chosen(events, self.spec)
        if chosen is None:
            return pl.DataFrame(schema=_SCORES)
        groups = chosen.grouped("day", "y", "x", "slot")
        odd = _weighed(chosen, self.spec, groups, self_)

        def told(some: Ints, named: pl.DataFrame) -> pl.DataFrame:
            parts = odd.told(some).rename("_{}".format)
            return parts.with_columns(named.select(rows.phrase(self.spec).alias("_what")))

        return told_scores((chosen, self.spec, groups), odd.bits, told, _SCORES, floor)

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """Per row: rarity among the peers, then novelty for y itself. Bits add up to the score."""
        return [self._reasons(row) for row in scores.select(*_READ).iter_rows(named=True)]

    def _reasons(self, row: Mapping[str, Any]) -> tuple[Reason, ...]:
        spec = self.spec
        among = f"{row['_others']:,} of {row['_ys']:,} other {spec.peers} showed this"
        peers = Reason(
            feature=f"{spec.thing} among {spec.peers}",
            seen=row["_what"],
            normal=among if row["_ys"] else f"no other {spec.peers} yet",
            bits=row["_bits_peers"],
        )
        if spec.compare == "peers":
            return (peers,)
        alike = Reason(
            feature=f"{spec.thing} among {spec.peers} that behave alike",
            seen=row["_what"],
            normal=_alike(row, spec),
            bits=row["_bits_alike"] - row["_bits_peers"],
        )
        own = Reason(
            feature=f"{spec.thing} for this {spec.peer}",
            seen=f"{how_often(row)} that {row['_what']}",
            normal=_history(row, spec),
            bits=row["score"] - (row["_bits_alike"] if spec.over else 0.0),
        )
        if not spec.over:
            return (own,)
        return (peers, alike, own) if spec.compare == "alike" else (peers, own)

    def example(self) -> Example:
        """Normal and odd events from the content table."""
        return example.build(self.spec)


_PRIVATE: dict[str, pl.DataType] = {
    "_bits_peers": pl.Float64(),
    "_c": pl.Int64(),
    "_n": pl.Int64(),
    "_since": pl.Date(),
    "_until": pl.Date(),
    "_others": pl.Int64(),
    "_ys": pl.Int64(),
    "_hidden": pl.Boolean(),
    "_usual": pl.String(),
    "_often": pl.Int64(),
    "_bits_alike": pl.Float64(),
    "_alike_others": pl.Int64(),
    "_alike_ys": pl.Int64(),
    "_what": pl.String(),
}
_SCORES = {**SCORES, **_PRIVATE}
_READ = ("score", *_PRIVATE)


def delta(chosen: rows.Chosen, *, most: int = pairs.X_PER_DAY) -> Delta:
    """What some events add: a table of `baseline.pairs`, of each y and day at most so many x."""
    groups = chosen.grouped("day", "y", "x")
    return pairs.bounded(
        pl.DataFrame({**rows.keys_of(chosen, "day", "y", "x"), "slots": masks(chosen, groups)}),
        most=most,
        starts=chosen.runs("day", "y", "x"),
    )


def masks(chosen: rows.Chosen, groups: rows.Groups) -> pl.Series:
    """The windows of each group's events, as bits."""
    bits = np.left_shift(1, chosen.slot)[groups.order]
    return pl.Series(np.bitwise_or.reduceat(bits, groups.starts).astype(np.uint32))


def _weighed(chosen: rows.Chosen, spec: Spec, windows: rows.Groups, self_: Delta) -> rareness.Odd:
    """The surprise of some windows of day, y, x and slot."""
    first = windows.first
    _, y, x, row = placed(chosen, self_)
    day, asked_y, asked_x = chosen.numbered("day", "y", "x", "slot")
    row = row[chosen.outer("day", "y", "x", "slot")]
    asked = rareness.Asked(day, chosen.slot[first], asked_y, asked_x, row, lambda some: chosen.x.strings(chosen.at[first[some]]))
    return rareness.weighed(asked, self_, y, x, spec.compare)


def _days(row: Mapping[str, Any]) -> int:
    return int((row["_until"] - row["_since"]).days) + 1 if row["_since"] and row["_until"] else 0


def how_often(row: Mapping[str, Any]) -> str:
    """How often x was shown before, in words, by a row's private columns."""
    span = f"{_days(row):,} days ({row['_n']:,} windows)"
    if row["_hidden"] and not row["_c"]:
        return f"unknown how often in {span}"
    if not row["_n"]:
        return "first thing seen at all"
    before = "once" if row["_c"] == 1 else f"{row['_c']:,} times"
    return f"first time in {span}" if not row["_c"] else f"{before} before in {span}"


def _alike(row: Mapping[str, Any], spec: Spec) -> str:
    if not row["_alike_ys"]:
        return f"no group of {spec.peers} behaves like this one"
    return f"{row['_alike_others']:,} of {row['_alike_ys']:,} {spec.peers} that behave alike showed this"


def _history(row: Mapping[str, Any], spec: Spec) -> str:
    if not row["_n"]:
        return f"nothing is known of this {spec.peer} yet"
    usual = rows.words(spec, row["_usual"])
    return f"seen in {row['_c']:,} of {row['_n']:,} windows of this {spec.peer}; most usual: {usual} ({row['_often']:,} windows)"
