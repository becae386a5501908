"""Which events a command is about: a time range and an SQL predicate over the event columns, on the lake or on logs read on the fly."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from nonself import sources
from nonself.core import events as frames
from nonself.core import time
from nonself.core.errors import UsageError
from nonself.core.events import Events
from nonself.core.schema import SCHEMA
from nonself.ledger import Ledger
from nonself.sources.contract import Limits, Source

_WORD = re.compile(r"""'[^']*'|"[^"]*"|\b([a-z][a-z0-9_]*)\b(?!\s*\()""")
"""A bare word, past anything quoted: some columns (`user`) are words of SQL too, so they are quoted for it."""
AT_ONCE = 50_000
"""Events handled at once, in whole days where they come from the lake."""


def predicate(where: str | None, since: str | None = None, until: str | None = None) -> pl.Expr | None:
    """Whether an event is meant, as an expression; None for all. UsageError for what can't be read or names no column."""
    parts = []
    if where:
        parts.append(_sql(where))
    if since:
        parts.append(pl.col("time") >= moment(since))
    if until:
        parts.append(pl.col("time") < moment(until))
    return pl.all_horizontal(parts) if parts else None


def moment(text: str) -> datetime:
    """A date or an ISO 8601 time; UsageError for anything else."""
    found = time.parse(text)
    if found is None:
        raise UsageError(expected="a date or an ISO 8601 time, such as 2026-11-22 or 2026-11-22T10:00:00Z", got=text[:60])
    return found


def _sql(where: str) -> pl.Expr:
    where = _WORD.sub(lambda found: f'"{found[0]}"' if found[1] in SCHEMA else found[0], where)
    try:
        expr = pl.sql_expr(where)
        named = expr.meta.root_names()
        pl.DataFrame(schema=SCHEMA).filter(expr)
    except pl.exceptions.PolarsError as error:
        missing = [name for name in _names(where) if name not in SCHEMA]
        raise UsageError(
            f"--where can't be used: {str(error).partition(chr(10))[0].partition('; valid columns')[0]}", do=_near(missing)
        ) from error
    if unknown := [name for name in named if name not in SCHEMA]:
        raise UsageError(f"--where names no column of the event schema: {', '.join(unknown)}", do=_near(unknown))
    return expr


def _names(where: str) -> list[str]:
    try:
        return pl.sql_expr(where).meta.root_names()
    except pl.exceptions.PolarsError:
        return []


def _near(unknown: Sequence[str]) -> str:
    near = [match for name in unknown for match in difflib.get_close_matches(name.lower(), SCHEMA, n=3, cutoff=0.5)]
    return f"near names: {', '.join(near)}" if near else "`nonself schema` lists the columns"


def from_lake(
    ledger: Ledger, wanted: pl.Expr | None, since: str | None = None, until: str | None = None, columns: Iterable[str] | None = None
) -> Iterator[Events]:
    """Chosen events of the lake, in order of time, some whole days at once. Only files of the days between are opened, only `columns`
    read."""
    columns = None if columns is None else tuple(columns)
    first = moment(since).astimezone(UTC).date() if since else date.min
    last = moment(until).astimezone(UTC).date() if until else date.max
    for start, end in ledger.spans(AT_ONCE):
        if end < first or start > last:
            continue
        events = ledger.events(day=max(start, first), last=min(end, last), columns=columns)
        events = events.filter(wanted) if wanted is not None else events
        if events.height:
            yield events


def from_logs(
    paths: Sequence[Path], limits: Limits, wanted: pl.Expr | None, dead: Counter[str], own: Sequence[Source] = ()
) -> Iterator[Events]:
    """Chosen events of logs, in order of reading; dead letters are counted in `dead` by reason. `own` are the user's own sources."""
    held: list[Events] = []
    for source_input in sources.discover(paths, limits):
        for chunk in sources.read(source_input, limits, own)[1]:
            dead.update(letter.reason for letter in chunk.dead)
            held.append(chunk.events.filter(wanted) if wanted is not None else chunk.events)
            if sum(part.height for part in held) >= AT_ONCE:
                yield frames.concat(held)
                held = []
    if any(part.height for part in held):
        yield frames.concat(held)
