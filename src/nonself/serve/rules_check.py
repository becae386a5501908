"""`nonself rules check`: what of a folder of rules is evaluated, why the rest is not, what looks wrong, and what the rules cost."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nonself import sources
from nonself.core import safe
from nonself.core.errors import UsageError
from nonself.core.events import Events, concat
from nonself.detect.sigma.cost import Cost, estimate, measure
from nonself.detect.sigma.files import rule_files
from nonself.detect.sigma.lint import Remark, lint
from nonself.detect.sigma.logsource import readers
from nonself.detect.sigma.reading import compile_files
from nonself.detect.sigma.tree import Compiled, Rejected, Rule
from nonself.sources.contract import Limits

OK, FOUND, PARTIAL = 0, 1, 3
DEAREST = 10
_SHOWN, _OF_ONE_CODE = 20, 3
_MOST_EVENTS = 500_000


def check(arguments: argparse.Namespace) -> int:
    """Exit status: 0 every rule is evaluated and none has an error; 1 some have; 3 some can't be evaluated; 2 there is no rule."""
    files = list(rule_files(arguments.paths, builtin=False))
    compiled = compile_files(files)
    if not compiled.rules and not compiled.correlations and not compiled.rejected:
        raise UsageError(expected="rule files (.yml) there", got="none")
    remarks = [remark for path, content in files if isinstance(content, bytes) for remark in lint(path, content)]
    costs = _costs(compiled, arguments.events) if arguments.cost or arguments.events else None
    document = _document(len(files), compiled, remarks, costs)
    print(safe.json(document) if arguments.json else _text(document))
    if compiled.rejected:
        return PARTIAL
    return FOUND if any(remark.severity == "error" for remark in remarks) else OK


def _costs(compiled: Compiled, paths: Sequence[Path]) -> tuple[int | None, list[Cost]]:
    """How many events the costs were measured over (None: they are estimates), and the costs."""
    if not paths:
        return None, estimate(compiled)
    events = _events(paths)
    if not events.height:
        raise UsageError(expected="logs to measure on", got="no event")
    return events.height, measure(compiled, events)


def _events(paths: Sequence[Path]) -> Events:
    """The events of files, up to `_MOST_EVENTS`: they are all held in memory."""
    found: list[Events] = []
    for path in paths:
        if not path.exists():
            raise UsageError(expected="a file or folder of logs", got=str(path))
    for source_input in sources.discover(paths, Limits()):
        for chunk in sources.read(source_input, Limits())[1]:
            found.append(chunk.events)
            if sum(part.height for part in found) >= _MOST_EVENTS:
                return concat(found)
    return concat(found)


def _document(files: int, compiled: Compiled, remarks: list[Remark], costs: tuple[int | None, list[Cost]] | None) -> dict[str, Any]:
    mapped = [rule for rule in compiled.rules if not readers(rule.logsource)]
    reasons = Counter(_reason(rejected) for rejected in compiled.rejected)
    document: dict[str, Any] = {
        "files": files,
        "rules": len(compiled.rules) + len(compiled.correlations) + len(compiled.rejected),
        "evaluated": len(compiled.rules) + len(compiled.correlations),
        "by_your_mapping_only": len(mapped),
        "log_sources_by_your_mapping_only": dict(sorted(Counter(rule.logsource.path for rule in mapped).items())),
        "not_evaluated": [{"file": f"{r.path}:{r.line}", "rule": r.rule, "reason": r.reason} for r in compiled.rejected],
        "reasons": [{"reason": reason, "rules": count} for reason, count in reasons.most_common()],
        "remarks": [asdict(remark) for remark in remarks],
        "remarks_by_code": [
            {"severity": severity, "code": code, "remarks": count}
            for (severity, code), count in sorted(Counter((r.severity, r.code) for r in remarks).items())
        ],
    }
    return document if costs is None else document | {"cost": _cost(*costs)}


def _reason(rejected: Rejected) -> str:
    return rejected.reason.partition(" (")[0]


def _cost(events: int | None, costs: list[Cost]) -> dict[str, Any]:
    return {
        "basis": "estimate, ns of CPU an event of the rule's log source" if events is None else "measured, ns of CPU an event read",
        "events": events,
        "total_ns": round(sum(cost.nanoseconds for cost in costs), 1),
        "dearest": [{**_named(cost.rule), "ns": cost.nanoseconds} for cost in costs[:DEAREST]],
    }


def _named(rule: Rule) -> dict[str, str]:
    return {"rule": rule.id, "title": rule.title, "file": rule.path}


def _text(document: dict[str, Any]) -> str:
    lines = [f"{document['files']:,} files, {document['rules']:,} rules: {document['evaluated']:,} evaluated, "
             f"{len(document['not_evaluated']):,} not; {document['by_your_mapping_only']:,} of those evaluated wait for logs that only a "
             "mapping of your own can give"]  # fmt: skip
    lines += [f"  {reason['rules']:>6,}  {reason['reason']}" for reason in document["reasons"]]
    lines += [f"  {r['file']}: {r['reason']}" for r in document["not_evaluated"][:_SHOWN]]
    lines += _more(document["not_evaluated"], _SHOWN)
    for code in document["remarks_by_code"]:
        lines.append(f"{code['severity']}: {code['remarks']:,} {code['code']}")
        same = [remark for remark in document["remarks"] if remark["code"] == code["code"]]
        lines += [f"  {remark['path']}:{remark['line']}: {remark['message']}" for remark in same[:_OF_ONE_CODE]]
        lines += _more(same, _OF_ONE_CODE)
    if cost := document.get("cost"):
        measured = "" if cost["events"] is None else f", over {cost['events']:,} events"
        lines.append(f"dearest rules ({cost['basis']}{measured})")
        lines += [f"  {rule['ns']:>10,.1f}  {rule['title']}  {rule['file']}" for rule in cost["dearest"]]
    return "\n".join(safe.terminal(line) for line in lines)


def _more(listed: list[Any], shown: int) -> list[str]:
    return [f"  ... and {len(listed) - shown:,} more (all with --json)"] if len(listed) > shown else []
