"""GuardDuty's findings: who connects to whom, how severe, in each way they are written."""

from __future__ import annotations

from typing import Any

import pytest

from test_sources_cloud import Record, row

REMOTE = {"ipAddressV4": "203.0.113.5"}


def finding(score: float, action: Record | None, **service: Any) -> Record:
    held = {"serviceName": "guardduty", "detectorId": "d", "eventLastSeen": "2026-03-02T10:00:00Z", "action": action, **service}
    return {"type": "X:EC2/Y", "severity": score, "id": "f", "service": held}


def connected(direction: str) -> Record:
    ends = {"localIpDetails": {"ipAddressV4": "192.0.2.7"}, "localPortDetails": {"port": 22}, "remotePortDetails": {"port": 5000}}
    return {"networkConnectionAction": {"connectionDirection": direction, "remoteIpDetails": REMOTE, **ends}}


def titled(value: Any) -> Any:
    """As AWS's command line writes it."""
    if isinstance(value, dict):
        return {name[0].upper() + name[1:]: titled(inner) for name, inner in value.items()}
    return [titled(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("way", [lambda one: one, lambda one: {"Findings": [titled(one)]}, lambda one: {"detail": one}])
@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (finding(8, connected("INBOUND")),
         {"src_ip": "203.0.113.5", "src_port": 5000, "dst_ip": "192.0.2.7", "dst_port": 22, "direction_id": 1, "severity_id": 4}),
        (finding(2.5, connected("OUTBOUND")), {"src_ip": "192.0.2.7", "src_port": 22, "dst_ip": "203.0.113.5", "severity_id": 2}),
        (finding(5, {"kubernetesApiCallAction": {"remoteIpDetails": REMOTE, "requestUri": "/api"}}),
         {"src_ip": "203.0.113.5", "url_path": "/api", "severity_id": 3}),
        (finding(9, None, runtimeDetails={"process": {"executablePath": "/tmp/nc", "pid": 77, "user": "ann"}}),
         {"image": "/tmp/nc", "pid": 77, "user": "ann", "severity_id": 5}),
    ],
)  # fmt: skip
def test_guardduty(record: Record, expected: Record, way: Any) -> None:
    found = row(way(record), "guardduty")
    assert {name: found.get(name) for name in expected} == expected
