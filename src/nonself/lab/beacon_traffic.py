"""Connections of a small office with implants among its people and programs, made from a seed: who is regular, and who only looks so.

Three weeks; implants and new pollers start with the third. Half of the machines are laptops, on from eight to six. Time zero is a Monday.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from nonself.baseline.codes import Floats
from nonself.core.events import Events, conform

START = 1_709_510_400
"""Monday 2024-03-04, 00:00 UTC."""
DAY, WEEK, DAYS = 86_400, 7 * 86_400, 21
MACHINES, SITES = 40, 2_000
JITTERS = (0.0, 0.1, 0.2, 0.3)
PERIODS = (120, 300, 600, 1_200, 1_800, 3_600, 7_200)
SLOW = 4 * 3_600
CALLS: dict[str, pl.DataType] = {"src": pl.String(), "dst": pl.String(), "at": pl.Float64(), "size": pl.Int64()}


@dataclass(slots=True)
class Office:
    """`calls` (columns `CALLS`) in order of time; `kinds`: what the pairs (src, dst) are whose calls a program makes."""

    calls: pl.DataFrame
    kinds: dict[tuple[str, str], str] = field(default_factory=dict)

    def events(self) -> Events:
        """The calls as events of a connection log."""
        calls, n = self.calls, self.calls.height
        time = (calls["at"] * 1e6).cast(pl.Int64).cast(pl.Datetime("us", "UTC"))
        constant = {"class_uid": 4001, "activity_id": 6, "channel": "conn", "dst_port": 443, "proto": "tcp", "status_id": 1}
        frame = pl.DataFrame({"time": time, "src_ip": calls["src"], "dst_ip": calls["dst"], "bytes_out": calls["size"]})
        return conform(frame.with_columns(pl.Series("uid", [f"c{i}" for i in range(n)]), **{k: pl.lit(v) for k, v in constant.items()}))


def office(seed: int) -> Office:
    """One office: its people's browsing, its programs' polling, and ten implants, each on a machine of its own."""
    rng = np.random.default_rng(seed)
    parts: list[pl.DataFrame] = [_browsing(rng, i) for i in range(MACHINES)]
    kinds: dict[tuple[str, str], str] = {}
    for i, (kind, machines, waits, start) in enumerate(_programs(rng)):
        for machine in machines:
            src, dst = f"10.0.0.{machine + 1}", f"203.0.{113 + i // 200}.{1 + i % 200}"
            at = _on(machine, start + rng.uniform(0, waits[0]) + np.cumsum(waits if len(machines) == 1 else rng.permutation(waits)))
            size = int(rng.integers(100, 900))
            kinds[src, dst] = kind
            sizes = size + (rng.random(at.size) < 0.1) * rng.integers(1, 2_000, at.size)
            parts.append(pl.DataFrame({"src": [src] * at.size, "dst": [dst] * at.size, "at": at, "size": sizes}, schema=CALLS))
    return Office(pl.concat(parts).filter(pl.col("at") < START + DAYS * DAY).sort("at", "src", "dst"), kinds)


def _programs(rng: np.random.Generator) -> Iterator[tuple[str, list[int], Floats, float]]:
    """What polls: kind, machines, waits (seconds) and the start of the calls."""
    third = START + 2 * WEEK
    for machines in (2, *rng.integers(3, 13, 24)):
        start = third if rng.random() < 0.2 else START
        kind = "shared by 3 or more" if machines >= 3 else "shared by 2"
        chosen = [int(m) for m in rng.choice(MACHINES, machines, replace=False)]
        yield kind, chosen, _waits(rng, float(rng.choice(PERIODS)), rng.uniform(0, 0.1), start), start
    for _ in range(20):
        yield (
            "older than 14 days",
            [int(rng.integers(MACHINES))],
            _waits(rng, float(rng.choice(PERIODS)), rng.uniform(0, 0.1), START),
            START,
        )
    for _ in range(4):
        yield "new, of one machine", [int(rng.integers(MACHINES))], _waits(rng, float(rng.choice(PERIODS)), 0.05, third), third
    for i, machine in enumerate(rng.choice(MACHINES, 10, replace=False)):
        # The slow one sits on a desktop (an even number): 42 calls in its week.
        slow, jitter = i == 0, JITTERS[i % len(JITTERS)]
        kind = "implant, every 4 hours" if slow else "implant, two sleeps" if i == 9 else f"implant, jitter {jitter:.0%}"
        jitter = 0.3 if slow else jitter
        waits = _waits(rng, SLOW if slow else float(rng.choice(PERIODS[:6])), jitter, third, two=i == 9)
        yield kind, [int(machine) // 2 * 2 if slow else int(machine)], waits, third


def _waits(rng: np.random.Generator, period: float, jitter: float, start: float, *, two: bool = False) -> Floats:
    """Waits until the end: uniform within the jitter, one call in twenty missed; of `two` sleeps one is five times as long."""
    n = int((START + DAYS * DAY - start) / period * 2) + 4
    waits = period * rng.uniform(1 - jitter, 1 + jitter, n) * np.where(two & (rng.random(n) < 0.5), 5.0, 1.0)
    missed = np.where(rng.random(n) < 0.05, 2.0, 1.0)
    return np.asarray(waits * missed, dtype=np.float64)


def _on(machine: int, at: Floats) -> Floats:
    """The times at which a machine is on: even ones always, odd ones from 8:00 to 18:00."""
    return at[(at % DAY >= 8 * 3_600) & (at % DAY < 18 * 3_600)] if machine % 2 else at


def _browsing(rng: np.random.Generator, machine: int) -> pl.DataFrame:
    """A person's days: visits to sites (few often, many once), clicks after lognormal pauses, connections in bursts."""
    days = np.repeat(np.arange(DAYS), rng.poisson(8, DAYS))
    days = days[days % 7 < 5]
    begin = START + days * DAY + rng.uniform(8, 17.5, days.size) * 3_600
    site = np.minimum(rng.zipf(1.3, days.size), SITES) - 1
    clicks = rng.geometric(1 / 10, days.size)
    visit = np.repeat(np.arange(days.size), clicks)
    pause = np.exp(rng.normal(np.log(25), 1.2, visit.size))
    total = np.cumsum(pause)
    first = np.append(0, np.cumsum(clicks))[:-1]
    click = begin[visit] + total - (total - pause)[first][visit]
    burst = rng.integers(1, 5, visit.size)
    at = np.repeat(click, burst) + rng.exponential(0.5, int(burst.sum()))
    names = np.array([f"198.51.{i // 200}.{i % 200 + 1}" for i in range(SITES)])[site[np.repeat(visit, burst)]]
    size = np.exp(rng.normal(6.5, 1.0, at.size)).astype(np.int64)
    return pl.DataFrame({"src": [f"10.0.0.{machine + 1}"] * at.size, "dst": names, "at": at, "size": size}, schema=CALLS)
