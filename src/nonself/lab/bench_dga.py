"""The benchmark of machine-made names: how well the shipped model tells names of each family from names that people chose, beside controls.

Nothing is learnt here. The figure of a family is its AUC: the chance that one of its names scores above one of the people's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline import ngrams
from nonself.baseline.codes import Floats
from nonself.core import enrich
from nonself.core.errors import UsageError
from nonself.detect import dga_model
from nonself.lab import dga_designs

MADE = 1_000
"""Names of each design, where no family is given."""
OURS = "model"
Named = list[tuple[str, str]]
"""Labels and their suffixes."""


def dga(positive: Sequence[Path], negative: Path | None, *, as_json: bool) -> int:
    """Print the AUC of each family (a file each; with none, our own `dga_designs`) against the names in `negative`, one name a line."""
    if negative is None:
        raise UsageError(expected="--negative FILE, names that people chose, one a line", got="none")
    families = {path.name.partition(".")[0]: _read(path) for path in positive}
    if len(families) < len(positive):
        raise UsageError(expected="files of different names, one for each family", got=" ".join(map(str, positive)))
    document = measured(families or {name: dga_designs.domains(name, MADE, 1) for name in dga_designs.DESIGNS}, _read(negative))
    print(json.dumps(document, indent=2) if as_json else _table(document))
    return 0


def measured(families: dict[str, list[str]], people: Sequence[str]) -> dict[str, Any]:
    """AUC of every family by the model and each control, their means and their worst. Suffixes are looked at only if all lists have them:
    else having one would itself tell a family from the people."""
    every = [*families.values(), people]
    bare = any(sum("." in name for name in names) < 0.9 * len(names) for names in every)
    named = [_named(names, bare=bare) for names in every]
    for names, what in zip(named, [*families, "the people's names"], strict=True):
        if not names:
            raise UsageError(expected="at least one name", got="none", where=what)
    scores = [_scores(names) for names in named]
    rows: list[dict[str, Any]] = [
        {"family": family, "names": len(names), **{how: round(_auc(score[how], scores[-1][how]), 4) for how in score}}
        for family, names, score in zip(families, named, scores, strict=False)
    ]
    hows = list(scores[-1])
    return {
        "track": "dga", "people": len(named[-1]), "suffixes": not bare, "families": rows,
        "mean": {how: round(float(np.mean([row[how] for row in rows])), 4) for how in hows},
        "worst": {how: min(row[how] for row in rows) for how in hows},
    }  # fmt: skip


def _read(path: Path) -> list[str]:
    """The names in a file, one a line; of lines with commas the last field that is no number; `#` begins a remark."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise UsageError(expected="a file of names, one a line", got=str(error), where=str(path)) from None
    fields = ([part.strip() for part in line.partition("#")[0].split(",") if not part.strip().isdigit()] for line in lines)
    return [parts[-1].lower().rstrip(".") for parts in fields if parts and parts[-1]]


def _named(names: Sequence[str], *, bare: bool) -> Named:
    """The label that was chosen or made, and its suffix, of each different name."""
    distinct = pl.Series(sorted(set(names)), dtype=pl.String)
    known = enrich.chosen_domain(distinct).fill_null(distinct)
    split = [name.partition(".") for name in known.unique(maintain_order=True).to_list()]
    return [(label, "" if bare else suffix) for label, _, suffix in split]


def _scores(names: Named) -> dict[str, Floats]:
    """Per way of scoring, what each name gets; more is odder."""
    model, labels = dga_model.shipped(), [label for label, _ in names]
    read = ngrams.text(labels, dga_model.FOLD)
    pairs = read.per_string(-np.log2(model.people.chain(read.grams, np.zeros_like(read.grams))[1]))
    return {
        OURS: model.bits(labels, [suffix for _, suffix in names])[0],
        "entropy": np.array([_entropy(label) for label in labels]),
        "length": np.array([float(len(label)) for label in labels]),
        "bigrams": pairs / read.size,
    }


def _entropy(label: str) -> float:
    """Shannon's, of the characters of a label, in bits per character."""
    share = np.unique(list(label), return_counts=True)[1] / max(len(label), 1)
    return float(-(share * np.log2(share)).sum())


def _auc(ours: Floats, theirs: Floats) -> float:
    """Chance that one of ours is above one of theirs, ties half (Mann & Whitney 1947)."""
    ordered = np.sort(theirs)
    below, upto = np.searchsorted(ordered, ours), np.searchsorted(ordered, ours, "right")
    return float((below + upto).mean() / (2 * theirs.size))


def _table(document: dict[str, Any]) -> str:
    hows = list(document["mean"])
    head = f"{'family':24} {'names':>7} " + " ".join(f"{how:>8}" for how in hows)
    kinds = "with their suffixes" if document["suffixes"] else "bare labels"
    lines = [f"AUC against {document['people']:,} names that people chose, {kinds}", "", head]
    for row in sorted(document["families"], key=lambda row: float(row[OURS])):
        lines.append(f"{row['family'][:24]:24} {row['names']:>7,} " + " ".join(f"{row[how]:>8.3f}" for how in hows))
    for what in ("mean", "worst"):
        lines.append(f"{what:24} {'':7} " + " ".join(f"{document[what][how]:>8.3f}" for how in hows))
    return "\n".join(lines)
