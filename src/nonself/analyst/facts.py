"""Facts: the few numbers a verdict rests on. Counted from the findings and from what sensors state; no text that an attacker may have
written is read for them, but for rules' matches, which can only speak for malice.

How much a finding tells is its bits, at most `MOST_BITS`, times how seldom its detector speaks here: 1 where it has found something about
one entity alone, a fifth less with each doubling of the entities, 0 from 32 on; and of a learnt detector less in a ledger whose findings
are about fewer than 32 entities, where all of them are silent. Of findings that rest on the same events (half of the events of either) one
counts, and so does one of each detector; those of which the same was found on three days or more tell nothing, but for calls at regular
times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import Any

import polars as pl

from nonself.analyst.callers import lone_hours, names_under_one
from nonself.analyst.names import outside
from nonself.analyst.nearby import Hour, hour
from nonself.analyst.records import Records, same
from nonself.core.entities import kind
from nonself.core.events import Events
from nonself.core.finding import Finding

MOST_BITS = 20.0
_GRAVE = ("high", "critical")
_RULES = ("sigma:", "alert:", "intel:")
_REGULAR = ("beacon", "connections-of-pair", "long-connection")
_LATE = frozenset(
    ("collection", "exfiltration", "impact", "defense-evasion", "persistence", "privilege-escalation", "credential-access")
)  # fmt: skip
"""Tactics of an intruder who is in: those before and between them are everybody's, now and then."""
_LASTING_DAYS = 3
_MANY, _SOME = 3, 8
"""A detector that has found something about more entities is no longer rare here; about more than `_SOME`, it says nothing of tactics."""
_CLOUD, _SOFTWARE = (3004, 6001, 6003, 6005), (1001, 1005, 1006, 1007, 1008, 1009, 201001, 201002, 201004)
_FLOWS = (4001, 4002, 4005, 4006, 4007)
_ACTS = (*_CLOUD, 3001)
_FEW_DAYS = 2


@dataclass(frozen=True, slots=True)
class Facts:
    """
    best           what the most telling finding tells
    late           late tactics among findings of detectors that speak of few
    lone_rules     rules whose matches touch few entities here, or that are grave: what is everywhere is somebody's daily work, unless it is
                   grave, for what destroys is everywhere too
    grave          rules of level high or critical that matched; `stages` the tactics of the rules that are not everywhere
    learnt         bits of the most surprising finding of a learnt detector
    near           what the second most telling finding tells, of the incident or beside it: of the same accounts and machines within a day
    out_of_hours   share of the evidence that is of hours in which few people act here
    new_roles      acts in roles of the cloud that were taken on two days at most here
    regular        whether calls at regular times were found; `alone`, whether besides one machine alone met an outside address or domain
    refused        calls that the cloud refused
    deeds          acts in cloud services that one finding rests on, of a learnt detector that has spoken of three entities at most
    lone_hours     quiet hours in which one machine alone called an outside address (`callers`)
    under_one      different names under one domain that a machine asked for in a day (`callers`)
    calls, names, flows   calls to the cloud, DNS questions, connections of the busiest pair, among the evidence
    recurring      share of the findings (by bits) whose detector found the same about the same entity on three days or more
    everywhere     share of the rules that are not grave and matched about more than three entities here
    entities       entities of the incident
    failures       events that say of themselves that they failed, among the evidence of findings that are news
    failed         share of the logons among the evidence that failed; 0 where there are none
    software, network, cloud   shares of the evidence that are of programs and files, of the network, of cloud services
    """

    best: float
    late: int
    lone_rules: int
    grave: int
    stages: int
    learnt: float
    near: float
    out_of_hours: float
    new_roles: int
    regular: bool
    alone: bool
    refused: int
    deeds: int
    lone_hours: int
    under_one: int
    calls: int
    names: int
    flows: int
    recurring: float
    everywhere: float
    entities: int
    failures: int
    failed: float
    software: float
    network: float
    cloud: float


def gather(records: Records) -> Facts:
    """The facts of an incident."""
    findings = list(records.findings.values())
    evidence = records.cited(uid for f in findings for uid in f.events)
    telling = _telling(findings, records)
    tactics = {tactic for f in telling if records.spread[f.detector] <= _SOME for tactic in f.tactics}
    regular = any("beacon" in f.detector for f in findings)
    told = sorted((tells(f, records) for f in telling), reverse=True)
    return Facts(
        best=max(told, default=0.0),
        late=len(tactics & _LATE),
        learnt=max((f.bits for f in findings if not f.detector.startswith(_RULES)), default=0.0),
        near=max((*told[1:2], *(tells(f, records) for f in records.near if not lasting(f, records))), default=0.0),
        out_of_hours=_out_of_hours(evidence, records.quiet),
        new_roles=_new_roles(evidence, records),
        regular=regular,
        alone=regular and _lone_outside(records),
        deeds=_deeds(findings, records),
        lone_hours=lone_hours(records),
        under_one=names_under_one(records),
        failures=_failures(findings, records),
        recurring=_recurring(findings, records),
        entities=len(records.incident.entities),
        **_of_rules(findings, records),
        **_of_evidence(evidence),
    )


def tells(finding: Finding, records: Records) -> float:
    """How much a finding tells, in bits."""
    seldom = max(0.0, 1.0 - log2(max(1, records.spread[finding.detector])) / 5)
    heard = 1.0 if finding.detector.startswith(_RULES) else min(1.0, log2(1 + records.subjects) / 5)
    return seldom * heard * min(max(finding.bits, 0.0), MOST_BITS)


def _telling(findings: Sequence[Finding], records: Records) -> list[Finding]:
    """The findings that tell something of their own, most telling first."""
    chosen: list[Finding] = []
    held: dict[str, list[int]] = {}
    for finding in sorted(findings, key=lambda f: (-tells(f, records), -f.bits, f.start, f.id)):
        shared = Counter(place for event in finding.events for place in held.get(event, ()))
        same = any(2 * n >= min(len(finding.events), len(chosen[place].events)) for place, n in shared.items())
        if same or any(finding.detector == one.detector for one in chosen):
            continue
        for event in finding.events:
            held.setdefault(event, []).append(len(chosen))
        chosen.append(finding)
    return [f for f in chosen if not lasting(f, records)]


def lasting(finding: Finding, records: Records) -> bool:
    """Whether the same was found of the same on so many days that it is no news; of what calls at regular times that is to be expected."""
    return not finding.detector.startswith(_REGULAR) and len(records.days[same(finding)]) >= _LASTING_DAYS


def _of_rules(findings: Sequence[Finding], records: Records) -> dict[str, Any]:
    rules = {f.detector: f for f in findings if f.detector.startswith(_RULES)}
    spread = [name for name, f in rules.items() if records.spread[name] > _MANY and f.level not in _GRAVE]
    return {
        "lone_rules": len(rules) - len(spread),
        "grave": sum(f.level in _GRAVE for f in rules.values()),
        "stages": len({tactic for name, f in rules.items() if name not in spread for tactic in f.tactics}),
        "everywhere": len(spread) / len(rules) if rules else 0.0,
    }


def _of_evidence(evidence: Events) -> dict[str, Any]:
    classes = evidence["class_uid"].fill_null(0)
    pairs = evidence.filter(classes.is_in(_FLOWS)).group_by("@src_ip", "@dst_ip").len()["len"]
    logons = evidence.filter((classes == 3002) & (evidence["activity_id"] == 1).fill_null(False))
    total = max(1, evidence.height)
    cloud = int(classes.is_in(_CLOUD).sum())
    return {
        "refused": evidence.filter((classes == 6003) & (evidence["status_id"] == 2).fill_null(False)).height,
        "calls": cloud,
        "names": int((classes == 4003).sum()),
        "flows": int(pairs.max() or 0),  # type: ignore[arg-type]
        "failed": logons.filter(pl.col("status_id") == 2).height / logons.height if logons.height else 0.0,
        "software": int(classes.is_in(_SOFTWARE).sum()) / total,
        "network": int(classes.is_between(4001, 4014).sum()) / total,
        "cloud": cloud / total,
    }


def _failures(findings: Sequence[Finding], records: Records) -> int:
    """Who guesses passwords all year round says nothing against what else happens to the same machine."""
    news = records.cited(uid for f in findings if not lasting(f, records) for uid in f.events)
    return int((news["status_id"] == 2).sum())


def _deeds(findings: Sequence[Finding], records: Records) -> int:
    few = [f for f in findings if records.spread[f.detector] <= _MANY and not f.detector.startswith(_RULES) and not lasting(f, records)]
    acts = (records.cited(f.events)["class_uid"] for f in few)
    return max((len(classes) for classes in acts if classes.is_in(_ACTS).all()), default=0)


def _out_of_hours(evidence: Events, quiet: frozenset[Hour]) -> float:
    times = evidence["time"].drop_nulls().to_list()
    return sum(hour(time) in quiet for time in times) / len(times) if times else 0.0


def _new_roles(evidence: Events, records: Records) -> int:
    names = evidence["@assumed_role"].drop_nulls().unique().to_list()
    met = records.events.filter(pl.col("@assumed_role").is_in(names)).group_by("@assumed_role").agg(pl.col("time").dt.date().n_unique())
    return evidence.join(met.filter(pl.col("time") <= _FEW_DAYS), on="@assumed_role", how="semi").height


def _recurring(findings: Sequence[Finding], records: Records) -> float:
    """What calls at regular times is found every day, whoever it is, so findings of that count neither way."""
    counted = [f for f in findings if not f.detector.startswith(_REGULAR)]
    total = sum(f.bits for f in counted)
    lasting = sum(f.bits for f in counted if len(records.days[same(f)]) >= _LASTING_DAYS)
    return lasting / total if total else 0.0


def _lone_outside(records: Records) -> bool:
    """Whether there is an outside address or domain of the incident that one machine alone ever met. Machines are counted by address where
    a sensor of the network saw them, else by name."""
    for name in [e for e in records.incident.entities[:40] if kind(e) in ("ip", "domain")]:
        met = records.touching(name)
        if kind(name) == "ip" and not met.filter((pl.col("@dst_ip") == name) & outside("@dst_ip")).height:
            continue
        sources = met["@src_ip"].drop_nulls().unique()
        if (len(sources) or met["@host"].drop_nulls().n_unique()) == 1:
            return True
    return False
