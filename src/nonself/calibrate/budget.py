"""The budget: at most N incidents a day are shown, the most significant ones. The rest is kept and stays queryable.

What is promised: a hard cap of N shown a day, and on average no more than N false ones a day while behaviour stays like the
calibration period. No precision is promised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from nonself.core.incident import Incident


def apply(incidents: Sequence[Incident], per_day: int) -> list[Incident]:
    """The same incidents, most significant first, `shown` set for the `per_day` first of each day (the day an incident began). What
    verdicts have taught comes before bits: a stronger incident displaces a weaker one, whichever came first. One that is closed takes
    nobody's place, and is not shown."""
    used: Counter[date] = Counter()
    out = []
    for incident in sorted(incidents, key=order):
        day = incident.start.date()
        used[day] += incident.state == "open"
        out.append(msgspec.structs.replace(incident, shown=incident.state == "open" and used[day] <= per_day))
    return out


def order(incident: Incident) -> tuple[float, float, datetime, str]:
    """The order of the queue: by rank where there is one, then by bits."""
    return (-(incident.rank or 0.0), -incident.bits, incident.start, incident.id)


def threshold(past: Sequence[float], days: float, per_day: float) -> float:
    """Bits above which incidents come about `per_day` times a day, by the past alone: as many of the `past` incidents of so many `days`
    were over it as the rate allows (split conformal, so on average no more while days stay like those). 0 where nothing has passed yet.

    All incidents of the past belong in `past`, the true ones too: leaving them out would lower the threshold after every find.
    """
    allowed = int(days * per_day)
    return sorted(past, reverse=True)[allowed] if allowed < len(past) else 0.0
