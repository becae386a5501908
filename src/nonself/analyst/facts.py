"""Facts: the few numbers a verdict rests on. Counted from the findings and from what sensors state; no text that an attacker may have
written is read for them, but for rules' matches, which can only speak for malice."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from nonself.analyst.queries import outside
from nonself.analyst.records import Records
from nonself.core.entities import kind
from nonself.core.finding import Finding

_GRAVE = ("high", "critical")
_REGULAR = ("beacon", "connections-of-pair", "long-connection")
_LASTING_DAYS = 3
_MANY = 3


@dataclass(frozen=True, slots=True)
class Facts:
    """rules      different rules that matched, of any author; `grave` those of level high or critical
    lone_rules    rules whose matches touch few entities here, or that are grave: what is everywhere is somebody's daily work, unless it is
                  grave, for what destroys is everywhere too
    tactics       different tactics of the matched rules
    bits          the incident's significance
    recurring     share of the findings (by bits) whose detector found the same about the same entity on three days or more
    spread        share of the rules that are not grave and matched about more than three entities here
    failed        share of the logons among the evidence that failed; 0 where there are none
    chain         whether a process of the evidence both was started by another of it and used the network, or started several others
    lone_outside  outside addresses or domains of the incident that only one machine ever met
    regular       whether a beacon detector found a connection that calls at regular times
    credentials   whether a rule of credential access matched
    cloud_denied  calls refused to an identity of this incident
    """

    rules: int
    grave: int
    lone_rules: int
    tactics: int
    bits: float
    recurring: float
    spread: float
    failed: float
    chain: bool
    lone_outside: int
    regular: bool
    credentials: bool
    cloud_denied: int


def gather(records: Records) -> Facts:
    """The facts of an incident."""
    findings = list(records.findings.values())
    rules = {f.detector: f for f in findings if f.detector.startswith(("sigma:", "alert:", "intel:"))}
    spread = [name for name, f in rules.items() if records.spread[name] > _MANY and f.level not in _GRAVE]
    evidence = records.cited(uid for f in findings for uid in f.events)
    return Facts(
        rules=len(rules),
        grave=sum(f.level in _GRAVE for f in rules.values()),
        lone_rules=len(rules) - len(spread),
        tactics=len({tactic for name, f in rules.items() if name not in spread for tactic in f.tactics}),
        bits=records.incident.bits,
        recurring=_recurring(findings, records),
        spread=len(spread) / len(rules) if rules else 0.0,
        failed=_failed(evidence),
        chain=_chain(evidence),
        lone_outside=_lone_outside(records),
        regular=any("beacon" in f.detector for f in findings),
        credentials=any("credential-access" in f.tactics for f in rules.values()),
        cloud_denied=evidence.filter((pl.col("class_uid") == 6003) & (pl.col("status_id") == 2)).height,
    )


def _recurring(findings: list[Finding], records: Records) -> float:
    """What calls at regular times is found every day, whoever it is, so findings of that count neither way."""
    counted = [f for f in findings if not f.detector.startswith(_REGULAR)]
    total = sum(f.bits for f in counted)
    lasting = sum(f.bits for f in counted if len(records.days[f.detector, f.entity]) >= _LASTING_DAYS)
    return lasting / total if total else 0.0


def _failed(evidence: pl.DataFrame) -> float:
    logons = evidence.filter((pl.col("class_uid") == 3002) & (pl.col("activity_id") == 1))
    return logons.filter(pl.col("status_id") == 2).height / logons.height if logons.height else 0.0


def _chain(evidence: pl.DataFrame) -> bool:
    """A started process that went on: it is the parent of another process of the evidence, or had a connection."""
    started = set(evidence.filter((pl.col("class_uid") == 1007) & (pl.col("activity_id") == 1))["@process"].drop_nulls())
    parents = set(evidence.filter(pl.col("class_uid") == 1007)["@parent"].drop_nulls())
    networked = set(evidence.filter(pl.col("class_uid").is_in([4001, 4003]))["@process"].drop_nulls())
    return bool(started & (parents | networked))


def _lone_outside(records: Records) -> int:
    """Outside addresses and domains of the incident that one machine alone ever met. Machines are counted by address where a sensor of the
    network saw them, else by name."""
    names = [e for e in records.incident.entities[:40] if kind(e) in ("ip", "domain")]
    lone = 0
    for name in names:
        met = records.touching(name)
        if kind(name) == "ip" and not met.filter((pl.col("@dst_ip") == name) & outside("@dst_ip")).height:
            continue
        sources = met["@src_ip"].drop_nulls().unique()
        lone += (len(sources) or met["@host"].drop_nulls().n_unique()) == 1
    return lone
