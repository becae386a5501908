"""Verdicts: appended in the order they are given, never changed. Undoing one is another."""

from __future__ import annotations

import msgspec

from nonself.core.errors import StateError
from nonself.core.verdict import Verdict
from nonself.ledger.db import Database


def add(db: Database, verdict: Verdict) -> None:
    """Store a verdict, inside a transaction. StateError for an id that is known, or for one that undoes what is not."""
    known = {name for (name,) in db.rows("SELECT id FROM verdict WHERE id IN (?, ?)", (verdict.id, verdict.undoes))}
    if verdict.id in known:
        raise StateError(f"verdict {verdict.id!r} is known already")
    if verdict.undoes and verdict.undoes not in known:
        raise StateError(f"there is no verdict {verdict.undoes!r} to undo")
    db.run("INSERT INTO verdict (id, subject, json) VALUES (?, ?, ?)", (verdict.id, verdict.subject, msgspec.json.encode(verdict).decode()))


def listed(db: Database) -> list[Verdict]:
    """All verdicts, in order."""
    return [msgspec.json.decode(json, type=Verdict) for (json,) in db.rows("SELECT json FROM verdict ORDER BY number")]
