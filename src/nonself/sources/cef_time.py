"""Times as security products write them: numbers since 1970 of any unit, ISO 8601, `Mar 02 2026 10:00:01.250 GMT+01:00`, and by a given
pattern."""

from __future__ import annotations

import re

import polars as pl

from nonself.core import time
from nonself.core.schema import TIME
from nonself.sources.weblog_text import instants

_NUMBER = r"^(\d{9,19})(?:\.\d+)?$"
_NAMED = r"^([A-Z][a-z]{2} +\d{1,2},? \d{4},? \d{2}:\d{2}:\d{2})(?:[.,](\d{1,9}))?(?: ?([A-Za-z]{0,5}(?:[+-]\d{2}:?\d{2})?))?$"
_HOURS = {
    "": 0, "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "BST": 1, "CET": 1, "WEST": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3, "JST": 9,
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}  # fmt: skip
"""Zones by names that mean one thing in logs seen in practice; a time in any other is not read rather than read wrongly."""
_OFFSET = re.compile(r"([A-Za-z]*)(?:([+-])(\d\d):?(\d\d))?")
_HOUR = 3_600_000_000
_JAVA = {
    "yyyy": "%Y", "yy": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "M": "%m", "dd": "%d", "d": "%d", "HH": "%H", "H": "%H",
    "hh": "%I", "h": "%I", "mm": "%M", "ss": "%S", "SSSSSS": "%6f", "SSS": "%3f", "a": "%p", "EEE": "%a", "Z": "%z", "XXX": "%z",
    "XX": "%z", "X": "%z", "ZZZZ": "%z",
}  # fmt: skip
_TOKEN = re.compile(r"'([^']*)'|([A-Za-z])\2*|[^A-Za-z']+")
_PATTERNS = 32
"""Patterns honoured in one chunk: whoever writes the records could name a new one in each."""


def read(text: pl.Series) -> pl.Series:
    """Times (us, UTC) of texts; null where a text is none. Without a zone UTC is meant."""
    frame = text.str.strip_chars().alias("text").to_frame()
    found = frame.select(time.iso("text")).to_series()
    if found.null_count() > text.null_count():
        iso_like = frame.select(pl.col("text").str.replace(r"^(\d{4})/(\d{2})/(\d{2})", "$1-$2-$3").alias("text"))
        slashed = iso_like.select(time.iso("text")).to_series()
        found = pl.select(pl.coalesce(found, _since(frame), _named(frame), slashed)).to_series()
    return found.alias("time")


def read_as(text: pl.Series, patterns: pl.Series) -> pl.Series:
    """Times of texts that patterns of Java's SimpleDateFormat describe; where a pattern is absent or odd, as `read` has it."""
    found = pl.Series([None], dtype=TIME).new_from_index(0, len(text))
    for pattern in patterns.drop_nulls().unique(maintain_order=True).head(_PATTERNS).to_list():
        form = _strftime(pattern)
        if form is not None:
            try:
                times = text.str.to_datetime(form, time_unit="us", strict=False).cast(pl.Datetime("us")).cast(pl.Int64)
            except pl.exceptions.ComputeError:  # a pattern of known parts that tells no time, such as minutes without an hour
                continue
            found = instants(times).zip_with((patterns == pattern).fill_null(False), found)
    return pl.select(pl.coalesce(found, read(text))).to_series()


def _since(frame: pl.DataFrame) -> pl.Series:
    """Seconds, milliseconds, microseconds or nanoseconds since 1970, told by their number of digits; the fraction of seconds counts."""
    number = pl.col("text").str.extract(_NUMBER)
    digits, value = number.str.len_bytes(), number.cast(pl.Int64, strict=False)
    part = pl.col("text").str.extract(r"^\d{9,11}\.(\d{1,6})").str.pad_end(6, "0").cast(pl.Int64, strict=False).fill_null(0)
    micros = pl.when(digits <= 11).then(value * 1_000_000 + part).when(digits <= 14).then(value * 1_000)
    return instants(frame.select(micros.when(digits <= 17).then(value).otherwise(value // 1_000)).to_series())


def _named(frame: pl.DataFrame) -> pl.Series:
    """`Mar 02 2026 10:00:01`, with fraction and zone or without."""
    groups = frame.get_column("text").str.extract_groups(_NAMED).struct.unnest()
    day, fraction, zone = groups.to_series(0), groups.to_series(1), groups.to_series(2)
    plain = day.str.replace_all(",", "", literal=True).str.replace(" +", " ")
    local = plain.str.to_datetime("%b %d %Y %H:%M:%S", time_unit="us", strict=False).cast(pl.Int64)
    known = {name: east for name in zone.drop_nulls().unique().to_list() if (east := _ahead(name)) is not None}
    ahead = zone.fill_null("").replace_strict({"": 0} | known, default=None, return_dtype=pl.Int64)
    return instants(local + fraction.str.head(6).str.pad_end(6, "0").cast(pl.Int64, strict=False).fill_null(0) - ahead)


def _ahead(zone: str) -> int | None:
    """Microseconds east of UTC of `CET`, `GMT+01:00` or `+0100`; None for a name not known."""
    match = _OFFSET.fullmatch(zone)
    if match is None or match[1].upper() not in _HOURS:
        return None
    if match[2]:
        size = int(match[3]) * _HOUR + int(match[4]) * _HOUR // 60
        return -size if match[2] == "-" else size
    return _HOURS[match[1].upper()] * _HOUR


def _strftime(pattern: str) -> str | None:
    """A Java pattern as polars reads it; None where it has a part that polars has not, such as a zone's name."""
    form = ""
    for token in _TOKEN.finditer(pattern[:64]):
        part = token.group()
        if part.startswith("'"):
            form += (token[1] or "'").replace("%", "%%")
        elif token[2] is None:
            form += part.replace("%", "%%")
        elif part in _JAVA:
            form += _JAVA[part]
        else:
            return None
    return form if all(mark in form for mark in ("%d", "%M")) and ("%Y" in form or "%y" in form) else None
