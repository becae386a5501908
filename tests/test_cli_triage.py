"""Deciding from the command line: list, judge, take back, except, export; all of it kept, audited and obeyed by the next scan."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nonself.cli import main
from nonself.ledger import Ledger

START = datetime(2026, 1, 5, tzinfo=UTC)
HEAD = "time,name,ip,host,severity"


def rows(*extra: str) -> list[str]:
    usual = [f"{START + timedelta(hours=h, minutes=5):%Y-%m-%dT%H:%M:%SZ},Wazuh: login,10.0.0.1,web,low" for h in range(60)]
    odd = [
        f"{START + timedelta(hours=50, minutes=m):%Y-%m-%dT%H:%M:%SZ},Wazuh: {what},10.0.0.1,web,high"
        for m, what in enumerate(("shell", "sudo", "dump"))
    ]
    other = [f"{START + timedelta(hours=20):%Y-%m-%dT%H:%M:%SZ},Suricata: oddity,10.0.0.2,mail,high"]
    return [HEAD, *usual, *odd, *other, *extra]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "alerts.csv").write_text("\n".join(rows()) + "\n")
    assert main(["scan", str(tmp_path / "alerts.csv"), "--state", str(tmp_path / "s"), "--no-builtin-rules", "--quiet", "--json"]) == 0
    return tmp_path / "s"


def lines(capsys: pytest.CaptureFixture[str], *command: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main(list(command)) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def listed(capsys: pytest.CaptureFixture[str], state: Path, *flags: str) -> list[dict[str, Any]]:
    found = lines(capsys, "incidents", "--state", str(state), "--json", *flags)
    return [one for one in found if one["type"] == "incident"]


def test_every_incident_leads_back_to_its_records(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, *_ = listed(capsys, state, "--all")
    assert len(first["events"]) == 3 and first["shown"] is True and first["raised"] <= first["changed"]
    text = (state.parent / "alerts.csv").read_text().splitlines()
    for event in first["events"]:
        assert event["origin"].endswith("alerts.csv") and event["uid"] and event["findings"]
        assert "high" in text[event["record"]]
    assert first["essence"] and first["roles"][0] == {"name": "patient zero", "entity": "host:web"}


def test_the_queue_is_filtered_and_sorted(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    every = listed(capsys, state, "--all")
    assert {i["entities"][0] for i in listed(capsys, state, "--all", "--entity", "MAIL")} == {"host:mail"}
    assert listed(capsys, state, "--all", "--detector", "sudo") == [every[0]]
    assert listed(capsys, state, "--all", "--technique", "T9999") == []
    assert listed(capsys, state, "--all", "--min-bits", "1000") == [] and listed(capsys, state, "--all", "--verdict", "malicious") == []
    assert [i["id"] for i in listed(capsys, state, "--all", "--since", "2026-01-07")] == [
        i["id"] for i in every if i["changed"] > "2026-01-07"
    ]
    by_change = [i["changed"] for i in listed(capsys, state, "--all", "--sort", "changed")]
    assert by_change == sorted(by_change, reverse=True)


def test_a_verdict_closes_is_audited_and_can_be_taken_back(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = listed(capsys, state)[0]["id"]
    (given,) = lines(capsys, "verdict", name[:9], "benign", "--why", "the\x1b[2J admin", "--who", "ann", "--state", str(state), "--json")
    assert (given["judgement"], given["subject"], given["state"]) == ("benign trigger", name, "closed")
    assert name not in [i["id"] for i in listed(capsys, state)], "what is judged leaves the queue"
    assert [i["why"] for i in listed(capsys, state, "--verdict", "benign")] == ["judged benign trigger by ann: the\x1b[2J admin"]
    assert main(["verdict", name, "--undo", "--why", "no", "--state", str(state)]) == 0
    assert listed(capsys, state, "--all")[0]["state"] == "open"
    with Ledger.open(state, read_only=True) as ledger:
        assert ledger.verify_audit() is None
        rows_ = ledger.audit_rows()
        assert rows_.filter(rows_["action"] == "verdict")["actor"].to_list()[0] == "ann"
        assert [bool(v.undoes) for v in ledger.verdicts()] == [False, True]


@pytest.mark.parametrize("command", [["verdict", "inc-", "benign"], ["verdict", "none", "benign", "--why", "x"], ["verdict", "inc-"]])
def test_a_verdict_without_a_reason_or_subject_is_refused(state: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    name = listed(capsys, state)[0]["id"]
    command = [name if part == "inc-" else part for part in command]
    assert main([*command, "--state", str(state)]) == 2
    with Ledger.open(state, read_only=True) as ledger:
        assert ledger.verdicts() == []


def test_what_grows_after_its_verdict_is_opened_again(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = listed(capsys, state)[0]["id"]
    assert main(["verdict", name, "malicious", "--why", "it is", "--who", "ann", "--state", str(state)]) == 0
    more = state.parent / "more.csv"
    more.write_text(f"{HEAD}\n{START + timedelta(hours=51):%Y-%m-%dT%H:%M:%SZ},Wazuh: exfil,10.0.0.1,web,high\n")
    assert main(["scan", str(more), "--state", str(state), "--no-builtin-rules", "--quiet", "--json"]) == 0
    (incident,) = [i for i in listed(capsys, state, "--all") if i["id"] == name]
    assert (incident["state"], incident["why"]) == ("open", "re-opened: 1 new finding since it was judged malicious by ann")


def test_an_exception_previews_itself_is_written_and_obeyed(state: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = lines(capsys, "explain", listed(capsys, state)[0]["id"], "--state", str(state), "--json")
    finding = next(one for one in found if one["type"] == "finding" and "sudo" in one["title"])
    (preview,) = lines(capsys, "suppress", finding["id"], "--preview", "--state", str(state), "--json")
    assert preview["hidden"] == 1 and preview["findings"] == [finding["id"]] and preview["in_attacks"] == []
    assert main(["verdict", finding["incident"], "malicious", "--why", "it is", "--state", str(state)]) == 0
    (preview,) = lines(capsys, "suppress", finding["id"], "--preview", "--state", str(state), "--json")
    assert preview["in_attacks"] == [finding["id"]], "it says what it would have cost"
    out = tmp_path / "exceptions.toml"
    assert main(["suppress", finding["id"], "--state", str(state)]) == 2, "not without a reason"
    assert main(["suppress", finding["id"], "--why", "drill", "--out", str(out), "--state", str(state)]) == 0
    assert main(["suppress", finding["id"], "--why", "drill", "--out", str(out), "--state", str(state)]) == 2, "once is enough"
    config = tmp_path / "c.toml"
    config.write_text(f"[triage]\nexceptions = [{json.dumps(str(out))}]\n")
    (told,) = lines(capsys, "suppress", "--state", str(state), "--config", str(config), "--json")
    assert told["hidden"] == 1
    more = tmp_path / "more.csv"
    more.write_text(f"{HEAD}\n{START + timedelta(hours=59):%Y-%m-%dT%H:%M:%SZ},Wazuh: login,10.0.0.1,web,low\n")
    assert main(["scan", str(more), "--state", str(state), "--config", str(config), "--no-builtin-rules", "--quiet", "--json"]) == 0
    assert not any(finding["id"] in i["findings"] for i in listed(capsys, state, "--all"))
    (row,) = lines(capsys, "sql", f"SELECT title FROM findings WHERE id = '{finding['id']}'", "--state", str(state), "--json")
    assert "sudo" in row["title"], "what is hidden stays queryable"


@pytest.mark.parametrize("form", ["ocsf", "stix", "misp", "navigator", "csv", "html", "md"])
def test_incidents_are_exported(state: Path, form: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    name = listed(capsys, state)[0]["id"]
    assert main(["export", name, "--format", form, "--out", str(tmp_path / "one"), "--state", str(state)]) == 0
    assert main(["export", "all", "--format", form, "--state", str(state)]) == 0
    assert len(capsys.readouterr().out) >= len((tmp_path / "one").read_text()) > 50


def test_a_change_is_tried_on_paper(state: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    name = listed(capsys, state)[0]["id"]
    change = tmp_path / "change.toml"
    change.write_text("[calibrate]\nrule_min_bits = 3.0\n")
    told = lines(capsys, "backtest", "--change", str(change), "--state", str(state), "--json")
    assert {row["type"] for row in told} == {"stayed"} and told[0]["incident"] == name
    change.write_text("[calibrate]\nrule_min_bits = 100\n")
    assert {row["type"] for row in lines(capsys, "backtest", "--change", str(change), "--state", str(state), "--json")} == {"vanished"}
    assert main(["verdict", name, "malicious", "--why", "it is", "--who", "ann", "--state", str(state)]) == 0
    assert main(["backtest", "--change", str(change), "--state", str(state)]) == 1, "an attack would be lost"
    assert "1 of the vanished were judged attacks" in capsys.readouterr().out
    change.write_text("[budget]\nincidents_per_day = 0\n[calibrate]\nnonsense = 3\n")
    assert main(["backtest", "--change", str(change), "--state", str(state)]) == 2
    assert name in [i["id"] for i in listed(capsys, state, "--all")], "nothing was written"


def test_other_rules_are_matched_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "auth.log"
    log.write_text(
        "".join(f"Mar  2 1{n}:00:00 web1 sshd[{n}]: Failed password for root from 198.51.100.7 port 5{n} ssh2\n" for n in range(8))
    )
    rule = "title: Root\nid: 6f535e01-ca1f-40be-ab8d-45b19c0c8b7f\nlevel: high\nlogsource: {product: linux}\n"
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "root.yml").write_text(rule + "detection: {k: ['Failed password for root'], condition: k}\n")
    state = tmp_path / "s"
    assert main(["scan", str(log), "--state", str(state), "--no-builtin-rules", "--quiet", "--json"]) == 0
    change = tmp_path / "change.toml"
    change.write_text(f"[rules]\ndirs = [{json.dumps(str(tmp_path / 'rules'))}]\nbuiltin = false\n[calibrate]\nrule_min_bits = 0\n")
    told = lines(capsys, "backtest", "--change", str(change), "--since", "1970-01-01", "--state", str(state), "--json")
    assert any(row["type"] == "appeared" and row["title"].startswith("Root") for row in told)


def test_coverage_is_a_navigator_layer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "coverage", "--format", "stix"]) == 2


def test_a_rank_is_explained_once_verdicts_teach(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = [f"{START + timedelta(hours=h)},Suricata: oddity {h},10.0.1.{h},host{h},high" for h in range(12, 60, 6)]
    (tmp_path / "alerts.csv").write_text("\n".join(rows(*odd)) + "\n")
    state = tmp_path / "s"
    assert main(["scan", str(tmp_path / "alerts.csv"), "--state", str(state), "--no-builtin-rules", "--quiet", "--json"]) == 0
    first, *others = listed(capsys, state, "--all")
    assert not [one for one in lines(capsys, "explain", first["id"], "--state", str(state), "--json") if one["type"] == "rank"]
    for other in others[:6]:
        assert main(["verdict", other["id"], "false", "--why", "a test", "--state", str(state)]) == 0
    told = lines(capsys, "explain", first["id"], "--state", str(state), "--json")
    (rank,) = [one for one in told if one["type"] == "rank"]
    assert rank["verdicts"] == 6 and 0 < rank["probability"] < 1 and rank["place"] > rank["score"]
    assert sum(part["logits"] for part in rank["because"]) == pytest.approx(rank["score"], abs=0.05)
    (incident,) = [i for i in listed(capsys, state, "--all") if i["id"] == first["id"]]
    assert incident["rank"] == pytest.approx(rank["place"])
    capsys.readouterr()
    assert main(["explain", first["id"], "--state", str(state), "--table"]) == 0
    assert "an attack by 6 verdicts" in " ".join(capsys.readouterr().out.split())
