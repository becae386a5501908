r"""CEF, the Common Event Format of firewalls, WAFs, IDSs, EDRs: `CEF:0|vendor|product|version|id|name|severity|key=value key=value`.

Values hold spaces and are not quoted: a value ends where the next `key=` starts. Devices that do not escape `=` let whoever writes a
value (a user agent, a file name) write keys. So of equal keys the first stands, and any further one is
kept in `ext` as `key#7`, with the number of the field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nonself.core.errors import RecordError
from nonself.sources.cef_map import CEF, CEF_TIMES, MAP_VER
from nonself.sources.cef_rows import Record, Rows, prefixed, yearly
from nonself.sources.contract import Chunk, Input, Limits
from nonself.sources.lines import head_lines, split
from nonself.sources.records import Table, decode

CLASSES = (0, 2004, 3002, 4001, 4002)
MAX_FIELDS = 1_000
"""Fields of a record that are read; what stands after stays in `raw`."""

_START = re.compile(r"CEF: ?\d{1,3}(?:\.\d{1,3})?\|")
_LINE = re.compile(rb'^(?:<\d{1,3}>)?[^|{"=]{0,300}?CEF: ?\d{1,3}(?:\.\d{1,3})?\|[^|]*\|[^|]*\|[^|]*\|[^|]*\|[^|]*\|[^|]*(?:\||$)')
_CELL = re.compile(r"((?:[^\\|]|\\.)*)\|", re.DOTALL)
_KEY = re.compile(r" ([A-Za-z0-9_.\[\]-]{1,128})=")
_ESCAPE = re.compile(r"\\([\\=|nr])")
_PLAIN = {"n": "\n", "r": "\r"}
_DRIVE = re.compile(r"[A-Za-z]:\\[^\\]")
# Not an exception: one that is raised again and again holds every frame it went through.
_CUT = ("cef-header", "expected CEF:0|vendor|product|version|id|name|severity|")


class Cef:
    """`rule` and `score` are an alert's name and severity; `op` is the device's event id, `log_provider` vendor and product, `channel` the
    category. Alerts are told from traffic and logons by what product, category and name say."""

    name = "cef"
    title = "CEF records of security products"
    formats = "bare or within syslog lines"
    classes = CLASSES

    def recognise(self, head: bytes, origin: str) -> bool:
        """A CEF header among the first lines, bare or behind a syslog head."""
        return any(_LINE.match(line) for line in head_lines(head))

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract. Where lines have RFC 3164 stamps the input is read twice, since those have no year."""
        found = yearly(source_input, limits)
        for block in split(source_input, limits):
            rows = Rows(Table(self.name, source_input.origin, MAP_VER), CEF, CEF_TIMES)
            for number, (line, year) in enumerate(zip(block.lines, found(block.lines), strict=True), block.first):
                if line and not line.isspace():
                    try:
                        rows.add(number, line, parse(decode(line), year))
                    except RecordError as error:
                        rows.table.reject(number, line, error)
            yield rows.chunk(block)


def parse(line: str, year: int = 0) -> Record:
    """One record. RecordError "not-cef" or "cef-header"."""
    start = _START.search(line[:2_048])
    if start is None:
        raise RecordError("not-cef", "expected CEF:0|")
    vendor, product, version, event, name, severity, rest = _header(line[start.end() :])
    stamp, host = prefixed(line[: start.start()])
    own = {"severity": severity} | ({"syslog_host": host} if host else {})
    return Record(vendor, product, version, event, name, extension(rest, own), stamp, year)


def _header(text: str) -> list[str]:
    """The six cells after the version, and the extension."""
    cells = text.split("|", 6)
    if len(cells) < 6:
        raise RecordError(*_CUT)
    if len(cells) == 6:  # neither extension nor the bar before it
        cells.append("")
    if "\\" not in text[: len(text) - len(cells[6])]:
        return cells
    found, at = [], 0
    for _ in range(6):
        cell = _CELL.match(text, at)
        if cell is None:
            raise RecordError(*_CUT)
        found.append(unescape(cell[1]))
        at = cell.end()
    return [*found, text[at:]]


def extension(text: str, known: dict[str, str] | None = None) -> dict[str, str]:
    """Keys and values of an extension, after those that are `known` already."""
    cut = _KEY.split(" " + text, MAX_FIELDS + 1)[: 2 * MAX_FIELDS + 1]
    keys, values = cut[1::2], map(str.strip, cut[2::2])
    if "\\" in text:
        values = map(unescape, values)
    fields = dict(known or {})
    found = dict(zip(keys, values, strict=True)) if len(set(keys)) == len(keys) and not fields.keys() & keys else None
    if found is not None:
        return fields | found
    for key, value in zip(keys, values, strict=True):
        put(fields, key, value)
    return fields


def put(fields: dict[str, str], key: str, value: str) -> None:
    """Set a key; where it is taken, the key with the field's number."""
    fields.setdefault(key if key not in fields else f"{key}#{len(fields)}", value)


def unescape(value: str) -> str:
    r"""A value without CEF's escapes; a path whose backslashes were never escaped (`C:\new`) stays."""
    return value if "\\" not in value or _DRIVE.match(value) else _ESCAPE.sub(lambda found: _PLAIN.get(found[1], found[1]), value)
