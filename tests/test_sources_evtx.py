"""EVTX: whole, cut, damaged, lying. What can be read is read, the rest is said."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evtx_writer import CHUNK, Element, event, evtx
from nonself.sources import discover, lines, read
from nonself.sources.contract import Chunk, Limits
from nonself.sources.records import Table
from nonself.sources.windows_fields import text
from nonself.sources.windows_nested import read_nested
from nonself.sources.windows_rows import Rows
from nonself.sources.windows_tolerant import fill, parse_json

LIMITS = Limits()


def logons(first: int, count: int) -> list[Element]:
    where = ("Security", "Microsoft-Windows-Security-Auditing", 4624, "srv1.corp.example", "2026-03-02T10:00:00.5Z")
    return [event(*where, {"TargetUserName": f"u{n}"}) for n in range(first, first + count)]


FILE = evtx(logons(0, 30), logons(30, 30), logons(60, 30))


def chunks(data: bytes, limits: Limits = LIMITS) -> list[Chunk]:
    return list(read(lines.in_memory(data, "f.evtx"), limits)[1])


def users(found: list[Chunk]) -> list[str]:
    return pl.concat([chunk.events for chunk in found])["user"].to_list()


def reasons(found: list[Chunk]) -> list[str]:
    return [letter.reason for chunk in found for letter in chunk.dead]


def names(*ranges: range) -> list[str]:
    return [f"u{n}" for numbers in ranges for n in numbers]


def test_a_whole_file() -> None:
    found = chunks(FILE)
    assert users(found) == names(range(90)) and reasons(found) == []
    first = found[0].events.row(0, named=True)
    assert (first["class_uid"], first["host"], first["log_provider"]) == (3002, "srv1.corp.example", "Microsoft-Windows-Security-Auditing")
    assert str(first["time"]) == "2026-03-02 10:00:00.500000+00:00"
    assert json.loads(first["ext"])["TargetUserName"] == "u0"
    assert sum(chunk.bytes for chunk in found) == len(FILE)


def test_chunks_respect_the_limits() -> None:
    found = chunks(FILE, Limits(chunk_records=7))
    assert {chunk.events.height for chunk in found} == {7, 6}
    assert users(found) == names(range(90))


def test_a_cut_gives_every_record_before_it() -> None:
    cut = 4096 + CHUNK + CHUNK // 8
    found = chunks(FILE[:cut])
    kept = users(found)
    assert kept == names(range(len(kept))) and 30 < len(kept) < 60
    assert reasons(found)[-1] == "truncated"
    assert reasons(chunks(FILE[:2000])) == ["truncated"]
    assert reasons(chunks(FILE[:4096])) == ["empty"]


def test_a_damaged_record_loses_no_other() -> None:
    at = [i for i in range(4096, len(FILE)) if FILE.startswith(b"**\0\0", i)][40]
    for header in (b"XXXX", b"**\0\0\xff\xff\xff\xff", b"**\0\0\0\0\0\0"):  # mended: even the record itself is read
        found = chunks(FILE[:at] + header + FILE[at + len(header) :])
        assert users(found) == names(range(90)) and reasons(found) == []
    found = chunks(FILE[: at + 24] + b"\xff" * 40 + FILE[at + 64 :])
    assert users(found) == names(range(40), range(41, 90))
    assert reasons(found) == ["corrupt-evtx"]


def test_a_damaged_chunk_loses_no_other() -> None:
    at = 4096 + CHUNK
    found = chunks(FILE[:at] + b"garbage!" + FILE[at + 8 :])
    assert users(found) == names(range(30), range(60, 90))
    assert reasons(found) == ["corrupt-evtx"]


def test_unused_chunks_hold_nothing() -> None:
    found = chunks(FILE + bytes(3 * CHUNK))
    assert users(found) == names(range(90)) and reasons(found) == []


def test_a_stale_header_hides_nothing() -> None:
    """A log copied while it was written says in its header that it has fewer chunks."""
    header = bytearray(FILE[:4096])
    header[16:24], header[42:44] = bytes(8), bytes(2)
    assert users(chunks(bytes(header) + FILE[4096:])) == names(range(90))


@settings(max_examples=60)
@given(st.integers(0, 3000), st.binary(min_size=1, max_size=12))
def test_damage_anywhere_never_raises(offset: int, damage: bytes) -> None:
    at = 4096 + CHUNK + offset
    found = chunks(FILE[:at] + damage + FILE[at + len(damage) :])
    kept = users(found)
    assert kept[:30] == names(range(30))
    assert kept[-30:] == names(range(60, 90))


def test_real_files_are_read_whole(data_dir: Path) -> None:
    folder = data_dir / "evtx-attack" / "TA0008-Lateral Movement"
    if not folder.is_dir():
        pytest.skip(f"REAL DATA ABSENT: {folder}")
    found = [chunk for source_input in discover([folder], LIMITS) for chunk in read(source_input, LIMITS)[1]]
    frame = pl.concat([chunk.events for chunk in found])
    assert reasons(found) == []
    assert frame.height > 50
    assert frame["time"].null_count() == frame["host"].null_count() == 0


def _record(data: object, **system: object) -> bytes:
    """A record as the parser writes it: compact, system fields in the order of the file."""
    fields = {
        "Provider": {"#attributes": {"Name": "Microsoft-Windows-Sysmon", "Guid": "{g}"}}, "EventID": 1, "Version": 5, "Level": 4,
        "Keywords": "0x8000000000000000", "TimeCreated": {"#attributes": {"SystemTime": "2026-03-02T10:00:00.5Z"}}, "EventRecordID": 7,
        "Correlation": None, "Execution": {"#attributes": {"ProcessID": 4, "ThreadID": 8}},
        "Channel": "Microsoft-Windows-Sysmon/Operational", "Computer": "ws5", "Security": {"#attributes": {"UserID": "S-1-5-18"}},
    }  # fmt: skip
    return orjson.dumps({"Event": {"System": fields | system, "EventData": data}})


PLAIN = _record({"Image": "C:\\a.exe", "ProcessId": 4242, "CommandLine": 'say "TimeCreated":1,"Channel":"x","EventData":1'})
RECORDS = [
    PLAIN,
    _record({}), _record(None), _record("text"), _record({"Data": {"#text": ["a", "b"]}}), _record({"Image": {"#text": "x"}}),
    _record({"Channel": "Security", "EventID": 4624, "Image": "x"}), _record({"#attributes": {"Name": "x"}, "Image": "y"}),
    _record({"Image": "x"}, EventID={"#attributes": {"Qualifiers": 0}, "#text": "1"}), _record({"Image": "x"}, EventID="1"),
    _record({"Image": "x"}, Security=None, Correlation={"#attributes": {"ActivityID": "A"}}), _record({"Image": "x"}, Computer=None),
    _record({"Image": "x"}, Foo={"A": 1, "EventData": {"Image": "y"}}), _record({"Image": None, "ProcessId": True}),
    _record({"Image": "x"}, Provider={"#attributes": {"Name": '"Channel":"Security",'}}), _record({"Image": "x"}, TimeCreated=None),
    _record({"Image": "x"}, TimeCreated={"#attributes": {"Time": "x"}}), _record({"Image": "x"}, TimeCreated={"#attributes": {}}),
    _record({"Image": "x"}, TimeCreated={"#attributes": {"SystemTime": 'a "b" \\ }},"EventRecordID":1,'}}),
    _record({"Image": "x"}, Execution=None),
    *(_record({"Image": "x"}, EventRecordID=number) for number in ("7", "", "x,1", None, -7, 1.5, [7], "\u0661", 2**64 - 1)),
    _record({"Image": "x"}, Execution={"#attributes": {"ProcessID": "0x4", "Other": 1}}), _record({"Image": "x"}, Correlation=[1]),
    _record({"Image": "x"}, Correlation={"#attributes": {"ActivityID": '{"Channel":1}'}}),
    _record({"Image": "x"}, Execution={"Channel": 1}),
    _record({"Image": "x"}, Channel="Security", EventID=4688), _record({"Image": "x"}, Computer="ws6"),
]  # fmt: skip


def _table(records: list[bytes], *, fast: bool) -> pl.DataFrame:
    made, rows = Table("windows-evtx", "f", 1), Rows()
    left = read_nested(rows, records) if fast else list(range(len(records)))
    fill(made, rows, records, range(len(records)), left, parse_json(LIMITS))
    return made.chunk(0).events


@pytest.mark.parametrize("at", range(len(RECORDS)))
def test_a_record_read_at_speed_is_what_it_is_read_slowly(at: int) -> None:
    fast, slow = _table([PLAIN, RECORDS[at]], fast=True), _table([PLAIN, RECORDS[at]], fast=False)
    assert fast.drop("ext").equals(slow.drop("ext"))
    for one, other in zip(map(json.loads, fast["ext"]), map(json.loads, slow["ext"]), strict=True):
        assert {name: text(value) for name, value in one.items()} == {name: text(value) for name, value in other.items()}
    assert read_nested(Rows(), [PLAIN]) == []


@settings(max_examples=30)
@given(st.lists(st.sampled_from(RECORDS), min_size=1, max_size=12))
def test_records_read_together_are_what_they_are_alone(records: list[bytes]) -> None:
    alone = pl.concat([_table([record], fast=True) for record in records])
    assert _table(records, fast=True).drop("record").equals(alone.drop("record"))
