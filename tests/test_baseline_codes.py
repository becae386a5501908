"""Numbers in the place of strings: sorted, grouped and looked up as plain Python would."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nonself.baseline import codes

NARROW = st.integers(-3, 40)
WIDE = st.one_of(st.integers(-70_000, 70_000), st.integers(-(2**60), 2**60))
COLUMN = st.one_of(*(hnp.arrays(np.int64, st.integers(0, 60), elements=each) for each in (NARROW, WIDE)))


@given(COLUMN)
def test_ordered_is_a_stable_sort(keys):
    rows, sorted_ = codes.ordered(keys)
    assert rows.tolist() == sorted(range(keys.size), key=lambda row: (keys[row], row))
    assert sorted_.tolist() == sorted(keys.tolist())


@settings(max_examples=20)
@given(st.integers(1, 9), st.integers(1, 50), st.integers(0, 9))
def test_what_is_nearly_in_order_is_sorted_as_well(runs, near, seed):
    random = np.random.default_rng(seed)
    keys = np.concatenate([np.sort(random.integers(0, 500, 1_000)) * 100 + random.integers(0, near, 1_000) for _ in range(runs)])
    rows, sorted_ = codes.ordered(keys)
    assert (rows == np.argsort(keys, kind="stable")).all() and (sorted_ == keys[rows]).all()


@given(st.lists(st.integers(1, 4), max_size=9))
def test_lengths_are_those_of_runs(sizes):
    starts = np.cumsum([0, *sizes])[:-1].astype(np.int64)
    assert codes.lengths(starts, sum(sizes)).tolist() == sizes


@given(COLUMN)
def test_numbered_counts_values_from_the_least(keys):
    number, first = codes.numbered(keys)
    values = sorted(set(keys.tolist()))
    assert number.tolist() == [values.index(key) for key in keys.tolist()]
    assert first.tolist() == [keys.tolist().index(value) for value in values]


@given(st.lists(st.tuples(NARROW, WIDE, WIDE), min_size=1, max_size=40))
def test_a_key_is_in_order_of_its_columns(rows):
    key = codes.key(*np.array(rows, dtype=np.int64).T).tolist()
    assert [rows[i] for i in sorted(range(len(rows)), key=key.__getitem__)] == sorted(rows)
    assert len(set(key)) == len(set(rows))


@given(st.lists(st.tuples(NARROW, NARROW), unique=True, max_size=30), st.lists(st.tuples(NARROW, NARROW), min_size=1, max_size=30))
def test_rows_are_found_in_a_table(table, asked):
    have, wanted = (list(np.array(rows, dtype=np.int64).reshape(-1, 2).T) for rows in (table, asked))
    assert codes.rows_of(have, wanted).tolist() == [table.index(row) if row in table else -1 for row in asked]


@settings(max_examples=10)
@given(st.integers(0, 3 * codes.BLOCK))
def test_blocks_make_up_the_whole(size):
    values = np.random.default_rng(size).normal(size=size)
    assert (codes.blockwise(lambda some: np.sqrt(np.abs(values[some])), size) == np.sqrt(np.abs(values))).all()
