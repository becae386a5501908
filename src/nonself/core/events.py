"""`Events`: a polars frame in the event schema, one row per event; never a Python object per event."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from functools import lru_cache

import polars as pl
import polars_hash

from nonself.core.schema import SCHEMA

Events = pl.DataFrame
"""A frame whose columns are exactly `SCHEMA`, in that order."""
_SHEET = 8_192
_DIGITS = 24
_MANY = 64  # records that are named together at less than they cost singly: the plugin's call costs 0.08 ms
_SIMPLE = (pl.String, pl.Int64, pl.Int32, pl.Int16, pl.Int8, pl.Boolean)  # types without parameters
_REAL = frozenset(name for name, dtype in SCHEMA.items() if dtype == pl.Float64)
_PLACES = {name: place for place, name in enumerate(SCHEMA)}


_EMPTY = pl.DataFrame(schema=SCHEMA)
"""Made once: ninety empty columns cost 6 ms, which a thousand small files would each pay."""


def empty() -> Events:
    """The Events frame with no rows."""
    return _EMPTY.clone()


def conform(frame: pl.DataFrame) -> Events:
    """Bring `frame` to the event schema: missing columns become null, types are cast, unknown columns are an error.

    A value that does not fit its column's type becomes null (non-strict cast): one odd value must not lose its neighbours.
    Non-finite floats become null, since NaN and infinity poison every sum they meet.
    """
    unknown = set(frame.columns) - SCHEMA.keys()
    if unknown:
        raise ValueError(f"expected columns of the event schema, got {sorted(unknown)}; put them into `ext`")
    present = frame.schema
    casts = []
    for name, dtype in present.items():
        same = _is_same(dtype, SCHEMA[name])
        expr = pl.col(name) if same else pl.col(name).cast(SCHEMA[name], strict=False)
        if name in _REAL:
            casts.append(pl.when(expr.is_finite()).then(expr).alias(name))
        elif not same:
            casts.append(expr)
    if casts:
        frame = frame.with_columns(casts)
    # Put into a blank sheet, not made of eighty null literals nor by a query: each of those costs more than reading a small log.
    whole = _blank(frame.height)
    for column in frame.get_columns():
        whole.replace_column(_PLACES[column.name], column)
    return whole


def _is_same(dtype: pl.DataType, wanted: pl.DataType) -> bool:
    """Equality of types; by polars' own operator it would be a tenth of the cost of reading a small log."""
    return type(dtype) is type(wanted) and (type(wanted) in _SIMPLE or dtype == wanted)


def _blank(height: int) -> Events:
    """Rows without a value. Those of usual batches share one sheet's memory."""
    return _sheet().head(height) if height <= _SHEET else _nulls(height)


@lru_cache(maxsize=1)
def _sheet() -> Events:
    return _nulls(_SHEET)


def _nulls(height: int) -> Events:
    return pl.DataFrame([pl.Series(name, [None], dtype=dtype).new_from_index(0, height) for name, dtype in SCHEMA.items()])


def concat(frames: Iterable[Events]) -> Events:
    """All rows of `frames`, in order, each column in one piece.

    Rows taken out of columns in several pieces copy their texts, out of one piece they share them: a seventeenth of the time, and no
    second copy of every record. Columns that are null throughout stay free of memory.
    """
    parts = [frame for frame in frames if frame.height]
    whole = pl.concat(parts, rechunk=False) if parts else empty()
    return pl.DataFrame(
        [column.clear(column.len()) if column.null_count() == column.len() else column for column in whole.get_columns()]
    ).rechunk()


def uid(source: str, raw: bytes) -> str:
    """The name of an event: the first 96 bits of HMAC-SHA256 of its raw record under its source kind, as 24 hex digits.

    A cryptographic hash: whoever writes log lines must not be able to make two of them share a name.
    """
    return hmac.digest(source.encode(), raw, "sha256")[: _DIGITS // 2].hex()


def uids(source: str, raws: pl.Series) -> pl.Series:
    """`uid` of every record of a column of bytes or text, as column "uid".

    Names were a third of reading a log: Python's calls cost more than the hashing. The plugin hashes the column where it lies, in half to
    two thirds of the time. A version of polars that it doesn't fit must not stop anybody from reading logs, hence the other way.
    """
    if raws.len() >= _MANY and _hashes_columns():
        return raws.alias("uid").to_frame().select(_hashed(source)).to_series()
    return pl.Series("uid", [uid(source, raw) for raw in raws.cast(pl.Binary)], dtype=pl.String)


def _hashed(source: str) -> pl.Expr:
    whole = polars_hash.col("uid").chash.hmac_sha256(key=source)
    return pl.concat_str(whole.str.head(_DIGITS), pl.lit(""))  # a copy: the head alone would hold the other 40 digits too


@lru_cache(maxsize=1)
def _hashes_columns() -> bool:
    """Whether the plugin runs with this polars and gives what Python's own HMAC gives."""
    probe = b"\xff" * 100
    try:
        hashed = pl.Series("uid", [probe]).to_frame().select(_hashed("probe")).item()
    except (pl.exceptions.PolarsError, AttributeError):
        return False
    return bool(hashed == uid("probe", probe))
