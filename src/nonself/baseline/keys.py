"""Keys of summaries: several values joined to one string, long strings cut, and a stable hash of a string."""

from __future__ import annotations

import hashlib

import polars as pl

MAX_BYTES = 512
"""Longest key kept, in bytes. A longer one keeps its first `_HEAD` characters and a hash of the whole, so that keys stay distinct."""
_HEAD = 112
SEPARATOR = "\x1f"
"""Joins the parts of a key (ASCII unit separator); taken out of the parts first, so that no part can pose as two."""


def digest(text: str) -> int:
    """BLAKE2b-64 of a string. Polars' own hash differs between versions and machines, and deltas are merged across both."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def hashes(values: pl.Series) -> pl.Series:
    """`digest` of each string as UInt64, nulls kept; every distinct value is hashed once."""
    distinct = values.drop_nulls().unique(maintain_order=True)
    table = pl.DataFrame({"v": distinct, "h": pl.Series([digest(v) for v in distinct.to_list()], dtype=pl.UInt64)})
    return values.alias("v").to_frame().join(table, on="v", how="left", maintain_order="left")["h"].alias(values.name)


def numbered(*columns: pl.Series) -> list[pl.Series]:
    """The same columns with every distinct value as a number (Int64), by first appearance; equal values get equal numbers.

    Grouping and joining long tables is several times cheaper on numbers than on strings.
    """
    every = pl.concat([column.alias("v") for column in columns]).to_frame()
    table = every.unique(maintain_order=True).with_row_index("number")
    numbers = every.join(table, on="v", how="left", maintain_order="left")["number"].cast(pl.Int64)
    out, start = [], 0
    for column in columns:
        out.append(numbers.slice(start, column.len()).alias(column.name))
        start += column.len()
    return out


def joined(parts: list[pl.Expr]) -> pl.Expr:
    """One key of several string columns; null where any part is null. No part at all gives the key "" (the whole organisation)."""
    if not parts:
        return pl.lit("")
    if len(parts) == 1:
        return parts[0]
    return pl.concat_str([part.str.replace_all(SEPARATOR, " ", literal=True) for part in parts], separator=SEPARATOR)


def cut(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """`frame` with the strings of `column` that exceed `MAX_BYTES` cut to a head of at most 448 bytes and their hash."""
    is_long = frame[column].str.len_bytes() > MAX_BYTES
    if not is_long.any():
        return frame
    long = frame[column].filter(is_long).unique()
    short = [f"{value[:_HEAD]}~{digest(value):016x}" for value in long.to_list()]
    return frame.with_columns(pl.col(column).replace(long, pl.Series(short, dtype=pl.String)))
