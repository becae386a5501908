"""Monotone taint: what attackers can write may raise suspicion and can never lower it, by the types below.

`Suspicion` is the only thing that text of attackers, or a model that has read some, can give to a verdict: a number of bits that is never
negative, added to malicious hypotheses only, capped in sum. A verdict is a function of code's own evidence and of a `Suspicion`; no other
way leads into it.

`Prompt` is the only thing that is sent to a model that may choose or rank, and it is built of parts that hold no text of a log: words of
this program (`Fixed`), keyed pseudonyms, numbers, and handles made by code. A plain string is a TypeError, at run time too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Final

from nonself.analyst.pseudonyms import Pseudonym
from nonself.analyst.texts import Handle

MOST_BITS: Final = 6.0
"""What suspicion from attackers' text may add in all: it can turn "unsure" into "malicious", and drown nothing."""
_PLAIN = re.compile(r"[\x20-\x7e\n]*")


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Bits, at least 0 and at most `MOST_BITS`: ValueError for others, NaN too."""

    bits: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.bits <= MOST_BITS:
            raise ValueError(f"expected between 0 and {MOST_BITS} bits of suspicion, got {self.bits!r}")

    def __or__(self, other: Suspicion) -> Suspicion:
        """The sum, capped: associative, commutative, never less than either."""
        return Suspicion(min(MOST_BITS, self.bits + other.bits))


NONE: Final = Suspicion(0.0)


def total(parts: Iterable[Suspicion]) -> Suspicion:
    """All of them together."""
    return reduce(Suspicion.__or__, parts, NONE)


class Fixed(str):
    """Text that stands in this program's own source: ValueError for what is not printable ASCII."""

    __slots__ = ()

    def __new__(cls, text: str) -> Fixed:
        if not _PLAIN.fullmatch(text):
            raise ValueError("expected printable ASCII as fixed text of a prompt")
        return super().__new__(cls, text)


Part = Fixed | Pseudonym | Handle | int | float


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as parts that hold no text of a log. `text` is what is sent."""

    parts: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        wrong = [type(part).__name__ for part in self.parts if not isinstance(part, Fixed | Pseudonym | Handle | int | float)]
        if wrong:
            raise TypeError(f"expected fixed text, pseudonyms, numbers and handles as parts of a prompt, got {wrong[0]}")

    def __add__(self, more: Iterable[Part]) -> Prompt:
        return Prompt((*self.parts, *more))

    @property
    def text(self) -> str:
        """The prompt's characters."""
        return "".join(str(part) for part in self.parts)

    @property
    def varying(self) -> str:
        """All of it that does not stand in this program's source: the only characters in which anything could leave."""
        return " ".join(str(part) for part in self.parts if not isinstance(part, Fixed))
