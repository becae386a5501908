"""Silence as a detector tells it: once, when it has lasted, with others as witnesses; and of who returns, if it was not told before."""

from __future__ import annotations

import polars as pl
import pytest

from nonself.core.events import conform
from nonself.detect import detectors

HOST, ACCOUNT = (next(d for d in detectors() if d.name == name) for name in ("silent-host", "dormant-account"))


def events(days, hosts="abcdef", but=lambda day, hour, host: False):
    """Every host runs something in each hour of these days of March 2024, but for some."""
    hours = [(day, hour, host) for day in days for hour in range(24) for host in hosts if not but(day, hour, host)]
    rows = [
        {
            "uid": f"{y}-{d}-{h}",
            "class_uid": 1007,
            "activity_id": 1,
            "host": f"ws{y}",
            "image": "x.exe",
            "time": f"2024-03-{d:02}T{h:02}:30:00",
        }
        for d, h, y in hours
    ]
    return conform(pl.DataFrame(rows).with_columns(pl.col("time").str.to_datetime(time_unit="us", time_zone="UTC")))


def stops(day, hour, host):
    return host == "c" and (day, hour) >= (6, 9)


def odd(detector, chosen, self_):
    return detector.score(chosen, self_, included=True).filter(pl.col("score") > 5)


def test_a_host_that_stops_is_told_once_with_others_as_witnesses():
    whole = events(range(1, 9), but=stops)
    self_ = HOST.learn(whole)
    (found,) = odd(HOST, whole, self_).iter_rows(named=True)
    assert found["entity"] == "host:wsc" and found["entities"] == ["host:wsc"]
    assert found["_what"] == "wsc has not been heard since 2024-03-06 08:00 UTC"
    assert found["events"] == ["a-6-21", "b-6-21", "d-6-21"] and found["_gap"] == 13
    parts = [whole.filter(pl.col("time").dt.day() == day) for day in range(1, 9)]
    assert [odd(HOST, part, self_).height for part in parts] == [0, 0, 0, 0, 0, 1, 0, 0]


def test_a_later_scan_tells_what_an_earlier_one_could_not():
    before, after = events(range(1, 7), but=stops), events(range(7, 8), but=stops)
    early = events(range(1, 7), but=lambda d, h, host: stops(d, h, host) or (d, h) > (6, 15))
    assert odd(HOST, early, HOST.learn(early)).height == 0  # seven hours of silence are not enough
    self_ = HOST.merge([HOST.learn(early), HOST.learn(after)])
    assert odd(HOST, after, self_)["entity"].to_list() == ["host:wsc"]
    told = HOST.merge([HOST.learn(before), HOST.learn(after)])
    assert odd(HOST, after, told).height == 0  # told on the sixth already


def test_a_return_is_told_unless_the_silence_was():
    whole = events(range(1, 9), but=lambda d, h, host: stops(d, h, host) and (d, h) < (8, 12))
    self_ = HOST.learn(whole)
    (found,) = odd(HOST, whole, self_).iter_rows(named=True)
    assert found["_what"] == "wsc was heard again after 51 hours, not since 2024-03-06 08:00 UTC" and found["events"] == ["c-8-12"]
    last = whole.filter(pl.col("time").dt.day() == 8)
    assert odd(HOST, last, self_).height == 0


def test_when_all_fall_silent_nobody_does():
    whole = events(range(1, 9), but=lambda d, h, host: d == 5 or (d, h) > (8, 3) or 1 < h < 6)
    assert odd(HOST, whole, HOST.learn(whole)).height == 0


@pytest.mark.parametrize("detector", [HOST, ACCOUNT], ids=lambda d: d.name)
def test_a_self_that_knows_nothing_says_nothing(detector):
    example = detector.example()
    for included in (True, False):
        scores = detector.score(example.odd, detector.merge([]), included=included)
        assert scores.height and scores["score"].max() == 0 and len(detector.explain(scores)) == scores.height
