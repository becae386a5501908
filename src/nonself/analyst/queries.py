"""The closed list of questions the analyst may ask of the records: typed, read only, each with the kinds of entity it is about.

A question is a name, an entity and a stretch of time; its answer is the events of `Records` for which the question's condition holds. The
answer is named by its content, so that a report says exactly what was asked and what came back, and anybody can ask again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

import msgspec
import polars as pl

from nonself.analyst.names import outside
from nonself.analyst.records import Records, touches
from nonself.core.entities import kind
from nonself.core.events import Events

KEPT = 20
"""Events an answer names; all are counted and all are in its hash."""

_AUTOSTART = pl.col("reg_key").str.to_lowercase().str.contains(r"\\(run|runonce|services)\\")
_LSASS = pl.col("tgt_image").str.to_lowercase().str.ends_with("lsass.exe")


def _class(*uids: int) -> pl.Expr:
    return pl.col("class_uid").is_in(uids)


@dataclass(frozen=True, slots=True)
class Tool:
    """`asks` the question in words, with {entity}; `nothing` what it means that nothing was found. `when` narrows the events that touch
    the entity."""

    name: str
    kinds: tuple[str, ...]
    asks: str
    nothing: str
    when: pl.Expr


TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool("everything", ("host", "user", "ip", "domain", "process", "file", "hash", "cred", "resource", "role"),
             "what else involves {entity}", "nothing else involves {entity}", pl.lit(True)),
        Tool("processes", ("host", "user"), "which processes started for {entity}", "no process start was recorded for {entity}",
             _class(1007) & (pl.col("activity_id") == 1)),
        Tool("children", ("process",), "what {entity} started", "{entity} started nothing",
             _class(1007) & (pl.col("activity_id") == 1)),
        Tool("connections", ("host", "ip", "process", "domain"), "which connections {entity} had", "no connection of {entity} was recorded",
             _class(4001, 4002, 4005, 4006, 4007)),
        Tool("to-outside", ("host", "ip"), "what {entity} sent outside, a megabyte or more",
             "no transfer of a megabyte or more to the outside was recorded of {entity}",
             _class(4001) & outside("@dst_ip") & (pl.col("bytes_out") > 1_000_000)),
        Tool("names", ("host", "ip", "process"), "which names {entity} asked for", "{entity} asked for no name", _class(4003)),
        Tool("logons", ("host", "user", "ip"), "which logons {entity} took part in", "no logon of {entity} was recorded",
             _class(3002) & (pl.col("status_id") == 1) & (pl.col("activity_id") == 1)),
        Tool("failed-logons", ("host", "user", "ip"), "which logons of {entity} failed", "no failed logon of {entity} was recorded",
             _class(3002) & (pl.col("status_id") == 2)),
        Tool("remote-logons", ("user", "ip"), "where {entity} logged on over the network", "{entity} logged on nowhere over the network",
             _class(3002) & (pl.col("status_id") == 1) & pl.col("logon_type").is_in([3, 10])),
        Tool("persistence", ("host",), "what could survive a restart of {entity}",
             "no service, task or autostart entry was changed on {entity}",
             _class(1006, 201004) | (_class(201001, 201002) & _AUTOSTART)),
        Tool("credential-access", ("host",), "who read credentials from memory on {entity}",
             "no process opened the memory of lsass.exe on {entity}", _class(1007) & (pl.col("activity_id") == 3) & _LSASS),
        Tool("account-changes", ("user", "host"), "which accounts {entity} changed", "no account was changed by or on {entity}",
             _class(3001, 3005, 3006)),
        Tool("log-clearing", ("host",), "whether logs were cleared on {entity}", "no log was cleared on {entity}",
             _class(1008) & pl.col("op").is_in(["1102", "104"])),
        Tool("files", ("host", "user", "process"), "which files {entity} wrote", "no file written by {entity} was recorded", _class(1001)),
        Tool("api-calls", ("user", "cred", "role", "ip"), "what {entity} called in the cloud", "{entity} called nothing in the cloud",
             _class(6003, 3001)),
        Tool("denied-calls", ("user", "cred", "role"), "what {entity} was refused in the cloud",
             "{entity} was refused nothing in the cloud", _class(6003) & (pl.col("status_id") == 2)),
        Tool("alerts", ("host", "user", "ip"), "what other tools said of {entity}", "no other tool raised an alert about {entity}",
             _class(2004)),
    )
}  # fmt: skip


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """One question. `start` and `end` bound the events' times, both included."""

    tool: str
    entity: str
    start: datetime
    end: datetime

    @property
    def id(self) -> str:
        """Hash of the question."""
        return "q-" + hashlib.blake2b(msgspec.json.encode(self, order="deterministic"), digest_size=6).hexdigest()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back: how many events, the first `KEPT` of them, and a hash over the names of all. `complete` is False where the records
    were cut short, so that "nothing" proves nothing."""

    query: Query
    n: int
    events: tuple[str, ...]
    sha256: str
    complete: bool = True


def select(records: Records, query: Query) -> Events:
    """The events that answer `query`, in order of time. Nothing for a tool or kind of entity that is not on the list."""
    tool = TOOLS.get(query.tool)
    if tool is None or kind(query.entity) not in tool.kinds:
        return records.events.clear()
    timely = pl.col("time").is_between(query.start, query.end)
    return records.events.filter(timely & touches(query.entity) & tool.when.fill_null(False))


def ask(records: Records, query: Query) -> Answer:
    """Run one query."""
    uids = select(records, query)["uid"].to_list()
    digest = hashlib.sha256("\n".join(uids).encode()).hexdigest()
    return Answer(query=query, n=len(uids), events=tuple(uids[:KEPT]), sha256=digest, complete=records.complete)
