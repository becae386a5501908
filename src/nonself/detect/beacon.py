"""The specialist `beacon`: a machine that calls a destination as regularly as only a program does, where no one else does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline import calls, keys, rhythm, tails
from nonself.baseline.codes import Coded, Floats, Ints, Mask, combined, found
from nonself.baseline.pairs import X_PER_DAY
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import amounts, example, rows
from nonself.detect.contract import Example
from nonself.detect.spec import Spec
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
        groups = rows.grouped(chosen.part(chosen.y), chosen.part(chosen.x))
        told = rows.windows(chosen, self.spec, groups)
        own = _delta(chosen, self.spec)
        # What has been learnt already need not be united again; days that the self has forgotten since are.
        news = own.join(self_.select("day", "y", "x"), on=["day", "y", "x"], how="anti") if included else own
        odd = _odd(told, own, calls.merge([self_, news]), blank=not self_.height)
        columns = {c.name: c for c in told.get_columns()} | {"_" + c.name: c for c in odd.get_columns()}
        columns |= {"score": odd["score"], "_what": _phrase(told, odd, self.spec)}
        return rows.scores(columns, _SCORES, (chosen, self.spec, groups), floor)[rows.by_start(chosen, groups)]

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
    at = chosen.view.frame["time"].to_physical().to_numpy()[chosen.at] // 1_000_000
    y, x = (Coded(chosen.part(column), column.values) for column in (chosen.y, chosen.x))
    return calls.learn(y, x, at, chosen.view.frame[spec.value][chosen.at])


def _odd(asked: pl.DataFrame, own: Delta, known: Delta, *, blank: bool) -> pl.DataFrame:
    """Row for row of `asked` (columns day, y, x): score, and the private columns without the underscore, save what."""
    (asked_y, asked_x), (y, x) = calls.named(asked.select("y", "x"), known)
    day = known["day"].cast(pl.Int32).to_numpy()
    until = own["day"].cast(pl.Int32).max()
    kept = np.flatnonzero(np.isin(x, asked_x) & (day <= until))
    held = calls.series(known[kept], y[kept], x[kept])
    at, kept_pair = _places(held, asked_y, asked_x)
    told = _Rhythm.of(held)
    own_hours = np.minimum(np.maximum(told.bits, 0.0), PER_HOUR * held.hours())
    others, alike = _peers(held, told, own_hours)
    age = _ages(held, at, asked["day"].cast(pl.Int32).to_numpy().astype(np.int64), known, y, x)
    regular = np.where(kept_pair & (not blank), own_hours[at], 0.0)
    left = np.maximum(regular - np.log2(1.0 + others[at]), 0.0)
    votes = np.maximum(alike[at] - 1, 0) + np.maximum(age - NEW_DAYS, 0)
    columns = {
        "score": tails.doubted(left, votes), "regular": regular, "open": left, "others": others[at], "alike": alike[at], "age": age,
        "ys": np.full(at.size, np.unique(y).size - 1), "since": pl.Series(held.first[at].astype(np.int32)).cast(pl.Date),
        "calls": np.where(kept_pair, held.counts()[at], 0), "period": told.middle[at], "spread": told.spread[at], "span": told.span[at],
        "least": told.least[at], "most": told.most[at], "full": np.bincount(held.pair, ~held.known, held.y.size)[at] > 0,
    }  # fmt: skip
    return pl.DataFrame(columns).with_columns(pl.col("least", "most").fill_nan(None).cast(pl.Int64))


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
    wide = 1 + int(max(held.x.max(initial=0), x.max(initial=0)))
    at = found(held.y * wide + held.x, y * wide + x)
    return np.maximum(at, 0), at >= 0


def _peers(held: calls.Series, told: _Rhythm, regular: Floats) -> tuple[Ints, Ints]:
    """Per pair: other y that call its x, and those of them that do so regularly and at about its pace."""
    others = np.bincount(held.x)[held.x] - 1
    order = np.lexsort((told.pace, held.x))
    step = 1.0 + 4.0 * ALIKE + float(told.pace.max(initial=0.0))
    place = held.x[order] * step + told.pace[order]
    polls = np.append(0, np.cumsum(regular[order] >= REGULAR))
    near = (np.searchsorted(place, place + ALIKE, "right"), np.searchsorted(place, place - ALIKE, "left"))
    alike = np.empty(order.size, np.int64)
    alike[order] = polls[near[0]] - polls[near[1]]
    return others, alike - (regular >= REGULAR)


def _ages(held: calls.Series, at: Ints, scored: Ints, known: Delta, y: Ints, x: Ints) -> Ints:
    """Days that each asked pair (`at`) was old on the day `scored`; if its y's first day has it, all its days, later ones too."""
    day = known["day"].cast(pl.Int32).to_numpy().astype(np.int64)
    starts = np.full(1 + int(y.max()), 2**31)
    np.minimum.at(starts, y, day)
    pair, some = combined([y, x])
    ends = np.full(some.size, -(2**31))
    np.maximum.at(ends, pair, day)
    wide = 1 + int(x.max())
    last = ends[np.searchsorted(y[some] * wide + x[some], held.y[at] * wide + held.x[at])]
    first = held.first[at]
    return np.where(first <= starts[held.y[at]], last, scored) - first


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
