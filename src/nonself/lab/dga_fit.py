"""Fit the shipped name model: n-grams of names people choose, and the weights of a multinomial logistic model. All from generated names.

A model of names knows the words it was made of, and would find every name made of other words strange. So the weights are fitted across
folds: words are dealt into `FOLDS`, and names made of one fold's words are looked at by who knows all the other folds' words, and `KNOWN`
of its own: about as many as are known of the words in names that people visit.
"""

from __future__ import annotations

import io
import itertools
import sys
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np

from nonself.baseline import ngrams
from nonself.baseline.codes import Floats, Ints
from nonself.baseline.ngrams import Ngrams
from nonself.detect.dga_model import FOLD, Lexicon, Model, as_arrays, expanded, features
from nonself.lab import names_machines, names_people
from nonself.lab.names_people import People, Words

FOLDS, NAMES, PER_CLASS, EACH = 4, 60_000, 2_500, 8
"""Folds; names that n-grams are counted in; machine names of a class and fold; names of one botnet."""
KNOWN = 0.6
PENALTY = 1e-4
SEED = 5
Named = list[tuple[str, str]]
"""Labels and their suffixes."""


def fitted(
    classes: Sequence[str] = tuple(names_machines.CLASSES), names: int = NAMES, per_class: int = PER_CLASS
) -> tuple[Model, Ints, Ints]:
    """The model trained on the families of `classes`, and the n-grams and counts that it holds."""
    words, suffixes = names_people.words(), suffix_bits()
    rows, kinds = [], []
    for i in range(FOLDS):
        fold, known = _dealt(words, i)
        people, lexicon = _model(*_grams(chosen(known, names // 3, i))), _lexicon(known)
        made = [chosen(fold, per_class * len(classes), SEED + i), *(generated(name, fold, per_class, i) for name in classes)]
        for kind, named in enumerate(made):
            seen = features(people, lexicon, [label for label, _ in named])
            rows.append(np.column_stack([seen, [suffixes.get(s, 0.0) for _, s in named]]))
            kinds.append(np.full(len(named), kind))
    x, y = np.concatenate(rows), np.concatenate(kinds)
    centre, scale = x.mean(axis=0), x.std(axis=0) + 1e-6
    weights = _softmax(expanded(x, centre, scale), y, 1 + len(classes))
    grams, counts = _grams(chosen(words, names, SEED))
    return Model(_model(grams, counts), _lexicon(words), centre, scale, weights, ("people", *classes), suffixes), grams, counts


def _dealt(words: Words, fold: int) -> tuple[Words, Words]:
    """The words that names of a fold are made of, and those that are known to who looks at them. What many sites call themselves by is in
    all folds, and known."""
    rng = Random(f"known {fold}")
    own = {language: found if language == "usual" else found[fold::FOLDS] for language, found in words.items()}
    hidden = {language: set(rng.sample(found, round(len(found) * (1 - KNOWN)))) for language, found in own.items() if language != "usual"}
    return own, {language: [word for word in found if word not in hidden.get(language, ())] for language, found in words.items()}


def _lexicon(words: Words) -> Lexicon:
    return Lexicon.of(itertools.chain.from_iterable(words.values()), words["usual"])


def chosen(words: Words, count: int, seed: int) -> Named:
    """Names people choose out of some words."""
    people = People(Random(f"people {seed}"), words)
    return [people.domain() for _ in range(count)]


def generated(kind: str, words: Words, count: int, seed: int) -> Named:
    """Names of one class of algorithms, `EACH` of every botnet."""
    rng, out = Random(f"{kind} {seed}"), Named()
    while len(out) < count:
        make, under = rng.choice(names_machines.CLASSES[kind])(rng, words), names_machines.suffixes(rng)
        out += [(make(), rng.choice(under)) for _ in range(EACH)]
    return out[:count]


def suffix_bits() -> dict[str, float]:
    """log2 of how much more often machines take a suffix than people do, as both lists have it; one pseudo-count each."""
    machines, people = Counter(names_machines.TLDS), names_people.TLDS
    total = (len(names_machines.TLDS), sum(people.values()))
    every = sorted({*machines, *people})
    return {s: float(np.log2((machines[s] / total[0] * 100 + 0.3) / (people.get(s, 0.0) / total[1] * 100 + 0.3))) for s in every}


def _grams(named: Named) -> tuple[Ints, Ints]:
    """The n-grams of different labels that occur more than once (the others are chance, and two thirds), and how often."""
    read = ngrams.text(sorted({label for label, _ in named}), FOLD)
    grams, counts = np.unique(read.grams, return_counts=True)
    return grams[counts > 1], np.minimum(counts, 65_535)[counts > 1]


def _model(grams: Ints, counts: Ints) -> Ngrams:
    return ngrams.counted(grams, np.zeros_like(grams), counts)


def _softmax(x: Floats, y: Ints, kinds: int) -> Floats:
    """Weights, one row per kind, that minimise the mean log loss and `PENALTY` times half their squares (the constants' apart)."""
    from scipy.optimize import minimize

    n, wide = x.shape
    one = np.eye(kinds)[y]
    free = np.append(np.ones(wide - 1), 0.0)

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(kinds, wide)
        logits = x @ weights.T
        logs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        slope = (np.exp(logs) - one).T @ x / n + PENALTY * weights * free
        return float(-(logs * one).sum() / n + PENALTY / 2 * (weights**2 * free).sum()), slope.ravel()

    found = minimize(loss, np.zeros(kinds * wide), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    return np.asarray(found.x, dtype=np.float64).reshape(kinds, wide)


def write(path: Path) -> None:
    """Fit the model and write it where the package looks for it: the same bytes whenever numpy and scipy are the same."""
    model, grams, counts = fitted()
    arrays = as_arrays(model, grams, counts)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, array in arrays.items():
            kept = io.BytesIO()
            np.save(kept, array, allow_pickle=False)
            out.writestr(zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0)), kept.getvalue(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
