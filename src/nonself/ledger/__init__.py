"""The ledger: blobs named by hash, the event lake, and the one transaction that commits a batch."""

from nonself.ledger.audit import AUDIT
from nonself.ledger.batch import CONCLUDE, DEAD, INPUTS, Batch, Conclusion, Offset, Progress, no_dead
from nonself.ledger.days import NO_DAY
from nonself.ledger.ledger import MEMORY, Ledger

__all__ = ["AUDIT", "CONCLUDE", "DEAD", "INPUTS", "MEMORY", "NO_DAY", "Batch", "Conclusion", "Ledger", "Offset", "Progress", "no_dead"]
