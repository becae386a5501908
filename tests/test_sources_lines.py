"""Lines and documents: the same blocks whatever the reads, bounded memory, JSON that means harm."""

from __future__ import annotations

import io
import json
import tracemalloc

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself.core.errors import RecordError
from nonself.core.schema import SCHEMA
from nonself.sources import documents, lines
from nonself.sources.contract import Input, Limits
from nonself.sources.records import Table, column, instants_of, load_json

SMALL = Limits(chunk_records=3, chunk_bytes=40, line_bytes=16)
WIDE = Limits()


class Zeros(io.RawIOBase):
    """A line of many bytes that are made as they are read."""

    def __init__(self, size: int, tail: bytes) -> None:
        super().__init__()
        self.left, self.tail = size, tail

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self.left:
            taken, self.tail = self.tail[: len(buffer)], self.tail[len(buffer) :]
            buffer[: len(taken)] = taken
            return len(taken)
        count = min(self.left, len(buffer))
        buffer[:count] = b"x" * count
        self.left -= count
        return count


@given(st.lists(st.binary(max_size=24).map(lambda line: line.replace(b"\n", b"").replace(b"\r", b""))), st.integers(1, 9), st.booleans())
def test_every_line_is_given_or_a_dead_letter(rows: list[bytes], read: int, ended: bool) -> None:
    rows = [row for row in rows if not row.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"))]
    data = b"\n".join(rows) + (b"\n" if ended and rows else b"")

    class Few(io.BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            return super().read(min(read, size or read))

    def blocks(stream: type[io.BytesIO]) -> list[lines.Block]:
        return list(lines.split(Input("o", "c", 0, lambda: stream(data), b""), SMALL))

    found = blocks(Few)
    assert found == blocks(io.BytesIO)
    whole = data.removesuffix(b"\n").split(b"\n") if data else []
    assert [line for block in found for line in block.lines] == [row for row in whole if len(row) <= SMALL.line_bytes]
    numbered = {block.first + at: line for block in found for at, line in enumerate(block.lines)}
    assert all(whole[number] == line for number, line in numbered.items())
    assert {letter.record for block in found for letter in block.dead} == {n for n, row in enumerate(whole) if len(row) > SMALL.line_bytes}
    assert all(len(block.lines) <= 3 and (len(block.lines) <= 1 or block.bytes <= 40) for block in found)
    assert sum(block.bytes for block in found) == len(data)


def test_a_line_of_50_mb_is_skipped_unread() -> None:
    limits = Limits(line_bytes=1 << 20)
    tracemalloc.start()
    blocks = list(lines.split(Input("o", "c", 0, lambda: Zeros(50 << 20, b"\nnext\n"), b""), limits))  # type: ignore[arg-type,return-value]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [letter.reason for block in blocks for letter in block.dead] == ["line-too-long"]
    assert [(block.first, block.lines) for block in blocks if block.lines] == [(1, [b"next"])]
    assert len(blocks[0].dead[0].sample) == 512
    assert peak < 8 << 20


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"a": NaN, "b": 1}', {"a": None, "b": 1}),
        (b'{"a": 1e999, "b": -Infinity}', {"a": None, "b": None}),
        (b'{"a": ' + b"9" * 400 + b"}", {"a": None}),
        (b'{"a": ' + b"9" * 9000 + b"}", {"a": None}),
        (b'{"a": 18446744073709551616}', {"a": 1.8446744073709552e19}),
        (b'{"a": "\\ud800x"}', {"a": "\ufffdx"}),
        (b'{"\\udc00": "\\ud83d\\ude00"}', {"\ufffd": "\U0001f600"}),
        (b'{"a": "\\u0000"}', {"a": "\0"}),
        (b'{"a": "x\xffy"}', {"a": "x\ufffdy"}),
        (b'{"a": "tab\there"}', {"a": "tab\there"}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_odd_json_is_kept(line: bytes, expected: dict[str, object]) -> None:
    record = load_json(line, Limits())
    assert record == expected
    orjson.dumps(record)
    assert column("cmdline", [record.get("a")]).dtype == pl.String


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"[1]", "not-an-object"),
        (b'"x"', "not-an-object"),
        (b'{"a": ', "json-syntax"),
        (b"\x00\x01", "json-syntax"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "json-depth"),
        (b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}", "json-depth"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "json-depth"),
        (b"[" * 100_000, "json-depth"),
    ],
)
def test_bad_json_has_a_reason(line: bytes, reason: str) -> None:
    with pytest.raises(RecordError) as caught:
        load_json(line, Limits())
    assert caught.value.reason == reason


def test_100_levels_are_fine() -> None:
    assert load_json(b'{"a":' * 100 + b"1" + b"}" * 100, Limits())


LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=6)
JSON = st.recursive(LEAVES, lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=8)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=4), JSON, max_size=3), max_size=5)


@given(OBJECTS, st.sampled_from([None, 1]), st.booleans(), st.integers(1, 5))
def test_documents_are_cut_as_json_means_them(objects: list[dict[str, object]], indent: int | None, array: bool, read: int) -> None:
    data = (json.dumps(objects, indent=indent) if array else "\n".join(json.dumps(one, indent=indent) for one in objects)).encode()

    class Few(io.BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            return super().read(min(read, size or read))

    blocks = list(documents.split(Input("o", "c", 0, lambda: Few(data), b""), Limits(chunk_records=3)))
    assert [json.loads(line) for block in blocks for line in block.lines] == objects
    assert not any(block.dead for block in blocks)
    assert blocks == list(documents.split(lines.in_memory(data, "o"), Limits(chunk_records=3)))


def test_documents_report_junk_cuts_and_length() -> None:
    def reasons(data: bytes, limits: Limits = WIDE) -> list[str]:
        return [letter.reason for block in documents.split(lines.in_memory(data), limits) for letter in block.dead]

    assert reasons(b'[{"a":1}, junk {"b":2}]') == ["json-syntax"]
    assert reasons(b'[{"a":1}, {"b":') == ["truncated"]
    assert reasons(b'[{"a":"' + b"x" * 100 + b'"}]', Limits(line_bytes=50)) == ["line-too-long"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-02T10:00:00Z", "2026-03-02T10:00:00"),
        ("2026-03-02 10:00:00.1", "2026-03-02T10:00:00.100000"),
        ("2026-03-02T10:00:00.123456789Z", "2026-03-02T10:00:00.123456"),
        ("2026-03-02T10:00:00.5+02:00", "2026-03-02T08:00:00.500000"),
        ("2026-03-02T10:00:00-0330", "2026-03-02T13:30:00"),
        ("/Date(1772445600000)/", "2026-03-02T10:00:00"),
        ("2026-13-02T10:00:00Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_instants(text: str, expected: str | None) -> None:
    value = instants_of(pl.Series("t", [text]))[0]
    assert (value.replace(tzinfo=None).isoformat() if value else None) == expected


LISTS = st.lists(st.integers(0, 9) | st.text(max_size=2), max_size=2)
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | LISTS
COLUMNS_OF_EACH_TYPE = st.sampled_from(["cmdline", "pid", "src_port", "score", "mfa"])


@given(st.lists(VALUES, min_size=1, max_size=6), COLUMNS_OF_EACH_TYPE)
def test_a_value_is_read_the_same_beside_any_other(values: list[object], name: str) -> None:
    alone = [column(name, [value])[0] for value in values]
    together = column(name, values)
    assert together.dtype == SCHEMA[name]
    assert repr(together.to_list()) == repr(alone)


def test_a_table_without_rows_keeps_its_dead_letters() -> None:
    table = Table("windows-json", "o", 1)
    table.reject(4, b"x" * 2000, RecordError("json-syntax", "why"))
    chunk = table.chunk(2000)
    assert (chunk.records, chunk.events.height, len(chunk.dead[0].sample)) == (1, 0, 512)
