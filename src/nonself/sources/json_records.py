"""JSON records out of whatever holds them: lines, arrays, envelopes that list them (whole, streamed or one a line), printed objects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from itertools import chain, islice
from typing import Any

import msgspec
import orjson

from nonself.core.errors import RecordError
from nonself.sources import documents, lines
from nonself.sources.contract import DeadLetter, Input, Limits
from nonself.sources.json_fields import FAULTS
from nonself.sources.records import Record, load_json

SHIPPERS = ("_source", "result", "_raw", "event.original", "json", "message")
"""Where Elasticsearch, Splunk and shippers of logs hold the record they were given."""
_LAYERS = 3
_LOOKED_AT = 8
"""Records asked for what kind they are."""
_SIMPLE = rb'"[^"\\]*"\s*:\s*(?:"[^"\\]*"|[\w.+-]+|\[[^\[\]{}]*\])'
_CLOSING = re.compile(rb"[\s\],]*(?:" + _SIMPLE + rb"[\s,]*)*\}[\s\],]*")
_BRACKET = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]', re.DOTALL)  # a string, a bracket
_NESTED = 3
"""Objects around an envelope's list."""
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_ENVELOPE = msgspec.json.Decoder(dict[str, msgspec.Raw])


def records(source_input: Input, limits: Limits, inside: tuple[str, ...]) -> Iterator[lines.Block]:
    """The records of an input as `lines.split` gives lines: one a line, or cut out of documents that list them."""
    opening, starts = _opening(source_input.head, inside), lines.head_lines(source_input.head, 2)
    if documents.is_lines(source_input.head) and not opening:
        yield from lines.split(source_input, limits)
    elif opening and len(starts) > 1 and starts[0].endswith(b"}"):
        yield from _envelopes(lines.split(source_input, limits), limits, inside)
    elif opening and _another(source_input.head):
        yield from _envelopes(documents.split(source_input, limits), limits, inside)
    elif (whole := _whole(source_input, limits)) is not None and (found := _listed(whole, inside)) is not None:
        yield from _blocks(found, len(whole), 0, limits)
    else:
        yield from _streamed(source_input, limits, inside)


def _envelopes(blocks: Iterable[lines.Block], limits: Limits, inside: tuple[str, ...]) -> Iterator[lines.Block]:
    """Documents that each list records."""
    first = 0
    for block in blocks:
        found = [record for line in block.lines if line for record in _listed(line, inside) or [line]]
        for part in _blocks(found, block.bytes, first, limits):
            first = part.first + len(part.lines)
            yield part
        if block.dead:
            yield lines.Block(first, [], 0 if found else block.bytes, [replace(letter, record=first) for letter in block.dead])
            first += len(block.dead)


def _whole(source_input: Input, limits: Limits) -> bytes | None:
    """The whole input, or None where it is large or broken."""
    body = bytearray()
    try:
        for piece in lines.pieces(source_input, lines.PIECE):
            body += piece
            if len(body) > limits.line_bytes:
                return None
    except lines.BROKEN:
        return None
    return bytes(body)


def _listed(document: bytes, inside: tuple[str, ...]) -> list[bytes] | None:
    """The records of one JSON document as slices of it; None where it isn't one."""
    try:
        if document.lstrip()[:1] == b"[":
            return [bytes(raw) for raw in _RAWS.decode(document)]
        envelope = _ENVELOPE.decode(document)
        lists = [held for name in inside if (held := _member(envelope, name.split("."))).lstrip()[:1] == b"["]
        if lists:
            return [bytes(raw) for one in lists for raw in _RAWS.decode(one)]
    except FAULTS:
        return None
    return [document.strip()]


def _member(envelope: dict[str, msgspec.Raw], members: list[str]) -> bytes:
    """What an object holds where members lead to; nothing where they lead nowhere."""
    held = bytes(envelope.get(members[0], b""))
    if len(members) == 1 or held.lstrip()[:1] != b"{":
        return held if len(members) == 1 else b""
    return _member(_ENVELOPE.decode(held), members[1:])


def _blocks(found: list[bytes], size: int, first: int, limits: Limits) -> Iterator[lines.Block]:
    """Records at hand as blocks within the limits; they stand for `size` bytes."""
    at, left = 0, size
    while at < len(found):
        end, held = at, 0
        while end < len(found) and end - at < limits.chunk_records and (end == at or held + len(found[end]) <= limits.chunk_bytes):
            held += len(found[end])
            end += 1
        share = left if end == len(found) else min(held, left)
        yield lines.Block(first + at, found[at:end], share)
        at, left = end, left - share


def _streamed(source_input: Input, limits: Limits, inside: tuple[str, ...]) -> Iterator[lines.Block]:
    """Object by object: large documents, and what is broken. Of an envelope the objects within its list."""
    opening = _opening(source_input.head, inside)
    closed = not opening
    first, size = 0, 0
    for block in documents.split(source_input, limits, skip=opening):
        own = [letter for letter in block.dead if opening and _is_closing(letter)]
        closed = closed or bool(own) or any(letter.reason != "json-syntax" for letter in block.dead)
        dead = [letter for letter in block.dead if letter not in own]
        yield replace(block, dead=dead)
        first, size = block.first + len(block.lines) + len(block.dead), 0
    if not closed:
        letter = DeadLetter(source_input.origin, first, "truncated", "the list of records has no end", b"")
        yield lines.Block(first, [], size, [letter])


def _is_closing(letter: DeadLetter) -> bool:
    """Whether these are the bytes after the last record of an envelope: brackets, and members of the envelope itself."""
    return (
        letter.reason in ("json-syntax", "truncated") and letter.detail in documents.OWN and _CLOSING.fullmatch(letter.sample) is not None
    )


def _opening(head: bytes, inside: tuple[str, ...]) -> int:
    """Bytes of the head up to and with the bracket that opens an envelope's list; 0 where there is none."""
    found = _lists(head)[0] if inside else {}
    return min((found[name] for name in inside if name in found), default=0)


def _another(head: bytes) -> bool:
    """Whether the head's first object is followed by another, as where a stream of them is written without line ends."""
    end = _lists(head)[1]
    return end > 0 and lines.text(head)[end:].lstrip()[:1] == b"{"


@lru_cache(maxsize=8)
def _lists(head: bytes) -> tuple[dict[str, int], int]:
    """The lists that the head's first object holds, itself or in objects within: the members that lead there, joined by dots, and the
    bytes up to and with the bracket. Lists in lists are a record's own. And the bytes up to the object's end, or 0."""
    body, found, end = lines.text(head), dict[str, int](), 0
    around: list[bytes] = []  # of each bracket that is open, the member it is of, the list's with a bracket before it
    name = b""
    for token in _BRACKET.finditer(body) if body.lstrip()[:1] == b"{" else ():
        mark = token.group()
        if mark[:1] == b'"':
            name = mark[1:-1]
        elif mark in b"]}":
            around = around[:-1]
            if not around:
                end = token.end()
                break
        else:
            if mark == b"[" and len(around) <= _NESTED and not any(one[:1] == b"[" for one in around):
                found.setdefault(b".".join([*around[1:], name]).decode("utf-8", "replace"), token.end())
            around.append(b"[" + name if mark == b"[" else name)
    return found, end


def first_records(head: bytes, inside: tuple[str, ...]) -> tuple[Record, ...]:
    """Some of the first records of a head, as dicts; what isn't JSON gives none."""
    body = lines.text(head)
    if body.lstrip()[:1] not in (b"{", b"["):
        return ()
    return _parsed(head, _opening(head, inside))


@lru_cache(maxsize=8)
def _parsed(head: bytes, start: int) -> tuple[Record, ...]:
    """The first records of a head from byte `start` on; kept, since one source after the other asks for them."""
    body = lines.text(head)[start:]
    by_line = not start and documents.is_lines(body)
    blocks: Iterable[lines.Block] = (
        [lines.Block(0, lines.head_lines(body, _LOOKED_AT), 0)]
        if by_line
        else documents.split(lines.in_memory(body), Limits(chunk_records=_LOOKED_AT))
    )
    found: list[Record] = []
    for raw in islice(chain.from_iterable(block.lines for block in blocks), _LOOKED_AT):
        with suppress(RecordError):
            found.append(load_json(raw, Limits()))
    return tuple(found)


def layers(record: Record, names: tuple[str, ...]) -> Iterator[Record]:
    """A record, the one that a member of it holds, and so on: shippers wrap what others wrapped. The member is one of `names` (`a.b` within
    another) and holds an object or one as JSON text."""
    yield record
    for _ in range(_LAYERS if names else 0):
        inner = next((found for name in names if (found := _inside(record, name)) is not None), None)
        if inner is None:
            return
        yield inner
        record = inner


def _inside(record: Record, name: str) -> Record | None:
    value: Any = record
    for member in name.split("."):
        value = value.get(member) if isinstance(value, dict) else None
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        with suppress(orjson.JSONDecodeError):
            value = orjson.loads(value)
    return value if isinstance(value, dict) else None


def dump(record: Record) -> bytes:
    try:
        return orjson.dumps(record)
    except orjson.JSONEncodeError:  # what can be read but not written is nested too deep
        raise RecordError("json-depth", "nested too deep to be written") from None
