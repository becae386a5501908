"""The caps: what is kept does not depend on splits or order, is a fair sample, and a million made-up names stay within it."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.baseline import caps, pairs, presence
from nonself.detect import detectors

START = date(2024, 1, 1)
ROW = st.tuples(st.integers(0, 3), st.integers(0, 30), st.integers(0, 12))


def table(rows: list[tuple[int, int, int]]) -> pl.DataFrame:
    made = [(START + timedelta(days=d), 0, f"y{y}", f"x{x}") for d, y, x in rows]
    return pairs.learn(pl.DataFrame(made, schema={"day": pl.Date, "slot": pl.UInt8, "y": pl.String, "x": pl.String}, orient="row"))


@settings(max_examples=60)
@given(
    rows=st.lists(ROW, max_size=80), part=st.lists(st.integers(0, 2), min_size=80, max_size=80), y=st.integers(1, 9), n=st.integers(1, 40)
)
def test_no_split_changes_what_is_kept(rows, part, y, n):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(caps, "Y_MOST", y)
        patched.setattr(pairs, "capped", lambda frame, rows, starts: caps.capped(frame, rows=n, starts=starts))
        a, b, c = (table([r for r, p in zip(rows, part, strict=False) if p == i]) for i in range(3))
        whole = table(rows)
        assert pairs.merge([pairs.merge([c, a]), b]).equals(whole) and pairs.merge([a, b, c]).equals(whole)
        assert whole["y"].n_unique() <= y and whole.height <= n and (whole.height > 0) == bool(rows)


def test_those_kept_are_kept_on_every_day_and_are_no_one_s_choice(monkeypatch):
    monkeypatch.setattr(caps, "Y_MOST", 50)
    days = [table([(d, y, 0) for y in range(400)]) for d in range(4)]
    kept = [set(day["y"]) for day in days]
    assert len(kept[0]) == 50 and all(names == kept[0] for names in kept)
    assert set(pairs.merge(days)["y"]) == kept[0]
    numbers = [int(name[1:]) for name in kept[0]]
    assert 120 < np.mean(numbers) < 280  # neither the first nor the last


def test_a_million_made_up_names_stay_within_the_cap():
    names = pl.Series("y", np.arange(1_000_000)).cast(pl.String)
    deltas = [
        presence.learn(np.zeros(250_000, np.int64) + 19_800, names.slice(i * 250_000, 250_000), np.zeros(250_000, np.int64))
        for i in range(4)
    ]
    self_ = presence.merge(deltas)
    assert all(delta.height == caps.Y_MOST for delta in deltas) and self_.height == caps.Y_MOST
    assert self_.estimated_size() / caps.Y_MOST < 100


@pytest.mark.parametrize(
    "name",
    [
        "rare-destination",
        "scan-of-network",
        "data-out-to-destination",
        "connections-of-pair",
        "beacon-address",
        "long-connection",
        "large-web-upload",
    ],
)
def test_every_kind_of_self_is_capped(name, monkeypatch):
    monkeypatch.setattr(caps, "Y_MOST", 40)
    detector = next(d for d in detectors() if d.name == name)
    one = detector.example().normal.head(1)
    flood = pl.concat([one] * 300).with_columns(pl.Series("src_ip", [f"10.1.{i // 250}.{i % 250}" for i in range(300)]))
    delta = detector.learn(flood)
    assert delta["y"].n_unique() == 40 and detector.merge([detector.learn(flood.head(150)), detector.learn(flood.tail(150))]).equals(delta)
    scores = detector.score(flood, delta, included=True)
    assert scores.height == 300 and scores["score"].is_finite().all()
