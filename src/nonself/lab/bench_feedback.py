"""The feedback benchmark: what 50 verdicts with 17 % wrong ones buy, on the incidents of made companies."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nonself.core import config as configuration
from nonself.core.errors import UsageError
from nonself.detect.sigma import Ruleset
from nonself.incidents import members, queue
from nonself.lab.feedback import RECALL, REVIEWS, WRONG, Known, review
from nonself.lab.sim.cases import Case, cases
from nonself.lab.sim.read import read as read_case
from nonself.ledger import Ledger

WORTH = {"campaign": 1.0, "attempt": 0.5}
"""Kinds of truth that a right verdict calls malicious or an attempt, and what they are worth to the ranking."""


def feedback(folders: Sequence[Path], *, seeds: int, as_json: bool) -> int:
    """Print the figures: means over reviewers. Each folder is the output of `nonself demo --out`; without one the companies of `bench sim
    --development` are made and read, day by day. UsageError where a folder is none."""
    known = ((str(folder), read(folder)) for folder in folders) if folders else _companies()
    runs = [_run(name, incidents, seeds) for name, incidents in known]
    document = {"track": "feedback", "reviews": REVIEWS, "wrong": WRONG, "recall": RECALL, "seeds": seeds, "runs": runs}
    print(json.dumps(document, indent=2) if as_json else "\n".join(str(run) for run in runs))
    return 0


def _run(name: str, known: Sequence[Known], seeds: int) -> dict[str, Any]:
    outcomes = [asdict(review(known, seed)) for seed in range(seeds)]
    means = {name: round(sum(outcome[name] for outcome in outcomes) / len(outcomes), 2) for name in outcomes[0]}
    true = sum(worth > 0 for *_, worth in known)
    return {"of": name, "incidents": len(known), "true": true, "malicious_ones": sum(worth == 1 for *_, worth in known), **means}


def _companies() -> Iterator[tuple[str, list[Known]]]:
    small = [case for case in cases(full=True, development=True) if case.people < 100]
    return ((f"seed {case.seed}: {case.attack}", company(case)) for case in small)


def company(case: Case) -> list[Known]:
    """The incidents of a company of the lab with their truth."""
    config = configuration.load(None, {}, os.environ)
    outcome = read_case(case, config, Ruleset.load([], builtin=True, cache=None))
    findings = {finding.id: finding for day in outcome.found for finding in day}
    labels = {uid: WORTH[kind] for uid, (kind, _, _) in outcome.labels.items() if kind in WORTH}
    return [
        (i, own := members(i, findings), _worth([u for f in own for u in f.events], labels))
        for i in queue(findings.values(), (), (), config)
    ]


def read(folder: Path) -> list[Known]:
    """The incidents of a demonstration with their truth."""
    if not (folder / "truth.jsonl").is_file():
        raise UsageError(expected="a folder that `nonself demo --out` has made", got=str(folder))
    lines = (json.loads(line) for line in (folder / "truth.jsonl").read_text("utf-8").splitlines())
    marks = {(line["origin"], line["record"]): WORTH[line["kind"]] for line in lines if line["kind"] in WORTH}
    with Ledger.open(folder / "state", read_only=True) as ledger:
        findings, incidents = {f.id: f for f in ledger.findings()}, ledger.incidents()
        uids = {uid for f in findings.values() for uid in f.events}
        rows = ledger.events(uids=uids, columns=["uid", "origin", "record"]).iter_rows()
    labels = {uid: worth for uid, origin, record in rows if (worth := marks.get((origin.rpartition("/logs/")[2], record)))}
    return [(i, own := members(i, findings), _worth([uid for f in own for uid in f.events], labels)) for i in incidents]


def _worth(events: Iterable[str], labels: Mapping[str, float]) -> float:
    """What an incident is: true where at least half of its evidence is of a campaign or an attempt, malicious where half of that is of
    campaigns."""
    told = [labels.get(uid, 0.0) for uid in events]
    true = sum(worth > 0 for worth in told)
    if not true or 2 * true < len(told):
        return 0.0
    return 1.0 if 2 * sum(worth == 1 for worth in told) >= true else 0.5
