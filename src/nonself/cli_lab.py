"""The part of the command line about the lab: `nonself lab make`, `lab load` and `nonself demo`."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

Command = Callable[..., argparse.ArgumentParser]
"""`cli._command`: adds one command."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], command: Command) -> None:
    """`nonself lab` with its actions."""
    group = commands.add_parser("lab", help="make the logs of a company that never was", description="Make logs with known truth.")
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    make = command(actions, "make", _make, "write weeks of a company's logs, attacks hidden in them, and the truth beside them")
    make.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder for the logs, a folder a day below it")
    make.add_argument("--truth", type=Path, metavar="FILE", help="where the truth goes, outside DIR: one JSON line a record of interest")
    make.add_argument("--seed", type=int, default=7, help="seed of the company (default: 7)")
    make.add_argument("--people", type=int, default=200, metavar="N", help="people who work there, 5 to 10000 (default: 200)")
    make.add_argument("--days", type=int, default=21, metavar="N", help="days (default: 21)")
    make.add_argument("--start", type=date.fromisoformat, metavar="DATE", help="first day (default: 2026-02-23, a Monday)")
    make.add_argument(
        "--attack", default="document-to-cloud", metavar="LIST", help="campaigns, each NAME or NAME:VARIANT, by commas, or none"
    )
    spliced = "CloudTrail recorded of attacks, a file each, made part of the company; repeatable"
    make.add_argument("--splice", action="append", type=Path, default=[], metavar="PATH", help=spliced)
    make.add_argument("--activity", type=float, default=1.0, metavar="X", help="how often ordinary things happen, 0.005 to 10 (default: 1)")
    make.add_argument("--quiet", action="store_true", help="no progress on stderr")
    attacks = command(actions, "attacks", _attacks, "list the campaigns and the ways they may be led")
    attacks.add_argument("--json", action="store_true", help="as JSON lines")
    _public(actions, command)


def _public(actions: argparse._SubParsersAction[argparse.ArgumentParser], command: Command) -> None:
    """The actions about public data sets."""
    load = command(actions, "load", _load, "read a public data set that you have fetched, and judge what is found by its labels")
    load.add_argument("set", metavar="SET", help="which one, as `nonself lab sets` names it")
    load.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="its files, label files among them, packed or not")
    load.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new state directory, for `incidents`, `explain`, `sql`...")
    load.add_argument("--truth", type=Path, metavar="FILE", help="where the labels go: JSON lines of uid, time, kind, name")
    load.add_argument("--rules", action="append", type=Path, default=[], metavar="DIR", help="Sigma rules beside the shipped ones")
    load.add_argument("--json", action="store_true", help="figures as JSON")
    load.add_argument("--quiet", action="store_true", help="no progress on stderr")
    sets = command(actions, "sets", _sets, "list the public data sets that `lab load` reads, and where to fetch them")
    sets.add_argument("--json", action="store_true", help="as JSON lines")


def demo(commands: argparse._SubParsersAction[argparse.ArgumentParser], command: Command, main: Callable[[list[str]], int]) -> None:
    """`nonself demo`, which calls other commands by `main`."""
    about = "make three weeks of a company's logs, scan them, show what was hidden in them"
    parser = command(commands, "demo", lambda arguments: _demo(arguments, main), about)
    parser.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="where logs, state and report go (default: demo)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the company (default: 7)")
    parser.add_argument("--people", type=int, default=200, metavar="N", help="people who work there (default: 200)")
    parser.add_argument("--activity", type=float, default=ACTIVITY, metavar="X", help=f"as in `lab make` (default: {ACTIVITY})")


ACTIVITY = 0.1
"""Of the demonstration: a tenth of a real company's events, so that it ends within a minute or two. The story is the same."""


def _make(arguments: argparse.Namespace) -> int:
    from nonself import lab

    tick = (lambda done, events: None) if arguments.quiet else _tell(arguments.days)
    truth = lab.make(
        arguments.out,
        seed=arguments.seed,
        people=arguments.people,
        days=arguments.days,
        start=arguments.start or lab.START,
        attack=arguments.attack,
        activity=arguments.activity,
        truth=arguments.truth,
        splice=arguments.splice,
        tick=tick,
    )
    told = ", ".join(f"{kind} {count:,}" for kind, count in sorted(truth.counts.items()))
    print(f"{truth.events:,} records in {arguments.out}: {told}")
    return 0


def _tell(days: int) -> Callable[[int, int], None]:
    def tell(done: int, events: int) -> None:
        end = "\n" if done == days or not sys.stderr.isatty() else ""
        if end or sys.stderr.isatty():
            print(f"\rday {done} of {days}, {events:,} records", end=end, file=sys.stderr, flush=True)

    return tell if sys.stderr.isatty() else lambda done, events: tell(done, events) if done == days else None


def _load(arguments: argparse.Namespace) -> int:
    from nonself.lab.public import run
    from nonself.serve.progress import Progress

    with Progress(arguments.paths, quiet=arguments.quiet) as progress:
        return run.dataset(
            arguments.set, arguments.paths, arguments.rules, state=arguments.out, truth=arguments.truth, as_json=arguments.json,
            tick=progress,
        )  # fmt: skip


def _sets(arguments: argparse.Namespace) -> int:
    from nonself.lab.public import run

    return run.listed(as_json=arguments.json)


def _attacks(arguments: argparse.Namespace) -> int:
    import json

    from nonself.lab.attacks import CAMPAIGNS
    from nonself.lab.attacks.plan import VARIANTS

    if arguments.json:
        for one in CAMPAIGNS.values():
            steps = [{"step": step.name, "technique": step.technique} for step in one.plan]
            print(json.dumps({"campaign": one.name, "title": one.title, "steps": steps}))
        return 0
    for one in CAMPAIGNS.values():
        print(f"{one.name:20} {len(one.plan):2} steps  {one.title}")
    print()
    for name, meaning in VARIANTS.items():
        print(f":{name:19} {meaning}")
    return 0


def _demo(arguments: argparse.Namespace, main: Callable[[list[str]], int]) -> int:
    from nonself import lab

    logs, report = arguments.out / "logs", arguments.out / "report.html"
    if logs.exists():
        print(f"using the logs in {logs}; remove {arguments.out} to make them anew", file=sys.stderr)
    else:
        print(f"making three weeks of logs of a company of {arguments.people} in {logs} ...", file=sys.stderr)
        truth, making = arguments.out / "truth.jsonl", arguments.out / "logs.unfinished"
        if making.exists():  # left by a run that was stopped
            shutil.rmtree(making)
        lab.make(making, seed=arguments.seed, people=arguments.people, activity=arguments.activity, truth=truth, tick=_tell(21))
        making.rename(logs)
    state = str(arguments.out / "state")
    status = main(["scan", str(logs), "--state", state, "--html", str(report), "--table", "--top", "10"])
    if status in (0, 1, 3):
        _story(state, main)
        print(f"\nThe report: {report}\n{_hidden(arguments.out / 'truth.jsonl')}")
    return status


def _story(state: str, main: Callable[[list[str]], int]) -> None:
    """The first incident of the queue, told."""
    from nonself.ledger import Ledger

    with Ledger.open(state, read_only=True) as ledger:
        first = next((incident.id for incident in ledger.incidents() if incident.shown), None)
    if first:
        print(f"\nThe first of them, as `nonself explain {first}` tells it:\n")
        main(["explain", first, "--state", state, "--table"])


def _hidden(truth: Path) -> str:
    """What was really hidden, in a few lines."""
    from nonself.lab.world.write import read_truth

    spans: dict[tuple[str, str], list[str]] = {}
    for mark in read_truth(truth):
        spans.setdefault((mark.kind, mark.name), []).append(mark.time)
    lines = [f"What was really hidden ({truth}):"]
    for (kind, name), times in sorted(spans.items()):
        if kind == "campaign":
            lines.append(f"  the campaign {name}, {len(times):,} records from {min(times)[:16]} to {max(times)[:16]}")
    others = ", ".join(f"{name} ({len(times):,})" for (kind, name), times in sorted(spans.items()) if kind != "campaign")
    return "\n".join([*lines, f"  and harmless or vain: {others}"])
