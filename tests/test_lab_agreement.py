"""Rank agreement between the world and real alerts: the world's hits become labelled alerts, and both meet the same arithmetic."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself.detect.sigma import Ruleset
from nonself.lab import agreement, realism
from nonself.lab.ait_data import COLUMNS


def test_spearman() -> None:
    assert agreement.spearman([(1, 10), (2, 20), (3, 90)]) == pytest.approx(1)
    assert agreement.spearman([(1, 90), (2, 20), (3, 10)]) == pytest.approx(-1)
    assert agreement.spearman([(0, 0), (0, 1), (1, 2)]) == pytest.approx(math.sqrt(3) / 2), "ties share their rank"
    assert math.isnan(agreement.spearman([(0, 1), (0, 2)])), "what does not vary agrees with nothing"


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=8))
def test_spearman_is_symmetric_and_keeps_to_ranks(pairs: list[tuple[int, int]]) -> None:
    floats = [(float(a), float(b)) for a, b in pairs]
    here, turned = agreement.spearman(floats), agreement.spearman([(b, math.exp(a)) for a, b in floats])
    assert (math.isnan(here) and math.isnan(turned)) or here == pytest.approx(turned)


def test_a_world_as_alerts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PEOPLE", 8), ("DAYS", 6), ("ACTIVITY", 0.02)):
        monkeypatch.setattr(agreement, name, value)
    world = agreement._world(7, "document-to-cloud", Ruleset.load([], builtin=True, cache=None))
    assert world.alerts.columns[: len(COLUMNS)] == list(COLUMNS)
    assert world.alerts["time"].is_sorted()
    of_attack = world.alerts.filter(campaign=1)
    assert of_attack["step"].n_unique() >= 2, "several steps of the campaign have alerts"
    assert 0 < of_attack.height < world.alerts.height
    assert {"sigma"} <= set(world.alerts["source"])
    means = agreement._means([world])
    assert set(means) == {agreement.OURS, *agreement.BASELINES}
    assert all(0 <= value <= 1 for row in means.values() for value in row.values())


def test_gates_say_what_ranks_how(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"coverage": {"a": (0.9, 0.5), "b": (0.1, 0.4), "c": (0.2, 0.1)}}
    monkeypatch.setattr(realism, "agreement", lambda folder: told)
    (gate,) = realism.agreed(Path("ait-ads"))
    assert gate.value == pytest.approx(0.5)
    assert gate.passed
    assert "a 0.90/0.50, b 0.10/0.40" in realism.table([gate])
