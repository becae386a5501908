"""Where the machines of an incident call, as an analyst would look it up: an outside address that one machine alone meets, when nobody is
there; and names under one domain that a machine asks for by the dozen. Both are lookups in the records of the incident's entities.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from nonself.analyst.names import is_outside
from nonself.analyst.nearby import hour
from nonself.analyst.records import ENTITIES, Records
from nonself.core.enrich import registered_domain
from nonself.core.entities import kind

_FLOWS = (4001, 4002, 4005, 4006, 4007)
_ALWAYS = 2 / 3
"""What is met on a larger share of the days that the ledger covers is part of the house: a backup, a monitor."""
_AROUND = timedelta(hours=1)
_FEW = 2
"""Machines that may ask for names of a domain: one, and the resolver that asks on for it."""
_MOST_NAMES = 20_000


def lone_hours(records: Records) -> int:
    """In how many quiet hours one machine called an outside address of the incident that on no day another machine met, and that is not met
    on most days; of the address with most. Machines are counted by address and day, since addresses are lent by the day. None where not all
    records were read: somebody else may have met it."""
    if records.span is None or not records.complete:
        return 0
    days = (records.span[1].date() - records.span[0].date()).days + 1
    names = [name for name in records.incident.entities[:ENTITIES] if kind(name) == "ip" and is_outside(name)]
    flows = pl.col("class_uid").is_in(_FLOWS) & pl.col("@dst_ip").is_in(names) & pl.col("@src_ip").is_not_null()
    met = records.events.filter(flows & pl.col("time").is_not_null()).with_columns(pl.col("time").dt.date().alias("day"))
    alone = met.group_by("@dst_ip", "day").agg(pl.col("@src_ip").n_unique().alias("machines")).group_by("@dst_ip")
    lone = alone.agg(pl.col("machines").max(), pl.len().alias("days"))
    lone = lone.filter((pl.col("machines") == 1) & (pl.col("days") <= _ALWAYS * days))
    called = met.join(lone, on="@dst_ip", how="semi").select("@dst_ip", pl.col("time").dt.truncate("1h")).unique()
    quiet = called.filter([hour(time) in records.quiet for time in called["time"].to_list()])
    return int(quiet.group_by("@dst_ip").len()["len"].max() or 0)  # type: ignore[arg-type]


def names_under_one(records: Records) -> int:
    """The most different names under one registered domain that a machine of the incident asked for in a day, from an hour before it to an
    hour after it; only of domains that hardly anybody else of the incident asks for."""
    machines = [name for name in records.incident.entities[:ENTITIES] if kind(name) == "ip" and not is_outside(name)]
    timely = pl.col("time").is_between(records.incident.start - _AROUND, records.incident.end + _AROUND)
    asked = records.events.filter(
        (pl.col("class_uid") == 4003) & pl.col("@src_ip").is_in(machines) & pl.col("query").is_not_null() & timely
    )
    asked = asked.select("@src_ip", "query", pl.col("time").dt.date().alias("day")).unique(maintain_order=True).head(_MOST_NAMES)
    asked = asked.with_columns(registered_domain(asked["query"]).alias("domain")).drop_nulls("domain")
    few = asked.group_by("domain").agg(pl.col("@src_ip").n_unique().alias("machines")).filter(pl.col("machines") <= _FEW)
    counts = asked.join(few, on="domain", how="semi").group_by("@src_ip", "domain", "day").agg(pl.col("query").n_unique().alias("names"))
    return int(counts["names"].max() or 0)  # type: ignore[arg-type]
