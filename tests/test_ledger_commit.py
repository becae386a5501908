"""What is committed comes back, whatever the batches; what is no step forward is refused."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from nonself.core import events as ev
from nonself.core.errors import StateError
from nonself.core.schema import SCHEMA
from nonself.ledger import DEAD, INPUTS, NO_DAY, Batch, Conclusion, Ledger, Progress, no_dead
from nonself.ledger import lake as lake_module
from test_ledger_samples import T0, batch, chunk_events, conclusion, dead, finding, incident, learn, merge, offset, rows

TIMES = st.one_of(
    st.none(),
    st.sampled_from([T0, T0, datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)]),
    st.datetimes(datetime(2026, 3, 1), datetime(2026, 3, 4), timezones=st.just(UTC)),
)
EVENT = st.tuples(
    TIMES, st.sampled_from(["u1", "u2", "u3", "u4"]), st.sampled_from([None, 0, 1007, 3002]), st.sampled_from(["ann", "bob", None])
)


def events_of(drawn: list[tuple[object, ...]]) -> ev.Events:
    time, uid, class_uid, user = (list(column) for column in zip(*drawn, strict=True)) if drawn else ([], [], [], [])
    return rows(
        time=time, uid=uid, class_uid=class_uid, user=user, record=list(range(len(drawn))), raw=[f"r{i}" for i in range(len(drawn))]
    )


def commit_in_parts(ledger: Ledger, events: ev.Events, cuts: list[int]) -> None:
    edges = [0, *sorted(cut % (events.height + 1) for cut in cuts), events.height]
    for number, (start, end) in enumerate(itertools.pairwise(edges)):
        part = events[start:end]
        ledger.commit(Batch([offset("aa", number + 1, per_chunk=0)], part, {"users": learn(part)}, no_dead()))


@settings(max_examples=20, deadline=None)
@given(drawn=st.lists(EVENT, max_size=40), cuts=st.lists(st.integers(0, 40), max_size=4), scattered=st.sampled_from([1, 3, 256]))
def test_cutting_into_batches_changes_nothing(drawn: list[tuple[object, ...]], cuts: list[int], scattered: int) -> None:
    events = events_of(drawn)
    with pytest.MonkeyPatch.context() as patch, Ledger.open(":memory:") as whole, Ledger.open(":memory:") as cut:
        commit_in_parts(whole, events, [])
        patch.setattr(lake_module, "SCATTERED", scattered)
        commit_in_parts(cut, events, cuts)
        assert_frame_equal(cut.events(), whole.events())
        assert_frame_equal(whole.events(), events.sort("time", "uid", "class_uid", maintain_order=True))
        assert_frame_equal(merge(cut.deltas("users")), merge(whole.deltas("users")))
        assert_frame_equal(merge(cut.deltas("users")), learn(events))
        assert cut.days() == whole.days() and cut.event_counts() == whole.event_counts()
        by_day = [cut.events(day=day) for day in cut.days()]
        assert_frame_equal(pl.concat([events.clear(), *by_day]).sort("record"), events)
        of_class = [cut.events(classes=[class_uid]) for class_uid in cut.event_counts()]
        assert [part.height for part in of_class] == list(cut.event_counts().values())
        assert_frame_equal(cut.events(uids=["u1", "u9"], columns=["record"]), whole.events().filter(pl.col("uid") == "u1").select("record"))


def test_every_column_comes_back_bit_for_bit(tmp_path: Path) -> None:
    values: dict[str, list[object]] = {}
    for name, dtype in SCHEMA.items():
        texts = ["\x1b[31m\0", "", "ünï"]
        kinds: dict[object, list[object]] = {
            pl.String: list(texts), pl.Boolean: [True, False, None], pl.Float64: [0.1, None, -1e300], pl.List: [texts, [], None],
            pl.Datetime: [T0, None, datetime(1601, 1, 1, tzinfo=UTC)],
        }  # fmt: skip
        values[name] = kinds.get(dtype.base_type(), [1, None, -7])
    events = rows(**values)
    with Ledger.open(tmp_path / "s") as ledger:
        ledger.commit(Batch([offset("aa", 1)], events, {}, no_dead()))
        assert_frame_equal(ledger.events(), events.sort("time", "uid", maintain_order=True))
        assert ledger.events(columns=["raw", "time"]).columns == ["raw", "time"]
        with pytest.raises(ValueError, match="usr"):
            ledger.events(columns=["usr"])


def test_raw_can_be_dropped(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "s", keep_raw=False) as ledger:
        ledger.commit(batch("aa", 0))
        assert_frame_equal(ledger.events(columns=["uid"]).sort("uid"), chunk_events("aa", 0).select("uid").sort("uid"))
        assert ledger.events()["raw"].null_count() == 12
    assert b"xxxxxxxxxxxx" not in b"".join(path.read_bytes() for path in (tmp_path / "s").rglob("*") if path.is_file())


def test_times_no_calendar_holds_have_a_day_of_their_own() -> None:
    far = pl.Series([2**62, -(2**62), 0, None], dtype=pl.Int64).cast(SCHEMA["time"])
    events = ev.conform(pl.DataFrame({"time": far, "uid": ["a", "b", "c", "d"]}))
    with Ledger.open(":memory:") as ledger:
        ledger.commit(Batch([offset("aa", 1)], events, {"users": learn(events)}, no_dead()))
        assert ledger.days() == [NO_DAY, date(1970, 1, 1)]
        assert sorted(ledger.events(day=NO_DAY, columns=["uid"])["uid"]) == ["a", "b", "d"]
        assert merge(ledger.deltas("users"))["n"].sum() == 4
        assert merge(ledger.deltas("users", since=date(1970, 1, 1)))["n"].sum() == 1


def test_hostile_times_do_not_buy_a_file_each(tmp_path: Path) -> None:
    n = 3_000
    events = rows(time=[T0 + timedelta(days=i) for i in range(n)], uid=[f"u{i}" for i in range(n)], class_uid=[1007] * n)
    with Ledger.open(tmp_path / "s") as ledger:
        ledger.commit(Batch([offset("aa", 1)], events, {"users": learn(events)}, no_dead()))
        assert len(list((tmp_path / "s" / "blobs").glob("*/*"))) == 1
        assert len(ledger.deltas("users")) == 1 and len(ledger.days()) == n
        assert ledger.events(day=(T0 + timedelta(days=7)).date())["uid"].to_list() == ["u7"]
        assert ledger.deltas("users", since=(T0 + timedelta(days=n - 2)).date())[0].height == 2


def test_what_is_committed_is_not_committed_again() -> None:
    with Ledger.open(":memory:") as ledger:
        assert ledger.progress("aa") == Progress(0, False)
        ledger.commit(batch("aa", 0))
        ledger.commit(batch("aa", 1))
        before = ledger.events()
        for again in (batch("aa", 1), batch("aa", 0)):
            with pytest.raises(StateError, match=r"logs/aa.log: expected a step beyond chunk 2"):
                ledger.commit(again)
        twice = Batch([offset("bb", 1), offset("bb", 1)], chunk_events("bb", 0), {}, no_dead())
        with pytest.raises(StateError, match="step beyond chunk 1"):
            ledger.commit(twice)
        with pytest.raises(StateError, match="without offsets"):
            ledger.commit(Batch([], chunk_events("bb", 0), {}, no_dead()))
        assert_frame_equal(ledger.events(), before)
        assert ledger.progress("aa") == Progress(2, False) and ledger.progress("bb") == Progress(0, False)


def test_an_input_can_be_finished_without_new_events_and_then_is_final() -> None:
    with Ledger.open(":memory:") as ledger:
        ledger.commit(batch("aa", 0))
        empty = Batch([offset("aa", 1, done=True, dead=1)], ev.empty(), {}, no_dead())
        more = Batch([offset("aa", 1, done=True, dead=2)], ev.empty(), {}, dead("aa", 4))
        with pytest.raises(StateError, match="records 14 after 13"):
            ledger.commit(more)
        ledger.commit(empty)
        assert ledger.progress("aa") == Progress(1, True)
        for later in (empty, batch("aa", 1)):
            with pytest.raises(StateError, match="the last"):
                ledger.commit(later)
        ledger.commit(Batch([offset("empty file", 0, done=True)], ev.empty(), {}, no_dead()))
        assert ledger.inputs().select("content", "done").rows() == [("aa", True), ("empty file", True)]


def test_counters_never_go_backwards() -> None:
    with Ledger.open(":memory:") as ledger:
        ledger.commit(batch("aa", 4))
        with pytest.raises(StateError):
            ledger.commit(Batch([offset("aa", 9, per_chunk=1)], ev.empty(), {}, no_dead()))


def test_wrong_frames_never_reach_the_ledger() -> None:
    good = batch("aa", 0)
    with Ledger.open(":memory:") as ledger:
        for wrong in (
            Batch(good.offsets, good.events.drop("raw"), {}, no_dead()),
            Batch(good.offsets, good.events.with_columns(pl.col("record").cast(pl.Int32)), {}, no_dead()),
            Batch(good.offsets, good.events, {"users": pl.DataFrame({"day": ["2026-03-01"]})}, no_dead()),
            Batch(good.offsets, good.events, {"users": pl.DataFrame({"n": [1]})}, no_dead()),
            Batch(good.offsets, good.events, {}, no_dead().drop("sample")),
        ):
            with pytest.raises(ValueError, match="expected"):
                ledger.commit(wrong)
        assert not ledger.pending() and ledger.inputs().height == 0 and ledger.audit_rows().height == 0


def test_inputs_and_dead_letters_come_back() -> None:
    with Ledger.open(":memory:") as ledger:
        assert ledger.inputs().schema == INPUTS and ledger.dead_letters().schema == DEAD
        for chunk in range(6):
            ledger.commit(batch("aa", chunk))
        odd = dead("bb", 3).with_columns(reason=pl.lit("not-utf8"))
        ledger.commit(Batch([offset("bb", 1)], ev.empty(), {}, odd))
        assert_frame_equal(ledger.dead_letters(), pl.concat([dead("aa", 0), dead("aa", 5), odd]))
        assert ledger.dead_letters(limit=1).height == 1
        assert list(ledger.dead_counts().items()) == [("bad-json", 2), ("not-utf8", 1)]
        assert ledger.inputs().select("origin", "content", "chunks", "done", "events").rows() == [
            ("logs/aa.log", "aa", 6, False, 72), ("logs/bb.log", "bb", 1, False, 12),
        ]  # fmt: skip


def test_a_file_name_that_is_not_text_is_kept_readable() -> None:
    named = offset("aa", 1)
    odd = type(named)(**{**{f: getattr(named, f) for f in named.__slots__}, "origin": "logs/\udcff.log"})
    with Ledger.open(":memory:") as ledger:
        ledger.commit(Batch([odd], ev.empty(), {}, no_dead()))
        assert ledger.inputs()["origin"].to_list() == ["logs/\\udcff.log"]


def test_a_conclusion_takes_in_everything_pending(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "s") as ledger:
        assert not ledger.pending()
        ledger.commit(batch("aa", 0))
        assert ledger.pending() and ledger.days(pending=True) == ledger.days() != []
        ledger.conclude(conclusion())
        assert not ledger.pending() and ledger.days(pending=True) == [] and ledger.deltas("users", pending=True) == []
        ledger.commit(batch("aa", 1))
        assert_frame_equal(ledger.events(pending=True).sort("record"), chunk_events("aa", 1))
        assert_frame_equal(merge(ledger.deltas("users", pending=True)), learn(chunk_events("aa", 1)))
        assert merge(ledger.deltas("users"))["n"].sum() == ledger.events().height == 24
        assert ledger.deltas("window:users")[0].rows() == [(T0.date(), 1.5)] and ledger.deltas("window:users", pending=True) == []
    with Ledger.open(tmp_path / "s") as ledger:
        assert ledger.findings() == [finding(2), finding(1)] and ledger.incidents() == [incident("abc1", 9.0)]
        assert ledger.findings(["f1", "f7"]) == [finding(1)] and ledger.findings([]) == []
        assert ledger.findings([f"f{i}" for i in range(300_000)]) == [finding(2), finding(1)]


def test_equal_windows_of_two_conclusions_are_both_kept() -> None:
    with Ledger.open(":memory:") as ledger:
        ledger.conclude(conclusion())
        ledger.conclude(conclusion())
        assert len(ledger.deltas("window:users")) == 2


def test_a_finding_never_changes_and_incidents_are_replaced() -> None:
    with Ledger.open(":memory:") as ledger:
        ledger.conclude(conclusion())
        ledger.conclude(
            Conclusion([finding(1, bits=77.0), finding(3)], {}, [incident("xyz", 1.0), incident("abd2", 5.0), incident("abc9", 5.0)])
        )
        assert [(f.id, f.bits) for f in ledger.findings()] == [("f3", 3.0), ("f2", 2.0), ("f1", 1.0)]
        assert [i.id for i in ledger.incidents()] == ["abc9", "abd2", "xyz"]
        assert ledger.incident("x").id == "xyz" and ledger.incident("abd2").id == "abd2"
        with pytest.raises(StateError, match="2 incidents begin with 'ab': abc9, abd2; give more"):
            ledger.incident("ab")
        for unknown in ("q", "", "%", "abc9x"):
            with pytest.raises(StateError):
                ledger.incident(unknown)


def test_an_exact_id_wins_over_longer_ones() -> None:
    with Ledger.open(":memory:") as ledger:
        ledger.conclude(Conclusion([], {}, [incident("ab", 1.0), incident("abc", 5.0)]))
        assert ledger.incident("ab").id == "ab"


@pytest.mark.parametrize(
    "changes", [{"score": float("nan")}, {"p": float("inf")}, {"start": datetime(2026, 3, 1, tzinfo=UTC), "bits": float("-inf")}]
)
def test_a_finding_that_json_would_bend_is_refused(changes: dict[str, object]) -> None:
    with Ledger.open(":memory:") as ledger:
        ledger.commit(batch("aa", 0))
        with pytest.raises(ValueError, match="finite"):
            ledger.conclude(Conclusion([finding(1, **changes)], {}, []))
        assert ledger.pending() and ledger.findings() == []


def test_a_big_delta_comes_back(tmp_path: Path) -> None:
    n = 40_000
    big = pl.DataFrame({"day": [T0.date()] * n, "user": [f"user-{i * 7919 % n}" for i in range(n)], "n": range(n)})
    with Ledger.open(tmp_path / "s") as ledger:
        ledger.commit(Batch([offset("aa", 1)], ev.empty(), {"users": big}, no_dead()))
        assert len(list((tmp_path / "s" / "blobs").glob("*/*"))) == 1
        assert_frame_equal(ledger.deltas("users")[0], big)
