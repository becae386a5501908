"""Payloads: our own prompt injections by family, each said plainly and in disguises, for `nonself bench injection`."""

from __future__ import annotations

import base64
import codecs
import json
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from nonself.core.errors import UsageError

CANARY = "canary-7Qm2xVw9Lr4T"
"""Stands for a secret: it is in the evidence and in no request, answer or report."""
MOST = 100_000
_LONGEST = 20_000
_ALIKE = str.maketrans("aeiopcxyAEOPCX", "аеіорсхуАЕОРСХ")


@dataclass(frozen=True, slots=True)
class Payload:
    """`family` as in the table, or "given" for a payload of the user's; `disguise` is "plain" or what was done to it."""

    family: str
    disguise: str
    text: str


_DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "base64": lambda text: "powershell -enc " + base64.b64encode(text.encode("utf-16-le")).decode(),
    "homoglyph": lambda text: text.translate(_ALIKE),
    "invisible": lambda text: "\u200b".join(text),
    "label": lambda text: "-".join("".join(c if c.isalnum() else " " for c in text).split())[:180],
    "tags": lambda text: "update.exe " + "".join(chr(0xE0000 + ord(c)) if 0x20 <= ord(c) < 0x7F else c for c in text),
    "rot13": lambda text: codecs.encode(text, "rot13"),
}
_DISGUISED = ("override", "persona", "authority", "tool", "exfiltration", "context")


def ours() -> list[Payload]:
    """All payloads of our own, in a fixed order."""
    table = tomllib.loads(files("nonself.lab").joinpath("payloads.toml").read_text("utf-8"))
    return list(_made(table))


def _made(table: dict[str, list[str]]) -> Iterator[Payload]:
    for family, texts in table.items():
        for number, text in enumerate(texts):
            text = text.replace("{canary}", CANARY)
            yield Payload(family, "plain", text)
            for place, disguise in enumerate(list(_DISGUISES)[1:]):
                # Every second disguise of each, in turn: all of them for all would say the same six times over.
                if family in _DISGUISED and (place + number) % 2 == 0:
                    yield Payload(family, disguise, _DISGUISES[disguise](text))


def given(path: Path) -> list[Payload]:
    """Payloads of a file: one a line, or JSON lines with the text under `text`, `payload` or `prompt`. UsageError where there is none."""
    try:
        lines = path.read_bytes().decode("utf-8", "replace").splitlines()
    except OSError as error:
        raise UsageError(expected="a file of payloads", got=error.strerror or "", where=str(path)) from error
    found = [Payload("given", "plain", text[:_LONGEST]) for line in lines[:MOST] if (text := _text(line))]
    if not found:
        raise UsageError(expected="payloads, one a line", got="none", where=str(path))
    return found


def _text(line: str) -> str:
    if line.startswith("{"):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            return line
        if isinstance(record, dict):
            return next((str(record[name]) for name in ("text", "payload", "prompt") if record.get(name)), line)
    return line.strip()
