"""The specialist `tunnel`: a machine that says far more by the names it asks for than names need to say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline import caps, keys, levels, pairs
from nonself.baseline.codes import Floats, Ints, rows_of
from nonself.baseline.keys import numbered
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import amounts, dga_model, example, rows
from nonself.detect.contract import Example
from nonself.detect.spec import Spec
from nonself.detect.told import private, scores
from nonself.detect.view import View

SAMPLE = 64
"""Different names kept of a pair and day, those with the smallest hashes: they tell how much all of them say, within 13 %."""
GRAIN = 1_000.0
"""Bits a day below which differences do not matter: 125 bytes are no exfiltration."""
CARRIERS = ("TXT", "NULL", "CNAME", "MX", "PRIVATE", "KEY")
"""Kinds of record that tunnels ask for, since their answers hold more than an address."""
KIND = 4.0
"""Bits that the kinds of questions add at most, and half of what the amount says: mail servers and agents ask for such records too."""
MOST = 1 << 40
_ALPHABETS = {"a-z0-9_-": 38, "0-9a-f": 16, "0-9": 10}
_HELD: dict[str, pl.DataType] = {
    "day": pl.Date(),
    "y": pl.String(),
    "x": pl.String(),
    "names": pl.List(pl.UInt64()),
    "bits": pl.List(pl.UInt16()),
    "asked": pl.Int64(),
    "carriers": pl.Int64(),
    "answered": pl.Int64(),
}
_KEYS = ["day", "y", "x"]
_SUMS = ("asked", "carriers", "answered")
_ROWS = caps.ROWS_MOST >> 3
"""Rows of a self at most, each with up to 640 bytes of names."""
_ROW_BYTES = 2 * (keys.MAX_BYTES + 16) + SAMPLE * (8 + 2) + 16 + 32


class Tunnel:
    """How far out in the upper tail lies the information that passed between a machine and a domain in a day by names asked for and
    answers that can carry data, held against all pairs and against what is usual for this machine, this domain and this pair.

    Formula: score = -log2 P(T >= (u - c) / s) + k (`baseline.levels` sets out c and s); u = ln(1 + I / 1,000 bits). I = different names
    times the mean bits of what they say below the registered domain (under a model of names people choose: `www` says next to nothing), and
    8 times the bytes of answers that carry data. k, at most 4 bits and half of the rest, where most of the questions are for such records:
    -log2 of the share of the pairs of others of which that is true, (m + 1) / (n + 1).
    What many machines say to a domain (telemetry, block lists, content networks) is usual for the domain, hence for this machine.
    Unit: bits; 0 where no other pair and no other day is known.
    Reference: Born & Gustafson 2010 (characters of tunnelled names); Beyer et al. 2007 (distinct counts of the k smallest hashes).
    Cost: one pass over the self's rows (day, y, x); at most 64 names of each pair and day are looked at.
    Reasons: surprise among all pairs; what machine and domain take back; what the pair's own days take back; the kinds of questions.
    """

    __slots__ = ("attack", "bytes_per_entity", "classes", "columns", "name", "spec", "title")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name, self.title, self.attack = spec.name, spec.title, spec.attack
        self.columns = tuple(sorted({*spec.columns, "query", "qtype", "answers"}))
        self.classes = spec.classes
        self.bytes_per_entity = (pairs.X_PER_DAY if spec.x else 1) * _ROW_BYTES

    def learn(self, events: Events | View) -> Delta:
        """Columns day, y, x; of the `SAMPLE` different names with the smallest hashes, these (names) and what each says (bits); and sums:
        questions (asked), those for `CARRIERS` (carriers), and the bytes of the answers to these (answered)."""
        chosen = _chosen(events, self.spec, evidence=False)
        return pairs.bounded(_days(chosen, self.spec), rows=_ROWS) if chosen else self.merge([])

    def merge(self, deltas: list[Delta]) -> Delta:
        """Union of the names, the smallest hashes kept; sums added up; at most `X_PER_DAY` x per y and day."""
        parts = [delta.select(*_HELD) for delta in deltas if delta.height]
        return pairs.bounded(_united(pl.concat(parts)), rows=_ROWS) if parts else pl.DataFrame(schema=_HELD)

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """One row per pair (y, x) and day. What the self already holds of a pair's day belongs to that day, not to its history."""
        chosen = _chosen(events, self.spec, evidence=True)
        if chosen is None:
            return pl.DataFrame(schema=_SCORES)
        groups = chosen.grouped("day", "y", "x")
        odd = _odd(_days(chosen, self.spec), self_, included=included)
        sent = amounts.column("sent", "bytes")
        told = private(odd.drop("score").rename("_{}".format).with_columns(sent=(pl.col("_value") / 8.0).cast(pl.Int64)), self.spec, sent)
        return scores((chosen, self.spec, groups), odd["score"].to_numpy(), told, _SCORES, floor)

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """Per row: surprise among all pairs, what is usual near it, its own days, the kinds of questions. Bits add up to the score."""
        return [self._reasons(row) for row in scores.select(*_READ).iter_rows(named=True)]

    def _reasons(self, row: Mapping[str, Any]) -> tuple[Reason, ...]:
        spec = self.spec
        usual, about, before = (amounts.text(row[name] / 8.0, "bytes") for name in ("_usual", "_about", "_before"))
        among = Reason(
            feature=f"{spec.thing} among {spec.peers}",
            seen=f"{row['_what']}: {row['_names']:,} different ones of {row['_each']:.0f} bits each",
            normal=f"usually {usual} (median of {row['_n']:,} days of other {spec.peers})" if row["_n"] else "no other pair yet",
            bits=row["_bits_all"],
        )
        around = Reason(
            feature=f"{spec.thing} for this {spec.peer} or domain",
            seen=row["_what"],
            normal=f"at most about {about} is usual for one of them",
            bits=row["_bits_near"] - row["_bits_all"],
        )
        mine = Reason(
            feature=f"{spec.thing} on other days",
            seen=row["_what"],
            normal=f"usually {before} over {row['_days']:,} other days" if row["_days"] else "no other day is known",
            bits=row["_bits_own"] - row["_bits_near"],
        )
        kinds = Reason(
            feature="kinds of records asked for",
            seen=f"{row['_carriers']:,} of {row['_asked']:,} questions for {', '.join(CARRIERS)}",
            normal=f"most questions of {row['_alike']:,} days of other {spec.peers} are",
            bits=row["score"] - row["_bits_own"],
        )
        return (among, around, mine, kinds)

    def example(self) -> Example:
        """Normal and odd events from the content table."""
        return example.build(self.spec)


_PRIVATE: dict[str, pl.DataType] = {
    "_bits_all": pl.Float64(),
    "_bits_near": pl.Float64(),
    "_bits_own": pl.Float64(),
    "_value": pl.Float64(),
    "_names": pl.Int64(),
    "_each": pl.Float64(),
    "_usual": pl.Float64(),
    "_about": pl.Float64(),
    "_before": pl.Float64(),
    "_n": pl.Int64(),
    "_days": pl.Int64(),
    "_asked": pl.Int64(),
    "_carriers": pl.Int64(),
    "_alike": pl.Int64(),
    "_what": pl.String(),
}
_SCORES = {**SCORES, **_PRIVATE}
_READ = ("score", *_PRIVATE)


def _chosen(events: Events | View, spec: Spec, *, evidence: bool) -> rows.Chosen | None:
    """The events that ask for a name; the root, and what is no name, say nothing."""
    chosen = rows.chosen(events, spec, evidence=evidence)
    if chosen is None:
        return None
    named = chosen.part(chosen.view.name("query")) >= 0
    some = replace(chosen, at=chosen.at[named], day=chosen.day[named], slot=chosen.slot[named])
    return some if some.at.size else None


def _days(chosen: rows.Chosen, spec: Spec) -> Delta:
    """The rows of a delta, all of them, one per group in their order."""
    groups = chosen.grouped("day", "y", "x")
    named = rows.named_keys(chosen, spec, groups.first)
    x = named["x"] if spec.x else pl.Series([""]).new_from_index(0, groups.starts.size)
    names, bits = _sampled(chosen, groups.of_rows())
    columns = {"day": named["day"], "y": named["y"], "x": x, "names": names, "bits": bits, **_counts(chosen, groups)}
    return pl.DataFrame(columns, schema=_HELD)


def _sampled(chosen: rows.Chosen, owner: Ints) -> tuple[pl.Series, pl.Series]:
    """Per group: the smallest hashes of its different names, and the bits of each."""
    name, under = chosen.view.name("query"), chosen.view.name("query_domain")
    table = pl.DataFrame({"owner": owner, "asked": chosen.part(name), "domain": chosen.part(under)}).unique()
    table = table.with_columns(keys.hashes(name.values)[table["asked"]].alias("h")).sort("owner", "h", "asked")
    table = table.filter(pl.int_range(pl.len()).over("owner") < SAMPLE)
    suffix = under.values.extend_constant("", 1)[table["domain"].replace(-1, under.values.len())]
    below = pl.DataFrame({"name": name.values[table["asked"]].str.strip_prefix("domain:"), "under": suffix})
    said = below.select(pl.col("name").str.strip_suffix(pl.col("under")).str.strip_suffix(".")).to_series()
    kept = table.with_columns(pl.Series("bits", _bits(said).clip(0, 65_535).astype(np.uint16)))
    lists = kept.group_by("owner", maintain_order=True).agg("h", "bits")
    return lists["h"], lists["bits"]


def _bits(said: pl.Series) -> Floats:
    """What each string says: of each of its labels the length of the shorter of two codes, that of names people choose (the shipped
    model, and log2 10 for each digit) and the plain one of its alphabet."""
    table = pl.DataFrame({"i": np.arange(said.len()), "label": said.str.split(".")}).explode("label").filter(pl.col("label") != "")
    distinct = table["label"].unique(maintain_order=True)
    surprise = dga_model.shipped().people.bits(distinct.to_list(), dga_model.FOLD)
    digits = distinct.str.count_matches(r"[0-9]").to_numpy() * np.log2(10.0)
    bits = pl.Series(np.minimum(surprise + digits, _plain(distinct)))
    each = table["label"].replace_strict(distinct, bits, return_dtype=pl.Float64).to_numpy()
    return np.bincount(table["i"].to_numpy(), each, said.len()).astype(np.float64)


def _plain(labels: pl.Series) -> Floats:
    """Bits of each label if all characters of its alphabet are as likely: digits, hexadecimal, letters and digits, or bytes."""
    size = labels.str.len_bytes().to_numpy().astype(np.float64)
    out = size * 8.0
    for alphabet, letters in _ALPHABETS.items():
        out = np.where(labels.str.contains(f"^[{alphabet}]*$").to_numpy(), size * np.log2(letters), out)
    return out


def _counts(chosen: rows.Chosen, groups: rows.Groups) -> dict[str, Ints]:
    """Per group: questions, those for carriers, and the bytes of the answers to these."""
    carries = chosen.view.passes(pl.col("qtype").str.to_uppercase().is_in(CARRIERS))[chosen.at]
    frame = chosen.view.frame.select("answers")[chosen.at]
    size = frame.select(pl.col("answers").list.join("").str.len_bytes().fill_null(0).cast(pl.Int64)).to_series()
    each = {"asked": np.ones(len(frame), np.int64), "carriers": carries.astype(np.int64)}
    each["answered"] = np.where(carries, size.to_numpy(), 0)
    return {name: np.minimum(np.add.reduceat(part[groups.order], groups.starts), MOST) for name, part in each.items()}


def _united(table: pl.DataFrame, *, largest: bool = False) -> pl.DataFrame:
    """Rows of the same day, y and x as one: names united, sums added up or, with `largest`, the largest kept."""
    sums = pl.col(*_SUMS).max() if largest else pl.col(*_SUMS).sum().clip(0, MOST)
    again = table.select(_KEYS).is_duplicated()
    if not again.any():
        return table.sort(_KEYS)
    twice = table.filter(again)
    counts = twice.group_by(_KEYS).agg(sums)
    each = twice.select(*_KEYS, "names", "bits").explode("names", "bits").unique().sort(*_KEYS, "names")
    names = each.filter(pl.int_range(pl.len()).over(_KEYS) < SAMPLE).group_by(_KEYS, maintain_order=True).agg("names", "bits")
    return pl.concat([table.filter(~again), names.join(counts, on=_KEYS).select(*_HELD)]).sort(_KEYS)


def _odd(own: Delta, known: Delta, *, included: bool) -> pl.DataFrame:
    """Row for row of `own`: score and the private columns without the underscore, save what."""
    mine = known.join(own.select(_KEYS), on=_KEYS, how="semi")
    day = _united(pl.concat([own, mine.select(*_HELD)]), largest=included)
    y, x = ((part[0], part[1]) for part in (numbered(known[name], day[name]) for name in ("y", "x")))
    days = [table["day"].to_physical().to_numpy().astype(np.int64) for table in (known, day)]
    held = rows_of((days[0], y[0], x[0]), (days[1], y[1], x[1]))
    pair = levels.pairs(y, x, held)
    said, level = _said(day), np.log1p(_said(known) / GRAIN)
    near = (y, x) if day["x"][0] else ()
    odd = levels.against(np.log1p(said / GRAIN), level, pair, near, held)
    found = odd.of()
    kinds, alike = _kinds(day, known, pair, found)
    columns = {
        "score": found.own + kinds, "bits_all": found.far, "bits_near": found.near, "bits_own": found.own, "value": said,
        "names": _distinct(day).round().astype(np.int64), "each": day["bits"].list.mean(),
        "usual": np.full(said.size, np.expm1(odd.centre) * GRAIN), "about": np.expm1(found.about) * GRAIN,
        "before": np.expm1(found.before) * GRAIN, "n": found.others, "days": found.days,
        "asked": day["asked"], "carriers": day["carriers"], "alike": alike,
    }  # fmt: skip
    return pl.DataFrame(columns)


def _distinct(table: Delta) -> Floats:
    """Different names of each row: as many as kept, or, of a full sample, (k - 1) / (the largest hash as a share of all)."""
    size = table["names"].list.len().to_numpy().astype(np.float64)
    share = table["names"].list.last().cast(pl.Float64).to_numpy() / 2.0**64
    return np.where(size < SAMPLE, size, (SAMPLE - 1) / np.maximum(share, 2.0**-40))


def _said(table: Delta) -> Floats:
    """Bits that passed: names times what they say on average, and the answers that carry data."""
    each = table["bits"].list.mean().fill_null(0.0).to_numpy()
    return np.asarray(_distinct(table) * each + 8.0 * table["answered"].to_numpy(), dtype=np.float64)


def _kinds(day: Delta, known: Delta, pair: tuple[Ints, Ints], found: levels.Usual) -> tuple[Floats, Ints]:
    """Bits for mostly asking for records that carry data, and on how many days other pairs do so too."""
    mostly, theirs = (2 * table["carriers"].to_numpy() > table["asked"].to_numpy() for table in (day, known))
    wide = int(max(part.max(initial=0) for part in pair)) + 1
    alike = theirs.sum() - np.bincount(pair[0], theirs, wide)[pair[1]].astype(np.int64)
    bits = np.clip(np.log2((found.others + 1) / (alike + 1)), 0.0, np.minimum(found.own / 2.0, KIND))
    return np.where(mostly & (found.others + found.days > 0), bits, 0.0), alike
