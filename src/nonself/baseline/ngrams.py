"""How surprising a string is, character by character: an interpolated n-gram model, made of whatever strings the self holds.

A string is its UTF-8 bytes, cut to `LENGTH`, with a boundary (byte 0) before and after it. With h_k the k bytes before a byte c:

    P_k(c) = (n(h_k c) + t(h_k) P_{k-1}(c)) / (n(h_k) + t(h_k)),    P_{-1} = 1 / 256,    k = 0 .. ORDER - 1

n counts in the strings, t(h) different bytes seen after h; an h never seen leaves P_{k-1} as it is. This is Witten-Bell smoothing (Witten &
Bell 1991, "The zero-frequency problem", method C; interpolated as in Chen & Goodman 1999): it needs no held-out strings and no tuning,
and who has shown many different continuations is expected to show another.

Strings of a group (a program, a host) have a model of their own on top of that of all strings: it backs off, in equal parts, to its own
shorter contexts and to the population's P_k. A group without strings thus has the population's orders, mixed: half P_3, a quarter P_2...

Counts are sums over distinct strings, so a model is made of the merged self (`pairs`: the days' distinct strings), needs no state of its
own, and a string's own contribution can be taken out exactly.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nonself.baseline.codes import Floats, Ints, Mask, numbered
from nonself.baseline.places import Places

ORDER = 4
"""Longest n-gram: a byte and the three before it."""
LENGTH = 512
"""Bytes read of a string."""
BLOCK, _LEAST = 1 << 20, 64
SYMBOLS = 256
_PAD = bytes(ORDER - 1)
_GRAM = (1 << 8 * ORDER) - 1


@dataclass(frozen=True, slots=True)
class Text:
    """Some strings as one array. `grams` holds, per byte of each (its end included), the last `ORDER` bytes as a number, that byte lowest;
    `owner` the string of each, `size` the bytes of each string, its end included."""

    grams: Ints
    owner: Ints
    size: Ints

    def per_string(self, bits: Floats) -> Floats:
        """Sums of something given per byte."""
        return np.bincount(self.owner, bits, self.size.size).astype(np.float64)


def blocks(strings: Sequence[str]) -> Iterator[slice]:
    """Cuts strings into runs of about `BLOCK` bytes at most: a byte costs some hundred bytes while its probability is worked out."""
    ends = np.cumsum(np.fromiter((max(min(4 * len(s), LENGTH), _LEAST) for s in strings), np.int64, len(strings)))
    cuts = np.searchsorted(ends, np.arange(BLOCK, int(ends[-1]) if len(ends) else 0, BLOCK)).tolist()
    edges = sorted({0, *cuts, len(strings)})
    yield from (slice(start, end) for start, end in itertools.pairwise(edges))


def text(strings: Sequence[str], fold: bytes | None = None) -> Text:
    """Strings as bytes, each first translated by the table `fold` if there is one."""
    cut = [s[:LENGTH].encode("utf-8", "replace")[:LENGTH] for s in strings]
    cut = [s.translate(fold) for s in cut] if fold else cut
    size = np.fromiter(map(len, cut), np.int64, len(cut)) + 1
    flat = np.frombuffer(b"".join(_PAD + s + b"\0" for s in cut), np.uint8).astype(np.int64)
    grams = flat.copy()
    for back in range(1, ORDER):
        grams[back:] += flat[:-back] << (8 * back)
    starts = np.cumsum(size + len(_PAD)) - size
    at = np.repeat(starts - (np.cumsum(size) - size), size) + np.arange(int(size.sum()))
    return Text(grams[at], np.repeat(np.arange(size.size), size), size)


@dataclass(frozen=True, slots=True)
class _Level:
    """Counts of one order: of n-grams and of contexts (both with their group above bit 32), and how many bytes follow each context; of
    each a 0 behind the last, for those never met."""

    grams: Places
    count: Floats
    contexts: Places
    total: Floats
    kinds: Floats

    def of(self, asked: Ints, group: Ints, k: int) -> tuple[Floats, Floats, Floats]:
        """Of each asked n-gram: its count, its context's and how many bytes follow that."""
        key = _keys(asked, group, k)
        behind = self.contexts.of(key >> 8)
        return self.count[self.grams.of(key)], self.total[behind], self.kinds[behind]


@dataclass(frozen=True, slots=True)
class Ngrams:
    """A model, or one per group, as tables of counts; made by `counted`."""

    levels: tuple[_Level, ...]

    def bits(self, strings: Sequence[str], fold: bytes | None = None) -> Floats:
        """What each string says: -log2 of its probability, by the longest contexts and in no group."""
        found = [np.empty(0)]
        for block in blocks(strings):
            read = text(strings[block], fold)
            found.append(read.per_string(-np.log2(self.chain(read.grams, np.zeros_like(read.grams))[-1])))
        return np.concatenate(found)

    def chain(self, asked: Ints, group: Ints, base: Sequence[Floats] | None = None, own: Own | None = None) -> list[Floats]:
        """P_k of every asked gram (in its group) for each k. With `base` this is a group's model over a population's P_k. `own` tells
        what of the counts is the asked strings' own, and left out."""
        p, out = np.full(asked.size, 1.0 / SYMBOLS), []
        for k, level in enumerate(self.levels):
            behind = p if base is None else (p + base[k]) / 2 if k else base[k]
            n, total, kinds = level.of(asked, group, k)
            if own is not None:
                n, total, kinds = own.taken(k, n, total, kinds)
            p = np.where(total > 0, (n + kinds * behind) / np.maximum(total + kinds, 1.0), behind)
            out.append(p)
        return out


def different(grams: Ints, group: Ints) -> tuple[Ints, Ints, Ints]:
    """Each gram of a group once, its group, and which of these each row is: texts say the same few thousand things."""
    at, first = numbered(_keys(grams, group, ORDER - 1))
    return grams[first], group[first], at


def _keys(grams: Ints, group: Ints, k: int) -> Ints:
    return (group << 32) | (grams & ((1 << (8 * k + 8)) - 1))


def counted(grams: Ints, group: Ints, weight: npt.ArrayLike = 1.0) -> Ngrams:
    """The model of some n-grams (numbers as in `Text.grams`), each with its group (0 .. 2^30) and how often it counts."""
    keys, inverse = np.unique(_keys(grams, group, ORDER - 1), return_inverse=True)
    count = np.bincount(inverse, np.broadcast_to(np.asarray(weight, dtype=np.float64), grams.shape), keys.size)
    return Ngrams(tuple(_level(keys, count.astype(np.float64), k) for k in range(ORDER)))


def _level(longest: Ints, counts: Floats, k: int) -> _Level:
    """One order's tables, of the counts of the longest n-grams."""
    keys, inverse = np.unique(_keys(longest & _GRAM, longest >> 32, k), return_inverse=True)
    count = np.bincount(inverse, counts, keys.size).astype(np.float64)
    contexts, behind = np.unique(keys >> 8, return_inverse=True)
    total, kinds = (np.bincount(behind, each, contexts.size).astype(np.float64) for each in (count, None))
    return _Level(Places(keys), np.append(count, 0.0), Places(contexts), np.append(total, 0.0), np.append(kinds, 0.0))


class Own:
    """What each asked string put into the counts itself: of those where `inside`, everything, once.

    Per byte and order k: the number of its n-gram among all of all strings; its context is the n-gram of one byte less that ends before
    it. One sort by the bytes read backwards puts all orders in order at once.
    """

    __slots__ = ("_inside", "_orders", "_owner")

    def __init__(self, asked: Text, inside: Mask) -> None:
        self._owner, self._inside = asked.owner, inside[asked.owner]
        strings = asked.size.size
        # Before each string's first byte stands one of padding, a context as any other.
        at = np.arange(asked.owner.size) + asked.owner + 1
        grams, owner = np.zeros(at.size + strings, np.int64), np.repeat(np.arange(strings), asked.size + 1)
        grams[at] = asked.grams
        backwards = (owner << 32) | grams.astype(np.uint32).byteswap()
        order = np.argsort(backwards)
        self._orders = [self._order(k, backwards, order, at) for k in range(ORDER)]

    def among(self, inside: Mask) -> Own:
        """The same of other strings among the asked."""
        other = copy.copy(self)
        other._inside = inside[self._owner]
        return other

    @staticmethod
    def _order(k: int, backwards: Ints, order: Ints, at: Ints) -> tuple[Ints, Ints, Mask, Ints]:
        """Of each byte: how often its string has its n-gram, and how often that one's context, whether it stands for the n-gram (one byte
        of each does), and the number of the context."""
        ends, before = (_runs(backwards[order] >> (8 * (ORDER - bytes_)), order) for bytes_ in (k + 1, k))
        gram, context = ends[at], before[at - 1]
        first = np.zeros(int(gram.max(initial=-1)) + 1, np.int64)
        first[gram] = np.arange(gram.size)
        once = np.zeros(gram.size, np.bool_)
        once[first[gram]] = True
        return np.bincount(gram)[gram], np.bincount(context)[context], once, context

    def taken(self, k: int, n: Floats, total: Floats, kinds: Floats) -> tuple[Floats, Floats, Floats]:
        """The counts of each byte without it."""
        mine, spent, once, context = self._orders[k]
        lost = np.bincount(context, once & (n <= mine))[context]
        left = [np.maximum(had - own, 0.0) for had, own in ((n, mine), (total, spent), (kinds, lost))]
        if not self._inside.all():
            left = [np.where(self._inside, part, had) for part, had in zip(left, (n, total, kinds), strict=True)]
        n, total, kinds = left
        return n, total, kinds


def _runs(ordered: Ints, order: Ints) -> Ints:
    """The number of each row's run of equal values, by its place before ordering."""
    out = np.empty(order.size, np.int64)
    out[order] = np.cumsum(np.diff(ordered, prepend=-1) != 0) - 1
    return out
