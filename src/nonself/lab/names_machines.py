"""Domain names as algorithms make them: what the shipped name model is trained on, by class of alphabet and structure.

A family draws a botnet's habits (lengths, letters, word list, suffixes) once and then makes names by them, so that training meets many
botnets of every class and none of them twice. The designs in `dga_designs` are for measuring and are never trained on.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Callable, Sequence
from random import Random

from nonself.lab.names_people import Words

Maker = Callable[[], str]
"""Makes the next name of one botnet, without its suffix."""
LETTERS, DIGITS, HEX = "abcdefghijklmnopqrstuvwxyz", "0123456789", "0123456789abcdef"
VOWELS, CONSONANTS = "aeiou", "bcdfghjklmnpqrstvwxyz"
_PREFIXES = (
    "re", "de", "over", "multi", "un", "pre", "inter", "non", "sub", "super", "anti", "ultra", "semi", "mis", "co", "ex", "in", "dis",
    "trans",
)  # fmt: skip
_ENDINGS = (
    "able", "ment", "ness", "ing", "ation", "ity", "ify", "ist", "ism", "ly", "er", "ship", "hood", "dom", "ful", "ous", "ive", "ary",
    "less", "ion", "ance", "al", "ant", "ible",
)  # fmt: skip
TLDS = (
    "com", "com", "com", "net", "net", "org", "info", "biz", "ru", "cc", "ws", "su", "cn", "tk", "pw", "xyz", "top", "in", "me", "eu",
    "co.uk", "tw", "kz", "click", "space", "site", "online", "us", "de", "nu", "mn", "ga", "ml", "club", "tv", "name", "mobi", "pl", "ua",
    "win", "bid", "work",
)  # fmt: skip
"""Suffixes that malware registers under, the usual ones several times."""


def suffixes(rng: Random) -> list[str]:
    """Those of one botnet."""
    return sorted({rng.choice(TLDS) for _ in range(rng.choice((1, 1, 2, 3, 4, 6, 8)))})


def _lengths(rng: Random, low: int, high: int) -> Callable[[], int]:
    """Lengths of one botnet's names: all alike, or from a range."""
    first = rng.randint(low, high)
    last = first if rng.random() < 0.35 else min(first + rng.randint(1, 8), high)
    return lambda: rng.randint(first, last)


def _drawn(rng: Random, alphabet: Sequence[str], length: Callable[[], int]) -> Maker:
    return lambda: "".join(rng.choice(alphabet) for _ in range(length()))


def letters(rng: Random, words: Words) -> Maker:
    return _drawn(rng, LETTERS[: rng.choice((24, 25, 25, 26, 26))], _lengths(rng, 8, 30))


def short(rng: Random, words: Words) -> Maker:
    """Few letters, any of them: what a name says is little."""
    return _drawn(rng, LETTERS[: rng.choice((25, 26, 26))], _lengths(rng, 5, 8))


def skewed(rng: Random, words: Words) -> Maker:
    """Some letters only, or some more often than others: generators of small modulus."""
    some = rng.sample(LETTERS, rng.randint(10, 20))
    alphabet = [letter for letter in some for _ in range(rng.choice((1, 1, 2, 4)))]
    return _drawn(rng, alphabet, _lengths(rng, 7, 24))


def congruential(rng: Random, words: Words) -> Maker:
    """Letters by the remainders of a linear congruential generator, the low or the high part of its state."""
    multiplier, add, size = rng.choice(((1_103_515_245, 12_345, 2**31), (1_664_525, 1_013_904_223, 2**32), (16_807, 0, 2**31 - 1)))
    length, state, shift, base = _lengths(rng, 7, 22), [rng.randint(1, 2**31)], rng.choice((0, 8, 16)), rng.choice((23, 25, 26))

    def step() -> str:
        state[0] = (multiplier * state[0] + add) % size
        return LETTERS[(state[0] >> shift) % base]

    return lambda: "".join(step() for _ in range(length()))


def alphanumeric(rng: Random, words: Words) -> Maker:
    return _drawn(rng, LETTERS + DIGITS, _lengths(rng, 7, 32))


def hexadecimal(rng: Random, words: Words) -> Maker:
    """A hash of something, cut, perhaps after a mark; or letters instead of the digits."""
    length, mark = _lengths(rng, 8, 34), rng.choice(("", "", "", "a", "x", "ab", "host"))
    coded = str.maketrans(HEX, LETTERS[:16]) if rng.random() < 0.3 else {}

    def make() -> str:
        digest = hashlib.sha256(rng.randbytes(8)).hexdigest()
        return mark + digest[: length()].translate(coded)

    return make


def based(rng: Random, words: Words) -> Maker:
    """Base 32 of noise, or base 64 of a date, as one writes it into a name."""
    length = _lengths(rng, 8, 28)
    if rng.random() < 0.6:
        return lambda: base64.b32encode(rng.randbytes(20)).decode().lower()[: length()]

    def dated() -> str:
        date = f"{rng.randint(1, 28):02d}{rng.randint(1, 12):02d}20{rng.randint(10, 29)}{rng.choice(('', rng.choice(LETTERS)))}"
        return base64.b64encode(date.encode()).decode().rstrip("=").lower()

    return dated


def numbered(rng: Random, words: Words) -> Maker:
    """Letters with a number after them, or among them."""
    length, digits = _lengths(rng, 5, 14), rng.randint(1, 5)
    inside = rng.random() < 0.3

    def make() -> str:
        made, number = "".join(rng.choice(LETTERS) for _ in range(length())), "".join(rng.choice(DIGITS) for _ in range(digits))
        at = rng.randrange(len(made)) if inside else len(made)
        return made[:at] + number + made[at:]

    return make


def spoken(rng: Random, words: Words) -> Maker:
    """Consonants and vowels in turn, by a pattern of the botnet's own."""
    length, double = _lengths(rng, 6, 16), rng.choice((0.0, 0.0, 0.1, 0.25))
    consonants, vowels = rng.sample(CONSONANTS, rng.randint(10, 21)), VOWELS + rng.choice(("", "y", "", "eo"))

    def make() -> str:
        out, size, turn = "", length(), rng.random() < 0.5
        while len(out) < size:
            out += rng.choice(vowels if turn else consonants)
            turn = turn if rng.random() < double else not turn
        return out

    return make


def syllables(rng: Random, words: Words) -> Maker:
    """From a short list of syllables."""
    shapes = rng.choice((("cv",), ("cv", "cvc"), ("cvc", "vc", "cv")))
    size, count = rng.randint(12, 70), _lengths(rng, 3, 6)
    spelt = {"c": CONSONANTS, "v": VOWELS}
    known = ["".join(rng.choice(spelt[part]) for part in rng.choice(shapes)) for _ in range(size)]
    return lambda: "".join(rng.choice(known) for _ in range(count()))


def affixed(rng: Random, words: Words) -> Maker:
    """Invented roots between the prefixes and endings of a language, once or twice."""
    before, after = rng.sample(_PREFIXES, rng.randint(4, 12)), rng.sample(_ENDINGS, rng.randint(5, 14))
    root, twice = spoken(rng, words), rng.choice((0.0, 0.3, 1.0))
    between = rng.choice(("", "-"))

    def part() -> str:
        return (rng.choice(before) if rng.random() < 0.5 else "") + root()[: rng.randint(3, 6)] + rng.choice(after)

    return lambda: between.join(part() for _ in range(2 if rng.random() < twice else 1))


def repeated(rng: Random, words: Words) -> Maker:
    """A few letters, and again nearly the same."""
    size, alphabet = rng.randint(3, 6), rng.choice((LETTERS, LETTERS[:20], VOWELS * 2 + CONSONANTS))

    def make() -> str:
        piece = "".join(rng.choice(alphabet) for _ in range(size))
        return piece + piece[: size - rng.randint(0, 1)] + rng.choice(("", rng.choice(alphabet)))

    return make


def markov(rng: Random, words: Words) -> Maker:
    """Letter after letter as words have them, one letter back: looks like a language, is none."""
    source, length = rng.sample(words["english"], 60), _lengths(rng, 6, 15)
    after: dict[str, list[str]] = {}
    for word in source:
        for one, two in itertools.pairwise(word):
            after.setdefault(one, []).append(two)

    def make() -> str:
        out = rng.choice(LETTERS)
        size = length()
        while len(out) < size:
            out += rng.choice(after.get(out[-1], list(LETTERS)))
        return out

    return make


def two_words(rng: Random, words: Words) -> Maker:
    """Words of a list of the botnet's own, one after the other: nothing in the letters gives them away, at most their habits do."""
    minimum = rng.choice((3, 4, 5, 5, 6))
    pool = [word for word in words["english"] + words["nouns of trade"] if len(word) >= minimum]
    first, second = (rng.sample(pool, min(rng.randint(40, 300), len(pool))) for _ in range(2))
    between = rng.choice(("", "", "", "", "-"))
    return lambda: rng.choice(first) + between + rng.choice(second)


def many_words(rng: Random, words: Words) -> Maker:
    """Words until a length is reached, the last one perhaps cut."""
    pool = rng.sample(words["english"] + words["nouns of trade"], rng.randint(60, 500))
    least, most = rng.choice(((12, 24), (16, 28), (14, 20)))
    cut = rng.random() < 0.4

    def make() -> str:
        size, out = rng.randint(least, most), ""
        while len(out) < size:
            out += rng.choice(pool)
        return out[:size] if cut else out

    return make


def mutated(rng: Random, words: Words) -> Maker:
    """A fixed name some letters of which change: the first ones, or any."""
    seed = "".join(rng.choice(words["english"] + words["people"]) for _ in range(rng.choice((2, 2, 3))))
    if rng.random() < 0.3:
        return lambda: "".join(rng.sample(seed, len(seed)))
    changes = rng.randint(3, 5)

    def make() -> str:
        out = list(seed)
        for at in range(changes) if rng.random() < 0.7 else rng.sample(range(len(out)), min(changes, len(out))):
            out[at % len(out)] = rng.choice(LETTERS)
        return "".join(out)

    return make


CLASSES: dict[str, tuple[Callable[[Random, Words], Maker], ...]] = {
    "letters": (letters, congruential),
    "few letters": (short,),
    "uneven letters": (skewed,),
    "letters and digits": (alphanumeric, based, numbered),
    "hexadecimal": (hexadecimal,),
    "spoken": (spoken, syllables, markov, affixed, repeated),
    "words": (two_words, many_words),
    "changed words": (mutated,),
}
"""Families by what their names look like: a class each of the shipped model."""
