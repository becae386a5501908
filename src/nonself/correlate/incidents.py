"""Findings become incidents: components of the joint graph, told as a story."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta

from nonself.core import attack
from nonself.core.entities import kind
from nonself.core.finding import Finding
from nonself.core.incident import Edge, Incident, Stage
from nonself.correlate.joints import Link, links, span
from nonself.correlate.significance import bits, independent

_TOLD = ("host", "user", "role", "ip", "domain")
"""Entity kinds a title may name, best first."""


def incidents(findings: Iterable[Finding], *, window: timedelta, hub: float) -> list[Incident]:
    """All incidents of these findings, most significant first. Every finding is in exactly one; the order of `findings` is of no matter."""
    ordered = sorted(findings, key=lambda f: (f.start, f.end, f.id))
    groups, tree = _components(len(ordered), links(ordered, window, hub))
    told = [_incident([ordered[i] for i in members], [_edge(ordered, link) for link in tree[root]]) for root, members in groups.items()]
    return sorted(told, key=lambda i: (-i.bits, i.start, i.id))


def _components(size: int, found: Iterable[Link]) -> tuple[dict[int, list[int]], dict[int, list[Link]]]:
    """Connected components by root, and for each the links that first joined it (a spanning tree)."""
    parent = list(range(size))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    used: list[Link] = []
    for link in found:
        a, b = root(link.a), root(link.b)
        if a != b:
            parent[max(a, b)] = min(a, b)
            used.append(link)
    groups: dict[int, list[int]] = defaultdict(list)
    for node in range(size):
        groups[root(node)].append(node)
    tree: dict[int, list[Link]] = defaultdict(list)
    for link in used:
        tree[root(link.a)].append(link)
    return groups, tree


def _edge(findings: Sequence[Finding], link: Link) -> Edge:
    return Edge(a=findings[link.a].id, b=findings[link.b].id, kind=link.kind, entity=link.entity)


def _incident(findings: list[Finding], edges: list[Edge]) -> Incident:
    start, end = span(findings)
    strongest = sorted(findings, key=lambda f: (-f.bits, f.start, f.id))
    entities = _entities(findings)
    return Incident(
        id=_incident_id(findings[0]),
        title=_title(independent(findings), entities),
        bits=bits(findings),
        start=start,
        end=end,
        entities=entities,
        stages=_stages(findings),
        findings=tuple(f.id for f in strongest),
        edges=tuple(edges),
        n_events=_distinct_events(findings),
    )


def _incident_id(earliest: Finding) -> str:
    """Named after its earliest finding, so that an incident that grows keeps its name."""
    return "inc-" + hashlib.blake2b(earliest.id.encode(), digest_size=5).hexdigest()


def _distinct_events(findings: Sequence[Finding]) -> int:
    """Distinct evidence; a finding that keeps only a sample counts the rest as its own."""
    kept = {uid for f in findings for uid in f.events}
    return len(kept) + sum(f.n_events - len(f.events) for f in findings)


def _entities(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Entities by the surprise that touches them; one that findings are about counts double."""
    weight: Counter[str] = Counter()
    for finding in findings:
        for entity in dict.fromkeys((finding.entity, *finding.entities)):
            weight[entity] += finding.bits * (2 if entity == finding.entity else 1)  # type: ignore[assignment]
    return tuple(name for name, _ in sorted(weight.items(), key=lambda item: (-item[1], item[0])))


def _stages(findings: Sequence[Finding]) -> tuple[Stage, ...]:
    """Tactics in the order they were first seen. A finding of several tactics is told under each."""
    members: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        for tactic in finding.tactics:
            members[tactic].append(finding)
    order = {tactic: i for i, tactic in enumerate(attack.TACTICS)}
    stages = [
        Stage(
            tactic=tactic,
            start=min(f.start for f in group),
            techniques=tuple(sorted({t for f in group for t in f.attack if tactic in attack.tactics(t)})),
            n_findings=len(group),
        )
        for tactic, group in members.items()
    ]
    return tuple(sorted(stages, key=lambda s: (s.start, order.get(s.tactic, len(order)))))


def _title(telling: Sequence[Finding], entities: Sequence[str]) -> str:
    """What was strongest, in the words of its finding, and where: `Credential dumping and 3 more on host ws5, user corp\\ann`."""
    titles = list(dict.fromkeys(f.title for f in telling))
    what = titles[0] + (f" and {len(titles) - 1} more" if len(titles) > 1 else "")
    where = []
    for wanted in _TOLD:
        name = next((e.partition(":")[2] for e in entities if kind(e) == wanted), "")
        if name and name not in what:
            where.append(f"{'address' if wanted == 'ip' else wanted} {name}")
    return f"{what} on {', '.join(where[:2])}" if where else what
