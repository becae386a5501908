"""Where people work, and the networks of their laptops."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Office:
    """A place of work. `net` opens its addresses, `shift` moves its working hours against the head office's, in hours."""

    name: str
    net: str
    country: str
    shift: float


OFFICES = (Office("Porto", "10.20", "Portugal", 0.0), Office("Galway", "10.21", "Ireland", 0.5), Office("Tartu", "10.22", "Estonia", -2.0))
BLOCK = 50
"""People of one network; of each four networks two are the head office's."""


def address(office: Office, index: int, host: int | None = None) -> str:
    """The address of laptop `index`, or of place `host` in its network."""
    return f"{office.net}.{10 + index // BLOCK}.{20 + (index % BLOCK if host is None else host)}"
