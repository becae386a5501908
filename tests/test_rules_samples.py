"""The rules that come with nonself, and the examples beside them: what each must hit and what it must miss.

`NAME.test.toml` stands beside `NAME.yml` and holds tables of native fields:
    [[hit]]   a record the rule must hit; the first one is the base of the near misses
    [[near]]  what changes in the base so that the rule must miss it; `drop` lists fields (dotted paths) to take out
    [[miss]]  a record of its own that the rule must miss
`why` says in words why a record is benign, or what a further hit adds. The rest of a record (host, time, provider, channel) is given here.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

import nonself
from nonself.core.events import Events
from nonself.serve import rule_examples
from nonself.serve.rule_examples import START, Example, Record
from nonself.serve.rule_examples import read_lines as _read
from nonself.serve.rule_examples import written as _line

__all__ = ["RULES", "START", "Example", "Record", "_line", "_read", "examples", "number_of", "rules", "table"]

RULES = Path(nonself.__file__).parent / "rules"


@cache
def rules() -> dict[str, Record]:
    """Path below `rules` without suffix -> the rule as YAML has it; correlations have tests of their own."""
    files = sorted(file for file in RULES.rglob("*.yml") if file.parent.name != "correlation")
    return {file.relative_to(RULES).with_suffix("").as_posix(): yaml.safe_load(file.read_text("utf-8")) for file in files}


@cache
def examples() -> tuple[Example, ...]:
    return tuple(example for rule in rules() for example in rule_examples.read(RULES / f"{rule}.test.toml", rule))


@cache
def table() -> Events:
    """All examples as events, read by the real sources. Example i happened i hours after START, whatever reads it."""
    return rule_examples.table([(rules()[example.rule]["logsource"], example.record) for example in examples()])


@cache
def number_of() -> dict[str, int]:
    """uid -> the number of its example in `examples()`."""
    return rule_examples.numbers(table())
