"""What an incident is to the ranking, as named numbers whose products say how alike two incidents are.

Of two kinds. What *sort* of thing it is: its surprise divided among its detectors, their sorts (rules, alerts, learnt ones), the ATT&CK
tactics and the techniques they stand for. Features are the square roots of these shares, so every group has the same prior variance
(`VARIANCE`) in every incident, and two incidents are alike by their Bhattacharyya coefficients. And *whose* it is: the entities it touches,

    x_e = sqrt(FOOTPRINT * share_e / sqrt(others_e)),

with `share_e` the part of its surprise that touches e and `others_e` how many other incidents do. Who came in leaves more than one trace,
and what one verdict has named leads to the rest: the machine, the account, the far end. Everybody's resolver leads nowhere, so an entity
counts the less the more incidents it is in, and one that no other touches is left out.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from nonself.core.finding import Finding
from nonself.core.incident import Incident

VARIANCE, SLOPES = 0.75, 0.1
"""Prior variance of each group of features, and of what a doubling of bits is worth."""
FOOTPRINT = 4.0
"""Prior variance of an entity that all findings of two incidents touch, and no third one."""
EVEN = 5.0
"""log2(1 + bits) at which the odds are even before anything was judged (31 bits)."""
ENTITY = "shares "
"""What the names of features by entity begin with."""
Features = Mapping[str, float]


def touched(incidents: Iterable[Incident]) -> Counter[str]:
    """Entity -> number of incidents that it is in."""
    return Counter(entity for incident in incidents for entity in set(incident.entities))


def features(incident: Incident, findings: Sequence[Finding], everywhere: Mapping[str, int]) -> dict[str, float]:
    """Features of an incident with these findings, each times the root of its prior variance: "bits", "anything", `detector D`, `sort S`,
    `tactic T`, `technique T` and `shares E`. A detector's share is that of its best finding. `everywhere` is `touched` of all incidents."""
    best: dict[str, Finding] = {}
    for finding in findings:
        if finding.bits > 0 and (finding.detector not in best or finding.bits > best[finding.detector].bits):
            best[finding.detector] = finding
    total, shares = math.fsum(finding.bits for finding in best.values()), defaultdict[str, float](float)
    for name, finding in best.items():
        share = finding.bits / total
        shares[f"detector {name}"] += share
        shares[f"sort {name.partition(':')[0] if ':' in name else 'learnt'}"] += share
        for group, members in (("tactic", finding.tactics), ("technique", finding.attack)):
            for member in members or ("unknown",):
                shares[f"{group} {member}"] += share / max(1, len(members))
    return {
        "bits": (math.log2(1 + max(0.0, incident.bits)) - EVEN) * math.sqrt(SLOPES),
        "anything": math.sqrt(VARIANCE),
        **{name: math.sqrt(share * VARIANCE) for name, share in shares.items()},
        **_footprints(findings, everywhere),
    }


def _footprints(findings: Sequence[Finding], everywhere: Mapping[str, int]) -> dict[str, float]:
    surprising = [finding for finding in findings if finding.bits > 0]
    largest = max((finding.bits for finding in surprising), default=1.0)
    parts, total = defaultdict[str, float](float), 0.0
    for finding in surprising:
        total += finding.bits / largest
        for entity in {finding.entity, *finding.entities}:
            if everywhere.get(entity, 0) > 1:
                parts[entity] += finding.bits / largest
    return {
        f"{ENTITY}{entity}": math.sqrt(FOOTPRINT * min(1.0, part / total) / math.sqrt(everywhere[entity] - 1))
        for entity, part in parts.items()
    }
