"""Time and chance of the generator: microseconds since 1970 UTC, and one random stream per entity.

The company keeps UTC (an office in Porto before the clocks change), so a record's local time and its UTC time agree.
"""

from __future__ import annotations

import functools
import hashlib
import math
import random
from datetime import UTC, date, datetime, timedelta

MS = 1_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stream(seed: int, *names: str | int) -> random.Random:
    """The random stream of one entity. It depends on the seed and the entity's own name alone, so a new entity reshuffles no other."""
    label = "\x1f".join(str(part) for part in (seed, *names))
    return random.Random(int.from_bytes(hashlib.blake2b(label.encode(), digest_size=16).digest(), "big"))


def midnight(day: date) -> int:
    """Microseconds since 1970 of a day's start."""
    return (day - _EPOCH.date()).days * DAY


def when(at: int) -> datetime:
    """The datetime of a time in microseconds."""
    return _EPOCH + timedelta(microseconds=at)


@functools.lru_cache(maxsize=16)
def _date(day: int) -> str:
    return when(day * DAY).strftime("%Y-%m-%d")


def spaced(at: int) -> str:
    """`2026-03-02 09:15:01.250`, as Sysmon writes it."""
    day, rest = divmod(at // MS, DAY // MS)
    seconds, ms = divmod(rest, 1_000)
    return f"{_date(day)} {seconds // 3_600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ms:03d}"


def iso(at: int) -> str:
    """`2026-03-02T09:15:01.250Z`, as Windows event collectors write it."""
    return spaced(at).replace(" ", "T") + "Z"


def poisson(rng: random.Random, mean: float) -> int:
    """A Poisson count (Knuth's product method; mean up to a few hundred)."""
    floor, count, product = math.exp(-mean), 0, rng.random()
    while product > floor:
        count, product = count + 1, product * rng.random()
    return count


def sometimes(rng: random.Random, start: int, end: int, every: int) -> list[int]:
    """Times of a Poisson process in [start, end) with one event per `every` microseconds on average, ascending."""
    times, at = [], start + rng.expovariate(1 / every)
    while at < end:
        times.append(int(at))
        at += rng.expovariate(1 / every)
    return times


def regularly(rng: random.Random, start: int, end: int, every: int, jitter: float) -> list[int]:
    """Times of a timer in [start, end): first at a random phase, then each `every` microseconds, give or take the fraction `jitter`."""
    times, at = [], start + rng.random() * every
    while at < end:
        times.append(int(at))
        at += every * (1 + jitter * (2 * rng.random() - 1))
    return times


def by_daylight(rng: random.Random, times: list[int], share: float) -> list[int]:
    """Of `times` those that fall into daylight, and by night about the fraction `share` of the rest."""
    kept = []
    for at in times:
        light = max(0.0, math.sin(math.pi * (at % DAY / HOUR - 6) / 16))
        if rng.random() < share + (1 - share) * light:
            kept.append(at)
    return kept
