"""From the records of one audit event to a row: who did what with which program to which file or address."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from posixpath import join, normpath
from typing import Any

from nonself.sources.auditd_calls import CALLS, CLASSES, KINDS, NUMBERS, SOCKETCALLS
from nonself.sources.auditd_fields import Fields, Record, address, arguments
from nonself.sources.records import dump_json

__all__ = ["CLASSES", "MAP_VER", "columns", "row"]

MAP_VER = 2
_UNSET = ("4294967295", "-1", "unset")
_ACCOUNTS = (3001, 3006)
_READ_ONLY = 3  # mask of O_ACCMODE
_FLAGS_AT = {"open": "a1", "openat": "a2"}
_ARGUMENTS = 64
"""Arguments kept in `ext` one by one; the command line has them all."""
_PARENT = "PARENT_INFO"  # laurel's own
_PER_RECORD = ("name", "nametype", "mode", "ouid", "OUID")
COLUMNS = (
    "class_uid", "activity_id", "status_id", "status_code", "op", "channel", "log_provider",
    "user", "user_uid", "session", "role", "tgt_user", "tgt_uid", "priv", "src_ip", "src_host", "src_port", "dst_ip",
    "dst_port", "direction_id", "pid", "parent_pid", "image", "cmdline", "cwd", "parent_image", "parent_cmdline",
    "file_path", "module_path", "service", "rule", "resource", "app_proto", "ext",
)  # fmt: skip
"""Event columns that `row` fills."""
_BLANK: dict[str, Any] = dict.fromkeys(COLUMNS)
_cells = itemgetter(*COLUMNS)


def row(records: Sequence[Record]) -> dict[str, Any]:
    """The columns of an event. `ext` has the native fields under their own names, those of all its records together."""
    by_kind: dict[str, Fields] = {}
    for record in records:
        by_kind.setdefault(record.kind, record.fields)
    call = by_kind.get("SYSCALL", {})
    name = _call_name(call)
    main = "SYSCALL" if call else records[0].kind
    fields = call or records[0].fields
    found = _BLANK | {"channel": main, "log_provider": "auditd", "op": name or main, "class_uid": 0, "activity_id": 0}
    found.update(_actor(fields), **_process(by_kind, fields), **_outcome(fields))
    if call:
        _called(found, name, by_kind, [record.fields for record in records if record.kind == "PATH"])
    else:
        _reported(found, main, fields)
    if "AVC" in by_kind:
        avc = by_kind["AVC"]
        is_denied = avc.get("decision") == "denied"
        found.update(status_code=avc.get("decision"), status_id=2 if is_denied else 1, resource=avc.get("path") or avc.get("name"))
    found["ext"] = dump_json(_ext(records, by_kind, name))
    return found


def columns(rows: Sequence[dict[str, Any]]) -> dict[str, Sequence[Any]]:
    """Event columns of what `row` gave."""
    return dict(zip(COLUMNS, zip(*map(_cells, rows), strict=True), strict=True)) if rows else {}


def _call_name(call: Fields) -> str | None:
    """The system call's name: as the log resolved it, else by number."""
    number = call.get("syscall", "")
    name = call.get("SYSCALL") or NUMBERS.get((call.get("arch", "").removeprefix("0x"), number)) or number
    return (SOCKETCALLS.get(call.get("a0", ""), name) if name == "socketcall" else name) or None


def _named(fields: Fields, name: str) -> str | None:
    """The name of an id: as the log resolved it; root's is known."""
    value = fields.get(name)
    if value is None or value in _UNSET:
        return None
    resolved = fields.get(name.upper())
    return resolved if resolved and resolved != "unset" else "root" if value == "0" else None


def _actor(fields: Fields) -> dict[str, Any]:
    """Who logged in (auid) acts, whoever he has become (uid) since."""
    login, now = fields.get("auid"), fields.get("uid")
    login = None if login in _UNSET else login
    name, role = _named(fields, "auid") if login else _named(fields, "uid"), _named(fields, "uid")
    session = fields.get("ses")
    return {
        "user": name, "user_uid": login or now, "session": None if session in _UNSET else session,
        "role": role if login and login != now else None,
    }  # fmt: skip


def _process(by_kind: dict[str, Fields], fields: Fields) -> dict[str, Any]:
    words = arguments(by_kind["EXECVE"]) if "EXECVE" in by_kind else []
    parent = by_kind.get(_PARENT, {})
    return {
        "pid": fields.get("pid"), "parent_pid": fields.get("ppid"), "image": fields.get("exe"),
        "cwd": by_kind.get("CWD", fields).get("cwd"), "cmdline": " ".join(words) or by_kind.get("PROCTITLE", fields).get("proctitle"),
        "parent_image": parent.get("exe"), "parent_cmdline": parent.get("proctitle"),
    }  # fmt: skip


def _outcome(fields: Fields) -> dict[str, Any]:
    said = fields.get("success") or fields.get("res") or fields.get("result") or ""
    good = {"yes": 1, "success": 1, "1": 1, "no": 2, "failed": 2, "0": 2}.get(said.lower())
    return {"status_id": good, "status_code": fields.get("EXIT") or fields.get("exit") or said or None}


def _called(found: dict[str, Any], name: str | None, by_kind: dict[str, Fields], paths: list[Fields]) -> None:
    """What a system call did."""
    found["class_uid"], found["activity_id"] = CALLS.get(name or "", (0, 0))
    if found["class_uid"] == 1001:
        found.update(_file(name or "", by_kind["SYSCALL"], paths, found["cwd"]))
    elif found["class_uid"] == 4001:
        found.update(_socket(name or "", by_kind.get("SOCKADDR", {})))
    elif found["class_uid"] == 1005:
        found["module_path"] = by_kind.get("KERN_MODULE", {}).get("name") or _target(paths, found["cwd"])
    elif not found["class_uid"]:
        found["file_path"] = _target(paths, found["cwd"])


def _file(name: str, call: Fields, paths: list[Fields], cwd: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"file_path": _target(paths, cwd)}
    if name in _FLAGS_AT:
        if any(path.get("nametype") == "CREATE" for path in paths):
            found["activity_id"] = 1
        else:
            found["activity_id"] = 3 if _hex(call.get(_FLAGS_AT[name], "")) & _READ_ONLY else 2
    return found


def _hex(text: str) -> int:
    try:
        return int(text[:16], 16)
    except ValueError:
        return 0


def _target(paths: list[Fields], cwd: str | None) -> str | None:
    """The file that was meant: the last that is no parent directory, made absolute."""
    named = [path for path in paths if path.get("name")]
    meant = [path for path in named if path.get("nametype") != "PARENT"] or named
    if not meant:
        return None
    path = meant[-1]["name"]
    return path if path.startswith("/") or not cwd or not cwd.startswith("/") else normpath(join(cwd, path))


def _socket(name: str, fields: Fields) -> dict[str, Any]:
    there = address(fields.get("saddr", ""))
    if there.path:
        return {"resource": there.path}
    if name in ("accept", "accept4", "bind"):
        end = ("src_ip", "src_port") if name != "bind" else ("dst_ip", "dst_port")
        return {end[0]: there.ip, end[1]: there.port, "direction_id": 1}
    return {"dst_ip": there.ip, "dst_port": there.port, "direction_id": 2}


def _reported(found: dict[str, Any], kind: str, fields: Fields) -> None:
    """What a program or the kernel reported in a record of its own."""
    found["class_uid"], found["activity_id"] = (2004, 1) if kind.startswith("ANOM_") else KINDS.get(kind, (0, 0))
    if kind.startswith("ANOM_"):
        found["rule"] = kind
    found["service"] = fields.get("unit")
    found["cmdline"] = fields.get("cmd") or found["cmdline"]
    account = fields.get("acct")
    account = None if not account or account.startswith("(") else account
    if found["class_uid"] in _ACCOUNTS:
        group = fields.get("grp")
        found.update(tgt_user=account, tgt_uid=fields.get("id"), priv=group or (account if found["class_uid"] == 3006 else None))
    elif found["class_uid"] == 3002:
        _logon(found, account, fields)
    elif found["class_uid"] == 3003:
        found["tgt_user"] = found["role"] or "root"
        found["role"] = None


def _logon(found: dict[str, Any], account: str | None, fields: Fields) -> None:
    """Whoever is let in acts; who is already somebody else acts on the account (`su`, `sudo`)."""
    actor, where, name = found["user"], fields.get("addr"), fields.get("hostname")
    is_change = fields.get("exe", "").endswith(("/su", "/sudo")) and actor and account and actor != account
    found.update(user=actor if is_change else account or actor, tgt_user=account if is_change else None, role=None)
    if account and not is_change:
        found["user_uid"] = fields.get("id") or (found["user_uid"] if actor == account else None)
    found.update(src_ip=where if where != "?" else None, src_host=name if name not in ("?", where) else None)
    if fields.get("terminal") in ("ssh", "sshd") or fields.get("exe", "").endswith("/sshd"):
        found["app_proto"] = "ssh"


def _ext(records: Sequence[Record], by_kind: dict[str, Fields], name: str | None) -> dict[str, Any]:
    """All records' fields under their own names; `type` and what PATH records hold are lists. Of arguments those of EXECVE count."""
    found: dict[str, Any] = {"type": [record.kind for record in records]}
    for fields in (fields for kind, fields in by_kind.items() if kind != _PARENT):
        for field, value in fields.items():
            found.setdefault(field, value)
    if "\x01" in found.get("key", ""):
        found["key"] = found["key"].split("\x01")
    paths = [record.fields for record in records if record.kind == "PATH"]
    if paths:
        found.update({field: values for field in _PER_RECORD if (values := [path[field] for path in paths if field in path])})
    if "EXECVE" in by_kind:
        words = arguments(by_kind["EXECVE"])[:_ARGUMENTS]
        found = {field: value for field, value in found.items() if field.partition("[")[0] == field}
        found.update({f"a{number}": word for number, word in enumerate(words)})
        for number in range(len(words), 4):
            found.pop(f"a{number}", None)
    if name and not name.isdigit():
        found.setdefault("SYSCALL", name)
    return found
