"""The benchmarks of detectors by what they look at: network connections, and what endpoints tell, through reading, learning and scoring by
every detector that looks at any, and what it remembers.

In a process of its own: reading keeps the columns that detectors look at, then each detector learns all events, merges what it learnt and
scores them, as a scan does when it concludes: evidence and sentences are made of what may become a finding. State is what a detector
learnt, per entity (y) that was active: in memory, over all days; and as the ledger stores it, compressed, per day on which it was.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from nonself import sources
from nonself.baseline import keys
from nonself.core import memory
from nonself.core.compact import compact
from nonself.core.errors import UsageError
from nonself.core.events import Events, concat
from nonself.core.settings import Config
from nonself.detect import detectors, views
from nonself.lab import bench, bench_logs
from nonself.ledger.deltas import stored_bytes
from nonself.sources.contract import Limits


@dataclass(frozen=True, slots=True)
class Track:
    """The OCSF classes looked at (none: all that there are), the made-up logs, and what is asked for of a million events (CPU-seconds, of
    learning and scoring alone or of `whole` runs) and of each detector on average."""

    classes: tuple[int, ...]
    logs: tuple[str, ...]
    targets: dict[str, float]
    whole: bool


TRACKS = {
    "network": Track((4001,), ("zeek-tsv", "zeek-office"), {"cpu_seconds": 4.0, "peak_rss_mb": 800.0, "bytes_per_entity": 1_024.0}, True),
    "endpoint": Track((), ("sysmon-json", "sysmon-office"), {"cpu_seconds": 20.0, "bytes_per_entity": 1_024.0}, False),
}


def run(track: str, paths: Sequence[Path], *, rows: int, as_json: bool) -> int:
    """Measure `paths`, or made-up logs of `rows` events (`bench_logs`). Of each track's two the first never repeats itself, so that nothing
    can be summed up: addresses are drawn evenly, so that hardly any pair comes twice; each command line is another one. The other is an
    office's, where the same few are called, and run, again and again."""
    runs = [_run(track, path, path.name) for path in paths]
    with tempfile.TemporaryDirectory() as folder:
        for name in () if paths else TRACKS[track].logs:
            log = bench_logs.write(name, rows, Path(folder))
            runs.append(_run(track, log, name))
            log.unlink()
    targets = TRACKS[track].targets
    print(json.dumps({"track": track, "targets": targets, "runs": runs}, indent=2) if as_json else _table(runs, targets))
    return 0


def _run(track: str, path: Path, name: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", __name__, track, str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError("the measured run failed", got=done.stderr.strip()[-500:])
    return {"log": name, **json.loads(done.stdout)}


def measure(track: Track, path: Path) -> dict[str, Any]:
    """What reading, learning and scoring took in this process: CPU-seconds of all its threads, and memory before the control ran."""
    looking = [detector for detector in detectors() if not track.classes or not set(track.classes).isdisjoint(detector.classes)]
    columns = sorted({"uid", "time", "class_uid"}.union(*(detector.columns for detector in looking)))
    memory.settle()  # as a scan does
    started = time.process_time()
    kept = []
    for given in sources.discover([path], Limits()):
        chosen = pl.col("class_uid").is_in(track.classes) if track.classes else pl.lit(True)
        kept += [chunk.events.filter(chosen).select(columns) for chunk in sources.read(given, Limits())[1]]
    events = _Held(compact(concat(kept)))
    kept.clear()
    read = time.process_time() - started
    told, sized = [], 0.0
    for detector, view in views(events.give, evidence=True):
        row, cost = _measured(detector, view)
        told.append(row)
        sized += cost
    cpu = time.process_time() - started - sized
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "events": events.height,
        "cpu_seconds": round(cpu if track.whole else cpu - read, 2),
        "read_cpu_seconds": round(read, 2),
        "peak_rss_mb": round(peak / 1_000, 1),
        "control_records_per_cpu_second": bench.control(),
        "detectors": told,
    }


class _Held:
    """Events that were read, let go of as they are given, as a ledger's are: each class is asked for once."""

    def __init__(self, events: Events) -> None:
        self._left, self.height = events, events.height

    def give(self, classes: tuple[int, ...], columns: list[str]) -> Events:
        """The events of some classes."""
        asked = self._left["class_uid"].is_in(classes)
        given = self._left if asked.all() else self._left.filter(asked)
        self._left = self._left.filter(~asked)
        return given.select(name for name in columns if name in given.columns)


def _measured(detector: Any, view: Any) -> tuple[dict[str, Any], float]:
    """What one detector took and remembers; and the CPU-seconds that it took to tell how large that is."""
    at = time.process_time()
    floor = Config().calibrate.min_bits
    delta = detector.learn(view)
    learnt = time.process_time()
    scores = detector.score(view, detector.merge([delta]), included=True, floor=floor)
    scored = time.process_time()
    height, high = scores.height, int((scores["score"] >= floor).sum())
    del scores  # what follows is the benchmark's own
    actors = delta.filter(keys.of_actors()) if delta.height else delta
    entities, active = (actors.select(columns).n_unique() if actors.height else 0 for columns in (["y"], ["day", "y"]))
    row = {
        "name": detector.name,
        "learn_cpu_seconds": round(learnt - at, 2),
        "score_cpu_seconds": round(scored - learnt, 2),
        "rows": height,
        "told": high,
        "entities": entities,
        "bytes_per_entity": round(delta.rechunk().estimated_size() / max(entities, 1)),
        "stored_bytes_per_entity_and_day": round(stored_bytes(delta) / max(active, 1)),
    }
    return row, time.process_time() - scored


def _table(runs: Sequence[dict[str, Any]], targets: dict[str, float]) -> str:
    lines = []
    for run in runs:
        lines.append(
            f"{run['log']}: {run['events']:,} events, {run['cpu_seconds']:.1f} CPU-s (asked for {targets['cpu_seconds']:.0f} a million; "
            f"reading took {run['read_cpu_seconds']:.1f}), {run['peak_rss_mb']:,.0f} MB, control "
            f"{run['control_records_per_cpu_second']:,.0f} records/CPU-s"
        )
        lines.append(
            f"  {'detector':28} {'learn':>7} {'score':>7} {'rows':>10} {'told':>7} {'entities':>9} {'B/entity':>9} {'stored/day':>10}"
        )
        lines += [
            f"  {d['name']:28} {d['learn_cpu_seconds']:>7.2f} {d['score_cpu_seconds']:>7.2f} {d['rows']:>10,} {d['told']:>7,} "
            f"{d['entities']:>9,} {d['bytes_per_entity']:>9,} {d['stored_bytes_per_entity_and_day']:>10,}"
            for d in run["detectors"]
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(json.dumps(measure(TRACKS[sys.argv[1]], Path(sys.argv[2]))))
