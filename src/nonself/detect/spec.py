"""What a content table says of one detector, checked: every mistake is an error that names the file, the detector and the key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from nonself.core.errors import ConfigError
from nonself.core.schema import SCHEMA
from nonself.detect import names
from nonself.detect.checks import check_keys, expect
from nonself.detect.where import parse_where

WINDOWS: dict[str, int] = {"10min": 144, "1h": 24, "1d": 1}
"""Window names and how many of them a day has."""
_PER: dict[str, str] = {"10min": "ten minutes", "1h": "one hour", "1d": "one day"}
_GRAIN: dict[str, int] = {"": 1, "bytes": 10_000, "us": 1_000_000}
_TEXT_GRAIN = 64
SPECIALISTS = ("beacon", "longconn", "scan", "exfil", "lateral", "travel", "lineage", "sequence", "dga", "tunnel")
_UNSIZED = ("rare", "information", "lineage", "sequence", "dga", "tunnel")
"""Primitives that ask what was done, not how large it was."""
_SUMMED = ("beacon", "longconn", "exfil")
"""Specialists that read a column of sizes or durations."""
_UNTOLD = ("rare", "information", "beacon", "lateral", "travel", "lineage", "sequence")
"""Primitives without an amount to tell."""
_INFORMATION = ("surprise", "randomness")
"""Measures of the primitive `information`."""
PRIMITIVES = ("rare", "volume", "information", "measure", "timeofweek", "gap")
_WORD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One entry of a content table.

    name, title, about, attack   what it is: unique name, a few words, one sentence, ATT&CK techniques
    primitive   `rare` (X by Y), `volume` (how much by Y per window), `information` (how surprising a string X is among Y's), `measure`
                (how large a number of an event of Y is), `timeofweek` (at which hours Y acts), `gap` (how long Y is silent), or a
                specialist: `beacon` (how regularly Y calls X), `longconn` (how long Y stays connected to X), `scan` (how much of X Y
                searches), `exfil` (how much Y sends to X), `lateral` (who logs on from where to where), `travel` (from how far apart Y
                logs on), `lineage` (Y started X: a parent, a program and its words), `sequence` (Y did X after X), `dga` (whether Y asks
                for domains X that algorithms make), `tunnel` (how much Y says by asking for names under X, or at all)
    classes     the OCSF classes it looks at; part of `where`, kept apart so that a batch is split by class once for all detectors
    where, text which events it looks at: conditions on whole values by what they say (many tables say the same), and, asked of what these
                leave, one on parts of texts
    over        names that make up Y; none is the whole organisation
    x           names that make up X; `rare`, `information` and specialists have one
    measure     volume: `count` of events, `sum` or `max` of a column, `distinct` count of a name; information: `surprise` or `randomness`
    value       volume: the column summed or the name counted; measure: the column, or the name whose length is the number; specialists:
                the column of sizes or durations, or the name searched
    unit        volume, measure: "", "bytes" or "us", for the texts
    tail        measure: which numbers are odd, `high`, `low` or `both`. gap: `high` tells only of who returns after a silence, `both` of
                who falls silent too
    window      length of a window
    min_days    days that the self must hold before a finding is made, the day of the finding counted
    compare     `history`: y's own history, backed by its peers; `alike` (rare): by those that behave alike before all of them; `peers`: its
                peers alone, for what y may have been doing all along; `own`: y's own history alone
    entity      name of the entity a finding is about
    joins       names of the further entities a finding touches
    says        the sentence of a finding, with `{name}` for any name of Y and X, and `{value}`
    thing, peer, peers  words: what X or the amount is, what Y is, in singular and plural
    example     columns of normal and odd events: see `detect.example`
    """

    name: str
    title: str
    about: str
    attack: tuple[str, ...]
    primitive: str
    classes: tuple[int, ...]
    where: Mapping[str, pl.Expr]
    text: pl.Expr | None = None
    over: tuple[str, ...]
    x: tuple[str, ...] = ()
    measure: str = "count"
    value: str = ""
    unit: str = ""
    tail: str = "high"
    window: str = "1h"
    min_days: int = 1
    compare: str = "history"
    entity: str
    joins: tuple[str, ...] = ()
    says: str
    thing: str
    peer: str
    peers: str
    example: dict[str, Any]

    @property
    def per_day(self) -> int:
        return WINDOWS[self.window]

    @property
    def per(self) -> str:
        """The window in words: "one hour"."""
        return _PER[self.window]

    @property
    def summed(self) -> bool:
        """Whether it adds up (or keeps the largest of) a column, rather than counts."""
        return self.measure in ("sum", "max")

    @property
    def number(self) -> bool:
        """Whether `value` is a column of numbers."""
        sized = self.primitive in (*SPECIALISTS, "measure") and _is_number(self.value)
        return self.summed or sized

    @property
    def worded(self) -> bool:
        """Whether `value` is a name: its different values are counted, or its length is measured."""
        return self.measure == "distinct" or (self.primitive == "measure" and not self.number)

    @property
    def grain(self) -> int:
        """The amount below which differences do not matter, where amounts are compared on a log scale; 0 for counts held against y's own.

        Sums: 10 kB (a handshake or two), a second; lengths of texts: 64 characters. Counts among peers: 1; what different y do differs
        by factors, as sums do.
        """
        if self.primitive == "measure" and self.worded:
            return _TEXT_GRAIN
        return _GRAIN[self.unit] if self.summed or self.primitive == "measure" else int(self.compare == "peers")

    @property
    def named(self) -> tuple[str, ...]:
        """Every name it needs of an event, each once."""
        counted = (self.value,) if self.worded else ()
        return tuple(dict.fromkeys((*self.over, *self.x, *counted, self.entity, *self.joins)))

    @property
    def keyed(self) -> tuple[str, ...]:
        """The names that learning needs: those of Y, X and what is counted, and the entity, without which an event is left out."""
        return tuple(name for name in self.named if name not in self.joins or name in (*self.over, *self.x, self.value, self.entity))

    @property
    def columns(self) -> tuple[str, ...]:
        """The event columns it reads, sorted."""
        read = {"time", "uid"}.union(*(test.meta.root_names() for test in self.where.values()), *(names.roots(name) for name in self.named))
        read |= set(self.text.meta.root_names()) if self.text is not None else set()
        return tuple(sorted(read | ({self.value} if self.number else set())))


def _is_number(column: str) -> bool:
    return column in SCHEMA and SCHEMA[column].is_integer()


_ALLOWED = set(Spec.__dataclass_fields__) - {"text", "classes"}
_NEEDED = ("name", "title", "about", "attack", "primitive", "where", "over", "entity", "says", "thing", "peer", "peers", "example")
_CHOICES = {
    "primitive": (*PRIMITIVES, *SPECIALISTS),
    "measure": ("count", "sum", "max", "distinct", *_INFORMATION),
    "unit": ("", "bytes", "us"),
    "tail": ("high", "low", "both"),
    "window": tuple(WINDOWS),
    "compare": ("history", "alike", "peers", "own"),
}
_LISTS = ("attack", "over", "x", "joins")
_TABLES = ("where", "example")


def parse(entry: Mapping[str, Any], where: str) -> Spec:
    """The `Spec` of one TOML table; ConfigError with `where` and the key for an unknown key, name, type or value."""
    where = f"{where}: detector {entry.get('name', '(without a name)')!r}"
    check_keys(entry, _ALLOWED, where, "")
    for key in _NEEDED:
        if key not in entry:
            raise ConfigError(expected=f"key {key!r}", got="none", where=where)
    for key, value in entry.items():
        _check_type(key, value, where)
    _check_amount(entry, where)
    for key in ("over", "x", "joins"):
        for name in entry.get(key, ()):
            _check_name(name, key, where)
    for key in ("joins", "entity"):
        for name in [entry[key]] if key == "entity" else entry.get(key, ()):
            expect(names.is_entity(name), key, "a name that gives entities", name, where)
    _check_says(entry, where)
    _check_example(entry["example"], where)
    fields: dict[str, Any] = {key: tuple(value) if key in _LISTS else value for key, value in entry.items()}
    whole, text = parse_where(entry["where"], where)
    fields |= {"where": whole, "text": text, "classes": tuple(sorted(entry["where"]["class_uid"]))}
    return Spec(**fields)


def _check_type(key: str, value: object, where: str) -> None:
    if key in _LISTS:
        expect(isinstance(value, list) and all(isinstance(v, str) for v in value), key, "a list of strings", value, where)
    elif key in _TABLES:
        expect(isinstance(value, dict), key, "a table", value, where)
    elif key == "min_days":
        expect(type(value) is int and value > 0, key, "a number of days, at least 1", value, where)
    else:
        expect(isinstance(value, str), key, "a string", value, where)
    if key in _CHOICES:
        expect(value in _CHOICES[key], key, "one of " + ", ".join(repr(c) for c in _CHOICES[key]), value, where)


def _check_name(name: str, key: str, where: str) -> None:
    if name not in names.known():
        near = difflib.get_close_matches(name, sorted(names.known()), 1)
        do = f"did you mean {near[0]!r}?" if near else ""
        raise ConfigError(expected="a column, an entity role or a derived name", got=repr(name), do=do, where=f"{where}: key {key!r}")


def _check_amount(entry: Mapping[str, Any], where: str) -> None:
    """X, value and window, of which each primitive needs its own, and what only one knows."""
    primitive, value, window = entry["primitive"], entry.get("value", ""), entry.get("window", "1h")
    expect(primitive == "rare" or entry.get("compare") != "alike", "compare", "alike in a rare detector only", "alike", where)
    informs = primitive == "information"
    expect((entry.get("measure") in _INFORMATION) == informs, "measure", "that of its primitive", entry.get("measure"), where)
    if primitive in ("rare", "information", *SPECIALISTS):
        expect(bool(entry.get("x")) or primitive == "tunnel", "x", "at least one name", entry.get("x"), where)
    else:
        expect("x" not in entry, "x", f"no x in a {primitive} detector", entry.get("x"), where)
    if primitive in (*_UNSIZED, "gap"):
        expect(window != "10min", "window", f"1h or 1d for a {primitive} detector", window, where)
    if primitive == "timeofweek":
        expect(window == "1h", "window", "1h for a timeofweek detector", window, where)
    if primitive == "gap":
        expect(entry["over"] == [entry["entity"]], "over", "the entity alone in a gap detector", entry["over"], where)
    if primitive in _SUMMED:
        expect(_is_number(value), "value", "an integer column", value, where)
    elif primitive == "volume" or (primitive in SPECIALISTS and primitive not in _UNSIZED):
        _check_value(entry, where)
    elif primitive == "measure" and not _is_number(value):
        _check_name(value, "value", where)


def _check_value(entry: Mapping[str, Any], where: str) -> None:
    measure, value = entry.get("measure", "count"), entry.get("value", "")
    if measure == "count":
        expect(value == "", "value", "no value for a count", value, where)
    elif measure in ("sum", "max"):
        expect(_is_number(value), "value", "an integer column", value, where)
    else:
        _check_name(value, "value", where)


def _check_says(entry: Mapping[str, Any], where: str) -> None:
    allowed = {*entry["over"], *entry.get("x", ())} | (set() if entry["primitive"] in _UNTOLD else {"value"})
    for name in _WORD.findall(entry["says"]):
        expect(name in allowed, "says", "names of over and x" + (", value" if "value" in allowed else ""), name, where)


def _check_example(example: Mapping[str, Any], where: str) -> None:
    check_keys(example, {"normal", "odd", "times", "every", "hour", "daily", "silent"}, where, "example.")
    for part in ("normal", "odd"):
        expect(isinstance(example.get(part), dict), f"example.{part}", "a table", example.get(part), where)
        check_keys(example[part], set(SCHEMA), where, f"example.{part}.")
    for part in ("times", "every", "hour", "silent"):
        expect(isinstance(example.get(part, 1), int), f"example.{part}", "a whole number", example.get(part), where)
