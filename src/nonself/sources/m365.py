"""Microsoft 365's unified audit log: what the table `maps/m365-audit.toml` can't say, and its records in the cells of a CSV file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from nonself.core import events
from nonself.sources.contract import Chunk, DeadLetter, Input, Limits
from nonself.sources.csv_alerts_lines import Records, Shape, cells, records
from nonself.sources.csv_source import Header
from nonself.sources.json_source import JsonSource
from nonself.sources.lines import SAMPLE, text
from nonself.sources.mapping import shipped
from nonself.sources.records import clean, decode

_CELL, _TYPE = "AuditData", b"#TYPE"
"""The column that holds the record; what PowerShell may write before the header."""


def source() -> JsonSource:
    """The audit log, from the API or as the portal and PowerShell export it."""
    return _Audit(shipped("m365-audit"), _derived)


class _Audit(JsonSource):
    def recognise(self, head: bytes, origin: str) -> bool:
        return _header(head) is not None or super().recognise(head, origin)

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        header = _header(source_input.head)
        if header is None:
            yield from super().read(source_input, limits)
            return
        met = 0
        for block in records(source_input, limits, Shape(header.separator, len(header.names), 0)):
            chunk = self._of_cells(block, header, source_input.origin, limits)
            met += chunk.records
            yield chunk
        if not met:
            letter = DeadLetter(source_input.origin, 0, "empty", "a header without records", source_input.head[:SAMPLE])
            yield Chunk(events.empty(), [letter], records=1)

    def _of_cells(self, block: Records, header: Header, origin: str, limits: Limits) -> Chunk:
        at, width = header.names.index(_CELL), len(header.names)
        found: list[tuple[int, bytes]] = []
        dead = list(block.dead)
        for number, line in zip(block.numbers, block.lines, strict=True):
            if line.rstrip(b"\r") == header.line or line.startswith(_TYPE):
                continue
            row = cells(clean(decode(line.removesuffix(b"\r"))), header.separator) or []
            if len(row) == width and row[at].strip():
                found.append((number, row[at].encode("utf-8", "replace")))
            else:
                expected = f"expected {width} cells, their quotes closed, and a record in {_CELL}"
                dead.append(DeadLetter(origin, number, "csv-fields", expected, line[:SAMPLE]))
        chunk = self.chunk_of(origin, found, limits) if found else Chunk(events.empty(), [])
        letters = sorted([*chunk.dead, *dead], key=lambda letter: letter.record)
        return replace(chunk, dead=letters, records=chunk.events.height + len(letters), bytes=block.bytes)


def _header(head: bytes) -> Header | None:
    body = text(head)
    header = Header.of(body.partition(b"\n")[2] if body.startswith(_TYPE) else body)
    return header if header is not None and _CELL in header.names else None


def _derived(frame: pl.DataFrame) -> pl.DataFrame:
    """A file by its folder and name; of an alert its name, and the account it is about; of a leak who sent it, not who saw it."""
    folder, name = pl.col(".SourceRelativeUrl"), pl.col(".SourceFileName")
    alerts = pl.col("op").str.starts_with("Alert")
    about = alerts & (pl.col(".EntityType") == "User")
    sender = pl.coalesce(".ExchangeMetaData.From", ".SharePointMetaData.From")
    return frame.with_columns(
        pl.coalesce(pl.when(pl.col("op").str.starts_with("Dlp")).then(sender), "user").alias("user"),
        pl.coalesce(pl.concat_str(folder, pl.lit("/"), name), name, folder).alias("file_path"),
        pl.coalesce(pl.when(alerts).then(pl.col(".Name")), "rule").alias("rule"),
        pl.coalesce(pl.when(about).then(pl.col(".AlertEntityId")), "tgt_user").alias("tgt_user"),
    )
