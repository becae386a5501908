"""The audit chain: any change of any row, and any missing row, is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from nonself.ledger import AUDIT, Ledger
from nonself.ledger.db import Database
from test_ledger_samples import batch, conclusion


@pytest.fixture
def state(tmp_path: Path) -> Path:
    with Ledger.open(tmp_path / "s") as ledger:
        ledger.commit(batch("aa", 0))
        ledger.conclude(conclusion())
        ledger.audit("ann", "export", {"z": 1, "a": ["ü", None, 2.5]})
        ledger.audit("ann", "export", {})
    return tmp_path / "s"


def tampered(state: Path, *statements: str) -> int | None:
    db = Database(state / "ledger.db")
    for statement in statements:
        db.run(statement)
    db.close()
    with Ledger.open(state, read_only=True) as ledger:
        return ledger.verify_audit()


def test_an_untouched_chain_is_whole(state: Path) -> None:
    assert tampered(state) is None
    with Ledger.open(state) as ledger:
        rows = ledger.audit_rows()
        assert rows.schema == AUDIT and rows["seq"].to_list() == [1, 2, 3, 4]
        assert rows["action"].to_list() == ["commit", "conclude", "export", "export"]
        assert rows["detail"][2] == '{"a":["ü",null,2.5],"z":1}'
        ledger.audit("bob", "more", {})
        assert ledger.verify_audit() is None
    with Ledger.open(":memory:") as empty:
        assert empty.verify_audit() is None


@pytest.mark.parametrize("seq", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "change",
    [
        "time = time + 1",
        "actor = actor || ' '",
        "actor = 'annexport', action = ''",
        "action = 'commit '",
        "detail = replace(detail, '}', ' }')",
        "detail = CAST(detail AS BLOB)",
        "time = 'noon'",
        "actor = CAST(x'ff' AS TEXT)",
        "hash = zeroblob(32)",
        "hash = substr(hash, 1, 31) || x'00'",
        "seq = seq + 10",
    ],
)
def test_changing_any_field_shows(state: Path, seq: int, change: str) -> None:
    assert tampered(state, f"UPDATE audit SET {change} WHERE seq = {seq}") == seq


@pytest.mark.parametrize("seq", [1, 2, 3, 4])
def test_deleting_any_row_shows(state: Path, seq: int) -> None:
    assert tampered(state, f"DELETE FROM audit WHERE seq = {seq}") == seq


@pytest.mark.parametrize("seq", [1, 2, 3])
def test_closing_the_gap_shows(state: Path, seq: int) -> None:
    assert tampered(state, f"DELETE FROM audit WHERE seq = {seq}", f"UPDATE audit SET seq = seq - 1 WHERE seq > {seq}") == seq


def test_swapping_rows_shows(state: Path) -> None:
    swap = ["UPDATE audit SET seq = 99 WHERE seq = 2", "UPDATE audit SET seq = 2 WHERE seq = 3", "UPDATE audit SET seq = 3 WHERE seq = 99"]
    assert tampered(state, *swap) == 2


def test_emptying_the_table_shows(state: Path) -> None:
    assert tampered(state, "DELETE FROM audit") == 1


def test_a_forged_row_at_the_end_shows(state: Path) -> None:
    assert tampered(state, "INSERT INTO audit SELECT 5, time, actor, action, detail, hash FROM audit WHERE seq = 4") == 5


def test_a_lost_head_shows(state: Path) -> None:
    assert tampered(state, "DELETE FROM audit_head") == 5
