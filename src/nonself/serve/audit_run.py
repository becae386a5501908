"""`nonself audit`: verify the chain and its checkpoints, sign its head, replay a report."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from nonself.analyst.advisor import advise
from nonself.analyst.case import Case, investigate
from nonself.analyst.cassettes import Cassettes
from nonself.analyst.model import Budget, Price
from nonself.analyst.pseudonyms import Vault, load_key
from nonself.analyst.records import read
from nonself.core.errors import StateError, UsageError
from nonself.core.settings import Config
from nonself.ledger import Ledger
from nonself.ledger import checkpoints as signed
from nonself.serve.case_run import CASSETTES, KEY
from nonself.serve.run import state_dir

OK, UNTRUSTED = 0, 2


class _Row(msgspec.Struct):
    """What the audit row of a report says."""

    incident: str
    report: str
    model: str
    requests: list[str]
    quarantine: bool
    most_tokens: int
    most_seconds: float
    most_usd: float = 0.0
    price: Price = Price()


def verify(arguments: argparse.Namespace, config: Config) -> int:
    """`nonself audit verify`: exit 2 where the chain or a checkpoint was changed, or there is a checkpoint and no key to check it by."""
    state = Path(state_dir(config))
    lines, public = signed.read(state)
    lines, public = _given(arguments.against, lines), _given(arguments.key, public)
    with Ledger.open(state, read_only=True) as ledger:
        broken, rows = ledger.verify_audit(), None
        if broken is None:
            rows = ledger.audit_rows()
    if broken is not None or rows is None:
        print(f"nonself: the audit chain was changed, or rows are missing, from row {broken} on", file=sys.stderr)
        return UNTRUSTED
    held, wrong = signed.verify(rows, lines, public)
    if wrong:
        print(f"nonself: {wrong}", file=sys.stderr)
        return UNTRUSTED
    print(f"{rows.height:,} rows, whole; {held:,} signed checkpoints hold")
    if not held:
        print("no checkpoint covers it: `nonself audit checkpoint` signs one", file=sys.stderr)
    return OK


def _given(path: Path | None, otherwise: bytes) -> bytes:
    try:
        return path.read_bytes() if path else otherwise
    except OSError as error:
        raise UsageError(expected="a file that can be read", got=error.strerror or "", where=str(path)) from error


def checkpoint(arguments: argparse.Namespace, config: Config) -> int:
    """`nonself audit checkpoint`: sign the head; the line goes to stdout too, so that it can be kept elsewhere."""
    state = Path(state_dir(config))
    with Ledger.open(state, read_only=True) as ledger:
        if (broken := ledger.verify_audit()) is not None:
            raise StateError(f"the audit chain was changed from row {broken} on, and is not signed", where=str(state))
        one = signed.checkpoint(state, ledger.audit_rows())
    print(msgspec.json.encode(one).decode())
    return OK


def replay(arguments: argparse.Namespace, config: Config) -> int:
    """`nonself audit replay ID`: exit 0 where the report comes out the same to the bit, 2 where it does not."""
    state = Path(state_dir(config))
    with Ledger.open(state, read_only=True) as ledger:
        incident = ledger.incident(arguments.incident)
        row, later = _last(ledger, incident.id)
        records = read(ledger, incident)
        case: Case = investigate(records)
        if row.model:
            vault, tapes = Vault(load_key(state / KEY)), Cassettes(state / CASSETTES, None, row.model)
            case = advise(
                records, case, tapes, vault, Budget(row.most_tokens, row.most_seconds, row.most_usd, row.price), quarantine=row.quarantine
            )
    if case.sha256 == row.report:
        print(f"report {row.report[:16]} comes out the same; {len(row.requests)} recorded answers")
        return OK
    why = f"; {later} batches were committed or concluded since, which may explain it" if later else ""
    print(f"nonself: the report comes out as {case.sha256[:16]}, and was {row.report[:16]}{why}", file=sys.stderr)
    return UNTRUSTED


def _last(ledger: Ledger, incident: str) -> tuple[_Row, int]:
    """The last report of an incident, and how many commits and conclusions came after it."""
    later = 0
    for action, detail in ledger.audit_rows().select("action", "detail").reverse().iter_rows():
        later += action in ("commit", "conclude")
        if action == "report" and (row := msgspec.json.decode(detail, type=_Row)).incident == incident:
            return row, later
    raise StateError(f"the audit holds no report of {incident}", do="`nonself report` makes one")
