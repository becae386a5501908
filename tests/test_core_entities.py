"""Entities: who and what an event is about, as a pure function of its columns."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself.core import entities, events


def named(role: str, /, **columns: str | None) -> str | None:
    frame = events.conform(pl.DataFrame({name: [value] for name, value in columns.items()}, schema=dict.fromkeys(columns, pl.String)))
    result: str | None = frame.select(entities.entity(role)).item()
    return result


@pytest.mark.parametrize(
    ("role", "columns", "expected"),
    [
        ("user", {"user": "Ann"}, "user:ann"),
        ("user", {"user": " ANN ", "user_domain": "CORP"}, "user:corp\\ann"),
        ("user", {"user": "ann", "user_domain": "corp.example"}, "user:corp\\ann"),
        ("user", {"user": "Ann@Site.org", "user_domain": "x"}, "user:ann@site.org"),
        ("user", {"user": "SYSTEM", "user_domain": "NT AUTHORITY", "host": "WS5.corp.example"}, "user:system@ws5"),
        ("user", {"user": "root", "host": "web1"}, "user:root@web1"),
        ("user", {"user": "root"}, "user:root"),
        ("user", {"user": "DWM-3", "host": "ws5"}, "user:dwm-3@ws5"),
        ("user", {"user": "UMFD-0", "host": "ws5"}, "user:umfd-0@ws5"),
        ("user", {"user": "Système", "host": "ws5"}, "user:système@ws5"),
        ("user", {"user": "-"}, None),
        ("user", {"user": "N/A"}, None),
        ("user", {"user": ""}, None),
        ("user", {"user": None, "user_domain": "corp"}, None),
        ("tgt_user", {"tgt_user": "Bob", "tgt_domain": "CORP", "user": "ann"}, "user:corp\\bob"),
        ("host", {"host": "WS5.corp.example."}, "host:ws5"),
        ("host", {"host": "10.0.0.5"}, "host:10.0.0.5"),
        ("host", {"host": "fd00::5"}, "host:fd00::5"),
        ("host", {"host": "localhost"}, None),
        ("src_ip", {"src_ip": "10.0.0.5"}, "ip:10.0.0.5"),
        ("src_ip", {"src_ip": "::ffff:10.0.0.5"}, "ip:10.0.0.5"),
        ("src_ip", {"src_ip": "2001:DB8::1"}, "ip:2001:db8::1"),
        ("src_ip", {"src_ip": "-"}, None),
        ("query", {"query": "WWW.Example.com."}, "domain:www.example.com"),
        ("query", {"query": "wpad"}, None),
        ("query", {"query": "10.0.0.5"}, None),
        ("url_host", {"url_host": "site.example:8443"}, "domain:site.example"),
        ("process", {"proc_guid": "{AB-12}"}, "process:ab-12"),
        ("file", {"file_path": "C:\\Temp\\A.exe"}, "file:c:\\temp\\a.exe"),
        ("hash", {"hash": "ABCD"}, "hash:abcd"),
        ("cred", {"cred": "AKIA1"}, "cred:akia1"),
        ("assumed_role", {"role": "arn:aws:iam::1:role/X"}, "role:arn:aws:iam::1:role/x"),
    ],
)
def test_names(role: str, columns: dict[str, str | None], expected: str | None) -> None:
    assert named(role, **columns) == expected


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "::", "0.0.0.0", "169.254.1.1", "fe80::1", "224.0.0.251", "239.255.255.250", "ff02::fb", "255.255.255.255"],
)
def test_addresses_of_no_one_machine_name_nobody(address: str) -> None:
    assert named("dst_ip", dst_ip=address) is None


@pytest.mark.parametrize("address", ["223.255.255.255", "240.0.0.1", "128.0.0.1", "10.127.0.1", "fd00::1", "2001:db8::ff02"])
def test_addresses_beside_those_ranges_are_kept(address: str) -> None:
    assert named("dst_ip", dst_ip=address) == f"ip:{address}"


def test_two_sources_agree_on_one_thing() -> None:
    assert named("host", host="WS5.corp.example") == named("src_host", src_host="ws5")
    assert named("user", user="ANN", user_domain="CORP") == named("tgt_user", tgt_user="ann", tgt_domain="corp.example")
    assert named("sni", sni="a.example") == named("query", query="A.EXAMPLE.")


def test_long_form_has_a_row_for_every_role_that_is_filled() -> None:
    frame = events.conform(
        pl.DataFrame({"uid": ["1", "2"], "user": ["ann", None], "host": ["ws5", "ws6"], "dst_ip": ["10.0.0.1", "127.0.0.1"]})
    )
    rows = set(entities.entities(frame).iter_rows())
    assert rows == {("1", "user", "user:ann"), ("1", "host", "host:ws5"), ("1", "dst_ip", "ip:10.0.0.1"), ("2", "host", "host:ws6")}
    assert set(entities.entities(frame, ("host",)).iter_rows()) == {("1", "host", "host:ws5"), ("2", "host", "host:ws6")}
    assert entities.entities(events.empty()).columns == ["uid", "role", "entity"]


def test_roles_and_kinds() -> None:
    assert len(entities.BY_ROLE) == len(entities.ROLES)
    assert {role.kind for role in entities.ROLES} == set(entities.KINDS)
    assert entities.kind("host:ws5") == "host"
    assert entities.kind("file:c:\\x") == "file"
    with pytest.raises(KeyError):
        entities.entity("colour")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_any_text_gives_a_name_of_its_kind_and_rows_do_not_touch(texts: list[str]) -> None:
    columns = ("user", "host", "src_ip", "query", "file_path", "proc_guid", "cred")
    frame = events.conform(pl.DataFrame(dict.fromkeys(columns, texts), schema=dict.fromkeys(columns, pl.String)))
    for role in ("user", "host", "src_ip", "query", "file", "process", "cred"):
        together = frame.select(entities.entity(role)).to_series().to_list()
        assert all(name is None or entities.kind(name) == entities.BY_ROLE[role].kind for name in together)
        assert together == frame[::-1].select(entities.entity(role)).to_series().to_list()[::-1]
