"""Lists of alerts as CSV, of whatever tool: recognised by a header that names a time, an alert and whom it is about.

Every row is a Detection Finding: `rule` is the alert's name, `host`, `src_ip`, `dst_ip` and `user` whom it is about (a bare `ip` is
`src_ip`). Columns that no event column stands for are kept in `ext`, labels of the truth among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from nonself.core.errors import RecordError
from nonself.core.events import empty
from nonself.core.schema import SCHEMA
from nonself.sources import cef_map, cef_time
from nonself.sources.contract import Chunk, DeadLetter, Input, Limits
from nonself.sources.csv_alerts_lines import Records, Shape, cells, records
from nonself.sources.csv_alerts_map import COLUMNS, MAP_VER, PRODUCTS, TELLING, WHERE, is_truth, plain
from nonself.sources.csv_cells import distinct, grid
from nonself.sources.lines import SAMPLE, head_lines
from nonself.sources.records import Table, clean, decode
from nonself.sources.weblog_text import ADDRESS, BAD_TIME, Raw, ext_of, located

_SEPARATORS = ",;\t|"
_MAX_COLUMNS = 1_000
_NO_VALUE = ("", "-", "N/A", "n/a", "null", "NULL", "None", "nan", "NaN")


@dataclass(frozen=True, slots=True)
class Header:
    """A header line: its bytes, the separator, the names as written (made distinct), and which cell holds which event column."""

    line: bytes
    separator: str
    names: tuple[str, ...]
    columns: dict[str, int]

    @staticmethod
    def of(line: bytes) -> Header | None:
        """The header of a list of alerts, or None where the line is none."""
        text = clean(decode(line))
        separator = max(_SEPARATORS, key=text.count)
        names = cells(text, separator) or []
        if not 3 <= len(names) <= _MAX_COLUMNS or text.startswith(("#", "{", "[", "<")):
            return None
        known = [plain(name) for name in names]
        columns = {
            column: known.index(name)
            for column, synonyms in COLUMNS.items()
            if (name := next((name for name in synonyms if name in known and not is_truth(name)), None))
        }
        told = not TELLING.isdisjoint(known) or ("host" in columns and "src_ip" in columns)
        if not told or not {"time", "rule"} <= columns.keys() or not any(column in columns for column in WHERE):
            return None
        return Header(line, separator, distinct(names), columns)


class CsvAlerts:
    """`op` is the rule's id, `log_provider` the tool (where a column or the alert's name says so), `score` a numeric severity or score."""

    name = "csv-alerts"
    title = "Alerts of any tool as CSV"
    formats = "header with time, alert and host, address or user; by comma, semicolon, tab or bar"
    classes = (2004,)

    def recognise(self, head: bytes, origin: str) -> bool:
        """A first line that is a header of alerts."""
        return _header(head) is not None

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract. The header, repeats of it and blank lines are no records."""
        header = _header(source_input.head)
        if header is None:
            return
        shape = Shape(header.separator, len(header.names), header.columns["time"])
        met = 0
        for block in records(source_input, limits, shape):
            chunk = _chunk(block, header, Table(self.name, source_input.origin, MAP_VER))
            met += chunk.records
            yield chunk
        if not met:
            letter = DeadLetter(source_input.origin, 0, "empty", "a header without records", source_input.head[:SAMPLE])
            yield Chunk(empty(), [letter], records=1)


def _header(head: bytes) -> Header | None:
    first = head_lines(head, 1)
    return Header.of(first[0]) if first else None


def _chunk(block: Records, header: Header, table: Table) -> Chunk:
    kept = [(number, line) for number, line in zip(block.numbers, block.lines, strict=True) if line.strip() != header.line]
    raw = Raw.of([number for number, _ in kept], [line for _, line in kept])
    table.dead += block.dead
    if raw.lines:
        found = _grid(raw, header)
        good = found.get_column("good")
        frame = _events(found.drop("good"), header)
        keep = good & frame.get_column("time").is_not_null()
        if not keep.all():
            problem = RecordError("csv-fields", f"expected {len(header.names)} cells, their quotes closed")
            for at in (~keep).arg_true().to_list():
                table.reject(raw.numbers[at], raw.lines[at], BAD_TIME if good[at] else problem)
            raw, frame = raw.only(keep), frame.filter(keep)
        table.numbers, table.raws = raw.numbers, raw.lines
        if raw.lines:
            table.columns = dict(frame.to_dict())
    table.dead.sort(key=lambda letter: letter.record)
    return table.chunk(block.bytes)


def _grid(raw: Raw, header: Header) -> pl.DataFrame:
    """The cells by header name, and `good`: whether a record has as many as the header. Only records with quotes are read one by one."""
    found, good = grid(raw.text, header.separator, len(header.names))
    stripped = pl.when(pl.all().is_in(_NO_VALUE, nulls_equal=False).not_()).then(pl.all().str.strip_chars()).name.keep()
    return found.with_columns(stripped).with_columns(good.alias("good"))


def _events(found: pl.DataFrame, header: Header) -> pl.DataFrame:
    """Event columns of cells."""
    cells_ = {column: found.to_series(at).alias(column) for column, at in header.columns.items()}
    used = set(header.columns.values())
    rest = [found.to_series(at).alias(name) for at, name in enumerate(header.names) if at not in used]
    frame = pl.DataFrame([*cells_.values()])
    stamp = cef_time.read(_stamp(found, header, cells_["time"]))
    ext = ext_of(pl.DataFrame(rest), frame.height)
    # Never null: a record could be written so that `raw` itself reads as JSON, which stands in for an `ext` that is null.
    return _mapped(frame.with_columns(stamp, ext.fill_null("{}").alias("ext")))


def _stamp(found: pl.DataFrame, header: Header, time: pl.Series) -> pl.Series:
    """The time's text; where date and clock are columns of their own, both."""
    known = [plain(name) for name in header.names]
    if "date" in known and "time" in known:
        date = found.to_series(known.index("date"))
        clocked = time.str.contains(r"^\d{1,2}:\d{2}").fill_null(False)
        return (date + " " + time).zip_with(clocked, time)
    return time


def _mapped(frame: pl.DataFrame) -> pl.DataFrame:
    names = set(frame.columns)
    exprs = [pl.lit(2004, dtype=pl.Int32).alias("class_uid"), pl.lit(1, dtype=pl.Int16).alias("activity_id")]
    if "log_provider" not in names:
        exprs.append(pl.col("rule").str.extract(PRODUCTS).alias("log_provider"))
    if "severity" in names:
        word = pl.col("severity").str.to_lowercase().str.replace(" ", "-")
        exprs.append(word.replace_strict(cef_map.SEVERITIES, default=None, return_dtype=pl.Int8).alias("severity_id"))
    score = [pl.col(name).cast(pl.Float64, strict=False) for name in ("score", "severity") if name in names]
    exprs += [pl.coalesce(score).alias("score")] if score else []
    if "tactics" in names:
        exprs.append(pl.col("tactics").str.extract_all(r"\b(?:T\d{4}(?:\.\d{3})?|TA\d{4})\b"))
    exprs += [pl.col(name).str.extract(rf"^\[?(?:::ffff:)?({ADDRESS})\]?$") for name in ("src_ip", "dst_ip") if name in names]
    exprs += [pl.col(name).cast(SCHEMA[name], strict=False) for name in ("src_port", "dst_port") if name in names]
    if "hash" in names:
        exprs.append(pl.col("hash").str.extract(r"([0-9A-Fa-f]{32,128})").str.to_lowercase())
    frame = frame.with_columns(exprs).drop("severity", strict=False)
    if "url_path" not in names:
        return frame
    return located(frame.with_columns(http_method=pl.lit(None, dtype=pl.String)))
