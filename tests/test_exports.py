"""Exports of incidents: judged by the libraries and schemas of those who read them, whatever a log holds; the same on every run."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import replace

import msgspec
import pytest

from nonself.core.incident import Edge, Role
from nonself.core.schema import OCSF_VERSION
from nonself.core.verdict import Verdict
from nonself.serve import export_misp, export_navigator, export_stix
from nonself.serve.export_parts import Told
from nonself.serve.export_run import FORMATS
from test_ocsf import problems
from test_serve import NASTY, T0, _parsed, story

JUDGED = Verdict(id="v", subject="inc-1", judgement="malicious", reason="x", who="ann", when=T0)
BIDI = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]")


def told(text: str = "plain", *, verdict: Verdict | None = None, entities: tuple[str, ...] = ()) -> Told:
    plain = story(text)
    incident = msgspec.structs.replace(
        plain.incident,
        entities=(*entities, *plain.incident.entities),
        roles=(Role(name="patient zero", entity=f"host:{text}"),),
        edges=(Edge(a="f1", b="f1", kind="same host", entity=f"host:{text}"),),
        why=text,
    )
    return Told(replace(plain, incident=incident), verdict)


KNOWN = ("ip:192.0.2.7", "ip:2001:db8::1", "domain:evil.example", f"hash:{'ab' * 32}", f"hash:{'0' * 32}", "user:corp\\ann", "host:ws5")
FAKE = ("ip:1.2.3.4 or 1=1", "domain:<script>.example", "domain:a.b:80", "hash:zz", "process:p", "ip:", "domain:" + "a" * 300 + ".com")


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_hostile_text_is_neutralised_everywhere(name: str, text: str) -> None:
    out = FORMATS[name]([told(text, verdict=msgspec.structs.replace(JUDGED, reason=text, who=text))])
    out.encode("utf-8")
    if name not in ("csv", "html", "md"):
        assert not BIDI.search(json.dumps([json.loads(line) for line in out.splitlines()], ensure_ascii=False)), "not even once decoded"
    else:
        assert not BIDI.search(out)
    if name == "html":
        assert not {"script", "img", "iframe", "object"} & set(_parsed(out).tags)
    if name == "md":
        assert "<script" not in out and "](javascript" not in out and "://" not in out
    if name == "csv":
        assert not any(cell.startswith(("=", "+", "@", "-")) for cell in out.splitlines()[1].split(",") if not re.match(r"-?\d", cell))


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_the_same_incident_gives_the_same_bytes(name: str) -> None:
    assert FORMATS[name]([told(entities=KNOWN)]) == FORMATS[name]([told(entities=KNOWN)])
    assert FORMATS[name]([]) is not None


@pytest.mark.parametrize("judgement", ["malicious", "attempt", "benign trigger", "false alarm", "unsure", None])
def test_ocsf_keeps_its_schema(judgement: str | None) -> None:
    verdict = msgspec.structs.replace(JUDGED, judgement=judgement) if judgement else None
    (line,) = FORMATS["ocsf"]([told(NASTY[0], verdict=verdict, entities=KNOWN)]).splitlines()
    assert problems(line) == []
    assert json.loads(line)["metadata"]["version"] == OCSF_VERSION


def test_stix_is_taken_by_its_library() -> None:
    stix2 = pytest.importorskip("stix2", reason="STIX LIBRARY ABSENT: pip install stix2")
    for entities in (KNOWN, FAKE, (*KNOWN, *FAKE)):
        bundle = stix2.parse(FORMATS["stix"]([told(entities=entities), told(entities=entities)]), allow_custom=True)
        kinds = [part["type"] for part in bundle["objects"]]
        assert {"identity", "incident", "report", "attack-pattern"} <= set(kinds)
        assert len({part["id"] for part in bundle["objects"]}) == len(kinds)
        ids = {part["id"] for part in bundle["objects"]}
        assert all(ref in ids for part in bundle["objects"] if part["type"] in ("report", "observed-data") for ref in part["object_refs"])
    seen = json.loads(FORMATS["stix"]([told(entities=(*KNOWN, *FAKE))]))["objects"]
    assert {p["value"] for p in seen if p["type"].endswith("-addr") or p["type"] == "domain-name"} == {
        "192.0.2.7", "2001:db8::1", "evil.example",
    }  # fmt: skip
    own = stix2.IPv4Address(value="192.0.2.7")["id"]
    assert own in {p["id"] for p in seen}, "ids of observables are those of the specification"
    assert "objects" not in json.loads(export_stix.write([])), "an empty bundle has none"


def test_misp_events_keep_the_core_format() -> None:
    (event,) = (one["Event"] for one in json.loads(FORMATS["misp"]([told(NASTY[4], entities=(*KNOWN, *FAKE))]))["response"])
    assert uuid.UUID(event["uuid"]) and re.fullmatch(r"\d{4}-\d\d-\d\d", event["date"]) and event["timestamp"].isdigit()
    assert event["threat_level_id"] in "1234" and event["analysis"] in "012" and event["distribution"] in "0123"
    assert 0 < len(event["info"]) <= 65_535 and 'misp-galaxy:mitre-attack-pattern="PowerShell - T1059.001"' in [
        t["name"] for t in event["Tag"]
    ]
    kinds = {kind for kind, _ in export_misp.TYPES.values()}
    for attribute in event["Attribute"]:
        assert uuid.UUID(attribute["uuid"]) and attribute["type"] in kinds and attribute["to_ids"] is False and attribute["value"]
    assert len({a["uuid"] for a in event["Attribute"]}) == len(event["Attribute"]) >= 7


def test_navigator_layers_keep_their_format() -> None:
    from nonself.core.settings import Config

    for text in (FORMATS["navigator"]([told(entities=KNOWN)]), export_navigator.coverage(Config())):
        layer = json.loads(text)
        assert layer["versions"]["layer"] == "4.5" and layer["domain"] == "enterprise-attack" and layer["name"]
        assert layer["techniques"] and all(re.fullmatch(r"T\d{4}(\.\d{3})?", t["techniqueID"]) for t in layer["techniques"])
        assert all(isinstance(t["score"], float | int) and t["enabled"] is True for t in layer["techniques"])
        assert len(layer["gradient"]["colors"]) >= 2 and layer["gradient"]["minValue"] < layer["gradient"]["maxValue"]
    assert len(json.loads(export_navigator.coverage(Config()))["techniques"]) > 20
