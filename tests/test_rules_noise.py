"""The rules on real data: how loud they are over laboratory background, and what they find in labelled attacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from nonself import sources
from nonself.core.events import Events
from nonself.detect.sigma import Ruleset
from nonself.sources.contract import Limits

LOUD = 0.01
"""A rule that fires on more than this share of the events of a class needs a better filter."""
CLASS_SIZE = 1_000
"""Shares are judged in classes of at least this many events."""

FILES, RULES = 18, 16
"""Measured over every third file: 20 of 57 files, 18 rules (over all: 63 of 169, 38 rules). The rest are single records of Active
Directory, SQL Server and the like that no rule here is about."""


@cache
def _ruleset() -> Ruleset:
    return Ruleset.load([], builtin=True)


def _events(paths: list[Path]) -> Iterator[tuple[str, Events]]:
    for given in sources.discover(paths, Limits()):
        _, chunks = sources.read(given, Limits())
        yield from ((given.origin, chunk.events) for chunk in chunks if chunk.events.height)


def test_no_rule_is_loud(data_dir: Path) -> None:
    zips = sorted((data_dir / "security-datasets" / "atomic" / "windows").rglob("host/*.zip"))[::12]
    assert zips, "security-datasets holds no archives"
    classes: Counter[int] = Counter()
    hits: Counter[tuple[str, int]] = Counter()
    for _, events in _events(zips):
        classes.update(dict(events.group_by("class_uid").len().iter_rows()))
        for rule, class_uid, number in _ruleset().match(events).select("rule", "class_uid", "n_events").iter_rows():
            hits[rule, class_uid] += number
    big = {class_uid: size for class_uid, size in classes.items() if size >= CLASS_SIZE}
    assert len(big) >= 4, f"too little background: {classes}"
    paths = {rule.id: rule.path for rule in _ruleset().rules}
    loud = [f"{paths[rule]}: {n} of {big[kind]}" for (rule, kind), n in hits.items() if kind in big and n > LOUD * big[kind]]
    assert not loud


def test_every_cloud_technique_is_found(data_dir: Path) -> None:
    files = sorted((data_dir / "cloudtrail" / "stratus").glob("*.json"))
    assert len(files) >= 17
    for file in files:
        assert any(_ruleset().match(events).height for _, events in _events([file])), file.name


def test_attacks_are_found(data_dir: Path) -> None:
    """A floor that falls when a rule breaks: files with a hit, by any rule of medium level or more, among labelled attacks."""
    levels = {rule.id: rule.level for rule in _ruleset().rules}
    found: set[str] = set()
    rules: set[str] = set()
    for origin, events in _events(sorted((data_dir / "evtx-attack").rglob("*.evtx"))[::3]):
        fired = {rule for rule in _ruleset().match(events)["rule"] if levels[rule] != "low"}
        rules |= fired
        if fired:
            found.add(origin)
    assert len(found) >= FILES
    assert len(rules) >= RULES


@pytest.fixture(autouse=True)
def _needs_data(data_dir: Path) -> None:
    """Every test here needs the real data."""
