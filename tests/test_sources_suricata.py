"""Suricata EVE: the columns of each event type, alerts with their traffic, odd values, and a real log."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself.core.schema import SCHEMA
from nonself.sources import lines
from nonself.sources.contract import Chunk, Limits
from nonself.sources.suricata import source
from nonself.sources.walk import discover
from test_sources_samples import ALERT

SOURCE = source()
BASE = {
    "timestamp": "2026-03-02T11:00:01.250000+0100", "flow_id": 77, "src_ip": "10.0.0.5", "src_port": 50001, "dest_ip": "192.0.2.7",
    "dest_port": 443, "proto": "TCP",
}  # fmt: skip


def read(*records: object) -> list[Chunk]:
    data = b"\n".join(json.dumps(record).encode() for record in records)
    return list(SOURCE.read(lines.in_memory(data), Limits()))


def event(kind: str, **parts: object) -> dict[str, object]:
    """The one row, without nulls."""
    (chunk,) = read({**BASE, "event_type": kind, **parts})
    assert [letter.reason for letter in chunk.dead] == []
    return {name: value for name, value in chunk.events.row(0, named=True).items() if value is not None}


def test_an_alert_carries_the_traffic_it_is_about() -> None:
    found = event("alert", **{name: part for name, part in ALERT.items() if name not in (*BASE, "event_type")})
    expected = {
        "class_uid": 2004, "activity_id": 1, "rule": "TEST beacon", "severity_id": 4, "score": 1.0, "tactics": ["T1071"],
        "sni": "c2.example.org",
        "ja3": "ab" * 16, "app_proto": "tls", "session": "77", "op": "alert", "channel": "alert", "status_code": "allowed", "proto": "tcp",
    }  # fmt: skip
    assert {name: found.get(name) for name in expected} == expected
    assert str(found["time"]) == "2026-03-02 10:00:01.250000+00:00"
    assert "ext" not in found
    assert orjson.loads(str(found["raw"]))["alert"]["metadata"]["mitre_technique_id"] == ["T1071"]


def test_a_file_goes_from_source_to_destination_whoever_asked_for_it() -> None:
    found = event("fileinfo", http={"http_method": "GET", "length": 9}, fileinfo={"filename": "/f", "size": 9})
    assert (found["bytes_out"], found.get("bytes_in"), found["http_method"]) == (9, None, "GET")
    first, second = read({**BASE, "event_type": "fileinfo", "fileinfo": {"size": 9}},
                         {**BASE, "event_type": "http", "http": {"length": 7}})[0].events["bytes_in"]  # fmt: skip
    assert (first, second) == (None, 7)


def test_an_alert_is_not_about_the_sensor() -> None:
    assert "host" not in event("alert", host="sensor1", alert={"signature": "x"})


def test_an_alert_on_an_answer_counts_from_its_own_source() -> None:
    flow = {"bytes_toserver": 3, "bytes_toclient": 40, "pkts_toserver": 1, "pkts_toclient": 2}
    files = [{"filename": "/x.exe", "sha256": "ab" * 32}]
    found = event("alert", direction="to_client", flow=flow, alert={"signature": "x"}, files=files)
    assert [found[name] for name in ("bytes_out", "bytes_in", "pkts_out", "pkts_in")] == [40, 3, 2, 1]
    assert (found["file_path"], found["hash"]) == ("/x.exe", "ab" * 32)
    assert event("alert", direction="to_server", flow=flow, alert={"signature": "x"})["bytes_out"] == 3


def test_an_alert_has_tactics_and_techniques_and_no_outcome_of_its_traffic() -> None:
    metadata = {"mitre_technique_id": ["t1071"], "mitre_tactic_id": ["TA0011"]}
    found = event("alert", alert={"severity": 3, "metadata": metadata}, http={"status": 404})
    assert (found["tactics"], found["severity_id"], found.get("status_id")) == (["T1071", "TA0011"], 2, None)


@pytest.mark.parametrize(
    ("kind", "part", "expected"),
    [
        ("dns", {"type": "query", "rrname": "a.example", "rrtype": "A"}, {"query": "a.example", "qtype": "A", "activity_id": 1}),
        ("dns", {"type": "answer", "rrname": "a", "rrtype": "A", "rcode": "NOERROR", "rdata": "192.0.2.1"},
         {"answers": ["192.0.2.1"], "rcode": "NOERROR", "status_id": 1, "activity_id": 2}),
        ("dns", {"version": 2, "type": "answer", "rrname": "a", "rcode": "NXDOMAIN", "answers": [{"rdata": "x"}, {"rdata": "y"}]},
         {"answers": ["x", "y"], "status_id": 2}),
        ("dns", {"version": 3, "type": "response", "queries": [{"rrname": "b", "rrtype": "TXT"}], "rcode": "NOERROR"},
         {"query": "b", "qtype": "TXT", "activity_id": 2}),
        ("http", {"hostname": "h", "url": "/u", "http_user_agent": "ua", "http_method": "POST", "status": 404, "length": 9},
         {"class_uid": 4002, "url_host": "h", "url_path": "/u", "user_agent": "ua", "activity_id": 6, "http_status": 404, "status_id": 2}),
        ("tls", {"sni": "s", "ja3": {"hash": "j"}, "ja4": "j4", "fingerprint": ":".join(["AB"] * 20)},
         {"class_uid": 4001, "sni": "s", "ja3": "j", "ja4": "j4", "hash": "ab" * 20, "app_proto": "tls"}),
        ("ssh", {"client": {"hassh": {"hash": "hh"}}}, {"class_uid": 4007, "hassh": "hh"}),
        ("smb", {"named_pipe": "\\svcctl", "status": "STATUS_DENIED", "ntlmssp": {"user": "ann", "domain": "C", "host": "W"}},
         {"pipe": "\\svcctl", "status_id": 2, "user": "ann", "user_domain": "C", "src_host": "W", "auth_protocol": "NTLM"}),
        ("krb5", {"msg_type": "KRB_TGS_REP", "cname": "ann", "realm": "C", "sname": "cifs/x"},
         {"class_uid": 3002, "activity_id": 4, "user": "ann", "user_domain": "C", "svc": "cifs/x", "status_id": 1}),
        ("krb5", {"msg_type": "KRB_ERROR", "error_code": "KDC_ERR_PREAUTH"}, {"status_id": 2, "status_code": "KDC_ERR_PREAUTH"}),
        ("rdp", {"cookie": "ann", "client": {"client_name": "WS5"}}, {"class_uid": 4005, "user": "ann", "src_host": "WS5"}),
        ("smtp", {"helo": "h", "mail_from": "<a@x>", "rcpt_to": ["<b@y>", "<c@z>"]}, {"user": "a@x", "tgt_user": "b@y", "src_host": "h"}),
        ("ftp", {"command": "STOR", "command_data": "f", "completion_code": ["226"]}, {"activity_id": 1, "file_path": "f", "status_id": 1}),
        ("dhcp", {"dhcp_type": "ack", "hostname": "WS5", "client_mac": "m"}, {"class_uid": 4004, "host": "WS5", "host_uid": "m"}),
        ("nfs", {"filename": "f", "status": "OK"}, {"class_uid": 4010, "file_path": "f", "status_id": 1}),
        ("fileinfo", {"filename": "/f", "size": 9, "sha256": "AA" * 32},
         {"class_uid": 4010, "file_path": "/f", "hash": "aa" * 32, "bytes_out": 9, "bytes_in": None}),
        ("flow", {"bytes_toserver": 1, "bytes_toclient": 2, "pkts_toserver": 3, "pkts_toclient": 4, "age": 5, "state": "new"},
         {"class_uid": 4001, "bytes_out": 1, "bytes_in": 2, "pkts_out": 3, "pkts_in": 4, "duration_us": 5_000_000, "status_code": "new"}),
        ("netflow", {"bytes": 1, "pkts": 2, "age": 0}, {"class_uid": 4001, "bytes_out": 1, "pkts_out": 2, "duration_us": 0}),
        ("http", {"url": "/", "request_headers": [{"name": ":authority", "value": "h2"}, {"name": "user-agent", "value": "ua"}]},
         {"url_host": "h2", "user_agent": "ua", "activity_id": 99}),
        ("mdns", {"type": "request", "queries": [{"rrname": "b.local", "rrtype": "PTR"}]}, {"class_uid": 4003, "query": "b.local"}),
        ("quic", {"sni": "s", "ja4": "q1", "ua": "u"}, {"class_uid": 4001, "sni": "s", "ja4": "q1", "user_agent": "u"}),
        ("ftp", {"command": "USER", "command_data": "ann"}, {"user": "ann", "app_proto": "ftp", "activity_id": 99}),
        ("ftp_data", {"command": "RETR", "filename": "f"}, {"class_uid": 4008, "activity_id": 2, "file_path": "f", "app_proto": "ftp"}),
        ("smtp", {"mail_from": "<>"}, {"user": None, "class_uid": 4009}),
        ("tftp", {"packet": "read", "file": "boot.img"}, {"class_uid": 4010, "file_path": "boot.img"}),
        ("mqtt", {"connect": {"username": "ann"}}, {"class_uid": 4001, "user": "ann", "app_proto": "mqtt"}),
        ("pgsql", {"request": {"startup_parameters": {"user": "ann"}}}, {"class_uid": 4001, "user": "ann"}),
        ("pgsql", {"request": {"simple_query": "select 1"}, "response": {"severity_non_localizable": "ERROR", "code": "42P01"}},
         {"resource": "select 1", "status_id": 2, "status_code": "42P01"}),
        ("pgsql", {"response": {"message": "authentication_ok"}}, {"status_id": 1}),
        ("dcerpc", {"request": "REQUEST", "interfaces": [{"uuid": "u", "service": "svcctl", "procedure": "RCreateServiceW"}]},
         {"class_uid": 4001, "svc": "svcctl", "app_proto": "dcerpc"}),
        ("rfb", {"authentication": {"security_result": "OK"}, "framebuffer": {"name": "desk"}}, {"status_id": 1, "dst_host": "desk"}),
        ("rfb", {"authentication": {"security-result": "FAIL"}}, {"status_id": 2, "status_code": "FAIL"}),
        ("mqtt", {"connect": {"client_id": "pump7"}, "connack": {"return_code": 0}}, {"status_id": 1, "src_host": "pump7"}),
        ("mqtt", {"connect": {"client_id": "pump7"}, "connack": {"return_code": 5}}, {"status_id": 2, "status_code": "5"}),
        ("mqtt", {"publish": {"topic": "hall/valve"}}, {"resource": "hall/valve"}),
        ("sip", {"method": "REGISTER", "code": "403"}, {"status_id": 2, "status_code": "403"}),
        ("snmp", {"version": 3, "usm": "ops"}, {"user": "ops"}),
        ("rdp", {"event_type": "initial_response", "error_code": 5}, {"status_id": 2, "status_code": "5"}),
        ("ldap", {"request": {"operation": "bind_request", "bind_request": {"version": 3, "name": "cn=ann"}},
                  "responses": [{"operation": "bind_response", "bind_response": {"result_code": "invalid_credentials"}}]},
         {"user": "cn=ann", "auth_protocol": "simple", "status_id": 2, "status_code": "invalid_credentials"}),
        ("ldap", {"request": {"operation": "search_request", "search_request": {"base_object": "dc=corp"}},
                  "responses": [{"operation": "search_result_entry"},
                                {"operation": "search_result_done", "search_result_done": {"result_code": "success"}}]},
         {"resource": "dc=corp", "status_id": 1, "auth_protocol": None}),
        ("smb", {"command": "SMB2_COMMAND_SESSION_SETUP", "status": "STATUS_MORE_PROCESSING_REQUIRED"}, {"status_id": None}),
        ("smb", {"status": "STATUS_SUCCESS", "kerberos": {"realm": "CORP", "snames": ["cifs", "dc"]}},
         {"user_domain": "CORP", "auth_protocol": "Kerberos", "status_id": 1}),
        ("smb", {"rename": {"from": "a.doc", "to": "a.locked"}}, {"file_path": "a.doc"}),
        ("krb5", {"msg_type": "KRB_ERROR", "failed_request": "KRB_AS_REQ", "cname": "<empty>", "error_code": "KDC_ERR_PREAUTH_FAILED"},
         {"user": None, "activity_id": 3, "status_id": 2}),
        ("dhcp", {"type": "reply", "dhcp_type": "ack", "hostname": "WS5"}, {"src_host": None, "dst_host": "WS5", "host": "WS5"}),
        ("dns", {"type": "answer", "rrname": "a", "grouped": {"A": ["192.0.2.1"], "CNAME": ["b"]}, "answers": [{"rdata": "192.0.2.1"}]},
         {"answers": ["192.0.2.1", "b"]}),
        ("dns", {"query": [{"rrname": "a"}], "answer": {"rrname": "a", "rcode": "NXDOMAIN", "answers": [{"rdata": "x"}]}},
         {"query": "a", "rcode": "NXDOMAIN", "answers": ["x"]}),
        ("http", {"version": "2", "request_headers": [{"name": ":method", "value": "GET"}, {"name": ":path", "value": "/p"}],
                  "response_headers": [{"name": ":status", "value": "403"}]},
         {"http_method": "GET", "url_path": "/p", "http_status": 403, "status_id": 2, "activity_id": 3}),
        ("smtp", {"mail_from": "<a@x>"}, {"user": "a@x", "file_path": None}),
        ("arp", {"src_ip": "192.0.2.1", "dest_ip": "192.0.2.2"}, {"class_uid": 4001}),
        ("drop", {"len": 60}, {"class_uid": 4001, "activity_id": 5, "app_proto": None, "status_id": 2}),
        ("pkthdr", {}, {"class_uid": 0, "channel": "pkthdr"}),
        *((kind, {}, {"class_uid": 4001, "activity_id": 6, "app_proto": kind})
          for kind in ("snmp", "sip", "ike", "modbus", "dnp3", "rfb", "websocket")),
        ("stats", {"uptime": 1}, {"class_uid": 0, "op": "stats"}),
        ("anomaly", {"type": "stream", "event": "stream.x"}, {"class_uid": 0, "channel": "anomaly", "rule": "stream.x"}),
        *((kind, {}, {"class_uid": 4001, "activity_id": 6}) for kind in ("ikev2", "arp")),
    ],
)  # fmt: skip
def test_event_types_fill_their_columns(kind: str, part: dict[str, object], expected: dict[str, object]) -> None:
    found = event(kind, **{kind: part})
    assert {name: found.get(name) for name in expected} == expected


def test_a_flow_happened_when_it_started() -> None:
    part = {"start": "2026-03-02T10:00:00.000000+0100", "end": "2026-03-02T10:00:02.500000+0100", "age": 3}
    found = event("flow", flow=part)
    assert str(found["time"]) == "2026-03-02 09:00:00+00:00"
    assert found["duration_us"] == 2_500_000
    assert str(event("flow", flow={"start": "never"})["time"]) == "2026-03-02 10:00:01.250000+00:00"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: {"@timestamp": "2026-03-02T10:00:09.000Z", "message": text, "agent": {"type": "filebeat"}},
        lambda text: {"@timestamp": "2026-03-02T10:00:09.000Z", "json": json.loads(text), "log": {"offset": 1}},
        lambda text: {"event": {"original": text, "module": "suricata"}, "suricata": {"eve": {}}},
        lambda text: {"_index": "ids", "_source": {"message": text}},
        lambda text: {"preview": False, "result": {"_raw": text, "_time": "x"}},
    ],
)
def test_shippers_wrap_a_record(wrap: Callable[[str], dict[str, object]]) -> None:
    plain = {**BASE, "event_type": "http", "http": {"hostname": "h", "status": 200}}
    wrapped, broken = wrap(json.dumps(plain)), wrap("{}")
    assert SOURCE.recognise(json.dumps(wrapped).encode(), "")
    (chunk,) = read(wrapped, plain, broken)
    assert chunk.events["url_host"].to_list() == ["h", "h"]
    assert chunk.events["uid"].n_unique() == 1
    assert [letter.record for letter in chunk.dead] == [2]


def test_an_address_of_ipv6_is_written_as_every_other_source_writes_it() -> None:
    long = {"src_ip": "2001:0db8:0000:0000:0000:0000:0000:0001", "dest_ip": "fe80:0000:0000:0000:0200:00ff:fe00:0001"}
    found = event("flow", **long)
    assert (found["src_ip"], found["dst_ip"]) == ("2001:db8::1", "fe80::200:ff:fe00:1")
    for text, short in (("0000:0000:0000:0000:0000:ffff:0a00:0005", "10.0.0.5"), ("2001:DB8::A", "2001:db8::a"), ("1:2", "1:2")):
        assert event("flow", src_ip=text)["src_ip"] == short
    assert "src_ip" not in event("flow", src_ip="sensor")


def test_bad_records_say_why() -> None:
    good = {**BASE, "event_type": "dns"}
    (chunk,) = read(good, {**good, "timestamp": "soon"}, {"timestamp": BASE["timestamp"]}, [1], good)
    assert [(letter.record, letter.reason) for letter in chunk.dead] == [(1, "bad-time"), (2, "not-suricata"), (3, "not-an-object")]
    assert chunk.events["record"].to_list() == [0, 4]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=6,
)  # fmt: skip
PARTS = ("alert", "dns", "http", "tls", "ssh", "smb", "krb5", "rdp", "smtp", "ftp", "dhcp", "nfs", "fileinfo", "flow", "netflow", "quic")
NAMES = ("rrname", "answers", "queries", "hostname", "status", "ja3", "client", "ntlmssp", "metadata", "severity", "rcpt_to", "age",
         "sha256", "completion_code", "command", "length", "start", "fingerprint", "dhcp_type")  # fmt: skip


@given(st.sampled_from(PARTS), st.dictionaries(st.sampled_from(NAMES), JSON), st.dictionaries(st.sampled_from(sorted(BASE)[:-1]), JSON))
def test_any_value_anywhere_loses_no_neighbour(kind: str, part: dict[str, object], own: dict[str, object]) -> None:
    good = {**BASE, "event_type": "http", "http": {"hostname": "h", "status": 200}}
    (chunk,) = read(good, {**BASE, "event_type": kind, **own, kind: part, "timestamp": BASE["timestamp"]}, good)
    assert chunk.records == 3
    assert dict(chunk.events.schema) == SCHEMA
    kept = chunk.events.filter(pl.col("record").is_in([0, 2])).select("url_host", "http_status", "src_ip", "src_port").unique()
    assert kept.rows() == [("h", 200, "10.0.0.5", 50001)]


def test_not_eve() -> None:
    for data in (
        b'{"event_type":"x"}\n',
        b'{"timestamp":"2026-03-02T10:00:00Z","message":"\\"event_type\\""}\n',
        b"event_type timestamp\n",
    ):
        assert not SOURCE.recognise(data, "eve.json")


def test_a_real_log_loses_nothing(data_dir: Path) -> None:
    path = data_dir / "network" / "slips" / "test6-malicious.suricata.json"
    (source_input,) = discover([path], Limits())
    chunks = list(SOURCE.read(source_input, Limits()))
    assert sum(chunk.events.height for chunk in chunks) == 5000
    assert sum(len(chunk.dead) for chunk in chunks) == 0
    frame = pl.concat([chunk.events for chunk in chunks])
    assert frame.filter(pl.col("channel") == "alert")["rule"].null_count() == 0
    assert frame.filter(pl.col("channel") == "alert").height == 745
