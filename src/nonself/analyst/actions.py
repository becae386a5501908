"""Containment as proposals. Nothing here acts: an action is words, bound by a hash to the claims it rests on and to the policy it was
proposed under. A person approves that hash (`approvals`), and the very bytes it is of are what is sent to be carried out. No probability
approves anything."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import msgspec

from nonself.analyst.hypotheses import Proposal
from nonself.analyst.names import is_outside, is_person
from nonself.core.claim import Claim
from nonself.core.entities import kind
from nonself.core.incident import Incident

POLICY = "nonself-actions-1"
"""Names the rules below; it changes when they do, and every hash with it."""
_MOST = 8
_FEW = 2
"""An outside name or address that more machines met than this is not proposed for blocking: others need it."""

Verb = Literal["isolate", "disable sessions of", "block", "revoke", "collect memory of", "ask"]
_BY_KIND: dict[str, tuple[Verb, str]] = {
    "host": ("isolate", "the machine keeps its state and reaches nothing but the responders"),
    "user": ("disable sessions of", "open sessions end and the password has to be set anew"),
    "domain": ("block", "no machine can look the name up"),
    "ip": ("block", "no machine can reach the address"),
    "cred": ("revoke", "the key or token stops working"),
    "role": ("revoke", "sessions of the role end"),
}


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """`claims` are the verified claims it rests on."""

    verb: Verb
    entity: str
    effect: str
    claims: tuple[str, ...]
    policy: str = POLICY

    @property
    def bound(self) -> bytes:
        """Action, evidence and policy as canonical JSON: what is approved, and all that whoever carries it out is told to do."""
        return msgspec.json.encode({**msgspec.to_builtins(self), "claims": sorted(self.claims)}, order="sorted")

    @property
    def hash(self) -> str:
        """What an approval names, SHA-256 over `bound`: any change of action, evidence or policy gives another."""
        return hashlib.sha256(self.bound).hexdigest()


def propose(incident: Incident, established: Sequence[Claim], proposal: Proposal) -> tuple[Action, ...]:
    """What could be done: only where malice is likely or can't be told, and only about entities that verified claims of a finding name."""
    if proposal.judgement not in ("malicious", "unsure"):
        return ()
    resting = _resting(established)
    lone = {c.args["entity"] for c in established if c.predicate == "MetBy" and int(c.args["count"]) <= _FEW}
    actions = [
        Action(verb=_BY_KIND[kind(entity)][0], entity=entity, effect=_BY_KIND[kind(entity)][1], claims=tuple(resting[entity]))
        for entity in incident.entities
        if kind(entity) in _BY_KIND and entity in resting and not _ours(entity) and (kind(entity) not in ("ip", "domain") or entity in lone)
    ]
    return tuple(actions[:_MOST])


def _resting(established: Sequence[Claim]) -> dict[str, list[str]]:
    """Entity -> the claims that speak for doing something about it: findings about it, and what was in contact with it."""
    resting: dict[str, list[str]] = {}
    for claim in established:
        if claim.predicate in ("MatchedRule", "Unusual"):
            resting.setdefault(claim.args["entity"], []).append(claim.id)
        elif claim.predicate in ("ConnectedTo", "Requested", "Resolved", "Transferred", "Met"):
            for name in ("dst", "domain"):
                resting.setdefault(claim.args.get(name, ""), []).append(claim.id)
    return resting


def _ours(entity: str) -> bool:
    """Private addresses and machine accounts: isolating the host does more, and breaks less."""
    return (kind(entity) == "ip" and not is_outside(entity)) or (kind(entity) == "user" and not is_person(entity))
