"""Alert files with labels (AIT-ADS: https://github.com/ait-aecid/alert-data-set) as events, and what can be made of them for harder tracks.

An event's `step` is the label its file gives it: a step of the attack chain, `dnsteal` (data leaving by DNS, which goes on for days and is
judged by itself) or empty. Everything random is drawn from a seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from nonself import sources
from nonself.core.errors import UsageError
from nonself.core.events import Events
from nonself.sources.contract import Limits

WARM_UP = timedelta(hours=48)
SCANS = ("dirb", "wpscan", "service_scan", "dns_scan")
"""Steps so loud that anything finds them."""
EXFILTRATION = "dnsteal"
COLUMNS = ("time", "uid", "class_uid", "source", "rule", "host", "src_ip", "severity_id", "tactics", "score", "status_code")


@dataclass(frozen=True, slots=True)
class Scenario:
    """`alerts`: events with columns `step` and `campaign` (0 where there is no step of a chain); `start` of the first one."""

    name: str
    alerts: Events
    start: datetime

    @property
    def after(self) -> datetime:
        """End of the warm-up."""
        return self.start + WARM_UP

    def with_alerts(self, alerts: Events) -> Scenario:
        """The same scenario with other alerts, begun when this one began."""
        return Scenario(self.name, alerts.sort("time", "uid"), self.start)


def read(folder: Path) -> list[Scenario]:
    """All scenarios of a folder, one a file, in order of their names. UsageError where there is none with labels."""
    found = []
    for source_input in sources.discover([folder], Limits()):
        source, chunks = sources.read(source_input, Limits())
        if source is not None and source.name == "csv-alerts":
            name = Path(source_input.origin).name.partition("_alerts")[0].partition(".")[0]
            found.append(_scenario(name, pl.concat([chunk.events.select(*COLUMNS, "ext") for chunk in chunks])))
    found = [scenario for scenario in found if (scenario.alerts["campaign"] > 0).any()]
    if not found:
        raise UsageError(expected="alert files with columns time, name, host, event_label", got=str(folder))
    return sorted(found, key=lambda scenario: scenario.name)


def _scenario(name: str, alerts: Events) -> Scenario:
    step = pl.col("ext").str.json_path_match("$.event_label").fill_null("").alias("step")
    alerts = alerts.filter(pl.col("time").is_not_null()).with_columns(step).drop("ext")
    campaign = pl.when(pl.col("step").is_in(["", EXFILTRATION])).then(0).otherwise(1).cast(pl.Int8).alias("campaign")
    alerts = alerts.with_columns(campaign).sort("time", "uid")
    start = alerts["time"].min()
    if not isinstance(start, datetime):
        raise UsageError(expected="alerts with times", got="none", where=name)
    return Scenario(name, alerts, start)


def quiet(scenario: Scenario) -> Scenario:
    """Without the scanners' alerts: the chain must be found by its quiet steps."""
    return scenario.with_alerts(scenario.alerts.filter(~pl.col("step").is_in(SCANS)))


def noisy(scenario: Scenario, times: int, seed: int = 1) -> Scenario:
    """`times` as many harmless alerts: copies turned by random amounts, within the warm-up and within the rest, so that what every tool
    says on its first day stays there."""
    benign, draw = scenario.alerts.filter(pl.col("campaign") == 0), np.random.default_rng(seed)
    parts = [scenario.alerts]
    for copy in range(1, times):
        for early in (True, False):
            part = benign.filter((pl.col("time") < scenario.after) == early)
            if part.height:
                begin = scenario.start if early else scenario.after
                span = WARM_UP if early else _last(part) - begin + timedelta(seconds=1)
                parts.append(_turned(part, begin, span, draw.random(), copy))
    return scenario.with_alerts(pl.concat(parts))


def _turned(part: Events, begin: datetime, span: timedelta, share: float, copy: int) -> Events:
    since = (pl.col("time") - begin).dt.total_microseconds()
    length = span // timedelta(microseconds=1)
    turned = pl.lit(begin).cast(pl.Datetime("us", "UTC")) + pl.duration(microseconds=(since + int(share * length)) % length)
    return part.with_columns(turned.alias("time"), pl.concat_str("uid", pl.lit(f"-{copy}")).alias("uid"), pl.lit("").alias("step"))


def moved(scenario: Scenario, by: timedelta) -> Scenario:
    """The same alerts by another clock: hours begin elsewhere, days begin with the scenario as before."""
    return Scenario(scenario.name, scenario.alerts.with_columns(pl.col("time") + by), scenario.start + by)


def thinned(scenario: Scenario, share: float, seed: int) -> Scenario:
    """Without a random share of all alerts."""
    lost = np.random.default_rng(seed).random(scenario.alerts.height) < share
    return _from(scenario.name, scenario.alerts.filter(~pl.Series(lost)))


def begun_later(scenario: Scenario, by: timedelta) -> Scenario:
    """Without its first hours: warm-up and days begin at another time of the day."""
    return _from(scenario.name, scenario.alerts.filter(pl.col("time") >= scenario.start + by))


def _from(name: str, alerts: Events) -> Scenario:
    return Scenario(name, alerts, _first(alerts))


def attacked_before(scenario: Scenario) -> Scenario:
    """The same attack once more within the warm-up, on its second day: campaign -1, which is no part of the truth to be found."""
    attack = scenario.alerts.filter(pl.col("campaign") > 0)
    days = (_first(attack) - scenario.start) // timedelta(days=1) - 1
    early = attack.with_columns(
        pl.col("time") - timedelta(days=days), pl.lit(-1, pl.Int8).alias("campaign"), pl.concat_str("uid", pl.lit("-early")).alias("uid")
    )
    return scenario.with_alerts(pl.concat([scenario.alerts, early]))


def overlapped(scenario: Scenario, others: list[Scenario]) -> Scenario:
    """With the main host's part of other scenarios' attacks, at half an hour's distance, each on a host of its own that was not attacked:
    those with the most alerts of their own, so that there is something to confuse it with."""
    attack = scenario.alerts.filter(pl.col("campaign") > 0)
    free = (
        scenario.alerts.filter(~pl.col("host").is_in(_main(attack)))
        .group_by("host", "src_ip").len().sort("len", "host", descending=[True, False]).unique("host", keep="first", maintain_order=True)
    )  # fmt: skip
    parts = [scenario.alerts]
    for number, other in enumerate(others):
        theirs = other.alerts.filter((pl.col("campaign") > 0) & pl.col("host").is_in(_main(other.alerts.filter(pl.col("campaign") > 0))))
        shift = _first(attack) + (number + 1) * timedelta(minutes=30) - _first(theirs)
        host, address = free["host"][number], free["src_ip"][number]
        parts.append(
            theirs.with_columns(
                pl.col("time") + shift, pl.lit(host).alias("host"), pl.lit(address).alias("src_ip"),
                pl.lit(number + 2, pl.Int8).alias("campaign"), pl.concat_str("uid", pl.lit(f"-{number}")).alias("uid"),
            )
        )  # fmt: skip
    return scenario.with_alerts(pl.concat(parts))


def _main(attack: Events) -> list[str]:
    """The host with most steps of an attack."""
    return attack.group_by("host").agg(pl.col("step").n_unique()).sort("step", "host", descending=[True, False])["host"].head(1).to_list()


def _first(alerts: Events) -> datetime:
    return alerts["time"].min()  # type: ignore[return-value]


def _last(alerts: Events) -> datetime:
    return alerts["time"].max()  # type: ignore[return-value]
