"""CEF, LEEF and lists of alerts: fields, kinds of events, times, and what hostile values can't do."""

from __future__ import annotations

import gzip
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import samples_web as web
from nonself.sources import cef_time, lines
from nonself.sources.cef import Cef, extension
from nonself.sources.contract import Limits, Source
from nonself.sources.csv_alerts import CsvAlerts
from nonself.sources.leef import Leef
from test_sources_web import holds, read, row

AT = datetime(2026, 3, 2, 10, 0, 3, tzinfo=UTC)


def cef(extension: str, head: str = "CEF:0|Acme|Box|1|7|Something|3|") -> bytes:
    return f"{head}{extension}\n".encode()


def test_an_alert_of_a_product() -> None:
    holds(
        row(Cef(), web.CEF), class_uid=2004, activity_id=1, rule="worm successfully stopped", score=10.0, severity_id=5, op="100",
        src_ip="10.0.0.1", src_port=1232, dst_ip="192.0.2.2", status_code="blocked", status_id=2, log_provider="Security threatmanager",
        time=datetime(2026, 3, 2, 10, 0, 0, 250_000, tzinfo=UTC),
    )  # fmt: skip
    ext = row(Cef(), web.CEF)["ext"]
    assert isinstance(ext, dict) and ext["Policy Name"] == "Policy 7" and ext["msg"] == "a b=c" and "cs1Label" not in ext


def test_traffic_web_logon_and_the_rest() -> None:
    holds(row(Cef(), web.CEF, 1), class_uid=4001, host="fw1", bytes_out=100, bytes_in=200, proto="tcp", rule=None, score=None, status_id=1)
    holds(
        row(Cef(), web.CEF, 2), class_uid=4002, op="GET", url_host="www.example.org", url_path="/a?b=1", user_agent="Mozilla/5.0 (X11)",
        log_provider="Acme|Co Proxy", user="ann", host="waf1",
    )  # fmt: skip
    holds(row(Cef(), web.CEF, 3), class_uid=3002, user="ann", tgt_user=None, status_id=2, file_path="C:\\new\\temp")
    holds(row(Cef(), web.CEF, 4), class_uid=0, host="desk1", op="7", severity_id=3)


@pytest.mark.parametrize(
    ("head", "fields", "expected"),
    [
        ("CEF:0|Microsoft|Microsoft Windows||Security:4625|An account failed to log on.|Low|",
         "categoryOutcome=/Failure duser=bob dntdom=CORP src=192.0.2.4", {"class_uid": 3002, "status_id": 2, "user": "bob",
          "user_domain": "CORP", "tgt_user": None, "tgt_domain": None}),
        ("CEF:0|Acme|Box|1|7|User login failed|3|", "suser=CORP\\\\ann shost=192.0.2.4",
         {"class_uid": 3002, "status_id": 2, "user": "ann", "user_domain": "CORP", "src_ip": "192.0.2.4", "src_host": None}),
        ("CEF:0|Trend Micro|Deep Security Manager|20|600|User Signed In|3|", "suser=adm src=192.0.2.4", {"class_uid": 3002, "user": "adm"}),
        ("CEF:0|Acme|EDR|1|7|Unusual sign-in|9|", "suser=ann src=192.0.2.4", {"class_uid": 2004, "rule": "Unusual sign-in"}),
        ("CEF:0|Check Point|Identity Awareness|R80|Log|Log|Unknown|", "act=Log In auth_status=Successful Login suser=ann src=192.0.2.4",
         {"class_uid": 3002, "status_id": 1, "user": "ann"}),
        ("CEF:0|Incapsula|SIEMintegration|1|1|SQL Injection|0|", "act=REQ_BLOCKED_SECURITY requestMethod=GET request=shop.example/a?b=1",
         {"class_uid": 2004, "status_id": 2, "url_host": "shop.example", "url_path": "/a?b=1", "rule": "SQL Injection"}),
        ("CEF:0|Citrix|NetScaler|NS13|APPFW|APPFW_XSS|6|", "src=192.0.2.4 method=POST request=http://shop.example/a act=blocked",
         {"class_uid": 2004, "http_method": "POST", "url_host": "shop.example"}),
        ("CEF:0|Palo Alto Networks|PAN-OS|10|url|THREAT|4|", 'cat=evil-list request="bad.example/x" act=block-url suser=corp\\\\ann',
         {"rule": "evil-list", "url_host": "bad.example", "url_path": "/x", "user": "ann", "status_id": 2}),
        ("CEF:0|CyberArk|PTA|12|1|Suspected credentials theft|8|", "suser=ann src=192.0.2.4", {"class_uid": 2004, "score": 8.0}),
    ],
)  # fmt: skip
def test_products_in_their_own_words(head: str, fields: str, expected: dict[str, object]) -> None:
    holds(row(Cef(), cef(fields + " rt=1772445603000", head)), **expected)


def test_the_year_of_a_stamp_comes_from_the_whole_file() -> None:
    stamped = web.lines("Dec 31 23:59:59 fw1 CEF:0|A|B|1|7|x|3|k=v", "Jan  1 00:00:01 fw1 CEF:0|A|B|1|7|x|3|k=v")
    times = read(Cef(), stamped)[0]["time"].to_list()
    assert (times[1] - times[0]).total_seconds() == 2


def test_of_equal_keys_the_first_stands_and_none_is_lost() -> None:
    found = row(Cef(), cef("src=10.0.0.9 requestClientApplication=x src=9.9.9.9 act=allow rt=1772445603000"))
    holds(found, src_ip="10.0.0.9", time=AT)
    assert isinstance(found["ext"], dict) and found["ext"]["src#3"] == "9.9.9.9"


def test_values_hold_spaces_equals_signs_and_escapes() -> None:
    assert extension(r"msg=a b = c request=http://x/?q=1&r=2 path=C:\\x\=y note=one\ntwo |bar\| end=") == {
        "msg": "a b = c", "request": "http://x/?q=1&r=2", "path": "C:\\x=y", "note": "one\ntwo |bar|", "end": "",
    }  # fmt: skip


@given(st.text(st.characters(exclude_categories=["Cs", "Zs", "Cc", "Zl", "Zp"]), max_size=30))
def test_an_escaped_value_comes_back(value: str) -> None:
    written = value.replace("\\", "\\\\").replace("=", "\\=")
    found = extension(f"a={written} b=c")
    # What looks like a path that was never escaped is left alone.
    assert found == {"a": value, "b": "c"} or found["a"] == written


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"garbage", "not-cef"),
        (b"CEF:0|a|b", "cef-header"),
        (rb"CEF:0|a\|b|c|d|e|f|9", "cef-header"),
        (b"CEF:0|a|b|c|d|e|9|rt=yesterday", "bad-time"),
        (b"CEF:0|a|b|c|d|e|9|rt=1e999 end=NaN start=-1 art=" + b"9" * 40, "bad-time"),
    ],
)
def test_bad_cef(line: bytes, reason: str) -> None:
    frame, dead = read(Cef(), web.CEF + line + b"\n" + web.CEF)
    assert dead == [(5, reason)] and frame.height == 10


def test_absurd_values_become_null_alone() -> None:
    found = row(Cef(), cef("src=999 dst=10.0.0.7 spt=99999999999 dpt=x in=1e999 out=-5 fileHash=zz rt=1772445603 deviceDirection=7 src=\0"))
    holds(found, src_ip=None, dst_ip="10.0.0.7", src_port=None, dst_port=None, bytes_out=None, hash=None, direction_id=None, time=AT)


def test_ten_thousand_fields_and_equal_keys_cost_little() -> None:
    many = cef(" ".join(f"k{n}=v" for n in range(10_000)))
    alike = cef("a= " * 200_000)
    before = time.process_time()
    frame, dead = read(Cef(), many + alike)
    assert time.process_time() - before < 5
    assert not dead and len(json.loads(frame["ext"][0])) <= 1_010 and frame["raw"][0].endswith("k9999=v")


def test_a_record_without_a_time_is_kept() -> None:
    holds(row(Cef(), cef("src=10.0.0.5")), time=None, src_ip="10.0.0.5")


def test_leef() -> None:
    holds(
        row(Leef(), web.LEEF), class_uid=2004, rule="15345", severity_id=3, score=5.0, src_ip="192.0.2.9", src_port=81, dst_port=21,
        user="joe", bytes_out=10, bytes_in=20, channel="anomaly", log_provider="Microsoft MSExchange",
    )  # fmt: skip
    holds(row(Leef(), web.LEEF, 1), class_uid=4001, host="fw1", time=datetime(2026, 3, 2, 11, 12, 13, tzinfo=UTC), severity_id=5)
    holds(row(Leef(), web.LEEF, 2), class_uid=3002, user="ann", time=datetime(2026, 3, 2, 9, 0, 0, 500_000, tzinfo=UTC))


@pytest.mark.parametrize("cell", ["^", "x5E", "0x5e"])
def test_delimiters(cell: str) -> None:
    holds(row(Leef(), f"LEEF:2.0|A|B|1|7|{cell}|usrName=ann^src=10.0.0.5\n".encode()), user="ann", src_ip="10.0.0.5")


@pytest.mark.parametrize("attributes", ["usrName=ann\tsrc=10.0.0.5", "usrName=ann<009>src=10.0.0.5", "|usrName=ann\tsrc=10.0.0.5"])
def test_tabs_where_no_delimiter_is_named(attributes: str) -> None:
    holds(row(Leef(), f"LEEF:2.0|A|B|1|7|{attributes}\n".encode()), user="ann", src_ip="10.0.0.5")


@pytest.mark.parametrize("line", [b"LEEF:1.0|a|b", b"LEEF:9.0|a|b|c|d|", b"x"])
def test_bad_leef(line: bytes) -> None:
    frame, dead = read(Leef(), web.LEEF + line + b"\n" + web.LEEF)
    assert frame.height == 6 and [record for record, _ in dead] == [3]


def test_patterns_of_times_are_capped() -> None:
    rows = [f"LEEF:1.0|A|B|1|7|devTime=02/03/2026 10:00:03\tdevTimeFormat=dd/MM/yyyy HH:mm:ss'{n}'" for n in range(2_000)]
    before = time.process_time()
    assert len(read(Leef(), web.lines(*rows))[1]) == 2_000
    assert time.process_time() - before < 5


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1772445603", AT), ("1772445603000", AT), ("1772445603000000", AT), ("1772445603000000000", AT), ("1772445603.0", AT),
        ("2026-03-02T10:00:03Z", AT), ("2026-03-02 11:00:03+01:00", AT), ("2026/03/02 10:00:03", AT), ("Mar 02 2026 10:00:03", AT),
        ("Mar 2 2026 10:00:03 UTC", AT), ("Mar 02 2026 11:00:03 GMT+01:00", AT), ("Mar 02 2026 11:00:03 CET", AT),
        ("Mar 02 2026 05:00:03.000 EST", AT), ("Mar 02 2026 10:00:03 XYZ", None), ("NaN", None), ("-1", None), ("", None), (None, None),
        ("9" * 19, None), ("9" * 4_000, None), ("Feb 30 2026 10:00:03", None),
    ],
)  # fmt: skip
def test_times(text: str | None, found: datetime | None) -> None:
    assert cef_time.read(pl.Series([text], dtype=pl.String)).to_list() == [found]


def test_alerts_as_csv() -> None:
    holds(
        row(CsvAlerts(), web.ALERTS), class_uid=2004, rule="Wazuh: Web server 400 error code.", src_ip="172.17.0.9", host="proxy",
        op="W-Acc-400", log_provider="Wazuh", ext={"time_label": "scan", "event_label": "dirb"},
    )  # fmt: skip
    holds(row(CsvAlerts(), web.ALERTS, 1), rule='Suricata: Alert - "odd", and more')
    holds(row(CsvAlerts(), web.ALERTS, 2), rule="=cmd|' /C calc'!A0", time=datetime(2026, 3, 2, 10, 0, 2, 500_000, tzinfo=UTC))
    holds(
        row(CsvAlerts(), web.QUEUE), rule="C2 beacon", severity_id=4, src_ip="10.0.0.5", dst_ip="192.0.2.7", dst_port=443, user="ann",
        tactics=["T1071.001", "T1573"], url_host="evil.example", url_path="/x?y", ext={"Ground Truth": "attack"},
    )  # fmt: skip
    holds(row(CsvAlerts(), web.QUEUE, 1), score=7.5, src_ip="10.0.0.6", severity_id=None)


@pytest.mark.parametrize(
    "label", ["time_label", "event_label", "label", "Label", "is_attack", "attack", "ground truth", "malicious", "class"]
)
def test_labels_reach_no_column_but_ext(label: str) -> None:
    head, one, two = f"time,alert_name,ip,{label}\n", "1772445600,x,10.0.0.5,yes\n", "1772445600,x,10.0.0.5,no\n"
    yes, no = (read(CsvAlerts(), (head + line).encode())[0].drop("uid", "raw") for line in (one, two))
    assert yes.drop("ext").equals(no.drop("ext")) and label in yes["ext"][0]


def test_labels_are_not_taken_for_an_alert_list() -> None:
    assert not CsvAlerts().recognise(b"time,attack,ip,label\n1772445600,x,10.0.0.5,1\n", "x")
    assert not CsvAlerts().recognise(b"time,name,value\n1772445600,cpu,7\n", "x")


HEADER = "time,name,ip,host\n"


def alerts(*rows: str) -> tuple[list[str], list[tuple[int, str]]]:
    frame, dead = read(CsvAlerts(), (HEADER + "".join(f"{row}\n" for row in rows)).encode())
    return frame["rule"].to_list(), dead


def test_cells_with_line_ends() -> None:
    assert alerts('1772445600,"a\n\nb, ""c""",10.0.0.5,h', "1772445601,d,10.0.0.5,h") == (['a\n\nb, "c"', "d"], [])


def test_an_open_quote_swallows_no_record() -> None:
    rules, dead = alerts('1772445600,"open,10.0.0.5,h', "1772445601,kept,10.0.0.5,h", '1772445602,closing",10.0.0.5,h')
    assert rules == ["kept", 'closing"'] and dead == [(1, "csv-fields")]
    rules, dead = alerts('1772445600,"open,10.0.0.5,h', *["1772445601,kept,10.0.0.5,h"] * 100)
    assert rules == ["kept"] * 100 and dead == [(1, "csv-fields")]


def test_the_header_again_is_no_record_and_another_changes_nothing() -> None:
    rules, dead = alerts("1772445600,a,10.0.0.5,h", HEADER.strip(), "host,ip,name,time", "1772445601,b,10.0.0.5,h")
    assert rules == ["a", "b"] and dead == [(3, "bad-time")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1772445600,a", "csv-fields"), ("1772445600,a,10.0.0.5,h,more", "csv-fields"), (",a,10.0.0.5,h", "bad-time"),
        ("1e999,a,10.0.0.5,h", "bad-time"), ('"' * 7, "csv-fields"), ("," * 10_000, "csv-fields"),
        ('1772445600,"a"b,10.0.0.5,h', "csv-fields"),
    ],
)  # fmt: skip
def test_bad_rows(line: str, reason: str) -> None:
    rules, dead = alerts("1772445600,a,10.0.0.5,h", line, "1772445601,b,10.0.0.5,h")
    assert rules == ["a", "b"] and dead == [(2, reason)]


def test_nul_and_ten_thousand_columns() -> None:
    assert alerts("1772445600,a\0b,10.0.0.5,h") == (["a\0b"], [])
    wide = HEADER.strip() + "," + ",".join(f"c{n}" for n in range(10_000)) + "\n"
    assert not CsvAlerts().recognise(wide.encode(), "x")


def test_odd_header_names_are_names_and_no_patterns() -> None:
    frame, dead = read(CsvAlerts(), b'time,alert,ip,"^.*$",*,"a ""b""",alert,\n1772445600,x,10.0.0.5,1,2,3,4,5\n')
    assert not dead and sorted(json.loads(frame["ext"][0]).values()) == ["1", "2", "3", "4", "5"]


def test_every_line_with_an_open_quote_is_read_in_linear_time() -> None:
    before = time.process_time()
    rules, dead = alerts(*['1772445600,"open,10.0.0.5,h'] * 10_000)
    assert not rules and len(dead) == 10_000
    assert time.process_time() - before < 8


@pytest.mark.parametrize(("company", "count"), [("russellmitchell", 45_544), ("santos", 130_779)])
def test_real_alerts_are_all_read(data_dir: Path, company: str, count: int) -> None:
    path = data_dir / "ait-ads" / f"{company}_alerts.txt.gz"
    if not path.exists():
        pytest.skip(f"REAL DATA ABSENT: {path}")
    frame, dead = read(CsvAlerts(), gzip.decompress(path.read_bytes()))
    assert not dead and frame.height == count
    assert frame.select(pl.col("time", "rule", "host", "src_ip", "op", "log_provider").null_count()).row(0) == (0,) * 6


@pytest.mark.parametrize(("source", "data"), [(Cef(), web.CEF), (Leef(), web.LEEF), (CsvAlerts(), web.ALERTS)])
def test_small_chunks_change_nothing_but_their_size(source: Source, data: bytes) -> None:
    whole, one = (list(source.read(lines.in_memory(data, "x"), Limits(chunk_records=size))) for size in (8_192, 1))
    assert pl.concat([chunk.events for chunk in one]).equals(pl.concat([chunk.events for chunk in whole]))


def test_an_extension_can_not_overwrite_the_header() -> None:
    found = row(Cef(), cef("severity=0 Name=harmless DeviceVendor=Other rt=1772445603", "CEF:0|Acme|IDS|1|7|Exploit|9|"))
    holds(found, severity_id=5, score=9.0, rule="Exploit", log_provider="Acme IDS")
    assert isinstance(found["ext"], dict) and found["ext"]["DeviceVendor"] == "Acme" and found["ext"]["Name"] == "Exploit"
