"""The specialist `lateral`: switched accounts and the way to them, among people, admins, services and machines that just do their work."""

import random
from functools import cache

import polars as pl
import pytest

from nonself.baseline import rareness
from nonself.core.events import conform
from nonself.detect import detectors, names

LATERAL = {detector.name: detector for detector in detectors()}["logon-with-switched-account"]
START, HOUR, DAY = 1_709_510_400, 3_600, 86_400
SERVERS = ["mail", "files", "wiki", "erp", "build", "db1", "db2", "dc1"]


def logon(user, source, target, at):
    """A network logon as Windows tells it: where it comes from by address, or None for a logon at the machine itself."""
    return {"user": user, "src_ip": source, "host": target, "time": int((START + at) * 1e6), "op": "4624", "logon_type": 3 if source else 2}


def events(rows):
    base = {"class_uid": 3002, "activity_id": 1, "status_id": 1}
    frame = pl.DataFrame([{**base, **row, "uid": f"{i}"} for i, row in enumerate(rows)], infer_schema_length=None)
    return conform(frame.with_columns(pl.col("time").cast(pl.Datetime("us", "UTC"))))


@cache
def company(days=15, people=25):
    """People at their workstations and on servers, two admins at a jump host, a backup service, machine accounts; new edges every day."""
    rng = random.Random(6)
    rows = []
    for day in range(days):
        for p in range(people):
            ws, address = f"ws{p}", f"10.0.0.{20 + p}"
            hours = sorted(rng.sample(range(8, 18), 5))
            rows.append(logon(f"u{p}", None, ws, day * DAY + hours[0] * HOUR))
            rows += [logon(f"ws{p}$", address, "dc1", day * DAY + h * HOUR) for h in (7, hours[2])]
            rows += [logon(f"u{p}", address, rng.choice(SERVERS[: 2 + p % 3]), day * DAY + h * HOUR + 60) for h in hours]
            if rng.random() < 0.1:  # somebody needs a server for the first time
                rows.append(logon(f"u{p}", address, rng.choice(SERVERS[4:7]), day * DAY + hours[3] * HOUR + 90))
        rows.append(logon("jump$", "10.0.1.9", "dc1", day * DAY + 6 * HOUR))
        for admin in ("adm-kim", "adm-lee"):
            rows.append(logon(admin, None, "jump", day * DAY + 9 * HOUR))
            rows += [
                logon(admin, "10.0.1.9", rng.choice([*SERVERS, *(f"ws{p}" for p in range(people))]), day * DAY + h * HOUR)
                for h in range(9, 17)
            ]
        rows += [logon("svc-backup", "10.0.1.7", s, day * DAY + 2 * HOUR) for s in SERVERS]
    return rows


def found(rows):
    """Rows of the scores with their reasons, the odd ones first; everything learnt before."""
    whole = events(rows)
    scores = LATERAL.score(whole, LATERAL.learn(whole), included=True).sort("score", descending=True)
    told = LATERAL.explain(scores)
    assert all(sum(r.bits for r in reasons) == pytest.approx(score, abs=1e-9) for score, reasons in zip(scores["score"], told, strict=True))
    return scores, dict(zip(scores["_what"], told, strict=False))


STOLEN = logon("adm-kim", "10.0.0.23", "files", 14 * DAY + 15 * HOUR)
CAME = logon("svc-backup", "10.0.0.31", "ws3", 14 * DAY + 12 * HOUR)


def test_a_stolen_account_is_first_and_a_new_edge_is_not():
    scores, told = found([*company(), STOLEN])
    assert scores["_what"][0] == "adm-kim logged on to files from 10.0.0.23" and scores["score"][0] > 5
    assert scores["score"][0] > 1.5 * scores["score"][1]
    assert "at home on ws3" in told[scores["_what"][0]][0].normal, "the address is known by its machine account"
    whole = events([*company(), STOLEN])
    delta = LATERAL.learn(whole)
    edges = _hours(delta)
    novelty = edges.with_columns(rareness.surprise(edges, delta)["bits"])
    mine = novelty.filter(pl.col("y") == "adm-kim", pl.col("x").str.contains("10.0.0.23"))["bits"].max()
    assert (novelty["bits"] > mine).sum() > 20, "by new edges alone it is one of many"


def _hours(delta):
    """The windows of a delta."""
    hours = pl.DataFrame({"slot": pl.Series(range(24), dtype=pl.UInt8)})
    met = delta.join(hours, how="cross").filter((pl.col("slots").cast(pl.Int64) // pl.lit(2).cast(pl.Int64).pow(pl.col("slot"))) % 2 == 1)
    return met.select("day", "slot", "y", "x")


def test_who_came_there_before_makes_it_odder():
    step = logon("u4", "10.0.0.23", "build", 14 * DAY + 15 * HOUR)
    alone, _ = found([*company(), step])
    after, told = found([*company(), step, CAME])
    name = "u4 logged on to build from 10.0.0.23"
    before, now = (s.filter(pl.col("_what") == name)["score"].item() for s in (alone, after))
    assert now >= before and told[name][2].seen.startswith("svc-backup logged on to ws3")


def test_work_is_no_step():
    scores, _ = found(company())
    assert scores["score"][0] < 5
    assert scores.filter(pl.col("_what").str.ends_with("from here"))["score"].max() == 0
    assert scores.filter(pl.col("_what").str.contains("from 10.0.1.9"))["score"].max() < 3, "two admins share a jump host"


def test_an_address_is_whose_machine_had_it_that_day():
    rows = [row for row in company() if not (row["user"] in ("u3", "ws3$") and row["time"] >= (START + 14 * DAY) * 1e6)]
    rows += [logon("ws4$", "10.0.0.23", "dc1", 14 * DAY + 8 * HOUR), logon("u4", "10.0.0.23", "mail", 14 * DAY + 9 * HOUR)]
    scores, _ = found(rows)
    assert scores.filter(pl.col("_what") == "u4 logged on to mail from 10.0.0.23")["score"].max() < 1


TICKET = {"user": "ann", "auth_protocol": "Kerberos", "src_ip": "10.0.0.8", "dst_ip": "10.0.0.1"}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"user": "Ann", "user_domain": "CORP", "src_ip": "10.0.0.8", "host": "FILES.corp.example"}, ("ann", "ip:10.0.0.8", "host:files")),
        ({"user": "ann@corp.example", "src_ip": "127.0.0.1", "host": "ws1"}, ("ann", "here", "host:ws1")),
        ({"user": "ann", "src_host": "WS1", "host": "ws1.corp.example"}, ("ann", "here", "host:ws1")),
        ({"user": "Administrator", "user_domain": "WS1", "host": "ws1"}, ("administrator@ws1", "here", "host:ws1")),
        ({"user": "SYSTEM", "host": "ws1"}, (None, "here", "host:ws1")),
        ({"op": "4648", "user": "ann", "tgt_user": "adm", "host": "ws1", "dst_host": "files"}, ("adm", "host:ws1", "host:files")),
        ({"op": "4769", **TICKET, "svc": "FS01$", "host": "dc1", "src_ip": "::ffff:10.0.0.8"}, ("ann", "ip:10.0.0.8", "host:fs01")),
        ({"op": "TGS", **TICKET, "svc": "cifs/fs01.corp.example"}, ("ann", "ip:10.0.0.8", "host:fs01")),
        ({"op": "AS", **TICKET, "svc": "krbtgt/CORP"}, ("ann", "ip:10.0.0.8", "ip:10.0.0.1")),
        ({"user": "ann", "auth_protocol": "NTLM", "src_ip": "10.0.0.8", "dst_host": "FS01"}, ("ann", "ip:10.0.0.8", "host:fs01")),
        ({"op": "accepted", "user": "ann", "src_ip": "10.0.0.8", "host": "web01"}, ("ann", "ip:10.0.0.8", "host:web01")),
    ],
)
def test_who_logs_on_from_where_to_where(said, told):
    event = conform(pl.DataFrame({name: [value] for name, value in {"uid": "u", **said}.items()}))
    found = event.select(names.expression(name).alias(name) for name in ("account", "logon_source", "logon_target"))
    assert found.row(0) == told


def test_a_stream_knows_who_came_in_the_same_batch():
    step = logon("u4", "10.0.0.23", "build", 14 * DAY + 15 * HOUR)
    history, news = events(company()), events([{**row, "session": "new"} for row in (CAME, step)])
    scores = LATERAL.score(news, LATERAL.learn(history))
    (way,) = (r[2] for r, what in zip(LATERAL.explain(scores), scores["_what"], strict=True) if what.startswith("u4"))
    assert way.seen.startswith("svc-backup logged on to ws3")
