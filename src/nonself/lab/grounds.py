"""Whether a report rests on what it is about: every sentence verified once more, every name looked for in the records."""

from __future__ import annotations

from dataclasses import dataclass

from nonself.analyst.outline import Outline
from nonself.analyst.predicates import PREDICATES, WRITTEN
from nonself.analyst.records import Records
from nonself.analyst.verify import verify


@dataclass(frozen=True, slots=True)
class Grounds:
    """Sentences of a report, how many of them rest on a verified claim, and names in them that stand nowhere."""

    sentences: int = 0
    grounded: int = 0
    fabricated: int = 0


def grounds(told: Outline, records: Records) -> Grounds:
    """Look a report through."""
    return Grounds(len(told.told), sum(verify(claim, records).truth == "verified" for claim in told.told), _fabricated(told, records))


def _fabricated(told: Outline, records: Records) -> int:
    """How many names in the report's claims stand nowhere in the incident's events or findings: its own, and those beside it."""
    columns = [name for name in records.events.columns if records.events.schema[name] == records.events.schema["uid"]]
    known = {value for name in columns for value in records.events[name].drop_nulls().unique().to_list()}
    known |= {name for f in (*records.findings.values(), *records.near) for name in (f.title, f.entity, *f.entities)}
    known |= set(told.case.incident.entities)
    return sum(
        value not in known for claim in told.told for name, value in claim.args.items() if PREDICATES[claim.predicate].args[name] in WRITTEN
    )
