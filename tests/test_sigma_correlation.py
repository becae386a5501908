"""Correlation rules against a naive reading of their definition, one window at a time, and what must not matter: batches and order."""

from __future__ import annotations

import datetime as dt
import itertools
import os
from collections.abc import Callable, Iterable
from typing import Any

import orjson
import polars as pl
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nonself.core.events import Events, conform
from nonself.detect.sigma import HITS, Ruleset
from nonself.detect.sigma.reading import compile_files

SETTINGS = settings(
    max_examples=int(os.environ.get("NONSELF_CORRELATION_EXAMPLES", "20")),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
START = dt.datetime(2024, 1, 1, 23, 59, 30, tzinfo=dt.UTC)
"""Midnight is thirty seconds away."""
LOG = {"product": "aws", "service": "cloudtrail"}
BASE = [
    {"title": f"rule {n}", "id": f"id-{n}", "name": n, "logsource": LOG, "detection": {"s": {"kind|contains": n}, "condition": "s"}}
    for n in "abc"
]
Record = dict[str, Any]


def frame(events: list[Record]) -> Events:
    """Events of the seconds `t` after START; whatever else they say is a native field."""
    rows = [
        {
            "uid": f"{number:024x}", "source": "cloudtrail", "host": event.get("host"), "src_ip": event.get("src"),
            "time": None if event["t"] is None else START + dt.timedelta(seconds=event["t"]), "ext": orjson.dumps(event).decode(),
        }
        for number, event in enumerate(events)
    ]  # fmt: skip
    schema = {
        "uid": pl.String,
        "source": pl.String,
        "host": pl.String,
        "src_ip": pl.String,
        "time": pl.Datetime("us", "UTC"),
        "ext": pl.String,
    }
    return conform(pl.DataFrame(rows, schema=schema))


def ruleset(*documents: Record) -> Ruleset:
    return Ruleset(compile_files([("r.yml", yaml.safe_dump_all([*BASE, *documents], sort_keys=False).encode())]))


def correlation(id_: str, type_: str, rules: Any, **more: Any) -> Record:
    section = {"type": type_, "rules": rules} | {key.replace("_", "-"): value for key, value in more.items()}
    return {"title": f"correlation {id_}", "id": id_, "level": "high", "correlation": {"timespan": "10s"} | section}


def told(rules: Ruleset, events: list[Record]) -> pl.DataFrame:
    assert not rules.rejected, rules.rejected
    _, inputs = rules.observe(frame(events))
    return rules.correlate(inputs)


def at(second: float, kind: str, **more: Any) -> Record:
    return {"t": second, "kind": kind} | more


def spans(hits: pl.DataFrame) -> list[tuple[float, float, int]]:
    """Seconds of first and last event, and the number of events, of each hit."""
    return sorted(
        ((s - START).total_seconds(), (e - START).total_seconds(), n) for s, e, n in hits.select("start", "end", "n_events").rows()
    )


# --- the definition, one window at a time -----------------------------------------------------------------------------------------


def _value(record: Record, names: list[str], *, numeric: bool = False) -> tuple[str, ...] | None:
    values = []
    for name in names:
        value = record.get(name)
        text = "" if value is None else str(value).lower()
        if not text or (numeric and not text.lstrip("-").replace(".", "", 1).isdigit()):
            return None
        values.append(text)
    return tuple(values)


def _holds(number: float, condition: Record) -> bool:
    compare = {
        "gt": number.__gt__,
        "gte": number.__ge__,
        "lt": number.__lt__,
        "lte": number.__le__,
        "eq": number.__eq__,
        "neq": number.__ne__,
    }
    return all(compare[name](float(wanted)) for name, wanted in condition.items() if name in compare)


def _measure(section: Record, window: list[Record]) -> float:
    """The number the condition is about. `window` holds rows: part, event, unit, value, moment."""
    kind = section["type"]
    if kind == "event_count":
        return float(len({row["unit"] for row in window}))
    if kind == "value_count":
        return float(len({row["value"] for row in window}))
    if kind == "temporal":
        return float(len({row["part"] for row in window}))
    if kind == "temporal_ordered":
        return float(_longest(window))
    numbers = sorted(float(value) for value in {row["unit"]: row["value"][0] for row in window}.values())
    if kind in ("value_sum", "value_avg"):
        return sum(numbers) / (len(numbers) if kind == "value_avg" else 1)
    rank = (len(numbers) - 1) * section["condition"].get("percentile", 50) / 100
    low = int(rank)
    return numbers[low] + ((rank - low) * (numbers[low + 1] - numbers[low]) if rank > low else 0)


def _longest(window: list[Record]) -> int:
    parts = sorted({row["part"] for row in window})
    for length in range(len(parts), 0, -1):
        for chosen in itertools.combinations(parts, length):
            moments = [sorted(row["moment"] for row in window if row["part"] == part) for part in chosen]
            now = -1e9
            for options in moments:  # the earliest that is not before the one chosen last
                now = next((moment for moment in options if moment >= now), 1e9)
            if now < 1e9:
                return length
    return 0


WORDED: dict[str, Callable[[bool, bool, bool], bool]] = {
    "a and b": lambda a, b, c: a and b,
    "a and not b": lambda a, b, c: a and not b,
    "a or (b and not c)": lambda a, b, c: a or (b and not c),
    "a OR b AND NOT c": lambda a, b, c: a or (b and not c),
    "not (a or b)": lambda a, b, c: not (a or b),
    "a and b and c": lambda a, b, c: a and b and c,
    "not not c or a": lambda a, b, c: c or a,
}


def _naive(document: Record, others: dict[str, Record], events: list[Record]) -> list[Record]:
    """Hits of a correlation: their rows, and the first moment of a firing window that holds each row."""
    section = document["correlation"]
    span, condition = int(section["timespan"][:-1]), section.get("condition")
    rows: list[Record] = []
    for part, name in enumerate(section["rules"]):
        if name in others:
            hits = _naive(others[name], others, events)
            under = [(row["event"], moment, (name, number)) for number, hit in enumerate(hits) for row, moment in hit["members"]]
        else:
            under = [(n, event["t"], n) for n, event in enumerate(events) if event["t"] is not None and name in event["kind"]]
        for number, moment, unit in under:
            group = _value(events[number], section.get("group-by", []))
            numeric = section["type"] in ("value_sum", "value_avg", "value_percentile", "value_median")
            fields = condition.get("field", []) if isinstance(condition, dict) else []
            value = _value(events[number], [fields] if isinstance(fields, str) else fields, numeric=numeric)
            if group is not None and value is not None:
                rows.append({"part": part, "event": number, "unit": unit, "value": value, "moment": moment, "group": group})
    hits = []
    for group in sorted({row["group"] for row in rows}):
        hits += _group_hits(section, [row for row in rows if row["group"] == group], span)
    return hits


def _group_hits(section: Record, rows: list[Record], span: int) -> list[Record]:
    condition = section.get("condition") or {"gte": len(section["rules"])}
    hits: list[Record] = []
    for moment in sorted({row["moment"] for row in rows}):
        window = [row for row in rows if moment - span <= row["moment"] <= moment]
        if isinstance(condition, str):
            seen = {section["rules"][row["part"]] for row in window}
            fires = WORDED[condition]("a" in seen, "b" in seen, "c" in seen)
        else:
            fires = _holds(_measure(section, window), condition)
        if not fires:
            continue
        day = (START + dt.timedelta(seconds=moment)).date()
        ids = {id(row) for row in window}
        if hits and hits[-1]["day"] == day and ids & hits[-1]["window"]:
            hit = hits[-1]
        else:
            hits.append(hit := {"rows": {}, "members": []})
        hit["rows"] |= {id(row): row for row in window}
        hit |= {"window": ids, "day": day}
        told_before = {id(row) for other in hits for row, _ in other["members"]}
        hit["members"] += [(row, moment) for row in window if id(row) not in told_before]
    return hits


def _summary(document: Record, hits: Iterable[Record], events: list[Record]) -> list[tuple[Any, ...]]:
    found = []
    for hit in hits:
        numbers = sorted({row["event"] for row in hit["rows"].values()}, key=lambda number: (events[number]["t"], number))
        times = [START + dt.timedelta(seconds=events[number]["t"]) for number in numbers]
        found.append((document["id"], times[0], times[-1], len(numbers), tuple(f"{number:024x}" for number in numbers)))
    return found


# --- generated rules and events -----------------------------------------------------------------------------------------------------

_seconds = st.one_of(st.integers(0, 60), st.integers(0, 60), st.integers(20, 40), st.sampled_from([None, 0.5, 29.999999]))
_events = st.lists(
    st.fixed_dictionaries(
        {"t": _seconds, "kind": st.sampled_from(["a", "b", "c", "ab", "abc", "x"])},
        optional={
            "g": st.sampled_from(["one", "ONE", "two", "", None]),
            "h": st.sampled_from(["x\x1fy", "x", 1]),
            "v": st.sampled_from([0, 1, 2, 3, -1, 0.5, "2.25", "4", "many", "", True]),
        },
    ),
    max_size=16,
)
_thresholds = st.sampled_from([-1, 0, 0.5, 1, 1.5, 2, 2.25, 3])
_numbers = st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte", "eq", "neq"]), _thresholds, min_size=1, max_size=2)
_rules = st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True)
_common = st.fixed_dictionaries({"timespan": st.sampled_from(["1s", "5s", "12s", "40s"])}, optional={
    "group-by": st.sampled_from([["g"], ["g", "h"], ["h"]]),
})  # fmt: skip


@st.composite
def _sections(draw: st.DrawFn, rules: st.SearchStrategy[list[str]], kinds: tuple[str, ...]) -> Record:
    kind = draw(st.sampled_from(kinds))
    section = {"type": kind, "rules": draw(rules)} | draw(_common)
    condition = draw(_numbers)
    if kind.startswith("temporal"):
        if draw(st.booleans()):
            return section
    elif kind != "event_count":
        condition["field"] = draw(st.sampled_from(["v", ["v", "g"], ["h"]])) if kind == "value_count" else "v"
        if kind == "value_percentile":
            condition["percentile"] = draw(st.sampled_from([0, 10, 37.5, 50, 90, 100]))
    return section | {"condition": condition}


PLAIN = (
    "event_count", "value_count", "temporal", "temporal_ordered", "value_sum", "value_avg", "value_percentile", "value_median",
)  # fmt: skip


def _check(documents: list[Record], events: list[Record], batches: list[int]) -> None:
    rules = ruleset(*documents)
    refused = {rejected.rule for rejected in rules.rejected}
    assert all("condition can't hold" in r.reason or "refers to" in r.reason for r in rules.rejected), rules.rejected
    whole = frame(events)
    of_row = pl.Series([batches[n % len(batches)] for n in range(len(events))], dtype=pl.Int64)
    deltas = [rules.observe(whole.filter(of_row == number))[1] for number in sorted(set(batches), key=str)]
    hits = rules.correlate(rules.merge_inputs(deltas[::-1]))
    assert hits.schema == pl.Schema(HITS)
    assert hits.equals(rules.correlate(rules.observe(whole)[1])), "batches matter"
    others = {document["id"]: document for document in documents}
    expected = []
    for document in documents:
        if document["id"] not in refused | rules.silent:
            expected += _summary(document, _naive(document, others, events), events)
    found = [(r, s, e, n, tuple(u)) for r, s, e, n, u in hits.select("rule", "start", "end", "n_events", "events").rows()]
    assert sorted(found) == sorted(expected)


@SETTINGS
@given(st.lists(_sections(_rules, PLAIN), min_size=1, max_size=3), _events, st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_engine_agrees_with_the_definition(sections: list[Record], events: list[Record], batches: list[int]) -> None:
    documents = [{"title": "t", "id": f"c{number}", "correlation": section} for number, section in enumerate(sections)]
    _check(documents, events, batches)


@SETTINGS
@given(
    _sections(_rules, ("event_count", "value_count", "temporal")),
    _sections(st.sampled_from([["c0"], ["c0", "b"], ["b", "c0"]]), ("event_count", "value_count", "temporal", "temporal_ordered")),
    _sections(st.sampled_from([["c1", "a"], ["a", "c1", "c0"]]), ("event_count", "temporal_ordered")),
    _events,
    st.lists(st.integers(0, 3), min_size=1, max_size=8),
    st.booleans(),
)
def test_chains_agree_with_the_definition(
    inner: Record, middle: Record, outer: Record, events: list[Record], batches: list[int], generate: bool
) -> None:
    sections = [inner, middle | {"generate": generate}, outer | {"generate": generate}]
    _check([{"title": "t", "id": f"c{number}", "correlation": section} for number, section in enumerate(sections)], events, batches)


@SETTINGS
@given(st.sampled_from(sorted(WORDED)), _events, _common)
def test_conditions_in_words(text: str, events: list[Record], common: Record) -> None:
    rules = sorted(set("abc") & set(text.lower().replace("(", " ").replace(")", " ").split()))
    _check([{"title": "t", "id": "c0", "correlation": {"type": "temporal", "rules": rules, "condition": text} | common}], events, [0, 1])
