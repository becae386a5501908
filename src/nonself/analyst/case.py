"""`Case`: what the analyst found out about one incident, all of it from claims that the verifier has run again.

`investigate` is the floor: deterministic code, no language model. It reads the records, asks what the playbook asks, makes claims, has each
checked, weighs hypotheses and proposes a verdict, next questions and containment. A model may add to it (`advisor`) and can take nothing
away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec

from nonself.analyst import claims as make
from nonself.analyst import playbooks
from nonself.analyst.actions import Action, propose
from nonself.analyst.bearing import bearing
from nonself.analyst.carrying import SAYS, carrying
from nonself.analyst.facts import gather, lasting, tells
from nonself.analyst.hypotheses import BY_NAME, Proposal, weigh
from nonself.analyst.queries import Answer, ask
from nonself.analyst.records import Records
from nonself.analyst.taint import Suspicion, total
from nonself.analyst.verify import split
from nonself.core.claim import Claim
from nonself.core.entities import kind
from nonself.core.finding import Finding
from nonself.core.incident import Incident, Stage

SCHEMA_VERSION = 3
_FINDINGS = 40
_BESIDE = 5
_TOLD_FIRST = 12
_INSTRUCTION_BITS = 2.0
"""What each family of instruction-like text in the evidence adds: few sources of logs write sentences to their readers."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A verified claim in its place in the story: when its first event was, None where that is not known."""

    claim: Claim
    time: datetime | None
    part: str


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What a model added, if one was asked. `used` says what of it was taken; `summary` is made of clauses of verified claims only (their
    ids in `{}`); `note` says why the floor was fallen back on."""

    model: str = ""
    used: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    summary: str = ""
    requests: tuple[str, ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float = 0.0
    note: str = ""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One incident investigated.

    story       verified claims by time: part "finding" (what carries the incident), "event" (what happened), "beside" (findings of the
                same accounts and machines that are no part of the incident), "also" (what else was found on the same machines, and its
                events), "around" (what the queries brought), "text" (instruction-like text)
    stages      the incident's tactics, as far as what carries it has them
    absent      verified claims that there is nothing
    unproven    claims that are refuted or can't be checked: never part of a sentence of the report
    answers     every query that was asked, with the hash of what came back
    """

    version: int = SCHEMA_VERSION
    incident: Incident
    playbook: str
    span: tuple[datetime, datetime] | None
    complete: bool
    story: tuple[Told, ...]
    absent: tuple[Claim, ...]
    unproven: tuple[Claim, ...]
    stages: tuple[Stage, ...]
    answers: tuple[Answer, ...]
    proposal: Proposal
    questions: tuple[str, ...]
    actions: tuple[Action, ...]
    advice: Advice = Advice()

    @property
    def sha256(self) -> str:
        """Hash over everything above: what an audit row and an approval are bound to."""
        return hashlib.sha256(msgspec.json.encode(msgspec.to_builtins(self), order="deterministic")).hexdigest()


def investigate(records: Records, *, more: Sequence[Answer] = (), claimed: Sequence[Claim] = (), raised: Suspicion | None = None) -> Case:
    """The case of an incident. `more` are answers to queries beyond the playbook, `claimed` claims that somebody else makes (checked like
    any other), `raised` suspicion from outside."""
    playbook = playbooks.choose(records)
    answers = [ask(records, query) for query in playbooks.plan(playbook, records)]
    answers = list({answer.query.id: answer for answer in (*answers, *more)}.values())
    carry = carrying(records)
    made = _claims(records, carry, answers) + [("around", claim) for claim in claimed]
    part = {claim.id: name for name, claim in reversed(made)}
    established, unproven = split((claim for _, claim in made), records)
    texts = {c.args["family"] for c in established if c.predicate == "Instructing"}
    suspicion = total([*(Suspicion(_INSTRUCTION_BITS) for _ in texts), *([raised] if raised else [])])
    proposal = weigh(gather(records), suspicion)
    told = _told(established, part, records)
    return Case(
        incident=records.incident,
        playbook=playbook.name,
        span=records.span,
        complete=records.complete,
        story=told,
        absent=tuple(c for c in established if c.predicate == "NothingFound"),
        unproven=tuple(unproven),
        stages=_stages(records, carry),
        answers=tuple(answers),
        proposal=proposal,
        questions=_questions(proposal, unproven),
        actions=propose(
            records.incident, [t.claim for t in told if t.part in ("finding", "event") or t.claim.predicate == "MetBy"], proposal
        ),
    )


def _claims(records: Records, carry: frozenset[str], answers: Sequence[Answer]) -> list[tuple[str, Claim]]:
    """Every claim to be checked, with the part of the story it would stand in."""
    findings = sorted(records.findings.values(), key=lambda f: (-f.bits, f.start, f.id))
    core = {uid for f in findings if f.id in carry for uid in bearing(f, records)}
    others = {uid for f in findings for uid in bearing(f, records)} - core
    told = [f for f in findings if f.id in carry][:_FINDINGS] + [f for f in findings if f.id not in carry][:_FINDINGS]
    made = [("finding" if f.id in carry else "also", make.of_finding(f, records)) for f in told]
    for part, events in (("event", records.cited(core)), ("also", records.cited(others))):
        made += [(part, claim) for claim in (*make.of_events(events), *make.transfers(events))]
    made += [("beside", make.of_finding(f, records)) for f in _beside(records)]
    evidence = records.cited(uid for f in findings for uid in f.events)
    made += [("around", claim) for answer in answers for claim in make.of_answer(answer, records)]
    for entity in [e for e in records.incident.entities if kind(e) in ("domain", "ip", "host", "user", "hash")][:_TOLD_FIRST]:
        made += [("around", claim) for claim in make.first_seen(entity, records)]
    return made + [("text", claim) for claim in make.instructing(evidence)]


def _beside(records: Records) -> list[Finding]:
    """The most telling findings beside the incident, of which the records hold an event."""
    told = [(tells(f, records), f) for f in records.near if not lasting(f, records) and any(uid in records.places for uid in f.events)]
    return [f for bits, f in sorted(told, key=lambda t: (-t[0], t[1].start, t[1].id)) if bits >= SAYS][:_BESIDE]


def _stages(records: Records, carry: frozenset[str]) -> tuple[Stage, ...]:
    stages = []
    for stage in records.incident.stages:
        found = [f for f in records.findings.values() if f.id in carry and stage.tactic in f.tactics]
        techniques = tuple(t for t in stage.techniques if any(t in f.attack for f in found))
        if found:
            stages.append(Stage(tactic=stage.tactic, start=min(f.start for f in found), techniques=techniques, n_findings=len(found)))
    return tuple(sorted(stages, key=lambda s: s.start))


def _told(established: Sequence[Claim], part: dict[str, str], records: Records) -> tuple[Told, ...]:
    times = dict(records.events.select("uid", "time").iter_rows())
    told = []
    for claim in established:
        if claim.predicate != "NothingFound":
            met = [times[uid] for uid in claim.events if times.get(uid)]
            told.append(Told(claim=claim, time=min(met, default=None), part=part[claim.id]))
    late = datetime.max.replace(tzinfo=records.incident.start.tzinfo)
    return tuple(sorted(told, key=lambda t: (t.part, t.time or late)))


def _questions(proposal: Proposal, unproven: Sequence[Claim]) -> tuple[str, ...]:
    """What a person should find out next: what would refute the likeliest hypotheses, and what could not be checked."""
    likely = [w for w in proposal.hypotheses if w.p >= 0.05][:3]
    asked = [f"Find out whether this is so, which would refute “{w.name}”: {BY_NAME[w.name].refuted_by}." for w in likely]
    if unproven:
        asked.append(f"{len(unproven)} statements could not be established: which log would settle them?")
    return tuple(asked)
