"""How much per window: a monoid of sums and sketches, and histories that leave the scored window out exactly."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.baseline import windows

START = date(2024, 1, 1)
EVENT = st.tuples(st.integers(0, 2), st.integers(0, 5), st.sampled_from("abc"), st.integers(0, 9))


def rows(events, text=False):
    """(day number, slot, y, value) as the frame that `learn` takes."""
    made = [(START + timedelta(days=d), s, y, str(v) if text else v) for d, s, y, v in events]
    schema = {"day": pl.Date, "slot": pl.UInt8, "y": pl.String, "value": pl.String if text else pl.Int64}
    return pl.DataFrame(made, schema=schema, orient="row")


KINDS = {
    "sum": (windows.learn_values, windows.merge_values, False),
    "max": (lambda r: windows.learn_values(r, largest=True), lambda d: windows.merge_values(d, largest=True), False),
    "distinct": (windows.learn_sketches, windows.merge_sketches, True),
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30)
@given(events=st.lists(EVENT, max_size=30), part=st.lists(st.integers(0, 3), min_size=30, max_size=30))
def test_any_split_and_any_order_give_the_same_self(kind, events, part):
    learn, merge, text = KINDS[kind]
    split = [learn(rows([e for e, p in zip(events, part, strict=False) if p == i], text)) for i in range(4)]
    whole = learn(rows(events, text))
    a, b, c, d = split
    assert merge(split).equals(whole) and merge(split[::-1]).equals(whole) and merge([merge([b, d]), merge([c, a])]).equals(whole)
    assert merge([whole, merge([])]).equals(whole)


def test_sums_saturate_instead_of_wrapping_round():
    huge = rows([(0, 0, "a", 2**63 - 1)] * 50 + [(0, 1, "a", -(2**63))])
    delta = windows.learn_values(huge)
    assert windows.merge_values([delta] * 50)["value"].to_list() == [windows.MOST, 0]


def test_a_sketch_counts_exactly_then_within_its_error():
    for n in (1, windows.SKETCH - 1, 5_000, 60_000):
        delta = windows.learn_sketches(rows([(0, 0, "a", i) for i in range(n)], text=True))
        table, _ = windows.apart(windows.merge_sketches([]), delta, 24, included=False)
        assert table["value"][0] == pytest.approx(n, rel=0.2 if n >= windows.SKETCH else 0)
        assert delta["sketch"].list.len()[0] == min(n, windows.SKETCH)


def _brute(events, window, zeros):
    """n, s, ss of a y's windows but one, the slow way."""
    values = {}
    for d, s, y, v in events:
        values[(d, s, y)] = values.get((d, s, y), 0) + v
    mine = {(d, s): v for (d, s, y), v in values.items() if y == window[2] and (d, s) != window[:2]}
    if not mine:
        return 0, 0, 0
    listening = {(d, s) for d, s, _ in values}
    inside = {w for w in listening if min(mine) <= w <= max(mine) and w != window[:2]}
    return len(inside) if zeros else len(mine), sum(mine.values()), sum(v * v for v in mine.values())


@given(st.lists(EVENT, min_size=1, max_size=40))
def test_the_window_is_left_out_of_its_own_history_exactly(events):
    self_ = windows.learn_values(rows(events))
    table, _ = windows.apart(self_, self_, 24, included=True)
    for day, y, slot, _, _, n, s, ss, *_ in table.iter_rows():
        assert (n, s, ss) == _brute(events, ((day - START).days, slot, y), zeros=True)


@settings(max_examples=50)
@given(st.lists(EVENT, min_size=1, max_size=30), st.lists(EVENT, min_size=1, max_size=10))
def test_a_window_is_worth_the_same_in_one_batch_or_two(before, now):
    both = windows.learn_values(rows([*before, *now]))
    own = windows.learn_values(rows(now))
    scan, _ = windows.apart(both, both.join(own, on=["day", "y", "slot"], how="semi"), 24, included=True)
    stream, _ = windows.apart(windows.learn_values(rows(before)), own, 24, included=False)
    assert scan["value"].to_list() == stream["value"].to_list()


def test_hours_in_which_nobody_was_heard_are_no_zeros():
    quiet = [(0, 0, "a", 1), (2, 0, "a", 1)]
    heard = [*quiet, (0, 5, "b", 1), (1, 5, "b", 1)]
    own = windows.learn_values(rows([(2, 1, "a", 9)]))
    assert windows.apart(windows.learn_values(rows(quiet)), own, 24, included=False)[0]["n"][0] == 2
    assert windows.apart(windows.learn_values(rows(heard)), own, 24, included=False)[0]["n"][0] == 4


def test_log_levels_add_up_the_same_in_any_order():
    self_ = windows.learn_values(rows([(d, s, "a", 10 ** (s + d)) for d in range(3) for s in range(6)]))
    one = windows.apart(self_, self_, 24, included=True, grain=10)[1]
    other = windows.apart(self_.reverse(), self_, 24, included=True, grain=10)[1]
    assert one.equals(other) and one["n"][0] == 18
