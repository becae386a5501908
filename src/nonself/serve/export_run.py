"""`nonself export ID --format FORMAT`: incidents for other tools, to stdout or a file."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence

from nonself.core.errors import UsageError
from nonself.core.settings import Config
from nonself.ledger import Ledger
from nonself.serve import export_md, export_misp, export_navigator, export_ocsf, export_stix, timesketch
from nonself.serve.export_parts import Told
from nonself.serve.run import state_dir
from nonself.serve.story import stories
from nonself.triage import verdicts

COVERAGE, ALL = "coverage", "all"


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Write one incident, or all that are shown, or what can be found (a Navigator layer)."""
    if arguments.incident == COVERAGE:
        if arguments.format != "navigator":
            raise UsageError(expected="--format navigator for coverage", got=arguments.format)
        text = export_navigator.coverage(config)
    else:
        with Ledger.open(state_dir(config), read_only=True) as ledger:
            every = arguments.incident == ALL
            chosen = [i for i in ledger.incidents() if i.shown] if every else [ledger.incident(arguments.incident)]
            standing = verdicts.in_force(ledger.verdicts())
            told = [Told(s, verdicts.of(s.incident, standing)) for s in stories(ledger, chosen, activity=arguments.format == "html")]
        text = FORMATS[arguments.format](told)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


def _csv(incidents: Sequence[Told]) -> str:
    out = io.StringIO()
    timesketch.write([one.story for one in incidents], out)
    return out.getvalue()


def _html(incidents: Sequence[Told]) -> str:
    from nonself.serve import html

    return html.report([one.story for one in incidents], kept=0)


FORMATS: dict[str, Callable[[Sequence[Told]], str]] = {
    "ocsf": export_ocsf.write,
    "stix": export_stix.write,
    "misp": export_misp.write,
    "navigator": export_navigator.write,
    "csv": _csv,
    "html": _html,
    "md": export_md.write,
}
