"""The evidence behind `exfil`, whose formula it is: what each row of a self weighs against those around it.

Rows are put in order of pair and day, so that what is asked of a pair (its sum, its last day, the days before) is asked of neighbours. What
counts only beside an amount (direction, destination, hour) is worked out for the rows that have bits by their amount, and for no others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nonself.baseline import tails
from nonself.baseline.codes import Floats, Ints, Mask, blockwise, changes, key, lengths, ordered
from nonself.baseline.levels import middle
from nonself.detect.abreast import Abreast, compact

GRAIN = 10_000.0
"""Bytes below which differences do not matter: a handshake or two."""
SPREAD = float(np.log(4.0))
"""Least spread of amounts and ratios, on a log scale: four times as much is no news."""
DOF, PEERS = 4.0, 26.0
"""Degrees of freedom of the tails: these, and one for each other machine, up to so many."""
LOUD, USED_TO = 7.0, 1
"""Bits from which a day has been told of, and the number of such days after which the pair's sum is known."""
_LN2 = float(np.log(2.0))
_NOTHING = 1e-9
"""Bits by which a sum must weigh more than its last day to be told instead: no rounding decides what is said."""
Columns = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class _Table:
    """Rows in order of pair and day. Per row: y, day, pair, number of the pair's days before, sent, received, hours. Per pair: its first
    row (starts), its y and x, whether y's first day has it (always), and how many other y know its x."""

    y: Ints
    day: Ints
    pair: Ints
    before: Ints
    sent: Floats
    received: Floats
    hours: npt.NDArray[np.uint32]
    starts: Ints
    of_y: Ints
    of_x: Ints
    always: Mask
    others: Floats

    @classmethod
    def of(cls, known: Abreast, some: Ints) -> tuple[_Table, Ints]:
        """Of some of the rows of a self; and these in their new order."""
        y, x, day = compact(known.y[some]), compact(known.x[some]), known.day[some]
        order = ordered(key(y, x, day))[0]
        y, x, day, some = y[order], x[order], day[order], some[order]
        starts = changes(y, x)
        sizes, of_y, of_x, of_day = lengths(starts, some.size), y[starts], x[starts], day[starts]
        first = np.minimum.reduceat(of_day, changes(of_y))  # of each y
        others = (np.bincount(of_x) - 1.0)[of_x].astype(np.float64)
        pair = np.repeat(np.arange(starts.size), sizes)
        before = np.arange(some.size) - starts[pair]
        sent, received = (known.table[name].to_numpy()[some].astype(np.float64) for name in ("sent", "received"))
        hours = known.table["hours"].to_numpy()[some]
        return cls(y, day, pair, before, sent, received, hours, starts, of_y, of_x, of_day == first[of_y], others), some

    def upto(self, values: Floats) -> Floats:
        """Per row the sum over the pair's days up to it, itself included."""
        if self.starts.size == values.size:
            return values
        total = np.cumsum(values)
        return np.asarray(total - (total - values)[self.starts][self.pair], dtype=np.float64)

    @property
    def last(self) -> Ints:
        """Per pair, its last row."""
        return np.append(self.starts[1:], self.y.size) - 1


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What some amounts weigh: bits of all (both) per row; of the rows `at`, in order, the bits of each part, and what is usual."""

    both: Floats
    at: Ints
    amount: Floats
    ratio: Floats
    novel: Floats
    hour: Floats
    usual: Floats
    usual_ratio: Floats
    sent: Floats
    received: Floats

    def told(self, rows: Ints) -> Columns:
        """Of some of the rows `at`: the parts, each its share of all, the amounts and what is usual."""
        at = np.searchsorted(self.at, rows)
        amount, sided, novel, hour = (part[at] for part in (self.amount, self.ratio, self.novel, self.hour))
        around = sided + novel + hour
        share = np.minimum(amount, around) / np.maximum(around, 1e-9)
        scale = self.both[rows] / np.maximum(amount + share * around, 1e-9)
        parts = {"amount": amount * scale, "ratio": sided * share * scale, "novel": novel * share * scale, "hour": hour * share * scale}
        usual = {"usual": np.expm1(self.usual[at]) * GRAIN, "usual_ratio": np.exp(self.usual_ratio[at])}
        return parts | usual | {"value": self.sent[rows], "received": self.received[rows]}


def weighed(known: Abreast, *, every: bool) -> tuple[Floats, Callable[[Ints], Columns]]:
    """The score of each row of a self; and, of some rows, the private columns without the underscore, save what. Those of rows that score
    0 are known if `every` says that they are asked for."""
    score, side, place = np.zeros(known.day.size), np.zeros(known.day.size, np.bool_), np.zeros(known.day.size, np.int64)
    sides = []
    for strangers, rows in known.sides():  # who are weighed like all others
        table, some = _Table.of(known, rows)
        score[some], told = _odd(table, every=every)
        side[some], place[some] = strangers, np.arange(some.size)
        sides.append((strangers, told))

    def columns(some: Ints) -> Columns:
        return _joined([(side[some] == which, told) for which, told in sides], place[some])

    return score, columns


def _joined(parts: list[tuple[Mask, Callable[[Ints], Columns]]], rows: Ints) -> Columns:
    """The columns of some rows, each told by the part whose mask it has."""
    out: Columns = {}
    for mask, told in parts:
        for name, values in told(rows[mask]).items():
            out.setdefault(name, np.zeros(rows.size))[mask] = values
    return out


def _odd(table: _Table, *, every: bool) -> tuple[Floats, Callable[[Ints], Columns]]:
    """The same for the machines of one side."""
    today = _day(table, every=every)
    so_far = _sums(table, every=every)
    stands_out = today.both >= LOUD
    loud = table.upto(stands_out.astype(np.float64)) - stands_out if stands_out.any() else np.zeros(table.y.size)
    summed = _known(np.where(table.always[table.pair], 0.0, so_far.both - np.log2(table.before + 1.0)), loud)
    slow = summed > today.both + _NOTHING

    def told(rows: Ints) -> Columns:
        late = slow[rows]
        out = _joined([(~late, today.told), (late, so_far.told)], rows)
        others, before = table.others[table.pair[rows]], table.before[rows].astype(np.float64)
        out |= {"habit": np.where(late, summed[rows] - so_far.both[rows], 0.0), "known": _hours(table, rows), "loud": loud[rows]}
        return out | {"others": others, "ys": np.full(rows.size, float(table.y[-1])), "before": before, "days": before + 1.0, "slow": late}

    return np.where(slow, summed, today.both), told


def _known(bits: Floats, loud: Floats) -> Floats:
    """Bits of a sum, of whose days so many have been told of."""
    votes = np.maximum(loud - USED_TO, 0.0)
    out = np.maximum(bits, 0.0)
    some = np.flatnonzero(votes)
    w = votes[some] / (votes[some] + 1.0)
    out[some] = -np.log2(w + (1.0 - w) * 2.0 ** -out[some]) + 0.0
    return out


def _day(table: _Table, *, every: bool) -> _Evidence:
    """The evidence of each row's own day."""

    def around(at: Ints) -> tuple[Floats, Floats]:
        novel = np.maximum(_novelty(table, at) - np.log2(1.0 + table.before[at]), 0.0)
        return novel, -np.log2(np.clip(_hours(table, at), 2.0**-30, 1.0)) + 0.0

    return _evidence(table, (table.sent, table.received), around, daily=True, every=every)


def _sums(table: _Table, *, every: bool) -> _Evidence:
    """The evidence of what the pair amounts to up to each row's day."""

    def around(at: Ints) -> tuple[Floats, Floats]:
        return _novelty(table, at), np.zeros(at.size)

    return _evidence(table, (table.upto(table.sent), table.upto(table.received)), around, daily=False, every=every)


def _evidence(
    table: _Table, amounts: tuple[Floats, Floats], around: Callable[[Ints], tuple[Floats, Floats]], *, daily: bool, every: bool
) -> _Evidence:
    sent, received = amounts
    level, ratio = np.log1p(sent / GRAIN), np.log((sent + GRAIN) / (received + GRAIN))
    near, sides = _Near.of(table, level, daily=daily, machine=True), _Near.of(table, ratio, daily=daily, machine=False)
    above = blockwise(lambda some: level[some] - near.usual(some), level.size)
    at = np.arange(level.size) if every else np.flatnonzero(above > 0.0)
    centre = sides.usual(at)
    amount, sided = near.tail(above[at]), sides.tail(ratio[at] - centre)
    novel, hour = around(at)
    total = amount + np.minimum(amount, sided + novel + hour)
    t = total * _LN2
    both = np.zeros(level.size)
    both[at] = np.maximum(total - np.log2(1.0 + t * (1.0 + t / 2.0 * (1.0 + t / 3.0))), 0.0)
    return _Evidence(both, at, amount, sided, novel, hour, level[at] - above[at], centre, sent, received)


@dataclass(frozen=True, slots=True)
class _Near:
    """What is usual around some levels. Per pair the number of its levels and their sum; per thing that pairs share, the same of all of
    these. Of sums the last ones count, one a pair, and the pair itself is no witness (`days` is None)."""

    table: _Table
    centre: float
    spread: float
    n: Floats
    s: Floats
    shared: list[tuple[Ints, Floats, Floats]]
    level: Floats
    days: Floats | None

    @classmethod
    def of(cls, table: _Table, level: Floats, *, daily: bool, machine: bool) -> _Near:
        """What is usual by destination, and by `machine` too."""
        s = np.add.reduceat(level, table.starts) if daily else level[table.last]
        n = lengths(table.starts, level.size).astype(np.float64) if daily else np.ones(s.size)
        groups = (table.of_x, table.of_y) if machine else (table.of_x,)
        shared = [(of, np.bincount(of, n).astype(np.float64), np.bincount(of, s).astype(np.float64)) for of in groups]
        return cls(table, *middle(level if daily else s, least=SPREAD), n, s, shared, level, table.upto(level) if daily else None)

    def usual(self, rows: Ints | slice) -> Floats:
        """Of some rows: the most forgiving of what is known around them."""
        pair, centre = self.table.pair[rows], self.centre
        mine, sum_ = self.n[pair], self.s[pair]
        usual = np.full(pair.size, centre)
        for group, n, s in self.shared:
            of = group[pair]
            usual = np.maximum(usual, (s[of] - sum_ + centre) / (n[of] - mine + 1.0))
        if self.days is None or self.n.size == self.level.size:  # no pair has another day
            return usual
        always, own = self.table.always[pair], self.level[rows]
        others = np.where(always, mine - 1.0, self.table.before[rows])
        added = np.where(always, sum_, self.days[rows]) - own
        return np.asarray(np.maximum(usual, (added + centre) / (others + 1.0)), dtype=np.float64)

    def tail(self, above: Floats) -> Floats:
        """Bits of levels so far above what is usual. At it half of all are: only what is above it is odd."""
        bits = np.zeros(above.size)
        odd = np.flatnonzero(above > 0.0) if (self.n.size if self.days is None else self.level.size) > 1 else np.empty(0, np.int64)
        bits[odd] = tails.student_bits(above[odd] / self.spread, DOF + min(float(self.table.y[-1]), PEERS)) - 1.0
        return bits


def _novelty(table: _Table, at: Ints) -> Floats:
    """Of some rows, bits of how few of the other y know their x."""
    return np.maximum(np.log2((float(table.y[-1]) + 2.0) / (table.others[table.pair[at]] + 1.0)) - 1.0, 0.0)


def _hours(table: _Table, at: Ints) -> Floats:
    """Of some rows: of y's days with traffic, the share that have the most usual of the row's hours, the row's own day counted in."""
    order, of_day = ordered(key(table.y, table.day))
    starts = changes(of_day)
    of, ys = table.y[order[starts]], int(table.y[-1]) + 1
    heard = np.bitwise_or.reduceat(table.hours[order], starts)
    met = np.stack([np.bincount(of, heard >> hour & 1, ys) for hour in range(24)], 1)
    y, left, most, rows = table.y[at], table.hours[at].astype(np.int64), np.zeros(at.size), np.arange(at.size)
    while rows.size:  # hour by hour, of those that have any left
        hour = np.bitwise_count((left & -left) - 1)
        most[rows] = np.maximum(most[rows], met[y[rows], hour])
        left &= left - 1
        rows, left = rows[left > 0], left[left > 0]
    return np.asarray(most / np.bincount(of, minlength=ys)[y], dtype=np.float64)
