"""Rule files to a compiled set: every document either becomes a program or is listed with the reason why not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from nonself.core import attack
from nonself.core.errors import RuleError
from nonself.detect.sigma import compile as compiler
from nonself.detect.sigma.documents import documents
from nonself.detect.sigma.logsource import streams
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


def compile_files(files: Sequence[tuple[str, bytes | OSError]]) -> Compiled:
    """Compile rule files given as (path, content or the error met reading it)."""
    made = _Set()
    for path, content in files:
        try:
            if isinstance(content, OSError):
                raise RuleError(f"the file can't be read: {content.strerror or content}")
            for line, document in documents(content):
                _add(made, path, line, document)
        except RuleError as error:
            made.rejected.append(Rejected(path=path, line=1, rule="", reason=str(error)))
    return Compiled(tuple(made.rules), tuple(made.programs), made.predicates.all(), tuple(made.rejected))


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
        program = compiler.program(document["detection"], made.predicates)
        _readable(rule.logsource, program, made.predicates.all())
    except RuleError as error:
        made.rejected.append(Rejected(path=path, line=line, rule=name, reason=str(error)))
        return
    made.paths[rule.id] = path
    made.rules.append(rule)
    made.programs.append(program)


def _evaluable(document: dict[object, object]) -> None:
    """Refuse kinds of documents that are not single-event rules."""
    for key, reason in (
        ("correlation", "correlation rules are not evaluated yet"),
        ("filter", "filter documents are not applied yet"),
        ("action", "rule collections (action: global, repeat, reset) are not supported"),
    ):
        if key in document:
            raise RuleError(reason)
    for key in ("title", "logsource", "detection"):
        if not document.get(key):
            raise RuleError(f"the rule has no {key}")
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
    source = document["logsource"]
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
