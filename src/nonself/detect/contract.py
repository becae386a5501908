"""What a detector is: three small pure functions over columns, and an example that proves them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import Delta, Scores

if TYPE_CHECKING:
    from nonself.detect.view import View


@dataclass(frozen=True, slots=True)
class Example:
    """A detector's own proof: after learning `normal`, the top score over `odd` must rest on the event `winner` (its uid)."""

    normal: Events
    odd: Events
    winner: str


class Detector(Protocol):
    """A learner. `learn` and `merge` make a commutative monoid; `score` learns nothing; thresholds live in `calibrate`, not here.

    `columns` are the event columns it reads, `classes` the OCSF classes of the events it looks at. `bytes_per_entity` is the declared
    bound on a delta's size per entity and day, measured by the contract tests.
    """

    name: str
    title: str
    attack: tuple[str, ...]
    columns: tuple[str, ...]
    classes: tuple[int, ...]
    bytes_per_entity: int

    def learn(self, events: Events | View) -> Delta:
        """A summary of this batch: frame with a `day` column, in canonical form (grouped, sorted)."""
        ...

    def merge(self, deltas: list[Delta]) -> Delta:
        """All deltas as one, in canonical form. Associative and commutative; `merge([])` is the identity."""
        ...

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """How odd each event or entity-window of `events` is, given the merged self. Learns nothing.

        Of a view, `score` takes those made with `evidence=True`, which are in order of time.

        `included` says that `self_` has already learnt `events` (a scan learns a whole folder first): each row's own contribution is
        then taken out before it is scored, so that nothing vouches for itself.

        Rows that score `floor` or more come first. Entities, evidence and the private columns, of which `explain` speaks, are given for
        these; the others have empty lists and nulls.
        """
        ...

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """For each row of (a subset of) `score`'s result, reasons whose `bits` add up to the row's `score`."""
        ...

    def example(self) -> Example:
        """Normal events, odd events and the event that must win."""
        ...
