"""A writer of small EVTX files, so that the tests carry no one else's logs: one chunk, binary XML without templates."""

from __future__ import annotations

import struct
import zlib

Element = tuple[str, dict[str, str], list[object]]
CHUNK = 65_536


def event(channel: str, provider: str, event_id: int, computer: str, time: str, data: dict[str, str]) -> Element:
    """An event with named EventData."""
    system: list[object] = [
        ("Provider", {"Name": provider}, []),
        ("EventID", {}, [str(event_id)]),
        ("TimeCreated", {"SystemTime": time}, []),
        ("Channel", {}, [channel]),
        ("Computer", {}, [computer]),
    ]
    named: list[object] = [("Data", {"Name": name}, [value]) for name, value in data.items()]
    return ("Event", {}, [("System", {}, system), ("EventData", {}, named)])


def evtx(*chunks: list[Element]) -> bytes:
    """An EVTX file of the given chunks of events."""
    count = sum(map(len, chunks))
    header = b"ElfFile\0" + struct.pack("<QQQIHHHH", 0, max(len(chunks) - 1, 0), count + 1, 128, 1, 3, 4096, len(chunks))
    header = header.ljust(120, b"\0")
    header += struct.pack("<II", 0, zlib.crc32(header))
    first = 1
    body = b""
    for events in chunks:
        body += _chunk(events, first)
        first += len(events)
    return header.ljust(4096, b"\0") + body


def _chunk(events: list[Element], first: int) -> bytes:
    records, last = b"", 512
    for number, element in enumerate(events, first):
        last = 512 + len(records)
        xml = _Xml(last + 24)
        xml.out += b"\x0f\x01\x01\x00"
        xml.element(*element)
        xml.out += b"\x00"
        size = -(-(24 + len(xml.out) + 4) // 8) * 8
        record = b"**\0\0" + struct.pack("<IQQ", size, number, 132_500_000_000_000_000) + bytes(xml.out)
        records += record.ljust(size - 4, b"\0") + struct.pack("<I", size)
    ids = (first, first + len(events) - 1)
    header = b"ElfChnk\0" + struct.pack("<QQQQIIII", *ids, *ids, 128, last, 512 + len(records), zlib.crc32(records))
    header = header.ljust(512, b"\0")
    header = header[:124] + struct.pack("<I", zlib.crc32(header[:120] + header[128:])) + header[128:]
    return (header + records).ljust(CHUNK, b"\0")


class _Xml:
    """Binary XML; names are written where they are first used and referred to by their offset in the chunk afterwards."""

    def __init__(self, base: int) -> None:
        self.base, self.out = base, bytearray()
        self.names: dict[str, int] = {}

    def element(self, tag: str, attributes: dict[str, str], children: list[object]) -> None:
        self.out += b"\x41" if attributes else b"\x01"
        with _Sized(self):
            self._name(tag)
            if attributes:
                with _Sized(self):
                    for index, (name, value) in enumerate(attributes.items(), 1):
                        self.out += b"\x06" if index == len(attributes) else b"\x46"
                        self._name(name)
                        self._text(value)
            self.out += b"\x02" if children else b"\x03"
            for child in children:
                self._text(child) if isinstance(child, str) else self.element(*child)  # type: ignore[misc]
            if children:
                self.out += b"\x04"

    def _name(self, name: str) -> None:
        known = self.names.setdefault(name, self.base + len(self.out) + 4)
        new = known == self.base + len(self.out) + 4
        self.out += struct.pack("<I", known)
        if new:
            self.out += struct.pack("<IHH", 0, 0, len(name)) + name.encode("utf-16-le") + b"\0\0"

    def _text(self, value: str) -> None:
        encoded = value.encode("utf-16-le")
        self.out += b"\x05\x01" + struct.pack("<H", len(encoded) // 2) + encoded


class _Sized:
    """A size before what it counts."""

    def __init__(self, xml: _Xml) -> None:
        self.xml = xml

    def __enter__(self) -> None:
        self.at = len(self.xml.out)
        self.xml.out += b"\0\0\0\0"

    def __exit__(self, *_: object) -> None:
        self.xml.out[self.at : self.at + 4] = struct.pack("<I", len(self.xml.out) - self.at - 4)
