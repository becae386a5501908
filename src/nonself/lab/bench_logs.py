"""Made-up logs to measure sources on: the same bytes for the same number of rows, with the variety of addresses, users, times and ids that
makes real logs hard to compress and to cache."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import orjson

T = TypeVar("T")
_START = datetime(2026, 3, 2, 8, tzinfo=UTC)
_USERS = [
    f"{first}.{last}" for first in ("ann", "bob", "eve", "kim", "max", "noa", "sam", "zoe") for last in ("berg", "cole", "diaz", "ito")
]
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_CALLS = (
    ("GetObject", "s3", True), ("PutObject", "s3", False), ("ListBuckets", "s3", True), ("DescribeInstances", "ec2", True),
    ("RunInstances", "ec2", False), ("AssumeRole", "sts", True), ("GetCallerIdentity", "sts", True), ("Decrypt", "kms", True),
    ("ListUsers", "iam", True), ("CreateAccessKey", "iam", False), ("DescribeLogGroups", "logs", True), ("Invoke", "lambda", False),
)  # fmt: skip
_IMAGES = ("cmd.exe", "powershell.exe", "svchost.exe", "chrome.exe", "rundll32.exe", "msiexec.exe", "python.exe", "conhost.exe")
_SITES = [f"{word}{number}.example" for word in ("www", "cdn", "api", "mail", "img", "login") for number in range(40)]


class _Draw:
    """Draws of what fills a record."""

    def __init__(self) -> None:
        self.rng = random.Random(7)
        self.at = _START

    def one(self, of: Sequence[T]) -> T:
        return self.rng.choice(of)

    def inside(self) -> str:
        return f"10.0.{self.rng.randrange(8)}.{self.rng.randrange(1, 255)}"

    def outside(self) -> str:
        return f"198.51.{self.rng.randrange(100, 120)}.{self.rng.randrange(1, 255)}"

    def port(self) -> int:
        return self.rng.randrange(1_024, 65_536)

    def token(self, length: int) -> str:
        return "".join(self.rng.choices(_LETTERS, k=length))

    def later(self) -> datetime:
        """The next moment; rows are a hundredth of a second to a second apart."""
        self.at += timedelta(microseconds=self.rng.randrange(10_000, 1_000_000))
        return self.at


def _zeek_head() -> Iterator[bytes]:
    names = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes conn_state local_orig local_resp"
    names += " missed_bytes history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes tunnel_parents"
    types = (
        "time string addr port addr port enum string interval count count string bool bool count string count count count count set[string]"
    )
    yield b"#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n"
    yield f"#fields\t{names}\n#types\t{types}\n".replace(" ", "\t").encode()


def zeek_tsv(rows: int) -> Iterator[bytes]:
    """Zeek's conn.log as tab-separated text."""
    yield from _zeek_head()
    draw = _Draw()
    for _ in range(rows):
        yield _connection(draw, draw.outside(), draw.one((53, 80, 443, 22)), draw.one(("SF", "S0", "REJ", "RSTO")))


def zeek_office(rows: int) -> Iterator[bytes]:
    """The same of an office: of 5,000 destinations a few are called most of the time (Zipf), each at one port; 2 in 100 are dead."""
    yield from _zeek_head()
    draw = _Draw()
    for _ in range(rows):
        place = min(int(draw.rng.paretovariate(0.5)), 5_000)
        port = (443, 443, 443, 80, 53, 445, 22, 993, 8443)[place % 9]
        target = f"198.51.{100 + place // 250}.{place % 250 + 1}"
        yield _connection(draw, target, port, "S0" if place % 50 == 49 else "SF")


def _connection(draw: _Draw, target: str, port: int, state: str) -> bytes:
    out, back = draw.rng.randrange(40, 5_000), draw.rng.randrange(40, 90_000)
    return (
        f"{draw.later().timestamp():.6f}\tC{draw.token(17)}\t{draw.inside()}\t{draw.port()}\t{target}\t{port}\t"
        f"{draw.one(('tcp', 'udp'))}\t{draw.one(('dns', 'ssl', 'http', '-'))}\t"
        f"{draw.rng.random() * 30:.6f}\t{out}\t{back}\t{state}\tT\tF\t0\tShADadfF\t"
        f"{out // 90 + 1}\t{out + 200}\t{back // 900 + 1}\t{back + 400}\t-\n"
    ).encode()


def zeek_json(rows: int) -> Iterator[bytes]:
    """Zeek's conn.log as JSON lines."""
    draw = _Draw()
    for _ in range(rows):
        out, back = draw.rng.randrange(40, 5_000), draw.rng.randrange(40, 90_000)
        yield orjson.dumps({
            "ts": round(draw.later().timestamp(), 6), "uid": "C" + draw.token(17), "id.orig_h": draw.inside(),
            "id.orig_p": draw.port(),
            "id.resp_h": draw.outside(), "id.resp_p": draw.one((53, 80, 443, 22)), "proto": draw.one(("tcp", "udp")),
            "service": draw.one(("dns", "ssl", "http")), "duration": round(draw.rng.random() * 30, 6), "orig_bytes": out,
            "resp_bytes": back, "conn_state": draw.one(("SF", "S0", "REJ")), "local_orig": True, "local_resp": False,
            "missed_bytes": 0, "history": "ShADadfF", "orig_pkts": out // 90 + 1, "orig_ip_bytes": out + 200,
            "resp_pkts": back // 900 + 1, "resp_ip_bytes": back + 400,
        }) + b"\n"  # fmt: skip


def cloudtrail(rows: int) -> Iterator[bytes]:
    """CloudTrail records, one a line: sessions of roles and users' keys over a dozen calls."""
    draw = _Draw()
    for _ in range(rows):
        (call, service, reads), user, at = draw.rng.choice(_CALLS), draw.one(_USERS), f"{draw.later():%Y-%m-%dT%H:%M:%SZ}"
        account, role = f"11112222{draw.rng.randrange(3)}333", draw.one(("deploy", "audit", "analyst"))
        issuer = f"arn:aws:iam::{account}:role/{role}"
        yield orjson.dumps({
            "eventVersion": "1.11", "userIdentity": {
                "type": "AssumedRole", "principalId": f"AROA{role.upper()}EXAMPLE:{user}", "accountId": account,
                "arn": f"arn:aws:sts::{account}:assumed-role/{role}/{user}", "accessKeyId": f"ASIA{user.upper().replace('.', '')[:8]:X<16}",
                "sessionContext": {
                    "sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLE", "arn": issuer, "accountId": account, "userName": role},
                    "attributes": {"creationDate": at, "mfaAuthenticated": "false"},
                }},
            "eventTime": at, "eventSource": f"{service}.amazonaws.com", "eventName": call,
            "awsRegion": draw.one(("eu-west-1", "us-east-1")), "sourceIPAddress": draw.outside(),
            "userAgent": draw.one(("aws-cli/2.15.0 Python/3.11.6 Linux/6.1", "Boto3/1.34.0", "console.amazonaws.com")),
            **({"errorCode": "AccessDenied", "errorMessage": "not authorized"} if draw.rng.random() < 0.05 else {}),
            "requestParameters": {"bucketName": f"bucket-{draw.rng.randrange(50)}", "key": f"in/{draw.token(12)}.csv"}
            if service == "s3" else {"name": draw.token(10), "maxResults": 100},
            "responseElements": None, "requestID": draw.token(16), "eventID": f"{draw.token(8)}-{draw.token(4)}-{draw.token(12)}",
            "readOnly": reads, "eventType": "AwsApiCall", "managementEvent": service != "s3", "recipientAccountId": account,
            "eventCategory": "Management", "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256"},
        }) + b"\n"  # fmt: skip


def sshd(rows: int) -> Iterator[bytes]:
    """An auth.log of OpenSSH behind RFC 3164 heads."""
    draw = _Draw()
    for _ in range(rows):
        head = f"{draw.later():%b %e %H:%M:%S} web{draw.rng.randrange(20)} sshd[{draw.rng.randrange(400, 32_768)}]: "
        user, address, port = draw.one(_USERS).split(".")[0], draw.outside(), draw.port()
        yield (head + draw.one((
            f"Accepted publickey for {user} from {draw.inside()} port {port} ssh2: ED25519 SHA256:{draw.token(43)}\n",
            f"Failed password for {user} from {address} port {port} ssh2\n",
            f"Failed password for invalid user {draw.token(6).lower()} from {address} port {port} ssh2\n",
            f"Invalid user {draw.token(6).lower()} from {address} port {port}\n",
            f"Disconnected from authenticating user {user} {address} port {port} [preauth]\n",
            f"pam_unix(sshd:session): session opened for user {user}(uid=1000) by (uid=0)\n",
            f"Connection closed by {address} port {port} [preauth]\n",
        ))).encode()  # fmt: skip


def sysmon_json(rows: int) -> Iterator[bytes]:
    """Sysmon events as NXLog ships them: processes, connections, files and DNS queries. No command line comes twice."""
    return _sysmon(rows, lambda draw: f"/c {draw.token(20)}")


def sysmon_office(rows: int) -> Iterator[bytes]:
    """The same of an office: of 500 ways to start a program a few are used most of the time (Zipf), each with one of 50 numbers."""
    return _sysmon(rows, lambda draw: f"{_WAYS[min(int(draw.rng.paretovariate(0.5)), 500) - 1]} {draw.rng.randrange(50)}")


_WAYS = [
    f"-{switch} --in C:\\Data\\{word}{letter}.txt --to {last}"
    for letter in "abcdefghijklmnopqrstuvwxy"
    for switch, word in (("r", "run"), ("j", "job"), ("l", "log"), ("s", "set"))
    for last in ("disk", "print", "mail", "share", "none")
]


def _sysmon(rows: int, words: Callable[[_Draw], str]) -> Iterator[bytes]:
    draw = _Draw()
    for _ in range(rows):
        at, image, user = draw.later(), "C:\\Windows\\System32\\" + draw.one(_IMAGES), "CORP\\" + draw.one(_USERS)
        kind = draw.one((1, 3, 11, 22))
        own: Mapping[str, object] = {
            1: {"CommandLine": f'"{image}" {words(draw)}', "CurrentDirectory": "C:\\Windows\\", "IntegrityLevel": "Medium",
                "Hashes": f"SHA256={draw.rng.getrandbits(256):064X}", "ParentProcessGuid": "{" + draw.token(32) + "}",
                "ParentProcessId": "980", "ParentImage": "C:\\Windows\\explorer.exe", "ParentCommandLine": "explorer.exe",
                "LogonId": "0x3e7", "Company": "Microsoft Corporation", "OriginalFileName": image[20:]},
            3: {"Protocol": "tcp", "Initiated": "true", "SourceIp": draw.inside(), "SourcePort": str(draw.port()),
                "DestinationIp": draw.outside(), "DestinationPort": "443", "DestinationHostname": draw.one(_SITES)},
            11: {"TargetFilename": f"C:\\Users\\{user[5:]}\\AppData\\Local\\Temp\\{draw.token(8)}.tmp", "CreationUtcTime": str(at)},
            22: {"QueryName": draw.one(_SITES), "QueryStatus": "0", "QueryResults": f"::ffff:{draw.outside()};"},
        }[kind]  # fmt: skip
        yield orjson.dumps({
            "EventTime": f"{at:%Y-%m-%d %H:%M:%S}", "Hostname": f"ws{draw.rng.randrange(40)}.corp.example",
            "Keywords": -9223372036854775808, "EventType": "INFO", "SeverityValue": 2, "Severity": "INFO", "EventID": kind,
            "SourceName": "Microsoft-Windows-Sysmon",
            "Channel": "Microsoft-Windows-Sysmon/Operational", "RecordNumber": draw.rng.randrange(1 << 30), "AccountName": "SYSTEM",
            "UtcTime": f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1_000:03}", "ProcessGuid": "{" + draw.token(32) + "}",
            "ProcessId": str(draw.rng.randrange(400, 20_000)), "Image": image, "User": user, **own,
            "Message": "Event: " + " ".join(f"{name}: {value}" for name, value in own.items()),
            "@timestamp": f"{at:%Y-%m-%dT%H:%M:%S}.000Z",
        }) + b"\n"  # fmt: skip


def eve(rows: int) -> Iterator[bytes]:
    """Suricata's EVE log: flows, DNS, HTTP, TLS and some alerts."""
    draw = _Draw()
    for _ in range(rows):
        at, kind = f"{draw.later():%Y-%m-%dT%H:%M:%S.%f}+0000", draw.one(("flow", "flow", "dns", "http", "tls", "alert"))
        own: Mapping[str, object] = {
            "flow": {"app_proto": "tls", "flow": {"pkts_toserver": 12, "pkts_toclient": 20, "bytes_toserver": draw.rng.randrange(9_000),
                     "bytes_toclient": draw.rng.randrange(90_000), "start": at, "end": at, "age": 3, "state": "closed"}},
            "dns": {"dns": {"type": "query", "id": draw.port(), "rrname": draw.one(_SITES), "rrtype": "A", "tx_id": 0}},
            "http": {"http": {"hostname": draw.one(_SITES), "url": f"/{draw.token(12)}?q=1", "http_user_agent": "Mozilla/5.0 (X11; Linux)",
                     "http_method": "GET", "protocol": "HTTP/1.1", "status": 200, "length": 1_024}},
            "tls": {"tls": {"subject": "CN=" + draw.one(_SITES), "sni": draw.one(_SITES), "version": "TLS 1.3"}},
            "alert": {"alert": {"action": "allowed", "gid": 1, "signature_id": 2_000_000 + draw.rng.randrange(99), "rev": 3, "severity": 2,
                      "signature": "ET POLICY example", "category": "Potential Corporate Privacy Violation"}},
        }[kind]  # type: ignore[assignment]  # fmt: skip
        yield orjson.dumps({
            "timestamp": at, "flow_id": draw.rng.getrandbits(50), "in_iface": "eth0", "event_type": kind, "src_ip": draw.inside(),
            "src_port": draw.port(), "dest_ip": draw.outside(), "dest_port": 443, "proto": "TCP", **own,
        }) + b"\n"  # fmt: skip


def pcap(rows: int) -> Iterator[bytes]:
    """A capture of `rows` packets: conversations of one to ten packets over TCP and DNS queries over UDP."""
    yield struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)
    draw, made = _Draw(), 0
    while made < rows:
        src, dst = bytes((10, 0, draw.rng.randrange(8), draw.rng.randrange(1, 255))), bytes((198, 51, 100, draw.rng.randrange(1, 255)))
        port, number = draw.port(), min(rows - made, draw.rng.randrange(1, 11))
        for packet in range(number):
            if number == 1:
                name = b"".join(bytes((len(part),)) + part for part in draw.one(_SITES).encode().split(b"."))
                body = struct.pack("!HHHHHH", port, 0x100, 1, 0, 0, 0) + name + b"\0\0\1\0\1"
                proto, segment = 17, struct.pack("!HHHH", port, 53, 8 + len(body), 0) + body
            else:
                flags, body = (2, b"") if packet == 0 else (24, b"x" * draw.rng.randrange(1_200))
                proto, segment = 6, struct.pack("!HHIIBBHHH", port, 443, 1_000 + packet, 0, 0x50, flags, 8_192, 0, 0) + body
            frame = b"\2" * 6 + b"\4" * 6 + b"\x08\0" + struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0, 64, proto, 0) + src + dst
            at = draw.later()
            yield struct.pack("<IIII", int(at.timestamp()), at.microsecond, len(frame + segment), len(frame + segment)) + frame + segment
        made += number


LOGS: dict[str, Callable[[int], Iterator[bytes]]] = {
    "zeek-tsv": zeek_tsv, "zeek-json": zeek_json, "cloudtrail": cloudtrail, "sshd": sshd, "sysmon-json": sysmon_json, "eve": eve,
    "pcap": pcap,
}  # fmt: skip


def write(name: str, rows: int, folder: Path) -> Path:
    """The log `name` of `LOGS`, or one of an office, as a file in `folder`."""
    path = folder / f"{name}.log"
    with path.open("wb") as stream:
        stream.writelines({**LOGS, "zeek-office": zeek_office, "sysmon-office": sysmon_office}[name](rows))
    return path
