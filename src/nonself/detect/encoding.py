"""A table's columns as numbers, by what training showed of them.

- A number (or truth value) is taken as it is; null is NaN.
- Text becomes how rare the value was in training, -log2((count + 1) / (n + 1)), unseen values being rarest, and beside it a 0/1 column
  for each of its commonest values: at most 16, each in at least 1 % of rows. The first keeps values that nobody could list, the others
  let a model see which value goes with what. Null is a value of its own.
- Times, and the columns that name a row (`entity`), are left out: a name is not behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline.codes import Floats
from nonself.core.errors import UsageError

COMMON, COMMON_SHARE, KEPT = 16, 0.01, 4_096
NAMES = frozenset({"entity"})
_NULL = "\x00null"


@dataclass(frozen=True, slots=True)
class Encoding:
    """`numbers` are numeric columns, `texts` a text column's bits by value (its commonest first) and how many of them are common."""

    numbers: tuple[str, ...]
    texts: tuple[tuple[str, tuple[tuple[str, float], ...], int], ...]
    unseen: float

    @classmethod
    def fit(cls, frame: pl.DataFrame) -> Encoding:
        """Of a text column the 4,096 commonest values are remembered, ties by the value; rarer ones count as unseen."""
        columns = [(name, dtype) for name, dtype in frame.schema.items() if name not in NAMES]
        numbers = tuple(name for name, dtype in columns if dtype.is_numeric() or dtype == pl.Boolean)
        texts = tuple(_text(frame[name]) for name, dtype in columns if dtype == pl.String)
        return cls(numbers, texts, float(np.log2(frame.height + 1.0)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the numbers a row becomes, in their order."""
        made = [*self.numbers]
        for name, values, common in self.texts:
            made += [f"{name} (rarity)", *(f"{name} = {'(none)' if value == _NULL else value}" for value, _ in values[:common])]
        return tuple(made)

    def matrix(self, frame: pl.DataFrame) -> Floats:
        """Rows as float64, shape (rows, len(names)). Raises UsageError where a column of training is missing or of another kind."""
        for name in (*self.numbers, *(name for name, _, _ in self.texts)):
            if name not in frame.columns:
                raise UsageError(expected=f"a column {name!r}, as in training", got="a table without it")
        columns = [frame[name].cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy() for name in self.numbers]
        for name, values, common in self.texts:
            text = frame[name].cast(pl.String, strict=False).fill_null(_NULL)
            bits = dict(values)
            columns.append(np.array([bits.get(value, self.unseen) for value in text.to_list()], np.float64))
            columns += [(text == value).to_numpy().astype(np.float64) for value, _ in values[:common]]
        return np.column_stack(columns) if columns else np.empty((frame.height, 0))

    def as_json(self) -> dict[str, Any]:
        return {"numbers": list(self.numbers), "texts": [[n, [list(v) for v in vs], c] for n, vs, c in self.texts], "unseen": self.unseen}

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Encoding:
        """Raises ValueError, KeyError or TypeError where `as_json` can't have written it."""
        texts = tuple((str(n), tuple((str(v), float(b)) for v, b in vs), int(c)) for n, vs, c in given["texts"])
        return cls(tuple(str(name) for name in given["numbers"]), texts, float(given["unseen"]))


def _text(column: pl.Series) -> tuple[str, tuple[tuple[str, float], ...], int]:
    n = column.len()
    counts = pl.DataFrame({"value": column.fill_null(_NULL)}).group_by("value").len().sort(["len", "value"], descending=[True, False])
    kept = counts.head(KEPT)
    values = tuple((value, float(-np.log2((count + 1.0) / (n + 1.0)))) for value, count in kept.iter_rows())
    return column.name, values, sum(count >= COMMON_SHARE * n for count in kept["len"].head(COMMON).to_list())
