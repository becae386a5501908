"""Correlation documents that can't be evaluated, and what is promised beside the windows: silence, evidence, caps, what is pending."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest
import yaml

from nonself.core.settings import Calibrate, Config
from nonself.core.stats import Stats
from nonself.detect.sigma import Ruleset, correlation_inputs
from nonself.detect.sigma.correlation_inputs import INPUTS, shown
from nonself.detect.sigma.correlation_link import MAX_DEPTH
from nonself.detect.sigma.reading import compile_files
from nonself.ledger import Ledger
from nonself.pipeline import scan
from test_sigma_correlation import BASE, LOG, START, Record, at, correlation, frame, ruleset, spans, told

COUNT: Record = {"condition": {"gte": 2}}


def test_windows_slide_and_include_both_ends() -> None:
    rules = ruleset(correlation("k", "event_count", "a", condition={"gte": 3}))
    assert spans(told(rules, [at(0, "a"), at(4, "a"), at(10, "a")])) == [(0, 10, 3)]
    assert spans(told(rules, [at(0, "a"), at(4, "a"), at(10.000001, "a")])) == []


def test_windows_that_share_an_event_are_one_hit() -> None:
    rules = ruleset(correlation("k", "event_count", "a", **COUNT))
    events = [at(second, "a") for second in (0, 8, 16, 24, 24.5)]
    assert spans(told(rules, events)) == [(0, 24.5, 5)]
    assert spans(told(rules, [*events[:2], *events[3:]])) == [(0, 8, 2), (24, 24.5, 2)]


def test_a_hit_ends_at_midnight() -> None:
    rules = ruleset(correlation("k", "event_count", "a", **COUNT))
    hits = told(rules, [at(second, "a") for second in range(20, 40, 5)])
    assert spans(hits) == [(20, 25, 2), (20, 35, 4)], "the second hit's windows reach back over midnight"


def test_undated_events_and_those_without_group_do_not_count() -> None:
    rules = ruleset(correlation("k", "event_count", "a", group_by=["g"], **COUNT))
    events = [at(1, "a", g="x"), at(2, "a"), at(3, "a", g=""), at(4, "a", g=None), {"t": None, "kind": "a", "g": "x"}]
    assert told(rules, events).height == 0
    assert told(rules, [*events, at(5, "a", g="X")])["n_events"].to_list() == [2]


def test_groups_of_several_fields_are_not_confused() -> None:
    rules = ruleset(correlation("k", "event_count", "a", group_by=["g", "h"], **COUNT))
    assert told(rules, [at(1, "a", g="x\x1fy", h="z"), at(2, "a", g="x", h="y\x1fz"), at(3, "a", g="x\\x1fy", h="z")]).height == 0
    (matched,) = told(rules, [at(1, "a", g="a\\x1f\\", h="\x1f"), at(2, "a", g="A\\X1F\\", h="\x1f")])["matched"].to_list()
    assert matched[:2] == [{"field": "g", "value": "a\\x1f\\"}, {"field": "h", "value": "\x1f"}]
    assert shown("a\\\\x1f") == ["a\\x1f"]


def test_long_values_are_compared_whole() -> None:
    rules = ruleset(correlation("k", "event_count", "a", group_by=["g"], **COUNT))
    assert told(rules, [at(1, "a", g="x" * 5_000), at(2, "a", g="x" * 4_999 + "y")]).height == 0
    assert told(rules, [at(1, "a", g="x" * 5_000), at(2, "a", g="X" * 5_000)]).height == 1


def test_aliases_name_the_field_of_each_rule() -> None:
    aliases = {"who": {"a": "user", "b": "account"}}
    rules = ruleset(correlation("k", "temporal", ["a", "b"], group_by=["who"], aliases=aliases))
    assert told(rules, [at(1, "a", user="ann"), at(2, "b", account="Ann")])["n_events"].to_list() == [2]
    assert told(rules, [at(1, "a", user="ann"), at(2, "b", user="ann", account="bob")]).height == 0


def test_a_field_is_found_as_in_detections() -> None:
    """`eventName` is not in the record but in the column `op`."""
    rules = ruleset(correlation("k", "value_count", "a", condition={"gte": 2, "field": "eventName"}))
    events = frame([at(1, "a"), at(2, "a")]).with_columns(pl.Series("op", ["One", "Two"]))
    _, inputs = rules.observe(events)
    assert inputs["value"].to_list() == ["one", "two"] and rules.correlate(inputs).height == 1


def test_one_huge_value_does_not_blind_a_sum() -> None:
    rules = ruleset(correlation("k", "value_sum", "a", condition={"gte": 5, "field": "v"}))
    events = [at(0, "a", v=1e299), at(30, "a", v=2), at(31, "a", v=3)]
    assert spans(told(rules, events)) == [(0, 0, 1), (30, 31, 2)]
    strange = [at(40 + n, "a", v=v) for n, v in enumerate(["nan", "inf", "1e999", "0x99", "9" * 400, True, "", None, [5, 5]])]
    assert spans(told(rules, events + strange)) == [(0, 0, 1), (30, 31, 2)]


def test_rules_that_serve_a_correlation_are_silent() -> None:
    events = frame([at(1, "a"), at(2, "a"), at(3, "b")])
    plain, other = correlation("k", "event_count", "a", **COUNT), correlation("d", "event_count", "a", generate=True, **COUNT)
    assert set(ruleset(plain).observe(events)[0]["rule"]) == {"id-b"}
    assert set(ruleset(plain, other).observe(events)[0]["rule"]) == {"id-a", "id-b"}
    assert set(ruleset(plain).match(events)["rule"]) == {"id-a", "id-b"}, "they match all the same"
    broken = ruleset(plain | {"correlation": plain["correlation"] | {"timespan": "never"}})
    assert broken.silent == frozenset() and len(broken.rejected) == 1
    chain = ruleset(plain, correlation("e", "event_count", "k", condition={"gte": 1}))
    _, inputs = chain.observe(events)
    assert chain.correlate(inputs)["rule"].to_list() == ["e"]


def test_a_hit_is_about_what_its_events_share() -> None:
    rules = ruleset(correlation("k", "event_count", "a", **COUNT))
    hits = told(rules, [at(1, "a", host="DC1", src="10.0.0.66"), at(2, "a", host="dc2", src="10.0.0.66")])
    assert hits["entity"].to_list() == ["ip:10.0.0.66"]
    assert hits["entities"].to_list() == [["host:dc1", "host:dc2", "ip:10.0.0.66"]]
    apart = told(rules, [at(1, "a", host="dc1"), at(2, "a", host="dc2")])
    assert apart["entity"].to_list() == ["host:dc1"]


def test_evidence_is_shared_among_the_rules() -> None:
    rules = ruleset(correlation("k", "temporal_ordered", ["a", "b"]))
    hits = told(rules, [*(at(n / 100, "a") for n in range(200)), at(5, "b")])
    (uids,), (count,) = hits["events"].to_list(), hits["n_events"].to_list()
    assert count == 201 and len(uids) == 26 and uids[-1] == f"{200:024x}"


def test_only_hits_with_a_pending_event_are_new() -> None:
    rules = ruleset(correlation("k", "event_count", "a", **COUNT))
    old, late = frame([at(0, "a"), at(1, "a"), at(40, "a"), at(55, "a")]), frame([at(30, "x")] * 4 + [at(48, "a"), at(41, "b")])
    first, second = rules.observe(old)[1], rules.observe(late)[1]
    assert spans(rules.correlate(first, first)) == [(0, 1, 2)]
    whole = rules.merge_inputs([first, second])
    assert spans(rules.correlate(whole, second)) == [(40, 55, 3)]
    assert spans(rules.correlate(whole)) == [(0, 1, 2), (40, 55, 3)]


def test_inputs_are_a_commutative_monoid_and_a_record_twice_counts_once() -> None:
    rules = ruleset(correlation("k", "event_count", ["a", "b"], condition={"gte": 3}))
    a, b, c = (rules.observe(frame([at(n, k) for k in kinds]))[1] for n, kinds in enumerate((["a", "b"], ["ab"], ["x", "a"])))
    merge = rules.merge_inputs
    assert merge([]).schema == pl.Schema(INPUTS) and merge([]).height == 0
    assert merge([a, b, c]).equals(merge([c, merge([b, a])])) and merge([a, a]).equals(a) and merge([a, merge([])]).equals(a)
    assert rules.correlate(merge([a, a, a])).height == 0


def test_what_is_kept_of_a_flood_is_bounded() -> None:
    rules = ruleset(correlation("k", "event_count", "a", group_by=["g"], **COUNT))
    events = [at(n / 10, "a", g="x") for n in range(40)] + [at(1, "a", g="y")]
    parts = [rules.observe(frame(events))[1], rules.observe(frame([at(9, "x"), *([at(9, "x")] * 50), at(2, "a", g="x")]))[1]]
    with mock.patch.object(correlation_inputs, "MAX_INPUTS", 10):
        kept = rules.merge_inputs(parts)
        assert kept.group_by("group").len().sort("group").rows() == [("x", 10), ("y", 1)]
        assert kept.equals(rules.merge_inputs(parts[::-1]))
        assert kept["time"].max() <= START + dt.timedelta(seconds=1)


def test_reach_is_the_length_of_a_chain() -> None:
    inner = correlation("k", "event_count", "a", **COUNT)
    rules = ruleset(
        inner, correlation("d", "temporal", ["k", "b"], timespan="1h"), correlation("e", "event_count", "d", timespan="2d", **COUNT)
    )
    assert rules.reach == dt.timedelta(days=2, hours=1, seconds=10)
    assert ruleset().reach == dt.timedelta(0)


def test_names_of_the_same_file_go_first(tmp_path: Path) -> None:
    def file(name: str, *documents: Record) -> None:
        (tmp_path / f"{name}.yml").write_text(yaml.safe_dump_all(documents, sort_keys=False), "utf-8")

    other = BASE[1] | {"name": "a"}
    file("one", BASE[0], correlation("k", "event_count", "a", **COUNT))
    file("two", other, correlation("d", "event_count", "a", **COUNT))
    file("three", correlation("e", "event_count", "a", **COUNT), correlation("f", "event_count", "id-a", **COUNT))
    rules = Ruleset.load([tmp_path], builtin=False, cache=tmp_path / "cache")
    (refused,) = rules.rejected
    assert (refused.rule, refused.line) == ("e", 1) and "name of several rules" in refused.reason
    events = frame([at(1, "b"), at(2, "b")])
    again = Ruleset.load([tmp_path], builtin=False, cache=tmp_path / "cache")
    for one in (rules, again):
        assert told_by(one, events) == ["d"]
    assert again.silent == rules.silent == {"id-a", "id-b"}


def told_by(rules: Ruleset, events: pl.DataFrame) -> list[str]:
    return rules.correlate(rules.observe(events)[1])["rule"].to_list()


def test_inputs_of_an_earlier_version_of_a_rule_are_not_its_own() -> None:
    one = ruleset(correlation("k", "event_count", "a", group_by=["g"], **COUNT))
    two = ruleset(correlation("k", "event_count", "a", group_by=["h"], **COUNT))
    assert two.correlate(one.observe(frame([at(1, "a", g="x"), at(2, "a", g="x")]))[1]).height == 0


GOOD: Record = {"type": "event_count", "rules": ["a"], "timespan": "10s", "condition": {"gte": 2}}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "event_sum"}, "correlation type"),
        ({"type": ["event_count"]}, "correlation type"),
        ({"rules": None}, "names no rules"),
        ({"rules": []}, "names no rules"),
        ({"rules": {"a": 1}}, "rules to be a text"),
        ({"rules": ["a", "a"]}, "each once"),
        ({"rules": ["a", 7]}, "rules to be a text"),
        ({"rules": ["nosuch"]}, "'nosuch', which is not the id or name"),
        ({"rules": ["k"]}, "refers to itself: k -> k"),
        ({"timespan": None}, "a timespan such as"),
        ({"timespan": 10}, "a timespan such as"),
        ({"timespan": "0s"}, "a timespan such as"),
        ({"timespan": "-5m"}, "a timespan such as"),
        ({"timespan": "5 minutes"}, "a timespan such as"),
        ({"timespan": "9" * 30 + "d"}, "a timespan such as"),
        ({"timespan": "2M"}, "at most 31 days"),
        ({"condition": None}, "a condition such as"),
        ({"condition": {}}, "a condition with one of"),
        ({"condition": {"gte": "many"}}, "gte to be a number"),
        ({"condition": {"gte": True}}, "gte to be a number"),
        ({"condition": {"gte": float("nan")}}, "gte to be a number"),
        ({"condition": {"gte": 10**400}}, "gte to be a number"),
        ({"condition": {"over": 3}}, "a condition of gt"),
        ({"condition": {"gte": 2, "field": "v"}}, "takes no field"),
        ({"condition": {"gte": 2, "percentile": 5}}, "no other type, takes a percentile"),
        ({"condition": "a"}, "a condition such as"),
        ({"condition": {"lt": 1}}, "can't hold"),
        ({"condition": {"eq": 2.5}}, "can't hold"),
        ({"condition": {"gt": 3, "lt": 3}}, "can't hold"),
        ({"condition": {"gte": 100_001}}, "can't hold"),
        ({"type": "value_count"}, "with a field"),
        ({"type": "value_sum", "condition": {"gte": 1, "field": ["u", "v"]}}, "one field"),
        ({"type": "value_percentile", "condition": {"gte": 1, "field": "v"}}, "takes a percentile"),
        ({"type": "value_percentile", "condition": {"gte": 1, "field": "v", "percentile": 101}}, "from 0 to 100"),
        ({"type": "temporal", "condition": {"gte": 2}}, "from 1 to 1 rules"),
        ({"type": "temporal", "condition": "a and"}, "lacks the name"),
        ({"type": "temporal", "condition": "(a"}, "closing bracket"),
        ({"type": "temporal", "condition": "a b"}, "can't be read from 'b'"),
        ({"type": "temporal", "condition": "b"}, "name different rules"),
        ({"type": "temporal", "condition": "(" * 1_000 + "a"}, "brackets"),
        ({"type": "temporal_ordered", "rules": ["a", "b"], "condition": "a or b"}, "only `and` joins"),
        ({"group-by": "g", "aliases": {"g": {"b": "x"}}}, "names no field of rule 'a'"),
        ({"aliases": {"g": {"a": "x", "b": "y"}}}, "aliases name 'b'"),
        ({"aliases": {"g": "x"}}, "aliases that map"),
        ({"aliases": [1]}, "aliases that map"),
        ({"group-by": [1]}, "group-by to be a text"),
        ({"group-by": [f"f{n}" for n in range(99)]}, "at most 16 group-by"),
        ({"generate": "yes"}, "generate to be true or false"),
        ({"window": "tumbling"}, "a correlation of type"),
    ],
)
def test_what_can_not_be_evaluated_is_listed(change: dict[str, Any], reason: str) -> None:
    section = {key: value for key, value in (GOOD | change).items() if value is not None}
    document = {"title": "k", "id": "k", "correlation": section}
    good = correlation("good", "event_count", "a", **COUNT)
    content = yaml.safe_dump_all([*BASE, document, good], sort_keys=False)
    rules = Ruleset(compile_files([("r.yml", content.encode())]))
    (refused,) = rules.rejected
    assert reason in refused.reason and (refused.path, refused.rule) == ("r.yml", "k")
    assert content.splitlines()[refused.line - 1] == "title: k"
    assert [rule.id for rule in rules.rules] == ["id-a", "id-b", "id-c", "good"]


def test_a_numeric_correlation_over_a_correlation_has_no_meaning() -> None:
    over = correlation("d", "value_sum", "k", condition={"gte": 1, "field": "v"})
    (refused,) = ruleset(correlation("k", "event_count", "a", **COUNT), over).rejected
    assert "has no number of its own" in refused.reason


def test_circles_and_what_stands_on_them_are_listed() -> None:
    over = {"x": "y", "y": "z", "z": "x", "w": "x", "v": "w"}
    rules = ruleset(*(correlation(name, "event_count", below, **COUNT) for name, below in over.items()))
    reasons = {refused.rule: refused.reason for refused in rules.rejected}
    assert reasons.keys() == over.keys() and rules.silent == frozenset()
    assert "itself: x -> y -> z -> x" in reasons["x"] and "refer to themselves" in reasons["v"]


def test_chains_end() -> None:
    names = ["a", *(f"c{number}" for number in range(600))]
    rules = ruleset(*(correlation(name, "event_count", below, **COUNT) for below, name in itertools.pairwise(names)))
    assert len(rules.rules) - len(BASE) == MAX_DEPTH + 1
    assert len(rules.rejected) == 600 - MAX_DEPTH - 1 and f"more than {MAX_DEPTH} deep" in rules.rejected[0].reason


def test_what_stands_on_a_refused_correlation_is_refused() -> None:
    rules = ruleset(correlation("k", "event_count", "nosuch", **COUNT), correlation("d", "event_count", "k", **COUNT))
    assert {refused.rule: "'k', which is not evaluated" in refused.reason for refused in rules.rejected} == {"k": False, "d": True}


def test_a_field_that_no_log_of_the_rule_has() -> None:
    log = {"category": "dns"}
    base = {"title": "d", "id": "d", "logsource": log, "detection": {"s": {"query": "x"}, "condition": "s"}}
    rules = ruleset(base, correlation("k", "event_count", "d", group_by=["nosuch"], **COUNT))
    if not rules.rejected:  # a mapping of the user's own may have any field
        assert told(rules, []).height == 0
    else:
        assert "has the field nosuch" in rules.rejected[0].reason


def test_a_deprecated_rule_below() -> None:
    old = {"title": "o", "id": "o", "status": "deprecated", "logsource": LOG, "detection": {"s": {"kind": "a"}, "condition": "s"}}
    reasons = [refused.reason for refused in ruleset(old, correlation("k", "event_count", "o", **COUNT)).rejected]
    assert "deprecated" in reasons[0] and "'o', which is not the id or name of a rule that is evaluated" in reasons[1]


def _sudo(second: int, user: str) -> str:
    return f"{(START + dt.timedelta(seconds=second)).isoformat()} host{user} sudo[1]: {user} : user NOT in sudoers ; COMMAND=/bin/sh\n"


def test_a_scan_in_steps_correlates_across_them(tmp_path: Path) -> None:
    """What an earlier scan concluded is known to the next; a hit is told once; a state read at once tells the same."""
    base = {
        "title": "b",
        "id": "b",
        "logsource": {"product": "linux", "service": "sudo"},
        "detection": {"k": ["NOT in sudoers"], "condition": "k"},
    }
    files = {"one.log": [_sudo(0, "ann"), _sudo(5, "ann"), _sudo(50, "bob")], "two.log": [_sudo(8, "ann"), _sudo(300, "eve")]}
    for name, lines in files.items():
        (tmp_path / name).write_text("".join(lines))
    rules = Ruleset(
        compile_files(
            [("r.yml", yaml.safe_dump_all([base, correlation("k", "event_count", "b", condition={"gte": 3}, timespan="10s")]).encode())]
        )
    )
    assert not rules.rejected
    config = Config(calibrate=Calibrate(rule_min_bits=0.0))
    told_: list[list[tuple[int, str, str]]] = []
    with Ledger.open(":memory:") as ledger:
        for paths in ([tmp_path / "one.log"], [tmp_path / "two.log"], [tmp_path]):
            scan(paths, ledger, rules, config, Stats())
            told_.append([(f.n_events, f.detector, f.entity) for f in ledger.findings() if f.detector.startswith("sigma:")])
    with Ledger.open(":memory:") as ledger:
        scan([tmp_path], ledger, rules, config, Stats())
        at_once = [(f.n_events, f.detector, f.entity) for f in ledger.findings() if f.detector.startswith("sigma:")]
    assert told_ == [[], [(3, "sigma:k", "host:hostann")], [(3, "sigma:k", "host:hostann")]]
    assert at_once == told_[-1]


def test_events_of_a_chain_count_from_the_moment_they_were_found() -> None:
    """The inner rule groups by nothing, the outer by user: each event of an inner hit stands for its own user, once the hit is seen."""
    inner = correlation("k", "event_count", "a", **COUNT)
    rules = ruleset(inner, correlation("o", "temporal_ordered", ["k", "b"], group_by=["user"], timespan="5s"))
    tries = [at(0, "a", user="u1"), at(8, "a", user="u2")]
    assert spans(told(rules, [*tries, at(12, "b", user="u1")])) == [(0, 12, 2)], "found at 8, although tried at 0"
    assert spans(told(rules, [*tries, at(12, "b", user="u2")])) == [(8, 12, 2)]
    assert told(rules, [*tries, at(4, "b", user="u1")]).height == 0, "nothing was found yet"
    assert told(rules, [*tries, at(14, "b", user="u1")]).height == 0, "too late"
    assert told(rules, [*tries, at(12, "b", user="u3")]).height == 0


def test_event_count_over_a_correlation_counts_its_hits() -> None:
    rules = ruleset(
        correlation("k", "event_count", "a", timespan="2s", **COUNT), correlation("o", "event_count", "k", timespan="1h", **COUNT)
    )
    assert told(rules, [at(n, "a") for n in range(10)]).height == 0, "one hit"
    assert spans(told(rules, [at(n, "a") for n in (0, 1, 20, 21)])) == [(0, 21, 4)]
