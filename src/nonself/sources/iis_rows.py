"""Rows of W3C extended logs to event columns, by column."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

import polars as pl

from nonself.core import time
from nonself.core.errors import RecordError
from nonself.core.schema import SCHEMA
from nonself.sources.iis_map import CLOCK, COLUMNS, DIRECTIONS, NUMBERS, STAND_INS
from nonself.sources.lines import Block
from nonself.sources.records import Table, clean, decode
from nonself.sources.weblog_text import BAD_TIME, Raw, ext_of, http_events, located, said, stem, unquoted

_MAX_FIELDS, _MAX_NAME = 1_000, 128
_MAX_HEADERS = 32
"""Different headers honoured in one chunk: a group of records costs milliseconds, however few they are."""
_ROW = " row"
_UNUSUAL = re.compile(r"[^A-Za-z0-9_.()#@-]")
_VALUE = r'"[^"]*"|[^ ]+'
_FTP = {"STOR": 1, "STOU": 1, "APPE": 1, "RETR": 2, "DELE": 4, "RNTO": 5, "LIST": 6, "NLST": 6}
_ALLOWED, _REFUSED = ("ALLOW", "OPEN", "OPEN-INBOUND"), ("DROP",)


@dataclass(frozen=True, slots=True)
class Header:
    """What the `#` lines said so far; `date` is that of the last `#Date` line."""

    separator: str = " "
    fields: tuple[str, ...] = ()
    date: str = ""

    @property
    def channel(self) -> str | None:
        """Which web log it is, told by the fields that only one kind has."""
        kinds = {"httperr": "s-reason", "proxy": "s-action", "ftp": "x-session", "iis": "cs-method"}
        return next((kind for kind, field in kinds.items() if field in self.fields), None)

    @property
    def encoded(self) -> bool:
        """Whether values are percent-encoded, and times in seconds (CloudFront)."""
        return self.separator == "\t"

    def after(self, line: bytes) -> Header:
        """The header with this `#` line added."""
        name, _, value = clean(decode(line)).lstrip("#").partition(":")
        value = value.strip()
        if name.strip().lower() == "fields":
            return replace(self, fields=_named(value.split()))
        return replace(self, date=value[:10]) if name.strip().lower() == "date" else self

    def settled(self) -> Header:
        """What rows depend on: their own date counts for more than that of a `#Date` line."""
        return replace(self, date="") if "date" in self.fields else self


def _named(names: list[str]) -> tuple[str, ...]:
    """Fields as named. Only plain characters stay: others mean something to JSON or to polars. The second of two alike gets a number."""
    seen: dict[str, None] = {}
    for at, name in enumerate(names):
        plain = _UNUSUAL.sub("_", name[:_MAX_NAME])
        seen[plain if plain not in seen else f"{plain}#{at}"] = None
    return tuple(seen)


def read_block(block: Block, header: Header, table: Table) -> Header:
    """Add a block's records to `table`; returns the header that holds after it.

    Records are read together by header, wherever they stand: IIS writes the same one again and again.
    """
    groups: dict[Header, list[tuple[int, bytes]]] = {}
    its = header.settled()
    for number, line in enumerate(block.lines, block.first):
        if line[:1] == b"#":
            header = header.after(line)
            its = header.settled()
        elif line and not line.isspace():
            groups.setdefault(its, []).append((number, line))
    good: list[int] = []
    frames: list[pl.DataFrame] = []
    for at, (its, numbered) in enumerate(groups.items()):
        raw = Raw.of([number for number, _ in numbered], [line for _, line in numbered])
        found, numbers = _group(raw, its, table, known=at < _MAX_HEADERS)
        good += numbers
        frames += found
    _add(block, good, frames, table)
    return header


def _add(block: Block, good: list[int], frames: list[pl.DataFrame], table: Table) -> None:
    """The rows of all groups, in the file's order."""
    table.dead.sort(key=lambda letter: letter.record)
    if not frames:
        return
    whole = frames[0]
    if len(frames) > 1:
        order = pl.Series(good, dtype=pl.Int64).arg_sort()
        whole, good = pl.concat(frames, how="diagonal")[order], sorted(good)
    table.numbers, table.raws = list(good), [block.lines[number - block.first] for number in good]
    table.columns = dict(whole.to_dict())


def _group(raw: Raw, header: Header, table: Table, *, known: bool) -> tuple[list[pl.DataFrame], list[int]]:
    """The events of records under one header, and their numbers."""
    width = len(header.fields)
    if not 0 < width <= _MAX_FIELDS or not known:
        detail = f"expected at most {_MAX_HEADERS} headers in one chunk, each a #Fields line of 1 to {_MAX_FIELDS} names, got {width} names"
        _reject(raw, pl.Series([True]).new_from_index(0, len(raw.lines)), RecordError("w3c-header", detail), table)
        return [], []
    cells = _cells(raw.text, header, width)
    good = cells.to_series(width - 1).is_not_null() & cells.to_series(width).is_null()
    frame = _events(cells.drop(cells.columns[width]), header)
    keep = good & frame.get_column("time").is_not_null()
    if keep.all():
        return [frame], raw.numbers
    _reject(raw, ~good, RecordError("w3c-fields", f"expected {width} fields"), table)
    _reject(raw, good & ~keep, BAD_TIME, table)
    return [frame.filter(keep)], raw.only(keep).numbers


def _reject(raw: Raw, where: pl.Series, problem: RecordError, table: Table) -> None:
    for at in where.arg_true().to_list():
        table.reject(raw.numbers[at], raw.lines[at], problem)


def _cells(text: pl.Series, header: Header, width: int) -> pl.DataFrame:
    """The cells of each line: field_0 ... field_<width>, where the last is null unless there are too many.

    Only where the count is wrong, quotes are taken for quotes (Blue Coat writes them): IIS does not quote, and lets pass what clients send.
    """
    cells = text.str.split_exact(header.separator, width).struct.unnest()
    wrong = cells.to_series(width - 1).is_null() | cells.to_series(width).is_not_null()
    quoted = wrong & text.str.contains('"', literal=True)
    if header.separator != " " or not quoted.any():
        return cells
    names = cells.columns
    again = text.filter(quoted).str.extract_all(_VALUE).list.to_struct(fields=names).struct.unnest()
    again = again.select(pl.col(names).str.strip_prefix('"').str.strip_suffix('"'))
    both = pl.concat([cells.with_row_index("at").filter(~quoted), again.with_columns(at=quoted.arg_true()).select("at", *names)])
    return both.sort("at").drop("at")


def _events(cells: pl.DataFrame, header: Header) -> pl.DataFrame:
    """Event columns of cells; `time` null where it is none."""
    native = cells.rename(dict(zip(cells.columns, header.fields, strict=True))).with_columns(said(name) for name in header.fields)
    # The first cell comes along for its height: of literals alone polars makes one row.
    found = native.select(pl.nth(0).alias(_ROW), *_plan(header.fields), _when(header).alias("time"))
    if header.encoded:
        found = found.with_columns(unquoted(column) for column in found if column.name in ("user_agent", "stem", "search"))
    rest = [name for name in header.fields if name not in _taken() and name not in CLOCK]
    found = found.with_columns(time.iso("time"), *_derived(set(found.columns), header))
    if "http_method" in found.columns:
        found = found.with_columns(channel=pl.lit(None if header.encoded else header.channel, dtype=pl.String))
        found = http_events(located(found))
        members = native.select(found.select(stem().alias("cs-uri-stem")).to_series(), *rest)
        found = _transfers(found) if header.channel == "ftp" else found
    else:
        members = native.select(rest)
    found = found.drop(_ROW, *STAND_INS, strict=False).with_columns(ext=ext_of(members, found.height))
    return found.with_columns(pl.col(name).cast(SCHEMA[name], strict=False) for name in found.columns if found.schema[name] != SCHEMA[name])


def _transfers(found: pl.DataFrame) -> pl.DataFrame:
    """What IIS's FTP service logs: `op` is the command; a PASS is a logon, as the server's reply to it says."""
    path, logon = pl.col("url_path"), pl.col("op") == "PASS"
    activity = pl.col("op").replace_strict(_FTP, default=99, return_dtype=SCHEMA["activity_id"])
    return found.with_columns(
        class_uid=pl.when(logon).then(3002).otherwise(4008).cast(SCHEMA["class_uid"]), app_proto=pl.lit("ftp"),
        activity_id=pl.when(logon).then(1).otherwise(activity).cast(SCHEMA["activity_id"]),
        file_path=pl.when(pl.col("op").is_in(list(_FTP))).then(path),
    ).drop("http_method", "http_status", "url_host", "url_path")  # fmt: skip


@lru_cache(maxsize=1)
def _taken() -> frozenset[str]:
    return frozenset(name for names in COLUMNS.values() for name in names)


@lru_cache(maxsize=256)
def _plan(fields: tuple[str, ...]) -> tuple[pl.Expr, ...]:
    """The columns and stand-ins that a log with these fields has."""
    held = {column: [name for name in names if name in fields] for column, names in COLUMNS.items()}
    chosen = {column: pl.coalesce(names) for column, names in held.items() if names}
    return tuple(
        (value.cast(SCHEMA[column], strict=False) if column in NUMBERS else value).alias(column) for column, value in chosen.items()
    )


def _when(header: Header) -> pl.Expr:
    """Date and time as text; where rows have no date of their own the `#Date` line's holds."""
    if "date-time" in header.fields:
        return pl.col("date-time")
    date = pl.col("date") if "date" in header.fields else pl.lit(header.date)
    return pl.concat_str(date, pl.lit(" "), pl.col("time")) if "time" in header.fields else pl.lit(None, dtype=pl.String)


def _derived(names: set[str], header: Header) -> list[pl.Expr]:
    """What the stand-ins give, and what every row of a log has."""
    exprs: list[pl.Expr] = []
    if "account" in names:
        account = pl.col("account")
        exprs += [account.str.extract(r"([^\\]*)$").alias("user"), account.str.extract(r"^([^\\]*)\\").alias("user_domain")]
    if "stem" in names or "uri" in names:
        query = pl.concat_str(pl.lit("?"), pl.col("search").str.strip_prefix("?")).fill_null("") if "search" in names else pl.lit("")
        whole = [pl.col("stem") + query] if "stem" in names else []
        exprs.append(pl.coalesce(*whole, *(["uri"] if "uri" in names else [])).alias("url_path"))
    if "user_agent" in names and not header.encoded:
        exprs.append(pl.col("user_agent").str.replace_all("+", " ", literal=True))
    if "taken" in names:
        factor = 1e6 if header.encoded else 1e3
        exprs.append((pl.col("taken").cast(pl.Float64, strict=False) * factor).round().cast(pl.Int64, strict=False).alias("duration_us"))
    if "url_host" in names:
        exprs.append(pl.col("url_host").str.replace(r":\d+$", ""))
    if "http_method" in names:
        exprs += [] if "http_status" in names else [pl.lit(None, dtype=pl.String).alias("http_status")]
        exprs += [] if {"stem", "uri"} & names else [pl.lit(None, dtype=pl.String).alias("url_path")]
    else:
        exprs += _connection(names)
    return exprs


def _connection(names: set[str]) -> list[pl.Expr]:
    """A connection that a firewall let pass or dropped."""
    action = pl.col("action") if "action" in names else pl.lit(None, dtype=pl.String)
    done = pl.when(action.is_in(_ALLOWED)).then(1).when(action.is_in(_REFUSED)).then(2).cast(pl.Int8)
    activity = pl.when(action.is_in(_REFUSED)).then(5).when(action.is_in(_ALLOWED)).then(1).when(action == "CLOSE").then(2).otherwise(6)
    exprs = [done.alias("status_id"), activity.cast(pl.Int16).alias("activity_id"), action.alias("op"), action.alias("status_code")]
    exprs += [pl.col("proto").str.to_lowercase()] if "proto" in names else []
    if "path" in names:
        exprs.append(pl.col("path").replace_strict(DIRECTIONS, default=None, return_dtype=SCHEMA["direction_id"]).alias("direction_id"))
    return [*exprs, pl.lit(4001, dtype=pl.Int32).alias("class_uid")]
