"""Keys of summaries: several values joined to one string, long strings cut, and a stable hash of a string."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from nonself.baseline import codes
from nonself.baseline.codes import Coded, Ints

Hashes = npt.NDArray[np.uint64]

MAX_BYTES = 512
"""Longest key kept, in bytes. A longer one keeps its first `_HEAD` characters and a hash of the whole, so that keys stay distinct."""
_HEAD = 112
SEPARATOR = "\x1f"
"""Joins the parts of a key (ASCII unit separator); taken out of the parts first, so that no part can pose as two."""
SHARED = SEPARATOR
"""Begins a y that is no actor: there a self holds what is known of all actors together."""


def digest(text: str) -> int:
    """BLAKE2b-64 of a string. Polars' own hash differs between versions and machines, and deltas are merged across both."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def hashes(values: pl.Series) -> pl.Series:
    """`digest` of each string as UInt64, nulls kept; every distinct value is hashed once."""
    distinct = values.drop_nulls().unique(maintain_order=True)
    table = pl.DataFrame({"v": distinct, "h": digests(distinct)})
    return values.alias("v").to_frame().join(table, on="v", how="left", maintain_order="left")["h"].alias(values.name)


def digests(values: pl.Series) -> Hashes:
    """`digest` of each string (none null), row for row."""
    whole = b"".join([hashlib.blake2b(value.encode(), digest_size=8).digest() for value in values.to_list()])
    return np.frombuffer(whole, dtype=">u8").astype(np.uint64)


def hashed(column: Coded, met: Ints) -> Hashes:
    """`digest` of each of the values `met` (any of the others) of a column; where these are most of them, worked out once."""
    known: Hashes | None = column.memo.get("hashed")
    if known is None:
        known = np.zeros(column.values.len(), np.uint64)
        if 2 * met.size > known.size:
            met = np.arange(known.size)
            column.memo["hashed"] = known
        known[met] = digests(column.values[met])
    return known


def mixed(first: Hashes, rest: Hashes) -> Hashes:
    """The hashes of keys of several parts by those of their first part and of all the rest: few parts make many keys, and each part is
    hashed once. Bits are spread as by the finaliser of SplitMix64 (Steele, Lea & Flood 2014)."""
    hashed = first * np.uint64(0x9E3779B97F4A7C15) + rest
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        hashed = (hashed ^ hashed >> np.uint64(shift)) * np.uint64(factor)
    return np.asarray(hashed ^ hashed >> np.uint64(31), dtype=np.uint64)


def marks(values: pl.Series) -> pl.Series:
    """24 bits of each string's hash as four characters, where strings are only told apart: one more than n has the mark of one of them
    with probability n / 2^24. Every distinct value is hashed once."""
    distinct = values.unique(maintain_order=True)
    short = [base64.b64encode(hashlib.blake2b(value.encode(), digest_size=3).digest()).decode() for value in distinct.to_list()]
    return values.replace_strict(distinct, pl.Series(short, dtype=pl.String), return_dtype=pl.String)


def of_actors() -> pl.Expr:
    """Whether a row of a self is about one of its actors."""
    return ~pl.col("y").str.starts_with(SHARED)


def numbered(*columns: pl.Series) -> list[Ints]:
    """The same columns with every distinct string as a number, from 0 by first appearance, -1 for null; equal strings get equal numbers."""
    every = codes.numbers(pl.concat([column.alias("v") for column in columns]))
    ends = np.cumsum([column.len() for column in columns])
    return list(np.split(every, ends[:-1]))


def joined(parts: Sequence[tuple[pl.Series, Ints]]) -> pl.Series:
    """The keys that some rows of several columns of strings make up, row for row; null where any part is null."""
    plain = [values.str.replace_all(SEPARATOR, " ", literal=True)[rows] for values, rows in parts]
    return pl.select(pl.concat_str(plain, separator=SEPARATOR)).to_series()


def cut(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """`frame` with the strings of `column` that exceed `MAX_BYTES` cut to a head of at most 448 bytes and their hash."""
    is_long = frame[column].str.len_bytes() > MAX_BYTES
    if not is_long.any():
        return frame
    long = frame[column].filter(is_long).unique()
    short = [f"{value[:_HEAD]}~{digest(value):016x}" for value in long.to_list()]
    return frame.with_columns(pl.col(column).replace(long, pl.Series(short, dtype=pl.String)))
