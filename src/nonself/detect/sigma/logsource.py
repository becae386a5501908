"""Log sources: which rows a rule may meet, and where its fields are found. The table is `logsources.toml`."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib import resources

from nonself.detect.sigma.tree import LogSource
from nonself.detect.sigma.values import fold

KEYS: tuple[str, ...] = ("source", "channel", "op", "log_provider")
"""Columns a stream is chosen by; rows that agree in them meet the same rules."""

Place = tuple[str, ...]
"""Where a field is: "@column" or native names in `ext`; of several, the first that has a value counts."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One log. `accepts[i]` holds the folded values of column `KEYS[i]`, or None where any will do."""

    accepts: tuple[frozenset[str] | None, ...]
    places: dict[str, Place]
    closed: bool
    blank: bool
    squeeze: bool

    def takes(self, key: tuple[str | None, ...]) -> bool:
        """Whether rows with these folded values of `KEYS` belong to the log."""
        return all(accepted is None or value in accepted for accepted, value in zip(self.accepts, key, strict=True))

    def place(self, field: str) -> Place:
        return self.places.get(field, (field,))

    def lacks(self, field: str) -> bool:
        """Whether it is known that the log never has the field."""
        return self.closed and field not in self.places and field != ""


def table() -> bytes:
    """The table as written: part of the name of a compiled set, since what can be evaluated depends on it."""
    return resources.files("nonself.detect.sigma").joinpath("logsources.toml").read_bytes()


@functools.cache
def streams() -> dict[LogSource, tuple[Stream, ...]]:
    """All log sources that are read, each with its logs."""
    document = tomllib.loads(table().decode())
    found: dict[LogSource, list[Stream]] = {}
    for entry in document["stream"]:
        family = document["family"][entry["family"]]
        lists = (family["sources"], entry.get("channel"), entry.get("op"), entry.get("provider"))
        stream = Stream(
            accepts=tuple(None if values is None else frozenset(map(fold, values)) for values in lists),
            places={field: tuple(place) for field, place in (family.get("fields", {}) | entry.get("fields", {})).items()},
            closed=family.get("closed", False),
            blank=family.get("blank", False),
            squeeze=entry.get("squeeze", False),
        )
        for name in entry["names"]:
            found.setdefault(LogSource(*name.split("/")), []).append(stream)
    return {name: tuple(logs) for name, logs in found.items()}


def known_values() -> tuple[frozenset[str], ...]:
    """For each column of `KEYS`, every value some stream asks for."""
    everything = [stream.accepts for logs in streams().values() for stream in logs]
    return tuple(frozenset().union(*(accepts[i] or () for accepts in everything)) for i in range(len(KEYS)))
