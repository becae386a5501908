"""The campaigns: each leaves the records of its steps, in order and by the ways they may be led; what is listed is what there is."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from nonself.core import attack
from nonself.core.errors import UsageError
from nonself.lab import START
from nonself.lab.attacks import CAMPAIGNS, befall, parse
from nonself.lab.attacks.plan import VARIANTS
from nonself.lab.world.clock import DAY
from nonself.lab.world.company import build
from nonself.lab.world.write import Journal, Mark
from samples_lab import World


def _befall(folder: Path, attacks: str, seed: int = 7, days: int = 21) -> list[Mark]:
    """The truth of these campaigns alone, without anybody's ordinary life."""
    company, told = build(seed, 60, days, START), list[Mark]()
    journal = Journal(folder, seed, company.aws_account, told.extend)
    befall(company, journal, parse(attacks))
    journal.close(company.first // DAY + days + 30)
    return told


@pytest.fixture(scope="module")
def all_of_them(tmp_path_factory: pytest.TempPathFactory) -> list[Mark]:
    return _befall(tmp_path_factory.mktemp("attacks"), ",".join(CAMPAIGNS))


def test_there_are_a_dozen_of_known_techniques() -> None:
    assert len(CAMPAIGNS) >= 12
    for campaign in CAMPAIGNS.values():
        names = [step.name for step in campaign.plan]
        assert len(set(names)) == len(names) >= 5, campaign.name
        for step in campaign.plan:
            assert re.fullmatch(r"T\d{4}(\.\d{3})?", step.technique)
            assert attack.tactics(step.technique), f"{step.technique} is not in the ATT&CK table"


@pytest.mark.parametrize("name", list(CAMPAIGNS))
def test_every_step_leaves_records_in_the_order_of_the_plan(all_of_them: list[Mark], name: str) -> None:
    marks = [mark for mark in all_of_them if mark.name == name]
    plan = {step.name: number for number, step in enumerate(CAMPAIGNS[name].plan)}
    missing = plan.keys() - {mark.step for mark in marks}
    assert len(missing) <= 1, "records get lost, those of an attack too: one step of one record may vanish"
    first: dict[str, str] = {}
    for mark in marks:
        first[mark.step] = min(mark.time, first.get(mark.step, mark.time))
    begun = [plan[step] for step, _ in sorted(first.items(), key=lambda item: (item[1], plan[item[0]]))]
    out_of_order = sum(a > b for a, b in pairwise(begun))
    assert out_of_order <= 1, "a ticket may be asked for before its visit"
    assert {mark.technique for mark in marks} <= {step.technique for step in CAMPAIGNS[name].plan}


def test_they_use_different_sensors(all_of_them: list[Mark]) -> None:
    sources = {name: {mark.source for mark in all_of_them if mark.name == name} for name in CAMPAIGNS}
    assert {"okta", "m365"} <= sources["mfa-fatigue"]
    assert sources["cloud-key"] == sources["golden-saml"] == {"cloudtrail"}
    assert {"audit", "zeek/http", "zeek/ssl"} <= sources["webshell"]
    assert {"windows", "zeek/conn", "zeek/dns"} <= sources["dns-tunnel"]
    assert sources["oauth-consent"] == {"m365"}


def _span(marks: list[Mark]) -> tuple[datetime, float]:
    times = sorted(datetime.fromisoformat(mark.time) for mark in marks)
    return times[0], (times[-1] - times[0]).total_seconds() / 3600


def test_a_way_to_lead_changes_pace_noise_place_or_beginning(tmp_path: Path) -> None:
    ways = {way: _befall(tmp_path / way, f"kerberoasting:{way}") for way in VARIANTS if way != "overlap"}
    _, plain = _span(ways["plain"])
    assert _span(ways["slow"])[1] > 1.8 * plain
    steps = {way: Counter(mark.step for mark in marks) for way, marks in ways.items()}
    assert steps["noisy"]["who am i"] > 2 * steps["plain"]["who am i"]
    assert (_span(ways["early"])[0].date() - START).days < 6 <= (_span(ways["plain"])[0].date() - START).days
    admins = {one.machine.name for one in build(7, 60, 21, START).of("admin")}
    assert {mark.host for mark in ways["shared"] if mark.step == "who am i"} <= admins
    assert not {mark.host for mark in ways["plain"] if mark.step == "who am i"} & admins


def test_two_overlap_on_one_laptop(tmp_path: Path) -> None:
    marks = _befall(tmp_path, "ransomware,kerberoasting:overlap")
    hosts = [{m.host for m in marks if m.name == name and m.step == "document opened"} for name in ("ransomware", "kerberoasting:overlap")]
    days = [
        {m.time[:10] for m in marks if m.name == name and m.step == "document opened"} for name in ("ransomware", "kerberoasting:overlap")
    ]
    assert hosts[0] == hosts[1] and days[0] == days[1] and len(hosts[0]) == 1


def test_the_slow_one_moves_with_the_addresses_of_its_laptop(tmp_path: Path) -> None:
    """Over eleven days the address server gives the laptop others; what the intruder does comes from the address of the day."""
    world = World(tmp_path, people=40, days=21, activity=0.02, attack="slow-apt", seed=5)
    uids = {
        mark.key["uid"] for mark in world.marks if mark.kind == "campaign" and mark.source == "zeek/conn" and mark.host.startswith("LT-")
    }
    host = next(mark.host for mark in world.marks if mark.kind == "campaign" and mark.host.startswith("LT-"))
    leases = {(row["ts"].partition(".")[0], row["host_name"]): row["assigned_addr"] for row in world.zeek("dhcp")}
    owned = {(int(at) // 86_400, address) for (at, name), address in leases.items() if name == host}
    conns = [conn for conn in world.zeek("conn") if conn["uid"] in uids and conn["id.resp_p"] == "443"]
    assert len(conns) > 20
    assert all((int(float(conn["ts"])) // 86_400, conn["id.orig_h"]) in owned for conn in conns)


def test_wishes_are_parsed_and_mistakes_are_told() -> None:
    assert parse("none") == parse("") == ()
    assert [one.name for one in parse("webshell, insider:slow ,cloud-key:plain")] == ["webshell", "insider:slow", "cloud-key"]
    for wrong in ("web", "webshell:fast", "webshell,,"):
        with pytest.raises(UsageError, match=r"a campaign|a variant"):
            parse(wrong)


def test_the_list_of_the_command_is_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    from nonself.cli import main

    assert main(["lab", "attacks"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in (*CAMPAIGNS, *VARIANTS))


def test_the_command_writes_a_company(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from nonself.cli import main

    out, truth = tmp_path / "logs", tmp_path / "truth.jsonl"
    small = ["--people", "5", "--days", "2", "--activity", "0.05", "--attack", "none", "--start", "2026-05-04", "--quiet"]
    assert main(["lab", "make", "--out", str(out), "--truth", str(truth), *small]) == 0
    assert "records in" in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {date(2026, 5, day).isoformat() for day in (4, 5)}
    assert b'"campaign"' not in truth.read_bytes()
    assert main(["lab", "make", "--out", str(out), "--quiet"]) == 2


def test_the_demonstration_ends_with_a_queue_a_story_and_what_was_hidden(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from nonself.cli import main

    (tmp_path / "logs.unfinished").mkdir()
    (tmp_path / "logs.unfinished" / "left").touch()
    assert main(["demo", "--out", str(tmp_path), "--people", "6", "--activity", "0.01"]) == 0
    told = capsys.readouterr().out
    first = re.search(r"The first of them, as `nonself explain (inc-\w+)` tells it", told)
    assert first and told.index(first[1]) < first.start(), "the story is that of the queue's first incident"
    assert "the campaign document-to-cloud, " in told and "nightly backup (" in told
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert not (tmp_path / "logs.unfinished").exists()
