"""The specialist `scan`: a machine that looks for what is there, which answers less often than what one knows to be there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline import reach, special, tails
from nonself.baseline.codes import Coded, Floats, Ints, Mask, key, ordered, running
from nonself.baseline.pairs import X_PER_DAY
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import example, names, rows
from nonself.detect.abreast import Abreast, abreast, compact
from nonself.detect.contract import Example
from nonself.detect.spec import Spec
from nonself.detect.told import scores
from nonself.detect.view import View

OUTCOME = "outcome"
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


class Scan:
    """How much likelier it is that y searches x (a port, a machine) than that it uses it: how many items (machines, ports) it reached for
    the first time, and how many of them did not answer.

    Formula: score = -log2(w + (1 - w) 2^-b), b = T - log2(1 + T ln 2), T = E + C: Fisher's method for the two. Of the items
    that y met at x on this day and no other, F failed and S answered;
    E = log2 B(F+1/2, S+1/2) / B(1/2, 1/2) - log2 B(F+a, S+c) / B(a, c), if F is more than its share: a search finds things at a rate that
    nothing is known of, use fails for a share q of first contacts; a = 20 q, c = 20 (1 - q), q the mean share of the other y at this x,
    shrunk to that of all pairs, and that to 3 %, which is the least; each pair counts by (n - 1) / (n + 1) of its n items.
    C = -log2 P(t >= (u - m) / s) - 1, u = ln(1 + F + S), m the largest of the median of all rows, the mean of the others at this x and of
    y's other days here, s = 1.4826 MAD, at least ln 4. The same for the sums over all days so far, against other pairs' sums, less log2 of
    the number of days; the larger counts. w = v / (v + 1), v the days before this one, beyond the second, on which y searched x with 10
    bits or more; later days too, if y's very first day has it: a scanner that sweeps every day is normal here, as are the same machines
    again. Machines of private addresses and all others (strangers) are peers among themselves only, and for a stranger each other one that
    searches x with half of its bits or more, beyond the second, is a witness too: what faces the internet is searched all day.
    Unit: bits. 0 where nothing is known yet. 28 items of which none answers give about 40 bits, 25 of which ten do not about 7.
    Reference: Jung, Paxson, Berger & Balakrishnan 2004 (threshold random walk: first contacts, and whether they succeed); Krichevsky &
    Trofimov 1981 (the mixture over a search's rate); Fisher 1932.
    Cost: one sort of the items that the self holds.
    Reasons: items without an answer; items reached at all; and what y's habit takes back.

    Contacts to be scored are part of the day whether the self has learnt them or not, and a union counts each item once, so `included`
    changes nothing.
    """

    __slots__ = ("attack", "bytes_per_entity", "classes", "columns", "name", "spec", "title")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name, self.title, self.attack = spec.name, spec.title, spec.attack
        self.columns = tuple(sorted({*spec.columns, *names.roots(OUTCOME)}))
        self.classes = spec.classes
        self.bytes_per_entity = X_PER_DAY * reach.ROW_BYTES

    def learn(self, events: Events | View) -> Delta:
        """Columns day, y, x and items (hash of the item, and whether it answered): see `baseline.reach`."""
        chosen = self._chosen(events, evidence=False)
        return _delta(chosen, self.spec) if chosen else reach.merge([])

    def merge(self, deltas: list[Delta]) -> Delta:
        """Union of the items; at most 256 a row, and `X_PER_DAY` x per y and day."""
        return reach.merge(deltas)

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """One row per day, y and x."""
        chosen = self._chosen(events, evidence=True)
        if chosen is None:
            return pl.DataFrame(schema=_SCORES)
        groups = chosen.grouped("day", "y", "x")
        known = abreast(chosen, self_, partial(_delta, chosen, self.spec), reach.merge, included=included)
        odd = _odd(known)
        if not self_.height:
            odd |= {name: odd[name] * 0.0 for name in ("score", "failing", "both")}

        def told(some: Ints, named: pl.DataFrame) -> pl.DataFrame:
            parts = pl.DataFrame({name: known.each(column, some) for name, column in odd.items()})
            about = pl.when(parts["estimated"]).then(pl.lit("about ")).otherwise(pl.lit(""))
            said = pl.concat_str([about, pl.col("value").cast(pl.String)])
            what = named.with_columns(parts["value"]).select(rows.phrase(self.spec, said).alias("_what"))
            return parts.drop("score", "estimated").rename("_{}".format).hstack(what)

        return scores((chosen, self.spec, groups), known.each(odd["score"]), told, _SCORES, floor)

    def _chosen(self, events: Events | View, *, evidence: bool) -> rows.Chosen | None:
        """The events that are attempts: replies told as flows of their own are not."""
        chosen = rows.chosen(events, self.spec, evidence=evidence)
        if chosen is None:
            return None
        every, some = chosen.once(OUTCOME, lambda: _attempts(chosen))
        return chosen if every else some

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """Per row: items without an answer, items reached, and what is normal here. Bits add up to the score."""
        return [self._reasons(row) for row in scores.select(*_READ).iter_rows(named=True)]

    def _reasons(self, row: Mapping[str, Any]) -> tuple[Reason, ...]:
        spec = self.spec
        when = f"over {row['_days']:,} days" if row["_slow"] else "in a day"
        failed = Reason(
            feature=f"{spec.thing} that do not answer",
            seen=f"{row['_what']} for the first time {when}; {row['_failed']:,} of them did not answer",
            normal=f"{100 * row['_share']:.1f} % of first contacts fail for other {spec.peers} here",
            bits=row["_failing"],
        )
        reached = Reason(
            feature=f"{spec.thing} reached",
            seen=f"{row['_value']:,} for the first time",
            normal=f"at most about {row['_usual']:,.0f} are usual {when}",
            bits=row["_both"] - row["_failing"],
        )
        habit = Reason(
            feature="known here",
            seen=f"searched on {row['_before']:,} other days" if row["_before"] else "not searched before",
            normal=f"more than {USED_TO} days are a habit; {row['_others']:,} other strangers do the same",
            bits=row["score"] - row["_both"],
        )
        return (failed, reached, habit)

    def example(self) -> Example:
        """Normal and odd events from the content table."""
        return example.build(self.spec)


_PRIVATE: dict[str, pl.DataType] = {
    "_failing": pl.Float64(),
    "_both": pl.Float64(),
    "_value": pl.Int64(),
    "_failed": pl.Int64(),
    "_share": pl.Float64(),
    "_usual": pl.Float64(),
    "_days": pl.Int64(),
    "_slow": pl.Boolean(),
    "_before": pl.Int64(),
    "_others": pl.Int64(),
    "_what": pl.String(),
}
_SCORES = {**SCORES, **_PRIVATE}
_READ = ("score", *_PRIVATE)


def _attempts(chosen: rows.Chosen) -> tuple[bool, rows.Chosen | None]:
    """Whether all events are attempts; if not, those that are, None for none."""
    kept = chosen.part(chosen.view.name(OUTCOME)) >= 0
    if kept.all() or not kept.any():
        return bool(kept.all()), None
    return False, replace(chosen, at=chosen.at[kept], day=chosen.day[kept], slot=chosen.slot[kept])


def _delta(chosen: rows.Chosen, spec: Spec) -> Delta:
    order = chosen.grouped("day", "y", "x").order  # in which sorting takes less
    y, x, item = (Coded(chosen.part(c)[order], c.values, c.memo) for c in (chosen.actors, chosen.x, chosen.view.name(spec.value)))
    outcome = chosen.view.name(OUTCOME)
    return reach.learn(chosen.day[order], y, x, item, (outcome.values == names.ANSWERED).to_numpy()[chosen.part(outcome)[order]])


def _odd(known: Abreast) -> dict[str, np.ndarray[Any, Any]]:
    """Row for row of a self: score, whether it is estimated, and the private columns without the underscore, save what."""
    out: dict[str, np.ndarray[Any, Any]] = {}
    for strangers, some in known.sides():
        for name, part in _odd_among(known, some, strangers).items():
            out.setdefault(name, np.zeros(known.day.size, part.dtype))[some] = part
    return out or dict.fromkeys(("score", "estimated", *(name[1:] for name in _PRIVATE if name != "_what")), np.zeros(0))


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
