"""Drafts to correlations: references, aliases and fields are resolved, and what can never fire is refused with the reason."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from nonself.core.errors import RuleError
from nonself.detect.sigma.correlation_parse import NUMERIC, TEMPORAL, Draft
from nonself.detect.sigma.logsource import streams
from nonself.detect.sigma.tree import Correlation, Rule, Use

MAX_DEPTH = 8
"""Correlations over correlations."""
_SHOWN = 16
"""References followed to show a circle."""
MAX_USES = 4_096
MAX_INPUTS = 100_000
"""Inputs kept of one correlation, reference, group and hour: the first by time. Later ones are not counted."""
_HOUR = 3_600_000_000
_HOLDS: dict[str, Callable[[float, float], bool]] = {
    "gt": lambda a, b: a > b, "gte": lambda a, b: a >= b, "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b, "eq": lambda a, b: a == b, "neq": lambda a, b: a != b,
}  # fmt: skip


@dataclass
class Names:
    """What correlations can refer to: rule numbers and drafts by id and by name, each with the file it is in."""

    places: dict[str, list[tuple[str, int | str]]] = field(default_factory=dict)

    def add(self, rule: Rule, name: str, target: int | str) -> None:
        """`target`: a rule's number, or a correlation's id."""
        for text in dict.fromkeys((rule.id, name)):
            if text:
                self.places.setdefault(text, []).append((rule.path, target))

    def find(self, reference: str, path: str) -> int | str:
        """What a reference means. Names of the same file go first, since a name is only meant to be unique there."""
        found = self.places.get(reference, [])
        near = [place for place in found if place[0] == path] or found
        if len(near) > 1:
            raise RuleError(f"{reference!r} is the name of several rules: {', '.join(dict.fromkeys(path for path, _ in near))}")
        if not near:
            raise RuleError(f"it refers to {reference!r}, which is not the id or name of a rule that is evaluated")
        return near[0][1]


@dataclass
class Linked:
    """The correlations that are evaluated, inner ones first; why the others are not; whose rules keep their own findings."""

    correlations: list[Correlation] = field(default_factory=list)
    refused: list[tuple[Draft, str]] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)
    heard: set[str] = field(default_factory=set)


def link(drafts: Sequence[Draft], rules: Sequence[Rule], names: Names) -> Linked:
    """Resolve all drafts. `rules` are the plain rules; `names` knows them and the drafts."""
    linked, linker = Linked(), _Linker(rules, names)
    waiting = list(drafts)
    for _ in range(MAX_DEPTH + 1):  # a round links what stands on linked ones only
        ready = {draft.rule.id: draft for draft in waiting if linker.ready(draft)}
        for draft in ready.values():
            try:
                linked.correlations.append(linker.correlation(draft))
                (linked.heard if draft.generate else linked.silent).update(linker.referred(draft))
            except RuleError as error:
                linker.gone.add(draft.rule.id)
                linked.refused.append((draft, str(error)))
        waiting = [draft for draft in waiting if draft.rule.id not in ready]
    left = {draft.rule.id: draft for draft in waiting}
    linked.refused += [(draft, linker.endless(draft, left)) for draft in waiting]
    return linked


class _Linker:
    def __init__(self, rules: Sequence[Rule], names: Names) -> None:
        self._rules, self._names = rules, names
        self._numbers: dict[str, int] = {}  # correlation id -> its number
        self._made: list[Correlation] = []
        self._called: dict[str, tuple[str, ...]] = {}  # rule or correlation id -> what it is called
        for name, places in names.places.items():
            for _, target in places:
                key = target if isinstance(target, str) else rules[target].id
                self._called[key] = (*self._called.get(key, ()), name)
        self.gone: set[str] = set()

    def _targets(self, draft: Draft) -> list[int | str]:
        return [self._names.find(reference, draft.rule.path) for reference in draft.refs]

    def ready(self, draft: Draft) -> bool:
        """Whether all it stands on is known, be it as refused."""
        try:
            targets = self._targets(draft)
        except RuleError:
            return True
        return all(isinstance(target, int) or target in self._numbers or target in self.gone for target in targets)

    def referred(self, draft: Draft) -> list[str]:
        """Ids of what it refers to."""
        return [target if isinstance(target, str) else self._rules[target].id for target in self._targets(draft)]

    def endless(self, draft: Draft, left: Mapping[str, Draft]) -> str:
        """Why a draft is left when all chains of permitted length are linked."""
        path, at = [draft.rule.id], draft
        for _ in range(_SHOWN):
            onward = next((target for target in self._targets(at) if isinstance(target, str) and target in left), None)
            if onward is None:
                break
            path.append(onward)
            if onward == draft.rule.id:
                return f"it refers to itself: {' -> '.join(path)}"
            at = left[onward]
        return f"it stands on correlations more than {MAX_DEPTH} deep, or on ones that refer to themselves"

    def correlation(self, draft: Draft) -> Correlation:
        targets = self._targets(draft)
        if lost := [target for target in targets if isinstance(target, str) and target in self.gone]:
            raise RuleError(f"it refers to {lost[0]!r}, which is not evaluated")
        below = tuple(self._numbers[target] if isinstance(target, str) else -1 for target in targets)
        if draft.kind in NUMERIC and max(below) >= 0:
            raise RuleError(f"a correlation has no number of its own, so {draft.kind} over one has no meaning")
        _possible(draft)
        uses = self._uses(draft, targets, below)
        taken = repr([(use.part, self._rules[use.rule].id, use.group, use.value) for use in uses])
        made = Correlation(
            rule=draft.rule, key=f"{draft.rule.id} {hashlib.blake2b(taken.encode(), digest_size=8).hexdigest()}", kind=draft.kind,
            below=below, uses=uses, timespan=draft.timespan,
            tests=draft.tests, expression=draft.expression, percentile=draft.percentile, group_by=draft.group_by, field=draft.field,
        )  # fmt: skip
        self._numbers[draft.rule.id] = len(self._made)
        self._made.append(made)
        return made

    def _uses(self, draft: Draft, targets: Sequence[int | str], below: Sequence[int]) -> tuple[Use, ...]:
        """One for each reference and each plain rule under it."""
        found: list[Use] = []
        used: set[str] = set()
        for part, target in enumerate(targets):
            under = [target] if isinstance(target, int) else sorted({use.rule for use in self._made[below[part]].uses})
            for number in under:
                rule = self._rules[number]
                called = (draft.refs[part], *self._called.get(str(target), ()), *self._called[rule.id])
                used.update(called)
                group = tuple(_resolved(name, called, draft) for name in draft.group_by)
                value = tuple(_resolved(name, called, draft) for name in draft.field)
                _readable(rule, (*group, *value))
                found.append(Use(part, number, group, value))
            if len(found) > MAX_USES:
                raise RuleError(expected=f"a correlation over at most {MAX_USES} rules", got="more")
        if unknown := sorted({rule for mapping in draft.aliases.values() for rule in mapping} - used):
            raise RuleError(f"its aliases name {unknown[0]!r}, which is not one of its rules")
        return tuple(found)


def _resolved(name: str, called: tuple[str, ...], draft: Draft) -> str:
    """The field a group-by or value name means in the events of a rule called so."""
    if name not in draft.aliases:
        return name
    mapping = draft.aliases[name]
    found = next((mapping[text] for text in called if text in mapping), None)
    if found is None:
        raise RuleError(f"its alias {name!r} names no field of rule {called[0]!r}")
    return found


def _readable(rule: Rule, fields: tuple[str, ...]) -> None:
    """Refuse fields that no log of the rule ever has: the correlation could not fire."""
    logs = streams()[rule.logsource]
    lacking = [name for name in dict.fromkeys(fields) if all(log.lacks(name) for log in logs)]
    if lacking:
        raise RuleError(f"no log read for {rule.logsource} (rule {rule.id}) has the field {', '.join(lacking)}")


def _possible(draft: Draft) -> None:
    """Refuse comparisons that no count from 1 on satisfies: a window ends at an event, so the absence of events is never seen."""
    if draft.kind in NUMERIC or not draft.tests:
        return
    most = len(draft.refs) if draft.kind in TEMPORAL else MAX_INPUTS * max(1, draft.timespan // _HOUR)
    near = {1, most} | {math.floor(min(max(number, -1.0), 1e15)) + step for _, number in draft.tests for step in (-1, 0, 1, 2)}
    if not any(1 <= count <= most and all(_HOLDS[name](count, number) for name, number in draft.tests) for count in near):
        raise RuleError(
            f"its condition can't hold: a window has from 1 to {most:,} {'rules' if draft.kind in TEMPORAL else 'events or values'}"
        )
