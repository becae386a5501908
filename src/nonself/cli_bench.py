"""The part of the command line that measures: `nonself bench TRACK`. A track is one function here and one line in `TRACKS`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from nonself.core import memory, threads
from nonself.core.errors import UsageError

Paths = list[Path]
Track = Callable[[argparse.Namespace, Paths], int]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`nonself bench` with the flags of all tracks."""
    bench = commands.add_parser(
        "bench", help="measure speed, memory and what is found", description="Measure speed, memory and what is found."
    )
    bench.set_defaults(run=_run)
    add = bench.add_argument
    add("track", choices=tuple(TRACKS), help="what to measure")
    add("paths", nargs="*", type=Path, metavar="PATH", help="data to measure on; dataset: the set's name before it")
    add("--events", action="append", type=Path, default=[], metavar="PATH", help="data to measure on, too")
    data = (
        "tabular: .npz or .csv with labels; beacons: the data folder; ait: labelled alerts; feedback: what `demo` made (default: made here)"
    )
    add("--data", nargs="+", action="extend", dest="events", type=Path, metavar="PATH", help=data)
    seeds = "tabular, feedback, analyst, budget: figures are over so many seeds (default: 10)"
    add("--seeds", type=int, default=10, metavar="N", help=seeds)
    add("--source", action="append", default=[], metavar="NAME", help="sources: this made-up log only, without PATH; repeatable")
    add("--rows", type=int, default=500_000, metavar="N", help="rows of each made-up log (default: 500000)")
    add("--positive", nargs="+", action="extend", default=[], type=Path, metavar="FILE", help="dga: names, a family a file")
    add("--negative", type=Path, metavar="FILE", help="dga: names that people chose, one a line")
    add("--rules", action="append", type=Path, metavar="DIR", help="Sigma rules")
    add("--repeat", type=int, default=3, metavar="N", help="runs, each in a fresh process; the first is cold (default: 3)")
    add("--full", action="store_true", help="sim: five seeds of two sizes, not three of one; ait: with moved clocks and lost alerts")
    add("--development", action="store_true", help="sim, budget: on the seeds that may be looked at and tuned on")
    add("--payloads", type=Path, metavar="FILE", help="injection: payloads, one a line or JSON lines (default: our own)")
    add("--first-seed", type=int, default=6_001, metavar="N", help="analyst: first seed of the companies (default: 6001)")
    add("--gguf", type=Path, metavar="FILE", help="analyst: a local model to have some of the reports added to (extra nonself[llm])")
    add("--json", action="store_true", help="as JSON")


def _run(arguments: argparse.Namespace) -> int:
    paths = [*arguments.paths, *arguments.events]
    if arguments.repeat < 1:
        raise UsageError(expected="--repeat of at least 1", got=str(arguments.repeat))
    if arguments.track in NEEDING and not paths:
        raise UsageError(expected="data to measure on", got="no path")
    threads.one()
    memory.give_back()
    return TRACKS[arguments.track](arguments, paths)


def _scan(arguments: argparse.Namespace, paths: Paths) -> int:
    from nonself.lab import bench

    return bench.scan(paths, arguments.rules or [], repeat=arguments.repeat, as_json=arguments.json)


def _rules(arguments: argparse.Namespace, paths: Paths) -> int:
    from nonself.lab import bench_rules

    return bench_rules.rules(arguments.rules or [], paths, repeat=arguments.repeat, as_json=arguments.json)


def _sources(arguments: argparse.Namespace, paths: Paths) -> int:
    from nonself.lab import bench_sources

    return bench_sources.run(paths, arguments.source, rows=arguments.rows, as_json=arguments.json)


def _tabular(arguments: argparse.Namespace, paths: Paths) -> int:
    from nonself.lab import bench_tabular

    return bench_tabular.tabular(paths, seeds=arguments.seeds, as_json=arguments.json)


def _entity(arguments: argparse.Namespace, paths: Paths) -> int:
    from nonself.lab import bench_entity

    return bench_entity.entity(as_json=arguments.json)


def _beacons(arguments: argparse.Namespace, paths: Paths) -> int:
    from nonself.lab import bench_beacons

    return bench_beacons.beacons(paths, as_json=arguments.json)


def _detectors(arguments: argparse.Namespace, paths: Paths) -> int:
    from nonself.lab import bench_detectors

    return bench_detectors.run(arguments.track, paths, rows=arguments.rows, as_json=arguments.json)


def _dga(arguments: argparse.Namespace, paths: Paths) -> int:
    from nonself.lab import bench_dga

    return bench_dga.dga([*paths, *arguments.positive], arguments.negative, as_json=arguments.json)


def _poison(arguments: argparse.Namespace, paths: Paths) -> int:
    from nonself.lab import bench_poison

    return bench_poison.run(as_json=arguments.json)


def _sim(arguments: argparse.Namespace, paths: Paths) -> int:
    from nonself.lab.sim import run

    return run.sim(arguments.rules or [], full=arguments.full, development=arguments.development, as_json=arguments.json)


def _budget(arguments: argparse.Namespace, paths: Paths) -> int:
    from nonself.lab import bench_budget

    return bench_budget.run(arguments.seeds, arguments.rules or [], development=arguments.development, as_json=arguments.json)


def _realism(arguments: argparse.Namespace, paths: Paths) -> int:
    from nonself.lab import realism

    return realism.run(paths, as_json=arguments.json)


def _dataset(arguments: argparse.Namespace, paths: Paths) -> int:
    from nonself.lab.public import run

    return run.dataset(str(paths[0]), paths[1:], arguments.rules or [], as_json=arguments.json)


def _ait(arguments: argparse.Namespace, paths: Paths) -> int:
    from nonself.lab import bench_ait

    return bench_ait.ait(paths, as_json=arguments.json, tracks=bench_ait.TRACKS | (bench_ait.ROBUSTNESS if arguments.full else {}))


def _correlate(arguments: argparse.Namespace, paths: Paths) -> int:
    from nonself.lab import bench_correlate

    return bench_correlate.correlate(as_json=arguments.json)


def _feedback(arguments: argparse.Namespace, paths: Paths) -> int:
    from nonself.lab import bench_feedback

    return bench_feedback.feedback(paths, seeds=arguments.seeds, as_json=arguments.json)


def _analyst(arguments: argparse.Namespace, paths: Paths) -> int:
    from nonself.lab import bench_analyst

    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    return bench_analyst.run(seeds, gguf=arguments.gguf, as_json=arguments.json)


def _injection(arguments: argparse.Namespace, paths: Paths) -> int:
    from nonself.lab import bench_injection
    from nonself.serve import case_html

    return bench_injection.run(arguments.payloads, case_html.report, as_json=arguments.json)


TRACKS: dict[str, Track] = {
    "scan": _scan,
    "rules": _rules,
    "sources": _sources,
    "tabular": _tabular,
    "entity": _entity,
    "beacons": _beacons,
    "network": _detectors,
    "endpoint": _detectors,
    "dga": _dga,
    "poison": _poison,
    "sim": _sim,
    "budget": _budget,
    "realism": _realism,
    "ait": _ait,
    "dataset": _dataset,
    "correlate": _correlate,
    "feedback": _feedback,
    "analyst": _analyst,
    "injection": _injection,
}
NEEDING = ("scan", "rules", "tabular", "ait", "dataset")
"""Tracks that measure nothing without data."""
