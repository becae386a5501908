"""Time: text and numbers to UTC microseconds, and back to words. Inside nonself there is never a naive datetime.

Columns are parsed by expressions that never raise: what can't be read, or lies outside the years 1970 to 9999, becomes null, and the
caller makes a dead letter of it. A time without a zone is taken as UTC, since most logs mean that and none says otherwise.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from nonself.core.schema import TIME

_DAY, _MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = 253_402_300_800_000_000
"""First microsecond of the year 10000, which no datetime can hold."""

_ISO = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?"
    r"([Zz]| ?[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?$"
)


def _instant(microseconds: pl.Series) -> pl.Series:
    """Int64 microseconds since 1970 as a UTC time; outside 1970..9999 null."""
    inside = microseconds.is_between(0, _END, closed="left")
    return _only(microseconds, inside).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _only(values: pl.Series, where: pl.Series) -> pl.Series:
    """`values` where `where` holds, null elsewhere."""
    return values.zip_with(where.fill_null(False), pl.Series([None], dtype=values.dtype))


def _column(column: str, read: Callable[[pl.Series], pl.Series]) -> pl.Expr:
    """`read` over a column as text. On a Series, step by step: an eager select would work every shared sub-expression out anew."""
    return (
        pl.col(column)
        .cast(pl.String, strict=False)
        .map_batches(lambda text: read(text.str.strip_chars()), return_dtype=TIME, is_elementwise=True)
    )


def iso(column: str) -> pl.Expr:
    """Time (us, UTC) of a text column in ISO 8601's extended form or RFC 3339: `2026-11-22T02:18:43.123456+02:00`.

    A space may stand for the T, a comma for the point; zone `Z`, `+0200`, `+02:00`, `+02` or none (UTC). Digits past the microsecond are
    cut off. Second 60 is the next minute's first. Anything else is null.
    """
    return _column(column, _iso)


def _iso(text: pl.Series) -> pl.Series:
    text = _only(text, text.str.contains(_ISO))
    # Fixed positions: as fast as one format with a zone, and all forms at once.
    day, clock, tail = text.str.head(10), text.str.slice(11, 8), text.str.slice(19)
    whole = (day + "T" + clock).str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False).cast(pl.Int64)
    fraction = tail.str.extract(r"^[.,]([0-9]{1,6})").str.pad_end(6, "0").cast(pl.Int64).fill_null(0)
    return _instant(whole + fraction - _mapped(tail.str.extract(r"([+-].+)$"), _offset).fill_null(0))


def _offset(zone: str) -> int:
    """Microseconds east of UTC of `+HHMM`, `-HH:MM` or `+HH`."""
    sign, digits = -1 if zone[0] == "-" else 1, zone[1:].replace(":", "")
    return sign * (int(digits[:2]) * 60 + int(digits[2:] or 0)) * 60_000_000


def _mapped(values: pl.Series, to: Callable[[Any], int]) -> pl.Series:
    """`to` of each value that is not null, worked out once per distinct value: a log knows few zones and few days."""
    known = values.drop_nulls().unique().to_list()
    return values.replace_strict(known, [to(value) for value in known], default=None, return_dtype=pl.Int64)


def epoch(column: str) -> pl.Expr:
    """Time (us, UTC) of a column of seconds since 1970, text or number: `1517336042.279652`, `1.5e9`.

    Exact to the microsecond: text goes through a decimal, never a float; a float counts as the shortest text that means it. Finer digits
    are rounded. Negative, infinite, NaN and years past 9999 are null.
    """
    return _column(column, _epoch)


def _epoch(text: pl.Series) -> pl.Series:
    seconds = text.cast(pl.Decimal(20, 6), strict=False)
    possible = ~text.str.starts_with("-") & (seconds < _END // 1_000_000)
    return _instant((_only(seconds, possible) * 1_000_000).cast(pl.Int64))


def syslog(column: str, reference: datetime) -> pl.Expr:
    """Time (us, UTC) of RFC 3164's `Nov 22 02:18:43`, which has no year: the latest that is at most a day after `reference`.

    `reference` is a time near the log's end, such as the file's own; the day of grace covers clocks and zones that differ. ValueError
    where it is naive.
    """
    horizon = min(max((_aware(reference) - _EPOCH + _DAY) // _MICROSECOND, 0), _END - 1)
    return _column(column, lambda text: _syslog(text, horizon))


def _syslog(text: pl.Series, horizon: int) -> pl.Series:
    # 2000 is a leap year, so every day of any year parses.
    moment = ("2000 " + text).str.to_datetime("%Y %b %e %H:%M:%S", time_unit="us", strict=False)
    day = moment.dt.date()
    clock = (moment - day.cast(pl.Datetime("us"))).cast(pl.Int64)
    latest = _mapped(day, lambda day: _midnights(day, horizon)[0]) + clock
    before = _mapped(day, lambda day: _midnights(day, horizon)[1]) + clock
    return _instant(latest.zip_with((latest <= horizon).fill_null(False), before))


def _midnights(day: date, horizon: int) -> tuple[int, int]:
    """The two latest midnights (us) of this month and day that are not after `horizon`; negative where 1970 comes first."""
    last = (_EPOCH + horizon * _MICROSECOND).year
    years = [year for year in range(last, max(last - 13, 1969), -1) if calendar.isleap(year) or (day.month, day.day) != (2, 29)]
    starts = [(datetime(year, day.month, day.day, tzinfo=UTC) - _EPOCH) // _MICROSECOND for year in years]
    first, second, *_ = [*(start for start in starts if start <= horizon), -_END, -_END]
    return first, second


def parse(text: str) -> datetime | None:
    """One time as `iso` reads it, or a date alone (its midnight, UTC); None where it is neither. For flags; a column takes `iso`."""
    if not text.isascii():  # also keeps lone surrogates away from polars
        return None
    if len(text.strip()) == len("2026-11-22"):
        text = f"{text.strip()}T00:00:00Z"
    found: datetime | None = pl.DataFrame({"text": [text]}).select(iso("text")).item()
    return found.replace(tzinfo=UTC) if found else None


def human(duration: timedelta) -> str:
    """A duration in its two largest units, cut off: `3 h 12 min`, `41 d`, `250 ms`."""
    microseconds = abs(duration) // _MICROSECOND
    sign = "-" if duration < timedelta(0) else ""
    if microseconds < 1_000_000:
        return "0 s" if not microseconds else f"{sign}{microseconds // 1000} ms" if microseconds >= 1000 else f"{sign}{microseconds} us"
    seconds = microseconds // 1_000_000
    sizes = (("d", seconds // 86_400), ("h", seconds // 3600 % 24), ("min", seconds // 60 % 60), ("s", seconds % 60))
    first = next(at for at, (_, size) in enumerate(sizes) if size)
    return sign + " ".join(f"{size} {unit}" for unit, size in sizes[first : first + 2] if size)


def stamp(when: datetime) -> str:
    """A time for people, to the second, in UTC: `2026-11-22 02:18:43Z`. ValueError where it is naive."""
    return _aware(when).astimezone(UTC).replace(tzinfo=None).isoformat(" ", "seconds") + "Z"


def _aware(when: datetime) -> datetime:
    if when.tzinfo is None:
        raise ValueError(f"expected a time with a zone, got the naive {when!r}; add tzinfo=UTC where it is UTC")
    return when
