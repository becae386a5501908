"""RITA v5's beacon score, by its published formulae, so that users can compare. It is not what ranks here.

Reference: activecm/rita v5, `analysis/beacons.go` and its default configuration. A beacon window is the last 24 hours of the data.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nonself.baseline.codes import Floats

DAY = 86_400
BINS = 24
LEAST_CALLS, LEAST_WAITS, LEAST_SIZES = 4, 3, 3
_LEAST_IQR = 10
_LEAST_BARS_BIMODAL, _LEAST_BARS_DURATION, _FULL_RUN = 11, 6, 12


@dataclass(frozen=True, slots=True)
class Beacon:
    """ts (times), ds (sizes), hist (histogram of hours), dur (persistence) and their mean `score`, each 0 to 1; and the calls behind it."""

    ts: float
    ds: float
    hist: float
    dur: float
    score: float
    calls: int


def window(earliest: int, latest: int) -> tuple[int, int]:
    """First and last second of the beacon window, for the first and last second of the kept traffic."""
    return max(earliest, latest - DAY), latest


def beacon(times: Sequence[int], sizes: Sequence[int], first: int, last: int) -> Beacon | None:
    """The score of a pair: seconds and IP bytes sent of its connections in the window `first`..`last`. None for fewer than 4 times."""
    when = sorted(set(times))
    if len(when) < LEAST_CALLS or len(times) >= DAY or last <= first:
        return None
    bars = histogram(times, first, last)
    parts = timestamps(when), data_sizes(sizes), hours(bars), duration(bars, when[0], when[-1], first, last)
    return Beacon(*parts, score=round(0.25 * sum(parts), 3), calls=len(times))


def timestamps(times: Sequence[int]) -> float:
    """Score of the waits between sorted times; waits of nothing are left out."""
    waits = np.diff(np.array(sorted(times), np.float64))
    waits = waits[waits > 0]
    return _evenness(waits, 1.0) if waits.size >= LEAST_WAITS else 0.0


def data_sizes(sizes: Sequence[int]) -> float:
    """Score of the sizes."""
    return _evenness(np.array(sizes, np.float64), 0.0) if len(sizes) >= LEAST_SIZES else 0.0


def _evenness(values: Floats, without_middle: float) -> float:
    """Mean of 1 - |Bowley skewness| and (median - MAD) / median; `without_middle` stands for the latter where the median is below 1."""
    ordered = np.sort(values)
    half = ordered.size // 2
    low, middle, high = (float(np.median(part)) for part in (ordered[:half], ordered, ordered[-half:]))
    even = high - low < _LEAST_IQR or middle in (low, high)
    skew = 0.0 if even else (low + high - 2 * middle) / (high - low)
    spread = float(np.median(np.abs(ordered - middle)))
    narrow = max((middle - spread) / middle, 0.0) if middle >= 1 else without_middle
    return round((1 - abs(skew) + narrow) / 2, 3)


def histogram(times: Sequence[int], first: int, last: int) -> list[int]:
    """Calls in each of 24 equal parts of the window."""
    counts, _ = np.histogram(np.clip(np.array(times, np.float64), first, last), bins=BINS, range=(first, last))
    return [int(count) for count in counts]


def hours(bars: Sequence[int]) -> float:
    """Score of the histogram: even, or of two heights."""
    heights = np.array(bars, np.float64)
    even = round(max(0.0, 1 - float(heights.std() / heights.mean())), 3) if heights.any() else 0.0
    filled = [bar for bar in bars if bar]
    if len(filled) < _LEAST_BARS_BIMODAL:
        return even
    step = math.ceil(max(filled) * 0.05)
    common = Counter(bar // step for bar in filled).most_common(2)
    return max(even, round(min(sum(n for _, n in common) / max(len(filled) - 1, 1), 1.0), 3))


def duration(bars: Sequence[int], start: int, end: int, first: int, last: int) -> float:
    """Score of persistence: the share of the window from the first call to the last, or 12 hours without a gap."""
    if sum(bar > 0 for bar in bars) < _LEAST_BARS_DURATION:
        return 0.0
    run = best = 0
    for bar in [*bars, *bars]:
        run = run + 1 if bar else 0
        best = max(best, run)
    coverage, unbroken = (end - start) / (last - first), min(best, BINS) / _FULL_RUN
    return min(max(_up(coverage), _up(unbroken)), 1.0)


def _up(value: float) -> float:
    return math.ceil(value * 1000) / 1000
