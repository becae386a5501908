"""How far each input has been read, and the records that could not be read."""

from __future__ import annotations

from dataclasses import astuple

import polars as pl

from nonself.core.errors import StateError
from nonself.ledger.batch import DEAD, INPUTS, Offset, Progress
from nonself.ledger.db import Database

_FIELDS = ", ".join(INPUTS)
_UPSERT = f"""INSERT INTO input ({_FIELDS}) VALUES ({", ".join("?" * len(INPUTS))}) ON CONFLICT (content) DO UPDATE SET
    chunks = excluded.chunks, done = excluded.done, records = excluded.records, events = excluded.events, dead = excluded.dead,
    bytes = excluded.bytes"""


def offset(db: Database, content: str) -> Offset | None:
    """The committed state of an input, or None where it is unknown."""
    rows = db.rows(f"SELECT {_FIELDS} FROM input WHERE content = ?", (content,))
    return Offset(**{**dict(zip(INPUTS, rows[0], strict=True)), "done": bool(rows[0][5])}) if rows else None


def progress(db: Database, content: str) -> Progress:
    """How far an input has been committed; `Progress(0, False)` for the unknown."""
    known = offset(db, content)
    return Progress(known.chunks, known.done) if known else Progress(0, False)


def advance(db: Database, offsets: list[Offset]) -> None:
    """Move every input on to its new state, inside a transaction. StateError where that is no step forward: the same events would be
    committed a second time."""
    if not offsets:
        raise StateError("a batch without offsets can't be committed exactly once", expected="the state of every input it has a part of")
    for new in offsets:
        _check_step(offset(db, new.content), new)
        # A file name need not be text; SQLite's strings have to be.
        readable = [value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value for value in astuple(new)]
        db.run(_UPSERT, readable)


def bury(db: Database, batch: int, dead: pl.DataFrame) -> None:
    """Keep the dead letters of a batch, inside a transaction."""
    columns = ", ".join(DEAD)
    marks = ", ".join("?" * len(DEAD))
    db.run_many(f"INSERT INTO dead (batch, {columns}) VALUES ({batch}, {marks})", dead.select(*DEAD).iter_rows())


def listed(db: Database) -> pl.DataFrame:
    """All inputs in the order they were first committed, columns `INPUTS`."""
    rows = db.rows(f"SELECT {_FIELDS} FROM input ORDER BY id")
    return pl.DataFrame(rows, schema={**INPUTS, "done": pl.Int64()}, orient="row", strict=False).cast({"done": pl.Boolean()})


def dead_letters(db: Database, limit: int | None) -> pl.DataFrame:
    """Dead letters in the order they were committed, at most `limit`, columns `DEAD`."""
    rows = db.rows(f"SELECT {', '.join(DEAD)} FROM dead ORDER BY id LIMIT ?", (-1 if limit is None else limit,))
    return pl.DataFrame(rows, schema=DEAD, orient="row", strict=False)


def dead_counts(db: Database) -> dict[str, int]:
    """Dead letters by reason, most frequent first."""
    return dict(db.rows("SELECT reason, count(*) FROM dead GROUP BY reason ORDER BY count(*) DESC, reason"))


def _check_step(known: Offset | None, new: Offset) -> None:
    """A step forward takes in more chunks, or says of all chunks so far that they were the last; it never counts backwards."""
    old = known or Offset(new.origin, new.content, new.source, new.size, 0, False, 0, 0, 0, 0)
    totals, before = (new.records, new.events, new.dead, new.bytes), (old.records, old.events, old.dead, old.bytes)
    further = not old.done and new.chunks > old.chunks and all(a >= b for a, b in zip(totals, before, strict=True))
    finished = not old.done and new.done and new.chunks == old.chunks and totals[:3] == before[:3]
    if not (further or finished):
        raise StateError(
            expected=f"a step beyond chunk {old.chunks}{' (the last)' if old.done else ''} of this input",
            got=f"chunk {new.chunks}, records {new.records} after {old.records}",
            do="ask `progress` where to go on: what is committed must not be committed again",
            where=new.origin,
        )
