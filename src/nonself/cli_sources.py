"""The part of the command line about what is read: `nonself sources`, and the flags that bring the user's own mappings and lists."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path


def maps(command: argparse.ArgumentParser) -> None:
    """The flag for mappings."""
    command.add_argument("--map", action="append", type=Path, metavar="FILE", help="a mapping of your own, or a folder; repeatable")


def extra(command: argparse.ArgumentParser) -> None:
    """The flags for what is read besides logs."""
    maps(command)
    command.add_argument("--intel", action="append", type=Path, metavar="FILE", help="a list of indicators to match; repeatable")


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, show: Callable[[argparse.Namespace], int], doc: str
) -> None:
    """`nonself sources`, which prints the table, and its action `new`."""
    command = commands.add_parser(name, help=doc, description=doc[0].upper() + doc[1:] + ".")
    command.set_defaults(run=show)
    command.add_argument("--json", action="store_true", help="as JSON lines")
    actions = command.add_subparsers(title="actions", metavar="ACTION")
    about = "draft a mapping for records of your own, from a sample of them"
    new = actions.add_parser("new", help=about, description=about[0].upper() + about[1:] + ".")
    new.set_defaults(run=_new)
    new.add_argument(
        "--from", dest="sample", type=Path, required=True, metavar="FILE", help="some records: JSON, or CSV with a header line"
    )
    new.add_argument("--name", metavar="NAME", help="what the source is called (default: the file's name)")
    new.add_argument("--out", type=Path, metavar="FILE", help="where the mapping goes (default: stdout)")


def _new(arguments: argparse.Namespace) -> int:
    from nonself.serve import sources_new

    return sources_new.new(arguments)
