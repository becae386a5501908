"""The feedback benchmark: a reviewer who errs still teaches, and who knows nothing is told."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from nonself.cli import main
from nonself.core.errors import UsageError
from nonself.lab.bench_feedback import _worth, read
from nonself.lab.feedback import Known, review
from test_triage import finding, incident


def estate(seed: int) -> list[Known]:
    """A hundred false incidents of two noisy detectors, and twenty weaker true ones of two others."""
    draw = random.Random(seed)
    made: list[Known] = []
    for n in range(120):
        attack = n % 6 == 0
        detector = draw.choice(["dump", "shell"] if attack else ["chatter", "blip"])
        bits = draw.uniform(10, 30) if attack else draw.uniform(10, 45)
        made.append((incident(f"i{n:03}", "f", bits=bits), [finding("f", detector=detector)], float(attack)))
    return made


def test_verdicts_with_slips_halve_what_is_false_and_find_more() -> None:
    outcomes = [review(estate(seed), seed) for seed in range(3)]
    assert sum(o.false_by_rank for o in outcomes) <= sum(o.false_by_bits for o in outcomes) / 2
    assert sum(o.found for o in outcomes) >= 1.3 * sum(o.found_without for o in outcomes)


def test_a_reviewer_who_guesses_teaches_little() -> None:
    guessed = [review(estate(seed), seed, wrong=0.5) for seed in range(3)]
    right = [review(estate(seed), seed, wrong=0.0) for seed in range(3)]
    assert sum(o.found for o in right) > sum(o.found for o in guessed)


def test_an_incident_is_true_by_half_of_its_evidence() -> None:
    labels = {"a": 1.0, "b": 1.0, "x": 0.5}
    assert _worth(["a", "c"], labels) == 1.0 and _worth(["a", "c", "d"], labels) == 0.0 and _worth([], labels) == 0.0
    assert (
        _worth(["a", "x"], labels) == 1.0 and _worth(["x", "c"], labels) == _worth(["a", "x", "x"], {**labels, "x": 0.5, "a": 0.5}) == 0.5
    )


def test_attempts_are_found_but_do_not_hide_what_is_malicious() -> None:
    """Sixty attempts of a rule nobody asked about, weak; ten malicious incidents, strong; noise between."""
    made: list[Known] = [(incident(f"m{n}", "f", bits=60 + n), [finding("f", detector="dump")], 1.0) for n in range(10)]
    made += [(incident(f"n{n:03}", "f", bits=10 + n / 10), [finding("f", detector=f"noise{n % 7}")], 0.0) for n in range(200)]
    made += [(incident(f"a{n}", "f", bits=3), [finding("f", detector="sigma:guess")], 0.5) for n in range(60)]
    outcome = review(made, 1)
    assert outcome.malicious == outcome.malicious_without == 10 == outcome.found_without
    assert outcome.false_by_rank <= outcome.false_by_bits / 2


def test_a_folder_that_is_no_demonstration_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="demo"):
        read(tmp_path)
    assert main(["bench", "feedback", str(tmp_path)]) == 2
