"""The budget: at most N incidents a day are shown. The rest is kept and stays queryable.

What is promised: a hard cap of N shown a day, and on average no more than N false ones a day while behaviour stays like the
calibration period. No precision is promised.

Days are those on which incidents began. Whoever looks every hour must not be shown N an hour, each displaced by the next. So once there
is a past to go by,

- an incident is shown only if it is over the bits that `SLACK` * N incidents a day of the week before were over: on a quiet morning
  nobody is shown the best of nothing;
- in the last quarter of a day, when it is known to be a quiet one, that rate doubles for each quarter of N that the six days before have
  left of their budgets: a week asks for less until its budget is spent (integral control; without it a fifth of a budget of 2 a day never
  was, and in the morning it would give the day's places to whatever comes first);
- what was shown stays, and holds its place among its day's N;
- only what came less often than `SELDOM` * N times a day in the week before takes a place from it.

An incident's own significance is told the same way, by the incidents of the four weeks before:

    rate = (1 + incidents at least as surprising) / days

so many a day are to be expected, by chance and by all the findings, edges and stories that were looked at to find it: they were looked at
then, too. While days are exchangeable, incidents with a rate of at most r come r times a day or less, on average (split conformal). Bits
promise nothing of the sort: a sum of what several findings have left over has a longer tail than 2^-bits.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

import msgspec

from nonself.core.incident import Incident

SLACK = 2.0
"""More incidents pass the past's bits on a busy day than on a quiet one, and the cap cuts the busy ones: with 1 a fifth to two fifths of
the budget stay unused, with 2 a tenth at most (two development companies, 5 a day)."""
SPARE = 4.0
"""Doublings of the rate for each N that was left."""
EVENING = timedelta(hours=18)
"""How much of a day has passed when what was left is spent."""
SELDOM = 0.1
"""What displaces: the cap is passed at most that often, by those who look all day long."""
WEEK, MONTH = 7, 28
"""Days back that thresholds and rates look."""
LEAST = 3
"""Days before a threshold says anything; a rate waits for `WEEK`."""


def apply(incidents: Sequence[Incident], per_day: int) -> list[Incident]:
    """The same incidents, first of the queue first, with `rate`, and `shown` set for at most `per_day` of each day. What verdicts have
    taught comes before bits. `shown` of what comes in says what was shown before. An incident that is closed takes nobody's place, and is
    not shown."""
    past, listed = Past(incidents), sorted(incidents, key=lambda i: (i.start.date(), order(i)))
    now, spent = max((i.end for i in incidents), default=None), dict[date, int]()
    out: list[Incident] = []
    for day, group in groupby(listed, key=lambda i: i.start.date()):
        today, week = list(group), past.before(day, WEEK)
        over = now is not None and now - datetime.combine(day, time(), UTC) >= EVENING
        kept = _shown(today, week, per_day, _left(spent, day, week.days, per_day) if over else 0.0)
        spent[day] = len(kept)
        month = past.before(day, MONTH)
        out += [msgspec.structs.replace(i, shown=i.id in kept, rate=month.rate(i.bits)) for i in today]
    return sorted(out, key=order)


def _left(spent: Mapping[date, int], day: date, known: int, per_day: int) -> float:
    """What the six days before, those of them that are known, have left of their budgets, in budgets of a day."""
    days = (day - timedelta(days=back) for back in range(1, min(WEEK - 1, known) + 1))
    return sum(1.0 - spent.get(one, 0) / per_day for one in days) if per_day else 0.0


def _shown(today: Iterable[Incident], past: Before, per_day: int, left: float) -> set[str]:
    """Names of those of one day, given in order of the queue, that are shown; `left` of the days before raises the rate that is let in."""
    able = [i for i in today if i.state == "open"]
    if past.days >= LEAST:
        floor, displacing = past.threshold(SLACK * per_day * 2.0 ** (SPARE * left)), past.threshold(SELDOM * per_day)
        able = [i for i in able if i.shown or i.bits > floor]
        able.sort(key=lambda i: (i.bits <= displacing, i.bits <= displacing and not i.shown))
    return {i.id for i in able[:per_day]}


def order(incident: Incident) -> tuple[float, float, datetime, str]:
    """The order of the queue: by rank where there is one, then by bits."""
    return (-(incident.rank or 0.0), -incident.bits, incident.start, incident.id)


class Past:
    """The bits of all incidents, by the day they began."""

    def __init__(self, incidents: Iterable[Incident]) -> None:
        self._by_day: dict[date, list[float]] = {}
        for incident in incidents:
            self._by_day.setdefault(incident.start.date(), []).append(incident.bits)
        self._first = min(self._by_day, default=date.max)

    def before(self, day: date, most: int) -> Before:
        """The `most` days before one; fewer where there are no more since the first incident."""
        days = min(most, (day - self._first).days)
        held = (self._by_day.get(day - timedelta(days=back), []) for back in range(1, days + 1))
        return Before(sorted(bits for one in held for bits in one), max(0, days))


@dataclass(frozen=True, slots=True)
class Before:
    """The bits of incidents of some days, lowest first. All of the past belong here, the true ones too: leaving them out would lower the
    threshold after every find."""

    bits: list[float]
    days: int

    def threshold(self, per_day: float) -> float:
        """Bits that about `per_day` of these incidents a day were over; 0 where no more came than that."""
        return threshold(self.bits, self.days, per_day)

    def rate(self, bits: float) -> float | None:
        """Incidents a day at least as surprising, the asking one among them; None before there is a week."""
        return (1 + len(self.bits) - bisect_left(self.bits, bits)) / self.days if self.days >= WEEK else None


def threshold(past: Sequence[float], days: float, per_day: float) -> float:
    """Bits above which incidents come about `per_day` times a day, by the past alone: as many of the `past` incidents of so many `days`
    were over it as the rate allows (split conformal, so on average no more while days stay like those). 0 where nothing has passed yet."""
    allowed = int(days * per_day)
    return sorted(past, reverse=True)[allowed] if allowed < len(past) else 0.0
