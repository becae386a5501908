"""A record that several inputs hold is one event; equal records within one input are several."""

from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.core.settings import Config
from nonself.core.stats import Stats
from nonself.detect.sigma import Ruleset
from nonself.ledger import DEAD, Batch, Conclusion, Ledger, Offset
from nonself.pipeline import scan
from test_ledger_samples import T0, rows

DAY = T0.date()


def _commit(ledger, name, records):
    n = len(records)
    events = rows(
        time=[T0] * n, uid=[f"uid-{r}" for r in records], origin=[name] * n, record=list(range(n)), class_uid=[1007] * n, raw=records
    )
    offset = Offset(origin=name, content=name, source="s", size=1, chunks=1, done=True, records=n, events=n, dead=0, bytes=1)
    ledger.commit(Batch([offset], events, {}, pl.DataFrame(schema=DEAD)))


def _news(ledger):
    return sorted(ledger.news(DAY, DAY, classes=[1007], columns=["raw"])["raw"].to_list())


def test_a_copy_in_another_input_is_left_out_now_and_later():
    with Ledger.open(":memory:") as ledger:
        _commit(ledger, "log", ["a", "b", "b"])
        _commit(ledger, "longer log", ["a", "b", "b", "b", "c"])
        assert _news(ledger) == ["a", "b", "b", "b", "c"]
        ledger.conclude(Conclusion([], {}, []))
        _commit(ledger, "longest log", ["a", "b", "b", "b", "c", "c", "d"])
        assert _news(ledger) == ["c", "d"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abc"), max_size=6), max_size=4), st.integers(0, 4))
def test_a_record_counts_as_often_as_in_the_input_that_has_it_most(inputs, concluded):
    with Ledger.open(":memory:") as ledger:
        told = []
        for number, records in enumerate(inputs):
            if records:
                _commit(ledger, str(number), records)
            if number == concluded:
                told = _news(ledger)
                ledger.conclude(Conclusion([], {}, []))
        told = sorted(told + _news(ledger))
    assert told == sorted(letter for letter in "abc" for _ in range(max((i.count(letter) for i in inputs), default=0)))


def test_a_log_and_its_longer_self_teach_what_the_longer_one_does(tmp_path: Path):
    lines = [
        f"Mar  2 0{h}:0{m}:00 web sshd[{h}]: Failed password for root from 10.0.0.{m} port 22 ssh2\n" for h in range(9) for m in range(9)
    ]
    (tmp_path / "long.log").write_text("".join(lines))
    (tmp_path / "short.log").write_text("".join(lines[:40]))
    learnt = []
    for paths in ([tmp_path / "long.log"], [tmp_path / "short.log", tmp_path / "long.log"]):
        with Ledger.open(":memory:") as ledger:
            for path in paths:
                scan([path], ledger, Ruleset.load([], builtin=False), Config(), Stats())
            learnt.append(pl.concat(ledger.deltas("failed-logons-from-source"))["value"].sum())
    assert learnt == [81, 81]
