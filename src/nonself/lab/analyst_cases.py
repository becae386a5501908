"""The companies that the analyst's weights are fitted to, and those it is measured on: small ones, so that there can be many.

Each has three of the twelve campaigns. Four groups of three come round, so a company's campaigns are never those of another group, and what
is fitted to three groups can be checked on the fourth: other seeds and other campaigns. In 24 companies each campaign is led in each way
once, and then again in others.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import polars as pl

from nonself import lab, pipeline
from nonself.analyst.records import Reader, Records
from nonself.core.incident import Incident
from nonself.core.settings import Config
from nonself.core.stats import Stats
from nonself.detect.sigma import Ruleset
from nonself.lab.attacks import CAMPAIGNS, Attack
from nonself.lab.attacks.plan import Variant
from nonself.ledger import Ledger

DEVELOPMENT_SEEDS: tuple[int, ...] = tuple(range(301, 341))
"""Seeds to look at and fit to."""
BENCHMARK_SEEDS: tuple[int, ...] = tuple(range(6_001, 6_041))
"""Seeds that figures are published of. Nobody looks into these companies, and nothing is fitted to them."""
PEOPLE, DAYS, ACTIVITY = 20, 21, 0.15
GROUPS, TOGETHER = 4, 3
SHARE = 0.2
"""An incident is malicious if so much of its evidence or more belongs to a campaign."""

Label = tuple[str, str]
"""Kind (campaign, benign trigger, attempt) and name."""


@dataclass(frozen=True, slots=True)
class Example:
    """One shown incident: what may be read of it, and what is true of its evidence (event uid -> label; ordinary events have none)."""

    number: int  # of the company
    incident: Incident
    labels: Mapping[str, Label]
    reader: Reader

    def records(self) -> Records:
        """Read what the analyst reads."""
        return self.reader.read(self.incident)


def company(number: int, seed: int) -> Iterator[Example]:
    """The shown incidents of company `number`, made of `seed`, scanned in memory."""
    with tempfile.TemporaryDirectory() as folder, Ledger.open(":memory:") as ledger:
        logs, side = Path(folder) / "logs", Path(folder) / "truth.jsonl"
        truth = lab.make(logs, seed=seed, people=PEOPLE, days=DAYS, activity=ACTIVITY, attack=attacks(number), truth=side)
        found = pipeline.scan([logs], ledger, Ruleset.load([], builtin=True, cache=None), Config(), Stats())
        labels = _labels(ledger, truth, logs)
        reader, known = Reader(ledger), {f.id: f for f in ledger.findings()}
        for incident in (one for one in found if one.shown):
            evidence = {uid for name in incident.findings for uid in known[name].events}
            yield Example(number, incident, {uid: labels[uid] for uid in evidence if uid in labels}, reader)


def _labels(ledger: Ledger, truth: lab.Truth, logs: Path) -> dict[str, Label]:
    """Event -> label. A record counts within its file, without header lines; a campaign goes before what else it is part of."""
    names = ledger.events(columns=["uid", "origin", "record"]).sort("origin", "record")
    names = names.with_columns(pl.int_range(pl.len()).over("origin").alias("record"))
    places = {(origin, record): uid for uid, origin, record in names.iter_rows()}
    labels: dict[str, Label] = {}
    for mark in truth.marks():
        uid = places.get((str(logs / mark.origin), mark.record))
        if uid and labels.get(uid, ("", ""))[0] != "campaign":
            labels[uid] = (mark.kind, mark.name)
    return labels


def attacks(number: int) -> str:
    """The campaigns of company `number`, as `attacks.parse` takes them; one that would be too long goes as planned."""
    names, ways = list(CAMPAIGNS), get_args(Variant)
    chosen = []
    for place in range(TOGETHER):
        campaign, way = CAMPAIGNS[names[number % GROUPS + GROUPS * place]], ways[(number // GROUPS + 2 * place) % len(ways)]
        late = campaign.days(way) > DAYS - DAYS // 3 - 3  # too long to begin after the first third
        chosen.append(Attack(campaign, "plain" if late else way))
    return ",".join(attack.name for attack in sorted(chosen, key=lambda a: a.variant == "overlap"))


def kind(labels: Mapping[str, Label], total: int) -> str:
    """What is true of an incident of so many events: "campaign" from `SHARE` of them on, "mixed" for less, "attempt" or "benign trigger"
    for half, else "ordinary"."""
    counts = Counter(label[0] for label in labels.values())
    if counts["campaign"]:
        return "campaign" if counts["campaign"] >= SHARE * total else "mixed"
    return next((name for name in ("attempt", "benign trigger") if 2 * counts[name] >= total and counts[name]), "ordinary")
