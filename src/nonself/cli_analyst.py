"""The part of the command line about judging incidents: `nonself report`, `nonself analyst`, `nonself audit`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nonself.core.settings import Config

_Commands = argparse._SubParsersAction  # argparse offers no public name
Load = Callable[[argparse.Namespace], "Config"]


def add(commands: _Commands[argparse.ArgumentParser], load: Load) -> None:
    """All commands of the analyst. `load` gives the configuration in force."""
    report = _command(commands, "report", "judge one incident, or sum up a shift or a week; every sentence leads to its events")
    report.set_defaults(run=lambda arguments: _run("summary" if arguments.handover or arguments.weekly else "report", arguments, load))
    what = report.add_mutually_exclusive_group(required=True)
    what.add_argument("incident", metavar="ID", nargs="?", help="incident id, or the start of one")
    what.add_argument(
        "--handover", action="store_true", help="for whoever takes over: what is open, was decided and waits, of the last 12 hours"
    )
    what.add_argument("--weekly", action="store_true", help="what came, went and stayed in the last 7 days, beside the 7 before")
    report.add_argument("--since", metavar="TIME", help="--handover, --weekly: from this time on (ISO 8601, UTC)")
    report.add_argument("--format", choices=("md", "html", "json"), default="md", help="form of the report (default: md)")
    report.add_argument("--out", type=Path, metavar="FILE", help="where it goes (default: stdout)")
    report.add_argument("--no-model", action="store_true", help="ask no language model, even if one is configured")
    _state(report)
    _analyst(commands, load)
    _audit(commands, load)


def _analyst(commands: _Commands[argparse.ArgumentParser], load: Load) -> None:
    analyst = _command(
        commands, "analyst", "decide about proposed actions, look at what would leave for a model, rotate the pseudonyms' key"
    )
    analyst.set_defaults(run=lambda arguments: _run("analyst", arguments, load))
    what = analyst.add_mutually_exclusive_group()
    what.add_argument("--preview", metavar="ID", help="print the exact bytes that a report of this incident would send, and send nothing")
    what.add_argument("--rotate-key", action="store_true", help="make a new key: pseudonyms of before and after can't be linked")
    _state(analyst)
    actions = analyst.add_subparsers(title="actions", metavar="ACTION", dest="decision")
    approve = _command(actions, "approve", "approve a proposed action; nothing is sent by that")
    reject = _command(actions, "reject", "reject a proposed action")
    send = _command(actions, "send", "send an approved action to the webhook (analyst.webhook), exactly as it was approved")
    for name, action in (("action_decide", approve), ("action_decide", reject), ("action_send", send)):
        action.set_defaults(run=lambda arguments, name=name: _run(name, arguments, load))
        action.add_argument("incident", metavar="ID", help="incident id, or the start of one")
        action.add_argument("hash", metavar="HASH", help="the action's hash, 16 digits or more, as the report shows it")
        action.add_argument("--by", metavar="NAME", help="who says so (default: the user's login name)")
        if action is not send:
            action.add_argument("--why", metavar="TEXT", help="the reason; a rejection needs one")
        _state(action)


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


def _command(commands: _Commands[argparse.ArgumentParser], name: str, doc: str) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=doc, description=doc[0].upper() + doc[1:] + ".")


def _state(command: argparse.ArgumentParser) -> None:
    command.add_argument("--state", metavar="DIR", help="where what was learnt is kept (default: your data home)")
    command.add_argument("--config", type=Path, metavar="FILE", help="TOML configuration")


def _run(name: str, arguments: argparse.Namespace, load: Load) -> int:
    from nonself.serve import action_run, audit_run, case_run, summary_run

    runs: dict[str, Callable[[argparse.Namespace, Config], int]] = {
        "report": case_run.report,
        "summary": summary_run.run,
        "analyst": case_run.analyst,
        "action_decide": action_run.decide,
        "action_send": action_run.send,
        "audit_verify": audit_run.verify,
        "audit_checkpoint": audit_run.checkpoint,
        "audit_replay": audit_run.replay,
    }
    return runs[name](arguments, load(arguments))
