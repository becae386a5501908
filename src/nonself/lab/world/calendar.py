"""Days that differ from others: month ends, patch nights, releases. Weekends and holidays are the company's own (`Company.workday`)."""

from __future__ import annotations

import functools

from nonself.lab.world.clock import DAY, when
from nonself.lab.world.company import Company, workday


def end_of_month(company: Company, day: int) -> bool:
    """The last two working days of a month, when books are closed."""
    rest = [later for later in range(day + 1, day + 8) if company.workday(later)]
    return company.workday(day) and _month(company, rest[min(1, len(rest) - 1)]) != _month(company, day)


def _month(company: Company, day: int) -> int:
    return when(company.first + day * DAY).month


def patch_day(company: Company, day: int) -> bool:
    """The day after a month's second Tuesday: machines are patched in its small hours."""
    moment = when(company.first + day * DAY)
    return moment.weekday() == 2 and 9 <= moment.day <= 15


def release_day(company: Company, day: int) -> bool:
    """Every second Tuesday a release goes out."""
    number = company.first // DAY + day
    return number % 7 == 5 and number // 7 % 2 == 0 and company.workday(day)


def workdays(company: Company) -> tuple[int, ...]:
    """The working days of this world, in order."""
    return _workdays(company.first, company.days)


@functools.lru_cache(maxsize=16)
def _workdays(first: int, days: int) -> tuple[int, ...]:
    return tuple(day for day in range(days) if workday(first, day))


def nth(company: Company, number: int) -> int:
    """The working day `number` (from 0), or the last there is; -1 where there is none."""
    return next(iter(workdays(company)[: number + 1][-1:]), -1)


def weekly(company: Company, number: int) -> tuple[int, ...]:
    """Working day `number` (from 0) of each five."""
    return workdays(company)[number::5] or (nth(company, number),)
