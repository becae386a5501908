"""The part of the command line about history: `nonself learn`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nonself import cli_sources

if TYPE_CHECKING:
    from nonself.core.settings import Config


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    state: Callable[[argparse.ArgumentParser], None],
    config: Callable[[argparse.Namespace], Config],
) -> None:
    """`nonself learn`; `state` adds the flags of commands that open a state, `config` reads the configuration they name."""
    about = "learn what is normal from past logs, raising nothing"
    command = commands.add_parser("learn", help=about, description=about[0].upper() + about[1:] + ".")
    command.set_defaults(run=partial(_learn, config))
    command.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="file, folder or archive of past logs")
    state(command)
    command.add_argument("--rules", action="append", type=Path, metavar="DIR", help="Sigma rules, as for scans to come; repeatable")
    command.add_argument("--no-builtin-rules", action="store_true", help="leave nonself's own rules out")
    cli_sources.extra(command)
    command.add_argument("--json", action="store_true", help="what was read, as JSON")
    command.add_argument("--quiet", action="store_true", help="no progress on stderr")


def _learn(config: Callable[[argparse.Namespace], Config], arguments: argparse.Namespace) -> int:
    from nonself.serve import run

    return run.ingest(arguments, config(arguments), learn=True)
