"""A change on paper: what the queue of the last weeks would have been with other rules, thresholds, exceptions or budget.

Nothing is written. Findings in the state are taken as they are where the change leaves alone what made them. Where it touches rules, or
lowers a floor under which nothing was kept, both queues are counted over the same time anew: rules are matched against the events of the
lake, and behaviour is scored day by day as if each day had been scanned in its evening, so that nothing rests on days to come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import polars as pl

from nonself.behaviour import CALIBRATION, concluded
from nonself.calibrate import alerts as alert_calibration
from nonself.calibrate import rules as calibration
from nonself.core.finding import Finding
from nonself.core.incident import Incident
from nonself.core.scores import Delta
from nonself.core.settings import Config
from nonself.core.stats import Stats
from nonself.core.verdict import Verdict
from nonself.detect import alerts, detectors
from nonself.detect.sigma import Ruleset, hits
from nonself.incidents import queue
from nonself.ledger import Ledger
from nonself.replay import Evening
from nonself.signatures import ALERTS
from nonself.triage import verdicts

RULE, ALERT, BEHAVIOUR = "sigma:", "alert:", ""
"""What findings' detectors are named by: those of learnt behaviour have no colon."""
_AT_ONCE = 200_000
"""Events matched in one pass, in whole days."""


@dataclass(frozen=True, slots=True)
class Change:
    """One incident before and after: None where it is not shown then; places in the queue from 1; the verdict on it, if there is one."""

    before: Incident | None
    after: Incident | None
    place_before: int | None
    place_after: int | None
    verdict: Verdict | None

    @property
    def kind(self) -> str:
        """appeared, vanished, moved or stayed."""
        if self.before is None or self.after is None:
            return "appeared" if self.before is None else "vanished"
        return "stayed" if self.place_before == self.place_after else "moved"


def compare(ledger: Ledger, now: Config, changed: Config, since: datetime) -> list[Change]:
    """Every incident that is shown, or closed, before or after the change, from findings that began at `since` or later; in the order of
    the queue after, those that vanished last."""
    before, after = _findings(ledger, now, changed, since)
    given = ledger.verdicts()
    old = [msgspec.structs.replace(incident, shown=False) for incident in ledger.incidents()]  # neither queue has a place taken already
    queues = [
        [i for i in queue(found, old, given, config) if i.shown or i.state == "closed"]
        for found, config in ((before, now), (after, changed))
    ]
    return _changes(queues[0], queues[1], verdicts.in_force(given))


def _findings(ledger: Ledger, now: Config, changed: Config, since: datetime) -> tuple[list[Finding], list[Finding]]:
    kept = [finding for finding in ledger.findings() if finding.start >= since]
    before, after = list(kept), list(kept)
    lower = changed.calibrate.rule_min_bits < now.calibrate.rule_min_bits
    for kind, anew, again in (
        (RULE, now.rules != changed.rules or lower, _matched),
        (ALERT, lower, _alerts),
        (BEHAVIOUR, _other_behaviour(now, changed), _behaviour),
    ):
        if anew:
            before, after = (
                [f for f in found if _kind(f) != kind] + again(ledger, config, since) for found, config in ((before, now), (after, changed))
            )
    return _over(before, now), _over(after, changed)


def _kind(finding: Finding) -> str:
    name, colon, _ = finding.detector.partition(":")
    return name + colon if colon else BEHAVIOUR


def _other_behaviour(now: Config, changed: Config) -> bool:
    """Whether findings of behaviour have to be made anew. A floor that rises only takes away."""
    a, b = now.calibrate, changed.calibrate
    return now.self != changed.self or b.min_bits < a.min_bits or a.max_findings_per_detector_day != b.max_findings_per_detector_day


def _over(findings: Iterable[Finding], config: Config) -> list[Finding]:
    """Findings that reach the configuration's floors."""
    floors = config.calibrate
    return [f for f in findings if f.bits >= (floors.rule_min_bits if ":" in f.detector else floors.min_bits)]


def _matched(ledger: Ledger, config: Config, since: datetime) -> list[Finding]:
    """Findings of a rule set over the events of the lake since then."""
    ruleset = Ruleset.load([Path(folder) for folder in config.rules.dirs], builtin=config.rules.builtin)
    parts, inputs, count = [], [], 0
    for first, last in ledger.spans(_AT_ONCE):
        if last >= since.date():
            events = ledger.events(day=first, last=last)
            events = events.filter(events["time"] >= since)
            matched, taken = ruleset.observe(events)
            parts.append(matched)
            inputs.append(taken)
            count += events.height
    joined = ruleset.merge_inputs(inputs)
    hits = ruleset.merge([*parts, ruleset.correlate(joined)])
    by_id = {rule.id: rule for rule in ruleset.rules}
    return calibration.findings(hits, hits, by_id, count, min_bits=config.calibrate.rule_min_bits)


def _alerts(ledger: Ledger, config: Config, since: datetime) -> list[Finding]:
    """Findings of other tools' alerts since then."""
    known = hits.merge(ledger.deltas(ALERTS))
    new, count = known.filter(pl.col("start") >= since), sum(ledger.event_counts().values())
    return alert_calibration.findings(new, known, alerts.rules(known), count, min_bits=config.calibrate.rule_min_bits)


def _behaviour(ledger: Ledger, config: Config, since: datetime) -> list[Finding]:
    """What learners would have said of each day since then on its evening."""
    days = [day for day in ledger.days() if day >= since.date()]
    made: dict[str, list[Delta]] = {f"{CALIBRATION}{detector.name}": [] for detector in detectors()}
    found: list[Finding] = []
    for today in days:
        told, learnt = concluded(Evening(ledger, days[0], today, made), config, Stats())
        found += told
        for name in made.keys() & learnt.keys():
            made[name].append(learnt[name])
    return [finding for finding in found if finding.start >= since]


def _changes(before: Sequence[Incident], after: Sequence[Incident], standing: Mapping[str, Verdict]) -> list[Change]:
    """Incidents before and after are the same where the later has the earlier's name, or most of its evidence."""
    place = {incident.id: number for number, incident in enumerate(before, 1)}
    by_name = {incident.id: incident for incident in before}
    by_event = {(f, incident.id) for incident in before for f in incident.findings}
    holder = dict(sorted(by_event))
    made, met = [], set()
    for number, incident in enumerate(after, 1):
        was = by_name.get(incident.id) or _shares_most(incident, holder, by_name)
        if was is not None and was.id in met:
            was = None
        if was is not None:
            met.add(was.id)
        verdict = verdicts.of(incident, standing) or (verdicts.of(was, standing) if was else None)
        made.append(Change(was, incident, place[was.id] if was else None, number, verdict))
    gone = [incident for incident in before if incident.id not in met]
    return made + [Change(incident, None, place[incident.id], None, verdicts.of(incident, standing)) for incident in gone]


def _shares_most(incident: Incident, holder: Mapping[str, str], by_name: Mapping[str, Incident]) -> Incident | None:
    held = [holder[finding] for finding in incident.findings if finding in holder]
    if 2 * len(held) < len(incident.findings) or not held:
        return None
    return by_name[max(sorted(set(held)), key=held.count)]
