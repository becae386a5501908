"""The command line: quick to start, exit status as designed, tables to people and JSON lines to pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nonself import cli


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nonself", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


def test_help_imports_nothing_heavy() -> None:
    code = "import sys\nfrom nonself import cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass\nprint(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("polars", "numpy", "scipy", "rich", "sigma", "jinja2"):
        assert f"'{heavy}'" not in out, f"--help imports {heavy}"


def test_every_command_has_help_that_says_something() -> None:
    done = run("--help")
    assert done.returncode == 0
    for name in ("scan", "incidents", "explain", "schema", "sources", "detectors", "config", "demo", "bench"):
        assert name in done.stdout
        assert run(name, "--help").returncode == 0


@pytest.mark.parametrize("arguments", [["scan"], ["nonsense"], ["scan", "x", "--json", "--csv"], []])
def test_usage_errors_exit_two(arguments: list[str]) -> None:
    assert run(*arguments).returncode == 2


def test_an_unknown_incident_is_told(tmp_path: Path) -> None:
    done = run("explain", "inc-1", "--state", str(tmp_path / "none"))
    assert done.returncode == 2
    assert "nonself:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_setting_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[budget]\nincidents_per_dya = 3\n")
    done = run("config", "--config", str(tmp_path / "c.toml"))
    assert done.returncode == 2
    assert "incidents_per_day" in done.stderr
    assert "c.toml:2" in done.stderr


def test_environment_beats_file_and_flag_beats_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.toml").write_text("[budget]\nincidents_per_day = 3\n")
    assert "incidents_per_day = 9" in run("config", "--config", str(tmp_path / "c.toml"), NONSELF_BUDGET_INCIDENTS_PER_DAY="9").stdout
    assert cli.main(["config", "--config", str(tmp_path / "c.toml")]) == 0
    assert "incidents_per_day = 3" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["schema", "sources", "detectors"])
def test_tables_print_as_table_and_as_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([name]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 5
    assert cli.main([name, "--json"]) == 0
    assert all(isinstance(json.loads(line), dict) for line in capsys.readouterr().out.splitlines())
