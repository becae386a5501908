"""From parsed records to a `Chunk`: decode JSON safely, collect values by column, give every row its name, number and origin."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import polars as pl

from nonself.core import events
from nonself.core.errors import RecordError
from nonself.core.schema import SCHEMA
from nonself.sources import stamps
from nonself.sources.contract import Chunk, DeadLetter, Limits
from nonself.sources.lines import SAMPLE

Record = dict[str, Any]
BATCH = 1_024
"""So many decoded records become columns at a time: their texts are still in the processor's cache when they are copied."""
_MAX_DIGITS = 4_300  # Python refuses to read longer integers, and no log means them
_FORMAT = "%Y-%m-%d %H:%M:%S"


@dataclass(slots=True)
class Table:
    """Rows in the making. `raws[i]`, `numbers[i]` and entry i of every list in `columns` are one row.

    columns  event columns by name: a list of Python values or a polars Series, one entry a row. Values that don't fit the column's
             type become null; strings given for numbers are read as decimal numbers. uid, source, origin, record, map_ver and, where
             it is not given, raw are filled by `chunk`.
    binary   `raws` as a column, where a reader has made it
    """

    source: str
    origin: str
    map_ver: int
    raws: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    columns: dict[str, Sequence[Any] | pl.Series] = field(default_factory=dict)
    dead: list[DeadLetter] = field(default_factory=list)
    binary: pl.Series | None = None

    def add(self, number: int, raw: bytes) -> None:
        """One good record: its number in the file and its bytes."""
        self.numbers.append(number)
        self.raws.append(raw)

    def reject(self, number: int, raw: bytes, error: RecordError) -> None:
        """One bad record: kept as a dead letter, counted by `error.reason`."""
        self.dead.append(DeadLetter(self.origin, number, error.reason, error.detail, raw[:SAMPLE]))

    def put(self, column: str, rows: Sequence[int], values: Sequence[Any]) -> None:
        """Set `column` of the given rows (indices into `raws`, of rows already added); rows never set are null."""
        cells = self.columns.setdefault(column, [])
        assert isinstance(cells, list)
        cells.extend([None] * (len(self.raws) - len(cells)))
        if isinstance(rows, range):
            cells[rows.start : rows.stop] = values
            return
        for row, value in zip(rows, values, strict=True):
            cells[row] = value

    def pad(self) -> None:
        """Bring every column set by `put` to the number of rows."""
        for cells in self.columns.values():
            if isinstance(cells, list):
                cells.extend([None] * (len(self.raws) - len(cells)))

    def chunk(self, nbytes: int) -> Chunk:
        """The chunk of all rows and dead letters; `nbytes` decompressed bytes were consumed for it."""
        return Chunk(self._events(), self.dead, records=len(self.raws) + len(self.dead), bytes=nbytes)

    def _events(self) -> events.Events:
        if not self.raws:
            return events.empty()
        self.pad()
        series = [column(name, values) for name, values in self.columns.items()]
        raws = pl.Series("raw", self.raws, dtype=pl.Binary) if self.binary is None else self.binary
        series.append(events.uids(self.source, raws))
        series.append(pl.Series("record", self.numbers, dtype=pl.Int64))
        if "raw" not in self.columns:
            series.append(text_of(raws))
        for name, value in (("source", self.source), ("origin", clean(self.origin)), ("map_ver", self.map_ver)):
            series.append(pl.Series(name, [value], dtype=SCHEMA[name]).new_from_index(0, len(self.raws)))
        return events.conform(pl.DataFrame(series))


def column(name: str, values: Sequence[Any] | pl.Series) -> pl.Series:
    """One event column from values of any JSON type: what doesn't fit the declared type becomes null, and only that."""
    if isinstance(values, pl.Series):
        return values if values.name == name else values.alias(name)
    try:
        return pl.Series(name, values, dtype=SCHEMA[name], strict=False)
    except UnicodeEncodeError:  # lone surrogates: not text that Arrow can hold
        return pl.Series(name, [scrub(value) for value in values], dtype=SCHEMA[name], strict=False)


def texts(name: str, values: Sequence[bytes | None]) -> pl.Series:
    """Bytes as a column of text; what isn't UTF-8 becomes U+FFFD."""
    # Arrow checks and takes over a column of bytes at a quarter of the cost of as many Python strings.
    return text_of(pl.Series(name, values, dtype=pl.Binary))


def text_of(values: pl.Series) -> pl.Series:
    """`texts` of a column of bytes."""
    try:
        return values.cast(pl.String)
    except pl.exceptions.PolarsError:  # some are not UTF-8
        return pl.Series(values.name, [None if value is None else decode(value) for value in values], dtype=pl.String)


def joined(pieces: Sequence[tuple[int, pl.Series]], height: int) -> pl.Series:
    """A column of its pieces, each with the row where it begins, and of nulls between them; at least one piece."""
    first = pieces[0][1]
    nothing = pl.Series(first.name, [None], dtype=first.dtype)
    parts: list[pl.Series] = []
    row = 0
    for start, piece in [*pieces, (height, None)]:
        if start > row:
            parts.append(nothing.new_from_index(0, start - row))  # a tenth of what `clear` takes
        if piece is not None:
            parts.append(piece)
            row = start + len(piece)
    return pl.concat(parts, rechunk=True) if len(parts) > 1 else parts[0]


def load_json(line: bytes, limits: Limits) -> Record:
    """One JSON object. Raises RecordError "json-syntax", "json-depth" or "not-an-object".

    What orjson refuses but a responder wants is kept: bytes that aren't UTF-8 and lone surrogates become U+FFFD; NaN, infinities and
    numbers beyond a double become null; control characters within strings are let be. Of equal keys the last one stands.
    """
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        value = _load_tolerant(line, limits)
    if not isinstance(value, dict):
        raise RecordError("not-an-object", f"expected a JSON object, got {type(value).__name__}")
    if line.count(b"{") + line.count(b"[") > limits.json_depth:
        _check_depth(value, limits)
    return value


def dump_json(record: Mapping[str, Any]) -> str:
    """A record as compact JSON text, for the `ext` column. NaN and infinities become null."""
    return orjson.dumps(record).decode()


def decode(raw: bytes) -> str:
    """Bytes as text; what isn't UTF-8 becomes U+FFFD."""
    return raw.decode("utf-8", "replace")


def clean(text: str) -> str:
    """Text without lone surrogates (they become U+FFFD), as Arrow and JSON need it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def scrub(value: Any) -> Any:
    """A JSON value with `clean` strings and keys all through."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): scrub(item) for key, item in value.items()}
    if isinstance(value, list):
        return [scrub(item) for item in value]
    return value


def instants_of(value: pl.Series) -> pl.Series:
    """Times from text: `2026-01-31[T ]12:00:00[.123456789][Z|+01:00|+0100]` or `/Date(ms)/`; null for anything else.

    A time without zone is taken as UTC; digits beyond microseconds are cut.
    """
    times = stamps.read(value)
    if times.null_count() > value.null_count():  # the forms that are rare cost more
        text = value.alias("t").to_frame().select(pl.col("t").str.replace("T", " ", literal=True).str.strip_suffix("Z"))
        times = text.select(pl.coalesce(times.alias("found"), _zoned(pl.col("t")).dt.replace_time_zone("UTC")))["found"]
    return times.alias(value.name)


def _zoned(text: pl.Expr) -> pl.Expr:
    tail = text.str.slice(19)
    seconds = text.str.slice(0, 19).str.to_datetime(_FORMAT, time_unit="us", strict=False)
    micros = tail.str.extract("^[.,]([0-9]{1,6})").str.pad_end(6, "0").cast(pl.Int64, strict=False).fill_null(0)
    zone = tail.str.extract("([+-][0-9]{2}:?[0-9]{2}) *$").str.replace(":", "", literal=True)
    minutes = zone.str.slice(1, 2).cast(pl.Int64, strict=False) * 60 + zone.str.slice(3, 2).cast(pl.Int64, strict=False)
    ahead = pl.when(zone.str.starts_with("-")).then(-minutes).otherwise(minutes).fill_null(0)
    written = seconds + pl.duration(microseconds=micros - ahead * 60_000_000)
    since_epoch = text.str.extract(r"^/Date\((-?[0-9]{1,15})").cast(pl.Int64, strict=False) * 1_000
    return pl.coalesce(written, since_epoch.cast(pl.Datetime("us")))


def _load_tolerant(line: bytes, limits: Limits) -> Any:
    decoder = json.JSONDecoder(strict=False, parse_constant=lambda _: None, parse_int=_integer, parse_float=_real)
    try:
        value = decoder.decode(decode(line))
    except RecursionError:
        raise RecordError("json-depth", f"expected at most {limits.json_depth} levels") from None
    except ValueError as error:
        raise RecordError("json-syntax", str(error)) from None
    _check_depth(value, limits)
    return scrub(value)


def _integer(digits: str) -> int | float | None:
    if len(digits) > _MAX_DIGITS:
        return None
    value = int(digits)
    return value if -(2**63) <= value < 2**64 else _real(digits)


def _real(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def _check_depth(value: Any, limits: Limits) -> None:
    level = [value]
    for _ in range(limits.json_depth):
        level = [item for node in level if isinstance(node, dict | list) for item in (node.values() if isinstance(node, dict) else node)]
        if not level:
            return
    if any(isinstance(node, dict | list) for node in level):
        raise RecordError("json-depth", f"expected at most {limits.json_depth} levels")
