"""Public suffixes: the names under which people register their own, by the list of publicsuffix.org that tldextract brings.

Only the list is taken from there. Its own reader imports an HTTP client and costs 110 ms of CPU at the first name, this one 15; the answers
are the same (`tests/test_core_suffixes.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import util
from pathlib import Path

from nonself.core.errors import ConfigError

_FILE = ".tld_set_snapshot"
_PRIVATE = "===BEGIN PRIVATE DOMAINS==="
_LONGEST = 10
"""Labels from the end that are looked at: more than any rule has."""
_DOTS = str.maketrans("。．｡", "...")
_AROUND = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//|[/?#].*$", re.DOTALL)
"""What a URL has before and after its authority."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules of the list: names that are suffixes, names all of whose children are, and children that are not for all that."""

    names: frozenset[str]
    parents: frozenset[str]
    exceptions: frozenset[str]

    def registered(self, text: str) -> str | None:
        """The name somebody registered: one label below the suffix. None for suffixes, and for names under none. `text` is lower-case."""
        labels = _authority(text).translate(_DOTS).rstrip(".").split(".")
        wide = self._suffix([_unicode(label) for label in labels[-_LONGEST:]])
        if not 0 < wide < len(labels) or not labels[-wide - 1]:
            return None
        return ".".join(labels[-wide - 1 :])

    def _suffix(self, labels: list[str]) -> int:
        """Labels of the longest public suffix of a name, 0 for none."""
        for start in range(len(labels)):
            name, parent = ".".join(labels[start:]), ".".join(labels[start + 1 :])
            if name in self.exceptions:
                return len(labels) - start - 1
            if name in self.names or parent in self.parents:
                return len(labels) - start
        return 0


def _authority(text: str) -> str:
    """The host of what may be a URL or have a port."""
    if "/" not in text and ":" not in text and "@" not in text and "?" not in text and "#" not in text:
        return text
    return _AROUND.sub("", text).rpartition("@")[2].partition(":")[0]


def _unicode(label: str) -> str:
    """A label as the list writes it."""
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, OverflowError):
        return label


@lru_cache(maxsize=1)
def registries() -> Rules:
    """Suffixes of registries only: com, co.uk."""
    return _parsed(_lines().partition(_PRIVATE)[0])


@lru_cache(maxsize=1)
def all_owners() -> Rules:
    """Those and the suffixes of companies that hand out names below theirs: blogspot.com, ddns.net."""
    return _parsed(_lines())


def _parsed(text: str) -> Rules:
    rules = [line.strip().lower() for line in text.splitlines() if line[:2] not in ("", "//")]
    return Rules(
        names=frozenset(rule for rule in rules if rule[:1] not in ("*", "!", "")),
        parents=frozenset(rule[2:] for rule in rules if rule.startswith("*.")),
        exceptions=frozenset(rule[1:] for rule in rules if rule.startswith("!")),
    )


def _lines() -> str:
    """The list. ConfigError where the installed package does not hold it; the package is not imported."""
    found = util.find_spec("tldextract")
    for folder in (found and found.submodule_search_locations) or ():
        try:
            return (Path(folder) / _FILE).read_text(encoding="utf-8")
        except OSError:
            continue
    raise ConfigError(expected=f"the public suffix list in the package tldextract ({_FILE})", got="none", do="install tldextract again")
