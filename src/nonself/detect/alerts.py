"""Alerts of other tools as hits of their rules: counted by rule, entity and hour like our own, so that they are calibrated by how often
they fire *here* and joined into incidents with everything else.

An alert is an event of class Detection Finding that names a rule. It is about the machine it protects: the tool's own word for the host,
else the site's own end of the connection (a private address before a public one), else the user or resource.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from nonself.core import attack
from nonself.core.entities import entities, entity
from nonself.core.events import Events
from nonself.core.scores import EVIDENCE, Delta
from nonself.detect.sigma import hits

CLASS = 2004
"""OCSF Detection Finding."""
SEPARATOR = ":"
MAX_RULE = 256
"""Characters of a rule's name that are kept: it is attacker-written where a signature quotes what it saw."""
_LEVELS = {1: "informational", 2: "low", 3: "medium", 4: "high", 5: "critical", 6: "critical"}
_PRIVATE = r"^ip:(10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|f[cd][0-9a-f]{2}:)"
_TOLD = {"level": "severity_id", "attack": "tactics", "score": "score", "action": "status_code"}
"""What is kept of the earliest alert of an episode, by the names it is shown under."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What another tool says of one of its rules: `id` is `source:rule`."""

    id: str
    title: str
    level: str
    techniques: tuple[str, ...]
    tactics: tuple[str, ...]
    author: str = ""
    path: str = ""


def learn(events: Events) -> Delta:
    """The alerts among `events`: a frame of `sigma.hits.HITS`, one row per rule, entity and hour, in canonical form."""
    found = events.filter((pl.col("class_uid") == CLASS) & pl.col("rule").is_not_null())
    if not found.height:
        return hits.empty()
    found = found.sort("time", "uid", nulls_last=True).with_row_index("row")
    name = pl.concat_str(pl.col("source"), pl.lit(SEPARATOR), pl.col("rule").str.slice(0, MAX_RULE))
    rows = found.select(
        "row", "time", "uid", "class_uid", name.alias("rule"), about().alias("entity"), pl.col("time").dt.truncate("1h").alias("hour"),
        pl.concat_list(_told(shown, column) for shown, column in _TOLD.items()).list.drop_nulls().alias("matched"),
    )  # fmt: skip
    grouped = rows.join(_touched(found), on="row", how="left").group_by(hits.KEY).agg(
        pl.col("class_uid", "matched").first(),
        pl.col("time").min().alias("start"),
        pl.col("time").max().alias("end"),
        pl.len().cast(pl.Int64).alias("n_events"),
        pl.col("uid").head(EVIDENCE).alias("events"),
        pl.col("time").head(EVIDENCE).alias("times"),
        pl.col("entities").explode(keep_nulls=False).unique().sort().head(hits.MAX_ENTITIES),
    )  # fmt: skip
    return hits.canonical(grouped)


def rules(found: Delta) -> dict[str, Alert]:
    """The rules of all alerts in `found`, by id. A rule's level and techniques are those of its earliest alert."""
    first = found.sort("start", *hits.KEY, nulls_last=True).unique("rule", keep="first", maintain_order=True)
    return {rule: _alert(rule, matched) for rule, matched in first.select("rule", "matched").iter_rows()}


def _alert(rule: str, matched: list[dict[str, str]] | None) -> Alert:
    told = {item["field"]: item["value"] for item in matched or ()}
    source, _, title = rule.partition(SEPARATOR)
    techniques, tactics = _attack(told.get("attack", "").split(", "))
    level = _LEVELS.get(int(told["level"]), "") if told.get("level", "").isdigit() else ""
    return Alert(rule, f"{title} ({source})", level, techniques, tactics)


def _attack(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Techniques and tactics of what a tool calls them: T1059.001, TA0002, execution."""
    techniques = tuple(dict.fromkeys(name for name in names if attack.name(name)))
    words = [attack.TACTIC_IDS.get(name, name.lower().replace(" ", "-").replace("_", "-")) for name in names]
    known = [tactic for technique in techniques for tactic in attack.tactics(technique)[:1]]
    return techniques, attack.in_order([*words, *known])


def about() -> pl.Expr:
    """The entity an alert is about, by event columns."""
    source, target = entity("src_ip"), entity("dst_ip")
    own = [pl.when(end.str.contains(_PRIVATE)).then(end) for end in (source, target)]
    others = (source, target, entity("user"), entity("resource"), entity("cred"))
    return pl.coalesce(entity("host"), *own, *others, pl.concat_str(pl.lit("source:"), pl.col("source")))


def _touched(found: Events) -> pl.DataFrame:
    """All entities of each row, columns row and entities."""
    named = entities(found.with_columns(pl.col("row").cast(pl.String).alias("uid")))
    return named.group_by(pl.col("uid").cast(pl.UInt32).alias("row")).agg(pl.col("entity").alias("entities"))


def _told(shown: str, column: str) -> pl.Expr:
    """A field and its value as `matched` holds them; null where there is none."""
    value = pl.col(column).list.join(", ") if column == "tactics" else pl.col(column).cast(pl.String)
    text = value.str.slice(0, hits.MAX_VALUE)
    return pl.when(text.str.len_bytes() > 0).then(pl.struct(pl.lit(shown).alias("field"), text.alias("value")))
