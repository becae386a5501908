"""Zeek logs: the text format with its header, and JSON lines. `zeek_map` says what becomes of each log's fields."""

from __future__ import annotations

from collections.abc import Iterator

from nonself.core.events import empty
from nonself.sources.contract import Chunk, DeadLetter, Input, Limits
from nonself.sources.lines import SAMPLE, head_lines, split, text
from nonself.sources.zeek_json import is_record, read_json
from nonself.sources.zeek_map import LOGS
from nonself.sources.zeek_rows import NAME, Rows
from nonself.sources.zeek_tsv import Header, read_block


class Zeek:
    """`channel` and `op` are the log's path (conn, dns, ...), `session` is Zeek's uid."""

    name = NAME
    title = "Zeek network logs"
    formats = "TSV with #fields header, JSON lines"
    classes = tuple(sorted({log.class_uid for log in LOGS.values()}))

    def recognise(self, head: bytes, origin: str) -> bool:
        """A `#separator` or `#fields` line first, or JSON records of Zeek's among the first lines."""
        return _is_tsv(head) or any(is_record(line) for line in head_lines(head))

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract. Header lines and blank lines are no records."""
        header = Header() if _is_tsv(source_input.head) else None
        met = 0
        for block in split(source_input, limits):
            rows = Rows(source_input.origin)
            if header is None:
                read_json(block, rows, limits)
            else:
                header = read_block(block, header, rows)
            chunk = rows.chunk(block)
            met += chunk.records
            yield chunk
        if header and not met and not header.closed:
            letter = DeadLetter(source_input.origin, 0, "empty", "a header without records and without #close", source_input.head[:SAMPLE])
            yield Chunk(empty(), [letter], records=1)


def _is_tsv(head: bytes) -> bool:
    start = text(head).lstrip()
    return start.startswith((b"#separator ", b"#separator\t")) or (start.startswith(b"#fields\t") and b"\tts\t" in start.split(b"\n", 1)[0])
