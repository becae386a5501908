"""Claims in words. All text of a report about what happened comes from the phrases of the predicates, filled with the claim's arguments;
each argument passes the caller's `escape` (of `core.safe`), so that the same sentence is safe in a terminal, in Markdown and in HTML."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from nonself.analyst.checks import moment
from nonself.analyst.predicates import PREDICATES, Kind
from nonself.analyst.queries import TOOLS
from nonself.core.claim import Claim
from nonself.core.safe import shorten

Escape = Callable[[str], str]
_HOLE = re.compile(r"\{(\w+)\}")
_CLAIM = re.compile(r"(\{c-[0-9a-f]+\})")
_LONGEST = 160
_MANY = {"host": "machines", "user": "accounts", "ip": "addresses", "domain": "names"}


def clause(claim: Claim, escape: Escape, phrase: int = 0) -> str:
    """The claim as a clause without a capital or a full stop; KeyError for a predicate that does not exist."""
    if claim.predicate == "NothingFound":
        said = TOOLS[claim.args["tool"]].nothing
    else:
        phrases = PREDICATES[claim.predicate].phrases
        said = phrases[phrase if phrase < len(phrases) else 0]
    kinds = PREDICATES[claim.predicate].args
    return _HOLE.sub(lambda hole: escape(shown(claim.args[hole[1]], kinds[hole[1]])), said)


def sentence(claim: Claim, escape: Escape) -> str:
    """The claim as a sentence; a name at its beginning stays as it is written."""
    text = clause(claim, escape)
    first = (TOOLS[claim.args["tool"]].nothing if claim.predicate == "NothingFound" else PREDICATES[claim.predicate].phrases[0])[:1]
    return (text if first == "{" else text[:1].upper() + text[1:]) + "."


def joined(summary: str, claims: Mapping[str, Claim], escape: Escape) -> list[tuple[str, Claim | None]]:
    """A summary that `compose.accept` has taken, in pieces: words that stand in it, and clauses with their claims."""
    pieces: list[tuple[str, Claim | None]] = []
    for piece in _CLAIM.split(summary):
        claim = claims.get(piece[1:-1])
        if piece:
            pieces.append((clause(claim, escape) if claim else escape(piece), claim))
    return pieces


def shown(value: str, kind: Kind) -> str:
    """An argument for people: not neutralised, the caller's `escape` does that."""
    if kind == "entity":
        return shorten(value.partition(":")[2] or value, _LONGEST)
    if kind == "path":
        return shorten(_last(value), _LONGEST)
    if kind == "time":
        when = moment(value)
        return f"{when:%Y-%m-%d %H:%M:%S}Z" if when else shorten(value, 40)
    if kind == "bytes":
        return _bytes(value)
    if kind == "kind":
        return _MANY.get(value, "entities")
    return shorten(value, _LONGEST)


def _last(path: str) -> str:
    """The last part of a path; of a registry path the last two, since the last alone says little."""
    parts = [part for part in re.split(r"[\\/]", path) if part]
    if not parts:
        return path
    return "\\".join(parts[-2:]) if path.upper().startswith(("HK", "\\REGISTRY")) else parts[-1]


def _bytes(value: str) -> str:
    if not (value.isascii() and value.isdigit()):
        return shorten(value, 40)
    amount = float(value[:18])
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:,.1f} TB"
