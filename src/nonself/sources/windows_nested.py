"""`{"Event": {"System": {...}, "EventData": {...}}}` as the EVTX parser writes it, at speed.

The parser's JSON is compact, and most of its first half is the same for all events of a kind on a host. So a record is cut, at names that
can't stand within a string (their quotes would be escaped): the system fields up to the time and those from the channel on, both looked
up as bytes and parsed once; the time and the record's number, taken as they are written; what stands behind these (the process), looked
up too; and EventData, of which only the fields that the kind needs are decoded. Every part must be JSON by itself, so a record with a
member elsewhere fails and goes the tolerant way. `ext` is EventData's members and the system fields, put side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
_TIME, _STAMP, _NUMBER = b'"TimeCreated":', b'"TimeCreated":{"#attributes":{"SystemTime":"', b'"}},"EventRecordID":'
_CHANNEL, _DATA = b'"Channel":', b',"EventData":{'


class _Inner(msgspec.Struct, gc=False):
    SystemTime: str | None = None
    ActivityID: Any = None
    ProcessID: Any = None
    ThreadID: Any = None


class _Attributes(msgspec.Struct, gc=False):
    inner: _Inner = msgspec.field(name="#attributes", default_factory=_Inner)


class _Varying(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """System fields from the time to the channel."""

    TimeCreated: _Attributes | msgspec.UnsetType = msgspec.UNSET
    EventRecordID: int | str | None = None
    Correlation: _Attributes | None = None
    Execution: _Attributes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Constant:
    """The system fields that many records share: as they stand before the time and from the channel to the data; read; as the end of an
    object; and the name they make."""

    start: bytes
    rest: bytes
    fields: Flat
    members: bytes
    route: Route


_Head = tuple[_Constant, str | None, tuple[bytes, ...], bytes]
"""System fields that repeat; the time; the members of those that don't, in pieces; and the bytes of EventData."""
_varying = msgspec.json.Decoder(_Varying).decode


def read_nested(rows: Rows, records: Sequence[bytes]) -> list[int]:
    """Add all records of plain named data to `rows`, numbered by their place in `records`; the numbers of the others are returned."""
    cut, is_odd = _Cutter(rows).cut, _finder().find_matches_as_indexes
    groups: dict[Route, tuple[list[int], list[_Head]]] = {}
    others: list[int] = []
    for at, head in enumerate(map(cut, records)):
        if head is None or is_odd(head[3]):
            others.append(at)
            continue
        group = groups.get(head[0].route)
        if group is None:
            group = groups[head[0].route] = ([], [])
        group[0].append(at)
        group[1].append(head)
    for route, (numbers, heads) in groups.items():
        others += _read_group(rows, route, numbers, heads)
    return sorted(others)


@cache
def _finder() -> BytesAhoCorasick:
    """Finds `_ODD`. Of one record at a time: whoever writes them chooses how much is found."""
    from ahocorasick_rs import BytesAhoCorasick

    return BytesAhoCorasick([text.encode() for text in _ODD])


class _Tails(dict[bytes, bytes | None]):
    """What stands between a record's number and its channel, as members of a flat object, each behind a comma; None where there are
    others than expected."""

    def __missing__(self, tail: bytes) -> bytes | None:
        found = _decoded(tail[1:]) if _TIME not in tail and b'"EventRecordID":' not in tail else None
        members = self[tail] = None if found is None else b"," + found[1] if found[1] else b""
        return members


@dataclass(slots=True)
class _Cutter:
    """Cuts the records of one block, and remembers what repeats."""

    rows: Rows
    _last: _Constant | None = None
    _constants: dict[tuple[bytes, bytes], _Constant | None] = field(default_factory=dict)
    _tails: _Tails = field(default_factory=_Tails)

    def cut(self, record: bytes) -> _Head | None:
        """A record's parts; None where it is not of the usual form."""
        constant = self._last
        if constant is None or not record.startswith(constant.start):
            return self._first(record)
        stamp = len(constant.start)
        channel = record.find(_CHANNEL, stamp)
        if channel < 0 or not record.startswith(constant.rest, channel):
            return self._first(record)
        number = record.find(_NUMBER, stamp, channel)
        end = record.find(b",", number + len(_NUMBER), channel)
        digits = record[number + len(_NUMBER) : end]
        if number < 0 or end < 0 or not (digits.isdigit() or digits.strip(b'"').isdigit()):
            return _unusual(record, constant, channel)
        time, members = record[stamp:number], self._tails[record[end : channel - 1]]
        if members is None or b"\\" in time:
            return _unusual(record, constant, channel)
        varying = (b'"TimeCreated":"', time, b'","EventRecordID":', digits, members, b",")
        return constant, time.decode(), varying, record[channel + len(constant.rest) - 1 : -2]

    def _first(self, record: bytes) -> _Head | None:
        """The parts of a record whose constant ones are not the last record's."""
        time = record.find(_TIME)
        channel = record.find(_CHANNEL, time)
        data = record.find(_DATA, channel)
        if time < 0 or channel < 0 or data < 0:
            return None
        key = record[:time], record[channel:data]
        if key not in self._constants:
            self._constants[key] = _constant(self.rows, *key)
        self._last = constant = self._constants[key]
        if constant is None:
            return None
        return self.cut(record) if record.startswith(constant.start) else _unusual(record, constant, channel)


def _unusual(record: bytes, constant: _Constant, channel: int) -> _Head | None:
    """The parts of a record that does not write time and number as others do."""
    found = _decoded(record[len(constant.start) - len(_STAMP) : channel - 1])
    if found is None:
        return None
    return constant, found[0], (found[1], b",") if found[1] else (), record[channel + len(constant.rest) - 1 : -2]


def _constant(rows: Rows, before: bytes, after: bytes) -> _Constant | None:
    try:
        record = orjson.loads(before.removesuffix(b",") + b"}}}")
        rest = orjson.loads(b"{" + after)
        record["Event"]["System"] |= rest
        flat = flatten(record)
    except (orjson.JSONDecodeError, RecordError, KeyError, TypeError):
        return None
    provider, channel, event_id = flat.get("Provider_Name"), flat.get("Channel"), flat["EventID"]
    if not isinstance(provider, str) or not isinstance(channel, str) or event_id is None:
        return None
    return _Constant(before + _STAMP, after + _DATA, flat, orjson.dumps(flat)[1:], rows.route(provider, channel, event_id))


def _decoded(members: bytes) -> tuple[str | None, bytes] | None:
    """The time, and all system fields of these members of a record as members of a flat object; None where they hold others."""
    try:
        found = _varying(b"{" + members + b"}")
        time, correlation, execution = (
            part.inner if part else _Inner() for part in (found.TimeCreated, found.Correlation, found.Execution)
        )
        fields = {
            "TimeCreated": time.SystemTime,
            "EventRecordID": found.EventRecordID,
            "ActivityID": correlation.ActivityID,
            "Execution_ProcessID": execution.ProcessID,
            "Execution_ThreadID": execution.ThreadID,
        }
        return time.SystemTime, orjson.dumps({name: value for name, value in fields.items() if value is not None})[1:-1]
    except (*_FAULTS, orjson.JSONEncodeError):
        return None


def _read_group(rows: Rows, route: Route, numbers: list[int], heads: list[_Head]) -> list[int]:
    """Add events of one name; the numbers of those whose data does not decode are returned."""
    plan, others = _plan(route.kind), []
    try:
        found = [plan.decode(head[3]) for head in heads]
    except _FAULTS:
        good = [at for at, head in enumerate(heads) if plan.decodes(head[3])]
        others = [numbers[at] for at in sorted(set(range(len(heads))).difference(good))]
        if not good:
            return others
        numbers, heads = [numbers[at] for at in good], [heads[at] for at in good]
        found = [plan.decode(head[3]) for head in heads]
    fields: dict[str, Sequence[Any]] = dict(zip(plan.names, zip(*map(plan.row, found), strict=True), strict=True))
    fields |= {name: [head[0].fields.get(name) for head in heads] for name in plan.constant}
    fields["TimeCreated"] = [head[1] for head in heads]
    rows.add(route, numbers, fields, [_side_by_side(*head) for head in heads])
    return others


def _side_by_side(constant: _Constant, _: str | None, varying: tuple[bytes, ...], data: bytes) -> bytes:
    own = (data[:-1], b",") if data != b"{}" else (b"{",)
    return b"".join((*own, *varying, constant.members))


@dataclass(frozen=True, slots=True)
class _Plan:
    """The fields of EventData that a kind takes, how to decode them and get all, and the system fields it takes."""

    names: tuple[str, ...]
    decode: Callable[[bytes], Any]
    row: Callable[[Any], tuple[Any, ...]]
    constant: tuple[str, ...]

    def decodes(self, data: bytes) -> bool:
        try:
            self.decode(data)
        except _FAULTS:
            return False
        return True


@cache
def _plan(kind: Kind) -> _Plan:
    names = tuple(dict.fromkeys(["UtcTime", "Computer", *kind.fields]))  # two at least, so that all of them are a tuple
    slots = {f"f{at}": name for at, name in enumerate(names)}
    struct = msgspec.defstruct("Data", [(slot, Any, None) for slot in slots], rename=slots, gc=False)
    constant = tuple(name for name in _CONSTANT if name in kind.fields or name in COMMON)
    return _Plan(names, msgspec.json.Decoder(struct).decode, attrgetter(*slots), constant)
