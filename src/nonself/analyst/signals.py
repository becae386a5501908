"""Signals: what a verdict is weighed by. Each is a fact and the steps it may climb; each step is worth some bits (`weights.toml`).

Two kinds of weights use them. *Malice*: bits for malicious explanations against harmless ones, of which a signal's sign is fixed here, so
that more of what speaks for malice never lowers it. *Shape*: which of the malicious, and which of the harmless, explanations it is, given
that it is one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from nonself.analyst.facts import Facts


@dataclass(frozen=True, slots=True)
class Signal:
    """`value` of the facts has climbed as many of the `steps`, in ascending order, as it reaches. `sign` is what each of them may do: 1
    speak for malice, -1 against it, 0 either."""

    name: str
    says: str
    value: Callable[[Facts], float]
    steps: tuple[float, ...] = (1,)
    sign: Literal[-1, 0, 1] = 1

    def climbed(self, facts: Facts) -> int:
        """How many of the steps are reached."""
        value = self.value(facts)
        return sum(value >= step for step in self.steps)


MALICE: tuple[Signal, ...] = (
    Signal("telling", "a finding of many bits by a detector that hardly ever speaks here", lambda f: f.best, (2, 4, 6, 8, 12)),
    Signal("late tactics", "tactics of an intruder who is in", lambda f: f.late, (1, 2, 3)),
    Signal("stages", "rules of several tactics", lambda f: f.stages, (2, 3, 4)),
    Signal("grave rules", "rules of level high or critical matched", lambda f: f.grave, (1, 2, 3)),
    Signal("surprising behaviour", "a learnt detector found something at many bits", lambda f: f.learnt, (9, 12)),
    Signal(
        "not alone",
        "something else that tells is in it, or was found of the same accounts or machines within a day",
        lambda f: f.near,
        (3, 6, 9, 12, 15),
    ),
    Signal("out of hours", "it happened in hours in which few people act here", lambda f: f.out_of_hours, (0.5, 0.9)),
    Signal("new role", "roles of the cloud were taken that are hardly ever taken here", lambda f: f.new_roles),
    Signal("regular", "calls at regular times were found", lambda f: f.regular),
    Signal("regular and alone", "and one machine alone met an outside address or domain", lambda f: f.alone),
    Signal("refused", "the cloud refused calls", lambda f: f.refused),
    Signal("lone caller", "one machine alone called an outside address while nobody was at work", lambda f: f.lone_hours, (1, 4, 12, 30)),
    Signal("names under one", "a machine asked for very many names under one domain", lambda f: f.under_one, (8, 30)),
    Signal("rare deeds", "a cloud account did several times what hardly anybody here does", lambda f: f.deeds, (2, 6)),
    Signal("many calls", "the evidence holds many calls to the cloud", lambda f: f.calls, (15, 40)),
    Signal("many names", "the evidence holds many DNS questions", lambda f: f.names, (40, 150)),
    Signal("many connections", "the evidence holds many connections of one pair", lambda f: f.flows, (20, 60)),
    Signal("recurring", "the same was found of the same on three days or more", lambda f: f.recurring, (0.3, 0.6, 0.95), -1),
    Signal("everywhere", "the rules matched about many machines or accounts here", lambda f: f.everywhere, (0.5, 1), -1),
    Signal("wide", "it touches very many entities", lambda f: f.entities, (40, 100), -1),
    Signal("failures", "much of what is new in it says of itself that it failed", lambda f: f.failures, (10,), -1),
)

SHAPE: tuple[Signal, ...] = (
    Signal("of programs", "the evidence is of programs and files", lambda f: f.software, (0.1, 0.5), 0),
    Signal("of the network", "the evidence is of the network", lambda f: f.network, (0.1, 0.5, 0.9), 0),
    Signal("of the cloud", "the evidence is of cloud services", lambda f: f.cloud, (0.1, 0.5), 0),
    Signal("in vain", "logons failed and none succeeded", lambda f: f.failed, (0.5, 1), 0),
    Signal("failures", "much of what is new in it says of itself that it failed", lambda f: f.failures, (3, 10), 0),
    Signal("recurring", "the same was found of the same on three days or more", lambda f: f.recurring, (0.3, 0.95), 0),
    Signal("everywhere", "the rules matched about many machines or accounts here", lambda f: f.everywhere, (0.5, 1), 0),
    Signal("rare rules", "rules matched that are rare here, or grave", lambda f: f.lone_rules, (1, 3), 0),
    Signal("wide", "it touches very many entities", lambda f: f.entities, (15, 40), 0),
)


def design(signals: Sequence[Signal], facts: Facts) -> list[float]:
    """One column a step, 1 where it is reached."""
    return [float(n < signal.climbed(facts)) for signal in signals for n in range(len(signal.steps))]
