"""Zeek: columns of each log, header variants, hostile values, text and JSON alike, and real logs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import samples_zeek
from nonself.core import events
from nonself.core.schema import CLASSES, SCHEMA
from nonself.sources import lines
from nonself.sources.contract import Chunk, Limits
from nonself.sources.walk import discover
from nonself.sources.zeek import Zeek
from nonself.sources.zeek_map import CONNECTION, KINDS, LOGS
from nonself.sources.zeek_plan import plan, recipe
from nonself.sources.zeek_tsv import unescape
from test_sources_samples import CONN

CONNECTION_FIELDS = ["ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p"]
CONNECTION_CELLS = ["1772445600.5", "Cx1", "10.0.0.5", "50123", "192.0.2.7", "443"]


def read(data: bytes) -> list[Chunk]:
    source_input = lines.in_memory(data, "conn.log")
    assert Zeek().recognise(source_input.head, "")
    return list(Zeek().read(source_input, Limits()))


def rows(data: bytes) -> pl.DataFrame:
    return pl.concat([chunk.events for chunk in read(data)])


def reasons(data: bytes) -> list[tuple[int, str]]:
    return [(letter.record, letter.reason) for chunk in read(data) for letter in chunk.dead]


def tsv(path: str, fields: dict[str, str], types: dict[str, str] | None = None) -> bytes:
    """A log of one record with the usual connection fields in front."""
    names, cells = [*CONNECTION_FIELDS, *fields], [*CONNECTION_CELLS, *fields.values()]
    kinds = ["time", "string", "addr", "port", "addr", "port", *((types or {}).get(name, "string") for name in fields)]
    head = f"#separator \\x09\n#path\t{path}\n#fields\t" + "\t".join(names) + "\n#types\t" + "\t".join(kinds) + "\n"
    return head.encode() + "\t".join(cells).encode() + b"\n"


def row(path: str, fields: dict[str, str], types: dict[str, str] | None = None) -> dict[str, object]:
    """The one row, without nulls."""
    found = rows(tsv(path, fields, types))
    assert found.height == 1
    return {name: value for name, value in found.row(0, named=True).items() if value is not None}


def test_conn_fills_its_columns() -> None:
    first, second, third = rows(CONN).iter_rows(named=True)
    assert first["time"].isoformat() == "2026-03-02T10:00:00.000001+00:00"
    assert (first["bytes_out"], first["bytes_in"], first["pkts_out"], first["pkts_in"], first["duration_us"]) == (
        512,
        4096,
        9,
        8,
        1_250_000,
    )
    assert (first["channel"], first["op"], first["session"], first["class_uid"]) == ("conn", "conn", "CaAAAA1", 4001)
    assert [one["direction_id"] for one in (first, second, third)] == [2, 1, 2]
    assert [one["status_id"] for one in (first, second, third)] == [1, 2, None]  # a datagram without an answer has not failed
    assert [one["status_code"] for one in (first, second, third)] == ["SF", "S0", "S0"]
    assert [one["app_proto"] for one in (first, second, third)] == ["ssl", None, "dns"]
    assert orjson.loads(first["ext"]) == {"_path": "conn", "_node_name": "w1", "history": "ShADadFf"}
    assert [orjson.loads(one["ext"]).get("tunnel_parents") for one in (second, third)] == [[], ["CeA9", "CeB9"]]


@pytest.mark.parametrize(
    ("path", "fields", "expected"),
    [
        ("dns", {"query": "a.example", "qtype_name": "TXT", "rcode_name": "NXDOMAIN", "answers": "x,y", "rtt": "0.5"},
         {"class_uid": 4003, "query": "a.example", "qtype": "TXT", "status_id": 2, "answers": ["x", "y"], "duration_us": 500_000}),
        ("http", {"method": "PUT", "host": "h", "uri": "/u", "status_code": "503", "user_agent": "ua", "request_body_len": "7"},
         {"class_uid": 4002, "activity_id": 7, "url_host": "h", "url_path": "/u", "http_status": 503, "status_id": 2, "bytes_out": 7}),
        ("ssl", {"server_name": "s", "ja3": "j3", "ja4": "j4", "established": "T"},
         {"sni": "s", "ja3": "j3", "ja4": "j4", "status_id": 1, "activity_id": 6}),
        ("ssh", {"auth_success": "F", "direction": "INBOUND", "hassh": "hh"},
         {"class_uid": 4007, "status_id": 2, "direction_id": 1, "hassh": "hh"}),
        ("files", {"tx_hosts": "192.0.2.7", "rx_hosts": "10.0.0.9", "is_orig": "F", "seen_bytes": "9", "filename": "a.exe", "md5": "m",
                   "sha256": "s"},
         {"class_uid": 4010, "src_ip": "10.0.0.9", "dst_ip": "192.0.2.7", "bytes_in": 9, "file_path": "a.exe", "hash": "s"}),
        ("smb_files", {"action": "SMB::FILE_OPEN", "path": "\\\\\\\\srv\\\\c$", "name": "a\\\\b.txt"},
         {"class_uid": 4006, "file_path": "\\\\srv\\c$\\a\\b.txt", "pipe": "\\\\srv\\c$", "activity_id": 2}),
        ("rdp", {"cookie": "ann", "result": "Success", "client_name": "WS5"},
         {"class_uid": 4005, "user": "ann", "status_id": 1, "src_host": "WS5", "proto": "tcp"}),
        ("kerberos", {"request_type": "TGS", "client": "ann/CORP.EXAMPLE", "service": "cifs/srv1", "success": "F", "error_msg": "E"},
         {"class_uid": 3002, "activity_id": 4, "user": "ann", "user_domain": "CORP.EXAMPLE", "svc": "cifs/srv1", "status_code": "E"}),
        ("ntlm", {"username": "ann", "domainname": "CORP", "hostname": "WS5", "success": "T", "server_nb_computer_name": "SRV1"},
         {"user": "ann", "user_domain": "CORP", "src_host": "WS5", "dst_host": "SRV1", "status_id": 1, "auth_protocol": "NTLM"}),
        ("dce_rpc", {"endpoint": "svcctl", "operation": "CreateServiceW", "named_pipe": "ntsvcs"},
         {"svc": "svcctl", "pipe": "ntsvcs", "op": "CreateServiceW"}),
        ("ldap", {"opcode": "bind simple", "object": "cn=ann", "result": "invalidCredentials"},
         {"user": "cn=ann", "auth_protocol": "simple", "status_id": 2}),
        ("dhcp", {"assigned_addr": "10.0.0.77", "host_name": "WS5", "mac": "m", "msg_types": "DISCOVER,ACK", "client_addr": "-"},
         {"class_uid": 4004, "src_ip": "10.0.0.77", "host": "WS5", "host_uid": "m", "activity_id": 5}),
        ("ftp", {"user": "ann", "command": "STOR", "arg": "x", "reply_code": "550"},
         {"class_uid": 4008, "user": "ann", "activity_id": 1, "status_id": 2, "file_path": "x"}),
        ("smtp", {"mailfrom": "a@x", "rcptto": "b@y,c@z", "last_reply": "550 no"}, {"user": "a@x", "tgt_user": "b@y", "status_id": 2}),
        ("smtp", {"mailfrom": "a@x", "subject": "Hi"}, {"mail_subject": "Hi"}),
        ("notice", {"note": "Scan::Port", "src": "10.9.9.9"}, {"class_uid": 2004, "rule": "Scan::Port", "src_ip": "10.9.9.9"}),
        ("tunnel", {"tunnel_type": "Tunnel::GRE", "action": "Tunnel::CLOSE"},
         {"class_uid": 4014, "op": "Tunnel::CLOSE", "app_proto": "gre", "activity_id": 2}),
        ("radius", {"username": "ann"},
         {"class_uid": 3002, "channel": "radius", "session": "Cx1", "src_ip": "10.0.0.5", "user": "ann", "auth_protocol": "RADIUS"}),
        ("netcontrol", {"rule_id": "7"},
         {"class_uid": 0, "channel": "netcontrol", "op": "netcontrol", "session": "Cx1", "src_ip": "10.0.0.5"}),
        ("socks", {"request.name": "h", "user": "ann", "status": "succeeded"}, {"dst_host": "h", "user": "ann", "status_id": 1}),
        ("mqtt_subscribe", {"action": "MQTT::SUBSCRIBE", "topics": "a,b"}, {"op": "MQTT::SUBSCRIBE", "resource": "a"}),
        ("modbus", {"func": "WRITE_SINGLE_COIL"}, {"class_uid": 4001, "op": "WRITE_SINGLE_COIL", "app_proto": "modbus"}),
        ("known_services", {"host": "10.9.9.9", "port_num": "22", "port_proto": "tcp", "service": "SSH"},
         {"dst_ip": "10.9.9.9", "dst_port": 22, "proto": "tcp", "app_proto": "ssh"}),
        ("open_conn", {"conn_state": "OTH"}, {"class_uid": 4001, "channel": "open_conn", "activity_id": 6}),
        *((path, {"conn_state": "SF", "proto": "tcp"}, {"class_uid": 4001, "channel": path, "activity_id": 2, "status_id": 1})
          for path in ("conn_long", "conn_red")),
        ("postgresql", {"user": "ann", "database": "crm", "frontend": "simple_query", "frontend_arg": "select 1", "backend": "error",
                        "success": "F"},
         {"class_uid": 6005, "op": "simple_query", "user": "ann", "resource": "select 1", "status_id": 2, "status_code": "error"}),
        ("redis", {"cmd.name": "AUTH", "cmd.key": "k", "success": "F"}, {"class_uid": 6005, "op": "AUTH", "status_id": 2}),
        ("websocket", {"host": "h", "uri": "/u", "user_agent": "ua"}, {"class_uid": 4002, "url_host": "h", "url_path": "/u"}),
        ("smb_cmd", {"command": "CREATE", "argument": "a.txt", "status": "ACCESS_DENIED", "username": "ann", "tree": "\\\\\\\\s\\\\c$"},
         {"class_uid": 4006, "op": "CREATE", "status_id": 2, "user": "ann", "file_path": "a.txt", "pipe": "\\\\s\\c$"}),
        ("smb_cmd", {"command": "SESSION_SETUP", "status": "MORE_PROCESSING_REQUIRED"}, {"status_id": None}),
        ("traceroute", {"src": "10.9.9.9", "dst": "192.0.2.9"}, {"class_uid": 4001, "src_ip": "10.9.9.9", "dst_ip": "192.0.2.9"}),
        ("suricata_corelight", {"alert.signature": "S", "alert.severity": "1", "alert.action": "allowed"},
         {"class_uid": 2004, "rule": "S", "severity_id": 4, "score": 1.0, "status_code": "allowed"}),
        ("ldap", {"opcode": "bind SASL", "result": "SASL bind in progress"}, {"status_id": None, "auth_protocol": "SASL"}),
        ("ldap", {"opcode": "compare", "result": "compare false"}, {"status_id": 1}),
        ("mqtt_connect", {"connect_status": "Connection Accepted"}, {"status_id": 1}),
        ("mqtt_connect", {"connect_status": "Refused: not authorized"}, {"status_id": 2}),
        ("kerberos", {"client": "HTTP/web.corp/CORP"}, {"user": "HTTP/web.corp", "user_domain": "CORP"}),
        ("kerberos", {"client": "ann"}, {"user": "ann", "user_domain": None}),
        ("mysql", {"cmd": "login", "arg": "root", "success": "F"}, {"user": "root", "status_id": 2}),
        ("mysql", {"cmd": "query", "arg": "select 1"}, {"user": None, "resource": "select 1"}),
        ("ssl", {"version": "DTLSv12", "cert_chain_fps": "ab"}, {"proto": "udp", "hash": "ab"}),
        ("ssl", {"version": "TLSv13"}, {"proto": "tcp"}),
        ("smtp", {"mailfrom": "<a@x>", "rcptto": "<b@y>"}, {"user": "a@x", "tgt_user": "b@y"}),
        ("smtp", {"mailfrom": "<>", "from": "-"}, {"user": None}),
        ("sip", {"request_from": "Ann <sip:ann@x>", "request_to": "<sip:bob@x>;tag=1"}, {"user": "sip:ann@x", "tgt_user": "sip:bob@x"}),
        ("modbus", {"exception": "ILLEGAL_FUNCTION"}, {"status_id": 2}),
        ("ssh", {"direction": "INBOUND", "remote_location.country_code": "CH"}, {"country": "CH"}),
        ("ssh", {"direction": "OUTBOUND", "remote_location.country_code": "CH"}, {"country": None}),
    ],
)  # fmt: skip
def test_logs_fill_their_columns(path: str, fields: dict[str, str], expected: dict[str, object]) -> None:
    types = {"answers": "vector[string]", "established": "bool", "auth_success": "bool", "success": "bool", "is_orig": "bool",
             "tx_hosts": "set[addr]", "rx_hosts": "set[addr]", "rtt": "interval", "seen_bytes": "count", "msg_types": "vector[string]",
             "rcptto": "set[string]", "status_code": "count", "topics": "vector[string]"}  # fmt: skip
    for declared in (types, {}):  # a header that calls everything a string tells no less, but for lists
        if not declared and any("[" in types.get(name, "") for name in fields):
            continue
        found = row(path, fields, declared)
        assert {name: found.get(name) for name in expected} == expected
        kept = orjson.loads(str(found["ext"]))
        assert path in ("open_conn", "conn_long", "conn_red") or {name for name, cell in fields.items() if cell != "-"} <= kept.keys()


def test_every_recipe_can_be_built_and_every_class_exists() -> None:
    for path, log in LOGS.items():
        assert log.class_uid in CLASSES
        fields = tuple((name, "text") for text in {**CONNECTION, **log.columns}.values() for name in recipe(text).fields)
        frame = pl.DataFrame({name: ["1"] for name, _ in fields}, schema={name: pl.String for name, _ in fields})
        made = frame.select(plan(path, tuple(dict(fields).items())))
        assert set({**CONNECTION, **log.columns}) <= set(made.columns)
        assert {name: dtype for name, dtype in made.schema.items() if SCHEMA[name] != dtype} == {}
    assert {path for path, _ in KINDS} >= set(LOGS) - {"ldap", "known_hosts", "traceroute"}


@given(st.permutations(range(8)), st.integers(0, 8))
def test_fields_come_in_any_order_with_any_stranger_between(order: list[int], place: int) -> None:
    names = [*CONNECTION_FIELDS, "conn_state", "orig_bytes"]
    types, cells = ["time", "string", "addr", "port", "addr", "port", "string", "count"], [*CONNECTION_CELLS, "SF", "12"]

    def log(columns: list[tuple[str, str, str]]) -> bytes:
        return b"".join(
            mark + "\t".join(parts).encode() + b"\n"
            for mark, parts in zip((b"#fields\t", b"#types\t", b""), zip(*columns, strict=True), strict=True)
        )

    plain = list(zip(names, types, cells, strict=True))
    moved = [plain[at] for at in order]
    moved.insert(place, ("_node_name", "string", "w1"))
    head = b"#separator \\x09\n#path\tconn\n"
    drop = ["uid", "raw", "ext"]
    assert rows(head + log(moved)).drop(drop).equals(rows(head + log(plain)).drop(drop))


def test_other_separators_and_marks() -> None:
    data = (
        b"#separator \\x7c\n#set_separator|;\n#empty_field|EMPTY\n#unset_field|?\n#path|dns\n#fields|ts|uid|query|answers|rcode_name\n"
        b"#types|time|string|string|vector[string]|string\n1772445600.5|Cx|a\\x7cb|x;y\\x3bz|?\n1772445601.5|Cy|?|EMPTY|-\n"
    )
    found = rows(data)
    assert found["query"].to_list() == ["a|b", None]
    assert found["answers"].to_list() == [["x", "y;z"], []]
    assert found["rcode"].to_list() == [None, "-"]


def test_a_header_in_the_middle_changes_what_follows() -> None:
    found = rows(CONN + tsv("http", {"host": "h"}) + CONN)
    assert found["channel"].to_list() == ["conn"] * 3 + ["http"] + ["conn"] * 3
    assert found["record"].is_sorted()
    assert found["url_host"].to_list() == [None] * 3 + ["h"] + [None] * 3
    assert rows(b"\t" + CONN).height == 3
    short = CONN.replace(b"\tcount\tcount\tset[string]", b"")
    assert rows(short)["pkts_out"].to_list() == [9, 1, 2]  # a field whose type isn't declared is text, and still cast


def test_lines_that_do_not_fit_the_header_are_dead_letters_and_harm_no_neighbour() -> None:
    body = CONN.splitlines(keepends=True)
    mixed = b"".join([*body[:9], b"too\tfew\n", body[9], body[9].rstrip(b"\n") + b"\tmore\n", b"#what is this\n", *body[10:]])
    assert reasons(mixed) == [(9, "zeek-fields"), (11, "zeek-fields"), (12, "zeek-header")]
    assert rows(mixed).drop("record").equals(rows(CONN).drop("record"))
    assert reasons(CONN.replace(b"1772445601.500000", b"yesterday")) == [(9, "bad-time")]
    assert reasons(CONN.replace(b"1772445601.500000", b"1e300")) == [(9, "bad-time")]
    assert [reason for _, reason in reasons(b"#separator \\x09\n1\t2\n3\t4\n")] == ["zeek-header"] * 2
    assert [reason for _, reason in reasons(b"#separator \\x09\n#fields\tts\n#types\ttime\n")] == ["empty"]
    assert reasons(b"#separator \\x09\n#fields\tts\n#types\ttime\n#close\t2026-03-02-11-00-00\n") == []


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        ("a\\x09b", "a\tb"),
        ("\\\\\\\\srv\\\\x", "\\\\srv\\x"),
        ("\\\\x41", "\\x41"),
        ("\\xc3\\xa9", "é"),
        ("\\xff", "\\xff"),
        ("a\\,b", "a\\,b"),
    ],
)
def test_escapes(escaped: str, plain: str) -> None:
    assert unescape(escaped) == plain
    assert row("http", {"uri": escaped})["url_path"] == plain


def test_uid_is_the_event_name_of_the_line() -> None:
    found = rows(CONN)
    assert found["uid"].to_list() == [events.uid("zeek", raw.encode()) for raw in found["raw"]]


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\t\\#")), st.booleans()), min_size=1, max_size=6))
def test_ext_is_exact_whatever_stands_in_a_cell(cells: list[tuple[str, bool]]) -> None:
    hostile = ',"b":null,"c":null}'
    lines_ = [
        f"{1772445600 + at}.0\t-\t{value + hostile}\t{'-' if gap else 'x' + value}\t{hostile}" for at, (value, gap) in enumerate(cells)
    ]
    data = "#separator \\x09\n#path\tthing\n#fields\tts\ta\tb\tc\td\n#types\ttime\tstring\tstring\tstring\tstring\n" + "\n".join(lines_)
    found = [orjson.loads(text) for text in rows(data.encode())["ext"]]
    assert found == [
        {"_path": "thing", "b": value + hostile, **({} if gap else {"c": "x" + value}), "d": hostile} for value, gap in cells
    ]  # fmt: skip


def test_json_says_the_same_as_text() -> None:
    record = {"ts": 1772445600.5, "uid": "Cx1", "id.orig_h": "10.0.0.5", "id.orig_p": 50123, "id.resp_h": "192.0.2.7", "id.resp_p": 443,
              "proto": "tcp", "duration": 1.5, "orig_bytes": 3, "conn_state": "SF", "local_orig": True, "local_resp": False,
              "tunnel_parents": ["Cq"], "history": "Sh"}  # fmt: skip
    text = tsv(
        "conn", {"proto": "tcp", "duration": "1.5", "orig_bytes": "3", "conn_state": "SF", "local_orig": "T", "local_resp": "F",
                 "tunnel_parents": "Cq", "history": "Sh"},
        {"duration": "interval", "orig_bytes": "count", "local_orig": "bool", "local_resp": "bool", "tunnel_parents": "set[string]"},
    )  # fmt: skip
    drop = ["uid", "raw", "record"]
    plain = rows(text).drop(drop)
    assert rows(json.dumps(record).encode()).drop(drop).drop("ext").equals(plain.drop("ext"))
    assert rows(json.dumps(record).encode())["ext"][0] is None  # raw tells it
    for other in ({**record, "ts": "2026-03-02T10:00:00.500000Z"}, {**record, "ts": 1772445600500, "_path": "conn"}):
        assert rows(json.dumps(other).encode()).drop(drop).drop("ext").equals(plain.drop("ext"))
    assert [reason for _, reason in reasons(json.dumps({**record, "ts": True}).encode())] == ["bad-time"]


def test_a_record_is_known_however_it_is_wrapped() -> None:
    plain = {"ts": 1772442000.25, "uid": "Cx1", "id.orig_h": "10.0.0.5", "id.orig_p": 50001, "id.resp_h": "192.0.2.7", "id.resp_p": 443,
             "proto": "tcp", "conn_state": "SF", "orig_ip_bytes": 1, "resp_ip_bytes": 2}  # fmt: skip
    text = orjson.dumps(plain).decode()
    wrapped: list[object] = [
        {"@timestamp": "2026-03-02T10:00:00Z", "message": text, "log": {"offset": 1}}, {"json": plain}, {"event": {"original": text}},
        {"_source": {"message": text}}, {"preview": False, "result": {"_raw": text, "_time": "x"}},
    ]  # fmt: skip
    for one in wrapped:
        assert rows(orjson.dumps(one))["uid"].item() == rows(text.encode())["uid"].item()
    mixed = b"\n".join(map(orjson.dumps, [plain, *wrapped, {"message": "{}"}]))
    assert rows(mixed)["src_ip"].to_list() == ["10.0.0.5"] * 6
    assert [number for number, _ in reasons(mixed)] == [6]
    assert rows(orjson.dumps([plain, plain], option=orjson.OPT_INDENT_2)).height == 2
    assert rows(orjson.dumps(plain, option=orjson.OPT_INDENT_2))["dst_port"].to_list() == [443]


def test_a_record_within_a_record_is_its_fields() -> None:
    nested = {"ts": 1.0, "uid": "Cx1", "id": {"orig_h": "10.0.0.5", "orig_p": 1, "resp_h": "192.0.2.7", "resp_p": 2}, "conn_state": "SF"}
    (found,) = rows(orjson.dumps(nested)).iter_rows(named=True)
    assert (found["src_ip"], found["src_port"], found["dst_ip"], found["dst_port"]) == ("10.0.0.5", 1, "192.0.2.7", 2)
    assert rows(orjson.dumps({"ts": 1.0, "_path": "x509", "id": "F1", "certificate": {"subject": "CN=x"}}))["resource"].to_list() == [
        "CN=x"
    ]


def test_a_value_of_another_type_changes_no_neighbour() -> None:
    good = {"_path": "dns", "ts": 1772445600.5, "uid": "Cx", "id.orig_h": "10.0.0.5", "query": "a.example", "answers": ["1"]}
    odd: list[object] = [["x"], {"x": 1}, 10**30, 1.5, True, None]
    data = b"\n".join(json.dumps({**good, "query": value, "answers": value, "id.orig_p": value}).encode() for value in [*odd, "a.example"])
    alone, mixed = rows(json.dumps({**good, "id.orig_p": "a.example"}).encode()), rows(data)
    assert mixed.height == len(odd) + 1
    assert mixed["query"][6] == alone["query"][0] == "a.example"
    assert [rows(line)["query"][0] for line in data.splitlines()] == mixed["query"].to_list()
    assert [rows(line)["answers"].to_list()[0] for line in data.splitlines()] == mixed["answers"].to_list()


def test_which_way_a_json_record_is_read_depends_on_it_alone() -> None:
    """Typed, value by value, deep, renamed, of another log: each record says the same alone and among all others."""
    conn: dict[str, object] = {
            "ts": 1772445600.5, "uid": "Cx1", "id.orig_h": "10.0.0.5", "id.orig_p": 5, "id.resp_h": "10.0.0.9", "id.resp_p": 4,
            "proto": "tcp", "duration": 0.1, "orig_bytes": 3, "conn_state": "SF", "local_orig": True}  # fmt: skip
    nest = b"[" * 200 + b"]" * 200
    odd: list[bytes] = [json.dumps(record).encode() for record in (
        conn, {**conn, "duration": 1}, {**conn, "duration": "1.5"}, {**conn, "id.orig_p": 2**70}, {**conn, "orig_bytes": -1.0},
        {**conn, "conn_state": None}, {**conn, "ts": 1772445600500}, {**conn, "ts": None}, {**conn, "_path": "conn"},
        {**conn, "_path": None}, {**conn, "_path": "open_conn"}, {**conn, "_stream": "dns"}, {**conn, "id_orig_h": "x"},
        {**conn, "AA": False, "RD": True}, {"ts": 1.5, "uid": "C", "AA": False, "RD": True, "query": "q", "answers": ["a", 1]},
        {**conn, "proto": ["tcp"]}, {**conn, "uid": {"a": 1}}, {**conn, "history": ["a", {"b": None}]}, {**conn, "service": "\x00\u2028"},
        {"@stream": "conn", "@proc": "z", "ts": 5.5, "conn_state": "S0"},
    )]  # fmt: skip
    plain = json.dumps(conn).encode()
    odd += [
        plain.replace(b'"tcp"', value) for value in (b"NaN", b'"\\ud800"', b'"\xff"', b'"a\tb"', b"1e999", b"01", nest, b'"\\q"', b"tcp")
    ]
    odd += [plain[:-1] + b',"x":' + value + b"}" for value in (b"NaN", b'"\\ud800"', b'"\xff"', b"1e999", b"01", nest, b'"\\q"', b"[1")]
    odd += [plain[:-1] + b',"proto":"udp"}', plain + plain, plain + b",", b"[" + plain + b"]", b'{"x":[1,', b'2]},{"y":[3', b"]}", b"7"]
    drop = ["record"]
    alone = {line: (rows(plain + b"\n" + line)[1:].drop(drop), [reason for _, reason in reasons(plain + b"\n" + line)]) for line in odd}
    for order in (odd, odd[::-1], [line for line in odd for _ in range(2)]):
        found = rows(b"\n".join([plain, *order]))
        assert found[1:].drop(drop).equals(pl.concat([alone[line][0] for line in order]))
        assert [reason for _, reason in reasons(b"\n".join([plain, *order]))] == [why for line in order for why in alone[line][1]]
    assert sum(frame.height for frame, _ in alone.values()) > 20


@given(
    st.lists(st.tuples(st.sampled_from(["conn", "dns", "x"]), st.text('a,\\"-\x01\té(empty).\x0b\r', max_size=6)), min_size=1, max_size=4),
    st.booleans(),
)
def test_which_way_a_text_record_is_read_depends_on_it_alone(cells: list[str], many: bool) -> None:
    """Few or many, with quotes, escapes, controls or none, beside lines of other widths: a line says the same."""
    head = "#separator \\x09\n#path\tconn\n#fields\tts\tuid\thistory\tn\treal\ttunnel_parents\tflag\n"
    head += "#types\ttime\tstring\tstring\tcount\tinterval\tset[string]\tbool\n"
    records = [f"{1772445600 + at}.5\tC{at}\t{text}\t{text}\t1.5\t{text}\tT" for at, text in enumerate(cells)]
    plain = ["1772446600.5\tCz\tSh\t7\t-\ta,b\tF"] * (600 if many else 1)
    together = rows((head + "\n".join([*records, *plain, "short\tline", ""])).encode()).drop("record")
    apart = pl.concat([rows((head + record + "\n").encode()).drop("record") for record in [*records, plain[0]]])
    assert together.head(apart.height).equals(apart.head(together.height))
    assert together.height >= len(plain)


def test_a_log_without_header_is_read_where_its_columns_are_sure() -> None:
    found = rows(samples_zeek.HEADLESS)
    assert found["status_code"].to_list() == ["SF", "S0"] and found["bytes_in"].to_list() == [4096, None]
    assert found["src_ip"].to_list() == ["10.0.0.5", "2001:db8::5"] and found["channel"].to_list() == ["conn"] * 2
    other = b"".join(line.rsplit(b"\t", 2)[0] + b"\n" for line in samples_zeek.HEADLESS.splitlines())
    assert [reason for _, reason in reasons(other)] == ["zeek-header"] * 2


def test_a_summary_of_connections_is_told_as_what_it_is() -> None:
    letter = read(b"\n>== Total === 2026-03-02-03-09-02 - 2026-03-02-03-57-47\n   - Connections 1.3k - Payload 730.5k -\n")[0].dead[0]
    assert letter.reason == "empty" and "summary" in letter.detail


def test_an_escape_where_only_numbers_are_harms_nothing() -> None:
    found = rows(b"#separator \\x09\n#path\tx\n#fields\tts\tn\n#types\ttime\tcount\n1772445600.5\t\\x41\n1772445601.5\t7\n")
    assert [orjson.loads(text).get("n") for text in found["ext"]] == [None, 7]


def test_a_separator_must_be_one_character() -> None:
    data = b"#separator ab\n#pathabconn\n#fieldsabtsabuid\n1abx\n"
    assert [reason for _, reason in reasons(data)] == ["zeek-header"]


def test_not_zeek() -> None:
    for data in (b"#fields\tindicator\tindicator_type\n1.2.3.4\tIntel::ADDR\n", b'{"ts":1,"level":"info","msg":"x"}\n', b"ts\tuid\n1\t2\n",
                 b'{"timestamp":"2026-03-02T10:00:00Z","event_type":"dns","ts":1,"uid":"x","id.orig_h":"y"}\n'):  # fmt: skip
        assert not Zeek().recognise(data, "conn.log")


def test_real_logs_with_a_leading_column_lose_nothing(data_dir: Path) -> None:
    folder = data_dir / "zeek" / "missing_host" / "2024-04-21"
    planted = (pl.col("src_ip") == "73.54.23.243") & (pl.col("dst_ip") == "64.225.56.201")
    seen, total, dead = 0, 0, 0
    for path in sorted(folder.glob("conn.*.gz")):
        for source_input in discover([path], Limits()):
            for chunk in Zeek().read(source_input, Limits()):
                total, dead = total + chunk.events.height, dead + len(chunk.dead)
                seen += chunk.events.filter(planted).height
                assert chunk.events["time"].null_count() == 0
    records = [
        line.split(b"\t")
        for path in folder.glob("conn.*.gz")
        for line in gzip.decompress(path.read_bytes()).splitlines()
        if not line.startswith(b"#")
    ]
    pairs = sum(record[3] == b"73.54.23.243" and record[5] == b"64.225.56.201" for record in records)
    assert pairs > 100
    assert (total, seen, dead) == (len(records), pairs, 0)


@pytest.mark.parametrize(
    ("name", "events_", "reasons_"),
    [("truncated/conn.log", 58, ["zeek-fields"]), ("truncated/conn_json.log", 3, ["json-syntax"]), ("has_unknown_field/http.log", 4, None),
     ("json_with_all_fields/open_ssl.log", 20, []), ("zat/http.log.corrupt.gz", None, ["truncated"]), ("zat/http_empty.log", 0, [])],
)  # fmt: skip
def test_real_odd_logs(data_dir: Path, name: str, events_: int | None, reasons_: list[str] | None) -> None:
    chunks = [
        chunk
        for source_input in discover([data_dir / "zeek" / name], Limits())
        if Zeek().recognise(source_input.head, "")
        for chunk in Zeek().read(source_input, Limits())
    ]
    found = [letter.reason for chunk in chunks for letter in chunk.dead]
    height = sum(chunk.events.height for chunk in chunks)
    assert reasons_ is None or found == reasons_
    assert height == events_ if events_ is not None else height > 100
