"""SigmaHQ's own regression data: one EVTX a rule, which that rule must hit. Skipped where the data is not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
import yaml
from evtx import PyEvtxParser

from nonself.core.events import conform
from nonself.detect.sigma import Ruleset

DATA = Path(os.environ.get("NONSELF_DATA", Path(__file__).parents[1] / "../shared/data"))
SIGMA = DATA / "sigma"
TREES = [SIGMA / name for name in ("rules", "rules-emerging-threats", "rules-threat-hunting")]

pytestmark = pytest.mark.skipif(not SIGMA.is_dir(), reason=f"SKIPPED: no SigmaHQ rules at {SIGMA}; set NONSELF_DATA")


@pytest.fixture(scope="module")
def ruleset(tmp_path_factory: pytest.TempPathFactory) -> Ruleset:
    return Ruleset.load(TREES, builtin=False, cache=tmp_path_factory.mktemp("cache"))


def _plain(value: Any) -> Any:
    """The text of an EVTX JSON value: the converter wraps values of elements with attributes."""
    if isinstance(value, dict):
        return _plain(value.get("#text"))
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _row(host: str, number: int, text: str) -> dict[str, Any]:
    event = orjson.loads(text)["Event"]
    system = event["System"]
    native: dict[str, Any] = {}
    for section in ("EventData", "UserData"):
        content = event.get(section) or {}
        if section == "UserData":
            content = next((v for v in content.values() if isinstance(v, dict)), {})
        native |= {name: _plain(value) for name, value in content.items() if name != "#attributes"} if isinstance(content, dict) else {}
    provider = (system["Provider"].get("#attributes") or {}).get("Name")
    code = system["EventID"]
    code = code["#text"] if isinstance(code, dict) else code
    native |= {"EventID": code, "Channel": system["Channel"], "Provider_Name": provider, "Computer": system["Computer"]}
    native |= {"Level": system.get("Level"), "Keywords": system.get("Keywords")}
    return {
        "uid": f"{host}-{number}",
        "source": "windows-evtx",
        "channel": system["Channel"],
        "op": str(code),
        "log_provider": provider,
        "host": host,
        "class_uid": 0,
        "ext": orjson.dumps(native).decode(),
        "raw": text,
    }


def _cases() -> Iterator[tuple[str, Path, int | None]]:
    """Rule id, EVTX file, and how often it must hit where that is stated."""
    for info in sorted((SIGMA / "regression_data").rglob("info.yml")):
        document = yaml.safe_load(info.read_text())
        for test in document.get("regression_tests_info", []):
            path = DATA / "sigma" / test["path"]
            if test["type"] == "evtx" and path.exists():
                yield document["rule_metadata"][0]["id"], path, test.get("match_count")


def test_every_regression_case_fires(ruleset: Ruleset) -> None:
    """All cases in one batch, each under a host name of its own, which hits keep apart."""
    cases = {f"case{number}": case for number, case in enumerate(_cases())}
    records = [
        _row(host, number, record["data"])
        for host, (_, path, _) in cases.items()
        for number, record in enumerate(PyEvtxParser(str(path)).records_json())
    ]
    hits = ruleset.match(conform(pl.DataFrame(records, infer_schema_length=None)))
    counts = {(entity, rule): n for entity, rule, n in hits.group_by("entity", "rule").agg(pl.col("n_events").sum()).iter_rows()}
    rejected = {r.rule: r.reason for r in ruleset.rejected}
    missed, miscounted = [], []
    for host, (rule, path, expected) in cases.items():
        found = counts.get((f"host:{host}", rule), 0)
        if not found:
            missed.append(f"{rule} {path.name}: {rejected.get(rule, 'evaluated, no hit')}")
        elif expected not in (None, found):
            miscounted.append(f"{rule} {path.name}: expected {expected}, got {found}")
    print(f"{len(cases)} cases, {len(missed)} missed, {len(miscounted)} with another count")
    assert len(cases) >= 200
    assert not missed, "\n".join(missed)
    assert len(miscounted) <= 4, "\n".join(miscounted)


def test_only_reasoned_rejections(ruleset: Ruleset) -> None:
    """Every SigmaHQ rule is either evaluated or listed, and all but a handful are listed because nothing reads their logs."""
    files = sum(1 for tree in TREES for _ in tree.rglob("*.yml"))
    assert len(ruleset.rules) + len(ruleset.rejected) == files
    known = ("no log source of this kind", "no log read for")
    others = [r for r in ruleset.rejected if not r.reason.startswith(known)]
    assert all("placeholder" in r.reason for r in others), others
    assert len([r for r in ruleset.rules if r.logsource.product == "windows"]) >= 2_855
