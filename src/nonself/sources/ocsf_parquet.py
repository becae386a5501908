"""Parquet of OCSF events (as Amazon Security Lake keeps them), of nonself's own events, of AWS VPC flow logs, and of what a user maps.

What a Parquet file holds stands in its footer, at the end, so it is copied to a temporary file first (capped like any input) and read
some rows at a time. A file cut short has no footer and gives a dead letter alone.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import IO, Any, BinaryIO

import orjson
import polars as pl

from nonself.core import events
from nonself.core.errors import RecordError
from nonself.core.schema import CLASSES, SCHEMA
from nonself.sources import flows_csv_read, vpc_flow
from nonself.sources.contract import Chunk, DeadLetter, Input, Limits
from nonself.sources.json_source import JsonSource
from nonself.sources.lines import BROKEN, PIECE, SAMPLE, diagnose
from nonself.sources.ocsf import Gathering
from nonself.sources.ocsf_map import MAP_VER
from nonself.sources.parquet_apart import APART
from nonself.sources.records import Table, clean, load_json

_MAGIC = b"PAR1"
_ROWS = 1_024
"""Rows read at once: a dictionary lets one long value stand in every row, and each becomes a text of its own."""
_UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError)
"""What rows that were read may still raise: times beyond any calendar, for one."""
_LOOKED_AT = 8
"""Rows asked for what kind they are."""
Reader = Callable[[pl.DataFrame, int, str, Limits], Chunk]
"""Rows, the number of the first, the input's origin and the limits -> a chunk."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


class Parquet:
    """OCSF's columns are read as the `ocsf` source reads JSON. Of nonself's own events every column is kept but the name (`uid`), which is
    worked out anew from what it is a hash of. `kinds` are the user's mappings, asked first: their rows are read as JSON records."""

    name = "parquet"
    title = "Parquet of events"
    formats = "Parquet with OCSF columns (Security Lake), nonself's own, or those of AWS VPC flow logs"
    classes = tuple(sorted(CLASSES))

    def __init__(self, kinds: Sequence[JsonSource] = ()) -> None:
        self._kinds = kinds

    def recognise(self, head: bytes, origin: str) -> bool:
        return head.startswith(_MAGIC)

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract. `record` is the row's number."""
        with tempfile.NamedTemporaryFile(prefix="nonself-", suffix=".parquet") as file:
            problem = _spool(source_input, file)
            try:
                yield from self._chunks(file.name, source_input, limits)
            except _UNREADABLE as error:
                problem = problem or RecordError("corrupt-parquet", str(error)[:200])
            except RecordError as error:
                problem = problem or error
            if problem:
                letter = DeadLetter(source_input.origin, 0, problem.reason, problem.detail, source_input.head[:SAMPLE])
                yield Chunk(events.empty(), [letter], records=1)

    def _chunks(self, path: str, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        columns, read = self._reader(APART.rows(path, 0, _LOOKED_AT))
        step, first = min(_ROWS, limits.chunk_records), 0
        while (frame := APART.rows(path, first, step, columns)).height:
            yield read(frame, first, source_input.origin, limits)
            first += frame.height
        if not first:
            raise RecordError("empty", "no rows")

    def _reader(self, head: pl.DataFrame) -> tuple[list[str] | None, Reader]:
        """Which columns are read, and how, by the first rows; None: all columns."""
        schema = head.schema
        own = schema.keys() & SCHEMA.keys()
        known = [load_json(line, Limits()) for line in _lines(_readable(head))] if self._kinds else []
        kind = next((kind for kind in self._kinds if any(map(kind.knows, known))), None)
        if kind is not None:
            return None, partial(_mapped, kind)
        if {"class_uid", "metadata", "time"} <= schema.keys():
            return None, partial(_ocsf, self.name)
        if {"class_uid", "time"} <= own and len(own) >= len(schema) / 2:
            return sorted(own), partial(_own, self.name)
        if fields := vpc_flow.columns(schema.keys()):
            return list(fields), partial(_flows, fields)
        expected = (
            "expected the columns of OCSF (class_uid, metadata, time), of `nonself schema`, of VPC flow logs, or of a mapping of yours"
        )
        raise RecordError("unknown-parquet", expected)


def _spool(source_input: Input, file: IO[bytes]) -> RecordError | None:
    """Copy the stream to `file`; why it broke, if it did."""
    try:
        stream: BinaryIO
        with source_input.open() as stream:
            while piece := stream.read(PIECE):
                file.write(piece)
    except BROKEN as error:
        return diagnose(error)
    finally:
        file.flush()
    return None


def _readable(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(pl.Binary).bin.encode("hex"))


def _lines(frame: pl.DataFrame) -> list[bytes]:
    """Rows as JSON records, without what is null."""
    encoded = frame.select(pl.struct(pl.all()).struct.json_encode()).to_series().to_list()
    return [orjson.dumps(_whole(orjson.loads(text))) for text in encoded]


def _mapped(kind: JsonSource, frame: pl.DataFrame, first: int, origin: str, limits: Limits) -> Chunk:
    lines = _lines(_readable(frame))
    short = [(number, line) for number, line in enumerate(lines, first) if len(line) <= limits.line_bytes]
    chunk = kind.chunk_of(origin, short, limits)
    long = [(number, line) for number, line in enumerate(lines, first) if len(line) > limits.line_bytes]
    dead = [DeadLetter(origin, number, "line-too-long", f"{len(line)} bytes", line[:SAMPLE]) for number, line in long]
    return replace(chunk, dead=[*chunk.dead, *dead], records=len(lines), bytes=sum(map(len, lines)))


def _ocsf(name: str, frame: pl.DataFrame, first: int, origin: str, limits: Limits) -> Chunk:
    table = Table(name, origin, MAP_VER)
    gathering, size = Gathering(table), 0
    for number, line in enumerate(_lines(frame), first):
        size += len(line)
        if len(line) > limits.line_bytes:
            table.reject(number, line, RecordError("line-too-long", f"{len(line)} bytes"))
        else:
            gathering.load(number, line, limits)
    return gathering.chunk(size)


def _flows(fields: dict[str, str], frame: pl.DataFrame, first: int, origin: str, limits: Limits) -> Chunk:
    named = _readable(frame).select(pl.col(name).alias(field) for name, field in fields.items())
    return flows_csv_read.rows(named, first, origin, vpc_flow.DIALECT, limits)


def _whole(value: Any) -> Any:
    """A value without its nulls, with maps (lists of key and value) as objects."""
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        if value and all(isinstance(item, dict) and item.keys() == {"key", "value"} and isinstance(item["key"], str) for item in value):
            return {item["key"]: _whole(item["value"]) for item in value if item["value"] is not None}
        return [_whole(item) for item in value]
    return value


def _own(name: str, frame: pl.DataFrame, first: int, origin: str, limits: Limits) -> Chunk:
    """Rows in the event schema. A hash can be checked, a name can't be believed, so uid is made of source and raw record once more."""
    table = Table(name, origin, MAP_VER)
    encoded = frame.select(pl.struct(pl.all()).struct.json_encode()).to_series().to_list()
    fit = [len(text) <= limits.line_bytes for text in encoded]
    for at, text in enumerate(encoded):
        if not fit[at]:
            table.reject(first + at, text[:SAMPLE].encode(), RecordError("line-too-long", f"{len(text)} bytes"))
    kept = events.conform(frame).filter(pl.Series(fit, dtype=pl.Boolean))
    texts = [text for text, fits in zip(encoded, fit, strict=True) if fits]
    sources = [name if name and _NAME.fullmatch(name) else table.source for name in kept["source"]]
    raws = [raw if raw is not None else text for raw, text in zip(kept["raw"], texts, strict=True)]
    made = pl.DataFrame({
        "uid": pl.Series([events.uid(source, raw.encode()) for source, raw in zip(sources, raws, strict=True)], dtype=pl.String),
        "source": pl.Series(sources, dtype=pl.String),
        "raw": pl.Series(raws, dtype=pl.String),
        "record": pl.Series([first + at for at, fits in enumerate(fit) if fits], dtype=pl.Int64),
        "origin": pl.Series([clean(table.origin)] * kept.height, dtype=pl.String),
    })  # fmt: skip
    return Chunk(kept.with_columns(made.get_columns()), table.dead, records=frame.height, bytes=sum(map(len, encoded)))
