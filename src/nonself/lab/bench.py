"""Benchmarks in CPU-seconds, each run in a process of its own, beside a control that tells how fast the machine was at that moment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from nonself.core.errors import UsageError

_CONTROL_RECORDS = 50_000


def scan(paths: Sequence[Path], rules: Sequence[Path], *, repeat: int, as_json: bool) -> int:
    """Measure `nonself scan --state :memory:` on `paths`. The first run has no cache of compiled rules (cold), the others have (warm)."""
    with tempfile.TemporaryDirectory() as cache:
        runs = [{"cache": "cold" if i == 0 else "warm", **_run(paths, rules, Path(cache))} for i in range(repeat)]
    document = {"track": "scan", "paths": [str(path) for path in paths], "runs": runs}
    print(json.dumps(document, indent=2) if as_json else _table(runs))
    return 0


def _run(paths: Sequence[Path], rules: Sequence[Path], cache: Path) -> dict[str, Any]:
    stats = cache / "stats.json"
    chosen = [part for rule in rules for part in ("--rules", str(rule))]
    command = [sys.executable, "-m", "nonself", "scan", *map(str, paths), *chosen]
    command += ["--state", ":memory:", "--json", "--quiet", "--stats", str(stats)]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(cache), check=False)
    if not stats.exists():
        raise UsageError("the measured run failed", got=done.stderr.strip()[-500:])
    measured: dict[str, Any] = json.loads(stats.read_text())
    stats.unlink()
    return {
        "files": measured["files"],
        "events": measured["events"],
        "cpu_seconds": measured["cpu_seconds"],
        "events_per_cpu_second": measured["events_per_cpu_second"],
        "peak_rss_mb": round(measured["peak_rss_bytes"] / 1e6, 1),
        "control_records_per_cpu_second": control(),
    }


def _environment(cache: Path) -> dict[str, str]:
    return {**os.environ, "XDG_CACHE_HOME": str(cache)}


def control() -> float:
    """Records of about 1 KB decoded per CPU-second by a loop that never changes: the yardstick for ratios between machines."""
    line = orjson.dumps({f"field{i}": f"value {i} " + "x" * 24 for i in range(20)})
    before = time.process_time()
    for _ in range(_CONTROL_RECORDS):
        orjson.loads(line)
    return round(_CONTROL_RECORDS / (time.process_time() - before))


def _table(runs: Sequence[dict[str, Any]]) -> str:
    head = f"{'cache':6} {'files':>7} {'events':>10} {'CPU-s':>8} {'events/CPU-s':>13} {'RSS MB':>8} {'control/CPU-s':>14}"
    rows = [
        f"{r['cache']:6} {r['files']:>7,} {r['events']:>10,} {r['cpu_seconds']['total']:>8.2f} {r['events_per_cpu_second']:>13,.0f} "
        f"{r['peak_rss_mb']:>8,.0f} {r['control_records_per_cpu_second']:>14,.0f}"
        for r in runs
    ]
    return "\n".join([head, *rows])
