"""The specialist `beacon`: a machine that calls a destination as regularly as only a program does, where no one else does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline import calls, keys, rhythm, tails
from nonself.baseline.codes import Coded, Floats, Ints, Mask, beside, rows_of
from nonself.baseline.pairs import X_PER_DAY
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import amounts, example, rows
from nonself.detect.abreast import united
from nonself.detect.contract import Example
from nonself.detect.spec import Spec
from nonself.detect.told import scores
from nonself.detect.view import View

PER_HOUR = 4.0
"""Bits that one hour of calls can add: a loop that one run of a program goes through is one habit, however often it calls."""
REGULAR = 10.0
"""Bits of regularity from which another machine's calls count as polling."""
ALIKE = float(np.log(2.0))
"""Two machines poll alike if the geometric means of their waits differ by less than this (in ln)."""
NEW_DAYS = 14
"""Days for which a pair's regular calls are still news."""
_ROW_BYTES = 2 * (keys.MAX_BYTES + 16) + 16 + calls.ROW_BYTES


class Beacon:
    """How much more regular a pair's calls are, over all the self remembers, than memoryless ones can be, unless that is normal here.

    Formula: score = -log2(w + (1 - w) 2^-b), b = min(R, 4 H) - log2(1 + m), at least 0. R = bits of regularity of the waits between calls
    (`baseline.rhythm`: an e-value against waits that are memoryless at any rates), H = hours with calls, m = other machines that call
    this destination (each had a chance to be regular). w = v / (v + 1) is the chance that this is how things are here, given v
    witnesses (Beta-Bernoulli with one doubt): each other machine that polls the destination alike, beyond the first, and each day of
    the pair's age beyond the fourteenth. A C2 channel may have a second victim; what three machines do is a service.
    A pair's age is that at its first scored event; or, if its machine's very first day has it, as long as it has been seen at all.
    Unit: bits. 0 where nothing is known yet. 12 waits of one period within a few percent give about 40, 42 waits that vary by 30 % too.
    Reference: Willems, Shtarkov & Tjalkens 1995 (context-tree weighting); Wasserman, Ramdas & Balakrishnan 2020 (universal inference).
    Cost: one sort of the calls the self holds of the asked destinations.
    Reasons: regularity; the number of machines that call the destination; and what its witnesses take back.

    The calls to be scored are the signal itself: they are part of the series whether the self has learnt them or not, and a union of
    calls counts each once, so `included` changes nothing. They never are their own witness.
    """

    __slots__ = ("attack", "bytes_per_entity", "classes", "columns", "name", "spec", "title")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name, self.title, self.attack, self.columns = spec.name, spec.title, spec.attack, spec.columns
        self.classes = spec.classes
        self.bytes_per_entity = X_PER_DAY * _ROW_BYTES

    def learn(self, events: Events | View) -> Delta:
        """Columns day, y, x, seconds (of the day, in which y called x) and sizes (bytes sent): see `baseline.calls`."""
        chosen = rows.chosen(events, self.spec, evidence=False)
        return _delta(chosen, self.spec) if chosen else calls.merge([])

    def merge(self, deltas: list[Delta]) -> Delta:
        """Union of the calls; at most 16 an hour of a pair, and `X_PER_DAY` x per y and day."""
        return calls.merge(deltas)

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """One row per pair (y, x) that calls in `events`, told by all its calls up to the last day of these."""
        chosen = rows.chosen(events, self.spec)
        if chosen is None:
            return pl.DataFrame(schema=_SCORES)
        groups = chosen.grouped("y", "x")
        table = united(chosen, self_, partial(_delta, chosen, self.spec), calls.merge, included=included)
        score, odd = _odd(chosen, groups.first, table, blank=not self_.height)

        def told(some: Ints, named: pl.DataFrame) -> pl.DataFrame:
            parts = odd(some)
            what = _phrase(named, parts, self.spec)
            return parts.rename("_{}".format).with_columns(what.alias("_what")).select(*_PRIVATE)

        return scores((chosen, self.spec, groups), score, told, _SCORES, floor)

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """Per row: regularity, the chances the destination had, and what is normal here. Bits add up to the score."""
        return [self._reasons(row) for row in scores.select(*_READ).iter_rows(named=True)]

    def _reasons(self, row: Mapping[str, Any]) -> tuple[Reason, ...]:
        spec = self.spec
        regular = Reason(
            feature="regularity of calls",
            seen=f"{row['_what']}; {_sizes(row)}",
            normal="calls at random times, at whatever rates",
            bits=row["_regular"],
        )
        chances = Reason(
            feature=f"{spec.peers} that call this destination",
            seen="this one is regular",
            normal=f"{row['_others']:,} of {row['_ys']:,} other {spec.peers} call it",
            bits=row["_open"] - row["_regular"],
        )
        usual = Reason(
            feature="known here", seen=f"first seen on {row['_since']}", normal=_known(row, spec), bits=row["score"] - row["_open"]
        )
        return (regular, chances, usual)

    def example(self) -> Example:
        """Normal and odd events from the content table."""
        return example.build(self.spec)


_PRIVATE: dict[str, pl.DataType] = {
    "_regular": pl.Float64(),
    "_open": pl.Float64(),
    "_others": pl.Int64(),
    "_ys": pl.Int64(),
    "_alike": pl.Int64(),
    "_age": pl.Int64(),
    "_since": pl.Date(),
    "_calls": pl.Int64(),
    "_least": pl.Int64(),
    "_most": pl.Int64(),
    "_what": pl.String(),
}
_SCORES = {**SCORES, **_PRIVATE}
_READ = ("score", *_PRIVATE)


def _delta(chosen: rows.Chosen, spec: Spec) -> Delta:
    order = chosen.grouped("day", "y", "x").order  # in which sorting takes less
    y, x = (Coded(chosen.part(column)[order], column.values) for column in (chosen.actors, chosen.x))
    return calls.learn(y, x, chosen.seconds[order], chosen.view.frame[spec.value][chosen.at[order]])


def _odd(chosen: rows.Chosen, first: Ints, known: Delta, *, blank: bool) -> tuple[Floats, Callable[[Ints], pl.DataFrame]]:
    """The score of each pair that some rows of `chosen` stand for; and, of some of the pairs, the private columns without the underscore,
    save what, with what the sentence needs."""
    asked_y, asked_x = chosen.part(chosen.y)[first], chosen.part(chosen.x)[first]
    y, x = beside(chosen.actors.values, known["y"], runs=True), beside(chosen.x.values, known["x"])
    day = known["day"].to_physical().to_numpy().astype(np.int64)
    met = np.bincount(asked_x, minlength=1 + int(x.max(initial=0))) > 0
    kept = np.flatnonzero(met[x] & (day <= chosen.day.max()))
    held = calls.series(known[kept] if kept.size < day.size else known, y[kept], x[kept])
    at, kept_pair = _places(held, asked_y, asked_x)
    told = _Rhythm.of(held)
    own_hours = np.minimum(np.maximum(told.bits, 0.0), PER_HOUR * held.hours())
    others, alike = _peers(held, told, own_hours)
    age = _ages(held, at, chosen.day[first], (day, y, x))
    regular = np.where(kept_pair & (not blank), own_hours[at], 0.0)
    left = np.maximum(regular - np.log2(1.0 + others[at]), 0.0)
    votes = np.maximum(alike[at] - 1, 0) + np.maximum(age - NEW_DAYS, 0)

    def columns(some: Ints) -> pl.DataFrame:
        pair = at[some]
        return pl.DataFrame({
            "regular": regular[some], "open": left[some], "others": others[pair], "alike": alike[pair], "age": age[some],
            "ys": np.full(some.size, np.unique(y).size - 1), "since": pl.Series(held.first[pair].astype(np.int32)).cast(pl.Date),
            "calls": np.where(kept_pair[some], held.counts()[pair], 0), "period": told.middle[pair], "spread": told.spread[pair],
            "span": told.span[pair], "least": told.least[pair], "most": told.most[pair],
            "full": np.bincount(held.pair, ~held.known, held.y.size)[pair] > 0,
        }).with_columns(pl.col("least", "most").fill_nan(None).cast(pl.Int64))  # fmt: skip

    return tails.doubted(left, votes), columns


@dataclass(frozen=True, slots=True)
class _Rhythm:
    """Per pair: evidence of regularity in bits; of its waits the middle one, half the middle half's width (seconds) and the mean of
    ln; time from its first to its last call; the 5 % and 95 % quantiles of the sizes known (nan for none)."""

    bits: Floats
    middle: Floats
    spread: Floats
    pace: Floats
    span: Ints
    least: Floats
    most: Floats

    @classmethod
    def of(cls, held: calls.Series) -> _Rhythm:
        pairs = held.y.size
        pair, waits = held.waits()
        quarter, half, rest = calls.quantiles(pair, waits, pairs, (0.25, 0.5, 0.75))
        pace = np.bincount(pair, np.log(waits), pairs) / np.maximum(np.bincount(pair, minlength=pairs), 1)
        ends = np.flatnonzero(np.diff(held.pair, append=-1))
        starts = np.flatnonzero(np.diff(held.pair, prepend=-1))
        said = held.size != calls.NO_SIZE
        least, most = calls.quantiles(held.pair[said], held.size[said].astype(np.int64), pairs, (0.05, 0.95))
        return cls(rhythm.bits(pair, waits, pairs), half, (rest - quarter) / 2, pace, held.at[ends] - held.at[starts], least, most)


def _places(held: calls.Series, y: Ints, x: Ints) -> tuple[Ints, Mask]:
    """The pair of each asked y and x; and whether it is held at all: on a full day some are not, and some other pair stands for them."""
    at = rows_of((held.y, held.x), (y, x))
    return np.maximum(at, 0), at >= 0


def _peers(held: calls.Series, told: _Rhythm, regular: Floats) -> tuple[Ints, Ints]:
    """Per pair: other y that call its x, and those of them that do so regularly and at about its pace."""
    others = np.bincount(held.x)[held.x] - 1
    step = 1.0 + 4.0 * ALIKE + float(told.pace.max(initial=0.0))
    place = held.x * step + told.pace
    order = np.argsort(place)
    place = place[order]
    polls = np.append(0, np.cumsum(regular[order] >= REGULAR))
    near = (np.searchsorted(place, place + ALIKE, "right"), np.searchsorted(place, place - ALIKE, "left"))
    alike = np.empty(order.size, np.int64)
    alike[order] = polls[near[0]] - polls[near[1]]
    return others, alike - (regular >= REGULAR)


def _ages(held: calls.Series, at: Ints, scored: Ints, known: tuple[Ints, Ints, Ints]) -> Ints:
    """Days that each asked pair (`at`) was old on the day `scored`; if its y's first day has it, all its days, later ones too. `known` are
    the day, y and x of all that is known."""
    day, y, x = known
    starts = np.full(1 + int(y.max()), 2**31)
    np.minimum.at(starts, y, day)
    pair = rows_of((held.y, held.x), (y, x))
    ends = held.last.copy()
    np.maximum.at(ends, pair[pair >= 0], day[pair >= 0])
    first = held.first[at]
    return np.where(first <= starts[held.y[at]], ends[at], scored) - first


def _phrase(told: pl.DataFrame, odd: pl.DataFrame, spec: Spec) -> pl.Series:
    """The sentence of each row: who, whom, how often, for how long."""
    rhythms = odd.select(
        "calls",
        "full",
        period=(pl.col("period") * 1e6).fill_nan(0.0).cast(pl.Int64),
        span=pl.col("span") * 1_000_000,
        share=(100.0 * pl.col("spread") / pl.col("period")).fill_nan(0.0).round().cast(pl.Int64),
    )
    least = pl.when("full").then(pl.lit("at least ")).otherwise(pl.lit(""))
    often = pl.concat_str([
        pl.lit(" every "), amounts.column("period", "us"), pl.lit(" (half of the waits within "), pl.col("share").cast(pl.String),
        pl.lit(" %), "), least, pl.col("calls").cast(pl.String), pl.lit(" calls in "), amounts.column("span", "us"),
    ])  # fmt: skip
    few = pl.when(pl.col("calls") == 0).then(pl.lit(" on a day too full to keep it")).when(pl.col("calls") == 1).then(pl.lit(" once"))
    rest = few.when(pl.col("calls") == 2).then(pl.lit(" twice")).otherwise(often)
    return told.hstack(rhythms).select(pl.concat_str([rows.phrase(spec), rest])).to_series()


def _sizes(row: Mapping[str, Any]) -> str:
    least, most = row["_least"], row["_most"]
    if least is None:
        return "sizes unknown"
    if least == most:
        return f"nearly always {least:,} bytes sent"
    return f"{least:,} to {most:,} bytes sent"


def _known(row: Mapping[str, Any], spec: Spec) -> str:
    polling = f"{row['_alike']:,} other {spec.peers} poll it alike" if row["_alike"] else f"no other {spec.peers[:-1]} polls it alike"
    return f"{polling}; the pair is {row['_age']:,} days old"
