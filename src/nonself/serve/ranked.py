"""Why an incident stands where it does, by what verdicts have taught: for `nonself explain`."""

from __future__ import annotations

from nonself.core import safe
from nonself.core.incident import Incident
from nonself.incidents import learn, members
from nonself.ledger import Ledger
from nonself.triage.ranking import Rank, features
from nonself.triage.verdicts import in_force

_PARTS = 6


def ranked(ledger: Ledger, incident: Incident) -> tuple[Rank, int] | None:
    """The incident's rank and the number of verdicts that it rests on; None while there are too few."""
    known = {finding.id: finding for finding in ledger.findings()}
    learnt = learn(ledger.incidents(), known, in_force(ledger.verdicts()))
    return (learnt.rank(features(incident, members(incident, known))), learnt.verdicts) if learnt else None


def told(rank: Rank, verdicts: int) -> str:
    """In one line: `Rank  62 % an attack by 23 verdicts, which is not sure: +0.4 surprise; -0.3 detector x`."""
    parts = "; ".join(f"{part:+.1f} {safe.shorten(name, 60)}" for name, part in rank.because[:_PARTS])
    doubt = "" if rank.sure else ", which is not sure"
    return safe.terminal(f"Rank  {rank.probability:.0%} an attack by {verdicts} verdicts{doubt}: {parts}")


def row(rank: Rank, verdicts: int, incident: Incident) -> str:
    """As a JSON line."""
    because = [{"part": name, "logits": round(part, 4)} for name, part in rank.because]
    figures = {"probability": rank.probability, "sure": rank.sure, "score": rank.score, "place": rank.place}
    return safe.json({"type": "rank", "incident": incident.id, **figures, "verdicts": verdicts, "because": because})
