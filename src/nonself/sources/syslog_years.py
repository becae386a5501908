"""The year that RFC 3164 does not write, from the order of the lines: a December followed by a January is a New Year."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from nonself.sources.contract import Input, Limits
from nonself.sources.lines import BROKEN, PIECE, pieces
from nonself.sources.syslog_head import ISO, body, months
from nonself.sources.syslog_words import Ints, Places

_HEAD, _EXACT, _STRIDE = 64, 65_536, 4_096
_HALF_A_YEAR, _FEBRUARY, _NOVEMBER = 6, 2, 11
_THIS_YEAR = datetime.now(UTC).year
"""Read once: a run that crosses New Year must not read its first and last file differently."""


@dataclass(slots=True)
class Years:
    """The years of RFC 3164 lines, asked in file order. `first` is the year of the lines before the first New Year that was seen."""

    first: int
    passed: int = 0
    month: int = 0

    def of(self, found: Ints) -> Ints:
        """The year of every line, by its month (0 for none: that of the line before)."""
        years, start = np.empty(len(found), np.int64), 0
        for at, passed, month in _turns(found, self.passed, self.month):
            years[start:at] = self.first + self.passed
            self.passed, self.month, start = passed, month, at
        years[start:] = self.first + self.passed
        return years


def years(source_input: Input, limits: Limits, reference: datetime | None) -> Years:
    """Read the months of the whole input; the last New Year is the latest before `reference`.

    Without a reference: the end of the newest year that a line with an ISO stamp names, else of the current year. A guess either way.
    """
    passed = month = highest = newest = 0
    last = (0, 0)
    for lines in _whole_lines(source_input, limits):
        at = body(lines)
        found = months(lines, at)
        dated = at.start[at.form == ISO]
        stamped = lines.number(dated, dated + 4)
        newest = int(max(newest, stamped[stamped <= _THIS_YEAR].max(initial=0)))
        for _, now_passed, now in list(_turns(found, passed, month)):
            passed, month = now_passed, now
            highest, last = (passed, (0, 0)) if passed > highest else (highest, last)
        named = np.flatnonzero(found)
        if passed == highest and len(named):
            at_day = at.start[named[-1:]] + 4
            day = int(lines.number(at_day + (lines.buffer[at_day] == ord(" ")), at_day + 2)[0])
            last = int(found[named[-1]]), day
    until = reference or datetime(newest if newest >= 1970 else _THIS_YEAR, 12, 31, tzinfo=UTC)
    return Years(until.year - (last > (until.month, until.day)) - highest)


def _whole_lines(source_input: Input, limits: Limits) -> Iterator[Places]:
    """The lines of the stream, a piece of it at a time; of a line longer than that only its head. What breaks ends it."""
    tail = b""
    try:
        for piece in pieces(source_input, min(PIECE, limits.line_bytes)):
            whole, mark, tail = (tail + piece).rpartition(b"\n")
            tail = tail if mark else tail[:_HEAD]
            if mark:
                yield Places(_thinned(whole))
    except BROKEN:  # reading it in earnest says why
        pass
    if tail:
        yield Places(tail)


def _thinned(whole: bytes) -> bytes:
    """Of many lines the last ones and a few of those before: months that come and go in between cancel out."""
    if len(whole) <= _EXACT:
        return whole
    starts = {whole.find(b"\n", at) + 1 for at in range(0, len(whole) - _EXACT, _STRIDE)}
    return b"\n".join([whole[:_HEAD], *(whole[at : at + _HEAD] for at in sorted(starts)), whole[-_EXACT:]])


def _turns(found: Ints, passed: int, month: int) -> Iterator[tuple[int, int, int]]:
    """Where the month changes: the line, New Years passed by then, the month. A line of the year's end that comes late goes back."""
    named = np.flatnonzero(found)
    values = found[named]
    changes = np.flatnonzero(np.diff(values, prepend=month))
    for at, value in zip(named[changes].tolist(), values[changes].tolist(), strict=True):
        passed += (month - value >= _HALF_A_YEAR) - (0 < month <= _FEBRUARY and value >= _NOVEMBER)
        month = value
        yield at, passed, month
