"""Linux records: sshd, sudo and cron as a central syslog server writes them, with RFC 3339 time stamps."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from nonself.lab.world.clock import when
from nonself.lab.world.company import Machine
from nonself.lab.world.write import Journal

USERS = {"deploy": 1001, "svc_web": 998, "www-data": 33, "root": 0}


def uid(login: str) -> int:
    """The numeric id of a login, the same on every machine."""
    return USERS.get(login, 2000 + sum(login.encode()) % 900)


class Linux:
    """Writes the lines of both."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def line(self, machine: Machine, at: int, program: str, pid: int, message: str, user: str = "") -> None:
        stamp = when(at + machine.skew).isoformat(timespec="microseconds")
        text = f"{stamp} {machine.name} {program}[{pid}]: {message}"
        self._journal.add("linux", at + machine.delay, text.encode(), text, at, machine.name, user)

    def accepted(self, machine: Machine, at: int, pid: int, login: str, source: str, port: int) -> None:
        key = hashlib.sha256(f"key of {login}".encode()).hexdigest()[:43]
        self.line(machine, at, "sshd", pid, f"Accepted publickey for {login} from {source} port {port} ssh2: ED25519 SHA256:{key}", login)
        opened = f"pam_unix(sshd:session): session opened for user {login}(uid={uid(login)}) by (uid=0)"
        self.line(machine, at + 8_000, "sshd", pid, opened, login)

    def closed(self, machine: Machine, at: int, pid: int, login: str, source: str, port: int) -> None:
        self.line(machine, at, "sshd", pid, f"Disconnected from user {login} {source} port {port}", login)
        self.line(machine, at + 2_000, "sshd", pid, f"pam_unix(sshd:session): session closed for user {login}", login)

    def refused(self, machine: Machine, at: int, pid: int, login: str, source: str, port: int, known: bool) -> None:
        name = login if known else f"invalid user {login}"
        if not known:
            self.line(machine, at, "sshd", pid, f"Invalid user {login} from {source} port {port}", login)
        self.line(machine, at + 1_900_000, "sshd", pid, f"Failed password for {name} from {source} port {port} ssh2", login)
        who = f"authenticating user {login}" if known else name
        self.line(machine, at + 2_300_000, "sshd", pid, f"Connection closed by {who} {source} port {port} [preauth]", login)

    def sudo(self, machine: Machine, at: int, pid: int, login: str, command: str, target: str = "root") -> None:
        text = f"{login:>8} : TTY=pts/0 ; PWD=/home/{login} ; USER={target} ; COMMAND={command}"
        self.line(machine, at, "sudo", pid, text, login)
        opened = f"pam_unix(sudo:session): session opened for user {target}(uid={uid(target)}) by {login}(uid={uid(login)})"
        self.line(machine, at + 1_000, "sudo", pid, opened, login)
        self.line(machine, at + 400_000, "sudo", pid, f"pam_unix(sudo:session): session closed for user {target}", login)

    def cron(self, machine: Machine, at: int, pid: int, login: str) -> None:
        opened = f"pam_unix(cron:session): session opened for user {login}(uid={uid(login)}) by (uid=0)"
        self.line(machine, at, "CRON", pid, opened, login)
        self.line(machine, at + 900_000, "CRON", pid, f"pam_unix(cron:session): session closed for user {login}", login)

    def executed(self, machine: Machine, at: int, run: Exec) -> None:
        """A program is executed: the five records that auditd writes of one `execve`, by the rule that watches all of them."""
        stamp, who = at + machine.skew, uid(run.login)
        mark = f"msg=audit({stamp // 1_000_000}.{stamp // 1_000 % 1_000:03d}:{stamp // 10_000 % 10_000_000})"
        arguments = run.command.split(" ")
        exe, node = arguments[0], f"node={machine.name}"
        comm = exe.rpartition("/")[2][:15]
        given = " ".join(f"a{n}={_quoted(part)}" for n, part in enumerate(arguments))
        auid = 4294967295 if run.daemon else who
        lines = (
            f"type=SYSCALL {mark}: arch=c000003e syscall=59 success=yes exit=0 a0=55d0c8a3f2b0 a1=55d0c8a40c10 a2=0 a3=8 items=2 "
            f"ppid={run.parent} pid={run.pid} auid={auid} uid={who} gid={who} euid={who} suid={who} fsuid={who} egid={who} sgid={who} "
            f'fsgid={who} tty={"(none)" if run.daemon else "pts0"} ses={auid if run.daemon else run.parent % 9_000} comm="{comm}" '
            f'exe="{exe}" subj=unconfined key="exec"',
            f"type=EXECVE {mark}: argc={len(arguments)} {given}",
            f'type=CWD {mark}: cwd="{run.cwd}"',
            f'type=PATH {mark}: item=0 name="{exe}" inode={sum(exe.encode()) * 31} dev=fd:00 mode=0100755 ouid=0 ogid=0 rdev=00:00 '
            "nametype=NORMAL cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0",
            f"type=PROCTITLE {mark}: proctitle={chr(0).join(arguments).encode().hex().upper()}",
        )
        text = "\n".join(f"{node} {line}" for line in lines)
        self._journal.add("audit", at + machine.delay, text.encode(), mark[4:], at, machine.name, run.login)


@dataclass(frozen=True, slots=True)
class Exec:
    """A program run on a Linux machine. `daemon`: by a service, without a terminal or a login behind it."""

    login: str
    command: str
    pid: int
    parent: int
    cwd: str = "/"
    daemon: bool = False


def _quoted(text: str) -> str:
    """A value of an audit record: in quotes, or in hex where it holds a blank or a quote."""
    return text.encode().hex().upper() if any(c in text for c in ' "\t\n') else f'"{text}"'
