"""What goes into the ledger: a `Batch` (events read and what was learnt from them) and a `Conclusion` (what came of them)."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from nonself.core.events import Events
from nonself.core.finding import Finding
from nonself.core.incident import Incident
from nonself.core.scores import Delta

DEAD: dict[str, pl.DataType] = {
    "origin": pl.String(),  # the input it stands in, for people
    "content": pl.String(),  # identity of that input
    "record": pl.Int64(),  # its number in that input, from 0
    "reason": pl.String(),  # short stable code
    "detail": pl.String(),
    "sample": pl.Binary(),  # its first bytes
}
"""Columns of the dead letters: the records that could not be read."""

CONCLUDE = "conclude"
"""How the audit chain names a conclusion."""
INPUTS: dict[str, pl.DataType] = {
    "origin": pl.String(),
    "content": pl.String(),
    "source": pl.String(),
    "size": pl.Int64(),
    "chunks": pl.Int64(),
    "done": pl.Boolean(),
    "records": pl.Int64(),
    "events": pl.Int64(),
    "dead": pl.Int64(),
    "bytes": pl.Int64(),
}
"""Columns of `Ledger.inputs()`: the fields of `Offset`."""


@dataclass(frozen=True, slots=True)
class Offset:
    """How far one input has been read once its batch is committed. Counters are totals for the input, not for the batch.

    origin   where it is, for people; the name it was first seen by is kept
    content  identity of its bytes: equal content is the same input
    source   the source kind that reads it
    size     bytes, compressed where it is
    chunks   chunks committed; reading goes on at this chunk
    done     whether it has been read to its end
    records, events, dead   records met, and how many became events and dead letters
    bytes    decompressed bytes consumed
    """

    origin: str
    content: str
    source: str
    size: int
    chunks: int
    done: bool
    records: int
    events: int
    dead: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an input has been committed: `chunks` are in the ledger, and `done` says that there are no more."""

    chunks: int
    done: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything that some chunks gave, committed together or not at all.

    offsets  the new state of every input that has a part in it; at least one, each input once
    events   in the event schema
    deltas   detector name -> what it learnt from these events: a frame with a `day` column (pl.Date)
    dead     records that could not be read, columns `DEAD`
    """

    offsets: list[Offset]
    events: Events
    deltas: dict[str, Delta]
    dead: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What came of everything pending: new findings, what was learnt and the calibration windows (in the form of deltas), and ALL
    incidents there are now. `action` names it in the audit chain."""

    findings: list[Finding]
    deltas: dict[str, Delta]
    incidents: list[Incident]
    action: str = CONCLUDE


def no_dead() -> pl.DataFrame:
    """The dead-letter frame with no rows."""
    return pl.DataFrame(schema=DEAD)
