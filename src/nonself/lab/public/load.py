"""A set's files into a ledger: read, labelled record by record, scanned as any logs are; the truth goes to a file beside it.

    truth file   JSON lines, one a labelled event: uid, time, kind ("attack" or "attempt"), name

What is kept here while reading does not grow with the events: entity and day cells up to `CELLS`, and counts by label. (Labelled events'
uids are in the truth file.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import orjson
import polars as pl

from nonself import pipeline, sources
from nonself.core import entities
from nonself.core.errors import UsageError
from nonself.core.events import Events
from nonself.core.settings import Config
from nonself.core.stats import Stats
from nonself.detect.sigma import Ruleset
from nonself.lab.public.labels import ATTACK, ATTEMPT, Labels
from nonself.lab.public.sets import PublicSet
from nonself.ledger import Ledger
from nonself.sources.contract import Chunk, Input, Limits, Source

ROLES = ("user", "host", "src_host", "src_ip")
"""Who acts: what an entity's day is judged by."""
CELLS = 2_000_000
"""Entity-days kept. Past it a sample of the entities is, by the hash of their names."""
_TOGETHER = 64
NAMES = 1_000
"""Different labels counted."""


@dataclass(slots=True)
class Loaded:
    """What reading told beside the events.

    known     whether the set says what its records are
    labelled  events by name of attack; `attempts` events of attacks that came to nothing
    skipped   inputs that are no part of the set, the first few by name
    cells     entity, day, n (events), attack (whether one of them is of an attack)
    """

    known: bool
    labelled: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    files: int = 0
    skipped: int = 0
    names: list[str] = field(default_factory=list)
    parts: list[pl.DataFrame] = field(default_factory=list)

    def count(self, events: Events, told: pl.DataFrame) -> None:
        """Take one chunk's events and their labels."""
        self.known |= told["kind"].count() > 0
        self.attempts += int((told["kind"] == ATTEMPT).sum())
        for name, n in told.filter(pl.col("kind") == ATTACK)["name"].value_counts().iter_rows():
            self.labelled[name if name in self.labelled or len(self.labelled) < NAMES else "others"] += n
        acting = events.select("uid", "time", attack=told["kind"].fill_null("") == ATTACK)
        rows = entities.entities(events, ROLES).unique(["uid", "entity"]).join(acting, on="uid")
        day = pl.col("time").dt.date().alias("day")
        self.parts.append(rows.group_by("entity", day).agg(pl.len().cast(pl.Int64).alias("n"), pl.col("attack").any()))
        if len(self.parts) >= _TOGETHER:
            self.parts = [self.cells]

    @property
    def cells(self) -> pl.DataFrame:
        """Entity-days, each once, in order of entity and day."""
        if not self.parts:
            return pl.DataFrame(schema={"entity": pl.String, "day": pl.Date, "n": pl.Int64, "attack": pl.Boolean})
        met = pl.concat(self.parts).group_by("entity", "day").agg(pl.col("n").sum(), pl.col("attack").any())
        if met.height > CELLS:
            met = met.sort(pl.col("entity").hash(seed=0)).head(CELLS)
        return met.sort("entity", "day")


def load(
    chosen: PublicSet, paths: Sequence[Path], ledger: Ledger, ruleset: Ruleset, config: Config, truth: Path,
    tick: Callable[[Stats], None] = lambda _: None,
) -> tuple[Loaded, Stats]:  # fmt: skip
    """Read the set's files below `paths` into an empty `ledger`, conclude what was read, and write the truth to `truth`.

    UsageError where nothing below `paths` is of the set. Memory is bounded by a batch of events and by `CELLS`.
    """
    limits, stats = pipeline.limits_of(config), Stats()
    labels = chosen.labels(_Again(paths, limits))
    loaded = Loaded(labels.known)
    truth.parent.mkdir(parents=True, exist_ok=True)
    with truth.open("wb") as file:
        reader = _Reader(chosen, chosen.readers(), limits, labels, loaded, file)
        pipeline.scan(paths, ledger, ruleset, config, stats, tick, read=reader.read)
    if not loaded.files:
        told = ", ".join(loaded.names) or "no files"
        raise UsageError(expected=f"files of {chosen.name}", got=told, do=f"fetch the set: {chosen.where}", where="lab load")
    return loaded, stats


@dataclass(frozen=True, slots=True)
class _Again:
    """All inputs, found anew each time they are asked for: their heads are not held."""

    paths: Sequence[Path]
    limits: Limits

    def __iter__(self) -> Iterator[Input]:
        return sources.discover(self.paths, self.limits)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one input after the other as what the set says it is."""

    chosen: PublicSet
    readers: tuple[Source, ...]
    limits: Limits
    labels: Labels
    loaded: Loaded
    truth: BinaryIO

    def read(self, source_input: Input) -> tuple[Source | None, Iterator[Chunk]]:
        """As `sources.read`, of the set's own files: label files and files of other kinds give no chunk and are counted; what can't be
        opened is a dead letter as anywhere."""
        given, added = self.chosen.headed(source_input)
        source = next((one for one in self.readers if one.recognise(given.head, given.origin)), None)
        if source is not None:
            self.loaded.files += 1
            return source, (self._labelled(chunk, added) for chunk in source.read(given, self.limits))
        if not source_input.head:
            return sources.read(source_input, self.limits)
        if not self.labels.held(source_input):
            self.loaded.skipped += 1
            self.loaded.names += [source_input.origin] if len(self.loaded.names) < 5 else []
        return None, iter(())

    def _labelled(self, chunk: Chunk, added: int) -> Chunk:
        events = chunk.events.with_columns(pl.col("record") - added)
        told = self.labels.tell(events)
        self.loaded.count(events, told)
        named = events.select("uid", "time").hstack(told).filter(pl.col("kind") != "")
        for uid, time, kind, name in named.iter_rows():
            self.truth.write(orjson.dumps({"uid": uid, "time": time, "kind": kind, "name": name}) + b"\n")
        if self.chosen.inside:
            events = events.with_columns(pl.lit("{}").alias("ext"), pl.lit(None, dtype=pl.String).alias("raw"))
        dead = [replace(letter, record=max(0, letter.record - added)) for letter in chunk.dead]
        return replace(chunk, events=events, dead=dead)
