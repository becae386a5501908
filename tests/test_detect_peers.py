"""Without peers: nobody else vouches for a y, and nothing else changes."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself import lab
from nonself.baseline import gaps, pairs, predict, rareness, week
from nonself.baseline.presence import PRESENCE
from nonself.core.settings import Calibrate, Config, Self
from nonself.core.stats import Stats
from nonself.detect import detectors
from nonself.detect.content import BACKED, specs
from nonself.detect.sigma import Ruleset
from nonself.ledger import Ledger
from nonself.pipeline import scan

AMONG_PEERS = {one.name for one in specs(detectors()) if one.compare == "peers"}
ALONE = [d for d in detectors(peers=False) if specs([d])[0].compare == "own"]
EVENT = st.tuples(st.integers(0, 3), st.integers(0, 5), st.sampled_from("ab"), st.sampled_from("xyz"))


def rows(events: list[tuple[int, int, str, str]]) -> pl.DataFrame:
    made = [(date(2024, 1, 1 + d), s, y, x) for d, s, y, x in events]
    return pl.DataFrame(made, schema={"day": pl.Date, "slot": pl.UInt8, "y": pl.String, "x": pl.String}, orient="row")


def test_only_what_peers_back_is_changed() -> None:
    with_, without = specs(detectors()), specs(detectors(peers=False))
    assert [one.name for one in with_] == [one.name for one in without]
    for old, new in zip(with_, without, strict=True):
        assert (new.compare == "own") == (old.primitive in BACKED and old.compare != "peers"), old.name
    assert all(a is b for a, b in zip(detectors(), detectors(peers=True), strict=True)), "asked in either way"
    assert {one.primitive for one in without if one.compare == "own"} == BACKED


@pytest.mark.parametrize("detector", ALONE, ids=lambda d: d.name)
def test_peers_add_no_bits_and_reasons_still_add_up(detector) -> None:  # type: ignore[no-untyped-def]
    example = detector.example()
    scores = detector.score(example.odd, detector.learn(example.normal))
    assert scores.height and scores["score"].is_finite().all() and scores["score"].min() >= 0
    told = detector.explain(scores)
    assert [math.fsum(r.bits for r in reasons) for reasons in told] == pytest.approx(scores["score"].to_list(), abs=1e-6)
    if "_bits_peers" in scores.columns and specs([detector])[0].primitive != "timeofweek":
        assert scores["_bits_peers"].abs().max() == 0
    elif "_bits_peers" in scores.columns:
        assert scores["_bits_peers"].max() == pytest.approx(0, abs=1e-9), "a flat week"


@settings(max_examples=60)
@given(st.lists(EVENT, min_size=1, max_size=40), st.lists(EVENT, max_size=20))
def test_what_others_show_changes_nothing(own: list[tuple[int, int, str, str]], more: list[tuple[int, int, str, str]]) -> None:
    mine, theirs = [(d, s, "me", x) for d, s, _, x in own], [(d, s, "other" + y, x) for d, s, y, x in more]
    asked = rows(mine[:1])
    alone, among = (rareness.surprise(asked, pairs.learn(rows(some)), "own") for some in (mine, mine + theirs))
    assert alone["bits"][0] == pytest.approx(among["bits"][0], abs=1e-9) and among["bits_peers"][0] == 0


@settings(max_examples=40)
@given(st.lists(st.floats(0, 50), min_size=1, max_size=8), st.lists(st.floats(0.1, 50), min_size=1, max_size=8))
def test_amounts_of_nobody_else_count(own: list[float], others: list[float]) -> None:
    value, n, s, ss = (np.array([part]) for part in (9.0, float(len(own)), math.fsum(own), math.fsum(v * v for v in own)))
    index, nobody = predict.nobody(np.array([0.0]))
    for model in (predict.counts, predict.sums):
        got = model(value, n, s, ss, index, nobody)
        single = model(value, n, s, ss, np.array([0.0]), (n, s, ss))
        assert got.bits == pytest.approx(single.bits) and got.peers == 0, "as if y were the only one"


def test_hours_and_silences_of_nobody_else_count() -> None:
    day, known = date(2024, 1, 1), []
    for back in range(14):
        for hour in (9, 10, 11):
            known.append((date.fromordinal(day.toordinal() + back), "me", 1 << hour))
        known += [(date.fromordinal(day.toordinal() + back), f"night{i}", 1 << 3) for i in range(5)]
    table = pl.DataFrame(known, schema=["day", "y", "slots"], orient="row").group_by("day", "y").agg(pl.col("slots").sum())
    held = table.sort("day", "y").cast(PRESENCE).select(*PRESENCE)
    asked = np.array([(date(2024, 1, 15) - date(1970, 1, 1)).days]), np.array([3])
    among, alone = (week.surprise(*asked, pl.Series(["me"]), held, alone=alone) for alone in (False, True))
    assert alone.bits[0] > among.bits[0] and alone.bits_peers[0] == 0 and alone.ys[0] == 0
    silences = gaps.Silences.of(held, gaps.numbers(held, held["y"])[0], 24)
    y = gaps.numbers(held, pl.Series(["me"]))[1]
    answer = gaps.surprise(silences, y, np.array([40]), np.array([False]), alone=True)
    assert answer.bits_peers[0] == 0 and answer.ys[0] == 0 and answer.bits[0] > 0


def test_the_setting_reaches_every_detector(tmp_path: Path) -> None:
    lab.make(tmp_path / "logs", seed=7, people=5, days=2, activity=0.03, attack="none")
    told = dict[bool, list[float]]()
    for peers in (True, False):
        with Ledger.open(":memory:") as ledger:
            config = Config(self=Self(peers=peers), calibrate=Calibrate(min_bits=2))
            scan([tmp_path / "logs"], ledger, Ruleset.load([], builtin=False, cache=None), config, Stats())
            found = [f for f in ledger.findings() if f.detector.startswith("rare-") and f.detector not in AMONG_PEERS]
            told[peers] = [r.bits for f in found for r in f.reasons if " among " in r.feature]
    assert told[False] and not any(told[False]) and any(told[True])
