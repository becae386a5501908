"""Partial evaluation: what is left of the rules for rows that agree in source, channel, operation and provider."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from weakref import WeakValueDictionary

from nonself.detect.sigma.logsource import KEYS, Place, Stream, known_values, streams
from nonself.detect.sigma.native import Extractor
from nonself.detect.sigma.predicates import Matcher, holds, scannable
from nonself.detect.sigma.tree import And, Compiled, LogSource, Node, Not, Or, Predicate, Test
from nonself.detect.sigma.values import fold

Name = int | Predicate
"""A predicate of one plan: its number in the compiled set, or itself where it has been adapted to a log."""
Key = tuple[str | None, ...]
"""Folded values of the columns `KEYS`; None is null, OTHER any value that no rule or log source names."""
OTHER = "\0other"
FULL_TEXT: Place = ("",)
REF_SEPARATOR = "\0"
MAX_PLANS = 1_024
"""Plans kept: whoever writes log records chooses channel and provider names, so their number is not ours to trust."""

MAX_GATE = 2_048
"""Literals searched for as one alternation: building it takes more than it spares where there are very many."""

_KEY_PLACES: dict[Place, int] = {(f"@{column}",): i for i, column in enumerate(KEYS)}
LONG = frozenset({"", "CallTrace", "ContextInfo", "Data", "Hashes", "Message", "Payload", "ScriptBlockText"})
"""Fields that hold pages of text: a rule is woken by another of its fields where it has one."""
_LOCAL = frozenset({"ref", "null"})
"""Kinds of tests that mean something else in each log."""
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyz0123456789 ._-:")
"""Characters that JSON and XML write as themselves."""


@dataclass
class Plan:
    """The rules that rows of one key may match.

    rules, logs, nodes  the rules' numbers, the log each was found in, and what is left of its condition; parallel
    predicates, places  what the numbers in `nodes` mean, and where each predicate's field is; parallel
    identities          for each predicate, what is the same in all plans that have it; parallel
    wakes               predicate -> positions in `rules` of those that can be true only where it, or another that wakes them, is true
    always              positions of the rules that nothing wakes
    shared              matchers by the identities of their predicates: many plans search one field for the same
    """

    squeeze: bool = False
    rules: list[int] = field(default_factory=list)
    logs: list[Stream] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    predicates: list[Predicate] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    identities: list[Name] = field(default_factory=list)
    wakes: dict[int, list[int]] = field(default_factory=dict)
    always: list[int] = field(default_factory=list)
    shared: MutableMapping[tuple[Name, ...], Matcher] = field(default_factory=dict)
    _matchers: dict[Place, tuple[list[int], Matcher]] = field(default_factory=dict)
    _extractors: dict[bool, Extractor] = field(default_factory=dict)

    @cached_property
    def waking(self) -> list[Place]:
        """The fields that must be looked at in every row."""
        return list(dict.fromkeys(self.places[number] for number in self.wakes))

    @cached_property
    def scanned(self) -> list[bool]:
        """For each predicate, whether its field's `Matcher` decides it."""
        return [scannable(predicate) for predicate in self.predicates]

    @cached_property
    def gate(self) -> tuple[str, ...] | None:
        """Literals one of which stands in the record of every row that a keyword can match; None where there are no such literals."""
        tests = [test for place, p in zip(self.places, self.predicates, strict=True) if place == FULL_TEXT for test in p.tests]
        literals = tuple(dict.fromkeys(_plain(test.need) for test in tests))
        return literals if 0 < len(literals) <= MAX_GATE and min(map(len, literals)) > 2 else None

    @cached_property
    def names(self) -> list[str]:
        """Native fields the rules ask for."""
        return [name for name in self._asked if not name.startswith("@")]

    @cached_property
    def columns(self) -> list[str]:
        """Columns of the event schema the rules ask for, those with native fields included; `source` always, to count the rows by."""
        full = FULL_TEXT in self.places
        read = [name[1:] for name in self._asked if name.startswith("@") and name != "@source"]
        return ["source", *read, *(["ext"] if full or self.names else []), *(["raw"] if full else [])]

    @cached_property
    def _asked(self) -> list[str]:
        compared = (test.value.split(REF_SEPARATOR) for p in self.predicates for test in p.tests if test.kind == "ref")
        return list(dict.fromkeys(name for place in (*dict.fromkeys(self.places), *compared) for name in place if name))

    @cached_property
    def waking_names(self) -> list[str]:
        """Native fields among `waking`."""
        return list(dict.fromkeys(name for place in self.waking for name in place if name and not name.startswith("@")))

    def reads(self, place: Place) -> bool:
        """Whether some rule's outcome for these rows may depend on the field, or the key says its value."""
        return place in self.places or place in _KEY_PLACES

    def extractor(self, whole: bool) -> Extractor:
        """Reads all of `names`, or `waking_names` only."""
        if whole not in self._extractors:
            self._extractors[whole] = Extractor(self.names if whole else self.waking_names, squeeze=self.squeeze)
        return self._extractors[whole]

    def matcher(self, place: Place) -> tuple[list[int], Matcher]:
        """The numbers of all scannable predicates of a field, and their matcher, which knows them by position."""
        if place not in self._matchers:
            chosen = [i for i, at in enumerate(self.places) if at == place and self.scanned[i]]
            identity = tuple(self.identities[i] for i in chosen)
            matcher = self.shared.get(identity) or Matcher([self.predicates[i] for i in chosen])
            self.shared[identity] = matcher
            self._matchers[place] = chosen, matcher
        return self._matchers[place]


class Planner:
    """Plans for keys, each made when its key is first met."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._by_log: dict[LogSource, list[int]] = {}
        for number, rule in enumerate(compiled.rules):
            self._by_log.setdefault(rule.logsource, []).append(number)
        self._known = [set(values) for values in known_values()]
        self._learn([stream for log in self._by_log for stream in streams()[log]])
        self._plans: dict[Key, Plan] = {}
        self._matchers: WeakValueDictionary[tuple[Name, ...], Matcher] = WeakValueDictionary()

    @cached_property
    def _local(self) -> frozenset[int]:
        """Numbers of the predicates that must be adapted to a log."""
        predicates = enumerate(self._compiled.predicates)
        return frozenset(number for number, p in predicates if any(test.kind in _LOCAL for test in p.tests))

    def _learn(self, logs: list[Stream]) -> None:
        """Values that rules compare key columns with are known too."""
        columns = {name: _KEY_PLACES[place] for log in logs for name, place in log.places.items() if place in _KEY_PLACES}
        for predicate in self._compiled.predicates:
            if predicate.field in columns:
                self._known[columns[predicate.field]].update(test.value for test in predicate.tests if test.kind == "eq")

    def key(self, row: Iterable[str | None]) -> Key:
        """The key of a row's values of `KEYS`."""
        folded = (None if value is None else fold(value) for value in row)
        return tuple(v if v is None or v in known else OTHER for v, known in zip(folded, self._known, strict=True))

    def plan(self, key: Key) -> Plan:
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= MAX_PLANS:
                del self._plans[next(iter(self._plans))]
            plan = self._plans[key] = self._make(key)
        return plan

    def _make(self, key: Key) -> Plan:
        plan = Plan(shared=self._matchers)
        binding = _Binding(self._compiled.predicates, self._local, key, {})
        chosen = {r: log for name, rules in self._by_log.items() for log in streams()[name] if log.takes(key) for r in rules}
        for rule in sorted(chosen):
            log = chosen[rule]
            node = binding.bind(self._compiled.programs[rule].node, log)
            if node is not False:
                plan.rules.append(rule)
                plan.logs.append(log)
                plan.nodes.append(And(()) if node is True else node)
        plan.places = [place for place, _ in binding.numbers]
        plan.identities = [name for _, name in binding.numbers]
        plan.predicates = [self._compiled.predicates[name] if isinstance(name, int) else name for name in plan.identities]
        plan.squeeze = any(log.squeeze for log in plan.logs)
        for at, node in enumerate(plan.nodes):
            woken = woken_by(node, plan)
            if woken is None:
                plan.always.append(at)
            for number in woken[1] if woken else ():
                plan.wakes.setdefault(number, []).append(at)
        return plan


@dataclass(slots=True)
class _Binding:
    """Conditions in terms of the logs they are found in: fields become places, and what the key decides is decided.

    `numbers` are those given to predicates so far, each by its place and identity. To look a predicate up by itself would take a hash of
    all its tests.
    """

    predicates: tuple[Predicate, ...]
    local: frozenset[int]
    key: Key
    numbers: dict[tuple[Place, Name], int]

    def bind(self, node: Node, log: Stream) -> Node | bool:
        """What is left of a condition."""
        if isinstance(node, int):
            return self._predicate(node, log)
        if isinstance(node, Not):
            arg = self.bind(node.arg, log)
            return not arg if isinstance(arg, bool) else Not(arg)
        absorbing = isinstance(node, Or)  # true decides an Or, false an And
        kept: list[Node] = []
        for part in node.args:
            arg = self.bind(part, log)
            if arg is absorbing:
                return absorbing
            if not isinstance(arg, bool):
                kept.append(arg)
        if len(kept) <= 1:
            return kept[0] if kept else not absorbing
        return type(node)(tuple(kept))

    def _predicate(self, number: int, log: Stream) -> int | bool:
        predicate = self.predicates[number]
        if predicate.field in log.constants:
            value = log.constants[predicate.field]
            return any(holds(test, value, fold(value)) for test in predicate.tests)
        place = log.place(predicate.field)
        local = number in self.local
        if local:
            predicate = localised(predicate, log)
        decided = _decided(predicate, self.key[_KEY_PLACES[place]]) if place in _KEY_PLACES else None
        return self.numbers.setdefault((place, predicate if local else number), len(self.numbers)) if decided is None else decided


def localised(predicate: Predicate, log: Stream) -> Predicate:
    """A predicate as one log needs it: fields compared with are named by place, and null is also the empty string in a log that writes
    "no value" so."""
    kinds = {test.kind for test in predicate.tests}
    if "ref" in kinds:
        place = {test.value: REF_SEPARATOR.join(log.place(test.value)) for test in predicate.tests if test.kind == "ref"}
        tests = tuple(Test("ref", place[test.value], part=test.part) if test.kind == "ref" else test for test in predicate.tests)
        return Predicate(predicate.field, tests)
    if "null" in kinds and log.blank:
        return Predicate(predicate.field, (*predicate.tests, Test("eq", "")))
    return predicate


def _decided(predicate: Predicate, value: str | None) -> bool | None:
    """Truth of a predicate over a key column, or None where the folded value does not tell."""
    tests = predicate.tests
    if any(test.cased or test.kind in ("re", "ref") for test in tests):
        return None
    if value is None:
        return any(test.kind == "null" or (test.kind == "exists" and test.value == "false") for test in tests)
    if value == OTHER and any(test.kind not in ("eq", "null", "any", "exists") for test in tests):
        return None
    return any(holds(test, value, value) for test in tests)


def woken_by(node: Node, plan: Plan) -> tuple[float, list[int]] | None:
    """Predicates of which at least one is true wherever the condition is, with the work they are expected to cause; None if none."""
    if isinstance(node, Not):
        return None
    if isinstance(node, int):
        return (_work(plan.predicates[node]), [node]) if plan.scanned[node] else None
    parts = [woken_by(arg, plan) for arg in node.args]
    found = [part for part in parts if part is not None]
    if isinstance(node, And):
        return min(found, default=None)
    return (sum(part[0] for part in found), [n for part in found for n in part[1]]) if found and len(found) == len(parts) else None


def _work(predicate: Predicate) -> float:
    """Short literals are found often; long fields take long to search."""
    return sum(1 / (1 + len(test.need or test.value)) for test in predicate.tests) * (50 if predicate.field in LONG else 1)


def _plain(literal: str) -> str:
    """The longest run of `_SAFE` characters."""
    return max("".join(c if c in _SAFE else "\0" for c in literal).split("\0"), key=len)
