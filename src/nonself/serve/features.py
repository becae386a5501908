"""What each entity did in each hour or day, as numbers: one row per (entity, window), a declared schema, the same bytes for the same lake.

It stands in `serve` because it is an output: nothing below needs it. It is a function of event columns alone, so a job that fits models
can take it as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from nonself.core.entities import ROLES
from nonself.core.events import Events
from nonself.core.schema import CLASSES, TIME

WINDOWS = {"hour": "1h", "day": "1d"}
KINDS = tuple(sorted({role.kind for role in ROLES}))


@dataclass(frozen=True, slots=True)
class Feature:
    """One column: how it is worked out over the events of one entity in one window (null: apart), its unit, what it means."""

    name: str
    dtype: pl.DataType
    doc: str
    unit: str
    expr: pl.Expr | None = None


_COUNTED = {
    "op": "operations", "source": "source kinds", "channel": "logs", "user": "acting users", "tgt_user": "accounts acted on",
    "host": "hosts", "src_ip": "source addresses", "dst_ip": "destination addresses", "dst_port": "destination ports", "image": "programs",
    "parent_image": "parent programs", "file_path": "files", "hash": "file hashes", "query": "DNS names asked", "url_host": "HTTP hosts",
    "sni": "TLS server names", "user_agent": "user agents", "svc": "cloud services", "resource": "resources", "cred": "credentials",
    "country": "countries", "status_code": "outcomes",
}  # fmt: skip
_SUMMED = {
    "bytes_in": "bytes", "bytes_out": "bytes", "pkts_in": "packets", "pkts_out": "packets", "duration_us": "us",
}  # fmt: skip
NEW = ("op", "host", "src_ip", "dst_ip", "dst_port", "image", "query", "url_host", "user_agent", "svc", "resource", "country")
_COUNT, _SUM, _TEXT = pl.UInt32(), pl.Int64(), pl.String()


def _count(name: str, doc: str, expr: pl.Expr, unit: str = "events") -> Feature:
    return Feature(name, _COUNT, doc, unit, expr)


def _sum(column: str, unit: str) -> Feature:
    value = pl.col(column)
    doc = f"sum of `{column}`; null where no event says one"
    return Feature(f"sum_{column}", _SUM, doc, unit, pl.when(value.count() > 0).then(value.clip(0, 2**40).sum()))


_HOUR = pl.col("time").dt.hour()
FEATURES: tuple[Feature, ...] = (
    Feature("kind", _TEXT, "kind of entity", ""),
    Feature("entity", _TEXT, "the entity's name, as findings give it; attacker-written", ""),
    Feature("window", TIME, "start of the window", "UTC"),
    _count("events", "events the entity takes part in, in any role of its kind", pl.len()),
    _count("failures", "events with a failed outcome", (pl.col("status_id") == 2).sum()),
    _count("successes", "events with a successful outcome", (pl.col("status_id") == 1).sum()),
    *(_count(f"class_{uid}", f"events of class {name}", (pl.col("class_uid").fill_null(0) == uid).sum()) for uid, name in CLASSES.items()),
    *(_count(f"distinct_{name}", f"distinct {doc}", pl.col(name).drop_nulls().n_unique(), "values") for name, doc in _COUNTED.items()),
    *(_sum(column, unit) for column, unit in _SUMMED.items()),
    Feature("max_bytes_out", _SUM, "largest `bytes_out` of one event; null where no event says one", "bytes", pl.col("bytes_out").max()),
    _count("hours", "distinct hours of the day with an event", _HOUR.n_unique(), "hours"),
    _count("night", "events between 00:00 and 06:00 UTC", (_HOUR < 6).sum()),
    Feature("first", TIME, "first event", "UTC", pl.col("time").min()),
    Feature("last", TIME, "last event", "UTC", pl.col("time").max()),
    Feature("weekday", pl.Int8(), "day of the week, 1 Monday to 7 Sunday", ""),
    Feature("age", _COUNT, "windows since the entity's first window in these data; 0 is the first", "windows"),
    *(Feature(f"new_{column}", _COUNT, f"distinct {_COUNTED[column]} the entity had in no earlier window", "values") for column in NEW),
)  # fmt: skip
SCHEMA: dict[str, pl.DataType] = {feature.name: feature.dtype for feature in FEATURES}
KEY = ("kind", "entity", "window")
COLUMNS = tuple(
    sorted({"time", "class_uid", "status_id", *_COUNTED, *_SUMMED} | {c for role in ROLES for c in role.expr.meta.root_names()})
)
"""Event columns that are read."""


def features(parts: Iterable[Events], window: str, kinds: Iterable[str]) -> pl.DataFrame:
    """Rows of all entities of `kinds`, columns `SCHEMA`, sorted by `KEY`. `parts` hold whole days, each day in one part, with `COLUMNS`.

    Sums take an event's value as at most 2**40, so that one absurd record can't break them.
    """
    rows: list[pl.DataFrame] = [pl.DataFrame(schema={f.name: f.dtype for f in FEATURES if f.expr is not None or f.name in KEY})]
    seen: list[pl.DataFrame] = []
    for part in parts:
        dated = part.filter(pl.col("time").is_not_null()).with_columns(pl.col("time").dt.truncate(WINDOWS[window]).alias("window"))
        for kind in sorted(set(kinds)):
            taken = _taken(dated, kind)
            rows.append(_aggregated(taken, kind))
            seen += _values(taken, kind)
    table = pl.concat(rows)
    table = table.with_columns(pl.col("window").dt.weekday().alias("weekday"), _age(WINDOWS[window]))
    for column in NEW:
        fresh = _fresh([frame for frame in seen if column in frame.columns], column)
        table = table.join(fresh, on=list(KEY), how="left") if fresh is not None else table.with_columns(pl.lit(0).alias(f"new_{column}"))
    return table.select(
        pl.col(name).fill_null(0).cast(dtype) if name.startswith("new_") else pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()
    ).sort(KEY)


def _taken(events: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Events once for each entity of a kind that takes part in them, with the entity beside them."""
    roles = [role for role in ROLES if role.kind == kind]
    numbered = events.with_row_index("_row")
    pairs = [numbered.select("_row", role.expr.alias("entity")) for role in roles]
    who = pl.concat(pairs).drop_nulls("entity").unique().sort("_row", "entity")
    return numbered.join(who, on="_row", how="inner", maintain_order="right")


def _aggregated(taken: pl.DataFrame, kind: str) -> pl.DataFrame:
    made = [feature for feature in FEATURES if feature.expr is not None]
    grouped = taken.group_by("entity", "window").agg(f.expr.cast(f.dtype).alias(f.name) for f in made if f.expr is not None)
    return grouped.select(pl.lit(kind).alias("kind"), "entity", "window", *(f.name for f in made))


def _values(taken: pl.DataFrame, kind: str) -> list[pl.DataFrame]:
    """Distinct values of each `NEW` column by entity and window."""
    return [
        taken.select(pl.lit(kind).alias("kind"), "entity", "window", pl.col(column).cast(pl.String)).drop_nulls(column).unique()
        for column in NEW
        if taken[column].null_count() < taken.height
    ]


def _fresh(seen: list[pl.DataFrame], column: str) -> pl.DataFrame | None:
    """How many values of a column each entity had for the first time, by window."""
    if not seen:
        return None
    first = pl.concat(seen).group_by("kind", "entity", column).agg(pl.col("window").min())
    return first.group_by(KEY).agg(pl.len().alias(f"new_{column}"))


def _age(every: str) -> pl.Expr:
    length = {"1h": 3_600_000_000, "1d": 86_400_000_000}[every]
    since = pl.col("window") - pl.col("window").min().over("kind", "entity")
    return (since.dt.total_microseconds() // length).alias("age")
