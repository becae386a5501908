"""What an alert track must be better than: simple ways to make incidents of the same cells, scored with the same rule and thresholds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from math import log2
from typing import Any

import polars as pl

from nonself.calibrate import alerts as calibration
from nonself.core.scores import Delta
from nonself.detect import alerts
from nonself.lab.ait_data import Scenario
from nonself.lab.ait_online import Cell, Found

LINGER = timedelta(hours=24)
GAP = timedelta(minutes=5)
Group = list[tuple[Cell, datetime, float]]
"""Cells with their times and the bits each adds."""


def _severity(scenario: Scenario, known: Delta) -> list[Found]:
    """The tool's own severity, highest first: an incident is a host's hour. The files give none, so all rank alike, first come first."""
    level = dict(zip(("informational", "low", "medium", "high", "critical"), range(1, 6), strict=True))
    rules = alerts.rules(known)
    groups: dict[tuple[str, datetime], Group] = {}
    for cell, time, _ in _cells(known):
        groups.setdefault((cell[1], cell[2]), []).append((cell, time, float(level.get(rules[cell[0]].level, 0))))
    return _told(groups.values(), best=True)


def _first_type(scenario: Scenario, known: Delta) -> list[Found]:
    """A rule that fires for the first time anywhere."""
    return _first_seen(scenario, known, lambda cell: cell[0])


def _first_pair(scenario: Scenario, known: Delta) -> list[Found]:
    """A rule that fires for the first time on this host."""
    return _first_seen(scenario, known, lambda cell: cell[:2])


def _first_seen(scenario: Scenario, known: Delta, key: Callable[[Cell], Any]) -> list[Found]:
    """Firsts on one host within an hour are an incident; each adds log2 of the hours watched in vain."""
    met: set[Any] = set()
    groups: dict[tuple[str, datetime], Group] = {}
    for cell, time, _ in _cells(known):
        if key(cell) not in met:
            met.add(key(cell))
            hours = (time - scenario.start) / timedelta(hours=1)
            groups.setdefault((cell[1], cell[2]), []).append((cell, time, log2(1 + hours)))
    return _told(groups.values())


def _time(scenario: Scenario, known: Delta) -> list[Found]:
    """Whatever comes within five minutes of each other is an incident, of as many bits as it has kinds of alert."""
    groups: list[Group] = []
    last: datetime | None = None
    for cell, time, _ in _cells(known):
        if last is None or time - last > GAP:
            groups.append([])
        groups[-1].append((cell, time, 1.0))
        last = time
    return _told(groups)


def _linked(scenario: Scenario, known: Delta) -> list[Found]:
    """Rarity and burst, summed over all that comes to a host within a day of its first: no edge costs anything."""
    rules, past = alerts.rules(known), known.clear()
    groups: list[Group] = []
    begun: dict[str, Group] = {}
    for new in known.sort("hour").partition_by("hour", maintain_order=True):
        past = pl.concat([past, new])
        for f in sorted(calibration.findings(new, past, rules, None, min_bits=0.0), key=lambda f: f.start):
            cell = (f.detector.partition(":")[2], f.entity, f.start.replace(minute=0, second=0, microsecond=0))
            if f.entity not in begun or f.start - begun[f.entity][0][1] > LINGER:
                begun[f.entity] = []
                groups.append(begun[f.entity])
            begun[f.entity].append((cell, f.start, f.bits))
    return _told(groups)


BASELINES: dict[str, Callable[[Scenario, Delta], list[Found]]] = {
    "severity sort": _severity,
    "first-seen type": _first_type,
    "first-seen (type, host)": _first_pair,
    "time grouping": _time,
    "rarity + burst + host link": _linked,
}


def _cells(known: Delta) -> Iterable[tuple[Cell, datetime, int]]:
    """Cell, time of its first alert and number of alerts, in order of time."""
    rows = known.select("rule", "entity", "hour", "start", "n_events").sort("start", "rule", "entity").iter_rows()
    return (((rule, entity, hour), start, n) for rule, entity, hour, start, n in rows)


def _told(groups: Iterable[Group], *, best: bool = False) -> list[Found]:
    """Incidents whose bits are the sum of their cells' (or the best of them)."""
    found = []
    for group in groups:
        growth, so_far = [], 0.0
        for _, _, bits in group:
            so_far = max(so_far, bits) if best else so_far + bits
            growth.append(so_far)
        found.append(Found(tuple(cell for cell, _, _ in group), tuple(time for _, time, _ in group), tuple(growth)))
    return found
