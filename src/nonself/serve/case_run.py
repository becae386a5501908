"""`nonself report` and `nonself analyst`: judge an incident, ask a model if one is configured, show it, and leave a row in the audit."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from nonself.analyst import report as reports
from nonself.analyst.advisor import advise
from nonself.analyst.approvals import decisions
from nonself.analyst.case import Case, investigate
from nonself.analyst.cassettes import Cassettes
from nonself.analyst.local import Local
from nonself.analyst.model import Budget, Endpoint, Model, Price, Request, Response
from nonself.analyst.pseudonyms import Vault, load_key, rotate_key
from nonself.analyst.records import Records, read
from nonself.core import safe
from nonself.core.errors import ModelError, StateError, UsageError
from nonself.core.incident import Incident
from nonself.core.settings import Config
from nonself.ledger import Ledger
from nonself.ledger.checkpoints import checkpoint
from nonself.serve.run import state_dir

OK = 0
KEY, CASSETTES = "pseudonyms.key", "cassettes"


@dataclass(frozen=True, slots=True)
class Asked:
    """A case, and what it was made of: enough to make it again."""

    case: Case
    records: Records
    quarantine: bool
    budget: Budget


def report(arguments: argparse.Namespace, config: Config) -> int:
    """`nonself report ID`: the case in the form asked for. With a model it must leave an audit row; without one it may fail to."""
    state = Path(state_dir(config))
    with Ledger.open(state, read_only=True) as ledger:
        incident = ledger.incident(arguments.incident)
        asked = ask(ledger, incident, None if arguments.no_model else model(config), config, state)
        text = _text(ledger, asked, arguments.format)
    _record(state, asked)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
        print(f"report: {arguments.out}", file=sys.stderr)
    else:
        sys.stdout.write(text)
    return OK


def ask(ledger: Ledger, incident: Incident, asked_of: Model | None, config: Config, state: Path) -> Asked:
    """The floor, and what a model adds to it."""
    records = read(ledger, incident)
    case = investigate(records)
    quarantine = config.analyst.quarantine and bool(config.analyst.gguf or config.analyst.egress == "loopback")
    budget = allowance(config)
    if asked_of is not None:
        vault = Vault(load_key(state / KEY))
        case = advise(records, case, Cassettes(state / CASSETTES, asked_of), vault, budget, quarantine=quarantine)
    return Asked(case, records, quarantine and asked_of is not None, budget)


def allowance(config: Config) -> Budget:
    """What one incident may cost."""
    chosen = config.analyst
    return Budget(chosen.tokens, chosen.seconds, chosen.usd, Price(chosen.usd_per_million_in, chosen.usd_per_million_out))


def model(config: Config) -> Model | None:
    """The model that the configuration names: a GGUF file, else an endpoint, else none."""
    chosen = config.analyst
    if chosen.gguf:
        return Local(Path(chosen.gguf), chosen.threads)
    if not chosen.endpoint or chosen.egress == "none":
        return None
    try:
        key = Path(chosen.key_file).read_text("utf-8").strip() if chosen.key_file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("the endpoint's key can't be read", do="check the file", where="analyst.key_file") from error
    return Endpoint(chosen.endpoint, chosen.model or "default", chosen.egress, chosen.allow, key)


def _text(ledger: Ledger, asked: Asked, form: str) -> str:
    decided = decisions(ledger.audit_rows())
    if form == "json":
        return safe.json(reports.as_json(asked.case, decided)) + "\n"
    if form == "md":
        return reports.markdown(asked.case, decided)
    from nonself.serve import case_html
    from nonself.serve.story import stories

    story = stories(ledger, [asked.case.incident], activity=False)[0]
    return case_html.report(asked.case, asked.records.events, story, decided)


def _record(state: Path, asked: Asked) -> None:
    case = asked.case
    detail: dict[str, object] = {
        "incident": case.incident.id,
        "report": case.sha256,
        "judgement": case.proposal.judgement,
        "queries": [a.query.id for a in case.answers],
        "answers": [a.sha256 for a in case.answers],
        "model": case.advice.model,
        "requests": list(case.advice.requests),
        "tokens_in": case.advice.tokens_in,
        "tokens_out": case.advice.tokens_out,
        "usd": case.advice.usd,
        "quarantine": asked.quarantine,
        "most_tokens": asked.budget.tokens,
        "most_seconds": asked.budget.seconds,
        "most_usd": asked.budget.usd,
        "price": asked.budget.price,
    }
    try:
        _append(state, "report", detail)
    except StateError:
        if case.advice.model:
            raise
        print("nonself: the state is in use or read-only, so this report left no row in the audit", file=sys.stderr)


def _append(state: Path, action: str, detail: dict[str, object], actor: str = "analyst") -> None:
    with Ledger.open(state) as ledger:
        ledger.audit(actor, action, detail)
        checkpoint(state, ledger.audit_rows())


def analyst(arguments: argparse.Namespace, config: Config) -> int:
    """`nonself analyst --preview` and `--rotate-key`."""
    state = Path(state_dir(config))
    if arguments.rotate_key:
        rotate_key(state / KEY)
        _append(state, "rotate pseudonym key", {})
        return OK
    if not arguments.preview:
        raise UsageError(expected="approve, reject, send, --preview or --rotate-key", got="none of them", do="see `nonself analyst --help`")
    return _preview(arguments.preview, config, state)


class _Preview:
    """A model that keeps the requests and answers none."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.kept: list[Request] = []

    @property
    def name(self) -> str:
        return self._name

    def ask(self, request: Request, seconds: float) -> Response:
        self.kept.append(request)
        raise ModelError("preview")


def _preview(name: str, config: Config, state: Path) -> int:
    """The bytes of every request, one a line, and where they would go."""
    chosen = model(config)
    preview = _Preview(chosen.name if chosen else config.analyst.model)  # a model's file that can't be read is an error here
    vault = Vault(load_key(state / KEY))
    with Ledger.open(state, read_only=True) as ledger:
        records = read(ledger, ledger.incident(name))
        quarantine = config.analyst.quarantine and bool(config.analyst.gguf or config.analyst.egress == "loopback")
        advise(records, investigate(records), preview, vault, allowance(config), quarantine=quarantine)
    where = config.analyst.gguf or (f"{config.analyst.endpoint} ({config.analyst.egress})" if chosen else "nowhere: no model is configured")
    print(f"{len(preview.kept)} requests would go to {safe.terminal(where)}:", file=sys.stderr)
    for request in preview.kept:
        sys.stdout.flush()
        os.write(sys.stdout.fileno(), request.bytes + b"\n")
    return OK
