"""Correlation rules: inputs of all batches in, hits out. What a correlation means here, as far as the specification leaves it open:

Windows   slide. A group's windows end at each time it has an input and reach back `timespan`, both ends included. Events of one time are
          in the same windows, so their order does not matter. Nothing is found that is not seen at an event: no window watches for silence.
Hits      windows that fire one after another and share an event are one hit, with the events of all of them; at midnight UTC a hit ends,
          so that what goes on for days is told once a day, and no state but the last `timespan` is needed. Evidence is shared fairly
          among the rules referred to, earliest events first. A hit is about the entity that all its events have in common, of host, user,
          source, destination, resource and credential the first; where they share none, about that of the earliest event.
Counts    event_count counts distinct records (by uid), however many of the rules one matches. value_count counts distinct values, of
          several fields distinct combinations. Both compare without case.
Numbers   value_sum, value_avg, value_median, value_percentile take each record once; percentiles are linear between ranks.
Temporal  counts rules seen in the window (all of them where there is no condition), or takes a condition in words. `not b` means that no
          b is in the window, which ends at an event: a later b is not waited for.
Ordered   temporal_ordered counts the longest run of its rules seen in their order. Times must not fall; equal times count as in order,
          since logs write whole seconds, so one event that matches two rules can be both.
Chains    a correlation referred to gives its events, each from the moment on at which it was in a firing window. They are grouped by
          the outer rule's fields. event_count counts the inner rule's hits, not its events; numeric types have no meaning over one.
Silence   rules and correlations referred to raise nothing of their own, unless a correlation that refers to them says `generate: true`. A
          correlation that is not evaluated silences nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from nonself.core.scores import EVIDENCE, Delta
from nonself.detect.sigma import hits
from nonself.detect.sigma.correlation_inputs import shown
from nonself.detect.sigma.correlation_parse import NUMERIC, TEMPORAL
from nonself.detect.sigma.correlation_windows import Windows, compared, quantile, satisfied
from nonself.detect.sigma.sheet import Ints, Mask
from nonself.detect.sigma.tree import Correlation

_DAY = 86_400_000_000
_ORDER = ("group", "moment", "uid", "part", "value", "unit")


@dataclass(slots=True)
class _Fired:
    """What one correlation found: its rows, windows, and for each hit the first and last moment that fired."""

    rows: pl.DataFrame
    windows: Windows
    fires: Ints
    first: Ints
    last: Ints
    hit: Ints  # of each of `fires`


def reach(correlations: Sequence[Correlation]) -> timedelta:
    """How far before an event others can lie that bear on its hits."""
    spans: list[int] = []
    for correlation in correlations:
        spans.append(correlation.timespan + max((spans[inner] for inner in correlation.below if inner >= 0), default=0))
    return timedelta(microseconds=max(spans, default=0))


def correlate(inputs: Delta, correlations: Sequence[Correlation], silent: frozenset[str], pending: Delta | None = None) -> Delta:
    """Hits of all correlations but the silent ones over merged inputs, as a frame of `hits.HITS`.

    One row is one hit, so two rows may agree in rule, entity and hour. With `pending` (inputs, contained in `inputs`) only hits that
    hold one of its events. The result depends on the inputs alone, not on how they were cut or in which order they came.
    """
    by_key = inputs.partition_by("correlation", as_dict=True, maintain_order=True)
    fired: list[_Fired | None] = []
    found = []
    for correlation in correlations:
        rows = by_key.get((correlation.key,))
        one = _fired(correlation, _resolved(rows, correlation, fired)) if rows is not None else None
        fired.append(one)
        if one is not None and correlation.rule.id not in silent:
            new = None if pending is None else pending.filter(pl.col("correlation") == correlation.key)["uid"]
            found.append(_hits(correlation, one, new))
    made = pl.concat([part for part in found if part.height] or [hits.empty()])
    return made.sort(*hits.KEY, "start", pl.col("events").list.join(" "), nulls_last=True, maintain_order=True)


def _resolved(rows: pl.DataFrame, correlation: Correlation, fired: Sequence[_Fired | None]) -> pl.DataFrame:
    """Rows with the moment each counts from and the unit it counts as, in canonical order.

    Those under an inner correlation are the ones it fired for: from that moment on, and its hits are the units.
    """
    own = rows.with_columns(pl.col("time").alias("moment"), pl.col("uid").alias("unit"))
    if max(correlation.below) < 0:
        return own
    parts = []
    for part, inner in enumerate(correlation.below):
        mine = own.filter(pl.col("part") == part)
        if inner < 0:
            parts.append(mine)
        elif (below := fired[inner]) is not None:
            parts.append(mine.drop("moment", "unit").join(_members(below, inner), on="uid").select(own.columns))
    whole = pl.concat(parts) if parts else own.clear()
    return whole.unique(_ORDER, keep="first", maintain_order=True).sort(_ORDER)


def _members(fired: _Fired, number: int) -> pl.DataFrame:
    """Events of an inner correlation's hits: uid, moment of the first firing window that holds each, and the hit as unit."""
    windows, fires = fired.windows, fired.fires
    at = np.searchsorted(fires, windows.moment)
    known = np.flatnonzero(at < len(fires))
    known = known[windows.first[fires[at[known]]] <= windows.moment[known]]
    when = windows.time[fires[at[known]]]
    frame = fired.rows[known].select("uid")
    unit = pl.Series("hit", fired.hit[at[known]]).cast(pl.String)
    moment = pl.Series("moment", when).cast(fired.rows.schema["moment"])
    return frame.with_columns(moment, pl.concat_str(pl.lit(f"{number}:"), unit).alias("unit")).unique()


def _fired(correlation: Correlation, rows: pl.DataFrame) -> _Fired | None:
    """The windows of a correlation that fire, and how they make hits."""
    if correlation.kind in NUMERIC or _plain(correlation):  # a record counts once
        rows = rows.filter(~pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in ("group", "moment", "uid")).fill_null(False))
    if not rows.height:
        return None
    group = rows["group"].rle_id().cast(pl.Int64).to_numpy()
    windows = Windows(group, rows["moment"].cast(pl.Int64).to_numpy(), correlation.timespan)
    fires = np.flatnonzero(_true(correlation, rows, windows, group))
    if not len(fires):
        return None
    days = windows.time[fires] // _DAY
    new = np.ones(len(fires), np.bool_)
    new[1:] = (windows.first[fires[1:]] > fires[:-1]) | (days[1:] != days[:-1])
    return _Fired(rows, windows, fires, fires[new], fires[np.append(new[1:], True)], np.cumsum(new) - 1)


def _true(correlation: Correlation, rows: pl.DataFrame, windows: Windows, group: Ints) -> Mask:
    """Which windows satisfy the condition."""
    tests, parts = correlation.tests, len(correlation.below)
    match correlation.kind:
        case "event_count" if _plain(correlation):
            return compared(windows.rows(), tests)
        case "event_count" | "value_count":
            value = rows["unit" if correlation.kind == "event_count" else "value"].rank("dense").cast(pl.Int64).to_numpy()
            return compared(windows.distinct(group, value), tests)
        case "temporal_ordered":
            return compared(windows.in_order(rows["part"].cast(pl.Int64).to_numpy(), parts), tests)
        case "temporal":
            seen = windows.seen(rows["part"].to_numpy(), parts)
            return satisfied(correlation.expression, seen) if correlation.expression is not None else compared(np.sum(seen, axis=0), tests)
    values = rows["value"].cast(pl.Float64).to_numpy()
    if correlation.kind in ("value_sum", "value_avg"):
        sums = windows.sums(values)
        return compared(sums if correlation.kind == "value_sum" else sums / windows.rows(), tests)
    return _percentiles(windows, values, correlation)


def _plain(correlation: Correlation) -> bool:
    """Whether events are counted, not hits."""
    return correlation.kind == "event_count" and max(correlation.below) < 0


def _percentiles(windows: Windows, values: np.typing.NDArray[np.float64], correlation: Correlation) -> Mask:
    true = np.ones(len(windows.time), np.bool_)
    for name, against in correlation.tests:
        least, above = windows.percentile(values, correlation.percentile, against)
        holds = {"gt": above, "gte": least, "lt": ~least, "lte": ~above, "eq": least & ~above, "neq": ~least | above}
        true &= holds[name]
    return true


def _hits(correlation: Correlation, fired: _Fired, new: pl.Series | None) -> Delta:
    """The hits of one correlation; with `new` only those that hold an event of these uids."""
    windows = fired.windows
    begin, end = windows.begin[fired.first], windows.end[fired.last]
    chosen = np.arange(len(begin))
    if new is not None:
        total = np.concatenate(([0], np.cumsum(fired.rows["uid"].is_in(new.implode()).to_numpy())))
        chosen = np.flatnonzero(total[end] > total[begin])
    sizes = end[chosen] - begin[chosen]
    rows = np.arange(sizes.sum()) + np.repeat(begin[chosen] - np.concatenate(([0], np.cumsum(sizes)[:-1])), sizes)
    told = _told(fired.rows[rows].with_columns(pl.Series("hit", np.repeat(chosen, sizes))), len(correlation.below))
    matched = [_matched(correlation, fired, hit) for hit in told["hit"]]
    hour = pl.col("start").dt.truncate("1h")
    told = told.with_columns(
        pl.lit(correlation.rule.id).alias("rule"),
        hour.alias("hour"),
        hour.dt.date().alias("day"),
        pl.Series("matched", matched, dtype=hits.HITS["matched"]),
    )
    return told.select(pl.col(name).cast(dtype) for name, dtype in hits.HITS.items())


def _told(rows: pl.DataFrame, parts: int) -> pl.DataFrame:
    """One row a hit, of rows with their `hit`: who, when, how many, and the evidence."""
    rows = rows.sort("hit", "time", "uid", "part").unique(("hit", "uid"), keep="first", maintain_order=True)
    rank = pl.int_range(pl.len()).over("hit", "part")
    people = [pl.col("who").list.get(role, null_on_oob=True) for role in range(len(hits.WHO))]
    shared = [pl.when((who.null_count() == 0) & (who.n_unique() == 1)).then(who.first()) for who in people]
    evidence = rows.filter(rank < max(1, EVIDENCE // parts)).group_by("hit", maintain_order=True)
    kept = evidence.agg(pl.col("uid").head(EVIDENCE).alias("events"), pl.col("time").head(EVIDENCE).alias("times"))
    told = rows.group_by("hit", maintain_order=True).agg(
        pl.coalesce(*shared, pl.col("who").first().list.drop_nulls().list.first()).alias("entity"),
        pl.col("class_uid").first(),
        pl.col("time").min().alias("start"),
        pl.col("time").max().alias("end"),
        pl.len().cast(pl.Int64).alias("n_events"),
        pl.col("entities").explode(keep_nulls=False).unique().sort().head(hits.MAX_ENTITIES),
    )
    return told.join(kept, on="hit", how="left", maintain_order="left")


def _matched(correlation: Correlation, fired: _Fired, hit: int) -> list[dict[str, str]]:
    """What a hit was grouped by, and the number its first firing window had."""
    windows, moment = fired.windows, fired.first[hit]
    rows = fired.rows[int(windows.begin[moment]) : int(windows.end[moment])]
    kind, field = correlation.kind, ", ".join(correlation.field)
    if kind in TEMPORAL:
        number = float(rows["part"].n_unique())
    elif kind in ("event_count", "value_count"):
        number = float(rows["unit" if kind == "event_count" else "value"].n_unique())
    else:
        values = rows["value"].cast(pl.Float64).to_numpy()
        sums = {"value_sum": 1, "value_avg": len(values)}
        number = float(values.sum()) / sums[kind] if kind in sums else quantile(values, correlation.percentile)
    wanted = "".join(f", {name} {against:g}" for name, against in correlation.tests)
    span = f"{timedelta(microseconds=correlation.timespan)}"
    grouped = zip(correlation.group_by, shown(rows["group"][0]), strict=False)
    measure = {"field": f"{kind}({field})" if field else kind, "value": f"{number:g} in {span}{wanted}"}
    return [*({"field": name, "value": value[: hits.MAX_VALUE]} for name, value in grouped), measure]
