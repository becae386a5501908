"""The SQLite file: its schema, its migrations, its pragmas, and errors that teach.

It is the one place of truth: a blob, an event or a finding is in the ledger when a committed row says so, and not before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from nonself.core.errors import StateError

APPLICATION_ID = 0x6E736C66
"""Marks the file as ours ("nslf"), so that another program's database is never migrated."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # A batch is pending until a conclusion has taken it in.
        "CREATE TABLE batch (id INTEGER PRIMARY KEY, concluded INTEGER NOT NULL DEFAULT 0)",
        "CREATE INDEX batch_pending ON batch (id) WHERE concluded = 0",
        """CREATE TABLE input (id INTEGER PRIMARY KEY, content TEXT NOT NULL UNIQUE, origin TEXT NOT NULL, source TEXT NOT NULL,
           size INTEGER NOT NULL, chunks INTEGER NOT NULL, done INTEGER NOT NULL, records INTEGER NOT NULL, events INTEGER NOT NULL,
           dead INTEGER NOT NULL, bytes INTEGER NOT NULL)""",
        # `data` is null where the blob is a file.
        "CREATE TABLE blob (hash TEXT NOT NULL PRIMARY KEY, size INTEGER NOT NULL, data BLOB)",
        """CREATE TABLE event_file (id INTEGER PRIMARY KEY, batch INTEGER NOT NULL REFERENCES batch, class_uid INTEGER NOT NULL,
           blob TEXT NOT NULL REFERENCES blob)""",
        "CREATE INDEX event_file_batch ON event_file (batch)",
        """CREATE TABLE event_day (day TEXT NOT NULL, file INTEGER NOT NULL REFERENCES event_file, events INTEGER NOT NULL,
           PRIMARY KEY (day, file)) WITHOUT ROWID""",
        # `batch` is null for what a conclusion stored.
        """CREATE TABLE delta (id INTEGER PRIMARY KEY, name TEXT NOT NULL, batch INTEGER REFERENCES batch,
           blob TEXT NOT NULL REFERENCES blob)""",
        "CREATE INDEX delta_name ON delta (name)",
        """CREATE TABLE delta_day (delta INTEGER NOT NULL REFERENCES delta, day TEXT NOT NULL,
           PRIMARY KEY (delta, day)) WITHOUT ROWID""",
        """CREATE TABLE dead (id INTEGER PRIMARY KEY, batch INTEGER NOT NULL REFERENCES batch, origin TEXT, content TEXT, record INTEGER,
           reason TEXT, detail TEXT, sample BLOB)""",
        """CREATE TABLE finding (id TEXT NOT NULL PRIMARY KEY, detector TEXT NOT NULL, entity TEXT NOT NULL, start INTEGER NOT NULL,
           "end" INTEGER NOT NULL, bits REAL NOT NULL, json TEXT NOT NULL)""",
        """CREATE TABLE incident (id TEXT NOT NULL PRIMARY KEY, bits REAL NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL,
           state TEXT NOT NULL, shown INTEGER NOT NULL, json TEXT NOT NULL)""",
        """CREATE TABLE audit (seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
           detail TEXT NOT NULL, hash BLOB NOT NULL)""",
        "CREATE TABLE audit_head (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, hash BLOB NOT NULL)",
    ),
    ("CREATE TABLE verdict (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, subject TEXT NOT NULL, json TEXT NOT NULL)",),
)
"""One tuple of statements per schema version. Appended to, never edited: `user_version` counts how many a file has seen."""

_ADVICE = {
    "SQLITE_FULL": "free some space and run again: nothing of this batch was committed",
    "SQLITE_BUSY": "another program holds the file: close it and run again",
    "SQLITE_READONLY": "give this user the right to write there, or open the state read-only",
    "SQLITE_CANTOPEN": "check that the directory exists and that this user may read and write it",
    "SQLITE_NOTADB": "the file is damaged or is not a ledger: restore it from a backup, or scan again into a new state directory",
    "SQLITE_CORRUPT": "the file is damaged: restore it from a backup, or scan again into a new state directory",
}


class Database:
    """One connection. `path` None keeps everything in memory. All methods raise StateError where SQLite fails."""

    def __init__(self, path: Path | None, *, read_only: bool = False) -> None:
        self.where = str(path) if path else ":memory:"
        self._read_only = read_only
        with self._teaching():
            self._connection = _connect(path, read_only)
        with ExitStack() as undo:
            undo.callback(self._connection.close)
            self._prepare()
            undo.pop_all()

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._teaching():
            return self._connection.execute(sql, values).fetchall()

    def run(self, sql: str, values: Sequence[object] = ()) -> int:
        """One statement; the rowid of the row it inserted, if it did."""
        with self._teaching():
            return self._connection.execute(sql, values).lastrowid or 0

    def run_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """One statement for each of `rows`."""
        with self._teaching():
            self._connection.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements inside are committed together, or none is. StateError where the state is open read-only."""
        if self._read_only:
            raise StateError("this state was opened read-only", do="open it for writing", where=self.where)
        self.run("BEGIN IMMEDIATE")
        with ExitStack() as undo:
            undo.callback(self._roll_back)
            yield
            self.run("COMMIT")
            undo.pop_all()

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # SQLite has already rolled back by itself after some errors
            self._connection.rollback()

    def close(self) -> None:
        """Close the connection; the last one to close folds the WAL into the file."""
        with self._teaching():
            self._connection.close()

    def is_new(self) -> bool:
        """Whether the file holds nothing yet, of ours or of anybody."""
        return self._version() == 0

    def migrate(self) -> None:
        """Bring the schema up to date, in one transaction."""
        version = self._version()
        if version == len(MIGRATIONS):
            return
        with self.transaction():
            for statement in (statement for step in MIGRATIONS[version:] for statement in step):
                self.run(statement)
            self.run(f"PRAGMA application_id = {APPLICATION_ID}")
            self.run(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _version(self) -> int:
        return int(self.rows("PRAGMA user_version")[0][0])

    def _prepare(self) -> None:
        # Statement journals and sorters stay in memory: nothing may be written outside the state directory.
        for pragma in ("temp_store = MEMORY", "foreign_keys = ON", "busy_timeout = 10000", "synchronous = FULL"):
            self.run(f"PRAGMA {pragma}")
        self._recognise()
        if not self._read_only:
            self.run("PRAGMA page_size = 8192")  # the size that `blobs.INLINE` rests on; it has to come before the first table
            self.run("PRAGMA journal_mode = WAL")

    def _recognise(self) -> None:
        """Refuse a file that is another program's, or that a newer nonself has written."""
        version = self._version()
        tables = self.rows("SELECT count(*) FROM sqlite_master")[0][0]
        ours = self.rows("PRAGMA application_id")[0][0] == APPLICATION_ID
        if tables and not ours:
            raise StateError(expected="a ledger of nonself", got="another program's database", do="use another directory", where=self.where)
        if version > len(MIGRATIONS):
            raise StateError(
                expected=f"a ledger of schema version {len(MIGRATIONS)} or older",
                got=f"version {version}",
                do="a newer nonself wrote it: upgrade nonself, or use another state directory",
                where=self.where,
            )
        if self._read_only and version < len(MIGRATIONS):
            raise StateError(
                expected=f"a ledger of schema version {len(MIGRATIONS)}",
                got=f"version {version}",
                do="open it once for writing, which brings it up to date",
                where=self.where,
            )

    @contextmanager
    def _teaching(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", None) or ""
            advice = next((text for code, text in _ADVICE.items() if name.startswith(code)), "")
            raise StateError(f"the ledger can't be used: {error}", do=advice, where=self.where) from error


def _connect(path: Path | None, read_only: bool) -> sqlite3.Connection:
    """`isolation_level=None`: the module must open no transaction of its own beside ours."""
    if path is None:
        return sqlite3.connect(":memory:", isolation_level=None)
    mode = "ro" if read_only else "rwc"
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None)
