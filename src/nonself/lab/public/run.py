"""`nonself lab load` and `nonself bench dataset`: one set loaded, judged, and told as a table or as JSON."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nonself.core import config as configuration
from nonself.core import safe
from nonself.core.errors import UsageError
from nonself.core.stats import Stats, peak_rss
from nonself.detect.sigma import Ruleset
from nonself.lab.bench import control
from nonself.lab.public.judge import KINDS, judge
from nonself.lab.public.load import load
from nonself.lab.public.sets import SETS, named
from nonself.ledger import Ledger


def dataset(
    name: str, paths: Sequence[Path], rules: Sequence[Path], *, state: Path | None = None, truth: Path | None = None, as_json: bool,
    tick: Callable[[Stats], None] = lambda _: None,
) -> int:  # fmt: skip
    """Load a set into the new state directory `state` (None: in memory), judge what was found, print it. `truth` is where the labels go
    (None: nowhere). UsageError for an unknown set, a state that exists, or paths without files of the set."""
    chosen = named(name)
    if not paths:
        raise UsageError(expected=f"where the files of {name} are", got="no path", do=f"fetch the set: {chosen.where}")
    if state is not None and state.exists() and (not state.is_dir() or any(state.iterdir())):
        raise UsageError(expected="a new or empty folder", got=str(state), do="choose another", where="--out")
    config, before = configuration.load(None, {}, os.environ), time.process_time()
    ruleset = Ruleset.load(list(rules), builtin=True, cache=None)
    with tempfile.TemporaryDirectory() as folder, Ledger.open(state or ":memory:") as ledger:
        told = truth or Path(folder) / "truth.jsonl"
        loaded, stats = load(chosen, paths, ledger, ruleset, config, told, tick)
        figures = judge(loaded, ledger, told)
    document = {
        "track": "dataset",
        "set": name,
        "events": sum(count.events for count in stats.sources.values()),
        "dead": dict(stats.dead),
        "files": loaded.files,
        "skipped": {"files": loaded.skipped, "first": [safe.terminal(origin) for origin in loaded.names]},
        "labels": "known" if loaded.known else f"none: {chosen.unknown}" if chosen.unknown else "none",
        "labelled": {safe.terminal(label): n for label, n in loaded.labelled.most_common()},
        "attempts": loaded.attempts,
        **figures,
        "cpu_seconds": round(time.process_time() - before, 1),
        "peak_rss_mb": round(peak_rss() / 1e6),
        "control_records_per_cpu_second": control(),
    }
    print(json.dumps(document, indent=1) if as_json else table(document))
    return 0


def table(document: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [
        f"{document['set']}: {document['events']:,} events of {document['files']} files, {sum(document['dead'].values()):,} dead letters, "
        f"{document['skipped']['files']} files no part of it; {sum(document['labelled'].values()):,} events of {len(document['labelled'])} "
        f"attacks, {document['attempts']:,} of attempts; {document['findings']:,} findings, {document['incidents']:,} incidents in "
        f"{document['days']} days; {document['cpu_seconds']} CPU-s"
    ]
    if not document["queues"]:
        return "\n".join([*lines, f"labels: {document['labels']}"])
    lines.append(f"{'queue':10}{'coverage':>10}{'precision':>11}" + "".join(f"{kind + ' a day':>20}" for kind in KINDS))
    for how, row in document["queues"].items():
        rates = "".join(f"{row['per_day'][kind]:>20.2f}" for kind in KINDS)
        lines.append(f"{how:10}{_cell(row['coverage']):>10}{_cell(row['precision']):>11}{rates}")
    cells = document["cells"]
    for by in ("bits", "events"):
        lines.append(f"entity-days by {by:7} AUC {_cell(cells[f'auc_by_{by}'])}, average precision {_cell(cells[f'ap_by_{by}'])}")
    lines.append(f"{cells['attacked']:,} of {cells['n']:,} entity-days are attacked; missed by what is shown: {_missed(document)}")
    return "\n".join(lines)


def _missed(document: dict[str, Any]) -> str:
    return ", ".join(map(safe.terminal, document["queues"]["shown"]["missed"])) or "none"


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def listed(*, as_json: bool) -> int:
    """Print the sets: name, what it is, where to fetch it."""
    for one in SETS.values():
        row = {"set": one.name, "title": one.title, "where": one.where, "note": one.unknown}
        print(
            json.dumps(row)
            if as_json
            else f"{one.name:15} {one.title}\n{'':15} {one.where}" + (f"\n{'':15} {one.unknown}" * bool(one.unknown))
        )
    return 0
