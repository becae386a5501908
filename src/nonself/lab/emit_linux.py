"""Linux records: sshd, sudo and cron as a central syslog server writes them, with RFC 3339 time stamps."""

from __future__ import annotations

import hashlib

from nonself.lab.clock import when
from nonself.lab.company import Machine
from nonself.lab.write import Journal

USERS = {"deploy": 1001, "svc_web": 998, "root": 0}


def uid(login: str) -> int:
    """The numeric id of a login, the same on every machine."""
    return USERS.get(login, 2000 + sum(login.encode()) % 900)


class Linux:
    """Writes auth.log lines."""

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
