"""Rule hits become findings: a rule is a detector whose surprise is how seldom it fires *here*, plus a prior for its author's level.

bits = log2((n + 1) / k) + prior(level), where k is the number of episodes (rule, entity, hour) of the rule and n the number of events
read so far, of all kinds: a rule on the only log-cleared record of a year must not look common among log-cleared records. The first
part is -log2 of the conformal p-value k / (n + 1). The prior is a p-value weight (Genovese, Roeder & Wasserman 2006, "False discovery
control with p-value weighting"): weights average to 1 over the rules of the public set, so weighing high-level rules up pays for it by
weighing the others down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import polars as pl

from nonself.calibrate.findings import finding_id
from nonself.core.finding import Finding, Reason
from nonself.core.scores import Delta

WEIGHT = {"critical": 64.0, "high": 8.0, "medium": 1.0, "low": 1 / 8, "informational": 1 / 64}
_SHARE = {"critical": 177, "high": 1727, "medium": 1507, "low": 341, "informational": 28}
"""Rules of each level in the public SigmaHQ set (counted November 2026): what the weights are averaged over."""
_MEAN = sum(WEIGHT[level] * n for level, n in _SHARE.items()) / sum(_SHARE.values())
PRIOR: dict[str, float] = {level: math.log2(weight / _MEAN) for level, weight in WEIGHT.items()}
"""Level -> bits added; a rule without a level counts as medium."""


class RuleInfo(Protocol):
    """What is asked of a rule."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def author(self) -> str: ...
    @property
    def techniques(self) -> tuple[str, ...]: ...
    @property
    def tactics(self) -> tuple[str, ...]: ...
    @property
    def path(self) -> str: ...


def findings(
    new: Delta, known: Delta, rules: Mapping[str, RuleInfo], events: int, *, min_bits: float, kind: str = "sigma"
) -> list[Finding]:
    """Findings of the episodes in `new`; `known` holds all episodes ever (`new` included), `events` counts all events read. A finding's
    detector is named `kind:rule`."""
    episodes = dict(known.group_by("rule").agg(pl.len()).iter_rows())
    made = []
    for row in new.sort("start", "rule", "entity", nulls_last=True).iter_rows(named=True):
        rule = rules.get(row["rule"])
        if rule is None or row["start"] is None:
            continue
        k = episodes[row["rule"]]
        finding = _finding(row, rule, k, max(events, k), f"{kind}:{rule.id}")
        if finding.bits >= min_bits:
            made.append(finding)
    return made


def _finding(row: dict[str, Any], rule: RuleInfo, k: int, n: int, detector: str) -> Finding:
    p = k / (n + 1)
    rarity, prior = -math.log2(p), PRIOR.get(rule.level, PRIOR["medium"])
    matched = ", ".join(f"{item['field']} = {item['value']}" for item in row["matched"] or [])
    how_often = "once" if k == 1 else f"in {k:,} episodes"
    reasons = (
        Reason(feature="rule matched", seen=matched, normal=f"fires {how_often} in {n:,} events here", bits=rarity),
        Reason(feature="author's level", seen=rule.level or "none", normal="prior, averages to zero gain over all rules", bits=prior),
    )
    return Finding(
        id=finding_id(detector, row["entity"], str(row["start"]), row["events"]),
        detector=detector,
        title=rule.title,
        entity=row["entity"],
        entities=tuple(row["entities"]),
        start=row["start"],
        end=row["end"],
        score=rarity,
        p=p,
        n=n,
        bits=rarity + prior,
        reasons=reasons,
        events=tuple(row["events"]),
        n_events=row["n_events"],
        attack=rule.techniques,
        tactics=rule.tactics,
        level=rule.level,
        author=rule.author,
        reference=rule.path,
    )
