"""The commands. Everything heavy is imported inside the command that needs it, so that `nonself --help` stays under 150 ms.

Exit status: 0 ran, nothing over `--fail-on`; 1 incidents over it; 2 usage, or the run can't be trusted; 3 partial (dead letters over the
limit).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nonself import __version__
from nonself.core.errors import NonselfError, UsageError

if TYPE_CHECKING:
    from nonself.core.config import Config

OK, FOUND, UNTRUSTED, PARTIAL = 0, 1, 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; errors of the family are told in one line on stderr."""
    arguments = parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except NonselfError as error:
        from nonself.core import safe

        print(f"nonself: {safe.terminal(str(error))}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("nonself: interrupted; what was committed is kept, run the same command again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: say nothing more, as `head` expects
        return OK


def parser() -> argparse.ArgumentParser:
    """The command line as a tree; every command documents itself."""
    top = argparse.ArgumentParser(prog="nonself", description="Turns security logs into a few explained incidents.")
    top.add_argument("--version", action="version", version=f"nonself {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    scan = _command(commands, "scan", _scan, "read logs and show the incidents in them")
    scan.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="file, folder or archive of logs")
    _state(scan)
    scan.add_argument("--rules", action="append", type=Path, metavar="DIR", help="Sigma rules, a file or tree; repeatable")
    scan.add_argument("--no-builtin-rules", action="store_true", help="leave nonself's own rules out")
    _output(scan)
    scan.add_argument("--html", type=Path, metavar="FILE", help="also write a self-contained HTML report")
    scan.add_argument("--stats", type=Path, metavar="FILE", help="also write what was read and what it cost, as JSON")
    scan.add_argument("--fail-on", type=float, metavar="BITS", help="exit 1 when an incident within the budget has at least BITS bits")
    scan.add_argument("--budget", type=int, metavar="N", help="incidents shown a day")
    scan.add_argument("--quiet", action="store_true", help="no progress on stderr")
    listing = _command(commands, "incidents", _incidents, "list the incidents of the state")
    _state(listing)
    _output(listing)
    listing.add_argument("--all", action="store_true", help="also those below the daily budget")
    listing.add_argument("--html", type=Path, metavar="FILE", help="also write a self-contained HTML report")
    explain = _command(commands, "explain", _explain, "tell one incident: reasons, timeline, evidence")
    explain.add_argument("incident", metavar="ID", help="incident id, or the start of one")
    _state(explain)
    _output(explain)
    schema = _command(commands, "schema", _tables("schema"), "print the event schema")
    schema.add_argument("--json", action="store_true", help="as JSON lines")
    for name, doc in (("sources", "print what can be read"), ("detectors", "print the behaviour detectors")):
        _command(commands, name, _tables(name), doc).add_argument("--json", action="store_true", help="as JSON lines")
    config = _command(commands, "config", _config, "print the configuration in force")
    _config_flag(config)
    demo = _command(commands, "demo", _demo, "make the logs of a small company, scan them, show what was hidden in them")
    demo.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="where logs, state and report go (default: demo)")
    demo.add_argument("--seed", type=int, default=7, help="seed of the company (default: 7)")
    bench = _command(commands, "bench", _bench, "measure speed and memory on data given")
    bench.add_argument("track", choices=("scan",), help="what to measure")
    bench.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="data to measure on")
    bench.add_argument("--rules", action="append", type=Path, metavar="DIR", help="Sigma rules")
    bench.add_argument("--repeat", type=int, default=3, metavar="N", help="runs, each in a fresh process; the first is cold (default: 3)")
    bench.add_argument("--json", action="store_true", help="as JSON")
    return top


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: Callable[[argparse.Namespace], int], doc: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=doc, description=doc[0].upper() + doc[1:] + ".")
    command.set_defaults(run=run)
    return command


def _config_flag(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, metavar="FILE", help="TOML configuration")


def _state(command: argparse.ArgumentParser) -> None:
    command.add_argument("--state", metavar="DIR", help="where what was learnt is kept; `:memory:` keeps nothing (default: your data home)")
    _config_flag(command)


def _output(command: argparse.ArgumentParser) -> None:
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json", help="JSON lines (the default into a pipe)")
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="CSV that Timesketch loads")
    form.add_argument("--table", dest="form", action="store_const", const="table", help="table (the default on a terminal)")
    command.add_argument("--top", type=int, default=20, metavar="N", help="incidents in the table (default: 20)")


def _load_config(arguments: argparse.Namespace) -> Config:
    from nonself.core import config

    overrides: dict[str, object] = {}
    if getattr(arguments, "state", None):
        overrides["state.dir"] = arguments.state
    if getattr(arguments, "rules", None):
        overrides["rules.dirs"] = [str(path) for path in arguments.rules]
    if getattr(arguments, "no_builtin_rules", False):
        overrides["rules.builtin"] = False
    if getattr(arguments, "budget", None) is not None:
        overrides["budget.incidents_per_day"] = arguments.budget
    return config.load(arguments.config, overrides, os.environ)


def _scan(arguments: argparse.Namespace) -> int:
    from nonself.serve import run

    return run.scan(arguments, _load_config(arguments))


def _incidents(arguments: argparse.Namespace) -> int:
    from nonself.serve import run

    return run.incidents(arguments, _load_config(arguments))


def _explain(arguments: argparse.Namespace) -> int:
    from nonself.serve import run

    return run.explain(arguments, _load_config(arguments))


def _tables(name: str) -> Callable[[argparse.Namespace], int]:
    def show(arguments: argparse.Namespace) -> int:
        from nonself.serve import tables

        return tables.show(name, as_json=arguments.json)

    return show


def _config(arguments: argparse.Namespace) -> int:
    from nonself.core import config

    print(config.as_toml(_load_config(arguments)))
    return OK


def _demo(arguments: argparse.Namespace) -> int:
    from nonself import lab

    logs, report = arguments.out / "logs", arguments.out / "report.html"
    if logs.exists():
        print(f"using the logs in {logs}; remove {arguments.out} to make them anew", file=sys.stderr)
    else:
        print(f"making the logs of a small company in {logs} ...", file=sys.stderr)
        lab.make(logs, seed=arguments.seed, truth=arguments.out / "truth.jsonl")
    scan = ["scan", str(logs), "--state", str(arguments.out / "state"), "--html", str(report), "--table", "--top", "10"]
    status = main(scan)
    if status in (OK, FOUND, PARTIAL):
        print(f"\nThe report: {report}\nWhat was really hidden: {arguments.out / 'truth.jsonl'}")
    return status


def _bench(arguments: argparse.Namespace) -> int:
    from nonself.lab import bench

    if arguments.repeat < 1:
        raise UsageError(expected="--repeat of at least 1", got=str(arguments.repeat))
    return bench.scan(arguments.paths, arguments.rules or [], repeat=arguments.repeat, as_json=arguments.json)
