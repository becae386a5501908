"""The last door: every byte that would leave for a model is looked through for secrets and for names it must not hold.

Secrets are replaced by `[secret:KIND]` wherever they stand; a known name (an entity of the incident, a value of its evidence) stops the
request, since by construction none can be in it: one that is there means a fault, and a fault must not be sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

import re2

from nonself.core.errors import ModelError

SHORTEST, LONG = 4, 8
"""Shorter names are words of any text and say nothing of anybody; those from `LONG` on can't stand in a pseudonym by chance."""
_HANDLES = """alphabet ascii latin mixed holds decodes address mail hash instruction-like instruction like override persona context tool
authority verdict exfiltration encoding homoglyph markup parent child image target module host user domain cred role resource process thing
invalid title bits column family rule service file source entity time peers"""
_OWN = frozenset(_HANDLES.split())
"""Words that handles and pseudonyms are made of: a log that holds one must not keep the model from being asked."""

_SECRETS: dict[str, str] = {
    "private-key": r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\z)",
    "aws-key": r"\b(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA)[A-Z0-9]{16}\b",
    "github-token": r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})",
    "gitlab-token": r"\bglpat-[A-Za-z0-9_-]{18,}",
    "slack-token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "google-key": r"\bAIza[A-Za-z0-9_-]{35}",
    "stripe-key": r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",
    "model-key": r"\bsk-[A-Za-z0-9_-]{20,}",
    "jwt": r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    "bearer": r"(?i:\b(?:bearer|basic|token)\s+)[A-Za-z0-9+/._~=-]{16,}",
    "url-password": r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@]{1,100}:[^\s/@]{1,200}@",
    "assigned": r"(?i:[\w-]{0,40}(?:pass(?:word|wd|phrase)?|pwd|secret|token|(?:api|access|private)[_-]?key|credential|auth)[\w-]{0,20})"
    r"[\"']{0,2}\s{0,3}(?:[:=]{1,2}>?|\s-+)\s{0,3}[\"']{0,2}(?i:(?:bearer|basic|token)\s+)?[^\s\"'&;,<>]{4,200}",
    "flag": r"(?i:\s(?:-p|-pw|--?pass(?:word)?|/p(?:ass(?:word)?)?|--?token|--?secret|-u\s+[\w.\\-]{1,60})[:=\s]\s{0,2})"
    r"[\"']?[^\s\"']{4,200}",
    "hash": r"\b(?:[0-9a-fA-F]{32}:)?[0-9a-fA-F]{32}\b|\$(?:1|2[aby]|5|6|y)\$[./A-Za-z0-9$]{20,}",
    "card": r"\b(?:4\d{3}|5[1-5]\d{2}|3[47]\d{2})[ -]?\d{4}[ -]?\d{4}[ -]?\d{3,4}\b",
    "iban": r"\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}\b",
}  # fmt: skip


class LeakError(ModelError):
    """An outgoing text holds a name that it must not. The text is not sent; the error does not repeat the name."""


@cache
def _secrets() -> Any:
    return re2.compile("|".join(f"(?P<k{i}>{pattern})" for i, pattern in enumerate(_SECRETS.values())))


def secrets_out(text: str) -> str:
    """The text with every secret that is recognised replaced by `[secret:KIND]`."""
    names = list(_SECRETS)
    return str(_secrets().sub(lambda found: f"[secret:{names[int(str(found.lastgroup)[1:])]}]", _encodable(text)))


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def refuse(varying: str, names: Iterable[str]) -> None:
    """LeakError if what varies of a request holds one of `names`, in any case: as a word of its own, or anywhere if it is `LONG` or longer.
    Names of fewer than `SHORTEST` characters are not looked for, nor those that are words of every handle."""
    lowered = varying.casefold()
    tokens = set(re.split(r"\W+", lowered))
    for name in {name.casefold() for name in names} - _OWN:
        if len(name) >= SHORTEST and (name in tokens or (len(name) >= LONG and name in lowered)):
            raise LeakError("an outgoing text held a name of the incident and was not sent", do="report this: it is a fault of nonself")


def words(values: Iterable[str]) -> set[str]:
    """The names that stand in entities and values: the whole value and its parts between separators, without what is only digits."""
    found: set[str] = set()
    for value in values:
        parts = [value, *re.split(r"[\\/@:\s\"'<>|,;=()\[\]{}?&]+", value)]
        found |= {part for part in parts if len(part) >= SHORTEST and not part.isdigit()}
    return found
