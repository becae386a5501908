"""Attacks: campaigns as declarative plans over the emitters of the world, led in several ways, each labelled step by step in the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from nonself.core.errors import UsageError
from nonself.lab.attacks import endpoint, services
from nonself.lab.attacks.intrusion import Intrusion, intrude
from nonself.lab.attacks.plan import Campaign, Step, Variant, pace
from nonself.lab.world import calendar, life
from nonself.lab.world.clock import DAY, HOUR, MINUTE, stream
from nonself.lab.world.company import EVER, Company, Person
from nonself.lab.world.emit import Scene
from nonself.lab.world.write import Journal, Label

CAMPAIGNS: dict[str, Campaign] = {campaign.name: campaign for campaign in (*endpoint.CAMPAIGNS, *services.CAMPAIGNS)}


@dataclass(frozen=True, slots=True)
class Attack:
    """One campaign led in one way. Its name in the truth is `campaign:variant`, the bare campaign where it is plain."""

    campaign: Campaign
    variant: Variant = "plain"

    @property
    def name(self) -> str:
        return self.campaign.name + (f":{self.variant}" if self.variant != "plain" else "")


def parse(text: str) -> tuple[Attack, ...]:
    """`NAME[:VARIANT],...` or `none`. UsageError for an unknown name or variant."""
    if text.strip() in ("none", ""):
        return ()
    attacks = []
    for part in text.split(","):
        name, _, variant = part.strip().partition(":")
        if name not in CAMPAIGNS:
            raise UsageError(expected=f"a campaign: {', '.join(CAMPAIGNS)}, or none", got=name, do="choose one of them", where="--attack")
        if variant and variant not in get_args(Variant):
            raise UsageError(expected=f"a variant: {', '.join(get_args(Variant))}", got=variant, do="choose one of them", where="--attack")
        attacks.append(Attack(CAMPAIGNS[name], variant or "plain"))  # type: ignore[arg-type]
    return tuple(attacks)


def befall(company: Company, journal: Journal, attacks: Sequence[Attack]) -> None:
    """Write these campaigns into the journal; their records are labelled, and otherwise made by the same hands as everything else.

    UsageError where the days are too few for one of them.
    """
    occasion: tuple[Person, int, int] | None = None
    for attack in attacks:
        if attack.variant != "overlap" or occasion is None:
            occasion = _occasion(company, attack)
        person, day, begin = occasion
        scene = Scene(company, journal, stream(company.seed, "campaign", attack.name))
        on = intrude(company, scene, person, day, attack.name, attack.variant == "shared")
        _lead(on, attack, day, begin)


def _lead(on: Intrusion, attack: Attack, day: int, begin: int) -> None:
    at, rng, variant = begin, on.scene.rng, attack.variant
    scale = {"slow": 10.0, "noisy": 1 / 3}.get(variant, 1.0)
    for number, step in enumerate(attack.campaign.plan):
        if step.clock:
            at = max(at, on.world.first + (day + pace(step.clock[0], variant)) * DAY + int((step.clock[1] + rng.uniform(0, 0.4)) * HOUR))
        quick = step.after < 1  # what one program does by itself, nobody slows down
        at += int(step.after * (1.0 if quick else scale) * rng.uniform(0.7, 1.3) * MINUTE)
        with on.scene.journal.labelled(Label("campaign", attack.name, step.name, step.technique, number)):
            _take(on, step, at, 3 if variant == "noisy" else 1)


def _take(on: Intrusion, step: Step, at: int, times: int) -> None:
    for _ in range(times):
        on.turn(at)
        step.move.make(on, at)
        at += int(on.scene.rng.uniform(0.1, 0.6) * MINUTE)


def _occasion(company: Company, attack: Attack) -> tuple[Person, int, int]:
    """Whom it befalls, the day, and when. Chance decides among the working days after the first third that leave room for the last step,
    or (`early`) among the first four."""
    campaign, rng = attack.campaign, stream(company.seed, "occasion", attack.name)
    days = _begins(company, campaign.days(attack.variant))
    days = days[:4] if attack.variant == "early" else [day for day in days if day >= company.days // 3] or days[-1:]
    rng.shuffle(days)
    for day in days:
        for person in _victims(company, attack, day, rng.random()):
            present = life.shift(company, person, day)
            if present and present.lunch - present.start > 2 * HOUR:
                begin = present.start + int(rng.uniform(60, 110) * MINUTE)
                if campaign.hour is not None:
                    begin = company.first + day * DAY + int((campaign.hour + rng.uniform(0, 0.5)) * HOUR)
                return person, day, begin
    raise UsageError(
        expected=f"days enough for {attack.name}: a working day and {campaign.days(attack.variant) + 1} more",
        got=f"{company.days} days",
        do="give more days, or a start on a Monday",
        where="lab",
    )


def _begins(company: Company, length: int) -> list[int]:
    """The working days that leave room for `length` days after them and one to spare, or none to spare where there are few."""
    workdays = calendar.workdays(company)
    spared = [day for day in workdays if day < company.days - 1 - length]
    return spared or [day for day in workdays if day < company.days - max(1, length)]


def _victims(company: Company, attack: Attack, day: int, chance: float) -> list[Person]:
    """Those it may befall, in the order of trial: their laptop stays on, and they stay here, unless leaving is what it is about."""
    campaign = attack.campaign
    lasting = [one for one in company.people if one.joins < 0 and one.leaves == EVER and one.swap == EVER and one.machine.docked]
    if attack.variant == "shared":
        chosen = [one for one in lasting if one.role == "admin"]
    elif campaign.victim == "leaver":
        chosen = [one for one in company.people if one.joins < 0 and day + campaign.days(attack.variant) < one.leaves < EVER]
    else:
        chosen = [one for one in lasting if one.role == "office"]
    chosen = chosen or [one for one in lasting if one.role != "admin"]
    start = int(chance * len(chosen))
    return chosen[start:] + chosen[:start]
