"""Who has shown what: a monoid of bit masks, and a predictive that knows what is new, for whom, and when it means nothing."""

from datetime import date, timedelta
from itertools import product

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.baseline import pairs, rareness
from nonself.baseline.keys import digest

START = date(2024, 1, 1)
ROW = {"day": pl.Date, "slot": pl.UInt8, "y": pl.String, "x": pl.String}
EVENT = st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from("abc"), st.sampled_from("pqrst"))


def rows(events):
    """(day number, slot, y, x) as the frame that `learn` takes."""
    return pl.DataFrame([(START + timedelta(days=d), s, y, x) for d, s, y, x in events], schema=ROW, orient="row")


def bits(event, self_, compare="history"):
    out = rareness.surprise(rows([event]), self_, compare)
    return out["bits"][0], out["bits_peers"][0]


def office(days=12, hosts=41, programs=5):
    """Every host runs the same few programs, ten hours a day."""
    return [(d, s, f"h{h}", f"p{p}") for d, s, h, p in product(range(days), range(8, 18), range(hosts), range(programs))]


@settings(max_examples=50)
@given(st.lists(EVENT, max_size=30), st.lists(st.integers(0, 3), min_size=30, max_size=30))
def test_any_split_and_any_order_give_the_same_self(events, part):
    split = [pairs.learn(rows([e for e, p in zip(events, part, strict=False) if p == i])) for i in range(4)]
    whole = pairs.learn(rows(events))
    a, b, c, d = split
    merge = pairs.merge
    assert merge(split).equals(whole) and merge(split[::-1]).equals(whole) and merge([merge([b, d]), merge([c, a])]).equals(whole)
    assert merge([whole, whole]).equals(whole) and merge([whole, merge([])]).equals(whole)


@settings(max_examples=60)
@given(st.lists(EVENT, min_size=1, max_size=40), st.sampled_from(["history", "peers", "own"]))
def test_a_window_is_scored_as_if_it_had_never_been_learnt(events, compare):
    """Leave-one-out is exact: the same figures as from a self that was never told of the window (of the pair, among peers)."""
    whole, (d, s, y, x) = pairs.learn(rows(events)), events[0]
    kept = [e for e in events if (e[2:] != (y, x) if compare == "peers" else e != (d, s, y, x))]
    without = pairs.learn(rows(kept)) if kept else pairs.merge([])
    named = ["bits", "bits_peers", "c", "others"]
    left = rareness.surprise(rows([(d, s, y, x)]), whole, compare).select(named)
    right = rareness.surprise(rows([(d, s, y, x)]), without, compare).select(named)
    assert left.row(0) == pytest.approx(right.row(0), abs=1e-9)


def test_the_first_new_thing_after_long_sameness_is_odd():
    own, peers = bits((12, 9, "h0", "evil"), pairs.learn(rows(office())))
    assert own > 15 and peers > 7
    assert bits((12, 9, "h0", "p1"), pairs.learn(rows(office())))[0] < 0.1


def test_what_peers_do_is_less_odd_than_what_nobody_does():
    self_ = pairs.learn(rows([e for e in office() if e[2:] != ("h0", "p1")]))
    assert bits((12, 9, "h0", "p1"), self_)[0] < bits((12, 9, "h0", "evil"), self_)[0] - 5


def test_who_always_shows_new_things_is_expected_to():
    events = office() + [(d, s, "browser", f"site{d}-{s}-{i}") for d, s, i in product(range(12), range(8, 18), range(10))]
    self_ = pairs.learn(rows(events))
    assert bits((12, 9, "browser", "another site"), self_)[0] < 1
    assert bits((12, 9, "h0", "another site"), self_)[0] > 8


def test_the_first_day_and_the_first_hour_say_little():
    assert bits((0, 9, "h0", "evil"), pairs.merge([]))[0] == 0
    day = pairs.learn(rows([e for e in office(days=1, hosts=5) if e[1] < 10]))
    assert bits((0, 10, "h0", "evil"), day)[0] < bits((12, 9, "h0", "evil"), pairs.learn(rows(office())))[0] - 7


def test_a_new_host_that_does_what_all_do_is_not_odd():
    self_ = pairs.learn(rows(office()))
    assert bits((12, 9, "new host", "p1"), self_)[0] < 0.1
    assert bits((12, 9, "new host", "evil"), self_)[0] > 7


def test_many_equally_usual_things_are_all_usual():
    self_ = pairs.learn(rows(office(days=12, hosts=3, programs=50)))
    assert bits((5, 9, "h0", "p7"), self_)[0] < 0.1


def test_a_lasting_habit_that_no_peer_has_shows_among_peers_only():
    self_ = pairs.learn(rows(office() + [(d, s, "h3", "implant") for d, s in product(range(12), range(8, 18))]))
    assert bits((5, 9, "h3", "implant"), self_)[0] < 3
    assert bits((5, 9, "h3", "implant"), self_, "peers")[0] > 7


def test_one_loud_host_does_not_make_a_thing_usual():
    loud = pairs.learn(rows(office() + [(d, s, "h3", "implant") for d, s in product(range(12), range(24))]))
    once = pairs.learn(rows([*office(), (0, 0, "h3", "implant")]))
    event = (12, 9, "h7", "implant")
    assert bits(event, loud)[1] == pytest.approx(bits(event, once)[1])


def flood(n, day=0, y="h0"):
    return [(day, 9, y, f"x{i}") for i in range(n)]


def test_a_flood_is_capped_to_the_smallest_hashes_in_any_order():
    events = flood(3 * pairs.X_PER_DAY)
    whole = pairs.learn(rows(events))
    halves = [pairs.learn(rows(events[i::7])) for i in range(7)]
    assert pairs.merge(halves).equals(whole) and pairs.merge(halves[::-1]).equals(whole)
    smallest = sorted((digest(x), x) for *_, x in events)[: pairs.X_PER_DAY]
    assert set(whole["x"]) == {x for _, x in smallest}


def test_a_thing_that_a_full_day_may_have_dropped_is_unknown_not_new():
    events = [e for d in range(3) for e in flood(3 * pairs.X_PER_DAY, d)] + [e for e in office(days=3) if e[2] != "h0"]
    self_ = pairs.learn(rows(events))
    dropped = next(x for *_, x in flood(3 * pairs.X_PER_DAY) if x not in set(self_["x"]))
    out = rareness.surprise(rows([(3, 9, "h0", dropped), (3, 9, "h0", "x-new")]), self_)
    assert out["hidden"][0] and out["bits"][0] == out["bits_peers"][0]


def test_scores_are_finite_and_never_negative():
    out = rareness.surprise(rows(office(days=1, hosts=3) + flood(50)), pairs.learn(rows(office(days=2, hosts=2))))
    assert out["bits"].is_finite().all() and (out["bits"] >= 0).all() and out.height == 200
