"""The source contract, run over every member of SOURCES and every sample it has."""

from __future__ import annotations

import gzip
import io
import json
import random

import polars as pl
import pytest

from nonself.core.errors import RecordError
from nonself.core.schema import CLASSES, SCHEMA
from nonself.sources import SOURCES, documents, lines, read, recognise
from nonself.sources.contract import Chunk, Input, Limits
from nonself.sources.inflate import Inflate
from nonself.sources.walk import broken
from test_sources_samples import SAMPLES

LIMITS = Limits()
NAMES = [source.name for source in SOURCES]
BY_NAME = {source.name: source for source in SOURCES}
CASES = [pytest.param(name, *sample, id=f"{name}:{sample[0]}") for name, samples in SAMPLES.items() for sample in samples]
BINARY = ("windows-evtx", "pcap", "nfdump", "parquet")
UNDER = {"vpc.parquet": "vpc-flow"}  # what is read under another source's name: its records are that source's
HEADED = (
    "netflow-csv",
    "argus",
    "vpc-flow",
    "csv-alerts",
    "m365-audit",
)  # a first line that begins with a letter names the fields of all others
# The conversation that a capture is cut in is told as far as it was seen: its flow, and what it carried.
# So are the events of the audit log that were open at the cut.
OPEN = {"pcap": 2, "auditd": 2}
JOINED = ("auditd",)  # an event is several lines: shuffled lines are other events
TEXT = [case for case in CASES if case.values[0] not in BINARY]
# Exported XML is cut into events, not lines: what stands between two of them is one dead letter, and a damaged tag may cost its event.
BY_LINE = [case for case in TEXT if documents.is_lines(case.values[2][:65536]) and case.values[0] != "windows-xml"]
NOT_LOGS = (b"", b"\n\n", b"\0" * 5000, b"hello world\n", b"%PDF-1.7\n\xff\xfe\0", b"<html></html>", b"[1,2,3]", b'{"a":1}\n', b"[" * 1000)
# What must not change when records are mixed; `record` and `origin` tell the place and do.
FIELDS = [name for name in SCHEMA if name not in ("record", "origin")]


def chunks(data: bytes, name: str = "x", limits: Limits = LIMITS) -> list[Chunk]:
    _, found = read(lines.in_memory(data, name), limits)
    return list(found)


def events(found: list[Chunk]) -> pl.DataFrame:
    return pl.concat([chunk.events for chunk in found])


def reasons(found: list[Chunk]) -> list[str]:
    return [letter.reason for chunk in found for letter in chunk.dead]


def test_every_source_has_samples_and_says_what_it_is() -> None:
    assert set(SAMPLES) == set(NAMES)
    assert len(set(NAMES)) == len(NAMES)
    for source in SOURCES:
        assert source.title and source.formats
        assert set(source.classes) <= set(CLASSES)


@pytest.mark.parametrize("piece", [b"::", b"1.", b"f:", b"1.2.3.4, ", b"a=", b"a ", b'\\"', b"[", b'{"', b"<", b"|", b"- "])
def test_no_line_takes_for_ever_to_recognise(piece: bytes) -> None:
    """A pattern that can be cut in too many ways would not end within years, and a scan with it."""
    for source in SOURCES:
        source.recognise(piece * (65_536 // len(piece)), "x")


@pytest.mark.parametrize("name", ["windows-json", "zeek", "cloudtrail", "suricata", "okta"])
def test_many_records_mean_what_few_of_them_do(name: str) -> None:
    """Columns are made of a thousand records at a time; which ones a record is among, and what those lack, must not matter."""
    files = [data for _, data, count in SAMPLES[name] if documents.is_lines(data) and data[:1] == b"{" and count == data.count(b"\n") > 1]
    own = [line for data in files for line in data.splitlines()] or [json.dumps(json.loads(SAMPLES[name][0][1])).encode()]
    single = {line: events(chunks(line)).select(FIELDS) for line in dict.fromkeys(own)}
    many = [own[0]] * 1_100 + own + [own[-1]] * 1_100 + own[::-1] * 40
    found = events(chunks(b"\n".join(many))).select(FIELDS)
    assert found.equals(pl.concat([single[line] for line in many]))


@pytest.mark.parametrize(("name", "file", "data", "count"), CASES)
def test_recognises_its_own_and_no_other_does(name: str, file: str, data: bytes, count: int) -> None:
    assert [source.name for source in SOURCES if source.recognise(data[:65536], file)] == [name]


@pytest.mark.parametrize("data", NOT_LOGS)
def test_what_is_no_log_is_recognised_by_none_and_reported_once(data: bytes) -> None:
    assert recognise(lines.in_memory(data)) is None
    found = chunks(data)
    assert reasons(found) == (["unrecognised"] if data.strip() else ["empty"])
    assert sum(chunk.records for chunk in found) == 1


@pytest.mark.parametrize(("name", "file", "data", "count"), CASES)
def test_gives_all_events_in_the_declared_schema(name: str, file: str, data: bytes, count: int) -> None:
    found = chunks(data, file)
    frame = events(found)
    assert reasons(found) == []
    assert frame.height == count
    assert dict(frame.schema) == SCHEMA
    assert frame["source"].unique().to_list() == [UNDER.get(file, name)]
    assert frame["uid"].null_count() == frame["raw"].null_count() == frame["time"].null_count() == 0
    assert set(frame["class_uid"]) <= set(BY_NAME[name].classes)
    assert frame["record"].is_sorted() and frame["record"].n_unique() == count
    assert sum(chunk.records for chunk in found) == count


@pytest.mark.parametrize(("name", "file", "data", "count"), CASES)
def test_reading_again_gives_the_same(name: str, file: str, data: bytes, count: int) -> None:
    assert events(chunks(data, file)).equals(events(chunks(data, file)))


@pytest.mark.parametrize(("name", "file", "data", "count"), CASES)
def test_chunk_bounds_depend_on_bytes_alone(name: str, file: str, data: bytes, count: int) -> None:
    limits = Limits(chunk_records=2)
    whole, drops = chunks(data, file, limits), list(BY_NAME[name].read(_in_drops(data, file), limits))
    assert [chunk.events.height for chunk in whole] == [chunk.events.height for chunk in drops]
    assert max(chunk.events.height for chunk in whole) <= 2
    assert events(whole).equals(events(drops))
    assert events(whole).drop("origin").equals(events(chunks(data, "y", limits)).drop("origin"))


def _in_drops(data: bytes, origin: str) -> Input:
    class Drops(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(7, size) if size and size > 0 else 7)

        read1 = read

    return Input(origin, "c", len(data), lambda: Drops(data), data[:65536])


@pytest.mark.parametrize(("name", "file", "data", "count"), TEXT)
def test_line_ends_and_byte_order_marks_change_nothing(name: str, file: str, data: bytes, count: int) -> None:
    plain = events(chunks(data, file)).drop("uid", "raw")
    text = data.decode()
    for variant in (
        data.rstrip(b"\n"),
        data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + data,
        b"\xff\xfe" + text.encode("utf-16-le"),
        b"\xfe\xff" + text.encode("utf-16-be"),
    ):
        found = chunks(variant, file)
        assert reasons(found) == []
        assert events(found).drop("uid", "raw").equals(plain)


@pytest.mark.parametrize(("name", "file", "data", "count"), CASES)
def test_a_cut_file_gives_what_stands_before_the_cut_and_is_never_silent(name: str, file: str, data: bytes, count: int) -> None:
    whole = set(events(chunks(data, file))["uid"])
    for cut in (len(data) * 9 // 10, len(data) * 2 // 3, len(data) // 2):
        found = chunks(data[:cut], file)
        frame = events(found)
        assert frame.height or reasons(found)
        extra = set(frame["uid"]) - whole
        assert len(extra) <= OPEN.get(name, 1)  # a text line cut within its last field may still be a record


@pytest.mark.parametrize(("name", "file", "data", "count"), CASES)
def test_a_truncated_gzip_gives_what_stands_before_and_says_so(name: str, file: str, data: bytes, count: int) -> None:
    packed = gzip.compress(data, mtime=0)

    def stream() -> Inflate:
        return Inflate(io.BytesIO(packed[:-9]), "gzip")

    found = list(BY_NAME[name].read(Input(file, "c", len(packed), stream, data[:65536]), LIMITS))
    assert reasons(found)[-1] == "truncated"
    assert events(found).height >= count - 1


def _last_record(rows: list[bytes]) -> int:
    return max(at for at, row in enumerate(rows) if row.strip() and not row.startswith(b"#"))


@pytest.mark.parametrize(("name", "file", "data", "count"), BY_LINE)
def test_bad_records_are_counted_and_harm_no_other(name: str, file: str, data: bytes, count: int) -> None:
    good = events(chunks(data, file))
    rows = data.rstrip(b"\n").split(b"\n")
    bad = [b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}", b"\x00\x01\x02\xff\xfe binary \x80", b'{"unclosed": "']
    last = _last_record(rows) + 1
    mixed = [*rows[:last], *bad, *rows[last:]]
    found = chunks(b"\n".join(mixed) + b"\n", file)
    frame = events(found)
    kept = frame.filter(pl.col("uid").is_in(good["uid"].to_list()))
    assert kept.select(FIELDS).equals(good.select(FIELDS))
    assert frame.height + len(reasons(found)) >= count + len(bad)
    assert all(reason and reason.replace("-", "").isalnum() for reason in reasons(found))


@pytest.mark.parametrize(("name", "file", "data", "count"), BY_LINE)
def test_bytes_that_are_no_utf8_are_kept(name: str, file: str, data: bytes, count: int) -> None:
    rows = data.rstrip(b"\n").split(b"\n")
    last = _last_record(rows)
    at = max(at for at, byte in enumerate(rows[last]) if chr(byte).isascii() and chr(byte).isalpha())
    rows[last] = rows[last][:at] + b"\xff\xfe\x80" + rows[last][at:]
    found = chunks(b"\n".join(rows) + b"\n", file)
    assert events(found).height + len(reasons(found)) == count


@pytest.mark.parametrize(("name", "file", "data", "count"), [case for case in BY_LINE if case.values[0] not in JOINED])
def test_permuting_records_changes_no_record(name: str, file: str, data: bytes, count: int) -> None:
    rows = [row for row in data.split(b"\n") if row.strip()]
    head = [row for row in rows if _names_fields(name, row)]
    body = [row for row in rows if not _names_fields(name, row)]
    if any(row.startswith(b"#close") for row in head):
        head = [row for row in head if not row.startswith(b"#close")]
    plain = events(chunks(b"\n".join(head + body) + b"\n", file)).select(FIELDS).sort("uid", "time")
    for seed in range(3):
        mixed = body * 2
        random.Random(seed).shuffle(mixed)
        frame = events(chunks(b"\n".join(head + mixed) + b"\n", file)).select(FIELDS)
        assert frame.unique(maintain_order=True).sort("uid", "time").equals(plain.unique(maintain_order=True))


def _names_fields(name: str, row: bytes) -> bool:
    return row.startswith(b"#") or (name in HEADED and row[:1].isalpha())


def test_a_broken_source_input_is_one_dead_letter() -> None:
    found = chunks_of(broken("a.zip!x", RecordError("encrypted", "needs a password")))
    assert [(letter.origin, letter.reason) for chunk in found for letter in chunk.dead] == [("a.zip!x", "encrypted")]


def chunks_of(source_input: Input) -> list[Chunk]:
    return list(read(source_input, LIMITS)[1])
