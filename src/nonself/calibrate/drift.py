"""The drift test: whether behaviour is still like the calibration period, which is what the budget's promise rests on.

A *surprise* is an entity that a detector gave p <= 2^-min_bits, ranked among the scores of earlier days alone: held against its own day
too, a shift that reaches every machine would hide itself. One entity counts once a day and detector, however often it is odd: scores of one
machine on one day are anything but independent. What is tested is how many surprises a day brings.

Days of one detector are taken as exchangeable geometric counts of unknown mean, the least that a mean alone says of a count
(so days may be as bursty as that), with a Beta(1, 1/2) prior. m days with S surprises before make the next day's p-value

    p(k) = P(K >= k) = B(1 + m, 1/2 + S + k) / B(1 + m, 1/2 + S)

A bet against it pays e = (1 - p + p ln p) / (p ln^2 p), the mixture of all power bets (Vovk & Wang 2021, "E-values: calibration,
combination and applications"): never more than 1 on average, whatever m and S. Detectors depend on each other, so their e-values are
averaged, which is valid under any dependence; each is first held at what makes half of an alarm, so that one takes two detectors, or
two days: a night of patches moves one detector by all machines. Days are multiplied, and who is losing starts anew:

    W = max(W, 1) * e

an e-detector (Shin, Ramdas & Rinaldo 2022, "E-detectors: a nonparametric framework for sequential change detection"): watched for as
long as one likes, a false alarm of W >= 100 comes no more often than once in 100 days, on average, while days are like that. The alarm
ends when nine tenths of W, held at 100, have been lost again: the windows and the counts have learnt the new normal.

The test is one-sided. Fewer surprises than before break no promise.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from nonself.calibrate import window
from nonself.core.finding import Finding
from nonself.core.scores import Delta, Scores

NAME = "drift"
"""How the ledger names these deltas."""
ALARM = 100.0
"""Days between false alarms, on average, at least."""
WARM_UP = 7
"""Days of a detector before anything is bet on its next one."""
PAST = 28
"""Days back that the next one is compared with."""
HISTORY = 60
"""Days that are looked at."""
MANY = 200
"""Surprises kept of a detector and day; more are no more of a surprise."""

SURPRISES: dict[str, pl.DataType] = {
    "day": pl.Date(),
    "detector": pl.String(),
    "entity": pl.String(),  # null: the detector scored something on that day
}
_KEY = ["day", "detector", "entity"]


def learn(scored: Mapping[str, Scores], windows: Mapping[str, Delta], new: Mapping[str, Delta], *, min_bits: float) -> Delta:
    """The surprises of detectors, by name: of their scores, which hold all that are `min_bits` or more, ranked in their windows (`as_of`
    their age), which hold the scores; `new` is the part of each window that these scores are, and says on which days a detector scored.

    All detectors are ranked in one pass, each entity kind of each a stratum of its own.
    """
    if not scored:
        return merge([])
    days = _together({name: [new[name]["day"]] for name in scored}).drop_nulls().unique().sort("detector", "day")
    days = days.filter(pl.col("day").rank("ordinal", descending=True).over("detector") <= HISTORY)
    odd = _together({name: [scores["end"], scores["entity"], scores["score"]] for name, scores in scored.items()})
    odd = odd.with_columns(pl.col("end").dt.date().alias("day")).join(days, on=["detector", "day"], how="semi")
    known = _together({name: [windows[name][column] for column in window.WINDOW] for name in scored})
    own = [
        table.with_columns(pl.concat_str("detector", pl.lit(" "), column).alias(column))
        for table, column in ((odd, "entity"), (known, "stratum"))
    ]
    found = odd.filter(window.rank_before(*own) <= 2.0**-min_bits)
    return merge([days.with_columns(pl.lit(None, pl.String).alias("entity")), found])


def _together(columns: Mapping[str, list[pl.Series]]) -> pl.DataFrame:
    """Columns of several detectors as one table, with the column `detector`."""
    parts = [pl.DataFrame(part) for part in columns.values()]
    names = pl.Series("detector", list(columns), dtype=pl.String)
    return pl.concat(parts, how="vertical_relaxed").with_columns(names.gather(np.repeat(np.arange(len(parts)), [len(p) for p in parts])))


def learn_rules(findings: Iterable[Finding], days: Iterable[date]) -> Delta:
    """Surprises of detectors named `kind:rule`, a kind together: what was new is a rule on an entity. `days` are those with any event."""
    latest = sorted(days)[-HISTORY:]
    rows = [(f.end.date(), f.detector.partition(":")[0], f"{f.detector} {f.entity}") for f in findings if ":" in f.detector]
    made = pl.DataFrame(rows, schema=SURPRISES, orient="row").filter(pl.col("day").is_in(latest))
    return merge([*(_marks(kind, latest) for kind in ("sigma", "alert", "intel")), made])


def merge(deltas: Sequence[Delta]) -> Delta:
    """All surprises, each once, of a detector and day the first `MANY` by name; `merge([])` is the identity."""
    rows = pl.concat([pl.DataFrame(schema=SURPRISES), *(delta.select(*SURPRISES) for delta in deltas)]).unique(_KEY)
    rows = rows.sort(_KEY, nulls_last=False)
    return rows.filter(pl.col("entity").is_not_null().cum_sum().over("day", "detector") <= MANY)


def _marks(name: str, days: Sequence[date]) -> Delta:
    return pl.DataFrame({"day": days, "detector": [name] * len(days), "entity": [None] * len(days)}, schema=SURPRISES)


@dataclass(frozen=True, slots=True)
class Drift:
    """What the budget's promise is worth.

    state     "calibrating" (no detector has `WARM_UP` days yet), "holds" or "not guaranteed"
    since     first day of the shift, where it is not guaranteed
    evidence  W of the last day
    moved     detectors whose surprises spoke for the shift most, strongest first
    periods   every stretch (first day, day of its end or None) without guarantee in the days looked at
    """

    state: str
    since: date | None = None
    evidence: float = 1.0
    moved: tuple[str, ...] = ()
    periods: tuple[tuple[date, date | None], ...] = ()

    @property
    def statement(self) -> str:
        """In the words that stand everywhere; empty while the promise holds."""
        return f"budget not guaranteed since {self.since}" if self.since else ""


def judge(surprises: Delta) -> Drift:
    """The drift test over all surprises of the ledger, merged."""
    counts = surprises.group_by("day", "detector").agg(pl.col("entity").drop_nulls().n_unique().alias("n"))
    days = counts["day"].drop_nulls().unique().sort().tail(HISTORY).to_list()
    table: dict[str, dict[date, int]] = {}
    for day, detector, n in counts.filter(pl.col("day").is_in(days)).sort("detector").iter_rows():
        table.setdefault(detector, {})[day] = n
    wealth, start, on, bet = 1.0, None, False, False
    moved: tuple[str, ...] = ()
    periods: list[tuple[date, date | None]] = []
    for place, day in enumerate(days):
        values = _values(table, days[max(0, place - PAST) : place], day)
        if not values:
            continue
        bet = True
        if wealth <= 1:
            start = day
        wealth = min(ALARM, max(wealth, 1.0) * _mean(values))
        if wealth >= ALARM and not on:
            on, moved = True, tuple(sorted((n for n in values if values[n] > 1), key=lambda n: (-values[n], n))[:3])
            periods.append((start or day, None))
        elif on and wealth < ALARM / 10:
            on, moved = False, ()
            periods[-1] = (periods[-1][0], day)
    state = "not guaranteed" if on else "holds" if bet else "calibrating"
    return Drift(state, periods[-1][0] if on else None, wealth, moved, tuple(periods))


def _mean(values: Mapping[str, float]) -> float:
    """The e-value of a day: the mean over detectors, each held at what makes half of an alarm by itself."""
    most = ALARM * max(2, len(values)) / 2
    return sum(min(value, most) for value in values.values()) / len(values)


def _values(table: dict[str, dict[date, int]], before: Sequence[date], day: date) -> dict[str, float]:
    """Detector -> e-value of the day, for those that scored on it and on enough days before."""
    values = {}
    for detector, counts in table.items():
        past = [counts[one] for one in before if one in counts]
        if day in counts and len(past) >= WARM_UP:
            values[detector] = e_value(p_value(counts[day], len(past), sum(past)))
    return values


def p_value(count: int, days: int, total: int) -> float:
    """Probability of `count` or more after `days` with `total` together, geometric counts of unknown mean."""
    if count <= 0:
        return 1.0
    return math.exp(_log_beta(1.0 + days, 0.5 + total + count) - _log_beta(1.0 + days, 0.5 + total))


def e_value(p: float) -> float:
    """What a bet on small p pays: the mixture over kappa in [0, 1] of kappa * p^(kappa - 1). It falls in p, and its mean over p is 1."""
    if p > 1 - 1e-6:
        return 0.5
    p = max(p, 1e-300)
    return (1 - p + p * math.log(p)) / (p * math.log(p) ** 2)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
