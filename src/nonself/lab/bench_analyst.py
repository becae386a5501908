"""`nonself bench analyst`: companies of the lab that nobody looked at before, scanned, every shown incident judged by the floor, and the
judgements compared with what was really hidden. Beside it, what a severity sort and a count of rules would have said.

An incident is malicious if a fifth of its evidence or more belongs to a campaign (`analyst_cases`); "unsure" counts as not malicious.
Incidents that hold less of a campaign count as not malicious too; figures without them, and by the definition of `bench sim`, in which one
true finding is enough, stand beside. A campaign is found if an incident that holds some of it is called malicious. The baselines get the
threshold that suits them best on the same incidents, which the floor does not.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nonself.analyst.case import Case, investigate
from nonself.analyst.facts import gather
from nonself.analyst.hypotheses import Proposal, weigh
from nonself.analyst.outline import outline
from nonself.analyst.records import Records
from nonself.analyst.taint import NONE
from nonself.lab import bench_advised
from nonself.lab.analyst_cases import Example, attacks, company, kind
from nonself.lab.bench_advised import Advised, Adviser
from nonself.lab.grounds import Grounds, grounds

_LEVELS = ("", "informational", "low", "medium", "high", "critical")


SAMPLED = 20
"""Of incidents without a campaign one in so many has its whole report made; of the others the verdict alone is worked out."""


@dataclass(slots=True)
class Judged:
    """What is counted of one incident. `holds`: one of its findings rests for half on a campaign."""

    malicious: bool
    p: float
    called: bool
    unsure: bool
    level: int
    rules: int
    seconds: float | None = None
    cited: int = 0
    cited_true: int = 0
    true: int = 0
    whole: int = 0
    whole_true: int = 0
    grounds: Grounds = field(default_factory=Grounds)
    advised: Advised | None = None
    agrees: bool = True
    company: int = 0
    mixed: bool = False
    holds: bool = False
    campaigns: frozenset[str] = frozenset()


def run(seeds: Sequence[int], *, gguf: Path | None, as_json: bool) -> int:
    """Measure over the companies of those seeds and print; with a local model too, where one is given."""
    every: list[Judged] = []
    adviser, campaigns = Adviser(gguf) if gguf else None, 0
    for number, seed in enumerate(seeds):
        campaigns += len(attacks(number).split(","))
        every += [judged(example, place % SAMPLED == 0, adviser) for place, example in enumerate(company(number, seed))]
        print(f"company {number + 1} of {len(seeds)}", file=sys.stderr)
    document = {"track": "analyst", "companies": len(seeds), "campaigns": campaigns, **summary(every)}
    document |= bench_advised.summary([one.advised for one in every if one.advised])
    print(json.dumps(document, indent=2) if as_json else "\n".join(f"{name:>55}  {value}" for name, value in document.items()))
    return 0


def judged(example: Example, whole: bool, adviser: Adviser | None = None) -> Judged:
    """One incident read, judged by the floor, and compared with the truth. The whole case is made where a campaign is in it or `whole` is
    set; of others only the verdict is. A model is asked about whole cases, as far as `adviser` goes on."""
    started = time.process_time()
    records = example.records()
    if not whole and not any(label[0] == "campaign" for label in example.labels.values()):
        return _verdict(weigh(gather(records), NONE), records, example)
    case = investigate(records)
    seconds = time.process_time() - started
    one = _told(_verdict(case.proposal, records, example), case, records, example, seconds)
    one.advised = adviser.ask(example.number, records, case) if adviser else None
    return one


def _verdict(proposal: Proposal, records: Records, example: Example) -> Judged:
    findings = list(records.findings.values())
    evidence = {uid for f in findings for uid in f.events}
    campaign = _campaign(example)
    found = kind(example.labels, len(evidence))
    return Judged(
        malicious=found == "campaign",
        p=proposal.p_malicious,
        called=proposal.judgement == "malicious",
        unsure=proposal.judgement == "unsure",
        level=max((_LEVELS.index(f.level) if f.level in _LEVELS else 0 for f in findings), default=0),
        rules=len({f.detector for f in findings if f.detector.startswith(("sigma:", "alert:", "intel:"))}),
        company=example.number,
        mixed=found == "mixed",
        holds=any(2 * len(campaign & set(f.events)) >= len(f.events) > 0 for f in findings),
        campaigns=frozenset(name for what, name in example.labels.values() if what == "campaign"),
    )


def _campaign(example: Example) -> set[str]:
    return {uid for uid, label in example.labels.items() if label[0] == "campaign"}


def _told(one: Judged, case: Case, records: Records, example: Example, seconds: float) -> Judged:
    """What is counted of the report: citations in what happened (all that carries the incident) and in what was also seen."""
    told, campaign = outline(case), _campaign(example)
    one.seconds, one.agrees = seconds, investigate(records).sha256 == case.sha256
    if one.malicious:
        story = (*(c for p in told.paragraphs for c in p.claims), *(t.claim for t in (*told.unusual, *told.events)))
        cited = {uid for claim in story for uid in claim.events}
        whole = cited | {uid for t in told.also for uid in t.claim.events}
        one.cited, one.cited_true, one.true = len(cited), len(cited & campaign), len(campaign)
        one.whole, one.whole_true = len(whole), len(whole & campaign)
    one.grounds = grounds(told, records)
    return one


def summary(judged: Sequence[Judged]) -> dict[str, Any]:
    """The figures."""
    truth = np.array([j.malicious for j in judged])
    sure = np.array([not j.unsure for j in judged])
    pure, called = np.array([not j.mixed for j in judged]), np.array([j.called for j in judged])
    p = np.array([j.p for j in judged])
    levels, rules = np.array([j.level for j in judged]), np.array([j.rules for j in judged])
    total = {name: sum(getattr(j, name) for j in judged) for name in ("cited", "cited_true", "true", "whole", "whole_true")}
    total |= {name: sum(getattr(j.grounds, name) for j in judged) for name in ("sentences", "grounded", "fabricated")}
    return {
        "incidents": len(judged),
        "malicious": int(truth.sum()),
        "F1 of the floor": f1(truth, called),
        "F1, incidents with a little of a campaign left out": f1(truth[pure], called[pure]),
        "F1, malicious by one true finding": f1(np.array([j.holds for j in judged]), called),
        "precision": _share(truth, called),
        "recall": _share(called, truth),
        "campaigns with an incident called malicious": len({(j.company, name) for j in judged if j.called for name in j.campaigns}),
        "F1 of a severity sort": max(f1(truth, levels >= cut) for cut in range(1, len(_LEVELS))),
        "F1 of a count of rules": max(f1(truth, rules >= cut) for cut in range(1, 12)),
        "unsure": int((~sure).sum()),
        "right where sure": round(float(((p >= 0.5) == truth)[sure].mean()), 3) if sure.any() else None,
        "calibration error": calibration_error(p, truth),
        "citation precision, story": round(total["cited_true"] / max(1, total["cited"]), 3),
        "citation recall, story": round(total["cited_true"] / max(1, total["true"]), 3),
        "citation precision, with what was also seen": round(total["whole_true"] / max(1, total["whole"]), 3),
        "citation recall, with what was also seen": round(total["whole_true"] / max(1, total["true"]), 3),
        "sentences": total["sentences"],
        "grounded": round(total["grounded"] / max(1, total["sentences"]), 4),
        "fabricated names": total["fabricated"],
        "second run the same": round(float(np.mean([j.agrees for j in judged])), 4),
        "reports made": sum(j.seconds is not None for j in judged),
        "CPU-s a report, p95": round(float(np.quantile([j.seconds for j in judged if j.seconds is not None], 0.95)), 2),
    }


def _share(of: Any, among: Any) -> float:
    return round(float(of[among].mean()), 3) if among.any() else 0.0


def f1(truth: Any, called: Any) -> float:
    """F1 of `called` against `truth`, both boolean arrays."""
    hit = int((truth & called).sum())
    return round(2 * hit / max(1, int(truth.sum()) + int(called.sum())), 3)


def calibration_error(p: Any, truth: Any) -> float:
    """Expected calibration error over ten bins of P(malicious): the mean distance of what was said from what was so."""
    bins = np.minimum((p * 10).astype(int), 9)
    gaps = [abs(p[bins == b].mean() - truth[bins == b].mean()) * (bins == b).sum() for b in range(10) if (bins == b).any()]
    return round(float(sum(gaps) / len(p)), 3)
