"""W3C extended logs, told by their `#Fields:` line: web servers and proxies, CloudFront, Windows Firewall.

Fields stand in the order that the last `#Fields:` line names, which may change within a file: IIS writes a new one whenever it restarts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nonself.core.events import empty
from nonself.sources.contract import Chunk, DeadLetter, Input, Limits
from nonself.sources.iis_map import MAP_VER, WEB
from nonself.sources.iis_rows import Header, read_block
from nonself.sources.lines import SAMPLE, split, text
from nonself.sources.records import Table, decode

_LOOKED_AT = 8_192
_FIELDS = re.compile(rb"(?:\A|\n)#fields:[ \t]*([^\r\n]+)", re.IGNORECASE)
_DIRECTIVES = re.compile(rb"\s*#(?:software|version|date|fields|start-date|end-date|remark|time format|log-type|guid)\s*:", re.IGNORECASE)


def _fields(head: bytes) -> list[str]:
    """The names of the first `#Fields:` line of a head that starts with directives; none where it does not."""
    body = text(head)[:_LOOKED_AT]
    found = _FIELDS.search(body) if _DIRECTIVES.match(body) else None
    return decode(found[1]).split() if found else []


class W3c:
    """`channel` is "iis", "ftp", "httperr" or "proxy" by the fields a log has. `ext` holds all fields without a column by
    their native names."""

    name = "w3c"
    title = "IIS and other W3C extended web logs"
    formats = "#Fields header and columns by spaces: IIS (web and FTP), HTTPERR, Blue Coat"
    classes: tuple[int, ...] = (3002, 4001, 4002, 4008)
    separator = " "

    def recognise(self, head: bytes, origin: str) -> bool:
        """A `#Fields:` line first that names a client and a request or answer."""
        fields = _fields(head)
        return "c-ip" in fields and "x-edge-location" not in fields and any(name in fields for name in WEB)

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        """See the contract. Header lines and blank lines are no records."""
        header = Header(separator=self.separator)
        met = 0
        for block in split(source_input, limits):
            table = Table(self.name, source_input.origin, MAP_VER, dead=list(block.dead))
            header = read_block(block, header, table)
            chunk = table.chunk(block.bytes)
            met += chunk.records
            yield chunk
        if not met:
            letter = DeadLetter(source_input.origin, 0, "empty", "a header without records", source_input.head[:SAMPLE])
            yield Chunk(empty(), [letter], records=1)


class CloudFront(W3c):
    """Columns by tabs; percent-encoding of the user agent and the path is undone once."""

    name = "cloudfront"
    title = "Amazon CloudFront access logs"
    formats = "#Fields header and columns by tabs"
    classes = (4001, 4002)
    separator = "\t"

    def recognise(self, head: bytes, origin: str) -> bool:
        """A `#Fields:` line first that names an edge location."""
        return "x-edge-location" in _fields(head)


class WindowsFirewall(W3c):
    """`op` is what the firewall did: ALLOW, DROP. Times are the machine's local ones, taken as UTC since the log names no zone."""

    name = "windows-firewall"
    title = "Windows Firewall log"
    formats = "pfirewall.log"
    classes = (4001,)

    def recognise(self, head: bytes, origin: str) -> bool:
        """A `#Fields:` line first that names an action and both ends."""
        return {"action", "src-ip", "dst-ip"} <= set(_fields(head))
