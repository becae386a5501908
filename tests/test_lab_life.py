"""What the generated company lives through: one action in all its logs, day and night, things that only look odd, and the hidden attack."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from nonself.lab.attacks import CAMPAIGNS
from nonself.lab.world import calendar, staff
from nonself.lab.world.company import EVER, build
from nonself.lab.world.travel import trip
from nonself.lab.world.triggers import TRIGGERS
from samples_lab import KINDS, Record, World

PEOPLE = 16
PLAN = CAMPAIGNS["document-to-cloud"].plan


class Life(World):
    """A company and all its records, parsed."""

    def __init__(self, base: Path) -> None:
        super().__init__(base, seed=11, people=PEOPLE, days=8, start=date(2026, 3, 2), activity=0.5)
        self.windows: list[Record] = self.json("windows")
        self.log = {log: self.zeek(log) for log in ("conn", "dns", "ssl", "ssh", "dhcp")}
        self.auth = self.text("linux")
        self.trail = self.json("cloudtrail")

    def sysmon(self, event: int) -> list[Record]:
        return [r for r in self.windows if r["EventID"] == event and r["Channel"].startswith("Microsoft-Windows-Sysmon")]

    def security(self, event: int) -> list[Record]:
        return [r for r in self.windows if r["EventID"] == event and r["Channel"] == "Security"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Life:
    return Life(tmp_path_factory.mktemp("life"))


def _travellers(world: Life) -> dict[str, str]:
    """Login -> laptop of whoever works from elsewhere on some day."""
    company = world.company
    return {p.login: p.machine.name for p in company.people if any(trip(company, p, day) for day in range(company.days))}


def _four(conn: dict[str, str]) -> tuple[str, str, str, str]:
    return conn["id.orig_h"], conn["id.orig_p"], conn["id.resp_h"], conn["id.resp_p"]


# ---- one action, all its records


def test_a_connection_is_seen_alike_by_its_machine_and_by_the_sensor(world: Life) -> None:
    seen = Counter((r["SourceIp"], r["SourcePort"], r["DestinationIp"], r["DestinationPort"]) for r in world.sysmon(3))
    managed = {machine.ip for machine in world.company.windows}
    wire = [conn for conn in world.log["conn"] if conn["id.orig_h"] in managed and conn["id.resp_p"] in ("443", "80", "445", "88", "3389")]
    assert len(wire) > 2_000
    missing = sum(_four(conn) not in seen for conn in wire)
    assert 0 <= missing < 0.002 * len(wire), "only lost records are missing"
    passed = {_four(conn) for conn in world.log["conn"]}
    office = [four for four in seen if four[0].startswith("10.20.")]
    assert sum(four not in passed for four in office) < 0.002 * len(office)


def test_a_click_has_its_name_its_handshake_and_its_size(world: Life) -> None:
    by_uid = {conn["uid"]: conn for conn in world.log["conn"]}
    answers: dict[tuple[str, str], str] = {(row["id.orig_h"], row["query"]): row["answers"] for row in world.log["dns"]}
    checked = lost = 0
    for ssl in world.log["ssl"]:
        conn = by_uid.get(ssl["uid"])
        if conn is None:
            lost += 1
            continue
        assert _four(conn) == _four(ssl) and conn["service"] == "ssl"
        if ssl["id.orig_h"].startswith("10.20.1"):
            assert answers.get((ssl["id.orig_h"], ssl["server_name"]), ssl["id.resp_h"]) == ssl["id.resp_h"]
            checked += 1
    assert checked > 2_000 and lost < 0.002 * len(world.log["ssl"])


def test_sysmon_asks_and_the_wire_asks(world: Life) -> None:
    here = Counter((r["Hostname"].partition(".")[0], r["QueryName"]) for r in world.sysmon(22))
    company, first = world.company, date(2026, 3, 2)
    days = [staff.on(company, day) for day in range(company.days)]
    name = {(day, machine.ip): machine.name for day, today in enumerate(days) for machine in today.windows}
    rows = [(datetime.fromtimestamp(float(row["ts"]), UTC).date().toordinal() - first.toordinal(), row) for row in world.log["dns"]]
    wire = Counter((name.get((day, row["id.orig_h"]), ""), row["query"]) for day, row in rows)
    abroad = {"", "dc01", "dc02", *_travellers(world).values()}
    checked = [key for key in wire if key[0] not in abroad]
    assert len(checked) > 500
    for key in checked:
        assert abs(here[key] - wire[key]) <= 2, key


def test_processes_are_born_once_and_their_parents_were_there(world: Life) -> None:
    born = Counter(r["ProcessGuid"] for r in world.sysmon(1))
    twice = [guid for guid, count in born.items() if count > 1]
    assert len(twice) < 10, "only records that arrived twice"
    ends = {r["ProcessGuid"]: r["UtcTime"] for r in world.sysmon(5)}
    for record in world.sysmon(1):
        assert re.fullmatch(r"\{[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}", record["ProcessGuid"])
        assert record["UtcTime"] <= ends.get(record["ProcessGuid"], "9999")
        if record["ParentProcessGuid"] in ends and not record["ParentImage"].endswith(("userinit.exe", "cmd.exe")):
            assert record["UtcTime"] <= ends[record["ParentProcessGuid"]][:16] + ":99", record


def test_a_network_logon_has_its_connection_and_its_end(world: Life) -> None:
    logons = [r for r in world.security(4624) if r["LogonType"] == "3"]
    ports = {(conn["id.orig_h"], conn["id.orig_p"]) for conn in world.log["conn"] if conn["id.resp_p"] == "445"}
    ended = {(r["Hostname"], r["TargetLogonId"]) for r in world.security(4634)}
    assert len(logons) > 300
    assert sum((r["IpAddress"], r["IpPort"]) not in ports for r in logons) <= 3
    assert sum((r["Hostname"], r["TargetLogonId"]) not in ended for r in logons) <= 3
    privileged = {(r["Hostname"], r["SubjectLogonId"]) for r in world.security(4672)}
    admins = [r for r in world.security(4624) if r["TargetUserName"].startswith("adm-")]
    assert admins and sum((r["Hostname"], r["TargetLogonId"]) not in privileged for r in admins) <= 1


def test_a_remote_shell_is_in_four_logs(world: Life) -> None:
    accepted = [re.search(r"Accepted publickey for (\S+) from (\S+) port (\d+)", line) for line in world.auth]
    shells = [match for match in accepted if match and match[2].startswith("10.20.")]
    ssh = {(row["id.orig_h"], row["id.orig_p"]) for row in world.log["ssh"] if row["auth_success"] == "T"}
    sysmon = {(r["SourceIp"], r["SourcePort"]) for r in world.sysmon(3) if r["DestinationPort"] == "22"}
    assert len(shells) > 4
    assert sum((m[2], m[3]) not in ssh or (m[2], m[3]) not in sysmon for m in shells) <= 2


# ---- day and night


def test_people_sleep_and_machines_do_not(world: Life) -> None:
    browsing: Counter[int] = Counter()
    working: Counter[int] = Counter()
    machines: Counter[int] = Counter()
    for record in world.sysmon(3):
        at = datetime.fromisoformat(record["UtcTime"])
        if record["Image"].endswith("chrome.exe"):
            browsing[at.weekday()] += 1
            working[at.hour] += 1
        elif record["Image"].endswith(("svchost.exe", "corvidsvc.exe", "MsMpEng.exe")):
            machines[at.hour] += 1
    day, night = sum(working[hour] for hour in range(9, 18)), sum(working[hour] for hour in (22, 23, 0, 1, 2, 3, 4, 5))
    assert day > 1_000 and night < 0.01 * day
    assert working[12] + working[13] < 0.8 * (working[10] + working[11]), "lunch"
    assert browsing[5] < 0.02 * browsing[1], "weekend"
    assert min(machines[hour] for hour in range(24)) > 10


def test_outside_names_are_zipf_and_new_ones_never_end(world: Life) -> None:
    visits = Counter(row["query"] for row in world.log["dns"] if row["rcode_name"] == "NOERROR")
    top = sum(count for _, count in visits.most_common(10))
    assert 0.2 < top / visits.total() < 0.85
    first: dict[str, int] = {}
    for row in world.log["dns"]:
        first.setdefault(row["query"], int(float(row["ts"])) // 86_400)
    friday = (date(2026, 3, 6) - date(1970, 1, 1)).days
    assert sum(day == friday for day in first.values()) > 10, "names first asked for on the day of the attack hide its own"


# ---- what only looks odd


def test_every_benign_trigger_and_attempt_happens(world: Life) -> None:
    rare = {"leaver", "patch night"}  # see the tests of the calendar and of staff
    for kind, others in (("benign trigger", {"travel", "new service"}), ("attempt", {"password guessing", "web probing"})):
        found = world.steps(kind)
        assert set(found) == ({trigger.name for trigger in TRIGGERS if trigger.kind == kind} | others) - rare
        assert all((mark.technique == "") == (kind == "benign trigger") for marks in found.values() for mark in marks)
    assert len(world.steps("benign trigger")["nightly backup"]) > 5 * 20


def test_the_calendar_knows_patch_nights_releases_and_month_ends() -> None:
    company = build(7, 15, 21, date(2026, 2, 23))
    days = range(company.days)
    dated = [date(2026, 2, 23).toordinal() + day for day in days]

    def dates(which: Any) -> list[str]:
        return [date.fromordinal(dated[day]).isoformat()[5:] for day in days if which(company, day)]

    assert dates(calendar.patch_day) == ["03-11"], "the day after the second Tuesday"
    assert dates(calendar.end_of_month) == ["02-26", "02-27"]
    assert len(dates(calendar.release_day)) in (1, 2)
    free = [day for day in days if not company.workday(day)]
    assert len(free) == 7 and dates(lambda company, day: company.workday(day) is False and day % 7 < 5) == ["03-12"]


def test_people_join_and_leave_laptops_and_addresses_change() -> None:
    company = build(7, 400, 60, date(2026, 2, 23))
    joiners = [p for p in company.people if p.joins >= 0]
    leavers = [p for p in company.people if p.leaves < EVER]
    assert 20 < len(joiners) < 90 and 20 < len(leavers) < 90
    before, after = staff.on(company, joiners[0].joins - 1), staff.on(company, joiners[0].joins)
    assert joiners[0].login not in {p.login for p in before.people} and joiners[0].login in {p.login for p in after.people}
    changed = next(p for p in company.people if p.swap < 50 and p.joins < 0 and p.leaves == EVER)
    names = [next(p.machine.name for p in staff.on(company, day).people if p.login == changed.login) for day in (0, changed.swap)]
    assert names[0] != names[1]
    for day in (0, 7, 40):
        addresses = [p.machine.ip for p in staff.on(company, day).people]
        assert len(set(addresses)) == len(addresses), "no two laptops share an address on one day"
    first, later = ({p.login: p.machine.ip for p in staff.on(company, day).people} for day in (0, 7))
    moved = [login for login in first.keys() & later.keys() if first[login] != later[login]]
    assert 0.1 < len(moved) / len(first) < 0.8


def test_the_scan_the_backup_and_the_roll_out_look_like_what_they_are(world: Life) -> None:
    scan = {mark.key["uid"] for mark in world.steps("benign trigger")["vulnerability scan"] if mark.source == "zeek/conn"}
    conns = [conn for conn in world.log["conn"] if conn["uid"] in scan]
    assert len({(conn["id.resp_h"], conn["id.resp_p"]) for conn in conns}) > 100
    assert {"REJ", "S0"} <= {conn["conn_state"] for conn in conns}
    big = [
        conn
        for conn in world.log["conn"]
        if conn["id.orig_h"] == "10.20.0.13" and conn["orig_bytes"].isdigit() and int(conn["orig_bytes"]) > 4e8
    ]
    assert len(big) >= 3 * 6 - 1, "the vault outside gets its share each night"
    installs = [r for r in world.windows if r["EventID"] == 7045 and r["ServiceName"] == "TesseraGuard"]
    assert len(installs) > PEOPLE // 2


def test_encoded_shells_and_new_keys_are_not_the_attack_alone(world: Life) -> None:
    encoded = [r for r in world.sysmon(1) if re.search(r"(?i) -e(nc|ncodedcommand) ", r["CommandLine"])]
    attack = {(m.key.get("Hostname"), m.key.get("RecordNumber")) for m in [mark for mark in world.marks if mark.kind == "campaign"]}
    assert sum((r["Hostname"], r["RecordNumber"]) not in attack for r in encoded) >= 3
    assert sum(r["eventName"] == "CreateAccessKey" for r in world.trail) == 2
    assert {r["Hostname"].partition(".")[0] for r in world.windows if r.get("ServiceName") == "PSEXESVC"} == {"db01", "fs01"}


def test_the_traveller_is_seen_from_elsewhere(world: Life) -> None:
    company = world.company
    who = next(p for p in company.people if p.login in _travellers(world) and p.role == "developer")
    calls = {r["sourceIPAddress"] for r in world.trail if r["userIdentity"].get("userName") == who.login}
    addresses = {r["SourceIp"] for r in world.sysmon(3) if r["Hostname"].startswith(who.machine.name + ".")}
    assert addresses == {who.machine.ip, "192.168.178.43"}
    assert company.egress in calls or not calls
    failed = Counter(r["TargetUserName"] for r in world.security(4625))
    assert failed.most_common(1)[0][1] >= 5, "somebody forgot a password"


# ---- the attack


def test_every_step_of_the_plan_left_a_record(world: Life) -> None:
    assert set(world.steps("campaign")) >= {step.name for step in PLAN} - _lost_at_most_one(world)
    assert 25 <= len(PLAN) <= 45
    quiet = [mark for mark in [mark for mark in world.marks if mark.kind == "campaign"] if mark.step != "orders asked for"]
    assert 60 <= len(quiet) <= 200
    assert len([mark for mark in world.marks if mark.kind == "campaign"]) < 0.03 * world.truth.events
    assert all(re.fullmatch(r"T\d{4}(\.\d{3})?", mark.technique) for mark in [mark for mark in world.marks if mark.kind == "campaign"])


def _lost_at_most_one(world: Life) -> set[str]:
    """Records get lost, those of the attack too: a step of one record may vanish, two would be suspicious."""
    missing = {step.name for step in PLAN} - set(world.steps("campaign"))
    assert len(missing) <= 1
    return missing


def test_the_attack_takes_a_day_and_a_half(world: Life) -> None:
    times = sorted(datetime.fromisoformat(mark.time) for mark in world.marks if mark.kind == "campaign")
    assert times[0].weekday() < 5 and (times[-1].date() - times[0].date()).days == 1
    assert 18 < (times[-1] - times[0]).total_seconds() / 3_600 < 36
    order = {step.name: number for number, step in enumerate(PLAN)}
    firsts = sorted((min(mark.time for mark in marks), order[name]) for name, marks in world.steps("campaign").items())
    assert [number for _, number in firsts] == sorted(number for _, number in firsts)


def test_the_timer_keeps_its_beat_and_its_jitter(world: Life) -> None:
    uids = {mark.key["uid"] for mark in world.steps("campaign")["orders asked for"] if mark.source == "zeek/ssl"}
    ticks = sorted(float(row["ts"]) for row in world.log["ssl"] if row["uid"] in uids)
    gaps = sorted(b - a for a, b in pairwise(ticks))
    assert 150 < len(ticks) < 260
    assert gaps[0] > 230 and gaps[-3] < 370 and gaps[len(gaps) // 2] == pytest.approx(300, abs=15)
    names = {row["server_name"] for row in world.log["ssl"] if row["uid"] in uids}
    others = {row["id.orig_h"] for row in world.log["ssl"] if row["server_name"] in names}
    assert len(names) == 1 and len(others) == 1


def test_what_leaves_is_large_and_who_enters_is_named(world: Life) -> None:
    steps = world.steps("campaign")
    uids = {mark.key["uid"] for mark in steps["upload"] if mark.source == "zeek/conn"}
    sent = sum(int(conn["orig_bytes"]) for conn in world.log["conn"] if conn["uid"] in uids)
    assert 1.2e9 < sent < 1.8e9
    entered = steps["server entered"]
    victim = steps["who am i"][0].host
    company = world.company
    address = next(person.machine.ip for person in company.people if person.machine.name == victim)
    numbers = {mark.key["RecordNumber"] for mark in entered if mark.source == "windows" and mark.host == "fs01"}
    logon = next(r for r in world.security(4624) if r["Hostname"].startswith("fs01.") and r["RecordNumber"] in numbers)
    assert logon["IpAddress"] == address and logon["TargetUserName"].startswith("adm-") and logon["LogonType"] == "3"


def test_the_stolen_key_comes_from_where_nobody_comes_from(world: Life) -> None:
    events = {mark.key["eventID"] for mark in [mark for mark in world.marks if mark.kind == "campaign"] if mark.source == "cloudtrail"}
    theirs = [r for r in world.trail if r["eventID"] in events]
    sources = {r["sourceIPAddress"] for r in theirs}
    assert len(sources) == 1
    assert not any(r["sourceIPAddress"] in sources for r in world.trail if r["eventID"] not in events)
    assert {"GetCallerIdentity", "ListBuckets", "GetObject", "CreateAccessKey"} <= {r["eventName"] for r in theirs}
    assert sum(r["eventName"] == "GetObject" for r in theirs) > 15


def test_the_attack_leaves_no_seam(world: Life) -> None:
    """Fields, their shapes and ports are made by the same hand for everybody."""
    marked = {
        (m.key["Hostname"], m.key["Channel"], m.key["RecordNumber"])
        for m in [mark for mark in world.marks if mark.kind == "campaign"]
        if m.source == "windows"
    }
    shapes: dict[bool, set[tuple[Any, ...]]] = {True: set(), False: set()}
    for record in world.windows:
        key = (record["Hostname"], record["Channel"], record["RecordNumber"]) in marked
        shapes[key].add((record["Channel"], record["EventID"], tuple(record), len(record.get("ProcessGuid", ""))))
    assert shapes[True] <= shapes[False]
    uids = {mark.key["uid"] for mark in [mark for mark in world.marks if mark.kind == "campaign"] if mark.source == "zeek/ssl"}
    ja3 = {row["ja3"] for row in world.log["ssl"] if row["uid"] in uids}
    assert ja3 <= {row["ja3"] for row in world.log["ssl"] if row["uid"] not in uids}
    events = {mark.key["eventID"] for mark in [mark for mark in world.marks if mark.kind == "campaign"] if mark.source == "cloudtrail"}
    agents = {r["userAgent"] for r in world.trail if r["eventID"] in events}
    assert agents <= {r["userAgent"] for r in world.trail if r["eventID"] not in events}


# ---- the real readers


def test_the_sources_read_every_record(world: Life) -> None:
    from nonself.sources import discover, read
    from nonself.sources.contract import Limits

    events: Counter[str] = Counter()
    for one in discover([world.out], Limits()):
        source, chunks = read(one, Limits())
        assert source is not None, one.origin
        for chunk in chunks:
            assert not chunk.dead, chunk.dead[:3]
            events[source.name] += chunk.events.height
            assert chunk.events["time"].null_count() == 0
    counts = world.truth.counts
    assert sum(events.values()) == world.truth.events
    of = {"windows-json": "windows", "syslog": "linux", "auditd": "audit", "okta": "okta", "m365-audit": "m365", "suricata": "eve"}
    assert all(events[source] == counts[kind] for source, kind in of.items())
    assert events["zeek"] == sum(count for kind, count in counts.items() if kind.startswith("zeek/")) and set(counts) == set(KINDS)
