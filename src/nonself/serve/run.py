"""What the commands do once parsed: open the ledger, run the pipeline, show the result in the form asked for."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nonself.core import memory, safe
from nonself.core.errors import UsageError
from nonself.core.incident import Incident
from nonself.core.settings import Config
from nonself.core.stats import Stats
from nonself.detect.sigma import Ruleset
from nonself.incidents import guaranteed
from nonself.ledger import Ledger
from nonself.serve import jsonl, listing, ranked, timesketch
from nonself.serve.progress import Progress
from nonself.serve.story import stories
from nonself.sources.walk import STDIN
from nonself.triage.verdicts import in_force

if TYPE_CHECKING:
    from rich.console import Console

OK, FOUND, UNTRUSTED, PARTIAL = 0, 1, 2, 3
_NO_LOG = ("unrecognised", "empty")
"""Dead letters for files that hold no log at all: evidence folders are full of them, and they make no result partial."""
_REPORTED = 50
"""Incidents an HTML report holds at most; the page stays quick to open."""


def state_dir(config: Config) -> str:
    """The state directory: as configured, else `nonself` in the user's data home (XDG)."""
    if config.state.dir:
        return config.state.dir
    return str(data_home())


def data_home() -> Path:
    """`nonself` in the user's data home (XDG)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "nonself"


def scan(arguments: argparse.Namespace, config: Config) -> int:
    """`nonself scan`: read, conclude, show. See `cli` for the exit status."""
    from nonself import pipeline

    paths = _existing(arguments.paths)
    memory.settle()
    stats = Stats()
    with stats.stage("load rules"):
        ruleset = Ruleset.load([Path(d) for d in config.rules.dirs], builtin=config.rules.builtin, cache=_cache())
    if not arguments.quiet:
        _rules_told(ruleset)
    with Ledger.open(state_dir(config), keep_raw=config.lake.raw) as ledger:
        with Progress(paths, quiet=arguments.quiet) as progress:
            found = pipeline.scan(paths, ledger, ruleset, config, stats, progress)
        with stats.stage("output"):
            _show(arguments, ledger, found, stats)
        _write_html(arguments, ledger, found)
    if arguments.stats:
        arguments.stats.write_text(_stats(stats, ruleset), encoding="utf-8")
    return _status(stats, found, config, arguments.fail_on)


def ingest(arguments: argparse.Namespace, config: Config, *, learn: bool = False) -> int:
    """`nonself ingest`: read into the lake, learn and score nothing; or `nonself learn`: read as history. What was read goes to stdout."""
    from nonself import pipeline

    paths, stats = _existing(arguments.paths), Stats()
    memory.settle()
    ruleset = Ruleset.load([Path(d) for d in config.rules.dirs], builtin=config.rules.builtin, cache=_cache())
    with (
        Ledger.open(state_dir(config), keep_raw=config.lake.raw) as ledger,
        Progress(paths, quiet=arguments.quiet) as progress,
    ):
        (pipeline.learn if learn else pipeline.ingest)(paths, ledger, ruleset, config, stats, progress)
    if arguments.json or not sys.stdout.isatty():
        print(safe.json(stats.as_dict()))
    else:
        _told(_console(), stats)
    return _status(stats, [], config, None)


def incidents(arguments: argparse.Namespace, config: Config) -> int:
    """`nonself incidents`: the queue of the state, without reading anything new."""
    with Ledger.open(state_dir(config), read_only=True) as ledger:
        found, standing = ledger.incidents(), in_force(ledger.verdicts())
        detectors = {f.id: f.detector for f in ledger.findings()} if arguments.detector else {}
        chosen = listing.chosen(arguments, found, standing, detectors)
        _print(arguments, ledger, chosen, listed=found)
        _write_html(arguments, ledger, chosen)
    return OK


def explain(arguments: argparse.Namespace, config: Config) -> int:
    """`nonself explain ID`: one incident, told."""
    with Ledger.open(state_dir(config), read_only=True) as ledger:
        story = stories(ledger, [ledger.incident(arguments.incident)], activity=False)[0]
        rank = ranked.ranked(ledger, story.incident)
    form = _form(arguments)
    if form == "json":
        for line in jsonl.lines([story]):
            print(line)
        if rank:
            print(ranked.row(*rank, story.incident))
    elif form == "csv":
        timesketch.write([story], sys.stdout)
    else:
        from nonself.serve import terminal

        terminal.explain(_console(), story, ranked.told(*rank) if rank else "")
    return OK


def _existing(paths: Sequence[Path]) -> list[Path]:
    for path in paths:
        if path != STDIN and not path.exists():
            raise UsageError(expected="a file or folder that exists", got=str(path), do="check the path")
    return list(paths)


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "nonself"


def _rules_told(ruleset: Ruleset) -> None:
    """How many rules can't be evaluated, by reason; `--stats` lists each with its file and line."""
    if ruleset.rejected:
        reasons = Counter(rule.reason.partition(" (")[0] for rule in ruleset.rejected)
        told = "; ".join(f"{n:,} {reason}" for reason, n in reasons.most_common(4))
        print(f"{len(ruleset.rules):,} rules; {len(ruleset.rejected):,} can't be evaluated: {safe.terminal(told)}", file=sys.stderr)


def _stats(stats: Stats, ruleset: Ruleset) -> str:
    rejected = [{"file": f"{rule.path}:{rule.line}", "rule": rule.rule, "reason": rule.reason} for rule in ruleset.rejected]
    return json.dumps({**stats.as_dict(), "rules": {"evaluated": len(ruleset.rules), "rejected": rejected}}, indent=2) + "\n"


def _form(arguments: argparse.Namespace) -> str:
    return arguments.form or ("table" if sys.stdout.isatty() else "json")


def _console(*, stderr: bool = False) -> Console:
    """A terminal; only what writes to one imports the library for it (30 ms)."""
    from rich.console import Console

    if stderr:
        return Console(stderr=True, highlight=False)
    return Console(highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else 140)


def _told(console: Console, stats: Stats) -> None:
    from nonself.serve import terminal

    terminal.summary(console, stats)


def _show(arguments: argparse.Namespace, ledger: Ledger, found: list[Incident], stats: Stats) -> None:
    if _form(arguments) == "table" or not arguments.quiet:
        _told(_console(stderr=_form(arguments) != "table"), stats)
    _print(arguments, ledger, [i for i in found if i.shown], listed=found)


def _print(arguments: argparse.Namespace, ledger: Ledger, chosen: list[Incident], *, listed: list[Incident]) -> None:
    form, standing = _form(arguments), guaranteed(ledger)
    if form == "json":
        if chosen or standing.statement:  # nothing found, nothing said
            print(jsonl.budget(standing))
        for line in jsonl.lines(stories(ledger, chosen, activity=False)):
            print(line)
    elif form == "csv":
        timesketch.write(stories(ledger, chosen, activity=False), sys.stdout)
    elif listed:
        from nonself.serve import terminal

        terminal.budget(_console(), standing)
        terminal.queue(_console(), chosen, listed, limit=arguments.top)
    else:
        _console().print("No incidents.")


def _write_html(arguments: argparse.Namespace, ledger: Ledger, found: list[Incident]) -> None:
    if not arguments.html:
        return
    from nonself.serve import html

    shown = [i for i in found if i.shown][:_REPORTED]
    arguments.html.write_text(
        html.report(stories(ledger, shown), kept=len(found) - len(shown), standing=guaranteed(ledger)), encoding="utf-8"
    )
    print(f"report: {arguments.html}", file=sys.stderr)


def _status(stats: Stats, found: Sequence[Incident], config: Config, fail_on: float | None) -> int:
    if not stats.events and not stats.repeated_files:
        print("nonself: nothing could be read: no record of a known kind (see `nonself sources`)", file=sys.stderr)
        return UNTRUSTED
    unreadable = sum(n for reason, n in stats.dead.items() if reason not in _NO_LOG)
    if unreadable > config.output.dead_letter_limit * max(1, stats.records):
        return PARTIAL
    if fail_on is not None and any(i.shown and i.bits >= fail_on for i in found):
        return FOUND
    return OK
