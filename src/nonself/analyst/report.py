"""A case as Markdown and as JSON. HTML is made from the same outline by `serve`, which has the page's style and policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from nonself.analyst.approvals import NOTHING, PROPOSED, Decision, standing
from nonself.analyst.case import Case
from nonself.analyst.hypotheses import BY_NAME
from nonself.analyst.outline import Line, Outline, cost, outline, percent, weighty
from nonself.analyst.prose import joined, sentence, shown
from nonself.analyst.queries import TOOLS
from nonself.core import safe
from nonself.core.claim import Claim
from nonself.core.entities import kind

Decided = Mapping[str, Decision]
"""What was decided about actions, by hash. It stands beside a case and is no part of it, so the same report comes out after an approval."""


def markdown(case: Case, decided: Decided = NOTHING) -> str:
    """The report as Markdown. Every sentence about events ends with its claim's id; the list of claims names the events of each."""
    told = outline(case)
    return "\n".join([*_head(told), *_story(told), *_verdict(told), *_actions(told, decided), *_tail(told)]) + "\n"


def as_json(case: Case, decided: Decided = NOTHING) -> dict[str, Any]:
    """The report as plain data: the case, its hash, each claim's sentence, each action with what was decided about it."""
    told = outline(case)
    return {
        "type": "report",
        "sha256": case.sha256,
        "headline": told.headline,
        "summary": list(told.summary),
        "sentences": [{"claim": c.id, "text": sentence(c, safe.terminal), "events": list(c.events)} for c in told.told],
        "actions": [
            {"hash": a.hash, **msgspec.to_builtins(a), "state": one.state, "who": one.who, "why": one.why}
            for a, one in ((a, decided.get(a.hash, PROPOSED)) for a in case.actions)
        ],
        "case": msgspec.to_builtins(case),
    }


def _head(told: Outline) -> Iterator[str]:
    case = told.case
    yield f"# {safe.markdown(safe.shorten(case.incident.title, 300))}"
    yield ""
    caveat = f" {case.incident.caveat.capitalize()}." if case.incident.caveat else ""
    yield f"Incident `{case.incident.id}`, {case.incident.bits:.1f} bits. All times are UTC.{caveat}"
    yield ""
    yield "## Summary"
    yield ""
    yield f"**{told.headline}.** " + " ".join(told.summary)
    if case.advice.summary:
        pieces = joined(case.advice.summary, {t.claim.id: t.claim for t in case.story}, safe.markdown)
        yield "\n" + "".join(f"{text} `{claim.id}`" if claim else text for text, claim in pieces)
    if case.advice.model or case.advice.note:
        yield f"\nLanguage model: {safe.markdown(case.advice.model or 'none')}, {cost(case.advice)}. {case.advice.note}"


def _story(told: Outline) -> Iterator[str]:
    yield from ("", "## What happened", "")
    for paragraph in told.paragraphs:
        when = f"{paragraph.time:%m-%d %H:%M:%S} " if paragraph.time else ""
        yield (
            f"- {when}" + " ".join(_cited(claim) for claim in paragraph.claims) + (f" And {paragraph.more} more." if paragraph.more else "")
        )
    if not told.paragraphs:
        yield "No rule matched and nothing is very surprising; what was found follows."
    yield from _lines("Unusual here", told.unusual, told.hidden.get("unusual", 0))
    yield from _lines("Further events of it", told.events, told.hidden.get("events", 0))
    yield from _lines("Found beside it, within a day", told.beside, told.hidden.get("beside", 0))
    yield from _lines("Also seen on the same machines", told.also, told.hidden.get("also", 0))
    yield from _lines("Around it", told.around, told.hidden.get("around", 0))
    if told.texts:
        yield from ("", "## Text written for a reader", "", *(f"- {_cited(claim)}" for claim in told.texts))
    if told.case.absent:
        yield from ("", "## Looked for and not found", "", *_absent(told.case.absent))


def _absent(claims: Iterable[Claim]) -> Iterator[str]:
    """One line a question, with all that it was asked of."""
    by_tool: dict[str, list[Claim]] = {}
    for claim in claims:
        by_tool.setdefault(claim.args["tool"], []).append(claim)
    for tool, asked in by_tool.items():
        names = ", ".join(f"{safe.markdown(shown(claim.args['entity'], 'entity'))} `{claim.id}`" for claim in asked)
        before, _, after = TOOLS[tool].nothing.partition("{entity}")
        yield f"- {before[:1].upper() + before[1:]}{names}{after}."


def _lines(title: str, told: Iterable[Line], hidden: int) -> Iterator[str]:
    lines = [
        (f"- {t.time:%m-%d %H:%M:%S} " if t.time else "- ") + _cited(t.claim) + (f" ({t.times} times)" if t.times > 1 else "") for t in told
    ]
    if lines:
        yield from ("", f"## {title}", "", *lines)
        if hidden:
            yield f"- and {hidden} more in the JSON report"


def _cited(claim: Claim) -> str:
    return f"{sentence(claim, safe.markdown)} `{claim.id}`"


def _verdict(told: Outline) -> Iterator[str]:
    if told.stages:
        yield from ("", "## ATT\\&CK", "")
        for stage in told.stages:
            names = ", ".join(f"{t} {safe.markdown(name)}" for t, name in stage.techniques)
            yield f"- {stage.time:%m-%d %H:%M:%S} **{safe.markdown(stage.tactic)}** {names}"
    yield from (
        "",
        "## Hypotheses",
        "",
        "| hypothesis | probability | what speaks for and against it (bits) | what would refute it |",
        "|---|---|---|---|",
    )
    for weighed in weighty(told.case):
        signals = ", ".join(f"{name} {bits:+.1f}" for name, bits in weighed.signals)
        yield f"| {weighed.name} | {percent(weighed.p)} | {signals or 'nothing'} | {BY_NAME[weighed.name].refuted_by} |"
    if told.case.advice.order:
        yield f"\nThe model would order them: {', '.join(told.case.advice.order)}."
    if told.case.questions:
        yield from ("", "## Next questions", "", *(f"- {question}" for question in told.case.questions))


def _actions(told: Outline, decided: Decided) -> Iterator[str]:
    if told.case.actions:
        yield from ("", "## Proposed actions", "")
    for action in told.case.actions:
        rests = " ".join(f"`{c}`" for c in action.claims[:5])
        entity = safe.markdown(safe.shorten(action.entity.partition(":")[2], 120))
        state = safe.markdown(standing(decided.get(action.hash, PROPOSED)))
        yield f"- {action.verb} {kind(action.entity)} **{entity}**: {action.effect}. State: {state}; rests on {rests};"
        yield f"  hash `{action.hash[:16]}`"


def _tail(told: Outline) -> Iterator[str]:
    case = told.case
    if case.unproven:
        yield from (
            "",
            "## Not established",
            "",
            f"{len(case.unproven)} statements could not be established and are part of no sentence above:",
            "",
        )
    yield from (f"- `{claim.id}` {claim.truth}: {claim.why}" for claim in case.unproven)
    yield from ("", "## Questions asked", "", "| question | events | answer |", "|---|---|---|")
    for answer in case.answers:
        entity = safe.markdown(safe.shorten(answer.query.entity, 80))
        yield f"| {TOOLS[answer.query.tool].asks.format(entity=entity)} | {answer.n:,} | `{answer.sha256[:16]}` |"
    yield from ("", "## Claims and their events", "")
    for claim in told.told:
        shown = " ".join(f"`{uid}`" for uid in claim.events[:5]) + (f" and {len(claim.events) - 5} more" if len(claim.events) > 5 else "")
        yield f"- `{claim.id}` {claim.predicate} ({claim.truth}): {shown or 'all records of the incident'}"
    yield from ("", f"Report `{case.sha256[:16]}`, schema {case.version}.")
