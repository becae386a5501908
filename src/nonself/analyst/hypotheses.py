"""Hypotheses, malicious and benign, weighed by log-odds: score(h) = log2 prior(h) + sum of the bits of the signals that hold, and
P(h) = 2^score(h) / sum over all of 2^score. A verdict is proposed from the sums; between `ABSTAIN` it is "unsure".

Weights are bits set by hand, looked at on six simulated companies and measured on others (docs/benchmarks.md). They are few on purpose.
`Suspicion` from attackers' text is added to the malicious hypotheses and to no other: it can only raise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log2
from typing import Literal

import msgspec

from nonself.analyst.facts import Facts
from nonself.analyst.taint import Suspicion
from nonself.core.verdict import Judgement

ABSTAIN = (0.35, 0.65)
"""P(malicious) in between is told as "unsure"."""

Name = Literal["intrusion", "account misuse", "data theft", "attempt", "machine routine", "rollout", "everyday use"]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """`means` in words; `refuted_by` what would speak against it, as something a person can find out."""

    name: Name
    judgement: Judgement
    prior: float
    means: str
    refuted_by: str


HYPOTHESES: tuple[Hypothesis, ...] = (
    Hypothesis("intrusion", "malicious", 0.06, "an intruder, or a program of one, acts on the machines named",
               "a deployment record that names these programs, made before they ran"),
    Hypothesis("account misuse", "malicious", 0.03, "somebody other than its owner uses an account or a key",
               "the owner confirms, by another channel, what was done and from where"),
    Hypothesis("data theft", "malicious", 0.03, "data is collected and taken out",
               "the owner of the data names the transfer and its receiver"),
    Hypothesis("attempt", "attempt", 0.08, "somebody tries to get in and does not",
               "a success of the same source, anywhere, at any later time"),
    Hypothesis("machine routine", "benign trigger", 0.20, "a scanner, a backup or another machine does its regular work",
               "the owner of the machine knows of no such job, or the times do not repeat"),
    Hypothesis("rollout", "benign trigger", 0.15, "software is distributed or administered, alike on many machines",
               "no change is on record, or only one machine is touched"),
    Hypothesis("everyday use", "false alarm", 0.45, "ordinary use that is new for this person or machine",
               "a rule matched on it, or the person can't explain it"),
)  # fmt: skip
TEXT = "text of attackers"
"""The signal that a `Suspicion` is listed as."""
BY_NAME: dict[str, Hypothesis] = {h.name: h for h in HYPOTHESES}
MALICIOUS: tuple[Name, ...] = tuple(h.name for h in HYPOTHESES if h.judgement == "malicious")


@dataclass(frozen=True, slots=True)
class Signal:
    """`holds` says how strongly (0 to 1) it is met; `bits` what that is worth to each hypothesis."""

    name: str
    says: str
    holds: Callable[[Facts], float]
    bits: dict[Name, float]


def _flag(value: bool) -> float:
    return 1.0 if value else 0.0


SIGNALS: tuple[Signal, ...] = (
    Signal("no rule", "no rule matched; only learnt detectors found something", lambda f: _flag(f.rules == 0),
           {"intrusion": -2.5, "account misuse": -2.0, "data theft": -1.5, "rollout": -1.0, "everyday use": 1.5}),
    Signal("grave rules", "rules of level high or critical matched", lambda f: min(f.grave, 3) / 3,
           {"intrusion": 4.5, "account misuse": 2.0, "data theft": 2.0, "everyday use": -4.0, "machine routine": -1.0}),
    Signal("several rules", "different rules that are rare here matched", lambda f: min(max(f.lone_rules - 1, 0), 4) / 4,
           {"intrusion": 4.0, "account misuse": 2.0, "data theft": 3.0, "everyday use": -4.0}),
    Signal("a rare rule", "a rule matched that is rare here", lambda f: _flag(f.lone_rules > 0),
           {"intrusion": 3.0, "account misuse": 3.0, "data theft": 2.0, "everyday use": -1.5}),
    Signal("stages", "rules of several tactics follow one another", lambda f: min(max(f.tactics - 1, 0), 4) / 4,
           {"intrusion": 4.0, "account misuse": 2.5, "data theft": 2.5, "everyday use": -3.0, "rollout": -1.0}),
    Signal("credentials", "a rule of credential access matched", lambda f: _flag(f.credentials),
           {"intrusion": 2.0, "account misuse": 1.5, "attempt": 1.0}),
    Signal("significance", "far more surprising than what is usual here", lambda f: min(max(f.bits - 20, 0), 40) / 40,
           {"intrusion": 2.0, "account misuse": 1.0, "data theft": 2.0, "everyday use": -1.0}),
    Signal("chain", "a process of the evidence started others or used the network", lambda f: _flag(f.chain and f.rules > 0),
           {"intrusion": 1.5, "data theft": 1.0}),
    Signal("regular and alone", "one machine alone calls an outside address at regular times",
           lambda f: _flag(f.regular and f.lone_outside > 0), {"intrusion": 7.5, "data theft": 1.0, "everyday use": -1.0}),
    Signal("refused", "the cloud refused calls", lambda f: _flag(f.cloud_denied > 0),
           {"account misuse": 2.5, "attempt": 0.5, "machine routine": -0.5}),
    Signal("recurring", "the same was found of the same on three days or more", lambda f: f.recurring,
           {"machine routine": 4.0, "intrusion": -1.5, "account misuse": -1.0, "data theft": -1.0}),
    Signal("everywhere", "the rules matched about many machines or accounts here", lambda f: f.spread,
           {"rollout": 4.0, "machine routine": 1.5, "intrusion": -1.5, "account misuse": -0.5, "data theft": -0.5}),
    Signal("in vain", "logons failed and none succeeded", lambda f: _flag(f.failed == 1.0),
           {"attempt": 5.0, "intrusion": -1.0, "account misuse": -0.5}),
)  # fmt: skip


SAYS: dict[str, str] = {s.name: s.says for s in SIGNALS} | {TEXT: "text in the evidence addresses whoever or whatever reads it"}


class Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """A hypothesis with its probability and what spoke for and against it: (signal, bits), largest first."""

    name: str
    judgement: Judgement
    p: float
    bits: float
    signals: tuple[tuple[str, float], ...]


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict proposed, never given. `p_malicious` is the sum over malicious hypotheses; `floor` that sum without any suspicion from text
    of attackers or a model, which is never larger; `hypotheses` most probable first."""

    judgement: Judgement
    p_malicious: float
    floor: float
    suspicion: float
    hypotheses: tuple[Weighed, ...]


def weigh(facts: Facts, suspicion: Suspicion) -> Proposal:
    """The proposal for an incident: a function of code's facts and of a suspicion that can only raise it."""
    weighed = [_weighed(h, facts, suspicion.bits if h.name in MALICIOUS else 0.0) for h in HYPOTHESES]
    floor = _malicious([w.bits - (suspicion.bits if w.name in MALICIOUS else 0.0) for w in weighed])
    scale = log2(sum(2**w.bits for w in weighed))
    ranked = sorted((msgspec.structs.replace(w, p=2 ** (w.bits - scale)) for w in weighed), key=lambda w: (-w.p, w.name))
    p = max(floor, _malicious([w.bits for w in weighed]))
    return Proposal(judgement=_judged(p, ranked), p_malicious=p, floor=floor, suspicion=suspicion.bits, hypotheses=tuple(ranked))


def _malicious(bits: Sequence[float]) -> float:
    """P(malicious) from the scores of `HYPOTHESES`, in their order."""
    mass = [2**b for b in bits]
    return sum(m for m, h in zip(mass, HYPOTHESES, strict=True) if h.judgement == "malicious") / sum(mass)


def _judged(p: float, ranked: Sequence[Weighed]) -> Judgement:
    if p >= ABSTAIN[1]:
        return "malicious"
    if p > ABSTAIN[0]:
        return "unsure"
    return next(w.judgement for w in ranked if w.judgement != "malicious")


def _weighed(hypothesis: Hypothesis, facts: Facts, raised: float) -> Weighed:
    shares = [(s.name, s.bits[hypothesis.name] * s.holds(facts)) for s in SIGNALS if hypothesis.name in s.bits]
    shares += [(TEXT, raised)] if raised else []
    kept = tuple(sorted(((name, round(bits, 2)) for name, bits in shares if bits), key=lambda s: (-abs(s[1]), s[0])))
    bits = log2(hypothesis.prior) + sum(bits for _, bits in shares)
    return Weighed(name=hypothesis.name, judgement=hypothesis.judgement, p=0.0, bits=bits, signals=kept)
