"""Events as OCSF 1.8: one nested JSON object an event, valid against the class's schema, lossless for the hot columns.

`encode` works on columns: events are parted by class, each column becomes the JSON text of its leaf, leaves are joined to objects
(`ocsf_text`). What has no place in a class, or lacks what OCSF requires beside it, goes into `unmapped.nonself` by its column name, so
that `sources.ocsf` reads the same columns back. Nothing is made up: where a class requires what the record does not say and OCSF has no
"unknown" for it, the event is told as a weaker class (Base Event in the end) and keeps its own class in `unmapped.nonself.class_uid`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl

from nonself.core.schema import SCHEMA
from nonself.serve.ocsf_native import leftovers
from nonself.serve.ocsf_plan import Plan
from nonself.serve.ocsf_text import Node, member, number, render
from nonself.sources.ocsf_paths import NONSELF, PATHS, PROFILE_HEADS, TARGETS, WEAKER, OcsfClass, classes, places

_SEVERITIES = {0: "Unknown", 1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical", 6: "Fatal", 99: "Other"}
_STATUSES = {0: "Unknown", 1: "Success", 2: "Failure", 99: "Other"}
_UNSAFE = r"[^\x20-\x7e]"
_ROW, _CLASS, _ACTIVITY, _LINE = "_row", "_class", "_activity", "_line"


@dataclass(slots=True)
class Told:
    """JSON lines in the order of the events, how many events had to be told as a weaker class, (class, as) -> events, and how many have
    no time, without which there is no OCSF event: those are left out."""

    lines: pl.Series
    weaker: dict[tuple[int, int], int] = field(default_factory=dict)
    timeless: int = 0

    def weaken(self, origin: int, was: int, now: int, count: int) -> None:
        """Count events of class `origin` as told as `now` where they would have been told as `was`."""
        if was != origin:
            self.weaker[origin, was] -= count
            if not self.weaker[origin, was]:
                del self.weaker[origin, was]
        self.weaker[origin, now] = self.weaker.get((origin, now), 0) + count


def encode(events: pl.DataFrame, *, raw: bool = False) -> Told:
    """Every event as one line of OCSF JSON in ASCII. `events` is in the event schema; `raw` adds `raw_data`."""
    told = Told(pl.Series("line", [], dtype=pl.String), timeless=events["time"].null_count())
    events = events.filter(pl.col("time").is_not_null()) if told.timeless else events
    known = list(classes())
    frame = events.with_row_index(_ROW).with_columns(
        pl.when(pl.col("class_uid").is_in(known)).then("class_uid").otherwise(0).alias(_CLASS),
        pl.col("activity_id").fill_null(0).alias(_ACTIVITY),
    )
    parts = [part for class_uid, some in _by_class(frame) for part in _told(some, class_uid, told, raw=raw)]
    if parts:
        told.lines = pl.concat(parts).sort(_ROW)[_LINE].alias("line")
    return told


def _by_class(frame: pl.DataFrame) -> Iterable[tuple[int, pl.DataFrame]]:
    return ((int(part[_CLASS][0]), part) for part in frame.partition_by(_CLASS, maintain_order=True))


def _told(frame: pl.DataFrame, class_uid: int, told: Told, *, raw: bool) -> list[pl.DataFrame]:
    """The lines of events of one class, columns `_row` and `_line`."""
    about = TARGETS.get(class_uid)
    if about is None:
        return _lines(frame, class_uid, False, told, raw=raw)
    target = frame.select(pl.any_horizontal(pl.col(column).is_not_null() for column in about)).to_series()
    halves = ((frame.filter(target), True), (frame.filter(~target), False))
    return [part for half, has in halves if half.height for part in _lines(half, class_uid, has, told, raw=raw)]


def _lines(frame: pl.DataFrame, class_uid: int, target: bool, told: Told, *, raw: bool) -> list[pl.DataFrame]:
    kind = classes()[class_uid]
    filled = [name for name in PATHS if frame[name].null_count() < frame.height]
    plan = Plan(kind, {column: path for column, path in places(class_uid, target).items() if column in filled})
    frame = render(frame.with_columns(text.alias(column) for column, text in plan.texts.items()), plan.root)
    rest: list[pl.DataFrame] = []
    may = frame.select(plan.may()).to_series()
    if not may.all():
        weaker = WEAKER.get(class_uid, 0)
        unfit = frame.filter(~may).select(*SCHEMA, _ROW, _CLASS, _ACTIVITY)
        for origin, some in _by_class(unfit):
            told.weaken(origin, class_uid, weaker, some.height)
        rest, frame = _told(unfit, weaker, told, raw=raw), frame.filter(may)
    return [*rest, _joined(frame, plan, filled, raw=raw)] if frame.height else rest


def _joined(frame: pl.DataFrame, plan: Plan, filled: list[str], *, raw: bool) -> pl.DataFrame:
    """The objects of every event as one line."""
    kind, root = plan.kind, plan.root
    profiles = _profiles(frame, kind, root)
    frame = frame.with_columns(
        pl.when(pl.col(_ACTIVITY).is_in(list(kind.activities))).then(_ACTIVITY).otherwise(99).alias("_shown"),
        pl.concat_str([pl.col("$.metadata").str.strip_suffix("}"), profiles, pl.lit("}")]).alias("$.metadata"),
    )
    body = pl.concat_str([*_head(kind), *map(pl.col, root.parts().values())], separator=",", ignore_nulls=True)
    native = leftovers(frame, filled)
    frame = frame.select(_ROW, "raw", body.alias("_body"), _kept(frame, plan, filled).alias("_kept"))
    unmapped = pl.concat_str([native, pl.col("_kept")], separator=",", ignore_nulls=True)
    parts = [pl.col("_body"), pl.when(unmapped != "").then(pl.concat_str([pl.lit('"unmapped":{'), unmapped, pl.lit("}")]))]
    if raw:
        parts.append(member("raw_data", pl.col("raw")))
    line = pl.concat_str([pl.lit("{"), pl.concat_str(parts, separator=",", ignore_nulls=True), pl.lit("}")])
    return frame.select(_ROW, line.alias(_LINE)).with_columns(_ascii(pl.col(_LINE)))


def _head(kind: OcsfClass) -> list[pl.Expr]:
    """The attributes of every event, with their captions."""
    activity, severity = pl.col("_shown"), pl.when(pl.col("severity_id").is_in(list(_SEVERITIES))).then("severity_id").otherwise(0)
    name = _caption(activity, kind.activities)
    time = pl.col("time")
    constant = f'"category_uid":{kind.category_uid},"category_name":"{kind.category}","class_uid":{kind.uid},"class_name":"{kind.caption}"'
    return [
        pl.lit(constant), number("activity_id", activity), _worded("activity_name", "", name),
        number("type_uid", activity.cast(pl.Int64) + kind.uid * 100), _worded("type_name", kind.caption + ": ", name),
        number("severity_id", severity), _worded("severity", "", _caption(severity, _SEVERITIES)),
        _worded("status", "", _caption(pl.col("status_id"), _STATUSES)),
        number("time", time.dt.epoch("ms")), _worded("time_dt", "", time.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")),
    ]  # fmt: skip


def _caption(value: pl.Expr, names: dict[int, str]) -> pl.Expr:
    return value.replace_strict(list(names), list(names.values()), default=None, return_dtype=pl.String)


def _worded(name: str, start: str, value: pl.Expr) -> pl.Expr:
    """A text that needs no escaping."""
    return pl.concat_str([pl.lit(f'"{name}":"{start}'), value, pl.lit('"')])


def _profiles(frame: pl.DataFrame, kind: OcsfClass, root: Node) -> pl.Expr:
    """The profiles whose attributes the event carries beyond its class's own; `time_dt` is always one."""
    found = []
    for profile in ("cloud", "host"):
        heads = [name for name, of in PROFILE_HEADS.items() if of == profile and name in root.nodes and name not in kind.attributes]
        if heads:
            carried = pl.any_horizontal(pl.col(root.nodes[name].column).is_not_null() for name in heads)
            found.append(pl.when(carried).then(pl.lit(f'"{profile}"')))
    names = pl.concat_str([*found, pl.lit('"datetime"')], separator=",", ignore_nulls=True)
    return pl.concat_str([pl.lit(',"profiles":['), names, pl.lit("]")])


def _kept(frame: pl.DataFrame, plan: Plan, filled: list[str]) -> pl.Expr:
    """`"nonself":{...}` of the columns whose value found no valid place in the event."""
    conditions = {column: pl.col(column).is_not_null() & plan.lost(column) for column in filled}
    conditions["class_uid"] = pl.col("class_uid").fill_null(0) != plan.kind.uid
    conditions["activity_id"] = pl.col(_ACTIVITY) != pl.col("_shown")
    lost = frame.select(condition.any().alias(column) for column, condition in conditions.items()).row(0, named=True)
    parts = [pl.when(conditions[column]).then(_plain(column)) for column, any_lost in lost.items() if any_lost]
    if not parts:
        return pl.lit(None, dtype=pl.String)
    body = pl.concat_str(parts, separator=",", ignore_nulls=True)
    return pl.when(body != "").then(pl.concat_str([pl.lit(f'"{NONSELF}":{{'), body, pl.lit("}")]))


def _plain(column: str) -> pl.Expr:
    """`"column":value` as it stands in the event schema."""
    if SCHEMA[column] == pl.String:
        return member(column, pl.col(column))
    return pl.struct(pl.col(column)).struct.json_encode().str.strip_prefix("{").str.strip_suffix("}")


def _ascii(line: pl.Expr) -> pl.Expr:
    """JSON in ASCII: nothing in it can steer a terminal. Few lines need it, so only those are looked at."""
    return pl.when(line.str.contains(_UNSAFE)).then(
        line.map_batches(lambda text: pl.Series(text.name, [_escaped(one) for one in text], dtype=pl.String), return_dtype=pl.String)
    ).otherwise(line)  # fmt: skip


def _escaped(line: str | None) -> str | None:
    return line and re.sub(_UNSAFE, lambda found: json.dumps(found[0])[1:-1], line)
