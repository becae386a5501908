"""Zeek logs: the text format with its header, and JSON lines. `zeek_map` says what becomes of each log's fields."""

from __future__ import annotations

from collections.abc import Iterator

from nonself.core.events import empty
from nonself.sources import documents
from nonself.sources.contract import Chunk, DeadLetter, Input, Limits
from nonself.sources.json_records import first_records, records
from nonself.sources.lines import SAMPLE, chunks, head_lines, split_wide
from nonself.sources.zeek_head import assumed, is_headless, is_summary, is_tsv
from nonself.sources.zeek_json import is_record, is_zeek, read_json
from nonself.sources.zeek_map import LOGS
from nonself.sources.zeek_rows import NAME, Rows
from nonself.sources.zeek_tsv import Header, read_block


class Zeek:
    """`channel` is the log's path (conn, dns, ...), `op` what was done where the log says (an RPC's operation, an FTP command, an HTTP
    method), else the path too; `session` is Zeek's uid."""

    name = NAME
    title = "Zeek network logs"
    formats = "TSV with #fields header (conn also without), JSON lines or arrays"
    classes = tuple(sorted({log.class_uid for log in LOGS.values()}))

    def recognise(self, head: bytes, origin: str) -> bool:
        """A `#separator` or `#fields` line first, JSON records of Zeek's among the first lines, or columns that every log begins with.

        The reports on connections that stand among rotated logs (conn-summary) are known too: they hold no records.
        """
        if is_tsv(head) or is_headless(head) or is_summary(head):
            return True
        return b"{" in head and (any(is_record(line) for line in head_lines(head)) or any(map(is_zeek, first_records(head, ()))))

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract. Header lines and blank lines are no records."""
        if is_summary(source_input.head):
            yield _nothing(source_input, "a summary of connections, as zeekctl writes beside conn.log: it holds no records")
            return
        header = _header(source_input.head)
        met = 0
        lined = header is not None or documents.is_lines(source_input.head)
        for block in split_wide(source_input, limits) if lined else records(source_input, limits, ()):
            rows = Rows(source_input.origin)
            if header is None:
                read_json(block, rows, limits)
            else:
                header = read_block(block, header, rows)
            for chunk in chunks(block, *rows.found(block), limits):
                met += chunk.records
                yield chunk
        if header and not met and not header.closed:
            yield _nothing(source_input, "a header without records and without #close")


def _header(head: bytes) -> Header | None:
    """The header to begin with; None for JSON."""
    if is_tsv(head):
        return Header()
    return assumed(head) if is_headless(head) else None


def _nothing(source_input: Input, why: str) -> Chunk:
    letter = DeadLetter(source_input.origin, 0, "empty", why, source_input.head[:SAMPLE])
    return Chunk(empty(), [letter], records=1)
