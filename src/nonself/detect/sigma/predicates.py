"""Predicates over the distinct values of a field: one Aho-Corasick pass finds all literals of all rules in a text."""

from __future__ import annotations

import functools
import ipaddress
import operator
from collections.abc import Callable, Sequence

import re2
from ahocorasick_rs import AhoCorasick, Implementation

from nonself.detect.sigma.tree import Predicate, Test
from nonself.detect.sigma.values import fold, number, time_part

LITERAL = frozenset({"eq", "prefix", "suffix", "contains"})
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "is": operator.eq, "lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge,
}  # fmt: skip


@functools.cache
def _regex(pattern: str) -> Callable[[str], object]:
    search: Callable[[str], object] = re2.compile(pattern, _OPTIONS).search
    return search


@functools.cache
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text)


@functools.lru_cache(maxsize=1 << 14)
def _addresses(text: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]:
    """The address a text writes; Windows writes IPv4 as ::ffff:10.0.0.1 too, which is then both."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ()
    mapped = address.ipv4_mapped if address.version == 6 else None
    return (address, mapped) if mapped else (address,)


def holds(test: Test, text: str, folded: str) -> bool:
    """Whether a test holds for one text (`folded` is `fold(text)`); "ref" and the absence of a value are not decided here."""
    subject = text if test.cased else folded
    match test.kind:
        case "eq":
            return subject == test.value
        case "contains":
            return test.value in subject
        case "suffix":
            return subject.endswith(test.value)
        case "prefix":
            return subject.startswith(test.value)
        case "glob":
            return test.need in folded and _regex(test.value)(subject) is not None
        case "re":
            return test.need in folded and _regex(test.value)(text) is not None
        case "cidr":
            return any(address in _network(test.value) for address in _addresses(text))
        case "is" | "lt" | "lte" | "gt" | "gte":
            left, right = time_part(text, test.part) if test.part else number(text), number(test.value)
            return left is not None and right is not None and _COMPARE[test.kind](left, right)
        case _:
            return test.kind == "any" or (test.kind == "exists" and test.value == "true")


def scannable(predicate: Predicate) -> bool:
    """Whether every test is an exact value or needs a literal, so that `Matcher` finds all texts it holds for."""
    return all(test.need or (test.kind == "eq" and not test.cased) for test in predicate.tests)


class Matcher:
    """Scannable predicates of one field. `scan` gives, for each predicate, the texts it holds for."""

    def __init__(self, predicates: Sequence[Predicate]) -> None:
        self._exact: dict[str, list[int]] = {}
        targets: dict[str, tuple[list[int], list[int], list[int], list[tuple[int, Test]]]] = {}
        for name, predicate in enumerate(predicates):
            for test in predicate.tests:
                if test.kind == "eq" and not test.cased:
                    self._exact.setdefault(test.value, []).append(name)
                    continue
                anywhere, first, last, checked = targets.setdefault(test.need, ([], [], [], []))
                if test.cased or test.kind not in LITERAL:
                    checked.append((name, test))
                else:
                    {"contains": anywhere, "prefix": first, "suffix": last}[test.kind].append(name)
        self._targets = list(targets.values())
        self._find = _automaton(list(targets))

    def scan(self, texts: Sequence[str]) -> dict[int, list[int]]:
        """Positions of the predicates that hold somewhere -> positions in `texts` (perhaps repeated)."""
        found: dict[int, list[int]] = {}
        for at, text in enumerate(texts):
            folded = fold(text)
            for name in self._exact.get(folded, ()):
                found.setdefault(name, []).append(at)
            for name in self._literals(text, folded):
                found.setdefault(name, []).append(at)
        return found

    def _literals(self, text: str, folded: str) -> list[int]:
        if self._find is None or not (matches := self._find(folded, True)):
            return []
        names: list[int] = []
        end = len(folded)
        met: set[int] = set()
        for pattern, start, stop in matches:
            anywhere, first, last, checked = self._targets[pattern]
            if start == 0:
                names += first
            if stop == end:
                names += last
            if pattern not in met:
                met.add(pattern)
                names += anywhere
                names += [name for name, test in checked if holds(test, text, folded)]
        return names


def _automaton(literals: list[str]) -> Callable[[str, bool], list[tuple[int, int, int]]] | None:
    """A deterministic one would take seven times as long to build and 240 bytes a character, not 50; most of the work is around it, so
    scanning would hardly be faster."""
    if not literals:
        return None
    automaton = AhoCorasick(literals, store_patterns=False, implementation=Implementation.ContiguousNFA)
    find: Callable[[str, bool], list[tuple[int, int, int]]] = automaton.find_matches_as_indexes
    return find
