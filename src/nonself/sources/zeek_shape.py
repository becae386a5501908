"""Typed structs for the JSON records of a Zeek log: only the fields that columns are made of, decoded a block at a time.

A struct takes a record only where every value has the type that Zeek writes; msgspec refuses the others, and `zeek_json` reads them
value by value. So a struct never says anything of a record that reading it by hand would not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

import msgspec
import numpy as np
import polars as pl
from msgspec.structs import astuple

from nonself.sources.records import BATCH
from nonself.sources.zeek_map import KINDS, NESTED, TIMELESS
from nonself.sources.zeek_plan import DTYPES, Fields, natural, needed

MILLISECONDS = 1e11
"""A ts above this counts milliseconds (Zeek's TS_MILLIS), since as seconds it would lie in the year 5138."""
_FAULTS = (msgspec.MsgspecError, RecursionError, UnicodeError)
_WHOLE = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_TYPES: dict[str, Any] = {"text": str, "int": _WHOLE, "real": float, "flag": bool, "list": list[str]}
_ALIEN = ("@stream", "_stream", "id_orig_h", *NESTED)
"""Names that other writers give: such records are read by hand."""
_UNSET = msgspec.UNSET


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The struct of one log.

    path    the log's
    fields  what its columns are made of, with the kinds of `zeek_plan.DTYPES`; `ts` first where the log has one
    named   whether its records name their log themselves
    kinds   the entries of KINDS up to its own: path, and the places of their keys among `members`
    members  every member of the struct: the fields first, then the keys that tell the log
    """

    path: str | None
    fields: Fields
    named: bool
    kinds: tuple[tuple[str, tuple[int, ...]], ...]
    members: tuple[str, ...]
    decode: Callable[[bytes], Any]

    def block(self, lines: Sequence[bytes], depth: int) -> list[pl.Series] | None:
        """The columns of lines that all are records of this log; None where one is not, has a value of another type, or may be nested
        deeper than `depth`.

        Decoded line by line: joined into one array, hostile lines could close and open objects around their neighbours.
        """
        pieces: list[list[pl.Series]] = []
        for start in range(0, len(lines), BATCH):
            some = lines[start : start + BATCH]
            if _is_deep(some, depth):
                return None
            try:
                cells = list(zip(*map(astuple, map(self.decode, some)), strict=True))
            except _FAULTS:
                return None
            if not self._fit(cells):
                return None
            pieces.append(self._columns(cells))
        return [pl.concat(parts, rechunk=True) for parts in zip(*pieces, strict=True)]

    def row(self, line: bytes) -> Any:
        """The line as a struct, or None where it is no record of this log or has a value of another type."""
        try:
            row = self.decode(line)
        except _FAULTS:
            return None
        return row if self._fit([(cell,) for cell in astuple(row)]) else None

    def columns(self, rows: Sequence[Any]) -> list[pl.Series]:
        """The fields of structs that `row` gave, ts in seconds, as columns of their kinds' types."""
        return self._columns(list(zip(*map(astuple, rows), strict=True)))

    def _fit(self, cells: Sequence[Sequence[Any]]) -> bool:
        """Whether all records are of this log by the keys they have; may say no of many where each one alone would be a yes."""
        at = {name: place for place, name in enumerate(self.members)}
        height = len(cells[0])
        own = {name for name, _ in self.fields}
        if any(cells[at[name]].count(_UNSET) != height for name in _ALIEN if name not in own):
            return False
        names = cells[at["_path"]]
        if self.named:
            return names.count(self.path) == height
        if names.count(_UNSET) != height:
            return False
        for path, keys in self.kinds:
            if not any(cells[key].count(_UNSET) for key in keys):
                return path == self.path
            if not any(cells[key].count(_UNSET) == height for key in keys):
                return False
        return self.path is None

    def _columns(self, cells: Sequence[Sequence[Any]]) -> list[pl.Series]:
        told = {at for _, keys in self.kinds for at in keys}
        made = []
        for at, (name, kind) in enumerate(self.fields):
            said = [None if cell is _UNSET else cell for cell in cells[at]] if at in told else cells[at]
            made.append(pl.Series(name, said, dtype=DTYPES[kind]))
        if self.path not in TIMELESS:
            made[0] = _seconds(made[0])
        return made


def _is_deep(lines: Sequence[bytes], depth: int) -> bool:
    """Whether any line may be nested deeper than `depth`."""
    # With the bit set that makes letters small, both brackets are the same byte. One a line is the record's own.
    opened = int(np.count_nonzero((np.frombuffer(b"".join(lines), np.uint8) | 0x20) == ord("{")))
    return opened >= len(lines) + depth and any(line.count(b"[") + line.count(b"{") > depth for line in lines)


def _seconds(ts: pl.Series) -> pl.Series:
    late = ts > MILLISECONDS
    return ts.zip_with(~late, ts / 1000) if late.any() else ts


@lru_cache(maxsize=256)
def shape(path: str | None, named: bool) -> Shape:
    """The struct for records of a log that name it in `_path`, or that don't and are told by their keys."""
    names = ([] if path in TIMELESS else ["ts"]) + [name for name in needed(path) if name != "ts"]
    fields = tuple((name, "real" if name == "ts" else natural(path, name)) for name in names)
    asked = () if named else KINDS[: max((at + 1 for at, (its, _) in enumerate(KINDS) if its == path), default=len(KINDS))]
    keys = list(dict.fromkeys([*_ALIEN, "_path", *(key for _, its in asked for key in sorted(its))]))
    everything = list(dict.fromkeys([*names, *keys]))
    place = {name: at for at, name in enumerate(everything)}
    types = {name: _TYPES[kind] for name, kind in fields}
    members = [
        (f"f{at}", types.get(name, object) | None | (msgspec.UnsetType if name in keys else None), _UNSET if name in keys else None)
        for name, at in place.items()
    ]
    struct = msgspec.defstruct("Record", members, rename={f"f{at}": name for name, at in place.items()}, gc=False)
    kinds = tuple((its, tuple(place[key] for key in sorted(needs))) for its, needs in asked)
    return Shape(path, fields, named, kinds, tuple(everything), msgspec.json.Decoder(struct).decode)
