"""Filters: conditions added to rules from outside."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given, settings

from nonself.detect.sigma import Ruleset
from nonself.detect.sigma.reading import compile_files
from test_sigma_correlation import BASE, LOG, Record, at, correlation, frame, ruleset
from test_sigma_differential import SETTINGS, _frame, _pairs, events_, rules

WINDOWS = {"product": "windows", "category": "process_creation"}


def filtered(rules: Any, *, id_: str = "f", logsource: Any = LOG, condition: str = "not sel", **more: Any) -> Record:
    return {
        "title": f"filter {id_}",
        "id": id_,
        "logsource": logsource,
        "filter": {"rules": rules, "sel": {"g": "good"}, "condition": condition} | more,
    }


def hit(rules: Ruleset) -> dict[str, list[int]]:
    """Rule -> numbers of the events it hits, of three `abc`: g is good, bad, absent."""
    hits = rules.match(frame([at(1, "abc", g="Good"), at(2, "abc", g="bad"), at(3, "abc")]))
    return {rule: [int(uid, 16) for uid in uids] for rule, uids in hits.select("rule", "events").iter_rows()}


@pytest.mark.parametrize("given_", ["any", "ANY", [], ["id-a", "b", "c"]])
def test_a_filter_takes_away(given_: Any) -> None:
    loaded = ruleset(filtered(given_))
    assert not loaded.rejected
    assert hit(loaded) == {"id-a": [1, 2], "id-b": [1, 2], "id-c": [1, 2]}
    (in_force,) = loaded.filters
    assert (in_force.id, in_force.rules, in_force.keeps) == ("f", ("id-a", "id-b", "id-c"), False)


def test_only_the_rules_named() -> None:
    assert hit(ruleset(filtered("id-a"))) == {"id-a": [1, 2], "id-b": [0, 1, 2], "id-c": [0, 1, 2]}


def test_a_condition_without_not_keeps_what_it_selects() -> None:
    loaded = ruleset(filtered("a", condition="sel"))
    assert hit(loaded)["id-a"] == [0] and loaded.filters[0].keeps


def test_several_filters_and_patterns() -> None:
    second = filtered(["a"], id_="g", sel_one={"g": "bad"}, sel_two={"g": "worse"}, condition="not 1 of sel_*")
    assert hit(ruleset(filtered("a"), second))["id-a"] == [2]
    assert hit(ruleset(second, filtered("a")))["id-a"] == [2]


def test_names_of_the_rules_own_detections_are_not_mixed_up() -> None:
    """Rule and filter both call a part `s`."""
    document = {"title": "f", "id": "f", "logsource": LOG, "filter": {"rules": "a", "s": {"g": "good"}, "condition": "not s"}}
    assert hit(ruleset(document))["id-a"] == [1, 2]


def test_or_in_a_rule_is_filtered_whole() -> None:
    either = {"title": "e", "id": "e", "logsource": LOG, "detection": {"s": {"kind": "zzz"}, "t": {"kind": "abc"}, "condition": "s or t"}}
    assert hit(ruleset(either, filtered("e")))["e"] == [1, 2]
    several = either | {"detection": either["detection"] | {"condition": ["s", "t"]}}
    assert hit(ruleset(several, filtered("e")))["e"] == [1, 2]


def test_what_correlations_stand_on_is_filtered() -> None:
    loaded = ruleset(correlation("k", "event_count", "a", condition={"gte": 3}), filtered("a"))
    _, inputs = loaded.observe(frame([at(1, "a", g="good"), at(2, "a"), at(3, "a")]))
    assert inputs.height == 2 and loaded.correlate(inputs).height == 0


@pytest.mark.parametrize(
    ("logsource", "fits"),
    [({"product": "aws"}, True), ({"service": "cloudtrail"}, True), ({"product": "AWS", "service": "CloudTrail"}, True), (WINDOWS, False),
     ({"product": "aws", "category": "x"}, False)],
)  # fmt: skip
def test_the_log_source_must_fit(logsource: Any, fits: bool) -> None:
    named, every = ruleset(filtered("a", logsource=logsource)), ruleset(filtered("any", logsource=logsource))
    assert hit(named)["id-a"] == ([1, 2] if fits else [0, 1, 2])
    assert hit(every)["id-a"] == ([1, 2] if fits else [0, 1, 2])
    if not fits:
        assert "does not fit 'a'" in named.rejected[0].reason and "no rule of its log source" in every.rejected[0].reason
        assert named.filters == every.filters == ()


def test_unknown_rules_are_listed_and_the_others_filtered() -> None:
    loaded = ruleset(filtered(["a", "nosuch"]))
    (refused,) = loaded.rejected
    assert (refused.rule, refused.path) == ("f", "r.yml") and "'nosuch'" in refused.reason
    assert hit(loaded)["id-a"] == [1, 2] and loaded.filters[0].rules == ("id-a",)


def test_a_rule_that_is_not_evaluated_and_a_correlation_can_not_be_filtered() -> None:
    broken = {"title": "x", "id": "x", "logsource": LOG, "detection": {"condition": "nosuch"}}
    loaded = ruleset(broken, correlation("k", "event_count", "a", condition={"gte": 2}), filtered(["x", "k"]))
    assert "'x', which is not evaluated" in loaded.rejected[-1].reason and "'k', a correlation" in loaded.rejected[-1].reason


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (filtered("a") | {"filter": "x"}, "a mapping"),
        (filtered("a") | {"filter": {"rules": "a"}}, "one condition"),
        (filtered("a", condition=["not sel", "sel"]), "one condition"),
        (filtered("a", condition="not nosuch"), "nosuch"),
        (filtered({"a": 1}), "any, an id or name"),
        (filtered([7]), "any, an id or name"),
        (filtered("a", logsource={}), "no logsource"),
        (filtered("a", logsource={"definition": "x"}), "no logsource"),
        ({"title": "f", "id": "f", "logsource": LOG, "filter": {"sel": {"g": "x"}, "condition": "sel"}}, "which rules it is for"),
        (filtered("a", sel={"g|re": "(a"}), "invalid"),
        (filtered("a") | {"detection": {"s": {"a": 1}, "condition": "s"}}, "one of a rule, a correlation and a filter"),
    ],
)
def test_filters_that_can_not_be_read_are_listed(document: Record, reason: str) -> None:
    loaded = ruleset(document)
    (refused,) = loaded.rejected
    assert reason in refused.reason and refused.line > 1
    assert hit(loaded)["id-a"] == [0, 1, 2]


def test_it_does_not_matter_which_file_comes_first() -> None:
    parts = [yaml.safe_dump_all(BASE).encode(), yaml.safe_dump(filtered("a")).encode()]
    for order in (parts, parts[::-1]):
        assert hit(Ruleset(compile_files([(f"{number}.yml", part) for number, part in enumerate(order)])))["id-a"] == [1, 2]


@settings(SETTINGS, max_examples=15)
@given(rules, rules, events_)
def test_a_filter_is_an_and(rule: Record, filtering: Record, events: list[Record]) -> None:
    """Filtered hits are those that the rule and the filter's condition, as a rule of its own, both hit."""
    if not isinstance(filtering["condition"], str):
        filtering = filtering | {"condition": "sel_a"}
    one, other = ({"title": "t", "id": name, "logsource": LOG, "detection": d} for name, d in (("r", rule), ("o", filtering)))
    document = {"title": "f", "id": "f", "logsource": LOG, "filter": {"rules": ["r"]} | filtering}
    content = yaml.safe_dump_all([one, other], allow_unicode=True).encode()
    events_frame: pl.DataFrame = _frame(events, [None] * len(events))
    plain = _pairs(Ruleset(compile_files([("r.yml", content)])).match(events_frame))
    both = {uid for rule_, uid in plain if rule_ == "r"} & {uid for rule_, uid in plain if rule_ == "o"}
    loaded = Ruleset(compile_files([("r.yml", content), ("f.yml", yaml.safe_dump(document, allow_unicode=True).encode())]))
    assert not loaded.rejected
    assert {uid for rule_, uid in _pairs(loaded.match(events_frame)) if rule_ == "r"} == both
