"""Figures as SVG drawn here: no script, no network, nothing to load. Classes carry all style, so that a strict CSP holds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import combinations

import numpy as np
from markupsafe import Markup

from nonself.core import attack, safe
from nonself.core.entities import kind
from nonself.core.finding import Finding
from nonself.serve.story import Activity, Story

WIDTH = 920
_LANE, _TOP, _LEFT, _RIGHT = 24, 8, 150, 20
_NODES = 18


def timeline(story: Story) -> Markup:
    """Findings over time, one lane a tactic, a dot a finding, its area its bits."""
    lanes = _lanes(story)
    first, last = story.incident.start, max(story.incident.end, story.incident.start + timedelta(seconds=1))
    height = _TOP + _LANE * len(lanes) + 26
    parts = [_svg(WIDTH, height, "Findings over time, by tactic")]
    for row, (name, findings) in enumerate(lanes):
        y = _TOP + _LANE * row + _LANE / 2
        parts.append(_text(0, y + 4, name, "lane"))
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        for finding in findings:
            x = _x(finding.start, first, last)
            radius = min(11.0, 2.0 + math.sqrt(max(0.0, finding.bits)) * 1.3)
            label = f"{finding.start:%Y-%m-%d %H:%M:%S} {finding.title} ({finding.bits:.1f} bits)"
            parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"><title>{_clean(label)}</title></circle>')
    parts += _axis(first, last, height - 6)
    return Markup("".join([*parts, "</svg>"]))


def _lanes(story: Story) -> list[tuple[str, list[Finding]]]:
    lanes: dict[str, list[Finding]] = {}
    for stage in story.incident.stages:
        lanes[stage.tactic] = []
    for finding in story.findings:
        lanes.setdefault(finding.tactics[0] if finding.tactics else "", []).append(finding)
    return [(attack.TACTICS.get(tactic, "other"), found) for tactic, found in lanes.items() if found]


def _x(when: datetime, first: datetime, last: datetime) -> float:
    share = (when - first) / (last - first)
    return _LEFT + 10 + share * (WIDTH - _LEFT - _RIGHT - 20)


def _axis(first: datetime, last: datetime, y: float) -> list[str]:
    form = "%m-%d %H:%M" if last - first > timedelta(hours=12) else "%H:%M:%S"
    ticks = [first + (last - first) * i / 4 for i in range(5)]
    anchors = ("start", "middle", "middle", "middle", "end")
    return [_text(_x(when, first, last), y, f"{when:{form}}", "tick", anchor=anchor) for when, anchor in zip(ticks, anchors, strict=True)]


def activity(plot: Activity, start: datetime, end: datetime) -> Markup:
    """Events an hour of one entity over all that was read; the incident's hours stand out, the median of active hours is a line."""
    if not plot.hours:
        return Markup("")
    first, last = plot.hours[0], plot.hours[-1]
    slots = int((last - first) / timedelta(hours=1)) + 1
    width, height, top = WIDTH, 120, max(plot.counts)
    middle = float(np.median(plot.counts))
    step = (width - 60) / slots
    parts = [_svg(width, height, f"Events an hour of {plot.entity}")]
    for hour, count in zip(plot.hours, plot.counts, strict=True):
        x = 50 + int((hour - first) / timedelta(hours=1)) * step
        tall = max(1.0, 88 * count / top)
        now = start - timedelta(hours=1) < hour <= end
        title = f"<title>{hour:%Y-%m-%d %H:00}Z: {count:,} events</title>"
        parts.append(
            f'<rect class="{"now" if now else "bar"}" x="{x:.1f}" y="{96 - tall:.1f}" width="{max(0.6, step * 0.86):.2f}" '
            f'height="{tall:.1f}">{title}</rect>'
        )
    y = 96 - 88 * middle / top
    parts.append(f'<line class="median" x1="50" x2="{width - 10}" y1="{y:.1f}" y2="{y:.1f}"/>')
    parts += [_text(46, 16, f"{top:,}", "tick", anchor="end"), _text(46, y + 4, f"{middle:,.0f}", "tick", anchor="end")]
    parts += [_text(50, 114, f"{first:%Y-%m-%d %H:00}", "tick"), _text(width - 10, 114, f"{last:%Y-%m-%d %H:00}", "tick", anchor="end")]
    return Markup("".join([*parts, "</svg>"]))


def graph(story: Story) -> Markup:
    """Who met whom: the incident's first entities, joined where one finding touches both; at most 18 are drawn, the rest is counted."""
    names = list(story.incident.entities[:_NODES])
    weight = _pairs(story.findings, names)
    places = _layout(len(names), weight)
    height = 360
    parts = [_svg(WIDTH, height, "Entities of the incident and what joins them")]
    at = [(40 + x * (WIDTH - 240), 24 + y * (height - 60)) for x, y in places]
    for (a, b), n in sorted(weight.items()):
        (x1, y1), (x2, y2) = at[a], at[b]
        thick = min(5.0, 0.8 + 0.6 * math.log2(1 + n))
        parts.append(f'<line class="edge" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke-width="{thick:.1f}"/>')
    for name, (x, y) in zip(names, at, strict=True):
        parts.append(f'<circle class="node k-{kind(name)}" cx="{x:.1f}" cy="{y:.1f}" r="7"><title>{_clean(name)}</title></circle>')
        parts.append(_text(x + 10, y + 4, safe.shorten(name, 34), "label"))
    rest = len(story.incident.entities) - len(names)
    if rest > 0:
        parts.append(_text(WIDTH - 6, height - 6, f"+{rest} entities not drawn", "tick", anchor="end"))
    return Markup("".join([*parts, "</svg>"]))


def _pairs(findings: Sequence[Finding], names: Sequence[str]) -> dict[tuple[int, int], int]:
    place = {name: i for i, name in enumerate(names)}
    weight: Counter[tuple[int, int]] = Counter()
    for finding in findings:
        met = sorted({place[e] for e in (finding.entity, *finding.entities) if e in place})
        weight.update(combinations(met, 2))
    return dict(weight)


def _layout(size: int, weight: dict[tuple[int, int], int]) -> list[tuple[float, float]]:
    """Places in the unit square by a spring model (Fruchterman & Reingold 1991), from a circle, so the same graph is drawn the same."""
    if size < 2:
        return [(0.5, 0.5)] * size
    angle = np.arange(size) * 2 * np.pi / size
    place = np.column_stack([np.cos(angle), np.sin(angle)])
    pull = np.zeros((size, size))
    for (a, b), n in weight.items():
        pull[a, b] = pull[b, a] = 1 + math.log2(n)
    ideal = 1.6 / math.sqrt(size)
    for heat in np.linspace(0.2, 0.005, 150):
        apart = place[:, None] - place[None, :]
        distance = np.maximum(np.hypot(apart[..., 0], apart[..., 1]), 1e-3)
        force = (ideal**2 / distance**2)[..., None] * apart - (pull * distance / ideal)[..., None] * apart / 3
        move = force.sum(axis=1)
        length = np.maximum(np.hypot(move[:, 0], move[:, 1]), 1e-9)
        place = place + move / length[:, None] * np.minimum(length, heat)[:, None]
    low, high = place.min(axis=0), place.max(axis=0)
    unit = (place - low) / np.maximum(high - low, 1e-9)
    return [(float(x), float(y)) for x, y in unit]


def _svg(width: int, height: float, label: str) -> str:
    return f'<svg viewBox="0 0 {width} {height:.0f}" role="img" aria-label="{_clean(label)}">'


def _text(x: float, y: float, text: str, style: str, anchor: str = "start") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_clean(text)}</text>'


def _clean(text: str) -> str:
    return safe.html(text)
