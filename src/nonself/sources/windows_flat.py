"""Flat Windows JSON at speed: only the members that columns need are decoded, by typed structs, and never become a dict.

Which members that are depends on the kind of event, so records are decoded in groups of one kind. The kind is first guessed by the
event id found in the text; what counts is what is decoded, and records of another kind are decoded again. A record that holds nested
event data or does not decode goes the tolerant way (`windows_native`). Both ways give a record the same columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import numpy as np
import polars as pl
from msgspec.structs import astuple

from nonself.sources.records import BATCH
from nonself.sources.windows_fields import CLASSIC, as_event_id, as_keywords, as_level, as_time, is_nothing
from nonself.sources.windows_map import Kind, content
from nonself.sources.windows_native import ALIASES, CLOCKS, NESTED, UNNAMED
from nonself.sources.windows_rows import Rows

_SYSTEM = ("EventID", "Channel", "Keywords", "UtcTime", "SeverityValue", "Level", *CLOCKS, *NESTED, UNNAMED)
_FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_AT_ONCE = 128  # records turned into columns while they are still in the processor's cache
_GUESS = r'"EventID"\s*:\s*"?([0-9]{1,9})'
_ALIASED = ("Provider_Name", "Channel", "Computer", "Level")
_Name = tuple[str, str, int]
_Columns = dict[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class _Plan:
    """How records of one kind are decoded."""

    kind: Kind
    names: tuple[str, ...]
    decode: Callable[[bytes], Any]

    def columns(self, lines: Sequence[bytes]) -> _Columns:
        """The members of all records; raises what is in `_FAULTS`."""
        columns: list[list[Any]] = [[] for _ in self.names]
        for at in range(0, len(lines), _AT_ONCE):
            rows = map(astuple, map(self.decode, lines[at : at + _AT_ONCE]))
            for column, values in zip(columns, zip(*rows, strict=True), strict=True):
                column += values
        return dict(zip(self.names, columns, strict=True))

    def decodes(self, line: bytes) -> bool:
        try:
            self.decode(line)
        except _FAULTS:
            return False
        return True


def read_flat(rows: Rows, lines: Sequence[bytes], raw: pl.Series, depth: int) -> list[int]:
    """Add all records that are flat to `rows`, numbered by their place in `lines`; the numbers of the others are returned.

    `raw` is `lines` as text. A record with more brackets than `depth` is another.
    """
    frame = raw.to_frame("raw").select(
        pl.col("raw").str.extract(_GUESS).cast(pl.Int32).fill_null(-1).alias("id"),
        (pl.col("raw").str.count_matches(r"[\[{]") > depth).alias("deep"),
    )
    guesses = np.where(frame["deep"].to_numpy(), -1, frame["id"].to_numpy())
    others: list[int] = []
    for guess, numbers in _grouped(guesses):
        others += (
            numbers if guess < 0 else _read_group(rows, _plan(content().likely(guess)), numbers, [lines[number] for number in numbers])
        )
    return sorted(others)


def _grouped(keys: np.ndarray[Any, Any]) -> Iterator[tuple[int, list[int]]]:
    order = np.argsort(keys, kind="stable")
    found, starts = np.unique(keys[order], return_index=True)
    for key, numbers in zip(found.tolist(), np.split(order, starts)[1:], strict=True):
        yield key, numbers.tolist()


@cache
def _plan(kind: Kind) -> _Plan:
    system = [*_SYSTEM, *_ALIASED, *(alias for name in _ALIASED for alias in ALIASES[name])]
    names = tuple(dict.fromkeys([*system, *kind.fields]))
    slots = {f"f{at}": name for at, name in enumerate(names)}
    # Fields by the name of their member; a null member is as good as none.
    struct = msgspec.defstruct("Flat", [(slot, Any, None) for slot in slots], rename=slots, gc=False)
    return _Plan(kind, names, msgspec.json.Decoder(struct).decode)


def _read_group(rows: Rows, plan: _Plan, numbers: list[int], lines: list[bytes]) -> list[int]:
    """Add records that are most likely of one kind; the numbers of those that are not flat are returned."""
    others: list[int] = []
    for at in range(0, len(lines), BATCH):
        others += _read_piece(rows, plan, numbers[at : at + BATCH], lines[at : at + BATCH])
    return others


def _read_piece(rows: Rows, plan: _Plan, numbers: list[int], lines: list[bytes]) -> list[int]:
    others: list[int] = []
    try:
        columns = plan.columns(lines)
    except _FAULTS:
        good = [at for at, line in enumerate(lines) if plan.decodes(line)]
        others = [numbers[at] for at in sorted(set(range(len(lines))).difference(good))]
        numbers = [numbers[at] for at in good]
        if not good:
            return others
        lines = [lines[at] for at in good]
        columns = plan.columns(lines)
    _resolve(columns)
    for name, members in _by_name(columns, len(numbers)).items():
        route = rows.route(*name) if name else None
        if route is None or route.channel in CLASSIC:
            others += [numbers[at] for at in members]
        elif route.kind is not plan.kind:  # guessed wrong
            others += _read_group(rows, _plan(route.kind), [numbers[at] for at in members], [lines[at] for at in members])
        elif len(members) == len(numbers):
            rows.add(route, numbers, columns)
        else:
            rows.add(route, [numbers[at] for at in members], {field: [column[at] for at in members] for field, column in columns.items()})
    return others


def _resolve(columns: _Columns) -> None:
    """Fill the native system fields from what shippers call them."""
    for name in _ALIASED:
        columns[name] = _first([columns[spelling] for spelling in (name, *ALIASES[name])])
    columns["TimeCreated"] = _first([columns[clock] for clock in CLOCKS])
    if set(map(type, columns["TimeCreated"])) != {str}:
        columns["TimeCreated"] = list(map(as_time, columns["TimeCreated"]))
    columns["Keywords"] = _each(as_keywords, columns["Keywords"])
    if is_nothing(columns["Level"]):
        columns["Level"] = _each(lambda severity: as_level(None, severity), columns["SeverityValue"])
    else:
        columns["Level"] = (
            _each(as_level, columns["Level"])
            if None not in columns["Level"]
            else list(map(as_level, columns["Level"], columns["SeverityValue"]))
        )


def _each(convert: Callable[[Any], Any], values: Sequence[Any]) -> Sequence[Any]:
    """The values converted, each distinct one once where they are of one type (1 and True are one key, but two values)."""
    types = set(map(type, values))
    if len(types) == 1 and types <= {str, int}:
        known = {value: convert(value) for value in set(values)}
        return list(map(known.__getitem__, values))
    return list(map(convert, values))


def _first(choices: list[Sequence[Any]]) -> Sequence[Any]:
    """Row by row the first value that is not null."""
    given = [choice for choice in choices if not is_nothing(choice)] or choices[:1]
    if len(given) == 1 or None not in given[0]:
        return given[0]
    return [next((value for value in row if value is not None), None) for row in zip(*given, strict=True)]


def _by_name(columns: _Columns, count: int) -> dict[_Name | None, Sequence[int]]:
    """The rows by provider, channel and event id; under None those that are not flat events."""
    parts = [columns["Provider_Name"], columns["Channel"], columns["EventID"], *(columns[name] for name in (*NESTED, UNNAMED))]
    if all(_is_one(part) for part in parts):
        return {_name(*(part[0] for part in parts)): range(count)}
    groups: dict[_Name | None, list[int]] = {}
    for at, row in enumerate(zip(*parts, strict=True)):
        groups.setdefault(_name(*row), []).append(at)
    return dict(groups)


def _is_one(values: Sequence[Any]) -> bool:
    """Whether all values are the same text, number or null. 1 and True are not the same."""
    return type(values[0]) in (str, int, type(None)) and values.count(values[0]) == len(values) and len(set(map(type, values))) == 1


def _name(provider: Any, channel: Any, event_id: Any, *nested: Any) -> _Name | None:
    number = as_event_id(event_id)
    is_text = all(part is None or isinstance(part, str) for part in (provider, channel))
    if number is None or not is_text or not (provider or channel) or any(part is not None for part in nested):
        return None
    return provider or "", channel or "", number
