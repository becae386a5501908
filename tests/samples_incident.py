"""The sample incident that tests of reports and actions share."""

from __future__ import annotations

from pathlib import Path

from nonself.lab.injection import state as sample
from nonself.ledger import Ledger
from nonself.ledger.batch import Batch, Offset, no_dead
from nonself.ledger.ledger import Conclusion


def incident_on_disk(folder: Path) -> Path:
    """The malicious one, in a state on disk: its folder."""
    ledger, incident = sample(True)
    with ledger, Ledger.open(folder) as kept:
        kept.commit(Batch([Offset("a", "aa", "s", 1, 1, True, 1, 1, 0, 1)], ledger.events(), {}, no_dead()))
        kept.conclude(Conclusion(ledger.findings(), {}, [incident]))
    return folder
