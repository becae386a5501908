"""STIX 2.1 patterns: comparisons for equality, joined by AND and OR. Anything else is refused, not guessed at.

A pattern becomes alternatives, each a set of comparisons that must all hold of one event.
"""

from __future__ import annotations

import re
from itertools import product

Comparison = tuple[str, str]
"""Object path as written, and the text it must equal."""
Alternatives = list[tuple[Comparison, ...]]
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<word>AND|OR|IN|NOT|FOLLOWEDBY|LIKE|MATCHES|ISSUBSET|ISSUPERSET|EXISTS|WITHIN|REPEATS|START|STOP)\b"
    r"|(?P<path>[A-Za-z0-9-]+:[A-Za-z0-9_][A-Za-z0-9_.\-]*(?:'[A-Za-z0-9_.\-]+')?(?:\.[A-Za-z0-9_\-]+)*)|(?P<sign>!=|[\[\]()=,]))"
)
_MOST = 256
"""Alternatives of one pattern: AND of ORs multiplies."""
_DEEP = 16
_LONGEST = 65_536


class PatternError(ValueError):
    """A pattern that is more than this can read."""


def alternatives(pattern: str) -> Alternatives:
    """The alternatives of a pattern. PatternError for operators other than =, IN, AND, OR, for AND between observations and bad syntax."""
    parser = _Parser(_tokens(pattern))
    found = parser.observations()
    if parser.at < len(parser.tokens):
        raise PatternError("something after the pattern")
    return found


def _tokens(pattern: str) -> list[tuple[str, str]]:
    if len(pattern) > _LONGEST:
        raise PatternError("too long")
    found, at, end = [], 0, len(pattern.rstrip())
    while at < end:
        token = _TOKEN.match(pattern, at)
        if token is None or token.lastgroup is None:
            raise PatternError("a sign that has no place here")
        found.append((token.lastgroup, token[token.lastgroup]))
        at = token.end()
    return found


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens, self.at = tokens, 0

    def observations(self, depth: int = 0) -> Alternatives:
        """Observations joined by OR."""
        found = self._observation(depth)
        while self._took("OR"):
            found = _few([*found, *self._observation(depth)])
        return found

    def _observation(self, depth: int) -> Alternatives:
        if self._took("("):
            found = self.observations(_deeper(depth))
            self._need(")")
            return found
        self._need("[")
        found = self._either(depth)
        self._need("]")
        return found

    def _either(self, depth: int) -> Alternatives:
        found = self._all(depth)
        while self._took("OR"):
            found = _few([*found, *self._all(depth)])
        return found

    def _all(self, depth: int) -> Alternatives:
        found = self._one(depth)
        while self._took("AND"):
            other = self._one(depth)
            if len(found) * len(other) > _MOST:
                raise PatternError("too many alternatives")
            found = [tuple(dict.fromkeys((*left, *right))) for left, right in product(found, other)]
        return found

    def _one(self, depth: int) -> Alternatives:
        if self._took("("):
            found = self._either(_deeper(depth))
            self._need(")")
            return found
        path = self._of("path")
        if self._took("IN"):
            self._need("(")
            values = [self._value()]
            while self._took(","):
                values.append(self._value())
            self._need(")")
            return _few([((path, value),) for value in values])
        self._need("=")
        return [((path, self._value()),)]

    def _value(self) -> str:
        return re.sub(r"\\(.)", r"\1", self._of("text")[1:-1])

    def _took(self, sign: str) -> bool:
        taken = self.at < len(self.tokens) and self.tokens[self.at][1] == sign and self.tokens[self.at][0] != "text"
        self.at += taken
        return taken

    def _need(self, sign: str) -> None:
        if not self._took(sign):
            raise PatternError(f"expected {sign}")

    def _of(self, kind: str) -> str:
        if self.at >= len(self.tokens) or self.tokens[self.at][0] != kind:
            raise PatternError(f"expected a {kind}")
        self.at += 1
        return self.tokens[self.at - 1][1]


def _few(found: Alternatives) -> Alternatives:
    if len(found) > _MOST:
        raise PatternError("too many alternatives")
    return found


def _deeper(depth: int) -> int:
    if depth >= _DEEP:
        raise PatternError("nested too deep")
    return depth + 1
