"""What verdicts buy: incidents with known truth reviewed one after the other, in the order of the queue, by a reviewer who errs."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nonself.core.finding import Finding
from nonself.core.incident import Incident
from nonself.triage import ranking
from nonself.triage.features import Features, features, touched

Known = tuple[Incident, Sequence[Finding], float]
"""An incident, its findings, and what it is worth (`triage.verdicts.WORTH`): 1 a malicious one, 1/2 an attempt, 0 what is false."""
REVIEWS, WRONG, RECALL = 50, 0.17, 0.95


@dataclass(frozen=True, slots=True)
class Outcome:
    """True finds (attempts among them) among the `REVIEWS` first, with and without learning, and of them the malicious ones; and how many
    false incidents stand above the one that completes `RECALL` of all that are true, ranked by bits and by what verdicts have taught of
    what is an attack at all."""

    found: int
    found_without: int
    malicious: int
    malicious_without: int
    false_by_bits: int
    false_by_rank: int


def review(incidents: Sequence[Known], seed: int, *, reviews: int = REVIEWS, wrong: float = WRONG) -> Outcome:
    """One reviewer's 50 verdicts: a wrong one takes a true incident for false, a false one for malicious. The last two figures are of
    incidents that the reviewer did not see: verdicts are given on a random half of the incidents and figures taken on the other half."""
    draw = random.Random(seed)
    plain = sorted(incidents, key=lambda known: (-known[0].bits, known[0].id))
    everywhere = touched(incident for incident, *_ in plain)
    rows = [features(incident, findings, everywhere) for incident, findings, _ in plain]
    truth = [worth for *_, worth in plain]

    def told(worth: float) -> float:
        return float(not worth) if draw.random() < wrong else worth

    seen = _reviewed(rows, truth, reviews, told)
    half = list(range(len(rows)))
    draw.shuffle(half)
    taught, rest = half[: len(half) // 2][:reviews], sorted(half[len(half) // 2 :])
    scores, _ = ranking.fit([(rows[n], told(truth[n])) for n in taught]).attack.moments(rows)
    return Outcome(
        found=sum(truth[n] > 0 for n in seen),
        found_without=sum(worth > 0 for worth in truth[:reviews]),
        malicious=sum(truth[n] == 1 for n in seen),
        malicious_without=sum(worth == 1 for worth in truth[:reviews]),
        false_by_bits=_false_above([truth[n] > 0 for n in rest]),
        false_by_rank=_false_above([truth[n] > 0 for n in sorted(rest, key=lambda n: -scores[n])]),
    )


def _reviewed(
    rows: Sequence[Features], truth: Sequence[float], reviews: int, told: Callable[[float], float]
) -> list[int]:  # fmt: skip
    """Who was reviewed, by number: the first of the queue, which is sorted anew after every verdict (what it is `told` to be)."""
    seen: list[int] = []
    judged: list[tuple[Features, float]] = []
    waiting = list(range(len(rows)))
    while waiting and len(seen) < reviews:
        if len(judged) >= ranking.LEAST:
            places = ranking.fit(judged).places(rows)
            waiting.sort(key=lambda n: -places[n])
        seen.append(waiting.pop(0))
        judged.append((rows[seen[-1]], told(truth[seen[-1]])))
    return seen


def _false_above(ranked: Sequence[bool]) -> int:
    """False incidents before `RECALL` of the true ones are found, of incidents that are true or not in this order."""
    wanted = RECALL * sum(ranked)
    found = false = 0
    for attack in ranked:
        if found >= wanted:
            break
        found, false = found + attack, false + (not attack)
    return false
