"""What a rule is after compilation: metadata, predicates (one field, some tests, OR), and a boolean tree over predicate numbers.

The structs are what the cache holds, so they are plain data: no pySigma object, no compiled pattern.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["eq", "prefix", "suffix", "contains", "glob", "re", "cidr", "is", "lt", "lte", "gt", "gte", "ref", "null", "any", "exists"]


class Test(msgspec.Struct, frozen=True, array_like=True):
    """One test of one value.

    kind   eq, prefix, suffix, contains: `value` is a literal, folded (`values.fold`) unless `cased`
           glob: `value` is an RE2 pattern over the folded text (the text itself if `cased`), made from Sigma wildcards
           re: `value` is an RE2 pattern, searched in the text as it is
           cidr: a network; is, lt, lte, gt, gte: a number; ref: the name of the field compared with
           null: no value; any: some value; exists: the field is there, whatever its value
    need   folded literal without which the test can't be true; "" where there is none
    part   for ref: what `value`'s field must be of this one: "eq", "prefix", "suffix" or "contains"; for numbers: the part of a time
           that is compared ("minute", "hour", "day", "week", "month", "year"; UTC, ISO week), "" for the number that the text writes
    """

    kind: Kind
    value: str = ""
    cased: bool = False
    need: str = ""
    part: str = ""


class Predicate(msgspec.Struct, frozen=True, array_like=True):
    """True where any of `tests` holds for the value of `field`. The field "" is the event's full text (Sigma keywords)."""

    field: str
    tests: tuple[Test, ...]


class And(msgspec.Struct, frozen=True, array_like=True, tag="and"):
    args: tuple[Node, ...]


class Or(msgspec.Struct, frozen=True, array_like=True, tag="or"):
    args: tuple[Node, ...]


class Not(msgspec.Struct, frozen=True, array_like=True, tag="not"):
    arg: Node


Node = int | And | Or | Not
"""A condition; an int is the number of a predicate in `Compiled.predicates`."""


class LogSource(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A rule's log source, lower-cased; "" where the rule names none."""

    product: str = ""
    category: str = ""
    service: str = ""

    @property
    def path(self) -> str:
        """As the tables of log sources write it: product/category/service."""
        return f"{self.product}/{self.category}/{self.service}"

    def __str__(self) -> str:
        return ", ".join(f"{name} {text}" for name in ("product", "category", "service") if (text := getattr(self, name))) or "none"


class Rule(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A rule as people see it. `techniques` are ATT&CK ids, `tactics` ATT&CK tactic names; `level` and `status` as the author set them."""

    id: str
    title: str
    level: str
    status: str
    description: str
    author: str
    techniques: tuple[str, ...]
    tactics: tuple[str, ...]
    path: str
    logsource: LogSource
    false_positives: tuple[str, ...]


class Rejected(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A rule, or a whole file, that is not evaluated, and why. `line` is where its document starts, from 1; `rule` its id or title."""

    path: str
    line: int
    rule: str
    reason: str


class Program(msgspec.Struct, frozen=True, array_like=True):
    """A rule as the engine sees it. `shown` are the fields it asks for (not those it only excludes), in the order it names them."""

    node: Node
    shown: tuple[str, ...]


class Use(msgspec.Struct, frozen=True, array_like=True):
    """What a correlation takes from the events of one rule.

    part          position in the correlation's `rules` of what the rule stands for: itself, or a correlation above it
    rule          the rule's number in `Compiled.rules`
    group, value  fields of its events, as its log names them: those grouped by, and those whose values count
    """

    part: int
    rule: int
    group: tuple[str, ...]
    value: tuple[str, ...]


class Correlation(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A correlation rule; `correlation.correlate` says what it means.

    key         its id and a digest of what it takes from events: inputs of an earlier version of the rule are not its own
    kind        event_count, value_count, temporal, temporal_ordered, value_sum, value_avg, value_percentile or value_median
    below       for each of its `rules`, the number of the correlation it is in `Compiled.correlations`; -1 for a plain rule
    timespan    length of the window, microseconds
    tests       comparisons that must all hold: operator (gt, gte, lt, lte, eq, neq) and number
    expression  for `temporal`: a condition over positions in its `rules`, in place of `tests`
    group_by, field  as the rule names them: for people
    """

    rule: Rule
    key: str
    kind: str
    below: tuple[int, ...]
    uses: tuple[Use, ...]
    timespan: int
    tests: tuple[tuple[str, float], ...]
    expression: Node | None
    percentile: float
    group_by: tuple[str, ...]
    field: tuple[str, ...]


class Filter(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A filter in force. `rules` are the ids of the rules it is applied to; `keeps`: its condition excludes nothing by `not`, so only
    what it selects is left of them."""

    id: str
    title: str
    path: str
    logsource: LogSource
    rules: tuple[str, ...]
    keeps: bool


class Compiled(msgspec.Struct, frozen=True, array_like=True):
    """A compiled rule set. `rules[i]` and `programs[i]` belong together; a correlation comes after those it stands on.

    `silent` are the ids of rules that serve correlations only and have no findings of their own.
    """

    rules: tuple[Rule, ...] = ()
    programs: tuple[Program, ...] = ()
    predicates: tuple[Predicate, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    correlations: tuple[Correlation, ...] = ()
    filters: tuple[Filter, ...] = ()
    silent: tuple[str, ...] = ()


def atoms(node: Node) -> list[int]:
    """The numbers of all predicates of a condition, in order, with repeats."""
    if isinstance(node, int):
        return [node]
    if isinstance(node, Not):
        return atoms(node.arg)
    return [number for arg in node.args for number in atoms(arg)]
