"""Joints: what two findings can share, so that the one may be part of the other's story."""

from __future__ import annotations

from dataclasses import dataclass

from nonself.core.entities import kind
from nonself.core.finding import Finding

CONNECTION = "connection"
"""Kind of the joint that is made of two entities: an address and the one far end it met. Where the far end is met by everybody, the pair
still is not."""


@dataclass(frozen=True, slots=True)
class Joint:
    """`name` for people. A `lasting` one carries a story on for as long as each finding follows the last one closely enough; the others
    (a host, a user) are busy with something new every day, so they carry it for one linger from when it came to them."""

    name: str
    lasting: bool


JOINTS: dict[str, Joint] = {
    CONNECTION: Joint("same connection", lasting=True),
    "process": Joint("same process", lasting=True),
    "hash": Joint("same hash", lasting=True),
    "cred": Joint("same credential", lasting=True),
    "domain": Joint("same domain", lasting=True),
    "file": Joint("same file", lasting=True),
    "resource": Joint("same resource", lasting=True),
    "ip": Joint("same address", lasting=False),
    "host": Joint("same host", lasting=False),
    "user": Joint("same user", lasting=False),
    "role": Joint("same role", lasting=False),
}
"""Entity kind -> joint, the most telling first: of two edges that cost the same, the first is named. Other kinds join nothing."""


def joints(finding: Finding) -> list[str]:
    """What a finding can be joined by: its own entity, the others it touches, and its connection; kinds that join nothing left out."""
    named = [name for name in dict.fromkeys((finding.entity, *finding.entities)) if kind(name) in JOINTS]
    if kind(finding.entity) == "ip":
        far = [name for name in named if name != finding.entity and kind(name) in ("ip", "domain")]
        if len(far) == 1:
            named.append(f"{CONNECTION}:{finding.entity} {far[0]}")
    return named


def shown(name: str) -> str:
    """A joint's entity as an edge tells it: of a connection the far end."""
    return name.rpartition(" ")[2] if kind(name) == CONNECTION else name
