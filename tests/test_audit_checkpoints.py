"""Signed checkpoints: any change of the chain they cover, or of themselves, is found, a chain made anew included."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from nonself.core.errors import StateError
from nonself.ledger import Ledger, audit, checkpoints
from nonself.ledger.db import Database

MUTATIONS = int(os.environ.get("NONSELF_MUTATIONS", "500"))
"""Mutations of `test_every_mutation_is_detected`; 10,000 were run once (docs/benchmarks.md)."""
ROWS = 9


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audit") / "s"
    with Ledger.open(path) as ledger:
        for number in range(ROWS):
            ledger.audit(f"ann{number}", "report", {"incident": f"inc-{number}", "queries": ["q-1", "q-2"]})
            if number % 3 == 2:
                checkpoints.checkpoint(path, ledger.audit_rows())
    return path


def whole(state: Path, lines: bytes | None = None, public: bytes | None = None) -> bool:
    """What `nonself audit verify` asks."""
    kept, key = checkpoints.read(state)
    with Ledger.open(state, read_only=True) as ledger:
        if ledger.verify_audit() is not None:
            return False
        held, wrong = checkpoints.verify(ledger.audit_rows(), kept if lines is None else lines, key if public is None else public)
    return not wrong and held > 0


def test_an_untouched_chain_and_its_checkpoints_hold(state: Path) -> None:
    assert whole(state)
    assert (state / checkpoints.KEY).stat().st_mode & 0o777 == 0o600
    assert len((state / checkpoints.LINES).read_bytes().splitlines()) == 3


def _flip(rng: random.Random, data: bytes) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << rng.randrange(8))]) + data[place + 1 :]


def _change_row(rng: random.Random, db: Database) -> None:
    seq, column = rng.randint(1, ROWS), rng.choice(["actor", "action", "detail", "hash"])
    ((value,),) = db.rows(f"SELECT CAST({column} AS BLOB) FROM audit WHERE seq = ?", (seq,))
    kept = "?" if column == "hash" else "CAST(? AS TEXT)"
    db.run(f"UPDATE audit SET {column} = {kept} WHERE seq = ?", (_flip(rng, value), seq))


def _drop(rng: random.Random, db: Database) -> None:
    seq = rng.randint(1, ROWS)
    db.run("DELETE FROM audit WHERE seq = ?", (seq,))
    if rng.random() < 0.5:
        for later in range(seq + 1, ROWS + 1):
            db.run("UPDATE audit SET seq = ? WHERE seq = ?", (later - 1, later))


def _swap(rng: random.Random, db: Database) -> None:
    one, two = rng.sample(range(1, ROWS + 1), 2)
    for old, new in ((one, 99), (two, one), (99, two)):
        db.run("UPDATE audit SET seq = ? WHERE seq = ?", (new, old))


def _truncate(rng: random.Random, db: Database) -> None:
    """The last rows are cut off, and the head is set back so that the chain itself is whole."""
    last = rng.randint(1, ROWS - 1)
    db.run("DELETE FROM audit WHERE seq > ?", (last,))
    if rng.random() < 0.7:
        db.run("UPDATE audit_head SET seq = ?, hash = (SELECT hash FROM audit WHERE seq = ?)", (last, last))


def _forge(rng: random.Random, db: Database) -> None:
    """The whole chain is made anew with one row told otherwise, as somebody can who may write the file."""
    rows = db.rows("SELECT actor, action, detail FROM audit ORDER BY seq")
    db.run("DELETE FROM audit")
    db.run("DELETE FROM audit_head")
    changed = rng.randrange(ROWS)
    for number, (actor, action, _) in enumerate(rows):
        audit.append(db, "mallory" if number == changed else actor, action, {"incident": f"inc-{number}"})


TAMPERINGS: tuple[Callable[[random.Random, Database], None], ...] = (_change_row, _drop, _swap, _truncate, _forge)


def test_every_mutation_is_detected(state: Path, tmp_path: Path) -> None:
    rng = random.Random(8)
    shutil.copytree(state, tmp_path / "copy")
    lines, public = checkpoints.read(state)
    db = Database(tmp_path / "copy" / "ledger.db")
    missed = []
    for number in range(MUTATIONS):
        tamper = TAMPERINGS[number % len(TAMPERINGS)]
        db.run("BEGIN")
        tamper(rng, db)
        if audit.verify(db) is None and not checkpoints.verify(audit.rows(db), lines, public)[1]:
            missed.append(tamper.__name__)
        db.run("ROLLBACK")
    db.close()
    assert missed == []


def test_every_mutation_of_the_checkpoints_is_detected(state: Path) -> None:
    rng = random.Random(9)
    lines, public = checkpoints.read(state)
    with Ledger.open(state, read_only=True) as ledger:
        rows = ledger.audit_rows()
    parts = lines.splitlines(keepends=True)
    mutated = [_flip(rng, lines) for _ in range(400)] + [
        lines[: rng.randrange(1, len(parts[0]))],
        parts[1] + parts[0] + parts[2],
        lines[:-1],
    ]
    assert all(checkpoints.verify(rows, changed, public)[1] for changed in mutated)
    assert all(checkpoints.verify(rows, lines, _flip(rng, public))[1] for _ in range(20))
    assert checkpoints.verify(rows, lines, b"")[1]


def test_cut_off_checkpoints_show_against_a_copy_kept_elsewhere(state: Path, tmp_path: Path) -> None:
    shutil.copytree(state, tmp_path / "s")
    elsewhere, _ = checkpoints.read(state)
    db = Database(tmp_path / "s" / "ledger.db")
    db.run("DELETE FROM audit WHERE seq > 3")
    db.run("UPDATE audit_head SET seq = 3, hash = (SELECT hash FROM audit WHERE seq = 3)")
    db.close()
    (tmp_path / "s" / checkpoints.LINES).write_bytes(elsewhere.splitlines(keepends=True)[0])
    assert whole(tmp_path / "s"), "nothing inside the state can tell: that is what the copy is for"
    assert not whole(tmp_path / "s", lines=elsewhere)


def test_nothing_to_sign_and_a_broken_key_are_told(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="empty"):
        checkpoints.checkpoint(tmp_path, pl.DataFrame(schema={"seq": pl.Int64, "hash": pl.Binary}))
    (tmp_path / checkpoints.KEY).write_bytes(b"short")
    with pytest.raises(StateError, match="32 bytes"):
        checkpoints.checkpoint(tmp_path, pl.DataFrame({"seq": [1], "hash": [b"x"]}))
