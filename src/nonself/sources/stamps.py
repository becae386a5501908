"""Time stamps of fixed form, `2026-01-31T12:00:00[.123456789][Z|+01:00|+0100]`, read as digits of a matrix of bytes.

Polars reads such a text by a format in 0.4 us, and in twice that where it must be prepared first; this takes a quarter. Up to five hundred
of one form are read one by one, since the matrix has a price of its own. Nothing is said of a text in another form: whoever calls this
reads those in another way.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from nonself.core.schema import TIME

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]

_STAMP = re.compile(
    rb"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)[T ](?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
    rb"(?:[.,](?P<fraction>\d{1,6})\d*)?(?:Z|[+-](?P<hours>\d\d):?(?P<minutes>\d\d))?"
)
_PARTS = ("year", "month", "day", "hour", "minute", "second", "fraction", "hours", "minutes")
_SHORTEST, _LONGEST = 19, 40
_FEW = 512
_EPOCH, _MICROSECOND = datetime(1970, 1, 1), timedelta(microseconds=1)
_ZEROS = str.maketrans("123456789", "0" * 9)
_FORMS = 8  # lengths looked at; a log writes one or a few
_MONTHS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int32)


def read(text: pl.Series) -> pl.Series:
    """Times (UTC microseconds, digits beyond cut) of the texts that are such stamps; null for all others. Without zone it is UTC.

    Texts of one length are judged by the first that is a stamp: one that has its marks at other places is null.
    """
    if text.len() <= _FEW and (alike := _alike(text.to_list())) is not None:
        return pl.Series(text.name, alike, dtype=pl.Int64).cast(TIME)
    sizes = text.str.len_bytes().fill_null(0).to_numpy()
    micros, sound = np.zeros(text.len(), np.int64), np.zeros(text.len(), np.bool_)
    for size in _sizes(sizes):
        same = sizes == size
        chosen = text if same.all() else text.filter(pl.Series(same))
        form = next((one for one in (value.encode() for value in chosen[:_FORMS]) if _STAMP.fullmatch(one)), None)
        if form is not None:
            table = np.frombuffer(chosen.str.join("").item().encode(), np.uint8).reshape(-1, size)
            micros[same], sound[same] = _stamps(np.ascontiguousarray(table.T), re.sub(rb"\d", b"0", form))
    times = pl.Series(text.name, micros)
    times = times if sound.all() else times.set(pl.Series(~sound), None)
    return times.cast(TIME)


def _alike(values: list[str | None]) -> list[int] | None:
    """Microseconds since 1970 of values that all are stamps of one form in UTC; None where they are anything else."""
    form = values[0].translate(_ZEROS) if values and values[0] else ""
    marks = _STAMP.fullmatch(form.encode()) if form.isascii() else None
    stamps = [value for value in values if value]
    if marks is None or marks["hours"] or b"," in marks[0] or len(stamps) < len(values):
        return None
    if set(map(len, stamps)) != {len(form)} or "".join(stamps).translate(_ZEROS) != form * len(stamps):
        return None
    end = marks.end("fraction") if marks["fraction"] else marks.end("second")
    try:
        # Not numpy: as fast, but its cast of bytes to datetime64 may crash at the 30th of February (2.4).
        return [(datetime.fromisoformat(stamp[:end]) - _EPOCH) // _MICROSECOND for stamp in stamps]
    except ValueError:  # no such day or hour
        return None


def _sizes(sizes: npt.NDArray[np.uint32]) -> list[int]:
    """The sizes that stamps may have, of those that occur."""
    counts = np.bincount(np.minimum(sizes, _LONGEST + 1), minlength=_LONGEST + 1)
    return [size for size in range(_SHORTEST, _LONGEST + 1) if counts[size]][:_FORMS]


@lru_cache(64)
def _form(form: bytes) -> tuple[Bytes, Bytes, tuple[range, ...], int]:
    """Of a form (a stamp whose digits are 0): lowest and highest byte at each place, the places of each part, the zone's sign."""
    low = np.frombuffer(form, np.uint8)[:, np.newaxis]
    high = np.where(low == ord("0"), ord("9"), low).astype(np.uint8)
    found = _STAMP.fullmatch(form)
    assert found is not None
    return low, high, tuple(range(*found.span(part)) for part in _PARTS), -1 if b"-" in form[_SHORTEST:] else 1


def _stamps(table: Bytes, form: bytes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Microseconds since 1970 of texts of one form's length (a column each), and which of them are sound stamps of that form."""
    low, high, places, sign = _form(form)
    sound = ((table >= low) & (table <= high)).all(axis=0)
    digits: Bytes = (table - 48).astype(np.uint8, copy=False)
    year, month, day, hour, minute, second, fraction, hours, minutes = (_number(digits, part) for part in places)
    fraction *= 10 ** (6 - len(places[6]))
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    last = _MONTHS[np.clip(month, 1, 12) - 1] + ((month == 2) & leap)
    sound &= (year > 0) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= last) & (hour < 24) & (minute < 60) & (second < 60)
    of_day = hour * 3_600 + minute * 60 + second - sign * (hours * 3_600 + minutes * 60)
    return (_days(year, month, day).astype(np.int64) * 86_400 + of_day) * 1_000_000 + fraction, sound


def _number(digits: Bytes, places: range) -> Ints:
    value = np.zeros(digits.shape[1], np.int32)
    for place in places:
        value *= 10
        value += digits[place]
    return value


def _days(year: Ints, month: Ints, day: Ints) -> Ints:
    """Days since 1970 of a date of the proleptic Gregorian calendar (H. Hinnant, "chrono-compatible low-level date algorithms")."""
    year = year - (month <= 2)
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + np.where(month > 2, -3, 9)) + 2) // 5 + day - 1
    return np.asarray(era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468, dtype=np.int32)
