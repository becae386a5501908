"""The predicates claims are made of: what each says, of what, and how it is checked.

A predicate's phrases are all that is ever said of a claim: the first is used, a language model may choose another, none may write its own.
`{name}` stands for an argument, shown by its kind: an entity without its prefix, a path by its last part, a time, a number, bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from nonself.analyst import checks
from nonself.analyst.checks import Check, Test, column, every, roles
from nonself.analyst.records import touches

Kind = Literal["entity", "path", "text", "time", "count", "bytes", "port", "word", "kind", "id"]
"""How an argument is shown. Entities, paths and texts may be attacker-written; the others are made of digits or of words of ours."""
WRITTEN: frozenset[str] = frozenset({"entity", "path", "text"})


@dataclass(frozen=True, slots=True)
class Predicate:
    """`args` by name; those no phrase names are for the check. `cites`: whether it rests on events and needs at least one."""

    name: str
    doc: str
    args: dict[str, Kind]
    phrases: tuple[str, ...]
    check: Check
    cites: bool = True


_HOST = roles("host", "src_host", "dst_host")
_SOURCE = roles("src_ip", "src_host", "host", "process")
_TARGET = roles("dst_ip", "dst_host", "query", "url_host", "sni")
_ACTOR = roles("user", "tgt_user")
_SUCCESS, _FAILURE = pl.col("status_id") == 1, pl.col("status_id") == 2
_START, _OPEN = pl.col("activity_id") == 1, pl.col("activity_id") == 3
_NETWORK = (4001, 4002, 4003, 4005, 4006, 4007, 4008, 4010, 4013, 4014)
_E: Kind = "entity"
_P: Kind = "path"


def _flow(**more: Test) -> Check:
    return every(*_NETWORK, where=None, src=_SOURCE, dst=_TARGET, **more)


_ALL = (
    Predicate(
        "Spawned", "a process started another on a machine", {"parent": _P, "child": _P, "host": _E},
        ("{parent} started {child} on {host}", "on {host}, {parent} started {child}"),
        every(1007, where=_START, parent=column("parent_image"), child=column("image"), host=_HOST),
    ),
    Predicate(
        "RanAs", "a process ran under an account on a machine", {"user": _E, "image": _P, "host": _E},
        ("{user} ran {image} on {host}", "on {host}, {user} ran {image}"),
        every(1007, where=_START, user=_ACTOR, image=column("image"), host=_HOST),
    ),
    Predicate(
        "Opened", "a process opened another process", {"image": _P, "target": _P, "host": _E},
        ("{image} opened the process {target} on {host}", "on {host}, {image} opened the process {target}"),
        every(1007, where=_OPEN, image=column("image"), target=column("tgt_image"), host=_HOST),
    ),
    Predicate(
        "Wrote", "a file was written on a machine", {"file": _P, "host": _E},
        ("the file {file} was written on {host}", "on {host}, the file {file} was written"),
        every(1001, file=column("file_path"), host=_HOST),
    ),
    Predicate(
        "Loaded", "a process loaded a module", {"module": _P, "host": _E},
        ("{module} was loaded on {host}", "on {host}, {module} was loaded"),
        every(1005, module=column("module_path"), host=_HOST),
    ),
    Predicate(
        "Changed", "a registry key or value was changed", {"key": _P, "host": _E},
        ("the registry entry {key} was changed on {host}", "on {host}, the registry entry {key} was changed"),
        every(201001, 201002, key=column("reg_key"), host=_HOST),
    ),
    Predicate(
        "Installed", "a service or scheduled task was installed, changed or run", {"service": _P, "host": _E},
        ("the service or task {service} was set up or run on {host}", "on {host}, the service or task {service} was set up or run"),
        every(201004, 1006, service=column("service"), host=_HOST),
    ),
    Predicate(
        "ConnectedTo", "a machine, address or process had a connection with another", {"src": _E, "dst": _E, "port": "port"},
        ("{src} connected to {dst} on port {port}", "{src} had a connection with {dst} on port {port}"),
        _flow(port=column("dst_port")),
    ),
    Predicate(
        "Met", "a machine, address or process met a name or address", {"src": _E, "dst": _E},
        ("{src} was in contact with {dst}", "{src} met {dst}"), _flow(),
    ),
    Predicate(
        "Transferred", "at least so much was sent from one to another", {"src": _E, "dst": _E, "bytes": "bytes"},
        ("{src} sent at least {bytes} to {dst}", "{src} sent {dst} at least {bytes}"),
        checks.amount(_flow(), "bytes"),
    ),
    Predicate(
        "Resolved", "a machine asked DNS for a name", {"src": _E, "domain": _E},
        ("{src} asked DNS for {domain}", "{src} looked up {domain}"),
        every(4003, src=_SOURCE, domain=roles("query")),
    ),
    Predicate(
        "Requested", "a machine asked a web or TLS server by name", {"src": _E, "domain": _E},
        ("{src} asked the server {domain}", "{src} spoke to the server {domain}"),
        every(4001, 4002, src=_SOURCE, domain=roles("url_host", "sni")),
    ),
    Predicate(
        "LoggedOn", "an account logged on to a machine", {"user": _E, "host": _E},
        ("{user} logged on to {host}", "on {host}, {user} logged on"),
        every(3002, where=_SUCCESS, user=_ACTOR, host=_HOST),
    ),
    Predicate(
        "LoggedOnFrom", "an account logged on to a machine from an address", {"user": _E, "host": _E, "src": _E},
        ("{user} logged on to {host} from {src}", "from {src}, {user} logged on to {host}"),
        every(3002, where=_SUCCESS, user=_ACTOR, host=_HOST, src=roles("src_ip", "src_host")),
    ),
    Predicate(
        "FailedLogon", "a logon of an account failed", {"user": _E, "host": _E},
        ("a logon of {user} to {host} failed", "on {host}, a logon of {user} failed"),
        every(3002, where=_FAILURE, user=_ACTOR, host=_HOST),
    ),
    Predicate(
        "Called", "an identity called an operation of a cloud service", {"user": _E, "op": "text", "svc": "text"},
        ("{user} called {op} of {svc}", "{op} of {svc} was called by {user}"),
        every(6003, 3001, 3002, 3005, user=_ACTOR, op=column("op"), svc=column("svc")),
    ),
    Predicate(
        "Refused", "a cloud service refused an identity an operation", {"user": _E, "op": "text", "svc": "text"},
        ("{user} was refused {op} of {svc}", "{svc} refused {user} the call {op}"),
        every(6003, 3001, 3002, where=_FAILURE, user=_ACTOR, op=column("op"), svc=column("svc")),
    ),
    Predicate(
        "AccountChanged", "an account changed an account, group or right", {"user": _E, "target": _E, "op": "text"},
        ("{user} changed the account {target} by {op}", "by {op}, {user} changed the account {target}"),
        every(3001, 3005, 3006, user=roles("user"), target=roles("tgt_user"), op=column("op")),
    ),
    Predicate(
        "Cleared", "a log was cleared", {"host": _E}, ("a log was cleared on {host}", "on {host}, a log was cleared"),
        every(1008, where=pl.col("op").is_in(["1102", "104"]), host=_HOST),
    ),
    Predicate(
        "Alerted", "another tool raised an alert", {"rule": "text"}, ("another tool raised the alert {rule}",),
        every(2004, rule=column("rule")),
    ),
    Predicate(
        "Involved", "an entity takes part in records of a kind", {"entity": _E, "op": "text", "source": "text"},
        ("{entity} appears in a {source} record of kind {op}", "a {source} record of kind {op} names {entity}"),
        every(entity=touches, op=column("op"), source=column("source")),
    ),
    Predicate(
        "MatchedRule", "a rule matched", {"finding": "id", "title": "text", "entity": _E},
        ('the rule "{title}" matched on {entity}', 'on {entity}, the rule "{title}" matched'),
        checks.found_by("sigma:", "alert:", "intel:"),
    ),
    Predicate(
        "Unusual", "a learnt detector found something unusual", {"finding": "id", "title": "text", "entity": _E, "bits": "word"},
        ('unusual for {entity}, at {bits} bits: "{title}"',),
        checks.found_by("sigma:", "alert:", "intel:", negate=True),
    ),
    Predicate(
        "Instructing", "a field that attackers can write holds text meant for a reader or a model", {"column": "word", "family": "word"},
        ("the field {column} holds text of the kind {family}, written for whoever or whatever reads the log",),
        checks.instructing,
    ),
    Predicate(
        "FirstSeen", "an entity appears in no earlier record", {"entity": _E, "time": "time"},
        ("{entity} appears for the first time at {time}", "at {time}, {entity} appears for the first time"),
        checks.first_seen,
    ),
    Predicate(
        "MetBy", "how many entities of a kind ever met an entity", {"entity": _E, "peers": "kind", "count": "count"},
        ("the number of {peers} that ever met {entity} is {count}",),
        checks.met_by, cites=False,
    ),
    Predicate(
        "CountOver", "an entity takes part in at least so many records of a stretch of time",
        {"entity": _E, "count": "count", "start": "time", "end": "time"},
        ("{entity} takes part in at least {count} records between {start} and {end}",),
        checks.count_over, cites=False,
    ),
    Predicate(
        "NothingFound", "a question about an entity has no answer in the records",
        {"tool": "id", "entity": _E, "start": "time", "end": "time"}, ("{entity}: nothing found between {start} and {end}",),
        checks.nothing_found, cites=False,
    ),
)  # fmt: skip

PREDICATES: dict[str, Predicate] = {predicate.name: predicate for predicate in _ALL}
