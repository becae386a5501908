"""The sources' benchmark: its made-up logs are logs of their kind, the same each time, and it says what it measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nonself import cli
from nonself.lab import bench_logs, bench_sources

KINDS = {"zeek-tsv": "zeek", "zeek-json": "zeek", "sshd": "syslog", "sysmon-json": "windows-json", "eve": "suricata"}


@pytest.mark.parametrize("name", bench_logs.LOGS)
def test_a_made_up_log_is_read_whole_by_its_source(name: str, tmp_path: Path) -> None:
    path = bench_logs.write(name, 300, tmp_path)
    found = bench_sources.measure(path, 300)
    assert found["source"] == KINDS.get(name, name)
    assert found["dead_letters"] == 0 and found["rows"] == 300
    assert 0 < found["events"] <= 300 and (found["events"] == 300 or name == "pcap")
    assert found["bytes"] == path.stat().st_size
    assert found["disk_bytes_per_event"] > 0 and found["memory_bytes_per_event"] > 0
    assert found["control_rows_per_cpu_second"] > 0


def test_a_made_up_log_is_the_same_each_time(tmp_path: Path) -> None:
    for name in bench_logs.LOGS:
        assert b"".join(bench_logs.LOGS[name](20)) == b"".join(bench_logs.LOGS[name](20))


def test_the_command_measures_a_path_in_a_process_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bench_logs.write("sshd", 200, tmp_path)
    assert cli.main(["bench", "sources", str(path), "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert run["source"] == "syslog" and run["rows"] == 200 and run["peak_rss_mb"] > 10


def test_an_unknown_log_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "sources", "--source", "nothing"]) == 2
    assert "zeek-tsv" in capsys.readouterr().err
