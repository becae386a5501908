"""The sources' benchmark: rows read per CPU-second, each log in a process of its own, beside a control over the same bytes.

A control does the least that any reader of such bytes must do, with a library that others wrote: figures of two machines compare by their
ratios to it. JSON: `orjson.loads` of each line; Zeek's text: `polars.scan_csv`; other text: splitting into lines; captures: BLAKE2b.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from nonself import sources
from nonself.core import memory
from nonself.core.compact import compact, size
from nonself.core.errors import UsageError
from nonself.core.events import concat
from nonself.core.schema import HOT
from nonself.lab.bench_logs import LOGS, write
from nonself.ledger.lake import encode
from nonself.sources.contract import Limits

TARGETS = {
    "zeek-tsv": 900_000, "zeek-json": 400_000, "cloudtrail": 130_000, "sshd": 900_000, "windows-evtx": 80_000, "sysmon-json": 120_000,
    "eve": 150_000, "pcap": 80_000,
}  # fmt: skip
"""Rows per CPU-second asked for."""
BYTES_ON_DISK, BYTES_IN_MEMORY = 35, 120
"""Bytes an event's hot columns may take, asked for of CloudTrail."""
_SIZED = 50_000  # events whose size is looked at


def run(paths: Sequence[Path], names: Sequence[str], *, rows: int, as_json: bool) -> int:
    """Measure `paths`, or made-up logs of `rows` rows (those of `names`, or all)."""
    if unknown := sorted(set(names) - LOGS.keys()):
        raise UsageError(expected=f"--source to be one of {', '.join(LOGS)}", got=", ".join(unknown))
    for path in paths:
        if not path.exists():
            raise UsageError(expected="a path that exists", got=str(path))
    found = [_run(path, path.name) for path in paths]
    with tempfile.TemporaryDirectory() as folder:
        for name in () if paths else names or LOGS:
            path = write(name, rows, Path(folder))
            found.append(_run(path, name, rows))
            path.unlink()
    print(json.dumps({"track": "sources", "runs": found}, indent=2) if as_json else _table(found))
    return 0


def _run(path: Path, name: str, rows: int = 0) -> dict[str, Any]:
    command = [sys.executable, "-m", __name__, str(path), str(rows)]
    alone = {"POLARS_MAX_THREADS": "1", **os.environ}  # as `nonself scan` reads
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=alone)
    if done.returncode:
        raise UsageError("the measured run failed", got=done.stderr.strip()[-500:])
    measured: dict[str, Any] = json.loads(done.stdout)
    return {"log": name, **measured, "target_rows_per_cpu_second": TARGETS.get(name, TARGETS.get(measured["source"]))}


def measure(path: Path, rows: int = 0) -> dict[str, Any]:
    """What reading `path` gave and took in this process: CPU-seconds of all its threads, from the first byte looked at to the last row.
    `rows` is how many it has where that is known: of a capture its packets; else the records met, of a capture its flows, are counted."""
    records = dead = size = held = events = 0
    names: dict[str, int] = {}
    kept: list[pl.DataFrame] = []
    memory.settle()
    before = time.process_time()
    for given in sources.discover([path], Limits()):
        source, chunks = sources.read(given, Limits())
        for chunk in chunks:
            records, dead, size = records + chunk.records, dead + len(chunk.dead), size + chunk.bytes
            events += chunk.events.height
            if held < _SIZED:
                kept.append(chunk.events.select(HOT))
                held += chunk.events.height
        name = source.name if source else "-"
        names[name] = names.get(name, 0) + 1
    cpu = time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # before the control and the sizes take theirs
    source_name = max(names, key=lambda name: names[name], default="-")
    return {
        "source": source_name,
        "rows": (rows := rows or records),
        "events": events,
        "dead_letters": dead,
        "cpu_seconds": round(cpu, 3),
        "rows_per_cpu_second": round(rows / cpu) if cpu else 0,
        "bytes": size,
        "mb_per_cpu_second": round(size / 1e6 / cpu, 1) if cpu else 0.0,
        "peak_rss_mb": round(peak / 1_000, 1),
        **_control(path, rows),
        **sizes(concat(kept)),
    }


def _control(path: Path, rows: int) -> dict[str, Any]:
    """Rows per CPU-second of the control over the same file; nothing for a folder."""
    if not path.is_file():
        return {"control": "-", "control_rows_per_cpu_second": 0}
    data = path.read_bytes()
    name, work = _controls(data)
    before = time.process_time()
    work(data)
    return {"control": name, "control_rows_per_cpu_second": round(rows / max(time.process_time() - before, 1e-6))}


def _controls(data: bytes) -> tuple[str, Callable[[bytes], object]]:
    head = data[:4_096]
    if head.lstrip()[:1] in (b"{", b"["):
        return "orjson.loads", _decode
    if head.startswith(b"#separator"):
        return "polars.scan_csv", _scan
    if b"\0" in head:
        return "blake2b", hashlib.blake2b
    return "bytes.split", lambda text: text.split(b"\n")


def _decode(data: bytes) -> None:
    for line in data.splitlines():
        try:
            orjson.loads(line)
        except orjson.JSONDecodeError:  # a document over several lines
            orjson.loads(data)
            return


def _scan(data: bytes) -> pl.DataFrame:
    return pl.scan_csv(io.BytesIO(data), separator="\t", comment_prefix="#", has_header=False, quote_char=None).collect()


def sizes(events: pl.DataFrame) -> dict[str, float]:
    """Bytes an event's hot columns take: as Parquet as the ledger writes it (a file a class); and in memory those that hold anything, as
    detectors are given them (`core.compact`)."""
    hot = events.select(HOT)
    if not hot.height:
        return {"disk_bytes_per_event": 0.0, "memory_bytes_per_event": 0.0}
    disk = sum(len(encode(part)) for part in hot.sort("time", "uid").partition_by("class_uid"))
    filled = hot.select(column.name for column in hot.get_columns() if column.null_count() < hot.height).rechunk()
    return {"disk_bytes_per_event": round(disk / hot.height, 1), "memory_bytes_per_event": round(size(compact(filled)) / hot.height, 1)}


def _table(runs: Sequence[dict[str, Any]]) -> str:
    head = (
        f"{'log':14} {'rows':>9} {'CPU-s':>7} {'rows/CPU-s':>11} {'target':>9} {'MB/CPU-s':>9} {'RSS MB':>7} {'B disk':>7} {'B memory':>9} "
        "control (rows/CPU-s)"
    )
    rows = [
        f"{r['log'][:14]:14} {r['rows']:>9,} {r['cpu_seconds']:>7.2f} {r['rows_per_cpu_second']:>11,} "
        f"{r['target_rows_per_cpu_second'] or 0:>9,} {r['mb_per_cpu_second']:>9,.1f} {r['peak_rss_mb']:>7,.0f} "
        f"{r['disk_bytes_per_event']:>7.1f} {r['memory_bytes_per_event']:>9.1f} {r['control']} ({r['control_rows_per_cpu_second']:,})"
        for r in runs
    ]
    last = f"B: bytes an event's hot columns take; asked for of CloudTrail: {BYTES_ON_DISK} on disk, {BYTES_IN_MEMORY} in memory"
    return "\n".join([head, *rows, last])


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]))))
