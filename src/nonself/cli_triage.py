"""The part of the command line that people decide with: `incidents`, `verdict`, `suppress`, `backtest`, `export`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nonself.core.settings import Config

Flags = Callable[[argparse.ArgumentParser], None]
Loader = Callable[[argparse.Namespace], "Config"]
JUDGEMENTS = ("malicious", "attempt", "benign", "false", "unsure")
FORMATS = ("ocsf", "stix", "misp", "navigator", "csv", "html", "md")


def filters(listing: argparse.ArgumentParser) -> None:
    """What of the queue is listed, and in which order."""
    listing.add_argument("--all", action="store_true", help="also those below the daily budget")
    listing.add_argument("--entity", metavar="TEXT", help="only incidents with an entity that holds this text")
    listing.add_argument("--technique", metavar="ID", help="only incidents with this ATT&CK technique or tactic")
    listing.add_argument("--detector", metavar="TEXT", help="only incidents with a finding whose detector holds this text")
    listing.add_argument("--verdict", choices=(*JUDGEMENTS, "none"), help="only incidents judged so; `none`: not judged yet")
    listing.add_argument("--status", choices=("open", "closed"), help="only incidents in this state")
    listing.add_argument("--since", metavar="TIME", help="only incidents that changed from then on: a date or an ISO 8601 time")
    listing.add_argument("--until", metavar="TIME", help="only incidents that were raised before then")
    listing.add_argument("--min-bits", type=float, metavar="BITS", help="only incidents of at least BITS bits")
    listing.add_argument("--sort", choices=("rank", "bits", "raised", "changed", "findings"), default="rank", help="order (default: rank)")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], state: Flags, load: Loader) -> None:
    """`verdict`, `suppress`, `backtest` and `export`. `state` adds the flags of a state, `load` reads the configuration they name."""
    verdict = _command(commands, "verdict", _verdict(load), "say what an incident is; the ranking learns from it")
    verdict.add_argument("incident", metavar="ID", help="incident id, or the start of one; with --undo a verdict's id")
    verdict.add_argument("judgement", nargs="?", choices=JUDGEMENTS, help="what it is; `benign`: a benign trigger, `false`: a false alarm")
    verdict.add_argument("--why", default="", metavar="TEXT", help="the reason, which is kept")
    verdict.add_argument("--who", metavar="NAME", help="who says so (default: your user name)")
    verdict.add_argument("--undo", action="store_true", help="take a verdict back, or the last one on an incident")
    verdict.add_argument("--json", action="store_true", help="as JSON")
    state(verdict)
    suppress = _command(commands, "suppress", _suppress(load), "write an exception for findings like one, after a look at what it hides")
    suppress.add_argument("finding", nargs="?", metavar="FINDING", help="finding id, or the start of one (default: list exceptions)")
    suppress.add_argument("--value", action="append", default=[], metavar="TEXT", help="only findings that tell this too; repeatable")
    suppress.add_argument("--any-entity", action="store_true", help="of any entity; needs --value")
    suppress.add_argument("--why", default="", metavar="TEXT", help="the reason, which is kept")
    suppress.add_argument("--who", metavar="NAME", help="who wants it (default: your user name)")
    suppress.add_argument("--days", type=int, default=90, metavar="N", help="days until it ends, at most 366 (default: 90)")
    suppress.add_argument("--since", default="30d", metavar="TIME", help="preview from then on: a date, or such as 30d (default: 30d)")
    suppress.add_argument("--preview", action="store_true", help="only show what it would have hidden")
    suppress.add_argument("--out", type=Path, metavar="FILE", help="the TOML file it is added to; name it in triage.exceptions")
    suppress.add_argument("--sigma", type=Path, metavar="FILE", help="also write it as a Sigma filter, where it is one")
    suppress.add_argument("--json", action="store_true", help="as JSON")
    state(suppress)
    backtest = _command(commands, "backtest", _backtest(load), "try a change on paper: which incidents would appear, vanish or move")
    backtest.add_argument("--change", type=Path, required=True, metavar="FILE", help="TOML with the keys of the configuration to change")
    backtest.add_argument("--since", default="30d", metavar="TIME", help="from then on: a date, or such as 30d (default: 30d)")
    backtest.add_argument("--json", action="store_true", help="as JSON lines")
    state(backtest)
    export = _command(commands, "export", _export(load), "write an incident for other tools")
    export.add_argument(
        "incident", metavar="ID", help="incident id or the start of one; `all`: those shown; `coverage`: what can be found (navigator)"
    )
    export.add_argument("--format", required=True, choices=FORMATS, help="what to write")
    export.add_argument("--out", type=Path, metavar="FILE", help="where it goes (default: stdout)")
    state(export)


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: Callable[[argparse.Namespace], int], doc: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=doc, description=doc[0].upper() + doc[1:] + ".")
    command.set_defaults(run=run)
    return command


def _verdict(load: Loader) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        from nonself.serve import verdict_run

        return verdict_run.run(arguments, load(arguments))

    return run


def _suppress(load: Loader) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        from nonself.serve import suppress_run

        return suppress_run.run(arguments, load(arguments))

    return run


def _export(load: Loader) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        from nonself.serve import export_run

        return export_run.run(arguments, load(arguments))

    return run


def _backtest(load: Loader) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        from nonself.serve import backtest_run

        return backtest_run.run(arguments, load(arguments))

    return run
