"""The alert benchmark: alerts of other tools to incidents, online, thresholds from the past only, beside simple baselines.

Nothing is fitted to the scenarios, so leaving one out only tells how much one of them moves the mean; it is printed for that.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from nonself.core.errors import UsageError
from nonself.lab import ait_data, ait_online, ait_score
from nonself.lab.ait_baselines import BASELINES
from nonself.lab.ait_data import Scenario
from nonself.lab.ait_online import Cell, Found, Truth

Row = dict[str, Any]
_WORST: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("top1", "top3", "top5", "coverage", "f1"), min),
    **dict.fromkeys(("false_a_day", "mixed", "contamination", "hours_to_first_true"), max),
}
_SHOWN = ("top1", "top3", "coverage", "false_a_day", "true", "mixed", "contamination", "f1", "hours_to_first_true")


@dataclass(frozen=True, slots=True)
class Run:
    """One scenario of a track: its data, the campaigns to be found, and whether the warm-up's attack has been judged and forgotten."""

    scenario: Scenario
    campaigns: tuple[int, ...] = (1,)
    judged: bool = False


@dataclass(frozen=True, slots=True)
class Track:
    """`runs` makes the runs of one draw (from 1), one a scenario and one at a time, since a noisy scenario is large; of so many `draws`."""

    runs: Callable[[Sequence[Scenario], int], Iterator[Run]]
    draws: int = 1


def _changed(change: Callable[[Scenario, int], Scenario], draws: int = 1, *, judged: bool = False) -> Track:
    return Track(lambda scenarios, draw: (Run(change(s, draw), judged=judged) for s in scenarios), draws)


def _overlap(attacks: int, *, first: int = 1) -> Track:
    """With the attacks of the scenarios that come after each, from the `first` next one on."""

    def runs(scenarios: Sequence[Scenario], _: int) -> Iterator[Run]:
        ring = [*scenarios] * (first + attacks + 1)
        others = (ring[place + first : place + first + attacks - 1] for place in range(len(scenarios)))
        campaigns = tuple(range(1, attacks + 1))
        return (Run(ait_data.overlapped(s, theirs), campaigns) for s, theirs in zip(scenarios, others, strict=True))

    return Track(runs)


PLAIN = "plain"
TRACKS: dict[str, Track] = {
    PLAIN: _changed(lambda s, _: s),
    "warm-up attacked": _changed(lambda s, _: ait_data.attacked_before(s)),
    "warm-up attacked, judged": _changed(lambda s, _: ait_data.attacked_before(s), judged=True),
    "noise x2": _changed(lambda s, draw: ait_data.noisy(s, 2, draw), 3),
    "noise x6": _changed(lambda s, draw: ait_data.noisy(s, 6, draw), 3),
    "overlap of 2": _overlap(2),
    "overlap of 3": _overlap(3),
}
"""Each is run twice: on all alerts ("full") and without the scanners' ("quiet")."""
ROBUSTNESS: dict[str, Track] = {
    "clock moved": _changed(lambda s, draw: ait_data.moved(s, draw * timedelta(minutes=15)), 3),
    "a tenth lost": _changed(lambda s, draw: ait_data.thinned(s, 0.1, draw), 3),
    "begun later": _changed(lambda s, draw: ait_data.begun_later(s, draw * timedelta(hours=6)), 2),
    "other overlap of 2": _overlap(2, first=2),
}
"""What should make no difference."""


def ait(folders: Sequence[Path], *, as_json: bool, tracks: Mapping[str, Track] = TRACKS) -> int:
    """Print all figures for the scenarios of one folder. UsageError where it holds none."""
    if len(folders) != 1:
        raise UsageError(expected="one folder of alert files with labels", got=" ".join(map(str, folders)) or "none")
    before, scenarios = time.process_time(), ait_data.read(folders[0])
    document: Row = {"track": "ait", "scenarios": [s.name for s in scenarios], "nominal_false_a_day": ait_score.NOMINAL, "tracks": {}}
    for loud, chosen in (("full", scenarios), ("quiet", [ait_data.quiet(s) for s in scenarios])):
        for name, track in tracks.items():
            document["tracks"][loud if name == PLAIN else f"{loud}, {name}"] = _track(track, chosen, baselines=name == PLAIN)
    document["cpu_seconds"] = round(time.process_time() - before, 1)
    print(json.dumps(document, indent=2) if as_json else table(document))
    return 0


def _track(track: Track, scenarios: Sequence[Scenario], *, baselines: bool) -> Row:
    drawn: list[dict[str, Row]] = []
    beside: dict[str, list[Row]] = {name: [] for name in BASELINES} if baselines else {}
    for draw in range(1, track.draws + 1):
        drawn.append({})
        for run in track.runs(scenarios, draw):
            known, truth = ait_online.episodes(run.scenario)
            found = ait_online.online(run.scenario, known, unlearnt=ait_online.judged(run.scenario) if run.judged else None)
            drawn[-1][run.scenario.name] = _measured(run, found, truth)
            for name, rows in beside.items():
                rows.append(_measured(run, BASELINES[name](run.scenario, known), truth))
    out = _summary(drawn)
    return {**out, "baselines": {name: _mean(rows) for name, rows in beside.items()}} if baselines else out


def _measured(run: Run, found: Sequence[Found], truth: Mapping[Cell, Truth]) -> Row:
    last: datetime = run.scenario.alerts["time"].max()  # type: ignore[assignment]
    return _rounded(ait_score.measures(found, truth, run.scenario.start, last, run.campaigns))


def _summary(drawn: Sequence[dict[str, Row]]) -> Row:
    """Means over draws and scenarios; of several draws each one's mean over scenarios, and the worst of these figure by figure."""
    rows = {name: _mean([draw[name] for draw in drawn]) if len(drawn) > 1 else row for name, row in drawn[0].items()}
    left_out = {name: _mean([row for other, row in rows.items() if other != name]) for name in rows} if len(rows) > 1 else {}
    out: Row = {"mean": _mean(list(rows.values())), "scenarios": rows, "leaving_out": left_out}
    draws = [_mean(list(draw.values())) for draw in drawn]
    return {**out, "draws": draws, "worst": _worst(draws)} if len(draws) > 1 else out


def _worst(draws: Sequence[Row]) -> Row:
    return {name: worst((row[name] for row in draws if row[name] is not None), default=None) for name, worst in _WORST.items()}


def _mean(rows: Sequence[Row]) -> Row:
    """The mean of each figure over those that have it."""
    out: Row = {}
    for name in rows[0]:
        values = [float(row[name]) for row in rows if row[name] is not None]
        out[name] = round(sum(values) / len(values), 4) if values else None
    return out


def _rounded(row: Row) -> Row:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}


def table(document: Row) -> str:
    """The document as text: a line a track, its worst draw and its baselines below it."""
    lines = [f"{'':42}" + "".join(f"{name[:13]:>14}" for name in _SHOWN)]
    for label, track in document["tracks"].items():
        lines.append(_line(label, track["mean"]))
        lines += [_line(f"  worst of {len(track['draws'])}", track["worst"])] if "draws" in track else []
        lines += [_line("  " + name, row) for name, row in track.get("baselines", {}).items()]
    return "\n".join([*lines, f"{', '.join(document['scenarios'])}; {document['cpu_seconds']} CPU-s"])


def _line(label: str, row: Row) -> str:
    return f"{label:42}" + "".join(f"{'-' if row.get(name) is None else format(row[name], '.2f'):>14}" for name in _SHOWN)
