"""An incident's report as one HTML file: the analyst's outline on the page, style and policy of `serve.html`. It prints to PDF as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import polars as pl
from jinja2 import Template
from markupsafe import Markup

from nonself import __version__
from nonself.analyst.approvals import NOTHING, PROPOSED, Decision, standing
from nonself.analyst.case import Case
from nonself.analyst.hypotheses import BY_NAME, SAYS
from nonself.analyst.outline import Line, Outline, cost, outline, percent, weighty
from nonself.analyst.prose import joined, sentence, shown
from nonself.analyst.queries import TOOLS
from nonself.core import safe
from nonself.core.claim import Claim
from nonself.core.events import Events
from nonself.serve import events, html, svg
from nonself.serve.story import Story

_EVENTS = 6
_RESTS = 3
_TONES = {"malicious": "malicious", "unsure": "unsure", "attempt": "attempt"}


def report(case: Case, cited: Events, story: Story | None = None, decided: Mapping[str, Decision] = NOTHING) -> str:
    """The page. `cited` are the events that claims rest on; `story` adds the figure of findings over time, `decided`
    what was decided about actions."""
    template, style = _page()
    told = outline(case)
    claims = [_claim(c) for c in told.told]
    cited_first = {uid for claim in claims for uid in claim["events"]}
    return template.render(
        case=case,
        incident=case.incident,
        headline=told.headline,
        tone=_TONES.get(case.proposal.judgement, "benign"),
        summary=told.summary,
        advised=_advised(case, {c.id: c for c in told.told} | {t.claim.id: t.claim for t in case.story}),
        entities=html.involved(case.incident),
        timeline=svg.timeline(story) if story else "",
        malicious=percent(case.proposal.p_malicious),
        claims=claims,
        events=_rows(cited, cited_first),
        policy=html.policy(style),
        style=Markup(style),
        version=__version__,
        sha256=case.sha256,
        cost=cost(case.advice),
        **_parts(told, decided),
    )


@cache
def _page() -> tuple[Template, str]:
    """The template and its style; compiling them costs more than filling them in."""
    folder = files("nonself.serve") / "templates"
    style = "".join((folder / name).read_text(encoding="utf-8") for name in ("report.css", "case.css"))
    return html.environment().from_string((folder / "case.html.j2").read_text(encoding="utf-8")), style


def _parts(told: Outline, decided: Mapping[str, Decision]) -> dict[str, Any]:
    case = told.case
    return {
        "stages": told.stages,
        "paragraphs": [
            {"time": p.time, "claims": [_claim(c) for c in p.claims], "more": p.more} for p in told.paragraphs
        ],
        "unusual": _lines(told.unusual),
        "further": _lines(told.events),
        "beside": _lines(told.beside),
        "also": _lines(told.also),
        "around": _lines(told.around),
        "texts": [_claim(c) for c in told.texts],
        "absent": _absent(case),
        "hidden": told.hidden,
        "actions": [
            {
                "verb": a.verb, "entity": a.entity, "effect": a.effect, "hash": a.hash, "claims": a.claims[:_RESTS],
                "more": max(0, len(a.claims) - _RESTS), "state": standing(decided.get(a.hash, PROPOSED)),
            }
            for a in case.actions
        ],
        "hypotheses": [
            {
                "name": w.name, "p": w.p, "percent": percent(w.p), "means": BY_NAME[w.name].means, "refuted_by": BY_NAME[w.name].refuted_by,
                "signals": [(name, f"{bits:+.1f}", SAYS[name]) for name, bits in w.signals],
            }
            for w in weighty(case)
        ],
        "answers": [
            {"text": TOOLS[a.query.tool].asks.replace("{entity}", a.query.entity.partition(":")[2]), "n": a.n, "sha256": a.sha256}
            for a in case.answers
        ],
    }  # fmt: skip


def _lines(told: Iterable[Line]) -> list[dict[str, Any]]:
    return [{"time": t.time, "times": t.times, **_claim(t.claim)} for t in told]


def _claim(claim: Claim) -> dict[str, Any]:
    """A claim as the template shows it. Its text is escaped piece by piece by `safe.html`, so it is markup by then."""
    n = len(claim.events)
    return {
        "id": claim.id,
        "text": Markup(sentence(claim, safe.html)),
        "predicate": claim.predicate,
        "n": f"{n} event{'s' if n != 1 else ''}" if n else "checked",
        "events": claim.events[:_EVENTS],
        "more": max(0, n - _EVENTS),
    }


def _absent(case: Case) -> list[dict[str, Any]]:
    """What was looked for and not found, one line a question: its words around the list of those it was asked of."""
    by_tool: dict[str, list[Claim]] = {}
    for claim in case.absent:
        by_tool.setdefault(claim.args["tool"], []).append(claim)
    lines = []
    for tool, claims in by_tool.items():
        before, _, after = TOOLS[tool].nothing.partition("{entity}")
        asked = [{"name": shown(c.args["entity"], "entity"), "id": c.id} for c in claims]
        lines.append({"before": before[:1].upper() + before[1:], "after": after, "asked": asked})
    return lines


def _advised(case: Case, by_id: dict[str, Claim]) -> list[dict[str, Any]]:
    """A model's summary: the words it was allowed, and clauses of claims in their place."""
    pieces = joined(case.advice.summary, by_id, safe.html)
    return [{"text": Markup(text), "id": claim.id if claim else "", "n": _claim(claim)["n"] if claim else ""} for text, claim in pieces]


def _rows(cited: Events, wanted: set[str]) -> Sequence[tuple[dict[str, Any], str]]:
    rows = cited.filter(pl.col("uid").is_in(wanted))
    return [(row, events.sentence(row)) for row in rows.iter_rows(named=True)]
