"""`nonself report --handover` and `--weekly`: sum up a shift or a week."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from nonself.core import safe
from nonself.core.settings import Config
from nonself.ledger import Ledger
from nonself.serve import case_summary_text as text
from nonself.serve.case_summary import Summary, summary
from nonself.serve.run import state_dir
from nonself.serve.selection import moment


def run(arguments: argparse.Namespace, config: Config) -> int:
    """The summary in the form asked for. UsageError for a time that can't be read. No language model is asked and nothing is written."""
    with Ledger.open(Path(state_dir(config)), read_only=True) as ledger:
        since = moment(arguments.since) if arguments.since else None
        told = summary(ledger, "handover" if arguments.handover else "weekly", since, datetime.now(UTC))
    forms = {"md": text.markdown, "html": text.page, "json": _json}
    page = forms[arguments.format](told)
    if arguments.out:
        arguments.out.write_text(page, encoding="utf-8")
        print(f"report: {arguments.out}", file=sys.stderr)
    else:
        sys.stdout.write(page)
    return 0


def _json(told: Summary) -> str:
    return safe.json(text.as_json(told)) + "\n"
