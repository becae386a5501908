"""Hypotheses, malicious and benign, weighed by log-odds in two steps.

    malice = base + sum of the bits of the signals' steps + suspicion        P(malicious) = 1 / (1 + 2^-malice)
    P(h)   = P(malicious or not) * 2^shape(h) / sum of 2^shape over the hypotheses of that side

The bits are those of a regularised logistic regression over incidents of simulated companies (`lab.analyst_fit` makes `weights.toml`;
docs/benchmarks.md tells what they are worth on others). Since P is calibrated there, more likely than not is "malicious"; from `ABSTAIN` up
to that the verdict is "unsure". `Suspicion` from attackers' text is added to malice and can only raise it.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import log2
from typing import Literal

import msgspec

from nonself.analyst.facts import Facts
from nonself.analyst.signals import MALICE, SHAPE, Signal
from nonself.analyst.taint import Suspicion
from nonself.core.verdict import Judgement

ABSTAIN = (0.25, 0.5)
"""P(malicious) in between is told as "unsure"."""

Name = Literal["intrusion", "account misuse", "data theft", "attempt", "machine routine", "rollout", "everyday use"]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """`means` in words; `refuted_by` what would speak against it, as something a person can find out."""

    name: Name
    judgement: Judgement
    means: str
    refuted_by: str


HYPOTHESES: tuple[Hypothesis, ...] = (
    Hypothesis("intrusion", "malicious", "an intruder, or a program of one, acts on the machines named",
               "a deployment record that names these programs, made before they ran"),
    Hypothesis("account misuse", "malicious", "somebody other than its owner, or an owner against the rules, uses an account or a key",
               "the owner confirms, by another channel, what was done and why"),
    Hypothesis("data theft", "malicious", "data is taken out, or orders are fetched, over the network",
               "the owner of the data names the transfer and its receiver"),
    Hypothesis("attempt", "attempt", "somebody tries to get in and does not",
               "a success of the same source, anywhere, at any later time"),
    Hypothesis("machine routine", "benign trigger", "a scanner, a backup or another machine does its regular work",
               "the owner of the machine knows of no such job, or the times do not repeat"),
    Hypothesis("rollout", "benign trigger", "software is distributed, or accounts and machines are administered",
               "no change is on record, or only one machine is touched"),
    Hypothesis("everyday use", "false alarm", "ordinary use that is new for this person or machine",
               "a rule matched on it, or the person can't explain it"),
)  # fmt: skip
TEXT = "text of attackers"
"""The signal that a `Suspicion` is listed as."""
BY_NAME: dict[str, Hypothesis] = {h.name: h for h in HYPOTHESES}
MALICIOUS: tuple[Name, ...] = tuple(h.name for h in HYPOTHESES if h.judgement == "malicious")
SAYS: dict[str, str] = {s.name: s.says for s in (*SHAPE, *MALICE)} | {TEXT: "text in the evidence addresses whoever or whatever reads it"}

Bits = Mapping[str, Sequence[float]]
"""Signal -> bits of each of its steps."""


@dataclass(frozen=True, slots=True)
class Weights:
    """`malice` and, of each hypothesis, `shape`: a base and the bits of the signals' steps."""

    malice: tuple[float, Bits]
    shape: Mapping[str, tuple[float, Bits]]


@cache
def weights() -> Weights:
    """The weights that `weights.toml` holds."""
    table = tomllib.loads(files("nonself.analyst").joinpath("weights.toml").read_text("utf-8"))
    shape = {name: (part.pop("base"), part) for name, part in table["shape"].items()}
    return Weights((table["malice"].pop("base"), table["malice"]), shape)


class Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """A hypothesis with its probability and what spoke for and against it: (signal, bits), largest first. What speaks for malice speaks
    against what is harmless by as many bits."""

    name: str
    judgement: Judgement
    p: float
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
    base, bits = weights().malice
    malice = _climbed(MALICE, bits, facts)
    total = base + sum(malice.values())
    floor, p = _p(total), _p(total + suspicion.bits)
    sides = [_side(facts, malicious=side, p=p if side else 1.0 - p, malice=malice, raised=suspicion.bits) for side in (True, False)]
    ranked = sorted((weighed for side in sides for weighed in side), key=lambda w: (-w.p, w.name))
    return Proposal(judgement=_judged(p, ranked), p_malicious=p, floor=floor, suspicion=suspicion.bits, hypotheses=tuple(ranked))


def _p(bits: float) -> float:
    return float(1.0 / (1.0 + 2.0**-bits))


def _climbed(signals: Sequence[Signal], bits: Bits, facts: Facts) -> dict[str, float]:
    """Signal -> bits of the steps it has climbed."""
    return {signal.name: sum(bits[signal.name][: signal.climbed(facts)]) for signal in signals if signal.name in bits}


def _side(facts: Facts, *, malicious: bool, p: float, malice: Mapping[str, float], raised: float) -> list[Weighed]:
    """The malicious or the harmless hypotheses; `p` is dealt out among them."""
    chosen = [h for h in HYPOTHESES if (h.judgement == "malicious") == malicious]
    shapes = [_climbed(SHAPE, weights().shape[h.name][1], facts) for h in chosen]
    scores = [weights().shape[h.name][0] + sum(shape.values()) for h, shape in zip(chosen, shapes, strict=True)]
    scale = log2(sum(2.0**score for score in scores))
    return [
        Weighed(name=h.name, judgement=h.judgement, p=p * 2.0 ** (score - scale), signals=_signals(shape, malice, malicious, raised))
        for h, score, shape in zip(chosen, scores, shapes, strict=True)
    ]


def _signals(shape: Mapping[str, float], malice: Mapping[str, float], malicious: bool, raised: float) -> tuple[tuple[str, float], ...]:
    total = Counter(shape)
    total.update({name: bits if malicious else -bits for name, bits in malice.items()})
    total.update({TEXT: raised} if malicious and raised else {})
    kept = ((name, round(bits, 1)) for name, bits in total.items() if abs(bits) >= 0.05)
    return tuple(sorted(kept, key=lambda s: (-abs(s[1]), s[0])))


def _judged(p: float, ranked: Sequence[Weighed]) -> Judgement:
    if p >= ABSTAIN[1]:
        return "malicious"
    if p > ABSTAIN[0]:
        return "unsure"
    return next(w.judgement for w in ranked if w.judgement != "malicious")
