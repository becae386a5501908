"""Alerts of other tools become findings: how seldom a rule of theirs fires on this entity as often as now, hour by hour.

A tool's alerts are all there is of its log, so unlike a rule of our own its alerts can't be counted against events. They are counted
against time: for rule and entity, the share of hours (quiet ones too) with at least as many alerts as this one has, which is rarity and
burst in one,

    p = (1 + other hours with at least n) / (1 + other hours) * burst,    burst = m / n where n passes the highest other hour m >= 1, else 1

Past the highest hour seen the tail is taken as Pareto with exponent 1, the heaviest that has a finite median of its excess: ten times as
many as ever is 3.3 bits more, not certainty. Where there is no other hour, m is 1 and the burst no rarer than among first hours of other
rules (`calibrate.firsts`). Alerts of less than a day that have no past to be compared with are told apart by their rules instead: p is the
share of the rule's episodes among all events, as for rules of our own.

To -log2(p) comes a prior for the tool's own severity: a p-value weight (Genovese, Roeder & Wasserman 2006) that averages to one over the
tool's rules seen here, so a tool that calls everything critical says nothing by it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from nonself.calibrate import firsts
from nonself.calibrate.findings import finding_id
from nonself.calibrate.rules import WEIGHT, RuleInfo
from nonself.core.finding import Finding, Reason
from nonself.core.scores import Delta

A_DAY = 24
"""Hours that are counted even where nothing came before them."""
KIND = "alert"


def findings(new: Delta, known: Delta, rules: Mapping[str, RuleInfo], events: int | None, *, min_bits: float) -> list[Finding]:
    """Findings of the episodes (rule, entity, hour) in `new`; `known` holds all episodes ever (`new` included), `events` counts all events
    read: None for a stream, in whose first hours nothing is odd yet. Episodes without a time, or of rules that `rules` does not hold, give
    none."""
    known = known.filter(pl.col("hour").is_not_null())
    new = new.filter(pl.col("hour").is_not_null() & pl.col("rule").is_in(list(rules)))
    if not new.height:
        return []
    priors = _priors(rules)
    past = bool((known["hour"] < new["hour"].min()).any())
    made = [
        _finding(row, rules[row["rule"]], priors[row["rule"]], None if past else events)
        for row in _placed(new, known).iter_rows(named=True)
    ]
    return [finding for finding in made if finding.bits >= min_bits]


def _placed(new: Delta, known: Delta) -> pl.DataFrame:
    """`new` with columns hours (watched, of its tool), at_least (hours with as many alerts, its own included), highest (of the other
    hours; 0 where there are none), episodes (of the rule), rank and firsts (`calibrate.firsts`; null where no first hour had so many)."""
    tool = pl.col("rule").str.split(":").list.first().alias("tool")
    first = firsts.ranked(known.select(tool, "rule", "entity", "hour", "n_events"))
    spans = known.group_by(tool).agg(((pl.col("hour").max() - pl.col("hour").min()).dt.total_hours() + 1).alias("hours"))
    episodes = known.group_by("rule").agg(pl.len().alias("episodes"))
    hourly = known.select("rule", "entity", "n_events").join(new.select("rule", "entity").unique(), on=["rule", "entity"], how="semi")
    own = ["rule", "entity"]
    levels = (
        hourly.group_by(*own, "n_events").len()
        .sort(*own, "n_events", descending=[False, False, True])
        .with_columns(
            pl.col("len").cum_sum().over(own).alias("at_least"),
            pl.col("n_events").shift(-1).over(own).fill_null(0).alias("lower"),
        )
        .with_columns(pl.when(pl.col("len") > 1).then("n_events").otherwise("lower").alias("highest"))
        .drop("len", "lower")
    )  # fmt: skip
    return (
        new.with_columns(tool).join(levels, on=[*own, "n_events"], how="left").join(spans, on="tool", how="left")
        .join(episodes, on="rule", how="left").join(first, on=["tool", "n_events"], how="left")
        .sort("start", "rule", "entity", nulls_last=True)
    )  # fmt: skip


def _priors(rules: Mapping[str, RuleInfo]) -> dict[str, float]:
    """Rule -> bits of its severity, by what its tool's rules have on average."""
    weights = {name: WEIGHT.get(rule.level, WEIGHT["medium"]) for name, rule in rules.items()}
    by_tool: dict[str, list[float]] = {}
    for name, weight in weights.items():
        by_tool.setdefault(name.partition(":")[0], []).append(weight)
    return {
        name: math.log2(weight * len(by) / math.fsum(by)) for name, weight in weights.items() for by in [by_tool[name.partition(":")[0]]]
    }


def _burst(row: dict[str, Any]) -> tuple[float, str]:
    """Bits of an hour's number of alerts that no other hour had, and what it is held against."""
    n, highest = row["n_events"], row["highest"] or 0
    if highest:
        return math.log2(n / highest), f"never more than {highest:,} in an hour"
    rank, total = row["rank"] or 1, row["firsts"] or 1
    beside = f"as many in {rank - 1:,} of {total - 1:,} other first hours of a rule on an entity"
    return min(math.log2(n), math.log2(total / rank)), beside


def _finding(row: dict[str, Any], rule: RuleInfo, prior: float, events: int | None) -> Finding:
    """`events` is None where there is a past."""
    n, at_least, highest, hours = row["n_events"], row["at_least"] or 1, row["highest"] or 0, row["hours"] or 1
    told = ", ".join(f"{item['field']} = {item['value']}" for item in row["matched"] or [])
    seen = f"{n:,} alert{'' if n == 1 else 's'} in the hour" + (f": {told}" if told else "")
    if events is None or hours >= A_DAY:
        rarity = math.log2(hours / min(at_least, hours))
        burst, beside = _burst(row) if at_least == 1 else (0.0, "")
        behind, normal = hours - 1, f"as many in {at_least - 1:,} of {hours - 1:,} other hours, at most {highest:,}"
    else:
        k = row["episodes"]
        behind, rarity, burst, beside = max(events, k), math.log2((max(events, k) + 1) / k), 0.0, ""
        normal = f"fires in {k:,} episodes in {behind:,} events here; less than a day was watched"
    reasons = [Reason(feature="alert of another tool", seen=seen, normal=normal, bits=rarity)]
    if burst:
        reasons.append(Reason(feature="burst", seen=f"{n:,}", normal=beside, bits=burst))
    if rule.level:
        reasons.append(Reason(feature="severity the tool gives", seen=rule.level, normal="averages to no gain over its rules", bits=prior))
    bits = math.fsum(reason.bits for reason in reasons)
    detector = f"{KIND}:{rule.id}"
    return Finding(
        id=finding_id(detector, row["entity"], str(row["start"]), row["events"]),
        detector=detector,
        title=rule.title,
        entity=row["entity"],
        entities=tuple(row["entities"]),
        start=row["start"],
        end=row["end"],
        score=rarity + burst,
        p=min(1.0, 2.0 ** -(rarity + burst)),
        n=behind,
        bits=bits,
        reasons=tuple(reasons),
        events=tuple(row["events"]),
        n_events=n,
        attack=rule.techniques,
        tactics=rule.tactics,
        level=rule.level,
        author=rule.author,
        reference=rule.path,
    )
