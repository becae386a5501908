"""The network benchmark: Zeek connections through reading, learning and scoring by every detector that looks at any, and what it remembers.

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
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from nonself import sources
from nonself.core.config import Config
from nonself.core.errors import UsageError
from nonself.core.events import Events, concat
from nonself.detect import detectors, views
from nonself.lab import bench, bench_logs
from nonself.ledger.deltas import stored_bytes
from nonself.sources.contract import Limits

TARGETS = {"cpu_seconds": 4.0, "peak_rss_mb": 800.0, "bytes_per_entity": 1_024.0}
"""Asked for: of a million connections, and of each detector on average."""

_CONNECTION = 4001  # the OCSF class of Zeek's connections


def network(paths: Sequence[Path], *, rows: int, as_json: bool) -> int:
    """Measure `paths`, or `rows` made-up connections of Zeek (`bench_logs`: the addresses are drawn evenly, so that hardly any pair comes
    twice and nothing can be summed up; and an office's, where the same few are called again and again)."""
    runs = [_run(path, path.name) for path in paths]
    with tempfile.TemporaryDirectory() as folder:
        for name in () if paths else ("zeek-tsv", "zeek-office"):
            log = bench_logs.write(name, rows, Path(folder))
            runs.append(_run(log, name))
            log.unlink()
    document = {"track": "network", "targets": TARGETS, "runs": runs}
    print(json.dumps(document, indent=2) if as_json else _table(runs))
    return 0


def _run(path: Path, name: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", __name__, str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError("the measured run failed", got=done.stderr.strip()[-500:])
    return {"log": name, **json.loads(done.stdout)}


def measure(path: Path) -> dict[str, Any]:
    """What reading, learning and scoring took in this process: CPU-seconds of all its threads, and memory before the control ran."""
    columns = sorted({"uid", "time"}.union(*(detector.columns for detector in detectors() if _CONNECTION in detector.classes)))
    started = time.process_time()
    kept = []
    for given in sources.discover([path], Limits()):
        chunks = sources.read(given, Limits())[1]
        kept += [chunk.events.filter(pl.col("class_uid") == _CONNECTION).select(columns) for chunk in chunks]
    events = concat(kept)
    kept.clear()
    read = time.process_time() - started
    told = [_measured(detector, view) for detector, view in views(partial(_read, events), evidence=True)]
    cpu = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "events": events.height,
        "cpu_seconds": round(cpu, 2),
        "read_cpu_seconds": round(read, 2),
        "peak_rss_mb": round(peak / 1_000, 1),
        "control_records_per_cpu_second": bench.control(),
        "detectors": told,
    }


def _read(events: Events, classes: tuple[int, ...], columns: list[str]) -> Events:
    return events.select(columns) if _CONNECTION in classes else events.clear()


def _measured(detector: Any, view: Any) -> dict[str, Any]:
    at = time.process_time()
    floor = Config().calibrate.min_bits
    delta = detector.learn(view)
    learnt = time.process_time()
    scores = detector.score(view, detector.merge([delta]), included=True, floor=floor)
    scored = time.process_time()
    entities = delta["y"].n_unique() if delta.height else 0
    active = delta.select("day", "y").n_unique() if delta.height else 0
    return {
        "name": detector.name,
        "learn_cpu_seconds": round(learnt - at, 2),
        "score_cpu_seconds": round(scored - learnt, 2),
        "rows": scores.height,
        "told": int((scores["score"] >= floor).sum()),
        "entities": entities,
        "bytes_per_entity": round(delta.rechunk().estimated_size() / max(entities, 1)),
        "stored_bytes_per_entity_and_day": round(stored_bytes(delta) / max(active, 1)),
    }


def _table(runs: Sequence[dict[str, Any]]) -> str:
    lines = []
    for run in runs:
        lines.append(
            f"{run['log']}: {run['events']:,} events, {run['cpu_seconds']:.1f} CPU-s (reading {run['read_cpu_seconds']:.1f}; asked for "
            f"{TARGETS['cpu_seconds']:.0f} a million), {run['peak_rss_mb']:,.0f} MB (asked for {TARGETS['peak_rss_mb']:.0f}), control "
            f"{run['control_records_per_cpu_second']:,.0f} records/CPU-s"
        )
        lines.append(f"  {'detector':28} {'learn':>7} {'score':>7} {'rows':>10} {'told':>7} {'entities':>9} {'B/entity':>9} {'B/day':>7}")
        lines += [
            f"  {d['name']:28} {d['learn_cpu_seconds']:>7.2f} {d['score_cpu_seconds']:>7.2f} {d['rows']:>10,} {d['told']:>7,} "
            f"{d['entities']:>9,} {d['bytes_per_entity']:>9,} {d['stored_bytes_per_entity_and_day']:>7,}"
            for d in run["detectors"]
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
