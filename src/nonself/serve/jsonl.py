"""JSON lines out: one object a line, `type` says which (`incident`, `finding`, `event`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import polars as pl

from nonself.core import safe
from nonself.serve.story import Story


def lines(stories: Iterable[Story]) -> Iterator[str]:
    """Each incident, then its findings, then the events of its evidence (null columns left out)."""
    for story in stories:
        incident = msgspec.to_builtins(story.incident)
        yield safe.json({"type": "incident", **incident})
        for finding in story.findings:
            yield safe.json({"type": "finding", "incident": story.incident.id, **msgspec.to_builtins(finding)})
        for event in event_rows(story.evidence):
            yield safe.json({"type": "event", "incident": story.incident.id, **event})


def event_rows(events: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Events as dicts without their nulls; times as ISO 8601."""
    for row in events.iter_rows(named=True):
        kept = {name: value for name, value in row.items() if value is not None}
        if "time" in kept:
            kept["time"] = kept["time"].isoformat()
        yield kept
