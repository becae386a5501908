"""The event lake: Parquet files by day and class, each a blob, listed in SQLite.

Within a file events are sorted by (time, uid); columns that are null throughout are left out and come back as nulls. Figures behind the
choices below, measured with 20,000 Sysmon-like events of 1.1 KB `ext` and `raw` over 8 classes, full of unique ids, in CPU-s and MB:
zstd level 1: 0.16 and 4.8; level 3: 0.24 and 5.2; level 6: 0.61 and 5.1; lz4: 0.15 and 9.3. On 20,000 real Windows records (raw alone,
30 MB) level 1 is 0.054 and 0.89, level 3 0.063 and 0.78: no level wins on both. Of CloudTrail's hot columns an event takes 35.2 bytes at
level 1, 34.6 at level 2, 35.7 at level 3; level 2 takes no more time than level 1 that could be measured. Writing the empty columns too
costs 0.06 more. Statistics cost less than the noise, and let SQL engines skip row groups.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from nonself.core.compact import compact
from nonself.core.events import Events
from nonself.core.schema import SCHEMA
from nonself.ledger.blobs import Blobs
from nonself.ledger.days import day_of
from nonself.ledger.db import Database

ORDER = ("time", "uid", "class_uid")
"""The order of events. Beyond these, ties keep the order they came in: all rows of a tie share day and class, so one file a batch holds
them, and files are read in the order of their batches. That makes the order independent of how the events were cut into batches."""

SCATTERED = 256
"""Days with fewer events than this, of one class in one batch, share a file. Whoever writes the logs chooses the times: without this
rule 20,000 events with random times would be 20,000 files, each with its own fsync. It also pays for honest logs: 20,000 events over
30 days and 8 classes cost 0.3 CPU-s and 4.9 MB in 8 files, against 2.3 and 7.6 in 240; read at once 0.06 against 0.49, day by day
1.7 against 1.0."""

GROUP_BYTES, GROUP_ROWS = 16 << 20, 1_024
"""A row group of an event file takes about so much memory, and is written as a whole: 54 MB of records in one took 75 MB more than in
pieces. Pieces of 4 MB make the file 4 % larger and take as much as these. No fewer rows, so that SQL engines have something to skip."""

MANY = 4_096
"""Events for which it pays to hold them compact: of a small file's it took a tenth of a scan (measured)."""

_DAY, _CLASS, _FILE = "_day", "_class", "_file"
_KEPT = ("time", "uid")
"""Columns that a file always holds, empty or not."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events: of the days `first` to `last`, `pending` or `concluded` ones only, of some OCSF `classes` (0 takes those without a
    class too), of some `uids`."""

    first: date | None = None
    last: date | None = None
    pending: bool = False
    concluded: bool = False
    classes: frozenset[int] | None = None
    uids: tuple[str, ...] | None = None


class Lake:
    """Event files of a ledger. `keep_raw=False` drops the `raw` column of what is written from then on."""

    def __init__(self, db: Database, blobs: Blobs, *, keep_raw: bool = True) -> None:
        self._db = db
        self._blobs = blobs
        self._keep_raw = keep_raw

    def write(self, batch: int, events: Events) -> int:
        """Store `events` as part of `batch`, inside a transaction; how many files that made."""
        if not events.height:
            return 0
        if not self._keep_raw:
            events = events.with_columns(pl.lit(None, dtype=SCHEMA["raw"]).alias("raw"))
        count = 0
        for class_uid, held, part in _partition(events):
            blob = self._blobs.put(encode(part), inline=False)
            file = self._db.run("INSERT INTO event_file (batch, class_uid, blob) VALUES (?, ?, ?)", (batch, class_uid, blob))
            days = held.value_counts().sort(_DAY).rows()
            self._db.run_many("INSERT INTO event_day VALUES (?, ?, ?)", [(day.isoformat(), file, number) for day, number in days])
            count += 1
        return count

    def read(self, chosen: Selection, columns: Iterable[str] | None, *, held: bool = False) -> pl.DataFrame:
        """The chosen events, sorted by `ORDER`; `columns` in the order asked for, or the whole schema. `held` says that they will be
        held for long: `MANY` are `core.compact` then."""
        wanted = list(SCHEMA) if columns is None else list(columns)
        unknown = [name for name in wanted if name not in SCHEMA]
        if unknown:
            raise ValueError(f"expected columns of the event schema, got {unknown}; `nonself schema` lists them")
        needed = list(dict.fromkeys([*wanted, *ORDER]))
        blobs = self._files(chosen)
        if chosen.uids is not None:
            blobs = self._holding(blobs, chosen.uids)
        empty = pl.DataFrame(schema={name: SCHEMA[name] for name in needed})
        if not blobs:
            return empty.select(wanted)
        parts = [_rows(io.BytesIO(self._blobs.get(blob)), needed, chosen) for blob in blobs]
        if not held or sum(part.height for part in parts) < MANY:
            return pl.concat([empty, *parts], rechunk=True).sort(ORDER, maintain_order=True).select(wanted)
        found = compact(pl.concat([empty, *parts], rechunk=False))
        parts.clear()
        return found.sort(ORDER, maintain_order=True).select(wanted)

    def days(self, *, pending: bool) -> list[date]:
        """Days that hold events, in order."""
        rows = self._db.rows(
            "SELECT DISTINCT day FROM event_day"
            + (" JOIN event_file ON file = event_file.id JOIN batch ON batch = batch.id WHERE concluded = 0" if pending else "")
            + " ORDER BY day"
        )
        return [date.fromisoformat(day) for (day,) in rows]

    def spans(self, most: int, *, pending: bool) -> list[tuple[date, date]]:
        """The days that hold events, in order, as runs of days of at most `most` events (but at least one day) each."""
        rows = self._db.rows(
            "SELECT day, sum(event_day.events) FROM event_day"
            + (" JOIN event_file ON file = event_file.id JOIN batch ON batch = batch.id WHERE concluded = 0" if pending else "")
            + " GROUP BY day ORDER BY day"
        )
        spans: list[tuple[date, date]] = []
        room = 0
        for text, events in rows:
            day = date.fromisoformat(text)
            if spans and events <= room:
                spans[-1] = (spans[-1][0], day)
            else:
                spans.append((day, day))
                room = most
            room -= events
        return spans

    def files(self) -> list[Path]:
        """The event files on disk, in the order of their batches."""
        found = (self._blobs.peek(blob) for blob in self._files(Selection()))
        return [blob for blob in found if isinstance(blob, Path)]

    def counts(self) -> dict[int, int]:
        """Events by class, in order of class."""
        rows = self._db.rows(
            "SELECT class_uid, sum(events) FROM event_day JOIN event_file ON file = event_file.id GROUP BY class_uid ORDER BY class_uid"
        )
        return dict(rows)

    def _files(self, chosen: Selection) -> list[str]:
        """Blobs that hold chosen events, in the order of their batches. A blob listed twice was committed twice, and counts twice."""
        first = chosen.first and chosen.first.isoformat()
        rows = self._db.rows(
            """SELECT blob, class_uid FROM event_file JOIN batch ON batch = batch.id
               WHERE (? OR concluded = 0) AND (? OR concluded = 1)
               AND (? IS NULL OR event_file.id IN (SELECT file FROM event_day WHERE day BETWEEN ? AND ?))
               ORDER BY event_file.id""",
            (not chosen.pending, not chosen.concluded, first, first, chosen.last and chosen.last.isoformat()),
        )
        return [blob for blob, class_uid in rows if chosen.classes is None or class_uid in chosen.classes]

    def _holding(self, blobs: list[str], uids: tuple[str, ...]) -> list[str]:
        """Those of `blobs` that hold some of `uids`. Only uid columns are read, unchecked; but "not here" is believed only of a file
        whose hash is right, so that damage is reported and never looks like an event that was not seen."""
        sought = pl.Series(sorted(set(uids)), dtype=pl.String)
        found: set[str] = set()
        holding: list[str] = []
        others: list[str] = []
        for blob in blobs:
            hits = self._hits(blob, sought)
            (others if hits is not None and not hits else holding).append(blob)
            found.update(hits or ())
        if len(found) < len(sought):
            for blob in dict.fromkeys(others):
                self._blobs.get(blob)
        return holding

    def _hits(self, blob: str, sought: pl.Series) -> list[str] | None:
        """Which of `sought` a file holds, or None where that can't be read."""
        try:
            uids = pl.scan_parquet(self._blobs.peek(blob), glob=False, hive_partitioning=False).select("uid").collect()["uid"]
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
            return None
        return uids.filter(uids.is_in(sought.implode())).to_list()


def encode(events: pl.DataFrame) -> bytes:
    """Events as Parquet, without the columns that are null throughout."""
    nulls = events.null_count().row(0)
    filled = [name for name, count in zip(events.columns, nulls, strict=True) if name in _KEPT or count < events.height]
    out = io.BytesIO()
    told = events.select(filled)
    rows = max(GROUP_ROWS, GROUP_BYTES * told.height // max(1, int(told.estimated_size())))
    told.write_parquet(out, compression="zstd", compression_level=2, statistics=True, row_group_size=rows)
    return out.getvalue()


def _partition(events: Events) -> Iterator[tuple[int, pl.Series, pl.DataFrame]]:
    """(class, days, rows in `ORDER`) of each file to be. Files are ordered by class, then by day.

    The order is found on a narrow table and whole rows are moved once: moving all columns is what writing a batch mostly costs.
    """
    keyed = events.select(*ORDER, day_of(pl.col("time")).alias(_DAY), pl.col("class_uid").fill_null(0).alias(_CLASS))
    crowded = pl.len().over(_CLASS, _DAY) >= SCATTERED
    keyed = keyed.with_columns(pl.when(crowded).then(_DAY).alias(_FILE))
    order = keyed.select(pl.arg_sort_by(_CLASS, _FILE, *ORDER, maintain_order=True)).to_series()
    files = keyed.select(_CLASS, _FILE, _DAY)[order]
    starts = files.select((pl.struct(_CLASS, _FILE).rle_id().diff() != 0).fill_null(True).arg_true()).to_series()
    ends = [*starts[1:], files.height]
    said = [column for column in events.get_columns() if column.name in _KEPT or column.null_count() < column.len()]
    sorted_ = pl.DataFrame(said).rechunk()[order]  # in one piece: texts are shared, not copied
    for start, end in zip(starts, ends, strict=True):
        yield int(files[_CLASS][start]), files[_DAY][start:end], sorted_[start:end]


def _rows(parquet: io.BytesIO, needed: list[str], chosen: Selection) -> pl.DataFrame:
    """The chosen rows of one file, columns `needed`."""
    frame = pl.scan_parquet(parquet, schema=SCHEMA, missing_columns="insert").select(pl.col(needed))
    if chosen.first is not None:
        frame = frame.filter(day_of(pl.col("time")).is_between(chosen.first, chosen.last))
    if chosen.uids is not None:
        frame = frame.filter(pl.col("uid").is_in(list(chosen.uids)))
    return frame.collect()
