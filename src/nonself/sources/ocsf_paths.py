"""Where each event column stands in an OCSF event, class by class: one table for the way out (`serve.ocsf`) and in (`sources.ocsf`).

A column has several paths; in an event of a class it stands at the first whose head the class has. `device`, `actor` (profile host) and
`cloud`, `api` (profile cloud) can stand in every class. A segment `x[]` is a list with one object. A column without a place in a class
goes into `unmapped.nonself`, so nothing is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

NONSELF = "nonself"
"""The object within `unmapped` that holds columns under their own names."""
PROFILE_HEADS = {"device": "host", "actor": "host", "cloud": "cloud", "api": "cloud"}
_ALWAYS = frozenset({"metadata", "status_id", "status_code", *PROFILE_HEADS})

_PROCESS = {
    "proc_guid": "uid", "pid": "pid", "image": "file.path", "cmdline": "cmd_line", "cwd": "working_directory", "integrity": "integrity",
    "parent_guid": "parent_process.uid", "parent_pid": "parent_process.pid", "parent_image": "parent_process.file.path",
    "parent_cmdline": "parent_process.cmd_line",
}  # fmt: skip
_ENDPOINTS = {
    "src_ip": "src_endpoint.ip", "src_port": "src_endpoint.port", "src_host": "src_endpoint.hostname",
    "country": "src_endpoint.location.country", "asn": "src_endpoint.autonomous_system.number",
    "dst_ip": "dst_endpoint.ip", "dst_port": "dst_endpoint.port", "dst_host": "dst_endpoint.hostname",
    "proto": "connection_info.protocol_name", "direction_id": "connection_info.direction_id",
    "query": "query.hostname", "qtype": "query.type", "http_method": "http_request.http_method",
    "url_host": "http_request.url.hostname", "url_path": "http_request.url.path", "user_agent": "http_request.user_agent",
    "http_status": "http_response.code", "sni": "tls.sni", "ja3": "tls.ja3_hash", "ja4": "ja4_fingerprint_list",
    "file_path": "file.path", "reg_key": "reg_key.path",
}  # fmt: skip
"""Also the parts of a Detection Finding's evidence."""

PATHS: dict[str, tuple[str, ...]] = {
    "uid": ("metadata.uid",), "source": ("metadata.product.feature.name",), "origin": ("metadata.log_source",),
    "record": ("metadata.sequence",), "channel": ("metadata.log_name",), "log_provider": ("metadata.log_provider",),
    "op": ("metadata.event_code",), "status_id": ("status_id",), "status_code": ("status_code",),
    "user": ("actor.user.name",), "user_uid": ("actor.user.uid",), "user_type": ("actor.user.type",),
    "user_domain": ("actor.user.domain",),
    "session": ("session.uid", "actor.session.uid"), "cred": ("session.credential_uid", "actor.session.credential_uid"),
    "mfa": ("is_mfa", "session.is_mfa", "actor.session.is_mfa"), "auth_protocol": ("auth_protocol",), "logon_type": ("logon_type_id",),
    "role": ("session.issuer", "actor.session.issuer"),
    "tgt_user": ("user.name", "process.user.name", "job.user.name", "entity.user.name", "win_service.service_start_name"),
    "tgt_uid": ("user.uid", "process.user.uid", "job.user.uid", "entity.user.uid"),
    "tgt_domain": ("user.domain", "process.user.domain", "job.user.domain", "entity.user.domain"),
    "priv": ("group.name", "privileges", "policies[].name", "entity.group.name"),
    "host": ("device.hostname",), "host_uid": ("device.uid",),
    **{column: (path, f"evidences[].{path}") for column, path in _ENDPOINTS.items()},
    "app_proto": ("app_protocol_name",), "bytes_in": ("traffic.bytes_in",), "bytes_out": ("traffic.bytes_out",),
    "pkts_in": ("traffic.packets_in",), "pkts_out": ("traffic.packets_out",), "duration_us": ("duration",),
    **{column: (f"process.{path}", f"evidences[].process.{path}", f"actor.process.{path}") for column, path in _PROCESS.items()},
    "tgt_guid": (), "tgt_image": (), "module_path": ("module.file.path",), "signed": ("module.file.signatures",),
    "hash": ("module.file.hashes", "process.file.hashes", "file.hashes", "evidences[].file.hashes"),
    "reg_value": ("reg_value.data",), "service": ("win_service.name", "job.name", "service.name"), "pipe": ("share", "file.name"),
    "rcode": ("rcode",), "answers": ("answers",), "hassh": ("client_hassh.fingerprint",),
    "provider": ("cloud.provider",), "account": ("cloud.account.uid",), "region": ("cloud.region",),
    "svc": ("service.name", "api.service.name"),
    "resource": ("win_resource.name", "resources[].uid", "resource.uid", "entity.uid"),
    "mail_subject": ("email.subject",),
    "rule": ("finding_info.title",), "score": ("risk_score",), "tactics": ("finding_info.attacks",),
}  # fmt: skip
PATHS["direction_id"] += ("direction_id",)
PATHS["file_path"] += ("win_service.service_file.path", "job.file.path")
PATHS["url_host"] += ("url.hostname",)
PATHS["url_path"] += ("url.path",)
"""Event column -> its paths in OCSF, the wanted one first. `time`, the class columns, `ext`, `raw` and `map_ver` are apart."""

HEADS = frozenset(path.split(".")[0].removesuffix("[]") for paths in PATHS.values() for path in paths) | {"script", "log_name"}

_SUBJECT = {"user": "user.name", "user_uid": "user.uid", "user_type": "user.type", "user_domain": "user.domain",
            "tgt_user": "", "tgt_uid": "", "tgt_domain": ""}  # fmt: skip
_ACTORS_SESSION = {name: f"actor.session.{path}" for name, path in (("session", "uid"), ("cred", "credential_uid"), ("role", "issuer"))}
_ELSEWHERE: dict[tuple[int, bool], dict[str, str]] = {
    # The `user` of a logon is who logs on; where somebody logs on as somebody else, that somebody is the actor.
    (3002, False): {**_SUBJECT, "service": ""},
    (3002, True): {**_ACTORS_SESSION, "service": ""},
    (3003, False): {**_SUBJECT, "priv": "privileges"},
    (3003, True): {**_ACTORS_SESSION, "priv": "privileges"},
    # `process` is what the event is about: what was started or ended, or else what another process opened or injected into.
    (1007, False): {"module_path": "", "signed": "", "hash": "process.file.hashes"},
    (1007, True): {
        **{column: f"actor.process.{path}" for column, path in _PROCESS.items()}, "tgt_guid": "process.uid",
        "tgt_image": "process.file.path", "signed": "", "hash": "actor.process.file.hashes",
    },
    (1006, False): {"cmdline": "job.cmd_line"},
    (1008, False): {"resource": "log_name"},
    (1009, False): {"cmdline": "script.script_content.value"},
    (201002, False): {"reg_key": "reg_value.path"},
}  # fmt: skip
"""(class, whether the event has a target) -> the columns that stand elsewhere there; empty: nowhere."""

TARGETS: dict[int, tuple[str, ...]] = {1007: ("tgt_guid", "tgt_image"), 3002: ("tgt_user", "tgt_uid"), 3003: ("tgt_user", "tgt_uid")}
"""Classes whose events stand differently when they have a target, and the columns that tell."""

WEAKER: dict[int, int] = {4009: 4001, 4010: 4001, 4013: 4001}
"""The class an event is told as when it lacks what its own class requires; for all others it is 0, the Base Event."""


@dataclass(frozen=True, slots=True)
class OcsfClass:
    """A class of OCSF: its captions, the attributes of its own that `PATHS` uses, and those it can't be without."""

    uid: int
    caption: str
    category_uid: int
    category: str
    attributes: frozenset[str]
    required: tuple[str, ...]
    one_of: tuple[str, ...]
    activities: dict[int, str]


@cache
def classes() -> dict[int, OcsfClass]:
    """All classes of OCSF 1.8 by uid."""
    lines = resources.files("nonself.sources").joinpath("ocsf_classes.tsv").read_text("utf-8").splitlines()
    return {one.uid: one for one in map(_read, (line for line in lines if not line.startswith("#")))}


def _read(line: str) -> OcsfClass:
    uid, caption, category_uid, category, attributes, required, one_of, activities = line.split("\t")
    named = dict(pair.split("=", 1) for pair in activities.split(";"))
    return OcsfClass(
        int(uid), caption, int(category_uid), category, frozenset(attributes.split()), tuple(required.split()), tuple(one_of.split()),
        {int(number): name for number, name in named.items()},
    )  # fmt: skip


@cache
def places(class_uid: int, target: bool) -> dict[str, str]:
    """Event column -> its path in an event of this class; a column without a place is not in it."""
    own = classes()[class_uid].attributes | _ALWAYS
    found = {column: next((path for path in paths if head(path) in own), "") for column, paths in PATHS.items()}
    found |= _ELSEWHERE.get((class_uid, target), {})
    return {column: path for column, path in found.items() if path}


def head(path: str) -> str:
    """The first segment of a path, without the mark of a list."""
    return path.split(".")[0].removesuffix("[]")
