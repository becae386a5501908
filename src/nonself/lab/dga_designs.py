"""Published designs of domain generation, written anew from their descriptions (Plohmann et al. 2016, "A comprehensive measurement study of
domain generating malware"; analysts' write-ups), to measure the name model on what it was not trained on.

Each takes a seed and gives `count` names with suffixes. Constants are ours; the structure (alphabet, lengths, word order, suffixes) is the
design's.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from random import Random

from nonself.lab import names_people
from nonself.lab.names_machines import CONSONANTS, DIGITS, LETTERS, VOWELS

Names = Iterator[tuple[str, str]]


def _words(section: str) -> list[str]:
    return names_people.words("dga_words.txt")[section]


def _letters(rng: Random, low: int, high: int, alphabet: str, tlds: str) -> Names:
    choices = tlds.split()
    while True:
        yield "".join(rng.choice(alphabet) for _ in range(rng.randint(low, high))), rng.choice(choices)


def _congruential(rng: Random, low: int, high: int, base: int, tlds: str) -> Names:
    """Ramnit's and others' way: Park-Miller, the length from the state too."""
    state, choices = rng.randint(1, 2**31 - 2), tlds.split()
    while True:
        state = state * 16_807 % (2**31 - 1)
        made = ""
        for _ in range(low + state % (high - low + 1)):
            state = state * 16_807 % (2**31 - 1)
            made += LETTERS[state % base]
        yield made, rng.choice(choices)


def _hashed(rng: Random, low: int, high: int, tlds: str) -> Names:
    """Murofet's way: two letters of every byte of a date's hash."""
    day, choices = rng.randint(0, 10_000), tlds.split()
    while True:
        day += 1
        digest = hashlib.md5(str(day).encode(), usedforsecurity=False).digest() * 2
        made = "".join(LETTERS[half % 25] for byte in digest for half in (byte & 31, byte >> 3) if half < 26)
        yield made[: rng.randint(low, high)], rng.choice(choices)


def _hex(rng: Random, before: str, size: int, tlds: str) -> Names:
    number, choices = rng.randint(0, 10**6), tlds.split()
    while True:
        number += 1
        yield before + hashlib.sha256(str(number).encode()).hexdigest()[:size], rng.choice(choices)


def _turns(rng: Random, low: int, high: int, vowels: str, tlds: str) -> Names:
    """Simda's and Symmi's way: consonant, vowel, consonant..."""
    choices = tlds.split()
    while True:
        size, first = rng.randint(low, high), rng.random() < 0.5
        yield "".join(rng.choice(vowels if (i + first) % 2 else CONSONANTS) for i in range(size)), rng.choice(choices)


def _kraken(rng: Random) -> Names:
    """Letters with vowels put in, and an ending as English words have."""
    while True:
        made = ""
        for _ in range(rng.randint(3, 5)):
            made += rng.choice(CONSONANTS) + (rng.choice(VOWELS) if rng.random() < 0.6 else "")
        yield (
            made + rng.choice(("able", "dom", "hood", "ly", "ment", "ness", "ship", "ion", "er", "")),
            rng.choice(("com", "net", "cc", "tv")),
        )


def _pykspa(rng: Random) -> Names:
    """Letters, with a vowel forced after two consonants in most places."""
    while True:
        made, hard = "", 0
        for _ in range(rng.randint(6, 12)):
            letter = rng.choice(VOWELS) if hard >= 2 and rng.random() < 0.7 else rng.choice(LETTERS)
            hard = 0 if letter in VOWELS else hard + 1
            made += letter
        yield made, rng.choice(("com", "net", "org", "info", "cc", "biz"))


def _pushdo(rng: Random) -> Names:
    """Syllables of a consonant and a vowel pair."""
    pairs = [c + v for c in "bcdfghklmnpqrstvxz" for v in ("a", "e", "i", "o", "u", "ea", "oe")]
    while True:
        yield "".join(rng.choice(pairs) for _ in range(rng.randint(4, 5)))[: rng.randint(8, 11)], "kz"


def _suppobox(rng: Random) -> Names:
    words = rng.sample(_words("plain"), 90)
    while True:
        yield rng.choice(words) + rng.choice(words), rng.choice(("net", "ru"))


def _matsnu(rng: Random) -> Names:
    verbs, nouns = _words("verbs"), _words("nouns")
    while True:
        made = rng.choice(verbs)
        while len(made) < 12:
            made += rng.choice(nouns) + (rng.choice(verbs) if rng.random() < 0.4 else "")
        yield made[:24], "com"


def _gozi(rng: Random) -> Names:
    """Words of a text, each cut or not, up to a length."""
    while True:
        made, size = "", rng.randint(12, 23)
        while len(made) < size:
            word = rng.choice(_words("old"))
            made += word if rng.random() < 0.6 else word[: max(len(word) // 2, 2)]
        yield made[:size], rng.choice(("com", "ru", "me", "at"))


def _nymaim(rng: Random) -> Names:
    while True:
        yield (
            rng.choice(_words("verbs")) + rng.choice(("", "-")) + rng.choice(_words("plain")),
            rng.choice(("com", "net", "biz", "info", "top", "club")),
        )


def _banjori(rng: Random) -> Names:
    tail = "".join(rng.choice(_words("plain")) for _ in range(2))
    while True:
        yield "".join(rng.choice(LETTERS) for _ in range(4)) + tail, "com"


def _permuted(rng: Random) -> Names:
    seed = "explorerdotnt"
    while True:
        yield "".join(rng.sample(seed, len(seed))), rng.choice(("info", "com", "net"))


def _sisron(rng: Random) -> Names:
    while True:
        date = f"{rng.randint(1, 28):02d}{rng.randint(1, 12):02d}20{rng.randint(10, 25)}{rng.choice('abcd')}"
        yield base64.b64encode(date.encode()).decode().replace("=", "a").lower(), rng.choice(("com", "net", "org", "info"))


DESIGNS: dict[str, Callable[[Random], Names]] = {
    "banjori": _banjori,
    "bamital": lambda rng: _hex(rng, "", 32, "info org co.cc cz.cc"),
    "chinad": lambda rng: _letters(rng, 16, 16, LETTERS + DIGITS, "com net org ru cn biz info"),
    "conficker": lambda rng: _letters(rng, 4, 11, LETTERS, "com net org info biz ws cc cn"),
    "corebot": lambda rng: _letters(rng, 12, 23, "abcdefghijklmnopqrstuvwxy012345678", "com"),
    "cryptolocker": lambda rng: _letters(rng, 12, 15, LETTERS[:25], "com net biz ru org co.uk info"),
    "dyre": lambda rng: _hex(rng, rng.choice(LETTERS), 33, "cc ws to in hk cn tk so"),
    "fobber": lambda rng: _congruential(rng, 10, 17, 26, "com net"),
    "gozi": _gozi,
    "kraken": _kraken,
    "locky": lambda rng: _letters(rng, 5, 17, LETTERS[:25], "ru pw eu in yt pm us fr de it be uk nl tf"),
    "matsnu": _matsnu,
    "monero miner": lambda rng: _hex(rng, "", 13, "org tickets blackfriday hosting feedback"),
    "murofet": lambda rng: _hashed(rng, 12, 16, "com net org info biz ru"),
    "necurs": lambda rng: _letters(
        rng, 7, 21, LETTERS[:25], "tj in jp tw ac cm la mn so sh sc nu nf mu ms mx ki im cx cc tv bz me eu de ru co su pw kz"
    ),
    "new goz": lambda rng: _letters(rng, 20, 28, LETTERS + DIGITS, "com net org biz"),
    "nymaim": _nymaim,
    "padcrypt": lambda rng: _letters(rng, 16, 24, "abcdnfolmk", "com co.uk de org net eu info online co cc website"),
    "permuted": _permuted,
    "pushdo": _pushdo,
    "pykspa": _pykspa,
    "qakbot": lambda rng: _letters(rng, 8, 25, LETTERS, "com net org info biz"),
    "ramdo": lambda rng: _letters(rng, 16, 16, LETTERS[::2], "org"),
    "ramnit": lambda rng: _congruential(rng, 8, 19, 25, "com"),
    "shiotob": lambda rng: _letters(rng, 9, 15, LETTERS + "123459", "com net"),
    "simda": lambda rng: _turns(rng, 5, 11, VOWELS + "y", "com info eu su net"),
    "sisron": _sisron,
    "suppobox": _suppobox,
    "symmi": lambda rng: _turns(rng, 8, 15, VOWELS, "net"),
    "tinba": lambda rng: _congruential(rng, 12, 12, 25, "com net in ru"),
    "virut": lambda rng: _letters(rng, 6, 6, LETTERS, "com"),
    "vawtrak": lambda rng: _turns(rng, 6, 11, VOWELS + "bd", "com top"),
}
"""The designs, by the name of the malware that made each known; none of these is used in training."""


def domains(design: str, count: int, seed: int) -> list[str]:
    """The first `count` names of a design."""
    made = DESIGNS[design](Random(f"{design} {seed}"))
    return [".".join(next(made)) for _ in range(count)]
