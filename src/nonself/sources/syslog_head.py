"""The heads of syslog lines: RFC 3164 (`Nov 22 02:18:43`), ISO 8601 stamps, RFC 5424; and the year that RFC 3164 does not write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from nonself.core import time
from nonself.core.schema import TIME
from nonself.sources.contract import Input, Limits
from nonself.sources.lines import split

MONTHS = {name: at for at, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_PRI = rb"(?:<\d{1,3}>)?"
_TAG = rb" \S+ [^\s:\[]+(?:\[[^\]\s]*\])?: "
_BSD = re.compile(_PRI + rb"(?:" + b"|".join(MONTHS) + rb") [ \d]\d \d\d:\d\d:\d\d" + _TAG)
_ISO = re.compile(_PRI + rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)" + _TAG)
_NEW = re.compile(rb"<\d{1,3}>1 \S+ \S+ \S+ \S+ \S+ (?:-|\[)")
_DATA = r'^(?:\[(?:[^"\]\\]|\\.|"(?:[^"\\]|\\.)*")*\])+ ?'
_HALF_A_YEAR, _FEBRUARY, _NOVEMBER = 6, 2, 11
_THIS_YEAR = datetime.now(UTC).year
"""Read once: a run that crosses New Year must not read its first and last file differently."""

_TEXT = pl.String()
SCHEMA = pl.Schema({
    "number": pl.Int64(), "text": _TEXT, "form": _TEXT, "priority": pl.Int64(), "stamp": _TEXT, "host": _TEXT, "program": _TEXT,
    "pid": _TEXT, "message": _TEXT,
})  # fmt: skip
"""Columns of a parsed head."""


def is_line(line: bytes) -> bool:
    """Whether a line has one of the three heads and a program's name."""
    return any(form.match(line) for form in (_BSD, _ISO, _NEW))


def parse(lines: pl.DataFrame) -> pl.DataFrame:
    """From columns number and text to the columns of `SCHEMA`; lines without a head are left out."""
    body = pl.when(pl.col("text").str.starts_with("<")).then(pl.col("text").str.replace(r"^<\d{1,3}>", "")).otherwise(pl.col("text"))
    priority = pl.col("text").str.extract(r"^<(\d{1,3})>").cast(pl.Int64)
    form = (
        pl.when(pl.col("body").str.contains(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ")).then(pl.lit("bsd"))
        .when(pl.col("body").str.contains(r"^\d{4}-\d\d-\d\dT")).then(pl.lit("iso"))
        .when(pl.col("body").str.starts_with("1 ") & pl.col("priority").is_not_null()).then(pl.lit("new"))
    )  # fmt: skip
    marked = lines.with_columns(body=body, priority=priority).with_columns(form=form)
    parts = [read(marked.filter(pl.col("form") == name)) for name, read in (("bsd", _bsd), ("iso", _iso), ("new", _new))]
    return pl.concat([part.select(SCHEMA.keys()).cast(SCHEMA) for part in parts]).sort("number")


def _bsd(lines: pl.DataFrame) -> pl.DataFrame:
    return _tagged(lines.with_columns(stamp=pl.col("body").str.slice(0, 15), rest=pl.col("body").str.slice(16)))


def _iso(lines: pl.DataFrame) -> pl.DataFrame:
    halves = pl.col("body").str.splitn(" ", 2).struct
    return _tagged(lines.with_columns(stamp=halves.field("field_0"), rest=halves.field("field_1")))


def _tagged(lines: pl.DataFrame) -> pl.DataFrame:
    """Host, program, pid and message of `host program[pid]: message`; the host may be missing, and so may the program."""
    halves = lines.with_columns(pl.col("rest").str.splitn(" ", 2).struct.rename_fields(["host", "after"]).alias("halves")).unnest("halves")
    nameless = pl.col("host").str.ends_with(":")
    tagged = (
        halves.with_columns(
            host=pl.when(~nameless).then(pl.col("host")),
            after=pl.when(nameless).then(pl.col("rest")).otherwise(pl.col("after")).fill_null(""),
        )
        .with_columns(pl.col("after").str.splitn(": ", 2).struct.rename_fields(["tag", "said"]).alias("pair"))
        .unnest("pair")
    )
    is_tag = pl.col("said").is_not_null() & ~pl.col("tag").str.contains(" ", literal=True)
    return tagged.with_columns(
        program=pl.when(is_tag).then(pl.col("tag").str.splitn("[", 2).struct.field("field_0")),
        pid=pl.when(is_tag).then(pl.col("tag").str.extract(r"\[(\d+)\]$")),
        message=pl.when(is_tag).then(pl.col("said")).otherwise(pl.col("after")),
    )


def _new(lines: pl.DataFrame) -> pl.DataFrame:
    """`1 time host program pid msgid data message`; a dash stands for nothing."""
    names = ["version", "stamp", "host", "program", "pid", "msgid", "said"]
    split_ = lines.with_columns(pl.col("body").str.splitn(" ", 7).struct.rename_fields(names).alias("head")).unnest("head")
    said = pl.col("said").fill_null("")
    message = pl.when(said.str.starts_with("[")).then(said.str.replace(_DATA, "")).otherwise(said.str.replace(r"^- ?", ""))
    return split_.with_columns(
        *(pl.when(pl.col(name) != "-").then(pl.col(name)).alias(name) for name in ("host", "program", "pid")),
        message=message.str.strip_prefix("\ufeff"),
    )


@dataclass(slots=True)
class Years:
    """The years of RFC 3164 lines, asked in file order. `first` is the year of the lines before the first New Year that was seen."""

    first: int
    passed: int = 0
    month: int = 0

    def of(self, lines: list[bytes]) -> list[int]:
        """The year of every line; of lines without a month that of the line before."""
        years: list[int] = []
        for at, passed, month in _turns(lines, self.passed, self.month):
            years += [self.first + self.passed] * (at - len(years))
            self.passed, self.month = passed, month
        return years + [self.first + self.passed] * (len(lines) - len(years))


def years(source_input: Input, limits: Limits, reference: datetime | None) -> Years:
    """Read the months of the whole input: a December followed by a January is a New Year; the last one is the latest before `reference`.

    Without a reference: the end of the newest year that a line with an ISO stamp names, else of the current year. A guess either way.
    """
    passed = month = highest = newest = 0
    last = b""
    for block in split(source_input, limits):
        lines = _bare(block.lines)
        stamped = {line[:4] for line in lines if line[4:5] == b"-"}
        newest = max([newest, *(year for text in stamped if text.isdigit() and (year := int(text)) <= _THIS_YEAR)])
        for turn in list(_turns(lines, passed, month)):
            _, passed, month = turn
            highest, last = (passed, b"") if passed > highest else (highest, last)
        if passed == highest:
            last = next((line for line in reversed(lines) if line[:3] in MONTHS), last)
    until = reference or datetime(newest if newest >= 1970 else _THIS_YEAR, 12, 31, tzinfo=UTC)
    return Years(until.year - (_day(last) > (until.month, until.day)) - highest)


def _bare(lines: list[bytes]) -> list[bytes]:
    """Lines without their `<priority>`."""
    return [line[line.find(b">", 1, 6) + 1 :] if line[:1] == b"<" else line for line in lines]


def _turns(lines: list[bytes], passed: int, month: int) -> Iterator[tuple[int, int, int]]:
    """Where the month changes: the line, New Years passed by then, the month. A line of the year's end that comes late goes back."""
    for at, line in enumerate(_bare(lines)):
        found = MONTHS.get(line[:3], month)
        if found != month:
            passed += (month - found >= _HALF_A_YEAR) - (0 < month <= _FEBRUARY and found >= _NOVEMBER)
            month = found
            yield at, passed, month


def _day(line: bytes) -> tuple[int, int]:
    day = line[4:6].strip()
    return MONTHS.get(line[:3], 0), int(day) if day.isdigit() else 0


def instants(heads: pl.DataFrame, line_years: list[int]) -> pl.Series:
    """Times of parsed lines, null where the stamp is none; `line_years` are the years of the RFC 3164 lines, by row."""
    frame = heads.select("stamp", "form").with_columns(pl.Series("year", line_years, dtype=pl.Int32))
    bsd = frame.get_column("form") == "bsd"
    found = frame.select(time.iso("stamp")).to_series() if not bsd.all() else pl.Series([None], dtype=TIME).new_from_index(0, frame.height)
    for year in frame.filter(bsd).get_column("year").unique().sort():
        if 1970 <= year <= 9999:
            end = datetime(year, 12, 30, 23, 59, 59, 999_999, tzinfo=UTC)  # `time.syslog` adds a day of grace
            found = frame.select(time.syslog("stamp", end)).to_series().zip_with(bsd & (frame.get_column("year") == year), found)
    return found
