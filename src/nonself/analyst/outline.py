"""The outline of a report: which verified claims stand where, the same for every format.

What happened is told by the findings that carry the incident (`carrying`): the rules that matched and the most surprising of the rest, in
order of time, each with what its events say; then the others, and further events. What was found beside the incident, and what else was
found on the same machines, stands apart. Sentences of the same words are one line that says how often. A claim that is not verified has
no place here but the list of what is not established.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from nonself.analyst.case import Advice, Case, Told
from nonself.analyst.hypotheses import BY_NAME, Weighed
from nonself.analyst.prose import sentence
from nonself.core import attack
from nonself.core.claim import Claim

_ATTACHED = 3
"""What a rule's own events say is told in so many sentences; all of it is among the cited claims."""
MOST_LINES = 30
_AROUND = 12
"""Of what the questions brought, so much is told: what is nearest to the story in time."""
_SIGNALS = 6
_SURPRISING, _BITS = 6, 10.0
"""So many findings of learnt detectors, of so many bits or more, are told in the story; the others are listed after it."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One rule's match and what its events say; `more` counts what is not told here."""

    time: datetime | None
    claims: tuple[Claim, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence, when it was first so, and how many claims say it in the same words."""

    time: datetime | None
    claim: Claim
    times: int = 1


@dataclass(frozen=True, slots=True)
class Stage:
    """One tactic: ATT&CK's caption, its techniques as (id, name), when it was first seen."""

    tactic: str
    techniques: tuple[tuple[str, str], ...]
    time: datetime


@dataclass(frozen=True, slots=True)
class Outline:
    """`headline` and `summary` are fixed words and numbers of the case; everything else is verified claims. `hidden` counts, by section,
    the claims left out for length."""

    case: Case
    headline: str
    summary: tuple[str, ...]
    paragraphs: tuple[Paragraph, ...]
    unusual: tuple[Line, ...]
    events: tuple[Line, ...]
    beside: tuple[Line, ...]
    also: tuple[Line, ...]
    around: tuple[Line, ...]
    texts: tuple[Claim, ...]
    stages: tuple[Stage, ...]
    hidden: dict[str, int]

    @property
    def told(self) -> tuple[Claim, ...]:
        """Every claim a sentence of the report rests on."""
        parts = [claim for paragraph in self.paragraphs for claim in paragraph.claims]
        parts += [line.claim for line in (*self.unusual, *self.events, *self.beside, *self.also, *self.around)]
        return tuple({c.id: c for c in (*parts, *self.texts, *self.case.absent)}.values())


def outline(case: Case) -> Outline:
    """Arrange a case."""
    paragraphs = _paragraphs(case)
    said = {claim.id for paragraph in paragraphs for claim in paragraph.claims}
    parts = {
        name: _lines(t for t in case.story if t.part == part and t.claim.id not in said)
        for name, part in (("unusual", "finding"), ("events", "event"), ("beside", "beside"), ("also", "also"), ("around", "around"))
    }
    parts["around"], left = _nearest(parts["around"], [p.time for p in paragraphs if p.time])
    return Outline(
        case=case,
        headline=_headline(case),
        summary=_summary(case),
        paragraphs=paragraphs[:MOST_LINES],
        **{name: tuple(lines[:MOST_LINES]) for name, lines in parts.items()},
        texts=tuple(t.claim for t in case.story if t.part == "text"),
        stages=tuple(
            Stage(attack.TACTICS.get(s.tactic, s.tactic), tuple((t, attack.name(t)) for t in s.techniques), s.start) for s in case.stages
        ),
        hidden={name: len(lines) - MOST_LINES for name, lines in parts.items() if len(lines) > MOST_LINES} | {"around": left},
    )


def _lines(told: Iterable[Told]) -> list[Line]:
    """One line for all that say the same, in order of the first."""
    lines: dict[str, Line] = {}
    for one in told:
        text = sentence(one.claim, str)
        first = lines.get(text)
        lines[text] = replace(first, times=first.times + 1) if first else Line(one.time, one.claim)
    return list(lines.values())


def _nearest(lines: Sequence[Line], times: Sequence[datetime]) -> tuple[list[Line], int]:
    """The lines nearest to any of those times, in their order, and how many are left out."""

    def away(line: Line) -> float:
        return min((abs((line.time - time).total_seconds()) for time in times), default=0.0) if line.time else 0.0

    kept = {line.claim.id for line in sorted(lines, key=away)[:_AROUND]}
    return [line for line in lines if line.claim.id in kept], len(lines) - len(kept)


def _paragraphs(case: Case) -> tuple[Paragraph, ...]:
    events = [t for t in case.story if t.part == "event"]
    found = []
    said: set[str] = set()
    for told in _leading(case):
        cited = set(told.claim.events)
        own = [t.claim for t in events if cited & set(t.claim.events) and t.claim.id not in said]
        said |= {claim.id for claim in own[:_ATTACHED]}
        found.append(Paragraph(told.time, (told.claim, *own[:_ATTACHED]), max(0, len(own) - _ATTACHED)))
    return tuple(found)


def _leading(case: Case) -> list[Told]:
    """What the story is told by: every rule's match and the most surprising of the rest, in order of time."""
    found = [t for t in case.story if t.part == "finding"]
    surprising = sorted((t for t in found if t.claim.predicate == "Unusual"), key=lambda t: -float(t.claim.args["bits"]))
    leading = {t.claim.id for t in surprising[:_SURPRISING] if float(t.claim.args["bits"]) >= _BITS}
    return [t for t in found if t.claim.predicate == "MatchedRule" or t.claim.id in leading]


_HEADLINES = {
    "malicious": "Proposed verdict: malicious",
    "unsure": "Proposed verdict: none; the evidence does not decide",
    "attempt": "Proposed verdict: an attempt, in vain",
    "benign trigger": "Proposed verdict: benign trigger",
    "false alarm": "Proposed verdict: false alarm",
}


def _headline(case: Case) -> str:
    return _HEADLINES[case.proposal.judgement]


def _summary(case: Case) -> tuple[str, ...]:
    """For a manager: fixed words and numbers of the case."""
    incident, proposal = case.incident, case.proposal
    best = proposal.hypotheses[0]
    rules = sum(t.claim.predicate == "MatchedRule" for t in case.story)
    hosts = sum(e.startswith("host:") for e in incident.entities)
    users = sum(e.startswith("user:") for e in incident.entities)
    times = [t.time for t in case.story if t.part == "finding" and t.time] or [incident.start, incident.end]
    lines = [
        f"The likeliest explanation ({percent(best.p)}): {BY_NAME[best.name].means}. "
        f"Malicious explanations together: {percent(proposal.p_malicious)}.",
        f"What carries it began between {min(times):%Y-%m-%d %H:%M} and {max(times):%Y-%m-%d %H:%M} UTC; the incident touches "
        f"{_count(hosts, 'machine')} and {_count(users, 'account')}.",
        f"{_count(rules, 'rule match', 'rule matches')} and {_count(len(incident.findings) - rules, 'other finding')} rest on "
        f"{_count(incident.n_events, 'event')}; {_count(len(case.answers), 'question')} were asked of the records, "
        f"{len(case.absent)} of them found nothing.",
    ]
    if case.actions:
        lines.append(f"{_count(len(case.actions), 'action')} proposed; none is carried out before a person approves it.")
    if not case.complete:
        lines.append("The incident touches more records than were read; nothing is claimed about what was not read.")
    return tuple(lines)


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def weighty(case: Case) -> list[Weighed]:
    """The hypotheses worth a person's time, likeliest first: the likeliest malicious and the likeliest harmless one, and others of one in a
    hundred and more; each with its heaviest signals."""
    ranked = case.proposal.hypotheses
    first = {w.judgement == "malicious": w.name for w in reversed(ranked)}
    return [msgspec.structs.replace(w, signals=w.signals[:_SIGNALS]) for w in ranked if w.p >= 0.01 or w.name in first.values()]


def percent(p: float) -> str:
    """A probability for people. It rests on weights that are rough, so it is never told as certain."""
    return "under 1 %" if p < 0.01 else "over 99 %" if p > 0.99 else f"{p:.0%}".replace("%", " %")


def cost(advice: Advice) -> str:
    """What asking a model has cost, in words."""
    told = f"{advice.tokens_in:,} tokens to it and {advice.tokens_out:,} from it"
    return told + (f", {advice.usd:.4f} US dollars" if advice.usd else "")
