"""From the records of one audit event to a row: who did what with which program to which file or address."""

from __future__ import annotations

import re
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
_CHANGERS = ("su", "sudo", "pkexec", "doas", "runuser")
_MEMBER = re.compile(r"^(?:(add)|delet|remov)\S*[ -](?:user[ -])?(?:to|from)[ -](?:shadow[ -])?group$")
"""What account tools say of a group's members (`op`), whatever the record's type."""
_IS_ADDRESS = re.compile(r"^[0-9A-Fa-f:.]*[.:][0-9A-Fa-f:.]*$")
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
    avc = by_kind.get("AVC") or by_kind.get("USER_AVC", {})
    if "decision" in avc:
        is_denied = avc["decision"] == "denied" and avc.get("permissive") != "1"
        found.update(status_code=avc["decision"], status_id=2 if is_denied else 1, resource=avc.get("path") or avc.get("name"))
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
    found["module_path"] = fields.get("name") if kind == "KERN_MODULE" else None
    where = fields.get("addr", "")
    found["src_ip"] = where if _IS_ADDRESS.match(where) else None
    account = _account(fields)
    if found["class_uid"] in _ACCOUNTS:
        _managed(found, account, fields)
    elif found["class_uid"] == 3002:
        _logon(found, account, fields)
    elif found["class_uid"] == 3003:
        found["tgt_user"] = "root"  # whom sudo runs things as unless told otherwise


def _account(fields: Fields) -> str | None:
    """The account that is spoken of: by name, or by the number that the log resolved; neither for `(unknown user)`."""
    name = fields.get("acct") or fields.get("ID")
    return None if not name or name in ("?", "unset") or name.startswith("(") else name


def _managed(found: dict[str, Any], account: str | None, fields: Fields) -> None:
    """An account or group, or a group's member."""
    group, member = fields.get("grp"), _MEMBER.match(fields.get("op", ""))
    if member:
        found.update(class_uid=3006, activity_id=3 if member[1] else 4)
    if found["class_uid"] == 3006 and not group and not member:
        group, account = account, None
    found.update(tgt_user=account, tgt_uid=fields.get("id"), priv=group)


def _logon(found: dict[str, Any], account: str | None, fields: Fields) -> None:
    """Whoever is let in acts, not the daemon that lets in; who is already somebody else acts on the account (`su`, `sudo`)."""
    program, actor, uid = fields.get("exe", "").rpartition("/")[2], found["user"], found["user_uid"]
    has_login = fields.get("auid", "unset") not in _UNSET
    is_own = found["op"] in ("USER_AUTH", "USER_ACCT") and program == "sudo"  # sudo asks for the password of who runs it
    if program in _CHANGERS and account and actor != account and (actor or (has_login and not is_own)):
        found["tgt_user"] = account
    elif account:
        same = actor == account or (program == "sudo" and has_login and not actor)
        found.update(user=account, user_uid=fields.get("id") or (uid if same else None))
    elif not has_login or "acct" in fields:
        found.update(user=None, user_uid=fields.get("id"))
    name = fields.get("hostname")
    found.update(role=None, src_host=name if name not in ("?", fields.get("addr")) else None)
    found.update(src_port=fields.get("rport"), dst_ip=fields.get("laddr"), dst_port=fields.get("lport"))
    if fields.get("terminal") in ("ssh", "sshd") or program.startswith("sshd"):
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
