"""Sigma documents to programs. pySigma parses (values, modifiers, conditions); everything after that is ours.

pySigma is imported here only, so a start from the cache never loads it, and only its parser is: `sigma.data` would fetch ATT&CK from
the net.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from types import MappingProxyType

from sigma.conditions import ConditionAND, ConditionIdentifier, ConditionItem, ConditionNOT, ConditionOR, ConditionSelector, SigmaCondition
from sigma.exceptions import SigmaError
from sigma.rule.detection import SigmaDetection, SigmaDetectionItem, SigmaDetections
from sigma.types import SigmaType

from nonself.core.errors import RuleError
from nonself.detect.sigma import encoders
from nonself.detect.sigma.atoms import Placeholders, tests
from nonself.detect.sigma.tree import And, Node, Not, Or, Predicate, Program, Test, atoms

MAX_CONDITION = 4_096
MAX_CONDITIONS = 64
MAX_BRACKETS = 32
MAX_NOTS = 64
MAX_MODIFIERS = 12
MAX_REGEX = 8_192
MAX_WILDCARDS = 128
"""In one value: its pattern's states grow with them, and the time to search with it."""
MAX_VARIANTS = 20_000
"""pySigma writes out every combination of five dashes: n dashes in one `windash` value make 5^n strings. This many in one rule."""

NO_PLACEHOLDERS: Placeholders = MappingProxyType({})
_DASH = re.compile(r"\B[-/]\b")
encoders.install()

_PARSER_ERRORS = (SigmaError, RecursionError, ArithmeticError, ValueError, TypeError, AttributeError, LookupError)
"""What pySigma raises on malformed rules: its own family, and Python's where it did not expect the shape it got."""


class Predicates:
    """Numbers the predicates of a rule set: equal ones share a number, so each is evaluated once for all rules."""

    def __init__(self) -> None:
        self._numbers: dict[Predicate, int] = {}

    def number(self, predicate: Predicate) -> int:
        return self._numbers.setdefault(predicate, len(self._numbers))

    def all(self) -> tuple[Predicate, ...]:
        return tuple(self._numbers)


def program(detection: object, predicates: Predicates, placeholders: Placeholders = NO_PLACEHOLDERS) -> Program:
    """Compile a rule's `detection` section. Raises RuleError with the reason where the engine can't evaluate it exactly."""
    node, _ = parts(detection, predicates, placeholders)
    return Program(node, _shown(node, predicates.all()))


def parts(detection: object, predicates: Predicates, placeholders: Placeholders = NO_PLACEHOLDERS) -> tuple[Node, dict[str, Node]]:
    """The whole condition of a `detection` section, and each of the named detections it is made of. Raises RuleError."""
    if not isinstance(detection, dict) or "condition" not in detection:
        raise RuleError(expected="a detection section with a condition", got="none")
    _guard(detection)
    try:
        parsed = SigmaDetections.from_dict(detection)
        trees = [SigmaCondition(condition, parsed).parse(postprocess=False) for condition in parsed.condition]
    except _PARSER_ERRORS as error:
        raise RuleError(" ".join(str(error).split())[:300] or type(error).__name__) from None
    scope = _Scope(parsed, predicates, placeholders)
    return _join(Or, [scope.condition(tree) for tree in trees]), scope.done


def _guard(detection: dict[object, object]) -> None:
    """Refuse what would cost pySigma more than its size."""
    conditions = detection["condition"] if isinstance(detection["condition"], list) else [detection["condition"]]
    if len(conditions) > MAX_CONDITIONS:
        raise RuleError(expected=f"at most {MAX_CONDITIONS} conditions", got=str(len(conditions)))
    for condition in conditions:
        if not isinstance(condition, str):
            raise RuleError(expected="a condition that is text", got=type(condition).__name__)
        if len(condition) > MAX_CONDITION or condition.count("(") > MAX_BRACKETS or len(re.findall(r"\bnot\b", condition)) > MAX_NOTS:
            limits = f"{MAX_CONDITION} characters, {MAX_BRACKETS} brackets and {MAX_NOTS} times `not`"
            raise RuleError(expected=f"a condition of at most {limits}", got="more")
    variants = sum(_checked(key, value) for key, value in _items(detection))
    if variants > MAX_VARIANTS:
        raise RuleError(expected=f"windash values that make at most {MAX_VARIANTS} variants", got="more")


def _checked(key: object, value: object) -> int:
    """Refuse an item that costs too much by itself; else how many variants `windash` makes of it."""
    if not isinstance(key, str):
        raise RuleError(expected="field names that are text", got=f"{key!r}"[:80])
    modifiers = key.split("|")[1:]
    if len(modifiers) > MAX_MODIFIERS:
        raise RuleError(expected=f"at most {MAX_MODIFIERS} modifiers", got=str(len(modifiers)))
    texts = [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]
    if "re" in modifiers:
        if max(map(len, texts), default=0) > MAX_REGEX:
            raise RuleError(expected=f"regular expressions of at most {MAX_REGEX} characters", got="more")
    elif any(text.count("*") + text.count("?") > MAX_WILDCARDS for text in texts):
        raise RuleError(expected=f"values of at most {MAX_WILDCARDS} wildcards", got="more")
    if "windash" not in modifiers:
        return 0
    made: int = sum(5 ** min(len(_DASH.findall(text)), 16) for text in texts)
    return made if modifiers.count("windash") == 1 else MAX_VARIANTS + 1  # twice: variants of variants


def _items(section: object) -> Iterable[tuple[object, object]]:
    """All key-value pairs of a section, at any depth (documents bounds it)."""
    if isinstance(section, dict):
        yield from section.items()
        section = list(section.values())
    if isinstance(section, list):
        for part in section:
            yield from _items(part)


class _Scope:
    """One rule's named detections, each compiled once however often the condition names it."""

    def __init__(self, detections: SigmaDetections, predicates: Predicates, placeholders: Placeholders) -> None:
        self._detections, self._predicates, self._placeholders = detections.detections, predicates, placeholders
        self.done: dict[str, Node] = {}

    def condition(self, tree: object) -> Node:
        if isinstance(tree, ConditionIdentifier):
            return self._named(tree.identifier)
        if isinstance(tree, ConditionSelector):
            names = [name for name in self._detections if _selected(tree.pattern, name)]
            if not names:
                raise RuleError(f"the condition's {tree.pattern!r} names no detection")
            return _join(_operator(tree.cond_class), [self._named(name) for name in names])
        if not isinstance(tree, ConditionItem):
            raise RuleError("the condition is empty")
        args = [self.condition(arg) for arg in tree.args]
        return Not(args[0]) if isinstance(tree, ConditionNOT) else _join(_operator(type(tree)), args)

    def _named(self, name: str) -> Node:
        if name not in self._detections:
            raise RuleError(f"the condition's {name!r} is not a detection")
        if name not in self.done:
            self.done[name] = self._detection(self._detections[name])
        return self.done[name]

    def _detection(self, detection: SigmaDetection) -> Node:
        parts = [self._detection(p) if isinstance(p, SigmaDetection) else self._item(p) for p in detection.detection_items]
        return _join(_operator(detection.item_linking), parts)

    def _item(self, item: SigmaDetectionItem) -> Node:
        """One `field|modifiers: values` line. A list is one predicate with a test a value, unless `all` asks for every one."""
        if item.field is None and not item.value:
            raise RuleError("a keyword list is empty")
        each: list[Node] = [self._predicate(item, [value]) for value in item.value] if item.value_linking is ConditionAND else []
        node = _join(And, each) if each else self._predicate(item, item.value)
        return Not(node) if item.negated else node

    def _predicate(self, item: SigmaDetectionItem, values: list[SigmaType]) -> int:
        made: list[Test] = tests(item, values, self._placeholders)
        return self._predicates.number(Predicate(item.field or "", tuple(dict.fromkeys(made))))


def _operator(linking: type | None) -> Callable[[tuple[Node, ...]], Node]:
    return Or if linking is ConditionOR else And


def _join(operator: Callable[[tuple[Node, ...]], Node], args: list[Node]) -> Node:
    """And/Or of the arguments; one argument needs neither, nested operators of one kind become one."""
    flat: list[Node] = []
    for arg in args:
        flat.extend(arg.args if isinstance(arg, And | Or) and type(arg) is operator else (arg,))
    unique = tuple(dict.fromkeys(flat))
    return unique[0] if len(unique) == 1 else operator(unique)


def _selected(pattern: str, name: str) -> bool:
    """Whether `1 of pattern` means the detection `name`: `them` is all but those that start with "_", `*` any run of characters."""
    if name.startswith("_") and not pattern.startswith("_"):
        return False
    if pattern == "them":
        return True
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    last, at = rest.pop(), len(first)
    for part in rest:  # leftmost match of each part is enough, so no backtracking
        found = name.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return name.startswith(first) and name.endswith(last) and len(name) - len(last) >= at


def _shown(node: Node, predicates: tuple[Predicate, ...]) -> tuple[str, ...]:
    """Fields in positive position."""
    if isinstance(node, Not):
        return _hidden(node.arg, predicates)
    if isinstance(node, int):
        return (predicates[node].field,)
    return tuple(dict.fromkeys(field for arg in node.args for field in _shown(arg, predicates)))


def _hidden(node: Node, predicates: tuple[Predicate, ...]) -> tuple[str, ...]:
    """Fields in positive position of a negated condition: those under a second `not`."""
    if isinstance(node, Not):
        return _shown(node.arg, predicates)
    if isinstance(node, int):
        return ()
    return tuple(dict.fromkeys(field for arg in node.args for field in _hidden(arg, predicates)))


def fields(program_: Program, predicates: tuple[Predicate, ...]) -> tuple[str, ...]:
    """All fields a program reads, those it compares with included."""
    names: dict[str, None] = {}
    for number in atoms(program_.node):
        predicate = predicates[number]
        names[predicate.field] = None
        names.update((test.value, None) for test in predicate.tests if test.kind == "ref")
    return tuple(names)
