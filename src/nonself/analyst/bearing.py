"""Which events bear a finding: of an amount of data those that make it up, of all else the whole evidence.

Evidence of an amount is every connection of its hour, and most of them are nothing: "1.6 GB were sent" rests on the few that sent them.
"""

from __future__ import annotations

from nonself.analyst.records import Records
from nonself.core.finding import Finding

MADE_UP = 0.95
"""So much of an amount is borne by the largest of its events."""
_AMOUNTS = {"data-out": "bytes_out", "data-from": "bytes_in"}
"""Start of a detector's name -> what it adds up."""


def bearing(finding: Finding, records: Records) -> tuple[str, ...]:
    """Names of the events, in order of the evidence. What the lake no longer holds bears nothing."""
    held = tuple(dict.fromkeys(uid for uid in finding.events if uid in records.places))
    column = next((column for start, column in _AMOUNTS.items() if finding.detector.startswith(start)), "")
    if not column or not held:
        return held
    parts = records.cited(held).select("uid", column).fill_null(0).sort(column, "uid", descending=True)
    total, sums = int(parts[column].sum()), parts[column].cum_sum()
    chosen = set(parts["uid"].head(1 + int((sums < MADE_UP * total).sum())).to_list())
    return tuple(uid for uid in held if uid in chosen) if total > 0 else held
