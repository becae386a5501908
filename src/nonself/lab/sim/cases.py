"""Which companies are measured: seeds, sizes, and who attacks whom in which way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from nonself.lab.attacks import CAMPAIGNS, Attack
from nonself.lab.attacks.plan import Variant

DEVELOPMENT_SEEDS: tuple[int, ...] = (7, 11, 23, 31, 47)
"""Seeds to look at, tune on and show: the demonstration's is among them."""
BENCHMARK_SEEDS: tuple[int, ...] = (1_009, 2_003, 3_001, 4_001, 5_003)
"""Seeds that figures are published of. Nobody looks into these companies, and nothing is tuned on them."""
SMALL, LARGE = (40, 0.2), (200, 0.1)
"""People and activity of the two sizes."""
DAYS, WARM_UP = 21, 7
"""Days of a case, and of it those after which false alarms count."""
TOGETHER = 4
"""Campaigns of one case."""


@dataclass(frozen=True, slots=True)
class Case:
    """One company to be measured on."""

    seed: int
    people: int
    activity: float
    attack: str  # as `attacks.parse` takes it
    days: int = DAYS


def cases(*, full: bool = False, development: bool = False) -> list[Case]:
    """Three seeds of the small size, which all twelve campaigns are spread over; `full`: all five of both sizes. `development`: the seeds
    that may be looked at."""
    seeds = DEVELOPMENT_SEEDS if development else BENCHMARK_SEEDS
    sizes = (SMALL, LARGE) if full else (SMALL,)
    return [
        Case(seed, people, activity, attacks(number + size))
        for size, (people, activity) in enumerate(sizes)
        for number, seed in enumerate(seeds if full else seeds[:3])
    ]


def attacks(number: int) -> str:
    """The campaigns of case `number`, each in another way: twelve campaigns come round in three cases, six ways in six."""
    names, ways = list(CAMPAIGNS), get_args(Variant)
    chosen = []
    for place in range(TOGETHER):
        name, way = names[(number * TOGETHER + place) % len(names)], ways[(number + place) % len(ways)]
        late = CAMPAIGNS[name].days(way) > DAYS - DAYS // 3 - 3  # too long to begin after the first third
        chosen.append(Attack(CAMPAIGNS[name], "plain" if late or (way == "overlap" and not place) else way).name)
    return ",".join(chosen)
