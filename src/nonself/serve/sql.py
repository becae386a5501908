"""`nonself sql`: one SELECT over the lake, by DuckDB, locked down: nothing is written, no other file is opened, no extension comes in.

Views: `events` (the event schema, `time` in UTC), `findings`, `incidents`, `inputs`, `dead`. Event files are read where they lie; the
rest is written as Parquet to a temporary folder, since DuckDB takes polars frames only by way of pyarrow.
"""

from __future__ import annotations

import argparse
import csv
import difflib
import re
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import msgspec
import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nonself.core import safe
from nonself.core.errors import NonselfError
from nonself.core.schema import SCHEMA, TIME
from nonself.core.settings import Config
from nonself.ledger import Ledger
from nonself.serve.run import state_dir

VIEWS = ("events", "findings", "incidents", "inputs", "dead")
_FINDINGS = {
    "id": pl.String(), "detector": pl.String(), "title": pl.String(), "entity": pl.String(), "entities": pl.List(pl.String()),
    "start": TIME, "end": TIME, "score": pl.Float64(), "p": pl.Float64(), "n": pl.Int64(), "bits": pl.Float64(), "reasons": pl.String(),
    "events": pl.List(pl.String()), "n_events": pl.Int64(), "attack": pl.List(pl.String()), "tactics": pl.List(pl.String()),
    "level": pl.String(), "author": pl.String(), "reference": pl.String(),
}  # fmt: skip
_INCIDENTS = {
    "id": pl.String(), "title": pl.String(), "bits": pl.Float64(), "start": TIME, "end": TIME, "entities": pl.List(pl.String()),
    "stages": pl.String(), "findings": pl.List(pl.String()), "edges": pl.String(), "n_events": pl.Int64(), "state": pl.String(),
    "shown": pl.Boolean(), "raised": TIME, "changed": TIME, "essence": pl.List(pl.String()), "roles": pl.String(),
    "merged": pl.List(pl.String()), "rank": pl.Float64(), "why": pl.String(), "rate": pl.Float64(),
    "caveat": pl.String(),
}  # fmt: skip
_AT_ONCE = 1_024
_WIDEST = 300


class QueryError(NonselfError):
    """The query can't be run as it stands."""


def run(arguments: argparse.Namespace, config: Config) -> int:
    """`nonself sql QUERY`."""
    form = arguments.form or ("table" if sys.stdout.isatty() else "json")
    with Ledger.open(state_dir(config), read_only=True) as ledger, lake(ledger, arguments.memory) as connection:
        names, rows = query(connection, arguments.query, seconds=arguments.seconds)
        _SHOW[form](names, rows, arguments.top)
    return 0


@contextmanager
def lake(ledger: Ledger, memory_mb: int = 2_048) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection with the views of a ledger, and no way out of them: the configuration is locked."""
    with tempfile.TemporaryDirectory(prefix="nonself-sql-") as name:
        folder, files = Path(name), [str(path.absolute()) for path in ledger.event_files()]
        frames = _frames(ledger)
        for view, frame in frames.items():
            frame.write_parquet(folder / view)
        allowed = [*files, *(str(folder / view) for view in frames)]
        connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
        try:
            for view in VIEWS:
                listed = [str(folder / view), *(files if view == "events" else [])]
                times = ", ".join(f'"{n}" AT TIME ZONE \'UTC\' AS "{n}"' for n, dtype in frames[view].schema.items() if dtype == TIME)
                replaced = f" REPLACE ({times})" if times else ""
                source = f"read_parquet({_texts(listed)}, union_by_name=true, hive_partitioning=false)"
                connection.execute(f"CREATE VIEW {view} AS SELECT *{replaced} FROM {source}")
            for setting in (
                f"memory_limit='{int(memory_mb)}MB'", f"temp_directory='{folder / 'spill'}'", "max_temp_directory_size='4GB'",
                f"allowed_paths={_texts(allowed)}", f"allowed_directories={_texts([str(folder / 'spill')])}", "TimeZone='UTC'",
                "enable_external_access=false", "allow_community_extensions=false", "lock_configuration=true",
            ):  # fmt: skip
                connection.execute(f"SET {setting}")
            yield connection
        finally:
            connection.close()


def query(connection: duckdb.DuckDBPyConnection, sql: str, *, seconds: float = 60) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    """Column names and rows of one SELECT. QueryError for anything else, for what DuckDB refuses, and past the time limit."""
    timer = threading.Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        with _teaching(connection, seconds):
            _only_select(connection, sql)
            connection.execute(sql)
            names = [column[0] for column in connection.description or ()]
        return names, _rows(connection, timer, seconds)
    except QueryError:
        timer.cancel()
        raise


def _rows(connection: duckdb.DuckDBPyConnection, timer: threading.Timer, seconds: float) -> Iterator[tuple[Any, ...]]:
    try:
        while True:
            with _teaching(connection, seconds):
                rows = connection.fetchmany(_AT_ONCE)
            if not rows:
                return
            yield from rows
    finally:
        timer.cancel()


def _only_select(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    statements = connection.extract_statements(sql)
    kinds = [str(statement.type).rpartition(".")[2] for statement in statements]
    if kinds != ["SELECT"]:
        raise QueryError(
            expected="one SELECT (or DESCRIBE, SHOW TABLES, SUMMARIZE)", got=", ".join(kinds) or "nothing",
            do="the lake is read-only here: nothing is inserted, copied, attached, set or loaded",
        )  # fmt: skip


@contextmanager
def _teaching(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    try:
        yield
    except duckdb.InterruptException as error:
        raise QueryError(
            f"the query took more than {seconds:g} s", do="narrow it (a WHERE on time), or give it more with --seconds"
        ) from error
    except duckdb.OutOfMemoryException as error:
        raise QueryError("the query needs more memory than it may", do="narrow it, or give it more with --memory") from error
    except duckdb.Error as error:
        if "pytz" in str(error):  # DuckDB makes times with a zone by that package alone
            raise QueryError("the result holds times with a zone", do="cast them: (...)::TIMESTAMP") from error
        raise QueryError(str(error).partition("\n\n")[0].replace("\n", " "), do=_advice(connection, str(error))) from error
    except RuntimeError as error:  # bytes that are no text, values beyond Python's
        raise QueryError(f"the result can't be read: {error}") from error


def _advice(connection: duckdb.DuckDBPyConnection, message: str) -> str:
    """Names near the one that is not there."""
    if "PermissionException" in message or "disabled by configuration" in message:
        return f"only the views can be read: {', '.join(VIEWS)}"
    if unknown := re.search(r'column (?:named )?"([^"]+)"', message):
        named = connection.execute(
            "SELECT DISTINCT column_name FROM duckdb_columns() WHERE schema_name = 'main' AND NOT internal"
        ).fetchall()
        near = difflib.get_close_matches(unknown[1].lower(), sorted(name for (name,) in named), n=4, cutoff=0.5)
        return f"near names: {', '.join(near)}" if near else "`nonself schema` lists the columns of events, DESCRIBE those of a view"
    if unknown := re.search(r"Table with name (\S+) does not exist", message):
        near = difflib.get_close_matches(unknown[1].lower(), VIEWS, n=1, cutoff=0.3)
        return f"did you mean {near[0]}? The views are {', '.join(VIEWS)}" if near else f"the views are {', '.join(VIEWS)}"
    return ""


def _frames(ledger: Ledger) -> dict[str, pl.DataFrame]:
    """What is not in event files; `events` without a row, to give the view its whole schema."""
    return {
        "events": pl.DataFrame(schema=SCHEMA), "findings": _frame(ledger.findings(), _FINDINGS),
        "incidents": _frame(ledger.incidents(), _INCIDENTS), "inputs": ledger.inputs(), "dead": ledger.dead_letters(),
    }  # fmt: skip


def _frame(told: Iterable[msgspec.Struct], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """Findings or incidents as columns; what is nested further is JSON text."""
    rows = [[_cell(getattr(one, name), dtype) for name, dtype in schema.items()] for one in told]
    return pl.DataFrame(rows, schema=schema, orient="row", strict=False)


def _cell(value: Any, dtype: pl.DataType) -> Any:
    if dtype == pl.String and not isinstance(value, str):
        return safe.json(value)
    return list(value) if isinstance(value, tuple) else value


def _texts(values: Iterable[str]) -> str:
    return "[" + ", ".join("'" + value.replace("'", "''") + "'" for value in values) + "]"


def plain(value: Any) -> Any:
    """A value of DuckDB as one that JSON has; numbers stay numbers."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime | date | clock):
        return value.isoformat() + ("Z" if isinstance(value, datetime) and value.tzinfo is None else "")
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value) if isinstance(value, UUID | timedelta) else value


def _as_json(names: list[str], rows: Iterable[tuple[Any, ...]], top: int) -> None:
    for row in rows:
        print(safe.json(dict(zip(names, map(plain, row), strict=True))))


def _as_csv(names: list[str], rows: Iterable[tuple[Any, ...]], top: int) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([safe.csv_cell(name) for name in names])
    writer.writerows([_csv_cell(plain(value)) for value in row] for row in rows)


def _csv_cell(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return "" if value is None else value
    return safe.csv_cell(value if isinstance(value, str) else safe.json(value))


def _as_table(names: list[str], rows: Iterator[tuple[Any, ...]], top: int) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(Text(safe.terminal(name)), overflow="fold")
    for row in islice(rows, top):
        table.add_row(*(Text(_shown(plain(value))) for value in row))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    console.print(table)
    if next(rows, None) is not None:
        console.print(f"  … and more; --top N shows more than {top}, --json all")


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return safe.terminal(safe.shorten(value if isinstance(value, str) else safe.json(value), _WIDEST))


_SHOW = {"json": _as_json, "csv": _as_csv, "table": _as_table}
