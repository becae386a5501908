"""The terminal: a queue of incidents, and one incident explained. Everything that came from a log is neutralised."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from nonself.calibrate.drift import Drift
from nonself.core import attack, safe
from nonself.core.entities import kind
from nonself.core.finding import Finding
from nonself.core.incident import Incident
from nonself.core.stats import Stats
from nonself.serve.events import sentence
from nonself.serve.story import Story

_NAMED = ("host", "user", "ip", "domain", "role", "resource")
_EVIDENCE = 12
_FINDINGS = 15
_GUIDANCE = "[dim]  nonself explain ID[/] tells one incident; [dim]--html FILE[/] writes the report."


def budget(console: Console, standing: Drift) -> None:
    """A line that the budget's promise does not hold at present; nothing while it does."""
    if standing.statement:
        moved = f": more surprises than the days before gave reason to expect ({', '.join(standing.moved)})"
        console.print(Text(safe.terminal(standing.statement + moved), style="bold yellow"))


def queue(console: Console, shown: Sequence[Incident], incidents: Sequence[Incident], *, limit: int) -> None:
    """The incidents `shown`, most significant first, and how many more of all `incidents` are kept."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, justify in (("bits", "right"), ("incident", "left"), ("what", "left"), ("when (UTC)", "left"), ("", "right")):
        table.add_column(name, justify=justify, no_wrap=name in ("bits", "incident", ""), vertical="top")  # type: ignore[arg-type]
    for incident in shown[:limit]:
        what = Text(safe.terminal(safe.shorten(incident.title, 160)), style="bold")
        what.append("\n" + _involved(incident), style="cyan")
        if incident.stages:
            what.append("\n" + _stages(incident), style="magenta")
        if incident.why:
            what.append("\n" + safe.terminal(safe.shorten(f"{incident.state}: {incident.why}", 160)), style="green")
        counts = f"{_count(len(incident.findings), 'finding')}\n{_count(incident.n_events, 'event')}"
        table.add_row(
            Text(f"{incident.bits:.0f}", style=_heat(incident.bits)), incident.id, what, _span(incident.start, incident.end), counts
        )
    console.print(table)
    _below(console, len(shown) - limit, len(incidents) - len(shown))


def _below(console: Console, more: int, under: int) -> None:
    if more > 0:
        console.print(f"  … and {more} more within the budget; [dim]--top N[/] shows them")
    if under:
        console.print(f"  {under} weaker incidents are kept below the daily budget; [dim]nonself incidents --all[/] lists them")
    console.print(_GUIDANCE)


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def _heat(bits: float) -> str:
    return "bold red" if bits >= 60 else "red" if bits >= 30 else "yellow" if bits >= 15 else "white"


def _involved(incident: Incident) -> str:
    names = [safe.shorten(e, 48) for wanted in _NAMED for e in incident.entities if kind(e) == wanted]
    ranked = sorted(names, key=lambda e: incident.entities.index(e) if e in incident.entities else len(incident.entities))
    rest = f" +{len(ranked) - 4}" if len(ranked) > 4 else ""
    return safe.terminal("  ".join(ranked[:4]) + rest)


def _stages(incident: Incident) -> str:
    return safe.terminal(" → ".join(attack.TACTICS.get(stage.tactic, stage.tactic) for stage in incident.stages))


def _span(start: datetime, end: datetime) -> str:
    first = f"{start:%Y-%m-%d %H:%M}"
    if end - start < (end - end.replace(second=0, microsecond=0)) or f"{end:%Y-%m-%d %H:%M}" == first:
        return first
    return f"{first}\nto {end:%H:%M}" if start.date() == end.date() else f"{first}\nto {end:%Y-%m-%d %H:%M}"


def explain(console: Console, story: Story, rank: str = "") -> None:
    """One incident: why, in what order, resting on what; `rank` is why it stands where it does."""
    incident = story.incident
    console.print(Text(safe.terminal(incident.title), style="bold"))
    console.print(
        f"{incident.id}  [bold]{incident.bits:.1f} bits[/]  {incident.start:%Y-%m-%d %H:%M:%S}Z to {incident.end:%Y-%m-%d %H:%M:%S}Z  "
        f"{_count(len(incident.findings), 'finding')}, {_count(incident.n_events, 'event')}"
    )
    console.print(Text(_involved(incident), style="cyan"))
    _standing(console, incident)
    if rank:
        console.print(Text(rank))
    if incident.stages:
        console.print("\n[bold]Stages[/]")
        for stage in incident.stages:
            techniques = ", ".join(f"{t} {attack.name(t)}" for t in stage.techniques)
            console.print(
                f"  {stage.start:%m-%d %H:%M:%S}  {attack.TACTICS.get(stage.tactic, stage.tactic)}  {escape(safe.terminal(techniques))}"
            )
    console.print("\n[bold]Why[/]  (bits of surprise; each finding is the sum of its reasons)")
    for finding in story.findings[:_FINDINGS]:
        _finding(console, finding)
    if len(story.findings) > _FINDINGS:
        console.print(f"  … and {len(story.findings) - _FINDINGS} weaker findings; --json lists them all")
    _evidence(console, story)


def _standing(console: Console, incident: Incident) -> None:
    """Whether it is shown, its state and why, who is who in it, and what it has taken in."""
    held = ", held back by the day's budget" if incident.state == "open" and not incident.shown else ""
    console.print(Text(safe.terminal(f"{incident.state}{held}" + (f": {incident.why}" if incident.why else ""))))
    if incident.rate is not None:
        console.print(Text(f"as surprising as this: {incident.rate:.2g} incidents a day in the weeks before", style="dim"))
    if incident.caveat:
        console.print(Text(safe.terminal(incident.caveat), style="yellow"))
    if len(incident.roles) > 1:
        console.print(
            Text(safe.terminal("; ".join(f"{role.name} {safe.shorten(role.entity, 60)}" for role in incident.roles)), style="dim")
        )
    if incident.merged:
        console.print(Text(safe.terminal(f"holds what was {', '.join(incident.merged[:5])}"), style="dim"))


def _finding(console: Console, finding: Finding) -> None:
    head = Text(f"  {finding.bits:5.1f}  ", style=_heat(finding.bits * 2))
    head.append(safe.terminal(finding.title), style="bold")
    head.append(f"  {finding.start:%m-%d %H:%M:%S}  {safe.terminal(finding.entity)}  ×{finding.n_events:,}", style="dim")
    console.print(head)
    for reason in finding.reasons:
        seen = safe.terminal(safe.shorten(reason.seen, 300))
        line = Text(f"{reason.bits:+6.1f}  {safe.terminal(reason.feature)}: {seen}  ")
        line.append(f"normal: {safe.terminal(safe.shorten(reason.normal, 200))}", style="green")
        console.print(Padding(line, (0, 0, 0, 8)))
    tail = f"about 1 in {max(1.0, 1 / finding.p):,.0f} of {finding.n:,}"
    credit = f"; rule by {finding.author} ({finding.level})" if finding.author else ""
    console.print(Padding(Text(safe.terminal(tail + credit), style="dim"), (0, 0, 0, 8)))


def _evidence(console: Console, story: Story) -> None:
    console.print("\n[bold]Timeline[/]")
    events = story.evidence.head(_EVIDENCE) if story.evidence.height > _EVIDENCE else story.evidence
    for event in events.iter_rows(named=True):
        when = f"{event['time']:%m-%d %H:%M:%S}" if event["time"] else "no time       "
        line = Text(f"  {when}  ")
        line.append(safe.terminal(safe.shorten(sentence(event), 400)))
        line.append(f"  {safe.terminal(event['origin'] or '')}:{event['record']}", style="dim")
        console.print(line)
    if story.evidence.height > _EVIDENCE:
        console.print(f"  … and {story.evidence.height - _EVIDENCE} more events; --json lists them all")


def summary(console: Console, stats: Stats) -> None:
    """What was read and what could not be, in two lines."""
    kinds = ", ".join(f"{name} {count.events:,}" for name, count in sorted(stats.sources.items()) if count.events)
    again = f" ({stats.repeated_files} files already known)" if stats.repeated_files else ""
    console.print(
        f"Read {stats.files:,} files, {stats.records:,} records, {stats.events:,} events{again}" + (f": {kinds}" if kinds else "")
    )
    if stats.dead:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in stats.dead.most_common(8))
        console.print(f"[yellow]{stats.dead.total():,} records could not be read[/]: {escape(safe.terminal(reasons))}")
