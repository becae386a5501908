"""`{"Event": {"System": {...}, "EventData": {...}}}` as the EVTX parser writes it, at speed.

The parser's JSON is compact, and most of its first half is the same for all events of a kind on a host. So a record is cut in four, at
names that can't stand within a string (their quotes would be escaped): the system fields up to the time and those from the channel on,
both looked up as bytes and parsed once; what lies between (time, record number, process) decoded by a typed struct; and EventData, of
which only the fields that the kind needs are decoded. Every part must be JSON by itself, so a record with a member elsewhere fails
and goes the tolerant way. `ext` is EventData's members and the system fields, put side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from nonself.core.errors import RecordError
from nonself.sources.windows_fields import Flat
from nonself.sources.windows_map import Kind, Route
from nonself.sources.windows_native import flatten
from nonself.sources.windows_rows import COMMON, Rows

if TYPE_CHECKING:
    from ahocorasick_rs import BytesAhoCorasick

_FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_VARYING = ("TimeCreated", "EventRecordID", "ActivityID", "Execution_ProcessID", "Execution_ThreadID")
_CONSTANT = ("Provider_Name", "Provider_Guid", "EventID", "Version", "Level", "Task", "Opcode", "Keywords", "Channel", "Computer", "UserID")
# What EventData must not hold to be put beside the system fields as it is: members of their names, objects, lists, XML attributes.
_ODD = [f'"{name}":' for name in (*_CONSTANT, *_VARYING)] + ['":{', '":[', '"#']


class _Inner(msgspec.Struct, gc=False):
    SystemTime: str | None = None
    ActivityID: Any = None
    ProcessID: Any = None
    ThreadID: Any = None


class _Attributes(msgspec.Struct, gc=False):
    inner: _Inner = msgspec.field(name="#attributes", default_factory=_Inner)


class _Varying(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    TimeCreated: _Attributes
    EventRecordID: int | str | None = None
    Correlation: _Attributes | None = None
    Execution: _Attributes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Constant:
    """The system fields that many records share, and the same as JSON members."""

    fields: Flat
    members: bytes


_Head = tuple[_Constant, _Varying, bytes]
"""System fields that repeat, system fields that don't, and the bytes of EventData."""
_varying = msgspec.json.Decoder(_Varying).decode


def read_nested(rows: Rows, records: Sequence[bytes]) -> list[int]:
    """Add all records of plain named data to `rows`, numbered by their place in `records`; the numbers of the others are returned."""
    known: dict[tuple[bytes, bytes], _Constant | None] = {}
    heads = [_cut(record, known) for record in records]
    is_odd = _finder().find_matches_as_indexes
    groups: dict[Route, list[int]] = {}
    others: list[int] = []
    for at, head in enumerate(heads):
        if head is None or is_odd(head[2]):
            others.append(at)
        else:
            fields = head[0].fields
            groups.setdefault(rows.route(fields["Provider_Name"], fields["Channel"], fields["EventID"]), []).append(at)
    for route, numbers in groups.items():
        others += _read_group(rows, route, numbers, [head for at in numbers if (head := heads[at])])
    return sorted(others)


@cache
def _finder() -> BytesAhoCorasick:
    """Finds `_ODD`. Of one record at a time: whoever writes them chooses how much is found."""
    from ahocorasick_rs import BytesAhoCorasick

    return BytesAhoCorasick([text.encode() for text in _ODD])


def _cut(record: bytes, known: dict[tuple[bytes, bytes], _Constant | None]) -> _Head | None:
    """A record's parts; None where it is not of the usual form."""
    time = record.find(b'"TimeCreated":')
    channel = record.find(b'"Channel":', time)
    data = record.find(b',"EventData":{', channel)
    if time < 0 or channel < 0 or data < 0:
        return None
    key = record[:time], record[channel:data]
    if key not in known:
        known[key] = _constant(*key)
    constant = known[key]
    try:
        varying = _varying(b"{" + record[time : channel - 1] + b"}")
    except _FAULTS:
        return None
    return (constant, varying, record[data + len(',"EventData":') : -2]) if constant else None


def _constant(before: bytes, after: bytes) -> _Constant | None:
    try:
        record = orjson.loads(before.removesuffix(b",") + b"}}}")
        rest = orjson.loads(b"{" + after)
        record["Event"]["System"] |= rest
        flat = flatten(record)
    except (orjson.JSONDecodeError, RecordError, KeyError, TypeError):
        return None
    names_are_text = isinstance(flat.get("Provider_Name"), str) and isinstance(flat.get("Channel"), str)
    return _Constant(flat, orjson.dumps(flat)[1:]) if names_are_text and flat["EventID"] is not None else None


def _read_group(rows: Rows, route: Route, numbers: list[int], heads: list[_Head]) -> list[int]:
    """Add events of one name; the numbers of those whose data does not decode are returned."""
    plan = _plan(route.kind)
    found, good, others = [], [], []
    for number, head in zip(numbers, heads, strict=True):
        try:
            found.append(plan.decode(head[2]))
            good.append((number, head))
        except _FAULTS:
            others.append(number)
    if good:
        chosen = [number for number, _ in good]
        fields: dict[str, Sequence[Any]] = dict(zip(plan.names, zip(*map(plan.row, found), strict=True), strict=True))
        fields |= {name: [head[0].fields.get(name) for _, head in good] for name in plan.constant}
        fields["TimeCreated"] = [head[1].TimeCreated.inner.SystemTime for _, head in good]
        rows.add(route, chosen, fields)
        rows.add_ext(chosen, [_side_by_side(*head) for _, head in good])
    return others


def _side_by_side(constant: _Constant, varying: _Varying, data: bytes) -> bytes:
    fields: Flat = {"TimeCreated": varying.TimeCreated.inner.SystemTime, "EventRecordID": varying.EventRecordID}
    if varying.Correlation:
        fields["ActivityID"] = varying.Correlation.inner.ActivityID
    if varying.Execution:
        fields["Execution_ProcessID"] = varying.Execution.inner.ProcessID
        fields["Execution_ThreadID"] = varying.Execution.inner.ThreadID
    if None in fields.values():
        fields = {name: value for name, value in fields.items() if value is not None}
    own = data[1:-1] + b"," if data != b"{}" else b""
    return b"{" + own + (orjson.dumps(fields)[1:-1] + b"," if fields else b"") + constant.members


@dataclass(frozen=True, slots=True)
class _Plan:
    """The fields of EventData that a kind takes, how to decode them and get all, and the system fields it takes."""

    names: tuple[str, ...]
    decode: Callable[[bytes], Any]
    row: Callable[[Any], tuple[Any, ...]]
    constant: tuple[str, ...]


@cache
def _plan(kind: Kind) -> _Plan:
    names = tuple(dict.fromkeys(["UtcTime", "Computer", *kind.fields]))  # two at least, so that all of them are a tuple
    slots = {f"f{at}": name for at, name in enumerate(names)}
    struct = msgspec.defstruct("Data", [(slot, Any, None) for slot in slots], rename=slots, gc=False)
    constant = tuple(name for name in _CONSTANT if name in kind.fields or name in COMMON)
    return _Plan(names, msgspec.json.Decoder(struct).decode, attrgetter(*slots), constant)
