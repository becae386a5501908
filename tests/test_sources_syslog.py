"""Syslog: each kind of message, the three heads, years that lines do not have, and names chosen by attackers."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself.core.schema import CLASSES, SCHEMA
from nonself.sources import lines
from nonself.sources.contract import Chunk, Limits
from nonself.sources.syslog import Syslog
from nonself.sources.syslog_map import FAMILIES, PATTERNS, patterns_of

REFERENCE = datetime(2026, 6, 1, tzinfo=UTC)
STAND_INS = {"source", "owner", "by", "refused"}


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
        ("CRON[7]", "(root) CMD (run-parts /etc/cron.hourly)", {"op": "job_run", "cmdline": "run-parts /etc/cron.hourly"}),
        ("systemd[1]", "Started cron.service - Regular jobs.", {"op": "unit_started", "service": "cron.service", "class_uid": 0}),
        ("kernel", "[ 1.0] Failed password for root from 1.1.1.1 port 1 ssh2", {"class_uid": 0, "log_provider": "kernel"}),
    ],
)  # fmt: skip
def test_messages_fill_their_columns(program: str, message: str, expected: dict[str, object]) -> None:
    found = said(program, message)
    assert {name: found.get(name) for name in expected} == expected
    assert "op" in expected or "op" not in found
    assert orjson.loads(str(found["ext"]))["program"] == program.split("[")[0]


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
    ("line", "time", "host", "channel", "severity"),
    [
        ("Mar  2 10:00:01 web1 sshd[7]: hello", "2026-03-02 10:00:01+00:00", "web1", None, None),
        ("<38>Mar 12 10:00:01 web1 sshd[7]: hello", "2026-03-12 10:00:01+00:00", "web1", "auth", 1),
        ("Mar  2 10:00:01 sshd[7]: hello", "2026-03-02 10:00:01+00:00", None, None, None),
        ("2026-03-02T10:00:01.250000+02:00 web1 sshd[7]: hello", "2026-03-02 08:00:01.250000+00:00", "web1", None, None),
        ("<83>2026-03-02T10:00:01Z web1 sshd[7]: hello", "2026-03-02 10:00:01+00:00", "web1", "authpriv", 4),
        ('<34>1 2026-03-02T10:00:01.5Z web1 sshd 7 ID47 [a@1 k="v\\"]"][b@2] hello', "2026-03-02 10:00:01.500000+00:00", "web1", "auth", 5),
        ("<34>1 2026-03-02T10:00:01Z - sshd 7 - - \ufeffhello", "2026-03-02 10:00:01+00:00", None, "auth", 5),
    ],
)
def test_heads(line: str, time: str, host: str | None, channel: str | None, severity: int | None) -> None:
    found = rows(line.encode()).row(0, named=True)
    assert (str(found["time"]), found["host"], found["channel"], found["severity_id"]) == (time, host, channel, severity)
    assert (found["log_provider"], found["pid"]) == ("sshd", 7)
    assert orjson.loads(found["ext"]) == {"program": "sshd", "message": "hello"}
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


def test_not_syslog() -> None:
    for data in (
        b"Mar  2 10:00:01 diary: dear diary, no host\n"[:16],
        b"2026-03-02 10:00:01 some text\n",
        b"<html> x: y\n",
        b'{"a":"Mar  2"}\n',
    ):
        assert not Syslog().recognise(data, "auth.log")
