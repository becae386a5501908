"""Web logs: what becomes of each field, and what hostile clients can't do to their neighbours."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl
import pytest

import samples_web as web
from nonself.sources import lines
from nonself.sources.alb import LoadBalancer, S3Access
from nonself.sources.apache_error import ApacheError
from nonself.sources.contract import Limits, Source
from nonself.sources.iis import CloudFront, W3c, WindowsFirewall
from nonself.sources.nginx_error import NginxError
from nonself.sources.weblog import WebLog

LIMITS = Limits()


def read(source: Source, data: bytes, limits: Limits = LIMITS) -> tuple[pl.DataFrame, list[tuple[int, str]]]:
    chunks = list(source.read(lines.in_memory(data, "x"), limits))
    return pl.concat([chunk.events for chunk in chunks]), [(letter.record, letter.reason) for chunk in chunks for letter in chunk.dead]


def row(source: Source, data: bytes, at: int = 0) -> dict[str, object]:
    """One event's columns that say something, with `ext` read."""
    found = {name: value for name, value in read(source, data)[0].row(at, named=True).items() if value is not None}
    return {**found, "ext": json.loads(str(found.get("ext", "{}")))}


def all_rows(source: Source, text: str) -> list[dict[str, object]]:
    """The events without nulls."""
    found = read(source, text.encode())[0]
    return [{name: value for name, value in one.items() if value is not None} for one in found.iter_rows(named=True)]


def holds(found: dict[str, object], **expected: object) -> None:
    assert {name: found.get(name) for name in expected} == expected


def test_a_combined_line_fills_its_columns() -> None:
    holds(
        row(WebLog(), web.COMBINED),
        time=datetime(2026, 3, 2, 9, 0, 1, tzinfo=UTC), class_uid=4002, activity_id=3, op="GET", status_id=1, status_code="200",
        src_ip="10.0.0.5", user="ann", http_method="GET", url_path="/shop/item.php?id=7", http_status=200, bytes_in=5120,
        user_agent=web.AGENT, ext={"cs-uri-stem": "/shop/item.php", "referrer": "https://www.example.org/"},
    )  # fmt: skip


def test_escaped_quotes_belong_to_their_field() -> None:
    holds(row(WebLog(), web.COMBINED, 2), url_path='/x"y', http_status=404, bytes_in=12, user_agent='() { :; }; echo "x" \\')


def test_a_request_that_is_no_http_is_kept_as_it_came() -> None:
    found = row(WebLog(), web.COMBINED, 3)
    holds(found, src_ip="2001:db8::7", http_status=400, activity_id=0, http_method=None, url_path=None)
    assert found["ext"] == {"request": "\\x16\\x03\\x01"}


def test_common_format_and_tunnels() -> None:
    holds(row(WebLog(), web.COMMON), http_status=304, bytes_in=None, user_agent=None)
    holds(row(WebLog(), web.COMMON, 1), activity_id=1, url_host="mail.example.net", status_id=2)


def test_virtual_hosts_and_absolute_addresses() -> None:
    holds(row(WebLog(), web.VHOST), src_ip="192.0.2.7", url_host="www.example.org", dst_port=443, user=None)
    holds(row(WebLog(), web.VHOST, 1), src_ip="192.0.2.8", url_host="other.example", url_path="/b?c", user="bob")


def test_chains_are_not_taken_for_the_peer() -> None:
    holds(row(WebLog(), web.CHAINS), src_ip="198.51.100.7", ext={"x_forwarded_for": "203.0.113.9, 198.51.100.7, 10.0.0.1"})
    holds(row(WebLog(), web.CHAINS, 1), src_ip="10.9.9.9", ext={"x_forwarded_for": "203.0.113.9, 10.0.0.1"})
    holds(row(WebLog(), web.CHAINS, 2), src_ip="10.9.9.9", ext={})
    holds(row(WebLog(), web.CHAINS, 3), src_ip=None, src_host="gate.example.org")


def test_a_quoted_chain_in_the_place_of_the_client() -> None:
    rest = '- ann [02/Mar/2026:10:00:01 +0000] "GET / HTTP/1.1" 200 5 "-" "x"'
    many, single = all_rows(WebLog(), f'"203.0.113.9, 10.0.0.7" {rest}\n"203.0.113.9" {rest}\n')
    assert many["src_ip"] == single["src_ip"] == "203.0.113.9" and many["user"] == "ann"
    assert WebLog().recognise(f'"203.0.113.9, 10.0.0.7" {rest}\n'.encode(), "")


def test_nginx_tails() -> None:
    holds(row(WebLog(), web.NGINX), duration_us=125_000, ext={"x_forwarded_for": "203.0.113.9", "tail": '"203.0.113.9" 0.125'})
    holds(row(WebLog(), web.NGINX, 1), duration_us=250_000, bytes_out=512)
    holds(row(WebLog(), web.NGINX, 2), duration_us=1_500_000)
    holds(row(WebLog(), web.NGINX, 3), duration_us=None, ext={"tail": "1234"})  # nobody can tell seconds from microseconds


@pytest.mark.parametrize(
    ("zone", "hour"), [("+0000", 10), ("-0530", 15), ("+0100", 9)],
)  # fmt: skip
def test_zones(zone: str, hour: int) -> None:
    line = web.lines(web.access('"GET / HTTP/1.1" 200 1', stamp=f"02/Mar/2026:10:00:01 {zone}"))
    found = row(WebLog(), line)["time"]
    assert isinstance(found, datetime) and found.hour == hour


def test_a_user_name_can_forge_neither_time_nor_request() -> None:
    forged = web.access(r'"GET /real HTTP/1.1" 401 5', who=r"198.51.100.7 - x [01/Jan/2000:00:00:00 +0000] \"GET /fake HTTP/1.1\" 200 1")
    holds(row(WebLog(), web.lines(forged)), src_ip="198.51.100.7", url_path="/real", http_status=401)
    two = web.access('"GET /real HTTP/1.1" 401 5', who="198.51.100.7 - 10.0.0.1 - admin")
    holds(row(WebLog(), web.lines(two)), src_ip="198.51.100.7", user="10.0.0.1 - admin")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('10.0.0.5 - - [99/Mar/2026:10:00:01 +0100] "GET / HTTP/1.1" 200 1', "bad-time"),
        ('10.0.0.5 - - [02/Mar/1969:10:00:01 +0100] "GET / HTTP/1.1" 200 1', "bad-time"),
        ('10.0.0.5 - - [02/Mar/2026:10:00:01 +01] "GET / HTTP/1.1" 200 1', "not-an-access-log"),
        ('10.0.0.5 - - [02/Mar/2026:10:00:01 +0100] "GET / HTTP/1.1" 2000 1', "not-an-access-log"),
        ('10.0.0.5 - - [02/Mar/2026:10:00:01 +0100] "GET / HTTP/1.1" 200 9999999999999999999', "not-an-access-log"),
        ('10.0.0.5 - - [02/Mar/2026:10:00:01 +0100] "GET / HTTP/1.1', "not-an-access-log"),
        ('"', "not-an-access-log"),
        ("\0\0\0", "not-an-access-log"),
        ('{"a": 1}', "not-an-access-log"),
    ],
)
def test_bad_lines_are_dead_letters_and_harm_no_neighbour(line: str, reason: str) -> None:
    good, _ = read(WebLog(), web.COMBINED)
    found, dead = read(WebLog(), web.COMBINED + line.encode() + b"\n" + web.COMBINED)
    assert dead == [(4, reason)]
    assert found.head(4).drop("record").equals(good.drop("record")) and found.tail(4).drop("record").equals(good.drop("record"))


def test_quotes_that_do_not_fit_hide_no_request() -> None:
    line = web.access(r'"GET /real HTTP/1.1" 401 5 "-" "a\"" " b"', who="198.51.100.7 - -")
    holds(row(WebLog(), web.lines(line)), url_path="/real", http_status=401, src_ip="198.51.100.7")


def test_a_long_line_of_quotes_and_escapes_is_read_in_linear_time() -> None:
    hostile = web.access('"' + r"\"" * 500_000 + '" 200 1 "-" "' + "\\\\" * 500_000 + '"')
    frame, dead = read(WebLog(), web.lines(hostile, hostile))
    assert frame.height == 2 and not dead


def test_iis_fields() -> None:
    holds(
        row(W3c(), web.IIS),
        time=datetime(2026, 3, 2, 10, 0, 1, tzinfo=UTC), channel="iis", class_uid=4002, dst_ip="10.0.0.8", dst_port=443,
        src_ip="198.51.100.7", user="ann", user_domain="CORP", http_method="GET", url_path="/owa/auth.aspx?a=1&b=2", http_status=200,
        duration_us=15_000,
        user_agent="Mozilla/5.0 (X11)",
        ext={"cs-uri-stem": "/owa/auth.aspx", "cs(Referer)": "https://x.example/", "sc-substatus": "0", "sc-win32-status": "0"},
    )  # fmt: skip
    holds(row(W3c(), web.IIS, 1), status_id=2, url_path="/aspnet/x.aspx", user=None, user_agent=None)


def test_fields_may_change_and_the_date_may_stand_in_the_header_alone() -> None:
    second = web.lines("#Date: 2026-03-03 00:00:00", "#Fields: time c-ip cs-method cs-uri-stem sc-status sc-bytes cs-bytes cs-host",
                       "10:00:03 198.51.100.8 GET /b 404 12 13 www.example.org:443")  # fmt: skip
    frame, dead = read(W3c(), web.IIS + second + web.IIS)
    assert not dead and frame["record"].to_list() == [4, 5, 8, 13, 14]
    holds(frame.row(2, named=True), time=datetime(2026, 3, 3, 10, 0, 3, tzinfo=UTC), bytes_in=12, bytes_out=13, url_host="www.example.org")
    assert frame.tail(2).drop("record").equals(read(W3c(), web.IIS)[0].drop("record"))


def test_kernel_errors_and_proxies() -> None:
    holds(row(W3c(), web.HTTPERR), channel="httperr", url_path="/a%00b?c", src_port=50123, http_status=400)
    holds(row(W3c(), web.HTTPERR, 1), http_method=None, http_status=None, ext={"s-reason": "Timer_ConnectionIdle"})
    holds(row(W3c(), web.PROXY), channel="proxy", url_host="www.example.org", url_path="/a/b.exe?x=1", user_agent="Mozilla/5.0 (X11)")
    assert row(W3c(), web.PROXY)["ext"] == {"cs-uri-stem": "/a/b.exe", "s-action": "TCP_MISS", "cs-uri-extension": "exe"}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ("date time c-ip cs-method sc-status " + " ".join(f"x{n}" for n in range(10_000)), "w3c-header"),
        ("date time c-ip cs-method sc-status ^.*$ ^.*$ ( *", "w3c-fields"),
        ('date time c-ip cs-method sc-status "a" \\', "w3c-fields"),
        ("c-ip cs-method sc-status", "w3c-fields"),
    ],
)
def test_hostile_headers(fields: str, reason: str) -> None:
    data = web.lines("#Software: x", f"#Fields: {fields}", "2026-03-02 10:00:01 10.0.0.5 GET 200")
    assert read(W3c(), data)[1] == [(2, reason)]


def test_many_headers_cost_no_more_than_their_limit() -> None:
    rows = [
        text
        for n in range(1_000)
        for text in (f"#Fields: date time c-ip cs-method sc-status x{n}", "2026-03-02 10:00:01 10.0.0.5 GET 200 1")
    ]
    frame, dead = read(W3c(), web.lines(*rows))
    assert frame.height == 32 and len(dead) == 1_000 - 32 and {reason for _, reason in dead} == {"w3c-header"}


def test_a_header_alone_is_said() -> None:
    assert read(W3c(), web.lines(*web.IIS_HEAD, web.IIS_FIELDS))[1] == [(0, "empty")]


def test_cloudfront_is_decoded_once() -> None:
    holds(
        row(CloudFront(), web.CLOUDFRONT), src_ip="192.0.2.202", url_host="cdn.example.org", url_path="/my file.html?a=b",
        app_proto="https", user_agent="Mozilla/4.0 (MSIE 5)", bytes_in=2390, bytes_out=23, duration_us=1000,
    )  # fmt: skip
    twice = web.CLOUDFRONT.replace(b"/my%20file.html", b"/my%2520file.html")
    holds(row(CloudFront(), twice), url_path="/my%20file.html?a=b")


def test_windows_firewall() -> None:
    holds(row(WindowsFirewall(), web.FIREWALL), class_uid=4001, activity_id=5, status_id=2, op="DROP", proto="tcp", dst_port=445)
    holds(row(WindowsFirewall(), web.FIREWALL, 1), activity_id=1, status_id=1, op="ALLOW", src_ip="10.0.0.8")


def test_windows_firewall_tells_which_way_a_packet_went() -> None:
    head = "#Version: 1.5\n#Fields: date time action protocol src-ip dst-ip src-port dst-port size path\n"
    ways = ("SEND", "RECEIVE", "FORWARD")
    packet = "2026-03-02 10:00:01 DROP TCP 192.0.2.1 10.0.0.5 4000 22 40"
    found = all_rows(WindowsFirewall(), head + "".join(f"{packet} {way}\n" for way in ways))
    assert [row.get("direction_id") for row in found] == [2, 1, None]


def test_iis_ftp_is_no_http() -> None:
    head = "#Fields: date time c-ip cs-username s-ip s-port cs-method cs-uri-stem sc-status sc-win32-status x-session x-fullpath\n"
    lines_ = ("PASS *** 530 1326 s1 -", "PASS *** 230 0 s1 /", "STOR up.aspx 226 0 s1 /up.aspx", "ControlChannelClosed - - 0 s1 -")
    found = all_rows(W3c(), head + "".join(f"2026-03-02 10:00:01 192.0.2.1 ann 10.0.0.5 21 {line}\n" for line in lines_))
    assert [(row["class_uid"], row["activity_id"], row["op"], row.get("status_id")) for row in found] == [
        (3002, 1, "PASS", 2), (3002, 1, "PASS", 1), (4008, 1, "STOR", 1), (4008, 99, "ControlChannelClosed", None)
    ]  # fmt: skip
    assert found[2]["file_path"] == "up.aspx" and found[2]["user"] == "ann" and found[2]["session"] == "s1" and found[2]["channel"] == "ftp"
    assert all("http_method" not in row and "http_status" not in row and row["app_proto"] == "ftp" for row in found)


def test_load_balancers() -> None:
    found = row(LoadBalancer(), web.ALB)
    holds(
        found,
        time=datetime(2026, 3, 2, 10, 0, 1, 186641, tzinfo=UTC), src_ip="192.0.2.39", src_port=2817, dst_ip="10.0.0.1", dst_port=80,
        duration_us=171_000, bytes_out=34, bytes_in=57, url_host="www.example.org", url_path="/a?b=1", app_proto="https",
        sni="www.example.org", account="123456789012", region="eu-west-1", resource="app/front/50dc6c495c0c9188", user_agent="curl/8.5",
    )  # fmt: skip
    assert isinstance(found["ext"], dict) and found["ext"]["actions_executed"] == "waf,forward"
    holds(row(LoadBalancer(), web.ALB, 1), src_ip="2001:db8::9", dst_ip=None, duration_us=None, user_agent='a "q" b', status_id=2)
    holds(row(LoadBalancer(), web.CLASSIC), duration_us=1178, bytes_in=29, url_path="/", app_proto=None)
    holds(row(LoadBalancer(), web.CLASSIC, 1), http_method=None, bytes_out=82, ext={"request": "- - - "})


def test_quotes_in_a_user_agent_move_nothing_that_stands_before_it() -> None:
    forged = web.CLASSIC.replace(b'"curl/7.38.0"', b'"a" "GET /fake HTTP/1.1" "b"')
    holds(row(LoadBalancer(), forged), src_ip="192.0.2.39", url_path="/", http_status=200)


def test_s3() -> None:
    holds(
        row(S3Access(), web.S3),
        time=datetime(2026, 3, 2, 10, 0, 1, tzinfo=UTC), class_uid=6003, activity_id=2, op="REST.GET.OBJECT", user="ann",
        account="123456789012", user_uid="arn:aws:iam::123456789012:user/ann", resource="vault/a/b.txt", bytes_in=2662992,
        duration_us=70_000, http_status=200,
        url_path="/vault/a/b.txt?x=1", auth_protocol="AuthHeader", url_host="vault.s3.eu-west-1.amazonaws.com",
    )  # fmt: skip
    holds(row(S3Access(), web.S3, 1), user=None, user_uid=None, status_id=2, status_code="AccessDenied", activity_id=4)
    holds(row(S3Access(), web.S3, 2), op="S3.EXPIRE.OBJECT", src_ip=None, http_method=None, status_id=None)


def test_apache_errors_fill_their_columns() -> None:
    holds(
        row(ApacheError(), web.APACHE_24),
        time=datetime(2026, 3, 2, 10, 0, 1, 902_022, tzinfo=UTC), class_uid=4002, activity_id=99, severity_id=1, channel="core",
        src_ip="198.51.100.7", src_port=50123, pid=708, file_path="/srv/www/x.php", op="AH00128",
    )  # fmt: skip
    assert row(ApacheError(), web.APACHE_24)["ext"]["referrer"] == "https://www.example.org/a"  # type: ignore[index]
    holds(
        row(ApacheError(), web.APACHE_24, 1),
        class_uid=3002,
        activity_id=1,
        status_id=2,
        user="bob",
        src_ip="2001:db8::7",
        url_path="/admin",
    )
    holds(row(ApacheError(), web.APACHE_24, 2), class_uid=3002, status_id=2, user="ann", url_path="/admin")
    holds(row(ApacheError(), web.APACHE_24, 4), class_uid=0, activity_id=0, op="AH00489", channel="mpm_event")
    holds(row(ApacheError(), web.APACHE_24, 5), class_uid=4002, status_id=2, src_ip="198.51.100.7", op="AH01275")
    holds(
        row(ApacheError(), web.APACHE_22),
        time=datetime(2000, 10, 11, 14, 32, 52, tzinfo=UTC), class_uid=4002, status_id=2, src_ip="198.51.100.7", file_path="/srv/www/test",
    )  # fmt: skip


def test_what_modsecurity_says_is_a_finding() -> None:
    holds(
        row(ApacheError(), web.APACHE_24, 3),
        class_uid=2004, activity_id=1, severity_id=5, rule="SQL Injection Attack Detected via libinjection", op="942100",
        url_host="www.example.org", url_path="/item.php", src_ip="198.51.100.7",
    )  # fmt: skip


def test_nginx_errors_fill_their_columns() -> None:
    holds(
        row(NginxError(), web.NGINX_ERROR),
        time=datetime(2026, 3, 2, 10, 0, 1, tzinfo=UTC), class_uid=4002, activity_id=99, severity_id=4, status_id=2, status_code="2",
        op="open", src_ip="198.51.100.7", pid=708, session="5", file_path="/srv/www/a b.php", http_method="GET",
        url_path="/a%20b.php?x=1", url_host="www.example.org",
    )  # fmt: skip
    assert row(NginxError(), web.NGINX_ERROR)["ext"] == {
        "level": "error", "message": 'open() "/srv/www/a b.php" failed (2: No such file or directory)', "server": "www.example.org",
        "referrer": "https://www.example.org/a",
    }  # fmt: skip
    holds(row(NginxError(), web.NGINX_ERROR, 1), class_uid=3002, activity_id=1, status_id=2, user="bob", src_ip="2001:db8::7")
    holds(row(NginxError(), web.NGINX_ERROR, 2), class_uid=3002, user="ann", url_path="/admin/", url_host=None, file_path=None)
    holds(
        row(NginxError(), web.NGINX_ERROR, 3),
        class_uid=2004, severity_id=5, rule="Inbound Anomaly Score Exceeded", op="949110", url_path="/item.php", src_ip="198.51.100.7",
    )  # fmt: skip
    holds(row(NginxError(), web.NGINX_ERROR, 4), class_uid=0, activity_id=0, severity_id=2, src_ip=None, session=None)
    holds(row(NginxError(), web.NGINX_ERROR, 5), class_uid=4002, op="SSL_do_handshake", severity_id=5, src_ip="198.51.100.8")


def test_what_a_client_makes_nginx_write_twice_is_not_believed() -> None:
    head, end = web.NGINX_ERROR.split(b"\n")[0].split(b", client: ")
    decoded = head.replace(b"a b.php", b"a, client: 192.0.2.1, server: x") + b", client: " + end
    holds(row(NginxError(), decoded), src_ip=None, url_host="www.example.org", http_method="GET")
    quoted = web.NGINX_ERROR.split(b"\n")[0].replace(b"org/a", b'org/a", host: "evil.example')
    holds(row(NginxError(), quoted), src_ip="198.51.100.7", url_host=None)
    frame, dead = read(
        NginxError(),
        web.lines("2026/13/02 10:00:01 [error] 1#1: x", "2026/03/02 10:00:01 [odd] 1#1: x", "", "2026/03/02 10:00:01 [info] 1#1: "),
    )
    assert dead == [(0, "bad-time"), (1, "not-an-error-log")] and frame["record"].to_list() == [3]


def test_odd_apache_errors_are_dead_letters_or_plain() -> None:
    head = "[Mon Mar 02 10:00:01.9 2026] [core:error] [pid 1] "
    data = web.lines(
        f"{head}[client evil name] x", f"{head}[client 999999:1] x", f"{head}", "[Mon Mar 32 10:00:01 2026] [error] x", "not a record",
        f"{head}[client 10.0.0.1:99999] x", f'{head}[client 10.0.0.1:9] ModSecurity: [msg "\\\\"',
    )  # fmt: skip
    frame, dead = read(ApacheError(), data)
    assert dead == [(3, "bad-time"), (4, "not-an-error-log")]
    assert frame["record"].to_list() == [0, 1, 2, 5, 6]
    assert frame["src_ip"].to_list() == [None, None, None, "10.0.0.1", "10.0.0.1"]
    assert frame["src_port"].to_list() == [None, 1, None, None, 9]
