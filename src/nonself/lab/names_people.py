"""Domain names as people choose them: words, two words, brands made of pieces, abbreviations, names with numbers; in many languages.

`words.txt` is this project's own list. What is made here trains the shipped name model (`dga_fit`); nothing of it is real data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from random import Random

Words = dict[str, list[str]]
TLDS: dict[str, float] = {
    "com": 48, "org": 7, "net": 5, "ru": 4, "de": 3.5, "co.uk": 2.6, "jp": 1, "co.jp": 0.8, "fr": 1.4, "com.br": 1.3, "pl": 1.5, "it":
    1.4, "nl": 1.2, "in": 1, "ir": 1, "com.au": 1, "es": 0.9, "cn": 1, "com.cn": 0.4, "ca": 1, "cz": 0.8, "com.ua": 0.5, "ua": 0.3, "eu":
    0.6, "se": 0.6, "us": 0.5, "com.tr": 0.6, "gr": 0.6, "ro": 0.6, "ch": 0.6, "hu": 0.5, "at": 0.5, "kr": 0.3, "co.kr": 0.3, "com.tw":
    0.4, "com.mx": 0.4, "be": 0.5, "dk": 0.5, "com.ar": 0.4, "vn": 0.4, "co.id": 0.3, "sk": 0.3, "no": 0.4, "fi": 0.4, "co.il": 0.3,
    "co.za": 0.4, "cl": 0.3, "pt": 0.4, "edu": 1.6, "gov": 0.9, "ac.uk": 0.3, "io": 1, "info": 1.2, "biz": 0.3, "me": 0.6, "tv": 0.6,
    "co": 0.9, "cc": 0.25, "xyz": 0.4, "top": 0.2, "club": 0.3, "online": 0.2, "site": 0.15, "su": 0.08, "ws": 0.08, "dev": 0.3, "app":
    0.3, "ai": 0.2, "tk": 0.1, "pw": 0.04,
}  # fmt: skip
"""Suffixes and their rough shares, in percent, among the names people visit: of common knowledge, not of a list."""
_BEFORE = (
    "my",
    "the",
    "e",
    "i",
    "go",
    "get",
    "x",
    "pro",
    "web",
    "net",
    "all",
    "top",
    "best",
    "super",
    "uni",
    "euro",
    "we",
    "u",
    "on",
    "in",
    "a",
)
_AFTER = (
    "s", "er", "ly", "ify", "io", "ia", "hub", "lab", "labs", "zone", "online", "app", "box", "tube", "book", "gram", "world", "shop",
    "store", "club", "news", "tech", "net", "web", "land", "city", "plus", "pro", "now", "24", "365", "365", "hq", "inc", "group", "ing",
    "ers", "ist", "ity", "media", "city", "base", "press", "point", "mag", "works", "soft", "port", "house", "live", "today", "central",
    "direct", "express", "x", "y", "o", "a", "e",
)  # fmt: skip
_BRAND = (
    "ia",
    "io",
    "ly",
    "ify",
    "era",
    "ex",
    "on",
    "um",
    "ix",
    "oo",
    "zy",
    "eo",
    "ora",
    "is",
    "us",
    "ero",
    "ana",
    "ino",
    "ax",
    "le",
    "r",
    "co",
    "en",
)


_NOT_NATIVE = ("english", "technology", "brands", "people", "places", "asian", "nouns of trade", "usual")
USUAL = 0.4
"""How often a word is one of those that many sites call themselves by: two of five visited names hold one, of names that machines make of
words one in five."""


@cache
def words(file: str = "words.txt") -> Words:
    """The words of a list by section (language), each section's sorted, each once."""
    out: Words = {}
    for line in resources.files("nonself.lab").joinpath(file).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            found = out.setdefault(line.strip("[]"), [])
        elif not line.startswith("#"):
            found += [word for word in line.split() if re.fullmatch(r"[a-z0-9-]+", word)]
    return {language: sorted(set(found)) for language, found in out.items()}


class People:
    """Somebody who chooses names, out of some words."""

    def __init__(self, rng: Random, known: Words) -> None:
        self._rng = rng
        self._known = known
        self._native = [name for name in known if name not in _NOT_NATIVE]
        self._kinds = list(_KINDS)
        self._often = [share for share, _ in _KINDS.values()]

    def name(self) -> str:
        """A label, without its suffix."""
        while True:
            made = _KINDS[self._rng.choices(self._kinds, self._often)[0]][1](self)
            if 1 < len(made) <= 40:
                return made.strip("-")

    def domain(self) -> tuple[str, str]:
        """A label and its suffix."""
        return self.name(), self._rng.choices(list(TLDS), list(TLDS.values()))[0]

    def _language(self) -> list[str]:
        pick = self._rng.random()
        if pick < 0.50:
            return self._known["english"]
        for limit, language in (
            (0.57, "technology"),
            (0.62, "brands"),
            (0.66, "people"),
            (0.71, "places"),
            (0.75, "nouns of trade"),
            (0.80, "asian"),
        ):
            if pick < limit:
                return self._known[language]
        return self._known[self._rng.choice(self._native)]

    def _word(self, words: Sequence[str] = ()) -> str:
        if not words and self._rng.random() < USUAL:
            return self._rng.choice(self._known["usual"])
        return self._rng.choice(words or self._language())

    def _several(self, count: int, between: str = "") -> str:
        """Some words; of several often one that many sites call themselves by, mostly the last."""
        if count == 1 or self._rng.random() > 1.5 * USUAL:
            return self._words(count, between)
        others, usual = self._words(count - 1, between), self._rng.choice(self._known["usual"])
        return others + between + usual if self._rng.random() < 0.75 else usual + between + others

    def _words(self, count: int, between: str) -> str:
        first = self._language()
        mixed = (first, self._known["english"], self._known["technology"])
        rest = [self._word(first if self._rng.random() < 0.7 else self._rng.choice(mixed)) for _ in range(count - 1)]
        made = [self._word(first), *rest]
        if first is self._known["asian"]:
            made.append(self._word(first))
        return between.join(made)

    def _affixed(self) -> str:
        word = self._word()
        return word + self._rng.choice(_AFTER) if self._rng.random() < 0.6 else self._rng.choice(_BEFORE) + word

    def _blend(self) -> str:
        """The head of one word, the tail of another: as brands are made."""
        head, tail = self._word(), self._word()
        return head[: self._rng.randint(2, 5)] + tail[-self._rng.randint(2, 5) :]

    def _coined(self) -> str:
        return self._word()[: self._rng.randint(2, 6)] + self._rng.choice(_BRAND)

    def _initials(self) -> str:
        return "".join(self._word()[0] for _ in range(self._rng.choices((2, 3, 4, 5, 6), (10, 40, 35, 12, 3))[0]))

    def _code(self) -> str:
        """A few letters with a digit among them, as projects are called."""
        made = list(self._initials()[:4])
        made.insert(self._rng.randint(0, len(made)), str(self._rng.choice((0, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9, 18, 21, 24, 51))))
        return "".join(made) + (self._word() if self._rng.random() < 0.25 else "")

    def _numbered(self) -> str:
        number, rng = (
            str(self._rng.choice((1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 21, 24, 51, 58, 88, 99, 100, 101, 123, 163, 360, 365, 2000))),
            self._rng,
        )
        kind = rng.random()
        if kind < 0.08:
            return str(rng.randint(10, 99_999))
        if kind < 0.35:
            return number + self._word()
        if kind < 0.5:
            return self._word() + rng.choice("24") + self._word()
        return self._word() + (number if rng.random() < 0.7 else str(rng.randint(1, 2025)))

    def _dropped(self) -> str:
        """A word without some of its vowels."""
        word = self._several(self._rng.choice((1, 1, 2)))
        kept = self._rng.random() * 0.7
        return word[0] + "".join(c for c in word[1:] if c not in "aeiou" or self._rng.random() < kept)

    def _person(self) -> str:
        people = self._known["people"]
        first, last = self._word(people), self._word(people)
        return (first if self._rng.random() < 0.6 else first[0]) + self._rng.choice(("", "", "", "-")) + last

    def _short_and_word(self) -> str:
        short, word = self._initials()[:4], self._word()
        return short + word if self._rng.random() < 0.6 else word + short


_KINDS: dict[str, tuple[float, Callable[[People], str]]] = {
    "word": (15, lambda by: by._several(1)),
    "two words": (26, lambda by: by._several(2)),
    "three words": (6, lambda by: by._several(3)),
    "with hyphens": (6, lambda by: by._several(by._rng.choice((2, 2, 3)), "-")),
    "affixed": (11, People._affixed),
    "blend": (8, People._blend),
    "coined": (5, People._coined),
    "initials": (8, People._initials),
    "initials and word": (5, People._short_and_word),
    "numbered": (4, People._numbered),
    "code": (2.5, People._code),
    "vowels dropped": (2, People._dropped),
    "person": (4, People._person),
}
