"""Events held compact say what they say as text, and take what `size` says."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself.core.compact import compact, plain, size
from nonself.core.schema import SCHEMA

texts = st.lists(st.one_of(st.none(), st.text(max_size=20)), max_size=60)


def events(**columns):
    return pl.DataFrame(columns, schema={name: SCHEMA[name] for name in columns})


@given(texts, st.data())
def test_what_is_compact_says_the_same(users, data):
    ports = data.draw(st.lists(st.integers(0, 65_535), min_size=len(users), max_size=len(users)))
    given_ = events(uid=[str(i) for i in range(len(users))], user=users, dst_port=ports)
    held = compact(given_)
    assert plain(held).equals(given_)
    assert held["uid"].dtype == pl.String and isinstance(held["user"].dtype, pl.Categorical)
    assert plain(held.reverse().filter(pl.col("dst_port") > 80)).equals(given_.reverse().filter(pl.col("dst_port") > 80))


@pytest.mark.parametrize(("different", "width"), [(1, 1), (255, 1), (300, 2), (70_000, 4)])
def test_numbers_are_as_wide_as_they_need_to_be(different, width):
    rows = 4 * different
    column = compact(events(user=[f"user{min(i, different - 1)}" for i in range(rows)]))["user"]
    assert column.to_physical().estimated_size() == width * rows


def test_texts_that_differ_from_event_to_event_stay_text():
    rows = 40_000
    held = compact(events(cmdline=[f"run {i}" for i in range(rows)], image=["a.exe"] * rows))
    assert held["cmdline"].dtype == pl.String and isinstance(held["image"].dtype, pl.Categorical)


def test_size_counts_views_what_they_point_to_and_texts_held_once():
    long, short = "x" * 100, "y"
    assert size(events(user=[long, short, None])) == 3 * 16 + 100
    assert size(compact(events(user=[long, long, short]))) == 3 + 2 * 16 + 100
    assert size(events(dst_port=[1, 2, 3])) == 12
