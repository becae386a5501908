"""What speaks for a search and against use, of the rows of a self of `scan`; its formula is told there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nonself.baseline import reach, special, tails
from nonself.baseline.codes import Floats, Ints, Mask, key, ordered, running
from nonself.detect.abreast import Abreast, compact

FAILING = 0.03
"""Share of first contacts that fail for a machine that does not scan, before anything is known here."""
ALIKE = 20.0
"""How alike such machines are: the two counts of the Beta distribution of their shares add up to this."""
PSEUDO = 8.0
"""Machines' worth of belief in the level above: in all pairs for this x, in `FAILING` for all pairs."""
PEERS = 26.0
"""Peers from which the spread of how many items are reached counts as known."""
DOF = 4.0
SPREAD = float(np.log(4.0))
"""Least spread of how many items are reached, on a log scale: four times as many is no news."""
LOUD, USED_TO = 10.0, 2
"""Bits from which a day is one of scanning; and the number of such days, or of other strangers who scan the same, that are still news."""
_LN2 = float(np.log(2.0))
COLUMNS = ("score", "estimated", "failing", "both", "value", "failed", "share", "usual", "days", "slow", "before", "others")
"""What is told of each row: score, whether it is estimated, and the private columns of a `scan`'s scores, save what."""


def odd(known: Abreast) -> dict[str, np.ndarray[Any, Any]]:
    """Row for row of a self: score, whether it is estimated, and the private columns without the underscore, save what."""
    out: dict[str, np.ndarray[Any, Any]] = {}
    for strangers, some in known.sides():
        for name, part in _odd_among(known, some, strangers).items():
            out.setdefault(name, np.zeros(known.day.size, part.dtype))[some] = part
    return out or dict.fromkeys(COLUMNS, np.zeros(0))


def _odd_among(known: Abreast, some: Ints, strangers: bool) -> dict[str, np.ndarray[Any, Any]]:
    """The same for machines of one side."""
    y, x, day = compact(known.y[some]), compact(known.x[some]), known.day[some]
    held = reach.counted(known.table[some] if some.size < known.day.size else known.table, y, x)
    pairs = _Pairs.of(held, y, x)
    share = pairs.shares()[held.pair]
    today = _searched(held.failed, held.answered, share, _usual_day(held, pairs))
    so_far = _searched(held.once_failed, held.once_answered, share, _usual_sum(held, pairs))
    cost = np.log2(held.days)
    slow = so_far["both"] - cost > today["both"]
    told = {name: np.where(slow, so_far[name], today[name]) for name in today}
    told["both"] = np.maximum(told["both"] - np.where(slow, cost, 0.0), 0.0)
    told["failing"] = np.minimum(told["failing"], told["both"])
    before = _habit(held.pair, y, day, today["both"] >= LOUD)
    others = pairs.alike(told["both"], held.pair)[held.pair] if strangers else np.zeros_like(before)
    votes = np.maximum(before - USED_TO, 0) + np.maximum(others - USED_TO, 0)
    w = votes / (votes + 1.0)
    told |= {"score": -np.log2(w + (1.0 - w) * 2.0 ** -told["both"]) + 0.0, "share": share, "days": held.days}
    told |= {"slow": slow, "before": before, "others": others, "estimated": held.estimated}
    return told | {name: np.round(told[name]).astype(np.int64) for name in ("value", "failed")}


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Per pair: y and x; the share of its items that never answered, their number; whether it is a peer: whether its y ever got an answer
    from anything (who never does is a stray, and strays of the internet say nothing of how machines here behave); and what its share
    counts, (n - 1) / (n + 1) of n items, since one contact says nothing of what happens when many are made."""

    y: Ints
    x: Ints
    failed: Floats
    items: Floats
    peer: Mask
    weight: Floats

    @classmethod
    def of(cls, held: reach.Reached, y: Ints, x: Ints) -> _Pairs:
        whose, what = (np.empty(held.all_failed.size, np.int64) for _ in range(2))
        whose[held.pair], what[held.pair] = y, x
        items = np.maximum(held.all_failed + held.all_answered, 1.0)
        peer = (np.bincount(whose, held.all_answered) > 0)[whose]
        return cls(whose, what, held.all_failed / items, items, peer, np.where(peer, (items - 1.0) / (items + 1.0), 0.0))

    def shares(self) -> Floats:
        """Per pair: the share of first contacts that fail for a machine that does not search, by what the other machines say."""
        failed, n = self.weight * self.failed, self.weight
        everywhere, m = (part.sum() - np.bincount(self.y, part)[self.y] for part in (failed, n))
        level = (everywhere + PSEUDO * FAILING) / (m + PSEUDO)
        there, m = (np.bincount(self.x, part)[self.x] - part for part in (failed, n))
        return np.asarray(np.maximum((there + PSEUDO * level) / (m + PSEUDO), FAILING), dtype=np.float64)

    def alike(self, bits: Floats, pair: Ints) -> Ints:
        """Per pair: how many other y search its x as much, with half of its bits or more; `bits` are of rows, `pair` their pairs."""
        most = np.zeros(self.x.size)
        np.maximum.at(most, pair, bits)
        step = 1.0 + float(most.max(initial=0.0))
        place = np.sort(self.x * step + most)
        least = np.maximum(LOUD, most / 2.0)
        n = np.searchsorted(place, (self.x + 1) * step) - np.searchsorted(place, self.x * step + least)
        return np.asarray(np.maximum(n, 0) - (most >= least), dtype=np.int64)


def _searched(failed: Floats, answered: Floats, share: Floats, usual: tuple[Floats, float, Floats]) -> dict[str, Floats]:
    """The evidence of some counts: failing and both (bits), value, failed and usual (items)."""
    value = failed + answered
    failing = _failing(failed, answered, share)
    reached = _reached(np.log1p(value), *usual)
    total = failing + reached
    both = np.maximum(total - np.log2(1.0 + total * _LN2), 0.0)
    return {"failing": failing, "both": both, "value": value, "failed": failed, "usual": np.expm1(usual[0])}


def _failing(failed: Floats, answered: Floats, share: Floats) -> Floats:
    """Bits for a search and against use, by how many failed."""
    out = np.zeros(failed.size)
    some = np.flatnonzero(failed > share * (failed + answered))
    f, s, q = failed[some], answered[some], ALIKE * share[some]
    search = special.log_beta(f + 0.5, s + 0.5) - np.log(np.pi)
    use = special.log_beta(f + q, s + ALIKE - q) - special.log_beta(q, ALIKE - q)
    out[some] = np.maximum(search - use, 0.0) / _LN2
    return out


def _reached(level: Floats, centre: Floats, spread: float, peers: Floats) -> Floats:
    """Bits of how many were reached, of those above what is usual: at it half of all are."""
    out = np.zeros(level.size)
    some = np.flatnonzero((level > centre) & (peers > 0))
    out[some] = tails.student_bits((level - centre)[some] / spread, DOF + np.minimum(peers[some], PEERS)) - 1.0
    return out


def _usual_day(held: reach.Reached, pairs: _Pairs) -> tuple[Floats, float, Floats]:
    """Per row: what is usual (ln of items), its spread, and the number of other rows that it rests on."""
    level, of = np.log1p(held.failed + held.answered), held.pair
    n_pair, s_pair = np.bincount(of), np.bincount(of, level)
    middle, spread = _middle(level[pairs.peer[of]])
    n, s = np.where(pairs.peer, n_pair, 0), np.where(pairs.peer, s_pair, 0.0)
    n_there, s_there = np.bincount(pairs.x, n)[pairs.x] - n, np.bincount(pairs.x, s)[pairs.x] - s
    others = ((s_there + middle) / (n_there + 1.0))[of]
    own = (s_pair[of] - level + middle) / n_pair[of]
    return np.maximum(np.maximum(others, own), middle), spread, np.asarray(n.sum() - n[of] + n_pair[of] - 1.0)


def _usual_sum(held: reach.Reached, pairs: _Pairs) -> tuple[Floats, float, Floats]:
    """The same of the sums over all days, per row by its pair."""
    level = np.log1p(pairs.items)
    middle, spread = _middle(level[pairs.peer])
    s, n = np.where(pairs.peer, level, 0.0), pairs.peer.astype(np.float64)
    others = (np.bincount(pairs.x, s)[pairs.x] - s + middle) / (np.bincount(pairs.x, n)[pairs.x] - n + 1.0)
    return np.maximum(others, middle)[held.pair], spread, (n.sum() - n)[held.pair]


def _middle(level: Floats) -> tuple[float, float]:
    if not level.size:
        return float(np.log(2.0)), SPREAD
    centre = float(np.median(level))
    return centre, max(1.4826 * float(np.median(np.abs(level - centre))), SPREAD)


def _habit(pair: Ints, y: Ints, day: Ints, loud: Mask) -> Ints:
    """Per row: days of its pair with a search before it; if its y's first day has one, all but its own."""
    first = np.full(int(y.max(initial=-1)) + 1, 2**31)
    np.minimum.at(first, y, day)
    upto = running(loud.astype(np.float64), pair, ordered(key(pair, day))[0])
    ever = np.bincount(pair, loud & (day == first[y]))[pair] > 0
    return np.asarray(np.where(ever, np.bincount(pair, loud)[pair], upto) - loud, dtype=np.int64)
