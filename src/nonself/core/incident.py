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


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """What part an entity has in the story: "patient zero" (where it began), "pivot" (what joins its hosts), "target" (where it went)."""

    name: str
    entity: str


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """The unit of an analyst's work.

    id        stable: hash of its earliest finding; survives growth
    title     plain words
    bits      significance: the findings' surprise summed, with the number of findings looked at paid for
    entities  the entities that carry it, most involved first
    stages    ATT&CK tactics in the order they were first seen
    findings  ids, strongest first
    edges     why the findings were joined (a spanning tree, not every pair)
    n_events  distinct events of evidence, as counted by the findings
    state     "open" or "closed"
    shown     whether it is open and within the budget of its day; the rest stays queryable
    raised    when it was first an incident: the end of its earliest finding (time of the events, not of the clock)
    changed   when it last changed: the latest end of its findings
    essence   the few events that carry nine tenths of its bits, strongest first
    roles     what part its main entities have
    merged    ids of earlier incidents that became part of it
    rank      its place by what verdicts have taught (higher is first); None before there are enough, when bits say it
    why       why it is in this state, where that needs words ("re-opened: 3 new findings since it was closed")
    rate      incidents a day, at least as surprising, that the four weeks before give reason to expect; None in the first week
    caveat    "budget not guaranteed since T" where it fell into a time when behaviour was unlike the calibration period, else ""
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
    raised: datetime | None = None
    changed: datetime | None = None
    essence: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()
    merged: tuple[str, ...] = ()
    rank: float | None = None
    why: str = ""
    rate: float | None = None
    caveat: str = ""
