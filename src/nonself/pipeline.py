"""The only place where the rooms meet: read, match, learn, commit; then score, calibrate, correlate, conclude; and tell.

`scan` is exactly-once: chunks are cut by the bytes alone, each batch is one ledger transaction, and the conclusion is one more. Killed
anywhere and run again, it ends in the same incidents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import polars as pl

from nonself import behaviour, signatures, sources
from nonself.calibrate import drift
from nonself.core import events as frames
from nonself.core import memory
from nonself.core.enrich import Places
from nonself.core.errors import UsageError
from nonself.core.incident import Incident
from nonself.core.settings import Config
from nonself.core.stats import Stats
from nonself.detect import intel
from nonself.detect.sigma import Ruleset
from nonself.incidents import guaranteed, marked, queue
from nonself.ledger import CONCLUDE, DEAD, Batch, Conclusion, Ledger, Offset
from nonself.signatures import Signatures
from nonself.sources.contract import Chunk, Input, Limits, Read

HISTORY, LEARNT = "history", "learn"
"""Audit rows: what comes in from here on is history; it was learnt."""


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
    read: Read | None = None,
) -> list[Incident]:
    """`ingest`, and conclude everything pending. Returns all incidents, most significant first. `read` stands in for `sources.read`."""
    _settle(ledger, ruleset, config, stats)
    _ingest(paths, ledger, ruleset, config, stats, tick, read)
    if ledger.pending():
        _conclude(ledger, ruleset, config, stats)
    return ledger.incidents()


def learn(
    paths: Sequence[Path],
    ledger: Ledger,
    ruleset: Ruleset,
    config: Config,
    stats: Stats,
    tick: Callable[[Stats], None] = lambda _: None,
) -> None:
    """Read everything under `paths` as history: learnt, scored for the calibration windows, rule hits counted, and nothing raised.

    Exactly once, as `scan` is: a note in the audit chain says that what comes in is history. A run that was killed is finished by running
    it again, or given up by whatever reads next, which concludes what there is as history. UsageError where events of an `ingest` or a
    killed `scan` wait for their conclusion.
    """
    if not _history(ledger):
        if ledger.pending():
            raise UsageError("events wait that are no history", do="run `nonself scan` with this state first", where="learn")
        ledger.audit("nonself", HISTORY, {})
    _ingest(paths, ledger, ruleset, config, stats, tick)
    _settle(ledger, ruleset, config, stats)


def _history(ledger: Ledger) -> bool:
    """Whether what is pending, if anything, is history."""
    actions = ledger.audit_rows()["action"]
    return actions.filter(actions.is_in([HISTORY, LEARNT, CONCLUDE])).tail(1).to_list() == [HISTORY]


def _settle(ledger: Ledger, ruleset: Ruleset, config: Config, stats: Stats) -> None:
    """Conclude history: no findings, and incidents stay as they are."""
    if not _history(ledger):
        return
    if not ledger.pending():
        ledger.audit("nonself", LEARNT, {})
        return
    _, deltas = behaviour.concluded(ledger, config, stats)
    with stats.stage("rules"):
        deltas[signatures.CORRELATED] = signatures.correlated(ledger, ruleset)
    with stats.stage("commit"):
        ledger.conclude(Conclusion([], deltas, ledger.incidents(), LEARNT))


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
    _settle(ledger, ruleset, config, stats)
    _ingest(paths, ledger, ruleset, config, stats, tick)


def _ingest(
    paths: Sequence[Path], ledger: Ledger, ruleset: Ruleset, config: Config, stats: Stats, tick: Callable[[Stats], None],
    read: Read | None = None,
) -> None:  # fmt: skip
    limits = limits_of(config)
    read = read or partial(sources.read, limits=limits, first=sources.own(map(Path, config.sources.maps)))
    with stats.stage("load intel"):
        known = Signatures(ruleset, intel.load([Path(name) for name in config.intel.lists]))
        places = Places(config.enrich.country, config.enrich.asn)
    pack = _Pack()
    for reading, chunk in _chunks(sources.discover(paths, limits), ledger, stats, read):
        pack.add(reading, chunk)
        stats.met(reading.source, chunk, done=reading.done, size=reading.input.size)
        tick(stats)
        if pack.records >= config.batch.records or pack.bytes >= config.batch.bytes:
            _commit(pack, ledger, known, places, stats)
            pack = _Pack()
            memory.release()
    if pack.offsets:
        _commit(pack, ledger, known, places, stats)


def limits_of(config: Config) -> Limits:
    """The caps of the configuration, as sources take them."""
    return Limits(**{name: getattr(config.limits, name) for name in Limits.__dataclass_fields__})


def _chunks(inputs: Iterable[Input], ledger: Ledger, stats: Stats, read: Read) -> Iterator[tuple[_Reading, Chunk]]:
    """Chunks the ledger does not hold yet, each with its input's state after it. The same content is read once, whatever its name."""
    met: set[str] = set()
    for source_input in stats.timed("walk", inputs):
        progress = ledger.progress(source_input.content)
        if progress.done or source_input.content in met:
            stats.repeated(source_input.size)
            continue
        met.add(source_input.content)
        with stats.stage("read"):
            source, chunks = read(source_input)
        reading = _Reading(source_input, source.name if source else "")
        for chunk, last in _with_end(stats.timed("read", chunks)):
            reading.past(chunk, last=last)
            if reading.chunks > progress.chunks:
                yield reading, chunk


def _with_end(chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, bool]]:
    """Each chunk, then the end: an empty one that says so. To look ahead for the last would hold one more in memory."""
    for chunk in chunks:
        yield chunk, False
    yield Chunk(frames.empty()), True


def _dead_frame(content: str, chunk: Chunk) -> pl.DataFrame:
    rows = [(d.origin, content, d.record, d.reason, d.detail, d.sample) for d in chunk.dead]
    return pl.DataFrame(rows, schema=DEAD, orient="row")


def _commit(pack: _Pack, ledger: Ledger, known: Signatures, places: Places, stats: Stats) -> None:
    with stats.stage("enrich"):
        events = places.fill(frames.concat(pack.events))
        pack.events.clear()
    with stats.stage("rules"):
        found = known.hits(events)
    dead = pl.concat(pack.dead) if pack.dead else pl.DataFrame(schema=DEAD)
    with stats.stage("commit"):
        ledger.commit(Batch(list(pack.offsets.values()), events, found, dead))


def _conclude(ledger: Ledger, ruleset: Ruleset, config: Config, stats: Stats) -> None:
    """Learn and score what is pending, calibrate, correlate everything, and commit the lot in one transaction."""
    made, deltas = behaviour.concluded(ledger, config, stats)
    with stats.stage("rules"):
        deltas[signatures.CORRELATED] = signatures.correlated(ledger, ruleset)
        made += signatures.findings(ledger, ruleset, deltas[signatures.CORRELATED], config)
        deltas[drift.NAME] = drift.merge([deltas[drift.NAME], drift.learn_rules(made, ledger.days(pending=True))])
    with stats.stage("correlate"):
        known = {finding.id: finding for finding in made} | {finding.id: finding for finding in ledger.findings()}
        found = marked(queue(known.values(), ledger.incidents(), ledger.verdicts(), config), guaranteed(ledger, deltas[drift.NAME]))
    with stats.stage("commit"):
        ledger.conclude(Conclusion(made, deltas, found))
