"""Keys of several parts in numbers: what is said of them is what would be said of their strings, joined."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.baseline import caps, codes, joint, keys
from nonself.baseline.codes import Coded

PART = st.lists(st.sampled_from(["a", "b", "ab", "", "10.0.0.1", "é"]) | st.none(), min_size=12, max_size=12)


def columns(parts: list[list[str | None]]) -> list[Coded]:
    return [codes.coded(pl.Series(part, dtype=pl.String)) for part in parts]


def strings(parts: list[list[str | None]]) -> list[str | None]:
    return [None if None in row else keys.SEPARATOR.join(row) for row in zip(*parts, strict=True)]  # type: ignore[arg-type]


@given(st.lists(PART, min_size=2, max_size=3))
def test_numbers_stand_for_keys_in_their_order(parts):
    made, said = joint.Joint.of(columns(parts)), strings(parts)
    assert made is not None
    assert [number < 0 for number in made.codes.tolist()] == [key is None for key in said]
    known = np.flatnonzero(made.codes >= 0)
    assert made.strings(known).to_list() == [said[i] for i in known]
    by_number = sorted(known.tolist(), key=lambda i: int(made.codes[i]))
    assert [said[i] for i in by_number] == sorted(said[i] for i in known)  # type: ignore[type-var]
    names = pl.Series([said[i] for i in known], dtype=pl.String)
    assert (made.hashes(made.codes[known]) == caps.of_names(names)).all() if known.size else True


@given(st.lists(PART, min_size=2, max_size=2), st.lists(st.sampled_from(["a", "b", "zz", ""]), min_size=2, max_size=8))
def test_strings_of_a_self_are_found_among_them(parts, others):
    made = joint.Joint.of(columns(parts))
    assert made is not None
    known = np.flatnonzero(made.codes >= 0)
    column = [key for key in strings(parts)[:4] if key is not None] + [keys.SEPARATOR.join(others[:2])] + others
    number, asked = joint.beside(made, pl.Series(column, dtype=pl.String), made.codes[known])
    assert [column.index(key) for key in column] == [number.tolist().index(n) for n in number.tolist()]
    assert sorted(set(number.tolist())) == list(range(len(set(column))))
    for i, found in zip(known, asked.tolist(), strict=True):
        said = strings(parts)[i]
        assert found == (number[column.index(said)] if said in column else -1)


@pytest.mark.parametrize("odd", ["a\x1fb", "\x00", "x" * 600])
def test_what_numbers_cannot_tell_is_left_to_strings(odd):
    assert joint.Joint.of(columns([["a", odd], ["b", "c"]])) is None


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3)), min_size=1, max_size=40), st.integers(1, 8), st.integers(1, 60))
def test_the_kept_are_those_of_the_smallest_hashes(runs, most, rows):
    y, sizes = (np.array(part, dtype=np.int64) for part in zip(*runs, strict=True))
    hashed = (y % 4).astype(np.uint64)  # some y share a hash: their names decide
    names = pl.Series([f"n{9 - i}" for i in range(10)])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(caps, "Y_MOST", most)
        mask = caps.kept((y, hashed, sizes), lambda some: names[some], lambda at: at, rows=rows)
    every, left, wanted = np.repeat(y, sizes), rows, set()
    for who in sorted(set(y.tolist()), key=lambda i: (i % 4, f"n{9 - i}"))[:most]:
        mine = np.flatnonzero(every == who)[:left]
        wanted |= set(mine.tolist())
        left -= mine.size
        if not left:
            break
    assert set(range(every.size) if mask is None else np.flatnonzero(mask).tolist()) == wanted
