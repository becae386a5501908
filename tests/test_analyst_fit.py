"""The fit of the analyst's weights: each campaign is led in each way once, folds are disjoint, signs hold, what is planted is found."""

from __future__ import annotations

import dataclasses
import tomllib
from itertools import chain

import numpy as np
import pytest

from nonself.analyst.facts import Facts
from nonself.analyst.hypotheses import HYPOTHESES, MALICIOUS, weights
from nonself.analyst.signals import MALICE, SHAPE, design
from nonself.lab import analyst_cases, analyst_fit
from nonself.lab.analyst_fit import Row
from nonself.lab.attacks import CAMPAIGNS
from nonself.lab.sim import cases

PLAIN = Facts(**{f.name: {"int": 0, "float": 0.0, "bool": False}[str(f.type)] for f in dataclasses.fields(Facts)})


def rows() -> list[Row]:
    """Companies in which malice shows as telling findings, and refused calls are everybody's; one kind of hypothesis by each share."""
    rng = np.random.default_rng(3)
    shares = dict(
        zip((h.name for h in HYPOTHESES), ("software", "cloud", "network", "failed", "recurring", "everywhere", "entities"), strict=True)
    )
    made = []
    for number in range(24):
        for name, share in shares.items():
            best = float(rng.uniform(5, 20) if name in MALICIOUS else rng.uniform(0, 7))
            facts = dataclasses.replace(PLAIN, best=best, refused=int(rng.integers(2)), **{share: 50 if share == "entities" else 1.0})
            made.append(Row(number, facts, name))
        made.append(Row(number, dataclasses.replace(PLAIN, best=20.0), "mixed"))
    return made


def test_each_campaign_is_led_in_each_way_once_and_by_its_own_group() -> None:
    led = [analyst_cases.attacks(n).split(",") for n in range(24)]
    plain = [attack for attack in chain(*led) if not any(attack.startswith(f"{name}:") for name in CAMPAIGNS)]
    assert len(set(chain(*led))) + len(plain) - len(set(plain)) == 72, "none twice, but what is too long to be led otherwise"
    groups = [{attack.partition(":")[0] for n, one in enumerate(led) if n % 4 == group for attack in one} for group in range(4)]
    assert sorted(chain(*groups)) == sorted(CAMPAIGNS)
    assert all(not one[0].endswith(":overlap") for one in led), "there must be one before it"


def test_nothing_is_measured_on_what_was_fitted_to() -> None:
    seeds = [*analyst_cases.DEVELOPMENT_SEEDS, *analyst_cases.BENCHMARK_SEEDS, *cases.BENCHMARK_SEEDS, *cases.DEVELOPMENT_SEEDS]
    assert len(set(seeds)) == len(seeds)
    for parts in analyst_fit.folds(24).values():
        assert sorted(chain(*parts)) == list(range(24))


@pytest.mark.parametrize(
    ("labels", "total", "kind"),
    [
        ({"a": ("campaign", "x")}, 5, "campaign"), ({"a": ("campaign", "x"), "b": ("benign trigger", "y")}, 6, "mixed"),
        ({"a": ("attempt", "x")}, 2, "attempt"), ({"a": ("benign trigger", "x")}, 3, "ordinary"), ({}, 0, "ordinary"),
    ],
)  # fmt: skip
def test_what_is_true_of_an_incident(labels: dict[str, tuple[str, str]], total: int, kind: str) -> None:
    assert analyst_cases.kind(labels, total) == kind


def test_what_is_planted_is_found_and_signs_hold() -> None:
    known = rows()
    bits = analyst_fit.malice(known)
    steps = dict(zip(((s.name, step) for s in MALICE for step in s.steps), bits[1:], strict=True))
    assert sum(steps["telling", step] for step in (6, 8)) > 3 and steps["refused", 1] < 1
    assert all(steps[s.name, step] * s.sign >= 0 for s in MALICE for step in s.steps)
    assert analyst_fit.p_malicious(bits, dataclasses.replace(PLAIN, best=20.0)) > 0.9 > 0.1 > analyst_fit.p_malicious(bits, PLAIN)
    p = analyst_fit.held_out(known, analyst_fit.folds(24)["other campaigns"])
    assert np.mean((p > 0.5) == [r.truth in MALICIOUS for r in known if r.truth]) > 0.8


def test_the_file_holds_what_the_analyst_reads() -> None:
    table = tomllib.loads(analyst_fit.toml(rows()))
    assert table["malice"].keys() - {"base"} == weights().malice[1].keys()
    assert {name: part.keys() - {"base"} for name, part in table["shape"].items()} == {n: p[1].keys() for n, p in weights().shape.items()}
    best = {
        name: max(table["shape"], key=lambda h, name=name: sum(table["shape"][h][name]))
        for name in ("of programs", "of the cloud", "in vain")
    }
    assert best == {"of programs": "intrusion", "of the cloud": "account misuse", "in vain": "attempt"}


def test_a_column_is_a_step() -> None:
    facts = dataclasses.replace(PLAIN, best=6.0, recurring=1.0)
    on = [
        name for (name, _), value in zip(((s.name, step) for s in MALICE for step in s.steps), design(MALICE, facts), strict=True) if value
    ]
    assert on == ["telling"] * 3 + ["recurring"] * 3
    assert len(design(SHAPE, facts)) == sum(len(s.steps) for s in SHAPE)
