"""The generator as a whole: same arguments same bytes, every record in its format, truth that points at its records, bounded memory."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from nonself import lab
from nonself.core.errors import UsageError
from nonself.lab.world.clock import poisson, regularly, sometimes, stream
from nonself.lab.world.company import build
from nonself.lab.world.write import FILES, ZEEK_LOGS, Journal, Label, Mark
from samples_lab import KINDS, World, content

START = date(2026, 3, 2)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("lab"), people=16, days=6, start=START, activity=0.5)


def _digest(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_same_arguments_same_bytes_and_another_seed_another_company(tmp_path: Path) -> None:
    small: dict[str, Any] = {"people": 5, "days": 2, "start": START, "activity": 0.3, "attack": "mfa-fatigue"}
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        lab.make(tmp_path / name, seed=seed, truth=tmp_path / f"{name}.jsonl", **small)
    assert _digest(tmp_path / "a") == _digest(tmp_path / "b")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert not set(_digest(tmp_path / "a").values()) & set(_digest(tmp_path / "c").values())


def test_a_new_colleague_reshuffles_nobody() -> None:
    few, more = build(7, 70, 21, START), build(7, 71, 21, START)
    assert more.people[:70] == few.people
    assert (more.servers, more.sites, more.egress) == (few.servers, few.sites, few.egress)


def test_activity_scales_what_is_ordinary_and_not_the_story(tmp_path: Path) -> None:
    worlds = [World(tmp_path / str(share), people=8, days=4, start=START, activity=share) for share in (0.05, 0.5)]
    quiet, busy = (one.truth.events for one in worlds)
    assert 3 * quiet < busy
    few, many = (Counter(mark.step for mark in one.marks if mark.kind == "campaign") for one in worlds)
    assert few.keys() == many.keys()
    assert abs(few.total() - many.total()) < 0.1 * many.total()


def test_counts_are_what_the_files_hold(world: World) -> None:
    found = {kind: sum(len(world.lines(origin)) for origin in world.origins(kind)) for kind in KINDS}
    assert {kind: count for kind, count in found.items() if count} == world.truth.counts
    assert min(world.truth.counts.get(kind, 0) for kind in KINDS if kind != "eve") > 50


def test_windows_records_are_flat_json_of_the_known_events(world: World) -> None:
    events: Counter[tuple[str, int]] = Counter()
    keys: Counter[tuple[str, str, int]] = Counter()
    late = 0
    for origin in world.origins("windows"):
        for line in world.lines(origin):
            record = orjson.loads(line)
            assert not any(isinstance(value, (dict, list)) for value in record.values())
            late += record["TimeCreated"][:10] != origin[:10]
            events[record["Channel"].rpartition("/")[0] or record["Channel"], record["EventID"]] += 1
            keys[record["Hostname"], record["Channel"], record["RecordNumber"]] += 1
    assert {event for channel, event in events if channel == "Microsoft-Windows-Sysmon"} == {1, 3, 5, 7, 10, 11, 13, 22}
    security = {event for channel, event in events if channel == "Security"}
    assert security == {4624, 4625, 4634, 4672, 4688, 4698, 4720, 4768, 4769, 4776}
    assert events["System", 7045] and events["Microsoft-Windows-PowerShell", 4104]
    assert 0 < late < 0.03 * sum(events.values()), "a batch that waited on a laptop reaches another day's file"
    twice = sum(count - 1 for count in keys.values())
    assert 0 < twice < 0.002 * len(keys), "a few records arrive twice"


def test_record_numbers_count_up_and_have_a_few_gaps(world: World) -> None:
    last: dict[tuple[str, str], int] = {}
    gaps = 0
    for record in world.json("windows"):
        key = record["Hostname"], record["Channel"]
        step = record["RecordNumber"] - last.get(key, record["RecordNumber"] - 1)
        assert step in (0, 1, 2, 3), "numbers are given in the order of arrival"
        gaps += step > 1
        last[key] = record["RecordNumber"]
    assert 0 < gaps < 100


@pytest.mark.parametrize("log", sorted(ZEEK_LOGS))
def test_zeek_rows_have_the_fields_the_header_names(world: World, log: str) -> None:
    origins = world.origins(f"zeek/{log}")
    assert len(origins) == 6
    for origin in origins:
        text = content(world.out / origin).decode().split("\n")
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
    for conn in world.zeek("conn"):
        for side in ("orig", "resp"):
            payload = int(conn[f"{side}_bytes"].replace("-", "0"))
            packets, total = int(conn[f"{side}_pkts"]), int(conn[f"{side}_ip_bytes"])
            assert total == payload + packets * (40 if conn["proto"] == "tcp" else 28)
            assert payload <= packets * 1_460 or conn["proto"] == "udp", conn


def test_auth_log_lines_are_dated_and_sshd_sudo_or_cron(world: World) -> None:
    programs: Counter[str] = Counter()
    for line in world.text("linux"):
        match = re.fullmatch(r"(\S+) (web01|mon01) (sshd|sudo|CRON)\[\d+\]: .+", line)
        assert match, line
        assert datetime.fromisoformat(match[1]).tzinfo
        programs[match[3]] += 1
    assert min(programs["sshd"], programs["sudo"], programs["CRON"]) > 20


def test_an_audit_event_is_five_records_of_one_serial_number(world: World) -> None:
    for event in world.text("audit"):
        heads = [re.match(r"node=(web01|mon01) type=([A-Z]+) msg=(audit\(\d+\.\d{3}:\d+\)):", line) for line in event.split("\n")]
        assert [head[2] for head in heads if head] == ["SYSCALL", "EXECVE", "CWD", "PATH", "PROCTITLE"]
        assert len({(head[1], head[3]) for head in heads if head}) == 1


def test_records_of_services_outside_name_who_where_and_what(world: World) -> None:
    okta, office = world.json("okta"), world.json("m365")
    assert {"user.session.start", "user.authentication.sso", "user.authentication.auth_via_mfa"} <= {r["eventType"] for r in okta}
    assert all(r["actor"]["alternateId"].endswith("@tidewell.example") and r["client"]["ipAddress"] for r in okta)
    assert {"FileAccessed", "FileDownloaded", "MailItemsAccessed"} <= {r["Operation"] for r in office}
    assert all(datetime.fromisoformat(r["CreationTime"]) and r["UserId"] and r["Workload"] for r in office)
    assert {r["event_type"] for r in world.json("eve")} == {"alert"}


def test_cloudtrail_files_are_envelopes_of_records(world: World) -> None:
    names: Counter[str] = Counter()
    for origin in world.origins("cloudtrail"):
        assert re.fullmatch(r"[\d-]{10}/cloudtrail/\d{12}_CloudTrail_eu-west-1_\d{8}T\d{4}Z_[0-9a-f]{16}\.json\.gz", origin)
        for line in world.lines(origin):
            record = orjson.loads(line)
            assert {"eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion", "eventID"} <= record.keys()
            names[record["eventName"]] += 1
    assert names["GetObject"] > 100 and names["PutObject"] > 50 and names["CreateAccessKey"] >= 2


def test_truth_points_at_the_records_it_names(world: World) -> None:
    cache: dict[str, list[bytes]] = {}
    for mark in world.marks:
        if mark.origin not in cache:
            cache[mark.origin] = world.lines(mark.origin)
        line = cache[mark.origin][mark.record]
        key = dict(mark.key)
        if mark.source in ("linux", "audit"):
            assert str(next(iter(key.values()))) in line.decode()
        elif mark.source.startswith("zeek/"):
            assert mark.source == f"zeek/{key['log']}" and line.decode().split("\t")[1] == key["uid"]
        else:
            record = orjson.loads(line)
            assert {name: str(record[name]) for name in key} == {name: str(value) for name, value in key.items()}


def test_truth_comes_day_by_day_and_in_order_of_time(world: World) -> None:
    for day in sorted({mark.origin[:10] for mark in world.marks}):
        times = [mark.time for mark in world.marks if mark.origin.startswith(day)]
        assert times == sorted(times)
    assert [mark.origin[:10] for mark in world.marks] == sorted(mark.origin[:10] for mark in world.marks)
    assert {mark.kind for mark in world.marks} == {"campaign", "benign trigger", "attempt"}


def test_values_are_kept_from_reading_the_answer(world: World) -> None:
    """No word that labels: in the data the intruder is nobody in particular. Random ids and encoded scripts may spell anything."""
    names = b"attack evil malic malware intru hacker victim phish beacon exfil backdoor payload campaign benign simulat fake nonself truth"
    innocent = re.compile(rb"-enc\w* [A-Za-z0-9+/=]+|\b[CF][A-Za-z0-9]{17}\b|Microsoft Malware Protection|Web Application Attack")
    for kind in (*FILES, "cloudtrail", "zeek"):
        for origin in world.origins(kind):
            text = innocent.sub(b"", b"\n".join(world.lines(origin))).lower()
            for word in names.split():
                at = text.find(word)
                assert at < 0, (origin, text[max(0, at - 60) : at + 60])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"people": 4}, "at least 5"),
        ({"days": 1}, "days enough"),
        ({"start": date(2026, 3, 7), "days": 2}, "days enough"),
        ({"days": 0}, "1 to 3650"),
        ({"activity": float("nan")}, "activity"),
        ({"attack": "slow-apt", "days": 6}, "days enough"),
        ({"attack": "ransom"}, "a campaign: "),
        ({"attack": "ransomware:loud"}, "a variant: "),
    ],
)
def test_impossible_wishes_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        lab.make(tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_truth_within_the_data_and_a_folder_in_use_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="outside"):
        lab.make(tmp_path / "out", truth=tmp_path / "out" / "truth.jsonl")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    with pytest.raises(UsageError, match="empty folder"):
        lab.make(tmp_path / "used")


def test_labels_end_with_their_block_and_written_days_stay_written(tmp_path: Path) -> None:
    told: list[Mark] = []
    journal = Journal(tmp_path, 1, tell=told.extend)
    with journal.labelled(Label("campaign", "n", "s", "T1", 0)):
        journal.add("linux", 86_400_000_000 * 3, b"x", "x", 0, "h")
    journal.add("linux", 86_400_000_000 * 3, b"y", "y", 0, "h")
    journal.close(3)
    assert [mark.key for mark in told] == [{"line": "x"}]
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
