"""The specialist `lineage`: a program, started by this parent with these words, as nobody here starts it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline import keys, pairs, rareness, tails
from nonself.baseline.codes import Floats
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import example, rows
from nonself.detect.contract import Example
from nonself.detect.rare import ROW_BYTES, delta, how_often
from nonself.detect.spec import Spec
from nonself.detect.told import private, scores
from nonself.detect.view import View

WITNESSES = 3
"""Other hosts that are enough to be asked: what is new here but usual among them is no news. Fewer may be victims of the same hand."""
NAMED = 3
"""Words of a command line named in a reason."""
_STEPS = ("program", "pair", "whole")
_TESTS = 2
"""Ancestry and words. The three parts of the ancestry are nested: they are one test."""


class Lineage:
    """How odd it is that this host started this program, that this parent did, that it did with these words, and what the words are.

    Formula: score = -log2 P(G >= s) = s - log2(1 + s ln 2), G the sum of two surprises (`tails.sum_bits`): ancestry and words are two
    tests. s = B(program) + B(parent, program) + B(parent, program, words) + max over words of T(word).
    B(x) = min(-log2 P(x|host), -log2 P0(x)): the rarity tails of `nonself.baseline.rareness` for this host and for the other hosts; both
    must find it odd, where at least three other hosts are known. T(word) = -log2 P(word | program and kind of word), or of the kind given
    the program; kinds are switches, addresses, folders, files, numbers, long encoded texts and plain words: a program whose files always
    differ shows nothing by a new file, but does by a new switch.
    Unit: bits. 0 with no history.
    Reference: Teh 2006 (hierarchical Pitman-Yor); Das & Schneider 2007 (rareness as a tail); Fisher 1932 (combination of tests).
    Cost: five passes of `rare` over the self's rows (day, host, chain), two of them over the words of each distinct command line.
    Reasons: the program, its parent, its whole command line, its oddest word; each of the first three after what peers take back.

    Living off the land needs no list here: rundll32 is no news, rundll32 with words it is never given is. A record names the parent
    alone, so chains end there; what came before would have to be looked up in other records, which no sum of deltas can do.
    """

    __slots__ = ("attack", "bytes_per_entity", "classes", "columns", "name", "spec", "title")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name, self.title, self.attack, self.columns = spec.name, spec.title, spec.attack, spec.columns
        self.classes = spec.classes
        self.bytes_per_entity = pairs.X_PER_DAY * ROW_BYTES

    def learn(self, events: Events | View) -> Delta:
        """Columns day, y (host), x (parent, program, words), slots (bit mask of the hours in which the host ran x)."""
        chosen = rows.chosen(events, self.spec, evidence=False)
        return delta(chosen, self.spec) if chosen else pairs.merge([])

    def merge(self, deltas: list[Delta]) -> Delta:
        """Union of the masks; at most `X_PER_DAY` x per y and day."""
        return pairs.merge(deltas)

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """One row per window (host, chain, hour or day). The window itself never counts as its own history, whether the self holds it
        or not, so `included` changes nothing."""
        chosen = rows.chosen(events, self.spec)
        if chosen is None:
            return pl.DataFrame(schema=_SCORES)
        groups = rows.grouped(chosen.day, chosen.part(chosen.y), chosen.part(chosen.x), chosen.slot)
        odd = _odd(pl.DataFrame(rows.named_keys(chosen, self.spec, groups.first)), self_)
        return scores((chosen, self.spec, groups), odd["score"].to_numpy(), private(odd.drop("score"), self.spec), _SCORES, floor)

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """Per row: program, parent, whole command line, oddest words. Bits add up to the score."""
        return [self._reasons(row) for row in scores.select(*_READ).iter_rows(named=True)]

    def _reasons(self, row: Mapping[str, Any]) -> tuple[Reason, ...]:
        parent, program, words = row["_chain"]
        seen = (row["_what"], f"{parent} started {program}", f"{program} {words}".strip())
        features = ("program on this host", "program under this parent", "whole command line under this parent")
        steps = [
            Reason(feature=feature, seen=what, normal=_usual(row["_" + step], self.spec), bits=row["_bits_" + step])
            for step, feature, what in zip(_STEPS, features, seen, strict=True)
        ]
        return (*steps, _words(row, program))

    def example(self) -> Example:
        """Normal and odd events from the content table."""
        return example.build(self.spec)


_TOLD = pl.Struct(
    {
        "c": pl.Int64(),
        "n": pl.Int64(),
        "others": pl.Int64(),
        "ys": pl.Int64(),
        "since": pl.Date(),
        "until": pl.Date(),
        "hidden": pl.Boolean(),
    }
)
_PRIVATE: dict[str, pl.DataType] = {
    **{"_bits_" + step: pl.Float64() for step in (*_STEPS, "words")},
    **{"_" + step: _TOLD for step in _STEPS},
    "_words": pl.List(pl.Struct({"word": pl.String(), "c": pl.Int64(), "n": pl.Int64()})),
    "_chain": pl.List(pl.String()),
    "_what": pl.String(),
}
_SCORES = {**SCORES, **_PRIVATE}
_READ = ("score", *_PRIVATE)


def _odd(windows: pl.DataFrame, self_: Delta) -> pl.DataFrame:
    """Row for row of `windows` (columns day, slot, y, x): score, and the private columns that rest on the self."""
    chains = _chains(pl.concat([self_["x"], windows["x"]]))
    asked, known = (table.join(chains, on="x", how="left", maintain_order="left") for table in (windows, self_))
    columns: dict[str, pl.Series] = {"_chain": asked.select(pl.concat_list("parent", "program", "words")).to_series()}
    total = np.zeros(windows.height)
    for step in _STEPS:
        bits, columns["_" + step] = _step(asked, known, step)
        columns["_bits_" + step] = pl.Series(bits)
        total += bits
    words = _odd_words(asked, known, chains)
    columns |= {name: words[name] for name in ("_bits_words", "_words")}
    total += words["_bits_words"].to_numpy()
    score = tails.sum_bits(total, np.full(total.size, _TESTS))
    share = pl.Series(np.divide(score, total, out=np.zeros_like(score), where=total > 0))
    shares = {name: column * share for name, column in columns.items() if name.startswith("_bits_")}
    return pl.DataFrame({**columns, **shares, "score": score})


def _chains(x: pl.Series) -> pl.DataFrame:
    """Each distinct x with its parts: parent, program, words, and the keys of the three steps. A key that was cut may lack some parts."""
    part = pl.col("x").str.split(keys.SEPARATOR)
    named = {name: part.list.get(i, null_on_oob=True).fill_null("") for i, name in enumerate(("parent", "program", "words"))}
    split = pl.DataFrame({"x": x.unique(maintain_order=True)}).with_columns(**named)
    return split.with_columns(pair=pl.concat_str("parent", "program", separator=keys.SEPARATOR), whole=pl.col("x"))


def _step(asked: pl.DataFrame, known: pl.DataFrame, step: str) -> tuple[Floats, pl.Series]:
    """Bits of one part of the chain on this host, and what they rest on."""
    windows = asked.select("day", "slot", "y", x=pl.col(step))
    told = rareness.surprise(windows, pairs.canonical(known.select("day", "y", pl.col(step).alias("x"), "slots")))
    both = pl.when(pl.col("ys") < WITNESSES).then("bits").otherwise(pl.min_horizontal("bits", "bits_peers"))
    rests = told.select(pl.struct(pl.col(field.name).cast(field.dtype) for field in _TOLD.fields)).to_series()
    return told.select(both).to_series().to_numpy(), rests


def _odd_words(asked: pl.DataFrame, known: pl.DataFrame, chains: pl.DataFrame) -> pl.DataFrame:
    """Row for row of `asked`: bits of its oddest word or kind of word, and the oddest ones."""
    words = chains.select("x", "program", word=pl.col("words").str.split(" ")).explode("word").filter(pl.col("word") != "")
    words = words.with_columns(kind=_KIND)
    group = pl.concat_str("program", "kind", separator=keys.SEPARATOR)
    told = pl.concat([
        _novelty(asked, known, words.select("x", y=group, word="word")),
        _novelty(asked, known, words.select("x", y="program", word="kind").unique(maintain_order=True)),
    ]).sort("row", pl.col("bits") * -1.0, "word", maintain_order=True)  # fmt: skip
    best = told.group_by("row", maintain_order=True).agg(
        pl.col("bits").first().alias("_bits_words"), pl.struct("word", "c", "n").head(NAMED).alias("_words")
    )
    every_row = asked.select(row=pl.int_range(pl.len())).join(best, on="row", how="left", maintain_order="left")
    return every_row.with_columns(pl.col("_bits_words").fill_null(0.0), pl.col("_words").fill_null([]))


def _novelty(asked: pl.DataFrame, known: pl.DataFrame, words: pl.DataFrame) -> pl.DataFrame:
    """Surprise of each word (columns x, y, word) of each row of `asked`: columns row, word, bits, c, n."""
    some = asked.select("day", "slot", "x", row=pl.int_range(pl.len())).join(words, on="x", how="inner", maintain_order="left")
    every = known.select("day", "x", "slots").join(words, on="x", how="inner").select("day", "y", pl.col("word").alias("x"), "slots")
    told = rareness.surprise(some.select("day", "slot", "y", pl.col("word").alias("x")), pairs.canonical(every))
    return pl.concat([some.select("row", "word"), told.select("bits", "c", "n")], how="horizontal")


_KIND = (  # what kind of word `word` is; the kinds' own names have a space, which no word has
    pl.when(pl.col("word").str.contains("://", literal=True))
    .then(pl.lit("any address"))
    .when(pl.col("word").str.contains("##", literal=True))
    .then(pl.lit("any encoded text"))
    .when(pl.col("word").str.contains(r"^[#.:]+$"))
    .then(pl.lit("any number"))
    .when(pl.col("word").str.contains(r"[\\/]$"))
    .then(pl.lit("any folder"))
    .when(pl.col("word").str.contains(r"^[-/]"))
    .then(pl.lit("any switch"))
    .when(pl.col("word").str.contains(r"\.[a-z#]{1,5}$"))
    .then(pl.lit("any file"))
    .otherwise(pl.lit("any plain word"))
)


def _usual(told: Mapping[str, Any], spec: Spec) -> str:
    others = f"{told['others']:,} of {told['ys']:,} other {spec.peers} did" if told["ys"] else f"no other {spec.peers} yet"
    return f"{others}; {how_often({'_' + name: value for name, value in told.items()})}"


def _words(row: Mapping[str, Any], program: str) -> Reason:
    odd = row["_words"]
    said = ", ".join(f"{one['word']} in {one['c']:,} of {one['n']:,}" for one in odd)
    return Reason(
        feature=f"words given to {program}",
        seen=", ".join(one["word"] for one in odd) or "none",
        normal=f"windows in which {program} was given such words: {said}" if odd else "none to compare",
        bits=row["_bits_words"],
    )
