"""Places of whole numbers: what a dictionary would say, whatever the numbers."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.baseline import places
from nonself.baseline.places import Places

NUMBERS = st.integers(0, 2**62) | st.integers(0, 50)


def told(keys, asked):
    return Places(np.array(keys, np.int64)).of(np.array(asked, np.int64)).tolist()


@settings(max_examples=80)
@given(st.lists(NUMBERS, unique=True, max_size=60), st.lists(NUMBERS, max_size=60))
def test_it_says_what_a_dictionary_says(keys, asked):
    asked = [*asked, *keys]
    where = {key: place for place, key in enumerate(keys)}
    assert told(keys, asked) == [where.get(number, -1) for number in asked]


def test_numbers_that_all_hash_alike_are_found_too():
    # The factor's inverse times small numbers: products are small, so all have cell 0.
    inverse = pow(int(places._FACTOR), -1, 2**64)
    alike = [n for n in (i * inverse % 2**64 for i in range(1, 4_000)) if n < 2**63]
    assert len(alike) > 1_500
    keys, others = alike[::2], alike[1::2]
    table = Places(np.array(keys, np.int64))
    assert table._rest.size == len(keys) - places.PROBES, "only so many cells are tried"
    assert table.of(np.array(keys, np.int64)).tolist() == list(range(len(keys)))
    assert (table.of(np.array(others, np.int64)) == -1).all()


def test_many_numbers_are_all_found():
    keys = np.random.default_rng(3).permutation(200_000).astype(np.int64) * 977
    table = Places(keys)
    assert (table.of(keys) == np.arange(keys.size)).all() and (table.of(keys + 1) == -1).all()
