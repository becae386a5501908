"""`nonself rules test`: rules against their own examples, and against SigmaHQ's `regression_data`."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from nonself import sources
from nonself.core import safe
from nonself.core.errors import RuleError, UsageError
from nonself.core.events import Events, concat
from nonself.detect.sigma import Ruleset
from nonself.detect.sigma.documents import documents
from nonself.detect.sigma.files import rule_files
from nonself.detect.sigma.reading import compile_files
from nonself.serve import rule_examples
from nonself.serve.rule_examples import Example
from nonself.sources.contract import Limits

OK, FOUND, PARTIAL = 0, 1, 3
EXAMPLES = ".test.toml"
_SHOWN = 10


def test(arguments: argparse.Namespace) -> int:
    """Exit status: 0 all is as it must be; 1 a rule misses or hits what it must not; 3 something could not be tested; 2 nothing to test."""
    if arguments.regression:
        document = regression(arguments.regression, arguments.paths or _beside(arguments.regression))
        text = _regression_text(document)
        failed, partial = document["missed"], document["not_tested"]
    else:
        document = examples(arguments.paths or [Path(str(resources.files("nonself").joinpath("rules")))])
        text = _examples_text(document)
        failed, partial = document["failed"], document["not_tested"]
    print(safe.json(document) if arguments.json else "\n".join(map(safe.terminal, text)))
    return FOUND if failed else PARTIAL if partial else OK


def examples(paths: Sequence[Path]) -> dict[str, Any]:
    """Test every rule that has a file of examples beside it."""
    files = [(path, content) for path, content in rule_files(paths, builtin=False) if isinstance(content, bytes)]
    tried = [(path, content) for path, content in files if Path(path).with_suffix(EXAMPLES).exists()]
    if not tried:
        raise UsageError(expected=f"rules with examples beside them (NAME{EXAMPLES})", got="none")
    ruleset = Ruleset(compile_files(files))
    by_path = {rule.path: rule.id for rule in ruleset.rules}
    rejected = {r.path: r.reason for r in ruleset.rejected}
    found = [(example, content) for path, content in tried for example in rule_examples.read(Path(path).with_suffix(EXAMPLES), path)]
    hit = _hits(ruleset, [(_log_source(content), example) for example, content in found])
    untested = [{"rule": path, "reason": rejected.get(path, "not a rule")} for path, _ in tried if path not in by_path]
    failed = [
        {"rule": e.rule, "example": f"{e.kind} {e.number}", "why": e.why, "expected": "hit" if e.kind == "hit" else "miss"}
        for number, (e, _) in enumerate(found)
        if e.rule in by_path and ((by_path[e.rule], number) in hit) != (e.kind == "hit")
    ]
    kinds = Counter(example.kind for example, _ in found)
    return {"rules": len(tried), "without_examples": len(files) - len(tried), "examples": dict(sorted(kinds.items())), "failed": failed,
            "not_tested": untested}  # fmt: skip


def _hits(ruleset: Ruleset, found: Sequence[tuple[dict[str, str], Example]]) -> set[tuple[str, int]]:
    """Rule ids and the numbers of the examples they hit. An example is an hour of its own, so every hit is told by its first event."""
    table = rule_examples.table([(log_source, example.record) for log_source, example in found])
    numbers = rule_examples.numbers(table)
    return {(rule, numbers[uid]) for rule, uids in ruleset.match(table).select("rule", "events").iter_rows() for uid in uids}


def _log_source(content: bytes) -> dict[str, str]:
    """The log source of the first document of a rule file."""
    try:
        document = next((document for _, document in documents(content)), None)
    except RuleError:
        document = None
    log_source = document.get("logsource") if isinstance(document, dict) else None
    return {str(key): str(value) for key, value in log_source.items()} if isinstance(log_source, dict) else {}


def _examples_text(document: dict[str, Any]) -> list[str]:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in document["examples"].items())
    lines = [f"{document['rules']:,} rules with examples ({kinds}), {document['without_examples']:,} without: {len(document['failed']):,} "
             f"examples failed, {len(document['not_tested']):,} rules could not be tested"]  # fmt: skip
    lines += [f"  {f['rule']}: {f['example']} should be a {f['expected']} {f['why']}" for f in document["failed"]]
    return lines + [f"  {r['rule']}: {r['reason']}" for r in document["not_tested"]]


@dataclass(frozen=True)
class Case:
    """One file of records that a rule must hit, and how often (None: not stated)."""

    rule: str
    path: Path
    stated: int | None


@dataclass
class _Tally:
    """What the cases came to."""

    fired: int = 0
    met: int = 0
    missed: list[dict[str, Any]] = field(default_factory=list)
    differ: list[dict[str, Any]] = field(default_factory=list)
    untested: list[dict[str, Any]] = field(default_factory=list)


def _beside(directory: Path) -> list[Path]:
    """SigmaHQ keeps `regression_data` beside its trees of rules."""
    found = sorted(path for path in directory.resolve().parent.glob("rules*") if path.is_dir())
    if not found:
        raise UsageError(expected="trees of rules beside the regression data", got="none", do="name the rules' folder")
    return found


def regression(directory: Path, rules: Sequence[Path]) -> dict[str, Any]:
    """Run every case of a `regression_data` folder against its rule."""
    cases = list(_cases(directory))
    if not cases:
        raise UsageError(expected="info.yml files that name rules and records", got="none", where=str(directory))
    wanted = [case.rule.encode() for case in cases]
    files = [(path, content) for path, content in rule_files(rules, builtin=False) if _mentions(content, wanted)]
    ruleset = Ruleset(compile_files(files))
    tally = _Tally()
    for case in cases:
        _run(case, ruleset, tally)
    return {
        "cases": len(cases),
        "fired": tally.fired,
        "counts_stated": sum(case.stated is not None for case in cases),
        "counts_met": tally.met,
        "counts_that_differ": tally.differ,
        "missed": tally.missed,
        "not_tested": tally.untested,
    }


def _mentions(content: bytes | OSError, ids: Iterable[bytes]) -> bool:
    return isinstance(content, bytes) and any(name in content for name in ids)


def _cases(directory: Path) -> Iterable[Case]:
    """The cases under a folder. A record file is looked for beside the info.yml that names it, wherever its path says it is."""
    for info in sorted(directory.rglob("info.yml")):
        try:
            described = [document for _, document in documents(info.read_bytes()) if isinstance(document, dict)]
        except (RuleError, OSError) as error:
            raise UsageError(str(error), where=str(info)) from None
        for document in described:
            named = document.get("rule_metadata") or []
            for told in document.get("regression_tests_info") or []:
                if isinstance(told, dict) and told.get("path") and named and isinstance(named[0], dict):
                    count = told.get("match_count")
                    path = info.parent / Path(str(told["path"])).name
                    yield Case(str(named[0].get("id")), path, count if isinstance(count, int) else None)


def _run(case: Case, ruleset: Ruleset, tally: _Tally) -> None:
    about = {"rule": case.rule, "file": str(case.path)}
    if case.rule not in {rule.id for rule in ruleset.rules}:
        reason = next((r.reason for r in ruleset.rejected if r.rule == case.rule), "no such rule")
        tally.untested.append(about | {"reason": reason})
        return
    events = _events(case.path)
    if not events.height:
        tally.untested.append(about | {"reason": "no record could be read"})
        return
    mine = ruleset.match(events).filter(rule=case.rule)
    found = int(mine["n_events"].sum())
    if not found:
        tally.missed.append(about | {"reason": f"none of {events.height} records is hit"})
        return
    tally.fired += 1
    if case.stated == found:
        tally.met += 1
    elif case.stated is not None:
        uids = {uid for uids in mine["events"] for uid in uids}
        tally.differ.append(about | {"stated": case.stated, "found": found, "reason": _differs(case, ruleset, events, uids)})


def _events(path: Path) -> Events:
    if not path.exists():
        return concat([])
    return concat(chunk.events for given in sources.discover([path], Limits()) for chunk in sources.read(given, Limits())[1])


def _differs(case: Case, ruleset: Ruleset, events: Events, uids: set[str]) -> str:
    """What each hit record holds of what the rule asks for, so that people can see which count is right."""
    told: list[str] = []
    for at, uid in enumerate(events["uid"]):
        if uid in uids and len(told) < _SHOWN:
            values = ruleset.match(events[at : at + 1]).filter(rule=case.rule)["matched"].to_list()[0]
            told.append(", ".join(f"{value['field']} {value['value']}" for value in values))
    stated = f"{case.stated} is stated"
    return f"{stated}, but {len(uids)} of {events.height} records, each by itself, hold what the rule asks for: " + "; ".join(told)


def _regression_text(document: dict[str, Any]) -> list[str]:
    lines = [
        f"{document['fired']} of {document['cases']} cases fire; {document['counts_met']} of {document['counts_stated']} stated counts met"
    ]
    for key in ("missed", "not_tested"):
        lines += [f"  {key.replace('_', ' ')}: {case['rule']} {case['file']}: {case['reason']}" for case in document[key]]
    return lines + [f"  {case['rule']}: {case['reason']}" for case in document["counts_that_differ"]]
