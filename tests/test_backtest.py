"""A change on paper: behaviour is replayed as each evening would have seen it, the same as scans day by day."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nonself import backtest, pipeline
from nonself.backtest import Change, compare
from nonself.cli import main
from nonself.core.finding import Finding
from nonself.core.settings import Calibrate, Config, Rules, Self
from nonself.core.stats import Stats
from nonself.detect.sigma import Ruleset
from nonself.ledger import Ledger

CONFIG = Config(rules=Rules(builtin=False), calibrate=Calibrate(min_bits=2.0))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
USERS = ("ann", "bob", "eve", "joe", "sue", "tom")


def line(day: int, hour: int, user: str, address: str) -> str:
    told = f"Accepted password for {user} from {address} port 50{hour:02} ssh2"
    return f"2026-03-{day:02}T{hour:02}:10:00+00:00 web1 sshd[{day}{hour:02}]: {told}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight days of log-ons, each scanned in its own evening into `state`: everybody from a place of their own, but for two."""
    made = tmp_path_factory.mktemp("backtest")
    for day in range(2, 9):
        usual = [line(day, 8 + n, user, f"10.0.0.{n}") for n, user in enumerate(USERS)]
        odd = {6: [line(6, 3, "ann", "198.51.100.7")], 7: [line(7, 2, "joe", "10.0.0.1"), line(7, 23, "sue", "203.0.113.9")]}
        log = made / f"{day}.log"
        log.write_text("\n".join([*usual, *odd.get(day, [])]) + "\n")
        with Ledger.open(made / "state") as ledger:
            pipeline.scan([log], ledger, Ruleset.load([], builtin=False), CONFIG, Stats())
    return made


def learnt(findings: list[Finding]) -> list[Finding]:
    return sorted((f for f in findings if ":" not in f.detector), key=lambda f: f.id)


def changes(folder: Path, **calibrate: Any) -> list[Change]:
    with Ledger.open(folder / "state", read_only=True) as ledger:
        changed = msgspec.structs.replace(CONFIG, calibrate=msgspec.structs.replace(CONFIG.calibrate, **calibrate))
        return compare(ledger, CONFIG, changed, EPOCH)


def test_a_replay_says_what_was_said_on_each_evening(folder: Path) -> None:
    with Ledger.open(folder / "state", read_only=True) as ledger:
        again = backtest._behaviour(ledger, CONFIG, EPOCH)
        kept = ledger.findings()
    assert len(kept) >= 4, "there is something to compare"
    assert learnt(again) == learnt(kept), "to the last bit, from the past of each day alone"


def test_a_floor_can_be_lowered_on_paper(folder: Path) -> None:
    told = changes(folder, min_bits=0.5)
    assert {change.kind for change in told} >= {"appeared"}


def test_a_floor_that_rises_needs_no_replay(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtest, "_behaviour", lambda *_: pytest.fail("nothing has to be made anew"))
    assert {change.kind for change in changes(folder, min_bits=200.0)} == {"vanished"}


def test_another_memory_is_tried_and_nothing_is_written(folder: Path) -> None:
    with Ledger.open(folder / "state", read_only=True) as ledger:
        before = (ledger.audit_rows().height, ledger.findings(), ledger.incidents())
        told = compare(ledger, CONFIG, msgspec.structs.replace(CONFIG, self=Self(days=1)), EPOCH)
        assert (ledger.audit_rows().height, ledger.findings(), ledger.incidents()) == before, "nothing is written"
    assert any(change.kind != "stayed" for change in told)


def test_alerts_under_the_old_floor_appear_and_judged_ones_are_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"2026-01-{5 + h // 24:02}T{h % 24:02}:05:00Z,Wazuh: login,10.0.0.1,web" for h in range(60)]
    rows += ["2026-01-07T03:00:00Z,Wazuh: shell,10.0.0.1,web", "2026-01-06T20:00:00Z,Wazuh: su,10.0.0.2,db"]
    (tmp_path / "alerts.csv").write_text("\n".join(["time,name,ip,host", *rows]) + "\n")
    state, config, change = tmp_path / "s", tmp_path / "c.toml", tmp_path / "change.toml"
    config.write_text("[calibrate]\nrule_min_bits = 5.5\n[rules]\nbuiltin = false\n")
    flags = ["--state", str(state), "--config", str(config)]
    assert main(["scan", str(tmp_path / "alerts.csv"), "--quiet", "--json", *flags]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    name = next(one["id"] for one in found if one["type"] == "incident")
    assert main(["verdict", name, "malicious", "--why", "it is", *flags]) == 0
    capsys.readouterr()
    change.write_text("[calibrate]\nrule_min_bits = 0\n")
    assert main(["backtest", "--change", str(change), "--since", "1970-01-01", "--json", *flags]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert any(row["verdict"] == "malicious" and row["type"] != "vanished" for row in told)
    assert {row["type"] for row in told} >= {"appeared"}
