"""The graph in which incidents grow: from surprising findings, along edges that those who follow them have to pay for.

An edge leads from a finding to the story that an entity it touches is in. Chance makes such edges too, and the more so the busier the
entity and the longer the wait, so an edge costs the looks it spans (Bonferroni):

    cost = log2(1 + looks(e) * part) + log2(subjects(e)) + log2(subjects(story)),    part = (wait + 1 h) / time

`looks(e)` counts the findings that touched e before, each for the looks it stands for; `time` is how long has been watched; `wait` is from
the start of the earlier of the two findings to the end of the later. `subjects` is how many different entities findings were about: those
that merely touched e (1 where the finding is about e itself), and those of the story. Who walks through something that d others meet
comes to any one of them with chance 1/d, as in a random walk with restart, and a story of many already had as many chances to grow. Nor is
a finding worth more than the chance that its detector would have spoken of its entity in that wait anyway, -log2(1 - exp(-times * part))
bits: what a detector says every hour is no news.

A finding joins the story it can reach at the lowest cost if `MARGIN` bits are left; with what is left it may pay for an edge to another
story, and the two become one. One that only repeats what its detector has said there of something lasting (a process, a connection) is
added to that story for nothing. Else it begins a story, having paid for a day of looks at its own entity.

An entity is in one story at a time, the strongest that touched it within the linger, so work is bounded whatever the degree of a hub, and
a strong story displaces a weak one. What it is in may be long past and too dear to reach, and what happens to it now would fall to pieces:
a finding that can't reach any story so may reach, at the same price, what touched one of its entities within the hour (`BESIDE_HOURS`)
without being in that entity's story.

Everything is known from the past alone: a stream and a batch in order of start end in the same stories. `incidents` puts findings in order
first, so that those that come late end as if all had come in order.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import expm1, log, log2

import numpy as np

from nonself.correlate.facts import Facts
from nonself.correlate.stories import Stories

MARGIN = 2.0
"""Bits that must be left of a finding when it has paid for its edge: chance would do no better once in four times."""
PRIOR_HOURS = 24.0
"""Watched before the first finding, as it were: in the first hours nobody knows what is busy."""
SEED_HOURS = 24.0
"""Looks that the beginning of a story pays for."""
BESIDE_HOURS = 1.0
"""How long something that is not in its entity's story can be reached."""
_BLOCK = 50_000
"""Findings turned into Python's numbers at a time."""
_BUCKETS = 64
_SUBJECTS = [log2(max(1.0, -_BUCKETS * log(1 - full / _BUCKETS))) for full in range(_BUCKETS)] + [log2(_BUCKETS * log(_BUCKETS) + _BUCKETS)]
"""log2 of distinct subjects by occupied buckets (linear counting; Whang, Vander-Zanden & Taylor 1990): 64 bits each, whatever comes."""


Offer = tuple[float, int, int]
"""Cost, entity and earlier finding of an edge."""


class Graph:
    """`linger` in hours. Give it findings with `add`, in order of start; read the stories from `stories`.

    All that is kept of entities and findings is in flat arrays: about 40 bytes an entity, 90 a finding.
    """

    def __init__(self, linger: float = 24.0) -> None:
        self.linger = linger
        self.stories = Stories()
        self._watched = PRIOR_HOURS
        self._now = float("-inf")
        self._last = array("q")  # entity -> the finding that touched it last of the story that it is in; -1 for none
        self._opened = array("d")  # since when it is in it
        self._beside = array("q")  # entity -> the finding that touched it last of those that went to another story; -1 for none
        self._looks = array("d")
        self._subjects = array("Q")  # a bit for each occupied bucket
        self._times: dict[int, int] = {}  # entity and detector -> findings it made of it
        self._starts = array("d")
        self._ends = array("d")

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, facts: Facts, lasting: Sequence[bool]) -> None:
        """Let findings in that start no earlier than any before them, in order of start; ValueError for others. `lasting` says it of each
        entity."""
        if len(facts) and (facts.start[0] < self._now or bool(np.any(np.diff(facts.start) < 0))):
            raise ValueError("expected findings in order of start")
        more = len(lasting) - len(self._last)
        for numbers, empty in ((self._last, -1), (self._beside, -1), (self._subjects, 0)):
            numbers.extend([empty] * more)
        for times in (self._opened, self._looks):
            times.extend([0.0] * more)
        for begin in range(0, len(facts), _BLOCK):
            self._add(facts.rows(begin, begin + _BLOCK), lasting)

    def _add(self, facts: Facts, lasting: Sequence[bool]) -> None:
        self._starts.extend(facts.start.tolist())
        self._ends.extend(facts.end.tolist())
        entities, first = facts.entities.tolist(), (facts.first - facts.first[0]).tolist()
        rows = zip(facts.start.tolist(), facts.end.tolist(), facts.bits.tolist(), facts.looks.tolist(), facts.kind.tolist(), strict=True)
        for finding, (row, (start, end, bits, looks, kind)) in enumerate(enumerate(rows), len(self.stories.home)):
            touched = entities[first[row] : first[row + 1]]
            if start > self._now:
                self._watched += min(PRIOR_HOURS, start - self._now)  # one far-off time must not make every entity look quiet
                self._now = start
            said = touched[0] << 24 | kind if touched else -1
            times = self._times.get(said, 0)
            self._place(finding, (start, end, bits, kind), times, touched, lasting)
            if touched:
                self._times[said] = times + 1
                self._count(touched, looks)

    def _place(self, finding: int, row: tuple[float, float, float, int], times: int, touched: list[int], lasting: Sequence[bool]) -> None:
        start, _, bits, kind = row
        stories = self.stories
        left, story, edge = bits, -1, (-1, -1)
        for cost, entity, earlier in self._offers(row, times, touched, lasting) or self._besides(row, times, touched):
            other = stories.of(earlier)
            if other == story or left - cost < MARGIN:
                continue
            left -= cost
            if story < 0:
                story, edge = other, (earlier, entity)
            else:
                story = stories.merge(story, other, finding, earlier, entity)
        if story < 0 and times:
            story, edge, left = self._repeat(kind, start, touched, lasting)
        if story < 0:
            seed = self._looks[touched[0]] if touched else 0.0
            story = stories.begin(max(0.0, bits - log2(1 + seed / self._watched * SEED_HOURS)), kind)
        else:
            stories.join(story, finding, left, kind, edge)
        if touched:
            stories.subjects[story] |= _bucket(touched[0])
            self._hold(story, finding, start, touched, lasting)

    def _offers(self, row: tuple[float, float, float, int], times: int, touched: list[int], lasting: Sequence[bool]) -> list[Offer]:
        """The edges that the finding could pay for to what is in its entities' stories, cheapest first."""
        start, end, bits, _ = row
        offers = []
        for place, entity in enumerate(touched):
            last = self._last[entity]
            if last < 0 or self._over(entity, start, lasting[entity]):
                continue
            wait = max(end, self._ends[last]) - min(start, self._starts[last])
            if wait > self.linger and not lasting[entity]:
                continue
            cost = self._cost(place, entity, last, wait, bits, times)
            if bits - cost >= MARGIN:
                offers.append((cost, entity, last))
        return sorted(offers) if len(offers) > 1 else offers

    def _besides(self, row: tuple[float, float, float, int], times: int, touched: list[int]) -> list[Offer]:
        """The edges that it could pay for to what has just touched its entities without being in their stories, cheapest first."""
        start, end, bits, _ = row
        offers = []
        for place, entity in enumerate(touched):
            last = self._beside[entity]
            if last < 0 or (wait := max(end, self._ends[last]) - min(start, self._starts[last])) > BESIDE_HOURS:
                continue
            cost = self._cost(place, entity, last, wait, bits, times)
            if bits - cost >= MARGIN:
                offers.append((cost, entity, last))
        return sorted(offers)

    def _cost(self, place: int, entity: int, earlier: int, wait: float, bits: float, times: int) -> float:
        """What an edge to an earlier finding costs; at least the first part of it, where that is too much already."""
        part = (wait + 1) / max(self._watched, wait + 1)
        cost = log2(1 + self._looks[entity] * part)
        if bits - cost < MARGIN:
            return cost
        cost += _SUBJECTS[self.stories.subjects[self.stories.of(earlier)].bit_count()]
        if place:
            cost += _SUBJECTS[self._subjects[entity].bit_count()]
        return max(cost, bits + log2(-expm1(-times * part))) if times else cost

    def _repeat(self, kind: int, start: float, touched: list[int], lasting: Sequence[bool]) -> tuple[int, tuple[int, int], float]:
        """The story in which this detector has already spoken of something lasting that the finding touches: the same thing again, which
        belongs there and adds nothing. (story or -1, edge, gain)"""
        for entity in touched:
            last = self._last[entity]
            if last >= 0 and lasting[entity] and not self._over(entity, start, lasting[entity]):
                story = self.stories.of(last)
                if self.stories.has(story, kind):
                    return story, (last, entity), 0.0
        return -1, (-1, -1), 0.0

    def _over(self, entity: int, start: float, lasting: bool) -> bool:
        """Whether the story that the entity was in has lingered long enough."""
        if start - self._ends[self._last[entity]] > self.linger:
            return True
        return not lasting and start - self._opened[entity] > self.linger

    def _hold(self, story: int, finding: int, start: float, touched: list[int], lasting: Sequence[bool]) -> None:
        """The finding's entities are in its story now, but for those that a stronger one holds."""
        stories, bits = self.stories, self.stories.bits[story]
        for entity in touched:
            if self._last[entity] >= 0 and self._over(entity, start, lasting[entity]):
                self._free(entity, start)
            last = self._last[entity]
            held = stories.of(last) if last >= 0 else -1
            if held != story:
                if held >= 0 and stories.bits[held] >= bits:
                    self._beside[entity] = finding
                    continue
                if held >= 0:
                    self._beside[entity] = last
                self._opened[entity] = start
            self._last[entity] = finding

    def _free(self, entity: int, start: float) -> None:
        """The entity leaves its story for the one beside it, if that has not lingered long enough."""
        beside = self._beside[entity]
        self._last[entity], self._beside[entity] = beside, -1
        if beside >= 0:
            self._opened[entity] = self._starts[beside]
            if start - self._ends[beside] > self.linger:
                self._last[entity] = -1

    def _count(self, touched: list[int], looks: float) -> None:
        bucket = _bucket(touched[0])
        self._looks[touched[0]] += looks
        for entity in touched[1:]:
            self._looks[entity] += looks
            self._subjects[entity] |= bucket


def _bucket(entity: int) -> int:
    """The bit that stands for an entity (Fibonacci hashing)."""
    return 1 << ((entity * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF) >> 58)
