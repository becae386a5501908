"""Fuzzing of sources: mutants of small logs, and what must hold of whatever a source makes of them.

Most of what a read costs is fixed (a frame of ninety columns), whatever its length. So mutants of text are read many at a time, one after
the other in one stream: that also shows whether one of them harms its neighbours' count. Mutants of binary files are read one by one.
"""

from __future__ import annotations

import random
import resource
import struct
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from nonself.core.schema import SCHEMA
from nonself.sources import lines
from nonself.sources.contract import Limits, Source

BATCH = 1_024
"""Mutants of text in one read: up to three times as many in a second as with 256, and no more with 2,000."""
HEADED = frozenset({"argus", "cloudfront", "csv-alerts", "netflow-csv", "vpc-flow", "w3c", "windows-firewall", "zeek"})
"""Sources whose header lines say what follows. Each other header is a frame of its own, so one batch in `_WHOLE` has mutants with headers
of their own, and the others mutants of records under the sample's header: ten times as many in a second."""
_WHOLE = 16
MOST = 1 << 16
"""Bytes of one mutant."""
SLOW_MS_PER_KB = 100.0
_SETTLED = 20
_LIMITS = Limits(chunk_records=2_048, line_bytes=1 << 15, json_depth=50)  # small, so that small inputs reach them
_FRESH = 0.8  # share of mutants made of the sample itself; the rest of earlier mutants, since faults come in pairs
_TOKENS = (
    b'"', b"'", b"\\", b"\\u0000", b"\\ud800", b"\\x00", b"{", b"}", b"[", b"]", b"[" * 200, b'{"a":' * 60, b"<", b">", b"</Event>",
    b"&#0;", b"=", b"|", b",", b";", b":", b"\t", b"\r", b"\n", b"\n\n", b"\r\n", b"\0", b"\xff", b"\xc3", b"\xef\xbb\xbf",
    b"\xed\xa0\x80", b"%", b"#", b"NaN", b"-Infinity", b"1e999", b"-0", b"null", b"true", b"-", b"9" * 400, b"0x", b"\x1b[31m", b"\x1d",
    "\u202e\ud7ff\U0010ffff".encode(), b" " * 300, b"#fields\tts\tuid\n", b"#Fields: date time\n", b"a" * 5_000,
)  # fmt: skip
_NUMBERS = (
    b"0", b"-1", b"1", b"255", b"256", b"65536", b"2147483648", b"4294967295", b"4294967296", b"9223372036854775807",
    b"9223372036854775808", b"18446744073709551616", b"-9223372036854775809", b"99999999999999999999999999999", b"1e308",
    b"1.7976931348623157e309", b"0.1", b"00", b"",
)  # fmt: skip
_WORDS = tuple(
    struct.pack(order + form, value)
    for order in "<>"
    for form, values in (
        ("B", (0, 1, 127, 128, 255)),
        ("H", (0, 1, 4, 0x7FFF, 0x8000, 0xFFFF)),
        ("I", (0, 1, 24, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)),
        ("Q", (0, 1 << 63, (1 << 64) - 1)),
    )
    for value in values
)


class Mutator:
    """Makes mutants of `samples`, the same ones for the same seed; mostly of their records where they are `headed`."""

    def __init__(self, samples: Sequence[bytes], seed: int = 0, headed: bool = False) -> None:
        self.samples, self._headed = list(samples), headed
        self.binary = not all(map(is_text, samples))
        self._rng = random.Random(seed)

    def batch(self) -> list[bytes]:
        """The mutants of one read, all of one sample. Texts follow that sample as it is, so that the stream's kind and header stand."""
        sample = self._rng.choice(self.samples)
        if self.binary:
            return [self.mutate(sample, self._rng)]
        seed = records(sample) if self._headed and self._rng.randrange(_WHOLE) else sample
        made = [seed]
        for _ in range(BATCH):
            fresh = self._rng.random() < _FRESH
            made.append(self.mutate(seed if fresh else self._rng.choice(made), self._rng))
        return [sample, *made[1:]]

    def mutate(self, data: bytes, rng: random.Random) -> bytes:
        """`data` after one to six changes drawn from `rng`."""
        held = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
            rng.choice(_CHANGES)(held, rng, self.samples)
            del held[MOST:]
        return bytes(held)


def records(sample: bytes) -> bytes:
    """What stands under a sample's header lines, which start with `#`, or else its first line. All of it where nothing stands there."""
    rows = sample.split(b"\n")
    heads = [at for at, row in enumerate(rows) if row.startswith(b"#")]
    first = next((at for at in range(len(rows)) if heads and at > heads[0] and at not in heads), 1)
    return b"\n".join(rows[first:]) or sample


def is_text(data: bytes) -> bool:
    """Whether these bytes are UTF-8 without a NUL."""
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False


def _flip(held: bytearray, rng: random.Random, samples: Sequence[bytes]) -> None:
    if held:
        held[rng.randrange(len(held))] ^= 1 << rng.randrange(8)


def _byte(held: bytearray, rng: random.Random, samples: Sequence[bytes]) -> None:
    if held:
        held[rng.randrange(len(held))] = rng.randrange(256)


def _double(held: bytearray, rng: random.Random, samples: Sequence[bytes]) -> None:
    start, end = _span(held, rng)
    held[end:end] = held[start:end] * rng.choice((1, 1, 1, 2, 50))


def _drop(held: bytearray, rng: random.Random, samples: Sequence[bytes]) -> None:
    start, end = _span(held, rng)
    del held[start:end]


def _cut(held: bytearray, rng: random.Random, samples: Sequence[bytes]) -> None:
    del held[rng.randint(0, len(held)) :]


def _splice(held: bytearray, rng: random.Random, samples: Sequence[bytes]) -> None:
    other = rng.choice(samples)
    held[rng.randint(0, len(held)) :] = other[rng.randint(0, len(other)) :]


def _graft(held: bytearray, rng: random.Random, samples: Sequence[bytes]) -> None:
    other = bytearray(rng.choice(samples))
    start, end = _span(other, rng)
    at, until = _span(held, rng)
    held[at : rng.choice((at, until))] = other[start:end]


def _number(held: bytearray, rng: random.Random, samples: Sequence[bytes]) -> None:
    """Some run of digits becomes an extreme number."""
    at = rng.randint(0, len(held))
    while at < len(held) and not 48 <= held[at] <= 57:
        at += 1
    end = at
    while end < len(held) and 48 <= held[end] <= 57:
        end += 1
    held[at:end] = rng.choice(_NUMBERS)


def _token(held: bytearray, rng: random.Random, samples: Sequence[bytes]) -> None:
    at = rng.randint(0, len(held))
    token = rng.choice(_TOKENS)
    held[at : at + rng.choice((0, 0, len(token)))] = token


def _word(held: bytearray, rng: random.Random, samples: Sequence[bytes]) -> None:
    word = rng.choice(_WORDS)
    if len(held) >= len(word):
        at = rng.randint(0, len(held) - len(word))
        held[at : at + len(word)] = word


def _swap_lines(held: bytearray, rng: random.Random, samples: Sequence[bytes]) -> None:
    rows = held.split(b"\n")
    one, two = rng.randrange(len(rows)), rng.randrange(len(rows))
    rows[one], rows[two] = rows[two], rows[one]
    held[:] = b"\n".join(rows)


def _span(held: bytearray, rng: random.Random) -> tuple[int, int]:
    start = rng.randint(0, len(held))
    return start, min(len(held), start + rng.choice((1, 2, 4, 8, 16, 64, 256, 4_096)))


_CHANGES: tuple[Callable[[bytearray, random.Random, Sequence[bytes]], None], ...] = (
    _flip, _byte, _double, _drop, _cut, _splice, _graft, _number, _number, _token, _token, _word, _swap_lines,
)  # fmt: skip


class BrokenError(AssertionError):
    """A source did not hold what it promises."""


@dataclass(slots=True)
class Report:
    """What was done to one source. Times are CPU-seconds of this process; growth is of the peak RSS, after the first `_SETTLED` reads."""

    source: str
    inputs: int = 0
    reads: int = 0
    bytes: int = 0
    events: int = 0
    dead: int = 0
    slow_reads: int = 0
    slowest_ms_per_kb: float = 0.0
    cpu_seconds: float = 0.0
    rss_growth_mb: float = 0.0


def examine(source: Source, data: bytes, report: Report) -> None:
    """Read `data` and count it in `report`. BrokenError, or whatever the source raises, where it does not hold what it promises: it raises
    nothing, every chunk has the declared schema, and every record met is an event or a dead letter."""
    given = lines.in_memory(data, "fuzz")
    start = time.process_time()
    source.recognise(given.head, given.origin)
    events = dead = records = 0
    for chunk in source.read(given, _LIMITS):
        if dict(chunk.events.schema) != SCHEMA:
            raise BrokenError(f"{source.name}: a chunk that is not in the event schema")
        events, dead, records = events + chunk.events.height, dead + len(chunk.dead), records + chunk.records
    spent = 1_000 * (time.process_time() - start) / max(1.0, len(data) / 1_024)
    if records != events + dead:
        raise BrokenError(f"{source.name}: {records} records, but {events} events and {dead} dead letters")
    report.reads, report.bytes = report.reads + 1, report.bytes + len(data)
    report.events, report.dead = report.events + events, report.dead + dead
    report.slow_reads += spent > SLOW_MS_PER_KB
    report.slowest_ms_per_kb = max(report.slowest_ms_per_kb, spent)


class Kept:
    """Whatever a source fails on is written to a folder before the failure goes on: `with Kept(folder, "zeek", mutants):`."""

    def __init__(self, folder: Path | None, name: str, mutants: Sequence[bytes]) -> None:
        self._folder, self._name, self._mutants = folder, name, mutants

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None or kind is KeyboardInterrupt or self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        data = joined(self._mutants)
        path = self._folder / f"{self._name}-{lines.in_memory(data).content}"
        path.write_bytes(data)
        print(f"{self._name}: {kind.__name__}: {error}; the input is {path}", file=sys.stderr)


def joined(mutants: Sequence[bytes]) -> bytes:
    """Mutants as one stream."""
    return b"\n".join(mutants)


def campaign(
    source: Source, samples: Sequence[bytes], *, runs: int, seconds: float | None = None, seed: int = 0, artifacts: Path | None = None
) -> Report:
    """Give a source `runs` mutants of `samples`, or as many as `seconds` of CPU allow. Ends with the first failure, which is raised; its
    input is left in `artifacts`."""
    report, mutator = Report(source.name), Mutator(samples, seed, source.name in HEADED)
    start, settled = time.process_time(), 0
    while report.inputs < runs and (seconds is None or time.process_time() - start < seconds):
        mutants = mutator.batch()
        with Kept(artifacts, source.name, mutants):
            examine(source, joined(mutants), report)
        report.inputs += max(1, len(mutants) - 1)
        settled = _peak() if report.reads == _SETTLED else settled
    report.cpu_seconds = time.process_time() - start
    report.rss_growth_mb = max(0, _peak() - settled) / 1_000 if settled else 0.0
    return report


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
