"""Two small incidents, one malicious and one not, whose every attacker-writable field can hold a payload; and what must hold of the report.

`state` builds a ledger of the incident in memory. The clean twin has a harmless text of our own in the same place.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from nonself.core import events as frames
from nonself.core.entities import ROLES
from nonself.core.events import Events
from nonself.core.finding import Finding, Reason
from nonself.core.incident import Incident, Stage
from nonself.lab.payloads import CANARY
from nonself.ledger import Batch, Conclusion, Ledger, Offset, no_dead

FIELDS = ("user_agent", "cmdline", "host", "query", "file_path", "user", "mail_subject")
"""Where a payload is put: user agents, command lines, host names, DNS labels, file names, user names, mail subjects."""
NEUTRAL: dict[str, str] = {
    "user_agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64)",
    "cmdline": "powershell.exe -File update.ps1",
    "host": "ws41",
    "query": "cdn.harbourloom.example",
    "file_path": "C:\\Users\\ann\\notes.txt",
    "user": "ann",
    "mail_subject": "Minutes of Tuesday",
}
_T0 = datetime(2026, 3, 4, 10, tzinfo=UTC)


def state(malicious: bool, texts: Mapping[str, str] | None = None) -> tuple[Ledger, Incident]:
    """A ledger with one incident; fields of `texts` hold those texts wherever the incident has them. The caller closes it."""
    values = {**NEUTRAL, **(texts or {})}
    events = _events(values, malicious)
    named = events.select(host=_role("host"), user=_role("user"), domain=_role("query"), ip=_role("dst_ip")).row(3, named=True)
    findings = _findings(events["uid"].to_list(), {kind: name or f"{kind}:unnamed" for kind, name in named.items()}, malicious)
    incident = _incident(findings)
    ledger = Ledger.open(":memory:")
    offset = Offset("sample.log", "aa", "sample", 1, 1, True, events.height, events.height, 0, 1)
    ledger.commit(Batch([offset], events, {}, no_dead()))
    ledger.conclude(Conclusion(findings, {}, [incident]))
    return ledger, incident


def _role(name: str) -> pl.Expr:
    return next(role.expr for role in ROLES if role.name == name)


def _events(values: dict[str, str], malicious: bool) -> Events:
    image = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"
    host, user, who = values["host"], values["user"], {"user_domain": "corp", "proc_guid": "{1-2-3}"}
    odd = "C:\\Users\\Public\\helper.exe" if malicious else "C:\\Program Files\\Reader\\reader.exe"
    rows: list[dict[str, Any]] = [
        {"class_uid": 3002, "activity_id": 1, "status_id": 1, "op": "4624", "user": user, "host": host, "src_ip": "10.1.0.9"},
        {"class_uid": 1007, "activity_id": 1, "op": "1", "image": image, "cmdline": values["cmdline"], "parent_image": "C:\\WINWORD.EXE"},
        {"class_uid": 1001, "activity_id": 1, "op": "11", "file_path": values["file_path"], "image": image},
        {"class_uid": 4003, "activity_id": 2, "op": "22", "query": values["query"], "image": image, "dst_ip": "198.51.100.7"},
        {
            "class_uid": 4001,
            "activity_id": 6,
            "op": "3",
            "src_ip": "10.1.0.9",
            "dst_ip": "198.51.100.7",
            "dst_port": 443,
            "bytes_out": 90_000,
        },
        {"class_uid": 4002, "op": "http", "src_ip": "10.1.0.9", "url_host": values["query"], "user_agent": values["user_agent"]},
        {"class_uid": 1007, "activity_id": 1, "op": "1", "image": odd, "cmdline": f"helper -p {CANARY}", "parent_guid": "{1-2-3}"},
    ]
    if malicious:
        lsass = "C:\\Windows\\System32\\lsass.exe"
        rows += [{"class_uid": 1007, "activity_id": 3, "op": "10", "image": odd, "tgt_image": lsass}, {"class_uid": 1008, "op": "1102"}]
    rows.append({"class_uid": 4009, "activity_id": 1, "op": "smtp", "src_ip": "10.1.0.9", "mail_subject": values["mail_subject"]})
    common = {"source": "sample", "origin": "sample.log", "host": host, "user": user, **who}
    made = [
        {**common, **row, "time": _T0 + timedelta(minutes=n), "record": n, "uid": frames.uid("sample", f"{malicious}{n}".encode())}
        for n, row in enumerate(rows)
    ]
    return frames.conform(pl.DataFrame(made, infer_schema_length=None))


def _findings(uids: list[str], named: dict[str, str], malicious: bool) -> list[Finding]:
    told: list[tuple[str, str, str, list[str], tuple[str, ...], str]] = [
        ("rare-dns-domain", "Question for an unusual domain", "ip", [*uids[:6], uids[-1]], (), "")
    ]
    if malicious:
        told += [
            (
                "sigma:office-shell",
                "Office program starts a script interpreter",
                "host",
                uids[1:2],
                ("initial-access", "execution"),
                "high",
            ),
            ("sigma:dropper", "Program run from a public folder", "host", uids[6:7], ("execution", "defense-evasion"), "medium"),
            ("sigma:cleared", "Security log cleared", "host", uids[8:9], ("defense-evasion",), "high"),
            ("sigma:memory", "Credentials read from memory", "user", uids[7:8], ("credential-access",), "high"),
        ]
    return [
        Finding(
            id=f"f{n}", detector=detector, title=title, entity=named[about], entities=tuple(dict.fromkeys(named.values())),
            start=_T0 + timedelta(minutes=n), end=_T0 + timedelta(minutes=n + 5), score=12.0, p=2**-12, n=5_000, bits=12.0,
            reasons=(Reason(feature="seen", seen="", normal="", bits=12.0),), events=tuple(events), n_events=len(events), tactics=tactics,
            level=level,
        )
        for n, (detector, title, about, events, tactics, level) in enumerate(told)
    ]  # fmt: skip


def _incident(findings: list[Finding]) -> Incident:
    tactics = dict.fromkeys(tactic for f in findings for tactic in f.tactics)
    return Incident(
        id="inc-bench",
        title=findings[-1].title,
        bits=sum(f.bits for f in findings),
        start=_T0,
        end=_T0 + timedelta(minutes=10),
        entities=findings[0].entities,
        stages=tuple(Stage(tactic=tactic, start=_T0, techniques=(), n_findings=1) for tactic in tactics),
        findings=tuple(f.id for f in findings),
        edges=(),
        n_events=sum(f.n_events for f in findings),
    )
