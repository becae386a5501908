"""The specialist `exfil`: a machine that sends more, to where it and others do not, than it and others do; at once or over many days."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline import pairs, tails, transfers
from nonself.baseline.codes import Floats, Ints, Mask, changes, key, numbered, running
from nonself.baseline.pairs import X_PER_DAY
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import amounts, example, rows
from nonself.detect.abreast import Abreast, abreast, compact
from nonself.detect.contract import Example
from nonself.detect.spec import Spec
from nonself.detect.told import scores
from nonself.detect.view import View

GRAIN = 10_000.0
"""Bytes below which differences do not matter: a handshake or two."""
SPREAD = float(np.log(4.0))
"""Least spread of amounts and ratios, on a log scale: four times as much is no news."""
DOF, PEERS = 4.0, 26.0
"""Degrees of freedom of the tails: these, and one for each other machine, up to so many."""
LOUD, USED_TO = 7.0, 1
"""Bits from which a day has been told of, and the number of such days after which the pair's sum is known."""
_LN2 = float(np.log(2.0))


class Exfil:
    """How far out lies what y sent to x on a day, or over all days so far, given what is usual for x, for y and for the pair; together
    with how one-sided it was, how few others know x, and the hour.

    Formula: b = T - log2 sum_{j<4} (T ln 2)^j / j!, T = A + min(A, R + N + H): Fisher's method for four parts, where the last three count
    as much as the first at most. A = -log2 P(t >= (u - m) / s) - 1, t Student's with 4 degrees of freedom and one for each other y, up to
    30, u = ln(1 + sent / 10 kB), m the largest of the median of all rows, of the means of the others at x, of y's others, and of the
    pair's earlier days (all other days, if y's first day has the pair), each shrunk to the median by one; s = 1.4826 MAD, at least ln 4.
    R: the same of ln((sent + 10 kB) / (received + 10 kB)), y's others left out. N = log2((M + 2) / (n + 1)) - 1, n of M other y know x,
    less log2 of the pair's days so far. H = -log2 of the share of y's other days with traffic in the most usual of the hours.
    Of the sums over the days so far the same (N in full, no H), less log2 of their number, and 0 if y's first day has the pair;
    score = max(b of the day, -log2(w + (1 - w) 2^-b)), the second b that of the sums, w = v / (v + 1), v the earlier days, beyond the
    first, that had 7 bits or more by themselves: a new backup is told of, then known. Machines of private addresses and all others are
    peers among themselves only.
    Unit: bits. 0 where nothing is known yet.
    Reference: Huber & Ronchetti 2009, 5.1 (median and MAD); Lange, Little & Taylor 1989 (t tails); Fisher 1932.
    Cost: one pass over the self's rows (day, y, x), four sorts.
    Reasons: amount, direction, destination, hour, each its share of b; and what has been told already.
    """

    __slots__ = ("attack", "bytes_per_entity", "classes", "columns", "name", "spec", "title")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name, self.title, self.attack = spec.name, spec.title, spec.attack
        self.columns = tuple(sorted({*spec.columns, "bytes_in"}))
        self.classes = spec.classes
        self.bytes_per_entity = X_PER_DAY * transfers.ROW_BYTES

    def learn(self, events: Events | View) -> Delta:
        """Columns day, y, x, sent, received (bytes) and hours (bit mask): see `baseline.transfers`."""
        chosen = rows.chosen(events, self.spec, evidence=False)
        return _delta(chosen, self.spec, _grouped(chosen)) if chosen else transfers.merge([])

    def merge(self, deltas: list[Delta]) -> Delta:
        """Bytes added up, hours united; at most `X_PER_DAY` x per y and day."""
        return transfers.merge(deltas)

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """One row per day, y and x. What the self already holds of a pair's day belongs to that day."""
        chosen = rows.chosen(events, self.spec)
        if chosen is None:
            return pl.DataFrame(schema=_SCORES)
        groups = _grouped(chosen)
        known = abreast((chosen, groups), self_, partial(_delta, chosen, self.spec, groups), transfers.merge, included=included)
        odd = _odd(known)
        if not self_.height:
            odd |= {name: odd[name] * 0.0 for name in ("score", *(bit[1:] for bit in _BITS))}

        def told(some: Ints, named: pl.DataFrame) -> pl.DataFrame:
            parts = pl.DataFrame({"_" + name: known.each(column, some) for name, column in odd.items()})
            what = rows.phrase(self.spec, amounts.column("value", self.spec.unit)).alias("_what")
            return parts.hstack(named.with_columns(parts["_value"].alias("value")).select(what)).drop("_score")

        return scores((chosen, self.spec, groups), known.each(odd["score"]), told, _SCORES, floor)

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """Per row: amount, direction, destination, hour and what was told before. Bits add up to the score."""
        return [self._reasons(row) for row in scores.select(*_READ).iter_rows(named=True)]

    def _reasons(self, row: Mapping[str, Any]) -> tuple[Reason, ...]:
        spec = self.spec
        when = f"over {row['_days']:,} days" if row["_slow"] else "in a day"
        usual, back = amounts.text(row["_usual"], "bytes"), amounts.text(row["_received"], "bytes")
        said = {
            "_amount": (spec.thing, f"{row['_what']} {when}", f"at most about {usual} is usual for it, the destination or both"),
            "_ratio": ("direction", f"{back} came back", f"usually {row['_usual_ratio']:.1f} times as much is sent as comes back"),
            "_novel": (
                "destination",
                f"{row['_others']:,} of {row['_ys']:,} other {spec.peers} know it",
                f"{row['_before']:,} earlier days of this pair",
            ),
            "_hour": ("hour", f"in hours of which the {spec.peer} knows {100 * row['_known']:.0f} %", "share of its other days"),
            "_habit": ("told before", f"{row['_loud']:,} earlier days stood out", f"more than {USED_TO} are known by now"),
        }
        return tuple(Reason(feature=f, seen=seen, normal=normal, bits=row[name]) for name, (f, seen, normal) in said.items())

    def example(self) -> Example:
        """Normal and odd events from the content table."""
        return example.build(self.spec)


_BITS = ("_amount", "_ratio", "_novel", "_hour", "_habit")
_PRIVATE: dict[str, pl.DataType] = {
    **dict.fromkeys(_BITS, pl.Float64()),
    "_value": pl.Int64(),
    "_received": pl.Int64(),
    "_usual": pl.Float64(),
    "_usual_ratio": pl.Float64(),
    "_others": pl.Int64(),
    "_ys": pl.Int64(),
    "_before": pl.Int64(),
    "_known": pl.Float64(),
    "_days": pl.Int64(),
    "_loud": pl.Int64(),
    "_slow": pl.Boolean(),
    "_what": pl.String(),
}
_SCORES = {**SCORES, **_PRIVATE}
_READ = tuple(_PRIVATE)


def _grouped(chosen: rows.Chosen) -> rows.Groups:
    return rows.grouped(chosen.day, chosen.part(chosen.y), chosen.part(chosen.x))


def _delta(chosen: rows.Chosen, spec: Spec, groups: rows.Groups) -> Delta:
    said = chosen.view.frame.select(spec.value, "bytes_in")[chosen.at]
    each = said.select(pl.all().cast(pl.Float64).fill_null(0.0).clip(0, transfers.MOST >> 3))
    sums = [np.minimum(np.add.reduceat(column.to_numpy()[groups.order], groups.starts), transfers.MOST) for column in each.get_columns()]
    hour = np.left_shift(1, chosen.view.minutes[chosen.at] // 60)[groups.order]
    named = rows.named_keys(chosen, spec, groups.first)
    columns = {name: named[name] for name in transfers.KEYS}
    columns |= {name: pl.Series(part.astype(np.int64)) for name, part in zip(("sent", "received"), sums, strict=True)}
    columns["hours"] = pl.Series(np.bitwise_or.reduceat(hour, groups.starts).astype(np.uint32))
    return pairs.bounded(pl.DataFrame(columns))


@dataclass(frozen=True, slots=True)
class _Table:
    """The rows of a self as numbers: y, x, pair, place of each row's day; whether y's first day has the pair; the pair's days before."""

    y: Ints
    x: Ints
    pair: Ints
    day: Ints
    order: Ints
    always: Mask
    before: Floats
    sent: Floats
    received: Floats
    hours: Ints

    @classmethod
    def of(cls, known: Abreast, some: Ints) -> _Table:
        """Of some of the rows."""
        y, x, day = compact(known.y[some]), compact(known.x[some]), known.day[some]
        pair, _ = numbered(key(y, x))
        order = np.argsort(key(pair, day), kind="stable")
        first = np.full(int(y.max(initial=-1)) + 1, 2**31)
        np.minimum.at(first, y, day)
        always = np.bincount(pair, day == first[y])[pair] > 0
        before = running(np.ones(pair.size), pair, order) - 1.0
        sent, received = (known.table[name].to_numpy()[some].astype(np.float64) for name in ("sent", "received"))
        hours = known.table["hours"].to_numpy()[some].astype(np.int64)
        return cls(y, x, pair, day, order, always, before, sent, received, hours)

    def sums(self) -> tuple[Floats, Floats]:
        """Sent and received of the pair up to each row's day."""
        sent, received = (running(part, self.pair, self.order) for part in (self.sent, self.received))
        return sent, received


def _odd(known: Abreast) -> dict[str, np.ndarray[Any, Any]]:
    """Row for row of a self: score, and the private columns without the underscore, save what."""
    out: dict[str, np.ndarray[Any, Any]] = {}
    for _, some in known.sides():  # strangers are weighed like all others
        for name, part in _odd_among(_Table.of(known, some)).items():
            out.setdefault(name, np.zeros(known.day.size, part.dtype))[some] = part
    return out or dict.fromkeys(("score", *(name[1:] for name in _PRIVATE if name != "_what")), np.zeros(0))


def _odd_among(table: _Table) -> dict[str, np.ndarray[Any, Any]]:
    """The same for machines of one side."""
    novel, others, ys = _novelty(table)
    hour, share = _hours(table)
    again = np.maximum(novel - np.log2(1.0 + table.before), 0.0)
    today = _weighed(table, table.sent, table.received, again, hour, daily=True)
    so_far = _weighed(table, *table.sums(), novel, np.zeros_like(hour), daily=False)
    loud = running((today["both"] >= LOUD).astype(np.float64), table.pair, table.order) - (today["both"] >= LOUD)
    summed = _told(np.where(table.always, 0.0, so_far["both"] - np.log2(table.before + 1.0)), loud)
    slow = summed > today["both"]
    told = {name: np.where(slow, so_far[name], today[name]) for name in today}
    told |= {"score": np.where(slow, summed, today["both"]), "habit": np.where(slow, summed - so_far["both"], 0.0)}
    told |= {"others": others, "ys": ys, "before": table.before, "days": table.before + 1.0, "loud": loud}
    told |= {name: np.round(told[name]).astype(np.int64) for name in ("value", "received", "others", "ys", "before", "days", "loud")}
    return {**told, "slow": slow, "known": share}


def _told(bits: Floats, loud: Floats) -> Floats:
    """Bits of a sum, of whose days so many have been told of."""
    votes = np.maximum(loud - USED_TO, 0.0)
    w = votes / (votes + 1.0)
    return np.asarray(-np.log2(w + (1.0 - w) * 2.0 ** -np.maximum(bits, 0.0)) + 0.0, dtype=np.float64)


def _weighed(table: _Table, sent: Floats, received: Floats, novel: Floats, hour: Floats, *, daily: bool) -> dict[str, Floats]:
    """The evidence of some amounts: amount, ratio, novel, hour, each its share of both (bits); value, received, usual, usual_ratio."""
    level, ratio = np.log1p(sent / GRAIN), np.log((sent + GRAIN) / (received + GRAIN))
    amount, usual = _tail(table, level, daily=daily, machine=True)
    sided, usual_ratio = _tail(table, ratio, daily=daily, machine=False)
    around = sided + novel + hour
    share = np.minimum(amount, around) / np.maximum(around, 1e-9)
    total = amount + share * around
    t = total * _LN2
    both = np.maximum(total - np.log2(1.0 + t * (1.0 + t / 2.0 * (1.0 + t / 3.0))), 0.0)
    scale = both / np.maximum(total, 1e-9)
    parts = {"amount": amount * scale, "ratio": sided * share * scale, "novel": novel * share * scale, "hour": hour * share * scale}
    return {
        **parts,
        "both": both,
        "value": sent,
        "received": received,
        "usual": np.expm1(usual) * GRAIN,
        "usual_ratio": np.exp(usual_ratio),
    }


def _tail(table: _Table, level: Floats, *, daily: bool, machine: bool) -> tuple[Floats, Floats]:
    """Bits of each row's level, and what is usual: the most forgiving of what is known around it. Of sums the last ones count, one a pair,
    and the pair itself is no witness."""
    last = np.ones(level.size) if daily else _last(table)
    some = level[last > 0]
    centre = float(np.median(some)) if some.size else 0.0
    spread = max(1.4826 * float(np.median(np.abs(some - centre))) if some.size else 0.0, SPREAD)
    usual = np.full(level.size, centre)
    n_pair, s_pair = (np.bincount(table.pair, part)[table.pair] for part in (last, last * level))
    for group in (table.x, table.y) if machine else (table.x,):
        n, s = (np.bincount(group, part)[group] for part in (last, last * level))
        usual = np.maximum(usual, (s - s_pair + centre) / (n - n_pair + 1.0))
    if daily:
        days = np.where(table.always, n_pair - 1.0, table.before)
        added = np.where(table.always, s_pair, running(level, table.pair, table.order)) - level
        usual = np.maximum(usual, (added + centre) / (days + 1.0))
    alone = np.broadcast_to(last.sum() - (1.0 if daily else n_pair) < 1.0, level.shape)
    dof = DOF + min(float(table.y.max(initial=0)), PEERS)
    bits = np.zeros(level.size)
    odd = np.flatnonzero((level > usual) & ~alone)
    # At the centre half of all are: only what is above it is odd.
    bits[odd] = tails.student_bits((level - usual)[odd] / spread, dof) - 1.0
    return bits, usual


def _last(table: _Table) -> Floats:
    """1 for the last row of each pair."""
    out = np.zeros(table.pair.size)
    ends = np.append(changes(table.pair[table.order])[1:], table.pair.size) - 1
    out[table.order[ends]] = 1.0
    return out


def _novelty(table: _Table) -> tuple[Floats, Floats, Floats]:
    """Per row: bits of how few other y know x, how many do, and of how many."""
    _, first = numbered(table.pair)
    others = np.asarray(np.bincount(table.x[first])[table.x] - 1.0, dtype=np.float64)
    ys = np.full(table.y.size, float(table.y.max(initial=0)))
    return np.maximum(np.log2((ys + 2.0) / (others + 1.0)) - 1.0, 0.0), others, ys


def _hours(table: _Table) -> tuple[Floats, Floats]:
    """Per row: bits of the most usual of its hours for y's other days, and the share of these that have it, the row's own counted in."""
    date, first = numbered(key(table.y, table.day))
    of_day = np.zeros(first.size, np.int64)
    np.bitwise_or.at(of_day, date, table.hours)
    of, ys = table.y[first], int(table.y.max()) + 1
    met = np.stack([np.bincount(of, of_day >> hour & 1, ys) for hour in range(24)], 1)
    most, left, rows_ = np.zeros(table.y.size), table.hours.copy(), np.arange(table.y.size)
    while rows_.size:  # hour by hour, of those that have any left
        hour = np.bitwise_count((left & -left) - 1)
        most[rows_] = np.maximum(most[rows_], met[table.y[rows_], hour])
        left &= left - 1
        rows_, left = rows_[left > 0], left[left > 0]
    share = most / np.bincount(of, minlength=ys)[table.y]
    return -np.log2(np.clip(share, 2.0**-30, 1.0)) + 0.0, share
