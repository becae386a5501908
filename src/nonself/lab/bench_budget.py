"""`nonself bench budget`: whether the budget's promise is kept, on small companies that nothing is wrong with until a release on day 21.

Each company is scanned day by day. Days 7 to 20 are judged: incidents shown for the first time against the budget, and against what there
was to be shown (incidents worth a bit, N of a day at most), by one look a day and by one an hour, where the control is the best N of each
day so far; incidents of a rate of at most r a day against r; p-values against the uniform, by detector; and the drift banner, which must
not be there before the release and must be there at the end of its day.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from nonself import lab, pipeline
from nonself.calibrate import budget, window
from nonself.core.errors import UsageError
from nonself.core.finding import Finding
from nonself.core.incident import Incident
from nonself.core.scores import Delta
from nonself.core.settings import Config
from nonself.core.stats import Stats
from nonself.correlate import incidents as correlate
from nonself.detect import detectors
from nonself.detect.sigma import Ruleset
from nonself.incidents import guaranteed
from nonself.lab.sim.cases import DEVELOPMENT_SEEDS
from nonself.ledger import Ledger
from nonself.triage import lifecycle

BUDGET_SEEDS: tuple[int, ...] = (6_007, 7_001, 8_009, 9_001, 10_007, 11_003, 12_007, 13_001, 14_009, 15_013)
"""Seeds that figures are published of, none of them looked at or tuned on."""
PEOPLE, ACTIVITY = 40, 0.1
WARM_UP, RELEASE, DAYS = 7, 21, 24
BUDGETS = (2, 5, 10)
FIFTH = 0.2 + 1e-9
RATES = (0.25, 0.5, 1.0, 2.0, 5.0)
KS_LEVEL = 0.01
"""Of one-sided Kolmogorov-Smirnov tests: of each detector's p-values over all companies (Holm over detectors), and, as the control of the
drift test, of each detector and day (Bonferroni over detectors)."""


@dataclass(slots=True)
class Outcome:
    """What became of one company.

    shown    "daily", "hourly" or "control" (hourly) -> budget -> day of looking -> incidents shown for the first time
    worth    day -> incidents worth a bit that began on it, as far as its end knows
    rates    by incident that began on a judged day, its rate at the end of that day
    banner   by day, the drift statement at its end
    windows  detector -> its calibration window
    """

    seed: int
    events: int = 0
    shown: dict[str, dict[int, Counter[int]]] = field(default_factory=dict)
    worth: Counter[int] = field(default_factory=Counter)
    rates: list[float] = field(default_factory=list)
    banner: list[str] = field(default_factory=list)
    windows: dict[str, Delta] = field(default_factory=dict)


def run(seeds: int, rules: Sequence[Path], *, development: bool, as_json: bool) -> int:
    """Measure the first `seeds` companies and print tables, or one JSON document."""
    known = DEVELOPMENT_SEEDS if development else BUDGET_SEEDS
    if not 1 <= seeds <= len(BUDGET_SEEDS):
        raise UsageError(expected=f"1 to {len(BUDGET_SEEDS)} seeds", got=str(seeds), where="--seeds")
    ruleset = Ruleset.load(list(rules), builtin=True, cache=None)
    document = summary([read(seed, ruleset) for seed in known[:seeds]])
    document = {"track": "budget", "seeds": list(known[:seeds]), "people": PEOPLE, "days": DAYS, "release": RELEASE, **document}
    print(json.dumps(document, indent=1) if as_json else "\n\n".join("\n".join(table) for table in tables(document)))
    return 0


def read(seed: int, ruleset: Ruleset) -> Outcome:
    """Make a company's logs in a temporary folder and scan each day's with one ledger in memory."""
    outcome, config = Outcome(seed), Config()
    with tempfile.TemporaryDirectory() as folder, Ledger.open(":memory:") as ledger:
        lab.make(Path(folder) / "logs", seed=seed, people=PEOPLE, days=DAYS, activity=ACTIVITY, attack="", release=RELEASE)
        for day, logs in enumerate(sorted((Path(folder) / "logs").iterdir())):
            found = pipeline.scan([logs], ledger, ruleset, config, Stats())
            outcome.banner.append(guaranteed(ledger).statement)
            if WARM_UP <= day < RELEASE:
                outcome.rates += [i.rate for i in found if _day(i.start) == day and i.rate is not None]
        outcome.events = sum(ledger.event_counts().values())
        outcome.windows = {d.name: window.merge(ledger.deltas("calibration:" + d.name)) for d in detectors()}
        findings = ledger.findings()
    for day, so_far in _looks(findings, 24, config):
        outcome.worth[day] = sum(_day(i.start) == day and i.bits > 0 for i in so_far)
    (outcome.shown["daily"],) = replay(findings, 24, config, [Viewer()])
    outcome.shown["hourly"], outcome.shown["control"] = replay(findings, 1, config, [Viewer(), Viewer(plain=True)])
    return outcome


@dataclass(slots=True)
class Viewer:
    """Somebody who looks at a queue under each of `BUDGETS`. `plain` is the control: the best of each day so far, whatever was shown
    before. `new` says for each budget and day how many incidents were shown for the first time: neither they nor any they took in was."""

    plain: bool = False
    queues: dict[int, list[Incident]] = field(default_factory=dict)
    seen: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    new: dict[int, Counter[int]] = field(default_factory=lambda: {per_day: Counter() for per_day in BUDGETS})

    def look(self, day: int, found: Sequence[Incident]) -> None:
        for per_day, seen in ((per_day, self.seen[per_day]) for per_day in BUDGETS):
            self.queues[per_day] = _queue(self.queues.get(per_day, []), found, per_day, plain=self.plain)
            shown = [i for i in self.queues[per_day] if i.shown]
            self.new[per_day][day] += sum(seen.isdisjoint((i.id, *i.merged)) for i in shown)
            seen.update(i.id for i in shown)


def replay(findings: Sequence[Finding], hours: int, config: Config, viewers: Sequence[Viewer]) -> list[dict[int, Counter[int]]]:
    """What is `new` to each viewer, who all look every so many hours of the days before the release."""
    for day, found in _looks(findings, hours, config):
        for viewer in viewers:
            viewer.look(day, found)
    return [viewer.new for viewer in viewers]


def _looks(findings: Sequence[Finding], hours: int, config: Config) -> Iterator[tuple[int, list[Incident]]]:
    """The day of each look, and the incidents of all findings whose events lie before it."""
    begin, floors = datetime.combine(lab.START, time(), UTC), config.calibrate
    for hour in range(hours, RELEASE * 24 + 1, hours):
        so_far = (f for f in findings if f.end <= begin + timedelta(hours=hour))
        linger = timedelta(hours=config.correlate.linger_hours)
        yield (hour - 1) // 24, correlate(so_far, linger=linger, min_bits=floors.min_bits, rule_min_bits=floors.rule_min_bits)


def _queue(old: Sequence[Incident], found: Sequence[Incident], per_day: int, *, plain: bool) -> list[Incident]:
    carried = lifecycle.carried(old, found, {})
    if not plain:
        return budget.apply(carried, per_day)
    used = Counter[int]()
    best = []
    for incident in sorted(carried, key=budget.order):
        used[_day(incident.start)] += 1
        best.append(msgspec.structs.replace(incident, shown=used[_day(incident.start)] <= per_day))
    return best


def _day(at: datetime) -> int:
    return (at.date() - lab.START).days


def summary(measured: Sequence[Outcome]) -> dict[str, Any]:
    """Figures over all companies."""
    return {
        "events": [one.events for one in measured],
        "shown": {
            how: {str(per_day): _weeks([(one.shown[how][per_day], one.worth) for one in measured], per_day) for per_day in BUDGETS}
            for how in ("daily", "hourly", "control")
        },
        "rates": {f"{rate:g}": _rate(measured, rate) for rate in RATES},
        "banner": _banner(measured),
        "p_values": uniformity(measured),
    }


def _weeks(companies: Sequence[tuple[Counter[int], Counter[int]]], per_day: int) -> dict[str, float]:
    """Of each company what was shown and what was worth it, by day. Shown in a week by its budget: mean, least and most over weeks of all
    companies, share of weeks off by a fifth or less; the mean of what there was to be shown by the budget, and the share of weeks that
    are off by a fifth of that or less; most shown on any day."""
    shown, there = (np.array(_by_week(companies, which, per_day)) / (7 * per_day) for which in (0, 1))
    return {
        "mean": round(float(shown.mean()), 3),
        "least": round(float(shown.min()), 3),
        "most": round(float(shown.max()), 3),
        "within_a_fifth": round(float(np.mean(np.abs(shown - 1) < FIFTH)), 3),
        "there": round(float(there.mean()), 3),
        "within_a_fifth_of_it": round(float(np.mean(np.abs(shown - there) < FIFTH * there)), 3),
        "most_a_day": max(new[day] for new, _ in companies for day in range(WARM_UP, RELEASE)),
    }


def _by_week(companies: Sequence[tuple[Counter[int], Counter[int]]], which: int, per_day: int) -> list[int]:
    """Shown (`which` 0), or there to be shown within the budget (1), in each judged week of each company."""
    most = per_day if which else 10**9
    firsts = range(WARM_UP, RELEASE, 7)
    return [sum(min(most, one[which][day]) for day in range(first, first + 7)) for one in companies for first in firsts]


def _rate(measured: Sequence[Outcome], rate: float) -> dict[str, float]:
    days = RELEASE - WARM_UP
    counts = [sum(one <= rate for one in outcome.rates) / days for outcome in measured]
    return {"mean": round(float(np.mean(counts)), 3), "most": round(max(counts), 3)}


def _banner(measured: Sequence[Outcome]) -> dict[str, Any]:
    quiet = [bool(said) for one in measured for said in one.banner[WARM_UP:RELEASE]]
    return {
        "quiet_days": len(quiet),
        "false_days": sum(quiet),
        "release_day": sum(bool(one.banner[RELEASE]) for one in measured),
        "of": len(measured),
        "days_flagged_by_ks": round(float(np.mean([flag for one in measured for flag in flagged_by_ks(one.windows)])), 3),
    }


def p_values(window_: Delta) -> pl.DataFrame:
    """The p-values that all scores of a window had on the judged days, held against earlier days: columns day, p, n (how many)."""
    judged = window_.filter(pl.col("day").is_between(lab.START + timedelta(days=WARM_UP), lab.START + timedelta(days=RELEASE - 1)))
    parts = [pl.DataFrame(schema={"day": pl.Date, "n": pl.Int64, "p": pl.Float64})]
    for (age,), rows in judged.group_by("age"):
        scores = rows.select(
            (pl.col("stratum") + ":").alias("entity"),
            pl.col("day").cast(pl.Datetime("us", "UTC")).alias("end"),
            ((pl.col("level") + 0.5) / window.LEVELS_PER_BIT).alias("score"),
        )
        parts.append(rows.select("day", "n", window.rank_before(scores, window.as_of(window_, int(age))).alias("p")))
    return pl.concat(parts)


def excess(p: pl.DataFrame) -> tuple[float, int]:
    """One-sided Kolmogorov-Smirnov: the most by which the share of p-values up to u passes u (columns p and n); and how many there are.
    Ties count against the claim, so discrete p-values that are valid give 0 or less, told as 0."""
    ordered = p.sort("p")
    share = ordered["n"].cum_sum().to_numpy() / max(1, ordered["n"].sum())
    return max(0.0, float(np.max(share - ordered["p"].to_numpy(), initial=0.0))), int(ordered["n"].sum())


def uniformity(measured: Sequence[Outcome]) -> list[dict[str, Any]]:
    """By detector: D+ (`excess`), scores, the share at 2^-7 or less as a multiple of 2^-7, and whether D+ is more than chance; the worst
    first.

    Of n independent uniform p-values D+ is more than d with a probability of exp(-2 n d^2) at most (Massart 1990); Holm over detectors.
    Scores of one machine depend on each other, which makes large D+ likelier: the test errs towards calling p-values too small.
    """
    rows: list[dict[str, Any]] = []
    for name in sorted({name for one in measured for name in one.windows}):
        p = pl.concat([p_values(one.windows[name]) for one in measured if name in one.windows])
        if p.height:
            d, n = excess(p)
            tail = p.filter(pl.col("p") <= 2.0**-7)["n"].sum() / n * 2**7
            rows.append({"detector": name, "excess": round(d, 4), "scores": n, "tail": round(tail, 2)})
    rows.sort(key=lambda row: row["scores"] * row["excess"] ** 2, reverse=True)
    told = True
    for place, row in enumerate(rows):
        told &= math.exp(-2 * row["scores"] * row["excess"] ** 2) <= KS_LEVEL / (len(rows) - place)
        row["too_small"] = told
    return sorted(rows, key=lambda row: (-row["excess"], row["detector"]))


def flagged_by_ks(windows: dict[str, Delta]) -> list[bool]:
    """Judged days on which a plain test of each detector's p-values would have raised the alarm."""
    parts = [p.with_columns(pl.lit(name).alias("detector")) for name, w in windows.items() if (p := p_values(w)).height]
    limit = math.sqrt(math.log(len(parts) / KS_LEVEL) / 2)
    alarms = defaultdict[Any, bool](bool)
    for (day, _), part in pl.concat(parts).group_by("day", "detector"):
        d, n = excess(part)
        alarms[day] |= d * math.sqrt(n) > limit
    return list(alarms.values())


def tables(document: dict[str, Any]) -> Iterable[list[str]]:
    """The document as Markdown tables: incidents shown, rates, the banner, p-values by detector."""
    yield [
        "| looked | budget | mean of it | least week | most | weeks within a fifth | there was | within a fifth of that | most on a day |",
        "|---|---|---|---|---|---|---|---|---|",
        *(
            f"| {how} | {per_day} | {' | '.join(map(str, row.values()))} |"
            for how, by in document["shown"].items()
            for per_day, row in by.items()
        ),
    ]
    yield [
        "| rate of at most | came a day | most in a company |",
        "|---|---|---|",
        *(f"| {rate} | {row['mean']} | {row['most']} |" for rate, row in document["rates"].items()),
    ]
    banner = document["banner"]
    yield [
        f"banner on {banner['false_days']} of {banner['quiet_days']} quiet days, and at the end of the release day in "
        f"{banner['release_day']} of {banner['of']} companies; plain KS would have flagged {banner['days_flagged_by_ks']:.0%} of quiet days"
    ]
    rows = document["p_values"]
    yield [
        f"{sum(row['too_small'] for row in rows)} of {len(rows)} detectors have p-values smaller than chance makes them (KS, 1 %, Holm); "
        f"{sum(row['excess'] > 0.05 for row in rows)} have a D+ of more than .05",
        "",
        "| detector | D+ | scores | tail at 7 bits, of nominal | too small |",
        "|---|---|---|---|---|",
        *(
            f"| {row['detector']} | {row['excess']} | {row['scores']:,} | {row['tail']} | {'yes' if row['too_small'] else 'no'} |"
            for row in rows
            if row["too_small"] or row["excess"] > 0.05 or row["tail"] > 1
        ),
    ]
