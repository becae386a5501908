"""Logs in, event columns out: find inputs, recognise them by content, read them in chunks, lose nothing in silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from nonself.core import events
from nonself.core.errors import RecordError
from nonself.sources import json_kinds, own_maps
from nonself.sources.alb import LoadBalancer, S3Access
from nonself.sources.apache_error import ApacheError
from nonself.sources.argus import Argus
from nonself.sources.auditd import Auditd
from nonself.sources.cef import Cef
from nonself.sources.contract import Chunk, DeadLetter, Input, Limits, Source
from nonself.sources.csv_alerts import CsvAlerts
from nonself.sources.evtx import WindowsEvtx
from nonself.sources.flows_csv import FlowsCsv
from nonself.sources.iis import CloudFront, W3c, WindowsFirewall
from nonself.sources.journald import Journald
from nonself.sources.laurel import Laurel
from nonself.sources.leef import Leef
from nonself.sources.lines import BROKEN, SAMPLE, diagnose
from nonself.sources.nfdump import Nfdump
from nonself.sources.nginx_error import NginxError
from nonself.sources.ocsf import Ocsf
from nonself.sources.ocsf_parquet import Parquet
from nonself.sources.pcap import Pcap
from nonself.sources.syslog import Syslog
from nonself.sources.sysmon_linux import SysmonLinux
from nonself.sources.vpc_flow import VpcFlow
from nonself.sources.walk import discover
from nonself.sources.weblog import WebLog
from nonself.sources.windows_json import WindowsJson
from nonself.sources.windows_xml import WindowsXml
from nonself.sources.zeek import Zeek

__all__ = ["SOURCES", "discover", "own", "read", "recognise"]

_BEFORE: tuple[Source, ...] = (
    WindowsEvtx(),
    Parquet(),
    Ocsf(),  # before those whose fields an OCSF event may hold in `unmapped`
    Pcap(),
    Nfdump(),
    FlowsCsv(),
    Argus(),
    VpcFlow(),
    WindowsJson(),
    WindowsXml(),
    Zeek(),
)
_AFTER: tuple[Source, ...] = (
    Auditd(),
    Laurel(),
    Journald(),
    SysmonLinux(),
    WebLog(),
    ApacheError(),
    NginxError(),
    W3c(),
    CloudFront(),
    WindowsFirewall(),
    LoadBalancer(),
    S3Access(),
    Cef(),
    Leef(),
    CsvAlerts(),
    Syslog(),
)
"""Sources are asked in this order, the kinds of JSON that a table describes between the two. A new one is one file and one line here."""


SOURCES: tuple[Source, ...]
"""Every source, in the order they are asked. The tables are read when somebody asks for them (30 ms)."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> tuple[Source, ...]:
        if name != "SOURCES":
            raise AttributeError(name)
        return tuple(_asked())


def _asked() -> Iterator[Source]:
    yield from _BEFORE
    yield from json_kinds.sources()
    yield from _AFTER


def own(paths: Iterable[Path]) -> tuple[Source, ...]:
    """Sources of the user's own mappings: TOML files, or folders of them. ConfigError says what is wrong with one, and where."""
    chosen = tuple(paths)
    return own_maps.sources(chosen, json_kinds.sources()) if chosen else ()


def recognise(source_input: Input, first: Sequence[Source] = ()) -> Source | None:
    """The first source that knows these bytes, or None; those of `first` are asked before ours."""
    return next((source for source in chain(first, _asked()) if source.recognise(source_input.head, source_input.origin)), None)


def read(source_input: Input, limits: Limits, first: Sequence[Source] = ()) -> tuple[Source | None, Iterator[Chunk]]:
    """The source that knows the input, and its chunks; those of `first` are asked before ours.

    Without one: None and a single chunk with one dead letter, "empty", "unrecognised" or the reason why the input can't be opened.
    """
    source = recognise(source_input, first)
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
