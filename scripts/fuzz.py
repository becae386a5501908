"""Fuzz sources with mutants of the contract samples and of tests/corpus/SOURCE/*. `scripts/fuzz --help` says how.

With --guided, Atheris mutates by the coverage of nonself.sources, one input a run, until --runs, --seconds or the first failure. Without
it, mutants are made blindly (see nonself.lab.fuzz), which needs nothing installed and is repeatable. Exit status 1 where a source fails;
Atheris has its own (77).
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from nonself.lab.fuzz import Mutator
    from nonself.sources.contract import Source

ROOT = Path(__file__).resolve().parent.parent
RUNS = 1_000_000
PACKED = ("syslog", "zeek", "cloudtrail", "weblog", "netflow-csv", "windows-json", "pcap")
"""Sources whose samples are packed for `files`."""


def samples(name: str) -> list[bytes]:
    """The contract's samples of a source, and its files in tests/corpus."""
    sys.path.insert(0, str(ROOT / "tests"))
    from test_sources_samples import SAMPLES

    if name == "files":
        from nonself.lab import fuzz_files

        return fuzz_files.packed([data for kind in PACKED for _, data, _ in SAMPLES[kind]])
    found = [data for _, data, _ in SAMPLES[name]]
    return found + [path.read_bytes() for path in sorted((ROOT / "tests" / "corpus" / name).glob("*"))]


def blind(chosen: list[Source], arguments: argparse.Namespace) -> int:
    """One campaign for each source; a line of JSON each."""
    from nonself.lab import fuzz

    for source in chosen:
        report = fuzz.campaign(
            source, samples(source.name),
            runs=arguments.runs, seconds=arguments.seconds, seed=arguments.seed, artifacts=arguments.artifacts,
        )  # fmt: skip
        print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in dataclasses.asdict(report).items()}), flush=True)
    return 0


def guided(atheris: Any, source: Source, arguments: argparse.Namespace) -> NoReturn:
    """Atheris on one source; it ends the process itself."""
    from nonself.lab import fuzz

    seeds = samples(source.name)
    mutator, report = fuzz.Mutator(seeds), fuzz.Report(source.name)
    with tempfile.TemporaryDirectory() as corpus:
        for number, data in enumerate(seeds):
            (Path(corpus) / f"{number:03}").write_bytes(data)
        arguments.artifacts.mkdir(parents=True, exist_ok=True)
        options = [
            f"-runs={arguments.runs}",
            f"-max_len={fuzz.MOST}",
            f"-artifact_prefix={arguments.artifacts}/{source.name}-",
            "-timeout=60",
        ]
        options += [f"-max_total_time={arguments.seconds:.0f}"] if arguments.seconds else []
        options += [f"-seed={arguments.seed + 1}", "-print_final_stats=1", "-rss_limit_mb=2048", corpus]

        def one(data: bytes) -> None:
            fuzz.examine(source, data, report)

        atheris.Setup([sys.argv[0], *options], one, custom_mutator=_mutation(atheris, mutator))
        atheris.Fuzz()
    raise SystemExit(0)


def _mutation(atheris: Any, mutator: Mutator) -> Any:
    """Half of the changes are Atheris's own, half know what logs look like."""

    def change(data: bytes, most: int, seed: int) -> bytes:
        if seed & 1:
            return bytes(atheris.Mutate(data, most))
        return mutator.mutate(data, random.Random(seed))[:most]

    return change


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "source", nargs="+", help="names of sources, as `nonself sources` prints them, `files` (packed ones, read whole) or `all`"
    )
    parser.add_argument("--runs", type=int, default=RUNS, metavar="N", help=f"inputs for each source (default: {RUNS})")
    parser.add_argument(
        "--seconds", type=float, metavar="S", help="end earlier, after so many seconds (of CPU; with --guided of the clock)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed makes other mutants (default: 0)")
    parser.add_argument("--artifacts", type=Path, default=ROOT / "fuzz-artifacts", metavar="DIR", help="where failing inputs are written")
    parser.add_argument("--guided", action="store_true", help="guided by coverage, with Atheris; one source")
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    atheris: Any = None
    if arguments.guided:
        try:
            import atheris  # type: ignore[no-redef]
        except ModuleNotFoundError:
            print(
                "fuzz: expected the package atheris for --guided, found none; `pip install atheris`, or leave --guided away",
                file=sys.stderr,
            )
            return 2
        with atheris.instrument_imports(include=["nonself.sources"]):  # alone: the rest is not under test and would only slow the start
            importlib.import_module("nonself.sources")
    from nonself.lab.fuzz_files import Files
    from nonself.sources import SOURCES

    known: dict[str, Source] = {source.name: source for source in (*SOURCES, Files())}
    if unknown := sorted(set(arguments.source) - {*known, "all"}):
        print(f"fuzz: expected names of sources (`nonself sources` lists them), got {', '.join(unknown)}", file=sys.stderr)
        return 2
    chosen = list(known.values()) if "all" in arguments.source else [known[name] for name in arguments.source]
    if not arguments.guided:
        return blind(chosen, arguments)
    if len(chosen) != 1:
        print("fuzz: expected one source with --guided", file=sys.stderr)
        return 2
    return guided(atheris, chosen[0], arguments)


if __name__ == "__main__":
    sys.exit(main())
