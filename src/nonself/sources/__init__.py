"""Logs in, event columns out: find inputs, recognise them by content, read them in chunks, lose nothing in silence."""

from __future__ import annotations

from collections.abc import Iterator

from nonself.core import events
from nonself.core.errors import RecordError
from nonself.sources.cloudtrail import CloudTrail
from nonself.sources.contract import Chunk, DeadLetter, Input, Limits, Source
from nonself.sources.evtx import WindowsEvtx
from nonself.sources.lines import BROKEN, SAMPLE, diagnose
from nonself.sources.suricata import Suricata
from nonself.sources.syslog import Syslog
from nonself.sources.walk import discover
from nonself.sources.windows_json import WindowsJson
from nonself.sources.zeek import Zeek

__all__ = ["SOURCES", "discover", "read", "recognise"]

SOURCES: tuple[Source, ...] = (
    WindowsEvtx(),
    WindowsJson(),
    Zeek(),
    Suricata(),
    CloudTrail(),
    Syslog(),
)
"""Every source, asked in this order. A new one is one file and one line here."""


def recognise(source_input: Input) -> Source | None:
    """The first source that knows these bytes, or None."""
    return next((source for source in SOURCES if source.recognise(source_input.head, source_input.origin)), None)


def read(source_input: Input, limits: Limits) -> tuple[Source | None, Iterator[Chunk]]:
    """The source that knows the input, and its chunks.

    Without one: None and a single chunk with one dead letter, "empty", "unrecognised" or the reason why the input can't be opened.
    """
    source = recognise(source_input)
    if source is not None:
        return source, source.read(source_input, limits)
    problem = _problem(source_input)
    letter = DeadLetter(source_input.origin, 0, problem.reason, problem.detail, source_input.head[:SAMPLE])
    return None, iter([Chunk(events.empty(), [letter], records=1, bytes=len(source_input.head))])


def _problem(source_input: Input) -> RecordError:
    if source_input.head.strip():
        return RecordError("unrecognised", "no source knows these bytes; `nonself sources` lists what is read")
    try:
        with source_input.open() as stream:
            stream.read(1)
    except BROKEN as error:
        return diagnose(error)
    return RecordError("empty", "no records")
