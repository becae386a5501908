"""How long an intruder must teach a detector before his attack is normal to it: the drip of Rubinstein et al. 2009 ("ANTIDOTE:
understanding and defending against poisoning of anomaly detectors"), run over every detector.

A detector's own example is the world: ten days of normal events, of forty copies of its actors where these are hosts, users, addresses or
credentials. Then, on ten days more, some of the rows (0.2 or 1 % of a day's) are the intruder's: the attack's own events, a few a day,
spread over the working hours (where the hour is the attack, at that hour); where the attack is a large number, the number grows day by
day from a normal one to the attack's. Everything is learnt, as in life. After each day the attack is scored in full; it is found while it
has `FOUND` bits or more.

    start, end   bits of the attack before the first day and after the last
    evaded       the first day after which the attack is no longer found; none: never
    seen         the first day on which the drip itself is found
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import polars as pl

from nonself.core.events import Events
from nonself.core.schema import SCHEMA
from nonself.core.scores import Delta, Scores
from nonself.detect import detectors, names
from nonself.detect.content import specs
from nonself.detect.contract import Detector
from nonself.detect.spec import Spec

DAYS, COPIES = 10, 40
RATES = (0.002, 0.01)
FOUND = 7.0
"""The default of `calibrate.min_bits`."""
_HOURS = 8
_COPIED = ("host", "user", "src_ip", "cred")
_ODD = pl.col("uid").str.starts_with("odd-")


def run(*, as_json: bool, only: Sequence[str] = ()) -> int:
    """Poison every detector (or `only` some) at each rate, print the report."""
    chosen = [detector for detector in detectors() if not only or detector.name in only]
    results = [drip(detector, spec, rate) for detector in chosen for spec in specs([detector]) for rate in RATES]
    document = {"track": "poison", "days": DAYS, "found_bits": FOUND, "rates": [summary(results, r) for r in RATES], "detectors": results}
    print(json.dumps(document, indent=2) if as_json else _table(document))
    return 0


def drip(detector: Detector, spec: Spec, rate: float) -> dict[str, Any]:
    """One detector poisoned at one rate."""
    example, read = detector.example(), sorted({"uid", "time", *detector.columns})
    usual, attack = _copied(example.normal.select(read), spec), example.odd.select(read).filter(_ODD)
    today = usual.filter(pl.col("time").dt.date() == usual["time"].dt.date().min())
    first = detector.learn(usual)
    row: dict[str, Any] = {"detector": detector.name, "rate": rate, "rows_a_day": today.height, "evaded": None, "seen": None}
    row["start"] = row["end"] = _bits(detector, attack, first)
    known, spent = first, 0
    for day in range(1, DAYS + 1):
        upto = int(rate * today.height * day)
        given = _given(attack, example.normal, spec, day, upto - spent)
        spent = upto
        if given.height and row["seen"] is None and _bits(detector, given, known) >= FOUND:
            row["seen"] = day
        background = today.with_columns(pl.col("time") + timedelta(days=DAYS + day - 1))
        known = detector.merge([known, detector.learn(pl.concat([background, given]))])
        row["end"] = _bits(detector, attack.with_columns(pl.col("time") + timedelta(days=day)), known)
        if row["evaded"] is None and row["end"] < FOUND:
            row["evaded"] = day
    return {name: round(value, 1) if name in ("start", "end") else value for name, value in row.items()}


def summary(results: Sequence[dict[str, Any]], rate: float) -> dict[str, Any]:
    """Of the attacks found at the start (the canaries): how many are still found, how soon the others were evaded, how many unseen."""
    found = [row for row in results if row["rate"] == rate and row["start"] >= FOUND]
    evaded = sorted(row["evaded"] for row in found if row["evaded"])
    unseen = [row for row in found if row["evaded"] and (row["seen"] is None or row["seen"] > row["evaded"])]
    median = evaded[len(evaded) // 2] if evaded else None
    kept = sum(row["end"] >= FOUND for row in found)
    return {"rate": rate, "canaries": len(found), "kept": kept, "evaded": len(evaded), "median_day": median, "evaded_unseen": len(unseen)}


def _copied(events: Events, spec: Spec) -> Events:
    """The events of `COPIES` times as many actors, the first of them the example's own."""
    roots = {root for name in (*spec.over, spec.entity) for root in names.roots(name)}
    columns = [column for column in _COPIED if column in roots and column in events.columns]
    if not columns:
        return events
    return pl.concat(events.with_columns(_renamed(column, i) for column in columns) for i in range(COPIES))


def _renamed(column: str, i: int) -> pl.Expr:
    if not i:
        return pl.col(column)
    return pl.col(column).str.replace(r"^(\d+)\.\d+", rf"${{1}}.{i}") if column == "src_ip" else pl.col(column) + f"-{i}"


def _given(attack: Events, normal: Events, spec: Spec, day: int, n: int) -> Events:
    """`n` of the attack's events on a day of the drip, spread over the working hours, their number part of the way to the attack's."""
    rows = attack[[i % attack.height for i in range(n)]]
    hours = 1 if spec.primitive == "timeofweek" else _HOURS
    start = rows["time"].dt.truncate("1h" if hours == 1 else "1d") + timedelta(days=day - 1, hours=0 if hours == 1 else 9)
    spread = pl.Series([timedelta(hours=i % hours, minutes=i // hours % 60) for i in range(n)], dtype=pl.Duration("us"))
    uids = pl.Series([f"odd-drip-{day}-{i}" for i in range(n)], dtype=pl.String)
    rows = rows.with_columns((start + spread).alias("time"), uids.alias("uid"))
    if spec.number and spec.value in rows.columns and normal[spec.value].null_count() == 0 and n:
        usual, goal = float(normal[spec.value].cast(pl.Float64).mean() or 1.0), float(rows[spec.value][0] or 1)  # type: ignore[arg-type]
        value = int(max(usual, 1.0) ** (1 - day / DAYS) * max(goal, 1.0) ** (day / DAYS))
        rows = rows.with_columns(pl.lit(value).cast(SCHEMA[spec.value]).alias(spec.value))
    return rows


def _bits(detector: Detector, events: Events, self_: Delta) -> float:
    """The most bits that any window of the events has."""
    scores: Scores = detector.score(events, self_)
    return float(scores["score"].max() or 0.0)  # type: ignore[arg-type]


def _table(document: dict[str, Any]) -> str:
    return "\n".join(_lines(document))


def _lines(document: dict[str, Any]) -> Iterator[str]:
    yield f"{'detector':30} {'rate':>6} {'rows/day':>9} {'start':>7} {'end':>7} {'evaded':>7} {'seen':>5}"
    for row in document["detectors"]:
        evaded, seen = (row[name] if row[name] is not None else "-" for name in ("evaded", "seen"))
        bits = f"{row['start']:>7.1f} {row['end']:>7.1f}"
        yield f"{row['detector']:30} {row['rate']:>6.1%} {row['rows_a_day']:>9,} {bits} {evaded:>7} {seen:>5}"
    for row in document["rates"]:
        yield (
            f"{row['rate']:.1%} of rows for {DAYS} days: {row['kept']} of {row['canaries']} attacks still found; {row['evaded']} evaded "
            f"(median day {row['median_day']}), {row['evaded_unseen']} of them before the drip itself was found"
        )
