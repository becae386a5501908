r"""What sshd, sudo, su, PAM, the account tools, cron and logind say, as a table of patterns over a message.

Whoever logs on chooses the user name that sshd writes, so `Failed password for invalid user root from 1.2.3.4 port 22 ssh2 from 5.6.7.8
port 22 ssh2` came from 5.6.7.8: every pattern is anchored at the message's start, and the last address is the one that counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

MAP_VER = 4
SSHD = ("sshd", "sshd-session", "sshd-auth")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One kind of message. Of those that fit a line, the first counts.

    starts    the message begins with one of these
    programs  and its program is one of these (any where empty)
    has       and it holds this text
    regex     its named groups are event columns, or one of the stand-ins below
    forms     the usual messages among these, as words (see `syslog_words.Form`): the same columns at a tenth of the regex's cost
    constant  event columns with a fixed value

    Stand-ins: `source` is an address or a name (src_ip or src_host); `owner` of a session and its `opener`, each perhaps with a
    `(uid=0)`; `by` whom `user` was tried; `refused` tells why sudo did not run the command; `tty` is its terminal (`TTY` of `ext`).
    """

    op: str
    class_uid: int
    activity_id: int
    status_id: int | None
    starts: tuple[str, ...]
    programs: tuple[str, ...] = ()
    has: str = ""
    regex: str = ""
    constant: Mapping[str, str] = field(default_factory=dict)
    forms: tuple[str, ...] = ()


_FROM = r" from (?P<source>\S+) port (?P<src_port>\d+)"
_PEER = r"(?: (?:authenticating user|invalid user|user) (?P<user>.*))? (?P<source>\S+) port (?P<src_port>\d+)"
_LAST_FROM = r" from (?P<source>\S+)(?: port (?P<src_port>\d+))?$"
_INVALID = r"(?:invalid user |illegal user )?"
_FAILURE = r" ruser=(?P<by>\S*) rhost=(?P<source>\S*)(?:\s+user=(?P<user>.*)|\s*)$"
_PACKET = (
    r"^.*?IN=\S* OUT=\S* .*?SRC=(?P<src_ip>\S+) DST=(?P<dst_ip>\S+) .*?PROTO=(?P<proto>[A-Z]+)"
    r"(?: SPT=(?P<src_port>\d+) DPT=(?P<dst_port>\d+))?"
)
_CRON = ("CRON", "cron", "crond", "CROND", "anacron", "/usr/sbin/cron", "/USR/SBIN/CRON")
_OLD_PAM = tuple(
    f"{name}(pam_unix)" for name in ("sshd", "su", "sudo", "login", "passwd", "crond", "vsftpd", "ftpd", "gdm", "xdm", "remote")
)
"""Programs as PAM before 0.99 named them, in place of the `pam_unix(sshd:auth): ` that its messages begin with now."""
_TOO_MANY = "error: maximum authentication attempts exceeded for"
_AT = "from {source} port {src_port}"


def _ssh(op: str, activity: int, status: int | None, starts: tuple[str, ...], regex: str, has: str = "", *forms: str) -> Pattern:
    return Pattern(op, 3002, activity, status, starts, SSHD, has, regex, {"app_proto": "ssh", "proto": "tcp"}, forms)


def _peers(start: str) -> tuple[str, ...]:
    """The forms of `_PEER`."""
    whos = ("invalid user {user*} ", "authenticating user {user*} ", "user {user*} ", "")
    return tuple(f"{start} {who}{{source}} port {{src_port}}{tail}" for who in whos for tail in (" [preauth]", ""))


# What refuses stands first: it quotes names that nobody has.
PAM: tuple[Pattern, ...] = (
    Pattern("auth_failure", 3002, 1, 2, ("pam_",), (), "authentication failure;", _FAILURE, {},
            ("pam_{}: authentication failure; logname={} uid={} euid={} tty={} ruser={by} rhost={source}  user={user}",
             "pam_{}: authentication failure; logname={} uid={} euid={} tty={} ruser={by} rhost={source} ")),
    Pattern("auth_failure", 3002, 1, 2, ("pam_",), (), "check pass; user unknown", "", {}, ("pam_{}: check pass; user unknown",)),
    Pattern("auth_failure", 3002, 1, 2, ("pam_",), (), "received for user ", r"received for user (?P<user>.*): \d+ \("),
    Pattern("auth_failure", 3002, 1, 2, ("pam_",), (), "could not identify password for [", r"password for \[(?P<user>.*)\]$"),
    Pattern("account_locked", 3002, 1, 2, ("pam_",), (), "Consecutive login failures for user ",
            r"Consecutive login failures for user (?P<user>.*?) account temporarily locked"),
    Pattern("account_locked", 3002, 1, 2, ("pam_tally",), (), " tally ", r": user (?P<user>.*?) \(\d+\) tally \d+"),
    Pattern("not_allowed", 3002, 1, 2, ("pam_access",), (), "access denied for user ",
            r"access denied for user [`'](?P<user>.*)' from [`'](?:(?P<src_ip>[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]+)|[^']*)'$"),
    Pattern("not_allowed", 3002, 1, 2, ("pam_listfile",), (), "Refused user ", r"Refused user (?P<user>.*) for service \S+$"),
    Pattern("account_expired", 3002, 1, 2, ("pam_unix",), (), ": account ", r": account (?P<user>.*) has (?:expired|password changed) "),
    Pattern("requirement_not_met", 3002, 99, 2, ("pam_succeed_if",), (), " not met by user ", r' not met by user "(?P<user>.*)"$'),
    Pattern("auth_success", 3002, 1, 1, ("pam_",), (), "authentication success;", _FAILURE),
    Pattern("session_opened", 3002, 1, 1, ("pam_",), (), "session opened for user ",
            r"session opened for user (?P<owner>.*?) by (?P<opener>.*?\(uid=\d+\))$", {},
            ("pam_{}: session opened for user {owner} by {opener}",)),
    Pattern("session_closed", 3002, 2, 1, ("pam_",), (), "session closed for user ", r"session closed for user (?P<user>.*)$", {},
            ("pam_{}: session closed for user {user*}",)),
    Pattern("password_changed", 3001, 3, 1, ("pam_",), (), "password changed for ", r"password changed for (?P<tgt_user>.*)$"),
)  # fmt: skip

PATTERNS: tuple[Pattern, ...] = (
    _ssh("accepted", 1, 1, ("Accepted ",),
         r"^Accepted (?P<auth_protocol>\S+) for (?P<user>.*)" + _FROM + r"(?: ssh2: \S+ (?P<cred>\S+))?", " port ",
         f"Accepted {{auth_protocol}} for {{user*}} {_AT} ssh2", f"Accepted {{auth_protocol}} for {{user*}} {_AT} ssh2: {{}} {{cred}}"),
    _ssh("failed", 1, 2, ("Failed ",),
         r"^Failed (?P<auth_protocol>\S+) for " + _INVALID + "(?P<user>.*)" + _FROM + r"(?: ssh2: \S+ (?P<cred>\S+))?", " for ",
         f"Failed {{auth_protocol}} for invalid user {{user*}} {_AT} ssh2", f"Failed {{auth_protocol}} for {{user*}} {_AT} ssh2"),
    _ssh("postponed", 1, None, ("Postponed ", "Partial "), r"^P\w+ (?P<auth_protocol>\S+) for " + _INVALID + "(?P<user>.*)" + _FROM),
    _ssh("invalid_user", 1, 2, ("Invalid user ", "Illegal user "), r"^I\w+ user (?P<user>.*)" + _LAST_FROM, "",
         f"Invalid user {{user*}} {_AT}"),
    _ssh("invalid_user", 1, 2, ("input_userauth_request: invalid user ",), r"invalid user (?P<user>.*?)(?: \[preauth\])?$"),
    _ssh("not_allowed", 1, 2, ("User ",), r"^User (?P<user>.*) from (?P<source>\S+) not allowed because", " not allowed because not "),
    _ssh("not_allowed", 1, 2, ("User ",), r"^User (?P<user>.*?)(?: from (?P<source>\S+))? not allowed because", " not allowed because "),
    _ssh("not_allowed", 1, 2, ("fatal: Access denied for user ", "Access denied for user "),
         r"Access denied for user (?P<user>.*) by PAM account configuration"),
    replace(_ssh("not_allowed", 1, 2, ("ROOT LOGIN REFUSED FROM ",), r"FROM (?P<source>\S+)(?: port (?P<src_port>\d+))?"),
            constant={"app_proto": "ssh", "proto": "tcp", "user": "root"}),
    _ssh("not_allowed", 1, 2, ("refused connect from ",), r"^refused connect from (?:.* \()?(?P<source>[^\s()]+)\)?$"),
    _ssh("auth_failure", 1, 2, ("error: PAM: ",),
         "^error: PAM: .*? for " + _INVALID + r"(?P<user>.*) from (?P<source>\S+)(?: via \S+)?$", " from "),
    _ssh("auth_failure", 1, 2, ("PAM ",), _FAILURE, " more authentication failure"),
    _ssh("too_many_failures", 1, 2, ("Disconnecting: Too many authentication failures",),
         "failures(?: for " + _INVALID + r"(?P<user>.*?))?(?: \[preauth\])?$"),
    _ssh("too_many_failures", 1, 2, ("error: maximum authentication attempts exceeded", "maximum authentication attempts exceeded"),
         "exceeded for " + _INVALID + "(?P<user>.*)" + _FROM, "",
         *(f"{_TOO_MANY} {who}{{user*}} {_AT} ssh2 [preauth]" for who in ("invalid user ", ""))),
    _ssh("too_many_failures", 1, 2, ("Disconnecting ",), "^Disconnecting" + _PEER, " port "),
    _ssh("connection_closed", 2, None, ("Connection closed by ", "Connection reset by "),
         r"^Connection (?:closed|reset) by" + _PEER, " port ",
         *_peers("Connection closed by"), *_peers("Connection reset by")),
    _ssh("disconnected", 2, None, ("Disconnected from ",), "^Disconnected from" + _PEER, " port ", *_peers("Disconnected from")),
    _ssh("connection_closed", 2, None, ("Connection closed by ", "Connection reset by ", "Disconnected from "),
         r"^\w+ (?:closed by|reset by|from) (?P<source>\S+)(?: \[preauth\])?$"),
    _ssh("session_closed", 2, None, ("Close session: user ",), r"^Close session: user (?P<user>.*)" + _FROM),
    _ssh("disconnected", 2, None, ("Received disconnect from ", "error: Received disconnect from "),
         r"^(?:error: )?Received disconnect from (?P<source>\S+?)(?: port (?P<src_port>\d+):|: )", "",
         "Received disconnect from {source} port {src_port}:11: {*}"),
    _ssh("no_identification", 99, None, ("Did not receive identification string from ", "Bad protocol version identification "),
         "^.*" + _LAST_FROM),
    _ssh("negotiation_failed", 99, 2,
         ("Unable to negotiate with ", "fatal: Unable to negotiate with ", "banner exchange: Connection from ",
          "ssh_dispatch_run_fatal: Connection from "),
         "^(?:fatal: )?(?:Unable to negotiate with|banner exchange: Connection from|ssh_dispatch_run_fatal: Connection from)" + _PEER),
    _ssh("timeout", 99, 2, ("Timeout before authentication for connection from ",),
         r"for connection from (?P<source>\S+) to (?P<dst_ip>\S+),"),
    _ssh("timeout", 99, 2, ("fatal: Timeout before authentication for ", "Timeout before authentication for "),
         r"authentication for (?P<source>\S+)(?: port (?P<src_port>\d+))?"),
    _ssh("dropped", 99, 2, ("drop connection #",),
         r"^drop connection #\d+ from \[(?P<src_ip>[^\]]+)\]:(?P<src_port>\d+) on \[(?P<dst_ip>[^\]]+)\]:(?P<dst_port>\d+) "),
    _ssh("reverse_mapping_failed", 99, None, ("reverse mapping checking getaddrinfo for ",),
         r"^\D+ for (?P<src_host>\S+) (?:\[(?P<src_ip>[^\]]+)\] )?failed"),
    _ssh("reverse_mapping_failed", 99, None, ("Address ",), r"^Address (?P<src_ip>\S+) maps to (?P<src_host>\S+), but this", " maps to "),
    _ssh("session_started", 99, None, ("Starting session: ",), "^Starting session: .*? for (?P<user>.*)" + _FROM),
    _ssh("subsystem", 99, None, ("subsystem request for ",), r"^subsystem request for \S+ by user (?P<user>.*?)(?: failed.*)?$"),
    _ssh("connection", 99, None, ("Connection from ",), r"^Connection from (?P<source>\S+) port (?P<src_port>\d+)", "",
         "Connection from {source} port {src_port} on {*}", "Connection from {source} port {src_port}"),
    _ssh("listening", 99, None, ("Server listening on ",), r"^Server listening on (?P<dst_ip>\S+) port (?P<dst_port>\d+)"),

    *PAM,
    *(replace(pattern, starts=("",), programs=_OLD_PAM, forms=()) for pattern in PAM),

    Pattern("sudo", 3003, 1, 1, ("",), ("sudo",), " ; COMMAND=",
            r"^\s*(?P<user>\S+) : (?:(?P<refused>[^;=]+) ; )?(?:HOST=\S* ; )?(?:TTY=(?P<tty>\S*) ; )?(?:CWD|PWD)=(?P<cwd>.*?) ; "
            r"USER=(?P<tgt_user>.*?) ; (?:GROUP=\S* ; )?(?:TSID=\S* ; )?(?:ENV=.*? ; )?COMMAND=(?P<cmdline>.*)$"),
    Pattern("su_accepted", 3002, 1, 1, ("(to ",), ("su",), "", r"^\(to (?P<tgt_user>.*?)\) (?P<user>.*) on \S+$"),
    Pattern("su_accepted", 3002, 1, 1, ("Successful su for ",), ("su",), "", r"^Successful su for (?P<tgt_user>.*?) by (?P<user>.*)$"),
    Pattern("su_failed", 3002, 1, 2, ("FAILED su for ",), ("su",), "", r"^FAILED su for (?P<tgt_user>.*?) by (?P<user>.*)$"),
    Pattern("su_failed", 3002, 1, 2, ("FAILED SU ",), ("su",), "", r"\(to (?P<tgt_user>.*?)\) (?P<user>.*) on \S+$"),
    Pattern("su_failed", 3002, 1, 2, ("BAD SU ",), ("su",), "", r"^BAD SU (?P<user>.*) to (?P<tgt_user>\S+) on \S+$"),
    Pattern("su_failed", 3002, 1, 2, ("'su ",), ("su",), "' failed for ", r"^'su (?P<tgt_user>.*)' failed for (?P<user>.*) on \S+$"),
    Pattern("su_accepted", 3002, 1, 1, ("'su ",), ("su",), "' succeeded for ",
            r"^'su (?P<tgt_user>.*)' succeeded for (?P<user>.*) on \S+$"),
    Pattern("su_failed", 3002, 1, 2, ("- ",), ("su",), ":", r"^- \S+ (?P<user>[^\s:]+)[:-](?P<tgt_user>\S+)$"),
    Pattern("su_accepted", 3002, 1, 1, ("+ ",), ("su",), ":", r"^\+ \S+ (?P<user>[^\s:]+)[:-](?P<tgt_user>\S+)$"),
    Pattern("su_accepted", 3002, 1, 1, ("",), ("su",), " on /dev/", r"^(?P<user>.*) to (?P<tgt_user>\S+) on /dev/\S+$"),
    Pattern("pkexec", 3003, 1, 1, ("",), ("pkexec",), ": Executing command [USER=",
            r"^(?P<user>.*?): Executing command \[USER=(?P<tgt_user>[^\]]*)\] "
            r"\[TTY=[^\]]*\] \[CWD=(?P<cwd>.*?)\] \[COMMAND=(?P<cmdline>.*)\]$"),
    Pattern("pkexec_failed", 3003, 1, 2, ("",), ("pkexec",), ": Error executing command as another user: ",
            r"^(?P<user>.*?): Error executing command as another user: (?P<status_code>[^\[]*?) \[USER=(?P<tgt_user>[^\]]*)\] "
            r"\[TTY=[^\]]*\] \[CWD=(?P<cwd>.*?)\] \[COMMAND=(?P<cmdline>.*)\]$"),
    Pattern("doas", 3003, 1, 1, ("",), ("doas",), " ran command ",
            r"^(?P<user>\S+) ran command (?P<cmdline>.*) as (?P<tgt_user>\S+) from (?P<cwd>\S*)$"),
    Pattern("doas_failed", 3003, 1, 2, ("failed command for ", "failed auth for ", "command not permitted for "), ("doas",), "",
            r"^(?:failed command|failed auth|command not permitted) for (?P<user>[^\s:]+)(?:: (?P<cmdline>.*))?$"),

    Pattern("too_many_failures", 3002, 1, 2, ("TOO MANY LOGIN TRIES ",), ("login", "remote"), "", r" FOR '?(?P<user>.*?)'?, "),
    Pattern("failed", 3002, 1, 2, ("FAILED LOGIN ",), ("login", "remote"), " FOR ",
            r"^FAILED LOGIN .*?(?:(?:FROM|from) '?(?P<src_ip>[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]+)'? )?FOR '?(?P<user>.*?)'?, "),
    Pattern("failed", 3002, 1, 2, ("",), ("login",), " LOGIN FAILURE",
            r"^\d+ LOGIN FAILURES? (?:FROM (?P<source>[^\s,]+)|ON \S+?)(?:, (?P<user>.*))?$"),
    Pattern("accepted", 3002, 1, 1, ("ROOT LOGIN ",), ("login", "remote"), "",
            r"^ROOT LOGIN +(?:ON|on) \S+(?: (?:FROM|from) '?(?P<source>[^\s']+)'?)?$", {"user": "root"}),
    Pattern("accepted", 3002, 1, 1, ("LOGIN ON ",), ("login", "remote"), "", r"^LOGIN ON \S+ BY (?P<user>.*?)(?: FROM (?P<source>\S+))?$"),
    Pattern("auth_failure", 3002, 1, 2, ("password check failed for user (",), ("unix_chkpwd",), "", r"user \((?P<user>.*)\)$"),
    Pattern("session_opened", 3002, 1, 1, ("New session ",), ("systemd-logind",), "",
            r"^New session '?(?P<session>[^ ']+)'? of user '?(?P<user>[^']*?)'?(?: with .*)?\.$", {},
            ("New session {session} of user {user}.",)),
    Pattern("session_closed", 3002, 2, 1, ("Removed session ",), ("systemd-logind",), "",
            r"^Removed session '?(?P<session>[^']*?)'?\.$", {}, ("Removed session {session}.",)),

    Pattern("user_created", 3001, 1, 1, ("new user: ",), ("useradd", "adduser"), "",
            r"^new user: name=(?P<tgt_user>.*?), UID=(?P<tgt_uid>\d+)"),
    Pattern("user_created", 3001, 1, 1, ("new account added - ",), ("useradd",), "", r"account=(?P<tgt_user>[^,]*), uid=(?P<tgt_uid>\d+)"),
    Pattern("user_created", 3001, 1, 2, ("failed adding user ",), ("useradd",), "", r"^failed adding user [`'](?P<tgt_user>.*?)'"),
    Pattern("group_created", 3006, 6, 1, ("new group: ",), ("groupadd", "useradd"), "", r"^new group: name=(?P<priv>.*?), GID="),
    Pattern("group_created", 3006, 6, 1, ("new group added - ",), ("groupadd", "useradd"), "", r"group=(?P<priv>[^,]*), gid="),
    Pattern("group_created", 3006, 6, 1, ("group added to ",), ("groupadd", "useradd"), "", r": name=(?P<priv>[^,]*)"),
    Pattern("group_changed", 3006, 99, 1, ("group changed in ",), ("groupmod",), "", r"\(group (?P<priv>.*?)/\d+"),
    Pattern("user_deleted", 3001, 6, 1, ("delete user ",), ("userdel",), "", r"^delete user [`'](?P<tgt_user>.*?)'"),
    Pattern("user_deleted", 3001, 6, 1, ("account deleted - ",), ("userdel",), "", r"account=(?P<tgt_user>[^,]*), uid=(?P<tgt_uid>\d+)"),
    Pattern("group_member_added", 3006, 3, 1, ("add ",), ("usermod", "useradd", "gpasswd"), "group ",
            r"^add [`'](?P<tgt_user>.*?)' to .*?group [`'](?P<priv>.*?)'"),
    Pattern("group_member_added", 3006, 3, 1, ("user ",), ("gpasswd",), " added by ",
            r"^user (?P<tgt_user>.*?) added by (?P<user>.*?) to group (?P<priv>.*)$"),
    Pattern("group_member_removed", 3006, 4, 1, ("delete ",), ("usermod", "userdel"), "group ",
            r"^delete [`'](?P<tgt_user>.*?)' from .*?group [`'](?P<priv>.*?)'"),
    Pattern("group_member_removed", 3006, 4, 1, ("user ",), ("gpasswd",), " removed by ",
            r"^user (?P<tgt_user>.*?) removed by (?P<user>.*?) from group (?P<priv>.*)$"),
    Pattern("group_members_set", 3006, 99, 1, ("members of group ",), ("gpasswd",), " set by ",
            r"^members of group (?P<priv>.*?) set by (?P<user>.*?) to "),
    Pattern("group_deleted", 3006, 5, 1, ("group ", "removed group ", "removed shadow group "), ("groupdel", "userdel"), "removed",
            r"^(?:removed )?(?:shadow )?group [`'](?P<priv>.*?)'"),
    Pattern("password_changed", 3001, 3, 1, ("password for ", "changed password for "), ("chpasswd", "passwd", "usermod"), "",
            r"password for [`'](?P<tgt_user>.*?)'(?: changed by [`'](?P<user>.*?)')?"),
    Pattern("password_changed", 3001, 3, 1, ("password changed - ",), ("passwd", "chpasswd"), "",
            r"account=(?P<tgt_user>[^,]*), uid=(?P<tgt_uid>\d+)"),
    Pattern("password_changed", 3001, 3, 1, ("change user ",), ("usermod", "useradd"), " password",
            r"^change user [`'](?P<tgt_user>.*?)' password"),
    Pattern("password_expiry_changed", 3001, 99, 1, ("changed password expiry for ",), ("chage", "usermod"), "",
            r"^changed password expiry for (?P<tgt_user>.*)$"),
    Pattern("user_unlocked", 3001, 99, 1, ("unlock user ",), ("usermod", "passwd"), "", r"^unlock user [`'](?P<tgt_user>.*?)'"),
    Pattern("user_locked", 3001, 9, 1, ("lock user ",), ("usermod", "passwd"), "", r"^lock user [`'](?P<tgt_user>.*?)'"),
    Pattern("user_changed", 3001, 99, 1, ("change user ",), ("usermod",), "", r"^change user (?:name )?[`'](?P<tgt_user>.*?)'"),
    Pattern("user_changed", 3001, 99, 1, ("changed user ",), ("chfn", "chsh"), "", r"^changed user [`'](?P<tgt_user>.*?)'"),

    Pattern("job_run", 1006, 6, None, ("(",), _CRON, ") CMD (", r"^\((?P<user>.*?)\) CMD \((?P<cmdline>.*)\)$"),
    Pattern("crontab_replaced", 1006, 2, 1, ("(",), ("crontab",), ") REPLACE (", r"^\((?P<user>.*?)\) REPLACE \((?P<tgt_user>.*)\)$"),
    Pattern("crontab_deleted", 1006, 3, 1, ("(",), ("crontab",), ") DELETE (", r"^\((?P<user>.*?)\) DELETE \((?P<tgt_user>.*)\)$"),
    Pattern("unit_failed", 0, 0, 2, ("Failed to start ",), ("systemd",), "", r"^Failed to start (?P<service>\S+\.[a-z]+)"),
    Pattern("unit_failed", 0, 0, 2, ("",), ("systemd",), ": Failed with result ",
            r"^(?P<service>\S+\.[a-z]+): Failed with result '(?P<status_code>[^']*)'"),
    Pattern("unit_started", 0, 0, None, ("Started ",), ("systemd",), "", r"^Started (?P<service>\S+\.[a-z]+)"),
    Pattern("unit_stopped", 0, 0, None, ("Stopped ",), ("systemd",), "", r"^Stopped (?P<service>\S+\.[a-z]+)"),
    Pattern("packet_refused", 4001, 5, 2, ("[",), ("kernel",), "[UFW BLOCK] IN=", _PACKET),
    Pattern("packet", 4001, 6, None, ("",), ("kernel",), " SRC=", _PACKET),
)  # fmt: skip

FAMILIES: dict[str, int] = {}
"""Programs that some pattern names, and a number for those that have the same patterns. Any other program has number 0."""
_SETS: dict[tuple[int, ...], int] = {}
for _program in sorted({name for pattern in PATTERNS for name in pattern.programs}):
    _own = tuple(at for at, pattern in enumerate(PATTERNS) if _program in pattern.programs)
    FAMILIES[_program] = _SETS.setdefault(_own, len(_SETS) + 1)


def patterns_of(family: int) -> tuple[Pattern, ...]:
    """The patterns that may fit a line of a program of this family, in order."""
    programs = {program for program, number in FAMILIES.items() if number == family}
    return tuple(pattern for pattern in PATTERNS if not pattern.programs or programs & set(pattern.programs))


CLASSES = tuple(sorted({0, *(pattern.class_uid for pattern in PATTERNS)}))
FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip
SEVERITIES = (6, 5, 5, 4, 3, 2, 1, 1)
"""Syslog's emergency, alert, critical, error, warning, notice, informational, debug as OCSF severities."""
