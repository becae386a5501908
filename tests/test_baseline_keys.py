"""Keys: cut strings stay distinct, parts can't pose as other parts, numbers stand for values."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from nonself.baseline import keys

TEXT = st.text(max_size=40)


@given(st.lists(TEXT, min_size=1, max_size=20))
def test_long_keys_are_cut_and_stay_distinct(heads):
    long = [head + "é" * 600 + str(i) for i, head in enumerate(heads)]
    out = keys.cut(pl.DataFrame({"x": [*long, "short", None]}), "x")["x"]
    assert out.n_unique() == len(long) + 2 and out[-2] == "short"
    assert out.str.len_bytes().max() <= keys.MAX_BYTES


@given(st.lists(st.tuples(TEXT, TEXT), max_size=20))
def test_a_part_cannot_pose_as_two(rows):
    every = np.arange(len(rows))
    joined = keys.joined([(pl.Series([row[part] for row in rows], dtype=pl.String), every) for part in (0, 1)])
    assert (joined.str.count_matches(keys.SEPARATOR, literal=True) == 1).all()


def test_null_parts_give_no_key():
    joined = keys.joined([(pl.Series(["x", None]), np.array([1, 0, 0])), (pl.Series(["y"]), np.zeros(3, np.int64))])
    assert joined.to_list() == [None, f"x{keys.SEPARATOR}y", f"x{keys.SEPARATOR}y"]


@given(st.lists(st.one_of(st.none(), TEXT), max_size=20), st.lists(TEXT, max_size=20))
def test_numbers_stand_for_values(left, right):
    a, b = keys.numbered(pl.Series("a", left, dtype=pl.String), pl.Series("b", right, dtype=pl.String))
    pairs = list(zip([*left, *right], [*a, *b], strict=True))
    assert all((v == w) == (i == j) for v, i in pairs if v is not None for w, j in pairs if w is not None)


def test_hashes_are_the_same_everywhere():
    """The figures are those of `b2sum -l 64`."""
    values = pl.Series(["", "a", None, "a"], dtype=pl.String)
    assert keys.hashes(values).to_list() == [16476032584258269876, 4681665781835383343, None, 4681665781835383343]
