"""Every rule hits what it must and misses what it must, and its examples notice when any part of it changes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import yaml

from nonself.detect.sigma import Ruleset
from test_rules_samples import RULES, Record, examples, number_of, rules, table

ALWAYS: Record = {"|re": r"^|$"}
NEVER: Record = {"|re": r"[^\s\S]"}


@cache
def _hits() -> dict[str, set[int]]:
    """Rule id -> numbers of the examples it hits, its own and other rules'."""
    return _found(Ruleset.load([], builtin=True))


def _found(ruleset: Ruleset) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for rule, uids in ruleset.match(table()).select("rule", "events").iter_rows():
        found.setdefault(rule, set()).update(number_of()[uid] for uid in uids)
    return found


def test_every_example_is_read() -> None:
    assert sorted(number_of().values()) == list(range(len(examples())))


def test_every_rule_is_evaluated() -> None:
    ruleset = Ruleset.load([RULES], builtin=False)
    assert ruleset.rejected == ()
    assert {rule.id for rule in ruleset.rules} >= {rule["id"] for rule in rules().values()}


@pytest.mark.parametrize("rule", rules())
def test_rule_agrees_with_its_examples(rule: str) -> None:
    found = _hits().get(rules()[rule]["id"], set())
    own = [(number, example) for number, example in enumerate(examples()) if example.rule == rule]
    wrong = [f"{example.name}: {example.why}" for number, example in own if (number in found) != (example.kind == "hit")]
    assert not wrong


def _mutants() -> dict[str, tuple[str, Record]]:
    """Mutant id -> the rule it was made from, and its YAML: one named part of the detection made true, or false, for every event."""
    mutants: dict[str, tuple[str, Record]] = {}
    for name, rule in rules().items():
        for part in rule["detection"]:
            if part == "condition":
                continue
            for change, meaning in ((ALWAYS, "always"), (NEVER, "never")):
                identity = f"{len(mutants):08d}-0000-4000-8000-000000000000"
                title = f"{name}: {part} is {meaning} true"
                mutants[identity] = name, rule | {"id": identity, "title": title, "detection": rule["detection"] | {part: change}}
    return mutants


def test_examples_notice_a_change_of_any_part(tmp_path: Path) -> None:
    mutants = _mutants()
    for identity, (_, mutant) in mutants.items():
        (tmp_path / f"{identity}.yml").write_text(yaml.safe_dump(mutant, sort_keys=False), "utf-8")
    ruleset = Ruleset.load([tmp_path], builtin=False)
    assert ruleset.rejected == ()
    found = _found(ruleset)
    survivors = []
    for identity, (name, mutant) in mutants.items():
        own = [(number, example.kind == "hit") for number, example in enumerate(examples()) if example.rule == name]
        if all((number in found.get(identity, set())) == hit for number, hit in own):
            survivors.append(mutant["title"])
    assert not survivors, f"{len(survivors)} changes that no example notices: " + "; ".join(survivors)
