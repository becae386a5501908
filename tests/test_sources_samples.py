"""Small logs of every source, written for these tests: source name -> [(file name, bytes, events expected)].

The contract (`test_sources_contract.py`) runs over all of them, so a source without a sample fails there.
"""

from __future__ import annotations

import json

import samples_json
import samples_ocsf
import samples_windows
import samples_zeek
from evtx_writer import event, evtx
from samples_flows import SAMPLES as FLOWS
from samples_unix import SAMPLES as UNIX
from samples_unix import SYSMON_IN_SYSLOG
from samples_web import SAMPLES as WEB

SAMPLES: dict[str, list[tuple[str, bytes, int]]] = {}


def _lines(*records: dict[str, object]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


PROCESS: dict[str, object] = {
    "Channel": "Microsoft-Windows-Sysmon/Operational", "SourceName": "Microsoft-Windows-Sysmon", "EventID": 1,
    "Hostname": "ws5.corp.example", "host": "collector.example", "port": 5140, "@version": "1", "tags": ["lab"],
    "@timestamp": "2026-03-02T10:00:07.000Z", "EventTime": "2026-03-02 05:00:01", "UtcTime": "2026-03-02 10:00:01.250",
    "SeverityValue": 2, "Keywords": -9223372036854775808, "Message": "Process Create: ...", "RecordNumber": 71,
    "ProcessGuid": "{2f0a4c11-1111-2222-3333-000000000001}", "ProcessId": "4242", "Image": "C:\\Windows\\System32\\cmd.exe",
    "CommandLine": "cmd.exe /c whoami", "User": "CORP\\ann", "IntegrityLevel": "High",
    "ParentProcessGuid": "{2f0a4c11-1111-2222-3333-000000000000}", "ParentProcessId": "980", "ParentImage": "C:\\Windows\\explorer.exe",
    "Hashes": "SHA1=" + "A1" * 20 + ",MD5=" + "B2" * 16 + ",SHA256=" + "C3" * 32,
}  # fmt: skip
LOGON: dict[str, object] = {
    "Channel": "Security", "SourceName": "Microsoft-Windows-Security-Auditing", "EventID": 4624, "Hostname": "srv1.corp.example",
    "@timestamp": "2026-03-02T10:00:02.500Z", "Keywords": -9214364837600034816, "SubjectUserName": "SRV1$", "SubjectDomainName": "CORP",
    "TargetUserName": "ann", "TargetDomainName": "CORP", "TargetUserSid": "S-1-5-21-1-2-3-1105", "TargetLogonId": "0x3e8f1",
    "LogonType": "3", "IpAddress": "::ffff:10.0.0.5", "IpPort": "50123", "WorkstationName": "WS5", "AuthenticationPackageName": "NTLM",
    "ProcessId": "0x0", "ProcessName": "-",
}  # fmt: skip
DNS: dict[str, object] = {
    "@timestamp": "2026-03-02T10:00:03.000Z", "message": "Dns query: ...", "host": {"name": "ws5"}, "log": {"level": "information"},
    "event": {"code": 22, "provider": "Microsoft-Windows-Sysmon"}, "agent": {"type": "winlogbeat"},
    "winlog": {
        "channel": "Microsoft-Windows-Sysmon/Operational", "event_id": 22, "provider_name": "Microsoft-Windows-Sysmon",
        "computer_name": "ws5.corp.example", "record_id": 72, "event_data": {
            "UtcTime": "2026-03-02 10:00:02.900", "QueryName": "www.example.org", "QueryStatus": "0",
            "QueryResults": "type:  5 edge.example.org;::ffff:192.0.2.7;", "Image": "C:\\app.exe", "User": "CORP\\ann",
        },
    },
}  # fmt: skip
CLEARED: dict[str, object] = {
    "Event": {
        "#attributes": {"xmlns": "http://schemas.microsoft.com/win/2004/08/events/event"},
        "System": {
            "Provider": {"#attributes": {"Name": "Microsoft-Windows-Eventlog"}},
            "EventID": {"#attributes": {"Qualifiers": 0}, "#text": 104},
            "Level": 4, "Channel": "System", "Computer": "srv1", "Security": {"#attributes": {"UserID": "S-1-5-18"}},
            "TimeCreated": {"#attributes": {"SystemTime": "2026-03-02T10:00:04.1234567Z"}},
        },
        "UserData": {
            "LogFileCleared": {"#attributes": {}, "SubjectUserName": "eve", "SubjectDomainName": "CORP", "Channel": "Application"}
        },
    }
}  # fmt: skip
SERVICE: dict[str, object] = {
    "Event": {
        "System": {
            "Provider": {"#attributes": {"Name": "Service Control Manager"}}, "EventID": 7045, "Channel": "System", "Computer": "srv1",
            "TimeCreated": {"#attributes": {"SystemTime": "2026-03-02T10:00:05Z"}},
        },
        "EventData": {"ServiceName": "updater", "ImagePath": "C:\\Windows\\Temp\\u.exe -k", "AccountName": "LocalSystem"},
    }
}  # fmt: skip

_SECURITY = ("Security", "Microsoft-Windows-Security-Auditing")
SAMPLES["windows-json"] = [
    ("nxlog.json", _lines(PROCESS, LOGON, {**PROCESS, "RecordNumber": 73}), 3),
    ("winlogbeat.ndjson", _lines(DNS, {**DNS, "@timestamp": "2026-03-02T10:00:09Z"}), 2),
    ("array.json", json.dumps([CLEARED, SERVICE], indent=2).encode(), 2),
    ("minified.json", json.dumps([SERVICE, CLEARED, LOGON]).encode(), 3),
    ("one.json", json.dumps(SERVICE, indent=1).encode(), 1),
]
SAMPLES["windows-evtx"] = [
    (
        "Security.evtx",
        evtx(
            [
                event(*_SECURITY, 4624, "srv1", f"2026-03-02T10:00:0{n}.5Z", {"TargetUserName": f"user{n}", "LogonType": "3"})
                for n in range(4)
            ],
            [event(*_SECURITY, 4688, "srv1", "2026-03-02T10:01:00Z", {"NewProcessName": "C:\\x.exe", "NewProcessId": "0x1f4"})],
        ),
        5,
    ),
]


def _zeek(path: str, fields: str, types: str, *rows: str, close: bool = True) -> bytes:
    head = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", f"#path\t{path}"]
    body = ["#open\t2026-03-02-10-00-00", "#fields\t" + fields.replace(" ", "\t"), "#types\t" + types.replace(" ", "\t")]
    lines = [*head, *body, *(row.replace(" ", "\t") for row in rows), *(["#close\t2026-03-02-11-00-00"] if close else [])]
    return "\n".join(lines).encode() + b"\n"


CONN = _zeek(
    "conn",
    "_node_name ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes conn_state local_orig "
    "local_resp history orig_pkts resp_pkts tunnel_parents",
    "string time string addr port addr port enum string interval count count string bool bool string count count set[string]",
    "w1 1772445600.000001 CaAAAA1 10.0.0.5 50123 192.0.2.7 443 tcp ssl 1.250000 512 4096 SF T F ShADadFf 9 8 -",
    "w1 1772445601.500000 CaAAAA2 198.51.100.9 40000 10.0.0.8 22 tcp - - - - S0 F T S 1 0 (empty)",
    "w1 1772445602.000000 CaAAAA3 10.0.0.5 5353 224.0.0.251 5353 udp dns 0.100000 90 0 S0 T F D 2 0 CeA9,CeB9",
)
SAMPLES["zeek"] = [
    ("conn.log", CONN, 3),
    ("http.log", _zeek(
        "http", "ts uid id.orig_h id.orig_p id.resp_h id.resp_p method host uri user_agent status_code tags",
        "time string addr port addr port string string string string count set[enum]",
        "1772445603.0 CaAAAA4 10.0.0.5 50124 192.0.2.8 80 GET www.example.org /a\\x09b curl/8.0 404 (empty)",
        "1772445604.0 CaAAAA4 10.0.0.5 50124 192.0.2.8 80 POST www.example.org /in - 200 HTTP::URI_SQLI", close=False), 2),
    ("dns.json", _lines(*(
        {"_path": "dns", "ts": 1772445605.25 + n, "uid": f"CaAAAB{n}", "id.orig_h": "10.0.0.5", "id.orig_p": 40000 + n,
         "id.resp_h": "10.0.0.1", "id.resp_p": 53, "proto": "udp", "query": "www.example.org", "qtype_name": "A", "rcode_name": "NOERROR",
         "AA": False, "RD": True, "answers": ["192.0.2.8", "192.0.2.9"][:n]} for n in range(3))), 3),
    ("streamed.json", _lines(
        {"@stream": "conn", "@proc": "zeek", "ts": "2026-03-02T10:00:00.5Z", "uid": "CaC1", "id_orig_h": "10.0.0.5", "id_orig_p": 1,
         "id_resp_h": "10.0.0.6", "id_resp_p": 2, "proto": "tcp", "conn_state": "REJ"},
        {"@stream": "x509", "@proc": "zeek", "ts": 1772445605.5, "id": "FaC1", "certificate_serial": "03E8", "fingerprint": "ab12"}), 2),
]  # fmt: skip
SAMPLES["zeek"] += samples_zeek.SAMPLES


def _eve(kind: str, second: int, **parts: object) -> dict[str, object]:
    return {
        "timestamp": f"2026-03-02T11:00:{second:02d}.250000+0100", "flow_id": 1374195536821500 + second, "event_type": kind,
        "src_ip": "10.0.0.5", "src_port": 50000 + second, "dest_ip": "192.0.2.7", "dest_port": 443, "proto": "TCP", **parts,
    }  # fmt: skip


ALERT = _eve(
    "alert", 1, app_proto="tls", tls={"sni": "c2.example.org", "ja3": {"hash": "ab" * 16, "string": "771,1"}},
    alert={"action": "allowed", "gid": 1, "signature_id": 9000001, "signature": "TEST beacon", "category": "Misc", "severity": 1,
           "metadata": {"mitre_technique_id": ["T1071"], "signature_severity": ["Major"]}},
)  # fmt: skip
SAMPLES["suricata"] = [
    ("eve.json", _lines(
        ALERT,
        _eve("dns", 2, dns={"type": "answer", "rrname": "www.example.org", "rrtype": "A", "rcode": "NXDOMAIN"}),
        _eve("flow", 3, flow={"bytes_toserver": 10, "bytes_toclient": 20, "start": "2026-03-02T11:00:00.000000+0100", "age": 3}),
        _eve("stats", 4, stats={"uptime": 7})), 4),
]  # fmt: skip


def _call(name: str, service: str, second: int, **more: object) -> dict[str, object]:
    return {
        "eventVersion": "1.09", "eventTime": f"2026-03-02T10:00:{second:02d}Z", "eventSource": f"{service}.amazonaws.com",
        "eventName": name, "userIdentity": {
            "type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/ann", "accountId": "123456789012", "userName": "ann",
            "accessKeyId": "AKIAEXAMPLE"},
        "awsRegion": "eu-west-1", "sourceIPAddress": "192.0.2.44", "userAgent": "aws-cli/2", "requestParameters": None,
        "eventID": f"00000000-0000-4000-8000-0000000000{second:02d}", "eventType": "AwsApiCall",
        "recipientAccountId": "123456789012", **more,
    }  # fmt: skip


CALLS = [
    _call("GetObject", "s3", 1, requestParameters={"bucketName": "vault", "key": "a/b"}),
    _call("CreateUser", "iam", 2, requestParameters={"userName": "eve"}, errorCode="AccessDenied"),
    _call("DescribeInstances", "ec2", 3, sourceIPAddress="autoscaling.amazonaws.com"),
]
SAMPLES["cloudtrail"] = [
    ("trail.json", json.dumps({"Records": CALLS}, separators=(",", ":")).encode(), 3),
    ("printed.json", json.dumps({"Records": CALLS}, indent=1).encode(), 3),
    ("array.json", json.dumps(CALLS, indent=1).encode(), 3),
    ("lines.json", _lines(*CALLS), 3),
    ("one.json", json.dumps(CALLS[0]).encode(), 1),
]
SAMPLES["syslog"] = [
    ("auth.log", (
        b"Mar  2 10:00:01 web1 sshd[811]: Accepted publickey for ann from 10.0.0.5 port 50123 ssh2: ED25519 SHA256:abc\n"
        b"Mar  2 10:00:02 web1 sshd[812]: Failed password for invalid user bob from 198.51.100.7 port 2222 ssh2\n"
        b"Mar  2 10:00:03 web1 sudo:      ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/usr/bin/cat /etc/shadow\n"
        b"Mar  2 10:00:04 web1 kernel: [    1.0] something else\n"), 4),
    ("messages", (
        b"2026-03-02T10:00:05.123456+01:00 web1 sshd-session[5]: Disconnected from user ann 10.0.0.5 port 50123\n"
        b"2026-03-02T10:00:06Z web1 CRON[7]: (root) CMD (run-parts /etc/cron.hourly)\n"), 2),
    ("rfc5424.log", (
        b'<38>1 2026-03-02T10:00:07Z web1 sshd 5 - [x@1 a="b"] Accepted password for ann from 10.0.0.5 port 50123 ssh2\n'
        b"<86>1 2026-03-02T10:00:08Z web1 su 6 - - (to root) ann on pts/0\n"), 2),
]  # fmt: skip
SAMPLES |= FLOWS
SAMPLES |= samples_windows.SAMPLES
SAMPLES["windows-json"] += samples_windows.JSON_SAMPLES
SAMPLES |= WEB
SAMPLES |= UNIX
SAMPLES["syslog"].append(SYSMON_IN_SYSLOG)
SAMPLES |= {"ocsf": samples_ocsf.OCSF, "parquet": samples_ocsf.PARQUET}
SAMPLES |= samples_json.SAMPLES
