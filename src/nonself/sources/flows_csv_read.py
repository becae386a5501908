"""Flow records as cells of lines: split by column under the header that holds, mapped by expressions, checked, never inferred."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

import polars as pl

from nonself.core import events
from nonself.core import time as clock
from nonself.core.schema import SCHEMA, TIME
from nonself.sources.contract import Chunk, DeadLetter, Input, Limits
from nonself.sources.flows_json import compact
from nonself.sources.lines import SAMPLE, Block, head_lines, split
from nonself.sources.records import clean, decode, texts

Names = tuple[str, ...]
PROBLEM = "_problem"
_RAW, _LINE = " raw", " line"  # no field has a blank in its name
_MOST = 200  # fields of a header
_UNUSUAL = re.compile(r"[^A-Za-z0-9_.-]")
_LAST = 253_402_300_799
_OCTET = "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
ADDRESS = rf"^({_OCTET}\.){{3}}{_OCTET}$|^[0-9a-fA-F]{{0,4}}:[0-9a-fA-F:.]{{1,43}}$"
MAC = r"^([0-9a-fA-F]{1,2}:){5}[0-9a-fA-F]{1,2}$"
PROTOCOLS = {
    "1": "icmp", "2": "igmp", "6": "tcp", "17": "udp", "41": "ipv6", "47": "gre", "50": "esp", "51": "ah", "58": "icmp", "89": "ospf",
    "132": "sctp", "icmp6": "icmp", "ipv6-icmp": "icmp", "icmpv6": "icmp", "ipv6_icmp": "icmp",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dialect:
    """One kind of flow log in text.

    header   the names of the fields, lower case, if this line is a header, else None
    map      from the names to expressions over text columns of these names: event columns, and `_problem`: why a row is no flow, or null
    used     the fields that `ext` leaves out
    default  the fields where there is no header
    ends     a line with this start ends the records, until another header comes
    """

    name: str
    version: int
    separator: str
    header: Callable[[bytes], Names | None]
    map: Callable[[Names], list[pl.Expr]]
    used: Callable[[Names], frozenset[str]]
    default: Callable[[bytes], Names | None] = lambda _: None
    ends: bytes = b"\xff"
    unset: frozenset[str] = frozenset(("", "-"))


def names_of(line: bytes, separator: str) -> Names:
    """The cells of a header: lower case, plain characters, the second of two alike with its number."""
    return tuple(_spelt(line, separator))


def _spelt(line: bytes, separator: str) -> dict[str, str]:
    """The names of a header and how it spells them."""
    seen: dict[str, str] = {}
    for at, cell in enumerate(decode(line).strip().split(separator, _MOST + 1)):
        name = _UNUSUAL.sub("_", cell.strip().lstrip("#").strip()[:64])
        if not name or name.lower() in seen:
            name = f"{name}.{at}"
        seen[name.lower()] = name
    return seen


def recognise(head: bytes, dialect: Dialect) -> bool:
    """A header among the first lines, or records in the form that goes without."""
    lines = head_lines(head, 5)
    return any(dialect.header(line) or dialect.default(line) for line in lines)


@dataclass(slots=True)
class _Reading:
    """Where the reading of one input stands. `names` are the fields that hold, with how their header spells them."""

    origin: str
    dialect: Dialect
    names: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    held: dict[tuple[tuple[str, str], ...], list[int]] = field(default_factory=dict)  # lines of the block by the fields they have
    dead: list[DeadLetter] = field(default_factory=list)

    def block(self, block: Block) -> Chunk:
        """The records of one block."""
        self.held, self.dead = {}, list(block.dead)
        start = 0
        for at in [*_marks(block.lines, self.dialect), len(block.lines)]:
            if not self.ended:
                self.segment(block, start, at)
            start = at + 1
            if at < len(block.lines):
                line = block.lines[at]
                self.ended = self.dialect.header(line) is None
                self.names = self.names if self.ended else _spelt(line, self.dialect.separator)
        # Lines under like headers are read together: whoever writes the log could put a header before each, and a frame costs as much as
        # a thousand lines.
        frames = [self.flows(block, dict(names), numbers) for names, numbers in self.held.items()]
        frame = frames[0] if len(frames) == 1 else events.concat(frames).sort("record")
        self.dead.sort(key=lambda letter: letter.record)
        return Chunk(frame, self.dead, records=frame.height + len(self.dead), bytes=block.bytes)

    def segment(self, block: Block, start: int, end: int) -> None:
        """Hold the records under one header. Blank lines mean nothing."""
        numbers = [at for at in range(start, end) if block.lines[at].strip()]
        if not numbers:
            return
        if not self.names:
            self.names = {name: name for name in self.dialect.default(block.lines[numbers[0]]) or ()}
        if not 0 < len(self.names) <= _MOST:
            for at in numbers:
                self.reject(block, at, "no-header", f"expected a line with the names of 1 to {_MOST} fields before it")
            return
        self.held.setdefault(tuple(self.names.items()), []).extend(numbers)

    def flows(self, block: Block, names: dict[str, str], numbers: list[int]) -> events.Events:
        """The flows in some lines of the block."""
        frame = _mapped([block.lines[at] for at in numbers], names, self.dialect)
        frame = frame.with_columns(pl.Series(_LINE, numbers, dtype=pl.Int64))
        bad = frame[PROBLEM].is_not_null()
        for number, said in frame.filter(bad).select(_LINE, PROBLEM).iter_rows():
            self.reject(block, number, *said.split(": ", 1))
        return _events(self.origin, block, frame.filter(~bad), self.dialect) if bad.sum() < frame.height else events.empty()

    def reject(self, block: Block, at: int, reason: str, detail: str) -> None:
        """One bad line of the block."""
        self.dead.append(DeadLetter(self.origin, block.first + at, reason, detail, block.lines[at][:SAMPLE]))


def read(source_input: Input, limits: Limits, dialect: Dialect) -> Iterator[Chunk]:
    """All flows of an input as chunks. Headers, blank lines and summaries are no records."""
    reading, met = _Reading(source_input.origin, dialect), 0
    for block in split(source_input, limits):
        chunk = reading.block(block)
        met += chunk.records
        yield chunk
    if not met:
        letter = DeadLetter(source_input.origin, 0, "empty", "a header without records", source_input.head[:SAMPLE])
        yield Chunk(events.empty(), [letter], records=1)


def rows(frame: pl.DataFrame, first: int, origin: str, dialect: Dialect, limits: Limits) -> Chunk:
    """Flows whose fields are columns already, named as the dialect names them: read as the lines they would be, null as `-`. `first` is
    the number of the first. A row is never a header, whatever it says."""
    cells = frame.select(pl.all().cast(pl.String, strict=False).fill_null("-"))
    lines = [line.encode("utf-8", "replace") for line in cells.select(pl.concat_str(pl.all(), separator=dialect.separator)).to_series()]
    long = [at for at, line in enumerate(lines) if len(line) > limits.line_bytes]
    dead = [DeadLetter(origin, first + at, "line-too-long", f"{len(lines[at])} bytes", lines[at][:SAMPLE]) for at in long]
    kept = [line if len(line) <= limits.line_bytes else b"" for line in lines]
    reading = _Reading(origin, replace(dialect, header=lambda _: None), {name: name for name in frame.columns})
    return reading.block(Block(first, kept, sum(map(len, lines)), dead))


def _marks(lines: list[bytes], dialect: Dialect) -> list[int]:
    """Where headers and summaries stand."""
    # A header begins with a letter, a record of flows with a digit: only few lines are looked at closely.
    starts = [at for at, line in enumerate(lines) if line[:1].isalpha() or line[:1] in (b"#", b" ")]
    return [at for at in starts if lines[at].startswith(dialect.ends) or dialect.header(lines[at]) is not None]


def _mapped(lines: list[bytes], spelt: dict[str, str], dialect: Dialect) -> pl.DataFrame:
    """One row a line: event columns, the raw line, and why it is no flow, if so."""
    names, width = tuple(spelt), len(spelt)
    raw = texts(_RAW, lines)
    cells = raw.str.split_exact(dialect.separator, width).struct.unnest()
    fits = cells.to_series(width - 1).is_not_null() & cells.to_series(width).is_null()
    native = cells.select(_stripped(name, at, dialect) for at, name in enumerate(names))
    # Lazily, since that works out what several columns need only once.
    frame = native.lazy().select(dialect.map(names)).collect()
    used = dialect.used(names)
    ext = compact(native.drop([name for name in names if name in used]).rename({name: spelt[name] for name in names if name not in used}))
    problem = (
        pl.when(~fits).then(pl.lit(f"field-count: expected {width} cells"))
        .when(pl.col("time").is_null()).then(pl.lit("bad-time: no time of the years 1970 to 9999"))
        .otherwise(pl.col(PROBLEM)).alias(PROBLEM)
    )  # fmt: skip
    return frame.with_columns(problem, ext.alias("ext")).hstack([raw])


def _events(origin: str, block: Block, good: pl.DataFrame, dialect: Dialect) -> events.Events:
    lines = [block.lines[at] for at in good[_LINE]]
    own = good.rename({_RAW: "raw"}).with_columns(
        (pl.col(_LINE) + block.first).alias("record"),
        events.uids(dialect.name, pl.Series(lines, dtype=pl.Binary)),
        pl.lit(dialect.name).alias("source"),
        pl.lit(clean(origin)).alias("origin"),
        pl.lit(dialect.version, dtype=pl.Int16).alias("map_ver"),
    )
    return events.conform(own.drop(PROBLEM, _LINE))


def _stripped(name: str, at: int, dialect: Dialect) -> pl.Expr:
    cell = pl.nth(at).str.strip_chars()
    return pl.when(~cell.is_in(sorted(dialect.unset))).then(cell).alias(name)


def first(names: Names, *wanted: str) -> pl.Expr:
    """The first of these fields that says something, as text."""
    found = [pl.col(name) for name in wanted if name in names]
    return pl.coalesce(found) if found else pl.lit(None, dtype=pl.String)


def integer(text: pl.Expr, column: str) -> pl.Expr:
    """A count; null for what is none, and for negative numbers."""
    number = text.cast(pl.Int64, strict=False)
    return pl.when(number >= 0).then(number).cast(SCHEMA[column], strict=False).alias(column)


def port(text: pl.Expr, column: str) -> pl.Expr:
    """A port number, also in hex as Argus writes it."""
    plain = text.cast(pl.Int64, strict=False)
    number = pl.coalesce(plain, pl.when(text.str.starts_with("0x")).then(text.str.slice(2).str.to_integer(base=16, strict=False)))
    return pl.when(number.is_between(0, 65_535)).then(number).cast(SCHEMA[column], strict=False).alias(column)


def address(text: pl.Expr) -> pl.Expr:
    """An IP address, or null."""
    return pl.when(text.str.contains(ADDRESS) & ~text.str.contains(MAC)).then(text)


def bad_address(*cells: pl.Expr) -> pl.Expr:
    """Whether one of these says something that is neither an IP nor a hardware address."""
    return pl.any_horizontal(cell.is_not_null() & ~cell.str.contains(ADDRESS) & ~cell.str.contains(MAC) for cell in cells).fill_null(False)


def protocol(text: pl.Expr) -> pl.Expr:
    """A protocol's name, lower case, of its name or number."""
    return text.str.to_lowercase().replace(PROTOCOLS).alias("proto")


def micros(text: pl.Expr, unit: int) -> pl.Expr:
    """A duration in us, of a number that counts `unit` us."""
    number = (text.cast(pl.Float64, strict=False) * unit).round()
    return pl.when(number.is_between(0, 2.0**62)).then(number).cast(pl.Int64, strict=False)


def instant(column: str) -> pl.Expr:
    """A time: ISO 8601, also with slashes and a blank, or a number since 1970 in s, ms or us, told by its size."""
    text = pl.col(column)
    number = text.cast(pl.Float64, strict=False)
    unit = pl.when(number < 1e11).then(1e6).when(number < 1e14).then(1e3).otherwise(1.0)
    since = (number * unit).round()
    counted = pl.when(since.is_between(0, _LAST * 1e6)).then(since.cast(pl.Int64, strict=False)).cast(TIME)
    return pl.when(number.is_null()).then(_written(column)).otherwise(counted)


@lru_cache(maxsize=64)
def _written(column: str) -> pl.Expr:
    def read(text: pl.Series) -> pl.Series:
        if not text.len() - text.null_count():
            return pl.Series(text.name, [None], dtype=TIME).new_from_index(0, text.len())
        return text.str.replace_all("/", "-", literal=True).alias("t").to_frame().select(clock.iso("t"))["t"]

    return pl.col(column).map_batches(read, return_dtype=TIME, is_elementwise=True)
