"""Late events end in the incidents that their findings would have ended in had they come in time, and no incident is lost on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself import pipeline
from nonself.core.incident import Incident
from nonself.core.settings import Config, Rules
from nonself.core.stats import Stats
from nonself.detect.sigma import Ruleset
from nonself.incidents import queue
from nonself.ledger import Ledger

START = datetime(2026, 1, 5, tzinfo=UTC)
CONFIG = Config(rules=Rules(builtin=False))
HEAD = "time,name,ip,host,severity"
RULES, HOSTS = ("login", "shell", "sudo", "dump"), ("web", "db")


def rows(found: list[tuple[int, str, str]]) -> list[str]:
    """Ten days of a usual alert, and what `found` says: (minute, rule, host)."""
    usual = [(hour * 60 + 5, "login", host) for hour in range(0, 240, 4) for host in HOSTS]
    told = sorted({*usual, *found})
    address = {host: f"10.0.0.{n}" for n, host in enumerate(HOSTS, 1)}
    return [f"{START + timedelta(minutes=m):%Y-%m-%dT%H:%M:%SZ},Wazuh: {rule},{address[host]},{host},high" for m, rule, host in told]


ODD = st.tuples(st.integers(3 * 1440, 10 * 1440 - 1), st.sampled_from(RULES), st.sampled_from(HOSTS))


def plain(incidents: list[Incident]) -> list[Incident]:
    """What an incident is, without what became of it."""
    return [msgspec.structs.replace(i, merged=(), why="", rank=None) for i in incidents]


@given(st.lists(ODD, min_size=1, max_size=12), st.lists(ODD, min_size=1, max_size=6), st.randoms())
@settings(max_examples=8, deadline=None)
def test_late_events_end_where_they_belong(tmp_path_factory, found, late, draw) -> None:  # type: ignore[no-untyped-def]
    folder: Path = tmp_path_factory.mktemp("late")
    first, last = rows(found), [row for row in rows(found + late) if row not in rows(found)]
    draw.shuffle(last)
    with Ledger.open(":memory:") as ledger:
        for number, part in enumerate((first, last)):
            before = ledger.incidents()
            (folder / f"{number}.csv").write_text("\n".join([HEAD, *part]) + "\n")
            pipeline.scan([folder / f"{number}.csv"], ledger, Ruleset.load([], builtin=False), CONFIG, Stats())
        after, findings = ledger.incidents(), ledger.findings()
    in_order = sorted(findings, key=lambda f: f.start)
    assert plain(after) == plain(queue(in_order, (), (), CONFIG)), "the incidents of the same findings, sorted"
    told = {i.id for i in after} | {name for i in after for name in i.merged} | {name for i in after for name in i.why.split()}
    assert {i.id for i in before} <= {name.rstrip(",") for name in told}, "each is still there, or said to be part of another"
    assert sorted(f for i in after for f in i.findings) == sorted(f.id for f in findings)


def test_a_late_link_makes_two_incidents_one_and_says_so(tmp_path: Path) -> None:
    """A machine and an address are surprising each by itself, until what they have in common comes in, five days late."""
    at = 4 * 1440
    apart = [(at + n, rule, host) for host in HOSTS for n, rule in enumerate(RULES[1:])]
    link = [f"{START + timedelta(minutes=at + 3):%Y-%m-%dT%H:%M:%SZ},Wazuh: link {n},10.0.0.2,web,high" for n in range(3)]
    with Ledger.open(":memory:") as ledger:
        for name, part in (("apart", rows(apart)), ("link", link)):
            before = {i.id: i for i in ledger.incidents()}
            (tmp_path / f"{name}.csv").write_text("\n".join([HEAD, *part]) + "\n")
            pipeline.scan([tmp_path / f"{name}.csv"], ledger, Ruleset.load([], builtin=False), CONFIG, Stats())
        one = next(i for i in ledger.incidents() if i.merged)
    (gone,) = one.merged
    assert set(one.findings) > set(before[gone].findings) | set(before[one.id].findings) and gone != one.id
