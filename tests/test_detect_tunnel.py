"""What is said in the names a machine asks for: tunnels and exfiltration, and what is usual instead."""

import os
import random
from pathlib import Path

import polars as pl
import pytest

from nonself import sources
from nonself.baseline import caps
from nonself.core.events import concat, conform
from nonself.detect import detectors
from nonself.sources.contract import Limits

ALL = {d.name: d for d in detectors()}
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
RNG = random.Random(1)


def noise(size):
    return "".join(RNG.choice(ALPHABET) for _ in range(size))


def asks(machine, names, *, qtype="A", day=0, answers=None):
    start = 1_709_510_400_000_000 + day * 86_400_000_000
    return [
        {
            "time": start + i * 1_000_000,
            "src_ip": machine,
            "query": name,
            "qtype": qtype,
            "answers": answers,
            "uid": f"{machine}-{day}-{i}-{name}",
        }
        for i, name in enumerate(names)
    ]


def events(*parts):
    rows = pl.DataFrame([row for part in parts for row in part], schema_overrides={"answers": pl.List(pl.String)}, infer_schema_length=None)
    return conform(rows.with_columns(pl.lit(4003).alias("class_uid"), pl.col("time").cast(pl.Datetime("us", "UTC"))))


def scored(seen, name="dns-tunnel"):
    detector = ALL[name]
    return detector.score(seen, detector.merge([detector.learn(seen)]), included=True).sort("score", descending=True)


SITES = ("www.example.com", "mail.example.com", "news.example.org", "cdn.shop.example.net", "api.weather.example.info")
OFFICE = [asks(f"10.0.0.{i}", SITES) for i in range(1, 9)]


def test_a_tunnel_is_first_and_a_longer_one_is_odder():
    bits = []
    for size in (40, 400):
        scores = scored(events(*OFFICE, asks("10.0.0.9", [f"{noise(50)}.{noise(50)}.t.evil.com" for _ in range(size)], qtype="NULL")))
        assert scores["entity"][0] == "ip:10.0.0.9" and scores["score"][1] < 3
        bits.append(scores["score"][0])
    assert 7 < bits[0] < bits[1]


def test_few_long_names_outweigh_many_that_say_little():
    # The control, a count of different names, puts the second machine first.
    exfiltration = asks("10.0.0.9", [f"{noise(60)}.{noise(60)}.{noise(60)}.evil.com" for _ in range(80)])
    numbered = asks("10.0.0.8", [f"n{i}.pool.example.com" for i in range(300)])
    scores = scored(events(*OFFICE, exfiltration, numbered))
    assert scores["entity"][0] == "ip:10.0.0.9" and scores["score"][0] > scores["score"][1] + 2


def test_what_many_machines_say_to_a_domain_is_usual_for_it():
    telemetry = [asks(f"10.0.0.{i}", [f"{noise(40)}.av.example.com" for _ in range(100)]) for i in range(1, 9)]
    alone = scored(events(*OFFICE, telemetry[0]))
    shared = scored(events(*OFFICE, *telemetry))
    assert alone["score"][0] > 7 and shared["score"].max() < 4


def test_what_a_machine_says_every_day_is_usual_for_it():
    daily = [asks("10.0.0.9", [f"{noise(40)}.av.example.com" for _ in range(100)], day=day) for day in range(10)]
    assert scored(events(*OFFICE, *daily))["score"].max() < 5


def test_exfiltration_spread_over_many_domains_is_seen_on_the_machine():
    spread = asks("10.0.0.9", [f"{noise(30)}.{noise(8)}.com" for _ in range(200)])
    seen = events(*OFFICE, spread)
    assert scored(seen)["score"].max() < 4
    assert scored(seen, "dns-spread")["entity"][0] == "ip:10.0.0.9" and scored(seen, "dns-spread")["score"][0] > 7


def test_answers_that_carry_data_count_and_addresses_do_not():
    asked = [f"p{i}.evil.com" for i in range(40)]
    text, plain = (scored(events(*OFFICE, asks("10.0.0.9", asked, qtype=kind, answers=["x" * 200])))["score"][0] for kind in ("TXT", "A"))
    assert text > 7 > plain


def test_reverse_lookups_say_nothing_and_block_lists_little():
    reverse = asks("10.0.0.9", [f"{i}.2.0.192.in-addr.arpa" for i in range(250)], qtype="PTR")
    blocks = asks("10.0.0.8", [f"{i}.{i}.0.192.zen.blocks.example.com" for i in range(200)])
    scores = scored(events(*OFFICE, reverse, blocks))
    assert scores["score"].max() < 7 and not scores["_what"].str.contains("arpa").any()


def test_a_day_told_in_parts_is_told_as_one():
    detector = ALL["dns-tunnel"]
    rows = asks("10.0.0.9", [f"{noise(50)}.evil.com" for _ in range(100)], qtype="TXT", answers=["y" * 100])
    first, second, office = events(rows[:60]), events(rows[60:]), events(*OFFICE)
    known = detector.merge([detector.learn(office), detector.learn(first)])
    late = detector.score(second, known).sort("score")
    whole = detector.score(concat([first, second]), detector.merge([detector.learn(office)])).sort("score")
    assert late["score"][-1] == pytest.approx(whole["score"][-1], rel=0.01) and late["_asked"][-1] == 100


def test_more_domains_than_are_kept_do_no_harm():
    flood = events(asks("10.0.0.9", [f"a.{noise(12)}.com" for _ in range(1_500)]))
    for name in ("dns-tunnel", "dns-spread", "generated-domains"):
        detector = ALL[name]
        scores = detector.score(flood, detector.merge([detector.learn(events(*OFFICE)), detector.learn(flood)]), included=True)
        assert scores.height >= 1 and scores["score"].is_finite().all()


def test_machines_that_the_self_has_no_room_for_are_scored(monkeypatch):
    monkeypatch.setattr(caps, "Y_MOST", 3)
    seen = events(*OFFICE, asks("10.0.0.9", [f"{noise(50)}.evil.com" for _ in range(100)]))
    for name in ("dns-tunnel", "dns-spread", "generated-domains"):
        detector = ALL[name]
        self_ = detector.merge([detector.learn(seen)])
        scores = detector.score(seen, self_, included=True)
        assert self_["y"].n_unique() == 3 and scores["entity"].n_unique() == 9 and scores["score"].is_finite().all()
        assert len(detector.explain(scores)) == scores.height


def test_iodine_is_found_and_real_networks_are_quiet():
    data = os.environ.get("NONSELF_DATA")
    if not data:
        pytest.skip("NONSELF_DATA names no folder of real data: iodine among real networks is not looked for")
    quiet = {name: read(Path(data) / name) for name in ("zeek/proxy", "network/slips")}
    tunnel = read(Path(data) / "network/dns-tunnel-iodine.pcap")
    for name, seen in quiet.items():
        for detector in ("dns-tunnel", "dns-spread"):
            assert scored(seen, detector)["score"].max() < 7, (name, detector)
            scores = scored(concat([seen, tunnel]), detector)
            assert scores["entity"][0] == "ip:10.0.2.30" and scores["score"][0] > scores["score"][1] + 5


def read(path):
    chunks = (chunk for given in sources.discover([path], Limits()) for chunk in sources.read(given, Limits())[1])
    return concat([chunk.events.filter(pl.col("class_uid") == 4003) for chunk in chunks])


@pytest.mark.parametrize("name", ["dns-tunnel", "dns-spread"])
def test_what_is_no_name_is_left_out(name):
    seen = events(asks("10.0.0.1", [*SITES, ".", " ", "..", "\0", "-"]), asks("10.0.0.2", [".", "..", " "]))
    assert scored(seen, name).height >= 1
