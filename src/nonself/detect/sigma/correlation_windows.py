"""Sliding windows over inputs, in NumPy: which windows there are, what each holds, and which satisfy a condition.

Rows come sorted by group and time. A *moment* is a time at which a group has an input; its window is the `timespan` up to and including
it. No window is looked at that ends between events: it would hold what an earlier one held, or less.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nonself.detect.sigma.sheet import Ints, Mask
from nonself.detect.sigma.tree import And, Node, Not

Floats = npt.NDArray[np.float64]
_NEVER = np.iinfo(np.int64).min


class Windows:
    """The windows of all groups.

    moment      of each row, the number of its moment
    time        of each moment, microseconds
    first       of each moment, the first moment of its window
    begin, end  of each moment, the first row of its window and the row after its last
    """

    def __init__(self, group: Ints, time: Ints, timespan: int) -> None:
        new = np.ones(len(time), np.bool_)
        new[1:] = (group[1:] != group[:-1]) | (time[1:] != time[:-1])
        starts = np.flatnonzero(new)
        self.moment: Ints = np.cumsum(new) - 1
        self.time: Ints = time[starts]
        self._timespan = timespan
        groups = group[starts]
        opens = np.ones(len(starts), np.bool_)
        opens[1:] = groups[1:] != groups[:-1]
        self._open: Ints = np.maximum.accumulate(np.where(opens, np.arange(len(starts)), 0))
        self.first: Ints = self._bisect()
        self.begin: Ints = starts[self.first]
        self.end: Ints = np.append(starts[1:], len(time))

    def _bisect(self) -> Ints:
        """All windows' first moments at once; differences of times can't overflow, since each is a moment of the same era."""
        low, high = self._open.copy(), np.arange(len(self.time))
        while (low < high).any():
            middle = (low + high) // 2
            before = self.time[middle] < self.time - self._timespan
            low, high = np.where(before, np.minimum(middle + 1, high), low), np.where(before, high, middle)
        return low

    def held(self, member: Mask) -> Ints:
        """How many rows of a mask each window holds."""
        total = np.concatenate(([0], np.cumsum(member)))
        counted: Ints = total[self.end] - total[self.begin]
        return counted

    def rows(self) -> Ints:
        """How many rows each window holds."""
        return self.end - self.begin

    def distinct(self, group: Ints, value: Ints) -> Ints:
        """How many distinct values each window holds, in O(n log n) for all.

        A value is in the windows of the moments from its row on, until the first window that starts after the row; where the spans of
        two rows of one value meet they are one span. So a running sum of the spans' ends is the count.
        """
        order = np.lexsort((value, group))  # stable: rows of one value stay in order of time
        enter = self.moment[order]
        leave = np.searchsorted(self.first, enter, side="right")
        same = (group[order][1:] == group[order][:-1]) & (value[order][1:] == value[order][:-1]) & (leave[:-1] >= enter[1:])
        opening, closing = np.append(True, ~same), np.append(~same, True)
        size = len(self.time) + 1
        change = np.bincount(enter[opening], minlength=size) - np.bincount(leave[closing], minlength=size)
        counted: Ints = np.cumsum(change)[:-1]
        return counted

    def sums(self, values: Floats) -> Floats:
        """The sum of each window's values. Made of partial sums that are only added: to subtract running totals would let one huge value
        wipe out all that comes after it."""
        return _over(values, self.begin, self.end, np.add, 0.0)

    def percentile(self, values: Floats, percentile: float, against: float) -> tuple[Mask, Mask]:
        """Whether each window's percentile is at least, and above, a number. Percentiles are linear between ranks, as `quantile` says.

        Nothing is sorted: how many values lie below the number tells, but where it falls between two neighbours in rank.
        """
        count = self.rows()
        rank = (count - 1) * percentile / 100
        low = np.floor(rank).astype(np.int64)
        decided = []
        for below, reach in ((values < against, np.greater_equal), (values <= against, np.greater)):
            under = self.held(below)
            true = under <= low
            between = np.flatnonzero((under == low + 1) & (rank > low))
            begin, end = self.begin[between], self.end[between]
            left = _over(np.where(below, values, -np.inf), begin, end, np.maximum, -np.inf)
            right = _over(np.where(below, np.inf, values), begin, end, np.minimum, np.inf)
            true[between] = reach(left + (rank - low)[between] * (right - left), against)
            decided.append(true)
        return decided[0], decided[1]

    def seen(self, part: Ints, parts: int) -> list[Mask]:
        """For each part, the windows that hold a row of it."""
        return [self.held(part == number) > 0 for number in range(parts)]

    def in_order(self, part: Ints, parts: int) -> Ints:
        """The most parts each window holds in their order: rows of parts p < q < ... at times that do not fall.

        For each length and last part the latest possible start of such a sequence is known at every moment; it fits the window where
        that start does.
        """
        count = len(self.time)
        last = [self._last(np.bincount(self.moment[part == number], minlength=count) > 0) for number in range(parts)]
        starts = [np.where(at < 0, _NEVER, self.time[at]) for at in last]
        longest = np.zeros(count, np.int64)
        for length in range(1, parts + 1):
            latest = np.maximum.reduce(starts)
            longest[latest >= self.time - self._timespan] = length
            reached = np.maximum.accumulate([np.full(count, _NEVER), *starts[:-1]])  # the best over all earlier parts
            starts = [np.where(at < 0, _NEVER, best[at]) for at, best in zip(last, reached, strict=True)]
        return longest

    def _last(self, present: Mask) -> Ints:
        """Of each moment, the last one up to it in its group that is in the mask; -1 where there is none."""
        at = np.maximum.accumulate(np.where(present, np.arange(len(present)), -1))
        found: Ints = np.where(at < self._open, -1, at)
        return found


def _over(values: Floats, begin: Ints, end: Ints, operator: np.ufunc, neutral: float) -> Floats:
    """`operator` over each range of `values`, by halving: every level holds the results of pairs of the level below."""
    begin, end, level = begin.copy(), end.copy(), values
    result = np.full(len(begin), neutral)
    with np.errstate(over="ignore", invalid="ignore"):
        while True:
            inside = np.flatnonzero(begin < end)
            if not len(inside):
                return result
            odd = inside[begin[inside] % 2 == 1]
            result[odd] = operator(result[odd], level[begin[odd]])
            begin[odd] += 1
            odd = inside[(begin[inside] < end[inside]) & (end[inside] % 2 == 1)]
            end[odd] -= 1
            result[odd] = operator(result[odd], level[end[odd]])
            begin, end = begin // 2, end // 2
            level = operator(*np.append(level, [neutral] * (len(level) % 2)).reshape(-1, 2).T)


def quantile(values: Floats, percentile: float) -> float:
    """The value at rank (n - 1) * percentile / 100 of the sorted values, linear between two ranks."""
    ordered = np.sort(values)
    rank = (len(values) - 1) * percentile / 100
    low = int(np.floor(rank))
    left = float(ordered[low])
    return left if rank == low else left + (rank - low) * (float(ordered[low + 1]) - left)


def compared(number: npt.NDArray[np.generic], tests: Sequence[tuple[str, float]]) -> Mask:
    """Where all comparisons hold."""
    operators = {
        "gt": np.greater, "gte": np.greater_equal, "lt": np.less, "lte": np.less_equal, "eq": np.equal, "neq": np.not_equal,
    }  # fmt: skip
    true: Mask = np.logical_and.reduce([operators[name](number, against) for name, against in tests])
    return true


def satisfied(node: Node, seen: Sequence[Mask]) -> Mask:
    """Where a condition over parts holds."""
    if isinstance(node, int):
        return seen[node]
    if isinstance(node, Not):
        return ~satisfied(node.arg, seen)
    args = [satisfied(arg, seen) for arg in node.args]
    true: Mask = np.logical_and.reduce(args) if isinstance(node, And) else np.logical_or.reduce(args)
    return true
