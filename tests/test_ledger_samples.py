"""A small deterministic stream of batches for the ledger's tests; run as a program it commits that stream until it is done or killed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl

from nonself.core import events as ev
from nonself.core.finding import Finding, Reason
from nonself.core.incident import Edge, Incident, Stage
from nonself.ledger import DEAD, Batch, Conclusion, Ledger, Offset

T0 = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
CHUNKS = 50
PER_CHUNK = 12
CONTENTS = ("aa", "bb")


def rows(**columns: list[object]) -> ev.Events:
    """Events with the given columns, the rest null."""
    schema = {name: ev.SCHEMA[name] for name in columns}
    return ev.conform(pl.DataFrame(columns, schema=schema, strict=False))


def chunk_events(content: str, chunk: int) -> ev.Events:
    """The events of one chunk: over two days and two classes, some without a time."""
    numbers = [chunk * PER_CHUNK + i for i in range(PER_CHUNK)]
    return rows(
        time=[None if n % 17 == 0 else T0 + timedelta(minutes=7 * (n % 40), microseconds=n) for n in numbers],
        uid=[ev.uid("sample", f"{content}{n}".encode()) for n in numbers],
        source=["sample"] * PER_CHUNK,
        origin=[f"logs/{content}.log"] * PER_CHUNK,
        record=numbers,
        class_uid=[1007 if n % 3 else None for n in numbers],
        user=[f"user{n % 5}" for n in numbers],
        raw=[f"{content} {n} " + "x" * 40 for n in numbers],
    )


def learn(events: ev.Events) -> pl.DataFrame:
    """A delta: events by day and user."""
    return events.group_by(pl.col("time").dt.date().alias("day"), "user").len("n").sort("day", "user", nulls_last=True)


def merge(deltas: list[pl.DataFrame]) -> pl.DataFrame:
    """The sum of deltas, in canonical form."""
    empty = pl.DataFrame(schema={"day": pl.Date, "user": pl.String, "n": pl.UInt32})
    return pl.concat([empty, *deltas]).group_by("day", "user").agg(pl.col("n").sum()).sort("day", "user", nulls_last=True)


def dead(content: str, *records: int) -> pl.DataFrame:
    """One dead letter per record number."""
    n = len(records)
    columns = [[f"logs/{content}.log"] * n, [content] * n, list(records), ["bad-json"] * n, ["at 3\0"] * n, [b"{\xff\0"] * n]
    return pl.DataFrame(dict(zip(DEAD, columns, strict=True)), schema=DEAD)


def offset(content: str, chunks: int, *, done: bool = False, per_chunk: int = PER_CHUNK, dead: int = 0) -> Offset:
    """The state of an input after `chunks` chunks."""
    n = chunks * per_chunk
    return Offset(f"logs/{content}.log", content, "sample", 1000, chunks, done, n + dead, n, dead, n * 50)


def batch(content: str, chunk: int) -> Batch:
    """Chunk number `chunk` of an input, as a batch of its own; every fifth chunk has a dead letter."""
    events = chunk_events(content, chunk)
    gone = dead(content, chunk) if chunk % 5 == 0 else dead(content)
    state = offset(content, chunk + 1, done=chunk + 1 == CHUNKS, dead=chunk // 5 + 1)
    return Batch([state], events, {"users": learn(events)}, gone)


def work(ledger: Ledger, committed: Callable[[], None] = lambda: None) -> None:
    """Commit everything that is not yet committed, the two inputs in turn; `committed` is called after each commit."""
    for chunk in range(CHUNKS):
        for content in CONTENTS:
            if ledger.progress(content).chunks == chunk:
                ledger.commit(batch(content, chunk))
                committed()


def finding(number: int, **changes: object) -> Finding:
    """A finding with id `f<number>` and `number` bits."""
    reason = Reason(feature="process", seen="\x1b[31mevil\0", normal="never in 30 days", bits=float(number))
    values: dict[str, object] = {
        "id": f"f{number}",
        "detector": "users",
        "title": "odd",
        "entity": "host:ws5",
        "entities": ("host:ws5", "user:ann"),
        "start": T0,
        "end": T0 + timedelta(hours=1),
        "score": 4.5,
        "p": 0.001,
        "n": 1000,
        "bits": float(number),
        "reasons": (reason,),
        "events": ("e1",),
        "n_events": 1,
    }
    return Finding(**{**values, **changes})  # type: ignore[arg-type]


def incident(name: str, bits: float) -> Incident:
    """An incident of that id."""
    stage = Stage(tactic="execution", start=T0, techniques=("T1059",), n_findings=2)
    edge = Edge(a="f1", b="f2", kind="same host", entity="host:ws5")
    return Incident(
        id=name,
        title="a story",
        bits=bits,
        start=T0,
        end=T0,
        entities=("host:ws5",),
        stages=(stage,),
        findings=("f2", "f1"),
        edges=(edge,),
        n_events=2,
    )


def conclusion() -> Conclusion:
    """Two findings, one incident, one calibration window."""
    window = pl.DataFrame({"day": [T0.date()], "score": [1.5]})
    return Conclusion([finding(1), finding(2)], {"window:users": window}, [incident("abc1", 9.0)])


if __name__ == "__main__":
    print("ready", flush=True)
    with Ledger.open(sys.argv[1]) as ledger:
        work(ledger, lambda: print("committed", flush=True))
        ledger.conclude(conclusion())
    print("done", flush=True)
