"""`Records`: what the analyst may read of the ledger about one incident, read once and never written.

They are the incident's evidence and every event of the lake that touches one of its entities, so "who else met it", "was it seen before"
and "what came next" are filters over one frame. What is over the caps is left out and `complete` says so: a claim about all there is
then can't be verified, and is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time

import polars as pl

from nonself.analyst.nearby import Hour, by_actor, near, quiet_hours
from nonself.core.entities import ROLES, kind
from nonself.core.events import Events
from nonself.core.finding import Finding
from nonself.core.incident import Incident
from nonself.ledger import NO_DAY, Ledger

MOST = 200_000
"""Events held at most, some 400 bytes each."""
ENTITIES = 40
"""Entities whose events are read: the first of the incident, which lists them by the surprise that touches them."""
_AT_ONCE = 250_000
_SEEN = 200
_PASSING = re.compile(r"\d+(?:\.\d+)* ?(?:[kMG]?B\b)?|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day")
"""Numbers, amounts and days of the week."""
_COLUMNS = (
    "time", "uid", "source", "origin", "record", "channel", "class_uid", "activity_id", "status_id", "op", "user", "user_domain",
    "tgt_user", "tgt_domain", "logon_type", "role", "cred", "host", "src_ip", "src_host", "dst_ip", "dst_host", "dst_port", "proto",
    "direction_id", "bytes_in", "bytes_out", "proc_guid", "parent_guid", "tgt_guid", "image", "cmdline", "parent_image",
    "parent_cmdline", "tgt_image", "file_path", "hash", "reg_key", "reg_value", "module_path", "service", "pipe", "query", "url_host",
    "url_path", "http_method", "user_agent", "mail_subject", "sni", "svc", "resource", "rule", "priv", "status_code",
)  # fmt: skip

ROLE_COLUMNS: dict[str, tuple[str, ...]] = {
    entity_kind: tuple("@" + role.name for role in ROLES if role.kind == entity_kind) for entity_kind in {role.kind for role in ROLES}
}
"""Entity kind -> the columns that name such an entity in `Records.events`."""


Same = tuple[str, str, str]
"""Detector, entity, and what was seen, without what changes from day to day."""


def same(finding: Finding) -> Same:
    """What a finding found: equal for findings of the same on another day. Whoever varies what he writes there makes it news."""
    seen = finding.reasons[0].seen[:_SEEN] if finding.reasons else ""
    return finding.detector, finding.entity, _PASSING.sub("", seen)


@dataclass(frozen=True, slots=True)
class Records:
    """`events`: columns of the schema (all but ext and raw and a few), then one `@role` column for each entity role, sorted by time.

    `findings` by id. `days` holds, for what each of them found (`same`), the days on which the ledger's findings found it; `spread`, for
    each detector, how many entities it has found something about; `subjects` how many any finding is about.
    `near` are findings beside the incident's, about the same accounts and machines within a day (`nearby`), and `quiet` the hours in which
    few people act here. `span` is the time the ledger covers, in whole days: what "never before" can mean."""

    incident: Incident
    findings: dict[str, Finding]
    events: Events
    span: tuple[datetime, datetime] | None
    days: dict[Same, frozenset[date]]
    spread: dict[str, int]
    subjects: int = 0
    complete: bool = True
    places: dict[str, int] = field(default_factory=dict)
    near: tuple[Finding, ...] = ()
    quiet: frozenset[Hour] = frozenset()

    def cited(self, uids: Iterable[str]) -> Events:
        """The events of those names; unknown ones give nothing."""
        places = sorted({self.places[uid] for uid in uids if uid in self.places})
        return self.events[places]

    def touching(self, entity: str) -> Events:
        """Events in which `entity` takes part, in any role."""
        return self.events.filter(touches(entity))


def touches(entity: str) -> pl.Expr:
    """Whether an event of `Records` has `entity` in any role of its kind; an unknown kind touches nothing."""
    columns = ROLE_COLUMNS.get(kind(entity), ())
    return pl.any_horizontal((pl.col(name) == entity).fill_null(False) for name in columns) if columns else pl.lit(False)


class Reader:
    """Reads the records of incidents of one ledger. A lake of at most `MOST` events is read and named once for all of them; of a larger
    one, only what touches the incident is held."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._told = ledger.findings()
        self._actors = by_actor(self._told)
        self._subjects = len({finding.entity for finding in self._told})
        self._small = sum(ledger.event_counts().values()) <= MOST
        self._all: Events | None = None
        self._quiet: frozenset[Hour] = frozenset()

    def read(self, incident: Incident) -> Records:
        """The records of an incident."""
        wanted = set(incident.findings)
        findings = {finding.id: finding for finding in self._told if finding.id in wanted}
        evidence = {uid for finding in findings.values() for uid in finding.events}
        events, complete = self._near(set(incident.entities[:ENTITIES]), evidence)
        events = events.unique("uid", keep="first", maintain_order=True)
        places = {uid: place for place, uid in enumerate(events["uid"].to_list())}
        beside = near(findings, self._actors)
        both = (*findings.values(), *beside)
        return Records(
            incident=incident,
            findings=findings,
            events=events,
            span=_span(self._ledger),
            days=_days(both, self._told),
            spread=_spread(both, self._told),
            subjects=self._subjects,
            near=beside,
            quiet=self._quiet if self._small else quiet_hours(events),
            complete=complete,
            places=places,
        )

    def _near(self, names: set[str], evidence: set[str]) -> tuple[Events, bool]:
        """Events that touch one of `names` or are evidence, and whether that is all of them."""
        if self._small:
            if self._all is None:
                self._all = _named(self._ledger.events(columns=_COLUMNS))
                self._quiet = quiet_hours(self._all)
            return self._all.filter(_touching(names, named=True) | pl.col("uid").is_in(evidence)), True
        parts: list[Events] = [_named(self._ledger.events(uids=(), columns=_COLUMNS))]
        held, complete = 0, True
        for first, last in self._ledger.spans(_AT_ONCE):
            part = self._ledger.events(day=first, last=last, columns=_COLUMNS)
            # Only roles of the kinds that are sought are worked out for all events: naming is most of the cost.
            part = _named(part.filter(_touching(names, named=False) | pl.col("uid").is_in(evidence)))
            complete = complete and held + part.height <= MOST
            parts.append(part if complete else part.filter(pl.col("uid").is_in(evidence)))
            held += parts[-1].height
        return pl.concat(parts), complete


def read(ledger: Ledger, incident: Incident) -> Records:
    """The records of one incident."""
    return Reader(ledger).read(incident)


def _named(events: Events) -> Events:
    return events.with_columns(role.expr.alias("@" + role.name) for role in ROLES)


def _touching(names: set[str], *, named: bool) -> pl.Expr:
    kinds = {kind(name) for name in names}
    roles = (pl.col("@" + role.name) if named else role.expr for role in ROLES if role.kind in kinds)
    return pl.any_horizontal(pl.lit(False), *(role.is_in(names).fill_null(False) for role in roles))


def _span(ledger: Ledger) -> tuple[datetime, datetime] | None:
    """First and last time in the lake, to the day; None where no event has one."""
    days = [day for day in ledger.days() if day != NO_DAY]
    if not days:
        return None
    return datetime.combine(days[0], time.min, UTC), datetime.combine(days[-1], time.max, UTC)


def _days(findings: Iterable[Finding], told: Iterable[Finding]) -> dict[Same, frozenset[date]]:
    met: dict[Same, set[date]] = {same(f): set() for f in findings}
    for finding in told:
        if (what := same(finding)) in met:
            met[what].add(finding.start.date())
    return {key: frozenset(days) for key, days in met.items()}


def _spread(findings: Iterable[Finding], told: Iterable[Finding]) -> dict[str, int]:
    met: dict[str, set[str]] = {f.detector: set() for f in findings}
    for finding in told:
        if finding.detector in met:
            met[finding.detector].add(finding.entity)
    return {detector: len(entities) for detector, entities in met.items()}
