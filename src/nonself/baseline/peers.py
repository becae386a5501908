"""Peers: which y are alike by what they do, found in the merged self alone.

Two y are as alike as the x they share weigh, of all x that either showed: a weighted Jaccard index, an x weighing ln((1 + Y) / Y_x), Y
being the number of y and Y_x of those that showed it, since what all do tells nobody apart (inverse document frequency, Sparck Jones
1972). Groups are balls around leaders: the leader of the next group is the y of most weight that no group holds yet, and a y
belongs to the leader it is most like, if `ALIKE` or more (Hartigan 1975, "Clustering Algorithms", 3: leader algorithm).

A pure function of the pairs, so of the merged self, however it was merged; what is scored is part of it, once learnt. Bounded: at most
`LEADERS` groups, one pass over the pairs for each. Groups of fewer than `SMALLEST` are none: one other y that does the same may be the
same intruder.
"""

from __future__ import annotations

import numpy as np

from nonself.baseline.codes import Ints

ALIKE = 0.25
LEADERS = 64
SMALLEST = 3


def groups(y: Ints, x: Ints, ys: int) -> Ints:
    """The group of each y (0 to `ys` - 1), -1 for none, given the pairs (y, x), each once and in order of y."""
    shown_by = np.bincount(x)
    weigh = np.log((1.0 + ys) / np.maximum(shown_by, 1))
    each, starts = weigh[x], np.searchsorted(y, np.arange(ys + 1))
    weight = np.bincount(y, each, ys)
    group, best = np.full(ys, -1), np.zeros(ys)
    for number in range(LEADERS):
        free = np.where((group < 0) & (weight > 0.0), weight, 0.0)
        leader = int(free.argmax()) if ys else 0
        if not ys or free[leader] == 0.0:
            break
        shared = np.zeros(weigh.size)
        own = x[starts[leader] : starts[leader + 1]]
        shared[own] = weigh[own]
        both = np.bincount(y, shared[x], ys)
        alike = both / np.maximum(weight + weight[leader] - both, 1e-12)
        alike[leader] = np.inf
        nearer = (alike >= ALIKE) & (alike > best)
        group[nearer], best[nearer] = number, alike[nearer]
    size = np.bincount(group[group >= 0], minlength=1)
    return np.where((group >= 0) & (size[group] >= SMALLEST), group, -1)
