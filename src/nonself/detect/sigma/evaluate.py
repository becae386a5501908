"""Rules over a batch of events: rows are grouped by what rules they may meet, each group is evaluated column by column.

A set of rows is a Python integer with one bit a row: at 4,096 rows its `&` takes a seventh of the time of NumPy's on an array of
booleans, which hardly falls for fewer rows, and that a set is empty is seen for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from nonself.core.events import Events
from nonself.core.scores import Delta
from nonself.detect.sigma import correlation_inputs, hits
from nonself.detect.sigma.correlation_inputs import Taker
from nonself.detect.sigma.gate import keyworded
from nonself.detect.sigma.logsource import KEYS
from nonself.detect.sigma.native import native
from nonself.detect.sigma.plan import Key, Plan, Planner
from nonself.detect.sigma.sheet import Ints, Sheet, rows_of
from nonself.detect.sigma.tree import Compiled, Node, Not, Or

SLICE = 4_096
"""Rows evaluated at once: bounds the memory that decoded records take."""


def true_rows(node: Node, within: int, truth: Callable[[int, int], int]) -> int:
    """The rows of `within` where a condition is true. `truth(number, within)` gives them for one predicate; it is asked only for rows
    whose outcome still depends on it."""
    if not within:
        return 0
    if isinstance(node, int):
        return truth(node, within)
    if isinstance(node, Not):
        return within & ~true_rows(node.arg, within, truth)
    if isinstance(node, Or):
        left = within
        for arg in node.args:
            left &= ~true_rows(arg, left, truth)
        return within & ~left
    for arg in node.args:
        within = true_rows(arg, within, truth)
    return within


class Engine:
    """Evaluates a compiled set. Holds plans, no events."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._planner = Planner(compiled)
        self._taker = Taker(compiled)

    def match(self, events: Events) -> Delta:
        """Hits of all rules as a frame of `hits.HITS`."""
        return self.observe(events, frozenset())[0]

    def observe(self, events: Events, silent: frozenset[str]) -> tuple[Delta, Delta]:
        """Hits of all rules but the silent ones, and the inputs of correlations."""
        plans, found = self._found(events)
        if not found:
            return hits.empty(), correlation_inputs.empty()
        met = hits.met(events, found)
        told = [one for one in found if self._compiled.rules[plans[one[0]].rules[one[1]]].id not in silent]
        return hits.build(met, self._compiled, plans, told), self._taker.take(met, plans, found)

    def _found(self, events: Events) -> tuple[list[Plan], list[hits.Found]]:
        """What rules match: number of the plan, position of the rule in it, rows of `events`."""
        groups = self._groups(events)
        # In one piece: taking rows out of columns in several pieces copies their texts, which costs ten times as much.
        whole = native(events.select(sorted({"ext", "raw"}.union(*(plan.columns for plan, _ in groups)))).rechunk())
        held = keyworded(whole, groups)
        found: list[hits.Found] = []
        for number, (plan, rows) in enumerate(groups):
            read = whole.select(plan.columns)
            for start in range(0, len(rows), SLICE):
                part = rows[start : start + SLICE]
                sheet = Sheet(plan, read[part], held[part])
                found += [(number, at, part[hit]) for at, hit in _fire(plan, sheet)]
        return [plan for plan, _ in groups], found

    def _groups(self, events: Events) -> list[tuple[Plan, Ints]]:
        """Rows by plan, in row order; rows that no rule can match are left out."""
        keyed = events.select(KEYS).with_row_index("row").group_by(KEYS, maintain_order=True).agg("row")
        rows: dict[Key, list[Ints]] = {}
        for *key, members in zip(*(keyed[name] for name in (*KEYS, "row")), strict=True):
            rows.setdefault(self._planner.key(key), []).append(members.to_numpy())
        groups = [(self._planner.plan(key), np.sort(np.concatenate(parts))) for key, parts in rows.items()]
        return [(plan, members) for plan, members in groups if plan.rules]


def _fire(plan: Plan, sheet: Sheet) -> Iterator[tuple[int, list[int]]]:
    """Positions of the plan's rules that hit, each with the rows it hits."""
    for at in sheet.awake():
        rows = true_rows(plan.nodes[at], sheet.all, sheet.truth)
        if rows:
            yield at, rows_of(rows)
