"""What all exports of incidents share: their parts, in words that are safe to show, and identifiers that are the same on every run."""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from nonself.core import attack, safe
from nonself.core.entities import kind
from nonself.core.incident import Incident
from nonself.core.verdict import Verdict
from nonself.serve.story import Story

_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/nonself")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_HASHES = {32: "MD5", 40: "SHA-1", 64: "SHA-256"}


@dataclass(frozen=True, slots=True)
class Told:
    """A story to be exported, and the verdict on it, if there is one."""

    story: Story
    verdict: Verdict | None

    @property
    def incident(self) -> Incident:
        return self.story.incident


def stable(*parts: str) -> str:
    """A UUID that is the same for the same parts."""
    return str(uuid.uuid5(_SPACE, "\0".join(part.encode("utf-8", "backslashreplace").decode() for part in parts)))


def told(text: str, limit: int = 500) -> str:
    """Text from logs as one line that is safe to show."""
    return safe.terminal(safe.shorten(text, limit))


def observables(incident: Incident) -> list[tuple[str, str]]:
    """(kind, value) of the incident's entities that other tools can match, most involved first: `ip`, `domain`, a hash by its name, `host`,
    `user`. Only well-formed addresses, domains and hashes: what an attacker put in their place is no indicator."""
    found = []
    for name in incident.entities:
        sort, value = kind(name), name.partition(":")[2]
        if sort in ("ip", "domain", "hash"):
            known = _well_formed(sort, value)
            if known:
                found.append((known, value))
        elif sort in ("host", "user"):
            found.append((sort, told(value, 256)))
    return found


def _well_formed(sort: str, value: str) -> str:
    if sort == "domain":
        return "domain" if _DOMAIN.fullmatch(value) else ""
    if sort == "hash":
        return _HASHES.get(len(value), "") if re.fullmatch(r"[0-9a-f]+", value) else ""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return ""
    return "ip"


def techniques(incidents: Iterable[Incident]) -> list[str]:
    """ATT&CK techniques of some incidents, in order, each once."""
    return sorted({t for incident in incidents for stage in incident.stages for t in stage.techniques if attack.name(t)})


def millis(when: datetime) -> int:
    """Milliseconds since 1970."""
    return int((when - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
