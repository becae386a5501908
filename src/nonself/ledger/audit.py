"""The audit table: who did what, each row's hash covering the hash of the row before it.

hash = BLAKE2b-256(previous hash || seq || time || actor || action || detail), each field led by its length, the first row following
32 zero bytes. The head of the chain is kept beside it, so that cutting off the last rows shows too. The hash has no key: who can
rewrite the whole file can make a new chain, unless the head's hash has been noted elsewhere.
"""

from __future__ import annotations

import hashlib
import time

import msgspec
import polars as pl

from nonself.core.schema import TIME
from nonself.ledger.db import Database

AUDIT: dict[str, pl.DataType] = {
    "seq": pl.Int64(),
    "time": TIME,
    "actor": pl.String(),
    "action": pl.String(),
    "detail": pl.String(),  # canonical JSON: keys sorted
    "hash": pl.Binary(),
}
"""Columns of `Ledger.audit_rows()`."""

_GENESIS = bytes(32)
_ROWS = "SELECT seq, time, actor, action, detail, hash FROM audit ORDER BY seq"
_BYTES = """SELECT seq, time, CAST(actor AS BLOB), CAST(action AS BLOB), CAST(detail AS BLOB), CAST(hash AS BLOB),
    typeof(time) || typeof(actor) || typeof(action) || typeof(detail) || typeof(hash) = 'integertexttexttextblob' FROM audit ORDER BY seq"""
"""Texts as bytes, since tampered ones need not be UTF-8, and whether every value has its type."""


def append(db: Database, actor: str, action: str, detail: dict[str, object]) -> None:
    """Add a row, inside a transaction. `detail` holds what JSON can; the time is the machine's clock, the only one in the ledger."""
    last, previous = _head(db)
    text = msgspec.json.encode(detail, order="deterministic").decode()
    now = time.time_ns() // 1_000
    hash_ = _hash(previous, last + 1, now, actor.encode(), action.encode(), text.encode())
    db.run("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?)", (last + 1, now, actor, action, text, hash_))
    db.run("INSERT OR REPLACE INTO audit_head VALUES (1, ?, ?)", (last + 1, hash_))


def verify(db: Database) -> int | None:
    """The first row (its seq) that was changed or is missing, or None where the chain is whole."""
    previous, last = _GENESIS, 0
    for *fields, hash_, typed in db.rows(_BYTES):
        if not typed or fields[0] != last + 1 or hash_ != _hash(previous, *fields):
            return last + 1
        last, previous = fields[0], hash_
    return None if (last, previous) == _head(db) else last + 1


def rows(db: Database) -> pl.DataFrame:
    """The whole table in order, columns `AUDIT`."""
    raw = pl.DataFrame(db.rows(_ROWS), schema={**AUDIT, "time": pl.Int64()}, orient="row", strict=False)
    return raw.cast({"time": TIME})


def _head(db: Database) -> tuple[int, bytes]:
    """seq and hash of the last row, as noted when it was written."""
    found = db.rows("SELECT seq, hash FROM audit_head")
    return (found[0][0], found[0][1]) if found else (0, _GENESIS)


def _hash(previous: bytes, seq: int, when: int, *texts: bytes) -> bytes:
    fields = (str(seq).encode(), str(when).encode(), *texts)
    return hashlib.blake2b(previous + b"".join(len(f).to_bytes(8, "big") + f for f in fields), digest_size=32).digest()
