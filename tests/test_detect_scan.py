"""The specialist `scan`: searches are found fast and slow, what answers and what is swept daily is not one, and replies are no attempts."""

import random
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself import sources
from nonself.baseline import reach
from nonself.baseline.codes import coded
from nonself.core.events import concat, conform
from nonself.detect import detectors, names
from nonself.sources.contract import Limits

ALL = {detector.name: detector for detector in detectors()}
NETWORK, MACHINE = ALL["scan-of-network"], ALL["scan-of-machine"]
START, DAY = 1_709_510_400, 86_400
SCANNER = "10.0.0.9"


def events(rows):
    """Events of (source, destination, port, seconds since the start, whether it answered)."""
    base = {"class_uid": 4001, "activity_id": 6, "channel": "conn", "proto": "tcp"}
    frame = [
        {**base, "src_ip": s, "dst_ip": d, "dst_port": p, "time": (START + t) * 1_000_000, "status_id": 1 if ok else 2, "uid": f"{i}"}
        for i, (s, d, p, t, ok) in enumerate(rows)
    ]
    return conform(pl.DataFrame(frame).with_columns(pl.col("time").cast(pl.Datetime("us", "UTC"))))


@cache
def office(days=10, machines=12):
    """Machines that use services of a server room and the web, some of whose hosts are dead."""
    rng = random.Random(4)
    rows = []
    for day in range(days):
        for m in range(machines):
            at = day * DAY + 30_000 + m
            rows += [(f"10.0.0.{20 + m}", f"10.0.1.{s}", port, at + s, True) for s, port in ((1, 53), (2, 445), (3, 445), (4, 443))]
            web = [rng.randrange(400) for _ in range(rng.randrange(5, 60))]
            rows += [(f"10.0.0.{20 + m}", f"192.0.2.{w % 200}", 443, at + i, w % 50 > 0) for i, w in enumerate(web)]
    return rows


def sweep(day, hosts, port=445, answers=0, src=SCANNER):
    return [(src, f"10.0.{2 + h // 250}.{h % 250 + 1}", port, day * DAY + 40_000 + i, i < answers) for i, h in enumerate(hosts)]


def scores(rows, detector=NETWORK):
    """By source, x and day, the score; everything learnt first."""
    whole = events(rows)
    found = detector.score(whole, detector.learn(whole), included=True)
    told = detector.explain(found)
    assert all(sum(r.bits for r in reasons) == pytest.approx(score, abs=1e-9) for score, reasons in zip(found["score"], told, strict=True))
    days = ((found["start"].dt.epoch("s") - START) // DAY).to_list()
    whats = [what.split(" tried ")[1] for what in found["_what"]]
    return {(e[3:], w, d): (s, r) for e, w, d, s, r in zip(found["entity"], whats, days, found["score"], told, strict=True)}


def best(found, src=SCANNER):
    return max((s for (who, _, _), (s, _) in found.items() if who == src), default=0.0)


def test_a_sweep_of_dead_addresses_stands_out_and_the_office_does_not():
    found = scores([*office(), *sweep(9, range(40))])
    assert best(found) > 40 > 7 > max(s for (who, *_), (s, _) in found.items() if who != SCANNER)
    _, (failed, _, habit) = found[SCANNER, "tcp/445 of 40 addresses", 9]
    assert "40 of them did not answer" in failed.seen and "in a day" in failed.seen and failed.bits > 40
    assert habit.seen == "not searched before" and habit.bits == pytest.approx(0.0, abs=1e-9)


def test_a_sweep_that_is_always_answered_counts_by_its_width():
    found = scores([*office(), *sweep(9, range(250), answers=250)])
    assert best(found) > 7 and found[SCANNER, "tcp/445 of 250 addresses", 9][1][0].bits == 0


def test_a_slow_search_adds_up_over_days():
    slow = [row for day in range(10) for row in sweep(day, range(3 * day, 3 * day + 3))]
    found = scores([*office(), *slow])
    assert best(found) > 20
    last = found[SCANNER, "tcp/445 of 30 addresses", 9]
    assert last[0] == best(found) and "over 10 days" in last[1][0].seen
    assert best(scores([*office(), *slow[:3]])) < 10, "one day of it is little"


def test_what_is_swept_every_day_is_normal():
    same = [row for day in range(10) for row in sweep(day, range(60), answers=20)]
    assert best(scores([*office(), *same])) < 1, "the same machines again are no search, on the first day neither"
    new = [row for day in range(10) for row in sweep(day, range(60 * day, 60 * day + 60), answers=20)]
    assert best(scores([*office(), *new])) < 1, "a scanner since the first day"
    later = [row for row in new if row[3] > 5 * DAY] + [(SCANNER, "10.0.1.2", 445, 0, True)]
    by_day = {day: s for (who, _, day), (s, _) in scores([*office(), *later]).items() if who == SCANNER}
    assert by_day[5] > 15 and by_day[9] <= 1.6, "the first days of it are news, the fifth is not"


def test_many_strangers_are_the_internet_and_many_machines_of_ours_are_a_worm():
    def swept(prefix):
        return [row for m in range(6) for row in sweep(9, range(60), src=f"{prefix}.{m}")]

    strangers, worm = (scores([*office(), *swept(prefix)]) for prefix in ("203.0.113", "10.0.9"))
    assert best(strangers, "203.0.113.1") < 1 and best(worm, "10.0.9.1") > 20
    assert best(scores([*office(), *swept("203.0.113"), *sweep(9, range(60))])) > 40, "strangers do not vouch for machines of ours"


def test_ports_of_one_machine():
    found = scores([*office(), *((SCANNER, "10.0.1.2", 1 + p, 9 * DAY + p, p % 20 == 0) for p in range(100))], MACHINE)
    assert found[SCANNER, "100 ports of 10.0.1.2", 9][0] == best(found) > 40


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"proto": "tcp", "status_code": "REQ"}, "failed"),
        ({"proto": "tcp", "status_code": "......S."}, "failed"),
        ({"proto": "tcp", "status_code": "...AP.SF"}, "answered"),
        ({"proto": "tcp", "status_code": "...A.R.."}, None),
        ({"proto": "tcp", "status_code": "OTH"}, None),
        ({"proto": "tcp", "status_code": "closed", "pkts_out": 2, "pkts_in": 2}, "failed"),
        ({"proto": "tcp", "status_code": "closed", "pkts_out": 7, "pkts_in": 5}, "answered"),
        ({"proto": "udp", "pkts_in": 0, "bytes_in": 0, "src_port": 40_000, "dst_port": 161}, "failed"),
        ({"proto": "udp", "pkts_in": 1, "bytes_in": 90, "src_port": 40_000, "dst_port": 53}, "answered"),
        ({"proto": "udp", "src_port": 53, "dst_port": 40_000}, None),
        ({"proto": "udp", "src_port": 1_900, "dst_port": 40_000, "bytes_in": 0}, None),
        ({"proto": "icmp", "src_port": 3, "dst_port": 3}, None),
        ({"proto": "icmp", "src_port": 8, "dst_port": 0, "pkts_in": 0}, "failed"),
        ({"proto": "tcp", "status_id": 2}, "failed"),
        ({}, "answered"),
    ],
)
def test_whether_an_attempt_was_answered(said, outcome):
    event = conform(pl.DataFrame({name: [value] for name, value in {"uid": "u", **said}.items()}))
    assert event.select(names.expression("outcome")).item() == outcome


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 40), st.booleans())), st.randoms()
)
def test_reach_is_a_monoid_that_keeps_the_smallest(rows, rng):
    def learnt(some):
        y, x, item = (coded(pl.Series([str(row[i]) for row in some], dtype=pl.String)) for i in (1, 2, 3))
        return reach.learn(np.array([row[0] for row in some], np.int64), y, x, item, np.array([row[4] for row in some], np.bool_))

    parts = [[], [], []]
    for row in rows:
        parts[rng.randrange(3)].append(row)
    deltas = [learnt(part) for part in parts]
    whole = learnt(rows)
    assert reach.merge(deltas[::-1]).equals(whole) and reach.merge([reach.merge(deltas[1:]), deltas[0], whole]).equals(whole)
    assert whole["items"].list.len().sum() == len({row[:4] for row in rows})
    assert whole.select(pl.col("items").explode() % 2).sum().item() == len({row[:4] for row in rows if row[4]})


def test_counts_beyond_what_is_kept_are_estimated():
    y, item = coded(pl.Series(["a"] * 20_000)), coded(pl.Series([str(i) for i in range(20_000)]))
    half, zero = np.arange(20_000) % 2 == 0, np.zeros(2, np.int64)
    days = [reach.learn(np.full(20_000, day), y, y, item, half) for day in (0, 1)]
    assert days[0]["items"].list.len().item() == reach.ITEMS
    first = reach.counted(days[0], zero[:1], zero[:1])
    assert first.failed[0] == pytest.approx(10_000, rel=0.25) and first.answered[0] == pytest.approx(10_000, rel=0.25)
    both = reach.counted(reach.merge(days), zero, zero)
    assert both.failed.sum() + both.answered.sum() == 0, "what was met on both days is new on neither"
    assert both.estimated.all() and both.all_failed[0] == first.all_failed[0]


FILES = {
    "network/slips/test4-malicious.binetflow": (NETWORK, "192.168.2.12 tried tcp/81 of 64 addresses"),
    "network/slips/test3-mixed.binetflow": (NETWORK, "46.166.151.160 tried tcp/3389 of 28 addresses"),
    "network/slips/port-scans/horizontal": (NETWORK, "10.0.2.112 tried tcp/80 of 25 addresses"),
    "network/slips/port-scans/vertical": (MACHINE, "192.168.1.9 tried 44 ports of 45.33.32.156"),
    "network/slips/test6-malicious.suricata.json": (MACHINE, "193.46.255.92 tried about 451 ports of 192.168.1.129"),
}


@pytest.mark.parametrize("path", FILES)
def test_real_scans_are_on_top(path, data_dir):
    detector, what = FILES[path]
    read = [chunk.events for found in sources.discover([data_dir / path], Limits()) for chunk in sources.read(found, Limits())[1]]
    whole = concat(read)
    top = detector.score(whole, detector.learn(whole), included=True).sort("score").row(-1, named=True)
    assert top["_what"] == what and top["score"] > 7
