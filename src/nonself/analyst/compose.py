"""A model's summary, taken only if it can say nothing of its own.

It may join clauses of verified claims, `{c3}`, in order of time, by the few words of `CONNECTIVES`; or spell a clause out with its
arguments' placeholders, `{c3.parent} started {c3.child} on {c3.host}`, in exactly one of the phrases the predicate has. Everything else,
one digit, one name, one word too many, and the whole text is refused. So each sentence is verified whatever the model is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from nonself.analyst.predicates import PREDICATES
from nonself.core.claim import Claim

LONGEST = 4_000
_WORDS = """first then next later after afterwards that this also and finally in addition further moreover subsequently followed by it
began with thereafter eventually as well"""
CONNECTIVES: frozenset[str] = frozenset(_WORDS.split())
_CLAUSE = re.compile(r"\{(c\d{1,4})\}")
_HOLE = re.compile(r"\{(\w+)\}")
_JOINS = (", then ", ", and later ", "; after that, ", ". Next, ", ". Finally, ")


def pattern(names: Sequence[str]) -> str:
    """A regular expression of the plainest summaries of clauses in order of time, of which the last is told: what a grammar holds a small
    model to. It makes nothing true: `accept` looks at every text anew."""
    clauses = [rf"\{{{name}\}}" for name in names]
    joins = "|".join(_JOINS).replace(".", r"\.")
    return "^" + "".join(f"({clause}({joins}))?" for clause in clauses[:-1]) + rf"{clauses[-1]}\.$"


class RefusalError(Exception):
    """A model's text that is not taken; the message says why in words of ours."""


def accept(text: str, clauses: Mapping[str, tuple[Claim, datetime]]) -> str:
    """The text with each clause named by its claim's id, `{c-...}`. `clauses`: the names a model was given, the claims and their times.
    RefusalError for a text that says anything else."""
    if len(text) > LONGEST:
        raise RefusalError("too long")
    for name, (claim, _) in clauses.items():
        for phrase in PREDICATES[claim.predicate].phrases:
            text = text.replace(_HOLE.sub(lambda hole, name=name: f"{{{name}.{hole[1]}}}", phrase), f"{{{name}}}")  # type: ignore[misc]
    used = _CLAUSE.findall(text)
    if not used or any(name not in clauses for name in used) or len(set(used)) < len(used):
        raise RefusalError("no clause, a clause twice, or one that was not given")
    times = [clauses[name][1] for name in used]
    if times != sorted(times):
        raise RefusalError("clauses out of their order in time")
    between = _CLAUSE.sub(" ", text)
    if re.search(r"[^A-Za-z ,.;\n]", between) or not CONNECTIVES.issuperset(between.lower().replace(",", " ").translate(_STOPS).split()):
        raise RefusalError("words of its own")
    return _CLAUSE.sub(lambda found: f"{{{clauses[found[1]][0].id}}}", " ".join(text.split()))


_STOPS = str.maketrans(",.;\n", "    ")
