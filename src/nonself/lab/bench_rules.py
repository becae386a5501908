"""The rules' benchmark: a rule set over logs, from bytes to findings, in a process of its own with a warm cache of compiled rules."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from nonself import sources
from nonself.calibrate import rules as calibration
from nonself.core import memory
from nonself.core.errors import UsageError
from nonself.core.events import Events, concat
from nonself.core.scores import Delta
from nonself.detect.sigma import Ruleset
from nonself.sources.contract import Limits

BATCH_RECORDS, BATCH_BYTES = 30_000, 8 << 20
_MIN_BITS = 3.0


def rules(folders: Sequence[Path], paths: Sequence[Path], *, repeat: int, as_json: bool) -> int:
    """Measure `folders` of rules over the logs under `paths`. The compiled set is cached first, by a process that is not counted."""
    for path in (*folders, *paths):
        if not path.exists():
            raise UsageError(expected="a path that exists", got=str(path))
    with tempfile.TemporaryDirectory() as cache:
        cold = _run({"rules": list(map(str, folders)), "events": [], "cache": cache})
        runs = [_run({"rules": list(map(str, folders)), "events": list(map(str, paths)), "cache": cache}) for _ in range(repeat)]
    best = max(runs, key=lambda run: float(run["events_per_cpu_second"]))
    document = {
        "track": "rules", "rules": [str(path) for path in folders], "paths": [str(path) for path in paths], **best,
        "cold_start_seconds": cold["start_seconds"], "warm_start_seconds": min(run["start_seconds"] for run in runs),
        "events_per_cpu_second_of_each_run": [run["events_per_cpu_second"] for run in runs],
    }  # fmt: skip
    del document["start_seconds"]
    print(json.dumps(document, indent=2) if as_json else _table(document))
    return 0


def _run(given: dict[str, Any]) -> dict[str, Any]:
    alone = {"POLARS_MAX_THREADS": "1", **os.environ}  # as `nonself scan` runs
    done = subprocess.run([sys.executable, "-m", __name__], input=json.dumps(given), capture_output=True, text=True, env=alone, check=False)
    if done.returncode:
        raise UsageError("the measured run failed", got=done.stderr.strip()[-500:])
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def measure(folders: Sequence[Path], paths: Sequence[Path], cache: Path) -> dict[str, Any]:
    """What one run found and took, in this process: CPU-seconds of all its threads from the first import on."""
    memory.settle()
    before = time.process_time()
    ruleset = Ruleset.load(folders, builtin=False, cache=cache)
    start = time.process_time() - before
    found: list[Delta] = []
    spent = dict.fromkeys(("read", "match", "findings"), 0.0)
    events = 0
    for batch in _timed(_batches(paths), spent):
        clock = time.process_time()
        found.append(ruleset.match(batch))
        spent["match"] += time.process_time() - clock
        events += batch.height
        del batch  # before the next one is read, as in a scan
        memory.release()
    clock = time.process_time()
    hits = ruleset.merge(found)
    made = calibration.findings(hits, hits, {rule.id: rule for rule in ruleset.rules}, events, min_bits=_MIN_BITS)
    spent["findings"] = time.process_time() - clock
    cpu = sum(spent.values())
    by_rule = dict(hits.group_by("rule").agg(pl.col("n_events").sum()).sort("rule").iter_rows())
    return {
        "rules_evaluated": len(ruleset.rules),
        "rules_not_evaluated": len(ruleset.rejected),
        "events": events,
        "cpu_seconds": round(cpu, 3),
        "cpu_seconds_by_stage": {name: round(seconds, 3) for name, seconds in sorted(spent.items())},
        "events_per_cpu_second": round(events / cpu) if cpu else 0,
        "start_seconds": round(start, 3),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000, 1),
        "matches": sum(by_rule.values()),
        "findings": len(made),
        "matches_by_rule": by_rule,
    }


def _timed(batches: Iterator[Events], spent: dict[str, float]) -> Iterator[Events]:
    """The batches, with the CPU time of making each one counted as "read"."""
    while True:
        clock = time.process_time()
        batch = next(batches, None)
        spent["read"] += time.process_time() - clock
        if batch is None:
            return
        yield batch
        del batch


def _batches(paths: Sequence[Path]) -> Iterator[Events]:
    """Events packed as a scan does, in batches of half the size: nothing is written here, which is what larger ones pay for."""
    held: list[Events] = []
    records = size = 0
    for given in sources.discover(paths, Limits()):
        for chunk in sources.read(given, Limits())[1]:
            held.append(chunk.events)
            records, size = records + chunk.records, size + chunk.bytes
            if records >= BATCH_RECORDS or size >= BATCH_BYTES:
                yield concat(held)
                held, records, size = [], 0, 0
    if held:
        yield concat(held)


def _table(run: dict[str, Any]) -> str:
    return "\n".join([
        f"{run['rules_evaluated']:,} rules, {run['events']:,} events, {run['matches']:,} matches of {len(run['matches_by_rule']):,} rules",
        f"{run['cpu_seconds']:.2f} CPU-s, {run['events_per_cpu_second']:,} events/CPU-s, {run['peak_rss_mb']:,.0f} MB",
        f"start {run['cold_start_seconds']:.2f} s cold, {run['warm_start_seconds']:.2f} s warm",
    ])  # fmt: skip


if __name__ == "__main__":
    order = json.load(sys.stdin)
    print(json.dumps(measure([Path(p) for p in order["rules"]], [Path(p) for p in order["events"]], Path(order["cache"]))))
