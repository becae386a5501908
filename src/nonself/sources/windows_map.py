"""What each kind of Windows event means: the table `windows_map.toml` as data, and the way from an event's name to its kind."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from nonself.core.schema import SCHEMA

MAP_VER = 4
NAMED = ("class_uid", "op", "channel", "log_provider")
"""Columns that an event's name fills alone."""
_PLAIN_CHANNELS = {"security": "Security", "system": "System", "application": "Application"}
_WITHIN = re.compile("[~=!]")
_SEPARATORS = re.compile(r"[|+?]")


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One event id of one log: its class, activity (or the field that tells it), status (or the field that tells it), where
    its columns come from, and the native fields that takes."""

    class_uid: int
    activity: int
    activity_field: str
    activity_of: dict[str, int]
    status: int | None
    status_from: str
    status_of: dict[str, int]
    columns: tuple[tuple[str, str], ...]
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """An event's name: what wrote it where, under which id; and so its kind."""

    provider: str
    channel: str
    event_id: int | None
    kind: Kind

    def cells(self) -> dict[str, Any]:
        """The columns `NAMED`, which are the same for all events of this name."""
        return {
            "class_uid": self.kind.class_uid,
            "op": None if self.event_id is None else str(self.event_id),
            "channel": _said(_PLAIN_CHANNELS.get(self.channel, self.channel)),
            "log_provider": _said(self.provider),
        }

    @property
    def is_sysmon(self) -> bool:
        """Whether the event's own clock is the better one: Sysmon writes when it happened, Windows when it was logged."""
        return "sysmon" in self.provider.lower()


@dataclass(frozen=True, slots=True)
class Content:
    """The table: log name of a provider or channel, and the kinds by log and event id."""

    logs: dict[str, str]
    kinds: dict[tuple[str, int], Kind]
    patterns: dict[str, re.Pattern[str]]
    by_id: dict[int, Kind]
    other: Kind

    def route(self, provider: str, channel: str, event_id: int | None) -> Route:
        """The name of an event; its kind is `other` where the table does not hold it."""
        for name in (provider, channel):
            # A named instance of SQL Server is a provider of its own: MSSQL$NAME.
            log = self.logs.get(name.lower()) or self.logs.get(name.lower().partition("$")[0], "")
            found = self.kinds.get((log, event_id if event_id is not None else -1))
            if found:
                return Route(provider, channel, event_id, found)
        return Route(provider, channel, event_id, self.other)

    def likely(self, event_id: int) -> Kind:
        """The kind that an event of this id most likely is of, whoever wrote it; `other` where none is known."""
        return self.by_id.get(event_id, self.other)


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
    by_id = {event_id: kind for (_, event_id), kind in reversed(kinds.items())}  # the logs that write most come first
    patterns = {name: re.compile(pattern) for name, pattern in table["patterns"].items()}
    return Content(logs, kinds, patterns, by_id, _kind({"class": 0, "activity": 0, "use": ["other"]}, table["sets"], "other"))


def classes() -> tuple[int, ...]:
    """The OCSF classes that Windows events can have."""
    return tuple(sorted({kind.class_uid for kind in content().kinds.values()} | {0}))


def _kind(row: dict[str, Any], sets: dict[str, dict[str, str]], where: str) -> Kind:
    columns: dict[str, str] = {}
    for name in row.get("use", ()):
        columns |= sets[name]
    columns |= {name: spec for name, spec in row.items() if name not in ("class", "activity", "status", "use")}
    if unknown := columns.keys() - SCHEMA.keys():
        raise ValueError(f"windows_map.toml: {where}: expected columns of the event schema, got {sorted(unknown)}")
    activity = row["activity"]
    field, values = next(iter(activity.items())) if isinstance(activity, dict) else ("", {})
    status = row.get("status")
    told, outcomes = next(iter(status.items())) if isinstance(status, dict) else ("", {})
    specs = [*columns.values(), *filter(None, (field, told))]
    parts = [_WITHIN.split(part)[0] for spec in specs if not spec.startswith("=") for part in _SEPARATORS.split(spec)]
    certain = None if told else status
    fields = tuple(dict.fromkeys(parts))
    return Kind(row["class"], 0 if field else activity, field, values, certain, told, outcomes, tuple(columns.items()), fields)


def _said(name: str) -> str | None:
    return None if name in ("", "-") else name
