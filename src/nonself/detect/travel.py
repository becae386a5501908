"""The specialist `travel`: an identity that is in two countries sooner after one another than anyone can travel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline import calls, pairs, rareness
from nonself.baseline.codes import Coded, Floats, Ints, Mask, combined, running
from nonself.baseline.keys import MAX_BYTES, numbered
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import amounts, countries, example, rows
from nonself.detect.abreast import abreast
from nonself.detect.contract import Example
from nonself.detect.spec import Spec
from nonself.detect.told import private, scores
from nonself.detect.view import View

FLIGHT = 900.0
"""Speed in km/h from which travel is impossible."""
LEAST = 60
"""Seconds that two clocks may differ: what is closer in time counts as so far apart."""
OTHERS, DAYS = 1, 2
"""Others with jumps at a place, and earlier days of one's own, that do not yet make it a gateway."""
_LN2 = float(np.log(2.0))
_ROW_BYTES = 2 * (MAX_BYTES + 16) + 16 + calls.ROW_BYTES


class Travel:
    """How much faster than an aircraft y was at a place, coming or going, and how unusual the place is for y, unless it is a gateway.

    Formula: score = -log2(w + (1 - w) 2^-b), b = T - log2(1 + T ln 2), T = S + min(S, N): Fisher's method, where the place counts as much
    as the speed at most. S = 2 log2(v / 900 km/h), v the largest of distance / time between successive events of y at this place and at
    another (a Pareto tail: what errs by clocks or by where addresses are said to be errs seldom by much); the distance is at least that
    between two countries' reaches (`detect.countries`), the time at least a minute. A jump counts for the end that is less usual for y.
    N = -log2 P(place | y), a rarity tail over days as in `rare`. w = v / (v + 1), v witnesses that the place is a gateway (VPN, proxy):
    each other identity that jumps there, beyond the first, and each earlier day on which y did, beyond the second; those of the jump's
    other end too, if it is half as unusual for y or more (home is no gateway, even if all jump from there).
    Unit: bits. 0 where nothing is known yet.
    Reference: Teh 2006 (N); the great circle by the haversine formula.
    Cost: one sort of the events' seconds that the self holds.
    Reasons: speed; the place for y; what gateways take back.

    Events to be scored are part of the series whether the self has learnt them or not, so `included` changes nothing.
    """

    __slots__ = ("attack", "bytes_per_entity", "classes", "columns", "name", "spec", "title")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name, self.title, self.attack, self.columns = spec.name, spec.title, spec.attack, spec.columns
        self.classes = spec.classes
        self.bytes_per_entity = pairs.X_PER_DAY * _ROW_BYTES

    def learn(self, events: Events | View) -> Delta:
        """Columns day, y, x (place), seconds (of the day) and sizes (of none): see `baseline.calls`."""
        chosen = rows.chosen(events, self.spec, evidence=False)
        return _delta(chosen) if chosen else calls.merge([])

    def merge(self, deltas: list[Delta]) -> Delta:
        """Union of the seconds; at most 16 an hour of a pair, and `X_PER_DAY` x per y and day."""
        return calls.merge(deltas)

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """One row per day, y and place."""
        chosen = rows.chosen(events, self.spec)
        if chosen is None:
            return pl.DataFrame(schema=_SCORES)
        groups = chosen.grouped("day", "y", "x")
        known = abreast(chosen, self_, partial(_delta, chosen), calls.merge, included=included)
        odd = known.rows(_odd(known.table, blank=not self_.height))
        told = private(odd.drop("score").rename("_{}".format), self.spec)
        return scores((chosen, self.spec, groups), odd["score"].to_numpy(), told, _SCORES, floor)

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """Per row: speed, place, gateways. Bits add up to the score."""
        return [self._reasons(row) for row in scores.select(*_READ).iter_rows(named=True)]

    def _reasons(self, row: Mapping[str, Any]) -> tuple[Reason, ...]:
        spec = self.spec
        gap = amounts.text(row["_gap"] * 1e6, "us")
        moved = f"at least {row['_km']:,.0f} km from {row['_other']}, {gap} apart" if row["_km"] else "no jump"
        speed = Reason(feature="speed", seen=f"{row['_what']}, {moved}", normal=f"up to {FLIGHT:,.0f} km/h", bits=row["_speed"])
        place = Reason(
            feature=f"{spec.thing} for this {spec.peer}",
            seen=row["_what"],
            normal=f"seen on {row['_c']:,} of its {row['_n']:,} days; {row['_others']:,} other {spec.peers} are seen there",
            bits=row["_both"] - row["_speed"],
        )
        gateway = Reason(
            feature="gateway",
            seen=f"{row['_jumpers']:,} other {spec.peers} jump there; this one on {row['_before']:,} earlier days",
            normal=f"a gateway if more than {OTHERS} or {DAYS} do",
            bits=row["score"] - row["_both"],
        )
        return (speed, place, gateway)

    def example(self) -> Example:
        """Normal and odd events from the content table."""
        return example.build(self.spec)


_PRIVATE: dict[str, pl.DataType] = {
    "_speed": pl.Float64(),
    "_both": pl.Float64(),
    "_km": pl.Float64(),
    "_gap": pl.Int64(),
    "_other": pl.String(),
    "_c": pl.Int64(),
    "_n": pl.Int64(),
    "_others": pl.Int64(),
    "_jumpers": pl.Int64(),
    "_before": pl.Int64(),
    "_what": pl.String(),
}
_SCORES = {**SCORES, **_PRIVATE}
_READ = ("score", *_PRIVATE)


def _delta(chosen: rows.Chosen) -> Delta:
    at = chosen.seconds
    y, x = (Coded(chosen.part(column), column.values) for column in (chosen.actors, chosen.x))
    return calls.learn(y, x, at, pl.Series([None], dtype=pl.Int64).new_from_index(0, chosen.at.size))


def _odd(known: Delta, *, blank: bool) -> pl.DataFrame:
    """Row for row of a self: score, and the private columns without the underscore, save what."""
    (y,), (x,) = (numbered(known[name]) for name in ("y", "x"))
    windows = known.select("day", "y", "x", slot=pl.lit(0, pl.UInt8))
    usual = rareness.surprise(windows, known.select("day", "y", "x", slots=pl.lit(1, pl.UInt32)))
    novel = usual["bits"].to_numpy()
    jump = _Jumps.of(known, y, x, novel)
    speed = 2.0 * np.log2(np.maximum(jump.speed / FLIGHT, 1.0))
    total = speed + np.minimum(speed, novel)
    both = np.maximum(total - np.log2(1.0 + total * _LN2), 0.0)
    jumpers, before = _witnesses(known, y, x, speed > 0.0)
    votes = np.maximum(jumpers - OTHERS, 0) + np.maximum(before - DAYS, 0)
    votes = votes + np.where((jump.other >= 0) & (novel[jump.other] >= novel / 2.0), votes[jump.other], 0)
    w = votes / (votes + 1.0)
    columns = {
        "score": -np.log2(w + (1.0 - w) * 2.0**-both) + 0.0, "speed": np.minimum(speed, both), "both": both,
        "km": jump.km, "gap": jump.gap, "jumpers": jumpers, "before": before,
        "c": usual["c"], "n": usual["n"], "others": usual["others"],
    }  # fmt: skip
    table = pl.DataFrame(columns).with_columns(known["x"][np.maximum(jump.other, 0)].alias("other"))
    return table.with_columns(pl.col("score", "speed", "both") * 0.0) if blank else table


@dataclass(frozen=True, slots=True)
class _Jumps:
    """Per row of a self its fastest jump: speed (km/h, 0 for none), km, seconds and the row at its other end (-1 for none)."""

    speed: Floats
    km: Floats
    gap: Ints
    other: Ints

    @classmethod
    def of(cls, known: pl.DataFrame, y: Ints, x: Ints, novel: Floats) -> _Jumps:
        size = known["seconds"].list.len().to_numpy().astype(np.int64)
        owner = np.repeat(np.arange(size.size), size)
        at = known["day"].cast(pl.Int32).to_numpy().astype(np.int64)[owner] * 86_400
        at = at + (known["seconds"].explode().to_numpy().astype(np.int64) if owner.size else 0)
        order = np.lexsort((x[owner], at, y[owner]))
        here, there, gap = owner[order][1:], owner[order][:-1], np.diff(at[order])
        moves = (y[here] == y[there]) & (x[here] != x[there])
        here, there, gap = here[moves], there[moves], np.maximum(gap[moves], LEAST)
        country = known["x"].str.head(2)
        (code,) = numbered(country)
        names = country.unique(maintain_order=True).to_list()
        km = countries.apart(names, code[here], code[there])
        speed = km / (gap / 3_600.0)
        counts = novel[here] >= novel[there]
        end, other = np.where(counts, here, there), np.where(counts, there, here)
        fastest = np.lexsort((speed, end))
        out = cls(np.zeros(size.size), np.zeros(size.size), np.zeros(size.size, np.int64), np.full(size.size, -1))
        real = fastest[speed[fastest] > FLIGHT]
        for into, part in ((out.speed, speed), (out.km, km), (out.gap, gap), (out.other, other)):
            into[end[real]] = part[real]  # the last one of an end is its fastest
        return out


def _witnesses(known: pl.DataFrame, y: Ints, x: Ints, jumps: Mask) -> tuple[Ints, Ints]:
    """Per row: other y that jump at its x on any day, and the pair's earlier days with a jump."""
    pair, some = combined([y, x])
    ever = np.bincount(pair, jumps) > 0
    jumpers = np.bincount(x[some], ever)[x] - ever[pair]
    order = np.lexsort((known["day"].cast(pl.Int32).to_numpy(), pair))
    before = running(jumps.astype(np.float64), pair, order) - jumps
    return jumpers.astype(np.int64), before.astype(np.int64)
