"""The state directory: one writer, readers beside it, nothing outside it, and errors that teach where it can't be trusted."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from nonself.core.errors import StateError
from nonself.ledger import Ledger
from test_ledger_samples import PER_CHUNK, batch, chunk_events, conclusion


def blobs(state: Path) -> list[Path]:
    return sorted(path for path in (state / "blobs").glob("??/*"))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    with Ledger.open(tmp_path / "s") as ledger:
        ledger.commit(batch("aa", 0))
    return tmp_path / "s"


def test_memory_makes_no_file_anywhere(tmp_path: Path) -> None:
    script = (
        "from test_ledger_samples import batch, conclusion\n"
        "from nonself.ledger import Ledger\n"
        "with Ledger.open(':memory:') as ledger:\n"
        "    for chunk in range(3): ledger.commit(batch('aa', chunk))\n"
        "    ledger.conclude(conclusion())\n"
        "    assert ledger.events().height == 36 and ledger.events(uids=['x']).height == 0\n"
    )
    folders = [tmp_path / name for name in ("cwd", "tmp", "home")]
    for folder in folders:
        folder.mkdir()
    places = {
        "TMPDIR": folders[1],
        "SQLITE_TMPDIR": folders[1],
        "POLARS_TEMP_DIR": folders[1],
        "HOME": folders[2],
        "XDG_CACHE_HOME": folders[2],
    }
    env = {**os.environ, **{name: str(path) for name, path in places.items()}}
    env |= {"PYTHONPATH": str(Path(__file__).parent), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", script], cwd=folders[0], env=env, check=True)
    assert [path for folder in folders for path in folder.rglob("*")] == []


def test_a_state_writes_nothing_beside_itself(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path / "tmp")
    with Ledger.open(state) as ledger:
        ledger.commit(batch("aa", 1))
        ledger.conclude(conclusion())
    assert list((tmp_path / "tmp").iterdir()) == [] and {path.name for path in tmp_path.iterdir()} == {"s", "tmp"}
    assert {path.name for path in state.iterdir()} == {"ledger.db", "blobs", "lock"}
    assert state.stat().st_mode & 0o077 == 0


def test_the_connection_is_durable_and_spills_nowhere(state: Path) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "temp_store": 2, "foreign_keys": 1, "page_size": 8192}
    with Ledger.open(state) as ledger:
        assert {name: ledger._db.rows(f"PRAGMA {name}")[0][0] for name in wanted} == wanted
        with pytest.raises(StateError, match="FOREIGN KEY"):
            ledger._db.run("INSERT INTO event_file (batch, class_uid, blob) VALUES (99, 0, 'x')")


def test_a_second_writer_is_told_who_writes(state: Path) -> None:
    with Ledger.open(state), pytest.raises(StateError, match=f"being written by process {os.getpid()};"):
        Ledger.open(state)
    Ledger.open(state).close()


def test_a_failed_open_gives_the_lock_back(state: Path) -> None:
    good = (state / "ledger.db").read_bytes()
    (state / "ledger.db").write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(StateError, match="damaged or is not a ledger"):
        Ledger.open(state)
    (state / "ledger.db").write_bytes(good)
    Ledger.open(state).close()


def test_readers_are_welcome_beside_the_writer(state: Path) -> None:
    with Ledger.open(state) as writer, Ledger.open(state, read_only=True) as reader:
        writer.commit(batch("aa", 1))
        assert_frame_equal(reader.events(), writer.events())
        with pytest.raises(StateError, match="read-only"):
            reader.commit(batch("aa", 2))
        with pytest.raises(StateError, match="read-only"):
            reader.conclude(conclusion())
    with Ledger.open(state, read_only=True) as reader:
        assert reader.events().height == 2 * PER_CHUNK


def test_reading_nothing_teaches(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="no state here; run `nonself scan`"):
        Ledger.open(tmp_path / "none", read_only=True)
    assert not (tmp_path / "none").exists()
    with pytest.raises(StateError, match="in memory is new"):
        Ledger.open(":memory:", read_only=True)


def test_using_a_closed_ledger_teaches(state: Path) -> None:
    ledger = Ledger.open(state)
    ledger.close()
    ledger.close()
    with pytest.raises(StateError, match="closed"):
        ledger.events()


def test_a_file_is_no_state(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StateError, match="expected a state directory, got a file"):
        Ledger.open(tmp_path / "file")
    with pytest.raises(StateError, match="Not a directory"):
        Ledger.open(tmp_path / "file" / "below")


def test_a_place_that_may_not_be_written_teaches(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        place = Path("/proc/self/nonself-state")  # nobody may make a directory there, not even root
        if not place.parent.exists():
            pytest.skip("running as root without /proc: no place that root may not write was found")
    else:
        place = tmp_path / "closed" / "s"
        place.parent.mkdir(mode=0o500)
    with pytest.raises(StateError, match="check its permissions"):
        Ledger.open(place)


def edit(state: Path, statement: str) -> None:
    with sqlite3.connect(state / "ledger.db") as connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_schema_is_left_alone(state: Path, read_only: bool) -> None:
    edit(state, "PRAGMA user_version = 99")
    with pytest.raises(StateError, match="got version 99; a newer nonself wrote it"):
        Ledger.open(state, read_only=read_only)


def test_an_older_schema_needs_a_writer(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "ledger.db").touch()
    with pytest.raises(StateError, match="open it once for writing"):
        Ledger.open(tmp_path / "s", read_only=True)
    Ledger.open(tmp_path / "s").close()
    Ledger.open(tmp_path / "s", read_only=True).close()


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    edit(tmp_path / "s", "CREATE TABLE bookmarks (url TEXT)")
    before = (tmp_path / "s" / "ledger.db").read_bytes()
    with pytest.raises(StateError, match="another program's database"):
        Ledger.open(tmp_path / "s")
    assert (tmp_path / "s" / "ledger.db").read_bytes() == before


@pytest.mark.parametrize("loss", ["gone", "empty"])
def test_a_lost_database_does_not_cost_the_blobs(state: Path, loss: str) -> None:
    (state / "ledger.db").unlink()
    if loss == "empty":
        (state / "ledger.db").touch()
    kept = blobs(state)
    with pytest.raises(StateError, match=r"ledger\.db is missing or empty"):
        Ledger.open(state)
    assert blobs(state) == kept != []


def test_a_damaged_database_teaches(state: Path) -> None:
    with open(state / "ledger.db", "r+b") as file:  # noqa: PTH123
        file.seek(8192)
        file.write(os.urandom(8192 * 8))
    with pytest.raises(StateError, match="damaged"), Ledger.open(state) as ledger:
        ledger.commit(batch("aa", 1))
        ledger.inputs(), ledger.events(), ledger.audit_rows()


@pytest.mark.parametrize("position", [0, 100, -1])
def test_a_corrupt_event_file_is_named(state: Path, position: int) -> None:
    path = blobs(state)[0]
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    name = path.parent.name + path.name
    with Ledger.open(state) as ledger:
        for look in ({}, {"columns": ["uid"]}, {"uids": ["nobody"]}, {"uids": chunk_events("aa", 0)["uid"].to_list()}):
            with pytest.raises(StateError, match=f"blob {name} is corrupt"):
                ledger.events(**look)


def test_a_missing_event_file_is_named(state: Path) -> None:
    path = blobs(state)[0]
    path.unlink()
    with Ledger.open(state, read_only=True) as ledger:
        for look in ({}, {"uids": ["nobody"]}):
            with pytest.raises(StateError, match=f"blob {path.parent.name}{path.name} is missing"):
                ledger.events(**look)


def test_a_corrupt_small_blob_is_named(state: Path) -> None:
    edit(state, "UPDATE blob SET data = data || x'00' WHERE data IS NOT NULL")
    with Ledger.open(state) as ledger, pytest.raises(StateError, match=r"blob [0-9a-f]{64} is corrupt"):
        ledger.deltas("users")


def test_looking_for_uids_reads_only_the_files_that_hold_them(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "s") as ledger:
        for chunk in range(3):
            ledger.commit(batch("aa", chunk))
        wanted = chunk_events("aa", 1)["uid"].to_list()[:2]
        found = ledger.events(uids=wanted, columns=["uid"])["uid"].to_list()
        assert sorted(found) == sorted(wanted)
        read: list[str] = []
        get = ledger._lake._blobs.get
        ledger._lake._blobs.get = lambda name: read.append(name) or get(name)  # type: ignore[method-assign, func-returns-value]
        ledger.events(uids=wanted)
        assert 1 <= len(read) <= 2 < len(blobs(tmp_path / "s"))


def test_what_a_crash_left_behind_is_swept_and_nothing_else(state: Path) -> None:
    kept = blobs(state)
    orphan = state / "blobs" / "ab" / ("c" * 62)
    orphan.parent.mkdir(exist_ok=True)
    temporary = state / "blobs" / ("tmp-" + "d" * 64)
    stranger = state / "blobs" / "ab" / "notes.txt"
    for path in (orphan, temporary, stranger):
        path.write_bytes(b"half")
    Ledger.open(state, read_only=True).close()
    assert orphan.exists()
    with Ledger.open(state) as ledger:
        assert not orphan.exists() and not temporary.exists() and stranger.exists()
        assert set(kept) < set(blobs(state)) and ledger.events().height == PER_CHUNK


def test_a_path_with_odd_characters_works(tmp_path: Path) -> None:
    state = tmp_path / "a?b#c%20[x]*"
    with Ledger.open(str(state)) as ledger:
        ledger.commit(batch("aa", 0))
        assert ledger.events(uids=chunk_events("aa", 0)["uid"].to_list()).height == PER_CHUNK
    with Ledger.open(state, read_only=True) as reader:
        assert reader.events().height == PER_CHUNK
    assert [path.name for path in tmp_path.iterdir()] == [state.name]
