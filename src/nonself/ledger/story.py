"""Findings and incidents: JSON in SQLite, beside the columns they are looked up by."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from nonself.core.errors import StateError
from nonself.core.finding import Finding
from nonself.core.incident import Incident
from nonself.ledger.db import Database

_Told = TypeVar("_Told", Finding, Incident)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def add_findings(db: Database, findings: list[Finding]) -> None:
    """Store new findings, inside a transaction. One whose id is known is left as it was: a finding never changes."""
    rows = [(f.id, f.detector, f.entity, _micros(f.start), _micros(f.end), f.bits, _json(f)) for f in findings]
    db.run_many("INSERT OR IGNORE INTO finding VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def replace_incidents(db: Database, incidents: list[Incident]) -> None:
    """Make `incidents` all there are, inside a transaction."""
    rows = [(i.id, i.bits, _micros(i.start), _micros(i.end), i.state, i.shown, _json(i)) for i in incidents]
    db.run("DELETE FROM incident")
    db.run_many("INSERT INTO incident VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def findings(db: Database, ids: Iterable[str] | None) -> list[Finding]:
    """All findings, or those with the given ids (unknown ones give nothing): most bits first, then by id."""
    where = "" if ids is None else "WHERE id IN (SELECT value FROM json_each(?))"
    values = () if ids is None else (msgspec.json.encode(list(ids)).decode(),)
    rows = db.rows(f"SELECT json FROM finding {where} ORDER BY bits DESC, id", values)
    return [msgspec.json.decode(json, type=Finding) for (json,) in rows]


def incidents(db: Database) -> list[Incident]:
    """All incidents: most bits first, then by id."""
    rows = db.rows("SELECT json FROM incident ORDER BY bits DESC, id")
    return [msgspec.json.decode(json, type=Incident) for (json,) in rows]


def incident(db: Database, name: str) -> Incident:
    """The incident of that id, or whose id alone begins so. StateError where there is none, or more than one."""
    rows = db.rows("SELECT id, json FROM incident WHERE substr(id, 1, length(?)) = ? ORDER BY bits DESC, id", (name, name))
    chosen = [json for id_, json in rows if id_ == name] or [json for _, json in rows]
    if len(chosen) == 1 and name:
        return msgspec.json.decode(chosen[0], type=Incident)
    if rows:
        some = ", ".join(id_ for id_, _ in rows[:5]) + (", ..." if len(rows) > 5 else "")
        raise StateError(f"{len(rows)} incidents begin with {name!r}: {some}", do="give more of the id")
    raise StateError(f"there is no incident {name!r}", do="`nonself incidents` lists them")


def _micros(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)


def _json(told: _Told) -> str:
    """`told` as JSON that reads back as the same thing: JSON has no NaN, and would turn one into null without a word."""
    text = msgspec.json.encode(told)
    try:
        same = msgspec.json.decode(text, type=type(told)) == told
    except msgspec.ValidationError:
        same = False
    if not same:
        raise ValueError(f"expected finite numbers and UTC times in {type(told).__name__.lower()} {told.id!r}, got {text[:300]!r}")
    return text.decode()
