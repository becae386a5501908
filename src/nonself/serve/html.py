"""The HTML report: one file that opens from disk, loads nothing, runs nothing, and is readable without style."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from nonself import __version__
from nonself.calibrate.drift import Drift
from nonself.core import attack, safe
from nonself.core.entities import kind
from nonself.core.incident import Incident
from nonself.serve import events, svg
from nonself.serve.story import Story

EVIDENCE = 60
FINDINGS = 40
"""Rows shown per incident; the rest is counted and stays in the ledger."""


def report(stories: Sequence[Story], *, kept: int, standing: Drift | None = None) -> str:
    """The whole report as text. `kept` is the number of weaker incidents below the budget, `standing` what its promise is
    worth, where that is to be told."""
    folder = files("nonself.serve") / "templates"
    style = (folder / "report.css").read_text(encoding="utf-8")
    template = environment().from_string((folder / "report.html.j2").read_text(encoding="utf-8"))
    return template.render(
        stories=[_view(story) for story in stories],
        kept=kept,
        standing=standing,
        version=__version__,
        style=Markup(style),
        policy=policy(style),
    )


def policy(style: str) -> str:
    """Nothing may load or run; the one style sheet is named by its hash."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def environment() -> Environment:
    """Templates in which every text is neutralised, whatever filter it went through."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_neutral)
    environment.filters["shorten"] = safe.shorten
    return environment


def _neutral(value: Any) -> Any:
    """Every value that reaches the page passes here: text from logs is escaped and its control and bidi characters are made visible."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else Markup(safe.html(value))


def involved(incident: Incident) -> list[str]:
    """The entities a person would name, most involved first: processes and hashes are for machines."""
    return [name for name in incident.entities if kind(name) not in ("process", "hash", "cred")]


def _view(story: Story) -> dict[str, Any]:
    """What the template shows of a story."""
    incident = story.incident
    return {
        "incident": incident,
        "entities": involved(incident),
        "stages": [
            (s, attack.TACTICS.get(s.tactic, s.tactic), ", ".join(f"{t} {attack.name(t)}" for t in s.techniques)) for s in incident.stages
        ],
        "findings": story.findings[:FINDINGS],
        "more_findings": max(0, len(story.findings) - FINDINGS),
        "events": [(row, events.sentence(row)) for row in story.evidence.head(EVIDENCE).iter_rows(named=True)],
        "more_events": max(0, incident.n_events - EVIDENCE),
        "timeline": svg.timeline(story),
        "graph": svg.graph(story),
        "plots": [(plot.entity, svg.activity(plot, incident.start, incident.end)) for plot in story.activity],
    }
