"""Benign triggers: things that look odd and are not. Half of what an analyst sees is of this kind, so they are here on purpose; and
attempts from outside, which are most of the other half."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nonself.lab.world import calendar, life, routine, turnover
from nonself.lab.world.calendar import nth, weekly
from nonself.lab.world.clock import DAY, stream
from nonself.lab.world.company import Company, Person
from nonself.lab.world.emit import Scene
from nonself.lab.world.travel import LAN_ABROAD, trip
from nonself.lab.world.write import Journal, Label


@dataclass(frozen=True, slots=True)
class Trigger:
    """`when` says whether it happens on a day (counted from the first); `act` makes it happen on one that begins at a time."""

    name: str
    when: Callable[[Company, int], bool]
    act: Callable[[Scene, int], None]
    kind: str = "benign trigger"
    technique: str = ""


def live(company: Company, journal: Journal, person: Person, day: int) -> None:
    """A person's day, in the office or, for travellers, the same work seen from another network."""
    if trip(company, person, day):
        with journal.labelled(Label("benign trigger", "travel", "travel", "", day)):
            life.live(company, journal, person, day, LAN_ABROAD)
    else:
        life.live(company, journal, person, day, fashions=turnover.fashions(company, day))


def happen(company: Company, journal: Journal, day: int) -> None:
    """All triggers of one day that are nobody's own."""
    for number, trigger in enumerate(TRIGGERS):
        if trigger.when(company, day):
            label = Label(trigger.kind, trigger.name, trigger.name, trigger.technique, number * 1_000 + day)
            with journal.labelled(label):
                trigger.act(Scene(company, journal, stream(company.seed, "trigger", trigger.name, day)), company.first + day * DAY)


def _each_week(number: int) -> Callable[[Company, int], bool]:
    return lambda company, day: day in weekly(company, number)


def _since(number: int) -> Callable[[Company, int], bool]:
    return lambda company, day: day >= nth(company, number)


def _always(company: Company, day: int) -> bool:
    return True


def _some_days(company: Company, day: int) -> bool:
    return day == nth(company, 1) or stream(company.seed, "spray", day).random() < 0.25


TRIGGERS: tuple[Trigger, ...] = (
    Trigger("vulnerability scan", _each_week(1), routine.scan),
    Trigger("encoded script by software distribution", _each_week(1), routine.encoded),
    Trigger("nightly backup", _always, routine.backup),
    Trigger("forgotten password", _each_week(2), turnover.forgotten),
    Trigger("software roll-out", lambda company, day: day == nth(company, 2), routine.roll_out),
    Trigger("software reporting", _since(3), routine.report),
    Trigger("access key change", _each_week(1), routine.new_key),
    Trigger("remote console", _each_week(0), routine.remote_tool),
    Trigger("joiner", _always, turnover.joiners),
    Trigger("leaver", _always, turnover.leavers),
    Trigger("patch night", calendar.patch_day, routine.patch),
    Trigger("penetration test", lambda company, day: day == nth(company, 6), routine.pentest),
    Trigger("password spraying", _some_days, turnover.spray, "attempt", "T1110.003"),
)
"""All but two that live in a person's own day: `travel` and `new service`."""
