"""A case is made, read day by day as a SOC would, and kept with what was found on each day and what is true of its evidence."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import polars as pl

from nonself import lab, pipeline
from nonself.core.finding import Finding
from nonself.core.settings import Config
from nonself.core.stats import Stats
from nonself.detect.sigma import Ruleset
from nonself.lab.sim.cases import Case
from nonself.lab.world.write import Mark, read_truth
from nonself.ledger import Ledger

Step = tuple[str, str]
"""Campaign and step."""
_SEEN = ("uid", "time", "origin", "record", "class_uid", "host", "user", "src_ip", "dst_ip", "query", "sni", "image", "op")
"""What the baselines look at."""


@dataclass(slots=True)
class Outcome:
    """What became of a case.

    first   the first day
    found   findings by the day (from 0) whose reading made them
    events  what the baselines need of all events: `_SEEN` without origin and record, and `day`
    labels  event uid -> (kind, name, step) of what is not ordinary
    steps   all steps that left a record, with the time of their first
    cpu     CPU-seconds of reading and finding; `making` those of making the logs
    """

    case: Case
    first: date
    found: list[list[Finding]] = field(default_factory=list)
    events: pl.DataFrame = field(default_factory=pl.DataFrame)
    labels: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    steps: dict[Step, datetime] = field(default_factory=dict)
    cpu: float = 0.0
    making: float = 0.0


def read(case: Case, config: Config, ruleset: Ruleset, tick: Callable[[str], None] = lambda _: None) -> Outcome:
    """Make the case's logs in a temporary folder, read each day's folder with one ledger in memory, and join the truth to the events."""
    outcome = Outcome(case, lab.START)
    with tempfile.TemporaryDirectory() as folder, Ledger.open(":memory:") as ledger:
        logs, truth = Path(folder) / "logs", Path(folder) / "truth.jsonl"
        before = time.process_time()
        lab.make(logs, seed=case.seed, people=case.people, days=case.days, activity=case.activity, attack=case.attack, truth=truth)
        outcome.making = time.process_time() - before
        known: set[str] = set()
        for day in sorted(logs.iterdir()):
            tick(f"seed {case.seed}, {case.people} people: {day.name}")
            before = time.process_time()
            pipeline.scan([day], ledger, ruleset, config, Stats())
            outcome.cpu += time.process_time() - before
            new = [finding for finding in ledger.findings() if finding.id not in known]
            known.update(finding.id for finding in new)
            outcome.found.append(new)
        _label(outcome, ledger, logs, truth)
    return outcome


def _label(outcome: Outcome, ledger: Ledger, logs: Path, truth: Path) -> None:
    """Which events are part of what."""
    events = ledger.events(columns=_SEEN).with_columns(pl.col("origin").str.strip_prefix(f"{logs}/"))
    events = events.with_columns((pl.col("origin").str.head(10).str.to_date() - pl.lit(outcome.first)).dt.total_days().alias("day"))
    for uid, mark in placed(events, truth):
        outcome.labels[uid] = (mark.kind, mark.name, mark.step)
        if mark.kind == "campaign":
            step, at = (mark.name, mark.step), datetime.fromisoformat(mark.time)
            outcome.steps[step] = min(at, outcome.steps.get(step, at))
    outcome.events = events.drop("origin", "record")


def placed(events: pl.DataFrame, truth: Path) -> Iterator[tuple[str, Mark]]:
    """Each uid that the truth says something of, and what. `events` has uid, origin (below the logs' folder) and record, and holds all
    events of each origin: a mark names the file and the number of its record there."""
    numbered = events.select("uid", "origin", "record").sort("origin", "record")
    numbered = numbered.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).over("origin").alias("record"))
    marks = list(read_truth(truth))
    rows = [(mark.origin, mark.record, number) for number, mark in enumerate(marks)]
    places = pl.DataFrame(rows, schema={"origin": pl.String, "record": pl.Int64, "mark": pl.Int64}, orient="row")
    for uid, number in numbered.join(places, on=["origin", "record"]).select("uid", "mark").iter_rows():
        yield uid, marks[number]
