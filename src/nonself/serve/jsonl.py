"""JSON lines out: one object a line, `type` says which (`budget`, `incident`, `finding`, `event`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import polars as pl

from nonself.calibrate.drift import Drift
from nonself.core import safe
from nonself.serve.story import Story


def budget(standing: Drift) -> str:
    """What the budget's promise is worth: state, since when, the evidence (100 raises the alarm), which detectors speak for it."""
    told = msgspec.to_builtins({"state": standing.state, "since": standing.since, "evidence": standing.evidence, "moved": standing.moved})
    return safe.json({"type": "budget", **told, "statement": standing.statement})


def lines(stories: Iterable[Story]) -> Iterator[str]:
    """Each incident with its member events (where each lies: `origin`, `record` from 0, `uid`), then its findings, then the events of its
    evidence (null columns left out)."""
    for story in stories:
        incident = msgspec.to_builtins(story.incident)
        yield safe.json({"type": "incident", **incident, "events": list(members(story))})
        for finding in story.findings:
            yield safe.json({"type": "finding", "incident": story.incident.id, **msgspec.to_builtins(finding)})
        for event in event_rows(story.evidence):
            yield safe.json({"type": "event", "incident": story.incident.id, **event})


def members(story: Story) -> Iterator[dict[str, Any]]:
    """The events that its findings name, in order of time, each with what leads back to its record and the findings it is part of."""
    by_event: dict[str, list[str]] = {}
    for finding in story.findings:
        for uid in finding.events:
            by_event.setdefault(uid, []).append(finding.id)
    for event in event_rows(story.evidence.select("uid", "time", "source", "origin", "record")):
        yield {**event, "findings": by_event.get(event["uid"], [])}


def event_rows(events: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Events as dicts without their nulls; times as ISO 8601."""
    for row in events.iter_rows(named=True):
        kept = {name: value for name, value in row.items() if value is not None}
        if "time" in kept:
            kept["time"] = kept["time"].isoformat()
        yield kept
