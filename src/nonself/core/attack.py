"""ATT&CK: techniques, their names and tactics, and the tags by which Sigma rules name them.

The table is `attack.tsv` beside this file, ATT&CK v15.1 (Enterprise), read at first use and never from the network.

(c) The MITRE Corporation. This work is reproduced and distributed with the permission of The MITRE Corporation.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from functools import cache
from importlib import resources

TACTICS: dict[str, str] = {
    "reconnaissance": "Reconnaissance",
    "resource-development": "Resource Development",
    "initial-access": "Initial Access",
    "execution": "Execution",
    "persistence": "Persistence",
    "privilege-escalation": "Privilege Escalation",
    "defense-evasion": "Defense Evasion",
    "credential-access": "Credential Access",
    "discovery": "Discovery",
    "lateral-movement": "Lateral Movement",
    "collection": "Collection",
    "command-and-control": "Command and Control",
    "exfiltration": "Exfiltration",
    "impact": "Impact",
}
"""Tactics in kill-chain order: name -> caption."""

TACTIC_IDS: dict[str, str] = dict(
    zip(
        ("TA0043", "TA0042", "TA0001", "TA0002", "TA0003", "TA0004", "TA0005", "TA0006", "TA0007", "TA0008", "TA0009", "TA0011", "TA0010",
         "TA0040"),
        TACTICS, strict=True,
    )
)  # fmt: skip
"""ATT&CK's ids of the tactics -> their names."""

_RENAMED = {"stealth": "defense-evasion", "defense-impairment": "defense-evasion"}
"""Later versions of ATT&CK split Defense Evasion in two, and current Sigma rules carry the new names."""

_PLACE = {tactic: place for place, tactic in enumerate(TACTICS)}


@cache
def _table() -> dict[str, tuple[str, tuple[str, ...]]]:
    """technique id -> its name and tactics."""
    text = resources.files("nonself.core").joinpath("attack.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return {row["technique"]: (row["name"], in_order(row["tactics"].split(","))) for row in rows}


def in_order(tactics: Iterable[str]) -> tuple[str, ...]:
    """Known tactics, each once, in kill-chain order."""
    return tuple(sorted(_PLACE.keys() & set(tactics), key=_PLACE.__getitem__))


def name(technique: str) -> str:
    """`PowerShell` for `T1059.001`; empty for an id the table does not hold."""
    return _table().get(technique, ("", ()))[0]


def tactics(technique: str) -> tuple[str, ...]:
    """Tactics a technique serves, in kill-chain order; a sub-technique the table does not hold has its parent's, anything else none."""
    table = _table()
    parent = technique.partition(".")[0]
    return table.get(technique, table.get(parent, ("", ())))[1]


def parse_tag(tag: str) -> str | None:
    """Technique id or tactic that a Sigma tag names: `T1059.001` for `attack.t1059.001`, `credential-access` for
    `attack.credential_access`; None for any other tag (groups, software, CVEs). Ids newer than the table are kept."""
    namespace, _, value = tag.strip().lower().partition(".")
    if namespace != "attack":
        return None
    if re.fullmatch(r"t[0-9]{4}(\.[0-9]{3})?", value):
        return value.upper()
    tactic = value.replace("_", "-").replace(" ", "-")
    tactic = _RENAMED.get(tactic, tactic)
    return tactic if tactic in TACTICS else None


def from_tags(tags: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Techniques (in the tags' order) and tactics (in kill-chain order) of a rule.

    The rule's author knows which tactic is meant, so tactics are taken from tactic tags; only where there is none they are all those the
    techniques serve.
    """
    named = [found for tag in tags if (found := parse_tag(tag))]
    techniques = tuple(dict.fromkeys(found for found in named if found not in TACTICS))
    stated = in_order(found for found in named if found in TACTICS)
    return techniques, stated or in_order(tactic for technique in techniques for tactic in tactics(technique))
