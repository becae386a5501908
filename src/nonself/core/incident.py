"""`Incident`: findings joined by typed edges into one story an analyst can judge."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """Why two findings belong together: `kind` is a joint ("same host", "parent process", ...), `entity` the thing they share."""

    a: str
    b: str
    kind: str
    entity: str


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One ATT&CK tactic of the story: when it was first seen and by how many findings."""

    tactic: str
    start: datetime
    techniques: tuple[str, ...]
    n_findings: int


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """The unit of an analyst's work.

    id        stable: hash of its earliest, strongest finding; survives growth
    title     plain words
    bits      significance: the findings' surprise combined, with the number of findings looked at paid for
    entities  the entities that carry it, most involved first
    stages    ATT&CK tactics in the order they were first seen
    findings  ids, strongest first
    edges     why the findings were joined (a spanning set, not every pair)
    n_events  distinct events of evidence, as counted by the findings
    state     "open" or "closed"
    shown     whether it is within the budget of its day; the rest stays queryable
    """

    id: str
    title: str
    bits: float
    start: datetime
    end: datetime
    entities: tuple[str, ...]
    stages: tuple[Stage, ...]
    findings: tuple[str, ...]
    edges: tuple[Edge, ...]
    n_events: int
    state: str = "open"
    shown: bool = True
