"""What an EVE record says in the event schema: what all events share, and what each event type's own object adds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from nonself.core.errors import RecordError
from nonself.sources.dotted import dotted, instant
from nonself.sources.records import Record, dump_json

MAP_VER = 1
COLUMNS = (
    "class_uid", "activity_id", "severity_id", "status_id", "status_code", "op", "channel", "session", "host", "host_uid", "src_ip",
    "src_port", "dst_ip", "dst_port", "src_host", "proto", "app_proto", "bytes_in", "bytes_out", "pkts_in", "pkts_out", "duration_us",
    "query", "qtype", "rcode", "answers", "http_method", "url_host", "url_path", "http_status", "user_agent", "sni", "ja3", "ja4", "hassh",
    "file_path", "hash", "pipe", "svc", "user", "user_domain", "tgt_user", "auth_protocol", "rule", "score", "tactics", "ext",
)  # fmt: skip
"""Columns that `row` may fill; `time` is apart."""

_CLASSES = {
    "alert": 2004, "dns": 4003, "mdns": 4003, "http": 4002, "http2": 4002, "tls": 4001, "quic": 4001, "ssh": 4007, "fileinfo": 4010,
    "flow": 4001, "netflow": 4001, "smb": 4006, "krb5": 3002, "rdp": 4005, "smtp": 4009, "ftp": 4008, "ftp_data": 4008, "dhcp": 4004,
    "nfs": 4010,
}  # fmt: skip
CLASSES = tuple(sorted({0, *_CLASSES.values()}))
_METHODS = {"CONNECT": 1, "DELETE": 2, "GET": 3, "HEAD": 4, "OPTIONS": 5, "POST": 6, "PUT": 7, "TRACE": 8}
_COMMANDS = {"STOR": 1, "APPE": 1, "STOU": 1, "RETR": 2, "DELE": 4, "RNFR": 5, "RNTO": 5, "LIST": 6, "NLST": 6}
_DHCP = {"discover": 1, "offer": 2, "request": 3, "decline": 4, "ack": 5, "nak": 6, "release": 7, "inform": 8}
_SEVERITIES = {1: 4, 2: 3, 3: 2, 4: 1}
"""Suricata's priorities, 1 the gravest, as OCSF severities."""


def microseconds(record: Record) -> int:
    """When it happened, since 1970: of a flow its start, since its record is written when it is over or timed out.

    RecordError "bad-time" where it has no time, "not-eve" where it is another kind of object.
    """
    if not isinstance(record.get("event_type"), str):
        raise RecordError("not-eve", "expected event_type and timestamp")
    if record["event_type"] in ("flow", "netflow") and isinstance(part := record.get(record["event_type"]), dict):
        with suppress(RecordError):
            return instant(part.get("start"))
    return instant(record.get("timestamp"))


def row(record: Record) -> Record:
    """The event columns of one record, less `time`."""
    kind = record["event_type"]
    cells: Record = {
        "class_uid": _CLASSES.get(kind, 0), "op": kind, "channel": kind, "session": _name(record.get("flow_id")),
        "host": text(record.get("host")), "src_ip": text(record.get("src_ip")), "src_port": _count(record.get("src_port")),
        "dst_ip": text(record.get("dest_ip")), "dst_port": _count(record.get("dest_port")), "proto": _lower(record.get("proto")),
        "app_proto": _lower(record.get("app_proto")), "ext": dump_json(dotted(record)),
    }  # fmt: skip
    if cells["app_proto"] == "failed":  # Suricata's word for: not recognised
        cells["app_proto"] = None
    for name, add in _PARTS.items():
        part = record.get(name)
        if isinstance(part, dict):
            cells.update({key: value for key, value in add(part).items() if value is not None})
    if kind == "alert":
        cells.update(class_uid=2004, activity_id=1)
        cells.pop("status_id", None)  # that of the traffic, not of the detection
    elif kind in _PARTS and cells["app_proto"] is None and kind not in ("flow", "netflow", "fileinfo"):
        cells["app_proto"] = kind.removesuffix("_data")
    return cells


def _alert(part: Record) -> Record:
    metadata = part.get("metadata")
    known = metadata if isinstance(metadata, dict) else {}
    found = [text(item) for name in ("mitre_technique_id", "mitre_tactic_id") for item in _list(known.get(name))]
    severity = _count(part.get("severity"))
    return {
        "rule": text(part.get("signature")), "severity_id": _SEVERITIES.get(severity) if severity else None, "score": severity,
        "tactics": [item.upper() for item in found if item] or None, "status_code": text(part.get("action")),
    }  # fmt: skip


def _dns(part: Record) -> Record:
    """EVE's DNS of versions 1 (one record an answer), 2 (`answers`), 3 (`queries` too), and as it stands in alerts (`query`)."""
    first = next((item for item in _list(part.get("queries") or part.get("query")) if isinstance(item, dict)), {})
    listed = _list(part.get("answers") or part.get("answer"))
    answers = [text(item.get("rdata")) for item in listed if isinstance(item, dict)] or [text(part.get("rdata"))]
    code = text(part.get("rcode"))
    return {
        "activity_id": {"query": 1, "request": 1, "answer": 2, "response": 2}.get(str(part.get("type")), 6),
        "query": text(part.get("rrname")) or text(first.get("rrname")), "qtype": text(part.get("rrtype")) or text(first.get("rrtype")),
        "rcode": code, "answers": [item for item in answers if item] or None, "status_id": _verdict(code, "NOERROR"),
    }  # fmt: skip


def _http(part: Record) -> Record:
    method, status = text(part.get("http_method")), _count(part.get("status"))
    return {
        "activity_id": _METHODS.get(method or "", 99), "http_method": method, "url_host": text(part.get("hostname")),
        "url_path": text(part.get("url")), "user_agent": text(part.get("http_user_agent")), "http_status": status,
        "status_code": _name(status), "status_id": _reply(status), "bytes_in": _count(part.get("length")),
    }  # fmt: skip


def _tls(part: Record) -> Record:
    ja3 = part.get("ja3")
    return {
        "activity_id": 6, "sni": text(part.get("sni")), "ja3": text(ja3.get("hash")) if isinstance(ja3, dict) else None,
        "ja4": text(part.get("ja4")), "hash": _hex(part.get("fingerprint")),
    }  # fmt: skip


def _quic(part: Record) -> Record:
    return {**_tls(part), "user_agent": text(part.get("ua"))}


def _ssh(part: Record) -> Record:
    client = part.get("client")
    hassh = client.get("hassh") if isinstance(client, dict) else None
    return {"activity_id": 6, "hassh": text(hassh.get("hash")) if isinstance(hassh, dict) else None}


def _file(part: Record) -> Record:
    return {
        "activity_id": 2, "file_path": text(part.get("filename")), "bytes_in": _count(part.get("size")),
        "hash": _hex(part.get("sha256")) or _hex(part.get("sha1")) or _hex(part.get("md5")),
    }  # fmt: skip


def _flow(part: Record) -> Record:
    return {
        "activity_id": 2, "status_code": text(part.get("state")), "bytes_out": _count(part.get("bytes_toserver")),
        "bytes_in": _count(part.get("bytes_toclient")), "pkts_out": _count(part.get("pkts_toserver")),
        "pkts_in": _count(part.get("pkts_toclient")), "duration_us": _duration(part),
    }  # fmt: skip


def _netflow(part: Record) -> Record:
    """One direction of a flow."""
    return {
        "activity_id": 6, "bytes_out": _count(part.get("bytes")), "pkts_out": _count(part.get("pkts")),
        "duration_us": _duration(part),
    }  # fmt: skip


def _smb(part: Record) -> Record:
    ntlm = part.get("ntlmssp")
    who = ntlm if isinstance(ntlm, dict) else {}
    status = text(part.get("status"))
    return {
        "activity_id": 99, "file_path": text(part.get("filename")), "pipe": text(part.get("named_pipe")) or text(part.get("share")),
        "status_code": status, "status_id": _verdict(status, "STATUS_SUCCESS"), "user": text(who.get("user")),
        "user_domain": text(who.get("domain")), "src_host": text(who.get("host")), "auth_protocol": "NTLM" if who else None,
    }  # fmt: skip


def _krb5(part: Record) -> Record:
    kind, error = str(part.get("msg_type")), text(part.get("error_code"))
    return {
        "activity_id": 3 if "AS_" in kind else 4 if "TGS_" in kind else 99, "auth_protocol": "Kerberos",
        "user": text(part.get("cname")), "user_domain": text(part.get("realm")), "svc": text(part.get("sname")), "status_code": error,
        "status_id": 2 if error or kind == "KRB_ERROR" else 1,
    }  # fmt: skip


def _rdp(part: Record) -> Record:
    client = part.get("client")
    name = text(client.get("client_name")) if isinstance(client, dict) else None
    return {"activity_id": 6, "user": text(part.get("cookie")), "src_host": name}


def _smtp(part: Record) -> Record:
    return {
        "activity_id": 1, "src_host": text(part.get("helo")), "user": _address(part.get("mail_from")),
        "tgt_user": next((_address(item) for item in _list(part.get("rcpt_to"))), None),
    }  # fmt: skip


def _ftp(part: Record) -> Record:
    command, code = text(part.get("command")), next((_name(item) for item in _list(part.get("completion_code"))), None)
    named = text(part.get("command_data"))
    return {
        "activity_id": _COMMANDS.get(command or "", 99), "user": named if command == "USER" else None, "status_code": code,
        "status_id": _reply(_count(code)), "file_path": text(part.get("filename")) or (named if command in _COMMANDS else None),
    }  # fmt: skip


def _dhcp(part: Record) -> Record:
    name = text(part.get("hostname"))
    return {
        "activity_id": _DHCP.get(str(part.get("dhcp_type")), 99), "host": name, "src_host": name, "host_uid": text(part.get("client_mac")),
    }  # fmt: skip


def _nfs(part: Record) -> Record:
    status = text(part.get("status"))
    return {
        "activity_id": 99, "file_path": text(part.get("filename")), "status_code": status, "status_id": _verdict(status, "OK"),
    }  # fmt: skip


_PARTS: dict[str, Callable[[Record], Record]] = {
    "flow": _flow, "netflow": _netflow, "http": _http, "fileinfo": _file, "dns": _dns, "mdns": _dns, "tls": _tls, "quic": _quic,
    "ssh": _ssh, "smb": _smb, "krb5": _krb5, "rdp": _rdp, "smtp": _smtp, "ftp": _ftp, "ftp_data": _ftp, "dhcp": _dhcp, "nfs": _nfs,
    "alert": _alert,
}  # fmt: skip
"""Objects within a record and their readers. A later one wins where two give the same column."""


def text(value: Any) -> str | None:
    """A string that is not empty, or None."""
    return value if isinstance(value, str) and value else None


def _name(value: Any) -> str | None:
    """A number or a string as text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text(value)


def _lower(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) and value else None


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _hex(value: Any) -> str | None:
    """A digest or fingerprint without colons."""
    return value.replace(":", "").lower() if isinstance(value, str) and value else None


def _address(value: Any) -> str | None:
    """`<ann@example.org>` without its brackets."""
    return value.strip("<> ") or None if isinstance(value, str) else None


def _verdict(code: str | None, good: str) -> int | None:
    return None if code is None else 1 if code == good else 2


def _reply(code: int | None) -> int | None:
    return None if not code else 1 if code < 400 else 2


def _duration(part: Record) -> int | None:
    """From start to end, else the age, which is in whole seconds."""
    with suppress(RecordError):
        return max(instant(part.get("end")) - instant(part.get("start")), 0)
    age = _count(part.get("age"))
    return None if age is None else age * 1_000_000
