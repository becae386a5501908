"""Packet captures as events: flows, DNS, HTTP requests, client hellos of TLS and QUIC, SSH clients. Reads as a stream, in bounded memory.

A flow's end is not in the packets, so it is told when it has been silent (`pcap_flow`), when there are too many, or when the capture
ends: events come in the order their flows end. What tunnels carry (GRE, ERSPAN, VXLAN, Geneve, IP in IP) is read beside the tunnel, its
networks taken for one. `raw` is the event itself as JSON, since packets have no text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from nonself.core import events
from nonself.core.errors import RecordError
from nonself.core.schema import SCHEMA, TIME
from nonself.sources.contract import Chunk, DeadLetter, Input, Limits
from nonself.sources.flows_json import compact, named
from nonself.sources.lines import BROKEN, SAMPLE, diagnose
from nonself.sources.pcap_decode import LINKS, NESTED, TCP, Decoder, Found
from nonself.sources.pcap_file import Batch, batches, is_capture
from nonself.sources.pcap_flow import KINDS, Kind, Row
from nonself.sources.pcap_table import SWEEP, Table

MAP_VER = 2


class Pcap:
    """`session` joins a flow to what it carried; `status_code` of a TCP flow is its state in Zeek's words; `bytes_*` are payload."""

    name = "pcap"
    title = "Packet captures"
    formats = (
        "pcap (both byte orders, micro- and nanoseconds), pcapng; QUIC's hellos too (versions 1 and 2); also within GRE, ERSPAN, VXLAN, "
        "Geneve, IP in IP"
    )
    classes: tuple[int, ...] = (4001, 4002, 4003, 4007)

    def recognise(self, head: bytes, origin: str) -> bool:
        return is_capture(head)

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract. Events are the records; packets that can't be read are dead letters among them."""
        meter = _Meter(self.name, source_input.origin, limits)
        try:
            with source_input.open() as stream:
                for batch in batches(stream):
                    yield from meter.feed(batch)
        except BROKEN as error:
            yield from meter.flush(last=False)
            meter.reject(diagnose(error), b"")
        meter.finish()
        yield from meter.flush(last=True)


class _Meter:
    """Counts packets to flows and cuts their events into chunks."""

    def __init__(self, source: str, origin: str, limits: Limits) -> None:
        self.source, self.origin, self.limits = source, origin, limits
        self.table, self.decoder = Table(), Decoder()
        self.dead: list[DeadLetter] = []
        self.packets = self.number = self.read = self.told = 0
        self.links: set[int] = set()

    def feed(self, batch: Batch) -> Iterator[Chunk]:
        """Count the packets of one batch."""
        data, decode, add = batch.data, self.decoder.decode, self.table.add
        for time, link, start, end in batch.packets:
            found = decode(data, start, end, link)
            if time < 0 or isinstance(found, str) or (found is None and link not in LINKS):
                self._refuse(time, link, found, data[start:end])
            elif found is not None:
                add(data, time, found)
                if found[1] != TCP:
                    self._tunnelled(data, time, found)
            self.packets += 1
            if not self.packets % SWEEP:
                self.table.sweep(time)
            if len(self.table.rows) >= self.limits.chunk_records or len(self.dead) >= self.limits.chunk_records:
                self.read = batch.base + end
                yield from self.flush(last=False)
        self.read = batch.base + len(batch.data)

    def _tunnelled(self, data: bytes, time: int, found: Found) -> None:
        """Count the packets within a packet too: to flows of their own, beside the tunnel's."""
        for _ in range(NESTED):
            inner = self.decoder.inside(data, found)
            if inner is None:
                return
            self.table.add(data, time, inner)
            found = inner

    def _refuse(self, time: int, link: int, found: object, packet: bytes) -> None:
        if link not in LINKS:
            if link in self.links:  # said once: all packets of the interface are alike
                return
            self.links.add(link)
            self.reject(RecordError("unsupported-link", f"packets of link type {link}"), packet)
        else:
            problem = found if isinstance(found, str) else "a time outside the years 1970 to 9999"
            self.reject(RecordError("bad-time" if time < 0 else "bad-packet", f"packet {self.packets}: {problem}"), packet)

    def reject(self, error: RecordError, sample: bytes) -> None:
        """Keep what can't be read."""
        self.dead.append(DeadLetter(self.origin, self.number, error.reason, error.detail, sample[:SAMPLE]))

    def finish(self) -> None:
        """The capture is over."""
        self.table.finish()
        if not self.table.rows and not self.number and not self.dead:
            self.reject(RecordError("empty", f"{self.packets} packets, none of IP"), b"")

    def flush(self, *, last: bool) -> Iterator[Chunk]:
        """Full chunks of what is ready; the `last` takes all."""
        rows, most = self.table.rows, self.limits.chunk_records
        while len(rows) >= most or len(self.dead) >= most or (last and (rows or self.dead)):
            taken = [rows.popleft() for _ in range(min(most, len(rows)))]
            frame = self._events(taken)
            yield Chunk(frame, self.dead, records=len(taken) + len(self.dead), bytes=self.read - self.told)
            self.dead, self.told = [], self.read

    def _events(self, rows: list[Row]) -> events.Events:
        if not rows:
            return events.empty()
        parts = [
            _frame(kind, [(number, *row[1:]) for number, row in enumerate(rows, self.number) if row[0] == index])
            for index, kind in enumerate(KINDS)
        ]
        frame = pl.concat([part for part in parts if part is not None], how="diagonal").sort("record")
        self.number += len(rows)
        return named(frame, self.source, self.origin, MAP_VER)


def _frame(kind: Kind, rows: list[Row]) -> pl.DataFrame | None:
    """The events of one kind; `rows` begin with the record's number."""
    if not rows:
        return None
    numbers, *values = zip(*rows, strict=True)
    frame = pl.DataFrame([_column(name, cells) for name, cells in zip(kind.columns, values, strict=True)])
    frame = frame.hstack(_constants(kind.same, len(rows)))
    return frame.with_columns(compact(frame).alias("raw"), pl.Series("record", numbers, dtype=pl.Int64), pl.col("time").cast(TIME))


def _constants(same: dict[str, Any], height: int) -> list[pl.Series]:
    return [pl.Series(name, [value], dtype=SCHEMA[name]).new_from_index(0, height) for name, value in same.items()]


def _column(name: str, values: Sequence[Any]) -> pl.Series:
    if name == "time":
        return pl.Series(name, values, dtype=pl.Int64)
    if name == "answers":  # come as JSON: a Python list an event would cost more than all the rest of it
        return pl.Series(name, values, dtype=pl.String).str.json_decode(pl.List(pl.String))
    return pl.Series(name, values, dtype=SCHEMA[name])
