"""`nonself suppress`: an exception for findings like one, shown with what it would have hidden before it is written."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nonself.core import safe
from nonself.core.errors import UsageError
from nonself.core.finding import Finding
from nonself.core.settings import Config
from nonself.detect.sigma import Ruleset
from nonself.incidents import of_attacks
from nonself.ledger import Ledger
from nonself.serve.run import state_dir
from nonself.serve.selection import moment
from nonself.serve.verdict_run import user
from nonself.triage import exceptions
from nonself.triage.exceptions import Hidden, Preview
from nonself.triage.verdicts import in_force


def run(arguments: argparse.Namespace, config: Config) -> int:
    """List the exceptions in force with what each hides, or make one. Nothing is written with --preview, or without --out."""
    with Ledger.open(state_dir(config), read_only=True) as ledger:
        findings, attacks = ledger.findings(), of_attacks(ledger.incidents(), in_force(ledger.verdicts()))
    newest = max((f.end for f in findings), default=datetime.now(UTC))
    recent = [f for f in findings if f.start >= since(arguments.since, newest)]
    if not arguments.finding:
        for exception in exceptions.load(map(Path, config.triage.exceptions)):
            _show(arguments, exception, exceptions.preview(exception, recent, attacks))
        return 0
    exception = _made(arguments, _one(findings, arguments.finding), newest)
    _show(arguments, exception, exceptions.preview(exception, recent, attacks))
    if not arguments.preview:
        _write(arguments, exception, config)
    return 0


def since(text: str, newest: datetime) -> datetime:
    """A date or time, or days back from the newest event: `30d`."""
    days = re.fullmatch(r"(\d{1,5})d", text)
    if days:
        back = timedelta(days=int(days[1]))
        return newest - back if newest > datetime.min.replace(tzinfo=UTC) + back else datetime.min.replace(tzinfo=UTC)
    return moment(text)


def _one(findings: Sequence[Finding], name: str) -> Finding:
    found = [f for f in findings if f.id == name] or [f for f in findings if f.id.startswith(name)]
    if len(found) != 1:
        raise UsageError(expected="the id of one finding", got=f"{name!r}, which {len(found)} have", do="`nonself explain ID --json`")
    return found[0]


def _made(arguments: argparse.Namespace, finding: Finding, newest: datetime) -> Hidden:
    why = arguments.why or ("preview" if arguments.preview else "")
    return exceptions.like(
        finding,
        values=arguments.value,
        any_entity=arguments.any_entity,
        reason=why,
        who=arguments.who or user(),
        today=newest.date(),
        days=arguments.days,
    )


def _show(arguments: argparse.Namespace, exception: Hidden, preview: Preview) -> None:
    if arguments.json:
        told = {
            "type": "exception", "id": exception.id, "toml": exceptions.as_toml(exception), "since": arguments.since,
            "hidden": len(preview.findings), "in_attacks": [f.id for f in preview.attacks],
            "findings": [f.id for f in preview.findings], "sample": [f.id for f in preview.sample],
        }  # fmt: skip
        print(safe.json(told))
        return
    n, bad = len(preview.findings), len(preview.attacks)
    print(safe.terminal(f"{exception.id}: {exception.detector} {exception.entity or 'of any entity'}, until {exception.expires}"))
    print(
        f"since {safe.terminal(arguments.since)} it hides {n:,} finding{'' if n == 1 else 's'}, {bad:,} of them in incidents judged attacks"
    )
    for finding in (*preview.attacks[: exceptions.SAMPLE], *preview.sample):
        mark = "ATTACK " if finding in preview.attacks else ""
        print(
            safe.terminal(f"  {mark}{finding.start:%Y-%m-%d %H:%M} {finding.id} {finding.bits:.1f} bits  {safe.shorten(finding.title, 90)}")
        )


def _write(arguments: argparse.Namespace, exception: Hidden, config: Config) -> None:
    text = exceptions.as_toml(exception)
    if arguments.sigma:
        arguments.sigma.write_text(_sigma(exception, config), encoding="utf-8")
    if arguments.out is None:
        print(text, end="")
        return
    before = arguments.out.read_text("utf-8") if arguments.out.exists() else ""
    if any(known.id == exception.id for known in exceptions.parse(before, str(arguments.out))):
        raise UsageError(expected="an exception that is not there yet", got=exception.id, where=str(arguments.out))
    arguments.out.write_text(before + ("\n" if before else "") + text, encoding="utf-8")
    print(f"added to {arguments.out}; name it in triage.exceptions, and the next scan obeys it")


def _sigma(exception: Hidden, config: Config) -> str:
    """The exception as a Sigma filter for its rule; UsageError where it is none, or the rule is not there."""
    rules = Ruleset.load([Path(folder) for folder in config.rules.dirs], builtin=config.rules.builtin).rules
    rule = next((rule for rule in rules if f"sigma:{rule.id}" == exception.detector), None)
    if rule is not None:
        named = {name: getattr(rule.logsource, name) for name in ("category", "product", "service")}
        text = exceptions.as_sigma(exception, {name: value for name, value in named.items() if value})
        if text is not None:
            return text
    raise UsageError("this exception is no Sigma filter", do="that takes a Sigma rule in force, --any-entity, and --value 'Field = text'")
