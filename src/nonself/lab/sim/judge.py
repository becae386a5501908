"""What a queue is worth, by the truth.

An item is *true* if one of its findings rests for at least half on events of a campaign; else it is a benign trigger or an attempt if
half of its findings are; else a false alarm. A step is *covered* if any of its events is evidence in an item that was shown.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

from nonself.lab.sim.cases import WARM_UP
from nonself.lab.sim.queue import Item, Queue
from nonself.lab.sim.read import Outcome, Step

TOPS = (1, 3, 5, 10)
RATES = (0.25, 0.5, 1.0, 2.0)
"""False incidents a day that a threshold is meant to let through."""
PAST = 7
"""Days a threshold looks back."""
KINDS = ("true", "benign trigger", "attempt", "false alarm")


@dataclass(slots=True)
class Shown:
    """What was shown: by day the items as they stood at its end, and at last by name. What was once shown stays."""

    days: list[list[Item]] = field(default_factory=list)
    items: dict[str, Item] = field(default_factory=dict)

    def day(self, items: Sequence[Item], chosen: Iterable[Item]) -> None:
        """One day's end: of all its `items` those shown before, and the `chosen`."""
        names = self.items.keys() | {item.name for item in chosen}
        self.days.append([item for item in items if item.name in names])
        self.items = {item.name: item for item in self.days[-1]}


def top(queue: Queue, k: int) -> Shown:
    """Each day's end shows the `k` best of the items that begin on each day so far; what was once shown stays."""
    shown = Shown()
    for items in queue:
        by_day = defaultdict[int, list[Item]](list)
        for item in items:
            by_day[item.day].append(item)
        shown.day(items, [item for group in by_day.values() for item in sorted(group, key=lambda item: (-item.score, item.name))[:k]])
    return shown


def over(queue: Queue, rate: float) -> Shown:
    """Each day's end shows the items active that day whose score is over the threshold that would have let `rate` items a day through in
    the week before, true ones among them: nothing of that day or later, and no truth, is used."""
    shown = Shown()
    for day, items in enumerate(queue):
        days = min(PAST, day)
        if days < 3:
            shown.day(items, ())
            continue
        past = sorted((item.score for item in queue[day - 1] if day - days <= item.day < day), reverse=True)
        allowed = math.floor(rate * days)
        threshold = past[allowed] if allowed < len(past) else 0.0
        shown.day(items, [item for item in items if item.last >= day and item.score > threshold])
    return shown


def judge(outcome: Outcome, shown: Shown) -> dict[str, Any]:
    """Figures of one queue on one case: coverage of steps; items by kind, and findings in them, a day after the warm-up; fragmentation
    (true items a campaign); contamination (findings in true items that are not); hours to the first true item by campaign (None: never)."""
    kinds, covered, touched, impure = Counter[str](), set[Step](), defaultdict[str, set[str]](set), list[float]()
    read = sum(len(item.parts) for item in shown.items.values() if item.day >= WARM_UP)
    for name, item in shown.items.items():
        told = [_told(outcome, part) for part in item.parts]
        kind = _kind(told)
        if item.day >= WARM_UP:
            kinds[kind] += 1
        for label in (outcome.labels[uid] for part in item.parts for uid in part if uid in outcome.labels):
            if label[0] == "campaign":
                covered.add((label[1], label[2]))
        if kind == "true":
            impure.append(sum(one != "true" for one, _ in told) / len(told))
            for campaign in {campaign for one, campaign in told if one == "true"}:
                touched[campaign].add(name)
    days = max(1, len(outcome.found) - WARM_UP)
    return {
        "coverage": len(covered & outcome.steps.keys()) / max(1, len(outcome.steps)),
        "per_day": {kind: kinds[kind] / days for kind in KINDS},
        "fragmentation": sum(map(len, touched.values())) / len(touched) if touched else None,
        "findings_a_day": read / days,
        "contamination": sum(impure) / len(impure) if impure else None,
        "found": {name: name in touched for name in sorted({name for name, _ in outcome.steps})},
        "hours_to_first": _hours(outcome, shown),
    }


def findings_by_kind(outcome: Outcome) -> dict[str, float]:
    """What all findings after the warm-up are about, as shares: the world promises benign triggers and attempts among what looks odd."""
    kinds = Counter(_told(outcome, finding.events)[0] for day in outcome.found[WARM_UP:] for finding in day)
    return {kind: round(kinds[kind] / max(1, kinds.total()), 3) for kind in KINDS}


def _told(outcome: Outcome, part: Sequence[str]) -> tuple[str, str]:
    """What one finding is about: its kind, and the campaign where it is true."""
    labels = Counter(outcome.labels[uid][:2] for uid in part if uid in outcome.labels)
    by_kind = Counter[str]()
    for (kind, _), n in labels.items():
        by_kind[kind] += n
    for kind in ("campaign", "benign trigger", "attempt"):
        if 2 * by_kind[kind] >= len(part) > 0:
            name = max((n, name) for (one, name), n in labels.items() if one == kind)[1]
            return ("true", name) if kind == "campaign" else (kind, name)
    return "false alarm", ""


def _kind(told: Sequence[tuple[str, str]]) -> str:
    kinds = Counter(kind for kind, _ in told)
    if kinds["true"]:
        return "true"
    return next((kind for kind in ("benign trigger", "attempt") if 2 * kinds[kind] >= len(told)), "false alarm")


def _hours(outcome: Outcome, shown: Shown) -> dict[str, float | None]:
    """From a campaign's first record to the end of the day whose queue first showed an item that was true of it by then."""
    begun: dict[str, datetime] = {}
    for (name, _), at in outcome.steps.items():
        begun[name] = min(at, begun.get(name, at))
    midnight, first = datetime.combine(outcome.first, time(), UTC), dict[str, datetime]()
    for day, items in enumerate(shown.days):
        for part in {part for item in items for part in item.parts}:
            kind, campaign = _told(outcome, part)
            if kind == "true":
                first.setdefault(campaign, midnight + timedelta(days=day + 1))
    return {name: round((first[name] - at).total_seconds() / 3600, 1) if name in first else None for name, at in sorted(begun.items())}
