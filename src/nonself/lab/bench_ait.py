"""The alert benchmark: alerts of other tools to incidents, online, thresholds from the past only, beside simple baselines.

Nothing is fitted to the scenarios, so leaving one out only tells how much one of them moves the mean; it is printed for that.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from nonself.core.errors import UsageError
from nonself.lab import ait_data, ait_online, ait_score
from nonself.lab.ait_baselines import BASELINES
from nonself.lab.ait_data import Scenario

Row = dict[str, Any]
_SHOWN = ("top1", "top3", "coverage", "false_a_day", "true", "mixed", "contamination", "f1", "hours_to_first_true")


@dataclass(frozen=True, slots=True)
class Run:
    """One scenario of a track: its data, the campaigns to be found, and whether the warm-up's attack has been judged and forgotten."""

    scenario: Scenario
    campaigns: tuple[int, ...] = (1,)
    judged: bool = False


def _plain(scenarios: Sequence[Scenario]) -> Iterator[Run]:
    return (Run(s) for s in scenarios)


def _noise(times: int) -> Callable[[Sequence[Scenario]], Iterator[Run]]:
    return lambda scenarios: (Run(ait_data.noisy(s, times)) for s in scenarios)


def _warm(judged: bool) -> Callable[[Sequence[Scenario]], Iterator[Run]]:
    return lambda scenarios: (Run(ait_data.attacked_before(s), judged=judged) for s in scenarios)


def _overlap(attacks: int) -> Callable[[Sequence[Scenario]], Iterator[Run]]:
    def runs(scenarios: Sequence[Scenario]) -> Iterator[Run]:
        for place, scenario in enumerate(scenarios):
            others = [scenarios[(place + n) % len(scenarios)] for n in range(1, attacks)]
            yield Run(ait_data.overlapped(scenario, others), tuple(range(1, attacks + 1)))

    return runs


TRACKS: dict[str, Callable[[Sequence[Scenario]], Iterator[Run]]] = {
    "plain": _plain,
    "warm-up attacked": _warm(False),
    "warm-up attacked, judged": _warm(True),
    "noise x2": _noise(2),
    "noise x6": _noise(6),
    "overlap of 2": _overlap(2),
    "overlap of 3": _overlap(3),
}
"""Each is run twice: on all alerts ("full") and without the scanners' ("quiet")."""


def ait(folders: Sequence[Path], *, as_json: bool, tracks: Sequence[str] = tuple(TRACKS)) -> int:
    """Print all figures for the scenarios of one folder. UsageError where it holds none."""
    if len(folders) != 1:
        raise UsageError(expected="one folder of alert files with labels", got=" ".join(map(str, folders)) or "none")
    before, scenarios = time.process_time(), ait_data.read(folders[0])
    document: Row = {"track": "ait", "scenarios": [s.name for s in scenarios], "nominal_false_a_day": ait_score.NOMINAL, "tracks": {}}
    for loud, chosen in (("full", scenarios), ("quiet", [ait_data.quiet(s) for s in scenarios])):
        for name in tracks:
            label = loud if name == "plain" else f"{loud}, {name}"
            document["tracks"][label] = _track(list(TRACKS[name](chosen)), baselines=name == "plain")
    document["cpu_seconds"] = round(time.process_time() - before, 1)
    print(json.dumps(document, indent=2) if as_json else _table(document))
    return 0


def _track(runs: Sequence[Run], *, baselines: bool) -> Row:
    rows: dict[str, Row] = {}
    beside: dict[str, dict[str, Row]] = {name: {} for name in BASELINES} if baselines else {}
    for run in runs:
        scenario = run.scenario
        known, truth = ait_online.episodes(scenario)
        last: datetime = scenario.alerts["time"].max()  # type: ignore[assignment]
        unlearnt = ait_online.judged(scenario) if run.judged else None
        found = ait_online.online(scenario, known, unlearnt=unlearnt)
        rows[scenario.name] = _rounded(ait_score.measures(found, truth, scenario.start, last, run.campaigns))
        for name in beside:
            told = BASELINES[name](scenario, known)
            beside[name][scenario.name] = _rounded(ait_score.measures(told, truth, scenario.start, last, run.campaigns))
    out = _summary(rows)
    return {**out, "baselines": {name: _mean(list(found.values())) for name, found in beside.items()}} if baselines else out


def _summary(rows: dict[str, Row]) -> Row:
    left_out = {name: _mean([row for other, row in rows.items() if other != name]) for name in rows} if len(rows) > 1 else {}
    return {"mean": _mean(list(rows.values())), "scenarios": rows, "leaving_out": left_out}


def _mean(rows: Sequence[Row]) -> Row:
    """The mean of each figure over those that have it."""
    out: Row = {}
    for name in rows[0]:
        values = [float(row[name]) for row in rows if row[name] is not None]
        out[name] = round(sum(values) / len(values), 4) if values else None
    return out


def _rounded(row: Row) -> Row:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}


def _table(document: Row) -> str:
    lines = [f"{'':42}" + "".join(f"{name[:13]:>14}" for name in _SHOWN)]
    for label, track in document["tracks"].items():
        lines.append(_line(label, track["mean"]))
        lines += [_line("  " + name, row) for name, row in track.get("baselines", {}).items()]
    return "\n".join([*lines, f"{', '.join(document['scenarios'])}; {document['cpu_seconds']} CPU-s"])


def _line(label: str, row: Row) -> str:
    return f"{label:42}" + "".join(f"{'-' if row[name] is None else format(row[name], '.2f'):>14}" for name in _SHOWN)
