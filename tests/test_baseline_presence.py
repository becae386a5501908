"""Hours of the week and silences: exact counts, what is odd and what is not, whatever the order."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.baseline import gaps, presence, week
from nonself.baseline.presence import Heard

MONDAY = (date(2024, 3, 4) - date(1970, 1, 1)).days


def table(windows: list[tuple[int, int, str]]) -> pl.DataFrame:
    """(day from a Monday, hour, y)."""
    day, hour, y = zip(*windows, strict=True) if windows else ((), (), ())
    return presence.learn(np.array(day, np.int64) + MONDAY, pl.Series("y", y, dtype=pl.String), np.array(hour, np.int64))


def office(
    y: str, weeks: int = 4, hours: range = range(9, 17), days: range = range(5), but: tuple[int, ...] = ()
) -> list[tuple[int, int, str]]:
    return [(7 * w + d, h, y) for w in range(weeks) for d in days for h in hours if 7 * w + d not in but]


def odds(day: int, hour: int, y: str, self_: pl.DataFrame) -> float:
    return float(week.surprise(np.array([MONDAY + day]), np.array([hour]), pl.Series([y]), self_).bits[0])


EVENT = st.tuples(st.integers(0, 9), st.integers(0, 23), st.sampled_from("abc"))


@settings(max_examples=40)
@given(events=st.lists(EVENT, max_size=40), part=st.lists(st.integers(0, 2), min_size=40, max_size=40))
def test_presence_is_a_union(events, part):
    a, b, c = (table([e for e, p in zip(events, part, strict=False) if p == i]) for i in range(3))
    whole = table(events)
    assert presence.merge([presence.merge([b, c]), a]).equals(whole) and presence.merge([whole, a]).equals(whole)
    numbers = pl.Series([ord(y) - 97 for y in whole["y"]], dtype=pl.Int64).to_numpy()
    heard = Heard.of(whole, numbers)
    assert list(zip(heard.y, heard.day - MONDAY, heard.slot, strict=True)) == sorted({(ord(y) - 97, d, h) for d, h, y in events})


def test_a_window_is_no_history_of_itself():
    """Taking the asked window out of a self that holds it gives what a self without it gives."""
    events = office("a") + office("b", hours=range(7, 12))
    assert odds(29, 3, "a", table([*events, (29, 3, "a")])) == odds(29, 3, "a", table(events))


def test_night_is_odd_for_who_works_by_day_and_day_for_who_works_by_night():
    self_ = table([e for y in "abc" for e in office(y)] + office("night", hours=range(6)))
    assert odds(29, 3, "a", self_) > 6 > 1 > odds(29, 10, "a", self_) and odds(33, 12, "a", self_) > 6
    assert odds(29, 14, "night", self_) > 4 > 1 > odds(29, 3, "night", self_)
    assert odds(33, 12, "stranger", self_) > 2 > 1 > odds(29, 10, "stranger", self_)


def test_a_day_of_the_week_not_seen_yet_follows_from_days_that_are():
    peers = [e for y in "abcd" for e in office(y)]
    new = office("new", weeks=1, days=range(2))
    self_ = table([*peers, *new])
    assert odds(3, 10, "new", self_) < 2.5 < 5 < odds(3, 3, "new", self_)


def test_who_is_heard_at_all_hours_has_no_odd_hour():
    rng = np.random.default_rng(3)
    always = [(int(d), int(h), "svc") for d, h in zip(rng.integers(0, 28, 260), rng.integers(0, 24, 260), strict=True)]
    self_ = table([*always, *office("a")])
    asked = [odds(28 + d, h, "svc", self_) for d in range(7) for h in range(24)]
    assert np.mean(np.array(asked) > 5) < 0.03


def test_a_holiday_is_a_sunday():
    """Nobody but one works on the third Wednesday: it counts as a Sunday, so does who comes on it."""
    names = [f"p{i}" for i in range(9)]
    self_ = table([e for y in names for e in office(y, weeks=6, but=(16,))] + [(16, 10, "p0")])
    numbers = presence.Heard.of(self_, np.array([names.index(y) for y in self_["y"]]))
    assert list(week.holidays(numbers) - MONDAY) == [16]
    assert odds(16, 10, "p0", self_) > 5 and odds(23, 10, "p0", self_) < 1


def silences(events, y, w):
    self_ = table(events)
    held, asked = gaps.numbers(self_, pl.Series([y]))
    found = gaps.Silences.of(self_, held, 24)
    at = found.at(asked, np.array([w + MONDAY * 24]))
    gap = np.maximum(np.append(found.before, -1)[at], 0)
    return gap[0], gaps.surprise(found, asked, gap, np.append(found.before, -1)[at] >= 0)


@settings(max_examples=60)
@given(st.lists(EVENT, min_size=1, max_size=60))
def test_a_silence_is_the_listened_windows_between(events):
    windows = {(d * 24 + h, y) for d, h, y in events}
    heard = {}
    for w, _ in windows:
        heard[w] = heard.get(w, 0) + 1
    listened = {w for w, n in heard.items() if n >= max(2, float(np.median(list(heard.values()))) / 2)}
    for w, y in windows:
        before = max((v for v, who in windows if who == y and v < w), default=None)
        expected = 0 if before is None else sum(before < v < w for v in listened)
        assert silences(events, y, w)[0] == expected


def test_a_machine_that_never_rests_and_does_is_odd_and_weekends_are_nobodys_silence():
    events = [e for y in "abcd" for e in office(y)]
    stopped = [*events, *office("x", weeks=2), (26, 16, "x")]  # away for two weeks of the others' office hours
    gap, odd = silences(stopped, "x", 26 * 24 + 16)
    assert gap == 80 and odd.bits[0] > 8 and odd.n[0] == 79 and odd.longest[0] == 0
    gap, odd = silences(events, "a", 7 * 24 + 9)  # Monday morning: nobody was heard since Friday
    assert gap == 0 and odd.bits[0] == 0
