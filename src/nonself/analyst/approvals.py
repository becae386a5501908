"""What became of proposed actions: who approved, rejected or sent which, by its hash, as the audit chain tells it.

The chain is the only place where that stands, so nothing can be approved that leaves no trace, and a report shows what the chain says.
An action whose evidence has changed has another hash, and is a proposal again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal

import msgspec
import polars as pl

State = Literal["proposed", "approved", "rejected", "sent", "carried out", "failed"]
STATES: dict[str, State] = {
    "approve": "approved", "reject": "rejected", "send": "sent", "carried out": "carried out", "send failed": "failed",
}  # fmt: skip
"""Action of an audit row -> the state it brings. "sent" that stays means: nobody knows whether it arrived."""
SETTLED: tuple[State, ...] = ("sent", "carried out")
"""Nothing is decided any more about an action in these states."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The last that was decided about an action; `bound` is what was approved, as text."""

    state: State
    who: str
    when: datetime
    why: str = ""
    bound: str = ""


class _Row(msgspec.Struct):
    hash: str
    bound: str = ""
    why: str = ""


def decisions(rows: pl.DataFrame) -> dict[str, Decision]:
    """Hash of an action -> its last decision. `rows` is the audit chain, columns `AUDIT`; a row that can't be read decides nothing."""
    found: dict[str, Decision] = {}
    told = rows.filter(pl.col("action").is_in(list(STATES))).select("action", "actor", "time", "detail")
    for action, who, when, detail in told.iter_rows():
        try:
            row = msgspec.json.decode(detail, type=_Row)
        except msgspec.MsgspecError:
            continue
        found[row.hash] = Decision(state=STATES[action], who=who, when=when, why=row.why, bound=row.bound)
    return found


PROPOSED = Decision(state="proposed", who="", when=datetime.min)
"""What stands where nobody has decided."""
NOTHING: Mapping[str, Decision] = MappingProxyType({})


def standing(decision: Decision) -> str:
    """The state in words: `approved by ann on 2026-03-04 10:12`. Not neutralised: names and reasons are what people gave."""
    if decision is PROPOSED:
        return decision.state
    return f"{decision.state} by {decision.who} on {decision.when:%Y-%m-%d %H:%M}" + (f" ({decision.why})" if decision.why else "")
