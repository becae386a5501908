"""The correlations that come with nonself: what every one must have, and sequences of records they must hit and miss.

Sequence i happens ten days after sequence i - 1, so that none bears on another.
"""

from __future__ import annotations

import copy
import tomllib
import uuid
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

import test_rules_samples as samples
from nonself.core import attack, events
from nonself.core.events import Events
from nonself.detect.sigma import Ruleset
from nonself.serve.rule_examples import read_lines, written
from test_rules_lint import FIELDS, LEVELS
from test_rules_samples import RULES, START, Record

HOME = RULES / "correlation"
APART = timedelta(days=10)
KEYS = ["title", "id", "status", "description", "license", "author", "date", "tags", "correlation", "falsepositives", "level"]
ALWAYS: Record = {"|re": r"^|$"}
NEVER: Record = {"|re": r"[^\s\S]"}


@cache
def rules() -> dict[str, list[Record]]:
    """Name -> the documents of the file."""
    return {file.stem: list(yaml.safe_load_all(file.read_text("utf-8"))) for file in sorted(HOME.glob("*.yml"))}


@cache
def sequences() -> tuple[tuple[str, bool, str, list[Record]], ...]:
    """Rule, whether it must be hit, why, and the events."""
    found = []
    for name in rules():
        tables = tomllib.loads((HOME / f"{name}.sequence.toml").read_text("utf-8"))
        assert tables.keys() == {"hit", "miss"}
        found += [(name, kind == "hit", one["why"], one["events"]) for kind in ("hit", "miss") for one in tables[kind]]
    return tuple(found)


@cache
def table() -> Events:
    """All sequences as events, read by the real sources."""
    known = {str(rule["id"]): rule for rule in samples.rules().values()}
    lines: dict[str, list[bytes]] = {}
    for number, (name, _, _, parts) in enumerate(sequences()):
        logs = known | {str(d[key]): d for d in rules()[name] for key in ("id", "name") if key in d}
        now = START + number * APART
        for part in parts:
            assert part.keys() <= {"log", "record", "times", "every", "after"}
            now += timedelta(seconds=part.get("after", 0))
            for n in range(part.get("times", 1)):
                line = written(logs[part["log"]]["logsource"], _numbered(part["record"], n), now)
                assert line is not None
                lines.setdefault(line[0], []).append(line[1])
                now += timedelta(seconds=part.get("every", 1))
    return events.concat(read_lines(source, b"\n".join(found) + b"\n") for source, found in sorted(lines.items()))


def _numbered(value: Any, number: int) -> Any:
    if isinstance(value, dict):
        return {key: _numbered(inner, number) for key, inner in value.items()}
    return value.replace("{n}", str(number)) if isinstance(value, str) else value


def _found(ruleset: Ruleset) -> dict[str, set[int]]:
    """Rule id -> numbers of the sequences it hits."""
    found: dict[str, set[int]] = {}
    _, inputs = ruleset.observe(table())
    for rule, start in ruleset.correlate(inputs).select("rule", "start").iter_rows():
        found.setdefault(rule, set()).add((start - START) // APART)
    return found


@cache
def _hits() -> dict[str, set[int]]:
    return _found(Ruleset.load([], builtin=True))


def test_every_correlation_is_evaluated_and_has_sequences() -> None:
    ruleset = Ruleset.load([], builtin=True)
    assert ruleset.rejected == ()
    assert {rule.id for rule in ruleset.rules} >= {document["id"] for documents in rules().values() for document in documents}
    assert {file.name.removesuffix(".sequence.toml") for file in HOME.glob("*.toml")} == rules().keys()
    assert len(rules()) >= 6


@pytest.mark.parametrize("number", range(len(sequences())), ids=lambda number: f"{sequences()[number][0]}: {sequences()[number][2]}")
def test_sequence(number: int) -> None:
    name, hit, why, _ = sequences()[number]
    assert (number in _hits().get(rules()[name][0]["id"], set())) == hit, why


def test_rules_under_a_correlation_raise_nothing_of_their_own() -> None:
    ruleset = Ruleset.load([], builtin=True)
    beneath = {document["id"] for documents in rules().values() for document in documents[1:]}
    assert beneath <= ruleset.silent
    assert not ruleset.silent & {rule["id"] for rule in samples.rules().values()}, "a rule with examples of its own fell silent"
    hits, _ = ruleset.observe(table())
    assert not beneath & set(hits["rule"])


@pytest.mark.parametrize("name", rules())
def test_documents_are_whole(name: str) -> None:
    first, *others = rules()[name]
    assert list(first) == KEYS
    assert (first["license"], first["author"], first["status"]) == ("Apache-2.0", "nonself authors", "test")
    assert first["level"] in LEVELS and first["falsepositives"] and first["description"].endswith(".")
    techniques, tactics = attack.from_tags(first["tags"])
    assert techniques and {tactic for technique in techniques for tactic in attack.tactics(technique)} >= set(tactics)
    for document in (first, *others):
        assert uuid.UUID(document["id"]).version == 4
    for document in others:
        kind = "logsource" if "detection" in document else None
        assert list(document) == ["title", "id", "name", *(["logsource", "detection"] if kind else ["correlation"])]
        if kind:
            log = document["logsource"].get("category") or document["logsource"]["service"]
            assert log in FIELDS or log in ("file_delete", "ssh")


def test_ids_are_unique() -> None:
    ids = [document["id"] for documents in rules().values() for document in documents]
    assert len(set(ids)) == len(ids) and not set(ids) & {rule["id"] for rule in samples.rules().values()}


def _mutants() -> list[tuple[str, str, list[Record]]]:
    """Rule, what is changed, and its documents with the change."""
    made = []
    for name, documents in rules().items():
        for at, document in enumerate(documents):
            for what, changed in _changes(document):
                whole = copy.deepcopy(documents)
                whole[at] = changed
                made.append((name, f"{name}: {document.get('name', 'itself')}: {what}", whole))
    return made


def _changes(document: Record) -> list[tuple[str, Record]]:
    parts = [part for part in document.get("detection", {}) if part != "condition"]
    made = [(f"{part} always", {"detection": document["detection"] | {part: ALWAYS}}) for part in parts]
    made += [(f"{part} never", {"detection": document["detection"] | {part: NEVER}}) for part in parts]
    section = document.get("correlation", {})
    if section:
        made += [
            (
                "a hundred times the timespan",
                {"correlation": section | {"timespan": f"{100 * int(section['timespan'][:-1])}{section['timespan'][-1]}"}},
            )
        ]
    for group in section.get("group-by", []) if len(section.get("group-by", [])) > 1 else []:
        made += [(f"not by {group}", {"correlation": section | {"group-by": [other for other in section["group-by"] if other != group]}})]
    if "gte" in section.get("condition", {}):
        made += [
            ("more", {"correlation": section | {"condition": section["condition"] | {"gte": section["condition"]["gte"] * 1.001 + 0.5}}})
        ]
    if section.get("type") == "temporal_ordered":
        made += [("in any order", {"correlation": section | {"type": "temporal"}})]
    return [(what, document | change) for what, change in made]


def test_sequences_notice_a_change_of_any_part(tmp_path: Path) -> None:
    mutants = _mutants()
    ids: dict[str, int] = {}
    for number, (_, _, documents) in enumerate(mutants):
        for at, document in enumerate(documents):
            document["id"] = f"{number:08d}-0000-4000-8000-{at:012d}"
        ids[documents[0]["id"]] = number
        (tmp_path / f"{number}.yml").write_text(yaml.safe_dump_all(documents, sort_keys=False), "utf-8")
    ruleset = Ruleset.load([tmp_path, RULES / "windows" / "security" / "kerberoasting.yml"], builtin=False)
    assert ruleset.rejected == ()
    found = _found(ruleset)
    survivors = []
    for identity, number in ids.items():
        name, title, _ = mutants[number]
        own = [(at, hit) for at, (rule, hit, _, _) in enumerate(sequences()) if rule == name]
        if all((at in found.get(identity, set())) == hit for at, hit in own):
            survivors.append(title)
    assert not survivors, f"{len(survivors)} changes that no sequence notices: " + "; ".join(survivors)
