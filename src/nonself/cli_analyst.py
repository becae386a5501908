"""The part of the command line about judging incidents: `nonself report`, `nonself analyst`, `nonself audit`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nonself.core.config import Config

_Commands = argparse._SubParsersAction  # argparse offers no public name
Load = Callable[[argparse.Namespace], "Config"]


def add(commands: _Commands[argparse.ArgumentParser], load: Load) -> None:
    """All commands of the analyst. `load` gives the configuration in force."""
    report = _command(commands, "report", "judge one incident: verdict proposed, story, what was not found, each sentence with its events")
    report.set_defaults(run=lambda arguments: _run("report", arguments, load))
    report.add_argument("incident", metavar="ID", help="incident id, or the start of one")
    report.add_argument("--format", choices=("md", "html", "json"), default="md", help="form of the report (default: md)")
    report.add_argument("--out", type=Path, metavar="FILE", help="where it goes (default: stdout)")
    report.add_argument("--no-model", action="store_true", help="ask no language model, even if one is configured")
    _state(report)
    _analyst(commands, load)
    _audit(commands, load)


def _analyst(commands: _Commands[argparse.ArgumentParser], load: Load) -> None:
    analyst = _command(commands, "analyst", "look at what would leave for a model, approve a proposed action, rotate the pseudonyms' key")
    analyst.set_defaults(run=lambda arguments: _run("analyst", arguments, load))
    what = analyst.add_mutually_exclusive_group(required=True)
    what.add_argument("--preview", metavar="ID", help="print the exact bytes that a report of this incident would send, and send nothing")
    what.add_argument("--approve", nargs=2, metavar=("ID", "HASH"), help="approve the proposed action of that hash; the audit records who")
    what.add_argument("--rotate-key", action="store_true", help="make a new key: pseudonyms of before and after can't be linked")
    analyst.add_argument("--by", metavar="NAME", help="who approves (default: the user's login name)")
    _state(analyst)


def _audit(commands: _Commands[argparse.ArgumentParser], load: Load) -> None:
    audit = commands.add_parser("audit", help="verify, sign and replay the audit chain", description="Work on the audit chain.")
    actions = audit.add_subparsers(title="actions", metavar="ACTION", required=True)
    verify = _command(actions, "verify", "check the chain and every signed checkpoint; exit 2 where either was changed")
    verify.add_argument("--key", type=Path, metavar="FILE", help="public key kept elsewhere (default: audit.pub of the state)")
    verify.add_argument("--against", type=Path, metavar="FILE", help="checkpoints kept elsewhere (default: audit.checkpoints of the state)")
    checkpoint = _command(actions, "checkpoint", "sign the head of the chain; print the checkpoint, to be kept elsewhere")
    replay = _command(actions, "replay", "make the last report of an incident again, from recorded answers, and compare it")
    replay.add_argument("incident", metavar="ID", help="incident id, or the start of one")
    for name, action in (("audit_verify", verify), ("audit_checkpoint", checkpoint), ("audit_replay", replay)):
        action.set_defaults(run=lambda arguments, name=name: _run(name, arguments, load))
        _state(action)


def bench(parser: argparse.ArgumentParser) -> None:
    """The flags of the tracks `injection` and `analyst`."""
    parser.add_argument("--payloads", type=Path, metavar="FILE", help="injection: payloads, one a line or JSON lines (default: our own)")
    parser.add_argument("--first-seed", type=int, default=201, metavar="N", help="analyst: first seed of the companies (default: 201)")


def measure(arguments: argparse.Namespace) -> int:
    """The tracks `injection` and `analyst`."""
    from nonself.lab import bench_analyst, bench_injection
    from nonself.serve import case_html

    if arguments.track == "injection":
        return bench_injection.run(arguments.payloads, case_html.report, as_json=arguments.json)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    return bench_analyst.run(seeds, as_json=arguments.json)


def _command(commands: _Commands[argparse.ArgumentParser], name: str, doc: str) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=doc, description=doc[0].upper() + doc[1:] + ".")


def _state(command: argparse.ArgumentParser) -> None:
    command.add_argument("--state", metavar="DIR", help="where what was learnt is kept (default: your data home)")
    command.add_argument("--config", type=Path, metavar="FILE", help="TOML configuration")


def _run(name: str, arguments: argparse.Namespace, load: Load) -> int:
    from nonself.serve import audit_run, case_run

    runs: dict[str, Callable[[argparse.Namespace, Config], int]] = {
        "report": case_run.report,
        "analyst": case_run.analyst,
        "audit_verify": audit_run.verify,
        "audit_checkpoint": audit_run.checkpoint,
        "audit_replay": audit_run.replay,
    }
    return runs[name](arguments, load(arguments))
