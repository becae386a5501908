"""Who is here on a day, before which laptop, at which address: the company as that day finds it.

People join and leave, laptops are replaced, and the address server gives a returning laptop another address now and then.
"""

from __future__ import annotations

import functools
from dataclasses import replace

from nonself.lab.world.clock import DAY, HOUR, stream
from nonself.lab.world.company import Company, Machine, Person, machine
from nonself.lab.world.offices import BLOCK, address

LEASES = 120
"""Addresses of one network's pool."""
MOVES = 6
"""Places of a network that change hands each night."""


def on(company: Company, day: int) -> Company:
    """The company of one day: those who work here then, each with the laptop and the address of that day."""
    here = [(index, person) for index, person in enumerate(company.people) if person.joins <= day < person.leaves]
    return replace(company, people=tuple(replace(person, machine=_laptop(company, index, person, day)) for index, person in here))


def _laptop(company: Company, index: int, person: Person, day: int) -> Machine:
    made = person.machine
    if day >= person.swap:
        name, since = f"{made.name}N", person.swap
        made = machine(company.seed, name, made.ip, "windows", "laptop", company.first, made.docked)
        made = replace(made, boot=company.first + since * DAY - HOUR)
    elif person.joins >= 0:
        made = replace(made, boot=company.first + person.joins * DAY - HOUR)
    return replace(made, ip=address(person.office, index, _leases(company.seed, index // BLOCK, day)[index % BLOCK]))


@functools.lru_cache(maxsize=4_096)
def _leases(seed: int, block: int, day: int) -> tuple[int, ...]:
    """Place in the pool of each laptop of a network on a day: each night a few places change hands, most of them with free ones."""
    if day <= 0:
        return tuple(range(LEASES))
    places, rng = list(_leases(seed, block, day - 1)), stream(seed, "leases", block, day)
    for _ in range(MOVES):
        a, b = rng.randrange(BLOCK), rng.randrange(LEASES)
        places[a], places[b] = places[b], places[a]
    return tuple(places)
