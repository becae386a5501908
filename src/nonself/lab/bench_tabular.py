"""The tabular benchmark: the entity model on labelled tables, beside simple controls that it has to beat. One untuned setting for all.

Each table is measured in a process of its own. Every figure is a mean over seeds; a seed draws the split (where none is given), the
forest's cuts and the resampled anomalies.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nonself.baseline.codes import Floats, Ints
from nonself.baseline.ecdf import Ecdf
from nonself.core.errors import UsageError
from nonself.detect.encoding import Encoding
from nonself.detect.forest import Forest
from nonself.detect.vector_model import VectorModel
from nonself.lab import tabular_data
from nonself.lab.tabular_data import Split, Table

PREVALENCE, DRAWS = 0.01, 100
METRICS = ("auc", "ap_at_1pct", "recall_at_0.1pct_fpr", "recall_at_1pct_fpr")
OURS = "entity model"
_BINS = 16
Score = Callable[[Floats], Floats]


def tabular(paths: Sequence[Path], *, seeds: int, as_json: bool) -> int:
    """Measure every table of `paths`, and print what was found for each and for all together."""
    if seeds < 1:
        raise UsageError(expected="--seeds of at least 1", got=str(seeds))
    results = [_run(path, seeds) for path in paths]
    document = {"track": "tabular", "seeds": seeds, "tables": results, "mean": _means(results)}
    print(json.dumps(document, indent=2) if as_json else _text(document))
    return 0


def _run(path: Path, seeds: int) -> dict[str, Any]:
    tabular_data.read(path)  # tells what is wrong with a file before a process is started for it
    order = json.dumps({"path": str(path), "seeds": seeds})
    done = subprocess.run([sys.executable, "-m", __name__], input=order, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError("the measured run failed", got=done.stderr.strip()[-500:], where=str(path))
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def measure(path: Path, seeds: int) -> dict[str, Any]:
    """All figures of one table, in this process."""
    table = tabular_data.read(path)
    found: dict[str, dict[str, list[Floats]]] = {"clean": {}, "contaminated": {}}
    costs: list[dict[str, float]] = []
    shares = []
    for seed in range(seeds):
        parts = tabular_data.split(table, seed)
        shares.append(len(parts.dirty) / (len(parts.train) + len(parts.dirty)))
        for way, rows in (("clean", parts.train), ("contaminated", np.concatenate([parts.train, parts.dirty]))):
            figures, cost = _trained(table, parts, rows, seed)
            costs.append(cost)
            for name, values in figures.items():
                found[way].setdefault(name, []).append(values)
    return {
        "table": path.name, "rows": table.frame.height, "features": table.frame.width, "split": "own" if table.train is None else "given",
        "trained_on": len(parts.train), "tested_normal": len(parts.normal), "tested_anomalies": len(parts.anomalies),
        "contamination": round(float(np.mean(shares)), 5),
        **{way: {name: _named(np.mean(rows, axis=0)) for name, rows in by.items()} for way, by in found.items()},
        "spread_over_seeds": {way: _named(np.std(by[OURS], axis=0)) for way, by in found.items()},
        **{name: round(float(np.median([cost[name] for cost in costs])), 2) for name in costs[0]},
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1),
    }  # fmt: skip


def _trained(table: Table, parts: Split, rows: Ints, seed: int) -> tuple[dict[str, Floats], dict[str, float]]:
    """Metrics by method after training on `rows`, and what fitting and scoring took."""
    encoding = Encoding.fit(table.frame[rows])
    train, normal, odd = (encoding.matrix(table.frame[part]) for part in (rows, parts.normal, parts.anomalies))
    clock = time.process_time()
    model = VectorModel.fit(train, seed)
    fitted = time.process_time() - clock
    model.score(normal[:1])  # the runtime is started outside the clock
    clock = time.process_time()
    model.score(normal)
    scored = time.process_time() - clock
    one = normal[:1]
    clock = time.process_time()
    for _ in range(100):
        model.score(one)
    alone = time.process_time() - clock
    cost = {"fit_us_per_row": 1e6 * fitted / len(train), "score_us_per_row": 1e6 * scored / len(normal), "score_us_single": 1e4 * alone}
    methods: dict[str, Score] = {
        OURS: model.score, "its forest alone": lambda x: model.parts(x)[0], "its gaussian alone": lambda x: model.parts(x)[1],
        **controls(train, seed),
    }  # fmt: skip
    return {name: metrics(score(normal), score(odd), seed) for name, score in methods.items()}, cost


def controls(train: Floats, seed: int) -> dict[str, Score]:
    """What anybody would try first. All see the training rows only; NaN counts as the median.

    max robust z        largest |x - median| / spread of any feature (spread: interquartile range / 1.349, else standard deviation, else 1)
    distance to median  sum of those
    bin rarity          sum over features of -log2 of the share of training rows in the value's bin, of 16 between training quantiles
    plain forest        the same isolation forest with cuts drawn in raw values
    """
    centre = np.nan_to_num(np.nanmedian(train, axis=0))
    train = np.where(np.isnan(train), centre, train)
    low, high = np.percentile(train, [25.0, 75.0], axis=0)
    spread = np.where(high > low, (high - low) / 1.349, train.std(axis=0))
    spread = np.where(spread > 0, spread, 1.0)
    bits = [_bin_bits(column) for column in train.T]
    raw = [
        Ecdf(np.unique([column.min(), column.max()]), np.linspace(0.0, 1.0, 2)[: 1 + (column.max() > column.min())]) for column in train.T
    ]
    plain = Forest.fit(train.astype(np.float32), seed, scale=raw)

    def known(x: Floats) -> Floats:
        return np.where(np.isnan(x), centre, x)

    return {
        "max robust z": lambda x: np.asarray((np.abs(known(x) - centre) / spread).max(axis=1)),
        "distance to median": lambda x: np.asarray((np.abs(known(x) - centre) / spread).sum(axis=1)),
        "bin rarity": lambda x: np.sum([of(column) for of, column in zip(bits, known(x).T, strict=True)], axis=0),
        "plain forest": lambda x: -plain.paths(known(x).astype(np.float32)),
    }


def _bin_bits(column: Floats) -> Score:
    edges = np.unique(np.quantile(column, np.linspace(0.0, 1.0, _BINS + 1)))
    counts = np.bincount(np.searchsorted(edges, column), minlength=len(edges) + 1)
    bits = -np.log2((counts + 1.0) / (len(column) + len(counts)))
    return lambda x: np.asarray(bits[np.searchsorted(edges, x)])


def metrics(normal: Floats, odd: Floats, seed: int) -> Floats:
    """`METRICS` of scores of normal and of anomalous rows; ties count half in the AUC and against us elsewhere.

    A threshold at an anomaly's score raises as many false alarms as there are normal rows scored at least as high. Average precision is
    that of all normal rows with as many anomalies, drawn again and again, as make 1 % of them (with replacement where there are fewer).
    """
    ordered, n = np.sort(normal), len(normal)
    false = n - np.searchsorted(ordered, odd, "left")
    above = n - np.searchsorted(ordered, odd, "right")
    auc = 1.0 - float(np.mean((false + above) / 2.0)) / n
    random = np.random.default_rng([seed, 2])
    drawn = max(1, round(n * PREVALENCE / (1.0 - PREVALENCE)))
    precisions = []
    for _ in range(DRAWS):
        alarms = np.sort(random.choice(false, drawn, replace=drawn > len(odd)))
        true = np.searchsorted(alarms, alarms, "right")
        precisions.append(np.mean(true / (true + alarms)))
    return np.array([auc, np.mean(precisions), np.mean(false <= 0.001 * n), np.mean(false <= 0.01 * n)])


def _named(values: Floats) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in zip(METRICS, values, strict=True)}


def _means(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    def mean(way: str, method: str) -> dict[str, float]:
        return {metric: round(float(np.mean([r[way][method][metric] for r in results])), 4) for metric in METRICS}

    return {way: {method: mean(way, method) for method in results[0][way]} for way in ("clean", "contaminated")}


def _text(document: dict[str, Any]) -> str:
    lines = [f"{'':26} {'trained':13} {'AUC':>7} {'AP@1%':>7} {'R@.1%':>7} {'R@1%':>7}"]
    for result in [*document["tables"], {"table": "mean of all", **document["mean"]}]:
        lines.append(result["table"])
        for way in ("clean", "contaminated"):
            lines += [f"  {name:24} {way:13} " + " ".join(f"{v:7.3f}" for v in row.values()) for name, row in result[way].items()]
        if "rows" in result:
            lines.append(
                f"  {result['trained_on']:,} rows to train on ({100 * result['contamination']:.2f} % anomalies when contaminated), "
                f"{result['features']} features; fit {result['fit_us_per_row']:.0f}, score {result['score_us_per_row']:.1f} us/row, "
                f"{result['score_us_single']:.0f} us for one; {result['peak_rss_mb']:.0f} MB"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    given = json.load(sys.stdin)
    print(json.dumps(measure(Path(given["path"]), given["seeds"])))
