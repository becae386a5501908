"""Detectors: learners from the content tables (`detectors()`), and known-bad patterns (`detect.sigma`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from nonself.core.events import Events
from nonself.detect.contract import Detector

if TYPE_CHECKING:
    from nonself.detect.view import View


def detectors(*, peers: bool = True) -> tuple[Detector, ...]:
    """Every detector, in the order of the content tables; the same ones at every call. Read at the first, so that importing stays cheap.
    Without `peers` nobody else vouches for a y: `compare = "own"` where it is "history" or "alike"."""
    return _shipped(peers)


@cache
def _shipped(peers: bool) -> tuple[Detector, ...]:
    from nonself.detect.content import shipped

    return shipped(peers=peers)


Read = Callable[[tuple[int, ...], list[str]], Events]
"""Gives the events of some OCSF classes with some columns."""


def views(read: Read, *, evidence: bool, peers: bool = True) -> Iterator[tuple[Detector, View]]:
    """Each detector that looks at any events, with a view of the events of its classes, to `learn` (`evidence=False`) or `score`.

    Detectors of the same classes share a view, which works out once what several of them need; `learn` and `score` give the same as on
    the events themselves. Only what one view is made of is read at a time.
    """
    from nonself.detect.content import specs
    from nonself.detect.view import view

    for groups in _overlapping(peers):
        columns = sorted({"uid", "time", "class_uid"}.union(*(detector.columns for group in groups.values() for detector in group)))
        events = read(tuple(sorted(set().union(*groups))), columns)
        for left, (classes, group) in zip(range(len(groups) - 1, -1, -1), groups.items(), strict=True):
            chosen = _only(events, classes)
            events = events if left else events.clear()  # what a view holds in another order is not held twice
            if chosen.height:
                some = view(chosen, specs(group), evidence=evidence)
                del chosen
                yield from ((detector, some) for detector in group)
                del some


def _only(events: Events, classes: tuple[int, ...]) -> Events:
    """The events of some classes; without copying them where that is all of them."""
    chosen = events["class_uid"].is_in(classes)
    return events if chosen.all() else events.filter(chosen)


@cache
def _overlapping(peers: bool) -> tuple[dict[tuple[int, ...], list[Detector]], ...]:
    """Detectors by the classes they look at; where these overlap they are read together, since no file holds more than one class."""
    found: list[dict[tuple[int, ...], list[Detector]]] = []
    for detector in detectors(peers=peers):
        classes = set(detector.classes)
        near = [groups for groups in found if not classes.isdisjoint(set().union(*groups))]
        joined: dict[tuple[int, ...], list[Detector]] = {}
        for groups in near:
            joined |= groups
        joined.setdefault(detector.classes, []).append(detector)
        found = [groups for groups in found if groups not in near] + [joined]
    return tuple(found)
