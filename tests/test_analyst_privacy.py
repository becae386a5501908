"""Privacy: pseudonyms, secrets, egress. What leaves holds no name and no secret, whatever the logs hold."""

from __future__ import annotations

import ipaddress
import os
import random
import re
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.analyst import egress
from nonself.analyst.advisor import advise
from nonself.analyst.case import investigate
from nonself.analyst.model import Budget
from nonself.analyst.pseudonyms import Vault, load_key, rotate_key
from nonself.analyst.records import read
from nonself.analyst.redact import LeakError, refuse, secrets_out, words
from nonself.core.entities import KINDS
from nonself.core.errors import ConfigError, StateError
from nonself.lab.compromised import Compromised
from nonself.lab.injection import FIELDS, state

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
SEEDED = int(os.environ.get("NONSELF_LEAKS", "60"))
"""Identifiers and secrets put into logs by `test_no_seeded_name_leaves`; 10,000 were run once (docs/benchmarks.md)."""
SECRETS = {
    "aws-key": "AKIAQ3EGRHAV7TZBN5LW",
    "github-token": "ghp_" + "a1B2" * 9,
    "gitlab-token": "glpat-abcdefghij0123456789",
    "slack-token": "xoxb-123456789012-abcdefghij",
    "google-key": "AIza" + "Sy_-7" * 7,
    "stripe-key": "sk_live_" + "9f" * 12,
    "model-key": "sk-proj-" + "xY9" * 10,
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "bearer": "Authorization: Bearer dGhpcyBpcyBhIHRva2Vu",
    "url-password": "https://ann:hunter22@files.example/x",
    "assigned": "PASSWORD=correct-horse-battery",
    "flag": "net use z: /user:x & psexec -p S3cr3tPass! cmd",
    "hash": "aad3b435b51404eeaad3b435b51404ee:31d6cfe0d16ae931b73c59d7e0c089c0",
    "card": "4111 1111 1111 1111",
    "iban": "DE89370400440532013000",
    "private-key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
}


CORES = (
    "7TZBN", "a1B2a1", "defghij", "5678901", "Sy_-7Sy", "9f9f9f", "xY9xY9", "eyJzdWI", "dGhpcyBp", "hunter22", "correct-horse",
    "S3cr3tPass",
    "31d6cfe0", "1111 1111", "0532013", "MIIEow",
)  # fmt: skip
"""What of them must not be left over."""


@settings(max_examples=60)
@given(st.sampled_from(KINDS), st.text(max_size=30), st.text(max_size=30))
def test_pseudonyms_are_stable_distinct_and_turned_back(kind: str, one: str, two: str) -> None:
    vault, again, elsewhere = Vault(KEY), Vault(KEY), Vault(OTHER)
    a, b = f"{kind}:{one}", f"{kind}:{two}"
    assert vault.pseudonym(a) == again.pseudonym(a)
    assert (vault.pseudonym(a) == vault.pseudonym(b)) == (one == two)
    assert vault.pseudonym(a) != elsewhere.pseudonym(a)
    assert vault.behind(vault.pseudonym(a)) == a
    assert re.fullmatch(r"[a-z]+-[a-z0-9.:]+", vault.pseudonym(a))


@settings(max_examples=60)
@given(st.ip_addresses())
def test_addresses_keep_their_version_and_class_and_are_nobodys(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    given_out = ipaddress.ip_address(Vault(KEY).pseudonym(f"ip:{address}").removeprefix("ip-"))
    assert given_out.version == address.version
    assert given_out != address
    assert address.is_private == (given_out in ipaddress.ip_network("10.0.0.0/8" if address.version == 4 else "fd00::/8"))
    assert not given_out.is_global


def test_a_name_that_was_not_given_out_is_nobody() -> None:
    with pytest.raises(KeyError):
        Vault(KEY).behind("host-aaaaaaaa")
    with pytest.raises(ValueError, match="at least 32"):
        Vault(b"short")


def test_the_key_is_the_owners_and_can_be_rotated(tmp_path: Path) -> None:
    path = tmp_path / "k" / "pseudonyms.key"
    first = load_key(path)
    assert load_key(path) == first and path.stat().st_mode & 0o777 == 0o600
    rotate_key(path)
    assert load_key(path) != first and path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"x")
    with pytest.raises(StateError, match="32 bytes"):
        load_key(path)


@pytest.mark.parametrize("kind", list(SECRETS))
def test_secrets_are_taken_out(kind: str) -> None:
    out = secrets_out(f"before {SECRETS[kind]} after")
    assert "[secret:" in out and out.startswith("before") and out.endswith("after")
    assert not any(core in out for core in CORES)


@pytest.mark.parametrize(
    "text", ["C:\\Windows\\System32\\svchost.exe -k netsvcs -p", "www.example.org", "host-k3v7q2aa", "GetObject of s3", ""]
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert secrets_out(text) == text


@settings(max_examples=100)
@given(st.text())
def test_the_scanner_takes_any_text(text: str) -> None:
    assert (secrets_out(text) == "") == (text == "")
    words([text])


def test_a_known_name_stops_the_request() -> None:
    refuse("host-k3v7q2aa met ip-10.1.2.3", ["ws41", "corp"])
    for name in ("ws41", "WS41"):
        with pytest.raises(LeakError) as raised:
            refuse(f"on {name} today", ["ws41"])
        assert "ws41" not in str(raised.value).lower()
    assert {"corp", "ann.smith"} <= words(["user:corp\\ann.smith"])


def _names(rng: random.Random) -> str:
    word = "".join(rng.choices(string.ascii_lowercase + string.digits, k=rng.randint(8, 16)))
    kinds = (word, f"{word}.corp.example", f"{word}@mail.example", f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}",
             f"token={word}{word}", "AKIA" + word.upper().ljust(16, "Q")[:16], f"C:\\Users\\{word}\\x.docx")  # fmt: skip
    return rng.choice(kinds)


def test_no_seeded_name_leaves() -> None:
    rng = random.Random(20261130)
    sent = leaked = 0
    while sent < SEEDED:
        seeded = {field: " ".join(_names(rng) for _ in range(5)) for field in FIELDS}
        model = Compromised(rng.randrange(8))
        ledger, incident = state(True, seeded)
        with ledger:
            records = read(ledger, incident)
            advise(records, investigate(records), model, Vault(KEY), Budget(10**9, 10**9))
        out = b"".join(model.seen).decode().lower()
        assert len(model.seen) >= 4
        for text in " ".join(seeded.values()).split():
            leaked += text.lower() in out or any(part in out for part in re.split(r"[\\@.=]", text.lower()) if len(part) >= 8)
            sent += 1
    assert leaked == 0


@pytest.mark.parametrize(
    "endpoint", ["", "ftp://127.0.0.1/", "http://", "127.0.0.1:80", "http://ann:pw@127.0.0.1/", "http://[::1", "http://a:99999/"]
)
def test_what_is_no_endpoint_is_told(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="expected a URL"):
        egress.allow(endpoint, "loopback", ())


def test_egress_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = {"here.example": "127.0.0.1", "there.example": "203.0.113.9", "127.0.0.1": "127.0.0.1"}
    monkeypatch.setattr(egress.socket, "getaddrinfo", lambda host, port, **_: [(2, 1, 6, "", (addresses[host], port))])
    here, there = "http://here.example:8080/v1", "https://there.example/v1"
    for endpoint in (here, there, "http://127.0.0.1/"):
        with pytest.raises(egress.EgressError, match="none"):
            egress.allow(endpoint, "none", (endpoint,))
    assert egress.allow(here, "loopback", ()) == "127.0.0.1"
    with pytest.raises(egress.EgressError, match="not on this machine"):
        egress.allow(there, "loopback", (there,))
    assert egress.allow(there, "allowlist", ("https://there.example",)) == "203.0.113.9"
    for listed in ((), (here,), ("http://there.example/v1",), ("https://there.example:8443/",)):
        with pytest.raises(egress.EgressError, match="not on the list"):
            egress.allow(there, "allowlist", listed)
    with pytest.raises(egress.EgressError, match="https"):
        egress.allow("http://there.example/v1", "allowlist", ("http://there.example/",))
