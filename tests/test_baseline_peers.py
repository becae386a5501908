"""Peers: who is alike by what they do, and what they forgive."""

import random
from datetime import date

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.baseline import pairs, peers, rareness

CLUBS = {"build": ("pull", "push", "deploy"), "report": ("query", "export"), "watch": ("poll", "page", "ack")}


def grouped(shown):
    """The group of each y, given what each shows."""
    xs = sorted({x for some in shown for x in some})
    found = [(y, xs.index(x)) for y, some in enumerate(shown) for x in sorted(set(some))]
    y, x = (np.array([pair[i] for pair in found], dtype=np.int64) for i in range(2))
    return peers.groups(y, x, len(shown))


def test_those_that_do_the_same_are_one_group_and_a_loner_has_none():
    shown = [[*club, "login"] for club in CLUBS.values() for _ in range(4)] + [["login", "knit"]]
    group = grouped(shown)
    assert [len(set(group[i : i + 4])) for i in (0, 4, 8)] == [1, 1, 1] and len(set(group)) == 4 and group[12] == -1


def test_what_everybody_does_tells_nobody_apart():
    assert set(grouped([["login"]] * 9)) <= {-1, 0}
    assert set(grouped([["login", f"own-{i}"] for i in range(9)])) == {-1}


@settings(max_examples=20)
@given(st.lists(st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=4), min_size=1, max_size=30))
def test_groups_are_bounded_and_none_is_small(shown):
    group = grouped(shown)
    sizes = np.bincount(group[group >= 0])
    assert group.size == len(shown) and group.max() < peers.LEADERS and all(size == 0 or size >= peers.SMALLEST for size in sizes)


def test_no_more_groups_than_leaders():
    rng = random.Random(4)
    shown = [[f"{club}-{rng.randrange(3)}-{i}" for i in range(3)] for club in range(200) for _ in range(4)]
    assert grouped(shown).max() < peers.LEADERS


def test_what_peers_show_is_less_odd_than_what_others_show():
    hours = {name: [(name, club, i) for i in range(8) for club in CLUBS[name]] for name in CLUBS}
    rows = [(date(2024, 1, 1), slot, f"{name}-{i}", x) for name in CLUBS for _, x, slot in hours[name] for i in range(6)]
    rows += [(date(2024, 1, 1), 9, f"{name}-{i}", f"new in {name}") for name in ("build", "watch") for i in range(1, 6)]
    self_ = pairs.learn(pl.DataFrame(rows, schema=["day", "slot", "y", "x"], orient="row"))
    asked = pl.DataFrame({"day": [date(2024, 1, 2)] * 2, "slot": [9, 9], "y": ["build-0"] * 2, "x": ["new in build", "new in watch"]})
    told, plain = (rareness.surprise(asked, self_, compare) for compare in ("alike", "history"))
    assert told["alike_ys"].to_list() == [5, 5] and told["alike_others"].to_list() == [5, 0]
    assert plain["bits"][0] == plain["bits"][1] and told["bits"][0] < told["bits"][1] - 2 and told["bits"][1] > plain["bits"][1] + 2
    assert told["bits_peers"].equals(plain["bits_peers"]) and plain["bits_alike"].equals(plain["bits_peers"])
