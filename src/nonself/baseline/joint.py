"""Keys of several parts (`baseline.keys`) as numbers: their strings are joined where they are kept or told, and nowhere else.

Pairs of addresses are nearly as many as events; joining, numbering and hashing their strings costs a multiple of all that is asked of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from nonself.baseline import caps, codes, keys
from nonself.baseline.codes import Coded, Ints, Mask
from nonself.baseline.keys import MAX_BYTES, SEPARATOR, Hashes

_CONTROL = r"[\x00-\x1f]"
"""Characters that may come before the separator of keys."""
_WIDEST = 1 << 40
"""Numbers stay below, so that a day and a window can be put before them."""


@dataclass(frozen=True, slots=True)
class Joint:
    """A column of keys. `codes`: each row's number, in order of the keys, -1 for null; `parts`: the columns that make them up. A number is
    those of its parts, one after another: the first one's times how many seconds there are, plus the second's."""

    codes: Ints
    parts: tuple[Coded, ...]

    @classmethod
    def of(cls, parts: Sequence[Coded]) -> Joint | None:
        """The keys that some columns make up, null where any is; None where these are not in order of their parts, or too long or too many
        to be told by numbers."""
        if any(part.values.str.contains(_CONTROL).any() for part in parts) or _length(parts) > MAX_BYTES:
            return None
        if np.prod([float(part.values.len()) for part in parts]) >= _WIDEST:
            return None
        number, known = parts[0].codes.astype(np.int64), parts[0].codes >= 0
        for part in parts[1:]:
            number = number * part.values.len() + part.codes
            known &= part.codes >= 0
        return cls(number if known.all() else np.where(known, number, -1), tuple(parts))

    def names(self, numbers: Ints) -> pl.Series:
        """The keys of some numbers."""
        return keys.joined([(part.values, place) for part, place in zip(self.parts, self._split(numbers), strict=True)])

    def strings(self, rows: Ints) -> pl.Series:
        """The keys of some rows, none of them null."""
        return self.names(self.codes[rows])

    def hashes(self, numbers: Ints) -> Hashes:
        """`keys.mixed` of the keys of some numbers."""
        first, *rest = self._split(numbers)
        mine = keys.hashed(self.parts[0], codes.distinct(first))[first]
        if len(rest) == 1:
            return keys.mixed(mine, keys.hashed(self.parts[1], codes.distinct(rest[0]))[rest[0]])
        number, some = codes.numbered(codes.key(*rest))
        names = keys.joined([(part.values, place[some]) for part, place in zip(self.parts[1:], rest, strict=True)])
        return keys.mixed(mine, keys.digests(names)[number])

    def beside(self, column: pl.Series, asked: Ints) -> tuple[Ints, Ints]:
        """As `beside`, for these keys."""
        fields = column.alias("k").str.splitn(SEPARATOR, len(self.parts)).struct.unnest().fill_null(SEPARATOR).get_columns()
        mine = [codes.beside(part.values, field, runs=not i) for i, (part, field) in enumerate(zip(self.parts, fields, strict=True))]
        both = [np.concatenate(pair) for pair in zip(mine, self._split(asked), strict=True)]
        keyed = codes.key(*both)
        number, some = codes.numbered(keyed[: column.len()])
        return number, codes.found(keyed[: column.len()][some], keyed[column.len() :])

    def _split(self, numbers: Ints) -> list[Ints]:
        """The numbers of the parts."""
        out: list[Ints] = []
        for part in self.parts[:0:-1]:
            numbers, last = np.divmod(numbers, part.values.len())
            out.insert(0, last)
        return [numbers, *out]


def _length(parts: Sequence[Coded]) -> int:
    """Bytes of the longest key that there can be."""
    return len(parts) - 1 + sum(int(part.values.str.len_bytes().to_numpy().max(initial=0)) for part in parts)


def kept(y: Coded | Joint, numbers: Ints, *, rows: int) -> Mask | None:
    """Which of some rows in order of day, `numbers` those of their y, are kept of a self of so many `rows` (`baseline.caps`); None for
    all."""
    if numbers.size <= min(caps.Y_MOST, rows):
        return None
    if isinstance(y, Joint):
        hashed = y.hashes(numbers)
    else:
        number, first = codes.numbered(numbers)
        hashed = caps.of_names(y.names(numbers[first]))[number]
    return caps.kept((numbers, hashed, np.ones_like(numbers)), y.names, lambda at: at, rows=rows)


def beside(y: Coded | Joint, column: pl.Series, asked: Ints) -> tuple[Ints, Ints]:
    """Each string of `column` (none null) as a number from 0, the same for the same; and each of the `asked` numbers of y as that of the
    same string, -1 where `column` has none."""
    if isinstance(y, Joint):
        return y.beside(column, asked)
    known = codes.beside(y.values, column)
    number, first = codes.numbered(known)
    return number, codes.found(known[first], asked)
