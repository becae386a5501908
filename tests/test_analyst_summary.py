"""Summaries of a shift and of a week: they count what the ledger holds, and show what people decided, neutralised."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from nonself import cli
from nonself.core.verdict import Verdict
from nonself.lab.injection import state as sample
from nonself.ledger import Ledger
from nonself.ledger.batch import Batch, Offset, no_dead
from nonself.ledger.ledger import Conclusion
from nonself.serve.case_summary import CASES, summary
from nonself.serve.case_summary_text import headline, markdown, page
from test_serve import NASTY, _parsed

NOW = datetime(2026, 3, 11, tzinfo=UTC)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The malicious sample incident, one like it six days earlier that was judged benign, and fifteen weak ones ten days before that."""
    ledger, incident = sample(True)
    earlier = msgspec.structs.replace(_moved(msgspec.structs.replace(incident, id="inc-old"), 6), state="closed", shown=False)
    weak = [_moved(msgspec.structs.replace(incident, id=f"inc-w{n}", bits=1.0), 10) for n in range(15)]
    with ledger, Ledger.open(tmp_path / "s") as kept:
        kept.commit(Batch([Offset("a", "aa", "s", 1, 1, True, 1, 1, 0, 1)], ledger.events(), {}, no_dead()))
        kept.conclude(Conclusion(ledger.findings(), {}, [incident, earlier, *weak]))
        verdict = Verdict(id="ver-1", subject="inc-old", judgement="benign trigger", reason="a | test", who="ann", when=NOW)
        kept.judge(verdict, [incident, earlier, *weak])
    return tmp_path / "s"


def _moved(incident, days: int):  # type: ignore[no-untyped-def]
    by = timedelta(days=days)
    return msgspec.structs.replace(incident, start=incident.start - by, end=incident.end - by)


def test_a_week_counts_what_came_beside_what_came_before(state: Path) -> None:
    with Ledger.open(state, read_only=True) as ledger:
        told = summary(ledger, "weekly", None, NOW)
    assert {what: (now, before) for what, now, before in told.counts} == {
        "incidents that came or grew": (2, 15), "of them open and within the budget": (1, 15),
        "judged malicious, or an attempt": (0, 0), "judged benign, or a false alarm": (1, 0),
    }  # fmt: skip
    assert told.until - told.since == timedelta(days=7)
    assert [(v.id, bool(title)) for v, title in told.judged] == [("ver-1", True)]
    by_title = {t.title: t for t in told.triggers}
    assert all((t.shown, t.true, t.false) == (2, 0, 1) for t in by_title.values()) and len(by_title) == 5
    assert ("Credential Access", 1, 15) in told.tactics


def test_what_is_new_comes_first_and_only_some_are_looked_into(state: Path) -> None:
    with Ledger.open(state, read_only=True) as ledger:
        told = summary(ledger, "handover", None, NOW)
    assert told.open[0].incident.id == "inc-bench" and len(told.open) == 16
    assert sum(one.case is not None for one in told.open) == CASES
    assert headline(told).startswith("16 incidents are open within the budget, 1 of them came or grew in this time; 10 of the 10")
    assert {w.incident for w in told.waiting if w.decision.state == "proposed"} >= {"inc-bench"}


def test_an_empty_state_has_a_summary_too(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "s") as ledger:
        told = summary(ledger, "weekly", None, NOW)
    assert told.until == NOW and "None." in markdown(told) and page(told)


@pytest.mark.parametrize("form", ["md", "html", "json"])
def test_the_command_writes_each_form(state: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", "--weekly", "--since", "2026-03-01", "--state", str(state), "--format", form]) == 0
    out = capsys.readouterr().out
    assert out.startswith({"md": "# The week: 2026-03-01 00:00 to ", "html": "<!doctype html>", "json": '{"type":"summary"'}[form])
    assert cli.main(["report", "--handover", "--since", "soon", "--state", str(state)]) == 2
    assert "ISO 8601" in capsys.readouterr().err
    if form == "json":
        assert json.loads(out)["open"][0]["judgement"] == "malicious"


@pytest.mark.parametrize("text", NASTY)
def test_no_text_of_a_log_or_a_person_gets_out(state: Path, text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    with Ledger.open(state) as ledger:
        found = [msgspec.structs.replace(i, title=text) for i in ledger.incidents()]
        ledger.judge(Verdict(id="ver-2", subject="inc-old", judgement="false alarm", reason=text, who=text, when=NOW), found)
        told = summary(ledger, "weekly", None, NOW)
    tags = _parsed(page(told))
    known = "html head meta title style body header h1 h2 p main article table thead tbody tr th td b br small code footer"
    assert set(tags.tags) <= set(known.split())
    assert all(name not in ("src", "style", "href") and not name.startswith("on") for name, _ in tags.attributes)
    assert "](" not in markdown(told) and "\x1b" not in markdown(told) + page(told)
