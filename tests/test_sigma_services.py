"""Log sources beyond Windows: the tables' names for services' fields, user mappings, placeholders; and rules made to hurt."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
import yaml

from nonself.core.events import conform
from nonself.detect.sigma import Ruleset
from nonself.detect.sigma.cost import estimate, measure
from nonself.detect.sigma.logsource import readers, streams
from nonself.detect.sigma.reading import compile_files
from nonself.detect.sigma.tree import LogSource


def _fires(log_source: str, selection: Any, record: dict[str, Any], **columns: str) -> bool:
    product, category, service = log_source.split("/")
    parts = {name: text for name, text in (("product", product), ("category", category), ("service", service)) if text}
    rule = {"title": "t", "id": "1", "logsource": parts, "detection": {"sel": selection, "condition": "sel"}}
    compiled = compile_files([("r.yml", yaml.safe_dump(rule).encode())])
    assert not compiled.rejected, compiled.rejected
    place = "raw" if columns.get("source") in ("okta", "gcp-audit") else "ext"
    row = {"uid": "0" * 24, place: orjson.dumps(record).decode(), **columns}
    return Ruleset(compiled).match(conform(pl.DataFrame([row]))).height == 1


@pytest.mark.parametrize(
    ("log_source", "source", "selection", "record"),
    [
        ("azure//signinlogs", "entra-signin", {"ResultType": 50126}, {"properties": {"status": {"errorCode": 50126}}}),
        ("azure//signinlogs", "entra-signin", {"ResultType": 50126}, {"resultType": "50126"}),
        ("azure//auditlogs", "entra-audit", {"properties.message": "add owner*"}, {"category": "x", "operationName": "Add owner to app"}),
        ("azure//auditlogs", "entra-audit", {"Category": "Policy"}, {"category": "AuditLogs", "properties": {"category": "Policy"}}),
        ("azure//activitylogs", "azure-activity", {"operationName": "A/B"}, {"operationName": {"value": "a/b", "localizedValue": "x"}}),
        ("azure//riskdetection", "entra-audit", {"riskEventType": "x"}, {"properties": {"riskEventType": "x"}}),
        ("m365//threat_management", "m365-audit", {"eventSource": "S", "eventName": "N", "status": "success"},
         {"Workload": "S", "Operation": "AlertTriggered", "Name": "N", "Status": "Active"}),
        ("gcp//gcp.audit", "gcp-audit", {"gcp.audit.method_name|endswith": ".delete"}, {"protoPayload": {"methodName": "a.delete"}}),
        ("gcp//google_workspace.admin", "gworkspace", {"eventService": "admin.googleapis.com", "eventName": "X"},
         {"events": [{"name": "X"}]}),
        ("okta//okta", "okta", {"target.displayName": "admins"}, {"target": [{"displayName": "x"}, {"displayName": "Admins"}]}),
        ("kubernetes/application/audit", "k8s-audit", {"verb": "create", "hostPath": "*"},
         {"verb": "create", "requestObject": {"spec": {"volumes": [{"hostPath": {"path": "/"}}]}}}),
        ("github//audit", "github-audit", {"action": "repo.*"}, {"action": "repo.destroy"}),
        ("linux//auditd", "laurel", {"type": "EXECVE", "a0": "cp"}, {"type": ["SYSCALL", "EXECVE"], "a0": "cp"}),
    ],
)  # fmt: skip
def test_services_fields_are_found(log_source: str, source: str, selection: Any, record: dict[str, Any]) -> None:
    assert _fires(log_source, selection, record, source=source)
    assert not _fires(log_source, selection, record, source="zeek")
    assert source in readers(LogSource(*log_source.split("/")))


def test_linux_processes_of_every_reader() -> None:
    selection = {"Image|endswith": "/nc", "CommandLine|contains": "-e"}
    asked = {"image": "/bin/nc", "cmdline": "nc -e sh"}
    assert _fires("linux/process_creation/", selection, {}, source="auditd", op="execve", **asked)
    assert _fires("linux/process_creation/", selection, {}, source="sysmon-linux", channel="Linux-Sysmon/Operational", op="1", **asked)
    assert not _fires("linux/process_creation/", selection, {}, source="auditd", op="openat", **asked)


def test_a_mapping_may_name_any_log_source() -> None:
    assert _fires(
        "bitbucket//audit", {"auditType.action": "x"}, {"auditType": {"action": "X"}}, source="my-own", channel="bitbucket//audit"
    )
    assert _fires("linux//", {"a": "x"}, {"a": "x"}, source="my-own", channel="linux//sshd"), "one that says more is of this one too"
    assert not _fires("linux//sshd", {"a": "x"}, {"a": "x"}, source="my-own", channel="linux//")
    assert _fires("/proxy/", {"c-uri-extension": "exe"}, {"c-uri-extension": "exe"}, source="my-own", channel="/proxy/")
    assert readers(LogSource("bitbucket", "", "audit")) == ()
    assert all(logs[-1].mapped for logs in streams().values())


def _compiled(detection: dict[str, Any], values: bytes | None = None, name: str = "placeholders.toml") -> Any:
    rule = {"title": "t", "id": "1", "logsource": {"product": "aws", "service": "cloudtrail"}, "detection": detection}
    return compile_files(
        [("a/r.yml", yaml.dump(rule, Dumper=yaml.CSafeDumper).encode()), *([(f"a/{name}", values)] if values is not None else [])]
    )


def test_placeholders_come_from_a_file() -> None:
    asked = {"sel": {"user|expand": "%admins%-x", "path|re|expand": "^/%dirs%/"}, "condition": "sel"}
    (rejected,) = _compiled(asked).rejected
    assert "%dirs%" in rejected.reason and "placeholders.toml" in rejected.reason
    compiled = _compiled(asked, b'admins = ["ann", "b?b*"]\ndirs = ["a.b", "c"]\n')
    assert not compiled.rejected
    rows = [{"user": "ANN-x", "path": "/a.b/"}, {"user": "bobby-x", "path": "/c/"}, {"user": "ann-x", "path": "/axb/"}]
    frame = conform(
        pl.DataFrame([{"uid": f"{i:024x}", "source": "cloudtrail", "ext": orjson.dumps(row).decode()} for i, row in enumerate(rows)])
    )
    assert Ruleset(compiled).match(frame)["n_events"].sum() == 2
    for broken in (b"a = 1", b"a = []", b"[", b"a = [1]", b"\xff", b"x" * (1 << 20) + b"y"):
        assert any(r.path == "a/placeholders.toml" for r in _compiled(asked, broken).rejected), broken[:10]


def _cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    before = time.process_time()
    result = work()
    return time.process_time() - before, result


@pytest.mark.parametrize(
    ("detection", "reason"),
    [
        ({"sel": {"a|re": "((a{100}){100}){100}"}}, "RE2"),
        ({"sel": {"a|re": "a" * 10_000}}, "regular expressions of at most"),
        ({"sel": {"a": "*a" * 5_000}}, "wildcards"),
        ({"sel": {"a|windash": [f"-a -b -c -d{i}" for i in range(300)]}}, "windash"),
        ({"sel": {"a|" + "contains|" * 500 + "all": "x"}}, "modifiers"),
        ({"sel": {"a": "b"}, "condition": "not " * 800 + "sel"}, "not"),
        ({"sel": {"a": "b"}, "condition": "(" * 5_000 + "sel" + ")" * 5_000}, "brackets"),
        ({"sel": {"a": "b"}, "condition": ["sel"] * 10_000}, "conditions"),
        ({"sel": {"a|expand": "%x%" * 40}}, "placeholders that make at most"),
        ({"sel": {"a": {"b": {"c": 1}}}}, "dict"),
    ],
)  # fmt: skip
def test_rules_made_to_hurt_are_refused_at_once(detection: dict[str, Any], reason: str) -> None:
    spent, compiled = _cpu(lambda: _compiled({"condition": "sel", **detection}, b'x = ["a", "b"]'))
    (rejected,) = compiled.rejected
    assert reason in rejected.reason and len(rejected.reason) < 1_000 and spent < 2


@pytest.mark.parametrize(
    "detection",
    [
        {"sel": {"a|re": "^(a+)+$"}},
        {"sel": {"a|re": "(x+x+)+y"}},
        {"sel": {"a|contains": [f"{i}x" for i in range(30_000)]}},
        {"sel": [f"word{i}" for i in range(5_000)]},
        {f"sel{i}": {"a|contains": str(i)} for i in range(1_500)} | {"condition": "all of sel*"},
    ],
    ids=["nested repeats", "repeats beside each other", "literals", "keywords", "detections"],
)
def test_dear_rules_stay_bounded(detection: dict[str, Any]) -> None:
    """RE2 is linear, literals share one automaton: nothing multiplies."""
    spent, compiled = _cpu(lambda: _compiled({"condition": "sel", **detection}))
    assert not compiled.rejected and spent < 10
    record = orjson.dumps({"a": "a" * 50_000 + "!", "b": "x" * 50_000}).decode()
    frame = conform(pl.DataFrame([{"uid": "0" * 24, "source": "cloudtrail", "ext": record}]))
    assert _cpu(lambda: Ruleset(compiled).match(frame))[0] < 5


def test_literals_of_a_hundred_thousand_do_not_hang(tmp_path: Path) -> None:
    lines = "\n".join(f"- {i:x}" for i in range(100_000))
    head = "title: t\nid: x\nlogsource: {product: aws, service: cloudtrail}\n"
    body = f"{head}detection:\n  condition: sel\n  sel:\n    a|contains:\n{lines}\n"
    (tmp_path / "big.yml").write_text(body.replace("\n- ", "\n     - "))
    spent, ruleset = _cpu(lambda: Ruleset.load([tmp_path], builtin=False))
    assert spent < 20 and len(ruleset.rules) + len(ruleset.rejected) == 1


def test_costs_name_the_dear_rule() -> None:
    documents = [
        {
            "title": name,
            "id": name,
            "logsource": {"product": "aws", "service": "cloudtrail"},
            "detection": {"s": selection, "condition": "s"},
        }
        for name, selection in (("cheap", {"a|contains": "xyz"}), ("dear", {"a|re": ["(a|b|c){5}[xyz]+", "[0-9a-f]{8}$"]}))
    ]
    compiled = compile_files([("r.yml", yaml.safe_dump_all(documents).encode())])
    assert [cost.rule.id for cost in estimate(compiled)] == ["dear", "cheap"]
    rows = [{"uid": f"{i:024x}", "source": "cloudtrail", "ext": f'{{"a":"{i} value {i:x}"}}'} for i in range(2_000)]
    measured = {cost.rule.id: cost.nanoseconds for cost in measure(compiled, conform(pl.DataFrame(rows)))}
    assert measured["dear"] > measured["cheap"]
