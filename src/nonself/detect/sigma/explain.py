"""Why a rule fires on an event, or does not: its log source, its condition, and every item of it with the value it met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nonself.core.events import Events
from nonself.detect.sigma import compile as compiler
from nonself.detect.sigma.atoms import Placeholders
from nonself.detect.sigma.logsource import KEYS, Stream, streams
from nonself.detect.sigma.native import native
from nonself.detect.sigma.plan import FULL_TEXT, Plan, localised
from nonself.detect.sigma.predicates import holds
from nonself.detect.sigma.sheet import Sheet
from nonself.detect.sigma.tree import And, LogSource, Node, Not, Or, Predicate, Test
from nonself.detect.sigma.values import fold

MAX_WANTED = 8
"""Values of a list that are named in an item's text."""
MAX_TEXT = 200
_WORDS = {"eq": "is", "prefix": "starts with", "suffix": "ends with", "contains": "contains", "glob": "matches the pattern",
          "re": "matches the regular expression", "cidr": "is in the network", "is": "is the number", "lt": "is below", "lte": "is at most",
          "gt": "is above", "gte": "is at least", "ref": "is as the field", "null": "has no value", "any": "has a value",
          "exists": "is there:"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an explanation, `depth` levels in.

    kind   "condition" (the whole), "detection" (one that has a name), "all", "any" or "not" (of the lines one level deeper), "item"
    text   what is asked for; for a detection its name
    true   whether it holds
    value  for an item: what the event has; None: nothing
    """

    depth: int
    kind: Literal["condition", "detection", "all", "any", "not", "item"]
    text: str
    true: bool
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """`met` says whether the event is of the rule's log source (`source` says why, or why not), `fires` whether the rule hits it.
    `steps` are of the condition whether it is met or not: the fields are read as the rule's first log names them then."""

    met: bool
    fires: bool
    source: str
    steps: tuple[Step, ...]


def explain(detection: object, log_source: LogSource, event: Events, placeholders: Placeholders = compiler.NO_PLACEHOLDERS) -> Explanation:
    """Evaluate a rule's `detection` section over one event (a frame of one row). Raises RuleError where it can't be evaluated."""
    predicates = compiler.Predicates()
    whole, named = compiler.parts(detection, predicates, placeholders)
    key = tuple(None if value is None else fold(value) for value in event.select(KEYS).row(0))
    logs = streams().get(log_source, ())
    taking = [log for log in logs if log.takes(key)]
    log = taking[-1] if taking else (logs[0] if logs else Stream((None,) * len(KEYS)))
    truth = _Truth(predicates.all(), log, event)
    conditions = detection["condition"] if isinstance(detection, dict) else ""
    text = " or ".join(map(str, conditions)) if isinstance(conditions, list) else str(conditions)
    steps = [Step(0, "condition", text, truth.of(whole))]
    for name, node in named.items():
        steps += [Step(1, "detection", name, truth.of(node)), *truth.steps(node, 2)]
    return Explanation(bool(taking), bool(taking) and truth.of(whole), _met(log_source, taking, logs, key), tuple(steps))


def _met(log_source: LogSource, taking: list[Stream], logs: tuple[Stream, ...], key: tuple[str | None, ...]) -> str:
    has = ", ".join(f"{column} {value}" for column, value in zip(KEYS, key, strict=True) if value is not None)
    if taking:
        return f"the event ({has}) is of the log source {log_source}"
    if not logs:
        return f"no log source of this kind is read ({log_source})"
    asked = "; or ".join(_asked(log) for log in logs if not log.mapped) or f"channel {log_source.path} by a mapping of your own"
    return f"the event ({has}) is not of the log source {log_source}: that is {asked}"


def _asked(log: Stream) -> str:
    parts = []
    for column, accepted in zip(KEYS, log.accepts, strict=True):
        if accepted:
            shown = sorted(accepted)[:MAX_WANTED]
            parts.append(f"{column} {' or '.join(shown)}" + (" or others" if len(accepted) > len(shown) else ""))
    return ", ".join(parts)


class _Truth:
    """What holds of one event, its fields read as one log names them."""

    def __init__(self, predicates: tuple[Predicate, ...], log: Stream, event: Events) -> None:
        self._predicates, self._log = predicates, log
        local = [localised(predicate, log) for predicate in predicates]
        self._plan = Plan(squeeze=log.squeeze, predicates=local, identities=list(local), places=[log.place(p.field) for p in predicates])
        self._sheet = Sheet(self._plan, native(event).select(self._plan.columns))

    def of(self, node: Node) -> bool:
        if isinstance(node, Not):
            return not self.of(node.arg)
        if isinstance(node, And | Or):
            return all(map(self.of, node.args)) if isinstance(node, And) else any(map(self.of, node.args))
        predicate = self._predicates[node]
        constant = self._log.constants.get(predicate.field)
        if constant is not None:
            return any(holds(test, constant, fold(constant)) for test in predicate.tests)
        return bool(self._sheet.truth(node, 1))

    def steps(self, node: Node, depth: int) -> list[Step]:
        """A node's lines, those of its parts one level deeper."""
        if isinstance(node, int):
            return [Step(depth, "item", _text(self._predicates[node]), self.of(node), self._value(node))]
        if isinstance(node, Not):
            return [Step(depth, "not", "not", self.of(node)), *self.steps(node.arg, depth + 1)]
        kind: Literal["all", "any"] = "all" if isinstance(node, And) else "any"
        head = Step(depth, kind, f"{kind} of {len(node.args)}", self.of(node))
        return [head, *(step for arg in node.args for step in self.steps(arg, depth + 1))]

    def _value(self, number: int) -> str | None:
        field, place = self._predicates[number].field, self._plan.places[number]
        if field in self._log.constants:
            return self._log.constants[field]
        value = self._sheet.value(place, 0)
        if value is None:
            return None
        if place == FULL_TEXT and isinstance(value, str):
            return _around(value, self._predicates[number].tests)
        return _cut(value if isinstance(value, str) else ", ".join(value))


def _around(text: str, tests: tuple[Test, ...]) -> str:
    """The full text where a keyword stands in it; its beginning where none does."""
    folded = fold(text)
    found = [folded.find(test.need) for test in tests if test.need and test.need in folded]
    start = max(0, min(found, default=0) - MAX_TEXT // 4) if len(folded) == len(text) else 0
    return ("... " if start else "") + _cut(text[start:])


def _text(predicate: Predicate) -> str:
    """An item in words: `Image ends with \\cmd.exe or \\powershell.exe`."""
    wanted: dict[str, list[str]] = {}
    for test in predicate.tests:
        words = f"has a {test.part} that {_WORDS[test.kind]}" if test.part and test.kind != "ref" else _WORDS[test.kind]
        if test.kind == "ref" and test.part != "eq":
            words = f"{_WORDS[test.part]} the field"
        wanted.setdefault(words + (" (letter case counts)" if test.cased else ""), []).append(test.value)
    parts = []
    for words, values in wanted.items():
        shown = " or ".join(_cut(value) for value in values[:MAX_WANTED] if value)
        more = f" or {len(values) - MAX_WANTED} more" if len(values) > MAX_WANTED else ""
        parts.append(f"{words} {shown}{more}".strip())
    return f"{predicate.field or 'the record'} {', or '.join(parts)}"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "..."
