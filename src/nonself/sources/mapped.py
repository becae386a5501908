"""From the fields a mapping reads to event columns: expressions made once, run over whole chunks."""

from __future__ import annotations

import re
from itertools import repeat

import polars as pl

from nonself.core.schema import SCHEMA, TIME
from nonself.sources.mapping import VERB, Cell, Class, Mapping
from nonself.sources.records import instants_of
from nonself.sources.transforms import TRANSFORMS

_TRUE = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_LIST = pl.List(pl.String)
_LAST = 253_402_300_799_999_999  # microsecond of the year 9999
_VERBS = {
    1: "create|run|register|import|allocate|copy|generate|restore|issue|upload|insert|provision|new|add",
    2: "get|list|describe|head|lookup|search|select|scan|query|batchget|download|view|check|test|simulate|preview|read|access",
    3: "put|update|modify|set|attach|detach|associate|disassociate|enable|disable|start|stop|reboot|tag|untag|authorize|revoke|change|reset"
       "|send|invoke|replace|share|patch|edit|grant|assign|rotate|rename|move|suspend|unsuspend|activate|deactivate|write|approve",
    4: "delete|remove|terminate|deregister|purge|cancel|release|destroy|unregister|revert",
}  # fmt: skip
"""OCSF activity of API Activity, and the words operations begin with (or, in `a.b.delete` and `A_DELETE`, hold as a part)."""


class Expressions:
    """What turns a frame of fields (one column a field, its name with a leading dot) into event columns.

    Most fields are absent from most chunks, and of what is absent nothing is made: expressions are kept by which fields have values.
    """

    _KEPT = 256

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._dtypes = {field: mapping.dtype(field) for field in mapping.fields()}
        self._classify = Classifier(mapping.classes)
        self._told = "activity_id" in mapping.cells
        self._numbers = [int(text) for text in mapping.nothing if re.fullmatch(r"-?[0-9]{1,15}", text)]
        self._made: dict[tuple[frozenset[str], frozenset[str]], list[pl.Expr]] = {}

    def columns(self, fields: pl.DataFrame) -> pl.DataFrame:
        """The event columns of the mapping, `time` (null where there is none), class and activity, and all fields: those that aren't
        given are null."""
        columns = [self._something(column) for column in fields.get_columns()]
        given = frozenset(column.name[1:] for column in columns)
        present = frozenset(column.name[1:] for column in columns if column.null_count() < column.len())
        frame = pl.DataFrame(columns).with_columns(self._expressions(given, present))
        uid, activity, status = self._classify.columns(frame)
        found = frame.with_columns(uid, pl.coalesce("activity_id", activity).alias("activity_id") if self._told else activity)
        return found if status is None else found.with_columns(_status(found, status))

    def _expressions(self, given: frozenset[str], present: frozenset[str]) -> list[pl.Expr]:
        """What makes the event columns where some fields are given and some of these have values; and the other fields, which take no
        memory."""
        if (given, present) not in self._made:
            if len(self._made) > self._KEPT:  # whoever writes the log chooses what is present
                self._made.clear()
            cells = [self._cell(SCHEMA[column], cell, present).alias(column) for column, cell in self._mapping.cells.items()]
            others = [pl.lit(None, dtype).alias(f".{field}") for field, dtype in self._dtypes.items() if field not in given]
            self._made[given, present] = [*cells, _time(self._mapping, present).alias("time"), *others]
        return self._made[given, present]

    def _something(self, column: pl.Series) -> pl.Series:
        """A field without the texts, or the numbers they write, that mean that there is none."""
        if column.null_count() == column.len() or not (column.dtype == pl.String or column.dtype.is_integer()):
            return column
        for text in self._mapping.nothing if column.dtype == pl.String else self._numbers:
            nothing = column == text
            if nothing.any():
                column = column.set(nothing, None)
        return column

    def _cell(self, dtype: pl.DataType, cell: Cell, present: frozenset[str]) -> pl.Expr:
        fields = [field for field in cell.fields if field in present or field.startswith("=")]
        if not fields:
            return pl.lit(cell.absent, dtype=dtype)
        if not cell.values and (cell.present is not None or cell.absent is not None):
            some = pl.any_horizontal(self._field(field).is_not_null() for field in fields)
            return pl.when(some).then(pl.lit(cell.present, dtype=dtype)).otherwise(pl.lit(cell.absent, dtype=dtype))
        values = [self._value(field, cell, dtype) for field in fields]
        found = values[0] if len(values) == 1 else _joined(values) if dtype == _LIST else pl.coalesce(values)
        return found if cell.absent is None else found.fill_null(pl.lit(cell.absent, dtype=dtype))

    def _value(self, field: str, cell: Cell, dtype: pl.DataType) -> pl.Expr:
        if field.startswith("="):
            return pl.lit(_TRUE.get(field[1:].lower()) if dtype == pl.Boolean else field[1:]).cast(dtype)
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
        return value.cast(dtype, strict=False) if dtype != pl.String or self._dtypes.get(field) != pl.String else value

    def _field(self, field: str) -> pl.Expr:
        return pl.col(f".{field}")


def _joined(lists: list[pl.Expr]) -> pl.Expr:
    """All that any of some lists has."""
    found = pl.concat_list(one.fill_null(pl.lit([], dtype=_LIST)) for one in lists)
    return pl.when(found.list.len() > 0).then(found)


def _status(frame: pl.DataFrame, stated: pl.Series) -> pl.Series:
    """The outcomes that classes state, elsewhere what the records say."""
    own = frame["status_id"] if "status_id" in frame.columns else pl.Series("status_id", [None], dtype=SCHEMA["status_id"])
    return pl.select(pl.when(stated > 0).then(stated).otherwise(own).alias("status_id")).to_series()


def _time(mapping: Mapping, present: frozenset[str]) -> pl.Expr:
    found = [
        pl.col(f".{field}").str.to_datetime(mapping.time_format, time_unit="us", strict=False, ambiguous="null").cast(pl.Datetime("us"))
        .dt.replace_time_zone("UTC")
        if mapping.time_format and "%z" not in mapping.time_format
        else pl.col(f".{field}").str.to_datetime(mapping.time_format, time_unit="us", strict=False).dt.convert_time_zone("UTC")
        if mapping.time_format
        else times(pl.col(f".{field}"))
        for field in mapping.times
        if field in present
    ]  # fmt: skip
    return pl.coalesce(found).cast(TIME) if found else pl.lit(None, dtype=TIME)


def times(value: pl.Expr) -> pl.Expr:
    """`times_of` as an expression."""
    return value.map_batches(times_of, return_dtype=TIME, is_elementwise=True)


def times_of(value: pl.Series) -> pl.Series:
    """Times from text: ISO 8601, or a number of seconds, milli-, micro- or nanoseconds since 1970, told by its size; of the years 1970
    to 9999, null for anything else."""
    if value.null_count() == value.len():
        return pl.Series(value.name, [None], dtype=TIME).new_from_index(0, value.len())
    found = instants_of(value)
    if found.null_count() > value.null_count():
        found = value.alias("t").to_frame().select(pl.coalesce(pl.lit(found), _since_epoch(pl.col("t")))).to_series()
    past = found.to_physical()
    if not all(0 <= end <= _LAST for end in (past.min(), past.max()) if isinstance(end, int)):
        found = found.set(((past < 0) | (past > _LAST)).fill_null(False), None)
    return found.alias(value.name)


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


class Classifier:
    """OCSF class and activity of operations. They are few, so what each is, is worked out once and kept; at most `_KEPT` of them, since
    whoever writes the log names them."""

    _KEPT = 65_536

    def __init__(self, classes: tuple[Class, ...]) -> None:
        self._classes = [(kind, [(name, patterns(texts)) for name, texts in kind.when]) for kind in classes]
        fields = [f".{field}" for kind in classes if kind.by for field in kind.by.fields]
        self._asked = list(dict.fromkeys(["op", *(name for kind in classes for name, _ in kind.when), *fields]))
        self._known: dict[tuple[str | None, ...], tuple[int, int, int]] = {}
        self._judges = any(kind.status for kind in classes)

    def columns(self, frame: pl.DataFrame) -> tuple[pl.Series, pl.Series, pl.Series | None]:
        """class_uid and activity_id of each row of a frame with event columns and fields; and the status_id that the class states, 0 where
        it states none, where any class does."""
        if len(self._known) > self._KEPT:
            self._known.clear()
        said = [name for name in self._asked if name in frame.columns and frame[name].null_count() < frame.height]
        if not said:
            return self._told([(None,) * len(self._asked)], frame.height)
        keys = frame.select(pl.col(said).cast(pl.String))
        distinct = keys.unique()
        texts = [distinct[name] if name in said else repeat(None) for name in self._asked]
        found = self._told(list(zip(*texts, strict=False)), 1)
        rows = keys.join(
            distinct.hstack([column for column in found if column is not None]),
            on=said,
            how="left",
            nulls_equal=True,
            maintain_order="left",
        )
        return rows["class_uid"], rows["activity_id"], rows["stated"] if self._judges else None

    def _told(self, keys: list[tuple[str | None, ...]], times: int) -> tuple[pl.Series, pl.Series, pl.Series | None]:
        """Class, activity and status of keys, all of them so many times."""
        uids, activities, states = zip(*(self._known.get(key) or self._class(key) for key in keys), strict=True)
        return (
            pl.Series("class_uid", uids * times, dtype=SCHEMA["class_uid"]),
            pl.Series("activity_id", activities * times, dtype=SCHEMA["activity_id"]),
            pl.Series("stated", states * times, dtype=SCHEMA["status_id"]) if self._judges else None,
        )

    def _class(self, key: tuple[str | None, ...]) -> tuple[int, int, int]:
        told = dict(zip(self._asked, (value or "" for value in key), strict=True))
        for kind, conditions in self._classes:
            if all(pattern.fullmatch(told[name]) for name, pattern in conditions):
                found = kind.uid, _activity(kind, told), kind.status
                break
        else:
            found = 0, 0, 0
        self._known[key] = found
        return found


def _activity(kind: Class, told: dict[str, str]) -> int:
    """The activity of a class by the operation, or by the fields it asks for."""
    if kind.by is None:
        return verb(told["op"]) if kind.activity == VERB else kind.activity
    text = next((told[f".{field}"] for field in kind.by.fields if told[f".{field}"]), "")
    found: int = dict(kind.by.values).get(text.lower(), kind.activity)
    return found


def patterns(texts: tuple[str, ...]) -> re.Pattern[str]:
    """One of some texts, in any letter case; `*` stands for anything."""
    return re.compile("|".join(f"(?:{'.*'.join(map(re.escape, text.split('*')))})" for text in texts), re.IGNORECASE | re.DOTALL)


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ACTIVITY = {word: activity for activity, words in _VERBS.items() for word in words.split("|")}


def verb(name: str) -> int:
    """OCSF activity of an API operation by its name: 1 create, 2 read, 3 update, 4 delete, 99 other. The first word of its last part
    decides (GetUser, access_request.create), else that of the whole, else the last that is a verb (VIRTUALMACHINES/DELETE)."""
    last = re.split("[./]", name[:512])[-1]
    words = [[_stem(word.lower()) for word in _WORD.findall(text)] for text in (last, name[:512])]
    firsts = (_ACTIVITY[some[0]] for some in words if some and some[0] in _ACTIVITY)
    known = [_ACTIVITY[word] for word in words[1] if word in _ACTIVITY]
    return next(firsts, known[-1] if known else 99)


def _stem(word: str) -> str:
    """A verb without the ending of the past: created, downloaded."""
    return next((stem for stem in (word, word[:-1], word[:-2]) if stem in _ACTIVITY), word) if word.endswith("ed") else word
