"""Killed with SIGKILL at any moment and started again, a scan ends in the same incidents, with no event lost or counted twice."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nonself import lab
from nonself.ledger import Ledger

PARTS, KILLS = 5, 10
"""Fifty kills, in parts that run side by side."""
RECORDS = 300
"""Records kept of each file: enough for many commits, few enough for fifty restarts."""


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("logs")
    lab.make(out, seed=11, people=5, days=2)
    for path in sorted(out.rglob("*.log.gz")) + sorted(out.rglob("*.jsonl.gz")):
        path.write_bytes(gzip.compress(b"".join(gzip.decompress(path.read_bytes()).splitlines(keepends=True)[:RECORDS]), mtime=0))
    return out


def _command(logs: Path, state: Path) -> list[str]:
    return [sys.executable, "-m", "nonself", "scan", str(logs), "--state", str(state), "--json", "--quiet"]


def _environment(cache: Path) -> dict[str, str]:
    return {
        **os.environ,
        "NONSELF_BATCH_RECORDS": "700",
        "NONSELF_LIMITS_CHUNK_RECORDS": "400",
        "XDG_CACHE_HOME": str(cache),
        "POLARS_MAX_THREADS": "1",
    }


def _result(state: Path) -> tuple[list[object], list[object], int, dict[str, int], list[tuple[object, ...]]]:
    with Ledger.open(state, read_only=True) as ledger:
        inputs = ledger.inputs().select("content", "chunks", "done", "records", "events", "dead").sort("content").rows()
        findings = sorted(ledger.findings(), key=lambda f: f.id)
        assert ledger.verify_audit() is None
        return ledger.incidents(), findings, sum(ledger.event_counts().values()), ledger.dead_counts(), inputs


@pytest.mark.parametrize("part", range(PARTS))
def test_fifty_random_kills_change_nothing(logs: Path, tmp_path: Path, part: int) -> None:
    cache = tmp_path / "cache"
    whole = tmp_path / "whole"
    subprocess.run(_command(logs, tmp_path / "first"), env=_environment(cache), stdout=subprocess.DEVNULL, timeout=120, check=True)
    started = time.monotonic()  # of a run whose rules are cached, as those to be killed are
    subprocess.run(_command(logs, whole), env=_environment(cache), stdout=subprocess.DEVNULL, timeout=120, check=True)
    length = time.monotonic() - started
    expected = _result(whole)
    assert expected[0], "the control run must find incidents, or the test shows nothing"
    dice, kills, rounds = random.Random(part), 0, 0
    while kills < KILLS:
        state = tmp_path / f"state{rounds}"
        rounds += 1
        done = False
        while not done:
            process = subprocess.Popen(_command(logs, state), env=_environment(cache), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                _, told = process.communicate(timeout=dice.uniform(0.25, 0.75) * length if kills < KILLS else 120)
                assert process.returncode == 0, told.decode()
                done = True
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills += 1
        assert _result(state) == expected, f"state after {kills} kills differs"
    print(json.dumps({"kills": kills, "rounds": rounds}))


def test_scanning_again_changes_nothing(logs: Path, tmp_path: Path) -> None:
    results = []
    for _ in range(2):
        subprocess.run(
            _command(logs, tmp_path / "s"), env=_environment(tmp_path / "c"), stdout=subprocess.DEVNULL, timeout=120, check=False
        )
        results.append(_result(tmp_path / "s"))
    assert results[0] == results[1]
