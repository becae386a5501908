"""`nonself verdict`: what an analyst decided, appended to the state and its audit chain; the queue is ranked anew."""

from __future__ import annotations

import argparse
import getpass
import hashlib
from datetime import UTC, datetime

import msgspec

from nonself.core import safe
from nonself.core.errors import UsageError
from nonself.core.incident import Incident
from nonself.core.settings import Config
from nonself.core.verdict import Verdict
from nonself.incidents import rejudged
from nonself.ledger import Ledger
from nonself.serve.run import state_dir
from nonself.triage import verdicts


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Give a verdict, or take one back. StateError for what is not known, UsageError for a verdict without a reason."""
    with Ledger.open(state_dir(config), keep_raw=config.lake.raw) as ledger:
        given = ledger.verdicts()
        verdict = _undo(arguments, ledger, given) if arguments.undo else _given(arguments, ledger, given)
        known = {finding.id: finding for finding in ledger.findings()}
        standing = verdicts.in_force([*given, verdict])
        found = [_settled(i, verdict, standing) for i in ledger.incidents()]
        ledger.judge(verdict, rejudged(found, known, standing, config))
        subject = next((i for i in found if i.id == verdict.subject), None)
        alike = {i.id: tuple(sorted({known[f].detector for f in i.findings if f in known})) for i in found}
        contradicted = [pair for pair in verdicts.disagreements([*given, verdict], alike) if pair[1].id == verdict.id]
    _tell(arguments, verdict, subject, contradicted)
    return 0


def user() -> str:
    """The name of whoever runs the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _given(arguments: argparse.Namespace, ledger: Ledger, given: list[Verdict]) -> Verdict:
    if not arguments.judgement:
        raise UsageError(expected=f"one of {', '.join(verdicts.WORDS)}", got="none", do="for example: nonself verdict ID benign --why TEXT")
    if not arguments.why.strip():
        raise UsageError(expected="a reason", got="none", do="add --why TEXT: who comes after you has to know")
    incident = ledger.incident(arguments.incident)
    return _made(incident.id, verdicts.WORDS[arguments.judgement], arguments, len(given))


def _undo(arguments: argparse.Namespace, ledger: Ledger, given: list[Verdict]) -> Verdict:
    named = next((v for v in given if v.id == arguments.incident), None)
    if named is None:
        named = verdicts.in_force(given).get(ledger.incident(arguments.incident).id)
    if named is None:
        raise UsageError(expected="an incident with a verdict", got=arguments.incident)
    return msgspec.structs.replace(_made(named.subject, named.judgement, arguments, len(given)), undoes=named.id)


def _made(subject: str, judgement: str, arguments: argparse.Namespace, number: int) -> Verdict:
    now, who = datetime.now(UTC), arguments.who or user()
    name = hashlib.blake2b(f"{number}\0{subject}\0{judgement}\0{who}\0{now}".encode("utf-8", "replace"), digest_size=5).hexdigest()
    text = {"reason": _clean(arguments.why), "who": _clean(who)}
    return Verdict(id=f"ver-{name}", subject=subject, judgement=judgement, when=now, **text)  # type: ignore[arg-type]


def _clean(text: str) -> str:
    """Text that can be stored: lone surrogates of a badly decoded argument are shown as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _settled(incident: Incident, verdict: Verdict, standing: dict[str, Verdict]) -> Incident:
    """The incident in the state that its verdict in force gives it, where this verdict is about it."""
    if verdict.subject not in (incident.id, *incident.merged):
        return incident
    now = verdicts.of(incident, standing)
    if now is None or now.judgement == "unsure":
        return msgspec.structs.replace(incident, state="open", why="")
    return msgspec.structs.replace(incident, state="closed", why=f"judged {now.judgement} by {now.who}: {now.reason}")


def _tell(arguments: argparse.Namespace, verdict: Verdict, incident: Incident | None, contradicted: list[tuple[Verdict, Verdict]]) -> None:
    if arguments.json:
        contradicts = [msgspec.to_builtins(earlier) for earlier, _ in contradicted]
        state = incident.state if incident else ""
        print(safe.json({"type": "verdict", **msgspec.to_builtins(verdict), "state": state, "contradicts": contradicts}))
        return
    what = f"taken back: {verdict.judgement}" if verdict.undoes else verdict.judgement
    print(safe.terminal(f"{verdict.subject}: {what} ({verdict.id}, by {verdict.who})"))
    for earlier, _ in contradicted:
        about = "the same incident" if earlier.subject == verdict.subject else f"{earlier.subject}, which has the same detectors,"
        print(safe.terminal(f"  but {about} was judged {earlier.judgement} by {earlier.who}: {earlier.reason}"))
