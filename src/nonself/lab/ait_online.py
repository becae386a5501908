"""Alerts to incidents as a stream would: hour by hour, everything known from the past alone."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from nonself.calibrate import alerts as calibration
from nonself.core.events import conform
from nonself.core.finding import Finding
from nonself.core.scores import Delta
from nonself.correlate.facts import Names
from nonself.correlate.graph import Graph
from nonself.correlate.significance import bits
from nonself.detect import alerts
from nonself.detect.sigma import hits
from nonself.lab.ait_data import COLUMNS, Scenario

Cell = tuple[str, str, datetime]
"""A cell is what is judged: a rule, the entity its alerts are about, and the hour."""
MIN_BITS = 3.0
"""`calibrate.rule_min_bits` as configured by default."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What a cell really is: the steps of each campaign in it, and whether data leaves by DNS in it."""

    steps: dict[int, frozenset[str]]
    exfiltration: bool


@dataclass(frozen=True, slots=True)
class Found:
    """An incident: its cells in the order they joined, when, and the bits that the incident had once each was in."""

    cells: tuple[Cell, ...]
    times: tuple[datetime, ...]
    growth: tuple[float, ...]

    def bits(self, until: datetime) -> float:
        """Its bits at some time; 0 before it began."""
        known = bisect_left(self.times, until)
        return self.growth[known - 1] if known else 0.0


def episodes(scenario: Scenario) -> tuple[Delta, dict[Cell, Truth]]:
    """All episodes (cells) of a scenario, as the pipeline keeps them, and the truth of those that have any."""
    known = hits.merge([alerts.learn(conform(part.select(COLUMNS))) for part in scenario.alerts.iter_slices(200_000)])
    labelled = scenario.alerts.filter(pl.col("step") != "")
    named = (
        conform(labelled.select(COLUMNS))
        .with_columns(labelled.select("step", "campaign"))
        .with_columns(
            pl.concat_str(pl.col("source"), pl.lit(alerts.SEPARATOR), pl.col("rule").str.slice(0, alerts.MAX_RULE)).alias("rule"),
            alerts.about().alias("entity"),
            pl.col("time").dt.truncate("1h").alias("hour"),
        )
    )
    truth: dict[Cell, Truth] = {}
    for rule, entity, hour, pairs in (
        named.group_by(hits.KEY).agg(pl.struct("campaign", "step").unique()).iter_rows()
    ):  # fmt: skip
        steps: dict[int, set[str]] = {}
        for pair in pairs:
            if pair["campaign"] > 0:
                steps.setdefault(pair["campaign"], set()).add(pair["step"])
        exfiltration = any(pair["campaign"] == 0 for pair in pairs)
        truth[rule, entity, hour] = Truth({campaign: frozenset(names) for campaign, names in steps.items()}, exfiltration)
    return known, truth


def judged(scenario: Scenario) -> set[Cell]:
    """The cells of the attack in the warm-up, which a verdict has named."""
    early = scenario.alerts.filter(pl.col("campaign") < 0)
    return set(alerts.learn(conform(early.select(COLUMNS))).select(hits.KEY).iter_rows())


def online(scenario: Scenario, known: Delta, *, unlearnt: set[Cell] | None = None) -> list[Found]:
    """The incidents of a scenario. `unlearnt` cells of the warm-up are forgotten once it is over: the past that later hours are compared
    with does not hold them."""
    rules = alerts.rules(known)
    forgotten = pl.DataFrame(list(unlearnt or ()), schema={name: known.schema[name] for name in hits.KEY}, orient="row")
    past = known.clear()
    names, graph = Names(), Graph()
    findings: list[Finding] = []
    for (hour,), new in known.sort("hour").partition_by("hour", as_dict=True, maintain_order=True).items():
        if forgotten.height and isinstance(hour, datetime) and hour >= scenario.after:
            past, forgotten = past.join(forgotten, on=list(hits.KEY), how="anti"), forgotten.clear()
        past = pl.concat([past, new])
        made = sorted(calibration.findings(new, past, rules, None, min_bits=MIN_BITS), key=lambda f: (f.start, f.end, f.id))
        graph.add(names.facts(made, lambda _: 2.0**MIN_BITS), names.lasting)
        findings += made
    members: dict[int, list[Finding]] = {}
    for finding, story in zip(findings, graph.stories.home, strict=True):
        members.setdefault(graph.stories.root(story), []).append(finding)
    gains = {finding.id: gain for finding, gain in zip(findings, graph.stories.gain, strict=True)}
    return [_found(group, gains) for group in members.values()]


def _found(findings: list[Finding], gains: dict[str, float]) -> Found:
    cells = tuple((f.detector.partition(":")[2], f.entity, f.start.replace(minute=0, second=0, microsecond=0)) for f in findings)
    growth = tuple(bits(findings[: n + 1], gains) for n in range(len(findings)))
    return Found(cells, tuple(f.start for f in findings), growth)
