"""Incidents as Markdown, for tickets and chats: all text from logs is defused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nonself.core import attack, safe
from nonself.serve.events import sentence
from nonself.serve.export_parts import Told

_FINDINGS, _EVENTS = 20, 20


def write(incidents: Sequence[Told]) -> str:
    """All incidents, one after the other."""
    return "\n".join(line for one in incidents for line in _lines(one)) + "\n"


def _lines(one: Told) -> Iterator[str]:
    incident, story = one.incident, one.story
    yield f"# {safe.markdown(safe.shorten(incident.title, 200))}"
    yield ""
    yield f"{incident.id}, {incident.bits:.1f} bits, {incident.start:%Y-%m-%d %H:%M} to {incident.end:%Y-%m-%d %H:%M} UTC, {incident.state}"
    if incident.caveat:
        yield ""
        yield incident.caveat
    yield ""
    if one.verdict:
        yield f"Judged **{one.verdict.judgement}** by {safe.markdown(one.verdict.who)}: {safe.markdown(one.verdict.reason)}"
        yield ""
    for role in incident.roles:
        yield f"- {role.name}: {safe.markdown(safe.shorten(role.entity, 120))}"
    for stage in incident.stages:
        named = ", ".join(f"{t} {attack.name(t)}" for t in stage.techniques)
        yield f"- {stage.start:%m-%d %H:%M} {attack.TACTICS.get(stage.tactic, safe.markdown(stage.tactic))}: {safe.markdown(named)}"
    yield from ("", "## Why", "")
    for finding in story.findings[:_FINDINGS]:
        about = safe.markdown(safe.shorten(finding.entity, 120))
        yield f"- {finding.bits:.1f} bits: {safe.markdown(safe.shorten(finding.title, 200))} ({about})"
    if len(story.findings) > _FINDINGS:
        yield f"- and {len(story.findings) - _FINDINGS} more"
    yield from ("", "## Events", "")
    for event in story.evidence.head(_EVENTS).iter_rows(named=True):
        when = f"{event['time']:%Y-%m-%d %H:%M:%S}" if event["time"] else "no time"
        where = safe.markdown(f"{event['origin'] or ''}:{event['record']}")
        yield f"- {when} {safe.markdown(safe.shorten(sentence(event), 300))} ({where})"
    if incident.n_events > min(_EVENTS, story.evidence.height):
        yield f"- {incident.n_events} events in all"
    yield ""
