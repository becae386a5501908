"""Who works from where: trips abroad, and who sits in the office at a time."""

from __future__ import annotations

from nonself.lab.world import calendar, life
from nonself.lab.world.clock import DAY, MINUTE, stream
from nonself.lab.world.company import Company, Person

LAN_ABROAD = "192.168.178.43"
TRIPS = 0.02
"""Share of person-weeks in which somebody is away for a day or two."""


def trip(company: Company, person: Person, day: int) -> bool:
    """Whether somebody works from elsewhere that day. Whoever leaves the laptop on the desk never does."""
    if person.machine.docked or not company.workday(day):
        return False
    rng = stream(company.seed, "trip", person.login, day // 7)
    begin, last = rng.randrange(1, 4), rng.randrange(2)
    away = rng.random() < TRIPS and begin <= day % 7 <= begin + last
    return away or (day == calendar.nth(company, 2) and person.login == _sure(company))


def _sure(company: Company) -> str:
    """One developer who travels on the third working day in every company; somebody who is not absent then."""
    able = [person for person in company.of("developer") if not person.machine.docked and person.joins < 0]
    day = calendar.nth(company, 2)
    return next((person.login for person in able if life.shift(company, person, day)), able[0].login if able else "")


def present(company: Company, start: int, at: int) -> list[Person]:
    """Who sits before a laptop in the office at a time of the day that begins at `start`."""
    day = (start - company.first) // DAY
    shifts = [(person, life.shift(company, person, day)) for person in company.people]
    here = [person for person, one in shifts if one and one.start + 5 * MINUTE < at < one.end - 5 * MINUTE]
    return [person for person in here if not trip(company, person, day)]
