"""Incidents as a STIX 2.1 bundle: an incident, what was observed, the ATT&CK techniques, and a report that holds them together.

Written by hand, since it is a dozen fields; the `stix2` library judges it in the tests.
"""

from __future__ import annotations

import ipaddress
import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from nonself.core import attack, safe
from nonself.serve.export_parts import Told, observables, stable, techniques, told

_OBSERVABLES = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""The namespace that STIX 2.1 gives observables' ids (section 2.9)."""
Object = dict[str, Any]


def write(incidents: Sequence[Told]) -> str:
    """One bundle of all incidents."""
    objects: dict[str, Object] = {}
    for one in incidents:
        for part in _objects(one):
            objects.setdefault(part["id"], part)
    name = stable("bundle", *(one.incident.id for one in incidents))
    bundle: Object = {"type": "bundle", "id": f"bundle--{name}"}
    if objects:
        bundle["objects"] = list(objects.values())
    return safe.json(bundle) + "\n"


def _objects(one: Told) -> list[Object]:
    incident, begun, changed = (
        one.incident,
        _time(one.incident.raised or one.incident.start),
        _time(one.incident.changed or one.incident.end),
    )
    source = _dated("identity", "nonself", "1970-01-01T00:00:00.000Z", name="nonself", identity_class="system")
    by = {"created_by_ref": source["id"]}
    patterns = [_pattern(technique, source["id"]) for technique in techniques([incident])]
    seen = list({part["id"]: part for part in (_observable(sort, value) for sort, value in observables(incident))}.values())
    text = f"{incident.bits:.1f} bits, {len(incident.findings)} findings, {incident.n_events} events. {told(incident.why)}".strip()
    event = _dated("incident", incident.id, begun, changed, name=told(incident.title), description=text, **by)
    objects: list[Object] = [source, event, *patterns, *seen]
    if seen:
        observed = _dated(
            "observed-data", incident.id, begun, changed, first_observed=_time(incident.start), last_observed=_time(incident.end),
            number_observed=max(1, min(999_999_999, incident.n_events)), object_refs=[part["id"] for part in seen], **by,
        )  # fmt: skip
        objects.append(observed)
    refs = [part["id"] for part in objects]
    title = told(incident.title)
    report = _dated("report", incident.id, begun, changed, name=title, published=changed, report_types=["threat-report"], **by)
    report["object_refs"] = refs
    return [*objects, report]


def _dated(kind: str, key: str, created: str, modified: str = "", **more: Any) -> Object:
    about = {"spec_version": "2.1", "id": f"{kind}--{stable(kind, key)}", "created": created, "modified": max(created, modified)}
    return {"type": kind, **about, **more}


def _pattern(technique: str, by: str) -> Object:
    when = "1970-01-01T00:00:00.000Z"
    pattern = _dated("attack-pattern", technique, when, name=attack.name(technique), created_by_ref=by)
    pattern["external_references"] = [{"source_name": "mitre-attack", "external_id": technique}]
    phases = [{"kill_chain_name": "mitre-attack", "phase_name": tactic} for tactic in attack.tactics(technique)]
    return {**pattern, "kill_chain_phases": phases} if phases else pattern


def _observable(sort: str, value: str) -> Object:
    if sort == "ip":
        return _seen(f"ipv{ipaddress.ip_address(value).version}-addr", {"value": value})
    if sort == "domain":
        return _seen("domain-name", {"value": value})
    if sort in ("host", "user"):
        return _seen("user-account", {"account_login": value}) if sort == "user" else _seen("x-nonself-host", {"value": value})
    return _seen("file", {"hashes": {sort: value}})


def _seen(kind: str, more: Object) -> Object:
    text = json.dumps(more, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return {"type": kind, "spec_version": "2.1", "id": f"{kind}--{uuid.uuid5(_OBSERVABLES, text)}", **more}


def _time(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03}Z"
