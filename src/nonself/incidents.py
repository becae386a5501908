"""From findings to the queue: what exceptions hide is left out, the rest is correlated, carried on from what was, ranked and budgeted.

The same is done when a scan is concluded, when a verdict is given and when a change is tried on paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import msgspec

from nonself.calibrate import budget, drift
from nonself.core.finding import Finding
from nonself.core.incident import Incident
from nonself.core.scores import Delta
from nonself.core.settings import Config
from nonself.core.verdict import Verdict
from nonself.correlate import incidents as correlate
from nonself.ledger import Ledger
from nonself.triage import exceptions, lifecycle, ranking, verdicts
from nonself.triage.features import Features, features, touched


def queue(findings: Iterable[Finding], old: Iterable[Incident], given: Iterable[Verdict], config: Config) -> list[Incident]:
    """All incidents of some findings under the day's budget, first of the queue first. `old` are the incidents before, `given` all
    verdicts. UsageError where a file of exceptions can't be read."""
    known = {finding.id: finding for finding in findings}
    hidden = exceptions.hidden(known.values(), exceptions.load(map(Path, config.triage.exceptions)))
    calibrate = config.calibrate
    found = correlate(
        (finding for finding in known.values() if finding.id not in hidden),
        linger=timedelta(hours=config.correlate.linger_hours),
        min_bits=calibrate.min_bits,
        rule_min_bits=calibrate.rule_min_bits,
    )
    return rejudged(lifecycle.carried(old, found, standing := verdicts.in_force(given)), known, standing, config)


def rejudged(found: Iterable[Incident], known: Mapping[str, Finding], standing: Mapping[str, Verdict], config: Config) -> list[Incident]:
    """Incidents ranked by what the standing verdicts teach, and under the budget."""
    listed = list(found)
    learnt = learn(listed, known, standing)
    if learnt is not None:
        places = learnt.places(described(listed, known))
        listed = [msgspec.structs.replace(i, rank=float(place)) for i, place in zip(listed, places, strict=True)]
    else:
        listed = [msgspec.structs.replace(i, rank=None) for i in listed]
    return budget.apply(listed, config.budget.incidents_per_day)


def guaranteed(ledger: Ledger, new: Delta | None = None) -> drift.Drift:
    """What the budget's promise is worth, by all surprises of the ledger and those that are `new`."""
    held = ledger.days()
    since = max(held) - timedelta(days=2 * drift.HISTORY) if held and max(held) > date.min + timedelta(days=2 * drift.HISTORY) else None
    return drift.judge(drift.merge([*ledger.deltas(drift.NAME, since=since), *([] if new is None else [new])]))


def marked(found: Iterable[Incident], standing: drift.Drift) -> list[Incident]:
    """Incidents that say of themselves where they fell into a time without guarantee."""
    return [msgspec.structs.replace(incident, caveat=_caveat(incident, standing)) for incident in found]


def _caveat(incident: Incident, standing: drift.Drift) -> str:
    """The latest such time that it has a part in, in words."""
    for first, last in reversed(standing.periods):
        if incident.end.date() >= first and (last is None or incident.start.date() < last):
            return f"budget not guaranteed since {first}" + (f", until {last}" if last else "")
    return ""


def learn(found: Iterable[Incident], known: Mapping[str, Finding], standing: Mapping[str, Verdict]) -> ranking.Ranking | None:
    """The ranking that the verdicts on these incidents teach; None where there are too few."""
    listed = list(found)
    judged = [(incident, verdicts.of(incident, standing)) for incident in listed]
    telling = [(incident, verdicts.WORTH[v.judgement]) for incident, v in judged if v is not None and v.judgement in verdicts.WORTH]
    if len(telling) < ranking.LEAST:
        return None
    rows = described([incident for incident, _ in telling], known, listed)
    return ranking.fit([(row, worth) for row, (_, worth) in zip(rows, telling, strict=True)])


def described(some: Sequence[Incident], known: Mapping[str, Finding], found: Sequence[Incident] | None = None) -> list[Features]:
    """What some incidents are to the ranking, of all that were `found` (these, where it is not said)."""
    everywhere = touched(some if found is None else found)
    return [features(incident, members(incident, known), everywhere) for incident in some]


def members(incident: Incident, known: Mapping[str, Finding]) -> list[Finding]:
    """The findings of an incident."""
    return [known[name] for name in incident.findings if name in known]


def of_attacks(found: Iterable[Incident], standing: Mapping[str, Verdict]) -> dict[str, str]:
    """Finding id -> its incident's, for incidents judged malicious or an attempt."""
    judged = [incident for incident in found if (v := verdicts.of(incident, standing)) is not None and v.judgement in verdicts.TRUE]
    return {finding: incident.id for incident in judged for finding in incident.findings}
