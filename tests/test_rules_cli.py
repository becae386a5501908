"""`nonself rules check|test|explain|update` and `bench rules`, as a user runs them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from nonself.cli import main
from nonself.detect.sigma.lint import lint

ID = "11111111-2222-4333-8444-555555555555"
OTHER = "21111111-2222-4333-8444-555555555555"
GOOD = """\
title: Evil tool
id: {id}
status: test
description: Someone runs it.
author: someone
date: 2026-01-02
tags: [attack.execution, attack.t1059]
logsource: {{product: windows, category: process_creation}}
detection:
  selection:
    Image|endswith: '\\evil.exe'
    CommandLine|contains: ['-a', '-b']
  filter_main_known:
    ParentImage|endswith: '\\good.exe'
  condition: selection and not filter_main_known
level: high
"""
Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a command: exit status, and its JSON (its text where it printed none)."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))

    def call(*words: str) -> tuple[int, Any]:
        status = main(["rules", *words])
        out = capsys.readouterr()
        return status, json.loads(out.out) if out.out.startswith("{") else out.out + out.err

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "good.yml").write_text(GOOD.format(id=ID))
    return rules


def _event(**data: str) -> str:
    system = {
        "Provider": {"#attributes": {"Name": "Microsoft-Windows-Sysmon"}}, "EventID": 1, "Computer": "ws1",
        "TimeCreated": {"#attributes": {"SystemTime": "2026-01-01T00:00:00Z"}}, "Channel": "Microsoft-Windows-Sysmon/Operational",
    }  # fmt: skip
    return orjson.dumps({"Event": {"System": system, "EventData": data}}).decode()


def test_check_says_what_is_evaluated(run: Run, folder: Path) -> None:
    assert run("check", str(folder), "--json")[0] == 0
    (folder / "bad.yml").write_text(GOOD.format(id=OTHER).replace("|contains", "|nosuch"))
    (folder / "wait.yml").write_text("title: w\nid: 31111111-2222-4333-8444-555555555555\nlogsource: {product: bitbucket, service: audit}\n"
                                     "detection: {s: {auditType.action: x}, condition: s}\n")  # fmt: skip
    status, found = run("check", str(folder), "--json", "--cost")
    assert status == 3 and (found["rules"], found["evaluated"], found["by_your_mapping_only"]) == (3, 2, 1)
    (rejected,) = found["not_evaluated"]
    assert rejected["file"].endswith("bad.yml:1") and "nosuch" in rejected["reason"]
    assert found["log_sources_by_your_mapping_only"] == {"bitbucket//audit": 1}
    assert found["cost"]["events"] is None and {rule["rule"] for rule in found["cost"]["dearest"]} >= {ID}
    assert "bad.yml:1" in run("check", str(folder))[1]


def test_check_status(run: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "error.yml").write_text(GOOD.format(id="not-a-uuid"))
    assert run("check", str(folder))[0] == 1
    (tmp_path / "empty").mkdir()
    assert run("check", str(tmp_path / "empty"))[0] == 2
    assert run("check", str(tmp_path / "nosuch"))[0] == 2


def test_check_measures_cost_over_events(run: Run, folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    log.write_text("".join(_event(Image=r"C:\evil.exe", CommandLine=f"x -a {i}") + "\n" for i in range(50)))
    status, found = run("check", str(folder), "--events", str(log), "--json")
    assert status == 0 and found["cost"]["events"] == 50 and found["cost"]["dearest"][0]["ns"] > 0


@pytest.mark.parametrize(
    ("change", "code", "line"),
    [
        (("title: Evil tool\n", ""), "no-title", 1), (("level: high\n", "level: urgent\n"), "unknown-level", 16),
        (("status: test", "status: tested"), "unknown-status", 3), (("date: 2026-01-02", "date: yesterday"), "bad-date", 6),
        (("author: someone\n", ""), "no-author", 1), (("attack.t1059]", "attack.t9999]"), "unknown-attack-tag", 7),
        (("[attack.execution, attack.t1059]", "[Attack Execution]"), "bad-tag", 7),
        (("['-a', '-b']", "['-a', '-A']"), "repeated-value", 12),
        (("['-a', '-b']", "['-a', 'x -ab']"), "unreachable-value", 12), (("['-a', '-b']", "['-a*', '-b']"), "needless-wildcard", 12),
        (("['-a', '-b']", "''"), "empty-text", 12), (("|contains: [", "|contains|contains: ["), "repeated-modifier", 12),
        (("|contains: ['-a', '-b']", "|contains|all: x"), "all-of-one", 12), (("['-a', '-b']", "[]"), "empty-list", 12),
        (("|contains: ['-a', '-b']", "|re: abc"), "re-without-pattern", 12), (("|contains: [", "|nosuch: ["), "unknown-modifier", 12),
        (("selection and not filter_main_known", "selection"), "unused-detection", 13),
        (("date: 2026-01-02", "date: 2026-01-02\nmodified: 2025-01-01"), "modified-before-date", 7),
    ],
)  # fmt: skip
def test_lint_names_the_line(change: tuple[str, str], code: str, line: int) -> None:
    text = GOOD.format(id=ID)
    assert lint("r.yml", text.encode()) == []
    assert change[0] in text
    assert [(remark.code, remark.line) for remark in lint("r.yml", text.replace(*change).encode())] == [(code, line)]


def test_examples_pass_and_fail(run: Run, folder: Path) -> None:
    examples = folder / "good.test.toml"
    hit = "[[hit]]\nImage = 'C:\\evil.exe'\nCommandLine = 'x -a'\nParentImage = 'C:\\x.exe'\n"
    examples.write_text(hit + "[[near]]\nwhy = 'known'\nParentImage = 'C:\\good.exe'\n[[miss]]\nwhy = 'other'\nImage = 'C:\\other.exe'\n")
    status, found = run("test", str(folder), "--json")
    assert status == 0 and found["examples"] == {"hit": 1, "miss": 1, "near": 1} and not found["failed"]
    examples.write_text(hit + "[[near]]\nwhy = 'known'\ndrop = ['ParentImage']\n[[hit]]\nImage = 'C:\\x.exe'\n")
    status, found = run("test", str(folder), "--json")
    assert status == 1 and [f["example"] for f in found["failed"]] == ["hit 1", "near 0"]
    for broken in ("[[nosuch]]\na = 1", "[[near]]\na = 1", "not toml", hit + "[[near]]\ndrop = ['Nosuch']"):
        examples.write_text(broken)
        assert run("test", str(folder))[0] == 2


def test_examples_of_other_logs_are_taken_as_they_are(run: Run, folder: Path) -> None:
    (folder / "okta.yml").write_text(
        f"title: o\nid: {OTHER}\nlogsource: {{product: okta, service: okta}}\ndetection: {{s: {{outcome.result: FAIL*}}, condition: s}}\n"
    )
    (folder / "okta.test.toml").write_text("[[hit]]\noutcome = { result = 'FAILURE' }\n[[miss]]\noutcome = { result = 'OK' }\n")
    assert run("test", str(folder))[0] == 0


def test_own_rules_pass(run: Run) -> None:
    status, found = run("test", "--json")
    assert status == 0 and found["rules"] >= 100


def test_regression_layout(run: Run, folder: Path) -> None:
    data = folder.parent / "regression_data" / "good"
    data.mkdir(parents=True)
    info = ("rule_metadata:\n  - id: {id}\nregression_tests_info:\n  - name: t\n    type: json\n    match_count: {count}\n"
            "    path: ../../../etc/{file}\n")  # fmt: skip
    lines = [_event(Image=r"C:\evil.exe", CommandLine=f"x -a {i}") for i in range(2)] + [_event(Image="x", CommandLine="y")]
    (data / "log.json").write_text("\n".join(lines) + "\n")
    (data / "info.yml").write_text(info.format(id=ID, count=2, file="log.json"))
    status, found = run("test", "--regression", str(data.parent), "--json")
    assert status == 0 and (found["cases"], found["fired"], found["counts_met"]) == (1, 1, 1)
    (data / "info.yml").write_text(info.format(id=ID, count=1, file="log.json"))
    status, found = run("test", "--regression", str(data.parent), "--json")
    (differs,) = found["counts_that_differ"]
    assert (
        status == 0
        and (differs["stated"], differs["found"]) == (1, 2)
        and "2 of 3 records" in differs["reason"]
        and "x -a 1" in differs["reason"]
    )
    (data / "log.json").write_text(lines[2] + "\n")
    assert run("test", "--regression", str(data.parent))[0] == 1
    (data / "info.yml").write_text(info.format(id=ID, count=1, file="nosuch.json"))
    assert run("test", "--regression", str(data.parent))[0] == 3
    (data / "info.yml").write_text("a: [")
    assert run("test", "--regression", str(data.parent))[0] == 2


def test_explain(run: Run, folder: Path, tmp_path: Path) -> None:
    hit = _event(Image=r"C:\evil.exe", CommandLine="x -b", ParentImage="y")
    status, found = run("explain", str(folder / "good.yml"), hit, "--json")
    assert status == 0 and found["met"] and found["fires"]
    items = {step["text"].split()[0]: (step["true"], step["value"]) for step in found["steps"] if step["kind"] == "item"}
    assert items == {"Image": (True, r"C:\evil.exe"), "CommandLine": (True, "x -b"), "ParentImage": (False, "y")}
    log = tmp_path / "log.json"
    log.write_text(hit + "\n" + _event(Image=r"C:\evil.exe", CommandLine="x") + "\n")
    status, found = run("explain", ID[:8], str(log), "--record", "1", "--rules", str(folder), "--json")
    assert status == 1 and found["met"] and not found["fires"]
    assert [step["true"] for step in found["steps"] if step["text"].startswith("CommandLine")] == [False]
    status, text = run("explain", ID, str(log), "--rules", str(folder))
    assert status == 0 and "[x] fires" in text and "[ ] filter_main_known" in text
    other = hit.replace("/Operational", "/Other")
    status, found = run("explain", ID, other, "--rules", str(folder), "--json")
    assert status == 1 and not found["met"] and "microsoft-windows-sysmon/operational" in found["source"]


@pytest.mark.parametrize("words", [("nosuch-rule", "{}"), (ID, "/nosuch"), (ID, "0" * 24), ("11", "{}")])
def test_explain_of_nothing(run: Run, folder: Path, words: tuple[str, str]) -> None:
    assert run("explain", *words, "--rules", str(folder))[0] == 2


def _zip(path: Path, members: dict[str, bytes]) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_update_takes_no_path_from_the_archive(run: Run, tmp_path: Path) -> None:
    release = tmp_path / "release.zip"
    good = GOOD.format(id=ID).encode()
    digest = _zip(release, {"rules/good.yml": good, "../../evil.yml": GOOD.format(id=OTHER).encode(), "readme.md": b"x"})
    before = {path for path in tmp_path.rglob("*") if path.suffix == ".yml"}
    status, found = run("update", str(release), "--sha256", digest, "--json")
    home = tmp_path / "home" / "nonself" / "rules" / "sigma"
    assert status == 0 and (found["sha256"], found["files"], found["evaluated"], found["folder"]) == (digest, 2, 2, str(home))
    made = {path for path in tmp_path.rglob("*") if path.suffix == ".yml"} - before
    assert {path.parent for path in made} == {home} and len(made) == 2
    assert sorted(found["names"].values()) == ["../../evil.yml", "rules/good.yml"]
    assert json.loads((home / "manifest.json").read_text()) == found
    assert run("check", str(home))[0] == 0
    tar = tmp_path / "release.tar.gz"
    with tarfile.open(tar, "w:gz") as archive:
        info = tarfile.TarInfo("/abs/good.yml")
        info.size = len(good)
        archive.addfile(info, io.BytesIO(good))
    status, found = run("update", str(tar), "--json")
    assert status == 0 and found["files"] == 1 and len(list(home.glob("*.yml"))) == 1, "the new set in the old one's place"
    assert [path.name for path in home.parent.iterdir()] == ["sigma"]


def test_update_keeps_what_is_there_when_it_fails(run: Run, folder: Path, tmp_path: Path) -> None:
    assert run("update", str(folder), "--name", "mine")[0] == 0
    home = tmp_path / "home" / "nonself" / "rules" / "mine"
    held = sorted(path.name for path in home.iterdir())
    release = tmp_path / "r.zip"
    _zip(release, {"a.txt": b"x"})
    for words in ((str(release),), (str(folder), "--sha256", "0" * 64), (str(tmp_path / "nosuch.zip"),), ("http://127.0.0.1/x.zip",),
                  ("https://127.0.0.1:9/x.zip",), ("https://127.0.0.1:9/x.zip", "--sha256", "0" * 64),
                  (str(folder), "--sha256", "x")):  # fmt: skip
        assert run("update", *words, "--name", "mine")[0] == 2, words
    assert run("update", str(folder), "--name", "../mine")[0] == 2
    assert sorted(path.name for path in home.iterdir()) == held and [path.name for path in home.parent.iterdir()] == ["mine"]


def test_bench(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.json"
    log.write_text("".join(_event(Image=r"C:\evil.exe", CommandLine=f"x -a {i}") + "\n" for i in range(100)))
    assert main(["bench", "rules", "--rules", str(folder), "--events", str(log), "--repeat", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["events"], found["matches"], found["matches_by_rule"]) == (100, 100, {ID: 100})
    assert found["events_per_cpu_second"] > 0 and found["peak_rss_mb"] > 0 and found["warm_start_seconds"] >= 0
