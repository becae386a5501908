"""What every rule that comes with nonself must have, so that people can trust and maintain it."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from datetime import date

import pytest

from nonself.core import attack
from test_rules_samples import RULES, Example, Record, examples, rules

KEYS = [
    "title", "id", "status", "description", "license", "author", "date", "tags", "logsource", "detection", "falsepositives", "level",
]  # fmt: skip
LEVELS = ("low", "medium", "high", "critical")
FIELDS: dict[str, set[str]] = {
    "process_creation": {"Image", "CommandLine", "ParentImage", "ParentCommandLine", "OriginalFileName"},
    "create_remote_thread": {"SourceImage", "TargetImage", "StartFunction", "StartModule"},
    "process_access": {"SourceImage", "TargetImage", "GrantedAccess", "CallTrace"},
    "file_event": {"Image", "TargetFilename"},
    "registry_set": {"Image", "TargetObject", "Details"},
    "pipe_created": {"Image", "PipeName"},
    "wmi_event": {"EventID", "Type", "Name", "Destination", "Consumer", "Filter"},
    "ps_script": {"ScriptBlockText"},
    "security": {
        "EventID", "LogonType", "LogonProcessName", "AuthenticationPackageName", "SubjectUserName", "SubjectUserSid", "TargetUserName",
        "TargetSid", "MemberSid", "ServiceName", "ServiceFileName", "TaskName", "TaskContent", "AccessMask", "Properties", "Status",
        "TicketEncryptionType", "PreAuthType", "OldTargetUserName", "NewTargetUserName", "ShareName", "RelativeTargetName",
        "AuditPolicyChanges", "ObjectDN", "ObjectType", "ObjectName", "AttributeLDAPDisplayName",
    },
    "system": {"EventID", "Provider_Name", "ServiceName", "ImagePath"},
    "windefend": {"EventID", "NewValue"},
    "cloudtrail": {"eventSource", "eventName", "eventType", "errorCode", "userIdentity", "requestParameters", "responseElements",
                   "additionalEventData"},
    "conn": {"id.orig_h", "id.resp_h", "id.resp_p", "history"},
    "dns": {"query", "qtype_name"},
    "http": {"host", "uri", "user_agent", "id.orig_h", "id.resp_h", "resp_mime_types"},
    "ssl": {"server_name", "validation_status", "id.resp_h"},
    "smb_files": {"path", "name", "action"},
    "dce_rpc": {"endpoint", "operation"},
    "kerberos": {"request_type", "success", "cipher", "service"},
    "sshd": set(), "sudo": set(), "auth": set(),
}  # fmt: skip
"""Log source -> native fields its rules may ask for, as the loggers' own documentation spells them. Of CloudTrail: the outermost part."""

each_rule = pytest.mark.parametrize("name", rules())


def _kind(rule: Record) -> str:
    return str(rule["logsource"].get("category") or rule["logsource"]["service"])


def _fields(part: object) -> set[str]:
    """Fields a detection asks for; keywords have none."""
    if isinstance(part, list):
        return {field for item in part for field in _fields(item)}
    if not isinstance(part, dict):
        return set()
    return {name for key in part if (name := key.partition("|")[0])}


def test_every_rule_file_has_examples_and_the_reverse() -> None:
    named = {file.relative_to(RULES).as_posix().removesuffix(".test.toml") for file in RULES.rglob("*.test.toml")}
    assert named == rules().keys()
    assert len(rules()) >= 100


def test_ids_and_titles_are_unique() -> None:
    for key in ("id", "title"):
        twice = [value for value, count in Counter(rule[key] for rule in rules().values()).items() if count > 1]
        assert not twice


@each_rule
def test_keys(name: str) -> None:
    rule = rules()[name]
    assert list(rule) == KEYS
    assert uuid.UUID(rule["id"]).version == 4
    assert (rule["license"], rule["author"], rule["status"]) == ("Apache-2.0", "nonself authors", "test")
    assert type(rule["date"]) is date
    assert rule["level"] in LEVELS


@each_rule
def test_text_is_for_people(name: str) -> None:
    rule = rules()[name]
    assert 10 <= len(rule["title"]) <= 90
    assert not rule["title"].endswith(".")
    assert rule["description"].endswith(".")
    assert len(re.findall(r"[.;]\s|\.$", rule["description"])) <= 4
    assert rule["falsepositives"]
    assert all(isinstance(entry, str) and entry for entry in rule["falsepositives"])


@each_rule
def test_tags_are_of_attack_and_agree(name: str) -> None:
    """Every tactic is one that a named technique serves, and every technique serves a named tactic."""
    tags = rules()[name]["tags"]
    named = [attack.parse_tag(tag) for tag in tags]
    assert None not in named, "a tag that is neither an ATT&CK tactic nor a technique"
    assert len(set(named)) == len(named)
    techniques, tactics = attack.from_tags(tags)
    assert techniques
    assert [technique for technique in techniques if not attack.name(technique)] == []
    serves = {technique: set(attack.tactics(technique)) for technique in techniques}
    assert set(tactics) <= set().union(*serves.values())
    assert [technique for technique, served in serves.items() if not served & set(tactics)] == []


@each_rule
def test_fields_are_native_names(name: str) -> None:
    rule = rules()[name]
    allowed = FIELDS[_kind(rule)]
    asked = {field for key, part in rule["detection"].items() if key != "condition" for field in _fields(part)}
    if _kind(rule) == "cloudtrail":
        asked = {field.partition(".")[0] for field in asked}
    assert asked <= allowed


@each_rule
def test_detection_parts_are_used_and_exclusions_named_so(name: str) -> None:
    """What only takes away is called filter_..., so that a reader sees at once what the rule looks for."""
    detection = rules()[name]["detection"]
    condition = detection["condition"]
    parts = [part for part in detection if part != "condition"]
    words = re.findall(r"[\w*]+", condition)
    patterns = [re.compile(word.replace("*", ".*")) for word in words] + ([re.compile(".*")] if "them" in words else [])
    assert [part for part in parts if not any(pattern.fullmatch(part) for pattern in patterns)] == []
    for negated in re.findall(r"not (?:1 of )?([\w*]+)", condition):
        assert negated.startswith("filter_")
    if any(part.startswith("filter_") for part in parts):
        assert "not " in condition


@each_rule
def test_examples_are_enough_and_explained(name: str) -> None:
    own: dict[str, list[Example]] = {"hit": [], "near": [], "miss": []}
    for example in examples():
        if example.rule == name:
            own[example.kind].append(example)
    assert own["hit"]
    assert own["near"]
    assert own["miss"]
    for example in own["near"] + own["miss"]:
        assert example.why, f"{example.name} does not say why it is benign"


@pytest.mark.parametrize("example", [e for e in examples() if e.kind == "near"], ids=lambda example: example.name)
def test_near_misses_are_near(example: Example) -> None:
    """At most four fields differ from the rule's first hit."""
    base = next(e.record for e in examples() if e.rule == example.rule and e.kind == "hit")
    assert base != example.record
    assert sum(base.get(key) != example.record.get(key) for key in base.keys() | example.record.keys()) <= 4


def test_critical_is_kept_for_what_is_never_benign() -> None:
    levels = Counter(rule["level"] for rule in rules().values())
    assert levels["critical"] <= len(rules()) // 20
    assert levels["low"] + levels["medium"] >= len(rules()) // 3
