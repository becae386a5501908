"""The season of counts: two weeks before it speaks, no window in its own factor, night spikes found, day spikes still found."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.baseline import season, windows
from nonself.detect import detectors
from nonself.detect.content import specs
from nonself.detect.volume import _told

START = date(2024, 3, 4)
Row = tuple[int, int, str, int]
SPEC = next(spec for spec in specs(detectors()) if spec.primitive == "volume" and not spec.grain and spec.compare == "history")


def table(rows: list[Row]) -> pl.DataFrame:
    made = [(START + timedelta(days=d), s, y, v) for d, s, y, v in rows]
    return windows.learn_values(
        pl.DataFrame(made, schema={"day": pl.Date, "slot": pl.UInt8, "y": pl.String, "value": pl.Int64}, orient="row")
    )


def life(weeks: int) -> list[Row]:
    """Six office machines and a server that never sleeps."""
    rng = np.random.default_rng(2)
    office = [
        (7 * w + d, h, f"pc{i}", 10 + int(rng.integers(0, 5)))
        for i in range(6)
        for w in range(weeks)
        for d in range(5)
        for h in range(9, 17)
    ]
    return office + [(d, h, "srv", 3 + int(rng.integers(0, 3))) for d in range(7 * weeks) for h in range(24)]


def bits(self_: pl.DataFrame, row: Row) -> tuple[float, float]:
    """Score of one more window, and the factor it was given."""
    asked, history = windows.apart(self_, table([row]), 24, included=False)
    return float(_told(asked, history, SPEC).bits[0]), float(asked["season"][0])


def test_it_is_silent_before_two_weeks_are_known():
    self_ = table(life(1))
    assert bits(self_, (8, 3, "pc1", 12))[1] == 1.0 and bits(self_, (8, 10, "pc1", 12))[1] == 1.0
    asked, history = windows.apart(self_, self_, 24, included=True)
    assert (asked["spread"] == asked["ss"]).all() and (history["spread"] == history["ss"]).all()


def test_a_usual_amount_at_an_unusual_hour_is_odd_and_a_spike_at_noon_still_is(monkeypatch):
    self_ = table(life(6))
    night, factor = bits(self_, (43, 3, "pc1", 12))
    noon, at_noon = bits(self_, (43, 11, "pc1", 12))
    assert factor < 0.5 < 1.5 < at_noon and night > 7 > 3 > noon
    assert bits(self_, (43, 11, "pc1", 60))[0] > 7 and bits(self_, (43, 3, "srv", 4))[0] < 3
    monkeypatch.setattr(season, "DAYS", 10**6)
    assert bits(self_, (43, 3, "pc1", 12))[0] < night - 3


def test_a_spike_never_vouches_for_itself():
    calm = life(6)
    spike = (37, 3, "pc1", 500)
    with_it, _ = windows.apart(table([*calm, spike]), table([spike]), 24, included=True)
    without, _ = windows.apart(table(calm), table([spike]), 24, included=False)
    assert with_it["season"][0] == pytest.approx(without["season"][0], rel=0.02)
    # The season was fitted with the spike in it, which is why the rest fits a little worse; of its 250,000 squares nothing is left.
    assert without["spread"][0] <= with_it["spread"][0] < 1.5 * without["spread"][0] < 20_000


EVENT = st.tuples(st.integers(0, 20), st.integers(0, 23), st.sampled_from("abc"), st.integers(1, 9))


@settings(max_examples=40)
@given(rows=st.lists(EVENT, min_size=1, max_size=80), asked=st.lists(EVENT, min_size=1, max_size=10))
def test_factors_are_positive_and_finite_whatever_the_history(rows, asked):
    spread = [(d, 12, "z", 1) for d in range(21)]
    for included, own in ((True, rows), (False, asked)):
        self_ = table([*rows, *spread])
        found, history = windows.apart(self_, table(own), 24, included=included)
        for name in ("season", "season_peers"):
            assert (found[name] > 0).all() and found[name].is_finite().all()
        assert (found["spread"] >= 0).all() and (history["spread"] >= 0).all()
        assert np.isfinite(_told(found, history, SPEC).bits).all()


def test_hours_of_the_week():
    monday = (START - date(1970, 1, 1)).days
    hours = season._cell(np.array([monday * 24, monday * 24 + 25, (monday + 6) * 24 + 23]), 24)
    assert hours.tolist() == [0, 25, 167]
    assert season._cell(np.array([monday * 144 + 7, monday * 144 + 143]), 144).tolist() == [1, 23]
    assert season._cell(np.array([monday, monday + 6]), 1).tolist() == [0, 144]
