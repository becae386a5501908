"""The arithmetic of windows against one window at a time, over many small random inputs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from nonself.detect.sigma.correlation_windows import Windows, quantile

CASES = 200


def _cases() -> Iterator[tuple[np.random.Generator, np.ndarray, np.ndarray, int]]:
    """Random generator, group and time of each row (sorted), and a timespan."""
    for seed in range(CASES):
        dice = np.random.default_rng(seed)
        rows = int(dice.integers(1, 24))
        group, time = dice.integers(0, 3, rows), dice.integers(0, int(dice.choice([4, 20, 60])), rows)
        order = np.lexsort((time, group))
        yield dice, group[order], time[order] + 1_700_000_000_000_000, int(dice.choice([1, 3, 10, 100]))


def _held(group: np.ndarray, time: np.ndarray, span: int) -> list[np.ndarray]:
    """The rows of each window, by the definition."""
    moments = sorted(set(zip(group.tolist(), time.tolist(), strict=True)))
    return [np.flatnonzero((group == g) & (time <= t) & (time >= t - span)) for g, t in moments]


def test_windows_hold_what_the_definition_says() -> None:
    for _, group, time, span in _cases():
        windows, held = Windows(group, time, span), _held(group, time, span)
        assert [list(range(b, e)) for b, e in zip(windows.begin, windows.end, strict=True)] == [rows.tolist() for rows in held]
        assert windows.rows().tolist() == [len(rows) for rows in held]


def test_distinct() -> None:
    for dice, group, time, span in _cases():
        value = dice.integers(0, int(dice.integers(1, 8)), len(group))
        assert Windows(group, time, span).distinct(group, value).tolist() == [len(set(value[rows])) for rows in _held(group, time, span)]


def test_sums() -> None:
    for dice, group, time, span in _cases():
        values = dice.integers(-40, 40, len(group)) / 4
        assert Windows(group, time, span).sums(values).tolist() == [values[rows].sum() for rows in _held(group, time, span)]


@pytest.mark.parametrize("percentile", [0, 12.5, 50, 75, 90, 100])
def test_percentiles(percentile: float) -> None:
    for dice, group, time, span in _cases():
        values = dice.integers(0, int(dice.choice([3, 12])), len(group)) / 2
        against = float(dice.choice([*values, 1, 2.25, -1, 99]))
        least, above = Windows(group, time, span).percentile(values, percentile, against)
        exact = [quantile(values[rows], percentile) for rows in _held(group, time, span)]
        assert least.tolist() == [number >= against for number in exact]
        assert above.tolist() == [number > against for number in exact]


def test_quantile_is_linear_between_ranks() -> None:
    for dice, group, _, _ in _cases():
        values, percentile = dice.normal(size=len(group)), float(dice.uniform(0, 100))
        assert quantile(values, percentile) == pytest.approx(float(np.percentile(values, percentile)))


def test_order() -> None:
    for dice, group, time, span in _cases():
        parts = int(dice.integers(1, 5))
        part = dice.integers(0, parts, len(group))
        expected = []
        for rows in _held(group, time, span):
            chains = (chain for size in range(1, parts + 1) for chain in itertools.combinations(range(parts), size))
            expected.append(max(len(chain) for chain in chains if _follows(chain, part[rows], time[rows])))
        assert Windows(group, time, span).in_order(part, parts).tolist() == expected


def _follows(chain: tuple[int, ...], part: np.ndarray, time: np.ndarray) -> bool:
    now = 0
    for wanted in chain:
        later = time[(part == wanted) & (time >= now)]
        if not len(later):
            return False
        now = later.min()
    return True
