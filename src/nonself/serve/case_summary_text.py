"""A summary of a shift or a week as Markdown, JSON and HTML."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import msgspec
from markupsafe import Markup

from nonself import __version__
from nonself.analyst.approvals import standing
from nonself.analyst.hypotheses import BY_NAME
from nonself.analyst.outline import percent
from nonself.core import safe
from nonself.serve import html
from nonself.serve.case_summary import Open, Spent, Summary

TITLES = {"handover": "Handover", "weekly": "The week"}
_LISTED = 15
_JUDGED = 30


def headline(told: Summary) -> str:
    """The first sentence, for who reads no other."""
    new = sum((o.incident.changed or o.incident.end) > told.since for o in told.open)
    likely = sum(o.case is not None and o.case.proposal.judgement == "malicious" for o in told.open)
    approved = sum(w.decision.state == "approved" for w in told.waiting)
    parts = [f"{len(told.open)} incidents are open within the budget, {new} of them came or grew in this time"]
    parts.append(f"{likely} of the {sum(o.case is not None for o in told.open)} that were looked into are likely malicious")
    return "; ".join(parts) + (f"; {approved} approved actions are not sent yet." if approved else ".")


def proposal(one: Open) -> str:
    """What the floor proposes of an open incident, in words."""
    if one.case is None:
        return "not looked into here"
    p = one.case.proposal
    judged = "undecided" if p.judgement == "unsure" else p.judgement
    return f"{judged} proposed ({percent(p.p_malicious)} malicious): {BY_NAME[p.hypotheses[0].name].means}"


def spent(of: Spent) -> str:
    """What reports and models have cost, in words."""
    return (
        f"{of.reports:,} reports were made, {of.asked:,} of them with a language model: {of.tokens_in:,} tokens to it, {of.tokens_out:,} "
        f"from it, {of.usd:.4f} US dollars."
    )


def markdown(told: Summary) -> str:
    """The summary as Markdown."""
    return "\n".join([*_head(told), *_open(told), *_actions(told), *_judged(told), *_came(told)]) + "\n"


def _head(told: Summary) -> Iterator[str]:
    yield f"# {TITLES[told.kind]}: {told.since:%Y-%m-%d %H:%M} to {told.until:%Y-%m-%d %H:%M} UTC"
    yield from ("", f"**{headline(told)}**", "", "| | in this time | in as long before |", "|---|---|---|")
    yield from (f"| {what} | {now:,} | {before:,} |" for what, now, before in told.counts)


def _open(told: Summary) -> Iterator[str]:
    yield from ("", "## Open", "")
    for one in told.open[:_LISTED]:
        i = one.incident
        title = safe.markdown(safe.shorten(i.title, 200))
        yield f"- `{i.id}` **{title}** {i.bits:.0f} bits, {i.start:%m-%d %H:%M} to {(i.changed or i.end):%m-%d %H:%M}. {proposal(one)}."
    if len(told.open) > _LISTED:
        yield f"- and {len(told.open) - _LISTED} more: `nonself incidents`"
    if not told.open:
        yield "None."


def _actions(told: Summary) -> Iterator[str]:
    yield from ("", "## Actions that wait", "")
    for one in told.waiting:
        entity = safe.markdown(safe.shorten(one.action.entity.partition(":")[2], 120))
        yield f"- {one.action.verb} **{entity}** `{one.action.hash[:16]}` of `{one.incident}`: {safe.markdown(standing(one.decision))}"
    if not told.waiting:
        yield "None."


def _judged(told: Summary) -> Iterator[str]:
    yield from ("", "## Decided", "")
    for verdict, title in told.judged[:_JUDGED]:
        what = f"took back: {verdict.judgement}" if verdict.undoes else verdict.judgement
        words = (safe.markdown(safe.shorten(text, 200)) for text in (title or "unknown", verdict.who, verdict.reason))
        yield "- `{}` {}: {}, by {} ({})".format(safe.markdown(verdict.subject), next(words), what, *words)
    if len(told.judged) > _JUDGED:
        yield f"- and {len(told.judged) - _JUDGED} more"
    if not told.judged:
        yield "Nothing."


def _came(told: Summary) -> Iterator[str]:
    if told.tactics:
        yield from ("", "## ATT\\&CK tactics of what is open", "", "| tactic | incidents | before |", "|---|---|---|")
        yield from (f"| {caption} | {now} | {before} |" for caption, now, before in told.tactics)
    if told.triggers:
        yield from ("", "## What took the most places", "", "| detector or rule | incidents | findings | judged true | judged false |")
        yield "|---|---|---|---|---|"
        yield from (
            f"| {safe.markdown(safe.shorten(t.title, 120))} | {t.shown} | {t.findings:,} | {t.true} | {t.false} |" for t in told.triggers
        )
    yield from ("", spent(told.spent))


def as_json(told: Summary) -> dict[str, Any]:
    """The summary as plain data; of a case its judgement alone."""
    plain: dict[str, Any] = {
        name: msgspec.to_builtins(getattr(told, name)) for name in ("kind", "since", "until", "tactics", "triggers", "spent")
    }
    return {
        "type": "summary",
        **plain,
        "headline": headline(told),
        "counts": [{"what": what, "now": now, "before": before} for what, now, before in told.counts],
        "open": [
            {
                "id": o.incident.id, "title": o.incident.title, "bits": o.incident.bits, "start": o.incident.start, "end": o.incident.end,
                "judgement": o.case.proposal.judgement if o.case else None, "p_malicious": o.case.proposal.p_malicious if o.case else None,
            }
            for o in told.open
        ],
        "actions": [
            {
                "incident": w.incident, "hash": w.action.hash, **msgspec.to_builtins(w.action), "state": w.decision.state,
                "who": w.decision.who,
            }
            for w in told.waiting
        ],
        "verdicts": [msgspec.to_builtins(verdict) for verdict, _ in told.judged],
    }  # fmt: skip


def page(told: Summary) -> str:
    """The summary as one HTML file that loads and runs nothing."""
    folder = files("nonself.serve") / "templates"
    style = "".join((folder / name).read_text(encoding="utf-8") for name in ("report.css", "case.css"))
    template = html.environment().from_string((folder / "summary.html.j2").read_text(encoding="utf-8"))
    return template.render(
        told=told,
        title=TITLES[told.kind],
        headline=headline(told),
        open=[(o.incident, proposal(o), o.case.proposal.judgement if o.case else "") for o in told.open[:_LISTED]],
        more_open=max(0, len(told.open) - _LISTED),
        waiting=[(w, standing(w.decision)) for w in told.waiting],
        judged=told.judged[:_JUDGED],
        more_judged=max(0, len(told.judged) - _JUDGED),
        spent=spent(told.spent),
        policy=html.policy(style),
        style=Markup(style),
        version=__version__,
    )
