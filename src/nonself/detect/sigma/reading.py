"""Rule files to a compiled set: every document either becomes a program or is listed with the reason why not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from nonself.core import attack
from nonself.core.errors import RuleError
from nonself.detect.sigma import compile as compiler
from nonself.detect.sigma import correlation_parse, filters
from nonself.detect.sigma.correlation_link import Names, link
from nonself.detect.sigma.documents import documents
from nonself.detect.sigma.logsource import streams
from nonself.detect.sigma.placeholders import is_placeholders, placeholders
from nonself.detect.sigma.tree import Compiled, LogSource, Predicate, Program, Rejected, Rule

NOT_RUN = ("deprecated", "unsupported")
"""Values of `status` by which an author says that a rule is not to be run."""


@dataclass
class _Set:
    """A rule set in the making."""

    rules: list[Rule] = field(default_factory=list)
    programs: list[Program] = field(default_factory=list)
    predicates: compiler.Predicates = field(default_factory=compiler.Predicates)
    rejected: list[Rejected] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)  # rule id -> the file it came from
    placeholders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    names: Names = field(default_factory=Names)
    correlations: list[correlation_parse.Draft] = field(default_factory=list)
    filters: list[filters.Draft] = field(default_factory=list)


def compile_files(files: Sequence[tuple[str, bytes | OSError]]) -> Compiled:
    """Compile rule files given as (path, content or the error met reading it), with the values that files of placeholders give."""
    made = _Set()
    for path, content in sorted(files, key=lambda file: not is_placeholders(file[0])):
        try:
            if isinstance(content, OSError):
                raise RuleError(f"the file can't be read: {content.strerror or content}")
            if is_placeholders(path):
                made.placeholders = placeholders(content) | made.placeholders
                continue
            for line, document in documents(content):
                _add(made, path, line, document)
        except RuleError as error:
            made.rejected.append(Rejected(path=path, line=1, rule="", reason=str(error)))
    return _joined(made)


def _joined(made: _Set) -> Compiled:
    """The set with what refers to rules, which needs all of them to be read: correlations and filters."""
    linked = link(made.correlations, made.rules, made.names)
    unread = {rejected.rule: rejected.reason for rejected in made.rejected if rejected.rule not in made.paths}
    filtering, faults = filters.apply(made.filters, made.rules, made.programs, made.names, unread)
    refused = [(draft.rule, draft.line, reason) for draft, reason in linked.refused]
    for rule, line, reason in refused + [(draft.rule, draft.line, reason) for draft, reason in faults]:
        made.rejected.append(Rejected(path=rule.path, line=line, rule=rule.id, reason=reason))
    return Compiled(
        rules=tuple(made.rules),
        programs=tuple(made.programs),
        predicates=made.predicates.all(),
        rejected=tuple(made.rejected),
        correlations=tuple(linked.correlations),
        filters=filtering,
        silent=tuple(sorted(linked.silent - linked.heard)),
    )


def _add(made: _Set, path: str, line: int, document: object) -> None:
    name = ""
    try:
        if isinstance(document, RuleError):
            raise document
        if not isinstance(document, dict):
            raise RuleError(expected="a Sigma rule, a YAML mapping", got=type(document).__name__)
        name = _text(document.get("id")) or _text(document.get("title"))
        _evaluable(document)
        rule = _rule(document, path)
        if rule.id in made.paths:
            raise RuleError(f"the id is taken by {made.paths[rule.id]}: the first one counts")
        _keep(made, rule, line, document)
        made.paths[rule.id] = path
    except RuleError as error:
        made.rejected.append(Rejected(path=path, line=line, rule=name, reason=str(error)))


def _keep(made: _Set, rule: Rule, line: int, document: dict[object, object]) -> None:
    """Put a document with what is of its kind."""
    if "filter" in document:
        made.filters.append(filters.draft(document, rule, line, made.predicates))
        return
    target: int | str = rule.id
    if "correlation" in document:
        made.correlations.append(correlation_parse.draft(document, rule, line))
    else:
        program = compiler.program(document["detection"], made.predicates, made.placeholders)
        _readable(rule.logsource, program, made.predicates.all())
        target = len(made.rules)
        made.rules.append(rule)
        made.programs.append(program)
    made.names.add(rule, _text(document.get("name")), target)


def _evaluable(document: dict[object, object]) -> None:
    """Refuse documents of no kind, or of several, and rules their author does not want run."""
    if "action" in document:
        raise RuleError("rule collections (action: global, repeat, reset) are not supported")
    kinds = [key for key in ("detection", "correlation", "filter") if key in document]
    if len(kinds) > 1:
        raise RuleError(f"a document is one of a rule, a correlation and a filter, this has {' and '.join(kinds)}")
    for key in ("title",) if kinds == ["correlation"] else ("title", "logsource", *(kinds or ["detection"])):
        if not document.get(key):
            raise RuleError(f"the {kinds[0] if kinds and kinds[0] != 'detection' else 'rule'} has no {key}")
    if (status := _text(document.get("status")).lower()) in NOT_RUN:
        raise RuleError(f"its status is {status}")


def _readable(logsource: LogSource, program: Program, predicates: tuple[Predicate, ...]) -> None:
    """Refuse rules that could never fire here, so that silence is not taken for safety."""
    logs = streams().get(logsource)
    if not logs:
        raise RuleError(f"no log source of this kind is read yet ({logsource})")
    names = compiler.fields(program, predicates)
    lacking = [name for name in names if all(log.lacks(name) for log in logs)]
    if lacking:
        raise RuleError(f"no log read for {logsource} has the field {', '.join(lacking)}")


def _rule(document: dict[object, object], path: str) -> Rule:
    source = document.get("logsource", {})
    if not isinstance(source, dict):
        raise RuleError(expected="a logsource that is a mapping", got=type(source).__name__)
    techniques, tactics = attack.from_tags(_texts(document.get("tags")))
    return Rule(
        id=_text(document.get("id")) or _anonymous(document),
        title=_text(document["title"]),
        level=_text(document.get("level")).lower(),
        status=_text(document.get("status")).lower(),
        description=_text(document.get("description")).strip(),
        author=_text(document.get("author")),
        techniques=techniques,
        tactics=tactics,
        path=path,
        logsource=LogSource(*(_text(source.get(part)).lower() for part in ("product", "category", "service"))),
        false_positives=_texts(document.get("falsepositives")),
    )


def _anonymous(document: dict[object, object]) -> str:
    """A rule without id is named by its content, wherever its file lies."""
    content = json.dumps(document, sort_keys=True, default=str, skipkeys=True)
    return "anonymous-" + hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


def _text(value: object) -> str:
    return "" if value is None or isinstance(value, dict | list) else str(value)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(_text(item) for item in value if item is not None) if isinstance(value, list) else (_text(value),) if value else ()
