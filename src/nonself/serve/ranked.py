"""Why an incident stands where it does, by what verdicts have taught: for `nonself explain`."""

from __future__ import annotations

from collections.abc import Sequence

from nonself.core import safe
from nonself.core.incident import Incident
from nonself.incidents import described, learn
from nonself.ledger import Ledger
from nonself.triage.ranking import Rank
from nonself.triage.verdicts import in_force

_PARTS = 6


def ranked(ledger: Ledger, incident: Incident) -> tuple[Rank, int] | None:
    """The incident's rank and the number of verdicts that it rests on; None while there are too few."""
    known, found = {finding.id: finding for finding in ledger.findings()}, ledger.incidents()
    learnt = learn(found, known, in_force(ledger.verdicts()))
    return (learnt.rank(described([incident], known, found)[0]), learnt.verdicts) if learnt else None


def told(rank: Rank, verdicts: int) -> str:
    """In a line: `Rank  62 % an attack by 23 verdicts, which is not sure: +0.4 surprise; -0.3 detector x. 20 % malicious: +1.2 host:a`."""
    doubt = "" if rank.sure else ", which is not sure"
    attack = f"{rank.probability:.0%} an attack by {verdicts} verdicts{doubt}: {_parts(rank.because)}"
    malicious = f"{rank.malicious:.0%} malicious" + (f", by what it shares: {_parts(rank.traces)}" if rank.traces else "")
    return safe.terminal(f"Rank  {attack}. {malicious}")


def _parts(parts: Sequence[tuple[str, float]]) -> str:
    return "; ".join(f"{part:+.1f} {safe.shorten(name, 60)}" for name, part in parts[:_PARTS])


def row(rank: Rank, verdicts: int, incident: Incident) -> str:
    """As a JSON line."""
    because, traces = ([{"part": name, "logits": round(part, 4)} for name, part in parts] for parts in (rank.because, rank.traces))
    figures = {"probability": rank.probability, "sure": rank.sure, "score": rank.score, "place": rank.place, "malicious": rank.malicious}
    return safe.json({"type": "rank", "incident": incident.id, **figures, "verdicts": verdicts, "because": because, "traces": traces})
