"""Ways to make a queue of what was found: the pipeline's own, parts of it (ablations), and simple ones to compare with (baselines).

A queue is, for each day, all items as they stand at that day's end. An item begins on a day, has a score, and rests on events.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import polars as pl

from nonself import incidents
from nonself.calibrate.rules import PRIOR
from nonself.core.finding import Finding
from nonself.core.settings import Config
from nonself.lab.sim.read import Outcome


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a queue. `parts` are the evidence of each finding in it (or of the item itself), event uids."""

    name: str
    day: int  # on which it begins
    last: int  # on which its latest evidence lies
    score: float
    parts: tuple[tuple[str, ...], ...]


Queue = list[list[Item]]
"""By day, from the first."""


def ours(outcome: Outcome, config: Config, chosen: Callable[[Finding], Finding | None] = lambda finding: finding) -> Queue:
    """Incidents of the findings made up to each day. `chosen` may change a finding or leave it out."""
    so_far, queue = list[Finding](), Queue()
    for new in outcome.found:
        so_far.extend(kept for kept in map(chosen, new) if kept is not None)
        by_id = {finding.id: finding for finding in so_far}
        found = incidents.queue(so_far, (), (), config)
        queue.append(
            [
                Item(
                    incident.id,
                    _day(outcome, incident.start),
                    _day(outcome, incident.end),
                    incident.bits,
                    tuple(by_id[name].events for name in incident.findings),
                )
                for incident in found
            ]
        )
    return queue


def _day(outcome: Outcome, at: datetime) -> int:
    return max(0, (at.date() - outcome.first).days)


def is_rule(finding: Finding) -> bool:
    """Whether it comes from a rule (Sigma, another tool's, an indicator), not from a learnt detector."""
    return ":" in finding.detector


def uncalibrated(finding: Finding) -> Finding:
    """The finding with what its detector alone says: its own model's bits, or the author's level."""
    bits = 10.0 + PRIOR.get(finding.level, PRIOR["medium"]) if is_rule(finding) else finding.score
    return msgspec.structs.replace(finding, bits=max(0.0, bits))


ABLATIONS: dict[str, Callable[[Finding], Finding | None]] = {
    "rules only": lambda finding: finding if is_rule(finding) else None,
    "behaviour only": lambda finding: None if is_rule(finding) else finding,
    "without calibration": uncalibrated,
}
"""What is left out -> how a finding fares then. Peers are part of a detector's score: without them a case is read anew (`run`)."""


def severity(outcome: Outcome, config: Config) -> Queue:
    """Every rule hit is an item, by its author's level: the console that most have."""
    rank = {"critical": 5.0, "high": 4.0, "medium": 3.0, "low": 2.0, "informational": 1.0}
    return _of_findings(outcome, lambda f: rank.get(f.level, 3.0) if is_rule(f) else None, lambda f: f.id)


def sigma_only(outcome: Outcome, config: Config) -> Queue:
    """Rule hits of one entity and day together, by the sum of levels (8, 4, 2, 1): risk scores by entity."""
    weight = {"critical": 8.0, "high": 4.0, "medium": 2.0, "low": 1.0}
    return _of_findings(outcome, lambda f: weight.get(f.level, 0.5) if is_rule(f) else None, lambda f: f"{f.entity} {f.start.date()}")


def time_groups(outcome: Outcome, config: Config) -> Queue:
    """All findings that follow each other within a quarter of an hour are one item, whatever they are about; bits are added."""
    ends: dict[str, str] = {}
    every = sorted((finding for day in outcome.found for finding in day), key=lambda f: (f.start, f.id))
    until, group = None, ""
    for finding in every:
        if until is None or finding.start - until > timedelta(minutes=15):
            group, until = finding.id, finding.end
        ends[finding.id], until = group, max(until, finding.end)
    return _of_findings(outcome, lambda f: f.bits, lambda f: ends[f.id])


def _of_findings(outcome: Outcome, score: Callable[[Finding], float | None], group: Callable[[Finding], str]) -> Queue:
    groups, queue = defaultdict[str, list[Finding]](list), Queue()
    for new in outcome.found:
        for finding in new:
            if score(finding) is not None:
                groups[group(finding)].append(finding)
        queue.append([_together(outcome, name, members, score) for name, members in groups.items()])
    return queue


def _together(outcome: Outcome, name: str, members: Sequence[Finding], score: Callable[[Finding], float | None]) -> Item:
    days = [_day(outcome, finding.start) for finding in members]
    return Item(name, min(days), max(days), sum(score(f) or 0.0 for f in members), tuple(f.events for f in members))


EVIDENCE = 50
"""Events that an item of these keeps, as many as a finding does."""
_PAIRS = (
    ("host", "image"),
    ("host", "query"),
    ("src_ip", "sni"),
    ("src_ip", "dst_ip"),
    ("user", "host"),
    ("user", "src_ip"),
    ("user", "op"),
)


def first_seen(outcome: Outcome, config: Config) -> Queue:
    """By entity and day, how many pairs (host and program, address and name, user and host...) were never seen on a day before."""
    parts = []
    for entity, value in _PAIRS:
        pairs = outcome.events.filter(pl.col(entity).is_not_null() & pl.col(value).is_not_null())
        news = pairs.sort("day", "time").unique([entity, value], keep="first", maintain_order=True)
        parts.append(news.select("day", "uid", pl.concat_str([pl.lit(f"{entity}:"), pl.col(entity)]).alias("entity")))
    return _of_rows(outcome, pl.concat(parts), pl.len().cast(pl.Float64))


def counts(outcome: Outcome, config: Config) -> Queue:
    """By host or user and day, how many standard deviations its count of events lies over its own days before."""
    parts = []
    for entity in ("host", "user", "src_ip"):
        rows = outcome.events.filter(pl.col(entity).is_not_null())
        parts.append(rows.select("day", "uid", pl.concat_str([pl.lit(f"{entity}:"), pl.col(entity)]).alias("entity")))
    rows = pl.concat(parts)
    daily = rows.group_by("entity", "day").agg(pl.len().cast(pl.Float64).alias("n")).sort("entity", "day")
    before = pl.col("n").shift(1)
    mean = before.cum_sum().over("entity") / before.is_not_null().cum_sum().over("entity")
    square = (before**2).cum_sum().over("entity") / before.is_not_null().cum_sum().over("entity")
    spread = (square - mean**2).clip(lower_bound=0.0).sqrt() + mean.sqrt() + 1
    daily = daily.with_columns(((pl.col("n") - mean) / spread).over("entity").fill_null(0.0).alias("z"))
    return _of_rows(outcome, rows.join(daily.filter(pl.col("z") > 1), on=["entity", "day"]), pl.col("z").first())


def _of_rows(outcome: Outcome, rows: pl.DataFrame, score: pl.Expr) -> Queue:
    grouped = rows.group_by("entity", "day").agg(score.alias("score"), pl.col("uid").head(EVIDENCE)).sort("entity", "day")
    by_day = defaultdict[int, list[Item]](list)
    for entity, day, value, uids in grouped.select("entity", "day", "score", "uid").iter_rows():
        by_day[day].append(Item(f"{entity} {day}", day, day, value, (tuple(uids),)))
    return _grown(by_day[day] for day in range(len(outcome.found)))


def _grown(days: Iterable[list[Item]]) -> Queue:
    so_far, queue = list[Item](), Queue()
    for items in days:
        so_far = so_far + items
        queue.append(so_far)
    return queue


BASELINES: dict[str, Callable[[Outcome, Config], Queue]] = {
    "severity sort": severity,
    "rules by entity": sigma_only,
    "first seen": first_seen,
    "count threshold": counts,
    "time grouping": time_groups,
}
"""Simple ways to make a queue, to be beaten."""
