"""`nonself backtest`: which incidents a change would make appear, vanish or move, with those that were judged marked."""

from __future__ import annotations

import argparse
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from nonself import backtest
from nonself.backtest import Change
from nonself.core import config as configuration
from nonself.core import safe
from nonself.core.settings import Config
from nonself.ledger import Ledger
from nonself.serve.run import state_dir
from nonself.serve.suppress_run import since
from nonself.triage.verdicts import TRUE


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Exit status 1 where an incident judged an attack would vanish."""
    changed = configuration.changed(config, arguments.change)
    with Ledger.open(state_dir(config), read_only=True) as ledger:
        newest = max((i.end for i in ledger.incidents()), default=datetime.now(UTC))
        changes = backtest.compare(ledger, config, changed, since(arguments.since, newest))
    counts = Counter(change.kind for change in changes)
    lost = [c for c in changes if c.kind == "vanished" and c.verdict is not None and c.verdict.judgement in TRUE]
    if arguments.json:
        for change in changes:
            print(safe.json(_row(change)))
    else:
        told = ", ".join(f"{counts[kind]} {kind}" for kind in ("appeared", "vanished", "moved", "stayed"))
        print(f"{told}; {len(lost)} of the vanished were judged attacks")
        for change in changes:
            if change.kind != "stayed":
                print(_line(change))
    return 1 if lost else 0


def _row(change: Change) -> dict[str, Any]:
    incident = change.after or change.before
    return {
        "type": change.kind, "incident": incident.id if incident else "", "title": incident.title if incident else "",
        "place_before": change.place_before, "place_after": change.place_after,
        "bits_before": change.before.bits if change.before else None, "bits_after": change.after.bits if change.after else None,
        "verdict": change.verdict.judgement if change.verdict else None,
    }  # fmt: skip


def _line(change: Change) -> str:
    row = _row(change)
    places = f"{row['place_before'] or '-'} -> {row['place_after'] or '-'}"
    verdict = f"  [{row['verdict']}]" if row["verdict"] else ""
    return safe.terminal(f"  {change.kind:9} {places:>10}  {row['incident']}  {safe.shorten(row['title'], 90)}{verdict}")
