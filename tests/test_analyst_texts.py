"""Texts: instruction-like content is recognised through its disguises, ordinary text is not, and a handle repeats nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself.analyst.texts import families, handle
from nonself.lab.payloads import CANARY, ours
from nonself.lab.payloads import given as payloads_of
from nonself.lab.world.catalog import PROGRAMS, SCRIPTS, USER_AGENTS

ORDINARY = [
    *(program.image for program in PROGRAMS.values()),
    *SCRIPTS,
    *USER_AGENTS.values(),
    'net group "Domain Admins" /domain',
    "ann.b",
    "powershell.exe -nop -w hidden -enc SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQAKQA=",
    "rundll32.exe C:\\Windows\\System32\\user32.dll,Lock",
    "cdn.harbourloom.example",
    "HKLM\\SYSTEM\\CurrentControlSet\\Services\\W32Time",
    "/index.php?id=7&page=about",
    "svchost.exe -k netsvcs -p",
    "/etc/cron.d/backup",
    "curl -s http://10.0.0.1/status",
    "powershell.exe -NoProfile -ExecutionPolicy Bypass -File C:\\ProgramData\\Corvid\\tasks\\inv00.ps1",
    "C:\\Users\\ann\\AppData\\Roaming\\Microsoft\\Office\\Recent\\order.LNK",
    "C:\\TOOLS\\Security_tool\\Mimikatz\\mimidrv.sys",
    'foreach ($s in $sites ){write-host "[>] (site) $s"; [char]($s)}',
    "git commit -m 'Update the rules of the parser'",
    "",
]


def test_our_payloads_are_many_and_different() -> None:
    texts = [payload.text for payload in ours()]
    assert len(texts) >= 200 and len(set(texts)) == len(texts)
    assert {"override", "persona", "context", "tool", "authority", "exfiltration", "markup"} <= {p.family for p in ours()}
    assert {"base64", "homoglyph", "invisible", "tags", "rot13", "label"} <= {p.disguise for p in ours()}


def test_most_payloads_are_recognised() -> None:
    found = [bool(families(payload.text)) for payload in ours()]
    assert sum(found) / len(found) >= 0.85


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_not_instruction_like(text: str) -> None:
    assert families(text) == ()


@given(st.text(max_size=300))
def test_any_text_has_a_handle(text: str) -> None:
    made = handle(3, "cmdline", text)
    assert made.length == len(text)
    assert str(made).isascii() and str(made).startswith("<f3:cmdline len=")


@pytest.mark.parametrize(
    "text", ["a" * 200_000, "%41" * 50_000, "AAAA" * 50_000, "\U000e0041" * 20_000, "((((" * 40_000, "ignore " * 30_000]
)
def test_long_text_costs_little(text: str) -> None:
    families(text)


def test_a_handle_repeats_no_word_of_the_text() -> None:
    for payload in ours():
        shown = str(handle(1, "query", payload.text)).lower()
        assert CANARY.lower() not in shown
        assert not {word for word in payload.text.lower().split() if len(word) > 11 and word.isalpha()} & set(shown.split())


def test_payloads_of_a_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "p.txt"
    path.write_bytes(b'{"text": "one"}\nplain two\n\n{"prompt": "three"}\n{"broken\n\xff\n')
    assert [p.text for p in payloads_of(path)] == ["one", "plain two", "three", '{"broken', "\ufffd"]
