"""The heads of syslog lines: RFC 3164 (`Nov 22 02:18:43`), ISO 8601 stamps, RFC 5424, macOS; read by arithmetic on whole columns."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import polars as pl

from nonself.core import time
from nonself.core.schema import TIME
from nonself.sources import stamps
from nonself.sources.syslog_words import Ints, Lines, Mask, Places, Said

_MONTHS = b"Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_FRAME = rb"(?:\d{1,5} (?=<))?"
_PRI = rb"(?:<\d{1,3}>)?"
_TAG = rb" \S+ [^\s:\[]+(?:\[[^\]\s]*\])?: "
_BSD = re.compile(_FRAME + _PRI + rb"(?:" + _MONTHS + rb") [ \d]\d \d\d:\d\d:\d\d" + _TAG)
_ISO = re.compile(_FRAME + _PRI + rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)" + _TAG)
_NEW = re.compile(_FRAME + rb"<\d{1,3}>1 \S+ \S+ \S+ \S+ \S+ (?:-|\[)")
_MAC = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?[+-]\d\d(?:\d\d)? +\S+ [^\s:\[]+\[\d+\]: ")
_NUMBERS = {name: at for at, name in enumerate(_MONTHS.split(b"|"), 1)}
_MONTH_OF = np.zeros(4096, np.uint8)
"""Months by the lowest bits of their three letters; the letters are compared afterwards."""
_LETTERS = np.zeros(13, np.uint64)
for _name, _at in _NUMBERS.items():
    _LETTERS[_at] = int.from_bytes(_name, "little")
    _MONTH_OF[int(_LETTERS[_at] >> np.uint64(8)) & 4095] = _at
_DATA = r'^(?:\[(?:[^"\]\\]|\\.|"(?:[^"\\]|\\.)*")*\])+ ?'
NONE, BSD, ISO, NEW, MAC = range(5)
_LEAP_SECOND = 60


def is_line(line: bytes) -> bool:
    """Whether a line has one of the heads and a program's name."""
    return any(form.match(line) for form in (_BSD, _ISO, _NEW, _MAC))


@dataclass(frozen=True, slots=True)
class Body:
    """Lines past their octet count and `<priority>`: where they start, whether there was a count (0 or 1), the priority or -1, and
    which form of head follows."""

    start: Ints
    counted: Ints
    priority: Ints
    form: Ints


@dataclass(frozen=True, slots=True)
class Heads:
    """All that stands before the messages; `said` are the messages. Rows are the lines with a head, `said.row` tells which."""

    time: pl.Series
    priority: Ints
    host: pl.Series
    program: pl.Series
    pid: Ints
    said: Said
    ext: pl.Series | None


def body(lines: Places) -> Body:
    """See `Body`."""
    start, priority = lines.start, np.full(len(lines.start), -1, np.int64)
    letter = lines.buffer[start]
    numeric = np.flatnonzero((letter >= ord("1")) & (letter <= ord("9")))
    counted = np.zeros(len(start), np.int64)
    if len(numeric):
        first = lines.marks[lines.first[numeric]]
        framed = numeric[(lines.buffer[first + 1] == ord("<")) & (lines.number(start[numeric], first) > 0)]
        start = start.copy()
        start[framed] = lines.marks[lines.first[framed]] + 1
        counted[framed] = 1
        letter = lines.buffer[start]
    for size in (1, 2, 3):
        rows = np.flatnonzero((letter == ord("<")) & (lines.buffer[start + size + 1] == ord(">")))
        if len(rows):
            number = lines.number(start[rows] + 1, start[rows] + 1 + size)
            rows, number = rows[number >= 0], number[number >= 0]
            start = start.copy()
            priority[rows] = number
            start[rows] += size + 2
    return Body(start, counted, priority, _form(lines, start, priority))


def _form(lines: Places, start: Ints, priority: Ints) -> Ints:
    head, tail = lines.eights[start], lines.eights[start + 8]
    form = np.where(_like(head, b"\0\0\0 \0\0 \0") & _like(tail, b"\0:\0\0:\0\0 ") & (head & 255 <= ord("Z")), BSD, NONE)
    dated = _like(head, b"\0\0\0\0-\0\0-")
    if dated.any():
        form = np.where(dated & _like(tail, b"\0\0T\0\0\0\0\0"), ISO, form)
        form = np.where(dated & _like(tail, b"\0\0 \0\0:\0\0"), MAC, form)
    return np.where(_like(head, b"1 \0\0\0\0\0\0") & (priority >= 0), NEW, form)


def _like(numbers: np.typing.NDArray[np.uint64], pattern: bytes) -> Mask:
    """Whether eight bytes have those of the pattern that are not NUL."""
    mask = bytes(255 if byte else 0 for byte in pattern)
    found: Mask = (numbers & np.uint64(int.from_bytes(mask, "little"))) == np.uint64(int.from_bytes(pattern, "little"))
    return found


def months(lines: Places, at: Body) -> Ints:
    """The month that each RFC 3164 line names, 0 where there is none."""
    letters = lines.eights[at.start] & np.uint64(0xFFFFFF)
    found = _MONTH_OF[(letters >> np.uint64(8)) & np.uint64(4095)].astype(np.int64)
    return np.where((_LETTERS[found] == letters) & (at.form == BSD), found, 0)


def parse(lines: Lines, at: Body, years: Ints) -> Heads:
    """The heads of all lines that have one. `years` are those of the RFC 3164 lines; a time that is none is null."""
    row = np.flatnonzero(at.form != NONE)
    form = at.form[row]
    parts = [part for kind, read in ((BSD, _bsd), (ISO, _iso), (MAC, _mac), (NEW, _new)) if len(part := row[form == kind]) and
             (part := read(lines, at, part, years))]  # fmt: skip
    if len(parts) == 1:
        return parts[0]
    return _together(lines, parts)


def _together(lines: Lines, parts: list[Heads]) -> Heads:
    """Heads of several forms in the order of their lines."""
    row = np.concatenate([part.said.row for part in parts] or [np.zeros(0, np.int64)])
    order = np.argsort(row, kind="stable")
    none = np.zeros(0, np.int64)
    numbers = [np.concatenate([none, *(getattr(part, name) for part in parts)])[order] for name in ("priority", "pid")]
    places = [np.concatenate([none, *(getattr(part.said, name) for part in parts)])[order] for name in ("start", "end", "first", "last")]
    texts = []
    for name, dtype in (("time", TIME), ("host", pl.String), ("program", pl.String)):
        texts.append(pl.concat([pl.Series([], dtype=dtype), *(getattr(part, name).alias("") for part in parts)]).gather(order))
    exts = [pl.Series([None], dtype=pl.String).new_from_index(0, len(part.pid)) if part.ext is None else part.ext for part in parts]
    ext = pl.concat([pl.Series([], dtype=pl.String), *(ext.alias("") for ext in exts)]).gather(order)
    return Heads(texts[0], numbers[0], texts[1], texts[2], numbers[1], Said(lines, row[order], *places), ext)


def _bsd(lines: Lines, at: Body, row: Ints, years: Ints) -> Heads:
    start = at.start[row]
    head, tail = lines.eights[start], lines.eights[start + 8]
    month = months(lines, at)[row]
    digits = [_digit(head, 4), _digit(head, 5), _digit(head, 7), *(_digit(tail, place) for place in (0, 2, 3, 5, 6))]
    digits[0] = np.where((head >> np.uint64(32)) & np.uint64(255) == ord(" "), 0, digits[0])
    day, hour, minute, second = (tens * 10 + ones for tens, ones in zip(digits[::2], digits[1::2], strict=True))
    good = (month > 0) & (day > 0) & (hour < 24) & (minute < 60) & (second <= _LEAP_SECOND) & (np.min(digits, axis=0) >= 0)
    year = years[row]
    good &= (year >= 1970) & (year <= 9999)
    first = ((np.clip(year, 1970, 9999) - 1970) * 12 + np.maximum(month, 1) - 1).astype("datetime64[M]")
    days = first.astype("datetime64[D]").astype(np.int64) + day - 1
    good &= days < (first + 1).astype("datetime64[D]").astype(np.int64)
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second
    stamp = pl.Series(np.where(good, seconds * 1_000_000, -1))
    words = 2 + (head >> np.uint64(32) & np.uint64(255) == ord(" "))
    return _tagged(lines, at, row, _first(lines, at, row) + words, _time(stamp, good))


def _digit(eight: np.typing.NDArray[np.uint64], place: int) -> Ints:
    """The digit at a place of eight bytes, far below zero where it is none."""
    value = ((eight >> np.uint64(8 * place)) & np.uint64(255)).astype(np.int64) - ord("0")
    return np.where((value >= 0) & (value <= 9), value, -1000)


def _time(micros: pl.Series, good: Mask) -> pl.Series:
    return micros.set(pl.Series(~good), None).cast(TIME) if not good.all() else micros.cast(TIME)


def _first(lines: Lines, at: Body, row: Ints) -> Ints:
    """The mark that ends the first word past the octet count."""
    return lines.first[row] + at.counted[row]


def _iso(lines: Lines, at: Body, row: Ints, years: Ints) -> Heads:
    mark = _first(lines, at, row)
    return _tagged(lines, at, row, mark, _instants(lines.cut(at.start[row], lines.marks[mark], row)))


def _mac(lines: Lines, at: Body, row: Ints, years: Ints) -> Heads:
    """`2026-03-02 10:00:01.123456+0100  localhost sshd[7]: ...`: date and clock parted by a blank, and blanks to align the host."""
    mark = _first(lines, at, row) + 1
    stamp = lines.cut(at.start[row], lines.marks[mark], row)
    for _ in range(2):
        mark += lines.buffer[lines.marks[mark] + 1] == ord(" ")
    return _tagged(lines, at, row, mark, _instants(stamp))


def _instants(stamp: pl.Series) -> pl.Series:
    found = stamps.read(stamp)
    if found.null_count() == stamp.null_count():
        return found
    return found.zip_with(found.is_not_null(), stamp.alias("t").to_frame().select(time.iso("t")).to_series())


def _tagged(lines: Lines, at: Body, row: Ints, mark: Ints, when: pl.Series) -> Heads:
    """Host, program, pid and message of `host program[pid]: message` past a mark; the host may be missing, and so may the program."""
    marks, last, end = lines.marks, lines.last[row], lines.end[row]
    mark = np.minimum(mark, last)  # the mark that ends the stamp
    start, stop = np.minimum(marks[mark] + 1, end), marks[np.minimum(mark + 1, last)]
    nameless = (lines.buffer[stop - 1] == ord(":")) & (stop < end)
    mark = np.where(nameless, mark, np.minimum(mark + 1, last))  # the mark before the tag
    tag, tag_stop = np.minimum(marks[mark] + 1, end), marks[np.minimum(mark + 1, last)]
    is_tag = (lines.buffer[tag_stop - 1] == ord(":")) & (tag_stop < end) & (tag < tag_stop - 1)
    host = lines.cut_few(np.where(nameless, -1, start), stop, row)
    bracket = _first_bracket(lines, tag, tag_stop)
    name_end = np.where(bracket < tag_stop, bracket, tag_stop - 1)
    closed = is_tag & (bracket < tag_stop) & (lines.buffer[tag_stop - 2] == ord("]"))
    pid = np.where(closed, lines.number(np.where(closed, bracket + 1, tag_stop - 2), tag_stop - 2), -1)
    program = lines.cut_few(np.where(is_tag, tag, -1), name_end, row)
    return Heads(
        when,
        at.priority[row],
        host,
        program,
        pid,
        Said(lines, row, np.where(is_tag, tag_stop + 1, tag), end, np.minimum(mark + 1 + is_tag, last), last),
        None,
    )


def _first_bracket(lines: Lines, start: Ints, end: Ints) -> Ints:
    """The place of the first `[` at or after each place; of what is past `end` only that it is."""
    brackets = np.concatenate([np.flatnonzero(lines.buffer == ord("[")), [len(lines.buffer)]])
    return brackets[np.searchsorted(brackets, start)]


def _new(lines: Lines, at: Body, row: Ints, years: Ints) -> Heads:
    """`1 time host program pid msgid data message`; a dash stands for nothing."""
    mark, last, end = _first(lines, at, row), lines.last[row], lines.end[row]
    bounds = [lines.marks[np.minimum(mark + word, last)] for word in range(6)]
    starts = [np.minimum(bound + 1, end) for bound in bounds]
    cells = [*zip(starts[:5], bounds[1:], strict=True), (starts[5], end)]
    stamp, host, program, pid, msgid, rest = (_dashed(lines.cut(*cell, row)) for cell in cells)
    rest = rest.fill_null("- ")
    data = rest.str.extract(f"({_DATA})").fill_null("")
    skip = np.where(data != "", data.str.len_bytes(), np.where(rest.str.starts_with("- "), 2, 0))
    start = np.minimum(starts[5] + skip, end)
    start = np.where(lines.holds(start, b"\xef\xbb\xbf"), start + 3, start)
    first = np.minimum(np.searchsorted(lines.marks, start), last)
    numbers = pid.cast(pl.Int64, strict=False).fill_null(-1).to_numpy()
    return Heads(_instants(stamp), at.priority[row], host, program, numbers, Said(lines, row, start, end, first, last), _ext(msgid, data))


def _dashed(text: pl.Series) -> pl.Series:
    return text.set(text == "-", None)


def _ext(msgid: pl.Series, data: pl.Series) -> pl.Series:
    """`msgid` and `structured_data`, which no column holds; null where a line has neither."""
    frame = pl.DataFrame([msgid.alias("msgid"), data.str.strip_chars(" ").alias("structured_data")])
    some = pl.col("msgid").is_not_null() | (pl.col("structured_data") != "")
    text = pl.struct(pl.col("msgid").fill_null(""), "structured_data").struct.json_encode()
    return frame.select(pl.when(some).then(text)).to_series()
