"""The engine against the naive evaluator, over random rules and events; and the laws of the hits monoid."""

from __future__ import annotations

import datetime as dt
from typing import Any
from unittest import mock

import orjson
import polars as pl
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nonself.core.events import Events, conform
from nonself.detect.sigma import HITS, Ruleset, evaluate, sheet
from nonself.detect.sigma.reading import compile_files
from test_sigma_reference import rule_holds

SETTINGS = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
FIELDS = ("alpha", "beta", "gamma", "eventName")
PIECES = ["a", "A", "b", "bc", " ", "-", "/", "-e", ".", "\\", "*", "?", "\\*", "\\\\", "é", "É", "ς", "Σ", "k", "1", "10", "%", "İ", "_"]

texts = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
plain = texts.map(lambda text: "".join(c for c in text if c not in "*?\\%" and c.isascii()))
scalars = st.one_of(texts, texts, st.sampled_from([0, 1, 10, 443, -3, 2.5, 1.0, True, False, None, "443", "true", "10.1.2.3", "fe80::1"]))
event_values = st.one_of(scalars, scalars, st.sampled_from(["::ffff:10.1.2.3", "10.9.0.1", ""]), st.lists(scalars, max_size=3))
events_ = st.lists(st.dictionaries(st.sampled_from(FIELDS[:3]), event_values, max_size=3), min_size=1, max_size=6)
names = st.sampled_from(["", "x", "aA", "bc", None, "Σς"])


def _some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(values, st.lists(values, min_size=1, max_size=3))


_shape = st.sampled_from(["", "|contains", "|startswith", "|endswith"])
_strings = st.tuples(st.sampled_from(FIELDS), _shape, st.sampled_from(["", "", "|cased", "|all"])).flatmap(
    lambda key: st.tuples(st.just(f"{key[0]}{key[1]}{key[2]}"), _some(texts))
)
_windash = st.tuples(st.sampled_from(["alpha|windash|contains", "beta|windash", "alpha|contains|all|windash"]), _some(texts))
_encoded = st.tuples(
    st.sampled_from(["alpha|base64offset|contains", "alpha|base64", "beta|wide|base64offset|contains", "beta|wide", "beta|utf16be"]),
    _some(plain.filter(bool)),
)
_others = st.one_of(
    st.tuples(st.sampled_from(["alpha", "beta", "gamma|neq"]), _some(scalars)),
    st.tuples(st.sampled_from(["alpha|gt", "beta|gte", "gamma|lt", "alpha|lte"]), st.sampled_from([0, 1, 2.5, 443])),
    st.tuples(st.sampled_from(["alpha|cidr", "beta|cidr"]), _some(st.sampled_from(["10.0.0.0/8", "10.1.2.3/32", "fe80::/10"]))),
    st.tuples(st.sampled_from(["alpha|exists", "beta|exists"]), st.booleans()),
    st.tuples(
        st.sampled_from(["alpha|re", "alpha|re|i", "beta|re|i|s"]),
        _some(st.sampled_from(["^a.*b$", "bc+", "[ab]{2}", "a|1", r"\d\d", "A"])),
    ),
    st.tuples(
        st.sampled_from(["alpha|fieldref", "alpha|fieldref|contains", "beta|fieldref|startswith", "beta|fieldref|endswith"]),
        st.sampled_from(["beta", "gamma"]),
    ),
)
_maps = st.lists(st.one_of(_strings, _strings, _others, _windash, _encoded), min_size=1, max_size=3).map(dict)
_keywords = st.lists(plain.filter(lambda text: len(text.strip()) > 0), min_size=1, max_size=3)
_detections = st.one_of(_maps, _maps, st.lists(_maps, min_size=1, max_size=2), _keywords, _keywords.map(lambda words: {"|all": words}))
_conditions = st.sampled_from([
    "sel_a", "sel_a and sel_b", "sel_a or sel_b", "not sel_a", "sel_a and not sel_b", "1 of sel*", "all of sel_*", "all of them",
    "not (sel_a or not sel_b) and sel_a", "not 1 of sel_*", "sel_b or (sel_a and not sel_b)", ["sel_a", "sel_b"], "not not sel_b",
])  # fmt: skip
rules = st.builds(lambda a, b, condition: {"sel_a": a, "sel_b": b, "condition": condition}, _detections, _detections, _conditions)


def _document(number: int, detection: dict[str, Any]) -> dict[str, Any]:
    return {"title": "t", "id": str(number), "logsource": {"product": "aws", "service": "cloudtrail"}, "detection": detection}


def _frame(events: list[dict[str, Any]], ops: list[str | None]) -> Events:
    rows = [
        {"uid": f"{i:024x}", "source": "cloudtrail", "op": op, "ext": orjson.dumps(event).decode(), "time": dt.datetime(2024, 1, 1, i % 3)}
        for i, (event, op) in enumerate(zip(events, ops, strict=True))
    ]
    return conform(
        pl.DataFrame(rows, schema={"uid": pl.String, "source": pl.String, "op": pl.String, "ext": pl.String, "time": pl.Datetime})
    )


def _pairs(hits: pl.DataFrame) -> set[tuple[str, str]]:
    return {(rule, uid) for rule, uids in hits.select("rule", "events").iter_rows() for uid in uids}


def _check(detections: list[dict[str, Any]], events: list[dict[str, Any]], ops: list[str | None], few: int) -> None:
    documents = [_document(number, detection) for number, detection in enumerate(detections)]
    compiled = compile_files([("r.yml", yaml.safe_dump_all(documents, allow_unicode=True).encode())])
    assert not compiled.rejected
    frame = _frame(events, ops)
    with mock.patch.object(sheet, "_FEW", few), mock.patch.object(evaluate, "SLICE", 4):
        found = _pairs(Ruleset(compiled).match(frame))
    expected = set()
    for document in documents:
        for i, (event, op) in enumerate(zip(events, ops, strict=True)):
            whole = event | ({} if op is None else {"eventName": op})
            raw = orjson.dumps(event).decode()
            values = [v for value in event.values() for v in (value if isinstance(value, list) else [value])]
            text = "\n".join([raw, *(str(v) for v in values if isinstance(v, str))]) if "\\" in raw else raw
            if rule_holds(document, whole, text):
                expected.add((document["id"], f"{i:024x}"))
    assert found == expected


@SETTINGS
@given(st.lists(rules, min_size=1, max_size=3), events_, st.data(), st.sampled_from([0, 32]))
def test_engine_agrees_with_the_naive_evaluator(
    detections: list[dict[str, Any]], events: list[dict[str, Any]], data: st.DataObject, few: int
) -> None:
    ops = data.draw(st.lists(names, min_size=len(events), max_size=len(events)))
    _check(detections, events, ops, few)


_RULES = [
    {"sel": {"alpha|contains": "a"}, "condition": "sel"},
    {"sel": {"beta": None}, "condition": "sel"},
    {"sel": {"alpha": "A*", "gamma": 1}, "condition": "sel or not sel"},
]
_RULESET = Ruleset(compile_files([("r.yml", yaml.safe_dump_all([_document(i, d) for i, d in enumerate(_RULES)]).encode())]))


@settings(SETTINGS, max_examples=30)
@given(
    st.lists(st.dictionaries(st.sampled_from(FIELDS[:3]), event_values, max_size=3), max_size=80), st.lists(st.integers(0, 3), max_size=80)
)
def test_batches_do_not_matter(events: list[dict[str, Any]], cuts: list[int]) -> None:
    frame = _frame(events, [None] * len(events)).with_columns(
        pl.when(pl.int_range(pl.len()) % 7 == 3).then(None).otherwise(pl.col("time")).alias("time"),
        (pl.int_range(pl.len()) % 2).cast(pl.String).alias("host"),
    )
    batch = pl.Series([cuts[i] if i < len(cuts) else 0 for i in range(len(events))], dtype=pl.Int64)
    parts = [_RULESET.match(frame.filter(batch == number)) for number in range(4)]
    whole = _RULESET.match(frame)
    assert whole.schema == pl.Schema(HITS)
    assert whole.equals(_RULESET.merge(parts)) and whole.equals(_RULESET.merge(parts[::-1]))


_times = st.one_of(st.none(), st.integers(0, 120).map(lambda s: dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=s)))


@st.composite
def _hits(draw: st.DrawFn) -> pl.DataFrame:
    """Hits as `match` would give them, small enough to collide."""
    rows = []
    keys = draw(st.lists(st.tuples(st.sampled_from("rs"), st.sampled_from(["host:a", "host:b"])), unique=True, max_size=3))
    for rule, entity in keys:
        pairs = draw(st.lists(st.tuples(_times, st.sampled_from("uvwx")), min_size=1, max_size=60))
        pairs.sort(key=lambda p: (p[0] is None, p[0], p[1]) if p[0] else (True, dt.datetime.max.replace(tzinfo=dt.UTC), p[1]))
        known = [time for time, _ in pairs if time]
        rows.append({
            "day": dt.date(2024, 1, 1), "rule": rule, "entity": entity, "hour": dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
            "class_uid": draw(st.sampled_from([0, 1007, None])), "start": min(known, default=None), "end": max(known, default=None),
            "n_events": len(pairs), "events": [u for _, u in pairs[:50]], "times": [t for t, _ in pairs[:50]],
            "entities": sorted(set(draw(st.lists(st.integers(0, 99).map(str), max_size=70))))[:64],
            "matched": draw(st.lists(st.sampled_from([{"field": "a", "value": "1"}, {"field": "b", "value": "2"}]), max_size=2)),
        })  # fmt: skip
    return pl.DataFrame(rows, schema=HITS).sort("rule", "entity", "hour", nulls_last=True)


@settings(SETTINGS, max_examples=60)
@given(_hits(), _hits(), _hits())
def test_hits_are_a_commutative_monoid(a: pl.DataFrame, b: pl.DataFrame, c: pl.DataFrame) -> None:
    merge = _RULESET.merge
    assert merge([]).height == 0 and merge([]).schema == pl.Schema(HITS)
    assert merge([a, merge([])]).equals(a)
    assert merge([a, b]).equals(merge([b, a]))
    left, right, flat = merge([merge([a, b]), c]), merge([a, merge([b, c])]), merge([c, a, b])
    assert left.equals(right) and left.equals(flat)
    assert left["n_events"].sum() == sum(part["n_events"].sum() for part in (a, b, c))
