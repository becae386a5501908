"""From the fields a mapping reads to event columns: expressions made once, run over whole chunks."""

from __future__ import annotations

import re
from functools import reduce

import polars as pl

from nonself.core.schema import SCHEMA, TIME
from nonself.sources.mapping import TRANSFORMS, VERB, Cell, Class, Mapping
from nonself.sources.records import instants

_TRUE = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_VERBS = {
    1: "create|register|import|allocate|copy|generate|restore|issue|upload|insert|provision|new|add",
    2: "get|list|describe|head|lookup|search|select|scan|query|batchget|download|view|check|test|simulate|preview|read|access",
    3: "put|update|modify|set|attach|detach|associate|disassociate|enable|disable|start|stop|reboot|tag|untag|authorize|revoke|change|reset"
       "|send|invoke|replace|share|patch|edit|grant|assign|rotate|rename|move|suspend|unsuspend|activate|deactivate|write|approve",
    4: "delete|remove|terminate|deregister|purge|cancel|release|destroy|unregister|revert",
}  # fmt: skip
"""OCSF activity of API Activity, and the words operations begin with (or, in `a.b.delete` and `A_DELETE`, hold as a part)."""


class Expressions:
    """What turns a frame of fields (one column a field, its name with a leading dot) into event columns."""

    def __init__(self, mapping: Mapping) -> None:
        self._nothing = mapping.nothing
        self._texts = {field for field in mapping.fields() if mapping.dtype(field) == pl.String}
        self._cells = [self._cell(column, cell).alias(column) for column, cell in mapping.cells.items()]
        self._time = _time(mapping).alias("time")
        uid, activity = _classes(mapping.classes)
        self._classes = [uid.alias("class_uid"), activity.alias("activity_id")]
        if "activity_id" in mapping.cells:
            self._classes = [uid.alias("class_uid"), pl.coalesce("activity_id", activity).cast(SCHEMA["activity_id"]).alias("activity_id")]

    def columns(self, fields: pl.DataFrame) -> pl.DataFrame:
        """The event columns of the mapping, `time` (null where there is none), class and activity."""
        return fields.with_columns(*self._cells, self._time).with_columns(self._classes)

    def _cell(self, column: str, cell: Cell) -> pl.Expr:
        dtype = SCHEMA[column]
        if cell.present is not None or cell.absent is not None:
            some = pl.any_horizontal(self._field(field).is_not_null() for field in cell.fields)
            return pl.when(some).then(pl.lit(cell.present, dtype=dtype)).otherwise(pl.lit(cell.absent, dtype=dtype))
        values = [self._value(field, cell, dtype) for field in cell.fields]
        return pl.coalesce(values) if len(values) > 1 else values[0]

    def _value(self, field: str, cell: Cell, dtype: pl.DataType) -> pl.Expr:
        if field.startswith("="):
            return pl.lit(field[1:]).cast(dtype)
        value = self._field(field)
        if cell.transform:
            value = TRANSFORMS[cell.transform](value.cast(pl.String))
        if cell.values:
            texts = value.cast(pl.String).str.to_lowercase()
            found = texts.replace_strict(dict(cell.values), default=None, return_dtype=dtype)
            return found if cell.default is None else pl.when(value.is_not_null()).then(found.fill_null(pl.lit(cell.default, dtype=dtype)))
        if cell.scale is not None:
            return (value.cast(pl.Float64, strict=False) * cell.scale).cast(dtype, strict=False)
        if dtype == pl.Boolean:
            return value.cast(pl.String).str.to_lowercase().replace_strict(_TRUE, default=None, return_dtype=pl.Boolean)
        return value.cast(dtype, strict=False) if dtype != pl.String or field not in self._texts else value

    def _field(self, field: str) -> pl.Expr:
        value = pl.col(f".{field}")
        return pl.when(~value.is_in(self._nothing)).then(value) if field in self._texts and self._nothing else value


def _time(mapping: Mapping) -> pl.Expr:
    found = [
        pl.col(f".{field}").str.to_datetime(mapping.time_format, time_unit="us", strict=False, ambiguous="null").cast(pl.Datetime("us"))
        .dt.replace_time_zone("UTC")
        if mapping.time_format and "%z" not in mapping.time_format
        else pl.col(f".{field}").str.to_datetime(mapping.time_format, time_unit="us", strict=False).dt.convert_time_zone("UTC")
        if mapping.time_format
        else times(pl.col(f".{field}"))
        for field in mapping.times
    ]  # fmt: skip
    return pl.coalesce(found).cast(TIME)


def times(value: pl.Expr) -> pl.Expr:
    """Times from text: ISO 8601, or a number of seconds, milli-, micro- or nanoseconds since 1970, told by its size; of the years 1970
    to 9999, null for anything else."""
    return value.map_batches(_times, return_dtype=TIME, is_elementwise=True)


def _times(value: pl.Series) -> pl.Series:
    frame = value.alias("t").to_frame()
    found = frame.select(instants(pl.col("t")))["t"]
    if found.null_count() > value.null_count():
        found = frame.select(pl.coalesce(pl.lit(found), _since_epoch(pl.col("t"))))["t"]
    past = found.to_physical()
    return found.set(((past < 0) | (past > 253_402_300_799_999_999)).fill_null(False), None).alias(value.name)


def _since_epoch(text: pl.Expr) -> pl.Expr:
    number = pl.when(text.str.contains(r"^[0-9]{1,19}(\.[0-9]+)?$")).then(text)
    whole, real = number.cast(pl.Int64, strict=False), number.cast(pl.Float64, strict=False)
    micros = (
        pl.when(real < 1e11).then((real * 1e6).round().cast(pl.Int64, strict=False))
        .when(real < 1e14).then((real * 1e3).round().cast(pl.Int64, strict=False))
        .when(real < 1e17).then(whole)
        .otherwise(whole // 1_000)
    )  # fmt: skip
    return micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _classes(classes: tuple[Class, ...]) -> tuple[pl.Expr, pl.Expr]:
    uid, activity = pl.lit(0, dtype=pl.Int32), pl.lit(0, dtype=pl.Int16)
    for kind in reversed(classes):
        here = pl.lit(kind.uid, dtype=pl.Int32)
        doing = verb(pl.col("op")) if kind.activity == VERB else pl.lit(kind.activity, dtype=pl.Int16)
        if not kind.when:
            uid, activity = here, doing
            continue
        holds = reduce(lambda a, b: a & b, (_matches(name, patterns) for name, patterns in kind.when))
        uid, activity = pl.when(holds).then(here).otherwise(uid), pl.when(holds).then(doing).otherwise(activity)
    return uid, activity


def _matches(name: str, patterns: tuple[str, ...]) -> pl.Expr:
    value = pl.col(name).cast(pl.String).str.to_lowercase().fill_null("")
    exact = [pattern.lower() for pattern in patterns if "*" not in pattern]
    wild = [".*".join(map(re.escape, pattern.lower().split("*"))) for pattern in patterns if "*" in pattern]
    parts = [value.is_in(exact)] if exact else []
    parts += [value.str.contains(rf"^(?s:{'|'.join(wild)})$")] if wild else []
    return reduce(lambda a, b: a | b, parts) if parts else pl.lit(False)


def verb(operation: pl.Expr) -> pl.Expr:
    """OCSF activity of an API operation by its name: 1 create, 2 read, 3 update, 4 delete, 99 other; the last word of it decides."""
    # GetUser, get_user, user.get, compute.instances.insert, MICROSOFT.COMPUTE/VIRTUALMACHINES/DELETE: the verb begins a word.
    return operation.map_batches(_verbs, return_dtype=pl.Int16, is_elementwise=True)


def _verbs(operations: pl.Series) -> pl.Series:
    names = operations.unique().drop_nulls()
    found = {name: _verb_of(name) for name in names}
    return operations.replace_strict(found, default=99, return_dtype=pl.Int16)


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ACTIVITY = {word: activity for activity, words in _VERBS.items() for word in words.split("|")}


def _verb_of(name: str) -> int:
    words = [word.lower() for word in _WORD.findall(name[:512])]
    known = [_ACTIVITY[word] for word in words if word in _ACTIVITY]
    if words and words[0] in _ACTIVITY:
        return _ACTIVITY[words[0]]
    return known[-1] if known else 99
