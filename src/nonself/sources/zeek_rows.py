"""From typed fields of one Zeek log to rows of events; shared by its text and its JSON form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import polars as pl

from nonself.core import events
from nonself.core.errors import RecordError
from nonself.core.schema import TIME
from nonself.sources.contract import DeadLetter
from nonself.sources.lines import SAMPLE, Block
from nonself.sources.records import clean, decode
from nonself.sources.zeek_plan import TEXT

NAME = "zeek"
MAP_VER = 6
_LAST_SECOND = 253_402_300_799  # of the year 9999, the last that Python's datetimes hold


@dataclass(frozen=True, slots=True)
class Raw:
    """Records as they came: their numbers in the file, their bytes, and the same as text."""

    numbers: Sequence[int]
    lines: list[bytes]
    text: pl.Series
    sound: bool = True  # whether all of it is UTF-8

    @staticmethod
    def of(numbers: Sequence[int], lines: list[bytes]) -> Raw:
        """What isn't UTF-8 becomes U+FFFD in the text."""
        try:
            return Raw(numbers, lines, pl.Series(TEXT, lines, dtype=pl.Binary).cast(pl.String))
        except pl.exceptions.ComputeError:
            return Raw(numbers, lines, pl.Series(TEXT, [decode(line) for line in lines], dtype=pl.String), sound=False)

    def only(self, chosen: list[int]) -> Raw:
        """The records at these places."""
        return Raw.of([self.numbers[at] for at in chosen], [self.lines[at] for at in chosen])


@dataclass(slots=True)
class Rows:
    """The events and dead letters of one block in the making."""

    origin: str
    frames: list[events.Events] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)

    def reject(self, number: int, line: bytes, error: RecordError) -> None:
        """One bad record."""
        self.dead.append(DeadLetter(self.origin, number, error.reason, error.detail, line[:SAMPLE]))

    def add(self, fields: pl.DataFrame, exprs: Sequence[pl.Expr], raw: Raw) -> None:
        """Records of one log: `exprs` make event columns of a frame of its fields, which has `raw.text` as column TEXT."""
        frame = self._events(fields, exprs, raw)
        if "ts" in fields.columns and frame.get_column("time").null_count():
            undated = frame.get_column("time").is_null()
            for at in undated.arg_true():
                self.reject(raw.numbers[at], raw.lines[at], RecordError("bad-time", "ts is not a time of the years 1970 to 9999"))
            frame = frame.filter(~undated)
        self.frames.append(frame)

    def found(self, block: Block) -> tuple[events.Events, list[DeadLetter]]:
        """All of the block's records, in the order they came."""
        found = self.frames[0] if len(self.frames) == 1 else events.concat(self.frames)
        if len(self.frames) > 1:
            found = found.sort("record", maintain_order=True)
        return found, sorted([*self.dead, *block.dead], key=lambda letter: letter.record)

    def _events(self, fields: pl.DataFrame, exprs: Sequence[pl.Expr], raw: Raw) -> events.Events:
        # One query for all: its fixed cost is what reading many small files costs. TEXT gives it its height, whatever the log has.
        made = fields.select(*exprs, *_common("ts" in fields.columns), pl.lit(clean(self.origin)).alias("origin"))
        names = events.uids(NAME, raw.text if raw.sound else pl.Series(raw.lines, dtype=pl.Binary))
        return events.conform(made.hstack([names, pl.Series("record", raw.numbers, dtype=pl.Int64)]))


@lru_cache(maxsize=2)
def _common(timed: bool) -> tuple[pl.Expr, ...]:
    """What every row has; `time` of ts, in seconds since 1970. A double holds microseconds exactly until the year 2255."""
    same = (pl.lit(NAME).alias("source"), pl.lit(MAP_VER, dtype=pl.Int16).alias("map_ver"), pl.col(TEXT).alias("raw"))
    if not timed:
        return same
    seconds = pl.col("ts").cast(pl.Float64, strict=False)
    micros = pl.when(seconds.is_between(0, _LAST_SECOND)).then((seconds * 1e6).round().cast(pl.Int64, strict=False))
    return (*same, micros.cast(TIME).alias("time"))
