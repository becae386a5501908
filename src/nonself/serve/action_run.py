"""`nonself analyst approve|reject|send`: a person decides about a proposed action, and what was approved is sent to be carried out.

What is sent is `Action.bound`, the very bytes whose hash was approved, made anew from the incident as it is now: evidence that has changed
since gives other bytes, and nothing is sent. Before anything leaves, a row of the audit chain says so and is signed.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from pathlib import Path

from nonself.analyst.actions import Action
from nonself.analyst.approvals import PROPOSED, SETTLED, STATES, Decision, decisions
from nonself.analyst.case import investigate
from nonself.analyst.egress import Egress, allow, parts
from nonself.analyst.post import post
from nonself.analyst.records import read
from nonself.core import safe
from nonself.core.errors import ModelError, StateError, UsageError
from nonself.core.settings import Config
from nonself.ledger import Ledger
from nonself.ledger import checkpoints as signed
from nonself.ledger.checkpoints import checkpoint
from nonself.serve.run import state_dir
from nonself.serve.verdict_run import user

OK = 0
_FEWEST = 16
"""Digits of a hash that name an action."""
_SECONDS = 30.0


def decide(arguments: argparse.Namespace, config: Config) -> int:
    """`approve` or `reject` (`arguments.decision`). UsageError for a hash that no action of the incident has now, for a rejection without a
    reason, and for an action that was sent."""
    state, who, why = Path(state_dir(config)), _clean(arguments.by or user()), _clean(arguments.why or "").strip()
    if arguments.decision == "reject" and not why:
        raise UsageError(expected="a reason", got="none", do="add --why TEXT: who comes after you has to know")
    with Ledger.open(state) as ledger:
        incident, action, before = _named(ledger, arguments)
        if before.state in SETTLED:
            raise UsageError(f"this action was {before.state} already", where=action.hash[:16])
        detail = {"incident": incident, "hash": action.hash, "bound": action.bound.decode(), "why": why}
        _append(ledger, state, who, arguments.decision, detail)
    _tell(STATES[arguments.decision], who, action)
    return OK


def send(arguments: argparse.Namespace, config: Config) -> int:
    """Send an approved action to the webhook. UsageError where no webhook is configured or the action is not approved, StateError where the
    chain that says so can't be trusted, ModelError where the policy does not allow it, or it was refused or did not arrive."""
    state, who, chosen = Path(state_dir(config)), _clean(arguments.by or user()), config.analyst
    if not chosen.webhook:
        raise UsageError("no webhook is configured", do="set analyst.webhook, and analyst.egress to a policy that allows it")
    key = _key(chosen.webhook_key_file)
    with Ledger.open(state) as ledger:
        _trusted(ledger, state)
        incident, action, decided = _named(ledger, arguments)
        body = action.bound
        if decided.state not in ("approved", "failed") or decided.bound != body.decode():
            raise UsageError(
                expected="an approved action", got=f"one that is {decided.state}", do="approve it first", where=action.hash[:16]
            )
        allow(chosen.webhook, chosen.egress, chosen.allow)
        detail = {"incident": incident, "hash": action.hash, "bound": body.decode(), "to": "{}://{}:{}".format(*parts(chosen.webhook))}
        _append(ledger, state, who, "send", detail)
        try:
            post(chosen.webhook, body, _headers(action, incident, key), Egress(chosen.egress, chosen.allow), _SECONDS)
        except ModelError as error:
            _append(ledger, state, who, "send failed", {**detail, "why": str(error)})
            raise
        _append(ledger, state, who, "carried out", detail)
    _tell("sent, and the webhook took it", who, action)
    return OK


def _headers(action: Action, incident: str, key: bytes) -> dict[str, str]:
    """The hash lets the receiver check what it got and do it once; the HMAC, that it came from here."""
    told = {"Idempotency-Key": action.hash, "Nonself-Action": action.hash, "Nonself-Incident": incident}
    return told | ({"Nonself-Signature": f"sha256={hmac.new(key, action.bound, hashlib.sha256).hexdigest()}"} if key else {})


def _named(ledger: Ledger, arguments: argparse.Namespace) -> tuple[str, Action, Decision]:
    """The incident's id, the action of that hash as it is proposed now, and what was decided about it."""
    case = investigate(read(ledger, ledger.incident(arguments.incident)))
    wanted: str = arguments.hash
    found: Sequence[Action] = [action for action in case.actions if len(wanted) >= _FEWEST and action.hash.startswith(wanted)]
    if len(found) != 1:
        raise UsageError(
            expected=f"the hash ({_FEWEST} digits or more) of an action proposed for this incident as it is now",
            got=safe.shorten(wanted, 70), do="make the report again: evidence that has changed changes the hash",
        )  # fmt: skip
    return case.incident.id, found[0], decisions(ledger.audit_rows()).get(found[0].hash, PROPOSED)


def _trusted(ledger: Ledger, state: Path) -> None:
    """An approval counts only as part of a whole chain whose signed checkpoints hold and cover it."""
    lines, public = signed.read(state)
    rows = ledger.audit_rows()
    held, wrong = signed.verify(rows, lines, public) if ledger.verify_audit() is None else (0, "the chain was changed")
    decided = rows.filter(rows["action"].is_in(list(STATES)))["seq"].max()
    if wrong or not held or signed.last(lines) < (decided or 0):  # type: ignore[operator]
        raise StateError(f"the audit chain can't be trusted ({wrong or 'no checkpoint covers it'}), so nothing is sent", where=str(state))


def _append(ledger: Ledger, state: Path, who: str, action: str, detail: Mapping[str, object]) -> None:
    ledger.audit(who, action, dict(detail))
    checkpoint(state, ledger.audit_rows())


def _clean(text: str) -> str:
    """Text that can be stored: lone surrogates of a badly decoded argument are shown as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _key(path: str) -> bytes:
    try:
        return Path(path).read_bytes().strip() if path else b""
    except OSError as error:
        raise UsageError("the webhook's key can't be read", do="check the file", where="analyst.webhook_key_file") from error


def _tell(what: str, who: str, action: Action) -> None:
    print(f"{what} by {safe.terminal(who)}: {action.verb} {safe.terminal(action.entity)} ({action.hash[:16]})")
