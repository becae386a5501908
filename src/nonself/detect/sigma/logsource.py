"""Log sources: which rows a rule may meet, and where its fields are found. The tables are `TABLES`; the first says what their keys mean."""

from __future__ import annotations

import functools
import itertools
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from nonself.detect.sigma.tree import LogSource
from nonself.detect.sigma.values import fold

KEYS: tuple[str, ...] = ("source", "channel", "op", "log_provider")
"""Columns a stream is chosen by; rows that agree in them meet the same rules."""

TABLES = ("logsources.toml", "logsources_services.toml", "logsources_hosts.toml")

Place = tuple[str, ...]
"""Where a field is: "@column" or native names in `ext`; of several, the first that has a value counts."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One log. `accepts[i]` holds the folded values of column `KEYS[i]`, or None where any will do.

    `constants` are fields that have one and the same value in every row. `mapped` says that rows are of this log because a mapping of
    the user's own says so, not because a source of ours reads it.
    """

    accepts: tuple[frozenset[str] | None, ...]
    places: dict[str, Place] = field(default_factory=dict)
    closed: bool = False
    blank: bool = False
    squeeze: bool = False
    constants: dict[str, str] = field(default_factory=dict)
    mapped: bool = False

    def takes(self, key: tuple[str | None, ...]) -> bool:
        """Whether rows with these folded values of `KEYS` belong to the log."""
        return all(accepted is None or value in accepted for accepted, value in zip(self.accepts, key, strict=True))

    def place(self, name: str) -> Place:
        return self.places.get(name, (name,))

    def lacks(self, name: str) -> bool:
        """Whether it is known that the log never has the field."""
        return self.closed and name not in self.places and name not in self.constants and name != ""


def table() -> bytes:
    """The tables as written: part of the name of a compiled set, since what can be evaluated depends on them."""
    return b"\n".join(map(_read, TABLES))


def _read(name: str) -> bytes:
    return resources.files("nonself.detect.sigma").joinpath(name).read_bytes()


@functools.cache
def streams() -> dict[LogSource, tuple[Stream, ...]]:
    """All log sources that can be met, each with its logs; the one that a user's mapping names comes last."""
    found: dict[LogSource, list[Stream]] = {}
    for document in (tomllib.loads(_read(name).decode()) for name in TABLES):
        for entry in document.get("mapped", {}).get("names", ()):
            found.setdefault(_named(entry), [])
        for entry in document.get("stream", ()):
            stream = _stream(entry, document["family"][entry["family"]])
            for name in entry["names"]:
                found.setdefault(_named(name), []).append(stream)
    covering: dict[LogSource, list[str]] = {}
    for name in found:
        for parts in itertools.product(*((part, "") if part else ("",) for part in (name.product, name.category, name.service))):
            covering.setdefault(LogSource(*parts), []).append(fold(name.path))
    return {name: (*logs, _mapped(covering[name])) for name, logs in found.items()}


def _named(text: str) -> LogSource:
    return LogSource(*text.split("/"))


def _stream(entry: dict[str, Any], family: dict[str, Any]) -> Stream:
    lists = (family["sources"], entry.get("channel"), entry.get("op"), entry.get("provider"))
    return Stream(
        accepts=tuple(None if values is None else frozenset(map(fold, values)) for values in lists),
        places={name: tuple(place) for name, place in (family.get("fields", {}) | entry.get("fields", {})).items()},
        closed=family.get("closed", False),
        blank=family.get("blank", False),
        squeeze=entry.get("squeeze", False),
        constants=entry.get("constants", {}),
    )


def _mapped(names: Iterable[str]) -> Stream:
    """The log of rows whose `channel` is one of these names of log sources, by a mapping of the user's own: the log source's name, or
    that of one which says more (`linux//sshd` is also `linux//`)."""
    return Stream((None, frozenset(names), None, None), mapped=True)


def readers(log_source: LogSource) -> tuple[str, ...]:
    """The sources of ours that read a log source, sorted; none where only a mapping of the user's own gives it."""
    return tuple(sorted({source for log in streams().get(log_source, ()) if not log.mapped for source in log.accepts[0] or ()}))


def known_values() -> tuple[frozenset[str], ...]:
    """For each column of `KEYS`, every value some stream asks for."""
    everything = [stream.accepts for logs in streams().values() for stream in logs]
    return tuple(frozenset().union(*(accepts[i] or () for accepts in everything)) for i in range(len(KEYS)))
