"""`bench analyst`: its figures are what they say, on incidents made by hand."""

from __future__ import annotations

import pytest

from nonself.lab.bench_advised import Advised
from nonself.lab.bench_advised import summary as told
from nonself.lab.bench_analyst import Judged, summary
from nonself.lab.grounds import Grounds


def judged(malicious: bool, p: float, *, level: int = 0, rules: int = 0, unsure: bool = False) -> Judged:
    return Judged(
        malicious=malicious, p=p, called=p >= 0.65, unsure=unsure, level=level, rules=rules, seconds=0.1, cited=4, cited_true=3, true=6,
        whole=10, whole_true=6, grounds=Grounds(5, 5, 0),
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


def test_what_a_model_did_is_counted_by_incident() -> None:
    grounds = Grounds(sentences=4, grounded=4)
    one = Advised(12.0, 5, ("question logons", "question logons", "summary"), ("claim",), "", True, grounds)
    other = Advised(30.0, 4, ("summary",), (), "join without a model (words of its own)", False, Grounds(6, 5, 1))
    figures = told([one, other])
    assert (figures["model: requests"], figures["model: CPU-s an incident, most"], figures["model: sentences"]) == (9, 30.0, 10)
    assert (figures["model: grounded"], figures["model: fabricated names"]) == (0.9, 1)
    assert figures["model: incidents with parts taken"] == {"question": 1, "summary": 2}
    assert figures["model: incidents of which something of the floor was lost"] == 1
    assert told([]) == {}
