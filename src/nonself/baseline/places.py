"""Where whole numbers stand in a list of such: a hash table that is asked a million times in one call.

Open addressing with linear probing (Knuth 1998, "The Art of Computer Programming" 3, 6.4, algorithm L) over a power of two of cells, at
most half of them taken, after multiplicative hashing. All numbers are put in, and asked for, one probe at a time, each probe a handful of
numpy calls: some 10 ns a number asked where a binary search of a large table, which misses the cache at every step, takes 100.

Whoever writes the logs may choose numbers that all hash alike, so a number is probed for `PROBES` times at most; those that found no cell
by then are kept aside in order, and searched.
"""

from __future__ import annotations

import numpy as np

from nonself.baseline.codes import Ints, found

PROBES = 12
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / the golden ratio


class Places:
    """A list of whole numbers, each once, in which others can be looked up."""

    __slots__ = ("_cells", "_keys", "_rest", "_shift")

    def __init__(self, keys: Ints) -> None:
        bits = max(4, int(2 * keys.size).bit_length())
        self._keys, self._shift = keys, np.uint64(64 - bits)
        self._cells = np.full(1 << bits, -1, np.int32)  # the place in `keys` of the number in each cell
        left, at = np.arange(keys.size), self._cell(keys)
        for _ in range(PROBES):
            free = self._cells[at] < 0
            self._cells[at[free]] = left[free]  # of several at one cell the last one has it
            lost = self._cells[at] != left
            left, at = left[lost], self._next(at[lost])
        self._rest = left[np.argsort(keys[left])]

    def of(self, asked: Ints) -> Ints:
        """The place of each asked number, -1 for none."""
        at = self._cell(asked)
        place = self._cells[at].astype(np.int64)
        left = np.flatnonzero((place >= 0) & (self._key(place) != asked))
        at = at[left]
        for _ in range(PROBES - 1):
            if not left.size:
                return place
            at = self._next(at)
            place[left] = self._cells[at]
            other = (place[left] >= 0) & (self._key(place[left]) != asked[left])
            left, at = left[other], at[other]
        place[left] = np.append(self._rest, -1)[found(self._keys[self._rest], asked[left])]
        return place

    def _key(self, place: Ints) -> Ints:
        return self._keys[place] if self._keys.size else np.empty(place.size, np.int64)

    def _cell(self, keys: Ints) -> Ints:
        return ((keys.view(np.uint64) * _FACTOR) >> self._shift).view(np.int64)

    def _next(self, cell: Ints) -> Ints:
        return (cell + 1) & (self._cells.size - 1)
