"""The event schema, and the frames that keep it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from unittest import mock

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself.core import events, scores
from nonself.core.schema import ATTACKER_WRITABLE, BY_NAME, CLASSES, COLUMNS, HOT, SCHEMA, TIME


def test_columns_have_distinct_names_and_are_described() -> None:
    assert len(SCHEMA) == len(COLUMNS) == len(BY_NAME)
    for column in COLUMNS:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)
        assert re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*", column.ocsf)
        assert len(column.doc) > 5
        assert column.dtype == SCHEMA[column.name]


def test_time_is_utc_microseconds() -> None:
    assert SCHEMA["time"] == TIME == pl.Datetime("us", "UTC")


def test_quantities_carry_a_unit() -> None:
    for column in COLUMNS:
        if column.name.startswith(("bytes_", "duration")) or column.name == "time":
            assert column.unit, f"{column.name} has no unit"


@pytest.mark.parametrize("name", ["cmdline", "user_agent", "url_path", "query", "file_path", "host", "raw", "ext", "origin", "user", "sni"])
def test_what_an_attacker_can_write_is_marked(name: str) -> None:
    assert name in ATTACKER_WRITABLE


@pytest.mark.parametrize("name", ["time", "uid", "source", "record", "class_uid", "map_ver"])
def test_what_the_sensor_states_is_not(name: str) -> None:
    assert name not in ATTACKER_WRITABLE


def test_cold_columns_are_not_hot() -> None:
    assert set(SCHEMA) - set(HOT) == {"ext", "raw"}


def test_classes_are_ocsf_uids() -> None:
    assert CLASSES[1007] == "Process Activity"
    assert CLASSES[3002] == "Authentication"
    assert all(uid == 0 or 1000 < uid % 100_000 < 8000 for uid in CLASSES)
    assert len(set(CLASSES.values())) == len(CLASSES)


def test_empty_frames_have_their_schema() -> None:
    assert dict(events.empty().schema) == SCHEMA
    assert dict(scores.no_scores().schema) == scores.SCORES


def test_conform_fills_casts_and_orders() -> None:
    frame = pl.DataFrame({"pid": ["7", "x", None], "time": [datetime(2026, 1, 1, tzinfo=UTC)] * 3, "user": ["ann", None, "bob"]})
    out = events.conform(frame)
    assert dict(out.schema) == SCHEMA
    assert list(out.columns) == list(SCHEMA)
    assert out["pid"].to_list() == [7, None, None]
    assert out["user"].to_list() == ["ann", None, "bob"]
    assert out["cmdline"].null_count() == 3


def test_conform_drops_values_that_do_not_fit_and_keeps_their_neighbours() -> None:
    out = events.conform(pl.DataFrame({"class_uid": [1007, 2**40, -1], "score": [1.5, float("nan"), float("inf")]}))
    assert out["class_uid"].to_list() == [1007, None, -1]
    assert out["score"].to_list() == [1.5, None, None]


def test_conform_refuses_unknown_columns() -> None:
    with pytest.raises(ValueError, match=r"expected columns of the event schema, got \['colour'\]; put them into `ext`"):
        events.conform(pl.DataFrame({"user": ["a"], "colour": ["red"]}))


def test_conform_is_idempotent_and_keeps_no_rows() -> None:
    out = events.conform(pl.DataFrame({"uid": ["a", "b"]}))
    assert events.conform(out).equals(out)
    assert events.conform(pl.DataFrame(schema={"uid": pl.String})).equals(events.empty())


def test_concat_keeps_order_and_drops_nothing() -> None:
    a, b = (events.conform(pl.DataFrame({"uid": names})) for names in (["1", "2"], ["3"]))
    assert events.concat([a, events.empty(), b])["uid"].to_list() == ["1", "2", "3"]
    assert events.concat([]).equals(events.empty())
    assert events.concat(iter([events.empty()])).equals(events.empty())


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), st.binary(), st.binary())
def test_uid_names_source_and_bytes(source: str, a: bytes, b: bytes) -> None:
    assert re.fullmatch(r"[0-9a-f]{24}", events.uid(source, a))
    assert events.uid(source, a) == events.uid(source, a)
    assert (events.uid(source, a) == events.uid(source, b)) == (a == b)
    assert events.uid("evtx", a) != events.uid("zeek", a)


def test_uid_never_changes() -> None:
    """As `printf record | openssl dgst -sha256 -hmac zeek` says."""
    assert events.uid("zeek", b"record") == "d80513aef217520218097f5a"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=90), st.lists(st.binary(max_size=300)), st.booleans())
def test_a_column_is_named_as_its_records_are_whatever_hashes_it(source: str, raws: list[bytes], vectorised: bool) -> None:
    with mock.patch.object(events, "_MANY", 0 if vectorised else 1_000):
        assert events.uids(source, pl.Series(raws, dtype=pl.Binary)).to_list() == [events.uid(source, raw) for raw in raws]


def test_a_plugin_that_does_not_fit_is_not_used() -> None:
    events._hashes_columns.cache_clear()
    try:
        with mock.patch.object(events.polars_hash, "col", side_effect=pl.exceptions.ComputeError("built for another polars")):
            assert events.uids("zeek", pl.Series([b"record"] * 99)).to_list() == [events.uid("zeek", b"record")] * 99
    finally:
        events._hashes_columns.cache_clear()
