"""A campaign as data: steps in order, each a move with its ATT&CK technique and its time; and the ways a campaign may be led."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from nonself.lab.attacks.intrusion import Intrusion

Variant = Literal["plain", "slow", "noisy", "early", "shared", "overlap"]
VARIANTS: dict[str, str] = {
    "plain": "as the plan says",
    "slow": "ten times the time between steps, three times the days",
    "noisy": "each step three times, in a third of the time",
    "early": "begun in the first days, while everything is still being learnt",
    "shared": "by the laptop of an administrator, to the server that administrators repair by the same remote console",
    "overlap": "on the same day and from the same laptop as the campaign named before it",
}
"""Variant -> what it means."""


class Move(Protocol):
    """One thing done at a time."""

    def make(self, on: Intrusion, at: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Step:
    """A move of the plan, `after` so many minutes from the step before, give or take a third.

    `clock` starts anew instead: days after the first step's, and the hour.
    """

    name: str
    technique: str
    after: float
    move: Move
    clock: tuple[int, float] | None = None


@dataclass(frozen=True, slots=True)
class Campaign:
    """A plan and whom it befalls: `victim` is "office": somebody whose laptop stays on, or "leaver": whoever leaves.

    `hour` is when the first step is taken, None: some time after the victim has come.
    """

    name: str
    title: str
    plan: tuple[Step, ...]
    victim: Literal["office", "leaver"] = "office"
    hour: float | None = None

    def days(self, variant: Variant) -> int:
        """Days from the first step to the last."""
        return max((pace(step.clock[0], variant) for step in self.plan if step.clock), default=0)


def pace(days: int, variant: Variant) -> int:
    """Days after the first that a step of the plan takes place."""
    return days * 3 if variant == "slow" else days
