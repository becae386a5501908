"""Syslog: each kind of message, the three heads, years that lines do not have, and names chosen by attackers."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from unittest import mock

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.core.schema import CLASSES, SCHEMA
from nonself.sources import lines, syslog_said
from nonself.sources.auditd import Auditd
from nonself.sources.contract import Chunk, Limits
from nonself.sources.syslog import Syslog
from nonself.sources.syslog_map import FAMILIES, PATTERNS, Pattern, patterns_of
from samples_unix import AUDIT

REFERENCE = datetime(2026, 6, 1, tzinfo=UTC)
STAND_INS = {"source", "owner", "opener", "by", "refused", "tty"}


def read(data: bytes, reference: datetime | None = REFERENCE, limits: Limits | None = None) -> list[Chunk]:
    return list(Syslog(reference).read(lines.in_memory(data), limits or Limits()))


def rows(data: bytes, reference: datetime | None = REFERENCE) -> pl.DataFrame:
    return pl.concat([chunk.events for chunk in read(data, reference)])


def said(program: str, message: str) -> dict[str, object]:
    """The row of one message, without nulls."""
    found = rows(f"Mar  2 10:00:01 web1 {program}: {message}\n".encode())
    assert found.height == 1
    return {name: value for name, value in found.row(0, named=True).items() if value is not None}


@pytest.mark.parametrize(
    ("program", "message", "expected"),
    [
        ("sshd[7]", "Accepted password for ann from 10.0.0.5 port 50123 ssh2",
         {"op": "accepted", "class_uid": 3002, "activity_id": 1, "status_id": 1, "user": "ann", "src_ip": "10.0.0.5", "src_port": 50123,
          "auth_protocol": "password", "pid": 7, "host": "web1", "log_provider": "sshd", "app_proto": "ssh"}),
        ("sshd-session[7]", "Failed keyboard-interactive/pam for invalid user bob from 2001:db8::1 port 22 ssh2",
         {"op": "failed", "status_id": 2, "user": "bob", "src_ip": "2001:db8::1", "auth_protocol": "keyboard-interactive/pam"}),
        ("sshd[7]", "Accepted publickey for ann from ws5.example port 5 ssh2: ED25519 SHA256:abc",
         {"op": "accepted", "src_host": "ws5.example", "src_port": 5}),
        ("sshd[7]", "Invalid user bob from 192.0.2.1", {"op": "invalid_user", "user": "bob", "src_ip": "192.0.2.1", "status_id": 2}),
        ("sshd[7]", "Invalid user  from 192.0.2.1 port 9", {"op": "invalid_user", "src_ip": "192.0.2.1", "src_port": 9}),
        ("sshd[7]", "input_userauth_request: invalid user bob [preauth]", {"op": "invalid_user", "user": "bob"}),
        ("sshd[7]", "User root from 192.0.2.1 not allowed because not listed in AllowUsers", {"op": "not_allowed", "user": "root"}),
        ("sshd[7]", "error: maximum authentication attempts exceeded for invalid user bob from 192.0.2.1 port 9 ssh2 [preauth]",
         {"op": "too_many_failures", "user": "bob", "src_ip": "192.0.2.1"}),
        ("sshd[7]", "Disconnecting authenticating user root 192.0.2.1 port 9: Too many authentication failures [preauth]",
         {"op": "too_many_failures", "user": "root", "src_port": 9}),
        ("sshd[7]", "Connection closed by authenticating user root 192.0.2.1 port 9 [preauth]",
         {"op": "connection_closed", "activity_id": 2, "user": "root", "src_ip": "192.0.2.1"}),
        ("sshd[7]", "Connection closed by 192.0.2.1 port 9 [preauth]", {"op": "connection_closed", "src_ip": "192.0.2.1", "src_port": 9}),
        ("sshd[7]", "Received disconnect from 2001:db8::1: 11: Bye", {"op": "disconnected", "src_ip": "2001:db8::1"}),
        ("sshd[7]", "Received disconnect from 192.0.2.1 port 9:11: Bye [preauth]", {"op": "disconnected", "src_port": 9}),
        ("sshd[7]", "Received disconnect from 192.0.2.1: 11: Bye Bye", {"op": "disconnected", "src_ip": "192.0.2.1"}),
        ("sshd[7]", "Did not receive identification string from 192.0.2.1 port 9", {"op": "no_identification", "src_ip": "192.0.2.1"}),
        ("sshd[7]", "message repeated 3 times: [ Failed password for root from 192.0.2.1 port 9 ssh2]", {"op": "failed", "user": "root"}),
        ("sshd[7]", "pam_unix(sshd:session): session opened for user ann(uid=1000) by (uid=0)",
         {"op": "session_opened", "user": "ann", "activity_id": 1, "status_id": 1}),
        ("sshd[7]", "pam_unix(sshd:session): session closed for user ann", {"op": "session_closed", "user": "ann", "activity_id": 2}),
        ("sudo", "pam_unix(sudo:session): session opened for user root(uid=0) by ann(uid=1000)",
         {"op": "session_opened", "user": "ann", "tgt_user": "root"}),
        ("sshd[7]", "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=root",
         {"op": "auth_failure", "user": "root", "src_ip": "192.0.2.1", "status_id": 2}),
        ("su", "pam_unix(su:auth): authentication failure; logname=ann uid=1 euid=0 tty=/dev/pts/0 ruser=ann rhost=  user=root",
         {"op": "auth_failure", "user": "ann", "tgt_user": "root"}),
        ("passwd[7]", "pam_unix(passwd:chauthtok): password changed for ann",
         {"op": "password_changed", "class_uid": 3001, "tgt_user": "ann"}),
        ("sudo", "     ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/usr/bin/cat /etc/shadow ; id",
         {"op": "sudo", "class_uid": 3003, "status_id": 1, "user": "ann", "tgt_user": "root", "cwd": "/home/ann", "image": "/usr/bin/cat",
          "cmdline": "/usr/bin/cat /etc/shadow ; id"}),
        ("sudo", "ann : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/su",
         {"op": "sudo_failed", "status_id": 2, "status_code": "3 incorrect password attempts", "cmdline": "/bin/su"}),
        ("sudo", "eve : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh", {"op": "sudo_failed", "user": "eve"}),
        ("su[7]", "(to root) ann on pts/0", {"op": "su_accepted", "user": "ann", "tgt_user": "root"}),
        ("su[7]", "FAILED SU (to root) ann on pts/0", {"op": "su_failed", "status_id": 2, "user": "ann", "tgt_user": "root"}),
        ("systemd-logind[7]", "New session 5 of user ann.", {"op": "session_opened", "session": "5", "user": "ann"}),
        ("useradd[7]", "new user: name=eve, UID=1003, GID=1003, home=/home/eve, shell=/bin/bash",
         {"op": "user_created", "class_uid": 3001, "activity_id": 1, "tgt_user": "eve", "tgt_uid": "1003"}),
        ("groupadd[7]", "new group: name=ops, GID=1004", {"op": "group_created", "class_uid": 3006, "priv": "ops"}),
        ("usermod[7]", "add 'eve' to group 'sudo'", {"op": "group_member_added", "activity_id": 3, "tgt_user": "eve", "priv": "sudo"}),
        ("sshd[7]", "error: PAM: Authentication failure for illegal user bob from 192.0.2.1",
         {"op": "auth_failure", "status_id": 2, "user": "bob", "src_ip": "192.0.2.1", "app_proto": "ssh"}),
        ("sshd[7]", "PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=ann",
         {"op": "auth_failure", "user": "ann", "src_ip": "192.0.2.1"}),
        ("sshd[7]", "Accepted key ED25519 SHA256:abc found at /home/ann/.ssh/authorized_keys:1", {"class_uid": 0}),
        ("sshd[7]", "Disconnecting: Too many authentication failures for ann [preauth]", {"op": "too_many_failures", "user": "ann"}),
        ("sshd[7]", "Connection closed by 192.0.2.1 [preauth]", {"op": "connection_closed", "src_ip": "192.0.2.1"}),
        ("sshd[7]", "Connection reset by 192.0.2.1", {"op": "connection_closed", "src_ip": "192.0.2.1"}),
        ("sshd[7]", "error: Received disconnect from 192.0.2.1: 3: Auth fail [preauth]", {"op": "disconnected", "src_ip": "192.0.2.1"}),
        ("sshd[7]", "User bob not allowed because account is locked", {"op": "not_allowed", "user": "bob"}),
        ("sshd[7]", "User bob from 192.0.2.1 not allowed because listed in DenyUsers", {"op": "not_allowed", "src_ip": "192.0.2.1"}),
        ("sshd[7]", "fatal: Access denied for user bob by PAM account configuration [preauth]", {"op": "not_allowed", "user": "bob"}),
        ("sshd[7]", "ROOT LOGIN REFUSED FROM 192.0.2.1 port 9", {"op": "not_allowed", "user": "root", "src_port": 9, "status_id": 2}),
        ("sshd[7]", "refused connect from host.example (192.0.2.1)", {"op": "not_allowed", "src_ip": "192.0.2.1"}),
        ("sshd[7]", "reverse mapping checking getaddrinfo for a.example [192.0.2.1] failed - POSSIBLE BREAK-IN ATTEMPT!",
         {"op": "reverse_mapping_failed", "src_ip": "192.0.2.1", "src_host": "a.example"}),
        ("sshd[7]", "fatal: Timeout before authentication for 192.0.2.1 port 9", {"op": "timeout", "src_ip": "192.0.2.1", "src_port": 9}),
        ("sshd-session[7]", "Timeout before authentication for connection from 192.0.2.1 to 10.0.0.5, pid = 5",
         {"op": "timeout", "src_ip": "192.0.2.1", "dst_ip": "10.0.0.5"}),
        ("sshd[7]", "drop connection #3 from [192.0.2.1]:9 on [10.0.0.5]:22 penalty: failed authentication",
         {"op": "dropped", "src_ip": "192.0.2.1", "src_port": 9, "dst_port": 22}),
        ("sshd[7]", "ssh_dispatch_run_fatal: Connection from authenticating user ann 192.0.2.1 port 9: Connection corrupted [preauth]",
         {"op": "negotiation_failed", "user": "ann", "src_ip": "192.0.2.1"}),
        ("sshd[7]", "Starting session: shell on pts/0 for ann from 192.0.2.1 port 9 id 0", {"op": "session_started", "user": "ann"}),
        ("sshd(pam_unix)[7]", "authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost=192.0.2.1  user=root",
         {"op": "auth_failure", "user": "root", "src_ip": "192.0.2.1"}),
        ("su(pam_unix)[7]", "session opened for user news by (uid=0)", {"op": "session_opened", "user": "news"}),
        ("sshd[7]", "pam_sss(sshd:auth): authentication success; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1 user=ann",
         {"op": "auth_success", "status_id": 1, "user": "ann", "src_ip": "192.0.2.1"}),
        ("sshd[7]", "pam_sss(sshd:auth): received for user ann: 7 (Authentication failure)", {"op": "auth_failure", "user": "ann"}),
        ("sshd[7]", "pam_sss(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1 "
         "user=x session opened for user root by (uid=0)", {"op": "auth_failure", "status_id": 2, "src_ip": "192.0.2.1"}),
        ("sudo", "pam_unix(sudo:auth): authentication failure; logname=ann uid=1 euid=0 tty=/dev/pts/0 ruser=ann rhost=  user=ann",
         {"op": "auth_failure", "user": "ann", "tgt_user": None}),
        ("login[7]", "pam_unix(login:session): session opened for user ann(uid=1000) by LOGIN(uid=0)",
         {"op": "session_opened", "user": "ann", "tgt_user": None}),
        ("login[7]", "FAILED LOGIN (1) on '/dev/pts/0' from '192.0.2.1' FOR 'bob', Authentication failure",
         {"op": "failed", "user": "bob", "src_ip": "192.0.2.1", "status_id": 2}),
        ("login[7]", "FAILED LOGIN 2 FROM tty1 FOR bob, Authentication failure", {"op": "failed", "user": "bob", "src_ip": None}),
        ("login[7]", "ROOT LOGIN ON tty1", {"op": "accepted", "user": "root", "status_id": 1}),
        ("login[7]", "LOGIN ON pts/1 BY ann FROM 192.0.2.1", {"op": "accepted", "user": "ann", "src_ip": "192.0.2.1"}),
        ("login", "3 LOGIN FAILURES FROM 192.0.2.1, bob", {"op": "failed", "user": "bob", "src_ip": "192.0.2.1"}),
        ("unix_chkpwd[7]", "password check failed for user (ann)", {"op": "auth_failure", "user": "ann", "status_id": 2}),
        ("su", "BAD SU ann to root on /dev/ttyp0", {"op": "su_failed", "user": "ann", "tgt_user": "root"}),
        ("su", "ann to root on /dev/ttyp0", {"op": "su_accepted", "user": "ann", "tgt_user": "root", "status_id": 1}),
        ("su[7]", "- /dev/pts/1 ann:root", {"op": "su_failed", "user": "ann", "tgt_user": "root"}),
        ("doas", "ann ran command ls -l as root from /home/ann", {"class_uid": 3003, "op": "doas", "user": "ann", "cmdline": "ls -l"}),
        ("pkexec[7]", "ann: Executing command [USER=root] [TTY=unknown] [CWD=/home/ann] [COMMAND=/usr/bin/id -u]",
         {"op": "pkexec", "user": "ann", "tgt_user": "root", "cwd": "/home/ann", "cmdline": "/usr/bin/id -u"}),
        ("passwd[7]", "password for 'ann' changed by 'root'", {"op": "password_changed", "user": "root", "tgt_user": "ann"}),
        ("useradd[7]", "failed adding user 'eve', exit code: 9", {"op": "user_created", "status_id": 2, "tgt_user": "eve"}),
        ("useradd[7]", "new account added - account=eve, uid=1003, gid=100, home=/home/eve, shell=/bin/bash, by=0",
         {"op": "user_created", "tgt_user": "eve", "tgt_uid": "1003"}),
        ("usermod[7]", "change user name 'eve' to 'eva'", {"op": "user_changed", "tgt_user": "eve"}),
        ("gpasswd[7]", "members of group ops set by root to ann,bob", {"op": "group_members_set", "priv": "ops", "user": "root"}),
        ("userdel[7]", "removed shadow group 'ops' owned by 'eve'", {"op": "group_deleted", "priv": "ops"}),
        ("/usr/sbin/cron[7]", "(root) CMD (/usr/libexec/atrun)", {"op": "job_run", "user": "root"}),
        ("crontab[7]", "(root) DELETE (ann)", {"op": "crontab_deleted", "activity_id": 3, "tgt_user": "ann"}),
        ("kernel", "[ 9.1] [UFW BLOCK] IN=eth0 OUT= MAC=aa SRC=192.0.2.1 DST=10.0.0.5 LEN=40 TTL=1 PROTO=TCP SPT=4000 DPT=22 WINDOW=1",
         {"op": "packet_refused", "class_uid": 4001, "status_id": 2, "src_ip": "192.0.2.1", "dst_port": 22, "proto": "tcp"}),
        ("kernel", "ct: IN= OUT=eth0 SRC=2001:db8::1 DST=2001:db8::2 LEN=40 PROTO=ICMPv6 TYPE=135",
         {"op": "packet", "activity_id": 6, "src_ip": "2001:db8::1", "status_id": None}),
        ("CRON[7]", "(root) CMD (run-parts /etc/cron.hourly)", {"op": "job_run", "cmdline": "run-parts /etc/cron.hourly"}),
        ("systemd[1]", "Started cron.service - Regular jobs.", {"op": "unit_started", "service": "cron.service", "class_uid": 0}),
        ("kernel", "[ 1.0] Failed password for root from 1.1.1.1 port 1 ssh2", {"class_uid": 0, "log_provider": "kernel"}),
    ],
)  # fmt: skip
def test_messages_fill_their_columns(program: str, message: str, expected: dict[str, object]) -> None:
    found = said(program, message)
    assert {name: found.get(name) for name in expected} == expected
    assert "op" in expected or "op" not in found
    assert found["log_provider"] == program.split("[")[0]


@pytest.mark.parametrize(
    ("message", "user"),
    [
        ("Failed password for invalid user root from 1.2.3.4 port 22 ssh2 from 5.6.7.8 port 2222 ssh2", "root from 1.2.3.4 port 22 ssh2"),
        ("Failed password for invalid user a: Accepted password for root from 1.2.3.4 port 1 ssh2: x from 5.6.7.8 port 2222 ssh2",
         "a: Accepted password for root from 1.2.3.4 port 1 ssh2: x"),
        ("Invalid user x from 1.2.3.4 port 1 from 5.6.7.8 port 2222", "x from 1.2.3.4 port 1"),
        ("Connection closed by invalid user x 1.2.3.4 port 1 5.6.7.8 port 2222 [preauth]", "x 1.2.3.4 port 1"),
        ("Failed none for invalid user pam_unix(sshd:session): session opened for user root by (uid=0) from 5.6.7.8 port 2222 ssh2",
         "pam_unix(sshd:session): session opened for user root by (uid=0)"),
    ],
)  # fmt: skip
def test_a_name_chosen_to_look_like_another_message_deceives_no_column(message: str, user: str) -> None:
    found = said("sshd[7]", message)
    assert (found["user"], found["src_ip"], found["src_port"]) == (user, "5.6.7.8", 2222)
    assert found.get("status_id") != 1


def test_a_refusal_cannot_be_written_into_a_command() -> None:
    found = said(
        "sudo", "ann : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/echo 3 incorrect password attempts ; TTY=x ; USER=eve ; COMMAND=y"
    )
    assert (found["op"], found["status_id"], found["tgt_user"]) == ("sudo", 1, "root")


@settings(max_examples=40)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), min_size=1, max_size=40).filter(lambda name: name == name.strip()))
def test_any_user_name_is_read_whole_and_the_address_stays_true(name: str) -> None:
    found = said("sshd[7]", f"Failed password for invalid user {name} from 5.6.7.8 port 2222 ssh2")
    assert (found["user"], found["src_ip"], found["status_id"]) == (name, "5.6.7.8", 2)


def test_a_huge_name_and_control_characters_are_kept() -> None:
    for name in ("n" * 1_000_000, "a\0b\x1b[2J", "\udcff"):
        data = f"Mar  2 10:00:01 web1 sshd[7]: Failed password for {name} from 5.6.7.8 port 22 ssh2\n".encode("utf-8", "surrogateescape")
        found = rows(data)
        assert found["src_ip"].to_list() == ["5.6.7.8"]
        assert found["user"].item().replace("�", "\udcff") == name


@pytest.mark.parametrize(
    ("line", "time", "host", "channel", "severity", "ext"),
    [
        ("Mar  2 10:00:01 web1 sshd[7]: hello", "2026-03-02 10:00:01+00:00", "web1", None, None, None),
        ("<38>Mar 12 10:00:01 web1 sshd[7]: hello", "2026-03-12 10:00:01+00:00", "web1", "auth", 1, None),
        ("45 <38>Mar 12 10:00:01 web1 sshd[7]: hello", "2026-03-12 10:00:01+00:00", "web1", "auth", 1, None),
        ("Mar  2 10:00:01 sshd[7]: hello", "2026-03-02 10:00:01+00:00", None, None, None, None),
        ("2026-03-02T10:00:01.250000+02:00 web1 sshd[7]: hello", "2026-03-02 08:00:01.250000+00:00", "web1", None, None, None),
        ("<83>2026-03-02T10:00:01Z web1 sshd[7]: hello", "2026-03-02 10:00:01+00:00", "web1", "authpriv", 4, None),
        ("2026-03-02 10:00:01.250000-0130  web1 sshd[7]: hello", "2026-03-02 11:30:01.250000+00:00", "web1", None, None, None),
        ("2026-03-02 10:00:01+01 web1 sshd[7]: hello", "2026-03-02 09:00:01+00:00", "web1", None, None, None),
        ('<34>1 2026-03-02T10:00:01.5Z web1 sshd 7 ID47 [a@1 k="v\\"]"][b@2] hello', "2026-03-02 10:00:01.500000+00:00", "web1", "auth", 5,
         {"msgid": "ID47", "structured_data": '[a@1 k="v\\"]"][b@2]'}),
        ("<34>1 2026-03-02T10:00:01Z - sshd 7 - - \ufeffhello", "2026-03-02 10:00:01+00:00", None, "auth", 5, None),
    ],
)  # fmt: skip
def test_heads(line: str, time: str, host: str | None, channel: str | None, severity: int | None, ext: object) -> None:
    line = line.replace("hello", "Failed password for ann from 192.0.2.1 port 9 ssh2")
    found = rows(line.encode()).row(0, named=True)
    assert (str(found["time"]), found["host"], found["channel"], found["severity_id"]) == (time, host, channel, severity)
    assert (found["log_provider"], found["pid"], found["user"], found["src_port"]) == ("sshd", 7, "ann", 9)
    assert (found["ext"] and orjson.loads(found["ext"])) == ext
    assert Syslog().recognise(line.encode(), "") == (host is not None or line.startswith("<34>"))


def test_lines_without_a_head_or_a_time_say_why() -> None:
    data = b"nonsense\n\nFeb 30 10:00:01 web1 sshd: x\nMar  2 10:00:01 web1 sshd: x\n2026-99-02T10:00:01Z web1 sshd: x\n{}\n"
    (chunk,) = read(data)
    assert [(letter.record, letter.reason) for letter in chunk.dead] == [
        (0, "not-syslog"), (2, "bad-time"), (4, "bad-time"), (5, "not-syslog")]  # fmt: skip
    assert chunk.events["record"].to_list() == [3]
    assert chunk.records == 5


def stamps(*days: str) -> bytes:
    return b"".join(f"{day} 10:00:00 web1 x: y\n".encode() for day in days)


@pytest.mark.parametrize(
    ("days", "reference", "years"),
    [
        (("Mar  2", "May 30"), REFERENCE, [2026, 2026]),
        (("Jul  2",), REFERENCE, [2025]),
        (("Nov  2", "Dec 31", "Jan  1", "Feb  2"), REFERENCE, [2025, 2025, 2026, 2026]),
        (("Dec 31", "Jan  1", "Dec 31", "Jan  2"), REFERENCE, [2025, 2026, 2025, 2026]),  # one line came late
        (("Dec 31", "Jan  1", "Aug  1", "Dec 31", "Jan  1"), REFERENCE, [2024, 2025, 2025, 2025, 2026]),
        (("Dec 31", "Jan  1"), datetime(2025, 12, 31, tzinfo=UTC), [2024, 2025]),
        (("Feb 29",), datetime(2024, 6, 1, tzinfo=UTC), [2024]),
    ],
)
def test_years_follow_the_order_of_the_lines(days: tuple[str, ...], reference: datetime, years: list[int]) -> None:
    assert rows(stamps(*days), reference)["time"].dt.year().to_list() == years
    small = pl.concat([chunk.events for chunk in read(stamps(*days), reference, Limits(chunk_records=1))])
    assert small["time"].dt.year().to_list() == years


def test_without_a_reference_the_newest_year_in_the_file_counts() -> None:
    mixed = stamps("Dec 30") + b"2019-01-01T00:00:00Z web1 x: y\n" + stamps("Jan  2") + b"9999-01-01T00:00:00Z web1 x: y\n"
    assert rows(mixed, None)["time"].dt.year().to_list() == [2018, 2019, 2019, 9999]


def test_patterns_name_only_columns_and_classes_that_exist() -> None:
    for pattern in PATTERNS:
        groups = set(pl.Series(["x"]).str.extract_groups(pattern.regex or "(?P<user>x)").struct.fields)
        assert groups <= set(SCHEMA) | STAND_INS
        assert set(pattern.constant) <= set(SCHEMA)
        assert pattern.class_uid in CLASSES
    assert all(any(program in pattern.programs for pattern in patterns_of(number)) for program, number in FAMILIES.items())


NAMES = st.text("ab:(=) 1.", min_size=1, max_size=8).filter(lambda name: name == name.strip())


@settings(max_examples=60)
@given(NAMES, NAMES, st.sampled_from([(pattern, form) for pattern in PATTERNS for form in pattern.forms]), st.booleans())
def test_forms_mean_what_regexes_mean(name: str, other: str, chosen: tuple[Pattern, str], is_cut: bool) -> None:
    """Every usual form is only a faster way to its pattern's columns: with all forms taken away nothing changes."""
    pattern, form = chosen
    values = {"source": "192.0.2.1", "src_port": "22", "user": name, "session": "c5", "owner": f"{name}(uid=5)", "opener": "(uid=0)"}
    message = re.sub(r"\{(\w*)\*?\}", lambda found: values.get(found[1], other.replace(" ", "")) or "x", form)
    program = pattern.programs[0] if pattern.programs else "sshd"
    line = f"Mar  2 10:00:01 web1 {program}[7]: {message[: -1 - len(other)] if is_cut else message}\n".encode()
    fast = rows(line)
    with mock.patch.object(syslog_said, "_forms", lambda family: ()):
        assert rows(line).equals(fast)


def test_forms_are_used_and_agree_over_many_lines() -> None:
    data = b"".join(f"Mar  2 10:00:01 web{n % 3} {'sshd' if n % 2 else f'p{n}'}[{n}]: Failed password for u{n} from 10.0.0.{n % 256} port "
                    f"{n} ssh2\n".encode() for n in range(3_000))  # fmt: skip
    found = rows(data).filter(pl.col("log_provider") == "sshd")
    assert found["user"].to_list() == [f"u{n}" for n in range(1, 3_000, 2)]
    assert found["src_port"].to_list() == found["pid"].to_list() == list(range(1, 3_000, 2))
    assert found["host"].to_list() == [f"web{n % 3}" for n in range(1, 3_000, 2)]
    with mock.patch.object(syslog_said, "_by_regex", side_effect=AssertionError("a usual line went through a regex")):
        rows(b"".join(line for line in data.splitlines(keepends=True) if b" sshd[" in line))


def test_a_long_file_of_two_years_is_cut_anywhere() -> None:
    lines_ = [f"{day} 10:00:00 web1 x: {'y' * 90} {n}\n".encode() for day in ("Nov 30", "Dec 31", "Jan  1", "Feb  2") for n in range(1_500)]
    found = rows(b"".join(lines_))
    assert found["time"].dt.year().to_list() == [2025] * 3_000 + [2026] * 3_000
    parts = read(b"".join(lines_), limits=Limits(chunk_records=7))
    assert pl.concat([chunk.events for chunk in parts]).equals(found)
    assert max(chunk.records for chunk in parts) == 7
    assert sum(chunk.bytes for chunk in parts) == sum(map(len, lines_))


@pytest.mark.parametrize("line", [
    b"<", b"<>", b"<1", b"<999>", b"<34>1", b"<34>1 ", b"<34>1 -", b"<34>1 2026-03-02T10:00:01Z", b"<34>1 2026-03-02T10:00:01Z a b c d",
    b"<34>1 2026-03-02T10:00:01Z a b 99999999999999999999 d - x", b"1 <34>", b"12345678901 <34>1 x", b"Mar  2 10:00:01",
    b"Mar  2 10:00:01 ",
    b"Mar  2 10:00:01 a", b"Mar  2 10:00:01 a:", b"Mar  2 10:00:01 a b[", b"Mar  2 10:00:01 a b[]: c", b"Mar  2 10:00:01 a b[x]: c",
    b"Mar  2 10:00:01 a b[123456789]: c", b"Mar  2 10:00:01 a sshd: ", b"Mar  2 10:00:01 a sshd: Accepted ", b"Mar  0 10:00:01 a b: c",
    b"Mar 32 10:00:01 a b: c", b"Mar  2 24:00:01 a b: c", b"Mar  2 10:0x:01 a b: c", b"mar  2 10:00:01 a b: c", b"2026-03-02 10:00:01+01",
    b"2026-03-02T", b"Mar  2 10:00:01 \xff\xfe sshd[1]: Failed password for \xff from 1.2.3.4 port 22 ssh2", b"\0" * 40, b" " * 40 + b"x",
    b"Mar  2 10:00:01 a sshd[1]: message repeated 9 times: [ x", b"Mar  2 10:00:01 a sshd[1]: message repeated 9 times: [",
    b"Mar  2 10:00:01 a sshd[1]: Failed password for x from 1.2.3.4 port 99999999999 ssh2",
])  # fmt: skip
def test_odd_lines_are_an_event_or_a_reason_and_move_no_other(line: bytes) -> None:
    good = b"Mar  2 10:00:01 web1 sshd[7]: Accepted password for ann from 10.0.0.5 port 50123 ssh2\n"
    (alone,) = read(good)
    (chunk,) = read(line + b"\n" + good + line)
    assert chunk.events.height + len(chunk.dead) == 3
    assert chunk.events.filter(pl.col("record") == 1).drop("record").equals(alone.events.drop("record"))


@given(st.lists(st.text("<>0123 :[]-TZMar2\x00é\ufeff", max_size=40).map(str.encode) | st.binary(max_size=30), max_size=8))
def test_no_bytes_break_a_line(parts: list[bytes]) -> None:
    data = b"\n".join(parts)
    found = read(data)
    assert sum(chunk.records for chunk in found) == sum(bool(line.strip()) for line in data.split(b"\n"))


def test_not_syslog() -> None:
    for data in (
        b"Mar  2 10:00:01 diary: dear diary, no host\n"[:16],
        b"2026-03-02 10:00:01 some text\n",
        b"<html> x: y\n",
        b'{"a":"Mar  2"}\n',
    ):
        assert not Syslog().recognise(data, "auth.log")


AUDIT_HEADS = (
    b"Mar  2 10:00:01 web1 audispd: ",
    b"Mar  2 10:00:01 web1 audisp-syslog[71]: ",
    b"<13>1 2026-03-02T10:00:01.5Z web1 audispd - - - ",
    b"2026-03-02T10:00:01.5+00:00 web1 audit[7]: ",
)


@pytest.mark.parametrize("head", AUDIT_HEADS)
def test_records_of_the_audit_log_are_read_as_its_own(head: bytes) -> None:
    lines_of = AUDIT.splitlines()
    mixed = b"\n".join(head + line for line in lines_of[:4])
    mixed += b"\nMar  2 10:00:02 web1 sshd[811]: Failed password for ann from 192.0.2.7 port 22 ssh2\n"
    mixed += b"\n".join(head + line for line in lines_of[4:]) + b"\n"
    found = rows(mixed)
    own = pl.concat([chunk.events for chunk in Auditd().read(lines.in_memory(AUDIT), Limits())])
    audited = found.filter(source="auditd")
    assert audited["uid"].to_list() == own["uid"].to_list(), "the same record has the same name, wherever it was kept"
    assert audited.drop("host", "record", "origin").equals(own.drop("host", "record", "origin"))
    assert audited["host"].to_list() == ["web1"] * 3
    assert audited["record"].to_list() == [0, 1, 9]
    assert found.filter(source="syslog").select("op", "record").rows() == [("failed", 4)]


def test_what_only_looks_like_a_record_stays_a_message() -> None:
    for line in (b"Mar  2 10:00:01 web1 app: said type=X msg=audit(1.000:1): ", b"Mar  2 10:00:01 web1 audispd: queue full msg=audit(x"):
        assert rows(line + b"\n")["source"].to_list() == ["syslog"]
    (bad,) = [letter for chunk in read(b"Mar  2 10:00:01 web1 audispd: type=X msg=audit(1): a\n") for letter in chunk.dead]
    assert bad.reason == "not-auditd"


def test_audit_records_are_joined_over_chunks_of_any_size() -> None:
    data = b"".join(AUDIT_HEADS[0] + line + b"\n" for line in AUDIT.splitlines())
    for records in (1, 2, 3, 100):
        chunks = read(data, limits=Limits(chunk_records=records))
        assert sum(chunk.events.height for chunk in chunks) == 3
        assert sum(chunk.bytes for chunk in chunks) == len(data)
