"""`nonself learn`: history teaches and raises nothing; what comes later is judged by it; killed anywhere, it ends in the same self."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from nonself import behaviour, cli, pipeline
from nonself.core import config as configs
from nonself.core.errors import UsageError
from nonself.core.stats import Stats
from nonself.detect import basis, detectors
from nonself.detect.sigma import Ruleset
from nonself.ledger import DEAD, Batch, Ledger, Offset

CONFIG = configs.load(None, {}, {})
RULES = Ruleset.load([], builtin=False)


def record(day: int, hour: int, host: str, image: str) -> str:
    at = f"2026-03-{day:02}T{hour:02}:15:00.0Z"
    system = {"Provider_Name": "Microsoft-Windows-Sysmon", "EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational"}
    return json.dumps({**system, "Computer": host, "TimeCreated": at, "Image": image, "CommandLine": f"{image} {day}", "User": "C\\ann"})


def write(path: Path, days: range, odd: bool = False) -> Path:
    images = ("C:\\Windows\\explorer.exe", "C:\\Office\\word.exe")
    lines = [record(d, h, f"ws{i}", image) for d in days for h in range(9, 17) for i in range(5) for image in images]
    lines += [record(days[-1], 12, "ws1", "C:\\Users\\ann\\mimi.exe")] if odd else []
    path.write_text("\n".join(lines) + "\n")
    return path


def run(how, path: Path, ledger: Ledger):
    return how([path], ledger, RULES, CONFIG, Stats())


def selves(ledger: Ledger):
    return {d.name: d.merge(ledger.deltas(d.name)) for d in detectors() if ledger.deltas(d.name)}


def test_history_raises_nothing_and_teaches(tmp_path: Path) -> None:
    past, now = write(tmp_path / "past.jsonl", range(2, 12), odd=True), write(tmp_path / "now.jsonl", range(12, 13), odd=True)
    with Ledger.open(":memory:") as ledger:
        run(pipeline.learn, past, ledger)
        assert not ledger.findings() and not ledger.incidents() and not ledger.pending() and selves(ledger)
        assert ledger.audit_rows()["action"].to_list()[-1] == pipeline.LEARNT
    with Ledger.open(":memory:") as ledger:
        run(pipeline.learn, write(tmp_path / "past.jsonl", range(2, 12)), ledger)
        run(pipeline.scan, now, ledger)
        (finding,) = [f for f in ledger.findings() if f.detector == "rare-process-by-user"]
        assert finding.entity == "user:c\\ann" and "first time in 11 days" in finding.reasons[1].seen
        assert finding.reasons[-1].normal.startswith("11 days since 2026-03-02") and finding.reasons[-1].bits == 0


def test_learning_gives_the_self_that_scanning_gives(tmp_path: Path) -> None:
    past = write(tmp_path / "past.jsonl", range(2, 6))
    with Ledger.open(":memory:") as taught, Ledger.open(":memory:") as scanned:
        run(pipeline.learn, past, taught)
        run(pipeline.scan, past, scanned)
        mine, theirs = selves(taught), selves(scanned)
        assert mine.keys() == theirs.keys() and all(mine[name].equals(theirs[name]) for name in mine)


def killed(past: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `learn` that dies after its events were committed and before they were learnt."""
    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "_settle", lambda *_: None)
        run(pipeline.learn, past, ledger)
    assert ledger.pending()


def test_killed_history_is_finished_as_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    past, now = write(tmp_path / "past.jsonl", range(2, 8), odd=True), write(tmp_path / "now.jsonl", range(8, 9))
    with Ledger.open(":memory:") as again, Ledger.open(":memory:") as later, Ledger.open(":memory:") as whole:
        run(pipeline.learn, past, whole)
        killed(past, again, monkeypatch)
        run(pipeline.learn, past, again)
        assert not again.findings() and not again.pending()
        killed(past, later, monkeypatch)
        run(pipeline.scan, now, later)
        assert not [f for f in later.findings() if f.start.day < 8] and not later.pending()
        mine, theirs = selves(again), selves(whole)
        assert all(mine[name].equals(theirs[name]) for name in theirs)


def test_what_waits_for_a_scan_is_not_swallowed(tmp_path: Path) -> None:
    past = write(tmp_path / "past.jsonl", range(2, 4))
    with Ledger.open(":memory:") as ledger:
        run(pipeline.learn, past, ledger)
        run(pipeline.learn, past, ledger)  # nothing new: the note is closed all the same
        run(pipeline.ingest, write(tmp_path / "now.jsonl", range(4, 5), odd=True), ledger)
        with pytest.raises(UsageError, match="nonself scan"):
            run(pipeline.learn, past, ledger)
        run(pipeline.scan, past, ledger)
        assert ledger.audit_rows()["action"].to_list()[-1] == "conclude"


def test_no_detector_alarms_before_its_minimum() -> None:
    detector = next(d for d in detectors() if d.name == "rare-logon-time")
    example = detector.example()
    short = detector.learn(example.normal.head(24))
    assert not basis.enough(detector, short) and basis.enough(detector, detector.learn(example.normal))
    assert basis.told(short) == "1 day since 2024-03-04, 24 windows of 3 different actors"
    for events, scored in ((example.normal.head(24), False), (pl.concat([example.normal, example.odd]), True)):
        with Ledger.open(":memory:") as ledger:
            offset = Offset("a", "b", "c", size=1, chunks=1, done=True, records=1, events=events.height, dead=0, bytes=1)
            ledger.commit(Batch([offset], events, {}, pl.DataFrame(schema=DEAD)))
            found, learnt = behaviour.concluded(ledger, CONFIG, Stats())
        assert detector.name in learnt and (f"calibration:{detector.name}" in learnt) == scored
        assert any(finding.detector == detector.name for finding in found) == scored


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    past, state = write(tmp_path / "past.jsonl", range(2, 4), odd=True), tmp_path / "state"
    assert cli.main(["learn", str(past), "--state", str(state), "--quiet", "--json", "--no-builtin-rules"]) == 0
    assert json.loads(capsys.readouterr().out)["events"] == 161
    assert cli.main(["incidents", "--state", str(state), "--json"]) == 0 and not capsys.readouterr().out
