"""`nonself rules explain RULE EVENT`: which part of a rule held on an event, which did not, with the values it met."""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from nonself import sources
from nonself.core import safe
from nonself.core.errors import RuleError, UsageError
from nonself.core.events import Events, conform
from nonself.core.settings import Config
from nonself.detect.sigma.compile import NO_PLACEHOLDERS
from nonself.detect.sigma.documents import documents
from nonself.detect.sigma.explain import Explanation, Step, explain
from nonself.detect.sigma.files import rule_files
from nonself.detect.sigma.placeholders import is_placeholders, placeholders
from nonself.detect.sigma.tree import LogSource
from nonself.ledger import Ledger
from nonself.serve.run import state_dir
from nonself.sources.contract import HEAD, Input, Limits

OK, FOUND = 0, 1
MAX_STDIN = 16 << 20
_UID = re.compile(r"[0-9a-f]{24}")
_LEAST_ID = 6


def explain_rule(arguments: argparse.Namespace, config: Config) -> int:
    """Exit status: 0 the rule fires on the event; 1 it does not; 2 there is no such rule or event."""
    files = _rule_files(arguments.rule, [Path(folder) for folder in config.rules.dirs])
    path, line, document = _rule(arguments.rule, files)
    given = document.get("logsource")
    parts = given if isinstance(given, dict) else {}
    log_source = LogSource(*(str(parts.get(part) or "").lower() for part in ("product", "category", "service")))
    event = _event(arguments, config, log_source)
    values = next(
        (placeholders(content) for name, content in files if is_placeholders(name) and isinstance(content, bytes)), NO_PLACEHOLDERS
    )
    try:
        explanation = explain(document.get("detection"), log_source, event, values)
    except RuleError as error:
        raise UsageError(f"the rule can't be evaluated: {error}", where=f"{path}:{line}") from None
    about = {
        "rule": str(document.get("id") or ""),
        "title": str(document.get("title") or ""),
        "file": f"{path}:{line}",
        "event": event["uid"][0],
    }
    print(safe.json(about | asdict(explanation)) if arguments.json else _text(about, explanation))
    return OK if explanation.fires else FOUND


def _rule_files(rule: str, folders: Sequence[Path]) -> list[tuple[str, bytes | OSError]]:
    path = Path(rule)
    if path.exists():
        values = path.parent / "placeholders.toml"
        return list(rule_files([path, *([values] if path.is_file() and values.exists() else [])], builtin=False))
    return list(rule_files(folders, builtin=True))


def _rule(rule: str, files: Sequence[tuple[str, bytes | OSError]]) -> tuple[str, int, dict[str, Any]]:
    """The rule of an id, of the first characters of one, or the first of a file: path, line and document."""
    named = not Path(rule).exists()
    if named and len(rule) < _LEAST_ID:
        raise UsageError(expected=f"a rule file, or at least {_LEAST_ID} characters of a rule's id", got=rule)
    found: dict[str, tuple[str, int, dict[str, Any]]] = {}
    for path, content in files:
        if not isinstance(content, bytes) or is_placeholders(path) or (named and rule.encode() not in content):
            continue
        for line, document in _readable(path, content):
            name = str(document.get("id") or path)
            if "detection" in document and (not named or name.startswith(rule)):
                found.setdefault(name, (path, line, document))
    if named and len(found) > 1 and rule not in found:
        raise UsageError(expected="the id of one rule", got=f"{rule}, which begins {len(found)}: {', '.join(sorted(found)[:5])}")
    if not found:
        raise UsageError(expected="a rule", got=rule, do="name its file, or its id and its folder with --rules")
    return found.get(rule) or next(iter(found.values()))


def _readable(path: str, content: bytes) -> list[tuple[int, dict[str, Any]]]:
    try:
        return [(line, document) for line, document in documents(content) if isinstance(document, dict)]
    except RuleError as error:
        raise UsageError(str(error), where=path) from None


def _event(arguments: argparse.Namespace, config: Config, log_source: LogSource) -> Events:
    """One event: of the state by its uid, of a file (`--record`), or a JSON record as text."""
    text: str = arguments.event
    if _UID.fullmatch(text):
        with Ledger.open(state_dir(config), read_only=True) as ledger:
            events = ledger.events(uids=[text])
        return _only(events, 0, f"an event of the state named {text}")
    if text == "-" or text.lstrip().startswith("{"):
        body = sys.stdin.buffer.read(MAX_STDIN + 1) if text == "-" else text.encode()
        return _of_text(body.strip(), arguments.record, log_source)
    if not Path(text).exists():
        raise UsageError(expected="a uid, a file, a JSON record or `-`", got=text[:80])
    return _of_inputs(sources.discover([Path(text)], Limits()), arguments.record)


def _of_text(body: bytes, record: int, log_source: LogSource) -> Events:
    """A record as text. Where no source knows it, it is taken as the rule's own log source would name its fields."""
    if len(body) > MAX_STDIN:
        raise UsageError(expected=f"at most {MAX_STDIN} bytes", got="more")
    given = Input("event", "event", len(body), lambda: io.BytesIO(body + b"\n"), body[:HEAD])
    if sources.recognise(given) is not None:
        return _of_inputs([given], record)
    row = {"uid": "0" * 24, "source": "json", "channel": log_source.path, "ext": body.decode(errors="replace")}
    return conform(pl.DataFrame([row]))


def _of_inputs(inputs: Any, record: int) -> Events:
    seen = 0
    for given in inputs:
        for chunk in sources.read(given, Limits())[1]:
            if record < seen + chunk.events.height:
                return _only(chunk.events, record - seen, "an event")
            seen += chunk.events.height
    raise UsageError(expected=f"a record number {record} (they count from 0)", got=f"{seen} records")


def _only(events: Events, at: int, wanted: str) -> Events:
    if not 0 <= at < events.height:
        raise UsageError(expected=wanted, got="none")
    return events[at : at + 1]


def _text(about: dict[str, str], explanation: Explanation) -> str:
    lines = [
        f"{about['title']} ({about['rule']}) {about['file']}",
        f"{_mark(explanation.fires)} {'fires' if explanation.fires else 'does not fire'}",
    ]
    lines += [f"{_mark(explanation.met)} {explanation.source}", *map(_line, explanation.steps)]
    return "\n".join(map(safe.terminal, lines))


def _line(step: Step) -> str:
    text = f"{'  ' * step.depth}{_mark(step.true)} {step.text}"
    if step.kind != "item":
        return text
    return text + (": no value" if step.value is None else f": {step.value!r}")


def _mark(true: bool) -> str:
    return "[x]" if true else "[ ]"
