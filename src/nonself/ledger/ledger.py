"""`Ledger`: crash-safe, exactly-once storage of everything nonself knows, in one state directory.

    state/ledger.db    SQLite (WAL): offsets, lists of files, findings, incidents, dead letters, audit chain, small blobs
    state/blobs/       large blobs: event files (Parquet) and big deltas, named by hash
    state/lock         held by the one writer

Each `commit` and each `conclude` is one transaction: after a crash all of it is there, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from types import TracebackType

import polars as pl

from nonself.core.errors import StateError
from nonself.core.finding import Finding
from nonself.core.incident import Incident
from nonself.core.schema import SCHEMA
from nonself.core.scores import Delta
from nonself.core.verdict import Verdict
from nonself.ledger import audit, copies, inputs, story, verdicts
from nonself.ledger.batch import DEAD, Batch, Conclusion, Progress
from nonself.ledger.blobs import Blobs, LocalBlobs, MemoryBlobs, Store
from nonself.ledger.db import Database
from nonself.ledger.deltas import Deltas
from nonself.ledger.lake import Lake, Selection
from nonself.ledger.lock import Lock

MEMORY = ":memory:"
"""The state that keeps nothing on disk."""

_ACTOR = "nonself"
_DATABASE, _BLOBS = "ledger.db", "blobs"


class Ledger:
    """Open it with `Ledger.open`, as a context manager. All methods raise StateError where the state can't be read, written or trusted."""

    def __init__(self, db: Database, store: Store, resources: ExitStack, *, keep_raw: bool) -> None:
        self._db = db
        self._resources = resources
        blobs = Blobs(db, store)
        self._lake = Lake(db, blobs, keep_raw=keep_raw)
        self._deltas = Deltas(db, blobs)

    @classmethod
    def open(cls, state: str | Path, *, read_only: bool = False, keep_raw: bool = True) -> Ledger:
        """Open the state directory `state`, making it if need be; `":memory:"` keeps nothing on disk.

        There is one writer at a time; any number may read beside it with `read_only`. `keep_raw=False` stores events without `raw`.
        StateError for a directory that is locked, not permitted, damaged, not ours, or written by a newer nonself.
        """
        with ExitStack() as resources:
            if str(state) == MEMORY:
                db, store = _in_memory(read_only, resources)
            else:
                db, store = _on_disk(Path(state), read_only, resources)
            return cls(db, store, resources.pop_all(), keep_raw=keep_raw)

    def close(self) -> None:
        """Close the ledger and let the next writer in. Closing twice does nothing."""
        self._resources.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # What is written

    def progress(self, content: str) -> Progress:
        """How far the input with this content has been committed; `Progress(0, False)` for the unknown."""
        return inputs.progress(self._db, content)

    def commit(self, batch: Batch) -> None:
        """Commit offsets, events, deltas and dead letters of `batch` in one transaction. StateError where an offset is no step forward."""
        _check(batch)
        with self._db.transaction():
            inputs.advance(self._db, batch.offsets)
            number = self._db.run("INSERT INTO batch DEFAULT VALUES")
            files = self._lake.write(number, batch.events)
            deltas = self._deltas.write(number, batch.deltas)
            inputs.bury(self._db, number, batch.dead)
            counts = {"inputs": len(batch.offsets), "events": batch.events.height, "dead": batch.dead.height, "files": files}
            audit.append(self._db, _ACTOR, "commit", {"batch": number, "deltas": deltas, **counts})

    def conclude(self, conclusion: Conclusion) -> None:
        """In one transaction: add findings (one that is known stays as it was), make `incidents` all there are, store deltas, and mark
        everything pending as concluded."""
        with self._db.transaction():
            story.add_findings(self._db, conclusion.findings)
            story.replace_incidents(self._db, conclusion.incidents)
            deltas = self._deltas.write(None, conclusion.deltas)
            self._db.run("UPDATE batch SET concluded = 1 WHERE concluded = 0")
            counts = {"findings": len(conclusion.findings), "incidents": len(conclusion.incidents), "deltas": deltas}
            audit.append(self._db, _ACTOR, conclusion.action, {**counts})

    def judge(self, verdict: Verdict, incidents: list[Incident]) -> None:
        """In one transaction: append a verdict, make `incidents` all there are (their states and ranks follow from it), and put it into the
        audit chain."""
        with self._db.transaction():
            verdicts.add(self._db, verdict)
            story.replace_incidents(self._db, incidents)
            detail = {"id": verdict.id, "subject": verdict.subject, "judgement": verdict.judgement, "reason": verdict.reason}
            audit.append(self._db, verdict.who, "verdict", {**detail, "undoes": verdict.undoes})

    def audit(self, actor: str, action: str, detail: dict[str, object]) -> None:
        """Add a row to the audit chain."""
        with self._db.transaction():
            audit.append(self._db, actor, action, detail)

    # What is read

    def pending(self) -> bool:
        """Whether anything is committed but not concluded."""
        return bool(self._db.rows("SELECT 1 FROM batch WHERE concluded = 0 LIMIT 1"))

    def days(self, *, pending: bool = False) -> list[date]:
        """Days (UTC) that hold events, in order; `NO_DAY` stands for events without a usable time. `pending`: not yet concluded ones."""
        return self._lake.days(pending=pending)

    def spans(self, most: int, *, pending: bool = False) -> list[tuple[date, date]]:
        """Runs of days, (first, last), in order, of at most `most` events each, but at least one day: for passes that would pay for
        every day they look at."""
        return self._lake.spans(most, pending=pending)

    def events(
        self,
        *,
        day: date | None = None,
        last: date | None = None,
        pending: bool = False,
        classes: Iterable[int] | None = None,
        columns: Iterable[str] | None = None,
        uids: Iterable[str] | None = None,
    ) -> pl.DataFrame:
        """Events sorted by (time, uid), undated ones first, whatever batches they came in; all that is given narrows the choice.

        day      of that day, or of the days from it to `last`
        classes  OCSF class uids; 0 takes in events without a class
        columns  names of the event schema, in the order wanted; ValueError for others
        uids     the events of these names; a name that no event has gives nothing
        """
        only = None if classes is None else frozenset(classes)
        chosen = Selection(day, last or day, pending=pending, classes=only, uids=None if uids is None else tuple(uids))
        return self._lake.read(chosen, columns)

    def news(self, day: date, last: date, *, classes: Iterable[int], columns: Sequence[str]) -> pl.DataFrame:
        """The pending events of some days and OCSF classes, sorted by (time, uid), each once however many inputs hold its record."""
        return copies.news(self._lake, Selection(day, last, classes=frozenset(classes)), columns)

    def learnt(self, day: date, last: date, *, classes: Iterable[int], columns: Sequence[str]) -> pl.DataFrame:
        """The concluded events of some days and OCSF classes, as `news` gives those that are pending."""
        return copies.learnt(self._lake, Selection(day, last, classes=frozenset(classes)), columns)

    def event_files(self) -> list[Path]:
        """The Parquet files of all events, in the order of their batches, for an engine that reads Parquet itself: unchecked, the
        columns that are null throughout left out, and listed as often as they count. Empty for a state in memory."""
        return self._lake.files()

    def event_counts(self) -> dict[int, int]:
        """OCSF class uid -> events in the ledger; 0 counts those without a class too."""
        return self._lake.counts()

    def deltas(self, name: str, *, pending: bool = False, since: date | None = None) -> list[Delta]:
        """The deltas of one detector, by day and then as committed. `pending`: of batches not yet concluded (a conclusion's own deltas
        never are). `since`: rows of that day and later; undated rows (null day) are then left out."""
        return self._deltas.read(name, pending=pending, since=since)

    def findings(self, ids: Iterable[str] | None = None) -> list[Finding]:
        """All findings, or those with the given ids (unknown ones give nothing): most bits first, then by id."""
        return story.findings(self._db, ids)

    def incidents(self) -> list[Incident]:
        """All incidents: most bits first, then by id."""
        return story.incidents(self._db)

    def incident(self, name: str) -> Incident:
        """The incident of that id, or whose id alone begins so. StateError where there is none, or more than one."""
        return story.incident(self._db, name)

    def verdicts(self) -> list[Verdict]:
        """All verdicts, in the order they were given, undone ones among them."""
        return verdicts.listed(self._db)

    def inputs(self) -> pl.DataFrame:
        """All inputs in the order they were first committed, columns `INPUTS`."""
        return inputs.listed(self._db)

    def dead_letters(self, limit: int | None = None) -> pl.DataFrame:
        """Dead letters in the order they were committed, columns `DEAD`."""
        return inputs.dead_letters(self._db, limit)

    def dead_counts(self) -> dict[str, int]:
        """Dead letters by reason, most frequent first."""
        return inputs.dead_counts(self._db)

    def verify_audit(self) -> int | None:
        """The first audit row (its seq) that was changed or is missing, or None where the chain is whole."""
        return audit.verify(self._db)

    def audit_rows(self) -> pl.DataFrame:
        """The audit chain in order, columns `AUDIT`."""
        return audit.rows(self._db)


def _in_memory(read_only: bool, resources: ExitStack) -> tuple[Database, Store]:
    if read_only:
        raise StateError("a state in memory is new, so there is nothing to read in it", do="open it for writing", where=MEMORY)
    db = Database(None)
    resources.callback(db.close)
    db.migrate()
    return db, MemoryBlobs()


def _on_disk(root: Path, read_only: bool, resources: ExitStack) -> tuple[Database, Store]:
    try:
        return _reader(root, resources) if read_only else _writer(root, resources)
    except OSError as error:
        raise StateError(
            expected="a state directory that this user may read and write",
            got=error.strerror or str(error),
            do="check its permissions, or use another directory",
            where=str(root),
        ) from error


def _reader(root: Path, resources: ExitStack) -> tuple[Database, Store]:
    if not (root / _DATABASE).exists():
        raise StateError("there is no state here", do="run `nonself scan` with this state directory first", where=str(root))
    db = Database(root / _DATABASE, read_only=True)
    resources.callback(db.close)
    return db, LocalBlobs(root / _BLOBS)


def _writer(root: Path, resources: ExitStack) -> tuple[Database, Store]:
    """Lock, open, migrate, sweep: in this order, since only the one writer may change or remove anything."""
    if root.exists() and not root.is_dir():
        raise StateError(expected="a state directory", got="a file", do="use another path", where=str(root))
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    resources.callback(Lock(root / "lock").close)
    db = Database(root / _DATABASE)
    resources.callback(db.close)
    store = LocalBlobs(root / _BLOBS)
    _refuse_orphaned_blobs(db, store, root)
    db.migrate()
    Blobs(db, store).sweep()
    return db, store


def _refuse_orphaned_blobs(db: Database, store: Store, root: Path) -> None:
    """Blobs beside an empty database mean that the database was lost: sweeping them would finish the damage."""
    if db.is_new() and any(store.names()):
        raise StateError(
            "ledger.db is missing or empty, but there are blobs beside it",
            do="restore ledger.db from a backup, or scan again into a new state directory",
            where=str(root),
        )


def _check(batch: Batch) -> None:
    """The frames must be in their declared schemas: a wrong one is a bug of the caller, and must not reach the disk."""
    for name, frame, schema in (("events", batch.events, SCHEMA), ("dead", batch.dead, DEAD)):
        if list(frame.schema.items()) != list(schema.items()):
            wrong = [column for column, dtype in frame.schema.items() if schema.get(column) != dtype]
            raise ValueError(f"expected `{name}` in its declared schema, got {wrong or list(frame.columns)}")
