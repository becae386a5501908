"""What each rule costs: estimated from what it asks for, or measured over events.

The estimate is in nanoseconds of CPU an event of the rule's own log source. It knows what a rule asks for, not what the events hold: over
23,148 Windows events its order and the measured one agreed only weakly (rank correlation 0.23), so measure where it matters. Its weights
are those of one predicate over values of about 100 characters.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nonself.core.events import Events
from nonself.detect.sigma.evaluate import SLICE, true_rows
from nonself.detect.sigma.logsource import KEYS
from nonself.detect.sigma.native import native
from nonself.detect.sigma.plan import LONG, Plan, Planner, woken_by
from nonself.detect.sigma.sheet import Sheet
from nonself.detect.sigma.tree import Compiled, Rule, Test, atoms

_SCANNED = 4.0
"""A literal found by the search that all rules share."""
_TESTS = {"re": 700.0, "glob": 600.0, "cidr": 2_600.0, "ref": 3_000.0, "exists": 900.0, "is": 1_500.0,
          "lt": 900.0, "lte": 900.0, "gt": 900.0, "gte": 900.0}  # fmt: skip
_OTHER = 250.0
_TEXT = 6_000.0
"""The full text of a record, once for each event that a keyword without a plain literal meets."""
_LONG_FIELD = 8.0
_WOKEN = 0.02
"""The share of events that wake a rule which needs a literal; where nothing wakes it, it is asked about every event."""


@dataclass(frozen=True, slots=True)
class Cost:
    """A rule and the nanoseconds of CPU an event it takes: of its log source where estimated, of all events where measured."""

    rule: Rule
    nanoseconds: float


def estimate(compiled: Compiled) -> list[Cost]:
    """What each rule is expected to cost, the dearest first."""
    plan = Plan(predicates=list(compiled.predicates))
    own = [_predicate(plan, number) for number in range(len(compiled.predicates))]
    found = []
    for rule, program in zip(compiled.rules, compiled.programs, strict=True):
        asked = sum(own[number] for number in set(atoms(program.node)))
        found.append(Cost(rule, round(asked * (_WOKEN if woken_by(program.node, plan) else 1.0), 1)))
    return _dearest(found)


def _predicate(plan: Plan, number: int) -> float:
    predicate = plan.predicates[number]
    if plan.scanned[number]:
        return _SCANNED * len(predicate.tests)
    each = sum(_test(test) for test in predicate.tests)
    return each * (_LONG_FIELD if predicate.field in LONG else 1.0) + (0.0 if predicate.field else _TEXT)


def _test(test: Test) -> float:
    return _TESTS.get(test.kind, _OTHER) * (0.2 if test.need else 1.0)


def measure(compiled: Compiled, events: Events) -> list[Cost]:
    """What each rule took over `events`, the dearest first. A predicate or field that several rules share is on the bill of the first."""
    spent = np.zeros(len(compiled.rules), np.int64)
    for plan, sheet in _sheets(compiled, events):
        for at in sheet.awake():
            before = time.process_time_ns()
            true_rows(plan.nodes[at], sheet.all, sheet.truth)
            spent[plan.rules[at]] += time.process_time_ns() - before
    height = max(1, events.height)
    return _dearest([Cost(rule, round(int(ns) / height, 3)) for rule, ns in zip(compiled.rules, spent, strict=True)])


def _sheets(compiled: Compiled, events: Events) -> Iterator[tuple[Plan, Sheet]]:
    planner = Planner(compiled)
    read = native(events).with_row_index("row")
    for *key, rows in read.group_by(KEYS, maintain_order=True).agg("row").iter_rows():
        plan = planner.plan(planner.key(key))
        if plan.rules:
            for start in range(0, len(rows), SLICE):
                yield plan, Sheet(plan, read[rows[start : start + SLICE]].select(plan.columns))


def _dearest(costs: list[Cost]) -> list[Cost]:
    return sorted(costs, key=lambda cost: (-cost.nanoseconds, cost.rule.id))
