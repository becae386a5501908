"""`Reason` and `Finding`: one odd or known-bad thing about one entity, and why, in bits."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One additive part of a finding's surprise.

    feature  what was looked at, in plain words ("process for this host")
    seen     what was seen, as text (may hold attacker-written values: neutralise on output)
    normal   what is normal here: for the entity, its peers, since when, out of how many
    bits     this reason's share; a finding's bits are the sum of its reasons' bits (a share may be negative)
    """

    feature: str
    seen: str
    normal: str
    bits: float


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one detector says of one entity in one stretch of time. Never changed once committed; a re-score is a new finding.

    id          stable hash of detector, entity, start and evidence (`finding_id`)
    detector    name of the detector, or `sigma:<rule id>`
    title       plain words
    entity      the entity it is about, e.g. `host:ws5`
    entities    all entities it touches (its own included), the joints of the incident graph
    start, end  first and last event, UTC
    score       the detector's raw score, higher is odder
    p, n        rank p-value among this environment's own scores, and how many scores it rests on
    bits        surprise: -log2(p) plus the prior of the rule's level; equals the sum of the reasons' bits
    events      uids of the evidence, at most 50; `n_events` is the full count
    attack      ATT&CK technique ids
    tactics     ATT&CK tactic names, in kill-chain order; derived from `attack` and the rule's tags
    level       author's severity of a rule ("" for learnt detectors): a prior, never a score
    author      rule author, kept because the Detection Rule License asks for it
    reference   where the rule or detector is documented (rule file or docs page)
    """

    id: str
    detector: str
    title: str
    entity: str
    entities: tuple[str, ...]
    start: datetime
    end: datetime
    score: float
    p: float
    n: int
    bits: float
    reasons: tuple[Reason, ...]
    events: tuple[str, ...]
    n_events: int
    attack: tuple[str, ...] = ()
    tactics: tuple[str, ...] = ()
    level: str = ""
    author: str = ""
    reference: str = ""
