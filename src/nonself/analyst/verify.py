"""The verifier: runs a claim's predicate again over the events it cites and over the records. It alone says what is true."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from nonself.analyst.checks import Outcome, refuted, unverifiable
from nonself.analyst.predicates import PREDICATES
from nonself.analyst.records import Records
from nonself.core.claim import Claim

MOST_EVENTS = 1_000
"""Events one claim may cite."""


def verify(claim: Claim, records: Records) -> Claim:
    """The claim with what the check found: `verified`, `refuted`, or `unverifiable` where it can't be run (an unknown predicate, an
    argument too few or too many, an event that the records do not hold)."""
    truth, why = _outcome(claim, records)
    return msgspec.structs.replace(claim, truth=truth, why=why)


def _outcome(claim: Claim, records: Records) -> Outcome:
    predicate = PREDICATES.get(claim.predicate)
    if predicate is None:
        return unverifiable("there is no such predicate")
    if claim.args.keys() != predicate.args.keys():
        return unverifiable("the arguments are not those of the predicate")
    if len(claim.events) > MOST_EVENTS or len(set(claim.events)) < len(claim.events):
        return unverifiable("too many events are cited, or one twice")
    if predicate.cites and not claim.events:
        return unverifiable("no event is cited")
    cited = records.cited(claim.events)
    if cited.height < len(claim.events):
        return unverifiable("a cited event is not among the records")
    if not predicate.cites and claim.events:
        return refuted("this predicate cites no events")
    return predicate.check(claim.args, cited, records)


def split(claims: Iterable[Claim], records: Records) -> tuple[list[Claim], list[Claim]]:
    """Claims, each once, verified anew: those established, and the others."""
    checked = [verify(claim, records) for claim in unique(claims)]
    return [c for c in checked if c.truth == "verified"], [c for c in checked if c.truth != "verified"]


def unique(claims: Iterable[Claim]) -> Sequence[Claim]:
    """Each claim once, in the order first met."""
    return list({claim.id: claim for claim in claims}.values())
