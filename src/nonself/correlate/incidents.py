"""Findings become incidents: the stories of the graph, told."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta

from nonself.core import attack
from nonself.core.entities import kind
from nonself.core.finding import Finding
from nonself.core.incident import Edge, Incident, Role, Stage
from nonself.correlate.facts import Names
from nonself.correlate.graph import Graph
from nonself.correlate.joints import JOINTS, shown
from nonself.correlate.significance import Gains, bits, essence, independent

_TOLD = ("host", "user", "role", "ip", "domain")
"""Entity kinds a title may name, best first."""


def incidents(findings: Iterable[Finding], *, linger: timedelta, min_bits: float, rule_min_bits: float) -> list[Incident]:
    """All incidents of these findings, most significant first. Every finding is in exactly one; the order of `findings` is of no matter.

    linger         how long a story stays with an entity that nothing new happens to
    min_bits       surprise from which on a learnt detector reports; one finding of it stands for 2^min_bits looks
    rule_min_bits  the same for rules, alerts and indicators, whose detectors are named `kind:rule`
    """
    ordered = sorted(findings, key=lambda f: (f.start, f.end, f.id))
    names, graph = Names(), Graph(linger / timedelta(hours=1))
    learnt, written = 2.0**min_bits, 2.0**rule_min_bits
    graph.add(names.facts(ordered, lambda f: written if ":" in f.detector else learnt), names.lasting)
    return told(ordered, graph, names)


def told(findings: Sequence[Finding], graph: Graph, names: Names) -> list[Incident]:
    """The incidents of a graph that holds these findings, in this order."""
    stories = graph.stories
    members: dict[int, list[int]] = defaultdict(list)
    for number, story in enumerate(stories.home):
        members[stories.root(story)].append(number)
    edges: dict[int, list[Edge]] = defaultdict(list)
    for link in stories.links:
        name = names.names[link.entity]
        edge = Edge(a=findings[link.earlier].id, b=findings[link.finding].id, kind=JOINTS[kind(name)].name, entity=shown(name))
        edges[stories.root(stories.home[link.finding])].append(edge)
    gains = {finding.id: gain for finding, gain in zip(findings, stories.gain, strict=True)}
    found = [_incident([findings[number] for number in numbers], edges[root], gains) for root, numbers in members.items()]
    return sorted(found, key=lambda i: (-i.bits, i.start, i.id))


def _incident(findings: list[Finding], edges: list[Edge], gains: Gains) -> Incident:
    strongest = sorted(findings, key=lambda f: (-f.bits, f.start, f.id))
    entities = _entities(findings)
    end = max(f.end for f in findings)
    telling = essence(findings, gains)
    return Incident(
        id=incident_id(findings[0]),
        title=_title(independent(findings, {f.id: f.bits for f in findings}), entities),
        bits=bits(findings, gains),
        start=findings[0].start,
        end=end,
        entities=entities,
        stages=_stages(findings),
        findings=tuple(f.id for f in strongest),
        edges=tuple(edges),
        n_events=_distinct_events(findings),
        raised=findings[0].end,
        changed=end,
        essence=telling,
        roles=_roles(findings, edges, telling),
    )


def incident_id(earliest: Finding) -> str:
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


def _roles(findings: Sequence[Finding], edges: Sequence[Edge], telling: Sequence[str]) -> tuple[Role, ...]:
    """Patient zero: whom the earliest finding is about. Target: the last new subject of what carries the incident (whose first event is
    `telling`), since what comes last is often harmless. Pivot: what joins findings about different subjects most often, and is neither.
    An incident about one subject has no target and no pivot."""
    about, carrying = {f.id: f.entity for f in findings}, {*telling}
    first, *others = dict.fromkeys([findings[0].entity, *(f.entity for f in findings if carrying.intersection(f.events[:1]))])
    roles = [Role(name="patient zero", entity=first)]
    crossed = Counter(edge.entity for edge in edges if about.get(edge.a) != about.get(edge.b))
    ends = {first, *others[-1:]}
    pivots = sorted((entity for entity in crossed if entity not in ends), key=lambda name: (-crossed[name], name))
    if pivots:
        roles.append(Role(name="pivot", entity=pivots[0]))
    if others:
        roles.append(Role(name="target", entity=others[-1]))
    return tuple(roles)


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
