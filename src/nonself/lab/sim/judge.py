"""What a queue is worth, by the truth.

An item is *true* if one of its findings rests for at least half on events of a campaign; else it is a benign trigger or an attempt if
half of its findings are; else a false alarm. A step is *covered* if any of its events is evidence in an item that was shown.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
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
    """What was shown over all days: items as they stand at the end, by name, with the day each was first shown on."""

    items: dict[str, Item] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)

    def add(self, items: Sequence[Item], day: int) -> None:
        for item in items:
            self.items[item.name] = item
            self.since.setdefault(item.name, day)


def top(queue: Queue, k: int) -> Shown:
    """Each day's end shows the `k` best of the items that begin on each day so far; what was once shown stays."""
    shown = Shown()
    for day, items in enumerate(queue):
        shown.add([item for item in items if item.name in shown.items], day)
        by_day = defaultdict[int, list[Item]](list)
        for item in items:
            by_day[item.day].append(item)
        for group in by_day.values():
            shown.add(sorted(group, key=lambda item: (-item.score, item.name))[:k], day)
    return shown


def over(queue: Queue, rate: float) -> Shown:
    """Each day's end shows the items active that day whose score is over the threshold that would have let `rate` items a day through in
    the week before, true ones among them: nothing of that day or later, and no truth, is used."""
    shown = Shown()
    for day, items in enumerate(queue):
        shown.add([item for item in items if item.name in shown.items], day)
        days = min(PAST, day)
        if days < 3:
            continue
        past = sorted((item.score for item in queue[day - 1] if day - days <= item.day < day), reverse=True)
        allowed = math.floor(rate * days)
        threshold = past[allowed] if allowed < len(past) else 0.0
        shown.add([item for item in items if item.last >= day and item.score > threshold], day)
    return shown


def judge(outcome: Outcome, shown: Shown) -> dict[str, Any]:
    """Figures of one queue on one case: coverage of steps; items by kind, and findings in them, a day after the warm-up; fragmentation
    (true items a campaign); contamination (findings in true items that are not); hours to the first true item by campaign (None: never)."""
    kinds, covered, touched, impure = Counter[str](), set[Step](), defaultdict[str, set[str]](set), list[float]()
    first: dict[str, int] = {}
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
                first[campaign] = min(first.get(campaign, 10**6), shown.since[name])
    days = max(1, len(outcome.found) - WARM_UP)
    return {
        "coverage": len(covered & outcome.steps.keys()) / max(1, len(outcome.steps)),
        "per_day": {kind: kinds[kind] / days for kind in KINDS},
        "fragmentation": sum(map(len, touched.values())) / len(touched) if touched else None,
        "findings_a_day": read / days,
        "contamination": sum(impure) / len(impure) if impure else None,
        "found": {name: name in touched for name in sorted({name for name, _ in outcome.steps})},
        "hours_to_first": _hours(outcome, first),
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


def _hours(outcome: Outcome, first: dict[str, int]) -> dict[str, float | None]:
    """From a campaign's first record to the end of the day whose queue first showed it."""
    begun: dict[str, datetime] = {}
    for (name, _), at in outcome.steps.items():
        begun[name] = min(at, begun.get(name, at))
    midnight = datetime.combine(outcome.first, time(), UTC)
    ends = {name: midnight + timedelta(days=day + 1) for name, day in first.items()}
    return {name: round((ends[name] - at).total_seconds() / 3600, 1) if name in ends else None for name, at in sorted(begun.items())}
