"""The track itself: cases one after another, every queue judged, figures over cases as mean and worst, as JSON or as tables."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from nonself import __version__
from nonself.core import config as configuration
from nonself.core.settings import Config
from nonself.core.stats import peak_rss
from nonself.detect.sigma import Ruleset
from nonself.lab.bench import control
from nonself.lab.sim import queue as queues
from nonself.lab.sim.cases import WARM_UP, Case, cases
from nonself.lab.sim.judge import KINDS, RATES, TOPS, findings_by_kind, judge, over, top
from nonself.lab.sim.queue import Queue
from nonself.lab.sim.read import Outcome, read

SHOWN = (*(f"top {k}" for k in TOPS), *(f"threshold {rate:g}" for rate in RATES))
"""Ways to choose from a queue what is shown: so many a day, or what passes a past-only threshold meant for so many a day."""


def sim(rules: Sequence[Path], *, full: bool, development: bool, as_json: bool) -> int:
    """Measure all cases and print tables, or one JSON document with every case in it. `rules` are Sigma rules beside the shipped ones."""
    chosen, config = cases(full=full, development=development), configuration.load(None, {}, os.environ)
    ruleset = Ruleset.load(list(rules), builtin=True, cache=None)
    measured = [_measure(case, config, ruleset) for case in chosen]
    document = {
        "track": "sim",
        "seeds": "development" if development else "benchmark",
        "full": full,
        "warm_up_days": WARM_UP,
        "versions": {"nonself": __version__, "python": platform.python_version()},
        "config": hashlib.blake2b(configuration.as_toml(config).encode(), digest_size=8).hexdigest(),
        "rules": len(ruleset.rules),
        "cases": measured,
        "summary": summary(measured),
    }
    print(json.dumps(document, indent=1) if as_json else "\n".join(tables(document)))
    return 0


def _measure(case: Case, config: Config, ruleset: Ruleset) -> dict[str, Any]:
    outcome = read(case, config, ruleset, _told)
    lonely = msgspec.structs.replace(config, self=msgspec.structs.replace(config.self, peers=False))
    made: dict[str, Queue] = {"nonself": queues.ours(outcome, config)}
    made |= {name: queues.ours(outcome, config, chosen) for name, chosen in queues.ABLATIONS.items()}
    made["without peers"] = queues.ours(read(case, lonely, ruleset, _told), config)
    made |= {name: make(outcome, config) for name, make in queues.BASELINES.items()}
    millions = outcome.events.height / 1e6
    return {
        "seed": case.seed,
        "people": case.people,
        "activity": case.activity,
        "days": case.days,
        "attacks": case.attack.split(","),
        "events": outcome.events.height,
        "steps": len(outcome.steps),
        "cpu_seconds_per_million_events": round(outcome.cpu / millions, 1),
        "made_events_per_cpu_second": round(outcome.events.height / outcome.making),
        "control_records_per_cpu_second": control(),
        "peak_rss_mb": round(peak_rss() / 1e6),
        "findings_by_kind": findings_by_kind(outcome),
        "queues": {name: _judged(outcome, queue) for name, queue in made.items()},
    }


def _told(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text}   ", end="", file=sys.stderr, flush=True)


def _judged(outcome: Outcome, queue: Queue) -> dict[str, Any]:
    shown = {f"top {k}": top(queue, k) for k in TOPS} | {f"threshold {rate:g}": over(queue, rate) for rate in RATES}
    return {how: judge(outcome, what) for how, what in shown.items()}


def summary(measured: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Queue -> way to choose -> figures over all cases: coverage as mean and worst, items a day by kind, fragmentation, contamination,
    share of campaigns found, hours to the first true item (p50 and p90, null where that campaign was never found)."""
    return {name: {how: _over_cases([case["queues"][name][how] for case in measured]) for how in SHOWN} for name in measured[0]["queues"]}


def _over_cases(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    hours = sorted((h if h is not None else float("inf")) for part in parts for h in part["hours_to_first"].values())
    found = [yes for part in parts for yes in part["found"].values()]
    return {
        "coverage": {"mean": _mean(part["coverage"] for part in parts), "worst": round(min(part["coverage"] for part in parts), 3)},
        "per_day": {kind: _mean(part["per_day"][kind] for part in parts) for kind in KINDS},
        "worst_false_alarms_a_day": round(max(part["per_day"]["false alarm"] for part in parts), 2),
        "findings_a_day": _mean(part["findings_a_day"] for part in parts),
        "fragmentation": _mean(part["fragmentation"] for part in parts),
        "contamination": _mean(part["contamination"] for part in parts),
        "campaigns_found": round(sum(found) / max(1, len(found)), 3),
        "hours_to_first": {"p50": _at(hours, 0.5), "p90": _at(hours, 0.9)},
    }


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 3) if known else None


def _at(ordered: Sequence[float], share: float) -> float | None:
    value = ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("inf")
    return None if value == float("inf") else value


def tables(document: dict[str, Any]) -> list[str]:
    """The document as Markdown tables: cases, coverage by queue, the pipeline's own queue, all queues at five a day, campaigns."""
    parts = (_cases(document), _coverage(document), _own(document), _beside(document), _campaigns(document))
    return ["\n".join(part) + "\n" for part in parts]


def _cases(document: dict[str, Any]) -> list[str]:
    lines = ["| case | events | steps | CPU-s a million events | made, events/CPU-s | control |", "|---|---|---|---|---|---|"]
    for case in document["cases"]:
        name = f"seed {case['seed']}, {case['people']} people: {', '.join(case['attacks'])}"
        cost = f"{case['cpu_seconds_per_million_events']} | {case['made_events_per_cpu_second']:,}"
        lines.append(f"| {name} | {case['events']:,} | {case['steps']} | {cost} | {case['control_records_per_cpu_second']:,} |")
    return lines


def _coverage(document: dict[str, Any]) -> list[str]:
    ways = [*(f"top {k}" for k in TOPS), *(f"≤ {rate:g} a day" for rate in RATES)]
    lines = [f"| queue | {' | '.join(ways)} |", "|---" * (1 + len(SHOWN)) + "|"]
    for name, by_way in document["summary"].items():
        cells = (f"{by_way[how]['coverage']['mean']:.2f} ({by_way[how]['coverage']['worst']:.2f})" for how in SHOWN)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


_FIGURES = "true a day | benign | attempts | false | worst false | findings a day | pieces | impure | found | hours p50 | p90 |"


def _own(document: dict[str, Any]) -> list[str]:
    rows = [f"| {how} | {_cells(part)} |" for how, part in document["summary"]["nonself"].items()]
    return [f"| nonself | {_FIGURES}", "|---" * 12 + "|", *rows]


def _beside(document: dict[str, Any]) -> list[str]:
    rows = [f"| {name} | {_cells(by_way['top 5'])} |" for name, by_way in document["summary"].items()]
    return [f"| top 5 of | {_FIGURES}", "|---" * 12 + "|", *rows]


def _campaigns(document: dict[str, Any]) -> list[str]:
    """Campaign by campaign: in how many cases the top 5 showed it, and after how many hours in each way it was led."""
    hours: dict[str, list[tuple[str, float | None]]] = {}
    for case in document["cases"]:
        for attack, after in case["queues"]["nonself"]["top 5"]["hours_to_first"].items():
            name, _, variant = attack.partition(":")
            hours.setdefault(name, []).append((variant or "plain", after))
    lines = ["| campaign | shown by the top 5 | hours |", "|---|---|---|"]
    for name, led in sorted(hours.items()):
        told = ", ".join(f"{variant} {'never' if after is None else f'{after:.0f}'}" for variant, after in led)
        lines.append(f"| {name} | {sum(after is not None for _, after in led)} of {len(led)} | {told} |")
    return lines


def _cells(part: dict[str, Any]) -> str:
    names = ("worst_false_alarms_a_day", "findings_a_day", "fragmentation", "contamination", "campaigns_found")
    numbers = [*(part["per_day"][kind] for kind in KINDS), *(part[name] for name in names)]
    told = ["-" if number is None else f"{number:.2f}" for number in numbers]
    return " | ".join([*told, *("never" if h is None else f"{h:.0f}" for h in part["hours_to_first"].values())])
