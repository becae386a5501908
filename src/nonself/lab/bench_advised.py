"""What a real local model does to reports, as a part of `bench analyst`: each of its answers counted, each sentence checked again.

It runs through the same client, guards and budget as in `nonself report`. CPU time is that of this process, in which llama.cpp runs too.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nonself.analyst.advisor import advise
from nonself.analyst.case import Case
from nonself.analyst.local import Local
from nonself.analyst.model import Budget
from nonself.analyst.outline import outline
from nonself.analyst.pseudonyms import Vault
from nonself.analyst.records import Records
from nonself.lab.grounds import Grounds, grounds

A_COMPANY = 1
"""Incidents of a company that the model is asked about: half a CPU-minute each."""
_KEY = bytes(range(32))
_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Advised:
    """One incident after the model. `kept`: nothing of the floor was taken away."""

    seconds: float
    requests: int
    used: tuple[str, ...]
    refused: tuple[str, ...]
    note: str
    kept: bool
    grounds: Grounds


class Adviser:
    """Asks one model, loaded once, about incidents, and has it read texts in quarantine."""

    def __init__(self, gguf: Path) -> None:
        self._model = Local(gguf)
        self._asked: Counter[int] = Counter()

    def ask(self, company: int, records: Records, floor: Case) -> Advised | None:
        """Have the model add to a case; None once `A_COMPANY` of this company are done."""
        if self._asked[company] == A_COMPANY:
            return None
        self._asked[company] += 1
        started = time.process_time()
        case = advise(records, floor, self._model, Vault(_KEY), Budget(10**6, _SECONDS), quarantine=True)
        seconds = time.process_time() - started
        return Advised(
            seconds=seconds,
            requests=len(case.advice.requests),
            used=case.advice.used,
            refused=case.advice.refused,
            note=case.advice.note,
            kept=_kept(floor, case),
            grounds=grounds(outline(case), records),
        )


def _kept(floor: Case, case: Case) -> bool:
    """Whether the verdict is no lower, and every claim and action of the floor still there."""
    claims = {t.claim.id for t in floor.story} - {t.claim.id for t in case.story}
    actions = {a.hash for a in floor.actions} - {a.hash for a in case.actions}
    return case.proposal.p_malicious >= floor.proposal.p_malicious and not claims and not actions


def summary(advised: Sequence[Advised]) -> dict[str, Any]:
    """The figures, by incident; nothing where no model was asked."""
    if not advised:
        return {}
    used = Counter(part.partition(" ")[0].rstrip(",") for one in advised for part in dict.fromkeys(one.used))
    seconds = [one.seconds for one in advised]
    sentences = sum(one.grounds.sentences for one in advised)
    return {
        "model: incidents": len(advised),
        "model: requests": sum(one.requests for one in advised),
        "model: CPU-s an incident, median": round(float(np.median(seconds)), 1),
        "model: CPU-s an incident, most": round(max(seconds), 1),
        "model: sentences": sentences,
        "model: grounded": round(sum(one.grounds.grounded for one in advised) / max(1, sentences), 4),
        "model: fabricated names": sum(one.grounds.fabricated for one in advised),
        "model: incidents of which something of the floor was lost": sum(not one.kept for one in advised),
        "model: incidents with parts taken": dict(sorted(used.items())),
        "model: parts refused": sum(len(one.refused) for one in advised),
        "model: incidents with a fall-back to the floor": sum(bool(one.note) for one in advised),
    }
