"""Stories: which findings are together, by which edges, and how many bits that makes. A union-find with sums."""

from __future__ import annotations

from array import array
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """Why a finding (by number) is in its story: it shares an entity (by number) with an earlier finding."""

    finding: int
    earlier: int
    entity: int


class Stories:
    """Findings are numbered in the order they came.

    home   finding -> the story it was put in; `root` says which story that is by now
    gain   finding -> bits left when it had paid for its edges, or for its day of looks
    bits   story -> sum over its kinds of finding of the best gain
    links  spanning tree of every story with more than one finding
    subjects  story -> a bit for each bucket of the entities that its findings are about
    """

    def __init__(self) -> None:
        self.home = array("q")
        self.gain = array("d")
        self.bits = array("d")
        self.links: list[Link] = []
        self.subjects = array("Q")
        self._parent = array("q")
        self._kind = array("q")  # of the finding that began the story
        self._best: dict[int, dict[int, float]] = {}  # story -> kind -> best gain; not kept for stories of one finding

    def root(self, story: int) -> int:
        """The story that `story` is part of."""
        parent = self._parent
        while parent[story] != story:
            parent[story] = parent[parent[story]]
            story = parent[story]
        return story

    def of(self, finding: int) -> int:
        """The story that a finding is in by now."""
        return self.root(self.home[finding])

    def begin(self, gain: float, kind: int) -> int:
        """A new story, of the next finding."""
        story = len(self.bits)
        self.home.append(story)
        self.gain.append(gain)
        self.bits.append(gain)
        self.subjects.append(0)
        self._parent.append(story)
        self._kind.append(kind)
        return story

    def join(self, story: int, finding: int, gain: float, kind: int, edge: tuple[int, int]) -> None:
        """The next finding, to a story, by (earlier finding, entity)."""
        self.home.append(story)
        self.gain.append(gain)
        self.links.append(Link(finding, *edge))
        best = self._kinds(story)
        self.bits[story] += max(0.0, gain - best.get(kind, 0.0))
        best[kind] = max(gain, best.get(kind, 0.0))

    def has(self, story: int, kind: int) -> bool:
        """Whether a story holds a finding of this kind."""
        found = self._best.get(story)
        return self._kind[story] == kind if found is None else kind in found

    def merge(self, a: int, b: int, finding: int, earlier: int, entity: int) -> int:
        """Two stories become one, the one that began first; returns it."""
        first, second = min(a, b), max(a, b)
        best = self._kinds(first)
        for kind, gain in self._kinds(second).items():
            best[kind] = max(gain, best.get(kind, 0.0))
        self.bits[first] = sum(best.values())
        del self._best[second]
        self.subjects[first] |= self.subjects[second]
        self._parent[second] = first
        self.links.append(Link(finding, earlier, entity))
        return first

    def _kinds(self, story: int) -> dict[int, float]:
        found = self._best.get(story)
        if found is None:
            found = self._best[story] = {self._kind[story]: self.bits[story]}
        return found
