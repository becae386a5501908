"""From the keys and values of CEF and LEEF records to events: shared, since both say the same things under other names."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from nonself.core import time
from nonself.core.schema import SCHEMA
from nonself.sources import cef_map, cef_time
from nonself.sources.contract import Chunk, Input, Limits
from nonself.sources.lines import Block, head_lines
from nonself.sources.records import Table, dump_json
from nonself.sources.syslog_years import years
from nonself.sources.weblog_text import ACTIVITIES, ADDRESS, BAD_TIME, located

_STAMP = re.compile(r"^(?:<\d{1,3}>)?(?:1 )?(?:([A-Z][a-z]{2} [ \d]\d [\d:]{8})|(\d{4}-\d\d-\d\dT[^ ]{8,24})) (?:([^\s:|=]{1,255}) )?")
_MONTHS = {name: at for at, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_LABEL = "Label"
_NO_VALUE = frozenset(("", "-", "N/A", "n/a", "null", "none", "None"))


@dataclass(slots=True)
class Record:
    """One record: the device and what it calls the event, the fields, and the stamp and host of the syslog line around it."""

    vendor: str
    product: str
    version: str
    event: str
    name: str
    fields: dict[str, str]
    stamp: str = ""
    year: int = 0


@dataclass(slots=True)
class Rows:
    """The records of one block in the making. `columns` and `times` say which keys mean what."""

    table: Table
    columns: dict[str, tuple[str, ...]]
    times: tuple[str, ...]
    pattern: str = ""  # the key of the times' pattern
    records: list[Record] = field(default_factory=list)

    def add(self, number: int, raw: bytes, record: Record) -> None:
        """One record that was read."""
        self.table.add(number, raw)
        self.records.append(record)

    def chunk(self, block: Block) -> Chunk:
        """All of the block's records. One whose times can't be read is a "bad-time"; one that names none has none."""
        self.table.dead += block.dead
        if self.records:
            frame = _events(self)
            named = pl.Series([bool(record.stamp) or any(key in record.fields for key in self.times) for record in self.records])
            keep = frame.get_column("time").is_not_null() | ~named
            if not keep.all():
                self._drop((~keep).arg_true().to_list())
                frame = frame.filter(keep)
            self.table.columns = dict(frame.to_dict())
        self.table.dead.sort(key=lambda letter: letter.record)
        return self.table.chunk(block.bytes)

    def _drop(self, rows: list[int]) -> None:
        for row in reversed(rows):
            self.table.reject(self.table.numbers.pop(row), self.table.raws.pop(row), BAD_TIME)

    def cells(self, keys: Sequence[str]) -> list[str | None]:
        """The first of some keys that has a value, by record."""
        first = [record.fields.get(keys[0]) for record in self.records]
        for key in keys[1:]:
            first = [record.fields.get(key) if value is None else value for value, record in zip(first, self.records, strict=True)]
        return [None if value in _NO_VALUE else value for value in first]


def yearly(source_input: Input, limits: Limits) -> Callable[[list[bytes]], list[int]]:
    """What gives the years of consecutive lines with RFC 3164 stamps, for which all of the input is read; zeros where its head has none."""
    if not any(_month(line) for line in head_lines(source_input.head, 1_000)):
        return lambda lines: [0] * len(lines)
    found = years(source_input, limits, None)
    return lambda lines: found.of(np.array([_month(line) for line in lines], np.int64)).tolist()


def _month(line: bytes) -> int:
    start = line.find(b">", 0, 6) + 1
    return _MONTHS.get(line[start : start + 3], 0) if line[start + 6 : start + 7] == b" " else 0


def prefixed(prefix: str) -> tuple[str, str]:
    """The stamp and the host of what stands before a record; empty where there is none."""
    match = _STAMP.match(prefix)
    return ((match[1] or match[2]), match[3] or "") if match else ("", "")


def labelled(fields: dict[str, str]) -> dict[str, str]:
    """Fields with custom ones (`cs1=x cs1Label=Policy`) under their labels, as far as those are not taken."""
    labels = [key for key in fields if key[-5:] == _LABEL and key[:-5] in fields]
    if not labels:
        return fields
    named = dict(fields)
    for key in labels:
        label, custom = fields[key], key[:-5]
        if label and label not in named:
            named[label] = named.pop(custom)
            del named[key]
    return named


def _events(rows: Rows) -> pl.DataFrame:
    present = frozenset().union(*(record.fields for record in rows.records))
    held = {name: [key for key in keys if key in present] for name, keys in rows.columns.items()}
    frame = pl.DataFrame([
        pl.Series("event", [record.event for record in rows.records], dtype=pl.String),
        pl.Series("name", [record.name for record in rows.records], dtype=pl.String),
        pl.Series("log_provider", [f"{record.vendor} {record.product}".strip() for record in rows.records], dtype=pl.String),
        pl.Series("ext", [dump_json(_rest(record)) for record in rows.records], dtype=pl.String), _times(rows, present),
        *(pl.Series(name, rows.cells(keys), dtype=pl.String) for name, keys in held.items() if keys),
    ])  # fmt: skip
    frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in _NEEDED if not held.get(name))
    return _typed(_mapped(frame))


_NEEDED = (
    "channel", "user", "user_domain", "tgt_user", "tgt_domain", "src_ip", "src_host", "dst_ip", "dst_host", "http_method", "url_path",
    "user_agent", "outcome", "action", "severity", "proto", "http_status", "hash",
)  # fmt: skip


def _rest(record: Record) -> dict[str, str]:
    """Every field by its own name, and the device: what rules and searches address."""
    head = {"DeviceVendor": record.vendor, "DeviceProduct": record.product, "DeviceVersion": record.version}
    return labelled(record.fields) | head | {"Name": record.name}


def _times(rows: Rows, present: frozenset[str]) -> pl.Series:
    found = pl.Series("time", [None], dtype=SCHEMA["time"]).new_from_index(0, len(rows.records))
    readers: list[Callable[[], pl.Series]] = []
    for key in rows.times:
        if key in present:
            readers.append(lambda key=key: _read(rows, key, present))  # type: ignore[misc]
    if any(record.stamp for record in rows.records):
        readers.append(lambda: _stamps(rows))
    for reader in readers:
        if not found.null_count():
            break
        found = found.zip_with(found.is_not_null(), reader())
    return found.alias("time")


def _read(rows: Rows, key: str, present: frozenset[str]) -> pl.Series:
    text = pl.Series(rows.cells([key]), dtype=pl.String)
    if rows.pattern and rows.pattern in present:
        return cef_time.read_as(text, pl.Series(rows.cells([rows.pattern]), dtype=pl.String))
    return cef_time.read(text)


def _stamps(rows: Rows) -> pl.Series:
    """Times of the syslog lines around records; RFC 3164 with the year of its line."""
    stamps = [record.stamp for record in rows.records]
    bare = [f"{stamp[:3]} {stamp[4:6].strip()} {record.year} {stamp[7:]}" for stamp, record in zip(stamps, rows.records, strict=True)]
    iso = pl.Series("text", stamps, dtype=pl.String).to_frame().select(time.iso("text")).to_series()
    return iso.zip_with(iso.is_not_null(), cef_time.read(pl.Series(bare, dtype=pl.String)))


def _mapped(frame: pl.DataFrame) -> pl.DataFrame:
    """Class, activity, outcome, severity, and who acted."""
    told, product, name = _joined("channel", "event", "name"), pl.col("log_provider"), pl.col("name")
    title = _joined("log_provider", "channel", "event", "name", "action")
    http = pl.col("http_method").is_not_null() | (pl.col("url_path").is_not_null() & pl.col("user_agent").is_not_null())
    named = pl.col("user").is_not_null() | pl.col("tgt_user").is_not_null()
    logon = title.str.contains(cef_map.LOGON) & named
    plain = name.str.contains(cef_map.LOGON) & named & ~name.str.contains(cef_map.NO_LOGON)
    alert = told.str.contains(cef_map.ALERT) | (product.str.contains(cef_map.ALERT) & ~plain)
    ends = pl.col("src_ip").is_not_null() & pl.col("dst_ip").is_not_null()
    kind = pl.when(alert).then(2004).when(http).then(4002).when(logon).then(3002).when(ends).then(4001)
    frame = frame.with_columns(class_uid=kind.otherwise(0).cast(pl.Int32), activity_id=pl.lit(0, dtype=pl.Int16))
    said = pl.coalesce("outcome", "action")
    is_ = {uid: pl.col("class_uid") == uid for uid in (2004, 4002, 3002, 4001)}
    refused = said.str.replace_all("_", " ").str.contains(cef_map.REFUSED)
    method = pl.col("http_method").str.to_uppercase().replace_strict(ACTIVITIES, default=99, return_dtype=pl.Int16)
    activity = (
        pl.when(is_[2004]).then(1).when(is_[4002] & pl.col("http_method").is_not_null()).then(method)
        .when(is_[3002]).then(pl.when(title.str.contains(cef_map.LOGOFF)).then(2).otherwise(1))
        .when(is_[4001]).then(pl.when(refused).then(5).otherwise(6)).otherwise(0)
    )  # fmt: skip
    both, target = pl.col("user").is_not_null() & (pl.col("user") != pl.col("tgt_user")), pl.col("tgt_user")
    moved = is_[3002] & pl.col("user").is_null()  # whoever is let in acts
    return frame.with_columns(
        activity_id=activity.cast(pl.Int16), status_id=_status(pl.when(is_[3002]).then(name)), status_code=said,
        op=pl.when(is_[4002] & pl.col("http_method").is_not_null()).then("http_method").otherwise("event"),
        rule=pl.when(is_[2004]).then(pl.coalesce(pl.when(name == "THREAT").then("channel"), name.replace("", None), "event")),
        score=pl.when(is_[2004]).then(pl.col("severity").cast(pl.Float64, strict=False)), severity_id=_severity(),
        user=pl.when(is_[3002]).then(pl.coalesce("user", "tgt_user")).otherwise("user"),
        tgt_user=pl.when(~is_[3002] | both).then(target), direction_id=_direction(frame),
        user_domain=pl.when(moved).then(pl.coalesce("user_domain", "tgt_domain")).otherwise("user_domain"),
        tgt_domain=pl.when(~moved).then("tgt_domain"),
    )  # fmt: skip


def _direction(frame: pl.DataFrame) -> pl.Expr:
    if "direction" not in frame.columns:
        return pl.lit(None, dtype=pl.Int8)
    return pl.col("direction").replace_strict({"0": 1, "1": 2}, default=None, return_dtype=pl.Int8)


def _joined(*names: str) -> pl.Expr:
    return pl.concat_str(*(pl.col(name).fill_null("") for name in names), separator=" ")


def _status(logon: pl.Expr) -> pl.Expr:
    """By outcome, by action, and for a `logon` by its name."""
    outcome, action = pl.col("outcome"), pl.col("action").str.replace_all("_", " ")
    by_outcome = pl.when(outcome.str.contains(cef_map.FAILED)).then(2).when(outcome.str.contains(cef_map.SUCCEEDED)).then(1)
    by_action = pl.when(action.str.contains(cef_map.REFUSED)).then(2).when(action.str.contains(cef_map.ALLOWED)).then(1)
    by_name = pl.when(logon.str.contains(cef_map.FAILED)).then(2).when(logon.str.contains(cef_map.SUCCEEDED)).then(1)
    return pl.coalesce(by_outcome, by_action, by_name).cast(pl.Int8)


def _severity() -> pl.Expr:
    said = pl.col("severity").str.strip_chars()
    number = said.cast(pl.Float64, strict=False)
    step = pl.lit(5)
    for below, severity in reversed(cef_map.STEPS):
        step = pl.when(number < below).then(severity).otherwise(step)
    word = said.str.to_lowercase().str.replace(" ", "-").replace_strict(cef_map.SEVERITIES, default=None, return_dtype=pl.Int32)
    return pl.when(number.is_between(0, 10)).then(step).otherwise(word).cast(pl.Int8)


_NO_SCHEME = r'^"?((?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+(?::\d{1,5})?/[^"]*)"?$'


def _split(frame: pl.DataFrame) -> pl.DataFrame:
    """Domains out of `DOMAIN\\user`, addresses out of names of hosts, and URLs told from paths where they lack `http://`."""
    path = pl.col("url_path").str.strip_chars('"')
    return frame.with_columns(
        *(pl.col(name).str.extract(r"([^\\]*)$").replace("", None) for name in ("user", "tgt_user")),
        *(pl.coalesce(f"{who}_domain", pl.col(name).str.extract(r"^([^\\]+)\\")).alias(f"{who}_domain")
          for who, name in (("user", "user"), ("tgt", "tgt_user"))),
        *(pl.coalesce(f"{end}_ip", pl.col(f"{end}_host").str.extract(f"^({ADDRESS})$")).alias(f"{end}_ip") for end in ("src", "dst")),
        *(pl.when(~pl.col(f"{end}_host").str.contains(f"^{ADDRESS}$")).then(f"{end}_host").alias(f"{end}_host") for end in ("src", "dst")),
        url_path=pl.when(path.str.contains(_NO_SCHEME)).then("http://" + path).otherwise(path),
    )  # fmt: skip


def _typed(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns of their own types; what doesn't fit becomes null."""
    address = rf"^\[?(?:::ffff:)?({ADDRESS})\]?$"
    frame = located(_split(frame))
    web = pl.col("class_uid").is_in([2004, 4002]) | pl.col("http_method").is_not_null()
    return frame.with_columns(
        *(pl.col(name).cast(SCHEMA[name], strict=False) for name in cef_map.INTEGERS if name in frame.columns),
        *(pl.col(name).str.extract(address) for name in cef_map.ADDRESSES),
        url_host=pl.when(web | pl.col("url_host").is_not_null()).then("url_host"),
        proto=pl.col("proto").str.to_lowercase().replace(cef_map.PROTOCOLS),
        hash=pl.col("hash").str.extract(r"([0-9A-Fa-f]{32,128})").str.to_lowercase(),
    ).drop(*cef_map.STAND_INS, "event", "name", strict=False)
