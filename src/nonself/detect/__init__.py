"""Detectors: learners from the content tables (`detectors()`), and known-bad patterns (`detect.sigma`)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from nonself.core.events import Events
from nonself.detect.contract import Detector

if TYPE_CHECKING:
    from nonself.detect.view import View


@cache
def detectors() -> tuple[Detector, ...]:
    """Every detector, in the order of the content tables. Read at the first call, so that importing stays cheap."""
    from nonself.detect.content import shipped

    return shipped()


def views(events: Events, *, evidence: bool) -> Iterator[tuple[Detector, View]]:
    """Each detector that looks at any of `events`, with a view of the events of its classes, to `learn` (`evidence=False`) or `score`.

    Detectors of the same classes share a view, which works out once what several of them need; `learn` and `score` give the same as on
    `events` itself.
    """
    from nonself.detect.content import specs
    from nonself.detect.view import view

    together: dict[tuple[int, ...], list[Detector]] = {}
    for detector in detectors():
        together.setdefault(detector.classes, []).append(detector)
    present = set(events["class_uid"].unique().to_list())
    for classes, group in together.items():
        if present.isdisjoint(classes):
            continue
        columns = sorted({"uid", "time"}.union(*(detector.columns for detector in group)) & set(events.columns))
        some = view(events.select(columns).filter(pl.col("class_uid").is_in(classes)), specs(group), evidence=evidence)
        yield from ((detector, some) for detector in group)
