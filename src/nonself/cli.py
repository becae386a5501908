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

from nonself import __version__, cli_analyst, cli_bench, cli_lab, cli_learn, cli_sources, cli_triage
from nonself.core import threads
from nonself.core.errors import NonselfError

if TYPE_CHECKING:
    from nonself.core.settings import Config

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
    scan.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="file, folder or archive of logs; - is standard input")
    _state(scan)
    scan.add_argument("--rules", action="append", type=Path, metavar="DIR", help="Sigma rules, a file or tree; repeatable")
    scan.add_argument("--no-builtin-rules", action="store_true", help="leave nonself's own rules out")
    cli_sources.extra(scan)
    _output(scan)
    scan.add_argument("--html", type=Path, metavar="FILE", help="also write a self-contained HTML report")
    scan.add_argument("--stats", type=Path, metavar="FILE", help="also write what was read and what it cost, as JSON")
    scan.add_argument("--fail-on", type=float, metavar="BITS", help="exit 1 when an incident within the budget has at least BITS bits")
    scan.add_argument("--budget", type=int, metavar="N", help="incidents shown a day")
    scan.add_argument("--quiet", action="store_true", help="no progress on stderr")
    cli_learn.add(commands, _state, _load_config)
    _lake(commands)
    listing = _command(commands, "incidents", _incidents, "list the incidents of the state")
    _state(listing)
    _output(listing)
    cli_triage.filters(listing)
    listing.add_argument("--html", type=Path, metavar="FILE", help="also write a self-contained HTML report")
    explain = _command(commands, "explain", _explain, "tell one incident: reasons, timeline, evidence")
    explain.add_argument("incident", metavar="ID", help="incident id, or the start of one")
    _state(explain)
    _output(explain)
    cli_triage.add(commands, _state, _load_config)
    cli_analyst.add(commands, _load_config)
    schema = _command(commands, "schema", _tables("schema"), "print the event schema")
    schema.add_argument("--json", action="store_true", help="as JSON lines")
    cli_sources.add(commands, "sources", _tables("sources"), "print what can be read, or draft a mapping for what can't")
    behaviour = _command(commands, "detectors", _tables("detectors"), "print the behaviour detectors")
    behaviour.add_argument("--json", action="store_true", help="as JSON lines")
    _config_flag(_command(commands, "config", _config, "print the configuration in force"))
    cli_lab.demo(commands, _command, main)
    cli_lab.add(commands, _command)
    _rules(commands)
    cli_bench.add(commands)
    return top


def _rules(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    group = commands.add_parser("rules", help="check, test, explain and update Sigma rules", description="Work on Sigma rules.")
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    check = _command(actions, "check", _rules_check, "say which rules are evaluated, why others are not, and what looks wrong in them")
    check.add_argument("paths", nargs="+", type=Path, metavar="DIR", help="rules, a file or tree")
    check.add_argument("--cost", action="store_true", help="also name the ten dearest rules, by an estimate")
    check.add_argument("--events", action="append", type=Path, default=[], metavar="PATH", help="measure the cost over these logs instead")
    check.add_argument("--json", action="store_true", help="as JSON")
    test = _command(actions, "test", _rules_test, "run rules against their examples, or against SigmaHQ's regression data")
    test.add_argument("paths", nargs="*", type=Path, metavar="DIR", help="rules, a file or tree (default: nonself's own)")
    test.add_argument(
        "--regression", type=Path, metavar="DIR", help="a regression_data folder; its rules lie beside it unless DIR is given"
    )
    test.add_argument("--json", action="store_true", help="as JSON")
    explain = _command(actions, "explain", _rules_explain, "tell which part of a rule held on an event, and which did not")
    explain.add_argument("rule", metavar="RULE", help="a rule's file, or its id or the start of one")
    explain.add_argument("event", metavar="EVENT", help="a file, a JSON record, `-` (stdin) or the uid of an event of the state")
    explain.add_argument("--record", type=int, default=0, metavar="N", help="which record of a file, from 0 (default: 0)")
    explain.add_argument("--rules", action="append", type=Path, metavar="DIR", help="where the rule is looked for by its id; repeatable")
    explain.add_argument("--json", action="store_true", help="as JSON")
    _state(explain)
    update = _command(actions, "update", _rules_update, "take a release of rules from a file, folder or https URL into the data home")
    update.add_argument("source", metavar="URL|FILE", help="a .zip, .tar.gz or folder of rules, or the https URL of one")
    update.add_argument("--sha256", metavar="HEX", help="the hash it must have; needed with a URL")
    update.add_argument("--name", default="sigma", metavar="NAME", help="what the set is called in the data home (default: sigma)")
    update.add_argument("--json", action="store_true", help="as JSON")


def _lake(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Data in and out of the lake."""
    ingest = _command(commands, "ingest", _run_ingest, "read logs into the lake; a later scan learns and scores them")
    ingest.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="file, folder or archive of logs; - is standard input")
    _state(ingest)
    ingest.add_argument("--rules", action="append", type=Path, metavar="DIR", help="Sigma rules, as for the scan to come; repeatable")
    ingest.add_argument("--no-builtin-rules", action="store_true", help="leave nonself's own rules out")
    cli_sources.extra(ingest)
    ingest.add_argument("--json", action="store_true", help="what was read, as JSON")
    ingest.add_argument("--quiet", action="store_true", help="no progress on stderr")
    ocsf = _command(commands, "ocsf", _run_ocsf, "write events as OCSF 1.8 JSON lines, from logs or from the lake")
    ocsf.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="logs to read on the fly (default: the lake of --state)")
    _state(ocsf)
    cli_sources.maps(ocsf)
    ocsf.add_argument("--where", metavar="SQL", help='only events for which this holds, such as "class_uid = 3002 AND status_id = 2"')
    ocsf.add_argument("--since", metavar="TIME", help="only events from then on: a date or an ISO 8601 time, UTC where it names no zone")
    ocsf.add_argument("--until", metavar="TIME", help="only events before then")
    ocsf.add_argument("--raw", action="store_true", help="each event's raw record too, as raw_data")
    sql = _command(commands, "sql", _run_sql, "run one SELECT over the lake: views events, findings, incidents, inputs, dead")
    sql.add_argument("query", metavar="SELECT", help="DuckDB's SQL; nothing can be written, no other file can be read")
    _state(sql)
    _output(sql, of="rows", csv="CSV")
    sql.add_argument("--seconds", type=float, default=60.0, metavar="S", help="time the query may take (default: 60)")
    sql.add_argument("--memory", type=int, default=2048, metavar="MB", help="memory the query may take (default: 2048)")
    features = _command(commands, "features", _run_features, "write what each entity did in each window as Parquet, with a data card")
    features.add_argument("out", type=Path, metavar="FILE", help="the Parquet file; its card goes beside it (.card.json, .card.md)")
    _state(features)
    features.add_argument("--window", choices=("hour", "day"), default="day", help="length of a window (default: day)")
    features.add_argument("--kinds", default="user,host,ip", metavar="LIST", help="kinds of entity, by commas (default: user,host,ip)")
    features.add_argument("--since", metavar="TIME", help="only events from then on")
    features.add_argument("--until", metavar="TIME", help="only events before then")


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


def _output(command: argparse.ArgumentParser, of: str = "incidents", csv: str = "CSV that Timesketch loads") -> None:
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json", help="JSON lines (the default into a pipe)")
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help=csv)
    form.add_argument("--table", dest="form", action="store_const", const="table", help="table (the default on a terminal)")
    command.add_argument("--top", type=int, default=20, metavar="N", help=f"{of} in the table (default: 20)")


def _load_config(arguments: argparse.Namespace) -> Config:
    from nonself.core import config

    overrides: dict[str, object] = {}
    if getattr(arguments, "state", None):
        overrides["state.dir"] = arguments.state
    for flag, key in (("rules", "rules.dirs"), ("map", "sources.maps"), ("intel", "intel.lists")):
        if getattr(arguments, flag, None):
            overrides[key] = [str(path) for path in getattr(arguments, flag)]
    if getattr(arguments, "no_builtin_rules", False):
        overrides["rules.builtin"] = False
    if getattr(arguments, "budget", None) is not None:
        overrides["budget.incidents_per_day"] = arguments.budget
    return config.load(arguments.config, overrides, os.environ)


def _settle() -> None:
    """Before the imports of a run: searching for garbage takes an eighth of them."""
    from nonself.core import memory

    threads.one()
    memory.give_back()
    memory.settle()


def _scan(arguments: argparse.Namespace) -> int:
    _settle()
    from nonself.serve import run

    return run.scan(arguments, _load_config(arguments))


def _run_ingest(arguments: argparse.Namespace) -> int:
    _settle()
    from nonself.serve import run

    return run.ingest(arguments, _load_config(arguments))


def _run_ocsf(arguments: argparse.Namespace) -> int:
    from nonself.serve import ocsf_run

    return ocsf_run.run(arguments, _load_config(arguments))


def _run_sql(arguments: argparse.Namespace) -> int:
    from nonself.serve import sql

    return sql.run(arguments, _load_config(arguments))


def _run_features(arguments: argparse.Namespace) -> int:
    from nonself.serve import features_run

    return features_run.run(arguments, _load_config(arguments))


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


def _rules_check(arguments: argparse.Namespace) -> int:
    from nonself.serve import rules_check

    return rules_check.check(arguments)


def _rules_test(arguments: argparse.Namespace) -> int:
    from nonself.serve import rules_test

    return rules_test.test(arguments)


def _rules_explain(arguments: argparse.Namespace) -> int:
    from nonself.serve import rules_explain

    return rules_explain.explain_rule(arguments, _load_config(arguments))


def _rules_update(arguments: argparse.Namespace) -> int:
    from nonself.serve import rules_update, run

    return rules_update.update(arguments, run.data_home())
