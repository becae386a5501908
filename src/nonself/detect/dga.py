"""The specialist `dga`: a machine that asks for domains of the kind that algorithms make, many of which nobody has registered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline import keys, ngrams, pairs, tails
from nonself.baseline.codes import Floats, Ints, Mask, found
from nonself.baseline.keys import numbered
from nonself.baseline.ngrams import Ngrams
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import dga_model, example, rows
from nonself.detect.contract import Example
from nonself.detect.spec import Spec
from nonself.detect.told import private, scores
from nonself.detect.view import View

ONE_NAME = 7.0
"""Bits that one name says at most, for or against: somebody may well have chosen it."""
FAILS = 0.9
"""Share of an algorithm's names that do not exist: its owner registers few of them."""
SHARES = (0.5, 0.125, 1 / 32, 1 / 128)
"""Shares of a machine's names that an algorithm may have made, each as likely as the others."""
LEAST_FAILING = 0.02
"""Least share of failing domains that others are taken to have: a slip of the keys happens to anybody."""
VICTIMS = 10
"""Machines that ask for a domain that does not exist, before they vouch for each other: a botnet may have that many here."""
NEW_DAYS = 7
"""Days for which a machine's asking for a domain is still news."""
SITE_NAMES = 20_000
"""Names known here, of which the model of this site is made, at most: those that most machines ask for."""
_HELD: dict[str, pl.DataType] = {
    "day": pl.Date(),
    "y": pl.String(),
    "x": pl.String(),
    "slots": pl.UInt32(),
    "failed": pl.UInt32(),
    "exists": pl.UInt32(),
}
_KEYS = ["day", "y", "x"]
_MASKS = ("slots", "failed", "exists")
_ROW_BYTES = 2 * (keys.MAX_BYTES + 16) + 16


class Dga:
    """How much likelier all the domains a machine asked for in a day are, if an algorithm made some of them, than if people chose all.

    Formula: score = log2 mean over shares s of prod over domains of (1 - s + s 2^b), at least 0; s in 1/2, 1/8, 1/32, 1/128. b of a domain
    = L - G + F, doubted, at most 7 either way. L = log2 P(name | an algorithm) / P(name | people) (`detect.dga_model`). G = what a model of
    the names that several machines here ask for takes back of it, log2 (1/2 + 1/2 P(name | site) / P(name | people)), at least 0. F = log2
    of how much more often an algorithm's names do not exist (9 in 10) than those other machines ask for, or do exist. Doubt: b becomes
    -log2(w + (1 - w) 2^-b), w = v / (v + 1), v = other machines that ask for it, beyond the first (or the tenth, if it does not exist), and
    earlier days on which this one did, beyond the seventh.
    Unit: bits. 0 where nothing is known yet.
    Reference: Antonakakis et al. 2012 (bots ask for many names that do not exist); Vovk & Wang 2021 (products of e-values are e-values).
    Cost: one pass over the self's rows (day, y, x); about 40 us for each different name.
    Reasons: how the names look; which of them do not exist; and what is known here.
    """

    __slots__ = ("attack", "bytes_per_entity", "classes", "columns", "name", "spec", "title")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name, self.title, self.attack, self.columns = spec.name, spec.title, spec.attack, tuple(sorted({*spec.columns, "rcode"}))
        self.classes = spec.classes
        self.bytes_per_entity = pairs.X_PER_DAY * _ROW_BYTES

    def learn(self, events: Events | View) -> Delta:
        """Columns day, y, x, and bit masks of the hours in which y asked for x (slots), was told that it does not exist (failed), or that
        it does (exists)."""
        chosen = rows.chosen(events, self.spec, evidence=False)
        return pairs.bounded(_delta(chosen, self.spec)) if chosen else self.merge([])

    def merge(self, deltas: list[Delta]) -> Delta:
        """Union of the masks; at most `X_PER_DAY` x per y and day."""
        parts = [delta.select(*_HELD) for delta in deltas if delta.height]
        return pairs.bounded(_united(parts)) if parts else pl.DataFrame(schema=_HELD)

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """One row per y and day, told by all domains that y asked for on that day. A union of masks counts each once, so `included` changes
        nothing; and what y did on that day never vouches for it."""
        chosen = rows.chosen(events, self.spec)
        if chosen is None:
            return pl.DataFrame(schema=_SCORES)
        groups = chosen.grouped("day", "y")
        first = groups.first
        asked = pl.DataFrame({"day": chosen.day[first].astype(np.int32), "y": chosen.y.strings(chosen.at[first])})
        asked = asked.with_columns(pl.col("day").cast(pl.Date))
        # Not bounded: a machine that the self has no room for is scored all the same.
        odd = _odd(asked, _united([self_.select(*_HELD), _delta(chosen, self.spec)]), blank=not self_.height)
        told = private(odd.drop("score").rename("_{}".format), self.spec, pl.col("_made").cast(pl.String))
        return scores((chosen, self.spec, groups), odd["score"].to_numpy(), told, _SCORES, floor)

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """Per row: the names' looks, whether they exist, and what is known here. Bits add up to the score."""
        return [self._reasons(row) for row in scores.select(*_READ).iter_rows(named=True)]

    def _reasons(self, row: Mapping[str, Any]) -> tuple[Reason, ...]:
        looks = Reason(
            feature="how the domains look",
            seen=f"{row['_what']}, of {row['_asked']:,} in all: {row['_names']}",
            normal="names that people choose",
            bits=row["_looks"],
        )
        exist = Reason(
            feature="domains that do not exist",
            seen=f"{row['_failed']:,} of them do not exist",
            normal=f"{row['_usual']:.0%} of the domains that other {self.spec.peers} ask for",
            bits=row["_open"] - row["_looks"],
        )
        here = Reason(
            feature="known here",
            seen=f"{row['_known']:,} of them are asked for by other {self.spec.peers} too, or by this one for long",
            normal="what several ask for is how things are here",
            bits=row["score"] - row["_open"],
        )
        return (looks, exist, here)

    def example(self) -> Example:
        """Normal and odd events from the content table."""
        return example.build(self.spec)


_PRIVATE: dict[str, pl.DataType] = {
    "_looks": pl.Float64(),
    "_open": pl.Float64(),
    "_made": pl.Int64(),
    "_asked": pl.Int64(),
    "_failed": pl.Int64(),
    "_known": pl.Int64(),
    "_usual": pl.Float64(),
    "_names": pl.String(),
    "_what": pl.String(),
}
_SCORES = {**SCORES, **_PRIVATE}
_READ = ("score", *_PRIVATE)


def _delta(chosen: rows.Chosen, spec: Spec) -> Delta:
    groups = chosen.grouped("day", "y", "x")
    named = rows.named_keys(chosen, spec, groups.first)
    rcode = pl.col("rcode").str.to_uppercase()
    bit = np.left_shift(1, chosen.slot)
    masks = {"slots": bit}
    for name, code in (("failed", "NXDOMAIN"), ("exists", "NOERROR")):
        masks[name] = bit * chosen.view.passes(rcode == code)[chosen.at]
    united = {name: np.bitwise_or.reduceat(mask[groups.order], groups.starts).astype(np.uint32) for name, mask in masks.items()}
    return pl.DataFrame({**{name: named[name] for name in _KEYS}, **united})


def _united(tables: list[Delta]) -> Delta:
    """The masks of the same day, y and x as one."""
    return pl.concat(tables).group_by(_KEYS).agg(pl.col(*_MASKS).bitwise_or()).select(*_HELD).sort(_KEYS)


def _odd(told: pl.DataFrame, known: Delta, *, blank: bool) -> pl.DataFrame:
    """Row for row of `told` (columns day, y): score, and the private columns without the underscore, save what."""
    held, size = _Held.of(known, told), told.height
    at = np.flatnonzero(held.row >= 0)
    owner = held.row[at]
    _, first, which = np.unique(held.x[at], return_index=True, return_inverse=True)
    names = known["x"].gather(at[first])
    looks, taken = _looks(names, held.popular(known["x"]))
    exist, votes = held.existence()[at], held.votes()[at]
    parts = (looks[which], looks[which] + exist, tails.doubted(looks[which] - taken[which] + exist, votes))
    sums = [np.zeros(size) if blank else _together(np.clip(part, -ONE_NAME, ONE_NAME), owner, size) for part in parts]
    asked, made, failed, familiar = (np.bincount(owner, part, size) for part in (owner >= 0, parts[2] > 1, held.failed[at], votes > 0))
    columns = {
        "score": sums[2], "looks": sums[0], "open": sums[1], "made": made.astype(np.int64), "asked": asked.astype(np.int64),
        "failed": failed.astype(np.int64), "known": familiar.astype(np.int64), "usual": np.bincount(owner, held.usual()[at], size) / asked,
        "names": _oddest(names.gather(which), parts[2], owner),
    }  # fmt: skip
    return pl.DataFrame(columns)


@dataclass(frozen=True, slots=True)
class _Held:
    """The self's rows: numbers of y and x, day, which row of the asked ones (day, y) each belongs to (-1: none), and whether the domain
    does not exist, or does (neither: nobody said)."""

    y: Ints
    x: Ints
    day: Ints
    row: Ints
    failed: Mask
    exists: Mask

    @classmethod
    def of(cls, known: Delta, told: pl.DataFrame) -> _Held:
        y, asked_y = numbered(known["y"], told["y"])
        (x,) = numbered(known["x"])
        day, asked_day = (table["day"].cast(pl.Int32).to_numpy().astype(np.int64) for table in (known, told))
        key, asked = (one * 2**23 + when + 2**22 for one, when in ((y, day), (asked_y, asked_day)))
        order = np.argsort(asked)
        failed, exists = (known[name].to_numpy() > 0 for name in ("failed", "exists"))
        return cls(y, x, day, np.append(order, -1)[found(asked[order], key)], failed & ~exists, exists)

    def askers(self) -> Ints:
        """Per x: how many y asked for it, on whatever day."""
        wide = int(self.x.max(initial=0)) + 1
        return np.bincount(np.unique(self.y * wide + self.x) % wide, minlength=wide)

    def votes(self) -> Ints:
        """Per row, what speaks for the domain being usual here: other y that asked for it, beyond those that a botnet may well have here;
        and earlier days on which this y did, beyond the first `NEW_DAYS`."""
        spared = np.where(self.failed, 1 + VICTIMS, 2)
        order = np.lexsort((self.day, self.x, self.y))
        pair = self.y[order] * (int(self.x.max(initial=0)) + 1) + self.x[order]
        earlier = np.empty(order.size, np.int64)
        earlier[order] = np.arange(order.size) - np.searchsorted(pair, pair)
        return np.maximum(self.askers()[self.x] - spared, 0) + np.maximum(earlier - NEW_DAYS, 0)

    def usual(self) -> Floats:
        """Per row: share of the domains asked for by other y, of which it is known whether they exist, that do not; one of each added."""
        said = self.failed | self.exists
        n, n_failed = (np.bincount(self.y, part) for part in (said, self.failed))
        return np.asarray((n_failed.sum() - n_failed[self.y] + 1) / (n.sum() - n[self.y] + 2), dtype=np.float64)

    def existence(self) -> Floats:
        """Per row, in bits: how much likelier an algorithm's domain is to exist or not as this one does; 0 where nobody said."""
        usual = np.clip(self.usual(), LEAST_FAILING, FAILS)
        return np.where(self.failed, np.log2(FAILS / usual), np.where(self.exists, np.log2((1.0 - FAILS) / (1.0 - usual)), 0.0))

    def popular(self, names: pl.Series) -> list[str]:
        """The labels that at least two y asked for and that exist, as far as is known; the most popular `SITE_NAMES`."""
        askers = self.askers()
        first = np.unique(self.x, return_index=True)[1]
        some = first[(askers >= 2) & ~self.failed[first]]
        some = some[np.argsort(-askers[self.x[some]], kind="stable")][:SITE_NAMES]
        return sorted({name.partition(".")[0] for name in names.gather(some).to_list()})


def _looks(names: pl.Series, popular: list[str]) -> tuple[Floats, Floats]:
    """Per domain: evidence of the shipped model that its name is machine made, and what the site's own names take back."""
    model = dga_model.shipped()
    split = [name.partition(".") for name in names.to_list()]
    labels = [label for label, _, _ in split]
    looks, _ = model.bits(labels, [suffix for _, _, suffix in split])
    if not popular:
        return looks, np.zeros(len(labels))
    better = np.concatenate([_better(labels[block], popular, model.people) for block in ngrams.blocks(labels)])
    return looks, np.maximum(np.logaddexp2(0.0, better) - 1.0, 0.0)


def _better(labels: list[str], popular: list[str], people: Ngrams) -> Floats:
    """log2 of how much likelier each label is by the site's names on top of people's, than by the same backing off without any names: what
    is merely less sure of itself would look better on names of any kind."""
    asked, site, nothing = (ngrams.text([label[: dga_model.LONGEST] for label in some], dga_model.FOLD) for some in (labels, popular, []))
    of_all = np.zeros_like(asked.grams)
    shipped = people.chain(asked.grams, of_all)
    here, there = (ngrams.counted(known.grams, known.owner * 0).chain(asked.grams, of_all, base=shipped)[-1] for known in (site, nothing))
    return asked.per_string(np.log2(here) - np.log2(there))


def _together(bits: Floats, owner: Ints, size: int) -> Floats:
    """Evidence of each owner's domains together: the mean over `SHARES` of the products, in bits, at least 0."""
    each = [np.bincount(owner, np.logaddexp2(np.log2(1.0 - share), np.log2(share) + bits), size) for share in SHARES]
    return np.asarray(np.maximum(np.logaddexp2.reduce(each) - np.log2(len(SHARES)), 0.0), dtype=np.float64)


def _oddest(names: pl.Series, bits: Floats, owner: Ints) -> pl.Series:
    """The three domains that say most, of each owner."""
    table = pl.DataFrame({"owner": owner, "bits": -bits, "x": names}).sort("owner", "bits", "x")
    return table.group_by("owner", maintain_order=True).agg(pl.col("x").head(3))["x"].list.join(", ")
