"""The primitive `measure`: a number of an event that is larger, or smaller, than this Y's and its peers' numbers are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline import keys, measures, predict
from nonself.baseline.codes import Floats, Ints
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import amounts, example, rows
from nonself.detect.contract import Example
from nonself.detect.spec import Spec
from nonself.detect.told import private, scores
from nonself.detect.view import View

_ROW_BYTES = keys.MAX_BYTES + 56


class Measure:
    """How far out in its tail the oddest number of a window lies, given the y's numbers in other windows and its peers', in bits.

    Formula: score = max(0, -log2 P - log2 m), m events in the window (Bonferroni). P is the tail of Student's t beyond
    u = ln(1 + number / grain), the predictive of a Normal-inverse-chi-squared model whose prior is fitted by moments to the other y; the
    upper tail, the lower one, or twice the smaller of them (`tail`). Symbols: `nonself.baseline.predict`.
    Unit: bits; 0 with no history and no peers.
    Reference: Gelman et al., "Bayesian Data Analysis", 3.3 (predictive); Dunn 1961 (Bonferroni).
    Cost: one pass over the self's rows (day, y, window) and one over the events.
    Reasons: the surprise under the peers alone; and the rest, what y's own history adds to it or takes back.
    """

    __slots__ = ("attack", "bytes_per_entity", "classes", "columns", "name", "spec", "title")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name, self.title, self.attack, self.columns = spec.name, spec.title, spec.attack, spec.columns
        self.classes = spec.classes
        self.bytes_per_entity = spec.per_day * _ROW_BYTES

    def learn(self, events: Events | View) -> Delta:
        """Columns day, y, slot, n, s, ss: see `baseline.measures`."""
        chosen = rows.chosen(events, self.spec, evidence=False)
        if chosen is None:
            return measures.merge([])
        groups, level = chosen.grouped("day", "y", "slot"), _levels(chosen, self.spec)
        named = rows.named_keys(chosen, self.spec, groups.first)
        sums = measures.summed(level[groups.order], groups.starts)
        return measures.merge([pl.DataFrame({**{name: named[name] for name in ("day", "y", "slot")}, **sums})])

    def merge(self, deltas: list[Delta]) -> Delta:
        """Windows added up."""
        return measures.merge(deltas)

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """One row per window (y, slot) with events, about its oddest event. The window itself never counts as history, whether the self
        holds it or not, so `included` changes nothing."""
        spec = self.spec
        chosen = rows.chosen(events, spec)
        if chosen is None:
            return pl.DataFrame(schema=_SCORES)
        groups, level = chosen.grouped("day", "y", "slot"), _levels(chosen, spec)
        named = pl.DataFrame(rows.named_keys(chosen, spec, groups.first))
        mine, every = measures.apart(self_, named, spec.per_day)
        ends = [_extremes(level, groups, sign) for sign in _SIGNS[spec.tail]]
        odd = [_predicted(level[at], mine, every, sign, spec) for at, sign in zip(ends, _SIGNS[spec.tail], strict=True)]
        side = np.argmax([part.bits for part in odd], axis=0)
        rows_ = np.arange(side.size)
        at = np.array(ends)[side, rows_]
        bits, bits_peers = (np.array([getattr(part, name) for part in odd])[side, rows_] for name in ("bits", "bits_peers"))
        price = np.log2(groups.sizes) + np.log2(len(odd))
        score, value = np.maximum(bits - price, 0.0), pl.Series(_values(chosen, spec)[at])
        columns = {**_told(mine, odd[0], spec), "_bits_peers": np.maximum(bits_peers - price, 0.0), "_value": value, "_m": groups.sizes}
        chosen = replace(chosen, at=chosen.at[at], day=chosen.day[at], slot=chosen.slot[at])
        told = private(pl.DataFrame(columns), spec, amounts.column("_value", spec.unit))
        return scores((chosen, spec, rows.Groups(rows_, rows_)), score, told, _SCORES, floor)

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """Per row: surprise among the peers, then for y itself. Bits add up to the score."""
        return [self._reasons(row) for row in scores.select(*_READ).iter_rows(named=True)]

    def _reasons(self, row: Mapping[str, Any]) -> tuple[Reason, ...]:
        spec = self.spec
        usual = amounts.text(row["_usual"], spec.unit)
        peers = Reason(
            feature=f"{spec.thing} among {spec.peers}",
            seen=row["_what"] + (f", the oddest of {row['_m']:,} in {spec.per}" if row["_m"] > 1 else ""),
            normal=f"other {spec.peers} have {usual} (geometric mean of {row['_peers']:,.0f})"
            if row["_peers"]
            else f"no other {spec.peers} yet",
            bits=row["_bits_peers"],
        )
        own = Reason(
            feature=f"{spec.thing} for this {spec.peer}",
            seen=amounts.text(row["_value"], spec.unit),
            normal=_usually(row, spec),
            bits=row["score"] - row["_bits_peers"],
        )
        return (peers, own)

    def example(self) -> Example:
        """Normal and odd events from the content table."""
        return example.build(self.spec)


_SIGNS = {"high": (1.0,), "low": (-1.0,), "both": (1.0, -1.0)}
_PRIVATE: dict[str, pl.DataType] = {
    "_bits_peers": pl.Float64(),
    "_value": pl.Int64(),
    "_m": pl.Int64(),
    "_n": pl.Int64(),
    "_mean": pl.Float64(),
    "_least": pl.Float64(),
    "_most": pl.Float64(),
    "_since": pl.Date(),
    "_until": pl.Date(),
    "_peers": pl.Float64(),
    "_usual": pl.Float64(),
    "_what": pl.String(),
}
_SCORES = {**SCORES, **_PRIVATE}
_READ = ("score", *_PRIVATE)


def _values(chosen: rows.Chosen, spec: Spec) -> Ints:
    """The number of each event: a column, or the length of a text in characters."""
    if spec.number:
        return chosen.view.frame[spec.value][chosen.at].cast(pl.Int64).to_numpy()
    named = chosen.view.name(spec.value)
    return named.values.str.len_chars().cast(pl.Int64).to_numpy()[chosen.part(named)]


def _levels(chosen: rows.Chosen, spec: Spec) -> Ints:
    return measures.levels(pl.Series(_values(chosen, spec)), spec.grain)


def _extremes(level: Ints, groups: rows.Groups, sign: float) -> Ints:
    """The event of each group whose level is largest (smallest for a negative sign), the first of several."""
    ordered = sign * level[groups.order]
    top = np.maximum.reduceat(ordered, groups.starts)
    place = np.where(ordered == np.repeat(top, groups.sizes), np.arange(ordered.size), ordered.size)
    return groups.order[np.minimum.reduceat(place, groups.starts)]


def _predicted(level: Ints, mine: dict[str, Ints], every: dict[str, Floats], sign: float, spec: Spec) -> predict.Predicted:
    """Surprise in the upper tail; with a negative sign in the lower one, which is the upper tail of what is turned round."""
    n, s, ss = (mine[name] / scale for name, scale in (("n", 1.0), ("s", measures.UNIT), ("ss", measures.UNIT**2)))
    index, population = mine["index"].astype(np.float64), (every["n"], sign * every["s"], every["ss"])
    if spec.compare == "own":
        index, population = predict.nobody(index)
    return predict.sums(sign * level / measures.UNIT, n, sign * s, ss, index, population)


def _told(mine: dict[str, Ints], odd: predict.Predicted, spec: Spec) -> dict[str, Any]:
    """What explanations need: y's own mean and the range of two standard deviations round it, its days, and the peers' mean."""
    n, s, ss = mine["n"], mine["s"] / measures.UNIT, mine["ss"] / measures.UNIT**2
    mean = np.where(n > 0, s / np.maximum(n, 1), np.nan)
    spread = 2 * np.sqrt(np.maximum(ss / np.maximum(n, 1) - mean**2, 0.0))
    away = {"_mean": mean, "_least": np.maximum(mean - spread, 0.0), "_most": mean + spread}
    sign = -1.0 if spec.tail == "low" else 1.0
    columns: dict[str, Any] = {name: pl.Series(np.expm1(level) * spec.grain).fill_nan(None) for name, level in away.items()}
    columns |= {"_usual": np.expm1(sign * odd.usual) * spec.grain, "_peers": odd.peers, "_n": n}
    for name in ("since", "until"):
        day = pl.Series(np.where(mine["index"] >= 0, mine[name], 0).astype(np.int32)).cast(pl.Date)
        columns["_" + name] = day.set(pl.Series(mine["index"] < 0), None)
    return columns


def _usually(row: Mapping[str, Any], spec: Spec) -> str:
    if row["_mean"] is None:
        return f"nothing is known of this {spec.peer} yet"
    days = (row["_until"] - row["_since"]).days + 1
    least, mean, most = (amounts.text(row[name], spec.unit) for name in ("_least", "_mean", "_most"))
    return f"usually {mean}, mostly {least} to {most}, over {days:,} days ({row['_n']:,} events)"
