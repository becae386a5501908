"""What the learners say of the pending events: each learns them, scores them against its merged self, and its scores are calibrated.

Done when a scan is concluded and when history is learnt. Nothing is written here: what was learnt and found goes into one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Protocol

import polars as pl

from nonself.calibrate import drift, window
from nonself.calibrate.findings import About, significant
from nonself.calibrate.findings import findings as make_findings
from nonself.core.events import Events
from nonself.core.finding import Finding
from nonself.core.scores import Delta, Scores
from nonself.core.settings import Config
from nonself.core.stats import Stats
from nonself.detect import basis, detectors, views
from nonself.detect.contract import Detector
from nonself.detect.view import View

SCORED_AT_ONCE = 200_000
"""Events scored in one pass, in whole days: few passes cost less CPU, small ones less memory (a hot event is about 300 bytes)."""
MERGED_AT_ONCE = 8
"""Deltas of one detector that wait to be merged."""
CALIBRATION = "calibration:"
"""Before a detector's name: what its calibration window is kept as."""


class Known(Protocol):
    """What is asked of a ledger; its methods say what they give."""

    def days(self) -> list[date]: ...
    def spans(self, most: int, *, pending: bool) -> list[tuple[date, date]]: ...
    def news(self, day: date, last: date, *, classes: Iterable[int], columns: Sequence[str]) -> Events: ...
    def deltas(self, name: str, *, since: date | None) -> list[Delta]: ...


def concluded(ledger: Known, config: Config, stats: Stats) -> tuple[list[Finding], dict[str, Delta]]:
    """Findings of every learner over the pending events; and what was learnt of them, the calibration windows among it."""
    since = _since(ledger, config.self.days)
    learnt: dict[str, Delta] = {}
    selves: dict[str, Delta] = {}
    scored: dict[str, list[Scores]] = {}
    windows: dict[str, list[Delta]] = {}
    for detector, delta, view in stats.timed("learn", _learnt(ledger, peers=config.self.peers)):
        name = detector.name
        if not delta.height:  # events that teach a detector nothing are none of its
            continue
        with stats.stage("score"):
            if name not in selves:
                learnt[name] = delta
                selves[name] = detector.merge([*ledger.deltas(name, since=since), *_recent(delta, since)])
            if not basis.enough(detector, selves[name]):  # nor do scores by too short a past say how odd later ones are
                continue
            scores = detector.score(view, selves[name], included=True, floor=config.calibrate.min_bits)
            windows.setdefault(name, []).append(window.learn(scores, basis.days(selves[name])))
            # No score under the floor can become a finding (p is never below 2^-score), so only the others are kept.
            scored.setdefault(name, []).append(scores.filter(pl.col("score") >= config.calibrate.min_bits))
    made: list[Finding] = []
    odd, normal, new = dict[str, Scores](), dict[str, Delta](), dict[str, Delta]()
    with stats.stage("score"):
        for detector in detectors(peers=config.self.peers):
            if (name := detector.name) in scored:
                new[name] = learnt[CALIBRATION + name] = window.merge(windows[name])
                known = window.merge([*ledger.deltas(CALIBRATION + name, since=since), new[name]])
                normal[name] = window.as_of(known, basis.days(selves[name]))
                odd[name] = pl.concat(scored[name], how="vertical_relaxed")
                made += _findings(detector, odd[name], normal[name], selves[name], config)
        learnt[drift.NAME] = drift.learn(odd, normal, new, min_bits=config.calibrate.min_bits)
    return made, learnt


def _learnt(ledger: Known, *, peers: bool) -> Iterator[tuple[Detector, Delta, View]]:
    """Each detector, all it learns of the pending events, and a view of some of these, until all have been given.

    As many days are read at a time as `SCORED_AT_ONCE` allows. Where that is all of them, a view is learnt from and given at once, and
    gone before the next is made: what views work out of events takes several times their memory.
    """
    spans = ledger.spans(SCORED_AT_ONCE, pending=True)
    if len(spans) == 1:
        yield from ((detector, detector.learn(view), view) for detector, view in _views(ledger, *spans[0], peers=peers))
        return
    deltas: dict[str, list[Delta]] = {}
    for span in spans:
        for detector, view in _views(ledger, *span, peers=peers):
            parts = deltas.setdefault(detector.name, [])
            parts.append(detector.learn(view))
            if len(parts) >= MERGED_AT_ONCE:  # each is within its cap, and so is what they make together
                parts[:] = [detector.merge(parts)]
    learnt = {one.name: one.merge(deltas.pop(one.name)) for one in detectors(peers=peers) if one.name in deltas}
    for span in spans:
        yield from ((detector, learnt[detector.name], view) for detector, view in _views(ledger, *span, peers=peers))


def _views(ledger: Known, first: date, last: date, *, peers: bool) -> Iterator[tuple[Detector, View]]:
    def read(classes: tuple[int, ...], columns: list[str]) -> Events:
        return ledger.news(first, last, classes=classes, columns=columns)

    return views(read, evidence=True, peers=peers)


def _recent(delta: Delta, since: date | None) -> list[Delta]:
    """What was just learnt, as the ledger will give it back."""
    return [delta if since is None else delta.filter(pl.col("day") >= since)]


def _findings(detector: Detector, scored: Scores, calibration: Delta, self_: Delta, config: Config) -> list[Finding]:
    if not scored.height:
        return []
    rows = significant(
        scored,
        calibration,
        min_bits=config.calibrate.min_bits,
        per_day=config.calibrate.max_findings_per_detector_day,
    )
    about = About(detector.name, detector.title, detector.attack, basis.told(self_) if rows.height else "")
    return make_findings(about, rows, detector.explain)


def _since(ledger: Known, days: int) -> date | None:
    """First day of the self: `days` back from the newest day that holds events."""
    held = ledger.days()
    return max(held) - timedelta(days=days - 1) if held and max(held) > date.min + timedelta(days=days) else None
