"""What an alert track's incidents are worth: how much of the attack is found at how many false incidents a day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from nonself.calibrate.budget import threshold
from nonself.lab.ait_data import WARM_UP
from nonself.lab.ait_online import Cell, Found, Truth

NOMINAL = 0.5
"""False incidents a day that the threshold is set for."""
CAP = 2
"""Incidents of a day that are shown at most: four times the nominal rate, as far as the realised one may be from it."""
_DAY = timedelta(days=1)
TRUE_SHARE = 0.5
"""An incident is true where at least half of its cells are of the attack; false where none is; between, it is mixed."""
UNCAPPED = ("coverage", "false_a_day", "mixed", "f1")
"""Figures that are told of all incidents over the threshold, too."""
Truths = Mapping[Cell, Truth]


def measures(found: Sequence[Found], truth: Truths, begin: datetime, end: datetime, campaigns: Sequence[int] = (1,)) -> dict[str, Any]:
    """All figures of one run from `begin` (of the warm-up, which counts only as past) to `end` of the data. Shown are the `CAP` strongest
    of those that pass the past-only threshold on a day: what was shown before takes no place, and a stronger one displaces a weaker one."""
    after = begin + WARM_UP
    days = [after + n * _DAY for n in range(-(-(end - after) // _DAY))]
    steps = {c: frozenset(s for cell, t in truth.items() if cell[2] >= after for s in t.steps.get(c, ())) for c in campaigns}
    top: dict[int, list[Found]] = {1: [], 3: [], 5: []}
    passed: dict[int, Found] = {}
    shown: dict[int, tuple[Found, datetime]] = {}
    places: list[int] = []
    for day in days:
        today = sorted(
            (i for i in found if any(day <= time < day + _DAY for time in i.times)), key=lambda i: (-i.bits(day + _DAY), i.times)
        )
        for k, best in top.items():
            best += today[:k]
        places += [place for place, incident in enumerate(today, 1) if _exfiltrates(incident, truth, day)]
        limit = threshold([i.bits(day) for i in found if i.times[0] < day], (day - begin) / _DAY, NOMINAL)
        over = [i for i in today if i.bits(day + _DAY) > limit]
        passed |= {id(i): i for i in over}
        chosen = [i for i in over if id(i) not in shown][:CAP]
        shown |= {id(i): (i, _passed(i, day, limit)) for i in chosen}
    out: dict[str, Any] = {f"top{k}": _coverage(best, truth, steps) for k, best in top.items()}
    first = min((when for incident, when in shown.values() if _attack_cells(incident, truth)), default=None)
    told = [incident for incident, _ in shown.values()]
    out |= _shown(told, truth, steps, len(days)) | _exfiltration(told, truth, after, places)
    uncapped = _shown(list(passed.values()), truth, steps, len(days))
    out |= {f"{name}_uncapped": uncapped[name] for name in UNCAPPED}
    return {**out, "hours_to_first_true": _hours(first, truth, after)}


def _shown(shown: Sequence[Found], truth: Truths, steps: Mapping[int, frozenset[str]], days: int) -> dict[str, Any]:
    hit = [i for i in shown if _attack_cells(i, truth)]
    true = [i for i in hit if len(_attack_cells(i, truth)) >= TRUE_SHARE * len(i.cells)]
    false = [i for i in shown if i not in hit and not _exfiltrates(i, truth)]
    cells = sum(len(i.cells) for i in true)
    return {
        "coverage": _coverage(shown, truth, steps),
        "false_a_day": len(false) / days,
        "realised_to_nominal": len(false) / days / NOMINAL,
        "true": len(true) / len(steps),
        "mixed": (len(hit) - len(true)) / len(steps),
        "contamination": (cells - sum(len(_attack_cells(i, truth)) for i in true)) / cells if cells else None,
        "contamination_with_mixed": _contamination(hit, truth),
        "f1": sum(_f1(shown, truth, campaign, wanted) for campaign, wanted in steps.items()) / len(steps),
    }


def _exfiltration(shown: Sequence[Found], truth: Truths, after: datetime, places: Sequence[int]) -> dict[str, Any]:
    """The track of data leaving by DNS: cells of it, in all and after the warm-up; the best place, among the incidents of a day, of one
    with such a cell on that day; whether one was over the threshold. All null where there is no such data."""
    hours = [cell[2] for cell, t in truth.items() if t.exfiltration]
    return {
        "exfiltration_cells": len(hours) or None,
        "exfiltration_cells_after": sum(hour >= after for hour in hours) if hours else None,
        "exfiltration_place": min(places, default=None),
        "exfiltration_found": any(_exfiltrates(i, truth, after) for i in shown) if hours else None,
    }


def _exfiltrates(incident: Found, truth: Truths, since: datetime | None = None) -> bool:
    """Whether an incident has a cell of it, from some time on."""
    return any(cell in truth and truth[cell].exfiltration and (since is None or cell[2] >= since) for cell in incident.cells)


def _contamination(hit: Sequence[Found], truth: Truths) -> float | None:
    cells = sum(len(i.cells) for i in hit)
    return (cells - sum(len(_attack_cells(i, truth)) for i in hit)) / cells if cells else None


def _attack_cells(incident: Found, truth: Truths, campaign: int = 0) -> list[Cell]:
    """Its cells that are of the attack chain; of one campaign, where it is named."""
    return [cell for cell in incident.cells if cell in truth and (campaign in truth[cell].steps if campaign else truth[cell].steps)]


def _coverage(incidents: Iterable[Found], truth: Truths, steps: Mapping[int, frozenset[str]]) -> float:
    """Share of each campaign's steps that have a cell in one of the incidents; the mean over campaigns."""
    cells = [truth[cell] for i in incidents for cell in i.cells if cell in truth]
    shares = [len({s for t in cells for s in t.steps.get(c, ())} & wanted) / len(wanted) for c, wanted in steps.items() if wanted]
    return sum(shares) / len(shares) if shares else 0.0


def _f1(shown: Sequence[Found], truth: Truths, campaign: int, wanted: frozenset[str]) -> float:
    """The best incident's harmonic mean of precision in cells and recall in steps."""
    best = 0.0
    for incident in shown:
        cells = _attack_cells(incident, truth, campaign)
        recall = len({s for cell in cells for s in truth[cell].steps[campaign]}) / max(1, len(wanted))
        precision = len(cells) / len(incident.cells)
        best = max(best, 2 * recall * precision / (recall + precision) if recall else 0.0)
    return best


def _passed(incident: Found, day: datetime, limit: float) -> datetime:
    """When an incident was over the limit of a day for the first time on it."""
    return next((t for t, bits in zip(incident.times, incident.growth, strict=True) if t >= day and bits > limit), day)


def _hours(first: datetime | None, truth: Truths, after: datetime) -> float | None:
    """Hours from the first hour with a step of the attack; an alert late in that hour counts from its beginning."""
    begun = min((cell[2] for cell, t in truth.items() if t.steps and cell[2] >= after), default=None)
    return (first - begun) / timedelta(hours=1) if first and begun else None
