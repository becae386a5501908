"""The specialist `lineage`: a program, started by this parent with such words, as nobody here starts it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline import keys, pairs, rareness, tails
from nonself.baseline.codes import Floats, Ints
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import example, rows
from nonself.detect.contract import Example
from nonself.detect.rare import ROW_BYTES, how_often, masks
from nonself.detect.rows import Chosen, Groups
from nonself.detect.spec import Spec
from nonself.detect.told import scores
from nonself.detect.view import View

WITNESSES = 3
"""Other hosts that are enough to be asked: what is new here but usual among them is no news. Fewer may be victims of the same hand."""
NAMED = 3
"""Words of a command line named in a reason."""
LINES = 192
"""Ways to start a program kept of a host and day at most, and words of a program, kind and day."""
_STEPS = ("program", "pair", "whole")
_TESTS = 2
"""Ancestry and words. The three parts of the ancestry are nested: they are one test."""


class Lineage:
    """How odd it is that this host started this program, that this parent did, with such a command line, and what its words are.

    Formula: score = -log2 P(G >= s) = s - log2(1 + s ln 2), G the sum of two surprises (`tails.sum_bits`): ancestry and words are two
    tests. s = B(program) + B(parent, program) + B(parent, program, shape) + max over words of T(word).
    B(x) = min(-log2 P(x|host), -log2 P0(x)): the rarity tails of `nonself.baseline.rareness` for this host and for the other hosts; both
    must find it odd, where at least three other hosts are known. T(word) = -log2 P(word | program and kind of word), or of the kind given
    the program; kinds are switches, addresses, folders, files, numbers, long encoded texts and plain words: a program whose files always
    differ shows nothing by a new file, but does by a new switch. The shape of a command line is its words, each once, those that vary by
    their nature by their kind: switches and short plain words as they are, files by their extension, all others by kind alone.
    Unit: bits. 0 with no history.
    Reference: Teh 2006 (hierarchical Pitman-Yor); Das & Schneider 2007 (rareness as a tail); Fisher 1932 (combination of tests).
    Cost: three passes of `rare` over the self's rows of hosts, two over those of words, of each distinct command line asked.
    Size: a host keeps 12 characters of what it ran, 24 bits of hash for each of the three parts, since they are only told apart: among n
    known ones a new one passes for one of them with probability n / 2^24. Words are kept once for all hosts, by program and kind. Of a host
    and day, and of a program, kind and day, the `LINES` of the smallest hashes stay; a word past them says nothing.
    Reasons: the program, its parent, the shape of its command line, its oddest word; each of the first three after what peers take back.

    Living off the land needs no list here: rundll32 is no news, rundll32 with words it is never given is. A record names the parent
    alone, so chains end there; what came before would have to be looked up in other records, which no sum of deltas can do.
    """

    __slots__ = ("attack", "bytes_per_entity", "classes", "columns", "name", "spec", "title")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name, self.title, self.attack, self.columns = spec.name, spec.title, spec.attack, spec.columns
        self.classes = spec.classes
        self.bytes_per_entity = LINES * ROW_BYTES

    def learn(self, events: Events | View) -> Delta:
        """Columns day, y, x, slots (bit mask of hours): which host (y) ran what (x: parent, program, shape of the command line), and which
        words (x) a program was given anywhere, by kind of word (y: kind, program). The x of hosts are `keys.marks`."""
        chosen = rows.chosen(events, self.spec, evidence=False)
        return _delta(chosen, self.spec) if chosen else pairs.merge([])

    def merge(self, deltas: list[Delta]) -> Delta:
        """Union of the masks; at most `LINES` x per y and day."""
        return pairs.merge(deltas, most=LINES)

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """One row per window (host, chain, hour or day). The window itself never counts as its own history, whether the self holds it
        or not, so `included` changes nothing."""
        chosen = rows.chosen(events, self.spec)
        if chosen is None:
            return pl.DataFrame(schema=_SCORES)
        groups = rows.grouped(chosen.day, chosen.part(chosen.y), chosen.part(chosen.x), chosen.slot)
        odd, words = _odd(chosen, self.spec, groups, self_)

        def told(some: Ints, named: pl.DataFrame) -> pl.DataFrame:
            parts = odd.drop("score")[some].with_columns(_oddest(words, some))
            return parts.with_columns(named.select(rows.phrase(self.spec).alias("_what")))

        return scores((chosen, self.spec, groups), odd["score"].to_numpy(), told, _SCORES, floor)

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """Per row: program, parent, kind of command line, oddest words. Bits add up to the score."""
        return [self._reasons(row) for row in scores.select(*_READ).iter_rows(named=True)]

    def _reasons(self, row: Mapping[str, Any]) -> tuple[Reason, ...]:
        parent, program, shape = row["_chain"]
        seen = (row["_what"], f"{parent} started {program}", f"{program} {shape}".strip())
        features = ("program on this host", "program under this parent", "kind of command line under this parent")
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


def _odd(chosen: Chosen, spec: Spec, groups: Groups, self_: Delta) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Of each window its score and the private columns that rest on the self; and of each word of it `_novelty`."""
    chains, at = _chains(chosen, groups)
    named = rows.named_keys(chosen, spec, groups.first)
    windows = pl.DataFrame({**{key: named[key] for key in ("day", "slot", "y")}, "key": chains["key"].gather(at)})
    ran, said = self_.filter(keys.of_actors()), self_.filter(~keys.of_actors())
    columns: dict[str, pl.Series] = {"_chain": chains.select(pl.concat_list("parent", "program", "shape")).to_series().gather(at)}
    total = np.zeros(windows.height)
    for number, step in enumerate(_STEPS):
        bits, columns["_" + step] = _step(windows, ran, number + 1, spec.compare)
        columns["_bits_" + step] = pl.Series(bits)
        total += bits
    words = _odd_words(windows, said, chains, at)
    most = np.zeros(windows.height)
    np.maximum.at(most, words["row"].to_numpy(), words["bits"].to_numpy())
    columns["_bits_words"] = pl.Series(most)
    total += most
    score = tails.sum_bits(total, np.full(total.size, _TESTS))
    share = pl.Series(np.divide(score, total, out=np.zeros_like(score), where=total > 0))
    shares = {name: column * share for name, column in columns.items() if name.startswith("_bits_")}
    return pl.DataFrame({**columns, **shares, "score": score}), words


def _delta(chosen: Chosen, spec: Spec) -> Delta:
    """What some starts of programs add."""
    starts = rows.grouped(chosen.day, chosen.part(chosen.y), chosen.part(chosen.x))
    chains, at = _chains(chosen, starts)
    named = rows.named_keys(chosen, spec, starts.first)
    ran = pl.DataFrame({"day": named["day"], "y": named["y"], "x": chains["key"].gather(at), "slots": masks(chosen, starts)})
    everywhere = rows.grouped(chosen.day, chosen.part(chosen.x))
    words = _words_of(chains)
    row, word = _each(words, at[starts.of_rows()[everywhere.first]], chains.height)
    days = rows.named_keys(chosen, spec, everywhere.first)["day"]
    given = {"day": days.gather(row), "y": words["y"].gather(word), "x": words["word"].gather(word)}
    said = pl.DataFrame({**given, "slots": masks(chosen, everywhere).gather(row)})
    return pairs.canonical(pl.concat([ran, said]), most=LINES)


def _chains(chosen: Chosen, groups: Groups) -> tuple[pl.DataFrame, Ints]:
    """Each different chain with its parent, program, words (a list), the shape of its command line, and its key: the marks of program, of
    parent and program, and of all three; and which of these each group is of. A key of `rows` that was cut may lack some parts."""
    met, at = np.unique(chosen.part(chosen.x)[groups.first], return_inverse=True)
    part = pl.col("x").str.splitn(keys.SEPARATOR, 3).struct
    named = {name: part.field(f"field_{i}").fill_null("") for i, name in enumerate(("parent", "program", "words"))}
    split = chosen.x.values[met].alias("x").to_frame().select(**named)
    split = split.with_columns(pl.col("words").str.split(" ").list.filter(pl.element() != ""))
    shapes = _words_of(split).with_columns(shape=_SHAPE).group_by("chain").agg(pl.col("shape").unique(maintain_order=True))
    shape = pl.Series("shape", [""]).new_from_index(0, split.height).scatter(shapes["chain"], shapes["shape"].list.join(" "))
    split = split.with_columns(shape)
    pair = pl.concat_str("parent", "program", separator=keys.SEPARATOR)
    told = split.select("program", pair=pair, whole=pl.concat_str(pair, "shape", separator=keys.SEPARATOR))
    return split.with_columns(key=pl.select(pl.concat_str(map(keys.marks, told.get_columns()))).to_series()), at


def _words_of(chains: pl.DataFrame) -> pl.DataFrame:
    """Each word of each chain, in order of these: columns chain (its row), y (kind and program), program, kind, word."""
    words = chains.select("program", chain=pl.int_range(pl.len()), word="words").explode("word").filter(pl.col("word").is_not_null())
    return words.with_columns(kind=_KIND).with_columns(y=pl.concat_str(pl.lit(keys.SHARED), "kind", pl.lit(keys.SEPARATOR), "program"))


def _each(words: pl.DataFrame, at: Ints, chains: int) -> tuple[Ints, Ints]:
    """For each row of a chain and each word of it: the row, and the word's."""
    of_chain = Groups(np.arange(words.height), np.searchsorted(words["chain"].to_numpy(), np.arange(chains)))
    return np.repeat(np.arange(at.size), of_chain.sizes[at]), of_chain.only(at).order


def _step(windows: pl.DataFrame, ran: pl.DataFrame, marks: int, compare: str) -> tuple[Floats, pl.Series]:
    """Bits of the first so many marks of the key on this host, and what they rest on."""
    windows = windows.select("day", "slot", "y", x=pl.col("key").str.head(4 * marks))
    known = pairs.canonical(ran.with_columns(pl.col("x").str.head(4 * marks)), most=LINES)
    told = rareness.surprise(windows, known, compare, most=LINES)
    if marks < len(_STEPS):  # of a full day programs may be missing whose every key was dropped
        full = ran.group_by("day", "y").len().filter(pl.col("len") >= LINES)["y"].unique()
        told = told.with_columns(pl.col("hidden") | (pl.col("y").is_in(full.implode()) & (pl.col("c") == 0)))
    own = pl.when(pl.col("hidden") & (pl.col("c") == 0)).then("bits_peers").otherwise("bits")
    both = pl.when((pl.col("ys") < WITNESSES) | (compare == "own")).then(own).otherwise(pl.min_horizontal("bits", "bits_peers"))
    rests = told.select(pl.struct(pl.col(field.name).cast(field.dtype) for field in _TOLD.fields)).to_series()
    return told.select(both).to_series().to_numpy(), rests


def _odd_words(windows: pl.DataFrame, said: pl.DataFrame, chains: pl.DataFrame, at: Ints) -> pl.DataFrame:
    """Each word of each window, and each kind of its words: columns row (of the window), word, bits, c, n."""
    words = _words_of(chains)
    kind, program = (pl.col("y").str.splitn(keys.SEPARATOR, 3).struct.field(f"field_{i}") for i in (1, 2))
    kinds = pairs.canonical(said.select("day", program.alias("y"), kind.alias("x"), "slots"))
    parts = ((said, words), (kinds, words.select("chain", y="program", word="kind").unique(maintain_order=True)))
    return pl.concat(_novelty(windows, known, given, *_each(given, at, chains.height)) for known, given in parts)


def _novelty(windows: pl.DataFrame, known: pl.DataFrame, words: pl.DataFrame, row: Ints, word: Ints) -> pl.DataFrame:
    """Surprise of words of windows, by their rows. A word that may have been dropped says nothing."""
    when = {name: windows[name].gather(row) for name in ("day", "slot")}
    asked = pl.DataFrame({**when, "y": words["y"].gather(word), "x": words["word"].gather(word)})
    told = rareness.surprise(asked, known, most=LINES)
    bits = pl.when(pl.col("hidden") & (pl.col("c") == 0)).then(0.0).otherwise("bits").alias("bits")
    return told.select(pl.Series("row", row), pl.col("x").alias("word"), bits, "c", "n")


def _oddest(words: pl.DataFrame, some: Ints) -> pl.Series:
    """The oddest words of some windows."""
    theirs = words.filter(pl.col("row").is_in(pl.Series(some).implode())).sort("row", pl.col("bits") * -1.0, "word", maintain_order=True)
    best = theirs.group_by("row", maintain_order=True).agg(pl.struct("word", "c", "n").head(NAMED).alias("_words"))
    every = pl.DataFrame({"row": some}).join(best, on="row", how="left", maintain_order="left")
    return every.select(pl.col("_words").fill_null([])).to_series()


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

_PLAIN = r"^[a-z][a-z_.-]{0,11}$"
_SHAPE = (  # what of a word `word` of `kind` makes the shape of a command line
    pl.when(pl.col("kind") == "any switch")
    .then("word")
    .when(pl.col("kind") == "any file")
    .then(pl.concat_str(pl.lit("*"), pl.col("word").str.extract(r"(\.[a-z#]{1,5})$")))
    .when((pl.col("kind") == "any plain word") & pl.col("word").str.contains(_PLAIN))
    .then("word")
    .otherwise("kind")
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
