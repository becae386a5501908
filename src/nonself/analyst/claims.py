"""Claims from records: what one event says, what a finding says, what the answers of the queries say. Nothing here is believed before the
verifier has run it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from nonself.analyst.bearing import bearing
from nonself.analyst.checks import peers
from nonself.analyst.names import is_outside
from nonself.analyst.queries import Answer
from nonself.analyst.records import Records
from nonself.analyst.texts import families
from nonself.core.claim import Claim
from nonself.core.entities import kind
from nonself.core.events import Events
from nonself.core.finding import Finding
from nonself.core.schema import ATTACKER_WRITABLE

CITED = 50
"""Events one claim cites at most; a report shows the first few and counts the rest."""
Row = Mapping[str, Any]
_RULES = ("sigma:", "alert:", "intel:")
_TEXTS = (
    "user_agent", "cmdline", "parent_cmdline", "url_path", "url_host", "query", "sni", "file_path", "image", "host", "src_host", "dst_host",
    "user", "tgt_user", "service", "reg_value", "reg_key", "resource", "rule", "pipe", "module_path", "mail_subject", "origin",
)  # fmt: skip


def of_events(events: Events) -> list[Claim]:
    """What each event says by itself; events that say the same are cited together. Order of first mention."""
    said: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for row in events.iter_rows(named=True):
        predicate, args = _said(row)
        if predicate:
            said.setdefault((predicate, tuple(args.items())), []).append(row["uid"])
    return [
        Claim(predicate=predicate, args=dict(args), events=tuple(dict.fromkeys(uids))[:CITED]) for (predicate, args), uids in said.items()
    ]


def _said(row: Row) -> tuple[str, dict[str, str]]:
    """Predicate and arguments of one event; ("", {}) for one that says nothing we have a predicate for."""
    for predicate, wanted in _by_class(row):
        found = {arg: _first(row, columns) for arg, columns in wanted.items()}
        if all(found.values()):
            return predicate, {arg: str(value) for arg, value in found.items()}
    return "", {}


_HOST = ("@host", "@dst_host", "@src_host")
_SOURCE = ("@host", "@src_ip", "@src_host")
_ACTOR = ("@tgt_user", "@user")
_Wanted = dict[str, tuple[str, ...]]
_FORMS: dict[str, _Wanted] = {
    "Spawned": {"parent": ("parent_image",), "child": ("image",), "host": _HOST},
    "RanAs": {"user": ("@user",), "image": ("image",), "host": _HOST},
    "Opened": {"image": ("image",), "target": ("tgt_image",), "host": _HOST},
    "Wrote": {"file": ("file_path",), "host": _HOST},
    "Loaded": {"module": ("module_path",), "host": _HOST},
    "Changed": {"key": ("reg_key",), "host": _HOST},
    "Installed": {"service": ("service",), "host": _HOST},
    "Resolved": {"src": _SOURCE, "domain": ("@query",)},
    "Requested": {"src": _SOURCE, "domain": ("@url_host", "@sni")},
    "ConnectedTo": {"src": _SOURCE, "dst": ("@dst_ip", "@dst_host"), "port": ("dst_port",)},
    "Met": {"src": _SOURCE, "dst": ("@dst_ip", "@dst_host", "@query", "@url_host", "@sni")},
    "LoggedOnFrom": {"user": _ACTOR, "host": _HOST, "src": ("@src_ip", "@src_host")},
    "LoggedOn": {"user": _ACTOR, "host": _HOST},
    "FailedLogon": {"user": _ACTOR, "host": _HOST},
    "Called": {"user": ("@user",), "op": ("op",), "svc": ("svc",)},
    "Refused": {"user": ("@user",), "op": ("op",), "svc": ("svc",)},
    "AccountChanged": {"user": ("@user",), "target": ("@tgt_user",), "op": ("op",)},
    "Cleared": {"host": _HOST},
    "Alerted": {"rule": ("rule",)},
    "Involved": {"entity": (*_HOST, "@user", "@src_ip", "@dst_ip", "@resource"), "op": ("op",), "source": ("source",)},
}
"""Predicate -> argument -> the columns it is taken from, the first that is filled."""
_CLASSES: dict[int, tuple[str, ...]] = {
    1001: ("Wrote",), 1005: ("Loaded",), 1006: ("Installed",), 201004: ("Installed",), 201001: ("Changed",), 201002: ("Changed",),
    2004: ("Alerted",), 3001: ("AccountChanged", "Called"), 3005: ("AccountChanged", "Called"), 3006: ("AccountChanged",),
    4001: ("Requested", "ConnectedTo", "Met"), 4002: ("Requested", "Met"), 4003: ("Resolved", "Met"), 4005: ("ConnectedTo", "Met"),
    4006: ("ConnectedTo", "Met"), 4007: ("ConnectedTo", "Met"), 4008: ("ConnectedTo", "Met"), 4010: ("ConnectedTo", "Met"),
}  # fmt: skip


def _by_class(row: Row) -> list[tuple[str, _Wanted]]:
    """What an event may say, best first."""
    class_uid, status, activity = row["class_uid"] or 0, row["status_id"], row["activity_id"]
    names = _CLASSES.get(class_uid, ())
    if class_uid == 1007:
        names = ("Spawned", "RanAs") if activity == 1 else ("Opened",) if activity == 3 else ()
    elif class_uid == 3002:
        names = ("FailedLogon",) if status == 2 else ("LoggedOnFrom", "LoggedOn", "Called") if status == 1 else ()
    elif class_uid == 1008:
        names = ("Cleared",) if row["op"] in ("1102", "104") else ()
    elif class_uid == 6003:
        names = ("Refused",) if status == 2 else ("Called",)
    return [(name, _FORMS[name]) for name in (*names, "Involved")]


def _first(row: Row, columns: Iterable[str]) -> object:
    return next((row[name] for name in columns if row[name] not in (None, "")), None)


def of_finding(finding: Finding, records: Records) -> Claim:
    """That a rule matched, or that a detector found something unusual. It cites what bears it."""
    held = bearing(finding, records)[:CITED]
    args = {"finding": finding.id, "title": finding.title, "entity": finding.entity}
    if finding.detector.startswith(_RULES):
        return Claim(predicate="MatchedRule", args=args, events=held)
    return Claim(predicate="Unusual", args={**args, "bits": f"{finding.bits:.1f}"}, events=held)


def of_answer(answer: Answer, records: Records) -> list[Claim]:
    """What came back; where nothing did, that there was nothing."""
    if answer.n:
        return of_events(records.cited(answer.events))
    args = {"tool": answer.query.tool, "entity": answer.query.entity, **window(answer.query.start, answer.query.end)}
    return [Claim(predicate="NothingFound", args=args, events=())]


def first_seen(entity: str, records: Records) -> list[Claim]:
    """How many machines ever met an outside thing; and, where the records reach back a day before an entity's first, when that was: all
    that is in a log of one day is there for the first time."""
    met = records.touching(entity).drop_nulls("time")
    if not met.height:
        return []
    claims = []
    if records.span and met["time"][0] - records.span[0] >= timedelta(days=1):
        claims = [Claim(predicate="FirstSeen", args={"entity": entity, "time": met["time"][0].isoformat()}, events=(met["uid"][0],))]
    if kind(entity) in ("domain", "hash") or is_outside(entity):
        count = len(peers(records, entity, "host"))
        claims.append(Claim(predicate="MetBy", args={"entity": entity, "peers": "host", "count": str(count)}, events=()))
    return claims


def transfers(events: Events) -> list[Claim]:
    """How much was sent from one address to another, where it is a megabyte or more."""
    sums: dict[tuple[str, str], tuple[int, list[str]]] = {}
    for uid, src, dst, sent in events.select("uid", "@src_ip", "@dst_ip", "bytes_out").drop_nulls().iter_rows():
        total, uids = sums.get((src, dst), (0, []))
        sums[src, dst] = (total + max(0, sent), [*uids, uid])
    return [
        Claim(
            predicate="Transferred", args={"src": src, "dst": dst, "bytes": str(_total(events, uids[:CITED]))}, events=tuple(uids[:CITED])
        )
        for (src, dst), (total, uids) in sums.items()
        if total >= 1_000_000
    ]


def _total(events: Events, uids: list[str]) -> int:
    return int(events.filter(events["uid"].is_in(uids))["bytes_out"].fill_null(0).clip(lower_bound=0).sum())


def instructing(events: Events) -> list[Claim]:
    """Where a field that attackers can write holds text meant for a reader or a model."""
    claims = []
    for column in _TEXTS:
        if column not in events.columns or column not in ATTACKER_WRITABLE:
            continue
        held: dict[str, list[str]] = {}
        for value, uids in events.select(column, "uid").drop_nulls().group_by(column, maintain_order=True).agg("uid").iter_rows():
            for family in families(value):
                held.setdefault(family, []).extend(uids)
        claims += [
            Claim(predicate="Instructing", args={"column": column, "family": family}, events=tuple(dict.fromkeys(uids))[:CITED])
            for family, uids in held.items()
        ]
    return claims


def window(start: datetime, end: datetime) -> dict[str, str]:
    """The arguments of a stretch of time."""
    return {"start": start.isoformat(), "end": end.isoformat()}
