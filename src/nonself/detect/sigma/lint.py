"""What is wrong or doubtful in rule files, beyond what keeps a rule from being evaluated: `lint` gives each remark its file and line."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import yaml

from nonself.core import attack
from nonself.core.errors import RuleError
from nonself.detect.sigma.documents import nodes
from nonself.detect.sigma.lint_detection import Finding, detection

LEVELS = ("informational", "low", "medium", "high", "critical")
STATUSES = ("stable", "test", "experimental", "deprecated", "unsupported")
_TAG = re.compile(r"[a-z0-9_-]+\.[a-z0-9._-]+")
_DATE = re.compile(r"\d{4}[-/]\d{2}[-/]\d{2}", re.ASCII)
_LONGEST_TITLE = 256


@dataclass(frozen=True, slots=True, order=True)
class Remark:
    """One thing to look at. `severity` is "error" (the rule does not say what its author means, or breaks the specification) or
    "warning"; `code` is short and stable."""

    path: str
    line: int
    rule: str
    severity: str
    code: str
    message: str


def lint(path: str, content: bytes) -> list[Remark]:
    """The remarks on all documents of one rule file, by line. A file that can't be read has none: it is listed as not evaluable."""
    found: list[Remark] = []
    try:
        for node, document in nodes(content):
            if isinstance(document, dict) and isinstance(node, yaml.MappingNode):
                name = str(document.get("id") or document.get("title") or "")
                found += [Remark(path, line, name, severity, code, text) for line, severity, code, text in _document(node, document)]
    except RuleError:
        pass
    return sorted(found)


def _document(node: yaml.MappingNode, document: dict[Any, Any]) -> Iterator[Finding]:
    lines = {key.value: key.start_mark.line + 1 for key, _ in node.value if isinstance(key, yaml.ScalarNode)}
    first = node.start_mark.line + 1
    for key, severity, code, text in (*_identity(document), *_grading(document), *_dates(document), *_tags(document)):
        yield lines.get(key, first), severity, code, text
    section = next((value for key, value in node.value if key.value == "detection"), None)
    if isinstance(section, yaml.MappingNode) and isinstance(document.get("detection"), dict):
        yield from detection(section, document["detection"])


_Note = tuple[str, str, str, str]
"""Key of the document, severity, code, text."""


def _identity(document: dict[Any, Any]) -> Iterator[_Note]:
    title = document.get("title")
    if not isinstance(title, str) or not title.strip():
        yield "title", "error", "no-title", "a rule needs a title"
    elif len(title) > _LONGEST_TITLE:
        yield "title", "warning", "long-title", f"the title is longer than {_LONGEST_TITLE} characters"
    if "id" not in document:
        yield "id", "error", "no-id", "without an id the rule is named by its content, and every change makes another rule of it"
    elif not _is_uuid(document["id"]):
        yield "id", "error", "id-not-uuid", f"the id {str(document['id'])[:60]!r} is not a UUID"
    for key in ("description", "author"):
        if not document.get(key):
            yield key, "warning", f"no-{key}", f"the rule has no {key}"


def _grading(document: dict[Any, Any]) -> Iterator[_Note]:
    for key, known in (("level", LEVELS), ("status", STATUSES)):
        value = document.get(key)
        if value is None:
            yield key, "warning", f"no-{key}", f"the rule has no {key}"
        elif str(value) not in known:
            yield key, "error", f"unknown-{key}", f"the {key} {str(value)[:60]!r} is none of {', '.join(known)}"


def _dates(document: dict[Any, Any]) -> Iterator[_Note]:
    days: dict[str, date] = {}
    for key in ("date", "modified"):
        value = document.get(key)
        if value is None:
            if key == "date":
                yield key, "warning", "no-date", "the rule has no date"
        elif isinstance(value, date):
            days[key] = value.date() if isinstance(value, datetime) else value
        elif not isinstance(value, str) or not _DATE.fullmatch(value):
            yield key, "error", f"bad-{key}", f"the {key} {str(value)[:60]!r} is not written YYYY-MM-DD"
    if len(days) == 2 and days["modified"] < days["date"]:
        yield "modified", "warning", "modified-before-date", "the rule was modified before it was made"


def _tags(document: dict[Any, Any]) -> Iterator[_Note]:
    tags = document.get("tags")
    if tags is None:
        return
    if not isinstance(tags, list):
        yield "tags", "error", "tags-not-a-list", "tags must be a list"
        return
    for tag in (str(tag) for tag in tags):
        if not _TAG.fullmatch(tag):
            yield "tags", "error", "bad-tag", f"the tag {tag[:60]!r} is not written namespace.name in small letters"
        elif _unknown_technique(tag):
            yield "tags", "warning", "unknown-attack-tag", f"the tag {tag[:60]!r} is neither an ATT&CK tactic nor a technique known here"
    if len(set(map(str, tags))) < len(tags):
        yield "tags", "warning", "repeated-tag", "a tag is given twice"


def _unknown_technique(tag: str) -> bool:
    """Groups and software (`attack.g0016`, `attack.s0002`) are not in our table, so they are taken as they are."""
    if not tag.startswith("attack.") or re.fullmatch(r"attack\.[gsc]\d{4}", tag):
        return False
    named = attack.parse_tag(tag)
    return named is None or (named.startswith("T") and not attack.name(named))


def _is_uuid(value: object) -> bool:
    try:
        uuid.UUID(str(value))
    except ValueError:
        return False
    return True
