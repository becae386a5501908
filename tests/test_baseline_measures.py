"""Numbers of events: sums in any order, the window left out, both tails, the oddest of many at its price."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.baseline import measures
from nonself.core.events import conform
from nonself.detect import content

TABLE = """
[[detector]]
name = "a-size"
title = "Size"
about = "A size."
attack = ["T1041"]
primitive = "measure"
value = "bytes_out"
unit = "bytes"
tail = "TAIL"
where = { class_uid = [4001] }
over = ["src_ip"]
entity = "src_ip"
says = "{src_ip} sent {value}"
thing = "size"
peer = "address"
peers = "addresses"
example.normal = { class_uid = 4001, src_ip = ["10.0.0.1", "10.0.0.2"], bytes_out = [200000, 300000] }
example.odd = { bytes_out = 900000000 }
"""


def detector(tail):
    (made,) = content.load([("a.toml", TABLE.replace("TAIL", tail))])
    return made


def events(rows):
    """(day of March 2024, hour, src_ip's last part, bytes)"""
    made = [
        {"uid": f"e{i}", "class_uid": 4001, "time": f"2024-03-{d:02}T{h:02}:{i % 60:02}:00", "src_ip": f"10.0.0.{y}", "bytes_out": v}
        for i, (d, h, y, v) in enumerate(rows)
    ]
    return conform(pl.DataFrame(made).with_columns(pl.col("time").str.to_datetime(time_unit="us", time_zone="UTC")))


USUAL = [(d, h, y, 200_000 + 1_000 * h) for d in range(1, 11) for h in range(9, 17) for y in range(4)]
EVENT = st.tuples(st.integers(1, 3), st.integers(0, 3), st.integers(0, 2), st.integers(-5, 10**12))


@settings(max_examples=40)
@given(rows=st.lists(EVENT, max_size=30), part=st.lists(st.integers(0, 2), min_size=30, max_size=30))
def test_any_split_gives_the_same_self(rows, part):
    made = detector("both")
    whole = made.learn(events(rows)) if rows else made.merge([])
    parts = [[r for r, p in zip(rows, part, strict=False) if p == i] for i in range(3)]
    a, b, c = (made.learn(events(some)) if some else made.merge([]) for some in parts)
    assert made.merge([made.merge([c, a]), b]).equals(whole)


def test_the_window_is_left_out_of_what_it_is_held_against():
    made = detector("high")
    self_ = made.learn(events([*USUAL, (11, 9, 1, 10**10)]))
    mine, _ = measures.apart(self_, self_.filter(pl.col("day").dt.day() == 11), 24)
    without, _ = measures.apart(made.learn(events(USUAL)), self_.filter(pl.col("day").dt.day() == 11), 24)
    assert all((mine[name] == without[name]).all() for name in ("n", "s", "ss")) and mine["n"][0] == 80


def score(tail, rows):
    return detector(tail).score(events(rows), detector(tail).learn(events(USUAL)))


def test_each_tail_finds_its_own():
    large, small = [(11, 9, 1, 90_000_000)], [(11, 9, 1, 10)]
    assert score("high", large)["score"][0] > 15 and score("high", small)["score"][0] < 1
    assert score("low", small)["score"][0] > 15 and score("low", large)["score"][0] < 1
    both = score("both", [(11, 9, 1, 90_000_000), (11, 10, 1, 10)])["score"]
    assert both[0] == pytest.approx(score("high", large)["score"][0] - 1) and both[1] > 14


def test_the_oddest_of_many_pays_for_their_number():
    one, among = score("high", [(11, 9, 1, 90_000_000)]), score("high", [(11, 9, 1, 90_000_000), *[(11, 9, 1, 209_000)] * 31])
    assert among["events"].to_list() == [["e0"]] and among["n_events"][0] == 1
    assert one["score"][0] - among["score"][0] == pytest.approx(5)
    _, own = detector("high").explain(among)[0]
    assert own.seen == "90.0 MB" and own.normal.startswith("usually 21") and own.normal.endswith("over 10 days (80 events)")
    assert "the oddest of 32 in one hour" in detector("high").explain(among)[0][0].seen
