"""Native fields out of `ext`: only those the rules ask for, so most of a record is skipped and never becomes Python objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import orjson

from nonself.detect.sigma.values import Value, canonical

_FAULTS = (msgspec.MsgspecError, RecursionError)
Fields = Any
"""A decoded record: an object with one attribute a wanted field, `msgspec.UNSET` where the record lacks it."""


class Extractor:
    """Decodes chosen members of JSON objects. `squeeze` says that members' names may hold spaces the chosen names do not."""

    def __init__(self, names: Iterable[str], *, squeeze: bool) -> None:
        self._attributes = {name: f"f{number}" for number, name in enumerate(names)}
        self._squeeze = squeeze
        slots = [(attribute, Any, msgspec.UNSET) for attribute in self._attributes.values()]
        self._struct = msgspec.defstruct("Fields", slots, rename={a: name for name, a in self._attributes.items()}, gc=False)
        self._decode = msgspec.json.Decoder(self._struct).decode

    def read(self, text: str | None) -> Fields:
        """The fields of one record; none where it is not a JSON object."""
        try:
            return self._struct() if text is None else self._decode(_squeezed(text)) if self._squeeze else self._decode(text)
        except _FAULTS:
            return self._struct()

    def column(self, records: Sequence[Fields], name: str) -> list[Value]:
        """One field of records that `read` gave."""
        values: list[Any] = list(map(attrgetter(self._attributes[name]), records))
        if set(map(type, values)) <= {str}:
            return values
        return [None if value is msgspec.UNSET else value if type(value) is str else canonical(value) for value in values]

    def has(self, record: Fields, name: str) -> bool:
        """Whether the record names the field, be it null."""
        return getattr(record, self._attributes[name]) is not msgspec.UNSET


def _squeezed(text: str) -> bytes:
    """The record with spaces taken out of its members' names; of two names that become one, the one written without stays."""
    try:
        record = orjson.loads(text)
    except orjson.JSONDecodeError:
        return b""
    if not isinstance(record, dict):
        return b""
    return orjson.dumps({name.replace(" ", ""): value for name, value in record.items()} | record)
