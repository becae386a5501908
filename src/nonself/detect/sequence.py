"""The specialist `sequence`: an identity does one thing after another as it never does, nor do others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline import calls, keys, pairs, rareness, steps, tails
from nonself.baseline.codes import Coded
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import example, rows
from nonself.detect.abreast import united
from nonself.detect.contract import Example
from nonself.detect.rare import how_often
from nonself.detect.spec import Spec
from nonself.detect.told import private, scores
from nonself.detect.view import View

NAMED = 3
"""Steps named in the reasons of a window."""
_ROW_BYTES = 2 * (keys.MAX_BYTES + 16) + 16 + calls.ROW_BYTES


class Sequence:
    """How odd the steps of an identity in a window (an hour, or a day) are, beyond what so many steps explain.

    Formula: score = -log2 P(G >= sum over steps of -log2 P(a -> b|y)), G the sum of as many surprises (`tails.sum_bits`): more steps are
    expected to bring more bits. P is the rarity tail of `nonself.baseline.rareness` over steps, an operation and the one before it in the
    same session (`nonself.baseline.steps`), backed off from the identity to all identities. A step counts once a window.
    Unit: bits. 0 with no history.
    Reference: Teh 2006 (hierarchical Pitman-Yor); Fisher 1932 (combination of tests).
    Cost: one sort of the calls the self holds, and one pass over their steps.
    Reasons: the oddest steps one by one, then the others together, in shares of the score.

    A step is read off the union of what the self holds and what is scored: its first half may lie in an earlier batch.
    """

    __slots__ = ("attack", "bytes_per_entity", "classes", "columns", "name", "spec", "title")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name, self.title, self.attack, self.columns = spec.name, spec.title, spec.attack, spec.columns
        self.classes = spec.classes
        self.bytes_per_entity = pairs.X_PER_DAY * _ROW_BYTES

    def learn(self, events: Events | View) -> Delta:
        """Columns day, y, x, seconds (of the day, in which y did x) and sizes (unknown): see `baseline.calls`."""
        chosen = rows.chosen(events, self.spec, evidence=False)
        return _delta(chosen) if chosen else calls.merge([])

    def merge(self, deltas: list[Delta]) -> Delta:
        """Union of the calls; at most 16 an hour of a pair, and `X_PER_DAY` x per y and day."""
        return calls.merge(deltas)

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """One row per window. Its steps never count as their own history, whether the self holds them or not."""
        chosen = rows.chosen(events, self.spec)
        if chosen is None:
            return pl.DataFrame(schema=_SCORES)
        groups = rows.grouped(chosen.day, chosen.part(chosen.y), chosen.slot)
        windows = pl.DataFrame(rows.named_keys(chosen, self.spec, groups.first)).select(_WINDOW)
        known = united(chosen, self_, partial(_delta, chosen), calls.merge, included=included)
        odd = _odd(windows, known, self_, self.spec)
        return scores((chosen, self.spec, groups), odd["score"].to_numpy(), private(odd.drop("score"), self.spec), _SCORES, floor)

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """Per row: its oddest steps, then the others. Bits add up to the score."""
        return [self._reasons(row) for row in scores.select(*_READ).iter_rows(named=True)]

    def _reasons(self, row: Mapping[str, Any]) -> tuple[Reason, ...]:
        spec, odd = self.spec, row["_steps"]
        named = [
            Reason(
                feature=f"step of this {spec.peer}",
                seen=f"{row['_what']} {_told(step['x'])}",
                normal=f"{how_often({'_' + name: value for name, value in step.items()})}; {_others(step, spec)}",
                bits=step["bits"],
            )
            for step in odd
        ]
        rest = Reason(
            feature=f"other steps of this {spec.peer}",
            seen=f"{row['_n'] - len(odd):,} more steps",
            normal="as usual, or less unusual than those",
            bits=row["score"] - sum(step["bits"] for step in odd),
        )
        return (*named, rest)

    def example(self) -> Example:
        """Normal and odd events from the content table."""
        return example.build(self.spec)


_STEP: dict[str, pl.DataType] = {
    "x": pl.String(),
    "bits": pl.Float64(),
    "c": pl.Int64(),
    "n": pl.Int64(),
    "others": pl.Int64(),
    "ys": pl.Int64(),
    "since": pl.Date(),
    "until": pl.Date(),
    "hidden": pl.Boolean(),
}
_PRIVATE: dict[str, pl.DataType] = {"_n": pl.Int64(), "_steps": pl.List(pl.Struct(_STEP)), "_what": pl.String()}
_SCORES = {**SCORES, **_PRIVATE}
_READ = ("score", *_PRIVATE)
_WINDOW = ["day", "slot", "y"]


def _delta(chosen: rows.Chosen) -> Delta:
    at = chosen.seconds
    y, x = (Coded(chosen.part(column), column.values) for column in (chosen.actors, chosen.x))
    return calls.learn(y, x, at, pl.Series([None], dtype=pl.Int64).new_from_index(0, at.size))


def _odd(windows: pl.DataFrame, known: Delta, self_: Delta, spec: Spec) -> pl.DataFrame:
    """Row for row of `windows` (columns day, slot, y): score, and the private columns save what."""
    history = steps.of(self_, spec.per_day)
    taken = steps.of(known.join(windows, on="y", how="semi"), spec.per_day).join(windows, on=_WINDOW, how="semi")
    told = rareness.surprise(taken, pairs.learn(history), spec.compare).sort(*_WINDOW, pl.col("bits") * -1.0, "x")
    sums = told.group_by(_WINDOW, maintain_order=True).agg(pl.len().alias("_n"), pl.col("bits").sum().alias("total"))
    worth = tails.sum_bits(sums["total"].to_numpy(), sums["_n"].to_numpy().astype(np.int64))
    sums = sums.with_columns(score=worth).with_columns(
        share=pl.when(pl.col("total") > 0).then(pl.col("score") / pl.col("total")).otherwise(0.0)
    )
    shared = told.join(sums.select(*_WINDOW, "share"), on=_WINDOW, how="left", maintain_order="left").with_columns(
        pl.col("bits") * pl.col("share")
    )
    each = pl.struct(pl.col(name).cast(dtype) for name, dtype in _STEP.items()).head(NAMED).alias("_steps")
    named = shared.group_by(_WINDOW, maintain_order=True).agg(each)
    both = sums.join(named, on=_WINDOW, how="left")
    out = windows.join(both, on=_WINDOW, how="left", maintain_order="left")
    return out.select(pl.col("score").fill_null(0.0), pl.col("_n").cast(pl.Int64).fill_null(0), pl.col("_steps").fill_null([]))


def _told(step: str) -> str:
    before, _, after = (part.replace(keys.SEPARATOR, " ") for part in step.partition(steps.THEN))
    return f"{after} after {before}" if before else f"{after} first in a session"


def _others(step: Mapping[str, Any], spec: Spec) -> str:
    return f"{step['others']:,} of {step['ys']:,} other {spec.peers} took this step" if step["ys"] else f"no other {spec.peers} yet"
