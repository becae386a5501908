"""Exact encodings for the parser. pySigma's own count characters where base64 counts bytes, encode a literal `*` with its escape, write
UTF-16's mark as UTF-8 and refuse what is not ASCII; these work on bytes."""

from __future__ import annotations

from base64 import b64encode

from sigma.exceptions import SigmaValueError
from sigma.modifiers import (
    SigmaBase64Modifier,
    SigmaBase64OffsetModifier,
    SigmaUTF16BEModifier,
    SigmaUTF16Modifier,
    SigmaWideModifier,
    modifier_mapping,
)
from sigma.types import SigmaExpansion, SigmaString, SigmaStringPartType


class Encoded(SigmaString):
    """A text in UTF-16. As a value by itself it is what a tool shows that takes each byte for a character."""

    data: bytes

    def __init__(self, data: bytes = b"") -> None:
        super().__init__()
        self.data = data
        self.s = [data.decode("latin-1")]


def _bytes(value: SigmaString) -> bytes:
    if isinstance(value, Encoded) and value.s == [value.data.decode("latin-1")]:
        return value.data
    if not all(isinstance(part, str) for part in value.s):
        raise SigmaValueError("strings with wildcards can't be encoded")
    return "".join(str(part) for part in value.s).encode()


def _utf16(value: SigmaString, codec: str, mark: bytes = b"") -> SigmaString:
    """Texts with wildcards keep them, each text between two by itself."""
    if all(isinstance(part, str) for part in value.s):
        return Encoded(mark + _bytes(value).decode().encode(codec))
    parts: list[SigmaStringPartType] = [part.encode(codec).decode("latin-1") if isinstance(part, str) else part for part in value.s]
    wide = SigmaString()
    wide.s = [mark.decode("latin-1"), *parts] if mark else parts
    return wide


class _Wide(SigmaWideModifier):
    def modify(self, val: SigmaString) -> SigmaString:
        return _utf16(val, "utf-16-le")


class _BigEndian(SigmaUTF16BEModifier):
    def modify(self, val: SigmaString) -> SigmaString:
        return _utf16(val, "utf-16-be")


class _Marked(SigmaUTF16Modifier):
    def modify(self, val: SigmaString) -> SigmaString:
        return _utf16(val, "utf-16-le", b"\xff\xfe")


class _Base64(SigmaBase64Modifier):
    def modify(self, val: SigmaString) -> SigmaString:
        return _literal(b64encode(_bytes(val)).decode())


class _Base64Offset(SigmaBase64OffsetModifier):
    def modify(self, val: SigmaString) -> SigmaExpansion:
        """What of the text's base64 is the same whatever stands around it, for the three places in a group of bytes it can start at."""
        data = _bytes(val)
        made = []
        for before in range(3):
            encoded = b64encode(bytes(before) + data).decode()
            first, last = -(-8 * before // 6), 8 * (before + len(data)) // 6
            made.append(_literal(encoded[first:last]))
        return SigmaExpansion(list(made))


def _literal(text: str) -> SigmaString:
    value = SigmaString()
    value.s = [text]
    return value


def install() -> None:
    """Make the parser use them."""
    modifier_mapping.update({
        "wide": _Wide, "utf16le": _Wide, "utf16be": _BigEndian, "utf16": _Marked, "base64": _Base64, "base64offset": _Base64Offset,
    })  # fmt: skip
