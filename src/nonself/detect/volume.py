"""The primitive `volume`: more events, a larger sum or more different values than this Y and its peers have in a window."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline import joint, keys, predict, windows
from nonself.baseline.caps import ROWS_MOST
from nonself.baseline.codes import Floats, Ints, distinct, key, numbered
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import amounts, example, rows
from nonself.detect.contract import Example
from nonself.detect.spec import Spec
from nonself.detect.told import scores
from nonself.detect.view import View

_ROW_BYTES = keys.MAX_BYTES + 32
"""A row of the delta at most, without its value: a key and its offsets, a day and a slot."""


class Volume:
    """How far out in its upper tail a window's amount lies, given the y's other windows and its peers, in bits. The amount is a count of
    events, a sum or maximum of a column, or a count of different values.

    Formula: score = -log2 P(V >= v). Counts and distinct counts: V is negative binomial, the predictive of a Gamma-Poisson model with
    burstiness. Sums, maxima and whatever is held against peers alone: ln(1 + V / grain) is Student's t, the predictive of a
    Normal-inverse-chi-squared model. Priors are fitted by moments to the other y. The mean of counts is scaled by the
    window's hour of the week once two weeks are known. Symbols: `nonself.baseline.predict`, `nonself.baseline.season`.
    Unit: bits; 0 with no history and no peers.
    Reference: Gelman et al., "Bayesian Data Analysis", 2.6 and 3.3 (predictives); McCullagh & Nelder 1989, ch. 9 (burstiness);
    Beyer et al. 2007 (distinct counts by their smallest hashes).
    Cost: one pass over the self's rows (day, y, window) and one over the events.
    Reasons: the surprise under the peers alone; and the rest, what y's own history adds to it or takes back.
    """

    __slots__ = ("_distinct", "_largest", "attack", "bytes_per_entity", "classes", "columns", "name", "spec", "title")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name, self.title, self.attack, self.columns = spec.name, spec.title, spec.attack, spec.columns
        self.classes = spec.classes
        self._distinct, self._largest = spec.measure == "distinct", spec.measure == "max"
        self.bytes_per_entity = spec.per_day * (_ROW_BYTES + (8 * windows.SKETCH if self._distinct else 8))

    def learn(self, events: Events | View) -> Delta:
        """Columns day, y, slot (number of the window in its day) and value, or sketch for distinct counts."""
        chosen = rows.chosen(events, self.spec, evidence=False)
        if chosen is None:
            return self.merge([])
        groups, y = chosen.grouped("day", "y", "slot"), chosen.numbered("day", "y", "slot")[1]
        mask = joint.kept(chosen.y, y, rows=windows.SKETCH_ROWS if self._distinct else ROWS_MOST)
        learnt = self._learnt(chosen, groups).with_columns(pl.Series("n", y))
        learnt = learnt if mask is None else learnt.filter(pl.Series(mask))
        return learnt.select("day", chosen.y.names(learnt["n"].to_numpy()).alias("y"), pl.exclude("day", "n"))

    def _learnt(self, chosen: rows.Chosen, groups: rows.Groups) -> pl.DataFrame:
        return chosen.once(self.name, lambda: self._windows(chosen, groups))

    def _windows(self, chosen: rows.Chosen, groups: rows.Groups) -> pl.DataFrame:
        """What some events add, all of it: a delta without y."""
        first = groups.first
        keys_ = {"day": rows.dates(chosen.day[first]), "slot": pl.Series(chosen.slot[first].astype(np.uint8))}
        if self._distinct:
            return pl.DataFrame({**keys_, "sketch": _sketches(chosen, groups, self.spec)})
        return pl.DataFrame({**keys_, "value": _amounts(chosen, groups, self.spec)})

    def merge(self, deltas: list[Delta]) -> Delta:
        """Windows added up, or their largest kept; sketches united."""
        return windows.merge_sketches(deltas) if self._distinct else windows.merge_values(deltas, largest=self._largest)

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """One row per window (y, slot) with events. What the self already holds of a window belongs to its value, not to its history."""
        spec = self.spec
        chosen = rows.chosen(events, spec)
        if chosen is None:
            return pl.DataFrame(schema=_SCORES)
        same, groups = included or self._largest, chosen.grouped("day", "y", "slot")
        own, numbers = self._learnt(chosen, groups), joint.beside(chosen.y, self_["y"], chosen.numbered("day", "y", "slot")[1])
        table, history = windows.apart(self_, own, spec.per_day, included=same, grain=spec.grain, numbers=numbers)
        score, row = _surprise(table, history, spec)

        def told(some: Ints, named: pl.DataFrame) -> pl.DataFrame:
            rest = table[some]
            parts = rest.select(pl.exclude("most")).hstack(_predicted(rest, history, spec)).rename("_{}".format)
            what = named.with_columns(rest["value"]).select(rows.phrase(spec, amounts.column("value", spec.unit)).alias("_what"))
            return parts.hstack(what).select(*_PRIVATE)

        return scores((chosen, spec, groups), score[row], told, _SCORES, floor)

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """Per row: surprise among the peers, then for y itself. Bits add up to the score."""
        return [self._reasons(row) for row in scores.select(*_READ).iter_rows(named=True)]

    def _reasons(self, row: Mapping[str, Any]) -> tuple[Reason, ...]:
        spec = self.spec
        amount, usual = amounts.text(row["_value"], spec.unit), amounts.text(row["_usual"], spec.unit)
        among = f"other {spec.peers} have {usual} (geometric mean of {row['_peers']:,.0f})"
        peers = Reason(
            feature=f"{spec.thing} among {spec.peers}",
            seen=f"{row['_what']} in {spec.per}",
            normal=among if row["_peers"] else f"no other {spec.peers} yet",
            bits=row["_bits_peers"],
        )
        if spec.compare == "peers":
            return (peers,)
        own = Reason(
            feature=f"{spec.thing} for this {spec.peer}", seen=amount, normal=_usually(row, spec), bits=row["score"] - row["_bits_peers"]
        )
        return (peers, own)

    def example(self) -> Example:
        """Normal and odd events from the content table."""
        return example.build(self.spec)


_PRIVATE: dict[str, pl.DataType] = {
    "_bits_peers": pl.Float64(),
    "_value": pl.Int64(),
    "_n": pl.Int64(),
    "_mean": pl.Float64(),
    "_expected": pl.Float64(),
    "_most": pl.Float64(),
    "_since": pl.Date(),
    "_until": pl.Date(),
    "_peers": pl.Float64(),
    "_usual": pl.Float64(),
    "_what": pl.String(),
}
_SCORES = {**SCORES, **_PRIVATE}
_READ = ("score", *_PRIVATE)


def _amounts(chosen: rows.Chosen, groups: rows.Groups, spec: Spec) -> Ints:
    """What each window holds: its events counted, or a column of theirs added up, or the largest of it."""
    if not spec.summed:
        return groups.sizes
    each = chosen.view.frame[spec.value][chosen.at].cast(pl.Int64).to_numpy()
    each = np.clip(each, 0, windows.MOST >> 3)[groups.order]
    if spec.measure == "max":
        return np.maximum.reduceat(each, groups.starts)
    return np.clip(np.add.reduceat(each, groups.starts), 0, windows.MOST)


def _sketches(chosen: rows.Chosen, groups: rows.Groups, spec: Spec) -> pl.Series:
    """Per window the `SKETCH` smallest hashes of the different values of its events, in order."""
    value = chosen.view.name(spec.value)
    met, item = np.unique(chosen.part(value), return_inverse=True)
    hashes = keys.hashed(value, met)[met]
    table, rank = np.unique(hashes, return_inverse=True)
    owner, least = np.divmod(distinct(groups.of_rows() * table.size + rank[item]), table.size)
    kept = np.arange(owner.size) - np.searchsorted(owner, owner) < windows.SKETCH
    return rows.lists(pl.Series(table[least[kept]]), owner[kept])


def _surprise(table: pl.DataFrame, history: pl.DataFrame, spec: Spec) -> tuple[Floats, Ints]:
    """The score of some rows of `table`, and which of them each row is like: windows of one amount whose y have the same history apart
    from them, as pairs that speak once or twice do, once there are many."""
    kind, _ = numbered(_alike(history, ["n", "s", "ss", "spread"]))
    own = np.append(kind, -1)[table["index"].cast(pl.Int64).fill_null(-1).to_numpy()]
    apart = [] if spec.compare == "peers" else ["n", "s", "ss", "spread", "season", "season_peers"]
    row, first = numbered(key(own, _alike(table, ["u", *apart])))
    return _told(table[first], history, spec).bits, row


def _alike(table: pl.DataFrame, columns: Sequence[str]) -> Ints:
    """One number a row, the same for rows that agree in all of these columns (numbers of at least 0) that there are."""
    return key(*(_whole(table[name].to_numpy()) for name in columns if name in table.columns))


def _whole(column: Floats | Ints) -> Ints:
    """The column as whole numbers: its own, where they are, or else one for each."""
    whole = column.astype(np.int64)
    return whole if (whole == column).all() else numbered(column.view(np.int64))[0]


def _told(table: pl.DataFrame, history: pl.DataFrame, spec: Spec) -> predict.Predicted:
    """The predictive's answers, row for row of `table`."""
    grain = spec.grain
    unit, squares = (float(windows.LOG_UNIT), "ss") if grain else (1.0, "spread")
    population = (_floats(history["n"]), _floats(history["s"]) / unit, _floats(history[squares]) / unit**2)
    index = _floats(table["index"].cast(pl.Int64).fill_null(-1))
    n, s, ss = _floats(table["n"]), _floats(table["s"]) / unit, _floats(table[squares]) / unit**2
    value = _floats(table["u"]) / unit
    if spec.compare == "own":
        index, population = predict.nobody(index)
    if grain:
        return predict.sums(value, n, s, ss, index, population, alone=spec.compare == "peers")
    return predict.counts(value, n, s, ss, index, population, (table["season"].to_numpy(), table["season_peers"].to_numpy()))


def _predicted(table: pl.DataFrame, history: pl.DataFrame, spec: Spec) -> pl.DataFrame:
    """Columns bits_peers, peers, usual, mean and most (y's own; mean null without history), row for row of `table`."""
    grain, unit = spec.grain, float(windows.LOG_UNIT) if spec.grain else 1.0
    out = _told(table, history, spec)
    n, s = _floats(table["n"]), _floats(table["s"]) / unit
    factor = np.ones_like(n) if grain else table["season"].to_numpy()
    mean = np.where(n > 0, s / np.maximum(n, 1.0), np.nan)
    most = np.maximum(_floats(table["most"]), 0.0) / unit
    columns = {
        "bits_peers": out.bits_peers,
        "peers": out.peers,
        "usual": np.expm1(out.usual) * grain if grain else np.exp(out.usual),
        "mean": np.expm1(mean) * grain if grain else mean,
        "expected": mean * factor,
        "most": np.expm1(most) * grain if grain else most,
    }
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Float64)).with_columns(pl.col("mean", "expected").fill_nan(None))


def _floats(column: pl.Series) -> Floats:
    return column.cast(pl.Float64).to_numpy()


def _usually(row: Mapping[str, Any], spec: Spec) -> str:
    if row["_mean"] is None:
        return f"nothing is known of this {spec.peer} yet"
    days = (row["_until"] - row["_since"]).days + 1
    mean, most = (amounts.text(row[name], spec.unit) for name in ("_mean", "_most"))
    if abs(row["_expected"] - row["_mean"]) > 0.05 * row["_mean"]:
        mean += f" ({amounts.text(row['_expected'], spec.unit)} {'at this hour of' if spec.per_day > 1 else 'on this day of'} the week)"
    return f"usually {mean}, never more than {most} in {spec.per}, over {days:,} days ({row['_n']:,} windows)"
