"""XML of Windows events as objects."""

from __future__ import annotations

import re
from typing import Any
from xml.parsers import expat

from nonself.core.errors import RecordError
from nonself.sources.records import decode

# XML 1.0 has no way to say most control characters, Windows writes them nevertheless, and whoever names a file chooses them.
_UNSPEAKABLE = re.compile(
    "[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|&#(?:0*(?:[0-8]|1[124-9]|2[0-9]|3[01])|[xX]0*(?:[0-8bBcCeEfF]|1[0-9a-fA-F]));"
)


def parse_xml(record: bytes, depth: int) -> dict[str, Any]:
    """`<Event>` as the object that EVTX parsers make of it. RecordError "xml-syntax" or "xml-depth"."""
    try:
        return _Tree(depth).parse(record)
    except expat.ExpatError:
        try:
            return _Tree(depth).parse(_UNSPEAKABLE.sub("\ufffd", decode(record)).encode())
        except expat.ExpatError as error:
            raise RecordError("xml-syntax", str(error)) from None


class _Tree:
    """Builds objects of elements: attributes under "#attributes", text under "#text", an element of text alone is that text, elements
    of one name in a row are a list."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._open: list[dict[str, Any]] = [{}]
        self._text: list[str] = []

    def parse(self, record: bytes) -> dict[str, Any]:
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text.append
        parser.Parse(record, True)
        return self._open[0]

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._open) > self._depth:
            raise RecordError("xml-depth", f"expected at most {self._depth} levels")
        self._text.clear()
        self._open.append({"#attributes": attributes} if attributes else {})

    def _end(self, tag: str) -> None:
        node, text = self._open.pop(), "".join(self._text)
        self._text.clear()
        if not node.keys() - {"#attributes"}:
            node["#text"] = text if text.strip() else ""
        value: Any = node["#text"] if len(node) == 1 and "#text" in node else node
        parent, name = self._open[-1], tag.rpartition(":")[2]
        if name not in parent:
            parent[name] = value
        elif isinstance(parent[name], list):
            parent[name].append(value)
        else:
            parent[name] = [parent[name], value]
