"""The feedback benchmark: a reviewer who errs still teaches, and who knows nothing is told."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from nonself.cli import main
from nonself.core.errors import UsageError
from nonself.lab.bench_feedback import _is_attack, read
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
        made.append((incident(f"i{n:03}", "f", bits=bits), [finding("f", detector=detector)], attack))
    return made


def test_verdicts_with_slips_halve_what_is_false_and_find_more() -> None:
    outcomes = [review(estate(seed), seed) for seed in range(3)]
    assert sum(o.false_by_rank for o in outcomes) <= sum(o.false_by_bits for o in outcomes) / 2
    assert sum(o.found for o in outcomes) >= 1.3 * sum(o.found_without for o in outcomes)


def test_a_reviewer_who_guesses_teaches_little() -> None:
    guessed = [review(estate(seed), seed, wrong=0.5) for seed in range(3)]
    right = [review(estate(seed), seed, wrong=0.0) for seed in range(3)]
    assert sum(o.found for o in right) > sum(o.found for o in guessed)


def test_an_incident_is_an_attack_by_half_of_its_evidence() -> None:
    assert _is_attack(["a", "b"], {"a"}) and not _is_attack(["a", "b", "c"], {"a"}) and not _is_attack([], set())


def test_a_folder_that_is_no_demonstration_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="demo"):
        read(tmp_path)
    assert main(["bench", "feedback", str(tmp_path)]) == 2
