"""What detectors say of a score: the sentence, what is normal, since when, out of how many."""

import polars as pl
import pytest

from nonself.core.events import concat
from nonself.detect import amounts, detectors

ALL = {detector.name: detector for detector in detectors()}


def told(name, odd=None, history=None):
    """Phrase and reasons of the oddest window of a detector's example."""
    detector = ALL[name]
    example = detector.example()
    self_ = detector.merge([detector.learn(example.normal if history is None else history(example.normal))])
    scores = detector.score(example.odd if odd is None else odd(example.odd), self_).sort("score", descending=True).head(1)
    return scores["_what"][0], detector.explain(scores)[0]


def test_a_rare_thing_is_told_with_peers_and_history():
    what, (peers, own) = told("rare-process-by-user")
    assert what == "ann ran nltest.exe"
    assert (peers.feature, peers.normal) == ("program among users", "0 of 2 other users showed this")
    assert own.seen == "first time in 10 days (160 windows) that ann ran nltest.exe"
    assert own.normal == "seen in 0 of 160 windows of this user; most usual: explorer.exe (80 windows)"
    assert peers.bits > 0 and own.bits > 0


def test_peers_that_show_it_too_take_bits_off():
    bits = []
    for others in ([], ["bob", "eve"]):
        detector, example = ALL["rare-process-by-user"], ALL["rare-process-by-user"].example()
        seen = concat([example.normal, *(example.odd.head(1).with_columns(pl.lit(user).alias("user")) for user in others)])
        (score,) = detector.score(example.odd.head(1), detector.merge([detector.learn(seen)]))["score"]
        bits.append(score)
    assert bits[1] < bits[0] - 1


def test_a_thing_of_the_whole_organisation_has_one_reason():
    what, reasons = told("rare-injection")
    assert what == "a.exe started a thread in explorer.exe" and len(reasons) == 1 and "first time in 10 days" in reasons[0].seen


def test_a_volume_is_told_with_what_is_usual():
    what, (peers, own) = told("failed-logons-from-source")
    assert what == "401 failed logons from 10.0.0.8"
    assert peers.seen == "401 failed logons from 10.0.0.8 in one hour" and peers.normal == "other sources have 1 (geometric mean of 2)"
    assert own.normal == "usually 1, never more than 1 in one hour, over 10 days (80 windows)"


def test_nothing_known_is_said_so():
    _, (peers, own) = told("failed-logons-from-source", history=lambda events: events.clear())
    assert peers.normal == "no other sources yet" and own.normal == "nothing is known of this source yet"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0, "", "0"), (0.31, "", "0.3"), (2.55, "", "2.5"), (1234.6, "", "1,235"), (0, "bytes", "0.0 bytes"), (1.5e9, "bytes", "1.5 GB"),
     (3_600e6 * 20, "us", "20.0 hours"), (2**46, "us", "814.5 days")],
)  # fmt: skip
def test_amounts(value, unit, text):
    assert amounts.text(value, unit) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(412, "", "412"), (3_000_000_000, "bytes", "3.0 GB"), (12, "bytes", "12 bytes"), (90_000_000, "us", "1.5 minutes")],
)
def test_amounts_of_a_column(value, unit, text):
    assert pl.DataFrame({"v": [value]}).select(amounts.column("v", unit)).item() == text


def test_a_prefilter_keeps_other_events_out():
    detector = ALL["rare-lsass-access"]
    example = detector.example()
    elsewhere = example.odd.with_columns(pl.lit(r"C:\Windows\explorer.exe").alias("tgt_image"))
    assert detector.learn(elsewhere).height == 0 < detector.learn(example.odd).height
    shouting = example.odd.with_columns(pl.col("tgt_image").str.to_uppercase())
    assert detector.learn(shouting).equals(detector.learn(example.odd))


def test_an_empty_text_says_as_little_as_null():
    detector = ALL["http-without-host"]
    example = detector.example()
    empty = example.odd.with_columns(pl.lit("").alias("url_host"))
    assert detector.learn(empty).equals(detector.learn(example.odd)) and detector.learn(example.odd).height
