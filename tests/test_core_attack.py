"""The ATT&CK table and the tags that name its parts."""

from __future__ import annotations

import csv
import re
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself.core import attack

NOTICE = "(c) The MITRE Corporation. This work is reproduced and distributed with the permission of The MITRE Corporation."
TABLE = resources.files("nonself.core").joinpath("attack.tsv").read_text("utf-8").splitlines()
IDS = [line.split("\t")[0] for line in TABLE[1:]]


def test_notice_stands_where_the_licence_asks_for_it() -> None:
    assert NOTICE in (attack.__doc__ or "")
    assert NOTICE in (Path(__file__).parent.parent / "NOTICE").read_text("utf-8")


def test_table_is_whole() -> None:
    assert TABLE[0] == "technique\tname\ttactics"
    assert len(IDS) == len(set(IDS)) == 637
    for row in csv.DictReader(TABLE, delimiter="\t", quoting=csv.QUOTE_NONE):
        assert re.fullmatch(r"T\d{4}(\.\d{3})?", row["technique"])
        assert attack.name(row["technique"]) == row["name"] != ""
        assert set(attack.tactics(row["technique"])) == set(row["tactics"].split(","))


def test_tactics_are_the_fourteen_in_kill_chain_order() -> None:
    assert list(attack.TACTICS)[:3] == ["reconnaissance", "resource-development", "initial-access"]
    assert list(attack.TACTICS)[-3:] == ["command-and-control", "exfiltration", "impact"]
    assert len(attack.TACTICS) == 14
    assert attack.TACTICS["command-and-control"] == "Command and Control"
    order = list(attack.TACTICS)
    for technique in IDS:
        assert list(attack.tactics(technique)) == sorted(attack.tactics(technique), key=order.index)


def test_names_and_tactics() -> None:
    assert attack.name("T1059.001") == "PowerShell"
    assert attack.name("T1059") == "Command and Scripting Interpreter"
    assert attack.tactics("T1078") == ("initial-access", "persistence", "privilege-escalation", "defense-evasion")
    assert attack.tactics("T1078.999") == attack.tactics("T1078")
    assert (attack.name("T9999"), attack.tactics("T9999"), attack.name(""), attack.tactics("")) == ("", (), "", ())


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("attack.t1059.001", "T1059.001"),
        ("attack.T1059", "T1059"),
        (" attack.t1059 ", "T1059"),
        ("attack.t9999", "T9999"),
        ("attack.credential-access", "credential-access"),
        ("attack.credential_access", "credential-access"),
        ("attack.command-and-control", "command-and-control"),
        ("attack.Command_and_Control", "command-and-control"),
        ("attack.stealth", "defense-evasion"),
        ("attack.defense-impairment", "defense-evasion"),
        ("attack.s0002", None),
        ("attack.g0032", None),
        ("attack.t10590", None),
        ("attack.t1059.01", None),
        ("attack.t１０５９", None),
        ("attack.", None),
        ("attack", None),
        ("t1059", None),
        ("cve.2021-44228", None),
        ("detection.threat-hunting", None),
        ("", None),
    ],
)
def test_parse_tag(tag: str, expected: str | None) -> None:
    assert attack.parse_tag(tag) == expected


@given(st.text())
def test_parse_tag_is_total(tag: str) -> None:
    for text in (tag, "attack." + tag):
        found = attack.parse_tag(text)
        assert found is None or found in attack.TACTICS or re.fullmatch(r"T[0-9]{4}(\.[0-9]{3})?", found)


def test_stated_tactics_win_over_those_of_the_technique() -> None:
    assert attack.from_tags(["attack.t1078", "attack.persistence"]) == (("T1078",), ("persistence",))
    assert attack.from_tags(["attack.t1078"]) == (("T1078",), attack.tactics("T1078"))
    assert attack.from_tags(["attack.t1078.004", "attack.t1003", "attack.t1078.004", "cve.1"]) == (
        ("T1078.004", "T1003"),
        ("initial-access", "persistence", "privilege-escalation", "defense-evasion", "credential-access"),
    )
    assert attack.from_tags(["attack.impact", "attack.stealth", "attack.defense-impairment"]) == ((), ("defense-evasion", "impact"))
    assert attack.from_tags([]) == ((), ())


def test_in_order_drops_what_it_does_not_know() -> None:
    assert attack.in_order(["impact", "discovery", "impact", "nonsense"]) == ("discovery", "impact")


def test_every_tactic_tag_of_the_public_rules_is_understood(data_dir: Path) -> None:
    tags = set()
    for path in sorted((data_dir / "sigma").rglob("*.yml")):
        tags.update(re.findall(r"^\s+- (attack\.[\w.-]+)\s*$", path.read_text("utf-8", "replace"), re.M))
    assert len(tags) > 200
    unknown = [tag for tag in sorted(tags) if attack.parse_tag(tag) is None]
    assert [tag for tag in unknown if not re.fullmatch(r"attack\.(g|s|c|ds)\d{4}", tag)] == []
