"""`bench analyst`: its figures are what they say, on incidents made by hand."""

from __future__ import annotations

import pytest

from nonself.lab.bench_analyst import Judged, summary


def judged(malicious: bool, p: float, *, level: int = 0, rules: int = 0, unsure: bool = False) -> Judged:
    return Judged(
        malicious=malicious, p=p, called=p >= 0.65, unsure=unsure, level=level, rules=rules, seconds=0.1, cited=4, cited_true=3, true=6,
        whole=10, whole_true=6, sentences=5, grounded=5,
    )  # fmt: skip


def test_figures_of_a_small_queue() -> None:
    figures = summary(
        [judged(True, 0.9, level=4, rules=3), judged(True, 0.5, rules=1, unsure=True), judged(False, 0.8, level=4), judged(False, 0.1)]
    )
    assert figures["F1 of the floor"] == 0.5, "one of two found, one of two calls right"
    assert figures["F1 of a severity sort"] == 0.5
    assert figures["F1 of a count of rules"] == 1.0, "the best threshold is chosen for the baselines"
    assert (figures["incidents"], figures["malicious"], figures["unsure"]) == (4, 2, 1)
    assert figures["right where sure"] == pytest.approx(2 / 3, abs=1e-3)
    assert (figures["citation precision, story"], figures["citation recall, story"]) == (0.75, 0.5)
    assert (figures["citation precision, with what was also seen"], figures["citation recall, with what was also seen"]) == (0.6, 1.0)
    assert (figures["grounded"], figures["fabricated names"]) == (1.0, 0)


def test_calibration_error_is_the_mean_gap() -> None:
    assert summary([judged(True, 1.0), judged(False, 0.0)])["calibration error"] == 0.0
    assert summary([judged(False, 0.9), judged(True, 0.1)])["calibration error"] == pytest.approx(0.9)
