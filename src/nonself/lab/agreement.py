"""Do ways to make incidents rank alike in the world and on real alerts? If a better one here is no better there, the world measures itself.

Both sides are alerts with labels, judged by the same arithmetic as the alert benchmark (`ait_score`): AIT-ADS's as they are, the world's as
its own rules make them: hits of the shipped Sigma rules and the intrusion detection's alerts, a labelled event's hits being of its step.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from nonself import lab, sources
from nonself.core.schema import SCHEMA
from nonself.detect import alerts
from nonself.detect.sigma import Ruleset
from nonself.lab import ait_data, ait_online, ait_score
from nonself.lab.ait_baselines import BASELINES
from nonself.lab.ait_data import COLUMNS, Scenario
from nonself.lab.sim.read import placed
from nonself.sources.contract import Limits

OURS = "nonself"
WORLDS = ((7, "document-to-cloud"), (11, "ransomware"), (23, "webshell"))
"""Development seeds, and the campaign hidden in each."""
PEOPLE, DAYS, ACTIVITY = 40, 12, 0.2
FIGURES = ("coverage", "f1")
"""Of all incidents over the threshold: how they are made is compared, not how few are shown."""


def agreement(folder: Path) -> dict[str, dict[str, tuple[float, float]]]:
    """Figure -> way to make incidents -> (in the world, on the alerts in `folder`), means over the scenarios of each side."""
    ruleset = Ruleset.load([], builtin=True, cache=None)
    here, there = _means([_world(seed, attack, ruleset) for seed, attack in WORLDS]), _means(ait_data.read(folder))
    return {figure: {name: (here[name][figure], there[name][figure]) for name in here} for figure in FIGURES}


def spearman(pairs: Sequence[tuple[float, float]]) -> float:
    """Spearman's rank correlation, ties by their mean rank; nan where one side does not vary."""
    a, b = (_ranks(side) for side in zip(*pairs, strict=True))
    return float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else float("nan")


def _ranks(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return pl.Series(values, dtype=pl.Float64).rank("average").to_numpy()


def _means(scenarios: Sequence[Scenario]) -> dict[str, dict[str, float]]:
    rows: dict[str, list[dict[str, float]]] = {}
    for scenario in scenarios:
        known, truth = ait_online.episodes(scenario)
        last = scenario.alerts["time"].max()
        found = {OURS: ait_online.online(scenario, known)} | {name: make(scenario, known) for name, make in BASELINES.items()}
        for name, made in found.items():
            rows.setdefault(name, []).append(ait_score.measures(made, truth, scenario.start, last))  # type: ignore[arg-type]
    return {name: {figure: sum(row[f"{figure}_uncapped"] for row in of) / len(of) for figure in FIGURES} for name, of in rows.items()}


def _world(seed: int, attack: str, ruleset: Ruleset) -> Scenario:
    """One world as a scenario of alerts."""
    with tempfile.TemporaryDirectory() as name:
        logs, truth = Path(name) / "logs", Path(name) / "truth.jsonl"
        lab.make(logs, seed=seed, people=PEOPLE, days=DAYS, activity=ACTIVITY, attack=attack, truth=truth)
        parts, places = [], []
        for one in sources.discover([logs], Limits()):
            for chunk in sources.read(one, Limits())[1]:
                parts.append(_alerts(chunk.events, ruleset))
                places.append(chunk.events.select("uid", "record", pl.col("origin").str.strip_prefix(f"{logs}/")))
        marks = [(uid, mark.step) for uid, mark in placed(pl.concat(places), truth) if mark.kind == "campaign"]
    told = pl.DataFrame(marks, schema={"uid": pl.String, "step": pl.String}, orient="row").unique("uid", keep="first", maintain_order=True)
    found = pl.concat(parts).join(told, on="uid", how="left").with_columns(pl.col("step").fill_null(""))
    found = found.with_columns((pl.col("step") != "").cast(pl.Int8).alias("campaign")).sort("time", "uid", "rule")
    return Scenario(f"world {seed}", found, found["time"][0])


def _alerts(events: pl.DataFrame, ruleset: Ruleset) -> pl.DataFrame:
    """The alerts among some events, and the rules' hits as alerts about the machine (or whoever else) that the hit is about."""
    matched, _ = ruleset.observe(events)
    hits = matched.select("rule", "entity", pl.col("events").alias("uid"), pl.col("times").alias("time")).explode("uid", "time")
    level = {rule.id: _SEVERITY.get(rule.level or "", 3) for rule in ruleset.rules}
    made = hits.select(
        "uid", "time", "rule", pl.lit("sigma").alias("source"), pl.lit(alerts.CLASS).alias("class_uid"),
        pl.col("entity").str.replace(r"^[a-z]+:", "").alias("host"),
        pl.col("rule").replace_strict(level, default=3, return_dtype=pl.Int8).alias("severity_id"),
    )  # fmt: skip
    own = events.filter((pl.col("class_uid") == alerts.CLASS) & pl.col("rule").is_not_null()).select(COLUMNS)
    missing = [pl.lit(None, dtype=SCHEMA[name]).alias(name) for name in COLUMNS if name not in made.columns]
    return pl.concat([own, made.with_columns(missing).select(pl.col(name).cast(SCHEMA[name]) for name in COLUMNS)])


_SEVERITY = {"informational": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
