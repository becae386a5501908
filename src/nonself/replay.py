"""A ledger as it stood on the evening of some day: that day pending, later ones not there yet. What `behaviour` needs of it, for changes
that are tried on paper; nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from nonself.core.events import Events
from nonself.core.scores import Delta
from nonself.ledger import Ledger


@dataclass(slots=True)
class Evening:
    """The evening of `today`. `begun` is the first day that is replayed: of it and later ones the calibration windows are those that the
    replay has made so far (`made`), since those kept rest on days to come."""

    ledger: Ledger
    begun: date
    today: date
    made: dict[str, list[Delta]] = field(default_factory=dict)

    def days(self) -> list[date]:
        """Days that hold events, up to this one."""
        return [day for day in self.ledger.days() if day <= self.today]

    def spans(self, most: int, *, pending: bool = False) -> list[tuple[date, date]]:
        """This day alone, however many events it has."""
        return [(self.today, self.today)]

    def news(self, day: date, last: date, *, classes: Iterable[int], columns: Sequence[str]) -> Events:
        """This day's events of some classes, each once."""
        return self.ledger.learnt(day, last, classes=classes, columns=columns)

    def deltas(self, name: str, *, pending: bool = False, since: date | None = None) -> list[Delta]:
        """What one detector knew on the evening before."""
        until = self.begun if name in self.made else self.today
        kept = [delta.filter(pl.col("day") < until) for delta in self.ledger.deltas(name, since=since)]
        new = [delta if since is None else delta.filter(pl.col("day") >= since) for delta in self.made.get(name, ())]
        return [delta for delta in [*kept, *new] if delta.height]
