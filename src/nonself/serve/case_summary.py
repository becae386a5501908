"""A shift or a week in short: what is open and waits for somebody, what was decided, what came beside what came before.

All of it is counted from the ledger and its audit chain; of the first open incidents the floor's proposal is told too. Nothing here is
prose about events: whoever wants to know why opens the incident's report. Times are of the events, and of the clock where people decided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec
import polars as pl

from nonself.analyst.actions import Action
from nonself.analyst.approvals import PROPOSED, Decision, decisions
from nonself.analyst.case import Case, investigate
from nonself.analyst.records import Reader
from nonself.core import attack
from nonself.core.finding import Finding
from nonself.core.incident import Incident
from nonself.core.verdict import Verdict
from nonself.ledger import Ledger
from nonself.triage import verdicts

Kind = Literal["handover", "weekly"]
SPANS: dict[Kind, timedelta] = {"handover": timedelta(hours=12), "weekly": timedelta(days=7)}
"""How far back each looks, if nothing else is said."""
CASES = 10
"""Open incidents that are judged for the summary, about a CPU-second each."""
_TRIGGERS = 10


@dataclass(frozen=True, slots=True)
class Open:
    """An open incident with the floor's case, None past the first `CASES`."""

    incident: Incident
    case: Case | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """An action of an open incident and what was decided about it."""

    incident: str
    action: Action
    decision: Decision


@dataclass(frozen=True, slots=True)
class Trigger:
    """What a detector brought: findings, incidents among those shown, and how many of these people judged true and false."""

    title: str
    findings: int
    shown: int
    true: int
    false: int


@dataclass(frozen=True, slots=True)
class Spent:
    """What language models cost: reports made, those a model was asked for, tokens in and out, US dollars."""

    reports: int
    asked: int
    tokens_in: int
    tokens_out: int
    usd: float


@dataclass(frozen=True, slots=True)
class Summary:
    """From `since` to `until`.

    counts    what, how many in that time, how many in as long a time before
    open      open incidents within the budget, first of the queue first; those that changed since, and those carried over
    waiting   proposed and approved actions of the open incidents that were judged here
    judged    verdicts given since `since`, and the title of what they are about
    tactics   ATT&CK tactic, incidents that show it, incidents before
    triggers  the detectors that took most places in the queue
    """

    kind: Kind
    since: datetime
    until: datetime
    counts: tuple[tuple[str, int, int], ...]
    open: tuple[Open, ...]
    waiting: tuple[Waiting, ...]
    judged: tuple[tuple[Verdict, str], ...]
    tactics: tuple[tuple[str, int, int], ...]
    triggers: tuple[Trigger, ...]
    spent: Spent


def summary(ledger: Ledger, kind: Kind, since: datetime | None, now: datetime) -> Summary:
    """The summary up to the last change of any incident (`now` where there is none)."""
    found, given, rows = ledger.incidents(), ledger.verdicts(), ledger.audit_rows()
    until = max((i.changed or i.end for i in found), default=now)
    since = since or until - SPANS[kind]
    came = [i for i in found if _within(i, since, until)]
    before = [i for i in found if _within(i, since - (until - since), since)]
    standing = verdicts.in_force(given)
    opened = _open(ledger, [i for i in found if i.shown and i.state == "open"], since)
    titles = {name: i.title for i in found for name in (i.id, *i.merged)}
    return Summary(
        kind=kind,
        since=since,
        until=until,
        counts=_counts(came, before, standing),
        open=opened,
        waiting=_waiting(opened, decisions(rows)),
        judged=tuple((v, titles.get(v.subject, "")) for v in reversed(given) if v.when >= since),
        tactics=_tactics(came, before),
        triggers=_triggers([i for i in came if _met(i, standing)], {f.id: f for f in ledger.findings()}, standing),
        spent=_spent(rows.filter(pl.col("time") >= since)),
    )


def _within(incident: Incident, since: datetime, until: datetime) -> bool:
    return since < (incident.changed or incident.end) <= until


def _met(incident: Incident, standing: Mapping[str, Verdict]) -> bool:
    """Whether a person had to do with it: it was shown, or judged."""
    return incident.shown or verdicts.of(incident, standing) is not None


def _open(ledger: Ledger, listed: Sequence[Incident], since: datetime) -> tuple[Open, ...]:
    """What has changed first; within that, the order of the queue."""
    reader = Reader(ledger)
    ordered = sorted(listed, key=lambda i: ((i.changed or i.end) <= since, -(i.rank or 0.0), -i.bits, i.id))
    return tuple(Open(i, investigate(reader.read(i)) if n < CASES else None) for n, i in enumerate(ordered))


def _counts(came: Sequence[Incident], before: Sequence[Incident], standing: Mapping[str, Verdict]) -> tuple[tuple[str, int, int], ...]:
    def judged(incidents: Iterable[Incident], *words: str) -> int:
        return sum((v := verdicts.of(i, standing)) is not None and v.judgement in words for i in incidents)

    return (
        ("incidents that came or grew", len(came), len(before)),
        ("of them open and within the budget", sum(i.shown for i in came), sum(i.shown for i in before)),
        ("judged malicious, or an attempt", judged(came, *verdicts.TRUE), judged(before, *verdicts.TRUE)),
        ("judged benign, or a false alarm", judged(came, *verdicts.FALSE), judged(before, *verdicts.FALSE)),
    )


def _waiting(opened: Iterable[Open], decided: Mapping[str, Decision]) -> tuple[Waiting, ...]:
    actions = ((one.incident.id, action) for one in opened if one.case for action in one.case.actions)
    found = (Waiting(incident, action, decided.get(action.hash, PROPOSED)) for incident, action in actions)
    return tuple(one for one in found if one.decision.state not in ("rejected", "carried out"))


def _tactics(came: Iterable[Incident], before: Iterable[Incident]) -> tuple[tuple[str, int, int], ...]:
    now, then = (Counter(stage.tactic for i in incidents if i.shown for stage in i.stages) for incidents in (came, before))
    return tuple((caption, now[name], then[name]) for name, caption in attack.TACTICS.items() if now[name] or then[name])


def _triggers(met: Iterable[Incident], known: Mapping[str, Finding], standing: Mapping[str, Verdict]) -> tuple[Trigger, ...]:
    findings, shown, true, false = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    titles: dict[str, str] = {}
    for incident in met:
        own = [known[name] for name in incident.findings if name in known]
        verdict = verdicts.of(incident, standing)
        findings.update(f.detector for f in own)
        titles.update({f.detector: f.title for f in own})
        for counter, counts in (
            (shown, True), (true, bool(verdict and verdict.judgement in verdicts.TRUE)),
            (false, bool(verdict and verdict.judgement in verdicts.FALSE)),
        ):  # fmt: skip
            counter.update({f.detector for f in own} if counts else ())
    told = [Trigger(titles[name], findings[name], n, true[name], false[name]) for name, n in shown.items()]
    return tuple(sorted(told, key=lambda t: (-t.shown, -t.findings, t.title))[:_TRIGGERS])


class _Report(msgspec.Struct):
    """What the audit's row of a report says of its cost."""

    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float = 0.0


def _spent(rows: pl.DataFrame) -> Spent:
    details = rows.filter(pl.col("action") == "report")["detail"].to_list()
    made = [msgspec.json.decode(detail, type=_Report) for detail in details]
    return Spent(
        len(made),
        sum(bool(r.model) for r in made),
        sum(r.tokens_in for r in made),
        sum(r.tokens_out for r in made),
        sum(r.usd for r in made),
    )
