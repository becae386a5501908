"""Actions: what is sent is, to the byte, what a person approved; nothing else is, and everything leaves its trace."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from nonself import cli
from nonself.analyst.approvals import decisions
from nonself.ledger import Ledger
from nonself.ledger.ledger import Conclusion
from samples_incident import incident_on_disk


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return incident_on_disk(tmp_path / "s")


class _Hook(BaseHTTPRequestHandler):
    got: ClassVar[list[tuple[str, dict[str, str], bytes]]] = []
    status: ClassVar[int] = 204

    def do_POST(self) -> None:
        self.got.append((self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing on stderr."""


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A webhook on loopback, configured and allowed."""
    listening = HTTPServer(("127.0.0.1", 0), _Hook)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    _Hook.got.clear()
    _Hook.status = 204
    url = f"http://127.0.0.1:{listening.server_port}/act?team=7"
    monkeypatch.setenv("NONSELF_ANALYST_WEBHOOK", url)
    monkeypatch.setenv("NONSELF_ANALYST_EGRESS", "loopback")
    yield url
    listening.shutdown()
    listening.server_close()


def report(state: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert cli.main(["report", "inc-bench", "--state", str(state), "--format", "json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return told


def do(state: Path, what: str, hash_: str, *more: str) -> int:
    return cli.main(["analyst", what, "inc-bench", hash_, "--by", "ann", "--state", str(state), *more])


def rows(state: Path) -> list[tuple[str, str]]:
    with Ledger.open(state, read_only=True) as ledger:
        return list(ledger.audit_rows().select("actor", "action").iter_rows())


def test_only_the_hash_of_an_action_as_it_is_now_is_approved(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    action = report(state, capsys)["actions"][0]
    assert action["state"] == "proposed"
    for wrong in ("0" * 64, action["hash"][:10], ""):
        assert do(state, "approve", wrong) == 2
    assert do(state, "approve", action["hash"][:20]) == 0
    assert rows(state)[-1] == ("ann", "approve")


def test_the_last_decision_is_shown_and_the_report_stays_the_same(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = report(state, capsys)
    first, second = (action["hash"] for action in before["actions"][:2])
    assert do(state, "approve", first) == 0 and do(state, "reject", second) == 2, "a rejection needs a reason"
    assert do(state, "reject", second, "--why", "the <b>owner</b> does it \ud800") == 0
    after = report(state, capsys)
    assert [a["state"] for a in after["actions"][:2]] == ["approved", "rejected"] and after["sha256"] == before["sha256"]
    assert after["actions"][1]["why"].startswith("the <b>owner</b>") and after["actions"][0]["who"] == "ann"
    assert cli.main(["report", "inc-bench", "--state", str(state), "--format", "html"]) == 0
    page = capsys.readouterr().out
    assert "approved by ann on " in page and "<b>owner" not in page and "the &lt;b&gt;owner" in page
    assert cli.main(["report", "inc-bench", "--state", str(state)]) == 0
    assert "State: approved by ann on " in capsys.readouterr().out
    assert do(state, "reject", first, "--why", "changed my mind") == 0
    assert report(state, capsys)["actions"][0]["state"] == "rejected"
    assert cli.main(["audit", "replay", "inc-bench", "--state", str(state)]) == 0


def test_what_is_sent_is_what_was_approved(
    state: Path, hook: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_text("k3y\n")
    monkeypatch.setenv("NONSELF_ANALYST_WEBHOOK_KEY_FILE", str(tmp_path / "key"))
    action = report(state, capsys)["actions"][0]
    assert do(state, "approve", action["hash"]) == 0 and not _Hook.got
    assert do(state, "send", action["hash"]) == 0
    ((path, headers, body),) = _Hook.got
    assert path == "/act?team=7" and hashlib.sha256(body).hexdigest() == action["hash"] == headers["Idempotency-Key"]
    assert headers["Nonself-Signature"] == "sha256=" + hmac.new(b"k3y", body, hashlib.sha256).hexdigest()
    told = msgspec.json.decode(body)
    assert {name: told[name] for name in ("verb", "entity", "effect")} == {name: action[name] for name in ("verb", "entity", "effect")}
    with Ledger.open(state, read_only=True) as ledger:
        assert decisions(ledger.audit_rows())[action["hash"]].bound == body.decode()
        assert "team=7" not in "".join(ledger.audit_rows()["detail"]), "a webhook's path may be a secret"
    assert [row[1] for row in rows(state)[-3:]] == ["approve", "send", "carried out"]
    assert report(state, capsys)["actions"][0]["state"] == "carried out"
    assert do(state, "send", action["hash"]) == 2 and do(state, "reject", action["hash"], "--why", "late") == 2 and len(_Hook.got) == 1


def test_nothing_is_sent_that_is_not_approved_now(
    state: Path, hook: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_ = (action["hash"] for action in report(state, capsys)["actions"])
    assert do(state, "send", first) == 2, "proposed is not approved"
    assert do(state, "approve", first) == 0 and do(state, "reject", first, "--why", "no") == 0
    assert do(state, "send", first) == 2 and do(state, "send", second) == 2
    assert do(state, "approve", first) == 0
    for policy, url in (("none", hook), ("allowlist", hook), ("loopback", "http://203.0.113.9/"), ("loopback", "")):
        monkeypatch.setenv("NONSELF_ANALYST_EGRESS", policy)
        monkeypatch.setenv("NONSELF_ANALYST_WEBHOOK", url)
        assert do(state, "send", first) == 2
    assert not _Hook.got and rows(state)[-1] == ("ann", "approve"), "what the policy forbids is not begun"


def test_evidence_that_changed_since_is_not_acted_on(state: Path, hook: str, capsys: pytest.CaptureFixture[str]) -> None:
    action = report(state, capsys)["actions"][0]
    assert do(state, "approve", action["hash"]) == 0
    with Ledger.open(state) as ledger:
        (incident,) = ledger.incidents()
        less = msgspec.structs.replace(incident, findings=incident.findings[:1])
        ledger.conclude(Conclusion([], {}, [less]))
    assert do(state, "send", action["hash"]) == 2 and not _Hook.got


def test_a_chain_that_was_changed_approves_nothing(state: Path, hook: str, capsys: pytest.CaptureFixture[str]) -> None:
    hash_ = report(state, capsys)["actions"][0]["hash"]
    assert do(state, "approve", hash_) == 0
    kept = (state / "audit.checkpoints").read_bytes()
    for lines in (b"", kept.replace(b'"signature":"', b'"signature":"0'), b"".join(kept.splitlines(keepends=True)[:-1])):
        (state / "audit.checkpoints").write_bytes(lines)
        assert do(state, "send", hash_) == 2
    assert "can't be trusted" in capsys.readouterr().err and not _Hook.got
    (state / "audit.checkpoints").write_bytes(kept)
    assert do(state, "send", hash_) == 0


def test_what_did_not_arrive_is_told_and_may_be_sent_again(state: Path, hook: str, capsys: pytest.CaptureFixture[str]) -> None:
    hash_ = report(state, capsys)["actions"][0]["hash"]
    assert do(state, "approve", hash_) == 0
    _Hook.status = 503
    assert do(state, "send", hash_) == 2 and "HTTP 503" in capsys.readouterr().err
    assert report(state, capsys)["actions"][0]["state"] == "failed"
    _Hook.status = 200
    assert do(state, "send", hash_) == 0 and report(state, capsys)["actions"][0]["state"] == "carried out"
    assert _Hook.got[0][2] == _Hook.got[1][2]


def test_rows_that_say_nothing_decide_nothing(state: Path) -> None:
    with Ledger.open(state) as ledger:
        ledger.audit("eve", "approve", {"hash": 7})
        ledger.audit("eve", "approve", {})
        assert decisions(ledger.audit_rows()) == {}
