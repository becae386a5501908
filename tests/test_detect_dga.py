"""Names that machines make: the shipped model, and the detector of machines that ask for many of them."""

import json
import random

import numpy as np
import polars as pl
import pytest

from nonself.cli import main
from nonself.core import enrich
from nonself.core.events import conform
from nonself.detect import detectors, dga_model
from nonself.lab import bench_dga, dga_designs, dga_fit, names_machines, names_people

DETECTOR = next(d for d in detectors() if d.name == "generated-domains")
PEOPLE = [
    "wikipedia",
    "google",
    "stackoverflow",
    "lemonde",
    "theguardian",
    "bbc",
    "accuweather",
    "openstreetmap",
    "sparkasse",
    "mercadolibre",
]


def asks(machine, names, *, rcode="NOERROR", day=4, hour=9):
    """Events of a machine that asks for some names, one a second."""
    start = 1_709_510_400_000_000 + (day - 4) * 86_400_000_000 + hour * 3_600_000_000
    return [
        {"time": start + i * 1_000_000, "src_ip": machine, "query": name, "rcode": rcode, "uid": f"{machine}-{day}-{hour}-{i}-{name}"}
        for i, name in enumerate(names)
    ]


def events(*parts):
    rows = [row for part in parts for row in part]
    return conform(pl.DataFrame(rows).with_columns(pl.lit(4003).alias("class_uid"), pl.col("time").cast(pl.Datetime("us", "UTC"))))


def scored(seen, *known):
    self_ = DETECTOR.merge([DETECTOR.learn(part) for part in (seen, *known)])
    scores = DETECTOR.score(seen, self_, included=True)
    return dict(zip(scores["entity"], scores["score"], strict=True)), scores


BACKGROUND = [asks(f"10.0.0.{i}", [f"www.{name}.com" for name in PEOPLE]) for i in range(1, 6)]
BOT = dga_designs.domains("qakbot", 40, 1)


def test_the_shipped_model_tells_designs_it_never_saw_from_well_known_names():
    people = [f"{name}.com" for name in PEOPLE] + dga_people(300)
    families = {name: dga_designs.domains(name, 100, 2) for name in dga_designs.DESIGNS}
    found = bench_dga.measured(families, people)
    assert found["suffixes"] and found["mean"]["model"] > 0.96 and found["worst"]["model"] > 0.8
    assert all(found["mean"]["model"] > found["mean"][control] for control in ("entropy", "length", "bigrams"))


def dga_people(count):
    return [".".join(domain) for domain in dga_fit.chosen(names_people.words(), count, 99)]


def test_a_class_says_what_a_name_looks_like():
    model = dga_model.shipped()
    bits, kinds = model.bits(["wikipedia", "9f86d081884c7d659a2feaa0", "xkqvzjwtplmrwqz"], ["org", "info", "biz"])
    assert bits[0] < 0 < 5 < min(bits[1:]) and model.classes[kinds[1]] == "hexadecimal" and model.classes[kinds[2]] == "letters"


def test_of_words_that_begin_at_one_place_the_longest_is_found():
    lexicon = dga_model.Lexicon.of(["new", "news", "newspaper", "hub", "a-i"], ["news", "hub"])
    (share, more, usual, longest, count, any_usual), nothing = lexicon.features(["newspaperhub", "xq"], np.array([12.0, 2.0]))
    assert (share, more, longest, count) == (1.0, 9 / 12, 9, 1) and (usual, any_usual) == (7 / 12, 1) and not nothing.any()


def test_hostile_labels_are_scored():
    bits, _ = dga_model.shipped().bits(["", "x" * 5_000, "\x00", "é" * 80, "-", "\u202e"], [""] * 6)
    assert len(bits) == 6 and all(abs(b) < 1e3 for b in bits)


def test_a_bot_is_found_and_one_odd_name_is_not():
    found, scores = scored(events(*BACKGROUND, asks("10.0.0.9", BOT, rcode="NXDOMAIN"), asks("10.0.0.8", [BOT[0], "www.bbc.com"])))
    assert found["ip:10.0.0.9"] > 30 and found["ip:10.0.0.8"] < 4 and max(found[f"ip:10.0.0.{i}"] for i in range(1, 6)) < 1
    (row,) = scores.filter(pl.col("entity") == "ip:10.0.0.9").iter_rows(named=True)
    looks, exist, here = DETECTOR.explain(scores.filter(pl.col("entity") == "ip:10.0.0.9"))[0]
    assert row["_made"] >= 35 and "40 of them do not exist" in exist.seen and looks.bits > 20 and exist.bits > 0 and here.bits <= 0


def test_names_that_do_not_exist_say_more_than_those_that_do():
    few = [name.partition(".")[0][:8] + ".com" for name in BOT[:4]]
    failing, _ = scored(events(*BACKGROUND, asks("10.0.0.9", few, rcode="NXDOMAIN")))
    found, _ = scored(events(*BACKGROUND, asks("10.0.0.9", few)))
    silent, _ = scored(events(*BACKGROUND, asks("10.0.0.9", few, rcode=None)))
    assert failing["ip:10.0.0.9"] > silent["ip:10.0.0.9"] > found["ip:10.0.0.9"]


def test_what_several_machines_ask_for_is_normal_here_and_so_is_what_one_asks_for_weeks():
    several, _ = scored(events(*BACKGROUND, *[asks(f"10.0.1.{i}", BOT[:6]) for i in range(8)]))
    assert max(several.values()) < 4
    daily = events(*BACKGROUND, *[asks("10.0.0.9", BOT[:6], rcode=None, day=day) for day in range(4, 25)])
    _, scores = scored(daily)
    own = scores.filter(pl.col("entity") == "ip:10.0.0.9").sort("start")["score"].to_list()
    assert own[0] > 10 > 4 > own[-1]


def test_names_of_the_sites_own_kind_are_taken_back():
    rng = random.Random(4)
    plants = [f"plx{rng.randint(100, 999)}qk{rng.randint(10, 99)}" for _ in range(60)]
    known = [asks(f"10.0.0.{i}", [f"{name}.com" for name in plants[:55]]) for i in range(1, 5)]
    new = asks("10.0.0.9", [f"{name}.com" for name in plants[55:]])
    (own, _), (strange, _) = scored(events(*known, new)), scored(events(*BACKGROUND, new))
    assert strange["ip:10.0.0.9"] > 5 and own["ip:10.0.0.9"] < strange["ip:10.0.0.9"] / 2


def test_machines_are_found_of_every_class_trained_on():
    rng, words = random.Random(6), names_people.words()
    for kind in names_machines.CLASSES:
        make = names_machines.CLASSES[kind][0](rng, words)
        found, _ = scored(events(*BACKGROUND, asks("10.0.0.9", [f"{make()}.net" for _ in range(60)], rcode="NXDOMAIN")))
        assert found["ip:10.0.0.9"] > (0.0 if kind == "words" else 30), kind


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("www.Example.co.uk.", "example.co.uk"), ("qz.ddns.net", "qz.ddns.net"), ("a.qz.mooo.com", "qz.mooo.com"), ("mooo.com", "mooo.com"),
        ("x.y.blogspot.com", "y.blogspot.com"), ("192.0.2.1", None), ("localhost", None), ("co.uk", None), ("\x00.\x00", None),
    ],
)  # fmt: skip
def test_the_chosen_domain_is_below_what_a_provider_hands_out(name, domain):
    assert enrich.chosen_domain(pl.Series([name]))[0] == domain


def test_a_small_fit_learns_and_is_the_same_again():
    one, grams, counts = dga_fit.fitted(("letters", "hexadecimal"), names=1_500, per_class=60)
    two, again, _ = dga_fit.fitted(("letters", "hexadecimal"), names=1_500, per_class=60)
    bits, _ = one.bits(["sunflower", "qxzkvwjqpz", "0f3a9c21b7e8"], ["com"] * 3)
    assert bits[0] < min(bits[1:]) and (grams == again).all() and (one.weights == two.weights).all() and counts.min() > 1


def test_the_bench_prints_each_family_mean_and_worst(tmp_path, capsys):
    (tmp_path / "people.csv").write_text("rank,domain\n" + "\n".join(f"{i},{name}.com" for i, name in enumerate(PEOPLE)))
    (tmp_path / "hex.txt").write_text("# a family\n" + "\n".join(dga_designs.domains("bamital", 20, 1)))
    (tmp_path / "bare.txt").write_text("\n".join(name.partition(".")[0] for name in dga_designs.domains("ramnit", 20, 1)))
    given = ["bench", "dga", "--negative", str(tmp_path / "people.csv"), "--positive", str(tmp_path / "hex.txt")]
    assert main([*given, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (
        document["suffixes"]
        and document["families"][0]["family"] == "hex"
        and document["mean"]["model"] == document["worst"]["model"] == 1.0
    )
    assert main([*given, str(tmp_path / "bare.txt")]) == 0
    out = capsys.readouterr().out
    assert "bare labels" in out and "worst" in out and "bigrams" in out
    assert main([*given[:2], "--negative", str(tmp_path / "nowhere")]) == 2 and main(["bench", "dga"]) == 2
    assert "expected" in capsys.readouterr().err
