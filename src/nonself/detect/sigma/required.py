"""The longest literal without which a regular expression can't match, so that the literal search decides whether to run it at all."""

from __future__ import annotations

from collections.abc import Iterable

from nonself.detect.sigma.values import fold

SHORTEST = 3
"""A shorter literal stands in nearly every text: looking for it costs more than it spares."""
_OPTIONAL = "*?{"


def required(pattern: str, *, ignore_case: bool) -> str:
    """A folded literal that every match holds, "" where none is plain to see.

    Only what stands outside brackets is looked at, and nothing where there is an alternative. Under `ignore_case` letters end a literal
    that have case partners `fold` does not bring together (s and the long s, for one).
    """
    runs: list[str] = [""]
    at = 0
    while at < len(pattern):
        stop, literal = _next(pattern, at)
        if pattern[at] == "|" or stop < 0:
            return ""
        if ignore_case and (not literal.isascii() or literal in "sSkK"):
            literal = ""
        follower = pattern[stop : stop + 1]
        if not literal or (follower and follower in _OPTIONAL):
            runs.append("")
        else:
            runs[-1] += literal
            if follower == "+":
                runs.append("")
        at = stop
    return longest(runs)


def longest(literals: Iterable[str]) -> str:
    """The longest of some literals, folded; "" where that is too short to be looked for."""
    literal = max(map(fold, literals), key=len, default="")
    return literal if len(literal) >= SHORTEST else ""


def _next(pattern: str, at: int) -> tuple[int, str]:
    """Where the item at `at` ends (-1 where that takes more than this to tell), and the one character it stands for, "" if none."""
    char = pattern[at]
    if char == "\\":
        escaped = pattern[at + 1 : at + 2]
        if escaped.isalnum():  # a class, or the start of something longer: \x41, \pL, \Q...\E
            return (at + 2 if escaped in "sSdDwWbBntrfvaAz" else -1), ""
        return at + 2, escaped
    if char == "[":
        return _after_class(pattern, at), ""
    if char == "(":
        return _after_group(pattern, at), ""
    if char == "{":
        return pattern.find("}", at) + 1 or len(pattern), ""
    return at + 1, "" if char in ".^$*+?)|" else char


def _after_class(pattern: str, at: int) -> int:
    """The position after a [class]; a "]" that comes first is a member."""
    at += 1
    if pattern[at : at + 1] == "^":
        at += 1
    if pattern[at : at + 1] == "]":
        at += 1
    while at < len(pattern) and pattern[at] != "]":
        at = (
            pattern.find(":]", at + 2) + 2 if pattern.startswith("[:", at) and ":]" in pattern[at + 2 :] else at + 1 + (pattern[at] == "\\")
        )
    return at + 1


def _after_group(pattern: str, at: int) -> int:
    depth = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "[":
            at = _after_class(pattern, at)
            continue
        depth += (char == "(") - (char == ")")
        at += 2 if char == "\\" else 1
        if depth == 0:
            break
    return at
