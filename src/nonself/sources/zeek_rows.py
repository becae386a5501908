"""From typed fields of one Zeek log to rows of events; shared by its text and its JSON form."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import polars as pl

from nonself.core import events
from nonself.core.errors import RecordError
from nonself.core.schema import TIME
from nonself.sources.contract import Chunk, DeadLetter
from nonself.sources.lines import SAMPLE, Block
from nonself.sources.records import clean, decode
from nonself.sources.zeek_plan import Fields, plan, taken

NAME = "zeek"
MAP_VER = 1
_RAW = " raw"  # no field of Zeek's has a blank in its name
_FEW = 4  # up to here one pass for each beats one for all
_LAST_SECOND = 253_402_300_799  # of the year 9999, the last that Python's datetimes hold


@dataclass(frozen=True, slots=True)
class Raw:
    """Records as they came: their numbers in the file, their bytes, and the same as text."""

    numbers: list[int]
    lines: list[bytes]
    text: pl.Series

    @staticmethod
    def of(numbers: list[int], lines: list[bytes]) -> Raw:
        """What isn't UTF-8 becomes U+FFFD in the text."""
        try:
            text = pl.Series(lines, dtype=pl.Binary).cast(pl.String)
        except pl.exceptions.ComputeError:
            text = pl.Series([decode(line) for line in lines], dtype=pl.String)
        return Raw(numbers, lines, text)

    def only(self, keep: pl.Series) -> Raw:
        """The records where `keep` is true."""
        chosen = keep.arg_true().to_list()
        return Raw([self.numbers[at] for at in chosen], [self.lines[at] for at in chosen], self.text.filter(keep))


@dataclass(slots=True)
class Rows:
    """The events and dead letters of one block in the making."""

    origin: str
    frames: list[events.Events] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)

    def reject(self, number: int, line: bytes, error: RecordError) -> None:
        """One bad record."""
        self.dead.append(DeadLetter(self.origin, number, error.reason, error.detail, line[:SAMPLE]))

    def add(self, path: str | None, native: pl.DataFrame, fields: Fields, ext: pl.Expr, raw: Raw) -> None:
        """Records of one log: `native` holds the fields of which `fields` tells the kinds, `ext` makes their JSON of them."""
        frame = self._events(path, native, fields, ext, raw)
        if "ts" in native.columns and frame.get_column("time").null_count():
            undated = frame.get_column("time").is_null()
            for at in undated.arg_true():
                self.reject(raw.numbers[at], raw.lines[at], RecordError("bad-time", "ts is not a time of the years 1970 to 9999"))
            frame = frame.filter(~undated)
        self.frames.append(frame)

    def chunk(self, block: Block) -> Chunk:
        """All of the block's records, in the order they came."""
        found = self.frames[0] if len(self.frames) == 1 else events.concat(self.frames)
        if len(self.frames) > 1:
            found = found.sort("record", maintain_order=True)
        dead = sorted([*self.dead, *block.dead], key=lambda letter: letter.record)
        return Chunk(found, dead, records=found.height + len(dead), bytes=block.bytes)

    def _events(self, path: str | None, native: pl.DataFrame, fields: Fields, ext: pl.Expr, raw: Raw) -> events.Events:
        # One select for all: its fixed cost is what reading many small files costs. `_RAW` gives it its height, whatever the log has.
        whole = native.hstack([raw.text.alias(_RAW)])
        exprs = [*plan(path, fields), *_times("ts" in native.columns), ext.alias("ext"), pl.col(_RAW).alias("raw")]
        own = (pl.lit(NAME).alias("source"), pl.lit(clean(self.origin)).alias("origin"), pl.lit(MAP_VER, dtype=pl.Int16).alias("map_ver"))
        names = pl.Series("uid", events.uids(NAME, raw.lines), dtype=pl.String)
        return events.conform(whole.select(*exprs, *own).hstack([names, pl.Series("record", raw.numbers, dtype=pl.Int64)]))


def ext_of(native: pl.DataFrame, path: str | None) -> pl.Expr:
    """JSON of the fields that `ext` keeps, without those that are null; the log's path comes first, as `_path`."""
    skipped = taken(path)
    kept = [column for column in native if column.name not in skipped and column.null_count() < native.height]
    text = pl.struct(pl.lit(path or "").alias("_path"), *(column.name for column in kept)).struct.json_encode()
    # Exact: within a JSON string no quote goes without a backslash, field names hold neither quotes nor commas, and `_path` is never null.
    nulls = [f',"{column.name}":null' for column in kept if column.null_count()]
    if len(nulls) > _FEW:
        return text.str.replace_many(nulls, [""] * len(nulls))
    for null in nulls:
        text = text.str.replace_all(null, "", literal=True)
    return text


@lru_cache(maxsize=2)
def _times(timed: bool) -> tuple[pl.Expr, ...]:
    """`time` of ts, in seconds since 1970. A double holds microseconds exactly until the year 2255."""
    if not timed:
        return ()
    seconds = pl.col("ts").cast(pl.Float64, strict=False)
    micros = pl.when(seconds.is_between(0, _LAST_SECOND)).then((seconds * 1e6).round().cast(pl.Int64, strict=False))
    return (micros.cast(TIME).alias("time"),)
