"""What was found in a set, against its labels.

- An incident is *true* if at least half of one finding's evidence (at most 50 events, as it is kept) is of an attack; an *attempt* if it is
  of attempts in the same way; else a *false alarm*.
- *Coverage* is the share of the set's attack names with an event among the evidence of what was shown: by the budget, or the k best of the
  incidents that begin on each day.
- *Cells* are entities' days (users, hosts, source addresses). A cell scores the most bits of a finding about that entity on that day, 0
  without one; AUC and average precision tell how well that puts cells with an attack first. The control beside it ranks cells by their
  number of events, which is all it takes in many public sets; what an average precision is worth is told by the share of attacked cells.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl

from nonself.core.finding import Finding
from nonself.core.incident import Incident
from nonself.lab.public.labels import ATTACK, ATTEMPT
from nonself.lab.public.load import Loaded
from nonself.lab.twosample import auc
from nonself.ledger import Ledger

TOPS = (1, 3, 5, 10)
KINDS = ("true", "attempt", "false alarm")
_Labels = dict[str, tuple[str, str]]


def judge(loaded: Loaded, ledger: Ledger, truth: Path) -> dict[str, Any]:
    """Figures of a ledger that `load` filled. What needs labels is None where the set has none."""
    findings = {finding.id: finding for finding in ledger.findings()}
    incidents = sorted(ledger.incidents(), key=lambda incident: (-incident.bits, incident.id))
    labels = _labels(truth, {uid for finding in findings.values() for uid in finding.events})
    names = set(loaded.labelled) - {"others"}
    days = max(1, loaded.cells["day"].n_unique())
    chosen = {"shown": [one for one in incidents if one.shown]} | {f"top {k}": _top(incidents, k) for k in TOPS}
    judged = {how: _queue(shown, findings, labels, names, days) for how, shown in chosen.items()}
    return {"days": days, "findings": len(findings), "incidents": len(incidents), "queues": judged if loaded.known else {},
            "cells": _cells(loaded.cells, findings.values()) if loaded.known else None}  # fmt: skip


def _labels(truth: Path, wanted: set[str]) -> _Labels:
    """uid -> kind and name, of the events that are anybody's evidence."""
    found: _Labels = {}
    with truth.open("rb") as file:
        for line in file:
            row = orjson.loads(line)
            if row["uid"] in wanted:
                found[row["uid"]] = (row["kind"], row["name"])
    return found


def _top(incidents: Sequence[Incident], k: int) -> list[Incident]:
    by_day = defaultdict[date, list[Incident]](list)
    for incident in incidents:
        by_day[incident.start.date()].append(incident)
    return [incident for group in by_day.values() for incident in group[:k]]


def _queue(shown: Sequence[Incident], findings: dict[str, Finding], labels: _Labels, names: set[str], days: int) -> dict[str, Any]:
    kinds, covered = Counter[str](), set[str]()
    for incident in shown:
        parts = [findings[name].events for name in incident.findings if name in findings]
        kinds[_kind(parts, labels)] += 1
        covered |= {labels[uid][1] for part in parts for uid in part if labels.get(uid, ("", ""))[0] == ATTACK}
    return {
        "coverage": round(len(covered & names) / len(names), 4) if names else None,
        "precision": round(kinds["true"] / len(shown), 4) if names and shown else None,
        "per_day": {kind: round(kinds[kind] / days, 4) for kind in KINDS},
        "missed": sorted(names - covered),
    }


def _kind(parts: Iterable[Sequence[str]], labels: _Labels) -> str:
    kinds = set()
    for part in parts:
        told = Counter(labels[uid][0] for uid in part if uid in labels)
        kinds |= {kind for kind in (ATTACK, ATTEMPT) if 2 * told[kind] >= len(part) > 0}
    return "true" if ATTACK in kinds else "attempt" if ATTEMPT in kinds else "false alarm"


def _cells(cells: pl.DataFrame, findings: Iterable[Finding]) -> dict[str, Any]:
    rows = [(finding.entity, finding.start.date(), finding.end.date(), finding.bits) for finding in findings]
    schema = {"entity": pl.String, "first": pl.Date, "last": pl.Date, "bits": pl.Float64}
    spans = pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.date_ranges("first", "last").alias("day")).explode("day")
    best = spans.group_by("entity", "day").agg(pl.col("bits").max())
    told = cells.join(best, on=["entity", "day"], how="left", maintain_order="left").with_columns(pl.col("bits").fill_null(0.0))
    attack = told["attack"].to_numpy().astype(np.float64)
    both = 0 < attack.sum() < attack.size
    figures: dict[str, Any] = {"n": told.height, "attacked": int(attack.sum())}
    for name, scores in (("bits", told["bits"]), ("events", told["n"])):
        values = scores.to_numpy().astype(np.float64)
        figures[f"auc_by_{name}"] = round(auc(values, attack), 4) if both else None
        figures[f"ap_by_{name}"] = round(average_precision(values, attack), 4) if both else None
    return figures


def average_precision(scores: np.ndarray[Any, np.dtype[np.float64]], truth: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Sum over thresholds of precision times the growth of recall; equal scores are one threshold, so that no order among them helps.
    `scores` and `truth` (0 or 1, at least one 1) of shape (n,)."""
    _, inverse = np.unique(-scores, return_inverse=True)
    hits, sizes = np.bincount(inverse, weights=truth), np.bincount(inverse)
    precision = np.cumsum(hits) / np.cumsum(sizes)
    return float((precision * hits).sum() / hits.sum())
