"""Enrichment: scope, registered domain, and what MMDB files say."""

from __future__ import annotations

import struct
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself.core import enrich, suffixes
from nonself.core.enrich import Places
from nonself.core.errors import ConfigError
from nonself.core.events import conform


def mmdb(networks: dict[str, dict[str, Any]]) -> bytes:
    """A small MMDB file of IPv4 networks: a binary tree of 24-bit records, then the data, then what it is."""
    nodes: list[list[Any]] = [[None, None]]
    data, places = b"", dict[str, int]()
    for text, record in networks.items():
        network, at = ip_network(text), 0
        places[text] = len(data)
        data += packed(record)
        for depth in range(network.prefixlen):
            bit = int(network.network_address) >> 31 - depth & 1
            if depth == network.prefixlen - 1:
                nodes[at][bit] = ("data", places[text])
            else:
                if nodes[at][bit] is None:
                    nodes.append([None, None])
                    nodes[at][bit] = len(nodes) - 1
                at = nodes[at][bit]
    count = len(nodes)
    said = [count if side is None else side if isinstance(side, int) else count + 16 + side[1] for node in nodes for side in node]
    tree = b"".join(struct.pack(">I", side)[1:] for side in said)
    about = {
        "binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": 1, "database_type": "Test", "description": {},
        "ip_version": 4, "languages": {}, "node_count": count, "record_size": 24,
    }  # fmt: skip
    return tree + b"\0" * 16 + data + b"\xab\xcd\xefMaxMind.com" + packed(about)


def packed(value: Any, key: str = "") -> bytes:
    if key == "languages":
        return bytes([0, 4])  # an empty list
    if key == "build_epoch":
        return bytes([8, 2]) + struct.pack(">Q", value)
    if key in ("binary_format_major_version", "binary_format_minor_version", "ip_version", "record_size"):
        return bytes([5 << 5 | 2]) + struct.pack(">H", value)
    if isinstance(value, dict):
        return bytes([7 << 5 | len(value)]) + b"".join(packed(name) + packed(item, name) for name, item in value.items())
    if isinstance(value, str):
        return bytes([2 << 5 | len(value)]) + value.encode() if len(value) < 29 else bytes([2 << 5 | 29, len(value) - 29]) + value.encode()
    return bytes([6 << 5 | 4]) + struct.pack(">I", value)


@pytest.mark.parametrize(
    ("address", "scope"),
    [
        ("10.1.2.3", "private"), ("172.31.255.255", "private"), ("172.32.0.0", "public"), ("192.168.0.1", "private"), ("8.8.8.8", "public"),
        ("::ffff:192.168.1.1", "private"), ("fd00::1", "private"), ("fe80::1%eth0", "special"),
        ("::1", "special"), ("2001:4860::1", "public"),
        ("100.64.0.1", "special"), ("169.254.1.1", "special"),
        ("224.0.0.1", "special"), ("255.255.255.255", "special"), ("0.0.0.0", "special"),
        ("2001:db8::1", "special"), ("203.0.113.1", "special"), ("", None), ("x", None), ("1.2.3", None), ("999.1.1.1", None), (None, None),
    ],
)  # fmt: skip
def test_scope(address: str | None, scope: str | None) -> None:
    assert enrich.scope(pl.Series([address, address], dtype=pl.String)).to_list() == [scope, scope]


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("www.Example.co.uk.", "example.co.uk"), ("example.com", "example.com"), ("a.b.c.d.example.org", "example.org"), ("co.uk", None),
        ("localhost", None), ("10.0.0.1", None), ("::1", None), ("", None), (None, None), ("x" * 300 + ".com", None), ("a.internal", None),
        ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de"), (".", None), ("a.b.blogspot.com", "blogspot.com"),
    ],
)  # fmt: skip
def test_registered_domain(name: str | None, domain: str | None) -> None:
    assert enrich.registered_domain(pl.Series("query", [name], dtype=pl.String)).to_list() == [domain]


@given(st.lists(st.text(max_size=60)))
def test_any_text_has_an_answer_of_its_own(texts: list[str]) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    values = pl.Series("v", texts, dtype=pl.String)
    for answer in (enrich.scope, enrich.registered_domain):
        whole = answer(values)
        assert whole.len() == len(texts) and whole.name == "v"
        assert whole.to_list() == [answer(pl.Series("v", [text], dtype=pl.String)).item() for text in texts]


def test_the_network_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", refuse)
    suffixes.registries.cache_clear()
    assert enrich.registered_domain(pl.Series(["www.example.com"])).to_list() == ["example.com"]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "country.mmdb").write_bytes(
        mmdb({"8.8.8.0/24": {"country": {"iso_code": "US"}}, "10.0.0.0/8": {"country": {"iso_code": "XX"}}})
    )
    (tmp_path / "asn.mmdb").write_bytes(mmdb({"8.8.0.0/16": {"autonomous_system_number": 15169}, "9.9.9.0/24": {"asn": "AS19281"}}))
    return Places(str(tmp_path / "country.mmdb"), str(tmp_path / "asn.mmdb"))


def test_country_and_asn_of_public_addresses_where_the_record_did_not_say(places: Places) -> None:
    frame = pl.DataFrame(
        {
            "src_ip": ["8.8.8.8", "8.8.8.8", "8.8.1.1", "10.0.0.1", "9.9.9.9", "2001:4860::1", "x", None],
            "country": [None, "CH", None, None, None, None, None, None],
            "asn": [None, 7, None, None, None, None, None, None],
        },
        schema={"src_ip": pl.String, "country": pl.String, "asn": pl.Int64},
    )
    found = places.fill(conform(frame))
    assert found["country"].to_list() == ["US", "CH", None, None, None, None, None, None]
    assert found["asn"].to_list() == [15169, 7, 15169, None, 19281, None, None, None]
    assert found.schema == conform(frame).schema


def test_without_files_or_addresses_nothing_changes(places: Places) -> None:
    events = conform(pl.DataFrame({"user": ["ann"]}))
    assert places.fill(events).equals(events)
    assert Places().fill(conform(pl.DataFrame({"src_ip": ["8.8.8.8"]})))["country"].to_list() == [None]


@pytest.mark.parametrize("body", [b"", b"no database", b"\xab\xcd\xefMaxMind.com", None])
def test_a_file_that_is_none_is_refused(tmp_path: Path, body: bytes | None) -> None:
    path = tmp_path / "x.mmdb"
    if body is not None:
        path.write_bytes(body)
    with pytest.raises(ConfigError, match=r"enrich\.country: .*expected an MMDB file"):
        Places(country=str(path))


def test_a_damaged_file_says_nothing(tmp_path: Path) -> None:
    whole = mmdb({"8.8.8.0/24": {"country": {"iso_code": "US"}}})
    at = whole.index(b"\x47country") if b"\x47country" in whole else whole.index(b"country") - 1
    (tmp_path / "x.mmdb").write_bytes(whole[:at] + b"\xff" + whole[at + 1 :])
    assert Places(str(tmp_path / "x.mmdb")).fill(conform(pl.DataFrame({"src_ip": ["8.8.8.8"]})))["country"].to_list() == [None]
