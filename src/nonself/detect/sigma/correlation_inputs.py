"""What correlations take from a batch: a row for each event, correlation and group. A commutative monoid, so batches do not matter.

An event that lacks a field grouped by (absent, null, or the empty text) belongs to no group and is no input; neither is one without a
time, nor, where values count, one that lacks the value or (sums, averages, percentiles) has no plain decimal number there. Texts are
compared without case, as in all of Sigma. A list is one value: its texts in order.

Of one correlation, reference, group and hour the `MAX_INPUTS` first by time are kept. What comes after them is not counted, so whoever
floods one group can't take more memory than that; numbers over it are lower bounds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
import polars as pl

from nonself.core.entities import entity
from nonself.core.events import Events
from nonself.core.schema import TIME
from nonself.core.scores import Delta
from nonself.detect.sigma import hits
from nonself.detect.sigma.correlation_link import MAX_INPUTS
from nonself.detect.sigma.correlation_parse import NUMERIC
from nonself.detect.sigma.logsource import Stream
from nonself.detect.sigma.plan import Plan
from nonself.detect.sigma.sheet import Ints, Sheet
from nonself.detect.sigma.tree import Compiled, Correlation, Use
from nonself.detect.sigma.values import Value, fold, number

INPUTS: dict[str, pl.DataType] = {
    "day": pl.Date(),  # of `time`
    "correlation": pl.String(),  # its key
    "group": pl.String(),  # folded values of the fields grouped by, joined by `SEPARATOR`; "" where there are none
    "time": TIME,
    "uid": pl.String(),
    "part": pl.UInt8(),  # position in the correlation's `rules`
    "value": pl.String(),  # the value that counts, as `group` is written; "" where none does
    "class_uid": pl.Int32(),
    "who": pl.List(pl.String()),  # the entity in each role of `hits.WHO`, then the source: for whom the hit is about
    "entities": pl.List(pl.String()),  # all entities, the MAX_ENTITIES first, sorted
}
SEPARATOR = "\x1f"
LONG = 512
"""Characters of a value that are compared one by one; longer ones are compared by hash."""
_ESCAPED = re.compile(r"\\(x1f|\\)")
_KEY = ("correlation", "group", "time", "uid", "part", "value")


def empty() -> Delta:
    """The inputs frame with no rows."""
    return pl.DataFrame(schema=INPUTS)


class Taker:
    """Takes the inputs of a compiled set's correlations from what its rules found."""

    def __init__(self, compiled: Compiled) -> None:
        self._uses: dict[int, list[tuple[Correlation, Use]]] = {}
        for correlation in compiled.correlations:
            for use in correlation.uses:
                self._uses.setdefault(use.rule, []).append((correlation, use))

    def take(self, met: hits.Met, plans: Sequence[Plan], found: Sequence[hits.Found]) -> Delta:
        """Inputs of one batch: `found` of `met` events."""
        used = [(plans[plan], at, rows) for plan, at, rows in found if plans[plan].rules[at] in self._uses]
        if not used:
            return empty()
        parts = []
        for plan, at, rows in used:
            parts += _read(met.events, np.searchsorted(met.rows, rows), plan.logs[at], self._uses[plan.rules[at]])
        taken = pl.concat(parts)
        met_by = taken["row"].unique().sort()
        facts = _facts(met.events[met_by], met.facts[met_by]).with_columns(met_by)
        return merge([taken.join(facts, on="row").filter(pl.col("time").is_not_null()).select(_cast())])


def _cast() -> list[pl.Expr]:
    made = {"day": pl.col("time").dt.date(), "entities": pl.col("entities").list.sort().list.head(hits.MAX_ENTITIES)}
    return [made.get(name, pl.col(name)).cast(dtype).alias(name) for name, dtype in INPUTS.items()]


def _facts(events: Events, facts: pl.DataFrame) -> pl.DataFrame:
    """What inputs keep of single events: their `hits.facts` and who they are about."""
    roles = [*(entity(role) for role in hits.WHO), pl.concat_str(pl.lit("source:"), pl.col("source").fill_null(""))]
    who = events.select(pl.concat_list(roles).alias("who"))
    return facts.with_columns(who["who"], pl.col("entities").fill_null([]).list.unique()).drop("entity", "hour")


def _read(events: Events, rows: Ints, log: Stream, uses: Sequence[tuple[Correlation, Use]]) -> list[pl.DataFrame]:
    """Rows of one rule's events for each correlation that uses them: row, correlation, part, group, value."""
    places = {name: log.place(name) for _, use in uses for name in (*use.group, *use.value)}
    plan = Plan(squeeze=log.squeeze, places=list(dict.fromkeys(places.values())))
    sheet = Sheet(plan, events.select(plan.columns)[rows])
    texts: dict[tuple[str, bool], pl.Series] = {}
    made = []
    for correlation, use in uses:
        numeric = correlation.kind in NUMERIC
        for name, numbers in (*((name, False) for name in use.group), *((name, numeric) for name in use.value)):
            if (name, numbers) not in texts:
                constant = log.constants.get(name)
                values = sheet.values(places[name]) if constant is None else [constant] * len(rows)
                texts[name, numbers] = _texts(values, numbers)
        columns = {
            "group": _joined([texts[name, False] for name in use.group], len(rows)),
            "value": _joined([texts[name, numeric] for name in use.value], len(rows)),
        }
        frame = pl.DataFrame(
            {"row": rows, "correlation": [correlation.key] * len(rows), "part": pl.repeat(use.part, len(rows), eager=True), **columns}
        )
        made.append(frame.drop_nulls())
    return made


def _joined(columns: Sequence[pl.Series], height: int) -> pl.Series:
    """Texts of several columns as one, so that different rows stay different; null where one of them is."""
    if len(columns) <= 1:
        return columns[0] if columns else pl.repeat("", height, eager=True)
    frame = pl.DataFrame([column.alias(str(number)) for number, column in enumerate(columns)])
    return frame.select(pl.concat_str(pl.all(), separator=SEPARATOR)).to_series()


def _texts(values: Sequence[Value], numbers: bool) -> pl.Series:
    """Values as they are compared, each distinct one worked out once."""
    known = {value: _text(value, numbers) for value in dict.fromkeys(values)}
    return pl.Series([known[value] for value in values], dtype=pl.String)


def _text(value: Value, numbers: bool) -> str | None:
    text = fold(value if isinstance(value, str) else ", ".join(value or ()))
    if not text or (numbers and not _finite(text)):
        return None
    if len(text) > LONG:
        text = f"{text[:LONG]}... {hashlib.blake2b(text.encode(errors='replace'), digest_size=16).hexdigest()}"
    return text.replace("\\", "\\\\").replace(SEPARATOR, "\\x1f")


def _finite(text: str) -> bool:
    read = number(text)
    return read is not None and abs(read) < 1e300


def shown(group: str) -> list[str]:
    """The values a group was made of."""
    return [_ESCAPED.sub(lambda found: SEPARATOR if found[1] == "x1f" else "\\", part) for part in group.split(SEPARATOR)]


def merge(deltas: Sequence[Delta]) -> Delta:
    """All inputs as one, in canonical form. Associative and commutative; `merge([])` is the identity; a row twice is a row once."""
    parts = [delta for delta in deltas if delta.height]
    if not parts:
        return empty()
    whole = pl.concat(parts).sort(*_KEY, "class_uid", nulls_last=True)
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in _KEY).fill_null(False)
    whole = whole.filter(~same)
    if whole.height <= MAX_INPUTS:
        return whole
    bucket = ("correlation", "part", "group", pl.col("time").dt.truncate("1h"))
    return whole.filter(pl.int_range(pl.len()).over(bucket) < MAX_INPUTS)
