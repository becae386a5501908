"""The specialists `beacon` and `longconn`: what regularity is worth, what is normal here, and what their summaries keep."""

import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.baseline import calls, rhythm
from nonself.baseline.codes import coded
from nonself.core.events import concat, conform
from nonself.detect import detectors

ALL = {detector.name: detector for detector in detectors()}
BEACON, LONG = ALL["beacon-address"], ALL["long-connection"]
START, HOUR, DAY = 1_709_510_400, 3_600, 86_400


def bits(waits):
    waits = np.maximum(np.asarray(waits).astype(np.int64), 1)
    return rhythm.bits(np.zeros(waits.size, np.int64), waits, 1)[0]


def test_no_distribution_of_one_wait_is_given_more_than_all_probability():
    first = rhythm._EDGES[:-1]
    seconds = np.diff(rhythm._EDGES)  # all waits of a smallest cell have the same probability
    waits = first[seconds > 0]
    ratio = rhythm.bits(np.arange(waits.size), waits, waits.size)
    best = ((waits - 1.0) / waits) ** (waits - 1) / waits
    assert 0.9 < (2.0**ratio * best * seconds[seconds > 0]).sum() <= 1.0 + 1e-9


@pytest.mark.parametrize(
    "waits",
    [
        lambda rng, n: rng.exponential(600, n),
        lambda rng, n: rng.exponential(np.where(rng.random(n) < 0.8, 4, 7_200)),
        lambda rng, n: rng.exponential(600 * (1.5 + np.sin(np.arange(n) / 7))),
        lambda rng, n: np.exp(rng.normal(np.log(25), 1.2, n)),
        lambda rng, n: np.maximum(rng.exponential(0.5, n), 1),
    ],
)
def test_irregular_waits_are_worth_nothing(waits):
    rng = np.random.default_rng(11)
    found = np.array([bits(waits(rng, n)) for n in (5, 20, 100) for _ in range(150)])
    assert (found > 3).mean() <= 1 / 8 and np.median(found) < 0


@pytest.mark.parametrize(
    ("waits", "least"),
    [
        (lambda rng: 600 * rng.uniform(0.7, 1.3, 60), 60),
        (lambda rng: 4 * HOUR * rng.uniform(0.7, 1.3, 42), 30),
        (lambda rng: np.where(rng.random(60) < 0.5, 60, 600) * rng.uniform(0.9, 1.1, 60), 60),
        (lambda rng: 600 * rng.uniform(0.95, 1.05, 60) * rng.choice([1, 2, 3], 60, p=[0.8, 0.15, 0.05]), 80),
        (lambda rng: np.diff(np.arange(61) * 600 + rng.uniform(0, 200, 61)), 60),
        (lambda rng: np.full(12, 600), 40),
    ],
    ids=["jitter 30 %", "every 4 hours for a week", "two sleeps", "missed calls", "late by chance", "twelve exact"],
)
def test_programs_are_told_from_chance(waits, least):
    assert min(bits(waits(np.random.default_rng(seed))) for seed in range(20)) > least


def events(rows):
    """Events of (source, destination, seconds since the start, further columns)."""
    frame = [
        {"src_ip": src, "dst_ip": dst, "time": int((START + at) * 1e6), "uid": f"{src}{dst}{at}{more}", **more}
        for src, dst, at, more in rows
    ]
    base = {"class_uid": 4001, "activity_id": 6, "channel": "conn", "dst_port": 443, "proto": "tcp", "status_id": 1, "bytes_out": 120}
    return conform(
        pl.DataFrame([{**base, **row} for row in frame], infer_schema_length=None).with_columns(
            pl.col("time").cast(pl.Datetime("us", "UTC"))
        )
    )


def every(period, src, dst, days=1.0, start=0.0, jitter=0.1, seed=1, **more):
    rng = np.random.default_rng(seed)
    at = start + np.cumsum(period * rng.uniform(1 - jitter, 1 + jitter, int(days * DAY / period)))
    return [(src, dst, float(t), more) for t in at]


def people(days=3, machines=8):
    rng = np.random.default_rng(5)
    return [
        (f"10.0.0.{m}", f"192.0.2.{rng.integers(1, 30)}", float(t), {})
        for m in range(machines)
        for t in np.cumsum(rng.exponential(900, days * 96))
    ]


def score(rows, scored=None, detector=BEACON):
    """By source and destination: the score, and the row it is told in."""
    whole = events(rows)
    found = detector.score(events(scored) if scored else whole, detector.learn(whole), included=True)
    out = {}
    for row, reasons in zip(found.iter_rows(named=True), detector.explain(found), strict=True):
        (dst,) = set(row["entities"]) - {row["entity"]}
        out[row["entity"][3:], dst[3:]] = row["score"], row, reasons
    return out


C2 = ("10.0.0.1", "203.0.113.9")


def test_a_new_program_of_one_machine_stands_out():
    found = score([*people(), *every(600, *C2, days=2)])
    best, row, reasons = found[C2]
    assert best == max(s for s, *_ in found.values()) > 100 > 5 > sorted(s for s, *_ in found.values())[-2]
    assert row["_what"].startswith("10.0.0.1 called 203.0.113.9, tcp/443, every 10.") and row["_what"].count("288 calls in 2.0 days") == 1
    assert "nearly always 120 bytes sent" in reasons[0].seen and reasons[1].normal == "0 of 7 other machines call it"
    assert row["events"][0].startswith("10.0.0.1203.0.113.9") and row["n_events"] == 288


def test_what_three_machines_do_alike_is_a_service_and_what_two_do_is_not():
    one = every(600, *C2, days=2)
    two = [*one, *every(600, "10.0.0.2", C2[1], days=2, seed=2)]
    three = [*two, *every(600, "10.0.0.3", C2[1], days=2, seed=3)]
    alone, pair, service = (score([*people(), *rows])[C2][0] for rows in (one, two, three))
    assert alone > 100 and alone - 1.1 < pair < alone and service <= 1.0


def test_other_rhythms_and_chance_callers_do_not_vouch():
    other = [call for m in (2, 3, 4) for call in every(7_200, f"10.0.0.{m}", C2[1], days=3, seed=m)]
    visits = [(f"10.0.1.{m}", C2[1], 7.0 * m, {}) for m in range(200)]
    found, row, reasons = score([*people(), *every(600, *C2, days=2), *other, *visits])[C2]
    assert found > 100 and row["_alike"] == 0 and row["_others"] == 203
    assert reasons[1].bits == pytest.approx(-np.log2(204))


def test_what_has_been_there_for_weeks_is_normal_and_what_began_since_is_not():
    old = [*people(days=21), *every(3_600, "10.0.0.2", "203.0.113.7", days=21), *every(3_600, *C2, days=6, start=15 * DAY)]
    week = [row for row in old if row[2] >= 15 * DAY]
    for scored in (week, None):
        found = score(old, scored)
        assert found["10.0.0.2", "203.0.113.7"][0] < 1.0 and found[C2][0] > 80
    later = score([*old, *every(3_600, *C2, days=12, start=21 * DAY)], every(3_600, *C2, days=1, start=32 * DAY))
    assert later[C2][0] < 1.0, "after two weeks it is no longer news"


def test_one_hour_of_a_loop_is_no_habit():
    loop = [(*C2, 10.0 * i, {}) for i in range(300)]
    assert 4 <= score([*people(), *loop])[C2][0] <= 4 * 2


def test_failed_calls_and_clocks_are_left_out():
    for more in ({"status_id": 2}, {"app_proto": "ntp"}, {"channel": "open_conn"}):
        assert C2 not in score([*people(), *every(600, *C2, **more)])


def test_a_day_too_full_to_keep_every_pair_is_scored_without_mixing_them_up():
    scan = [("10.0.0.1", f"198.51.{i // 250}.{i % 250}", 30.0 * i, {}) for i in range(1_500)]
    busy = [("10.0.0.1", "192.0.2.200", 90.0 * i, {}) for i in range(900)]
    found = score([*people(), *scan, *busy])
    assert len(found) > 1_500 and sum(row["_calls"] == 0 for _, row, _ in found.values()) > 400
    assert all(s == 0.0 for (_, dst), (s, *_) in found.items() if dst.startswith("198.51."))


def test_learning_first_or_not_gives_the_same():
    rows = [*people(), *every(600, *C2, days=2)]
    first, last = (events([r for r in rows if (r[2] < DAY) == early]) for early in (True, False))
    before = BEACON.learn(first)
    after = BEACON.merge([before, BEACON.learn(last)])
    assert BEACON.score(last, before).equals(BEACON.score(last, after, included=True))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 90), st.integers(-1, 99)), max_size=120), st.randoms()
)
def test_calls_are_a_monoid_that_keeps_the_first_of_each_hour(rows, rng):
    def learnt(some):
        y, x = (coded(pl.Series([row[i] for row in some], dtype=pl.String)) for i in (0, 1))
        at = START + np.array([row[2] * 60 for row in some], dtype=np.int64)
        return calls.learn(y, x, at, pl.Series([None if row[3] < 0 else row[3] for row in some], dtype=pl.Int64))

    rng = random.Random(rng.getrandbits(32))
    whole, parts = learnt(rows), [[], [], []]
    for row in rows:
        rng.choice(parts).append(row)
    deltas = [learnt(part) for part in parts]
    rng.shuffle(deltas)
    assert calls.merge(deltas).equals(whole) and calls.merge([calls.merge(deltas[:2]), deltas[2], deltas[0]]).equals(whole)
    for y, x, seconds, sizes in whole.select("y", "x", "seconds", "sizes").iter_rows():
        mine = {s * 60 for a, b, s, _ in rows if (a, b) == (y, x)}
        kept = [s for hour in range(2) for s in sorted(s for s in mine if s // HOUR == hour)[: calls.PER_HOUR]]
        assert seconds == kept and len(sizes) == len(kept)
        assert sizes[0] == max(size for a, b, s, size in rows if (a, b, s * 60) == (y, x, seconds[0]))


def test_the_wait_after_a_full_hour_is_unknown():
    at = START + np.arange(0, 2 * HOUR, 60)
    one = coded(pl.Series(["a"] * at.size))
    table = calls.learn(one, one, at, pl.Series([1] * at.size))
    zero = np.zeros(1, np.int64)
    made = calls.series(table, zero, zero)
    assert made.counts().tolist() == [32] and made.hours().tolist() == [2] and made.waits()[1].tolist() == [60] * 30


def held(src, dst, hours, at=9.0 * HOUR, **more):
    return (src, dst, at, {"duration_us": int(hours * HOUR * 1e6), **more})


def short(days=3):
    return [
        held(f"10.0.0.{m}", f"192.0.2.{d}", 0.002 * (m + d), day * DAY + m * 60.0)
        for m in range(6)
        for d in range(6)
        for day in range(days)
    ]


def test_a_long_connection_stands_out_open_or_ended():
    for more in ({}, {"channel": "open_conn"}):
        found = score([*short(), held(*C2, 20, **more)], detector=LONG)
        assert found[C2][0] > 10 > 3 > sorted(s for s, *_ in found.values())[-2]
        assert found[C2][1]["_what"] == "10.0.0.1 was connected to 203.0.113.9, tcp/443, for 20.0 hours"


def test_an_open_connection_told_of_again_and_again_is_as_long_as_it_is():
    told = [held(*C2, hours, channel="open_conn") for hours in range(1, 9)]
    many = [held(*C2, 1, at=9.0 * HOUR + i) for i in range(8)]
    amounts = [score([*short(), *rows], detector=LONG)[C2][1]["_value"] / HOUR / 1e6 for rows in (told, many, [*told, *many])]
    assert amounts == [8, 8, 8]


def test_long_is_normal_where_the_service_the_machine_or_the_pair_is_so():
    pair = ("10.0.0.9", "203.0.113.9")
    alone = score([*short(), held(*pair, 20, dst_port=22)], detector=LONG)[pair][0]
    service = [held(f"10.0.0.{m}", f"192.0.2.{m}", 15, dst_port=22) for m in range(2, 6)]
    machine = [held(pair[0], f"192.0.2.{m}", 15, dst_port=9_000 + m) for m in range(60, 70)]
    own = [held(*pair, 15, at=(day + 9 / 24) * DAY, dst_port=22) for day in range(1, 8)]
    for usual in (service, machine, own):
        assert score([*short(), *usual, held(*pair, 20, dst_port=22)], detector=LONG)[pair][0] < alone / 2


def test_a_mixed_batch_scores_as_its_parts_do():
    rows = [*short(), held(*C2, 20)]
    known = LONG.learn(events(rows))
    assert LONG.score(concat([events(rows[:50]), events(rows[50:])]), known, included=True).equals(
        LONG.score(events(rows), known, included=True)
    )
