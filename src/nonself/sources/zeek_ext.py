"""The `ext` of records that come as text: JSON of the fields that no column took, by their native names, the log's path first."""

from __future__ import annotations

from functools import lru_cache

import polars as pl

from nonself.sources.zeek_plan import Fields, Marks, cell, taken

_FEW = 4  # up to here one pass for each beats one for all


def ext_of(cells: pl.DataFrame, path: str | None, fields: Fields, marks: Marks | None) -> pl.Expr:
    """JSON of the fields that `ext` keeps, without those that are null."""
    skipped = taken(path)
    nulls = {name: cells.get_column(name).null_count() for name, _ in fields if name not in skipped}
    kept = tuple((name, kind) for name, kind in fields if name not in skipped and nulls[name] < cells.height)
    gaps = tuple(name for name, kind in kept if nulls[name] or kind == "flag")  # a flag that is neither T nor F is null too
    return _encoded(path, kept, gaps, marks)


@lru_cache(maxsize=1024)
def _encoded(path: str | None, kept: Fields, gaps: tuple[str, ...], marks: Marks | None) -> pl.Expr:
    named = pl.lit(path or "", dtype=pl.String).alias("_path")
    text = pl.struct(named, *(cell(name, kind, marks).alias(name) for name, kind in kept)).struct.json_encode()
    # Exact: within a JSON string no quote goes without a backslash, field names hold neither quotes nor commas, and `_path` is never null.
    nulls = [f',"{name}":null' for name in gaps]
    if len(nulls) > _FEW:
        return text.str.replace_many(nulls, [""] * len(nulls))
    for null in nulls:
        text = text.str.replace_all(null, "", literal=True)
    return text
