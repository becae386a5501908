"""Fit the analyst's weights: `python -m nonself.lab.analyst_fit WEIGHTS.toml`, about fifteen CPU-minutes.

Malice is a logistic regression over the signals' steps, shape a softmax regression over the hypotheses of a side, both with an L2 penalty
and without a prior of their own: the share of malicious incidents is that of the simulated companies. Steps that must not lower malice are
held at 0 or more, those that must not raise it at 0 or less (L-BFGS-B). Incidents with a little of a campaign in them are left out of the
fit: nobody could say what they should be called.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nonself.analyst.facts import Facts, gather
from nonself.analyst.hypotheses import HYPOTHESES, MALICIOUS
from nonself.analyst.signals import MALICE, SHAPE, Signal, design
from nonself.lab.analyst_cases import DEVELOPMENT_SEEDS, GROUPS, Example, company, kind

PENALTY = 0.1
_ROUTINE = frozenset(("vulnerability scan", "nightly backup", "software reporting", "remote console", "travel", "new service"))
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Row:
    """An incident as the fit sees it: its company, its facts, what is true of it ("mixed" or a hypothesis)."""

    number: int
    facts: Facts
    truth: str


def row(example: Example) -> Row:
    """Read one incident."""
    records = example.records()
    evidence = {uid for finding in records.findings.values() for uid in finding.events}
    found = kind(example.labels, len(evidence))
    if found == "campaign":
        found = _malice({uid for uid, label in example.labels.items() if label[0] == "campaign"}, records.cited(evidence))
    elif found == "benign trigger":
        names = [label[1] for label in example.labels.values() if label[0] == "benign trigger"]
        found = "machine routine" if max(sorted(set(names)), key=names.count) in _ROUTINE else "rollout"
    return Row(example.number, gather(records), {"ordinary": "everyday use"}.get(found, found))


def _malice(uids: set[str], evidence: Any) -> str:
    """Which malicious hypothesis a campaign's events are of: programs, the network, or accounts and the cloud, whatever most are of."""
    classes = evidence.filter(evidence["uid"].is_in(uids))["class_uid"].fill_null(0)
    software, network = int((classes < 2000).sum() + (classes > 200_000).sum()), int(classes.is_between(4001, 4014).sum())
    others = len(classes) - software - network
    if software >= 3 or software >= max(network, others):
        return "intrusion"
    return "data theft" if network >= others else "account misuse"


def malice(rows: Sequence[Row]) -> Floats:
    """Base and bits of the steps of `MALICE`."""
    known = [r for r in rows if r.truth != "mixed"]
    x = np.array([design(MALICE, r.facts) for r in known])
    y = np.array([r.truth in MALICIOUS for r in known], dtype=np.float64)
    signs = [signal.sign for signal in MALICE for _ in signal.steps]
    bits: Floats = _fitted(x, np.column_stack([1 - y, y]), [None, *signs])[1] / log(2)
    return bits


def shape(rows: Sequence[Row], names: Sequence[str]) -> Floats:
    """Base and bits of the steps of `SHAPE`, a row for each of these hypotheses, among which alone it tells."""
    known = [r for r in rows if r.truth in names]
    x = np.array([design(SHAPE, r.facts) for r in known])
    y = np.array([[float(r.truth == name) for name in names] for r in known])
    return _fitted(x, y, [None, *(0 for signal in SHAPE for _ in signal.steps)]) / log(2)


def _fitted(x: Floats, y: Floats, signs: Sequence[int | None]) -> Floats:
    """Softmax regression: classes by (1 + columns). With two classes the first is the zero that the second is told against."""
    from scipy.optimize import minimize

    x = np.column_stack([np.ones(len(x)), x])
    free = y.shape[1] - 1 if y.shape[1] == 2 else y.shape[1]
    penalty = np.full((free, x.shape[1]), PENALTY)
    penalty[:, 0] = 1e-6

    def loss(flat: Floats) -> tuple[float, Floats]:
        w = flat.reshape(free, -1)
        scores = np.column_stack([np.zeros(len(x)), x @ w.T]) if free < y.shape[1] else x @ w.T
        scores -= scores.max(axis=1, keepdims=True)
        logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        slope = (np.exp(logs) - y)[:, y.shape[1] - free :].T @ x + penalty * w
        return float(-(y * logs).sum() + 0.5 * (penalty * w * w).sum()), slope.ravel()

    bounds = [(0, None) if s == 1 else (None, 0) if s == -1 else (None, None) for s in signs] * free
    found = minimize(loss, np.zeros(free * x.shape[1]), jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": 5_000})
    w: Floats = found.x.reshape(free, -1)
    return np.vstack([np.zeros(x.shape[1]), w]) if free < y.shape[1] else w


def p_malicious(bits: Floats, facts: Facts) -> float:
    """What these weights say."""
    return float(1 / (1 + 2.0 ** -(bits[0] + np.dot(bits[1:], design(MALICE, facts)))))


def held_out(rows: Sequence[Row], folds: Iterable[Sequence[int]]) -> Floats:
    """P(malicious) of each row by weights that were fitted without the companies of its fold."""
    p = np.zeros(len(rows))
    for fold in folds:
        bits = malice([r for r in rows if r.number not in fold])
        for place, one in enumerate(rows):
            if one.number in fold:
                p[place] = p_malicious(bits, one.facts)
    return p


def folds(count: int) -> dict[str, list[list[int]]]:
    """Companies dealt into folds: by seed, in which every campaign is met in training, and by campaign, in which none of the fold's is."""
    return {
        "other seeds": [[n for n in range(count) if n // GROUPS % 6 == fold] for fold in range(6)],
        "other campaigns": [[n for n in range(count) if n % GROUPS == fold] for fold in range(GROUPS)],
    }


def toml(rows: Sequence[Row]) -> str:
    """The weights of all rows, as the file that the analyst reads."""
    lines = ["# Bits of each signal's steps, fitted by `python -m nonself.lab.analyst_fit`; what they mean stands in hypotheses.py.", ""]
    lines += ["[malice]", *_told(malice(rows), MALICE)]
    for side in (MALICIOUS, [h.name for h in HYPOTHESES if h.name not in MALICIOUS]):
        for name, bits in zip(side, shape(rows, side), strict=True):
            lines += ["", f'[shape."{name}"]', *_told(bits, SHAPE)]
    return "\n".join(lines) + "\n"


def _told(bits: Floats, signals: Sequence[Signal]) -> list[str]:
    lines, at = [f"base = {bits[0]:.2f}"], 1
    for signal in signals:
        steps = bits[at : at + len(signal.steps)]
        lines.append(f'"{signal.name}" = [{", ".join(f"{b + 0.0:.2f}" for b in steps)}]')
        at += len(signal.steps)
    return lines


def main(path: Path) -> None:
    """Make the companies, fit, write, and tell how it would do on others."""
    rows = []
    for number, seed in enumerate(DEVELOPMENT_SEEDS):
        rows += [row(example) for example in company(number, seed)]
        print(f"company {number + 1} of {len(DEVELOPMENT_SEEDS)}: {len(rows)} incidents", file=sys.stderr)
    path.write_text(toml(rows), encoding="utf-8")
    print("\n".join(checked(rows)))


def checked(rows: Sequence[Row]) -> list[str]:
    """How the fit would do, fold by fold held out: F1 of "more likely than not" and the calibration error."""
    from nonself.lab.bench_analyst import calibration_error, f1

    truth = np.array([r.truth in MALICIOUS for r in rows])
    return [
        f"{name}: F1 {f1(truth, p >= 0.5)}, calibration error {calibration_error(p, truth)}"
        for name, p in ((name, held_out(rows, parts)) for name, parts in folds(1 + max(r.number for r in rows)).items())
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
