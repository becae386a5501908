"""An incident as an OCSF 1.8 Incident Finding (class 2005), one JSON line each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nonself import __version__
from nonself.core import attack, safe
from nonself.core.finding import Finding
from nonself.core.schema import OCSF_VERSION
from nonself.serve.export_parts import Told, millis, told

_VERDICTS = {
    "malicious": (2, "True Positive"), "attempt": (4, "Suspicious"), "benign trigger": (5, "Benign"), "false alarm": (1, "False Positive"),
    "unsure": (7, "Insufficient Data"),
}  # fmt: skip
_SEVERITIES = ((60.0, 5, "Critical"), (30.0, 4, "High"), (15.0, 3, "Medium"), (0.0, 2, "Low"))
"""Bits from which on a severity is given, as the queue is coloured."""


def write(incidents: Sequence[Told]) -> str:
    """All incidents, a line each."""
    return "".join(safe.json(finding(one)) + "\n" for one in incidents)


def finding(one: Told) -> dict[str, Any]:
    """One incident."""
    incident = one.incident
    _, severity, caption = next(row for row in _SEVERITIES if max(0.0, incident.bits) >= row[0])
    verdict = _VERDICTS[one.verdict.judgement] if one.verdict else (0, "Unknown")
    closed = incident.state == "closed"
    return {
        "activity_id": 3 if closed else 1, "activity_name": "Close" if closed else "Create", "category_uid": 2, "category_name": "Findings",
        "class_uid": 2005, "class_name": "Incident Finding", "type_uid": 200503 if closed else 200501,
        "time": millis(incident.changed or incident.end), "start_time": millis(incident.start), "end_time": millis(incident.end),
        "severity_id": severity, "severity": caption, "status_id": 5 if closed else 1, "status": "Closed" if closed else "New",
        "verdict_id": verdict[0], "verdict": verdict[1], "message": told(incident.title),
        "assignee_group": {"name": "unassigned", "uid": "unassigned"},
        "attacks": [_attack(t, stage.tactic) for stage in incident.stages for t in stage.techniques if attack.name(t)],
        "finding_info_list": [_info(part) for part in one.story.findings],
        "metadata": {
            "product": {"name": "nonself", "vendor_name": "nonself", "version": __version__}, "profiles": [], "version": OCSF_VERSION,
            "uid": incident.id,
        },
        "unmapped": {"bits": round(incident.bits, 3), "shown": incident.shown, "why": told(incident.why)},
    }  # fmt: skip


def _attack(technique: str, tactic: str) -> dict[str, Any]:
    ids = {name: uid for uid, name in attack.TACTIC_IDS.items()}
    told_as = {"uid": technique.partition(".")[0], "name": attack.name(technique.partition(".")[0])}
    sub = {"sub_technique": {"uid": technique, "name": attack.name(technique)}} if "." in technique else {}
    return {
        "technique": told_as,
        **sub,
        "tactic": {"uid": ids.get(tactic, ""), "name": attack.TACTICS.get(tactic, tactic)},
        "version": "15.1",
    }


def _info(part: Finding) -> dict[str, Any]:
    return {
        "uid": part.id, "title": told(part.title), "types": [told(part.detector, 128)], "first_seen_time": millis(part.start),
        "last_seen_time": millis(part.end), "related_events": [{"uid": uid} for uid in part.events], "related_events_count": part.n_events,
    }  # fmt: skip
