r"""LEEF, QRadar's Log Event Extended Format: `LEEF:1.0|vendor|product|version|id|` and attributes `key=value` by tabs; LEEF 2.0 names its
delimiter: a character, or its code as `x5E` or `0x5E`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nonself.core.errors import RecordError
from nonself.sources.cef import CLASSES, MAX_FIELDS, put
from nonself.sources.cef_map import LEEF, LEEF_TIMES, MAP_VER
from nonself.sources.cef_rows import Record, Rows, prefixed, yearly
from nonself.sources.contract import Chunk, Input, Limits
from nonself.sources.lines import head_lines, split
from nonself.sources.records import Table, decode

_START = re.compile(r"LEEF: ?([12])(?:\.\d)?\|")
_LINE = re.compile(rb'^(?:<\d{1,3}>)?[^|{"=]{0,300}?LEEF: ?[12](?:\.\d)?\|[^|]*\|[^|]*\|[^|]*\|[^|]*\|')
_CODE = re.compile(r"(?:0?x|\\x|\\u|0x00|x00)([0-9A-Fa-f]{2,4})")
_WRITTEN_TABS = re.compile(r"<009>|\\t|\\0x09|#011")
# Not an exception: one that is raised again and again holds every frame it went through.
_CUT = ("leef-header", "expected LEEF:1.0|vendor|product|version|id|")


class Leef:
    """As CEF: `rule` and `score` are an alert's event id (or name) and severity; `op` is the event id."""

    name = "leef"
    title = "LEEF records of security products"
    formats = "LEEF 1.0 and 2.0, bare or within syslog lines"
    classes = CLASSES

    def recognise(self, head: bytes, origin: str) -> bool:
        """A LEEF header among the first lines, bare or behind a syslog head."""
        return any(_LINE.match(line) for line in head_lines(head))

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract. Where lines have RFC 3164 stamps the input is read twice, since those have no year."""
        found = yearly(source_input, limits)
        for block in split(source_input, limits):
            rows = Rows(Table(self.name, source_input.origin, MAP_VER), LEEF, LEEF_TIMES, "devTimeFormat")
            for number, (line, year) in enumerate(zip(block.lines, found(block.lines), strict=True), block.first):
                if line and not line.isspace():
                    try:
                        rows.add(number, line, parse(decode(line), year))
                    except RecordError as error:
                        rows.table.reject(number, line, error)
            yield rows.chunk(block)


def parse(line: str, year: int = 0) -> Record:
    """One record. RecordError "not-leef" or "leef-header"."""
    start = _START.search(line[:2_048])
    if start is None:
        raise RecordError("not-leef", "expected LEEF:1.0| or LEEF:2.0|")
    cells = line[start.end() :].split("|", 4)
    if len(cells) < 5:
        raise RecordError(*_CUT)
    vendor, product, version, event, rest = cells
    delimiter, rest = _delimiter(rest) if start[1] == "2" else ("\t", rest)
    stamp, host = prefixed(line[: start.start()])
    own = {"syslog_host": host} if host else {}
    fields = attributes(rest, delimiter, own)
    return Record(vendor, product, version, event, fields.get("name") or fields.get("eventName") or event, fields, stamp, year)


def _delimiter(rest: str) -> tuple[str, str]:
    """LEEF 2.0's delimiter and the attributes. Some products leave the cell out: then what stands before the first bar holds a `=`."""
    cell, bar, attributes_ = rest.partition("|")
    if not bar or len(cell) > 6 or "=" in cell[1:]:
        return "\t", rest
    code = _CODE.fullmatch(cell)
    if code and 0 < int(code[1], 16) < 0xD800:
        return chr(int(code[1], 16)), attributes_
    return (cell if len(cell) == 1 else "\t"), attributes_


def attributes(text: str, delimiter: str, known: dict[str, str]) -> dict[str, str]:
    """Keys and values, after those that are `known` already.

    Tabs that a relay has written out (`<009>`, `#011`) are tabs where there is no other."""
    if delimiter == "\t" and "\t" not in text:
        text = _WRITTEN_TABS.sub("\t", text)
    pairs = [part.partition("=") for part in text.split(delimiter, MAX_FIELDS)[:MAX_FIELDS]]
    named = [(key.strip()[:128], value.strip()) for key, equals, value in pairs if equals and key.strip()]
    found = dict(named)
    if len(found) == len(named) and not found.keys() & known.keys():
        return known | found
    fields = dict(known)
    for key, value in named:
        put(fields, key, value)
    return fields
