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
from nonself.baseline.codes import Floats, Ints, Mask, Small, blockwise, changes, key, lengths, ordered
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
    """Rows in order of pair and day. Per row: pair, number of the pair's days before, sent, received, hours. Per pair: its first row
    (starts), rows (sizes), y and x, whether y's first day has it (always), and how many other y know its x. `again`: the rows of pairs of
    more than one day, `place` each row's place among these, -1 for none; `peers`: how many other y each has; `heard`: at which hours."""

    pair: Small
    before: Small
    sent: Floats
    received: Floats
    hours: npt.NDArray[np.uint32]
    starts: Ints
    sizes: Small
    of_y: Ints
    of_x: Ints
    always: Mask
    others: Small
    again: Ints
    place: Small
    peers: float
    heard: _Hours

    @classmethod
    def of(cls, known: Abreast, some: Ints) -> tuple[_Table, Ints]:
        """Of some of the rows of a self; and these in their new order."""
        y, x, day = compact(known.y[some]), compact(known.x[some]), known.day[some]
        order = ordered(key(y, x, day))[0]
        y, x, day, some = y[order], x[order], day[order], some[order]
        starts = changes(y, x)
        sizes, of_y, of_x, of_day = lengths(starts, some.size).astype(np.int32), y[starts], x[starts], day[starts]
        always = of_day == np.minimum.reduceat(of_day, changes(of_y))[of_y]
        others = (np.bincount(of_x) - 1).astype(np.int32)[of_x]
        pair = np.repeat(np.arange(starts.size, dtype=np.int32), sizes)
        before = np.arange(some.size, dtype=np.int32) - starts.astype(np.int32)[pair]
        sent, received = (known.table[name].to_numpy()[some].astype(np.float64) for name in ("sent", "received"))
        hours, again, place = known.table["hours"].to_numpy()[some], np.flatnonzero(sizes[pair] > 1), np.full(some.size, -1, np.int32)
        place[again] = np.arange(again.size)
        heard, per_pair = _Hours.of(y, day, hours), (starts, sizes, of_y, of_x, always, others)
        return cls(pair, before, sent, received, hours, *per_pair, again, place, float(y[-1]), heard), some

    def upto(self, values: Floats) -> Floats:
        """Per row of `again` the sum over the pair's days up to it, itself included."""
        values, pair = values[self.again], self.pair[self.again]
        total, starts = np.cumsum(values), changes(pair)
        return np.asarray(total - np.repeat((total - values)[starts], lengths(starts, pair.size)), dtype=np.float64)

    def with_sums(self, values: Floats, sums: Floats, rows: Ints | slice = slice(None)) -> Floats:
        """Of some rows the values, or the `sums` up to them where their pairs have several days: for the others there is no difference."""
        place = self.place[rows]
        return np.where(place >= 0, sums[place], values[rows]) if sums.size else values[rows]

    @property
    def last(self) -> Ints:
        """Per pair, its last row."""
        return self.starts + self.sizes - 1


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What some amounts weigh: bits of all (both), row for row. What makes them up is worked out a block of rows at a time, and for those
    that are told of again. `near` is what is usual of amounts, `sides` of their ratios; `sent` and `received` are the sums of pairs of
    several days, empty for the evidence of single days (`daily`)."""

    table: _Table
    sent: Floats
    received: Floats
    near: _Near
    sides: _Near
    daily: bool

    @classmethod
    def of(cls, table: _Table, *, daily: bool) -> _Evidence:
        sums = [np.empty(0) if daily else table.upto(part) for part in (table.sent, table.received)]
        sent, received = (table.with_sums(part, sum_) for part, sum_ in zip((table.sent, table.received), sums, strict=True))
        near = _Near.of(table, _level(sent), daily=daily, machine=True)
        return cls(table, sums[0], sums[1], near, _Near.of(table, _ratio(sent, received), daily=daily, machine=False), daily)

    def both(self) -> Floats:
        """Bits of all rows; none of those that are not above what is usual."""
        return blockwise(self._bits, self.table.sent.size)

    def _bits(self, some: slice) -> Floats:
        sent, received = self._amounts(some)
        above = self.near.above(some, _level(sent))
        odd, out = np.flatnonzero(above > 0.0), np.zeros(above.size)
        amount = self.near.tail(above[odd])
        total = amount + np.minimum(amount, sum(self._around(odd + some.start, _ratio(sent[odd], received[odd]))))
        t = total * _LN2
        out[odd] = np.maximum(total - np.log2(1.0 + t * (1.0 + t / 2.0 * (1.0 + t / 3.0))), 0.0)
        return out

    def _amounts(self, rows: Ints | slice) -> tuple[Floats, Floats]:
        table = self.table
        return table.with_sums(table.sent, self.sent, rows), table.with_sums(table.received, self.received, rows)

    def _around(self, rows: Ints, ratio: Floats) -> tuple[Floats, Floats, Floats]:
        """Bits of direction, destination and hour."""
        sided, novel = self.sides.tail(self.sides.above(rows, ratio)), _novelty(self.table, rows)
        if not self.daily:
            return sided, novel, np.zeros(rows.size)
        novel = np.maximum(novel - np.log2(1.0 + self.table.before[rows]), 0.0)
        return sided, novel, -np.log2(np.clip(self.table.heard.known(self.table, rows), 2.0**-30, 1.0)) + 0.0

    def told(self, rows: Ints, both: Floats) -> Columns:
        """Of some rows, of so many bits: the parts, each its share of all, the amounts and what is usual."""
        sent, received = self._amounts(rows)
        level, ratio = _level(sent), _ratio(sent, received)
        amount, (sided, novel, hour) = self.near.tail(self.near.above(rows, level)), self._around(rows, ratio)
        around = sided + novel + hour
        share = np.minimum(amount, around) / np.maximum(around, 1e-9)
        scale = both / np.maximum(amount + share * around, 1e-9)
        parts = {"amount": amount * scale, "ratio": sided * share * scale, "novel": novel * share * scale, "hour": hour * share * scale}
        usual = {"usual": np.expm1(self.near.usual(rows, level)) * GRAIN, "usual_ratio": np.exp(self.sides.usual(rows, ratio))}
        return parts | usual | {"value": sent, "received": received}


def weighed(known: Abreast) -> tuple[Floats, Callable[[Ints], Columns]]:
    """The score of each row of a self; and, of some rows, the private columns without the underscore, save what."""
    score, side, place = np.zeros(known.day.size), np.zeros(known.day.size, np.bool_), np.zeros(known.day.size, np.int64)
    sides = []
    for strangers, rows in known.sides():  # who are weighed like all others
        table, some = _Table.of(known, rows)
        score[some], told = _odd(table)
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


def _odd(table: _Table) -> tuple[Floats, Callable[[Ints], Columns]]:
    """The same for the machines of one side."""
    today, so_far = _Evidence.of(table, daily=True), _Evidence.of(table, daily=False)
    of_day, of_sum = today.both(), so_far.both()
    stands_out = of_day >= LOUD
    loud = stands_out.astype(np.float64)
    loud = table.with_sums(loud, table.upto(loud)) - stands_out
    summed = _known(np.where(table.always[table.pair], 0.0, of_sum - np.log2(table.before + 1.0)), loud)
    slow = summed > of_day + _NOTHING

    def told(rows: Ints) -> Columns:
        late = slow[rows]
        parts = [(~late, lambda some: today.told(some, of_day[some])), (late, lambda some: so_far.told(some, of_sum[some]))]
        out = _joined(parts, rows)
        others, before = table.others[table.pair[rows]].astype(np.float64), table.before[rows].astype(np.float64)
        out |= {"habit": np.where(late, summed[rows] - of_sum[rows], 0.0), "known": table.heard.known(table, rows), "loud": loud[rows]}
        return out | {"others": others, "ys": np.full(rows.size, table.peers), "before": before, "days": before + 1.0, "slow": late}

    return np.where(slow, summed, of_day), told


def _known(bits: Floats, loud: Floats) -> Floats:
    """Bits of a sum, of whose days so many have been told of."""
    out = np.maximum(bits, 0.0)
    some = np.flatnonzero(loud > USED_TO)
    votes = loud[some] - USED_TO
    w = votes / (votes + 1.0)
    out[some] = -np.log2(w + (1.0 - w) * 2.0 ** -out[some]) + 0.0
    return out


@dataclass(frozen=True, slots=True)
class _Near:
    """What is usual around some levels. Per pair the number of its levels and their sum; per thing that pairs share, the same of all of
    these. Of sums the last ones count, one a pair, and the pair itself is no witness (`days` is None)."""

    table: _Table
    centre: float
    spread: float
    n: Small
    s: Floats
    shared: list[tuple[Ints, Floats, Floats]]
    days: Floats | None

    @classmethod
    def of(cls, table: _Table, level: Floats, *, daily: bool, machine: bool) -> _Near:
        """What is usual by destination, and by `machine` too."""
        s = np.add.reduceat(level, table.starts) if daily else level[table.last]
        n = table.sizes if daily else np.ones(s.size, np.int32)
        groups = (table.of_x, table.of_y) if machine else (table.of_x,)
        shared = [(of, np.bincount(of, n).astype(np.float64), np.bincount(of, s).astype(np.float64)) for of in groups]
        return cls(table, *middle(level if daily else s, least=SPREAD), n, s, shared, table.upto(level) if daily else None)

    def usual(self, rows: Ints | slice, own: Floats) -> Floats:
        """Of some rows, whose own levels are given: the most forgiving of what is known around them."""
        pair, centre = self.table.pair[rows], self.centre
        mine, sum_ = self.n[pair], self.s[pair]
        usual = np.full(pair.size, centre)
        for group, n, s in self.shared:
            of = group[pair]
            usual = np.maximum(usual, (s[of] - sum_ + centre) / (n[of] - mine + 1.0))
        if self.days is not None and self.days.size:
            some = np.flatnonzero(self.table.place[rows] >= 0)  # pairs that have other days
            usual[some] = np.maximum(usual[some], self._own(self.table.place[rows][some], pair[some], own[some]))
        return usual

    def _own(self, place: Small, pair: Small, own: Floats) -> Floats:
        """What is usual of the pair itself, on its earlier days, or on all others."""
        assert self.days is not None
        always = self.table.always[pair]
        others = np.where(always, self.n[pair] - 1.0, self.table.before[self.table.again[place]])
        added = np.where(always, self.s[pair], self.days[place]) - own
        return np.asarray((added + self.centre) / (others + 1.0), dtype=np.float64)

    def above(self, rows: Ints | slice, own: Floats) -> Floats:
        """How far some levels are above what is usual."""
        return own - self.usual(rows, own)

    def tail(self, above: Floats) -> Floats:
        """Bits of levels so far above what is usual. At it half of all are: only what is above it is odd."""
        bits = np.zeros(above.size)
        odd = np.flatnonzero(above > 0.0) if (self.n.size if self.days is None else self.table.sent.size) > 1 else np.empty(0, np.int64)
        bits[odd] = tails.student_bits(above[odd] / self.spread, DOF + min(self.table.peers, PEERS), size=self.table.sent.size) - 1.0
        return bits


def _level(sent: Floats) -> Floats:
    return np.log1p(sent / GRAIN)


def _ratio(sent: Floats, received: Floats) -> Floats:
    return np.asarray(np.log((sent + GRAIN) / (received + GRAIN)), dtype=np.float64)


def _novelty(table: _Table, at: Ints) -> Floats:
    """Of some rows, bits of how few of the other y know their x."""
    others = table.others[table.pair[at]].astype(np.float64)
    return np.maximum(np.log2((table.peers + 2.0) / (others + 1.0)) - 1.0, 0.0)


@dataclass(frozen=True, slots=True)
class _Hours:
    """Of each y: its days with traffic, and how many of them have each hour."""

    days: Ints
    met: Ints

    @classmethod
    def of(cls, y: Ints, day: Ints, hours: npt.NDArray[np.uint32]) -> _Hours:
        order, of_day = ordered(key(y, day))
        starts = changes(of_day)
        of, ys = y[order[starts]], int(y[-1]) + 1
        heard = np.bitwise_or.reduceat(hours[order], starts)
        met = np.stack([np.bincount(of, heard >> hour & 1, ys) for hour in range(24)], 1).astype(np.int64)
        return cls(np.bincount(of, minlength=ys), met)

    def known(self, table: _Table, at: Ints) -> Floats:
        """Of some rows: of y's days, the share that have the most usual of the row's hours, the row's own day counted in."""
        y, left, most, rows = table.of_y[table.pair[at]], table.hours[at].astype(np.int64), np.zeros(at.size), np.arange(at.size)
        while rows.size:  # hour by hour, of those that have any left
            hour = np.bitwise_count((left & -left) - 1)
            most[rows] = np.maximum(most[rows], self.met[y[rows], hour])
            left &= left - 1
            rows, left = rows[left > 0], left[left > 0]
        return np.asarray(most / self.days[y], dtype=np.float64)
