"""Incidents as MISP core format: one event each (https://datatracker.ietf.org/doc/draft-dulaunoy-misp-core-format)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nonself.core import attack, safe
from nonself.serve.export_parts import Told, millis, observables, stable, techniques, told

TYPES = {
    "ip": ("ip-dst", "Network activity"), "domain": ("domain", "Network activity"), "MD5": ("md5", "Payload delivery"),
    "SHA-1": ("sha1", "Payload delivery"), "SHA-256": ("sha256", "Payload delivery"), "host": ("hostname", "Network activity"),
    "user": ("text", "Other"),
}  # fmt: skip
"""Kind of observable -> MISP type and category."""
_LEVELS = ((60.0, "1"), (30.0, "2"), (0.0, "3"))
"""Bits from which on a threat level is given: high, medium, low."""


def write(incidents: Sequence[Told]) -> str:
    """All events, as MISP's import takes them."""
    return safe.json({"response": [{"Event": event(one)} for one in incidents]}) + "\n"


def event(one: Told) -> dict[str, Any]:
    """One incident. Nothing is marked for automatic detection (`to_ids`): what an incident touches is mostly the site's own."""
    incident, stamp = one.incident, str(millis(one.incident.changed or one.incident.end) // 1000)
    level = next(level for bits, level in _LEVELS if max(0.0, incident.bits) >= bits)
    tags = [{"name": f'misp-galaxy:mitre-attack-pattern="{attack.name(t)} - {t}"'} for t in techniques([incident])]
    return {
        "uuid": stable("misp", incident.id), "info": told(incident.title) or incident.id, "date": f"{incident.start:%Y-%m-%d}",
        "timestamp": stamp, "threat_level_id": level, "analysis": "2" if incident.state == "closed" else "0", "distribution": "0",
        "published": False, "Tag": [*tags, {"name": "tlp:amber"}],
        "Attribute": [_attribute(incident.id, stamp, sort, value) for sort, value in observables(incident)],
    }  # fmt: skip


def _attribute(incident: str, stamp: str, sort: str, value: str) -> dict[str, Any]:
    kind, category = TYPES[sort]
    return {
        "uuid": stable("misp", incident, sort, value), "type": kind, "category": category, "value": value, "to_ids": False,
        "timestamp": stamp, "distribution": "5", "comment": f"{sort} of {incident}",
    }  # fmt: skip
