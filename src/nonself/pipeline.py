"""The only place where the rooms meet: read, match, learn, commit; then score, calibrate, correlate, conclude; and tell.

`scan` is exactly-once: chunks are cut by the bytes alone, each batch is one ledger transaction, and the conclusion is one more. Killed
anywhere and run again, it ends in the same incidents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from nonself import sources
from nonself.calibrate import budget, window
from nonself.calibrate import rules as rule_calibration
from nonself.calibrate.findings import About, significant
from nonself.calibrate.findings import findings as make_findings
from nonself.core import events as frames
from nonself.core.config import Config
from nonself.core.enrich import Places
from nonself.core.finding import Finding
from nonself.core.incident import Incident
from nonself.core.scores import Delta, Scores
from nonself.core.stats import Stats
from nonself.correlate import incidents as correlate
from nonself.detect import alerts, detectors, intel, views
from nonself.detect.contract import Detector
from nonself.detect.sigma import Ruleset, hits
from nonself.detect.view import View
from nonself.ledger import DEAD, Batch, Conclusion, Ledger, Offset
from nonself.sources.contract import Chunk, Input, Limits, Source

SIGMA = "sigma"
INTEL = "intel"
"""Hits of indicators."""
ALERTS = "alerts"
"""Hits of other tools' rules."""
CORRELATION = "sigma-correlation"
"""What rule correlations take from events, and wait for more of."""
CORRELATED = "sigma-correlated"
"""Hits of rule correlations, kept to know how often each fires."""
SCORED_AT_ONCE = 200_000
"""Events scored in one pass, in whole days: few passes cost less CPU, small ones less memory (a hot event is about 300 bytes)."""
_CALIBRATION = "calibration:"


@dataclass(slots=True)
class _Reading:
    """One input on its way in: what the ledger will be told of it."""

    input: Input
    source: str
    chunks: int = 0
    done: bool = False
    records: int = 0
    events: int = 0
    dead: int = 0
    bytes: int = 0

    def past(self, chunk: Chunk, *, last: bool) -> None:
        """Count one chunk, committed before or not: totals are of the whole input."""
        self.chunks += 1
        self.records += chunk.records
        self.events += chunk.events.height
        self.dead += len(chunk.dead)
        self.bytes += chunk.bytes
        self.done = last

    def offset(self) -> Offset:
        return Offset(
            origin=self.input.origin, content=self.input.content, source=self.source, size=self.input.size, chunks=self.chunks,
            done=self.done, records=self.records, events=self.events, dead=self.dead, bytes=self.bytes,
        )  # fmt: skip


@dataclass(slots=True)
class _Pack:
    """Chunks waiting to be committed together."""

    events: list[pl.DataFrame] = field(default_factory=list)
    dead: list[pl.DataFrame] = field(default_factory=list)
    offsets: dict[str, Offset] = field(default_factory=dict)
    records: int = 0
    bytes: int = 0

    def add(self, reading: _Reading, chunk: Chunk) -> None:
        self.records += chunk.records
        self.bytes += chunk.bytes
        self.events.append(chunk.events)
        if chunk.dead:
            self.dead.append(_dead_frame(reading.input.content, chunk))
        self.offsets[reading.input.content] = reading.offset()


def scan(
    paths: Sequence[Path],
    ledger: Ledger,
    ruleset: Ruleset,
    config: Config,
    stats: Stats,
    tick: Callable[[Stats], None] = lambda _: None,
) -> list[Incident]:
    """`ingest`, and conclude everything pending. Returns all incidents, most significant first."""
    ingest(paths, ledger, ruleset, config, stats, tick)
    if ledger.pending():
        _conclude(ledger, ruleset, config, stats)
    return ledger.incidents()


def ingest(
    paths: Sequence[Path],
    ledger: Ledger,
    ruleset: Ruleset,
    config: Config,
    stats: Stats,
    tick: Callable[[Stats], None] = lambda _: None,
) -> None:
    """Read everything under `paths` that the ledger has not read yet: events, dead letters and rule hits are committed and stay pending.
    A later `scan` learns and concludes them as if it had read them itself."""
    limits = limits_of(config)
    own = sources.own(map(Path, config.sources.maps))
    with stats.stage("load intel"):
        known = _Known(ruleset, Places(config.enrich.country, config.enrich.asn), intel.load([Path(name) for name in config.intel.lists]))
    pack = _Pack()
    for reading, chunk in _chunks(sources.discover(paths, limits), ledger, limits, stats, own):
        pack.add(reading, chunk)
        stats.met(reading.source, chunk, done=reading.done, size=reading.input.size)
        tick(stats)
        if pack.records >= config.batch.records or pack.bytes >= config.batch.bytes:
            _commit(pack, ledger, known, stats)
            pack = _Pack()
    if pack.offsets:
        _commit(pack, ledger, known, stats)


def limits_of(config: Config) -> Limits:
    """The caps of the configuration, as sources take them."""
    return Limits(**{name: getattr(config.limits, name) for name in Limits.__dataclass_fields__})


def _chunks(
    inputs: Iterable[Input], ledger: Ledger, limits: Limits, stats: Stats, own: Sequence[Source]
) -> Iterator[tuple[_Reading, Chunk]]:
    """Chunks the ledger does not hold yet, each with its input's state after it. The same content is read once, whatever its name."""
    met: set[str] = set()
    for source_input in stats.timed("walk", inputs):
        progress = ledger.progress(source_input.content)
        if progress.done or source_input.content in met:
            stats.repeated(source_input.size)
            continue
        met.add(source_input.content)
        with stats.stage("read"):
            source, chunks = sources.read(source_input, limits, own)
        reading = _Reading(source_input, source.name if source else "")
        for chunk, last in _with_last(stats.timed("read", chunks)):
            reading.past(chunk, last=last)
            if reading.chunks > progress.chunks:
                yield reading, chunk


def _with_last(chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, bool]]:
    """Each chunk, and whether it is the last: an input is done together with its last chunk, in the same transaction."""
    iterator = iter(chunks)
    held = next(iterator, None)
    for chunk in iterator:
        if held is not None:
            yield held, False
        held = chunk
    yield (held if held is not None else Chunk(frames.empty())), True


def _dead_frame(content: str, chunk: Chunk) -> pl.DataFrame:
    rows = [(d.origin, content, d.record, d.reason, d.detail, d.sample) for d in chunk.dead]
    return pl.DataFrame(rows, schema=DEAD, orient="row")


@dataclass(frozen=True, slots=True)
class _Known:
    """What every batch meets: rules, where addresses are, and indicators."""

    ruleset: Ruleset
    places: Places
    intel: intel.Intel


def _commit(pack: _Pack, ledger: Ledger, known: _Known, stats: Stats) -> None:
    with stats.stage("enrich"):
        events = known.places.fill(frames.concat(pack.events))
    with stats.stage("rules"):
        matched, inputs = known.ruleset.observe(events)
        found = {SIGMA: matched, CORRELATION: inputs, ALERTS: alerts.learn(events), INTEL: known.intel.match(events)}
    dead = pl.concat(pack.dead) if pack.dead else pl.DataFrame(schema=DEAD)
    with stats.stage("commit"):
        ledger.commit(Batch(list(pack.offsets.values()), events, found, dead))


def _conclude(ledger: Ledger, ruleset: Ruleset, config: Config, stats: Stats) -> None:
    """Learn and score what is pending, calibrate, correlate everything, and commit the lot in one transaction."""
    made, deltas = _behaviour(ledger, config, stats)
    with stats.stage("rules"):
        deltas[CORRELATED] = _correlated(ledger, ruleset)
        made += _rule_findings(ledger, ruleset, deltas[CORRELATED], config)
        made += _hit_findings(ledger, ALERTS, alerts.rules, "alert", config)
        made += _hit_findings(ledger, INTEL, intel.Intel.rules, "intel", config)
    with stats.stage("correlate"):
        known = {finding.id: finding for finding in made} | {finding.id: finding for finding in ledger.findings()}
        found = correlate(known.values(), window=timedelta(minutes=config.correlate.window_minutes), hub=config.correlate.hub)
        found = budget.apply(found, config.budget.incidents_per_day)
    with stats.stage("commit"):
        ledger.conclude(Conclusion(made, deltas, found))


def _behaviour(ledger: Ledger, config: Config, stats: Stats) -> tuple[list[Finding], dict[str, Delta]]:
    """Findings of every learner over the pending events; and what was learnt of them, the calibration windows among it."""
    since = _since(ledger, config.self.days)
    pending = _Pending(ledger)
    with stats.stage("learn"):
        learnt = _learn(pending)
    with stats.stage("score"):
        selves = {d.name: d.merge([*ledger.deltas(d.name, since=since), *_recent(learnt.get(d.name), since)]) for d in detectors()}
        scored, windows = _score(pending, selves, config)
        made: list[Finding] = []
        for detector in detectors():
            name = _CALIBRATION + detector.name
            calibration = window.merge([*ledger.deltas(name, since=since), windows[name]])
            made += _findings(detector, scored[detector.name], calibration, config)
    return made, learnt | windows


class _Pending:
    """Views of the pending events, as many days at a time as `SCORED_AT_ONCE` allows. Where they fit in one pass they are kept, since
    what learning works out of them scoring needs too."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._spans = ledger.spans(SCORED_AT_ONCE, pending=True)
        self._columns = sorted({"uid", "time"}.union(*(detector.columns for detector in detectors())))
        self._kept: list[tuple[Detector, View]] | None = None

    def views(self) -> Iterator[tuple[Detector, View]]:
        """Each detector with a view of each span that holds events of its classes."""
        if self._kept is None and len(self._spans) == 1:
            self._kept = list(self._read(*self._spans[0]))
        if self._kept is not None:
            yield from self._kept
            return
        for first, last in self._spans:
            yield from self._read(first, last)

    def _read(self, first: date, last: date) -> Iterator[tuple[Detector, View]]:
        return views(self._ledger.events(day=first, last=last, pending=True, columns=self._columns), evidence=True)


def _learn(pending: _Pending) -> dict[str, Delta]:
    """What each detector learns of the pending events."""
    learnt: dict[str, list[Delta]] = {}
    for detector, view in pending.views():
        learnt.setdefault(detector.name, []).append(detector.learn(view))
    return {detector.name: detector.merge(learnt[detector.name]) for detector in detectors() if detector.name in learnt}


def _recent(delta: Delta | None, since: date | None) -> list[Delta]:
    """What was just learnt, as the ledger will give it back."""
    return [] if delta is None else [delta if since is None else delta.filter(pl.col("day") >= since)]


def _score(pending: _Pending, selves: dict[str, Delta], config: Config) -> tuple[dict[str, list[Scores]], dict[str, Delta]]:
    """By detector, the scores that may become findings; and the calibration windows of all scores."""
    scored: dict[str, list[Scores]] = {name: [] for name in selves}
    learnt: dict[str, list[Delta]] = {name: [] for name in selves}
    for detector, view in pending.views():
        scores = detector.score(view, selves[detector.name], included=True)
        learnt[detector.name].append(window.learn(scores))
        # No score under the floor can become a finding (p is never below 2^-score), so only the others are kept.
        scored[detector.name].append(scores.filter(pl.col("score") >= config.calibrate.min_bits))
    return scored, {_CALIBRATION + name: window.merge(parts) for name, parts in learnt.items()}


def _findings(detector: Detector, scored: list[Scores], calibration: Delta, config: Config) -> list[Finding]:
    parts = [scores for scores in scored if scores.height]
    if not parts:
        return []
    rows = significant(
        pl.concat(parts, how="vertical_relaxed"),
        calibration,
        min_bits=config.calibrate.min_bits,
        per_day=config.calibrate.max_findings_per_detector_day,
    )
    return make_findings(About(detector.name, detector.title, detector.attack), rows, detector.explain)


def _since(ledger: Ledger, days: int) -> date | None:
    """First day of the self: `days` back from the newest day that holds events."""
    held = ledger.days()
    return max(held) - timedelta(days=days - 1) if held and max(held) > date.min + timedelta(days=days) else None


def _correlated(ledger: Ledger, ruleset: Ruleset) -> Delta:
    """Hits of rule correlations that hold a pending event. Inputs of earlier days are read as far back as a window can reach."""
    pending = ruleset.merge_inputs(ledger.deltas(CORRELATION, pending=True))
    first = pending["day"].min()
    if not isinstance(first, date):
        return ruleset.correlate(pending)
    since = first - timedelta(days=min(ruleset.reach.days + 1, (first - date.min).days))
    return ruleset.correlate(ruleset.merge_inputs(ledger.deltas(CORRELATION, since=since)), pending)


def _rule_findings(ledger: Ledger, ruleset: Ruleset, correlated: Delta, config: Config) -> list[Finding]:
    new = pl.concat([ruleset.merge(ledger.deltas(SIGMA, pending=True)), correlated])
    known = pl.concat([ruleset.merge(ledger.deltas(SIGMA)), *ledger.deltas(CORRELATED), correlated])
    by_id = {rule.id: rule for rule in ruleset.rules}
    return rule_calibration.findings(new, known, by_id, _read_so_far(ledger), min_bits=config.calibrate.rule_min_bits)


def _hit_findings(
    ledger: Ledger, name: str, rules: Callable[[Delta], Mapping[str, alerts.Alert]], kind: str, config: Config
) -> list[Finding]:
    """Findings of hits that tell their own rules (other tools' alerts, indicators), calibrated by how often each rule fires here."""
    new, known = hits.merge(ledger.deltas(name, pending=True)), hits.merge(ledger.deltas(name))
    floor = config.calibrate.rule_min_bits
    return rule_calibration.findings(new, known, rules(known), _read_so_far(ledger), min_bits=floor, kind=kind)


def _read_so_far(ledger: Ledger) -> int:
    return sum(ledger.event_counts().values())
