"""Killed at any moment, or failed by the disk at any step, the ledger holds whole batches, each once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

import test_ledger_samples as samples
from nonself.core.errors import StateError
from nonself.ledger import Ledger
from test_ledger_samples import CONTENTS, PER_CHUNK, batch, conclusion, learn, merge, work

KILLS = 20


def check(ledger: Ledger, state: Path | None) -> int:
    """That offsets, events, deltas and dead letters tell the same story; how many chunks are in."""
    chunks = [ledger.progress(content).chunks for content in CONTENTS]
    events = ledger.events()
    assert events.height == sum(chunks) * PER_CHUNK == events["uid"].n_unique()
    assert sum(ledger.event_counts().values()) == events.height
    assert_frame_equal(merge(ledger.deltas("users")), learn(events))
    assert ledger.dead_letters().height == sum((count + 4) // 5 for count in chunks)
    assert [row["chunks"] for row in ledger.inputs().to_dicts()] == [count for count in chunks if count]
    assert ledger.verify_audit() is None
    if state:
        files = {path.parent.name + path.name for path in (state / "blobs").glob("*/*")}
        assert files == {name for (name,) in ledger._db.rows("SELECT hash FROM blob WHERE data IS NULL")}
        assert list((state / "blobs").glob("tmp-*")) == []
    return sum(chunks)


def assert_equal_to_an_uninterrupted_run(ledger: Ledger) -> None:
    with Ledger.open(":memory:") as smooth:
        work(smooth)
        smooth.conclude(conclusion())
        assert_frame_equal(ledger.events(), smooth.events())
        assert_frame_equal(merge(ledger.deltas("users")), merge(smooth.deltas("users")))
        assert_frame_equal(ledger.inputs(), smooth.inputs())
        assert_frame_equal(ledger.dead_letters(), smooth.dead_letters())
        assert ledger.findings() == smooth.findings() and ledger.incidents() == smooth.incidents()
        drop = ("time", "hash")
        assert_frame_equal(ledger.audit_rows().drop(drop), smooth.audit_rows().drop(drop))


def test_kill_dash_nine_at_random_moments(tmp_path: Path) -> None:
    state, moments, chunks = tmp_path / "s", random.Random(20260301), 0
    for _ in range(KILLS):
        program = subprocess.Popen([sys.executable, samples.__file__, str(state)], stdout=subprocess.PIPE)
        assert program.stdout and program.stdout.readline() == b"ready\n"
        reported = moments.randrange(4)
        for _ in range(reported):
            assert program.stdout.readline() == b"committed\n"
        time.sleep(moments.uniform(0.0, 0.015))  # somewhere in opening the state, or in the next commit or two
        program.send_signal(signal.SIGKILL)
        assert program.wait() == -signal.SIGKILL, "the work was done before it was killed: give it more chunks"
        program.stdout.close()
        with Ledger.open(state) as ledger:
            before, chunks = chunks, check(ledger, state)
        assert chunks >= before + reported, "a commit that had been reported is gone"
    assert chunks < 2 * samples.CHUNKS
    with Ledger.open(state) as ledger:
        work(ledger)
        ledger.conclude(conclusion())
        assert check(ledger, state) == 2 * samples.CHUNKS
        assert_equal_to_an_uninterrupted_run(ledger)


def failing_at(step: int, call: Callable[..., object]) -> Callable[..., object]:
    """`call`, but its `step`-th use fails as a full disk does."""
    counter: Iterator[int] = iter(range(10_000))

    def fail(*args: object, **named: object) -> object:
        if next(counter) == step:
            raise OSError(28, os.strerror(28))
        return call(*args, **named)

    return fail


@pytest.mark.parametrize("name", ["os.fsync", "pathlib.Path.replace", "pathlib.Path.mkdir", "os.open"])
def test_a_disk_that_fails_at_any_step_loses_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = {"os": os, "pathlib": Path}[name.split(".", maxsplit=1)[0]]
    attribute = name.rsplit(".", maxsplit=1)[1]
    failures = 0
    for step in range(100):
        state = tmp_path / str(step)
        with Ledger.open(state) as ledger:
            ledger.commit(batch("aa", 0))
            with monkeypatch.context() as patch:
                patch.setattr(target, attribute, failing_at(step, getattr(target, attribute)))
                try:
                    ledger.commit(batch("aa", 1))
                except StateError as error:
                    failures += 1
                    assert "No space left" in str(error) and "nothing of this batch was committed" in str(error)
                else:
                    break
            assert ledger.progress("aa").chunks == 1 and ledger.events().height == PER_CHUNK
            ledger.commit(batch("aa", 1))
            check(ledger, None)
        with Ledger.open(state) as ledger:
            assert check(ledger, state) == 2
    assert failures >= 2


def test_a_failed_conclusion_changes_nothing(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "s") as ledger:
        ledger.commit(batch("aa", 0))
        ledger._db.run("CREATE TRIGGER no BEFORE UPDATE ON batch BEGIN SELECT RAISE(ABORT, 'broken'); END")
        with pytest.raises(StateError, match="broken"):
            ledger.conclude(conclusion())
        assert ledger.pending() and ledger.findings() == [] and ledger.incidents() == [] and ledger.deltas("window:users") == []
        ledger._db.run("DROP TRIGGER no")
        ledger.conclude(conclusion())
        assert not ledger.pending() and ledger.verify_audit() is None
