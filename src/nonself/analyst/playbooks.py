"""Playbooks: for each shape of incident, the questions a good analyst would ask, of which entities, and over which time.

Deterministic and closed: a playbook is a table of tools from `queries.TOOLS`. What comes back, and what does not, becomes claims.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from nonself.analyst.queries import TOOLS, Query
from nonself.analyst.records import Records
from nonself.core.entities import kind

MOST_QUERIES = 40
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Step:
    """Ask `tool` of the first `most` entities of each of its kinds, from `before` the incident to `after` it."""

    tool: str
    most: int
    before: timedelta = timedelta(0)
    after: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Playbook:
    """`classes`: OCSF classes whose share in the evidence makes an incident one of this shape."""

    name: str
    about: str
    classes: frozenset[int]
    steps: tuple[Step, ...]


_COMMON = (Step("alerts", 2, _DAY, _DAY), Step("log-clearing", 2, _DAY, _DAY), Step("account-changes", 2, _HOUR, _DAY))

PLAYBOOKS: tuple[Playbook, ...] = (
    Playbook(
        "endpoint", "programs, files or settings of a machine", frozenset({1001, 1005, 1006, 1007, 1008, 1009, 201001, 201002, 201004}),
        (Step("credential-access", 2, _HOUR, _DAY), Step("persistence", 2, _HOUR, _DAY), Step("children", 3, after=_DAY),
         Step("remote-logons", 2, _HOUR, _DAY), Step("to-outside", 2, _HOUR, _DAY), Step("failed-logons", 2, _DAY, _HOUR),
         Step("logons", 1, _HOUR), *_COMMON),
    ),
    Playbook(
        "account", "logons and accounts", frozenset({3001, 3002, 3003, 3005, 3006}),
        (Step("failed-logons", 3, _DAY, _DAY), Step("logons", 3, _HOUR, _DAY), Step("remote-logons", 2, _HOUR, _DAY),
         Step("processes", 2, after=_HOUR), Step("to-outside", 2, after=_DAY), Step("persistence", 2, _HOUR, _DAY), *_COMMON),
    ),
    Playbook(
        "cloud", "calls of a cloud or SaaS interface", frozenset({6003, 6005, 3004}),
        (Step("denied-calls", 3, _DAY, _DAY), Step("api-calls", 3, _DAY, _DAY), Step("account-changes", 3, _DAY, _DAY),
         Step("failed-logons", 2, _DAY, _DAY), Step("alerts", 3, _DAY, _DAY)),
    ),
    Playbook(
        "network", "traffic between addresses", frozenset({4001, 4002, 4003, 4005, 4006, 4007, 4008, 4010, 4013, 4014}),
        (Step("to-outside", 3, _DAY, _DAY), Step("names", 2, _HOUR), Step("failed-logons", 2, _HOUR, _DAY),
         Step("processes", 2, _HOUR), Step("credential-access", 1, _HOUR, _DAY), Step("persistence", 2, _HOUR, _DAY), *_COMMON),
    ),
)  # fmt: skip


def choose(records: Records) -> Playbook:
    """The playbook whose classes most of the findings rest on; the first wins a tie, the last one where there is no evidence."""
    classes = dict(records.events.select("uid", "class_uid").iter_rows())
    votes: Counter[str] = Counter()
    for finding in records.findings.values():
        met = {classes.get(uid) for uid in finding.events}
        for playbook in PLAYBOOKS:
            votes[playbook.name] += finding.bits if met & playbook.classes else 0  # type: ignore[assignment]
    return max(PLAYBOOKS, key=lambda p: (votes[p.name], -PLAYBOOKS.index(p))) if votes.total() else PLAYBOOKS[-1]


def plan(playbook: Playbook, records: Records) -> list[Query]:
    """The queries of a playbook for an incident, each once, `MOST_QUERIES` at most."""
    incident = records.incident
    queries = [
        Query(tool=step.tool, entity=entity, start=_moved(incident.start, -step.before), end=_moved(incident.end, step.after))
        for step in playbook.steps
        for entity_kind in TOOLS[step.tool].kinds
        for entity in [name for name in incident.entities if kind(name) == entity_kind][: step.most]
    ]
    return list({query.id: query for query in queries}.values())[:MOST_QUERIES]


def _moved(when: datetime, by: timedelta) -> datetime:
    """`when` moved, as far as time goes."""
    try:
        return when + by
    except OverflowError:
        return when
