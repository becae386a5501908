"""Suricata's EVE records: what the intrusion detection at the gateway raises of connections, JSON lines."""

from __future__ import annotations

import random

import orjson

from nonself.lab.world.clock import when
from nonself.lab.world.emit_zeek import Flow
from nonself.lab.world.write import Journal

SIGNATURES: dict[str, tuple[int, str, str, int]] = {
    "guess": (3000101, "SCAN repeated SSH logins from one source", "Attempted Administrator Privilege Gain", 1),
    "probe": (3000102, "WEB request for a file that tells configuration", "Web Application Attack", 1),
    "agent": (3000201, "POLICY scripting library as user agent", "Potential Corporate Privacy Violation", 3),
    "tunnel": (3000301, "DNS unusually long query name", "Potentially Bad Traffic", 2),
}
"""What the sensor's rule set raises: id, signature, category, severity (1 is the worst)."""


class Eve:
    """Writes alerts. The sensor sees what passes the gateway."""

    def __init__(self, journal: Journal, rng: random.Random) -> None:
        self._journal, self._rng = journal, rng

    def alert(self, flow: Flow, name: str, app: str = "failed") -> None:
        number, signature, category, severity = SIGNATURES[name]
        at, flow_id = flow.at + 40_000, self._rng.getrandbits(50)
        stamp = when(at).strftime("%Y-%m-%dT%H:%M:%S.%f+0000")
        record = {
            "timestamp": stamp,
            "flow_id": flow_id,
            "in_iface": "eth1",
            "event_type": "alert",
            "src_ip": flow.src,
            "src_port": flow.sport,
            "dest_ip": flow.dst,
            "dest_port": flow.dport,
            "proto": flow.proto.upper(),
            "alert": {
                "action": "allowed",
                "gid": 1,
                "signature_id": number,
                "rev": 1,
                "signature": signature,
                "category": category,
                "severity": severity,
            },
            "app_proto": app,
        }
        self._journal.add("eve", at + 500_000, orjson.dumps(record), str(flow_id), at, flow.host, flow.user)
