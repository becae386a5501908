"""Amounts in words: 412, 0.3, 1.2 GB, 3.4 hours."""

from __future__ import annotations

import polars as pl

_SCALES: dict[str, tuple[tuple[str, float], ...]] = {
    "bytes": (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("bytes", 1.0)),
    "us": (("days", 86_400e6), ("hours", 3_600e6), ("minutes", 60e6), ("seconds", 1e6), ("ms", 1e3), ("us", 1.0)),
}
"""Unit -> names and sizes, largest first."""


def text(value: float, unit: str) -> str:
    """One amount; `unit` is "", "bytes" or "us"."""
    if unit not in _SCALES:
        return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1g}" if value < 1 else f"{value:.1f}"
    name, size = next((scale for scale in _SCALES[unit] if value >= scale[1]), _SCALES[unit][-1])
    return f"{value / size:,.1f} {name}"


def column(name: str, unit: str) -> pl.Expr:
    """The whole numbers of a column as texts."""
    value = pl.col(name)
    if unit not in _SCALES:
        return value.cast(pl.String)
    *larger, smallest = _SCALES[unit]
    out = pl.concat_str([value.cast(pl.String), pl.lit(" " + smallest[0])])
    for label, size in reversed(larger):
        scaled = pl.concat_str([(value / size).round(1).cast(pl.String), pl.lit(" " + label)])
        out = pl.when(value >= size).then(scaled).otherwise(out)
    return out
