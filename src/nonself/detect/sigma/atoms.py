"""pySigma's values to tests: which comparison each value with its modifiers means."""

from __future__ import annotations

import re2
from sigma.modifiers import SigmaBase64Modifier, SigmaBase64OffsetModifier, SigmaUTF16Modifier
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


def tests(item: SigmaDetectionItem, values: list[SigmaType]) -> list[Test]:
    """The tests, any of which makes an item true; an item without a value asks for "no value". Raises RuleError."""
    _exact_encoding(item)
    if not values:
        return [Test("null")]
    made = [test for value in values for test in _tests(value)]
    return [_unanchored(test) for test in made] if item.field is None else made


def _exact_encoding(item: SigmaDetectionItem) -> None:
    """pySigma encodes a literal `*` with its escape, counts characters where base64 counts bytes, and writes UTF-16's mark as UTF-8."""
    encoders = {SigmaBase64Modifier, SigmaBase64OffsetModifier} & set(item.modifiers)
    if not encoders:
        return
    for value in item.original_value or ():
        text = "".join(part for part in value.s if isinstance(part, str)) if isinstance(value, SigmaString) else ""
        if not text.isascii() or "*" in text or "?" in text or SigmaUTF16Modifier in item.modifiers:
            raise RuleError(f"the parser does not encode {text[:60]!r} to base64 exactly (wildcard character, non-ASCII or utf16)")


def _tests(value: SigmaType) -> list[Test]:
    if isinstance(value, SigmaExpansion):
        return [test for part in value.values for test in _tests(part)]
    if isinstance(value, SigmaString):
        return [_string(value)]
    if isinstance(value, SigmaTimestampPart):
        raise RuleError("time modifiers (minute, hour, day...) are not evaluated")
    if isinstance(value, SigmaNumber):
        return [Test("eq", scalar(value.number) or "")]
    if isinstance(value, SigmaBool):
        return [Test("eq", "true" if value.boolean else "false")]
    if isinstance(value, SigmaNull):
        return [Test("null")]
    if isinstance(value, SigmaExists):
        return [Test("exists", "true" if value.exists else "false")]
    return [_special(value)]


def _special(value: SigmaType) -> Test:
    if isinstance(value, SigmaRegularExpression):
        return _regex(value)
    if isinstance(value, SigmaCIDRExpression):
        return Test("cidr", str(value.network))
    if isinstance(value, SigmaCompareExpression) and value.op.name in _COMPARE:
        return Test(_COMPARE[value.op.name], str(value.number.number))
    if isinstance(value, SigmaFieldReference):
        part = {(False, False): "eq", (True, False): "prefix", (False, True): "suffix"}.get(
            (value.starts_with, value.ends_with), "contains"
        )
        return Test("ref", value.field, part=part)
    raise RuleError(f"values of kind {type(value).__name__} are not evaluated")


def _string(value: SigmaString) -> Test:
    """A string with wildcards: literal tests where `*` stands only at the ends, else a pattern."""
    for part in value.s:
        if isinstance(part, Placeholder):
            raise RuleError(f"placeholder %{part.name}% has no value here (modifier expand)")
    cased = isinstance(value, SigmaCasedString)
    parts: list[str | SpecialChars] = [p if cased or not isinstance(p, str) else fold(p) for p in value.s if not isinstance(p, Placeholder)]
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


def _regex(value: SigmaRegularExpression) -> Test:
    if value.contains_placeholder():
        raise RuleError("a placeholder in a regular expression has no value here (modifier expand)")
    flags = "".join(sorted(SigmaRegularExpression.sigma_to_re_flag[flag] for flag in value.flags))
    pattern = str(value.regexp)
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
