"""CSV as columns: the cells of whole blocks at once, record by record only where there are quotes."""

from __future__ import annotations

import polars as pl

from nonself.sources.csv_alerts_lines import cells


def grid(text: pl.Series, separator: str, width: int) -> tuple[pl.DataFrame, pl.Series]:
    """The cells of each record (columns cell_0, cell_1 ..., as they stand), and whether it has exactly `width` of them."""
    found = text.str.split_exact(separator, width).struct.unnest()
    found.columns = [f"cell_{at}" for at in range(width + 1)]
    quoted = text.str.contains('"', literal=True)
    if quoted.any():
        rows = [cells(record, separator) for record in text.filter(quoted)]
        fitted = [[*row, None] if row is not None and len(row) == width else [None] * (width + 1) for row in rows]
        again = pl.DataFrame(fitted, schema=dict.fromkeys(found.columns, pl.String), orient="row")
        again = again.with_columns(quoted.arg_true().alias("at"))
        found = pl.concat([found.with_row_index("at").filter(~quoted), again.select("at", *found.columns)]).sort("at").drop("at")
    good = found.to_series(width - 1).is_not_null() & found.to_series(width).is_null()
    return found.drop(found.columns[width]), good


def distinct(names: list[str]) -> tuple[str, ...]:
    """Names of a header that polars takes as they are (no regex) and JSON too; of two alike the second gets its number."""
    seen: dict[str, None] = {}
    for at, name in enumerate(names):
        safe = "".join(char if char.isalnum() or char in " _.-@#()/%:" else "_" for char in name.strip()[:128])
        seen[safe if safe and safe not in seen else f"{safe}#{at}"] = None
    return tuple(seen)
