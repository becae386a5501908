"""The generator as a whole: same arguments same bytes, every record in its format, truth that points at its records, cost and size."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import time
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from nonself import lab
from nonself.core.errors import UsageError
from nonself.lab.world.clock import poisson, regularly, sometimes, stream
from nonself.lab.world.company import build
from nonself.lab.world.write import ZEEK_LOGS, Journal, Label

START = date(2026, 3, 2)


@dataclass
class World:
    out: Path
    truth: lab.Truth
    side: Path
    seconds: float

    def lines(self, origin: str) -> list[bytes]:
        """The records of a file below `out`, header lines left out."""
        data = (self.out / origin).read_bytes()
        text = gzip.decompress(data) if origin.endswith(".gz") else data
        if origin.startswith("cloudtrail"):
            return [orjson.dumps(record) for record in orjson.loads(text)["Records"]]
        return [line for line in text.split(b"\n")[:-1] if not line.startswith(b"#")]

    def origins(self, folder: str) -> list[str]:
        return sorted(str(path.relative_to(self.out)) for path in (self.out / folder).rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    base = tmp_path_factory.mktemp("lab")
    begun = time.process_time()
    truth = lab.make(base / "out", truth=base / "truth.jsonl")
    return World(base / "out", truth, base / "truth.jsonl", time.process_time() - begun)


def _digest(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_same_arguments_same_bytes_and_another_seed_another_company(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        lab.make(tmp_path / name, seed=seed, people=5, days=2, start=START, truth=tmp_path / f"{name}.jsonl")
    assert _digest(tmp_path / "a") == _digest(tmp_path / "b")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    other = _digest(tmp_path / "c")
    assert not set(_digest(tmp_path / "a").values()) & set(other.values())


def test_a_new_colleague_reshuffles_nobody() -> None:
    few, more = build(7, 10, 6, START), build(7, 11, 6, START)
    assert more.people[:10] == few.people
    assert (more.servers, more.sites, more.egress) == (few.servers, few.sites, few.egress)


def test_size_and_cost_are_as_promised(world: World) -> None:
    assert 60_000 <= world.truth.events <= 120_000
    assert world.seconds < 15, "promised 6 CPU-seconds; the margin is for a busy machine"
    assert world.truth.counts["windows"] > 30_000
    assert min(world.truth.counts.values()) > 300


def test_counts_are_what_the_files_hold(world: World) -> None:
    found: Counter[str] = Counter()
    for folder in ("windows", "zeek", "linux", "cloudtrail"):
        for origin in world.origins(folder):
            kind = "zeek/" + Path(origin).name.partition(".")[0] if folder == "zeek" else folder
            found[kind] += len(world.lines(origin))
    assert dict(found) == world.truth.counts


def test_windows_records_are_flat_json_of_the_known_events(world: World) -> None:
    events: Counter[tuple[str, int]] = Counter()
    keys: Counter[tuple[str, str, int]] = Counter()
    late = 0
    for origin in world.origins("windows"):
        for line in world.lines(origin):
            record = json.loads(line)
            assert not any(isinstance(value, (dict, list)) for value in record.values())
            late += record["TimeCreated"][:10] != origin[8:18]
            events[record["Channel"].rpartition("/")[0] or record["Channel"], record["EventID"]] += 1
            keys[record["Hostname"], record["Channel"], record["RecordNumber"]] += 1
    sysmon = {event for channel, event in events if channel == "Microsoft-Windows-Sysmon"}
    assert sysmon == {1, 3, 5, 7, 10, 11, 13, 22}
    security = {event for channel, event in events if channel == "Security"}
    assert security == {4624, 4625, 4634, 4672, 4688, 4698, 4720, 4768, 4769, 4776}
    assert events["System", 7045] and events["Microsoft-Windows-PowerShell", 4104]
    assert late < 10, "only around midnight does a record reach another day's file"
    twice = sum(count - 1 for count in keys.values())
    assert 0 < twice < 0.002 * len(keys), "a few records arrive twice"


def test_record_numbers_count_up_and_have_a_few_gaps(world: World) -> None:
    last: dict[tuple[str, str], int] = {}
    gaps = 0
    for origin in world.origins("windows"):
        for line in world.lines(origin):
            record = orjson.loads(line)
            key = record["Hostname"], record["Channel"]
            step = record["RecordNumber"] - last.get(key, record["RecordNumber"] - 1)
            assert step in (0, 1, 2, 3), "numbers are given in the order of arrival"
            gaps += step > 1
            last[key] = record["RecordNumber"]
    assert 0 < gaps < 100


@pytest.mark.parametrize("log", sorted(ZEEK_LOGS))
def test_zeek_rows_have_the_fields_the_header_names(world: World, log: str) -> None:
    origins = [origin for origin in world.origins("zeek") if Path(origin).name.startswith(f"{log}.")]
    assert len(origins) == 6
    for origin in origins:
        text = gzip.decompress((world.out / origin).read_bytes()).decode().split("\n")
        header = dict(line[1:].split("\t", 1) for line in text if line.startswith("#") and "\t" in line)
        fields, types = header["fields"].split("\t"), header["types"].split("\t")
        assert header["path"] == log and len(fields) == len(types)
        for row in world.lines(origin):
            cells = row.decode().split("\t")
            assert len(cells) == len(fields) and all(cells)
            for cell, kind in zip(cells, types, strict=True):
                assert _fits(cell, kind), (cell, kind)


def _fits(cell: str, kind: str) -> bool:
    patterns = {
        "time": r"\d{10}\.\d{6}",
        "interval": r"\d+\.\d{6}",
        "count": r"\d+",
        "port": r"\d{1,5}",
        "bool": "[TF]",
        "addr": r"[\d.]{7,15}",
    }
    return cell == "-" or re.fullmatch(patterns.get(kind, ".+"), cell) is not None


def test_bytes_and_packets_of_a_connection_agree(world: World) -> None:
    names = ZEEK_LOGS["conn"][0].split()
    for row in world.lines("zeek/2026-03-04/conn.2026-03-04.log.gz"):
        conn = dict(zip(names, row.decode().split("\t"), strict=True))
        for side in ("orig", "resp"):
            payload = int(conn[f"{side}_bytes"].replace("-", "0"))
            packets, total = int(conn[f"{side}_pkts"]), int(conn[f"{side}_ip_bytes"])
            assert total == payload + packets * (40 if conn["proto"] == "tcp" else 28)
            assert payload <= packets * 1_460 or conn["proto"] == "udp", conn


def test_auth_log_lines_are_dated_and_sshd_sudo_or_cron(world: World) -> None:
    lines = [line.decode() for line in world.lines("linux/auth.log")]
    programs: Counter[str] = Counter()
    for line in lines:
        match = re.fullmatch(r"(\S+) (web01|mon01) (sshd|sudo|CRON)\[\d+\]: .+", line)
        assert match, line
        assert datetime.fromisoformat(match[1]).tzinfo
        programs[match[3]] += 1
    assert min(programs["sshd"], programs["sudo"], programs["CRON"]) > 100
    assert any("Accepted publickey" in line for line in lines) and any("Failed password" in line for line in lines)


def test_cloudtrail_files_are_envelopes_of_records(world: World) -> None:
    names: Counter[str] = Counter()
    for origin in world.origins("cloudtrail"):
        assert re.fullmatch(r"cloudtrail/\d{12}_CloudTrail_eu-west-1_\d{8}T\d{4}Z_[0-9a-f]{16}\.json\.gz", origin)
        for line in world.lines(origin):
            record = orjson.loads(line)
            assert {"eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion", "eventID"} <= record.keys()
            names[record["eventName"]] += 1
    assert names["GetObject"] > 100 and names["PutObject"] > 100 and names["CreateAccessKey"] >= 2


def test_truth_points_at_the_records_it_names(world: World) -> None:
    cache: dict[str, list[bytes]] = {}
    for mark in world.truth.marks:
        if mark.origin not in cache:
            cache[mark.origin] = world.lines(mark.origin)
        line = cache[mark.origin][mark.record]
        key = dict(mark.key)
        if mark.source == "linux":
            assert line.decode() == key["line"]
        elif mark.source.startswith("zeek/"):
            assert mark.source == f"zeek/{key['log']}" and line.decode().split("\t")[1] == key["uid"]
        else:
            record = orjson.loads(line)
            assert {name: record[name] for name in key} == key
            if mark.user and mark.source == "windows" and mark.user != "SYSTEM":
                assert mark.user in line.decode()


def test_truth_file_holds_the_marks_in_time_order(world: World) -> None:
    rows = [orjson.loads(line) for line in world.side.read_bytes().splitlines()]
    assert len(rows) == len(world.truth.marks)
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    assert {row["kind"] for row in rows} == {"campaign", "benign trigger", "attempt"}


def test_values_are_kept_from_reading_the_answer(world: World) -> None:
    """No word that labels: in the data the intruder is nobody in particular. Random ids and encoded scripts may spell anything."""
    names = b"attack evil malic malware intru hacker victim phish beacon exfil backdoor payload campaign benign simulat fake nonself truth"
    innocent = re.compile(rb"-enc\w* [A-Za-z0-9+/=]+|\b[CF][A-Za-z0-9]{17}\b|Microsoft Malware Protection")
    for folder in ("windows", "zeek", "linux", "cloudtrail"):
        for origin in world.origins(folder):
            text = innocent.sub(b"", b"\n".join(world.lines(origin))).lower()
            for word in names.split():
                at = text.find(word)
                assert at < 0, (origin, text[max(0, at - 60) : at + 60])


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"people": 4}, "at least 5"), ({"days": 1}, "another day"), ({"start": date(2026, 3, 7), "days": 2}, "another day")],
)
def test_impossible_wishes_are_refused(tmp_path: Path, changes: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        lab.make(tmp_path / "out", **changes)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_truth_within_the_data_and_a_folder_in_use_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="outside"):
        lab.make(tmp_path / "out", truth=tmp_path / "out" / "truth.jsonl")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    with pytest.raises(UsageError, match="empty folder"):
        lab.make(tmp_path / "used")


def test_labels_end_with_their_block_and_written_days_stay_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 1)
    with journal.labelled(Label("campaign", "n", "s", "T1", 0)):
        journal.add("linux", 86_400_000_000 * 3, b"x", "x", 0, "h")
    journal.add("linux", 86_400_000_000 * 3, b"y", "y", 0, "h")
    journal.close(3)
    assert [mark.key for mark in journal.marks] == [{"line": "x"}]
    journal.add("linux", 86_400_000_000 * 3, b"late", "late", 0, "h")
    with pytest.raises(ValueError, match="files are written"):
        journal.close(4)


def test_streams_and_timers() -> None:
    assert stream(1, "a", 2).random() == stream(1, "a", 2).random() != stream(1, "a2").random()
    rng = stream(1, "clock")
    assert sum(poisson(rng, 3.0) for _ in range(3_000)) == pytest.approx(9_000, rel=0.05)
    ticks = regularly(rng, 0, 1_000_000, 1_000, 0.2)
    assert all(799 <= b - a <= 1_201 for a, b in pairwise(ticks)) and ticks[0] < 1_000
    assert len(sometimes(rng, 0, 1_000_000, 1_000)) == pytest.approx(1_000, rel=0.15)
