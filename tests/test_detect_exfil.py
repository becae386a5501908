"""The specialist `exfil`: data that leaves, at once or slowly, stands out of an office's traffic; backups and common services do not."""

import random
from functools import cache

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.baseline import transfers
from nonself.core.events import conform
from nonself.detect import detectors

EXFIL = {detector.name: detector for detector in detectors()}["data-out-to-destination"]
START, HOUR, DAY = 1_709_510_400, 3_600, 86_400
THIEF, DROP = "10.0.0.23", "203.0.113.9"
MB = 1_000_000


def events(rows):
    """Events of (source, destination, seconds since the start, bytes out, bytes in)."""
    base = {"class_uid": 4001, "activity_id": 6, "channel": "conn", "proto": "tcp", "dst_port": 443, "status_id": 1}
    frame = [
        {**base, "src_ip": s, "dst_ip": d, "time": int((START + t) * 1e6), "bytes_out": int(out), "bytes_in": int(back), "uid": f"{i}"}
        for i, (s, d, t, out, back) in enumerate(rows)
    ]
    return conform(pl.DataFrame(frame).with_columns(pl.col("time").cast(pl.Datetime("us", "UTC"))))


@cache
def office(days=12, machines=20):
    """People at work: sites with heavy-tailed amounts, a drive in the cloud that all use, a file server, a nightly backup of one server."""
    rng = random.Random(3)
    rows = []
    for day in range(days):
        for m in range(machines):
            who, nine = f"10.0.0.{20 + m}", day * DAY + 9 * HOUR
            for _ in range(rng.randrange(15, 40)):
                site = min(int(rng.expovariate(1 / 40)), 249)
                out = min(rng.lognormvariate(9.5, 1.5), 30 * MB)
                rows.append((who, f"192.0.2.{site}", nine + rng.randrange(8 * HOUR), out, out * rng.lognormvariate(1.5, 1.0)))
            rows.append((who, "198.51.100.5", nine + rng.randrange(8 * HOUR), rng.lognormvariate(17, 1.0), rng.lognormvariate(16, 1.0)))
            rows.append((who, "10.0.1.2", nine + rng.randrange(8 * HOUR), rng.lognormvariate(15, 1.5), rng.lognormvariate(16, 1.5)))
    return rows


def nightly(first, days=12, src="10.0.1.7", dst="10.0.1.9"):
    rng = random.Random(8)
    return [(src, dst, day * DAY + 2 * HOUR, 5_000 * MB * rng.uniform(0.8, 1.2), MB) for day in range(first, days)]


def scores(rows):
    """By source, destination and day, the score and its reasons; everything learnt first."""
    whole = events(rows)
    found = EXFIL.score(whole, EXFIL.learn(whole), included=True)
    told = EXFIL.explain(found)
    assert all(sum(r.bits for r in reasons) == pytest.approx(score, abs=1e-9) for score, reasons in zip(found["score"], told, strict=True))
    days = ((found["start"].dt.epoch("s") - START) // DAY).to_list()
    whom = [what.split(" to ")[1] for what in found["_what"]]
    return {(e[3:], w, d): (s, r) for e, w, d, s, r in zip(found["entity"], whom, days, found["score"], told, strict=True)}


def best(found, *pair):
    return max((s for (*who, _), (s, _) in found.items() if tuple(who) == pair), default=0.0)


def others(found, *pair):
    return max(s for (*who, _), (s, _) in found.items() if tuple(who) != pair)


@pytest.mark.parametrize("amount", [2_000 * MB, 100 * MB])
def test_a_burst_to_a_new_place_stands_out(amount):
    found = scores([*office(), (THIEF, DROP, 11 * DAY + 22 * HOUR, amount, MB)])
    assert best(found, THIEF, DROP) > 1.5 * others(found, THIEF, DROP) and best(found, THIEF, DROP) > 15
    _, (amount, direction, place, hour, told) = found[THIEF, DROP, 11]
    assert place.seen == "0 of 19 other machines know it" and min(amount.bits, direction.bits, place.bits, hour.bits) > 0 == told.bits


def test_a_little_every_day_adds_up():
    found = scores([*office(), *((THIEF, DROP, day * DAY + 11 * HOUR, 20 * MB, 0.2 * MB) for day in range(2, 12))])
    first, last = found[THIEF, DROP, 2], found[THIEF, DROP, 11]
    assert last[0] > first[0] + 2 and last[0] > 1.3 * others(found, THIEF, DROP) and "sent 200.0 MB to" in last[1][0].seen


def test_a_backup_is_normal_from_the_first_day_or_after_a_few():
    pair = ("10.0.1.7", "10.0.1.9")
    assert best(scores([*office(), *nightly(0)]), *pair) < 1
    found = scores([*office(), ("10.0.1.7", "10.0.1.2", 9 * HOUR, 3_000, 3_000), *nightly(5)])
    assert found[*pair, 5][0] > 20 and found[*pair, 8][0] < 5 and found[*pair, 10][0] < 2


def test_what_everybody_uses_takes_more():
    drive = "198.51.100.5"
    normal, much, new = (
        best(scores([*office(), (THIEF, place, 11 * DAY + 15 * HOUR, amount, MB)]), THIEF, place)
        for place, amount in ((drive, 100 * MB), (drive, 5_000 * MB), (DROP, 5_000 * MB))
    )
    assert normal < 3 and 7 < much < new / 2


def test_learning_first_or_not_gives_the_same():
    rows = [*office(4), (THIEF, DROP, 3 * DAY, 500 * MB, MB)]
    first, last = (events([r for r in rows if (r[2] < 3 * DAY) == early]) for early in (True, False))
    before = EXFIL.learn(first)
    assert EXFIL.score(last, before).equals(EXFIL.score(last, EXFIL.merge([before, EXFIL.learn(last)]), included=True))


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 2**45), st.integers(0, 23)), max_size=30), st.randoms()
)
def test_transfers_are_a_monoid_even_at_the_cap(rows, rng):
    def learnt(some):
        columns = {"y": [r[0] for r in some], "x": [r[1] for r in some], "sent": [r[2] for r in some], "hours": [1 << r[3] for r in some]}
        day = pl.Series([0] * len(some), dtype=pl.Int32).cast(pl.Date)
        return transfers.combined(pl.DataFrame({"day": day, **columns, "received": columns["sent"]}, schema=transfers.TRANSFERS))

    parts = [[], [], []]
    for row in rows:
        parts[rng.randrange(3)].append(row)
    deltas = [learnt(part) for part in parts]
    whole, merged = learnt(rows), transfers.merge(deltas)
    assert merged.equals(whole) and transfers.merge([deltas[2], transfers.merge(deltas[:2])]).equals(whole)
    assert whole["sent"].max() is None or whole["sent"].max() <= transfers.MOST
