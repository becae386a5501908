"""What verdicts buy: incidents with known truth reviewed one after the other, in the order of the queue, by a reviewer who errs."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nonself.core.finding import Finding
from nonself.core.incident import Incident
from nonself.triage import ranking

Known = tuple[Incident, Sequence[Finding], bool]
"""An incident, its findings, and whether it is an attack."""
REVIEWS, WRONG, RECALL = 50, 0.17, 0.95


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
    rows = [ranking.features(incident, findings) for incident, findings, _ in plain]
    truth = [attack for *_, attack in plain]
    seen = _reviewed(rows, truth, reviews, lambda attack: attack != (draw.random() < wrong))
    half = list(range(len(rows)))
    draw.shuffle(half)
    taught, rest = half[: len(half) // 2][:reviews], sorted(half[len(half) // 2 :])
    other = ranking.fit([(rows[n], float(truth[n] != (draw.random() < wrong))) for n in taught])
    scores, _ = other.moments(rows)
    return Outcome(
        found=sum(truth[n] for n in seen),
        found_without=sum(truth[:reviews]),
        false_by_bits=_false_above([truth[n] for n in rest]),
        false_by_rank=_false_above([truth[n] for n in sorted(rest, key=lambda n: -scores[n])]),
    )


def _reviewed(rows: Sequence[ranking.Features], truth: Sequence[bool], reviews: int, told: Callable[[bool], bool]) -> list[int]:
    """Who was reviewed, by number: the first of the queue that waits, which is sorted anew after every verdict as `told`."""
    seen: list[int] = []
    judged: list[tuple[ranking.Features, float]] = []
    waiting = list(range(len(rows)))
    while waiting and len(seen) < reviews:
        if len(judged) >= ranking.LEAST:
            places = ranking.fit(judged).places(rows)
            waiting.sort(key=lambda n: -places[n])
        seen.append(waiting.pop(0))
        judged.append((rows[seen[-1]], float(told(truth[seen[-1]]))))
    return seen


def _false_above(ranked: Sequence[bool]) -> int:
    """False incidents before `RECALL` of the attacks are found, of incidents that are attacks or not in this order."""
    wanted = RECALL * sum(ranked)
    found = false = 0
    for attack in ranked:
        if found >= wanted:
            break
        found, false = found + attack, false + (not attack)
    return false
