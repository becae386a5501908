"""The primitive `gap`: Y is heard again after a silence, or falls silent for a time, that it and its peers hardly ever keep."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline import gaps, keys, presence
from nonself.baseline.codes import Ints, Mask
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import example, rows
from nonself.detect.contract import Example
from nonself.detect.spec import Spec
from nonself.detect.told import scores
from nonself.detect.view import View

_ROW_BYTES = keys.MAX_BYTES + 24
_UNITS = {24: ("hour", 3_600), 1: ("day", 86_400)}
_WITNESSES = 3


class Gap:
    """How odd the length of a silence of y is: when it ends, and (`tail = "both"`) while it lasts, in bits.

    Formula: score = -log2 P(gap >= g | y), P = (k_y(g/2) + theta P0(g)) / (n_y + theta), over silences counted in the windows in which
    others were heard. Symbols: `nonself.baseline.gaps`. A silence that lasts is told once, when it is twice as long as any of y's
    before, and at least half a day of hours (a day of days); it is then not told again when it ends.
    Unit: bits; 0 with no history and no peers, and for whoever was heard in the window before.
    Reference: Good 1953 (novelty mass); Teh 2006 (back-off to the population).
    Cost: one pass over the self's rows (day, y), sorted.
    Reasons: how few peers are ever silent for so long; and the rest, what y's own silences add to it or take back.
    """

    __slots__ = ("attack", "bytes_per_entity", "classes", "columns", "name", "spec", "title")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name, self.title, self.attack, self.columns = spec.name, spec.title, spec.attack, spec.columns
        self.classes = spec.classes
        self.bytes_per_entity = _ROW_BYTES

    def learn(self, events: Events | View) -> Delta:
        """Columns day, y, slots (bit mask of the windows in which y was heard)."""
        chosen = rows.chosen(events, self.spec, evidence=False)
        return rows.presence_of(chosen, self.spec) if chosen else presence.merge([])

    def merge(self, deltas: list[Delta]) -> Delta:
        """Union of the masks."""
        return presence.merge(deltas)

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """One row per window in which y was heard, about the silence before it; and, where silence is told too, one per y whose silence
        grows long enough in `events`, its evidence the first events of others from then on."""
        spec = self.spec
        chosen = rows.chosen(events, spec)
        if chosen is None:
            return pl.DataFrame(schema=_SCORES)
        groups = chosen.grouped("day", "y", "slot")
        first = groups.first
        found = pl.DataFrame(rows.named_keys(chosen, spec, first))
        known = self_ if included else presence.merge([self_, rows.presence_of(chosen, spec)])
        held_y, asked_y = gaps.numbers(known, found["y"])
        silences = gaps.Silences.of(known, held_y, spec.per_day)
        w = chosen.day[first] * spec.per_day + chosen.slot[first]
        odd = pl.DataFrame(_returned(found, silences, asked_y, w, spec, blank=not self_.height))
        score = odd["score"].to_numpy()
        parts = [scores((chosen, spec, groups), score, lambda some, _: odd[some].select(*_PRIVATE), _SCORES, floor)]
        if spec.tail == "both" and self_.height:
            parts.append(_silent(chosen, silences, known, held_y, w, spec))
        return pl.concat(parts)

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """Per row: rarity of such a silence among the peers, then for y itself. Bits add up to the score."""
        return [self._reasons(row) for row in scores.select(*_READ).iter_rows(named=True)]

    def _reasons(self, row: Mapping[str, Any]) -> tuple[Reason, ...]:
        spec, unit = self.spec, _UNITS[self.spec.per_day][0]
        among = f"{row['_others']:,} of {row['_ys']:,} other {spec.peers} were ever silent for half as long"
        peers = Reason(
            feature=f"{spec.thing} among {spec.peers}",
            seen=row["_what"],
            normal=among if row["_ys"] else f"no other {spec.peers} yet",
            bits=row["_bits_peers"],
        )
        longest = f"never silent for more than {row['_longest']:,} {unit}s in {row['_n']:,} {unit}s heard, before or after"
        own = Reason(
            feature=f"{spec.thing} for this {spec.peer}",
            seen=f"{row['_gap']:,} {unit}s in which others were heard",
            normal=longest if row["_n"] else f"nothing is known of this {spec.peer} yet",
            bits=row["score"] - row["_bits_peers"],
        )
        return (peers, own)

    def example(self) -> Example:
        """Normal and odd events from the content table."""
        return example.build(self.spec)


_PRIVATE: dict[str, pl.DataType] = {
    "_bits_peers": pl.Float64(),
    "_gap": pl.Int64(),
    "_n": pl.Int64(),
    "_longest": pl.Int64(),
    "_others": pl.Int64(),
    "_ys": pl.Int64(),
    "_what": pl.String(),
}
_SCORES = {**SCORES, **_PRIVATE}
_READ = ("score", *_PRIVATE)


def _returned(found: pl.DataFrame, held: gaps.Silences, y: Ints, w: Ints, spec: Spec, *, blank: bool) -> dict[str, Any]:
    """Row for row of `found`: the silence that ended with it; none for the first window of a y, or one beyond the cap."""
    at = held.at(y, w)
    before = np.append(held.before, -1)[at]
    gap = np.maximum(before, 0)
    odd = gaps.surprise(held, y, gap, before >= 0, alone=spec.compare == "own")
    muted = blank | (before <= 0)
    if spec.tail == "both":
        muted |= _told(held, w, gap, odd.longest, spec)
    since = _times(np.append(held.w, 0)[np.maximum(at - 1, 0)], spec)
    value = pl.concat_str(
        [pl.lit("was heard again after "), pl.Series(gap).cast(pl.String), pl.lit(f" {_UNITS[spec.per_day][0]}s, not since "), since]
    )
    return _columns(found, odd, gap, muted, value, spec)


def _told(held: gaps.Silences, w: Ints, gap: Ints, longest: Ints, spec: Spec) -> Mask:
    """Whether a silence that ends at `w` was long enough to be told before the first of the windows at hand."""
    length = _telling(longest, spec)
    place = np.searchsorted(held.listened, w) - gap + length - 1
    crossed = np.append(held.listened, 0)[np.clip(place, 0, held.listened.size)]
    return np.asarray((gap >= length) & (crossed < w.min(initial=2**62)))


def _telling(longest: Ints, spec: Spec) -> Ints:
    """The length at which a silence is told."""
    return np.maximum(2 * longest, spec.per_day // 2) + 1


def _silent(chosen: rows.Chosen, held: gaps.Silences, known: Delta, held_y: Ints, w: Ints, spec: Spec) -> Scores:
    """One row per y that was not heard again and whose silence grows long enough within the windows at hand."""
    last = held.last()
    y, start = held.y[last], np.searchsorted(held.listened, held.w[last], "right")
    length = _telling(held.longest()[y], spec)
    crossing = np.append(held.listened, 2**62)[np.minimum(start + length - 1, held.listened.size)]
    now = (crossing >= w.min()) & (crossing <= w.max())
    y, gap = y[now], length[now]
    row = np.zeros(int(held_y.max(initial=-1)) + 1, np.int64)
    row[held_y] = np.arange(held_y.size)
    found = _witnessed(known["y"].gather(row[y]), crossing[now], chosen, spec)
    value = pl.concat_str([pl.lit("has not been heard since "), _times(held.w[last[now]], spec)])
    nowhere = np.zeros(y.size, np.bool_)
    odd = gaps.surprise(held, y, gap, nowhere, alone=spec.compare == "own")
    columns = _columns(found, odd, gap, nowhere, value, spec)
    return pl.DataFrame({name: columns[name] for name in _SCORES}, schema=_SCORES)


def _witnessed(y: pl.Series, crossing: Ints, chosen: rows.Chosen, spec: Spec) -> pl.DataFrame:
    """Columns y and of `SCORES` all but the score: the evidence of a silence is what others were heard to do when it had lasted so long."""
    first = np.searchsorted(chosen.day * spec.per_day + chosen.slot, crossing)
    seen = [chosen.at[i : i + _WITNESSES] for i in first.tolist()]
    time, uid = chosen.view.frame["time"], chosen.view.frame["uid"]
    columns = {
        "y": y,
        "entity": y,
        "entities": pl.Series([[name] for name in y], dtype=pl.List(pl.String)),
        "start": time.gather([int(at[0]) for at in seen]),
        "end": time.gather([int(at[-1]) for at in seen]),
        "events": pl.Series([uid.gather(at).to_list() for at in seen], dtype=pl.List(pl.String)),
        "n_events": pl.Series([at.size for at in seen], dtype=pl.Int64),
    }
    return pl.DataFrame(columns)


def _columns(found: pl.DataFrame, odd: gaps.Answer, gap: Ints, muted: Mask, value: pl.Expr, spec: Spec) -> dict[str, Any]:
    """The columns of scores that rest on `found`."""
    columns: dict[str, Any] = {c.name: c for c in found.get_columns()}
    columns |= {"score": np.where(muted, 0.0, odd.bits), "_bits_peers": np.where(muted, 0.0, odd.bits_peers), "_gap": gap}
    columns |= {"_n": odd.n, "_longest": np.maximum(odd.longest, 0), "_others": odd.others, "_ys": odd.ys}
    what = found.select("y", value.alias("value")) if found.height else pl.DataFrame(schema={"y": pl.String, "value": pl.String})
    columns["_what"] = what.select(rows.phrase(spec, pl.col("value"))).to_series()
    return columns


def _times(w: Ints, spec: Spec) -> pl.Series:
    """Beginnings of windows as texts."""
    form = "%Y-%m-%d %H:%M UTC" if spec.per_day > 1 else "%Y-%m-%d"
    days = np.clip(w // spec.per_day, -719_162, 2_932_896)  # of the years 1 to 9999
    seconds = pl.Series(days * 86_400 + w % spec.per_day * _UNITS[spec.per_day][1])
    return (seconds * 1_000_000).cast(pl.Datetime("us", "UTC")).dt.strftime(form)
