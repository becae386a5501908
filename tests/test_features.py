"""`nonself features`: right numbers, declared columns, the same bytes, and a card that tells all of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import samples_ocsf as samples
from nonself import cli
from nonself.core import events as frames
from nonself.core.schema import SCHEMA as EVENTS
from nonself.serve.features import FEATURES, KEY, NEW, SCHEMA, features

START = datetime(2026, 3, 2, 10, 30, tzinfo=UTC)


def make(*rows: dict[str, Any]) -> pl.DataFrame:
    columns = {name: pl.Series(name, [row.get(name) for row in rows], dtype=EVENTS[name]) for name in {n for row in rows for n in row}}
    return frames.conform(pl.DataFrame(columns))


def at(hours: float, **cells: Any) -> dict[str, Any]:
    return {"time": START + timedelta(hours=hours), "class_uid": 3002, "source": "syslog", "user": "ann", **cells}


def row(table: pl.DataFrame, entity: str, window: datetime) -> dict[str, Any]:
    return table.filter((pl.col("entity") == entity) & (pl.col("window") == window)).row(0, named=True)


def test_counts_sums_and_hours() -> None:
    day = make(
        at(0, status_id=2, src_ip="10.0.0.5", bytes_out=100), at(0.1, status_id=1, src_ip="10.0.0.6", bytes_out=None),
        at(5, class_uid=4001, src_ip="10.0.0.5", bytes_out=7), at(-9, src_ip="10.0.0.5"),
    )  # fmt: skip
    found = row(features([day], "day", ["user"]), "user:ann", datetime(2026, 3, 2, tzinfo=UTC))
    assert (found["events"], found["failures"], found["successes"], found["class_3002"], found["class_4001"]) == (4, 1, 1, 3, 1)
    assert (found["sum_bytes_out"], found["max_bytes_out"], found["sum_bytes_in"], found["distinct_src_ip"]) == (107, 100, None, 2)
    assert (found["hours"], found["night"], found["weekday"], found["age"], found["new_src_ip"]) == (3, 1, 1, 0, 2)


def test_new_values_are_those_of_no_earlier_window_of_the_same_entity() -> None:
    first = make(at(0, src_ip="10.0.0.5"), at(0, user="bob", src_ip="10.0.0.9"))
    later = make(at(24, src_ip="10.0.0.5"), at(24, src_ip="10.0.0.9"), at(48, src_ip="10.0.0.5"))
    table = features([first, later], "day", ["user"])
    days = [datetime(2026, 3, day, tzinfo=UTC) for day in (2, 3, 4)]
    assert [row(table, "user:ann", day)["new_src_ip"] for day in days] == [1, 1, 0]
    assert [row(table, "user:ann", day)["age"] for day in days] == [0, 1, 2]


def test_an_event_counts_once_for_an_entity_in_two_roles() -> None:
    table = features([make(at(0, src_ip="10.0.0.5", dst_ip="10.0.0.5"))], "hour", ["ip"])
    assert table["events"].to_list() == [1]
    assert table["window"].to_list() == [START.replace(minute=0)]


def test_undated_events_and_absurd_numbers_harm_nothing() -> None:
    table = features([make(at(0, bytes_out=2**62), at(0, bytes_out=2**62), {**at(0), "time": None})], "day", ["user"])
    assert (table["events"].to_list(), table["sum_bytes_out"].to_list()) == ([2], [2**41])


def test_no_event_gives_the_declared_schema() -> None:
    for parts in ([], [frames.empty()]):
        table = features(parts, "day", ["user", "host"])
        assert (table.height, dict(table.schema)) == (0, SCHEMA)


def test_parts_and_order_change_nothing() -> None:
    rows = [at(h, src_ip=f"10.0.0.{h % 7}", user=f"u{h % 3}", op=str(h % 5), bytes_in=h) for h in range(96)]
    whole = features([make(*rows)], "hour", ["user", "ip"])
    days: dict[Any, list[dict[str, Any]]] = {}
    for one in rows:
        days.setdefault(one["time"].date(), []).append(one)
    assert whole.equals(features([make(*reversed(day)) for day in days.values()], "hour", ["ip", "user", "ip"]))
    assert dict(whole.schema) == SCHEMA
    assert whole.select(KEY).is_duplicated().sum() == 0
    assert {f"new_{column}" for column in NEW} <= set(SCHEMA)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("features")
    (folder / "a.jsonl").write_bytes(samples.OCSF[0][1] + b"{broken\n")
    assert cli.main(["ingest", str(folder / "a.jsonl"), "--state", str(folder / "state"), "--quiet", "--no-builtin-rules"]) == 3
    return str(folder / "state")


def test_the_command_writes_the_same_bytes_and_a_card(state: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert cli.main(["features", str(tmp_path / f"{name}.parquet"), "--state", state, "--kinds", "user,host,ip,process"]) == 0
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert (tmp_path / "a.card.json").read_bytes() == (tmp_path / "b.card.json").read_bytes()
    table = pl.read_parquet(tmp_path / "a.parquet")
    card = json.loads((tmp_path / "a.card.json").read_text())
    assert (card["rows"], card["inputs"]["count"], card["dead_letters"]) == (table.height, 1, {"json-syntax": 1})
    assert (card["events_by_source"], card["map_ver"]) == ({"ocsf": 4}, {"ocsf": [2]})
    assert card["entities"] == dict(table.group_by("kind").agg(pl.col("entity").n_unique()).iter_rows())
    assert [column["name"] for column in card["columns"]] == table.columns == [feature.name for feature in FEATURES]
    assert all(column["meaning"] for column in card["columns"])
    shares = {column["name"]: column["null_share"] for column in card["columns"]}
    assert shares["sum_bytes_out"] == 1.0 and shares["events"] == 0.0
    text = (tmp_path / "a.card.md").read_text()
    assert all(f"`{name}`" in text for name in table.columns)


def test_the_time_range_narrows(state: str, tmp_path: Path) -> None:
    assert cli.main(["features", str(tmp_path / "x.parquet"), "--state", state, "--since", "2026-03-02T10:00:03Z"]) == 0
    table = pl.read_parquet(tmp_path / "x.parquet")
    assert table["first"].min() >= datetime(2026, 3, 2, 10, 0, 3, tzinfo=UTC)
    assert cli.main(["features", str(tmp_path / "y.parquet"), "--state", state, "--since", "2027-01-01"]) == 2


@pytest.mark.parametrize("extra", [["--kinds", "nobody"], ["--kinds", ","], ["--since", "yesterday"]])
def test_usage_errors(state: str, tmp_path: Path, extra: list[str]) -> None:
    assert cli.main(["features", str(tmp_path / "z.parquet"), "--state", state, *extra]) == 2
    assert cli.main(["features", str(tmp_path / "no" / "z.parquet"), "--state", state]) == 2
