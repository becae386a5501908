"""The correlation benchmark: a million findings to stories, a thousand more, and a hub of a hundred thousand edges. In CPU-seconds, each
part in a process of its own, beside a control that tells how fast the machine was."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

from nonself.core.errors import UsageError
from nonself.correlate.facts import Facts
from nonself.correlate.graph import Graph
from nonself.lab.bench import control

FINDINGS, MORE, HUB = 1_000_000, 1_000, 100_000
HOSTS, USERS, ADDRESSES, PROCESSES = 20_000, 20_000, 50_000, 400_000
KINDS, DAYS = 400, 30


def correlate(*, as_json: bool, findings: int = FINDINGS) -> int:
    """Print the figures."""
    rows = [_run(part, findings) for part in ("spread", "hub")]
    document = {"track": "correlate", "runs": rows}
    print(json.dumps(document, indent=2) if as_json else "\n".join(" ".join(f"{k}={v}" for k, v in row.items()) for row in rows))
    return 0


def _run(part: str, findings: int) -> dict[str, Any]:
    order = json.dumps({"part": part, "findings": findings})
    done = subprocess.run([sys.executable, "-m", __name__], input=order, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError("the measured run failed", got=done.stderr.strip()[-500:])
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def measure(part: str, findings: int) -> dict[str, Any]:
    """Figures of one part, in this process: CPU-seconds, resident memory, stories, and what adding `MORE` costs then."""
    made, entities = made_up(findings + MORE, hub=HUB if part == "hub" else 0)
    lasting = [number % 4 == 3 for number in range(entities)]
    graph, first = Graph(), made.rows(0, findings)
    before = time.process_time()
    graph.add(first, lasting)
    cpu = time.process_time() - before
    more = made.rows(findings, findings + MORE)
    before = time.process_time()
    graph.add(more, lasting)
    added = time.process_time() - before
    return {
        "part": part,
        "findings": findings,
        "cpu_seconds": round(cpu, 2),
        "added": MORE,
        "added_cpu_ms": round(added * 1000, 1),
        "stories": len({graph.stories.root(story) for story in graph.stories.home}),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
        "control_records_per_cpu_second": round(control()),
    }


def made_up(findings: int, *, hub: int = 0, seed: int = 1) -> tuple[Facts, int]:
    """Findings of a month, four entities each (host, user, address, process), Zipf-like popularity; `hub` of them touch one address.
    Returns them and the number of entities."""
    draw = np.random.default_rng(seed)
    pools = (HOSTS, USERS, ADDRESSES, PROCESSES)
    columns = [np.minimum(draw.zipf(1.3, findings) - 1, pool - 1) for pool in pools[:3]] + [draw.integers(0, PROCESSES, findings)]
    columns[0] = draw.integers(0, HOSTS, findings)
    if hub:
        columns[2][draw.choice(findings, hub, replace=False)] = 0
    entities = np.column_stack([column * 4 + place for place, column in enumerate(columns)]).astype(np.int64)
    start = np.sort(draw.random(findings)) * DAYS * 24
    facts = Facts(
        start=start,
        end=start + draw.random(findings),
        bits=3.0 + draw.exponential(1 / np.log(2), findings) * 2,
        looks=np.where(draw.random(findings) < 0.5, 8.0, 128.0),
        kind=draw.integers(0, KINDS, findings),
        first=np.arange(0, 4 * findings + 1, 4),
        entities=entities.ravel(),
    )
    return facts, 4 * max(pools)


if __name__ == "__main__":
    order = json.loads(sys.stdin.read())
    print(json.dumps(measure(order["part"], order["findings"])))
