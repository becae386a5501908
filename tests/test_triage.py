"""Verdicts: in force until undone, learnt from with care; exceptions: scoped, ending, previewed; incidents keep their lives."""

from __future__ import annotations

import math
import random
import tomllib
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

import msgspec
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.core.errors import UsageError
from nonself.core.finding import Finding, Reason
from nonself.core.incident import Incident
from nonself.core.verdict import Verdict
from nonself.triage import exceptions, lifecycle, ranking, verdicts
from nonself.triage.features import VARIANCE, Features, features, touched
from test_sigma_correlation import LOG, at, frame, ruleset

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)


def finding(name: str, *, detector: str = "d", entity: str = "host:a", bits: float = 10.0, seen: str = "x", day: int = 0) -> Finding:
    when = T0 + timedelta(days=day)
    return Finding(
        id=name, detector=detector, title=f"Finding {name}", entity=entity, entities=(entity,), start=when, end=when, score=bits, p=0.001,
        n=999, bits=bits, reasons=(Reason(feature="f", seen=seen, normal="n", bits=bits),), events=(f"e-{name}",), n_events=1,
    )  # fmt: skip


def incident(name: str, *findings: str, bits: float = 30.0, **more: object) -> Incident:
    fields = {"id": name, "title": name, "bits": bits, "start": T0, "end": T0, "entities": (), "stages": (), "edges": (), "n_events": 1}
    return Incident(**{**fields, "findings": findings, **more})  # type: ignore[arg-type]


def verdict(number: int, subject: str, judgement: str = "malicious", *, who: str = "ann", undoes: str = "") -> Verdict:
    when = T0 + timedelta(minutes=number)
    return Verdict(id=f"v{number}", subject=subject, judgement=judgement, reason="r", who=who, when=when, undoes=undoes)  # type: ignore[arg-type]


def test_the_last_verdict_that_nobody_took_back_is_in_force() -> None:
    given_ = [verdict(1, "i"), verdict(2, "i", "false alarm"), verdict(3, "i", "false alarm", undoes="v2"), verdict(4, "j", "unsure")]
    assert {name: v.id for name, v in verdicts.in_force(given_).items()} == {"i": "v1", "j": "v4"}
    assert verdicts.in_force([]) == {}


def test_contradictions_are_shown() -> None:
    alike = {"i": "sort", "j": "sort", "k": "other"}
    (pair,) = verdicts.disagreements([verdict(1, "i"), verdict(2, "j", "false alarm", who="bob"), verdict(3, "k", "benign trigger")], alike)
    assert [v.id for v in pair] == ["v1", "v2"]
    assert verdicts.disagreements([verdict(1, "i"), verdict(2, "j", "attempt", who="bob"), verdict(3, "j", "unsure")], alike) == []


def test_a_closed_incident_that_grows_is_opened_again_with_the_reason() -> None:
    standing = {"i": verdict(1, "i", "false alarm")}
    old = incident("i", "a", "b")
    (same,) = lifecycle.carried([old], [old], standing)
    assert (same.state, same.why) == ("closed", "judged false alarm by ann: r")
    (grown,) = lifecycle.carried([same], [incident("i", "a", "b", "c")], standing)
    assert (grown.state, grown.why) == ("open", "re-opened: 1 new finding since it was judged false alarm by ann")
    (still,) = lifecycle.carried([grown], [incident("i", "a", "b", "c")], standing)
    assert (still.state, still.why) == ("open", grown.why), "until somebody judges it again"


def test_merges_and_splits_are_recorded() -> None:
    old = [incident("i", "a", "b"), incident("j", "c", "d", merged=("h",))]
    (one,) = lifecycle.carried(old, [incident("i", "a", "b", "c", "d")], {"j": verdict(1, "j")})
    assert one.merged == ("h", "j") and one.state == "closed", "a verdict follows what it was about"
    first, second = lifecycle.carried(old, [incident("j", "c"), incident("new", "d")], {})
    assert (first.merged, first.why, second.why) == (("h",), "", "split off from j")


def row(*detectors: str, bits: float = 30.0, **more: object) -> Features:
    found = [msgspec.structs.replace(finding(f"f-{name}", detector=name), **more) for name in detectors]
    return features(incident("x", "f", bits=bits), found, {})


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 80)), max_size=25))
@settings(max_examples=30)
def test_a_rank_is_the_sum_of_what_it_says(rows: list[tuple[str, float, float]]) -> None:
    learnt = ranking.fit([(row(name, bits=bits), worth) for name, worth, bits in rows])
    asked = features(incident("x", "f"), [finding("f", detector="a", bits=3), finding("g", detector="new", bits=9)], {})
    rank = learnt.rank(asked)
    assert 0 < rank.probability < 1 and 0 < rank.malicious < 1
    assert sum(part for _, part in rank.because) == pytest.approx(rank.score, abs=0.05)
    assert learnt.places([asked])[0] == pytest.approx(rank.place)


def test_without_verdicts_bits_rank_and_nothing_is_sure_of_the_middle() -> None:
    nothing = ranking.fit([])
    places = [nothing.rank(row("d", bits=bits)).place for bits in (0, 5, 30, 200)]
    assert places == sorted(places) and nothing.rank(row("d", bits=30)).probability < nothing.rank(row("d", bits=200)).probability
    assert not nothing.rank(row("d", bits=30)).sure


@given(
    st.lists(
        st.builds(
            lambda detector, bits, attack, tactics: msgspec.structs.replace(
                finding("f", detector=detector, bits=bits), attack=tuple(attack), tactics=tuple(tactics)
            ),
            st.sampled_from(["a", "sigma:b", "alert:c", ""]), st.floats(0, 1e300),
            st.lists(st.sampled_from(["T1", "T2", "T3"]), max_size=3, unique=True), st.lists(st.sampled_from(["x", "y"]), unique=True),
        ),
        max_size=6,
    )
)  # fmt: skip
@settings(max_examples=40)
def test_every_group_of_features_has_the_same_variance(found: list[Finding]) -> None:
    told = features(incident("x", "f"), found, {})
    groups: dict[str, float] = defaultdict(float)
    for name, value in told.items():
        groups[name.partition(" ")[0]] += value**2
    del groups["bits"]
    assert all(total == pytest.approx(VARIANCE) for total in groups.values())
    assert len(groups) == (5 if any(f.bits > 0 for f in found) else 1)


def test_no_single_verdict_silences_a_class_but_many_push_it_down() -> None:
    def place(n: int) -> float:
        return ranking.fit([(row("noisy"), 0.0)] * n).rank(row("noisy")).place

    assert place(0) - place(1) < 1.0
    assert place(0) - place(20) > 1.0


def test_a_wrong_verdict_among_many_is_taken_for_a_slip() -> None:
    judged = [(row("bad"), 1.0)] * 12
    sure, doubted = (ranking.fit(told).rank(row("bad")) for told in (judged, [*judged, (row("bad"), 0.0)]))
    assert sure.score - doubted.score < 1.0 and doubted.probability > 0.8


def test_what_is_learnt_of_one_detector_is_shared_with_its_like() -> None:
    learnt = ranking.fit([(row("sigma:a", attack=("T1110",), tactics=("credential-access",)), 1.0), (row("b"), 0.0)] * 6)
    like, other, unlike = row("sigma:new", attack=("T1110",)), row("sigma:new"), row("new")
    scores, variances = learnt.attack.moments([like, other, unlike])
    assert scores[0] > scores[1] > scores[2]
    assert variances[0] < variances[1], "what is like something judged is better known"


def test_of_two_that_look_alike_the_less_known_is_looked_at_first() -> None:
    learnt = ranking.fit([(row("a"), float(n % 2)) for n in range(20)])
    known, new = learnt.rank(row("a")), learnt.rank(row("other:new", attack=("T9",), tactics=("z",)))
    assert abs(known.score - new.score) < 0.2 and new.place > known.place


def test_an_attempt_comes_after_an_attack_and_before_what_is_false() -> None:
    judged = [(row("m"), verdicts.WORTH["malicious"]), (row("a"), verdicts.WORTH["attempt"]), (row("f"), verdicts.WORTH["false alarm"])]
    learnt = ranking.fit(judged * 8)
    assert learnt.rank(row("m")).place > learnt.rank(row("a")).place > learnt.rank(row("f")).place
    assert "unsure" not in verdicts.WORTH


def trace(name: str, entity: str, everywhere: dict[str, int]) -> Features:
    """An incident of a detector of its own about one entity."""
    return features(incident(name, "f", entities=(entity,)), [finding("f", detector=name, entity=entity)], everywhere)


def test_what_was_judged_malicious_leads_to_the_rest_of_it() -> None:
    everywhere = {"host:a": 2, "host:b": 2}
    judged = [(trace("m", "host:a", everywhere), 1.0), *((trace(f"f{n}", "host:c", everywhere), 0.0) for n in range(8))]
    learnt = ranking.fit(judged)
    rest, other = (learnt.rank(trace("x", entity, everywhere)) for entity in ("host:a", "host:b"))
    assert rest.malicious > other.malicious and rest.place > other.place
    assert rest.score == pytest.approx(other.score), "whose it is says nothing of whether it is an attack at all"
    assert rest.traces[0][0] == "host:a" and not other.traces


def test_an_entity_that_everybody_meets_leads_nowhere() -> None:
    def leads(others: int) -> float:
        everywhere = {"host:a": others}
        learnt = ranking.fit([(trace("m", "host:a", everywhere), 1.0), (trace("f", "host:b", everywhere), 0.0)] * 3)
        return sum(part for _, part in learnt.rank(trace("x", "host:a", everywhere)).traces)

    assert leads(2) > 2 * leads(1_000) > 0 and leads(1) == 0
    assert touched([incident("i", "f", entities=("a", "a", "b")), incident("j", "f", entities=("a",))]) == {"a": 2, "b": 1}


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["host:x", "host:y"]), st.booleans()), min_size=1, max_size=12))
@settings(max_examples=20)
def test_the_weights_are_the_most_probable_ones(told: list[tuple[str, str, bool]]) -> None:
    """In all directions, not only in those of the judged: there the gradient of the log posterior is nothing."""
    rows = [trace(name, entity, {"host:x": 3, "host:y": 9}) for name, entity, _ in told]
    model = ranking.fit([(row, float(attack)) for row, (*_, attack) in zip(rows, told, strict=True)]).malicious
    gradient = tuple(-weight for weight in model.weights)
    scores, variances = model.moments(rows)
    for row, z, (*_, attack) in zip(rows, scores, told, strict=True):
        p = 1 / (1 + math.exp(-z))
        said = ranking.NOISE + (1 - 2 * ranking.NOISE) * p
        pull = (attack - said) / (said * (1 - said)) * (1 - 2 * ranking.NOISE) * p * (1 - p)
        gradient = tuple(g + pull * row.get(name, 0.0) for g, name in zip(gradient, model.names, strict=True))
    assert max(map(abs, gradient)) < 1e-4
    assert all(0 <= v <= math.fsum(x * x for x in row.values()) + 1e-9 for v, row in zip(variances, rows, strict=True))


def test_learning_orders_better_than_bits_where_one_detector_is_noise() -> None:
    draw = random.Random(3)
    made = [(draw.choice(["noise", "good"]), draw.uniform(20, 60)) for _ in range(80)]
    learnt = ranking.fit([(row(name, bits=bits), float((name == "good") != (draw.random() < 0.17))) for name, bits in made[:50]])
    rest = sorted(made[50:], key=lambda told: -learnt.rank(row(told[0], bits=told[1])).score)
    good = sum(name == "good" for name, _ in rest)
    assert sum(name == "good" for name, _ in rest[:good]) > 0.85 * good


def exception(**more: object) -> exceptions.Hidden:
    fields = {
        "id": "x",
        "detector": "d",
        "entity": "host:a",
        "reason": "r",
        "who": "ann",
        "created": date(2026, 3, 1),
        "expires": date(2026, 4, 1),
    }
    return exceptions.Hidden(**{**fields, **more})  # type: ignore[arg-type]


def test_an_exception_hides_what_it_says_until_it_ends() -> None:
    assert exception().hides(finding("f"))
    assert not exception().hides(finding("f", entity="host:b")) and not exception().hides(finding("f", detector="e"))
    assert not exception().hides(finding("f", day=60)), "it has ended"
    values = exception(entity="", values=("Image = a.exe",))
    assert values.hides(finding("f", entity="host:z", seen="Image = a.exe, User = b")) and not values.hides(finding("f"))
    assert exceptions.hidden([finding("f"), finding("g", entity="host:b")], [exception()]) == {"f"}


def test_a_preview_names_the_attacks_it_would_hide() -> None:
    found = [finding(f"f{n}", day=n) for n in range(20)]
    preview = exceptions.preview(exception(), found, {"f3": "inc-1", "zz": "inc-2"})
    assert len(preview.findings) == 20 and [f.id for f in preview.attacks] == ["f3"]
    assert 0 < len(preview.sample) <= exceptions.SAMPLE and preview.sample[0].id == "f0"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"entity": ""}, "no exception silences a class"),
        ({"detector": ""}, "no exception silences a class"),
        ({"reason": " "}, "a reason"),
        ({"expires": date(2028, 1, 1)}, "within a year"),
        ({"expires": date(2026, 2, 1)}, "within a year"),
    ],
)
def test_an_exception_too_wide_is_refused(more: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        exceptions.checked(exception(**more))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(TEXT, TEXT, st.lists(TEXT, max_size=3), TEXT)
@settings(max_examples=40)
def test_an_exception_is_read_back_as_written(detector: str, entity: str, values: list[str], reason: str) -> None:
    made = exception(detector=detector, entity=entity, values=tuple(values), reason=reason)
    (again,) = msgspec_free(exceptions.as_toml(made))
    assert again == made


def msgspec_free(text: str) -> list[exceptions.Hidden]:
    return [exceptions.Hidden(**{**table, "values": tuple(table.get("values", ()))}) for table in tomllib.loads(text)["exception"]]


def test_a_file_that_is_no_exception_is_told(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "e.toml"
    for text in ("[[exception]]\nid = 3\n", "exception = 5\n", "[[exception]\n", '[[exception]]\nid="a"\nunknown=1\n'):
        path.write_text(text)
        with pytest.raises(UsageError, match="exception"):
            exceptions.load([path])
    with pytest.raises(UsageError, match="TOML"):
        exceptions.load([tmp_path / "none.toml"])


def test_like_takes_only_what_the_finding_tells() -> None:
    found = finding("f", seen="Image = C:\\a*.exe")
    made = exceptions.like(found, values=["Image = C:\\a*.exe"], any_entity=True, reason="r", who="ann", today=date(2026, 3, 2), days=30)
    assert made.hides(found) and made.entity == "" and made.expires == date(2026, 4, 1)
    with pytest.raises(UsageError, match="a value that the finding tells"):
        exceptions.like(found, values=["User = x"], any_entity=False, reason="r", who="ann", today=date(2026, 3, 2), days=30)


def test_a_sigma_filter_takes_away_what_the_exception_hides() -> None:
    made = exception(detector="sigma:id-a", entity="", values=("g = go*d\\",))
    text = exceptions.as_sigma(made, LOG)
    assert text is not None
    loaded = ruleset(yaml.safe_load(text))
    assert not loaded.rejected and loaded.filters[0].rules == ("id-a",)
    hits = loaded.match(frame([at(1, "abc", g="go*d\\"), at(2, "abc", g="goooood\\"), at(3, "abc")])).filter(pl.col("rule") == "id-a")
    assert [int(uid, 16) for uid in hits["events"].explode()] == [1, 2], "a star in a value is a star"


def test_what_is_no_sigma_filter_is_not_written_as_one() -> None:
    for other in (exception(), exception(detector="sigma:x"), exception(detector="sigma:x", entity="", values=("no pair",))):
        assert exceptions.as_sigma(other, LOG) is None
