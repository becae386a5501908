"""Detectors: learners from the content tables (`detectors()`), and known-bad patterns (`detect.sigma`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from nonself.core.events import Events
from nonself.detect.contract import Detector

if TYPE_CHECKING:
    from nonself.detect.view import View


@cache
def detectors() -> tuple[Detector, ...]:
    """Every detector, in the order of the content tables. Read at the first call, so that importing stays cheap."""
    from nonself.detect.content import shipped

    return shipped()


Read = Callable[[tuple[int, ...], list[str]], Events]
"""Gives the events of some OCSF classes with some columns."""


def views(read: Read, *, evidence: bool) -> Iterator[tuple[Detector, View]]:
    """Each detector that looks at any events, with a view of the events of its classes, to `learn` (`evidence=False`) or `score`.

    Detectors of the same classes share a view, which works out once what several of them need; `learn` and `score` give the same as on
    the events themselves. Only what one view is made of is read at a time.
    """
    from nonself.detect.content import specs
    from nonself.detect.view import view

    together: dict[tuple[int, ...], list[Detector]] = {}
    for detector in detectors():
        together.setdefault(detector.classes, []).append(detector)
    for classes, group in together.items():
        events = read(classes, sorted({"uid", "time"}.union(*(detector.columns for detector in group))))
        if events.height:
            some = view(events, specs(group), evidence=evidence)
            yield from ((detector, some) for detector in group)
            del some
