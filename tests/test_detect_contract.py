"""The detector contract (detect/contract.py), run over every detector there is."""

import io
import itertools
import random
from dataclasses import dataclass

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.baseline import keys, pairs
from nonself.core.compact import compact
from nonself.core.events import concat, conform, empty
from nonself.core.schema import SCHEMA
from nonself.core.scores import EVIDENCE, SCORES
from nonself.detect import detectors, information, lineage, names, views
from nonself.detect.evidence import ENTITIES

KEPT = {"lineage": lineage.LINES, "information": information.STRINGS_PER_DAY}
"""Rows kept of a y and day, where that is not `pairs.X_PER_DAY`."""
ALL = {detector.name: detector for detector in detectors()}
each = pytest.mark.parametrize("name", ALL)
owned = pytest.mark.parametrize("name", [name for name, detector in ALL.items() if detector.spec.over])


@dataclass(frozen=True)
class Case:
    """A detector, its example, the self learnt from the normal part, and the scores of the odd part."""

    detector: object
    example: object
    self_: pl.DataFrame
    scores: pl.DataFrame


_CASES = {}


def case(name):
    if name not in _CASES:
        detector, example = ALL[name], ALL[name].example()
        self_ = detector.merge([detector.learn(example.normal)])
        _CASES[name] = Case(detector, example, self_, detector.score(example.odd, self_))
    return _CASES[name]


@each
def test_its_own_example_wins_in_a_stream_and_in_a_scan(name):
    c = case(name)
    known = c.detector.merge([c.self_, c.detector.learn(c.example.odd)])
    for scores in (c.scores, c.detector.score(c.example.odd, known, included=True)):
        ranked = scores.sort("score", descending=True)
        assert c.example.winner in ranked["events"][0]
        assert ranked["score"][0] > 2 and (ranked.height == 1 or ranked["score"][0] > 1.2 * ranked["score"][1] + 0.5)


def windows(detector, delta):
    """How many windows a delta speaks of."""
    if detector.spec.primitive == "sequence":
        hours = pl.col("seconds") // (86_400 // detector.spec.per_day)
        return delta.explode("seconds").select("day", "y", hours).n_unique()
    if detector.spec.primitive == "dga":  # told of a machine's day, learnt by domain
        return delta.select("day", "y").n_unique()
    own = delta.filter(keys.of_actors())
    return int(own["slots"].bitwise_count_ones().sum()) if "slots" in delta.columns else own.height


@each
def test_scores_are_one_finite_row_a_window(name):
    c = case(name)
    assert c.scores.height == windows(c.detector, c.detector.learn(c.example.odd)) > 0
    scores = c.scores
    assert list(scores.schema.items())[: len(SCORES)] == list(SCORES.items())
    assert scores["score"].is_finite().all() and (scores["score"] >= 0).all() and scores["n_events"].sum() <= c.example.odd.height
    for row in scores.iter_rows(named=True):
        assert row["entity"] in row["entities"] and row["entities"] == sorted(set(row["entities"])) and len(row["entities"]) <= ENTITIES
        assert len(row["events"]) == min(row["n_events"], EVIDENCE) and row["start"] <= row["end"]


@each
def test_empty_batch(name):
    c = case(name)
    delta, scores = c.detector.learn(empty()), c.detector.score(empty(), c.self_)
    assert delta.equals(c.detector.merge([])) and delta.schema == c.self_.schema and delta.height == 0
    assert scores.height == 0 and scores.schema == c.scores.schema
    assert c.detector.explain(scores) == []


@each
def test_with_no_history_nothing_is_surprising(name):
    c = case(name)
    scores = c.detector.score(c.example.odd, c.detector.merge([]))
    assert scores.height > 0 and scores["score"].max() == 0


@owned
def test_an_entity_never_seen_is_scored(name):
    c = case(name)
    roots = [root for y in c.detector.spec.over for root in names.roots(y)]
    filled = [root for root in roots if root in c.example.odd.columns and c.example.odd[root].null_count() == 0]
    column = next(root for root in filled if SCHEMA[root] == pl.String)
    told_apart = r"\currentversion\run\x" if column == "reg_key" else "198.51.100.250"
    strange = c.example.odd.with_columns(pl.lit(told_apart).alias(column))
    scores = c.detector.score(strange, c.self_)
    assert scores.height > 0 and scores["score"].is_finite().all() and len(c.detector.explain(scores)) == scores.height


@each
def test_scoring_learns_nothing_and_neither_order_nor_a_round_trip_matters(name):
    c = case(name)
    before, kept, again = c.self_.clone(), io.BytesIO(), io.BytesIO()
    c.self_.write_ipc(kept)
    loaded = pl.read_ipc(io.BytesIO(kept.getvalue()))
    loaded.write_ipc(again)
    assert loaded.equals(c.self_) and loaded.schema == c.self_.schema and again.getvalue() == kept.getvalue()
    shuffled = c.example.odd.sample(fraction=1.0, shuffle=True, seed=5)
    assert c.detector.score(shuffled, loaded).equals(c.scores)
    assert c.self_.equals(before)


@each
def test_reasons_add_up_to_the_score(name):
    c = case(name)
    scores = c.detector.score(concat([c.example.normal.head(200), c.example.odd]), c.self_, included=True)
    for score, reasons in zip(scores["score"], c.detector.explain(scores), strict=True):
        assert sum(r.bits for r in reasons) == pytest.approx(score, abs=1e-9)
        assert all(r.feature and r.normal and (r.seen or not r.bits) for r in reasons)


@each
def test_a_floor_spares_only_what_is_told_of_the_scores_below_it(name):
    c = case(name)
    floor = c.scores["score"].max()
    some = c.detector.score(c.example.odd, c.self_, floor=floor)
    high, told = pl.col("score") >= floor, ["entities", "events"]
    cheap = [name for name in SCORES if name not in told]
    assert some.filter(high).equals(c.scores.filter(high)) and some.height == c.scores.height
    assert some.filter(~high).select(cheap).equals(c.scores.filter(~high).select(cheap))
    assert some.filter(~high).select(pl.col(told).list.len().sum()).row(0) == (0, 0)


def _of(events, classes, columns):
    return events.filter(pl.col("class_uid").is_in(classes)).select(columns)


@each
def test_preparing_unread_columns_and_compact_texts_change_nothing(name):
    c = case(name)
    for evidence, held in itertools.product((False, True), (lambda events: events, compact)):
        asked = views(lambda classes, columns, held=held: held(_of(c.example.odd, classes, columns)), evidence=evidence)
        view = dict(asked)[c.detector]
        assert c.detector.learn(view).equals(c.detector.learn(c.example.odd))
        if evidence:
            assert c.detector.score(view, c.self_).equals(c.scores)


@settings(max_examples=50)
@given(st.sampled_from(sorted(ALL)), st.integers(1, 5), st.integers(0, 2**32))
def test_no_split_and_no_order_of_batches_changes_the_self(name, parts, seed):
    c = case(name)
    events, rng = concat([c.example.odd, c.example.normal]).head(100), random.Random(seed)
    events = events.with_columns(pl.Series("part", [rng.randrange(parts) for _ in range(events.height)]))
    deltas = [c.detector.learn(events.filter(pl.col("part") == i).drop("part")) for i in range(parts)]
    rng.shuffle(deltas)
    cut = rng.randrange(parts + 1)
    whole, merge = c.detector.learn(events.drop("part")), c.detector.merge
    assert merge(deltas).equals(whole) and merge([merge(deltas[cut:]), merge(deltas[:cut])]).equals(whole)
    assert merge([merge([]), whole]).equals(whole)


def _letters(i):
    return "".join(chr(97 + i // 26**k % 26) for k in range(4))


@each
def test_bytes_per_entity_are_bounded_as_declared(name):
    c = case(name)
    spec, n = c.detector.spec, 250
    one = c.example.odd.filter(pl.col("uid") == c.example.winner)
    counted = (spec.value,) if spec.measure == "distinct" else ()  # the length of a text is a number
    keep = {root for key in spec.over for root in names.roots(key)}
    varied = {root for key in (*spec.x, *counted) for root in names.roots(key) if SCHEMA[root] == pl.String} - keep
    long = pl.Series([f"{'é' * 200}{_letters(i)}.n{_letters(i)}{'ö' * 200}" for i in range(n)])
    at = pl.Series([m * 60_000_000 for m in range(n)]).cast(pl.Duration("us"))
    flood = pl.concat([one] * n).with_columns(*(long.alias(root) for root in varied), (pl.col("time").dt.truncate("1d") + at).alias("time"))
    delta = c.detector.learn(flood)
    if not delta.height:
        return  # what is made of a long text is null: X is short by construction
    fullest = delta.group_by("day", "y").len().sort("len").row(-1)
    part = delta.filter(pl.col("day") == fullest[0], pl.col("y") == fullest[1])
    most = (
        KEPT.get(spec.primitive, pairs.X_PER_DAY)
        if spec.x and spec.over
        else pairs.X_PER_DAY
        if spec.x
        else 1
        if "slots" in delta.columns
        else spec.per_day
    )
    size = part.rechunk().estimated_size() / part.height * most
    assert size <= c.detector.bytes_per_entity
    if varied:
        assert size > c.detector.bytes_per_entity / 50, "the bound is declared far too wide"


@each
def test_docstring_gives_formula_unit_reference_and_cost(name):
    doc = type(case(name).detector).__doc__
    assert all(f"{word}:" in doc for word in ("Formula", "Unit", "Reference", "Cost", "Reasons"))
    assert ALL[name].spec.about.endswith(".") and ALL[name].attack


TEXTS = [
    "",
    "\x00",
    "a\x00b",
    "\x1f",
    "\x1f\x1f",
    "x" * 50_000,
    "é" * 5_000,
    "\ufffd",
    "{x}",
    "%s",
    "..\\..\\",
    "\u202eexe.txt",
    "-",
    "\n",
    "$&",
    "\\",
]
INTEGERS = [-(2**63), -1, 0, 1, 2**63 - 1]
TIMES = [-(2**63) + 1, -1, 0, 2**62, 2**63 - 1, None]


def hostile(event, columns):
    """Copies of `event`, each with some columns replaced by the worst their types can hold."""
    rows, rng = [], random.Random(3)
    for i in range(40):
        row = dict(event)
        for column in rng.sample(columns, k=1 + i % len(columns)):
            dtype = SCHEMA[column]
            if column == "time":
                row[column] = TIMES[i % len(TIMES)]
            elif dtype == pl.String:
                row[column] = TEXTS[(i + len(column)) % len(TEXTS)]
            elif dtype.is_integer():
                row[column] = INTEGERS[i % len(INTEGERS)]
            else:
                row[column] = None
        rows.append({**row, "uid": f"hostile-{i}"})
    frame = {c: pl.Series(c, [r[c] for r in rows], dtype=pl.Int64 if SCHEMA[c].is_temporal() else None, strict=False) for c in event}
    return conform(pl.DataFrame(frame))


@each
def test_a_column_that_says_nothing_harms_nothing(name):
    c = case(name)
    columns = [column for column in c.detector.columns if column not in ("uid", "time", "class_uid")]
    parts = [c.example.odd]
    for column in columns:
        for said in (None, "", ".", " ", "-") if SCHEMA[column] == pl.String else (None,):
            parts.append(c.example.odd.head(3).with_columns(pl.lit(said, SCHEMA[column]).alias(column), pl.col("uid") + f"{column}{said}"))
    events = concat(parts)
    delta = c.detector.learn(events)
    scores = c.detector.score(events, c.detector.merge([c.self_, delta]), included=True)
    assert scores["score"].is_finite().all() and len(c.detector.explain(scores)) == scores.height


@each
def test_hostile_values_harm_nothing(name):
    c = case(name)
    winner = c.example.odd.filter(pl.col("uid") == c.example.winner)
    event = winner.with_columns(pl.col("time").cast(pl.Int64)).row(0, named=True)
    columns = [column for column in c.detector.columns if column not in ("uid", "class_uid")]
    bad = hostile(event, columns)
    events = concat([winner, bad])
    delta = c.detector.learn(events)
    scores = c.detector.score(events, c.detector.merge([c.self_, delta]), included=True)
    assert scores["score"].is_finite().all() and len(c.detector.explain(scores)) == scores.height
    if c.detector.spec.primitive != "measure":  # it tells the oddest event of a window, here a hostile one
        assert c.example.winner in [uid for row in scores["events"] for uid in row]
    assert c.detector.merge([c.detector.learn(bad), c.detector.learn(winner)]).equals(delta)
