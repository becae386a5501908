"""Findings as columns: what the graph needs to know of a million of them, in about 80 bytes each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nonself.core.entities import kind
from nonself.core.finding import Finding
from nonself.correlate.joints import JOINTS, joints

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Facts:
    """One row per finding, in order of start.

    start, end  hours since 1970
    bits        surprise
    looks       how many looks one such finding stands for: a detector that reports from x bits on has looked about 2^x times
    kind        number of its detector
    first       where its entities start in `entities`; one longer than the rest
    entities    numbers of entities; the one a finding is about first
    """

    start: Floats
    end: Floats
    bits: Floats
    looks: Floats
    kind: Ints
    first: Ints
    entities: Ints

    def __len__(self) -> int:
        return len(self.start)

    def rows(self, begin: int, end: int) -> Facts:
        """The rows from `begin` to `end` (not included), as a view."""
        first = self.first[begin : end + 1]
        columns = {name: getattr(self, name)[begin:end] for name in ("start", "end", "bits", "looks", "kind")}
        return Facts(**columns, first=first - first[0], entities=self.entities[first[0] : first[-1]])


class Names:
    """Numbers for names, in the order they were met; and which entities are lasting joints."""

    def __init__(self) -> None:
        self.kinds: dict[str, int] = {}
        self.entities: dict[str, int] = {}
        self.names: list[str] = []
        self.lasting: list[bool] = []

    def entity(self, name: str) -> int:
        """The number of an entity."""
        number = self.entities.setdefault(name, len(self.names))
        if number == len(self.names):
            self.names.append(name)
            self.lasting.append(JOINTS[kind(name)].lasting)
        return number

    def facts(self, findings: Sequence[Finding], looks: Callable[[Finding], float]) -> Facts:
        """Findings, in order of start, as columns."""
        first, entities = [0], []
        for finding in findings:
            entities += [self.entity(name) for name in joints(finding)]
            first.append(len(entities))
        return Facts(
            start=np.array([f.start.timestamp() / 3600 for f in findings], dtype=np.float64),
            end=np.array([f.end.timestamp() / 3600 for f in findings], dtype=np.float64),
            bits=np.array([f.bits for f in findings], dtype=np.float64),
            looks=np.array([looks(f) for f in findings], dtype=np.float64),
            kind=np.array([self.kinds.setdefault(f.detector, len(self.kinds)) for f in findings], dtype=np.int64),
            first=np.array(first, dtype=np.int64),
            entities=np.array(entities, dtype=np.int64),
        )
