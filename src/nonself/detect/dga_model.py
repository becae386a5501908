"""Does a name look machine made? How much better it fits names that algorithms make than names that people choose.

A name is the label that somebody registered (`example` of `www.example.co.uk`) and its public suffix. Its features are the bits that a
model of names people choose (`baseline.ngrams`) gives it, in whole and at the worst and best places; how much of it is words, and words
that many sites call themselves by (`Lexicon`); and what any eye sees: length, vowels, digits, runs of consonants, letters used. A
multinomial logistic model says what class of name these features suggest: chosen by people, or of one of the classes of algorithms that
`lab.names_machines` lists. The evidence is their likelihood ratio,

    bits = log2 (sum of p(machine class | name)) - log2 p(people | name)

(half of the training names are machine made), and the class with the largest share is what the name looks like. Weights and n-grams are
in `dga_model.npz`, made by `scripts/dga_model` from generated names alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt
import polars as pl

from nonself.baseline import ngrams
from nonself.baseline.codes import Floats, Ints
from nonself.baseline.ngrams import Ngrams, Text

LONGEST = 63
"""Characters read of a label, as many as DNS allows."""
_KEPT = "abcdefghijklmnopqrstuvwxyz-"
FOLD = bytes(ord(c if c in _KEPT else "0" if c in "0123456789" else "~") for c in (chr(i).lower() for i in range(128))) + b"~" * 128
"""Letters in lower case; one digit for all digits, one byte for everything else."""
_PLACE = 3
"""Bytes in a row whose bits tell the worst and the best place of a name."""
_WORD = 3
"""Letters of the shortest word looked for; so short ones are found by chance too."""
UNKNOWN = ""
"""The suffix of a name given without one."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words that names are made of, and those among or beside them that many sites call themselves by."""

    words: pl.Series
    usual: pl.Series

    @classmethod
    def of(cls, words: Iterable[str], usual: Iterable[str]) -> Lexicon:
        """Each of `_WORD` letters or more once, hyphens left out, longest first: of words that begin at one place the first is found."""
        bare = ({plain for word in some if len(plain := word.replace("-", "")) >= _WORD} for some in (words, usual))
        return cls(*(pl.Series(sorted(some, key=lambda word: (-len(word), word))) for some in bare))

    def features(self, labels: Sequence[str], size: Floats) -> Floats:
        """One row a label of `size` characters. Words are taken from the left, the longest that begins there first: shares of it that are
        words, and words of more than `_WORD` letters; how long the longest is; how many there are of more than `_WORD`; the share that is
        usual words; whether there is one."""
        column = pl.Series("label", [label[:LONGEST].lower() for label in labels], dtype=pl.String)
        (owner, long), (whose, usual) = (_found(column, words) for words in (self.words, self.usual))
        count, longest = len(labels), np.zeros(len(labels))
        np.maximum.at(longest, owner, long)
        more = long > _WORD
        shares = [np.bincount(at, some, count) / size for at, some in ((owner, long), (owner, long * more), (whose, usual))]
        return np.column_stack([*shares, longest, np.bincount(owner, more, count), np.bincount(whose, minlength=count) > 0])


def _found(labels: pl.Series, words: pl.Series) -> tuple[Ints, Floats]:
    """Each word found in each label: the label's row, and how long the word is."""
    found = labels.to_frame().select(pl.col("label").str.extract_many(words.implode(), leftmost=True)).to_series()
    owner = np.repeat(np.arange(labels.len()), found.list.len().to_numpy())
    return owner, found.explode().drop_nulls().str.len_bytes().to_numpy().astype(np.float64)


@dataclass(frozen=True, slots=True)
class Model:
    """`people`: n-grams of names people choose; `lexicon`: their words; `centre`, `scale`: of the features; `weights`: one row per class
    (people first), the last column its constant; `classes`: what they are called; `suffixes`: log2 of how much more often machines take a
    suffix than people."""

    people: Ngrams
    lexicon: Lexicon
    centre: Floats
    scale: Floats
    weights: Floats
    classes: tuple[str, ...]
    suffixes: dict[str, float]

    def bits(self, labels: Sequence[str], suffixes: Sequence[str]) -> tuple[Floats, Ints]:
        """Per name: evidence in bits that it is machine made, and the class (index into `classes`) that it looks most like."""
        bits, kinds = [np.empty(0)], [np.empty(0, np.int64)]
        for block in ngrams.blocks(labels):
            logits = expanded(self.features(labels[block], suffixes[block]), self.centre, self.scale) @ self.weights.T
            bits.append((np.logaddexp.reduce(logits[:, 1:], axis=1) - logits[:, 0]) / np.log(2.0))
            kinds.append(1 + np.argmax(logits[:, 1:], axis=1))
        return np.concatenate(bits), np.concatenate(kinds)

    def features(self, labels: Sequence[str], suffixes: Sequence[str]) -> Floats:
        """One row per name."""
        return np.column_stack([features(self.people, self.lexicon, labels), [self.suffixes.get(suffix, 0.0) for suffix in suffixes]])


@cache
def shipped() -> Model:
    """The model that comes with the package."""
    with resources.files("nonself.detect").joinpath("dga_model.npz").open("rb") as file, np.load(file, allow_pickle=False) as kept:
        grams = kept["grams"].astype(np.int64)
        suffixes = dict(zip(kept["suffixes"].tolist(), kept["suffix_bits"].tolist(), strict=True))
        people = ngrams.counted(grams, np.zeros_like(grams), kept["counts"])
        lexicon = Lexicon(*(pl.Series(bytes(kept[name]).decode().split()) for name in ("words", "usual")))
        return Model(people, lexicon, kept["centre"], kept["scale"], kept["weights"], tuple(kept["classes"].tolist()), suffixes)


def expanded(features: Floats, centre: Floats, scale: Floats) -> Floats:
    """Features scaled, with their squares and products, and a constant."""
    z = np.clip((features - centre) / scale, -4.0, 4.0)
    first, second = np.triu_indices(z.shape[1])
    return np.column_stack([z, z[:, first] * z[:, second], np.ones(len(z))])


def features(people: Ngrams, lexicon: Lexicon, labels: Sequence[str]) -> Floats:
    """What is measured of each label, one row each."""
    read = ngrams.text([label[:LONGEST] for label in labels], FOLD)
    chain = [-np.log2(p) for p in people.chain(read.grams, np.zeros_like(read.grams))]
    size = np.maximum(read.size - 1, 1).astype(np.float64)
    sums = [read.per_string(bits) for bits in chain]
    worst, best = _places(read, chain[-1])
    return np.column_stack(
        [np.log(size), sums[3] / size, (sums[1] - sums[3]) / size, sums[0] / size, sums[3], worst, best, *_seen(labels, size),
         lexicon.features(labels, size)]
    )  # fmt: skip


def _places(read: Text, bits: Floats) -> tuple[Floats, Floats]:
    """Most and fewest bits of `_PLACE` bytes in a row, per string."""
    total = np.append(0.0, np.cumsum(bits))
    first = np.cumsum(read.size) - read.size
    start = np.maximum(np.arange(bits.size) - _PLACE + 1, first[read.owner])
    window = total[1:] - total[start]
    return np.maximum.reduceat(window, first), np.minimum.reduceat(
        np.where(np.arange(bits.size) - start == _PLACE - 1, window, np.inf), first
    ).clip(0, 40)


def _seen(labels: Sequence[str], size: Floats) -> list[Floats]:
    """Shares of vowels, digits and hyphens, of hexadecimal names, of different characters; longest run of consonants; turns to digits."""
    table = np.array([_look(label[:LONGEST].lower()) for label in labels], dtype=np.float64).reshape(len(labels), 7)
    vowels, digits, hyphens, run, turns, different, hexadecimal = table.T
    return [vowels / size, digits / size, hyphens / size, run, turns / size, different / size, hexadecimal]


def _look(label: str) -> tuple[int, int, int, int, int, int, int]:
    run = longest = turns = 0
    before = ""
    for c in label:
        run = run + 1 if c in "bcdfghjklmnpqrstvwxz" else 0
        longest = max(longest, run)
        turns += before != "" and c.isdigit() != before.isdigit()
        before = c
    vowels, digits = sum(c in "aeiouy" for c in label), sum(c.isdigit() for c in label)
    hexadecimal = len(label) >= 7 and digits > 0 and all(c in "0123456789abcdef" for c in label)
    return vowels, digits, label.count("-"), longest, turns, len(set(label)), hexadecimal


def _text(words: pl.Series) -> npt.NDArray[np.uint8]:
    return np.frombuffer(" ".join(words.to_list()).encode(), np.uint8)


def as_arrays(model: Model, grams: Ints, counts: Ints) -> dict[str, npt.NDArray[np.generic]]:
    """What `shipped` reads."""
    return {
        "grams": grams.astype(np.uint32), "counts": counts.astype(np.uint16), "centre": model.centre, "scale": model.scale,
        "weights": model.weights.round(4), "classes": np.array(model.classes), "suffixes": np.array(list(model.suffixes)),
        "suffix_bits": np.array(list(model.suffixes.values())),
        "words": _text(model.lexicon.words), "usual": _text(model.lexicon.usual),
    }  # fmt: skip
