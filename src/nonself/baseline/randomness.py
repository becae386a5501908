"""Where a string looks random: the stretch of it that a plain alphabet describes best, against what a model of strings expects.

Given what each byte costs under a model (-log2 of its probability), the evidence of a stretch and an alphabet is

    sum over its bytes of (cost - log2 size of the alphabet) - log2 (number of alphabets) - log2 (number of stretches of the string)

for alphabets that hold all its bytes. That is the log2 of a likelihood ratio, random against the model, less the price of having chosen: an
e-value, so by chance alone it exceeds b bits at most once in 2^b strings of the model (Grunwald, de Heide & Koolen 2024, "Safe testing").
The best stretch is found in one pass (Kadane's algorithm) over all strings at once.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

import numpy as np

from nonself.baseline.codes import Floats, Ints
from nonself.baseline.ngrams import Text

_LETTERS, _DIGITS = string.ascii_lowercase, string.digits
ALPHABETS: tuple[str, ...] = (
    _DIGITS,
    _DIGITS + "abcdef",
    _LETTERS,
    _DIGITS + _LETTERS,
    string.ascii_letters,
    string.ascii_letters + _DIGITS,
    string.ascii_letters + _DIGITS + "+/=",
    string.ascii_letters + _DIGITS + "-_",
)
"""What random names and encoded data are written in."""


def best(text: Text, costs: Sequence[Floats]) -> tuple[Floats, Ints, Ints]:
    """Per string: evidence in bits of its best stretch, at least 0, and the first byte of this and the one after its last. Of several
    models (the orders of one, say), each with its costs, the most forgiving decides."""
    found = [_best(text, cost) for cost in costs]
    kindest = np.argmin([bits for bits, _, _ in found], axis=0)
    bits, first, end = (np.choose(kindest, [part[i] for part in found]) for i in range(3))
    size = np.maximum(text.size - 1, 1).astype(np.float64)
    price = np.log2(len(ALPHABETS)) + np.log2(size * (size + 1.0) / 2.0)
    return np.maximum(bits - price, 0.0), first, end


def _best(text: Text, cost: Floats) -> tuple[Floats, Ints, Ints]:
    """Under one model, the price not yet paid."""
    width, strings = int(text.size.max(initial=1)), text.size.size
    place = np.arange(text.owner.size) - np.repeat(np.cumsum(text.size) - text.size, text.size)
    symbols, costs = np.zeros((width, strings), np.uint8), np.zeros((width, strings))
    symbols[place, text.owner], costs[place, text.owner] = text.grams & 0xFF, cost
    found, first, end = np.zeros(strings), np.zeros(strings, np.int64), np.zeros(strings, np.int64)
    for alphabet in ALPHABETS:
        bits, start, stop = _longest(symbols, costs, alphabet)
        better = bits > found
        found, first, end = np.where(better, bits, found), np.where(better, start, first), np.where(better, stop, end)
    return np.asarray(found, dtype=np.float64), np.asarray(first, dtype=np.int64), np.asarray(end, dtype=np.int64)


def _longest(symbols: np.ndarray[tuple[int, int], np.dtype[np.uint8]], costs: Floats, alphabet: str) -> tuple[Floats, Ints, Ints]:
    """Per column: the largest sum of gains in a row, where it starts and where it stops."""
    member = np.zeros(256, np.bool_)
    member[list(alphabet.encode())] = True
    gains = np.where(member[symbols], costs - np.log2(len(alphabet)), -np.inf)
    wide = symbols.shape[1]
    running, since = np.zeros(wide), np.zeros(wide, np.int64)
    most, first, end = np.zeros(wide), np.zeros(wide, np.int64), np.zeros(wide, np.int64)
    for i, gain in enumerate(gains):
        anew = running <= 0.0
        running, since = np.where(anew, 0.0, running) + gain, np.where(anew, i, since)
        better = running > most
        most, first, end = np.where(better, running, most), np.where(better, since, first), np.where(better, i + 1, end)
    return most, first, end
