"""CSV out, as Timesketch and Timeline Explorer load it: `message`, `datetime` and `timestamp_desc` are their mandatory columns."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TextIO

from nonself.core import safe
from nonself.serve import events as told
from nonself.serve.story import Story

COLUMNS = (
    "message", "datetime", "timestamp_desc", "incident", "incident_bits", "finding", "detector", "bits", "level",
    "attack", "entity", "event", "source", "channel", "op", "host", "user", "src_ip", "dst_ip", "origin", "record", "author",
)  # fmt: skip
_EVENT = ("source", "channel", "op", "host", "user", "src_ip", "dst_ip", "origin", "record")
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def write(stories: Iterable[Story], out: TextIO) -> int:
    """One row per event of evidence and finding; every cell is neutralised. Returns the number of rows."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    rows = 0
    for story in stories:
        for row in _rows(story):
            writer.writerow([safe.csv_cell("" if row.get(name) is None else str(row[name])) for name in COLUMNS])
            rows += 1
    return rows


def _rows(story: Story) -> Iterable[dict[str, Any]]:
    events = {event["uid"]: event for event in story.evidence.iter_rows(named=True)}
    for finding in story.findings:
        about = {
            "timestamp_desc": finding.title, "incident": story.incident.id, "incident_bits": f"{story.incident.bits:.1f}",
            "finding": finding.id, "detector": finding.detector, "bits": f"{finding.bits:.1f}", "level": finding.level,
            "attack": " ".join(finding.attack), "entity": finding.entity, "author": finding.author,
        }  # fmt: skip
        for uid in finding.events:
            event = events.get(uid, {})
            when = event.get("time") or finding.start or _NEVER
            yield {
                **about,
                "message": told.sentence(event) if event else finding.title,
                "datetime": when.isoformat(),
                "event": uid,
                **{name: event.get(name) for name in _EVENT},
            }
