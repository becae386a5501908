"""What verdicts buy: incidents with known truth reviewed one after the other, in the order of the queue, by a reviewer who errs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from nonself.core.finding import Finding
from nonself.core.incident import Incident
from nonself.triage import ranking

Known = tuple[Incident, Sequence[Finding], bool]
"""An incident, its findings, and whether it is an attack."""
REVIEWS, WRONG, RECALL = 50, 0.17, 0.95
_EVERY = 5
"""Verdicts between two fittings, as in a morning's work."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """True finds among the `REVIEWS` first, with and without learning; and how many false incidents stand above the one that completes
    `RECALL` of all attacks, ranked by bits and by what the reviews of a plain order have taught."""

    found: int
    found_without: int
    false_by_bits: int
    false_by_rank: int


def review(incidents: Sequence[Known], seed: int, *, reviews: int = REVIEWS, wrong: float = WRONG) -> Outcome:
    """One reviewer's 50 verdicts. The last two figures are of incidents that the reviewer did not see: verdicts are given on a random half
    of the incidents and figures taken on the other half."""
    draw = random.Random(seed)
    plain = sorted(incidents, key=lambda known: (-known[0].bits, known[0].id))
    judged: list[Known] = []
    waiting = list(plain)
    learnt = ranking.fit([])
    while waiting and len(judged) < reviews:
        if len(judged) >= ranking.LEAST and len(judged) % _EVERY == 0:
            learnt = ranking.fit(judged)
            waiting.sort(key=lambda known: -learnt.rank(known[0], known[1]).score)
        incident, findings, attack = waiting.pop(0)
        judged.append((incident, findings, attack != (draw.random() < wrong)))
    truth = {known[0].id: known[2] for known in incidents}
    half = list(incidents)
    draw.shuffle(half)
    taught, rest = half[: len(half) // 2][:reviews], half[len(half) // 2 :]
    other = ranking.fit([(i, f, attack != (draw.random() < wrong)) for i, f, attack in taught])
    return Outcome(
        found=sum(truth[incident.id] for incident, _, _ in judged),
        found_without=sum(attack for _, _, attack in plain[:reviews]),
        false_by_bits=_false_above(sorted(rest, key=lambda known: -known[0].bits)),
        false_by_rank=_false_above(sorted(rest, key=lambda known: -other.rank(known[0], known[1]).score)),
    )


def _false_above(ranked: Sequence[Known]) -> int:
    """False incidents before `RECALL` of the attacks are found."""
    wanted = RECALL * sum(attack for _, _, attack in ranked)
    found = false = 0
    for _, _, attack in ranked:
        if found >= wanted:
            break
        found, false = found + attack, false + (not attack)
    return false
