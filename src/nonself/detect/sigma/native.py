"""Native fields of a record: only those the rules ask for, so most of a record is skipped and never becomes Python objects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import orjson
import polars as pl

from nonself.core.events import Events
from nonself.detect.sigma.values import Value, canonical

_FAULTS = (msgspec.MsgspecError, RecursionError)
_TOLERANT = json.JSONDecoder(strict=False, parse_constant=lambda _: None)
_BITS = frozenset({"Keywords"})
"""Fields that Windows writes in hexadecimal and some shippers as a signed number."""
Fields = Any
"""A decoded record: an object with one attribute a wanted member, `msgspec.UNSET` where the record lacks it."""


def native(events: Events) -> Events:
    """The events with `ext` as what native fields are read from: itself, or `raw` where a source left `ext` null."""
    return events.with_columns(pl.coalesce("ext", "raw")) if events["ext"].null_count() else events


class Extractor:
    """Decodes chosen fields of JSON objects. A field is a member of that very name or, for `a.b`, member `b` of the object `a`; of
    objects in a list it is all they have. `squeeze` says that members' names may hold spaces the chosen names do not."""

    def __init__(self, names: Iterable[str], *, squeeze: bool) -> None:
        members = dict.fromkeys(member for name in names for member in (name, name.split(".", 1)[0]))
        self._attributes = {member: f"f{number}" for number, member in enumerate(members)}
        self._squeeze = squeeze
        slots = [(attribute, Any, msgspec.UNSET) for attribute in self._attributes.values()]
        self._struct = msgspec.defstruct("Fields", slots, rename={a: name for name, a in self._attributes.items()}, gc=False)
        self._decode = msgspec.json.Decoder(self._struct).decode

    def read(self, text: str | None) -> Fields:
        """The fields of one record; none where it is not a JSON object."""
        try:
            return self._struct() if text is None else self._decode(_squeezed(text)) if self._squeeze else self._decode(text)
        except _FAULTS:
            return self._tolerant(text or "")

    def _tolerant(self, text: str) -> Fields:
        """A record that holds what strict JSON does not (1e999, NaN, a control character): whoever writes one must not hide the rest."""
        try:
            return msgspec.convert(_clean(_TOLERANT.decode(text)), self._struct)
        except (*_FAULTS, ValueError):
            return self._struct()

    def column(self, records: Sequence[Fields], name: str) -> list[Value]:
        """One field of records that `read` gave."""
        values: list[Any] = list(map(attrgetter(self._attributes[name]), records))
        if "." in name:
            values = [
                self._inside(record, name) if value is msgspec.UNSET else value for record, value in zip(records, values, strict=True)
            ]
        if set(map(type, values)) <= {str}:
            return values
        if name in _BITS:
            values = [hex(value & 0xFFFF_FFFF_FFFF_FFFF) if type(value) is int else value for value in values]
        return [None if value is msgspec.UNSET else value if type(value) is str else canonical(value) for value in values]

    def has(self, record: Fields, name: str) -> bool:
        """Whether the record names the field, be it null."""
        return getattr(record, self._attributes[name]) is not msgspec.UNSET or self._inside(record, name) is not msgspec.UNSET

    def _inside(self, record: Fields, name: str) -> Any:
        """What a dotted name leads to within the record's nested objects, or UNSET."""
        member, *path = name.split(".")
        value = getattr(record, self._attributes[member])
        for key in path:
            value = _member(value, key)
        return value if path else msgspec.UNSET


def _clean(value: Any) -> Any:
    """A JSON value with U+FFFD for lone surrogates, which nothing can search."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list) else value


def _member(value: Any, key: str) -> Any:
    """A member of an object, or that of all objects in a list; UNSET where there is none."""
    if isinstance(value, dict):
        return value.get(key, msgspec.UNSET)
    if isinstance(value, list):
        found = [part for item in value if (part := _member(item, key)) is not msgspec.UNSET]
        return found or msgspec.UNSET
    return msgspec.UNSET


def _squeezed(text: str) -> bytes:
    """The record with spaces taken out of its members' names; of two names that become one, the one written without stays."""
    try:
        record = orjson.loads(text)
    except orjson.JSONDecodeError:
        return b""
    if not isinstance(record, dict):
        return b""
    return orjson.dumps({name.replace(" ", ""): value for name, value in record.items()} | record)
