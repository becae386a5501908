"""`nonself sql` and `nonself ingest`: the lake can be asked anything and told nothing."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import samples_ocsf as samples
from nonself import cli, lab
from nonself.core.schema import SCHEMA
from nonself.ledger import Ledger
from nonself.serve.sql import VIEWS, QueryError, lake, plain, query


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("sql")
    evil = {**samples.LOGON, "user": {"name": "=cmd|' /C calc'!A0\x1b[31m"}}
    (folder / "a.jsonl").write_bytes(samples.OCSF[0][1] + json.dumps(evil).encode() + b"\n{broken\n")
    (folder / "b.txt").write_bytes(b"no log at all")
    state = str(tmp_path_factory.mktemp("state") / "it's a state")
    assert cli.main(["scan", str(folder), "--state", state, "--quiet"]) in (0, 3)
    return state


def ask(state: str, sql: str, **limits: float) -> list[tuple[object, ...]]:
    with Ledger.open(state, read_only=True) as ledger, lake(ledger) as connection:
        return list(query(connection, sql, **limits)[1])


def test_events_have_the_whole_schema_and_naive_utc_times(state: str) -> None:
    assert [row[0] for row in ask(state, "DESCRIBE events")] == list(SCHEMA)
    assert ask(state, "SELECT time FROM events WHERE class_uid = 2004") == [(datetime(2026, 3, 2, 10, 0, 4),)]
    assert ask(state, "SELECT count(*), count(mfa), list(answers) FILTER (answers IS NOT NULL) FROM events") == [
        (5, 2, [["192.0.2.7", "192.0.2.8"]])
    ]


def test_every_view_is_there(state: str) -> None:
    assert [row[0] for row in ask(state, "SHOW TABLES")] == sorted(VIEWS)
    assert ask(state, "SELECT reason, count(*) FROM dead GROUP BY ALL ORDER BY ALL") == [("json-syntax", 1), ("unrecognised", 1)]
    assert ask(state, "SELECT sum(events), bool_and(done) FROM inputs") == [(5, True)]
    with Ledger.open(state, read_only=True) as ledger:
        assert ask(state, "SELECT count(*) FROM findings") == [(len(ledger.findings()),)]
        assert ask(state, "SELECT count(*) FROM incidents") == [(len(ledger.incidents()),)]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO events SELECT * FROM events", "DELETE FROM dead", "UPDATE inputs SET events = 0", "DROP VIEW events",
        "CREATE TABLE t (a INT)", "COPY (SELECT 1) TO 'OUT'", "COPY events TO 'OUT' (FORMAT parquet)", "ATTACH 'OUT' AS x",
        "EXPORT DATABASE 'OUT'", "INSTALL httpfs", "LOAD httpfs", "PRAGMA version", "SET memory_limit = '9GB'", "RESET memory_limit",
        "CALL pragma_version()", "SELECT 1; DROP VIEW events", "EXPLAIN ANALYZE COPY (SELECT 1) TO 'OUT'", "PREPARE a AS SELECT 1", "",
        "SELECT * FROM read_text('/etc/hostname')", "SELECT * FROM '/etc/hostname'", "SELECT * FROM read_csv('/etc/hostname')",
        "SELECT * FROM read_parquet('https://example.org/x.parquet')", "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM sqlite_scan('ledger.db', 'blob')", "SELECT * FROM read_blob('OUT')",
        "WITH x AS (DELETE FROM dead RETURNING 1) FROM x",
    ],
)  # fmt: skip
def test_nothing_can_be_written_and_no_other_file_read(state: str, tmp_path: Path, sql: str) -> None:
    with pytest.raises(QueryError) as caught:
        ask(state, sql.replace("OUT", str(tmp_path / "out")))
    assert str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_errors_name_what_is_near(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for sql, near in (
        ("SELECT usr FROM events", "user"),
        ("SELECT * FROM incident", "incidents"),
        ("SELECT clas_uid FROM events", "class_uid"),
    ):
        with pytest.raises(QueryError, match=near):
            ask(state, sql)
    monkeypatch.setitem(sys.modules, "pytz", None)  # which only the test environment has
    with pytest.raises(QueryError, match="::TIMESTAMP"):
        ask(state, "SELECT now()")


def test_time_and_memory_are_limited(state: str) -> None:
    with pytest.raises(QueryError, match=r"more than 0\.5 s"):
        ask(state, "SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b", seconds=0.5)
    with Ledger.open(state, read_only=True) as ledger, lake(ledger, 64) as connection, pytest.raises(QueryError, match="memory"):
        list(query(connection, "SELECT list(repeat('x', 1000) || range) FROM range(10000000)")[1])


def test_output_is_neutralised(state: str, capsys: pytest.CaptureFixture[str]) -> None:
    cells = "user, 1.50::DECIMAL(5,2) AS d, [1, NULL] AS l, 'x'::BLOB AS b, time, 'a' AS \"=h\""
    sql = f"SELECT {cells} FROM events WHERE user LIKE '=%'"
    assert cli.main(["sql", sql, "--state", state]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["d"], row["l"], row["b"], row["time"]) == (1.5, [1, None], "x", "2026-03-02T10:00:01.250000Z")
    assert cli.main(["sql", sql, "--state", state, "--csv"]) == 0
    head, cells = csv.reader(io.StringIO(capsys.readouterr().out))
    assert cells[0].startswith("'=cmd") and "\x1b" not in cells[0] and head[-1] == "'=h"
    assert cli.main(["sql", sql, "--state", state, "--table"]) == 0
    assert "\x1b[31m" not in capsys.readouterr().out


def test_the_table_is_cut_and_says_so(state: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sql", "SELECT uid FROM events", "--state", state, "--table", "--top", "2"]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 4 and "and more" in out


def test_values_of_every_kind_become_json() -> None:
    assert plain({"a": (datetime(2026, 1, 1, tzinfo=UTC), b"\xff", None)}) == {"a": ["2026-01-01T00:00:00+00:00", "\\xff", None]}


def test_an_empty_state_has_empty_views(tmp_path: Path) -> None:
    Ledger.open(tmp_path / "s").close()
    assert [ask(str(tmp_path / "s"), f"SELECT count(*) FROM {view}") for view in VIEWS] == [[(0,)]] * len(VIEWS)


def test_no_state_is_an_error(tmp_path: Path) -> None:
    assert cli.main(["sql", "SELECT 1", "--state", str(tmp_path / "none")]) == 2


def test_a_scan_after_ingest_finds_what_a_scan_alone_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = tmp_path / "logs"
    lab.make(logs, seed=11, people=5, days=2)
    for path in [path for path in sorted(logs.rglob("*.gz")) if path.is_file()]:
        path.write_bytes(gzip.compress(b"".join(gzip.decompress(path.read_bytes()).splitlines(keepends=True)[:150]), mtime=0))
    found = []
    for state, first in (("direct", False), ("ingested", True)):
        if first:
            assert cli.main(["ingest", str(logs), "--state", str(tmp_path / state), "--quiet"]) == 0
            with Ledger.open(tmp_path / state, read_only=True) as ledger:
                assert ledger.pending() and not ledger.findings() and sum(ledger.event_counts().values()) > 300
        assert cli.main(["scan", str(logs), "--state", str(tmp_path / state), "--quiet"]) == 0
        with Ledger.open(tmp_path / state, read_only=True) as ledger:
            found.append((ledger.incidents(), ledger.findings()))
    assert found[0] == found[1]
    assert found[0][1], "the logs must hold something to find"
    capsys.readouterr()
