"""Hits: what rules found, one row per rule, entity and hour. A commutative monoid, so a day's hits are the merge of its batches'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from nonself.core.entities import entities, entity
from nonself.core.events import Events
from nonself.core.schema import TIME
from nonself.core.scores import EVIDENCE, Delta
from nonself.detect.sigma.logsource import KEYS
from nonself.detect.sigma.native import native
from nonself.detect.sigma.plan import Plan
from nonself.detect.sigma.predicates import holds
from nonself.detect.sigma.sheet import Ints, Sheet
from nonself.detect.sigma.tree import Compiled, Predicate, atoms
from nonself.detect.sigma.values import Value, fold

Found = tuple[int, int, Ints]
"""What a rule hits: number of the plan, position of the rule in the plan, rows of the batch."""
MAX_ENTITIES = 64
MAX_VALUE = 512
"""Characters kept of a matched value."""

HITS: dict[str, pl.DataType] = {
    "day": pl.Date(),  # of `hour`; null where the events have no time
    "rule": pl.String(),  # rule id
    "entity": pl.String(),  # whom the events are about: the first there is of host, user, src_ip, dst_ip, resource, cred, else the source
    "hour": TIME,  # start of the hour the events are in; null where they have no time
    "class_uid": pl.Int32(),  # OCSF class of the earliest event
    "start": TIME,  # first event
    "end": TIME,  # last event
    "n_events": pl.Int64(),  # how many events hit
    "events": pl.List(pl.String()),  # uids of the EVIDENCE first events by time (null last) and uid
    "times": pl.List(TIME),  # the times of `events`; merging needs them
    "entities": pl.List(pl.String()),  # all entities of all events: the MAX_ENTITIES first, sorted
    "matched": pl.List(pl.Struct({"field": pl.String(), "value": pl.String()})),  # the rule's fields in the earliest event
}
KEY = ("rule", "entity", "hour")
WHO = ("host", "user", "src_ip", "dst_ip", "resource", "cred")


def empty() -> Delta:
    """The hits frame with no rows."""
    return pl.DataFrame(schema=HITS)


@dataclass(frozen=True, slots=True)
class Met:
    """The events of a batch that some rule hit, gathered once for all who tell of them: their `rows`, ascending; the events, with `ext` as
    what native fields are read from; and `facts` of them, in the same order."""

    rows: Ints
    events: Events
    facts: pl.DataFrame


def met(events: Events, found: Sequence[Found]) -> Met:
    """The events of a batch that are in `found`, which is not empty."""
    rows = np.unique(np.concatenate([rows for _, _, rows in found]))
    chosen = native(events[rows]).rechunk()  # small: rows taken out of columns in many pieces are dear
    return Met(rows, chosen, facts(chosen, pl.Series(rows)))


def build(met: Met, compiled: Compiled, plans: Sequence[Plan], found: Sequence[Found]) -> Delta:
    """Hits of one batch: `found`, or some of it, of `met` events."""
    if not found:
        return empty()
    pairs = _pairs(compiled, plans, found)
    rows = pairs.join(met.facts, on="row", how="left").sort("time", "uid", "row", nulls_last=True)
    grouped = rows.group_by(KEY).agg(
        pl.col("plan", "at", "row", "class_uid").first(),
        pl.col("time").min().alias("start"),
        pl.col("time").max().alias("end"),
        pl.len().cast(pl.Int64).alias("n_events"),
        pl.col("uid").head(EVIDENCE).alias("events"),
        pl.col("time").head(EVIDENCE).alias("times"),
        pl.col("entities").explode(keep_nulls=False).unique().sort().head(MAX_ENTITIES),
    )
    grouped = grouped.with_columns(pl.Series("row", np.searchsorted(met.rows, grouped["row"].to_numpy())))
    return canonical(grouped.with_columns(_matched(met.events, compiled, plans, grouped)))


def _pairs(compiled: Compiled, plans: Sequence[Plan], found: Sequence[Found]) -> pl.DataFrame:
    """One row per rule and event it hits: rule, plan, at, row."""
    lengths = [len(rows) for _, _, rows in found]
    ids = [compiled.rules[plans[plan].rules[at]].id for plan, at, _ in found]
    return pl.DataFrame(
        {
            "rule": pl.Series(ids, dtype=pl.String).gather(np.repeat(np.arange(len(found)), lengths)),
            "plan": np.repeat([plan for plan, _, _ in found], lengths),
            "at": np.repeat([at for _, at, _ in found], lengths),
            "row": np.concatenate([rows for _, _, rows in found]),
        }
    )


def merge(deltas: Sequence[Delta]) -> Delta:
    """All hits as one. Associative and commutative; `merge([])` is the identity.

    What is kept of a group (its first events, smallest entities, earliest match) are minima of the whole, whatever order parts come in.
    """
    parts = [delta for delta in deltas if delta.height]
    if len(parts) <= 1:
        return parts[0] if parts else empty()
    whole = pl.concat(parts)
    content = pl.col("matched").list.eval(pl.element().struct.json_encode()).list.join("\n")  # decides where time and uid are equal
    earliest = whole.sort(pl.col("times").list.first(), pl.col("events").list.first(), "class_uid", content, nulls_last=True)
    merged = earliest.group_by(KEY).agg(
        pl.col("class_uid", "matched").first(),
        pl.col("start").min(),
        pl.col("end").max(),
        pl.col("n_events").sum(),
        pl.col("entities").explode(keep_nulls=False).unique().sort().head(MAX_ENTITIES),
    )
    evidence = whole.select(*KEY, "events", "times").explode("events", "times").sort("times", "events", nulls_last=True)
    first = evidence.group_by(KEY).agg(pl.col("events", "times").head(EVIDENCE))
    return canonical(merged.join(first, on=KEY, nulls_equal=True, how="left"))


def canonical(frame: pl.DataFrame) -> Delta:
    """Grouped hits (all columns of `HITS` but `day`) in their declared types and order."""
    frame = frame.with_columns(pl.col("hour").dt.date().alias("day"))
    return frame.select(pl.col(name).cast(dtype) for name, dtype in HITS.items()).sort(KEY, nulls_last=True)


def facts(events: Events, rows: pl.Series) -> pl.DataFrame:
    """What hits keep of single events: row, time, uid, class_uid, hour, entity and entities. `rows` are what `events` are called."""
    chosen = events.with_columns(rows.alias("row"))
    facts = chosen.select(
        "row",
        "time",
        pl.col("uid").fill_null(""),
        "class_uid",
        pl.col("time").dt.truncate("1h").alias("hour"),
        pl.coalesce(*(entity(role) for role in WHO), pl.concat_str(pl.lit("source:"), pl.col("source").fill_null(""))).alias("entity"),
    )
    named = entities(chosen.with_columns(pl.col("row").cast(pl.String).alias("uid")))
    by_row = named.group_by(pl.col("uid").cast(rows.dtype).alias("row")).agg(pl.col("entity").alias("entities"))
    return facts.join(by_row, on="row", how="left")


def _matched(events: Events, compiled: Compiled, plans: Sequence[Plan], grouped: pl.DataFrame) -> pl.Series:
    """For each group, the values of its rule's fields in its earliest event."""
    found: list[list[dict[str, str]]] = [[] for _ in range(grouped.height)]
    for (plan_number,), part in grouped.select("plan", "at", "row").with_row_index("group").group_by("plan"):
        plan = plans[plan_number]
        read = events.select(list(dict.fromkeys((*plan.columns, *KEYS))))
        sheet = Sheet(plan, read[part["row"]])
        for row, (group, at) in enumerate(part.select("group", "at").iter_rows()):
            program = compiled.programs[plan.rules[at]]
            predicates = [compiled.predicates[number] for number in atoms(program.node)]
            for field in program.shown:
                place = plan.logs[at].place(field)
                if plan.reads(place):
                    found[group] += _shown(field, sheet.value(place, row), predicates)
    return pl.Series("matched", found, dtype=HITS["matched"])


def _shown(field: str, value: Value, predicates: Sequence[Predicate]) -> list[dict[str, str]]:
    """A field and its value as text; for the event's full text, the keywords it holds."""
    if value is None:
        return []
    if field or not isinstance(value, str):
        return [{"field": field, "value": (value if isinstance(value, str) else ", ".join(value))[:MAX_VALUE]}]
    folded = fold(value)
    tests = [test for predicate in predicates if not predicate.field for test in predicate.tests if holds(test, value, folded)]
    return [{"field": "raw", "value": text} for text in dict.fromkeys(test.value[:MAX_VALUE] for test in tests)]
