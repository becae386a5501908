"""`nonself report`, `nonself analyst` and `nonself audit` as commands; and the page, which loads and runs nothing."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path

import pytest

from nonself import cli
from nonself.analyst import report
from nonself.analyst.case import investigate
from nonself.analyst.outline import outline
from nonself.analyst.records import read
from nonself.lab.injection import state as sample
from nonself.ledger import Ledger
from nonself.ledger.batch import Batch, Offset, no_dead
from nonself.serve import case_html
from samples_incident import incident_on_disk
from test_analyst_model import Says, advised, helpful
from test_serve import NASTY, _parsed


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return incident_on_disk(tmp_path / "s")


def page(text: str = "") -> str:
    ledger, incident = sample(True, dict.fromkeys(("cmdline", "host", "user", "file_path", "query", "user_agent"), text) if text else None)
    with ledger:
        records = read(ledger, incident)
    return case_html.report(investigate(records), records.events)


@pytest.mark.parametrize("text", NASTY)
def test_the_page_holds_no_tag_of_theirs(text: str) -> None:
    tags = _parsed(page(text))
    assert set(tags.tags) <= set(_parsed(page()).tags)
    for name, value in tags.attributes:
        assert not name.startswith("on") and name not in ("src", "style")
        assert name != "href" or (value or "").startswith("#")
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\u2028]", page(text))


def test_the_page_names_its_style_and_every_link_leads_somewhere() -> None:
    text = page()
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.S)
    assert f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'" in html.unescape(text)
    targets = {value for name, value in _parsed(text).attributes if name == "id"}
    links = {value[1:] for name, value in _parsed(text).attributes if name == "href" and value}
    assert links and links <= targets


def test_every_sentence_of_the_page_leads_to_its_events() -> None:
    ledger, incident = sample(True)
    with ledger:
        records = read(ledger, incident)
    case = investigate(records)
    text = case_html.report(case, records.events)
    for claim in outline(case).told:
        assert f'href="#{claim.id}"' in text and f'id="{claim.id}"' in text
        assert all(f'id="e-{uid}"' in text for uid in claim.events[:6])


def test_what_a_model_added_is_told_and_cited() -> None:
    ledger, incident = sample(True)
    with ledger:
        records = read(ledger, incident)
    case = advised(records, Says(helpful))
    text = case_html.report(case, records.events)
    assert "The model would order them: data theft, intrusion." in text and "First, " in text
    told = report.markdown(case)
    assert (
        "\nFirst, " in told and ". Then " in told and "Language model: says, 200 tokens to it and 36 from it." in told and "{" not in told
    )
    links = {value[1:] for name, value in _parsed(text).attributes if name == "href" and value}
    assert links <= {value for name, value in _parsed(text).attributes if name == "id"}


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    status = cli.main(list(argv))
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.mark.parametrize(("form", "begins"), [("md", "# "), ("html", "<!doctype html>"), ("json", '{"type":"report"')])
def test_report_in_each_form(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, begins: str) -> None:
    status, out, _ = run(capsys, "report", "inc-b", "--state", str(state), "--format", form)
    assert status == 0 and out.startswith(begins)
    assert cli.main(["report", "inc-b", "--state", str(state), "--format", form, "--out", str(tmp_path / "r")]) == 0
    assert (tmp_path / "r").read_text("utf-8") == out


def test_a_report_is_audited_signed_and_replayed(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "report", "inc-bench", "--state", str(state), "--format", "json")
    with Ledger.open(state, read_only=True) as ledger:
        row = ledger.audit_rows().row(-1, named=True)
    detail = json.loads(row["detail"])
    assert row["action"] == "report" and detail["report"] == json.loads(out)["sha256"] and detail["queries"] and detail["answers"]
    status, out, _ = run(capsys, "audit", "verify", "--state", str(state))
    assert status == 0 and "1 signed checkpoints hold" in out
    status, out, _ = run(capsys, "audit", "replay", "inc-bench", "--state", str(state))
    assert status == 0 and "comes out the same" in out


def test_a_replay_tells_what_came_in_between(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "report", "inc-bench", "--state", str(state))
    other, _ = sample(False)
    with other, Ledger.open(state) as ledger:
        ledger.commit(Batch([Offset("b", "bb", "s", 1, 1, True, 1, 1, 0, 1)], other.events(), {}, no_dead()))
    status, _, err = run(capsys, "audit", "replay", "inc-bench", "--state", str(state))
    assert status == 2 and "1 batches were committed or concluded since" in err


def test_tampering_ends_with_status_2(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "report", "inc-bench", "--state", str(state))
    lines = state / "audit.checkpoints"
    lines.write_bytes(lines.read_bytes().replace(b'"seq":3', b'"seq":2'))
    status, _, err = run(capsys, "audit", "verify", "--state", str(state))
    assert status == 2 and "was changed or is signed by another key" in err
    status, out, _ = run(capsys, "audit", "checkpoint", "--state", str(state))
    assert status == 0 and json.loads(out)["seq"] == 3


def test_preview_shows_what_would_leave_and_sends_nothing(state: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["analyst", "--preview", "inc-bench", "--state", str(state)]) == 0
    said = capfd.readouterr()
    requests = [json.loads(line) for line in said.out.splitlines()]
    assert len(requests) == 4 and "no model is configured" in said.err
    assert all("ws41" not in line and "canary" not in line for line in said.out.lower().splitlines())
    assert "host-" in requests[0]["messages"][1]["content"]


def test_rotating_the_key_unlinks_the_pseudonyms(state: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def shown() -> str:
        cli.main(["analyst", "--preview", "inc-bench", "--state", str(state)])
        return capfd.readouterr().out

    before = shown()
    assert shown() == before
    assert cli.main(["analyst", "--rotate-key", "--state", str(state)]) == 0
    capfd.readouterr()
    assert shown() != before


def test_an_unreachable_model_leaves_the_floor_and_says_so(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("EGRESS", "loopback"), ("ENDPOINT", "http://127.0.0.1:9/v1"), ("SECONDS", "3")):
        monkeypatch.setenv(f"NONSELF_ANALYST_{name}", value)
    status, out, _ = run(capsys, "report", "inc-bench", "--state", str(state))
    assert status == 0 and "Proposed verdict: malicious" in out
    assert "Language model: default, 0 tokens to it and 0 from it. choose without a model (the endpoint can't be reached" in out.replace(
        "\\", ""
    )
    monkeypatch.setenv("NONSELF_ANALYST_SECONDS", "0")
    assert run(capsys, "audit", "replay", "inc-bench", "--state", str(state))[0] == 0


@pytest.mark.parametrize("argv", [["report", "nope"], ["audit", "replay", "inc-bench"], ["analyst", "--preview", "nope"]])
def test_what_is_not_there_is_told(state: Path, capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    status, _, err = run(capsys, *argv, "--state", str(state))
    assert status == 2 and err.startswith("nonself: ")
