"""pySigma's values to tests: which comparison each value with its modifiers means."""

from __future__ import annotations

from collections.abc import Mapping

import re2
from sigma.rule.detection import SigmaDetectionItem
from sigma.types import (
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaStringPartType,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from nonself.core.errors import RuleError
from nonself.detect.sigma.required import longest, required
from nonself.detect.sigma.tree import Kind, Test
from nonself.detect.sigma.values import fold, scalar

_COMPARE: dict[str, Kind] = {"LT": "lt", "LTE": "lte", "GT": "gt", "GTE": "gte"}
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


Placeholders = Mapping[str, tuple[str, ...]]
"""What `%name%` stands for in a value with the modifier `expand`: Sigma strings, any of which will do."""

MAX_EXPANDED = 10_000
"""Values that the placeholders of one value may make."""


def tests(item: SigmaDetectionItem, values: list[SigmaType], placeholders: Placeholders) -> list[Test]:
    """The tests, any of which makes an item true; an item without a value asks for "no value". Raises RuleError."""
    if not values:
        return [Test("null")]
    made = [test for value in values for test in _tests(value, placeholders)]
    return [_unanchored(test) for test in made] if item.field is None else made


def _tests(value: SigmaType, placeholders: Placeholders) -> list[Test]:
    if isinstance(value, SigmaExpansion):
        return [test for part in value.values for test in _tests(part, placeholders)]
    if isinstance(value, SigmaString):
        cased = isinstance(value, SigmaCasedString)
        return [_string(parts, cased) for parts in _expanded(list(value.s), placeholders)]
    if isinstance(value, SigmaRegularExpression):
        return [_regex(value, placeholders)]
    if isinstance(value, SigmaNull):
        return [Test("null")]
    return [_special(value)]


def _special(value: SigmaType) -> Test:
    if isinstance(value, SigmaTimestampPart):
        return Test("is", str(value.number), part=value.timestamp_part.name.lower())
    if isinstance(value, SigmaNumber):
        return Test("eq", scalar(value.number) or "")
    if isinstance(value, SigmaBool):
        return Test("eq", "true" if value.boolean else "false")
    if isinstance(value, SigmaExists):
        return Test("exists", "true" if value.exists else "false")
    if isinstance(value, SigmaCIDRExpression):
        return Test("cidr", str(value.network))
    if isinstance(value, SigmaCompareExpression) and value.op.name in _COMPARE:
        part = value.number.timestamp_part.name.lower() if isinstance(value.number, SigmaTimestampPart) else ""
        return Test(_COMPARE[value.op.name], str(value.number.number), part=part)
    if isinstance(value, SigmaFieldReference):
        part = {(False, False): "eq", (True, False): "prefix", (False, True): "suffix"}.get(
            (value.starts_with, value.ends_with), "contains"
        )
        return Test("ref", value.field, part=part)
    raise RuleError(f"values of kind {type(value).__name__} are not evaluated")


def _expanded(parts: list[SigmaStringPartType], placeholders: Placeholders) -> list[list[str | SpecialChars]]:
    """A string's parts with each placeholder replaced by each of its values in turn."""
    made: list[list[str | SpecialChars]] = [[]]
    for part in parts:
        if isinstance(part, Placeholder):
            ways = [[p for p in SigmaString(text).s if not isinstance(p, Placeholder)] for text in _meaning(part.name, placeholders)]
        else:
            ways = [[part]]
        if len(made) * len(ways) > MAX_EXPANDED:
            raise RuleError(expected=f"placeholders that make at most {MAX_EXPANDED} values of one", got="more")
        made = [[*head, *tail] for head in made for tail in ways]
    return [_merged(alternative) for alternative in made]


def _merged(parts: list[str | SpecialChars]) -> list[str | SpecialChars]:
    """Neighbouring texts as one."""
    merged: list[str | SpecialChars] = []
    for part in parts:
        if merged and isinstance(part, str) and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def _meaning(name: str, placeholders: Placeholders) -> tuple[str, ...]:
    if name not in placeholders:
        raise RuleError(
            f"placeholder %{name}% has no value (modifier expand)", do="give its values in a file placeholders.toml beside the rules"
        )
    return placeholders[name]


def _string(whole: list[str | SpecialChars], cased: bool) -> Test:
    """A string with wildcards: literal tests where `*` stands only at the ends, else a pattern."""
    parts = [part if cased or not isinstance(part, str) else fold(part) for part in whole]
    star = SpecialChars.WILDCARD_MULTI
    start, end = parts[:1] == [star], parts[-1:] == [star]
    inner = parts[start : len(parts) - end]
    if all(p is star for p in inner) and (start or inner):
        return Test("any")
    if all(isinstance(p, str) for p in inner):
        literal = "".join(str(p) for p in inner)
        kind: Kind = "contains" if start and end else "suffix" if start else "prefix" if end else "eq"
        return Test(kind, literal, cased, fold(literal))
    pattern = "".join(re2.escape(p) if isinstance(p, str) else ".*" if p is star else "." for p in parts)
    need = longest(p for p in parts if isinstance(p, str))
    return Test("glob", _valid(f"(?s)^{pattern}$"), cased, need)


def _regex(value: SigmaRegularExpression, placeholders: Placeholders) -> Test:
    """A regular expression; a placeholder in it stands for its values as plain text."""
    flags = "".join(sorted(SigmaRegularExpression.sigma_to_re_flag[flag] for flag in value.flags))
    pattern = str(value.regexp)
    if value.contains_placeholder():
        pieces = (
            "(?:" + "|".join(map(re2.escape, _meaning(part.name, placeholders))) + ")" if isinstance(part, Placeholder)
            else part if isinstance(part, str) else {SpecialChars.WILDCARD_MULTI: "*", SpecialChars.WILDCARD_SINGLE: "?"}[part]
            for part in value.regexp.s
        )  # fmt: skip
        pattern = "".join(pieces)
    need = required(pattern, ignore_case="i" in flags or "(?" in pattern)
    return Test("re", _valid((f"(?{flags})" if flags else "") + pattern), need=need)


def _valid(pattern: str) -> str:
    try:
        re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if error.args and isinstance(error.args[0], bytes) else str(error)
        raise RuleError(f"RE2 does not accept the regular expression {pattern[:120]!r}: {reason}") from None
    return pattern


def _unanchored(test: Test) -> Test:
    """Keywords are found anywhere in the text."""
    if test.kind in ("eq", "prefix", "suffix", "contains") and test.value:
        return Test("contains", test.value, test.cased, fold(test.value))
    if test.kind == "glob":
        return Test("glob", test.value.replace("(?s)^", "(?s)", 1).removesuffix("$"), test.cased, test.need)
    if test.kind in ("re", "any"):
        return test
    raise RuleError("a keyword without field must be text")
