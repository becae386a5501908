"""`Events`: a polars frame in the event schema, one row per event; never a Python object per event."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache

import polars as pl

from nonself.core.schema import SCHEMA

Events = pl.DataFrame
"""A frame whose columns are exactly `SCHEMA`, in that order."""
_SHEET = 8_192
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
    """The name of an event: BLAKE2b-96 of source kind and raw record, as 24 hex digits.

    A keyless cryptographic hash: whoever writes log lines must not be able to make two of them share a name.
    """
    return hashlib.blake2b(raw, digest_size=12, person=source.encode()[:16]).hexdigest()


def uids(source: str, raws: Iterable[bytes]) -> list[str]:
    """`uid` of every record. Copying the keyed state takes half as long as keying anew, and names are a third of reading a log.

    What remains is BLAKE2b itself: two blocks for a record of 129 to 256 bytes. Python's SHA-256, BLAKE2s and BLAKE3 cost more in calls
    than they save in hashing, binary digests more in conversion than hexdigest, and nothing vectorised at hand is cryptographic.
    """
    keyed = hashlib.blake2b(digest_size=12, person=source.encode()[:16])
    names = []
    for raw in raws:
        state = keyed.copy()
        state.update(raw)
        names.append(state.hexdigest())
    return names
