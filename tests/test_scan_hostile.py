"""Bad input end to end: a clear message, dead letters with reasons, the designed exit status, and every good record beside it found."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

GOOD = "".join(
    json.dumps(
        {
            "EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "SourceName": "Microsoft-Windows-Sysmon",
            "Hostname": "ws1.corp.example", "UtcTime": f"2026-03-02 09:{i:02}:00.000", "@timestamp": f"2026-03-02T09:{i:02}:01.000Z",
            "Image": "C:\\Windows\\System32\\svchost.exe", "CommandLine": f"svchost.exe -k {i}", "User": "NT AUTHORITY\\SYSTEM",
            "ProcessGuid": f"{{0000-{i:04}}}", "ProcessId": str(i + 4), "ParentImage": "C:\\Windows\\System32\\services.exe",
        }
    )
    + "\n"
    for i in range(40)
).encode()  # fmt: skip


@pytest.fixture
def scan(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Runs `nonself scan PATHS`; gives the exit status, the stats document (or None) and stderr."""

    def run(*paths: Path, **more: str) -> tuple[int, dict[str, object] | None, str]:
        stats = tmp_path / "stats.json"
        stats.unlink(missing_ok=True)
        command = [sys.executable, "-m", "nonself", "scan", *map(str, paths), "--state", ":memory:", "--json", "--stats", str(stats)]
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), **more}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, json.loads(stats.read_text()) if stats.exists() else None, done.stderr

    return run


def folder(tmp_path: Path, **files: bytes) -> Path:
    """A folder with good logs, and the given files beside them."""
    out = tmp_path / "logs"
    out.mkdir()
    (out / "good.json").write_bytes(GOOD)
    for name, content in files.items():
        (out / name).write_bytes(content)
    return out


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


LONG = b'{"EventID":1,"Channel":"Security","x":"' + b"A" * (50 << 20) + b'"}\n'
NESTED = b'{"EventID":1,"Channel":"Security","a":' + b"[" * 1000 + b"]" * 1000 + b"}\n"
NUMBERS = (
    b'{"EventID":1,"Channel":"Security","Hostname":"h","ProcessId":NaN}\n'
    b'{"EventID":4688,"Channel":"Security","Hostname":"h","NewProcessId":1e999}\n'
)
CASES: dict[str, tuple[dict[str, bytes], set[str], int]] = {
    # name: files beside the good ones, reasons expected (any of), good events expected
    "a truncated gzip": ({"cut.json.gz": gzip.compress(GOOD, mtime=0)[:-200]}, {"truncated", "corrupt-gzip"}, 40),
    "a 50 MB line": ({"long.json": GOOD[: GOOD.index(b"\n") + 1] + LONG + GOOD[: GOOD.index(b"\n") + 1]}, {"line-too-long"}, 42),
    "1,000 nested brackets": ({"deep.json": NESTED + GOOD[:800].rpartition(b"\n")[0] + b"\n"}, {"json-depth", "json-syntax"}, 41),
    "a zip bomb": ({"bomb.zip": zipped(**{"zeros.json": GOOD + bytes(400 << 20)})}, {"over-limit"}, 80),
    "binary noise": ({"noise.bin": bytes(range(256)) * 400}, {"unrecognised"}, 40),
    "invalid UTF-8": ({"latin.json": GOOD.replace(b"services", b"serv\xff\xfeces", 1)}, set(), 80),
    "NaN and 1e999": ({"numbers.json": NUMBERS + GOOD[:800].rpartition(b"\n")[0] + b"\n"}, set(), 41),
    "an empty file": ({"empty.json": b""}, {"empty"}, 40),
    "a path-traversal zip": ({"slip.zip": zipped(**{"../../../slipped.json": GOOD.replace(b"ws1", b"ws2")})}, set(), 80),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_harms_nothing_beside_it(name: str, tmp_path: Path, scan) -> None:  # type: ignore[no-untyped-def]
    files, reasons, good = CASES[name]
    status, stats, _ = scan(folder(tmp_path, **files))
    assert status in (0, 3)
    assert stats is not None
    assert stats["events"] >= good, stats
    if reasons:
        assert reasons & set(stats["dead_letters"]), stats["dead_letters"]
    assert not list(tmp_path.parent.glob("**/slipped.json")), "an archive chose a path"


def test_a_missing_path_is_a_usage_error(tmp_path: Path, scan) -> None:  # type: ignore[no-untyped-def]
    status, _, told = scan(tmp_path / "nowhere")
    assert status == 2
    assert "nowhere" in told
    assert "expected" in told


def test_an_empty_folder_cannot_be_trusted(tmp_path: Path, scan) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "empty").mkdir()
    status, _, told = scan(tmp_path / "empty")
    assert status == 2
    assert "nothing could be read" in told


@pytest.mark.skipif(os.geteuid() == 0, reason="SKIPPED: root may read every directory, so the case can't be made")
def test_a_directory_without_permission_is_told(tmp_path: Path, scan) -> None:  # type: ignore[no-untyped-def]
    logs = folder(tmp_path)
    closed = logs / "closed"
    closed.mkdir()
    closed.chmod(0)
    try:
        status, stats, _ = scan(logs)
    finally:
        closed.chmod(0o700)
    assert status in (0, 3)
    assert stats is not None
    assert stats["events"] == 40
    assert stats["dead_letters"], "the closed directory must be counted"


def test_mostly_bad_is_partial(tmp_path: Path, scan) -> None:  # type: ignore[no-untyped-def]
    status, stats, _ = scan(folder(tmp_path, **{"bad.json": GOOD[:800].rpartition(b"\n")[0] + b"\n" + b'{"EventID": 1, \n' * 50}))
    assert status == 3, stats


def test_the_same_content_twice_counts_once(tmp_path: Path, scan) -> None:  # type: ignore[no-untyped-def]
    _, stats, _ = scan(folder(tmp_path, **{"copy.json": GOOD}))
    assert stats is not None
    assert (stats["events"], stats["repeated_files"]) == (40, 1)
