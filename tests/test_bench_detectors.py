"""The benchmarks of detectors: made-up events go through every detector that looks at any, and what was measured is told."""

import json

import pytest

from nonself import cli
from nonself.core.errors import UsageError
from nonself.detect import detectors
from nonself.lab import bench_detectors


def test_every_detector_of_connections_is_measured(capsys):
    assert bench_detectors.run("network", [], rows=300, as_json=True) == 0
    document = json.loads(capsys.readouterr().out)
    assert [run["log"] for run in document["runs"]] == ["zeek-tsv", "zeek-office"]
    looking = {detector.name for detector in detectors() if 4001 in detector.classes}
    for run in document["runs"]:
        assert run["events"] == 300 and {told["name"] for told in run["detectors"]} == looking
        assert run["cpu_seconds"] > 0 and run["peak_rss_mb"] > 0
        scan = next(told for told in run["detectors"] if told["name"] == "scan-of-network")
        assert scan["rows"] > 0 and 0 < scan["bytes_per_entity"] < 10_000 and scan["stored_bytes_per_entity_and_day"] > 0


def test_detectors_of_endpoints_are_measured_on_what_endpoints_tell(capsys):
    assert bench_detectors.run("endpoint", [], rows=2_000, as_json=True) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [run["log"] for run in runs] == ["sysmon-json", "sysmon-office"]
    for run in runs:
        met = {told["name"]: told["rows"] for told in run["detectors"]}
        assert run["events"] == 2_000 and met["odd-lineage"] > 0 and met["surprising-command-line"] > 0
    new, office = (next(told for told in run["detectors"] if told["name"] == "odd-lineage")["rows"] for run in runs)
    assert office < new


def test_logs_of_the_user_and_the_command(tmp_path, capsys):
    log = tmp_path / "conn.log"
    log.write_text(
        "#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tconn_state\n"
        "#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\n1709510400.0\tC1\t10.0.0.1\t40000\t10.0.0.2\t445\ttcp\tSF\n"
    )
    assert cli.main(["bench", "network", str(log)]) == 0
    assert "conn.log: 1 events" in capsys.readouterr().out
    with pytest.raises(UsageError):
        bench_detectors.run("network", [tmp_path / "absent.log"], rows=1, as_json=True)
