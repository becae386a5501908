"""Exceptions: findings that shall interrupt nobody. Each is scoped, expires, says who wants it and why, and previews what it hides.

An exception hides findings from correlation; they stay in the ledger, and `preview` lists them. It must name a detector and something
besides (an entity or a value), so none silences a class, and it ends after a year at the latest. They are kept in TOML that people review:

    [[exception]]
    id = "backup-agent"
    detector = "sigma:6f535e01-ca1f-40be-ab8d-45b19c0c8b7f"
    entity = "host:bk01"
    values = ["Image = C:\\\\agent\\\\backup.exe"]
    reason = "the backup agent starts so"
    who = "ann"
    created = 2026-03-02
    expires = 2026-06-02
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import msgspec

from nonself.core.errors import UsageError
from nonself.core.finding import Finding

LONGEST = timedelta(days=366)
SAMPLE = 5
"""Hidden findings that a preview shows for audit, spread over its whole time."""


class Hidden(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One exception. A finding is hidden if detector and entity are equal, and each of `values` is told in one of its reasons, and it
    began on a day from `created` (or before: what was found already is hidden too) to before `expires`."""

    id: str
    detector: str
    reason: str
    who: str
    created: date
    expires: date
    entity: str = ""
    values: tuple[str, ...] = ()

    def hides(self, finding: Finding) -> bool:
        """Whether it hides a finding."""
        if finding.detector != self.detector or (self.entity and finding.entity != self.entity) or finding.start.date() >= self.expires:
            return False
        return all(any(value in reason.seen for reason in finding.reasons) for value in self.values)


@dataclass(frozen=True, slots=True)
class Preview:
    """What an exception would have hidden: `findings` in order of time, `attacks` those in incidents judged malicious or an attempt,
    `sample` some to look at."""

    findings: tuple[Finding, ...]
    attacks: tuple[Finding, ...]
    sample: tuple[Finding, ...]


def checked(exception: Hidden, where: str = "") -> Hidden:
    """The exception, or UsageError where it is too wide, has no reason or no end."""
    if not exception.detector or not (exception.entity or exception.values):
        raise UsageError(expected="a detector, and an entity or values", got="less", do="no exception silences a class", where=where)
    if not exception.reason.strip() or not exception.who.strip():
        raise UsageError(expected="a reason and who wants it", got="none", where=where)
    if not exception.created < exception.expires <= exception.created + LONGEST:
        raise UsageError(expected="an end within a year after `created`", got=f"{exception.created} to {exception.expires}", where=where)
    return exception


def load(paths: Iterable[Path]) -> list[Hidden]:
    """All exceptions of some files. UsageError with the file for what can't be read."""
    return [exception for path in paths for exception in parse(_text(path), str(path))]


def parse(text: str, where: str = "") -> list[Hidden]:
    """The exceptions of one TOML text."""
    try:
        tables = tomllib.loads(text).get("exception", [])
        found = msgspec.convert(tables, list[Hidden])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise UsageError(expected="[[exception]] tables", got=str(error)[:200], where=where) from None
    return [checked(exception, f"{where}: {exception.id}") for exception in found]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(expected="a TOML file of exceptions", got=str(error), where=str(path)) from None


def like(finding: Finding, *, values: Sequence[str], any_entity: bool, reason: str, who: str, today: date, days: int) -> Hidden:
    """The exception that hides findings like this one: of its detector and entity, with some values of its reasons. UsageError for a
    value that the finding does not tell."""
    for value in values:
        if not any(value in part.seen for part in finding.reasons):
            raise UsageError(expected="a value that the finding tells", got=value[:80], do=f"`nonself explain` shows {finding.id}")
    entity = "" if any_entity else finding.entity
    name = hashlib.blake2b("\0".join((finding.detector, entity, *values)).encode("utf-8", "replace"), digest_size=5).hexdigest()
    return checked(
        Hidden(
            id=f"exc-{name}", detector=finding.detector, entity=entity, values=tuple(values), reason=reason, who=who,
            created=today, expires=today + timedelta(days=days),
        )
    )  # fmt: skip


def hidden(findings: Iterable[Finding], exceptions: Sequence[Hidden]) -> set[str]:
    """Ids of the findings that some exception hides."""
    by_detector: dict[str, list[Hidden]] = {}
    for exception in exceptions:
        by_detector.setdefault(exception.detector, []).append(exception)
    return {f.id for f in findings if any(exception.hides(f) for exception in by_detector.get(f.detector, ()))}


def preview(exception: Hidden, findings: Iterable[Finding], attacks: Mapping[str, str]) -> Preview:
    """What an exception hides of some findings; `attacks` names the incident of each finding of one judged an attack."""
    found = sorted((f for f in findings if exception.hides(f)), key=lambda f: (f.start, f.id))
    step = max(1, len(found) // SAMPLE)
    return Preview(tuple(found), tuple(f for f in found if f.id in attacks), tuple(found[::step][:SAMPLE]))


def as_toml(exception: Hidden) -> str:
    """The exception as `load` reads it back."""
    text = [f"{name} = {_quoted(getattr(exception, name))}" for name in ("id", "detector", "entity") if getattr(exception, name)]
    if exception.values:
        text.append(f"values = [{', '.join(map(_quoted, exception.values))}]")
    text += [f"{name} = {_quoted(getattr(exception, name))}" for name in ("reason", "who")]
    text += [f"{name} = {getattr(exception, name).isoformat()}" for name in ("created", "expires")]
    return "\n".join(["[[exception]]", *text]) + "\n"


def _quoted(text: str) -> str:
    """A TOML string. Lone surrogates, which no file can hold, are shown as escapes."""
    clean = text.encode("utf-8", "backslashreplace").decode()
    return json.dumps(clean, ensure_ascii=False).replace("\x7f", "\\u007f")


def as_sigma(exception: Hidden, logsource: Mapping[str, str]) -> str | None:
    """The exception as a Sigma filter (specification 2.1) for a rule of this log source, where it is one: of a Sigma rule, by values of
    the form `field = value` alone. None for others: an entity is no field of a log."""
    rule = exception.detector.removeprefix("sigma:")
    pairs = [value.partition(" = ") for value in exception.values]
    if rule == exception.detector or exception.entity or not pairs or not all(field and field != "raw" and sep for field, sep, _ in pairs):
        return None
    text = [f"title: {json.dumps(exception.reason)}", f"description: {json.dumps(f'{exception.id} by {exception.who}')}"]
    text += [f"id: {json.dumps(exception.id)}", f"date: {exception.created.isoformat()}", f"logsource: {json.dumps(dict(logsource))}"]
    text += ["filter:", "  rules:", f"    - {json.dumps(rule)}"]
    text += ["  selection:", *(f"    {json.dumps(field)}: {json.dumps(_plain(value))}" for field, _, value in pairs)]
    return "\n".join([*text, "  condition: not selection"]) + "\n"


def _plain(value: str) -> str:
    """A value in Sigma, where `*` and `?` stand for others and a backslash before them, or before another, says that they do not."""
    return value.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")
