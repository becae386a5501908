"""A short fuzz of every source, blind and repeatable: the same mutants on every machine. `scripts/fuzz` runs it for longer.

Each parser of text gets `TEXT` inputs, at 1,700 to 14,000 a CPU-second (1,024 in one read); `FEW` get the kinds that a table describes,
which share one parser, all but three. Binary files are read one by one, at 300 to 1,000 a CPU-second: those that are parsed here get as
many as text, those that libraries parse `BINARY`.
"""

from __future__ import annotations

import gc
import io
import os
import random
import weakref
from pathlib import Path

import pytest

from nonself.lab import fuzz
from nonself.lab.fuzz_files import Files, packed
from nonself.sources import SOURCES, lines
from nonself.sources.contract import Chunk, Input, Limits, Source
from nonself.sources.json_source import JsonSource
from test_sources_samples import SAMPLES

TEXT, FEW, BINARY = 20_000, 1_024, 100
_PARSED_HERE = ("nfdump", "pcap")
_TABLES = ("cloudtrail", "okta", "suricata")
FULL = int(os.environ.get("NONSELF_FUZZ_RUNS", "0"))
"""Inputs a source where more are asked for."""
CORPUS = Path(__file__).parent / "corpus"


def seeds(name: str) -> list[bytes]:
    return [data for _, data, _ in SAMPLES[name]] + [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]


def _runs(source: Source) -> int:
    if fuzz.Mutator(seeds(source.name)).binary:
        return TEXT if source.name in _PARSED_HERE else BINARY
    return FEW if isinstance(source, JsonSource) and source.name not in _TABLES else TEXT


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_mutants_raise_nothing_and_every_record_is_counted(source: object, tmp_path: Path) -> None:
    known = next(one for one in SOURCES if one is source)
    runs = FULL or _runs(known)
    report = fuzz.campaign(known, seeds(known.name), runs=runs, seed=1, artifacts=tmp_path)
    assert report.inputs >= runs
    assert report.events and report.dead  # mutants that are all good, or all bad, would test little
    assert not list(tmp_path.iterdir())


def test_packed_files_raise_nothing_either(tmp_path: Path) -> None:
    samples = packed([data for kind in ("syslog", "zeek", "weblog") for _, data, _ in SAMPLES[kind]])
    report = fuzz.campaign(Files(), samples, runs=FULL or 150, seed=1, artifacts=tmp_path)
    assert report.events and report.dead and not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_once_failed_is_read(path: Path) -> None:
    report = fuzz.Report(path.parent.name)
    fuzz.examine(next(source for source in SOURCES if source.name == path.parent.name), path.read_bytes(), report)
    assert report.events + report.dead


def test_no_source_raises_on_what_another_writes() -> None:
    rng = random.Random(3)
    every = [data for samples in SAMPLES.values() for _, data, _ in samples if len(data) < 20_000]
    mutator = fuzz.Mutator(every)
    for _ in range(60):
        data = mutator.mutate(rng.choice(every), rng)
        assert all(source.recognise(data[:65_536], "x") in (True, False) for source in SOURCES)


def test_the_same_seed_makes_the_same_mutants() -> None:
    one, two, other = (fuzz.Mutator(seeds("syslog"), seed).batch() for seed in (4, 4, 5))
    assert one == two != other
    assert len(one) == 1 + fuzz.BATCH and sum(mutant != one[0] for mutant in one) > fuzz.BATCH * 0.9


@pytest.mark.parametrize(
    ("sample", "rows"),
    [
        (b"#fields\ta\n#types\tb\n1\t2\n#close\n", b"1\t2\n#close\n"),
        (b"a,b\n1,2\n3,4\n", b"1,2\n3,4\n"),
        (b"\n#Fields: a\n1\n", b"1\n"),
        (b"a,b", b"a,b"),
    ],
)
def test_records_stand_under_the_header(sample: bytes, rows: bytes) -> None:
    assert fuzz.records(sample) == rows


def test_headed_kinds_are_given_records_and_headers_of_their_own() -> None:
    assert {source.name for source in SOURCES} >= fuzz.HEADED
    mutator = fuzz.Mutator([b"#fields\ta\tb\n" + b"1\t2\n" * 9], 1, headed=True)
    heads = [sum(mutant.startswith(b"#fields") for mutant in mutator.batch()[1:]) for _ in range(40)]
    assert any(few < fuzz.BATCH / 10 for few in heads) and any(many > fuzz.BATCH / 2 for many in heads)


class _Bad:
    """A source that loses records, or fails on a word."""

    name, title, formats, classes = "bad", "", "", ()

    def recognise(self, head: bytes, origin: str) -> bool:
        return True

    def read(self, source_input: Input, limits: Limits) -> list[Chunk]:
        if b"{" in source_input.head:
            raise ValueError("a brace")
        return [Chunk(next(iter(SOURCES[-1].read(source_input, limits))).events, records=99)]


def test_a_lost_record_is_found() -> None:
    with pytest.raises(fuzz.BrokenError, match="99 records, but 4 events"):
        fuzz.examine(_Bad(), seeds("syslog")[0], fuzz.Report("bad"))  # type: ignore[arg-type]


def test_an_exception_leaves_its_input_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a brace"):
        fuzz.campaign(_Bad(), [b"a{b\n"], runs=9, artifacts=tmp_path)  # type: ignore[arg-type]
    (kept,) = tmp_path.iterdir()
    assert kept.name == f"bad-{lines.in_memory(kept.read_bytes()).content}" and b"{" in kept.read_bytes()


def test_what_was_read_is_let_go() -> None:
    """An exception that is raised again and again holds every frame it went through, and with them all that was read."""
    for source in SOURCES:
        stream = _Stream(fuzz.joined(fuzz.Mutator(seeds(source.name), 2).batch()[:256]))
        alive = weakref.ref(stream)
        given = Input("x", "c", 0, lambda stream=stream: stream.again(), stream.data[:65_536])  # type: ignore[misc]
        for _ in source.read(given, Limits()):
            pass
        del given, stream
        gc.collect()
        assert alive() is None, source.name


class _Stream:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def again(self) -> io.BytesIO:
        return io.BytesIO(self.data)
