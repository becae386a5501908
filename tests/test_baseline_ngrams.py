"""The text model: a distribution, exact about what is left out, and the stretch of a string that looks random."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.baseline import ngrams, randomness
from nonself.baseline.ngrams import Own, counted, text

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dog", "and", "runs", "away", "from", "all", "that", "noise", "in", "old"]
STRINGS = st.lists(st.text("ab/é\x00", max_size=6), min_size=1, max_size=6)


def model(strings, groups=None):
    read = text(strings)
    return counted(read.grams, np.asarray(groups)[read.owner] if groups else np.zeros_like(read.grams))


def costs(made, strings, own=None):
    read = text(strings)
    return [-np.log2(p) for p in made.chain(read.grams, np.zeros_like(read.grams), own=own)], read


def test_probabilities_of_all_bytes_sum_to_one_in_every_context():
    made = model(WORDS)
    for before in ("", "t", "th", "the", "zzz"):
        context = int.from_bytes(before.encode().rjust(3, b"\0"), "big")
        grams = (context << 8) | np.arange(256)
        for p in made.chain(grams, np.zeros_like(grams)):
            assert p.sum() == pytest.approx(1.0) and (p > 0).all()


@settings(max_examples=40)
@given(STRINGS, STRINGS)
def test_what_is_left_out_is_as_if_it_had_never_been(known, asked):
    known, asked = list(dict.fromkeys(known)), list(dict.fromkeys(asked))
    read = text(asked)
    inside = np.array([string in known for string in asked])
    found = model(known).chain(read.grams, np.zeros_like(read.grams), own=Own(read, inside))
    for i, string in enumerate(asked):
        rest = [other for other in known if other != string]
        (expected, _) = costs(model(rest or [""]), [string])
        here = read.owner == i
        for k in range(ngrams.ORDER):
            got = -np.log2(found[k][here])
            assert got == pytest.approx(expected[k] if rest else np.full(got.size, 8.0))


def test_a_group_has_its_own_habits_and_an_unknown_one_the_populations_orders_mixed():
    read, every = text(["0f3a9c21", "0f3a9c21"]), model(WORDS)
    nobody, groups = np.zeros_like(read.grams), np.array([0, 7])[read.owner]
    base = every.chain(read.grams, nobody)
    own = model(["9c21ff03", "3a3a0f0f", "21210f9c"], groups=[0, 0, 0])
    p = own.chain(read.grams, groups, base=base)[-1]
    mixed = base[3] / 2 + base[2] / 4 + base[1] / 8 + base[0] / 8
    bits = read.per_string(-np.log2(p))
    assert p[read.owner == 1] == pytest.approx(mixed[read.owner == 1]) and bits[0] < 0.7 * bits[1]


def test_hostile_strings_are_cut_and_finite():
    strings = ["", "\x00", "\ud800".encode("utf-8", "replace").decode(), "é" * 9_000, "x" * 50_000, "\U0001f600" * 400]
    (found, read) = costs(model(strings), strings)
    assert read.size.max() <= ngrams.LENGTH + 1 and all(np.isfinite(part).all() for part in found)


def looks(strings, known=WORDS * 3):
    (found, read) = costs(model(known), strings)
    return randomness.best(read, found)


def test_the_stretch_that_looks_random_is_found_within_a_string():
    noise = "q7Zk0XwVb3TjPr9LmHs2"
    bits, first, end = looks([f"the quick {noise} lazy dog", "the quick brown lazy dog", noise, ""])
    assert bits[0] > 20 and f"the quick {noise} lazy dog"[first[0] : end[0]].strip() in noise
    assert bits[1] == bits[3] == 0.0 and bits[2] > bits[0] - 4


def test_chance_alone_makes_little_evidence():
    # Strings drawn from the model itself: by Markov's inequality more than b bits at most once in 2^b of them.
    rng, made = np.random.default_rng(1), model(WORDS)
    drawn = []
    for _ in range(300):
        out = b""
        while len(out) < 20:
            grams = (int.from_bytes(out[-3:].rjust(3, b"\0"), "big") << 8) | np.arange(256)
            p = made.chain(grams, np.zeros_like(grams))[-1]
            byte = int(rng.choice(256, p=p / p.sum()))
            if byte == 0:
                break
            out += bytes([byte])
        drawn.append(out.decode("latin-1"))
    kept = [string for string in drawn if string.isascii()]
    (found, read) = costs(made, kept)
    bits, _, _ = randomness.best(read, found[-1:])
    assert np.mean(bits > 3) <= 2**-3 and np.mean(bits > 6) <= 2**-5


def test_what_is_always_random_here_is_no_surprise():
    rng = np.random.default_rng(2)
    hashes = [rng.bytes(16).hex() for _ in range(200)]
    here, _, _ = looks(hashes[:1], known=[*WORDS, *hashes[1:]])
    new, _, _ = looks(hashes[:1])
    assert here[0] < 3 < 30 < new[0]


def test_blocks_are_all_strings_in_order_and_no_block_is_large(monkeypatch):
    monkeypatch.setattr(ngrams, "BLOCK", 100)
    for strings in ([], ["a"], ["x" * 30] * 50, ["y" * 9_000, "", "z"] * 4):
        cut = [strings[block] for block in ngrams.blocks(strings)]
        assert [string for part in cut for string in part] == strings
        assert all(len(part) == 1 or sum(min(4 * len(s), ngrams.LENGTH) for s in part) <= 100 + ngrams.LENGTH for part in cut)
    made = model(WORDS)
    (found, read) = costs(made, WORDS)
    assert made.bits(WORDS) == pytest.approx(read.per_string(found[-1])) and made.bits([]).size == 0
