"""The primitive `information`: a string that says far more than strings here do, or that looks random where they do not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from nonself.baseline import keys, levels, ngrams, pairs, randomness, rareness, tails
from nonself.baseline.codes import Floats, Ints, Mask, combined, found
from nonself.baseline.keys import numbered
from nonself.baseline.ngrams import Text
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import example, rows
from nonself.detect.contract import Example
from nonself.detect.rare import delta
from nonself.detect.spec import Spec
from nonself.detect.told import private, scores
from nonself.detect.view import View

MOST = 2_000_000
"""Bytes of different strings that the population's model is made of at most, and that of the asked y's: a fair sample, by their hashes."""
REFERENCE = 2_000
"""Of the population's strings, as many as tell what strings usually say."""
GRAIN = 20.0
"""Bits below which differences between strings do not matter: a short word."""
NEW_WINDOWS = 7
"""Windows in which a string of Y is still news, though Y showed it before."""
_SHOWN = 40
STRINGS_PER_DAY = 40
"""Strings kept of a y and day at most, where there is more than one y: a sample by hash, of which models are made as well as of all."""
_ROW_BYTES = 2 * (keys.MAX_BYTES + 16) + 16


class Information:
    """How surprising x is under n-gram models of the strings that this y and others show, x itself left out of both.

    Formula: score = -log2(w + (1 - w) 2^-b). With P y's model, backed off to the population's (`baseline.ngrams`), b is by `measure`
    surprise     -log2 P(T >= (u - c) / s), T Student's t with 4 degrees of freedom, u = ln(1 + (-log2 P(x)) / 20 bits), c and s the median
                 and 1.4826 MAD (at least ln 2) of the same under the population's model over the strings known here
    randomness   max over stretches of x and alphabets A of sum (-log2 P(byte | bytes before) - log2 |A|), less log2 (stretches x
                 alphabets), at least 0, of the order of P that gives least (`baseline.randomness`)
    w = v / (v + 1), v = other y that show the same x, and windows beyond the seventh in which this y did: what is strange but always the
    same is a name here.
    Unit: bits. 0 where no other string is known. Randomness: about 2 bits a character of a random name, 1 of encoded data.
    Reference: Witten & Bell 1991; Cleary & Witten 1984 (text models); Grunwald, de Heide & Koolen 2024 (e-values).
    Cost: one pass over the self's rows; about 1 us for each byte of the different strings scored and of the y's they belong to.
    Reasons: surprise under the population's model; what y's own strings add or take back; what is known of this very string.
    """

    __slots__ = ("_most", "attack", "bytes_per_entity", "classes", "columns", "name", "spec", "title")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name, self.title, self.attack, self.columns = spec.name, spec.title, spec.attack, spec.columns
        self.classes = spec.classes
        self._most = STRINGS_PER_DAY if spec.over else pairs.X_PER_DAY
        self.bytes_per_entity = self._most * _ROW_BYTES

    def learn(self, events: Events | View) -> Delta:
        """Columns day, y, x, slots (bit mask of the windows in which y showed x): the strings themselves, of which models are made."""
        chosen = rows.chosen(events, self.spec, evidence=False)
        return delta(chosen, most=self._most) if chosen else pairs.merge([])

    def merge(self, deltas: list[Delta]) -> Delta:
        """Union of the masks; at most `STRINGS_PER_DAY` x per y and day (`X_PER_DAY` where the organisation is the only y)."""
        return pairs.merge(deltas, most=self._most)

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """One row per window (y, x, hour or day). A string is no part of the models it is held against, so `included` changes nothing."""
        chosen = rows.chosen(events, self.spec)
        if chosen is None:
            return pl.DataFrame(schema=_SCORES)
        groups = rows.grouped(chosen.day, chosen.part(chosen.y), chosen.part(chosen.x), chosen.slot)
        odd = _odd(pl.DataFrame(rows.named_keys(chosen, self.spec, groups.first)), self_, self.spec)
        score = odd["score"].to_numpy()
        return scores((chosen, self.spec, groups), score, private(odd.drop("score").rename("_{}".format), self.spec), _SCORES, floor)

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """Per row: how random among all strings, among y's own, and whether it is known here. Bits add up to the score."""
        return [self._reasons(row) for row in scores.select(*_READ).iter_rows(named=True)]

    def _reasons(self, row: Mapping[str, Any]) -> tuple[Reason, ...]:
        spec = self.spec
        part = f"; most of all: {row['_stretch']}" if row["_stretch"] else ""
        among = Reason(
            feature=f"{spec.measure} of the {spec.thing}",
            seen=f"{row['_what']} ({row['_said']:.0f} bits){part}",
            normal=f"usually {row['_usual']:.0f} bits (median of {row['_strings']:,} known, of {row['_ys']:,} other {spec.peers})",
            bits=row["_bits_all"],
        )
        own = Reason(
            feature=f"{spec.thing} for this {spec.peer}",
            seen=row["_what"],
            normal=f"{row['_mine']:,} different ones of this {spec.peer} are known",
            bits=row["_bits"] - row["_bits_all"],
        )
        same = Reason(
            feature="known here",
            seen=row["_what"],
            normal=f"{row['_others']:,} other {spec.peers} show the same; {row['_c']:,} other windows of this {spec.peer} do",
            bits=row["score"] - row["_bits"],
        )
        return (among, own, same) if spec.over else (among, same)

    def example(self) -> Example:
        """Normal and odd events from the content table."""
        return example.build(self.spec)


_PRIVATE: dict[str, pl.DataType] = {
    "_bits_all": pl.Float64(),
    "_bits": pl.Float64(),
    "_said": pl.Float64(),
    "_usual": pl.Float64(),
    "_stretch": pl.String(),
    "_strings": pl.Int64(),
    "_mine": pl.Int64(),
    "_c": pl.Int64(),
    "_others": pl.Int64(),
    "_ys": pl.Int64(),
    "_what": pl.String(),
}
_SCORES = {**SCORES, **_PRIVATE}
_READ = ("score", *_PRIVATE)


def _odd(windows: pl.DataFrame, known: Delta, spec: Spec) -> pl.DataFrame:
    """Row for row of `windows`: score, and the private columns without the underscore, save what."""
    held = rareness.witnesses(windows, known)
    (y, asked_y), (x, asked_x) = (numbered(known[key], windows[key]) for key in ("y", "x"))
    which, first = combined([asked_y, asked_x])
    others = held["others"].to_numpy()
    models = _Models(known["x"], y, x, asked_y[first], asked_x[first], spec)
    order = np.argsort(models.holds(asked_y[first], asked_x[first]), kind="stable")
    which, first = _inverse(order)[which], first[order]
    asked, apart = windows["x"].gather(first).to_list(), others[first] == 0
    blocks = ngrams.blocks(asked)
    found = pl.concat([models.told(asked[block], asked_y[first[block]], asked_x[first[block]], apart[block]) for block in blocks])
    nothing = (found["strings"] == 0).to_numpy()
    votes = others + np.maximum(held["c"].to_numpy() - NEW_WINDOWS, 0)
    bits_all, bits = (np.where(nothing, 0.0, found[name].to_numpy())[which] for name in ("bits_all", "bits"))
    rest = found.drop("bits_all", "bits")[which].to_dict(as_series=True)
    return pl.DataFrame({"score": tails.doubted(bits, votes), "bits_all": bits_all, "bits": bits, **rest, **held.to_dict()})


def _inverse(order: Ints) -> Ints:
    out = np.empty(order.size, np.int64)
    out[order] = np.arange(order.size)
    return out


class _Models:
    """The models of the population and of the asked y's, made of the strings that the self holds: `MOST` bytes of each at most."""

    def __init__(self, strings: pl.Series, y: Ints, x: Ints, asked_y: Ints, asked_x: Ints, spec: Spec) -> None:
        self._spec, self._wide = spec, 1 + int(max(x.max(initial=0), asked_x.max(initial=0)))
        hashed = _hashes(strings, x)
        at = _sampled(strings, np.unique(x, return_index=True)[1], hashed[x])
        population = strings.gather(at).to_list()
        self._known, every = np.sort(x[at]), ngrams.text(population)
        self._population = ngrams.counted(every.grams, np.zeros_like(every.grams))
        sample = ngrams.text(population[:REFERENCE])
        left_out = ngrams.Own(sample, np.ones(sample.size.size, np.bool_))
        usual = self._population.chain(sample.grams, np.zeros_like(sample.grams), own=left_out)
        self._usual = sample.per_string(-np.log2(usual[-1]))
        here = np.flatnonzero(np.isin(y, asked_y)) if spec.over else np.empty(0, np.int64)
        pair = y[here] * self._wide + x[here]
        at = here[_sampled(strings.gather(here), np.unique(pair, return_index=True)[1], hashed[x[here]])]
        own, self._pairs = ngrams.text(strings.gather(at).to_list()), np.sort(y[at] * self._wide + x[at])
        self._own = ngrams.counted(own.grams, y[at][own.owner])

    def holds(self, y: Ints, x: Ints) -> Mask:
        """Whether any of the models was made of the string, by its y and number."""
        return (found(self._known, x) >= 0) | (found(self._pairs, y * self._wide + x) >= 0)

    def told(self, strings: list[str], y: Ints, x: Ints, apart: Mask) -> pl.DataFrame:
        """Per string, of y and numbered x: bits of evidence by everybody's model (bits_all), and by its y's own on top of it (bits), what
        it says in bits (said) beside what strings say (usual), the stretch that tells most, and how many others are known, and of its y
        (mine). Strings `apart` are of no other y."""
        text, known, inside = ngrams.text(strings), found(self._known, x) >= 0, found(self._pairs, y * self._wide + x) >= 0
        theirs, ours = self._costs(text, y, apart & known, inside)
        among_all = self._evidence(strings, text, theirs)
        bits, stretch = self._evidence(strings, text, ours) if self._spec.over else among_all
        held, n = np.unique(self._pairs // self._wide, return_counts=True)
        usual = float(np.median(self._usual)) if self._usual.size else 0.0
        columns = {
            "bits_all": among_all[0], "bits": bits, "said": text.per_string(ours[-1]), "usual": np.full(y.size, usual),
            "strings": self._known.size - known.astype(np.int64), "mine": np.append(n, 0)[found(held, y)] - inside,
        }  # fmt: skip
        return pl.DataFrame({**columns, "stretch": pl.Series(stretch, dtype=pl.String)})

    def _costs(self, text: Text, y: Ints, known: Mask, inside: Mask) -> tuple[list[Floats], list[Floats]]:
        """-log2 P_k of each byte for each order k, by everybody's model and by its y's: those strings left out of which the first was
        made (`known`), and the second (`inside`). Where none was, each different n-gram is asked for once."""
        grams, group, at = text.grams, y[text.owner] if self._spec.over else np.zeros_like(text.grams), np.arange(text.grams.size)
        own = ngrams.Own(text, known) if (known | inside).any() else None
        if own is None:
            grams, group, at = ngrams.different(grams, group)
        theirs = ours = self._population.chain(grams, np.zeros_like(grams), own=own)
        if self._spec.over:
            ours = self._own.chain(grams, group, base=theirs, own=own.among(inside) if own else None)
        orders = slice(None) if self._spec.measure == "randomness" else slice(-1, None)
        by_all, by_own = ([-np.log2(p)[at] for p in each[orders]] for each in (theirs, ours))
        return by_all, by_own

    def _evidence(self, strings: list[str], text: Text, costs: list[Floats]) -> tuple[Floats, list[str]]:
        """Bits by the measure asked for, and the stretch that shows it, if one does."""
        if self._spec.measure == "randomness":
            bits, start, end = randomness.best(text, costs)
            parts = zip(strings, start, end, strict=True)
            return bits, [string.encode("utf-8", "replace")[i:j][:_SHOWN].decode("utf-8", "replace") for string, i, j in parts]
        centre, spread = levels.middle(np.log1p(self._usual / GRAIN))
        return levels.tail(np.log1p(text.per_string(costs[-1]) / GRAIN) - centre, spread), [""] * len(strings)


def _hashes(strings: pl.Series, number: Ints) -> npt.NDArray[np.uint64]:
    """The hash of each string, by its number."""
    out = np.zeros(int(number.max(initial=-1)) + 1, np.uint64)
    met, first = np.unique(number, return_index=True)
    out[met] = keys.hashes(strings.gather(first)).to_numpy()
    return out


def _sampled(strings: pl.Series, at: Ints, hashed: npt.NDArray[np.uint64]) -> Ints:
    """Of the strings at these places as many as `MOST` bytes hold, in the order of their hashes: a fair sample."""
    at = at[np.argsort(hashed[at], kind="stable")]
    size = strings.gather(at).str.len_bytes().cast(pl.Int64).to_numpy()
    return at[np.cumsum(np.minimum(size, ngrams.LENGTH)) <= MOST]
