"""The feedback benchmark: what 50 verdicts with 17 % wrong ones buy on the incidents of a company that `nonself demo` has made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nonself.core.errors import UsageError
from nonself.incidents import members
from nonself.lab.feedback import RECALL, REVIEWS, WRONG, Known, review
from nonself.ledger import Ledger

ATTACKS = ("campaign", "attempt")
"""Kinds of truth that a right verdict calls an attack or an attempt."""


def feedback(folders: Sequence[Path], *, seeds: int, as_json: bool) -> int:
    """Print the figures: means over reviewers. Each folder is the output of `nonself demo --out`. UsageError where one is not."""
    runs = [_folder(folder, seeds) for folder in folders]
    document = {"track": "feedback", "reviews": REVIEWS, "wrong": WRONG, "recall": RECALL, "seeds": seeds, "runs": runs}
    print(json.dumps(document, indent=2) if as_json else "\n".join(str(run) for run in runs))
    return 0


def _folder(folder: Path, seeds: int) -> dict[str, Any]:
    known = read(folder)
    outcomes = [asdict(review(known, seed)) for seed in range(seeds)]
    means = {name: round(sum(outcome[name] for outcome in outcomes) / len(outcomes), 2) for name in outcomes[0]}
    return {"folder": str(folder), "incidents": len(known), "attacks": sum(attack for _, _, attack in known), **means}


def read(folder: Path) -> list[Known]:
    """The incidents of a demonstration with their truth: an attack where at least half of the evidence is of a campaign or an attempt."""
    if not (folder / "truth.jsonl").is_file():
        raise UsageError(expected="a folder that `nonself demo --out` has made", got=str(folder))
    lines = (json.loads(line) for line in (folder / "truth.jsonl").read_text("utf-8").splitlines())
    bad = {(line["origin"], line["record"]) for line in lines if line["kind"] in ATTACKS}
    with Ledger.open(folder / "state", read_only=True) as ledger:
        findings, incidents = {f.id: f for f in ledger.findings()}, ledger.incidents()
        uids = {uid for f in findings.values() for uid in f.events}
        rows = ledger.events(uids=uids, columns=["uid", "origin", "record"]).iter_rows()
    attack = {uid for uid, origin, record in rows if (origin.rpartition("/logs/")[2], record) in bad}
    return [(i, own := members(i, findings), _is_attack([uid for f in own for uid in f.events], attack)) for i in incidents]


def _is_attack(events: Sequence[str], attack: set[str]) -> bool:
    told = sum(uid in attack for uid in events)
    return told > 0 and 2 * told >= len(events)
