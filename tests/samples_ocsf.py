"""Small OCSF events of other producers' making, and Parquet of them, written for these tests."""

from __future__ import annotations

import io
import json
from typing import Any

import polars as pl

_METADATA = {"version": "1.5.0", "product": {"name": "Gatekeeper", "vendor_name": "Example"}, "log_name": "audit"}
LOGON: dict[str, Any] = {
    "class_uid": 3002, "category_uid": 3, "activity_id": 1, "type_uid": 300201, "severity_id": 1, "time": 1772445601250, "status_id": 2,
    "metadata": {**_METADATA, "event_code": "user.session.start"}, "user": {"name": "ann", "uid": "00u1", "type_id": 1, "domain": "corp"},
    "src_endpoint": {"ip": "198.51.100.7", "location": {"country": "NL"}}, "service": {"name": "portal"}, "is_mfa": True,
    "auth_protocol": "SAML", "status_code": "INVALID_CREDENTIALS", "unmapped": {"debug": {"risk": "HIGH"}},
}  # fmt: skip
PROCESS: dict[str, Any] = {
    "activity_id": 1, "category_uid": 1, "class_uid": 1007, "type_uid": 100701, "severity_id": 3, "time": 1772445602000,
    "metadata": _METADATA, "device": {"hostname": "ws5", "uid": "agent-7", "type_id": 2},
    "actor": {"user": {"name": "bob"}, "process":
              {"pid": 40, "uid": "p-40", "cmd_line": "bash", "file": {"path": "/bin/bash", "name": "bash"}}},
    "process": {
        "pid": 41, "uid": "p-41", "cmd_line": "curl -s http://x", "file": {
            "path": "/usr/bin/curl", "name": "curl", "type_id": 1,
            "hashes": [{"algorithm_id": 1, "value": "A1" * 16}, {"algorithm_id": 3, "value": "C3" * 32}],
        },
    },
}  # fmt: skip
DNS: dict[str, Any] = {
    "metadata": _METADATA, "class_uid": 4003, "category_uid": 4, "activity_id": 6, "type_uid": 400306, "severity_id": 1,
    "time": 1772445603000, "time_dt": "2026-03-02T10:00:03.000250Z", "src_endpoint": {"ip": "10.0.0.5", "port": 50123},
    "dst_endpoint": {"ip": "10.0.0.1", "port": 53}, "query": {"hostname": "www.example.org", "type": "A"},
    "rcode": "NoError", "rcode_id": 0,
    "answers": [{"rdata": "192.0.2.7"}, {"rdata": "192.0.2.8"}], "connection_info": {"direction_id": 2, "protocol_name": "udp"},
}  # fmt: skip
FINDING: dict[str, Any] = {
    "class_uid": 2004, "category_uid": 2, "activity_id": 1, "type_uid": 200401, "severity_id": 4, "time": 1772445604000,
    "metadata": _METADATA, "risk_score": 73, "finding_info": {
        "uid": "f-1", "title": "Beaconing",
        "attacks": [{"tactic": {"uid": "TA0011"}, "technique": {"uid": "T1071"}}, {"tactic": {"name": "x"}}],
    },
    "evidences": [{"src_endpoint": {"ip": "10.0.0.5"}, "dst_endpoint": {"ip": "203.0.113.9", "port": 443}}],
    "resources": [{"uid": "arn:aws:ec2:i-1"}],
}  # fmt: skip
EVENTS = (LOGON, PROCESS, DNS, FINDING)


def _lines(*records: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def parquet(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


def lake(*records: dict[str, Any]) -> pl.DataFrame:
    """Records as nested columns, as Security Lake keeps them: absent attributes are nulls."""
    return pl.read_ndjson(io.BytesIO(_lines(*records)), infer_schema_length=None)


OWN = pl.DataFrame({
    "time": pl.Series([1772445601250000 + at for at in range(3)]).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
    "class_uid": pl.Series([3002, 3002, 4003], dtype=pl.Int32), "user": ["ann", "bob", None], "src_ip": ["10.0.0.5"] * 3,
    "raw": ["one", "two", "three"],
})  # fmt: skip

OCSF = [
    ("events.jsonl", _lines(*EVENTS), 4),
    ("array.json", json.dumps([LOGON, FINDING], indent=1).encode(), 2),
    ("one.json", json.dumps(PROCESS, indent=2).encode(), 1),
]
VPC = pl.DataFrame({
    "version": [2, 2, 2], "account_id": ["123456789012"] * 3, "interface_id": ["eni-0a1b"] * 3, "srcaddr": ["10.0.0.5", "192.0.2.9", None],
    "dstaddr": ["192.0.2.9", "10.0.0.5", None], "srcport": [50_001, 443, None], "dstport": [443, 50_001, None], "protocol": [6, 6, None],
    "packets": [20, 18, None], "bytes": [4_249, 90_000, None], "start": [1_772_445_600, 1_772_445_601, 1_772_445_660],
    "end": [1_772_445_660, 1_772_445_661, 1_772_445_720], "action": ["ACCEPT", "REJECT", None], "log_status": ["OK", "OK", "NODATA"],
    "region": ["eu-west-1"] * 3, "hour": ["10"] * 3,
})  # fmt: skip
"""AWS VPC flow logs as AWS writes them in Parquet, and a column of a partition."""
PARQUET = [("lake.parquet", parquet(lake(LOGON, DNS, FINDING)), 3), ("own.parquet", parquet(OWN), 3), ("vpc.parquet", parquet(VPC), 3)]
