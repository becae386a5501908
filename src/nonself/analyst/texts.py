"""What code can say of text that an attacker may have written, without repeating any of it.

A text becomes a `Handle`: its column, length, alphabet, what kinds of indicator stand in it, whether it decodes to other text, and the
families of *instruction-like* content found in it: words meant for whoever, or whatever, reads the log (prompt injection, ATLAS
AML.T0051.001). The families are found in the folded text: NFKC, invisible characters dropped, look-alike letters and digits-for-letters
undone, everything between words a blank, so that a DNS label or a path reads like a sentence. Recognition is a help to the analyst; no
guarantee rests on it, since none of the text reaches a prompt that decides (`taint`).
"""

from __future__ import annotations

import base64
import binascii
import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import unquote

import re2

LONGEST = 4096
"""Characters looked at, half from each end of a longer text."""
_DEPTH = 2
_LONGEST_TOKEN = 2048

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u2069\u3164\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[ :]?){12,}|(?:\\x[0-9a-fA-F]{2}){6,}")
_INDICATORS: dict[str, re.Pattern[str]] = {
    "url": re.compile(r"[a-z][a-z0-9+.-]{1,10}://", re.I),
    "address": re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"),
    "mail": re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{2,63}"),
    "hash": re.compile(r"\b(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})\b", re.I),
}
_ALIKE = str.maketrans(
    "аеорсухіѕјԁԛԝһӏвкмнтгпαβεικνορτυχωıɡɑℓօսոհ",
    "aeopcyxisjdqwhlbkmhtrnabeiknoptuxwigalounh",
)
"""Letters of other scripts that look like Latin ones (after the confusables of Unicode TS 39), folded."""
_LEET = str.maketrans("013457@$", "oieastas")


@dataclass(frozen=True, slots=True)
class Handle:
    """A text by what code found in it: no character of the text itself. `id` is its number in the incident, as in `f7`."""

    id: str
    column: str
    length: int
    alphabet: str
    indicators: tuple[str, ...]
    decodes: bool
    families: tuple[str, ...]

    def __str__(self) -> str:
        parts = [f"{self.id}:{self.column}", f"len={self.length}", f"alphabet={self.alphabet}"]
        parts += [f"holds={'+'.join(self.indicators)}"] if self.indicators else []
        parts += ["decodes"] if self.decodes else []
        parts += [f"instruction-like={'+'.join(self.families)}"] if self.families else []
        return f"<{' '.join(parts)}>"


def handle(number: int, column: str, text: str) -> Handle:
    """The handle of a text in a column."""
    part = _ends(text)
    return Handle(
        id=f"f{number}",
        column=column,
        length=len(text),
        alphabet="ascii" if part.isascii() else "latin" if all(ord(c) < 0x250 for c in part) else "mixed",
        indicators=tuple(name for name, pattern in _INDICATORS.items() if pattern.search(part)),
        decodes=next(_decoded(part), None) is not None,
        families=families(text),
    )


def families(text: str) -> tuple[str, ...]:
    """Families of instruction-like content in a text, "encoding" and "homoglyph" where that had to be undone first; mostly none."""
    part = _ends(text)
    found = _worded(_folded(part))
    if not found and (alike := _worded(_folded(part).translate(_ALIKE)) | _worded(_folded(part).translate(_ALIKE).translate(_LEET))):
        found = {"homoglyph", *alike}
    for decoded in _decoded(part):
        if inner := _worded(_folded(decoded).translate(_ALIKE)):
            found |= {"encoding", *inner}
    if _markup().search(part):
        found |= {"markup"}
    return tuple(name for name in (*_patterns(), "encoding", "homoglyph", "markup") if name in found)


def _worded(words: str) -> set[str]:
    return {family for family, pattern in _patterns().items() if pattern.search(words)}


@cache
def _patterns() -> dict[str, Any]:
    """family -> its compiled pattern, from `instructions.toml`."""
    table = tomllib.loads(files("nonself.analyst").joinpath("instructions.toml").read_text("utf-8"))
    words = {"{aimed}": table["aimed"], "{verdict}": table["verdict"]}
    joined = {family: "|".join(f"(?:{pattern})" for pattern in patterns) for family, patterns in table["families"].items()}
    for name, value in words.items():
        joined = {family: pattern.replace(name, value) for family, pattern in joined.items()}
    return {family: re2.compile(pattern) for family, pattern in joined.items()}


@cache
def _markup() -> Any:
    """What a terminal, a browser, a Markdown renderer or a chat template would act on."""
    tags = "script|img|iframe|svg|a|b|style|html|body|div|meta|form|input|object|embed|link|details|video|audio|base"
    chat = r"<\|[a-z_]{2,30}\|>|\[/?INST\]|</?(?:system|user|assistant|instructions?|data|log|untrusted)[^>]{0,40}>"
    shown = r"\x1b[\[\]PX^_]|\x{9b}|\]\((?:[a-z]{2,10}:|//|#)|javascript:|data:text/|```"
    return re2.compile(rf"(?i)<\s*/?\s*(?:{tags})\b|{chat}|{shown}")


def _folded(text: str) -> str:
    """The text as words between single blanks."""
    text = unicodedata.normalize("NFKC", _tags(text))
    text = "".join(c for c in unicodedata.normalize("NFD", _INVISIBLE.sub("", text)) if not unicodedata.combining(c)).casefold()
    return " ".join(re.split(r"[^\w@$]+|_+", text))


def _tags(text: str) -> str:
    """Unicode's tag characters spell ASCII that nobody sees."""
    return "".join(chr(ord(c) - 0xE0000) if 0xE0020 <= ord(c) <= 0xE007E else c for c in text)


def _ends(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST // 2] + " " + text[-LONGEST // 2 :]


def _decoded(text: str, depth: int = _DEPTH) -> Iterator[str]:
    """Readable text that parts of this one decode to: base64 (UTF-8 or UTF-16), hex, percent, reversed, rot13."""
    for token in _BASE64.findall(text)[:8]:
        yield from _deeper(_unbase64(token[:_LONGEST_TOKEN]), depth)
    for token in _HEX.findall(text)[:8]:
        yield from _deeper(_unhex(token[:_LONGEST_TOKEN]), depth)
    if text.count("%") >= 3:
        yield from _deeper(unquote(text, errors="replace"), depth)
    if depth == _DEPTH and len(text) <= LONGEST:
        for turned in (text[::-1], text.translate(_ROT13)):
            if _worded(_folded(turned)):
                yield turned


_ROT13 = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "NOPQRSTUVWXYZABCDEFGHIJKLMnopqrstuvwxyzabcdefghijklm")


def _deeper(text: str, depth: int) -> Iterator[str]:
    if not text:
        return
    yield text
    if depth > 1:
        yield from _decoded(text, depth - 1)


def _unbase64(token: str) -> str:
    token = token.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return _readable(data)


def _unhex(token: str) -> str:
    digits = re.sub(r"[ :]|\\x", "", token)
    return _readable(bytes.fromhex(digits[: len(digits) // 2 * 2]))


def _readable(data: bytes) -> str:
    """Bytes as text, or empty where they are not text: UTF-16 where every second byte is zero, else UTF-8."""
    wide = len(data) >= 8 and data[1::2].count(0) > 0.8 * len(data[1::2])
    try:
        text = data.decode("utf-16-le" if wide else "utf-8")
    except UnicodeDecodeError:
        return ""
    printable = sum(c.isprintable() or c.isspace() for c in text)
    return text if len(text) >= 8 and printable >= 0.95 * len(text) else ""
