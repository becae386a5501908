"""Correlation documents to drafts: everything a document says by itself, before its references are resolved.

Read here and not by pySigma, which drops the fraction of a threshold and knows no ranges. Eight types, and for the temporal ones also
the condition in words (`rule_a and not rule_b`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from nonself.core.errors import RuleError
from nonself.detect.sigma.tree import And, Node, Not, Or, Rule, atoms
from nonself.detect.sigma.values import number

COUNTS = ("event_count", "value_count", "temporal", "temporal_ordered")
NUMERIC = ("value_sum", "value_avg", "value_percentile", "value_median")
TEMPORAL = ("temporal", "temporal_ordered")
OPERATORS = ("gt", "gte", "lt", "lte", "eq", "neq")
MAX_RULES = 32
MAX_FIELDS = 16
MAX_TIMESPAN = 31 * 86_400
"""Seconds. All inputs of a window's length before a batch are read again when the batch is concluded."""
MAX_EXPRESSION = 4_096
MAX_BRACKETS = 32
_TIMESPAN = re.compile(r"([0-9]{1,9})([smhdwMy])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "M": 2_629_746, "y": 31_556_952}
_KEYS = ("type", "rules", "group-by", "timespan", "aliases", "condition", "generate")
_WORDS = ("and", "or", "not")


@dataclass(frozen=True)
class Draft:
    """A correlation whose references are still text; the rest is as in `tree.Correlation`."""

    rule: Rule
    line: int
    name: str
    kind: str
    refs: tuple[str, ...]
    timespan: int
    tests: tuple[tuple[str, float], ...]
    expression: Node | None
    percentile: float
    group_by: tuple[str, ...]
    field: tuple[str, ...]
    aliases: dict[str, dict[str, str]]
    generate: bool


def draft(document: dict[object, object], rule: Rule, line: int) -> Draft:
    """The draft of a correlation document. Raises RuleError with the reason where it can't be evaluated exactly."""
    section = document["correlation"]
    if not isinstance(section, dict):
        raise RuleError(expected="a correlation that is a mapping", got=type(section).__name__)
    if unknown := [str(key)[:40] for key in section if key not in _KEYS]:
        raise RuleError(expected=f"a correlation of {', '.join(_KEYS)}", got=", ".join(unknown))
    kind = section.get("type")
    if kind not in COUNTS + NUMERIC:
        raise RuleError(expected=f"a correlation type, one of {', '.join(COUNTS + NUMERIC)}", got=repr(kind)[:80])
    generate = section.get("generate", False)
    if not isinstance(generate, bool):
        raise RuleError(expected="generate to be true or false", got=repr(generate)[:80])
    refs = _texts(section.get("rules"), "rules", MAX_RULES)
    refs, tests, expression = _condition(str(kind), refs, section.get("condition"))
    field, percentile = _field(str(kind), section.get("condition"))
    name = document.get("name")
    return Draft(
        rule, line, name if isinstance(name, str) else "", str(kind), refs, _timespan(section.get("timespan")), tests, expression,
        percentile, _texts(section.get("group-by"), "group-by", MAX_FIELDS), field, _aliases(section.get("aliases")), generate,
    )  # fmt: skip


def _texts(value: object, what: str, most: int) -> tuple[str, ...]:
    """A text or a list of texts, each once."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(item, str) and item for item in values):
        raise RuleError(expected=f"{what} to be a text or a list of texts", got=repr(value)[:80])
    if len(set(values)) != len(values) or len(values) > most:
        raise RuleError(expected=f"at most {most} {what}, each once", got=f"{len(values)}, {len(set(values))} of them different")
    return tuple(values)


def _timespan(value: object) -> int:
    """Microseconds."""
    found = _TIMESPAN.fullmatch(value) if isinstance(value, str) else None
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 0 < seconds <= MAX_TIMESPAN:
        raise RuleError(expected=f"a timespan such as 90s, 5m, 1h or 7d, of at most {MAX_TIMESPAN // 86_400} days", got=repr(value)[:80])
    return seconds * 1_000_000


def _aliases(value: object) -> dict[str, dict[str, str]]:
    if value is None:
        return {}
    flat = isinstance(value, dict) and all(isinstance(rules, dict) for rules in value.values())
    texts = [text for name, rules in value.items() for text in (name, *rules, *rules.values())] if isinstance(value, dict) and flat else [0]
    if not isinstance(value, dict) or not all(isinstance(text, str) and text for text in texts):
        raise RuleError(expected="aliases that map a name to rules and their fields", got=repr(value)[:80])
    return value


def _condition(kind: str, refs: tuple[str, ...], condition: object) -> tuple[tuple[str, ...], tuple[tuple[str, float], ...], Node | None]:
    """The rules named, the comparisons, and the condition in words where there is one."""
    if isinstance(condition, str) and kind in TEMPORAL:
        return _worded(kind, refs, condition)
    if not refs:
        raise RuleError("the correlation names no rules")
    if condition is None and kind in TEMPORAL:
        return refs, (("gte", float(len(refs))),), None
    if not isinstance(condition, dict):
        raise RuleError(expected="a condition such as `gte: 10`", got="none" if condition is None else repr(condition)[:80])
    if unknown := [str(key)[:40] for key in condition if key not in (*OPERATORS, "field", "percentile")]:
        raise RuleError(expected=f"a condition of {', '.join(OPERATORS)}, field and percentile", got=", ".join(unknown))
    tests = tuple((name, _number(condition[name], name)) for name in OPERATORS if name in condition)
    if not tests:
        raise RuleError(expected=f"a condition with one of {', '.join(OPERATORS)}", got=", ".join(map(str, condition)) or "none")
    return refs, tests, None


def _number(value: object, what: str) -> float:
    read = number(value) if isinstance(value, str) else value
    if isinstance(read, bool) or not isinstance(read, int | float) or abs(read) > 1e300 or not math.isfinite(read):
        raise RuleError(expected=f"{what} to be a number", got=repr(value)[:80])
    return float(read)


def _field(kind: str, condition: object) -> tuple[tuple[str, ...], float]:
    """The fields whose values count, and the percentile asked for."""
    given = condition if isinstance(condition, dict) else {}
    field = _texts(given.get("field"), "field", MAX_FIELDS)
    if kind in ("value_count", *NUMERIC) and (not field or (len(field) > 1 and kind != "value_count")):
        raise RuleError(
            expected=f"a {kind} with {'a field' if kind == 'value_count' else 'one field'} in its condition", got=str(len(field))
        )
    if field and kind not in ("value_count", *NUMERIC):
        raise RuleError(f"a {kind} takes no field in its condition")
    if (kind == "value_percentile") != ("percentile" in given):
        raise RuleError("value_percentile, and no other type, takes a percentile in its condition")
    percentile = _number(given["percentile"], "percentile") if "percentile" in given else 50.0
    if not 0 <= percentile <= 100:
        raise RuleError(expected="a percentile from 0 to 100", got=f"{percentile:g}")
    return field, percentile


def _worded(kind: str, refs: tuple[str, ...], text: str) -> tuple[tuple[str, ...], tuple[tuple[str, float], ...], Node | None]:
    """A condition over rule names. Where `rules` are given too they must be the same ones, and theirs is the order."""
    expression = _Expression(text, refs)
    node = expression.whole()
    named = tuple(expression.refs)
    if refs and {named[at] for at in set(atoms(node))} != set(refs):
        raise RuleError("the condition and the list of rules name different rules")
    if kind == "temporal_ordered":
        if isinstance(node, Not | Or) or (isinstance(node, And) and not all(isinstance(arg, int) for arg in node.args)):
            raise RuleError("an order needs all of its rules: only `and` joins them in a temporal_ordered condition")
        return named, (("gte", float(len(named))),), None
    return named, (), node


class _Expression:
    """Reads `a and (b or not c)`: `not` binds closest, then `and`, then `or`. Rules become positions in `refs`."""

    def __init__(self, text: str, refs: tuple[str, ...]) -> None:
        if len(text) > MAX_EXPRESSION or text.count("(") > MAX_BRACKETS:
            raise RuleError(expected=f"a condition of at most {MAX_EXPRESSION} characters and {MAX_BRACKETS} brackets", got="more")
        self.refs = list(refs)
        self._words = text.replace("(", " ( ").replace(")", " ) ").split()[::-1]

    def whole(self) -> Node:
        node = self._either()
        if self._words:
            raise RuleError(f"the condition can't be read from {self._words[-1][:40]!r} on")
        if len(self.refs) > MAX_RULES:
            raise RuleError(expected=f"at most {MAX_RULES} rules", got=str(len(self.refs)))
        return node

    def _took(self, word: str) -> bool:
        if self._words and self._words[-1].lower() == word:
            self._words.pop()
            return True
        return False

    def _either(self) -> Node:
        args = [self._both()]
        while self._took("or"):
            args.append(self._both())
        return args[0] if len(args) == 1 else Or(tuple(args))

    def _both(self) -> Node:
        args = [self._one()]
        while self._took("and"):
            args.append(self._one())
        return args[0] if len(args) == 1 else And(tuple(args))

    def _one(self) -> Node:
        negated = False
        while self._took("not"):
            negated = not negated
        if self._took("("):
            node = self._either()
            if not self._took(")"):
                raise RuleError("the condition lacks a closing bracket")
        elif not self._words or self._words[-1].lower() in (*_WORDS, ")"):
            raise RuleError("the condition lacks the name of a rule")
        else:
            name = self._words.pop()
            if name not in self.refs:
                self.refs.append(name)
            node = self.refs.index(name)
        return Not(node) if negated else node
