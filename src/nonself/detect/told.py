"""From scores to what is told of them. A score costs an array; entities, evidence, sentence and reasons of a row cost several times that,
and nearly all rows are ordinary: they are made for rows that score the floor or more, and for no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from nonself.baseline.codes import Floats, Ints
from nonself.core.scores import SCORES, Scores
from nonself.detect import evidence, rows
from nonself.detect.rows import Chosen, Groups
from nonself.detect.spec import Spec

Private = Callable[[Ints, pl.DataFrame], pl.DataFrame]
"""Given some groups and their keys (columns day, slot, y, x), the detector's private columns of them."""


def scores(of: tuple[Chosen, Spec, Groups], score: Floats, told: Private, schema: Mapping[str, pl.DataType], floor: float) -> Scores:
    """The scores of groups, one a group: those of `floor` or more first, each part in order of the groups. The others say who, when, how
    many events and how odd; their lists are empty, their private columns null."""
    chosen, spec, groups = of
    high = score >= floor
    some, rest = np.flatnonzero(high), np.flatnonzero(~high)
    parts = [_plain(of, score, rest).with_columns(_nothing(schema)).select(*schema)] if rest.size else []
    if some.size or not parts:
        keys = pl.DataFrame(rows.named_keys(chosen, spec, groups.first[some]))
        table = _plain(of, score, some).with_columns(**evidence.named(chosen, spec, groups.only(some))).hstack(told(some, keys))
        parts.insert(0, table.select(pl.col(name).cast(dtype) for name, dtype in schema.items()))
    return pl.concat(parts)


def private(odd: pl.DataFrame, spec: Spec, value: pl.Expr | None = None) -> Private:
    """The private columns of groups for which they have all been worked out, and the sentence; `value` (over `odd`) fills `{value}`."""

    def told(some: Ints, keys: pl.DataFrame) -> pl.DataFrame:
        parts = odd[some]
        what = rows.phrase(spec, None if value is None else pl.col("value"))
        known = keys if value is None else keys.with_columns(parts.select(value.alias("value")))
        return parts.with_columns(known.select(what.alias("_what")))

    return told


def _plain(of: tuple[Chosen, Spec, Groups], score: Floats, some: Ints) -> pl.DataFrame:
    """Of some groups the columns of `SCORES` that cost little."""
    chosen, spec, groups = of
    whole = some.size == score.size
    starts = groups.starts if whole else groups.starts[some]
    sizes = groups.sizes if whole else np.append(groups.starts, groups.order.size)[some + 1] - starts
    first = chosen.at[groups.order[starts]]
    start, long = chosen.view.times[first], np.flatnonzero(sizes > 1)
    end = start.copy()
    end[long] = chosen.view.times[chosen.at[groups.order[(starts + sizes)[long] - 1]]]
    columns = {
        "entity": chosen.view.name(spec.entity).strings(first),
        **{name: pl.Series(times).cast(SCORES[name]) for name, times in (("start", start), ("end", end))},
        "score": score if whole else score[some],
        "n_events": sizes,
    }
    return pl.DataFrame(columns)


def _nothing(schema: Mapping[str, pl.DataType]) -> list[pl.Expr]:
    """What is not told."""
    lists = [pl.lit([], SCORES[name]).alias(name) for name in ("entities", "events")]
    return lists + [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in SCORES]
