"""Filter documents: conditions added to rules of others, so that tuning survives an update of the rules.

A filter's condition is joined to each rule it names by AND, as it is written: `condition: not selection` takes away what `selection`
finds, `condition: selection` leaves nothing else. That is what pySigma and SigmaHQ's guide do. The specification's own example says
`condition: selection` for "filter administrators", so a filter that only keeps is marked (`Filter.keeps`), for lint to point at.

`rules` is an id, a name, a list of them, or `any` (also: an empty list). The log source must fit: each part the filter gives equals the
rule's. A filter applies to rules over events, those that correlations stand on included, never to correlations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nonself.core.errors import RuleError
from nonself.detect.sigma import compile as compiler
from nonself.detect.sigma.correlation_link import Names
from nonself.detect.sigma.tree import And, Filter, LogSource, Node, Not, Program, Rule

ANY = "any"


@dataclass(frozen=True)
class Draft:
    """A filter read but not yet applied. `refs` is None for all rules of the log source."""

    rule: Rule
    line: int
    refs: tuple[str, ...] | None
    node: Node


def draft(document: dict[object, object], rule: Rule, line: int, predicates: compiler.Predicates) -> Draft:
    """The draft of a filter document; `rule` is what it says of itself. Raises RuleError with the reason."""
    section = document["filter"]
    if not isinstance(section, dict):
        raise RuleError(expected="a filter that is a mapping", got=type(section).__name__)
    if rule.logsource == LogSource():
        raise RuleError("the filter has no logsource")
    if "rules" not in section:
        raise RuleError("the filter does not say which rules it is for; `rules: any` means all of its log source")
    given = section["rules"]
    refs = given if isinstance(given, list) else [given]
    if not all(isinstance(reference, str) and reference for reference in refs):
        raise RuleError(expected="rules to be any, an id or name, or a list of them", got=repr(given)[:80])
    every = not refs or (isinstance(given, str) and given.lower() == ANY)
    if not isinstance(section.get("condition"), str):
        raise RuleError(expected="a filter with one condition", got=repr(section.get("condition"))[:80])
    program = compiler.program({key: value for key, value in section.items() if key != "rules"}, predicates)
    return Draft(rule, line, None if every else tuple(dict.fromkeys(refs)), program.node)


def apply(
    drafts: Sequence[Draft], rules: Sequence[Rule], programs: list[Program], names: Names, unread: Mapping[str, str]
) -> tuple[tuple[Filter, ...], list[tuple[Draft, str]]]:
    """Change `programs` in place. Gives the filters in force, and what is wrong with filters: one may be in force for some of the rules
    it names and be listed for the others. `unread` are names of rules that are not evaluated, with the reason."""
    made: list[Filter] = []
    faults: list[tuple[Draft, str]] = []
    nodes: dict[int, list[Node]] = {}
    for given in drafts:
        chosen, wrong = _chosen(given, rules, names, unread)
        if wrong:
            faults.append((given, "; ".join(wrong)))
        for number in chosen:
            nodes.setdefault(number, []).append(given.node)
        if chosen:
            rule, keeps = given.rule, not _excludes(given.node)
            ids = tuple(rules[number].id for number in chosen)
            made.append(Filter(id=rule.id, title=rule.title, path=rule.path, logsource=rule.logsource, rules=ids, keeps=keeps))
    for number, added in nodes.items():
        programs[number] = Program(And((programs[number].node, *dict.fromkeys(added))), programs[number].shown)
    return tuple(made), faults


def _chosen(given: Draft, rules: Sequence[Rule], names: Names, unread: Mapping[str, str]) -> tuple[list[int], list[str]]:
    """Numbers of the rules a filter is for, and what is wrong with the others it names."""
    if given.refs is None:
        fitting = [number for number, rule in enumerate(rules) if _fits(given.rule.logsource, rule.logsource)]
        return fitting, [] if fitting else [f"no rule of its log source ({given.rule.logsource}) is there to be filtered"]
    chosen: list[int] = []
    wrong: list[str] = []
    for reference in given.refs:
        if reference in unread:
            wrong.append(f"it names {reference!r}, which is not evaluated")
            continue
        try:
            number = names.find(reference, given.rule.path)
        except RuleError as error:
            wrong.append(str(error))
            continue
        if isinstance(number, str):
            wrong.append(f"it names {reference!r}, a correlation; a filter is for rules over events")
        elif not _fits(given.rule.logsource, rules[number].logsource):
            wrong.append(f"its log source ({given.rule.logsource}) does not fit {reference!r} ({rules[number].logsource})")
        else:
            chosen.append(number)
    return sorted(set(chosen)), wrong


def _fits(wanted: LogSource, has: LogSource) -> bool:
    parts = ((wanted.product, has.product), (wanted.category, has.category), (wanted.service, has.service))
    return all(not part or part == other for part, other in parts)


def _excludes(node: Node) -> bool:
    return isinstance(node, Not) or (not isinstance(node, int) and any(_excludes(arg) for arg in node.args))
