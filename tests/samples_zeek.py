"""More small Zeek logs, written for these tests: (file name, bytes, events expected)."""

from __future__ import annotations

import json

_CONNECTION = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p"
_TYPES = "time string addr port addr port"


def log(path: str, fields: str, types: str, *rows: str) -> bytes:
    """A log of connections in Zeek's text form. Words stand between blanks; a row begins behind the connection's cells."""
    head = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", f"#path\t{path}"]
    names = ["#fields\t" + f"{_CONNECTION} {fields}".replace(" ", "\t"), "#types\t" + f"{_TYPES} {types}".replace(" ", "\t")]
    cells = [f"17724456{at:02d}.500000 CsAAAA{at}bcdefgh 10.0.0.5 {50000 + at} 10.0.0.9 445 {row}" for at, row in enumerate(rows)]
    return "\n".join([*head, *names, *(row.replace(" ", "\t") for row in cells)]).encode() + b"\n"


DCE_RPC = log("dce_rpc", "rtt named_pipe endpoint operation", "interval string string string",
              "0.001 ntsvcs svcctl CreateServiceW", "- - - -", "0.5 \\\\pipe\\\\x samr SamrEnumerateDomainsInSamServer")  # fmt: skip
SMB = log("smb_files", "fuid action path name size", "string enum string string count",
          "F1 SMB::FILE_OPEN \\\\\\\\srv\\\\c$ a\\x20b.txt 12", "- SMB::FILE_DELETE - x.exe -")  # fmt: skip
HEADLESS = (
    b"1772445600.000001\tCaAAAA1bcdefgh\t10.0.0.5\t50123\t192.0.2.7\t443\ttcp\tssl\t1.250000\t512\t4096\tSF\tT\tF\t0\tShAD\t9\t900\t8\t800\t-\n"
    b"1772445601.000001\tCaAAAA2bcdefgh\t2001:db8::5\t50124\t2001:db8::7\t53\tudp\tdns\t-\t-\t-\tS0\tT\tF\t0\tD\t1\t90\t0\t0\t(empty)\n"
)
MIXED: tuple[dict[str, object], ...] = (
    {"_path": "conn", "_system_name": "s1", "_write_ts": "2026-03-02T10:00:01Z", "ts": 1772445600.5, "uid": "CxA", "id.orig_h": "10.0.0.5",
     "id.orig_p": 1, "id.resp_h": "10.0.0.6", "id.resp_p": 2, "proto": "tcp", "conn_state": "SF", "local_orig": True},
    {"_path": "ssl", "ts": 1772445601.5, "uid": "CxA", "id.orig_h": "10.0.0.5", "server_name": "a.example", "ja4": "t13d",
     "established": True},
    {"_path": "files", "ts": 1772445602.5, "fuid": "F1", "tx_hosts": ["10.0.0.6"], "rx_hosts": ["10.0.0.5"], "is_orig": False,
     "sha1": "ab"},
    {"_path": "stats", "ts": 1772445603.5, "peer": "zeek", "mem": 91},
    {"_path": "conn", "ts": "2026-03-02T10:00:04Z", "uid": "CxB", "id.orig_h": "10.0.0.5", "id.orig_p": "7", "conn_state": "S0"},
)  # fmt: skip
UNNAMED: tuple[dict[str, object], ...] = tuple(
    {"ts": 1772445600 + at, "uid": f"Cx{at}", "id.orig_h": "10.0.0.5", "id.orig_p": at, "id.resp_h": "10.0.0.6", "id.resp_p": 88, **rest}
    for at, rest in enumerate((
        {"request_type": "TGS", "client": "ann/CORP", "service": "cifs/srv1", "success": True},
        {"endpoint": "svcctl", "operation": "CreateServiceW", "rtt": 0.25},
        {"trans_depth": 1, "method": "GET", "host": "h", "uri": "/a", "status_code": 200, "request_body_len": 0, "tags": []},
        {"request_type": "AS", "client": "bob/CORP", "service": "krbtgt/CORP", "success": False},
    ))
)  # fmt: skip


def lines(*records: dict[str, object]) -> bytes:
    """JSON lines without blanks, as Zeek writes them."""
    return b"".join(json.dumps(record, separators=(",", ":")).encode() + b"\n" for record in records)


SAMPLES: list[tuple[str, bytes, int]] = [
    ("dce_rpc.10:00:00-11:00:00.log", DCE_RPC, 3),
    ("smb_files.log", SMB, 2),
    ("all.log", DCE_RPC + SMB + DCE_RPC, 8),
    ("conn.log", HEADLESS, 2),
    ("corelight.json", lines(*MIXED), 5),
    ("current.json", lines(*UNNAMED), 4),
]
