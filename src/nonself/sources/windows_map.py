"""From flat native Windows fields to event columns, by the table `windows_map.toml`: columns at a time, event kind by event kind."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import orjson
import polars as pl

from nonself.core.schema import SCHEMA
from nonself.sources.records import Table, instants, texts
from nonself.sources.windows_native import Flat, text

MAP_VER = 1
_BATCH = 64  # rows whose columns are set at once
_NUMBERS = ("class_uid", "activity_id", "status_id")
_SEVERITY = {"0": 1, "1": 5, "2": 4, "3": 3, "4": 1, "5": 1}  # Windows level -> OCSF severity
_INTEGRITY = {"S-1-16-0": "Untrusted", "S-1-16-4096": "Low", "S-1-16-8192": "Medium", "S-1-16-8448": "Medium",
              "S-1-16-12288": "High", "S-1-16-16384": "System"}  # fmt: skip
_DIRECTION = {"%%14592": "1", "%%14593": "2", "true": "2", "false": "1"}  # WFP direction, Sysmon's Initiated
_PROTO = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmp6"}
_RCODE = {"0": "NOERROR", "9001": "FORMERR", "9002": "SERVFAIL", "9003": "NXDOMAIN", "9004": "NOTIMP", "9005": "REFUSED"}
_NOTHING = ("", "-")
"""How Windows writes that there is no value."""
_NO_CHOICE = (None, "", "-", "0x0")


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One event id of one log: its class, activity (or the field that tells it), status, and where its columns come from."""

    class_uid: int
    activity: int
    activity_field: str
    activity_of: dict[str, int]
    status: int | None
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Content:
    """The table: log name of a provider or channel, and the kinds by log and event id."""

    logs: dict[str, str]
    kinds: dict[tuple[str, int], Kind]
    other: Kind

    def kind(self, provider: str, channel: str, event_id: int | None) -> Kind:
        """The kind of an event; `other` for one the table does not hold."""
        for name in (provider, channel):
            found = self.kinds.get((self.logs.get(name.lower(), ""), event_id if event_id is not None else -1))
            if found:
                return found
        return self.other


@cache
def content() -> Content:
    """The table as shipped. ValueError for a column that the schema does not hold."""
    table = tomllib.loads(resources.files("nonself.sources").joinpath("windows_map.toml").read_text("utf-8"))
    logs = {name: log for log, names in table["logs"].items() for name in names}
    kinds = {
        (log, int(event_id)): _kind(row, table["sets"], f"{log}.{event_id}")
        for log, rows in table["events"].items()
        for event_id, row in rows.items()
    }
    return Content(logs, kinds, _kind({"class": 0, "activity": 0, "use": ["other"]}, table["sets"], "other"))


def _kind(row: dict[str, Any], sets: dict[str, dict[str, str]], where: str) -> Kind:
    columns: dict[str, str] = {}
    for name in row.get("use", ()):
        columns |= sets[name]
    columns |= {name: spec for name, spec in row.items() if name not in ("class", "activity", "status", "use")}
    if unknown := columns.keys() - SCHEMA.keys():
        raise ValueError(f"windows_map.toml: {where}: expected columns of the event schema, got {sorted(unknown)}")
    activity = row["activity"]
    field, values = next(iter(activity.items())) if isinstance(activity, dict) else ("", {})
    return Kind(row["class"], 0 if field else activity, field, values, row.get("status"), tuple(columns.items()))


class Rows:
    """Fills a table from flat native fields, one `add` for each `table.add`. Columns are set a batch at a time, so that the parsed
    records are gone while they are still in the processor's cache."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._flats: list[Flat] = []
        self._ext: list[bytes] = []

    def add(self, flat: Flat) -> None:
        """The native fields of the row last added to the table."""
        self._flats.append(flat)
        if len(self._flats) == _BATCH:
            self._scatter()

    def finish(self) -> None:
        """Convert all columns once all rows are there."""
        self._scatter()
        if self._ext:
            self._table.pad()
            frame = pl.DataFrame([_series(name, values) for name, values in self._table.columns.items()])
            self._table.columns = {series.name: series for series in _convert(frame).get_columns()}
            self._table.columns["ext"] = texts("ext", self._ext)

    def _scatter(self) -> None:
        flats, first = self._flats, len(self._ext)
        for kind, members in _by_kind(flats).items():
            group, rows = [flats[member] for member in members], [first + member for member in members]
            self._table.put("class_uid", rows, [kind.class_uid] * len(rows))
            self._table.put("activity_id", rows, _activities(kind, group))
            if kind.status is not None:
                self._table.put("status_id", rows, [kind.status] * len(rows))
            for column, spec in kind.columns:
                self._table.put(column, rows, _values(spec, group))
        for name, field in _COMMON:
            self._table.put(name, range(first, first + len(flats)), [flat.get(field) for flat in flats])
        self._ext += map(orjson.dumps, flats)
        self._flats = []


def _series(name: str, values: Any) -> pl.Series:
    """A column as it was collected: numbers that the table gives, or native values as text."""
    if name in _NUMBERS:
        return pl.Series(name, values, dtype=SCHEMA[name])
    try:
        return pl.Series(name, values, dtype=pl.String)
    except TypeError:  # some are not text
        words = {value: str(value) for value in values if type(value) is int}
        return pl.Series(
            name, [words[value] if type(value) is int else None if value is None else text(value) for value in values], dtype=pl.String
        )


def _by_kind(flats: list[Flat]) -> dict[Kind, list[int]]:
    groups: dict[Kind, list[int]] = {}
    routes: dict[tuple[Any, Any, Any], list[int]] = {}
    for row, flat in enumerate(flats):
        provider, channel, event_id = flat.get("Provider_Name"), flat.get("Channel"), flat["EventID"]
        key = (provider, channel, event_id) if type(provider) is type(channel) is str else (text(provider), text(channel), event_id)
        members = routes.get(key)
        if members is None:
            members = routes[key] = groups.setdefault(content().kind(*key), [])
        members.append(row)
    return groups


def _activities(kind: Kind, group: list[Flat]) -> list[int]:
    if not kind.activity_field:
        return [kind.activity] * len(group)
    return [kind.activity_of.get(text(flat.get(kind.activity_field)), 99) for flat in group]


def _values(spec: str, group: list[Flat]) -> list[Any]:
    """One column of one kind: "Field", "Field|Fallback", "A+B", "A~key" or "=constant"."""
    if spec.startswith("="):
        return [spec[1:]] * len(group)
    if "|" in spec:
        first, rest = spec.split("|", 1)
        values = _values(first, group)
        missing = [at for at, value in enumerate(values) if value in _NO_CHOICE]
        for at, value in zip(missing, _values(rest, [group[at] for at in missing]), strict=True):
            values[at] = None if value in _NO_CHOICE else value
        return values
    if "+" in spec:
        columns = [_values(part, group) for part in spec.split("+")]
        return ["\\".join(text(part) for part in row if part) or None for row in zip(*columns, strict=True)]
    if "~" in spec:
        field, key = spec.split("~")
        found = [_setting(key).search(text(flat.get(field))) for flat in group]
        return [match.group(1).strip() if match else None for match in found]
    return [flat.get(spec) for flat in group]


@cache
def _setting(key: str) -> re.Pattern[str]:
    """Finds the first line `key=value` or `key = value` of a text, as PowerShell describes its context."""
    return re.compile(rf"^[ \t]*{re.escape(key)}[ \t]*=[ \t]*([^\r\n]*)", re.MULTILINE)


def _convert(frame: pl.DataFrame) -> pl.DataFrame:
    """Native text to the columns' own meaning, whole columns at a time; every row from its own values only."""
    return frame.select(_conversion(tuple(sorted(frame.columns))))


@lru_cache(256)
def _conversion(columns: tuple[str, ...]) -> list[pl.Expr]:
    """The expressions for a frame of these columns; kept, since making them costs more than a small file."""
    value = {name: pl.when(pl.col(name).is_in(_NOTHING)).then(None).otherwise(pl.col(name)) for name in columns if name not in _NUMBERS}
    value |= {name: convert(value[name]) for name, convert in _CONVERTERS.items() if name in value}
    for name, domain in _ACCOUNTS:
        if name in value:
            value[name], value[domain] = _account(value[name], value.get(domain, pl.lit(None, dtype=pl.String)))
    status = _audit(value.pop("_keywords"))
    if "status_id" in columns:
        status = pl.coalesce("status_id", status)
    sysmon = pl.col("log_provider").str.to_lowercase().str.contains("sysmon", literal=True)
    own = value.pop("_utc")
    value["time"] = instants(pl.when(sysmon & own.is_not_null()).then(own).otherwise(value["time"]))
    return [pl.col("class_uid"), pl.col("activity_id"), status.alias("status_id"), *(expr.alias(name) for name, expr in value.items())]


def _audit(keywords: pl.Expr) -> pl.Expr:
    """Outcome of a security audit event, from the keywords' bits."""
    return pl.when(keywords.str.starts_with("0x8020")).then(1).when(keywords.str.starts_with("0x8010")).then(2).cast(pl.Int8)


def _account(who: pl.Expr, where: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """User and domain from `DOMAIN\\user`, `user@domain` (where the domain is given beside it) and `CN=user,OU=...`."""
    cut = who.str.contains("\\", literal=True)
    suffix = who.str.to_lowercase().str.ends_with(pl.concat_str([pl.lit("@"), where.str.to_lowercase()]))
    user = (
        pl.when(cut).then(who.str.extract(r"\\([^\\]*)$"))
        .when(suffix).then(who.str.extract(r"^([^@]*)@"))
        .when(who.str.starts_with("CN=")).then(who.str.extract("^CN=([^,]*)"))
        .otherwise(who)
    )  # fmt: skip
    return user, pl.when(cut).then(who.str.extract(r"^([^\\]*)\\")).otherwise(where)


def _number(value: pl.Expr) -> pl.Expr:
    hexadecimal = value.str.strip_prefix("0x").str.to_integer(base=16, strict=False)
    return pl.when(value.str.starts_with("0x")).then(hexadecimal).otherwise(value.cast(pl.Int64, strict=False))


def _strongest(value: pl.Expr) -> pl.Expr:
    """The strongest of `SHA1=...,MD5=...,SHA256=...`, or the digest itself where it stands alone."""
    named = [value.str.extract(rf"{name}=([0-9A-Fa-f]{{{size}}})") for name, size in (("SHA256", 64), ("SHA1", 40), ("MD5", 32))]
    return pl.coalesce(*named, value.str.extract(r"^([0-9A-Fa-f]{32,64})$")).str.to_lowercase()


def _address(value: pl.Expr) -> pl.Expr:
    value = value.str.strip_prefix("::ffff:").str.strip_chars("\\")
    return pl.when(value != "LOCAL").then(value)


def _answers(value: pl.Expr) -> pl.Expr:
    """`type:  5 name;::ffff:1.2.3.4;` to its parts, without type and IPv4 prefix."""
    parts = value.str.replace_all(r"(?:^|;)(?:type: *[0-9]+ |::ffff:)", ";").str.strip_chars(";").str.split(";")
    return pl.when(value.is_not_null()).then(parts)


def _guid(value: pl.Expr) -> pl.Expr:
    return value.str.strip_chars("{}")


def _sid(value: pl.Expr) -> pl.Expr:
    return pl.when(value != "S-1-0-0").then(value)  # the SID of nobody


_COMMON = (
    ("channel", "Channel"), ("log_provider", "Provider_Name"), ("host", "Computer"), ("op", "EventID"), ("time", "TimeCreated"),
    ("severity_id", "Level"), ("_utc", "UtcTime"), ("_keywords", "Keywords"),
)  # fmt: skip
_ACCOUNTS = (("user", "user_domain"), ("tgt_user", "tgt_domain"))
_CONVERTERS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "channel": lambda value: value.replace({"security": "Security", "system": "System", "application": "Application"}),
    "user_uid": _sid,
    "tgt_uid": _sid,
    "pid": _number,
    "parent_pid": _number,
    "proc_guid": _guid,
    "parent_guid": _guid,
    "tgt_guid": _guid,
    "hash": _strongest,
    "src_ip": _address,
    "dst_ip": _address,
    "src_host": lambda value: value.str.strip_chars("\\"),
    "proto": lambda value: value.replace(_PROTO).str.to_lowercase(),
    "direction_id": lambda value: value.replace(_DIRECTION),
    "integrity": lambda value: value.replace(_INTEGRITY),
    "rcode": lambda value: value.replace(_RCODE),
    "answers": _answers,
    "signed": lambda value: value.str.to_lowercase().replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean),
    "severity_id": lambda value: value.replace_strict(_SEVERITY, default=None, return_dtype=pl.Int8),
    "priv": lambda value: value.str.replace_all(r"\s+", " "),
    "url_host": lambda value: value.str.extract(r"^[a-zA-Z]+://(?:[^/@]*@)?([^/:?#]+)"),
    "url_path": lambda value: value.str.extract(r"^[a-zA-Z]+://[^/]*(/.*)$"),
}
"""What a column's native text is turned into; all others are kept as they are and cast by the schema."""


def classes() -> tuple[int, ...]:
    """The OCSF classes that Windows events can have."""
    return tuple(sorted({kind.class_uid for kind in content().kinds.values()} | {0}))
